"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Interval = Sequence[float] | None


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    Parameters
    ----------
    heads : sequence of str
        Head of each column.
    rows : iterable of sequence of str
        The cells.

    Examples
    --------
    >>> print(table(["", "n"], [["genre", "90"]]), end="")
    | | n |
    |---|---|
    | genre | 90 |
    """
    lines = [list(heads), *rows]
    text = [_line(cells) for cells in lines]
    return "\n".join([text[0], "|---" * len(heads) + "|", *text[1:]]) + "\n"


def _line(cells: Sequence[str]) -> str:
    """Return one line of a table."""
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def number(value: float | None, interval: Interval = None, *, form: str = ".1f", scale: float = 1.0) -> str:
    """Return a number and its interval.

    Parameters
    ----------
    value : float or None
        The number; None is nothing.
    interval : pair of float or None
        Its ends.
    form : str
        Format of each.
    scale : float
        What each is multiplied by.

    Examples
    --------
    >>> number(3.046, (2.9, 3.2), form=".2f")
    '3.05 (2.90 to 3.20)'
    """
    if value is None:
        return ""
    ends = "" if interval is None else f" ({' to '.join(format(scale * end, form) for end in interval)})"
    return f"{scale * value:{form}}{ends}"


def percent(metric: Mapping[str, Any]) -> str:
    """Return a share as per cent, with its interval.

    Parameters
    ----------
    metric : mapping
        ``value``, and ``interval`` or None; 0..1.

    Examples
    --------
    >>> percent({"value": 0.789, "interval": [0.585, 0.908]})
    '78.9 % (58.5 to 90.8)'
    """
    value, interval = metric["value"], metric.get("interval")
    if value is None:
        return ""
    ends = "" if interval is None else f" ({' to '.join(f'{100 * end:.1f}' for end in interval)})"
    return f"{100 * value:.1f} %{ends}"


def points(metric: Mapping[str, Any]) -> str:
    """Return a difference of shares in percentage points, signed, with its interval.

    Parameters
    ----------
    metric : mapping
        ``value``, and ``interval`` or None; -1..1.

    Examples
    --------
    >>> points({"value": -0.356, "interval": [-0.513, -0.198]})
    '-35.6 (-51.3 to -19.8)'
    """
    return number(metric["value"], metric.get("interval"), form="+.1f", scale=100)
