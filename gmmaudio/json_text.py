"""JSON text: written so that it is always valid, and read from an unknown hand."""

from __future__ import annotations

import json
import math
import numbers
from collections import Counter
from collections.abc import Mapping
from typing import Any

from gmmaudio.values import shown

# lists and objects that may lie within one another
MAX_DEPTH = 32


def to_json(value: object, **layout: Any) -> str:
    """Return plain values as JSON text: always valid, with null for a number that is not finite.

    Parameters
    ----------
    value : object
        Dictionaries, lists, tuples and scalars, also those of numpy; anything else is written as text.
    **layout
        As for :func:`json.dumps`.

    Examples
    --------
    >>> to_json({"loss": math.nan, "n": 3})
    '{"loss": null, "n": 3}'
    """
    try:
        return json.dumps(value, default=_plain, allow_nan=False, **layout)
    except ValueError:
        return json.dumps(_without_infinities(value), default=_plain, allow_nan=False, **layout)


def from_json(text: str | bytes) -> Any:
    """Return the plain values of JSON text from an unknown hand.

    Parameters
    ----------
    text : str or bytes
        The text.

    Raises
    ------
    ValueError
        If it is no JSON, holds NaN, infinity or a number too large, a key twice, or more than 32 lists or objects
        within one another.

    Examples
    --------
    >>> from_json('{"n": 1, "n": 2}')
    Traceback (most recent call last):
    ValueError: the key 'n' is there twice
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_distinct)
    except RecursionError as error:
        raise ValueError(f"more than {MAX_DEPTH} lists or objects lie within one another") from error
    if depth_of(value) > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} lists or objects lie within one another")
    return value


def depth_of(value: object) -> int:
    """Return the number of dictionaries and lists that lie within one another, 0 for a scalar.

    Parameters
    ----------
    value : object
        Plain values, as JSON gives them.

    Examples
    --------
    >>> depth_of({"a": [1, [2]]})
    3
    """
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list | tuple)]:
        depth += 1
        level = [part for each in level for part in (each.values() if isinstance(each, dict) else each)]
    return depth


def _refuse_constant(word: str) -> Any:
    """Raise ValueError: NaN and Infinity are no JSON."""
    raise ValueError(f"{word} is no JSON number")


def _finite(text: str) -> float:
    """Return a number; raise ValueError where it is too large to be one."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:30]} is too large a number")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's keys and values; raise ValueError where a key is there twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {shown(key)} is there twice")
    return values


def _plain(value: Any) -> Any:
    """Return a value that JSON does not have as one that it has: a scalar of numpy as a number, all else as text."""
    if isinstance(value, numbers.Integral):
        return int(value)
    return _finite_or_none(float(value)) if isinstance(value, numbers.Real) else str(value)


def _finite_or_none(value: float) -> float | None:
    """Return a number as JSON has it."""
    return value if math.isfinite(value) else None


def _without_infinities(value: Any) -> Any:
    """Return plain values with None for every number that is not finite."""
    if isinstance(value, Mapping):
        return {key: _without_infinities(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(each) for each in value]
    return _finite_or_none(value) if isinstance(value, float) else value
