"""A scored clip: its margin and its runner-up."""

import math

import pytest

from gmmaudio.evaluation import (
    ScoredClip,
)


def clip(i, label="a", predicted="a", **changed):
    known = {"source": None, "duration_s": None, "scores": {}, "probability": None, "repeat": 0, "unit": f"g{i}"}
    given = known | changed
    return ScoredClip(f"{i}", (f"{i}.wav",), label, None, fold="", predicted=predicted, **given)


def test_the_runner_up_is_the_best_of_the_others():
    scores = {"c": 0.0, "a": 3.0, "d": 1.0, "b": 1.0}
    assert clip(0, scores=scores).runner_up == "b", "of equals the first by name"
    assert clip(0, predicted="d", scores=scores).runner_up == "a"
    assert clip(0, scores={"a": 1.0}).runner_up is None
    assert clip(0, probability={"a": 0.5, "b": 0.1, "c": 0.4}).runner_up == "c"


def test_a_margin_is_in_score_or_in_log_probability():
    assert clip(0, "a", "b", scores={"a": 1.0, "b": 3.5}).margin == 2.5
    assert clip(0, "a", "b", probability={"a": 0.2, "b": 0.8}).margin == pytest.approx(math.log(4))
    assert clip(0, "z", "b", scores={"a": 1.0, "b": 3.5}).margin == math.inf
    assert clip(0, "a", "b", probability={"a": 0.0, "b": 1.0}).margin == math.inf
    assert math.isnan(clip(0).margin)
