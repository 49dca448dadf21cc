"""JSON text that is always valid, and JSON from an unknown hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.json_text import depth_of, from_json, to_json

NAN, INF = float("nan"), float("inf")


def test_numbers_that_json_does_not_have_are_null():
    value = {"a": [NAN, INF, -INF, 1.5], "b": (np.float32(NAN), np.float64(INF), np.int64(3)), "c": {"d": -INF}}
    read = json.loads(to_json(value), parse_constant=pytest.fail)
    assert read == {"a": [None, None, None, 1.5], "b": [None, None, 3], "c": {"d": None}}


def test_what_json_does_not_have_is_text():
    assert json.loads(to_json({"path": Path("a"), "big": 10**30})) == {"path": "a", "big": 10**30}
    assert to_json({"b": 1, "a": "ü"}, sort_keys=True, ensure_ascii=False) == '{"a": "ü", "b": 1}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NaN", "NaN is no JSON number"),
        ('{"a": [-Infinity]}', "-Infinity is no JSON number"),
        ("1e999", "1e999 is too large a number"),
        ('{"a": 1, "b": 2, "a": 1}', "the key 'a' is there twice"),
        ('[{"x": {"": 1, "": 2}}]', "the key '' is there twice"),
        ("[" * 33 + "]" * 33, "more than 32 lists or objects"),
        ("[" * 200_000, "more than 32 lists or objects"),
        ("1" * 5000, "integer string conversion"),
        ("", "Expecting value"),
        (b"\xff", "decode"),
    ],
)
def test_json_that_would_surprise_a_reader_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        from_json(text)


def test_other_json_is_read():
    text = "[" * 30 + '{"a": 1e308, "b": [1, null, true]}' + "]" * 30
    assert from_json(text) == json.loads(text)
    assert depth_of(from_json(text)) == 32
