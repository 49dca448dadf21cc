"""Values converted to their annotated types, or refused with the value, the place and what is expected."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from gmmaudio.compute import Progress, quiet
from gmmaudio.errors import SettingError
from gmmaudio.values import checked, convert, convert_fields, convert_mapping, shown

NAN, INF = float("nan"), float("inf")
PATH = str | os.PathLike[str]


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, int, 3),
        (np.int64(3), int, 3),
        (np.uint8(3), int, 3),
        (2**63 - 1, int, 2**63 - 1),
        (0.5, float, 0.5),
        (np.float64(0.5), float, 0.5),
        (np.float32(0.5), float, 0.5),
        (np.float16(0.5), float, 0.5),
        (Fraction(1, 2), float, 0.5),
        (2, float, 2),
        (np.int32(2), float, 2),
        (np.True_, bool, True),
        (False, bool, False),
        (np.str_("a"), str, "a"),
        (None, int | None, None),
        (np.int64(3), int | None, 3),
        ("loo", int | str, "loo"),
        ([1, np.int64(2)], tuple[int, ...], (1, 2)),
        (np.array([1.5, 2.0]), tuple[float, ...], (1.5, 2.0)),
        ((7, 1, 3, 7), tuple[int, int, int, int], (7, 1, 3, 7)),
        (iter(["a"]), Sequence[str], ("a",)),
        ({"a": np.float32(1)}, Mapping[str, float], {"a": 1.0}),
        ({"a": 1}, dict[str, Any], {"a": 1}),
        ("a", Literal["a", "b"], "a"),
        (Path("a"), PATH, Path("a")),
        ("a", PATH, "a"),
        (quiet, Progress, quiet),
        (len, Callable[[Any], int], len),
        (object, Any, object),
    ],
)
def test_a_value_that_fits_becomes_one_of_python(value, hint, expected):
    converted = convert("x", value, hint)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        (True, int, "x is True; expected a whole number"),
        (3.0, int, "x is 3.0; expected a whole number"),
        ("3", int, "x is '3'; expected a whole number"),
        (2**63, int, "x is 9223372036854775808; expected a whole number, below 2**63"),
        (2**300, int, "x is a whole number of 301 bits; expected a whole number, below 2**63"),
        (np.array([1, 2]), int, "x is array([1, 2]); expected a whole number"),
        (NAN, float, "x is nan; expected a finite number"),
        (np.float32(INF), float, f"x is {np.float32(INF)!r}; expected a finite number"),
        (2**300, float, "x is a whole number of 301 bits; expected a finite number, below 2**63"),
        (1j, float, "x is 1j; expected a finite number"),
        (False, float, "x is False; expected a finite number"),
        (1, bool, "x is 1; expected True or False"),
        (b"a", str, "x is b'a'; expected a string"),
        (5, int | None, None),
        ("5", int | None, "x is '5'; expected a whole number, or None"),
        ("ab", tuple[str, ...], "x is 'ab'; expected a list of strings"),
        (b"ab", tuple[int, ...], "x is b'ab'; expected a list of whole numbers"),
        ({"a": 1}, tuple[str, ...], "x is {'a': 1}; expected a list of strings"),
        ([1, [2]], tuple[int, ...], "x[1] is [2]; expected a whole number"),
        ([[1], [NAN]], tuple[tuple[float, ...], ...], "x[1][0] is nan; expected a finite number"),
        ((1, 2), tuple[int, int, int], "x is (1, 2); expected 3 whole numbers"),
        ({"a": "b"}, Mapping[str, float], "x['a'] is 'b'; expected a finite number"),
        ({1: 2.0}, Mapping[str, float], "x is 1; expected a string"),
        ([], Mapping[str, float], "x is []; expected names and values"),
        ("c", Literal["a", "b"], "x is 'c'; expected one of 'a', 'b'"),
        (5, PATH, "x is 5; expected a path"),
        (b"a", PATH, "x is b'a'; expected a path"),
        (None, PATH | None, None),
        (5, PATH | None, "x is 5; expected a path, or None"),
        (True, Progress, "x is True; expected a function such as gmmaudio.compute.quiet"),
        (5, Callable[[], None], "x is 5; expected a function"),
        (5, Path, "x is 5; expected a path"),
        (5, np.random.Generator, "x is 5; expected a Generator"),
    ],
)
def test_a_value_of_another_type_is_refused(value, hint, message):
    if message is None:
        assert convert("x", value, hint) is value
        return
    with pytest.raises(SettingError) as caught:
        convert("x", value, hint)
    assert str(caught.value) == message


@dataclass(frozen=True)
class Window:
    """A record with fields of several types."""

    length: int
    names: tuple[str, ...] = ()

    def __post_init__(self):
        convert_fields(self, mark="`")


def test_the_fields_of_a_record_are_converted():
    window = Window(np.int16(3), ["a"])
    assert (window.length, window.names) == (3, ("a",))
    assert type(window.length) is int
    with pytest.raises(SettingError, match=r"\A`names`\[0\] is 1; expected a string\Z"):
        Window(3, [1])


@checked
def joined(text: str, *, times: int = 1, **others: int) -> str:
    """Return text several times."""
    return text * times + str(others)


def test_the_arguments_of_a_function_are_converted():
    assert joined("a", times=np.int64(2), b=None) == "aa{'b': None}"
    assert joined.__name__ == "joined"
    with pytest.raises(SettingError, match=r"\A`times` is '2'; expected a whole number\Z"):
        joined("a", times="2")
    # a wrong name is what it is for every function
    with pytest.raises(TypeError, match="missing a required argument"):
        joined(times=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "m is None; expected names and values"),
        ({}, "m has []; expected a"),
        ({"a": 1, "b": 2}, "m has ['a', 'b']; expected a"),
        ({"a": "1"}, "m.a is '1'; expected a whole number"),
    ],
)
def test_a_mapping_has_exactly_its_keys(values, message):
    with pytest.raises(SettingError) as caught:
        convert_mapping("m", values, {"a": int})
    assert str(caught.value) == message


class Unprintable:
    """An object whose repr fails."""

    def __repr__(self):
        raise RuntimeError


def test_a_message_shows_any_value_in_one_short_line():
    for value in ("a" * 10_000, list(range(10_000)), Unprintable(), 10**5000, [[[[[1]]]]], "a\nb", np.zeros((9, 9))):
        for text in (shown(value), shown([value])):
            assert 0 < len(text) <= 200
            assert "\n" not in text
