"""Tables of long recordings: who finds the turns, what classify answers, what hours of sound cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from results.markdown import number, percent, points, table

Rows = Sequence[Mapping[str, Any]]


def timeline_text(rows: Rows) -> str:
    """Return who finds the turns: labels, boundaries and probabilities, then gmmaudio with either kind of pauses.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.timeline`.
    """
    parts = {name: [row for row in rows if row["part"] == name] for name in PARTS}
    return "\n".join(make(parts[name]) for name, makers in PARTS.items() if parts[name] for make in makers)


def _labels_table(rows: Rows) -> str:
    """Return the shares of windows and of time with the right label."""
    heads = ["labels", "segmenter", "10 s windows right", "gmmaudio minus this, percentage points"]
    heads += ["10 s windows inside turns", "time of turns right", "segment error rate"]
    cells = [
        [
            _recordings(row),
            row["system"],
            percent(row["windows"]),
            points(row["lead"]) if "lead" in row else "",
            percent(row["windows_inside"]),
            percent(row["turns"]),
            percent(row["segment_error_rate"]),
        ]
        for row in rows
    ]
    return table(heads, cells)


def _boundaries_table(rows: Rows) -> str:
    """Return the errors of boundaries and the calibration of segments."""
    heads = ["boundaries of turns of 10 s and more; probabilities", "segmenter", "within 1 s", "turns found"]
    heads += ["mean error (10 s at most), s", "precision of all boundaries", "calibration error", "log loss, bits"]
    cells = [
        [
            _recordings(row),
            row["system"],
            percent(row["boundaries_near"]),
            percent(row["turns_found"]),
            _with_interval(row["boundary_error_s"]),
            percent(row["boundary_precision"]),
            number(row["calibration_error"], form=".3f"),
            _with_interval(row["log_loss"]),
        ]
        for row in rows
    ]
    return table(heads, cells)


def _pauses_table(rows: Rows) -> str:
    """Return how gmmaudio does without pauses between turns and with either kind of them."""
    heads = ["gmmaudio timeline", "pauses", "10 s windows right", "segment error rate", "boundary within 1 s"]
    shown = ("windows", "segment_error_rate", "boundaries_near")
    cells = [[_recordings(row), row["gap"], *(percent(row[name]) for name in shown)] for row in rows]
    return table(heads, cells)


def mixed_text(rows: Rows) -> str:
    """Return how often classify answers ``mixed``, and its greatest probability.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.mixed`.
    """
    heads = ["`gmmaudio classify`", "recordings of", "`mixed`", "right label", "greatest probability"]
    cells = [
        [
            _recordings(row),
            row["kind"],
            percent(row["mixed"]),
            "" if row["right"] is None else percent(row["right"]),
            percent({"value": row["greatest_probability"]}),
        ]
        for row in rows
    ]
    return table(heads, cells)


def hours_text(rows: Rows) -> str:
    """Return memory and time of commands on long files.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.hours`.
    """
    heads = ["hours of sound", "command", "CPU s", "CPU s an hour", "peak memory, MiB"]
    cells = [
        [
            str(row["hours"]),
            # records from before there were two have timelines only
            f"`gmmaudio {row.get('command', 'timeline')}`",
            f"{row['cpu_s']:.0f}",
            f"{row['cpu_s'] / row['hours']:.1f}",
            f"{row['peak_mib']:.0f}",
        ]
        for row in rows
    ]
    return table(heads, cells)


def _recordings(row: Mapping[str, Any]) -> str:
    """Return the corpus of a row and the number of its recordings."""
    return f"{row['corpus']}, n={row['n']}"


def _with_interval(metric: Mapping[str, Any]) -> str:
    """Return a value and its interval."""
    return number(metric["value"], metric["interval"], form=".2f")


# the tables of each part of the record
PARTS: Mapping[str, Sequence[Callable[[Rows], str]]] = {
    "segments": (_labels_table, _boundaries_table),
    "pauses": (_pauses_table,),
}
