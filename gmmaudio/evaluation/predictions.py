"""Predictions from a CSV table, made by any system."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.evaluation.csv_tables import PROBABILITY, SCORE
from gmmaudio.evaluation.records import ScoredClip, respell_scored
from gmmaudio.files import TABLE_BYTES, read_limited
from gmmaudio.names import normal, quoted, respell, skeleton
from gmmaudio.text_tables import TableRow, TextTable, check_known_columns, decode_text, parse_table, plain_cell

NAMES = ("path", "name", "file_name")
KNOWN = (*NAMES, "label", "predicted", "group", "unit", "source", "fold", "repeat", "duration_s")
EXPECTED = "expected columns path, label, and predicted or score:LABEL or probability:LABEL for each label"
# probabilities printed with four digits
SUM_TOLERANCE = 1e-2
# beyond this, squares of scores overflow
LARGEST = 1e100
NO_CANDIDATE = ("", "-inf", "-infinity")


def read_predictions(path: str | os.PathLike[str]) -> tuple[list[ScoredClip], str]:
    r"""Return the predictions in a CSV table, and the SHA-256 of the file.

    One row for each clip. ``path`` (or ``name``) and ``label`` are needed; then ``score:LABEL`` or
    ``probability:LABEL`` for each candidate (an empty cell: it was none), or ``predicted``. ``group, source, fold,
    repeat, duration_s`` are read where they are there, and ``unit``, what intervals are drawn over where that is not
    the group. Scores are taken as natural-log likelihoods up to a constant for each clip. The table is read as
    :func:`gmmaudio.text_tables.parse_table` describes, and names as :func:`respell_scored` describes.

    Parameters
    ----------
    path : path-like
        The table; read once, so that it may be a pipe that is open already, such as ``/dev/stdin``.

    Raises
    ------
    CorpusError
        If it cannot be read, lacks a column, or a row is wrong; the line is named.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "predictions.csv")
    ...     _ = table.write_text("path,label,score:jazz,score:rock\na.wav,jazz,-1.0,-2.5\n")
    ...     (clip,), sha256 = read_predictions(table)
    >>> clip.predicted, clip.scores
    ('jazz', {'jazz': -1.0, 'rock': -2.5})
    """
    table = Path(path)
    try:
        # read once: a pipe cannot be read again
        data = read_limited(table, TABLE_BYTES, may_be_pipe=True)
        parsed = parse_table(decode_text(data), str(table))
        columns = _columns(parsed)
        clips = [_clip(f"{table}, line {row.line}", row, columns) for row in parsed]
    except ReadError as error:
        raise CorpusError(f"{error}; {EXPECTED}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table}: cannot be read as CSV ({error}); {EXPECTED}") from error
    if not clips:
        raise CorpusError(f"{table}: has a header and no rows; add one row for each clip")
    seen: set[tuple[str, int]] = set()
    for clip in clips:
        key = normal(clip.name), clip.repeat
        if key in seen:
            raise CorpusError(
                f"{table}: {clip.name!r} occurs twice in repeat {clip.repeat}; keep one row for each clip"
            )
        seen.add(key)
    kinds = {(bool(clip.scores), clip.probability is None) for clip in clips}
    if len(kinds) > 1:
        raise CorpusError(
            f"{table}: some rows have scores or probabilities and some have not; fill or empty the columns"
        )
    return list(respell_scored(clips)), hashlib.sha256(data).hexdigest()


def _columns(table: TextTable) -> dict[str, dict[str, str]]:
    """Return the columns that hold scores and those that hold probabilities: column -> label."""
    heads = table.columns
    columns = {
        kind: {name: name.removeprefix(kind).strip() for name in heads if name.startswith(kind)}
        for kind in (SCORE, PROBABILITY)
    }
    decided = "predicted" in heads or any(columns.values())
    if "label" not in heads or not set(NAMES) & set(heads) or not decided:
        raise CorpusError(f"{table.name}: has columns {', '.join(map(repr, heads)) or 'none'}; {EXPECTED}")
    check_known_columns(heads, KNOWN, table.name)
    for head in heads:
        kind = skeleton(head).partition(":")[0].strip() + ":"
        if kind in columns and not head.startswith(kind):
            raise CorpusError(
                f"{table.name}: column {quoted(head)} would not be used; let its name begin with {kind!r}, or rename it"
            )
    for kind, label_of in columns.items():
        labels = Counter(respell(label_of.values()))
        twice = [label for label, n in labels.items() if n > 1]
        if twice or not all(labels):
            problem = f"two columns for the label {twice[0]!r}" if twice else "a column without a label"
            raise CorpusError(f"{table.name}: has {problem} after {kind!r}; rename or remove one")
    return columns


def _clip(where: str, row: TableRow, columns: Mapping[str, Mapping[str, str]]) -> ScoredClip:
    """Return the prediction in one row."""
    lost = next((column for column in row.missing if any(column in known for known in columns.values())), None)
    if lost is not None:
        raise CorpusError(
            f"{where}: ends before the column {lost!r}; fill the row, with an empty cell for no candidate"
        )
    cells = {column: plain_cell(cell) for column, cell in row.cells.items()}
    path = next((cells[name] for name in NAMES if cells.get(name)), "")
    name = cells.get("name") or path
    # a cell may hold invisible characters alone
    has_label = bool(skeleton(cells["label"]))
    if not name or not has_label:
        raise CorpusError(f"{where}: no {'path' if has_label else 'label'}; every clip needs one")
    scores = _numbers(where, cells, columns[SCORE])
    probability = _probability(where, _numbers(where, cells, columns[PROBABILITY])) if columns[PROBABILITY] else None
    ranked = scores or probability or {}
    predicted = cells.get("predicted") or (max(sorted(ranked), key=lambda label: ranked[label]) if ranked else "")
    if not predicted:
        raise CorpusError(f"{where}: neither predicted nor a score is given; every clip needs one")
    group = cells.get("group") or None
    return ScoredClip(
        name=name,
        paths=(path,),
        label=cells["label"],
        group=group,
        unit=cells.get("unit") or (f"file {path}" if group is None else group),
        source=cells.get("source") or None,
        fold=cells.get("fold", ""),
        repeat=_count(where, cells.get("repeat") or "0"),
        predicted=predicted,
        scores=scores,
        probability=probability,
        duration_s=_number(where, "duration_s", cells["duration_s"], low=0.0) if cells.get("duration_s") else None,
    )


def _numbers(where: str, cells: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, float]:
    """Return label -> number of the cells that are filled; minus infinity is no candidate either."""
    filled = {label: cells[column] for column, label in columns.items() if cells[column].casefold() not in NO_CANDIDATE}
    return {label: _number(where, f"the score of {label}", text) for label, text in filled.items()}


def _number(where: str, name: str, text: str, low: float = -LARGEST) -> float:
    """Return the number in a cell."""
    try:
        # Python's own separator of digits is no part of a number elsewhere
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= LARGEST:
        comma = ", with a decimal point" if "," in text else ""
        raise CorpusError(f"{where}: {name} is {text!r}; expected a number from {low:g} to {LARGEST:g}{comma}")
    return value


def _count(where: str, text: str) -> int:
    """Return the number of a repeat."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise CorpusError(f"{where}: repeat is {text!r}; expected a whole number, 0 or more")
    return int(text)


def _probability(where: str, values: Mapping[str, float]) -> dict[str, float] | None:
    """Return probabilities that sum to 1 but for rounding, None where there are none."""
    if not values:
        return None
    total = sum(values.values())
    if min(values.values()) < 0 or abs(total - 1) > SUM_TOLERANCE:
        raise CorpusError(
            f"{where}: probabilities sum to {total:.4g}; expected 1 (call the columns {SCORE}LABEL if they are scores)"
        )
    return {label: value / total for label, value in values.items()}
