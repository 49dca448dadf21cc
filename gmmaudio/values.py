"""Values as the types that annotations name: arguments, settings and what files hold, converted or refused."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import math
import numbers
import os
import reprlib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from gmmaudio.errors import SettingError

P = ParamSpec("P")
T = TypeVar("T")

# types that are not classes of this package, in words
WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    str: "a string",
    dict: "names and values",
    type(None): "None",
    "Cluster": "a gmmaudio.compute.Cluster",
    "Corpus": "a corpus that read_corpus gives",
    "Model": "a model that load_model or train gives",
    "Progress": "a function such as gmmaudio.compute.quiet",
    "Recipe": "the settings that make_recipe gives",
    "Report": "a report that evaluate or crossval gives",
}
# larger ones are no counts: they leave the range of the numeric libraries
MAX_WHOLE = 2**63 - 1
# characters of a value in a message
MAX_SHOWN = 200


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that first converts its arguments to their annotated types, see :func:`convert`.

    Parameters
    ----------
    function : callable
        Function with annotated parameters; those of types that cannot be checked are passed as they are.

    Examples
    --------
    >>> @checked
    ... def repeat(text: str, n: int) -> str:
    ...     return text * n
    >>> repeat("ab", "2")
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `n` is '2'; expected a whole number
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def with_converted(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = signature.bind(*args, **kwargs)
        hints = _hints(function)
        for name, value in bound.arguments.items():
            if name in hints and signature.parameters[name].kind is not inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = convert(f"`{name}`", value, hints[name])
        return function(*bound.args, **bound.kwargs)

    return with_converted


def convert_fields(record: Any, *, skip: Sequence[str] = (), mark: str = "") -> None:
    """Convert the fields of a frozen dataclass to their annotated types, see :func:`convert`.

    Parameters
    ----------
    record : dataclass
        Instance whose ``__post_init__`` calls this.
    skip : sequence of str
        Fields that are left as they are.
    mark : str
        Put around the names in messages: a backtick where they are parameters of a public function.

    Raises
    ------
    SettingError
        If a value is of another type.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Range:
    ...     low: float = 0.0
    ...     def __post_init__(self):
    ...         convert_fields(self)
    >>> Range(True)
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: low is True; expected a finite number
    """
    annotated: Any = type(record)
    for name, hint in _field_hints(annotated):
        if name not in skip:
            value = getattr(record, name)
            converted = convert(f"{mark}{name}{mark}", value, hint)
            if converted is not value:
                object.__setattr__(record, name, converted)


def convert_mapping(name: str, values: object, hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with exactly the given keys, each value of its type.

    Parameters
    ----------
    name : str
        Name of the mapping, for the message.
    values : object
        Value to convert.
    hints : mapping of str to type
        Type of every key.

    Raises
    ------
    SettingError
        If it is no mapping, a key is missing or unknown, or a value is of another type.

    Examples
    --------
    >>> convert_mapping("transform", {"n_features": 20}, {"n_features": int})
    {'n_features': 20}
    """
    if not isinstance(values, Mapping):
        raise SettingError(f"{name} is {shown(values)}; expected names and values")
    if set(values) != set(hints):
        raise SettingError(f"{name} has {shown(sorted(map(str, values)))}; expected {', '.join(hints) or 'nothing'}")
    return {key: convert(f"{name}.{key}", values[key], hint) for key, hint in hints.items()}


