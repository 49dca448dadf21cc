r"""Names of segments as formats write them that have one field for a name, and the way back.

A status stands in brackets, ``[unknown]`` or ``[silence]``, and a label as it is. What a format cannot hold, or what
would be read as something else, becomes an escape of Python, such as ``\x09`` for a tab: control characters, line
separators, marks that turn the direction of text, halves of surrogate pairs, the backslash itself, a bracket with which
a label begins, and blanks at its ends. Escapes are read back, so different names stay different.
"""

from __future__ import annotations

import re

from gmmaudio.timelines.segments import STATUSES, TimelineSegment

# control characters, separators of lines and paragraphs, marks of direction, surrogates, what is no character, and
# the sign of an escape: XML 1.0 has none of them but C1 and the marks
_ALWAYS = (
    "\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff\\\\"
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(\\)|(-))")
# a name without characters
_EMPTY = "\\-"
# names of statuses where a field holds names alone
WRITTEN_STATUS = {status: f"[{status}]" for status in STATUSES if status != "ok"}
_STATUS_OF = {written: status for status, written in WRITTEN_STATUS.items()}


def escape_name(name: str, also: str = "") -> str:
    r"""Return a name without characters that a format cannot hold.

    Parameters
    ----------
    name : str
        A label or a path.
    also : str
        More characters to escape, as within the brackets of a regular expression.

    Examples
    --------
    >>> print(escape_name("hip\thop"), escape_name("hip hop", " "), escape_name("[unknown]"))
    hip\x09hop hip\x20hop \x5bunknown]
    """
    if not name:
        return _EMPTY
    pattern = rf"[{_ALWAYS}{also}]|\A\[|\A\s|\s\Z"
    return re.sub(pattern, lambda match: _escaped(match.group()), name)


def unescape_name(text: str) -> str:
    r"""Return the name that :func:`escape_name` was given; other backslashes stay as they are.

    Parameters
    ----------
    text : str
        A written name.

    Examples
    --------
    >>> unescape_name(r"hip\x20hop"), unescape_name("b\\m")
    ('hip hop', 'b\\m')
    """
    return _ESCAPE.sub(_character, text)


def written_name(segment: TimelineSegment, also: str = "") -> str:
    r"""Return the name of a segment for a format that has one field for it.

    Parameters
    ----------
    segment : TimelineSegment
        Any segment.
    also : str
        As for :func:`escape_name`.

    Examples
    --------
    >>> print(written_name(TimelineSegment(0, 1, None, "unknown")), written_name(TimelineSegment(0, 1, "unknown")))
    [unknown] unknown
    """
    return WRITTEN_STATUS[segment.status] if segment.label is None else escape_name(segment.label, also)


def status_and_label(text: str) -> tuple[str, str | None]:
    r"""Return the status and the label that a written name stands for.

    Parameters
    ----------
    text : str
        A name as :func:`written_name` returns it.

    Examples
    --------
    >>> status_and_label("[silence]"), status_and_label("fr")
    (('silence', None), ('ok', 'fr'))
    """
    status = _STATUS_OF.get(text)
    return ("ok", unescape_name(text)) if status is None else (status, None)


def _escaped(character: str) -> str:
    """Return the escape of a character."""
    code = ord(character)
    if character == "\\":
        return "\\\\"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _character(match: re.Match[str]) -> str:
    """Return the character of an escape; the escape itself where it has none."""
    code = match[1] or match[2] or match[3]
    if code is None:
        return match[4] or ""
    return chr(int(code, 16)) if int(code, 16) < 0x110000 else match.group()
