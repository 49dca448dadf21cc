"""Reproduction of a report from its JSON, and the differences between two reports."""

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import CorpusError
from gmmaudio.pipeline.reproduction import differences


def test_a_difference_names_its_key_and_both_values():
    old = {
        "a": [1, 2.0],
        "b": {"c": None},
        "run": {"folds": [1], "root": "a"},
        "only": 0,
        "clips": [{"name": "x", "n": 1}],
    }
    new = {
        "a": [1, 2.5, 3],
        "b": {"c": "d"},
        "run": {"folds": [2], "root": "b"},
        "more": 0,
        "clips": [{"name": "x", "n": True}],
    }
    assert differences(old, new, 0.0) == [
        "a: 2 entries -> 3",
        "a[1]: 2.0 -> 2.5",
        "b.c: None -> d",
        "run.folds[0]: 1 -> 2",
        "only: only before",
        "more: only now",
    ]
    timed = [{"protocol": {"seed": seed, "began": str(seed), "seconds": seed}} for seed in (1, 2)]
    assert differences(*timed, 0.0) == ["protocol.seed: 1 -> 2"]
    assert differences({"a": 1.0}, {"a": 1.0 + 5e-7}, 1e-6) == []
    assert differences({"a": 10**400}, {"a": 1.0}, 1e-6) == [f"a: {10**400} -> 1.0"]
    assert differences({"a": 1.0}, {"a": 1.0 + 5e-6}, 1e-6) == ["a: 1.0 -> 1.000005"]


def test_a_report_without_a_run_is_refused():
    with pytest.raises(CorpusError, match="holds no run"):
        pipeline.reproduce({"run": {}})