def convert(name: str, value: object, hint: Any) -> Any:
    """Return a value as the type that an annotation names.

    Scalars of numpy become those of Python; a bool is no number, and a number is finite. Whole numbers serve where a
    number is expected, and stay whole. Lists become tuples where the type is a tuple, and strings paths where it is
    Path. A type that cannot be checked, such as that of an array, takes every value.

    Parameters
    ----------
    name : str
        Name of the parameter or field, for the message.
    value : object
        Value that was given.
    hint : type
        Annotated type.

    Raises
    ------
    SettingError
        If the value is of another type: the message has the name, the value, and what is expected.

    Examples
    --------
    >>> convert("hops", [1, 2], tuple[int, ...])
    (1, 2)
    >>> convert("hops", [1, "2"], tuple[int, ...])
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: hops[1] is '2'; expected a whole number
    """
    try:
        return _converted(value, hint)
    except _WrongTypeError as error:
        place, value, hint = error.inner or ("", value, hint)
        expected = words_of(hint)
        if isinstance(value, int) and abs(value) > MAX_WHOLE and "number" in expected:
            expected += ", below 2**63"
        raise SettingError(f"{name}{place} is {shown(value)}; expected {expected}") from None


def words_of(hint: Any) -> str:
    """Return the type that an annotation names in words.

    Parameters
    ----------
    hint : type
        Annotated type.

    Examples
    --------
    >>> words_of(int | None)
    'a whole number, or None'
    """
    words = _CONTAINERS.get(get_origin(hint))
    if words is not None:
        return words[1](get_args(hint))
    name = getattr(hint, "__name__", str(hint))
    return "a path" if _is_path(hint) else WORDS.get(hint) or WORDS.get(name) or f"a {name}"


def shown(value: object) -> str:
    """Return a value as a message shows it: its repr, of which long parts are left out.

    Parameters
    ----------
    value : object
        Any value.

    Examples
    --------
    >>> shown("ab" * 100)
    "'abababababababababababababa...bababababababababababababab'"
    """
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxtuple, brief.maxlist, brief.maxdict = 3, 12, 12, 6
    brief.maxstring = brief.maxother = 60
    brief.maxlong = 80
    try:
        text = " ".join(brief.repr(value).split())
    except Exception:  # noqa: BLE001 - whatever an object's own repr raises
        return f"a {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


# stands for the place of a key itself
_KEY = object()


class _WrongTypeError(Exception):
    """A value of another type than expected, or an item of it: the place, the item and the type of the item."""

    def __init__(self, inner: tuple[str, object, Any] | None = None) -> None:
        super().__init__()
        self.inner = inner


@functools.cache
def _field_hints(annotated: Any) -> tuple[tuple[str, Any], ...]:
    """Return the name and the type of every field of a dataclass."""
    hints = _hints(annotated)
    return tuple((field.name, hints[field.name]) for field in fields(annotated))


@functools.cache
def _hints(annotated: Any) -> dict[str, Any]:
    """Return the types of the parameters of a function or of the fields of a class."""
    return get_type_hints(annotated)


def _converted(value: Any, hint: Any) -> Any:
    """Return a value as a type, or raise."""
    scalar = _SCALARS.get(hint)
    if scalar is not None or hint is Any:
        return value if scalar is None else scalar(value)
    container = _CONTAINERS.get(get_origin(hint))
    if container is not None:
        return container[0](value, get_args(hint))
    if _is_path(hint):
        _kept_if(value, isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str))
        return hint(value) if hint is Path else value
    if getattr(hint, "_is_protocol", False):
        return _kept_if(value, callable(value) or "__call__" not in vars(hint))
    return _kept_if(value, not isinstance(hint, type) or isinstance(value, hint))


def _as_one_of(value: Any, hints: Sequence[Any]) -> Any:
    """Return a value as the first of several types that it fits."""
    inner = None
    for hint in hints:
        try:
            return _converted(value, hint)
        except _WrongTypeError as error:
            inner = inner or error.inner
    raise _WrongTypeError(inner)


def _as_choice(value: Any, choices: Sequence[Any]) -> Any:
    """Return a value that is one of several."""
    return _kept_if(value, any(type(value) is type(choice) and value == choice for choice in choices))


def _as_tuple(value: Any, hints: Sequence[Any]) -> tuple[Any, ...]:
    """Return an iterable as a tuple of items of a type, or of one type each."""
    if isinstance(value, str | bytes | Mapping | os.PathLike) or not isinstance(value, Iterable):
        raise _WrongTypeError
    items = tuple(value)
    each = hints if _is_fixed(hints) else [hints[0]] * len(items)
    _kept_if(items, len(each) == len(items))
    return tuple(_item(i, item, hint) for i, (item, hint) in enumerate(zip(items, each, strict=True)))


