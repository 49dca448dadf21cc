"""YAML at the head of a Markdown file, from plain values; every text is quoted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FENCE = "---"
# characters that YAML reads as something else, or not at all, unless they are escaped in double quotes
ESCAPED = re.compile('["\\\\\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]')
# keys that are plain words need no quotes
PLAIN_KEY = re.compile("[A-Za-z][A-Za-z0-9_-]*")
# words that YAML 1.1 reads as true, false or nothing
RESERVED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def front_matter(values: Mapping[str, Any]) -> str:
    r"""Return plain values as the YAML head of a Markdown file.

    Parameters
    ----------
    values : mapping of str to Any
        Texts, numbers, and lists and mappings of them; empty lists, and None, are left out.

    References
    ----------
    Ben-Kiki, Evans, dot Net, "YAML Ain't Markup Language" (2021), version 1.2.2, sections 5.7 and 7.3.1.

    Examples
    --------
    >>> print(front_matter({"license": "mit", "tags": ["a: b", "no"], "parts": [{"rank": 1, "name": "x\ny"}]}))
    ---
    license: "mit"
    tags:
    - "a: b"
    - "no"
    parts:
    - rank: 1
      name: "x\ny"
    ---
    """
    return "\n".join([FENCE, *_mapping_lines(values), FENCE])


def _mapping_lines(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a mapping."""
    for key, value in values.items():
        if value is None or (isinstance(value, Sequence | Mapping) and not value and value != ""):
            continue
        name = key if PLAIN_KEY.fullmatch(key) and key.lower() not in RESERVED else _text(key)
        if isinstance(value, Mapping):
            yield f"{name}:"
            yield from (f"  {line}" for line in _mapping_lines(value))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield f"{name}:"
            yield from _list_lines(value)
        else:
            yield f"{name}: {_scalar(value)}"


def _list_lines(values: Sequence[Any]) -> Iterator[str]:
    """Yield the lines of a list of scalars or mappings."""
    for value in values:
        if isinstance(value, Mapping):
            yield from (f"{'  ' if i else '- '}{line}" for i, line in enumerate(_mapping_lines(value)))
        else:
            yield f"- {_scalar(value)}"


def _scalar(value: Any) -> str:
    """Return a text, a number or a truth value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # YAML 1.1 wants a point in the mantissa, which repr leaves out of 1e-05
        return f"{value:.10f}".rstrip("0") + "0" * float(value).is_integer() if math.isfinite(value) else ".nan"
    return _text(str(value))


def _text(text: str) -> str:
    """Return a text in double quotes."""
    return '"' + ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    """Return a character as YAML escapes it; halves of surrogate pairs, which it cannot hold, as words."""
    character = match[0]
    if character in '"\\':
        return "\\" + character
    if "\ud800" <= character <= "\udfff":
        return f"\\\\u{ord(character):04x}"
    return {"\n": "\\n", "\t": "\\t"}.get(character, f"\\u{ord(character):04x}")