def _as_mapping(value: Any, hints: Sequence[Any]) -> dict[Any, Any]:
    """Return a mapping with keys and values of a type each."""
    _kept_if(value, isinstance(value, Mapping))
    return {_item(_KEY, key, hints[0]): _item(key, each, hints[1]) for key, each in value.items()}


def _item(key: Any, value: Any, hint: Any) -> Any:
    """Return an item of a container as a type, or raise with its place: its key or index."""
    try:
        return _converted(value, hint)
    except _WrongTypeError as error:
        place = "" if key is _KEY else f"[{shown(key)}]"
        below, value, hint = error.inner or ("", value, hint)
        raise _WrongTypeError((place + below, value, hint)) from None


def _as_function(value: Any, _hints: Sequence[Any]) -> Any:
    """Return a value that can be called."""
    return _kept_if(value, callable(value))


def _union_words(hints: Sequence[Any]) -> str:
    """Return several types in words; text that may be a path is one."""
    paths = any(map(_is_path, hints))
    others = [words_of(hint) for hint in hints if not (_is_path(hint) or (paths and hint is str))]
    return ", or ".join([*(["a path"] if paths else []), *others])


def _tuple_words(hints: Sequence[Any]) -> str:
    """Return the items of a tuple in words: the plural of their type."""
    item = ", or ".join(dict.fromkeys(words_of(hint) for hint in hints if hint is not Ellipsis))
    items = [f"{each.removeprefix('a ').removesuffix('s')}s" for each in item.split(", or ")]
    return f"{len(hints) if _is_fixed(hints) else 'a list of'} {', or '.join(items)}"


def _is_fixed(hints: Sequence[Any]) -> bool:
    """Return whether the types of a container's items are those of a tuple of fixed length."""
    return len(hints) > 1 and Ellipsis not in hints


# origin of a type -> conversion of a value by the type's arguments, and these in words
_CONTAINERS: dict[Any, tuple[Callable[[Any, Sequence[Any]], Any], Callable[[Sequence[Any]], str]]] = {
    Union: (_as_one_of, _union_words),
    types.UnionType: (_as_one_of, _union_words),
    Literal: (_as_choice, lambda choices: "one of " + ", ".join(map(repr, choices))),
    tuple: (_as_tuple, _tuple_words),
    collections.abc.Sequence: (_as_tuple, _tuple_words),
    dict: (_as_mapping, lambda _: "names and values"),
    collections.abc.Mapping: (_as_mapping, lambda _: "names and values"),
    collections.abc.Callable: (_as_function, lambda _: "a function"),
}


def _as_flag(value: Any) -> bool:
    """Return a bool, also one of numpy."""
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise _WrongTypeError


def _as_whole(value: Any) -> int:
    """Return a whole number, also one of numpy."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or abs(int(value)) > MAX_WHOLE:
        raise _WrongTypeError
    return int(value)


def _as_number(value: Any) -> float:
    """Return a finite number, also one of numpy; a whole one stays whole."""
    if isinstance(value, numbers.Integral):
        return _as_whole(value)
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise _WrongTypeError
    return float(value)


def _as_text(value: Any) -> str:
    """Return text, also that of numpy."""
    if not isinstance(value, str):
        raise _WrongTypeError
    return str(value)


def _as_none(value: Any) -> None:
    """Return None, or raise."""
    if value is not None:
        raise _WrongTypeError


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    bool: _as_flag,
    int: _as_whole,
    float: _as_number,
    str: _as_text,
    type(None): _as_none,
}


def _kept_if(value: Any, fits: bool) -> Any:
    """Return a value that fits, or raise."""
    if not fits:
        raise _WrongTypeError
    return value


def _is_path(hint: Any) -> bool:
    """Return whether a type is that of a path."""
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, os.PathLike)
