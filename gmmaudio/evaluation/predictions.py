"""Predictions from a CSV table, made by any system."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.evaluation.csv_tables import PROBABILITY, SCORE
from gmmaudio.evaluation.records import FailedInput, ScoredClip, respell_scored
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
# the largest probability that classify writes as 0.0000: a zero would cost 708 nats where the label is the true one
ROUNDED_ZERO = 0.5e-4
# columns by which the answers of classify are known; their label is the one that was predicted
OF_ANSWERS = ("status", "label", "label_1")
TRUE_LABEL = "true_label"
# code of a clip of no known label
REJECTED = "no_label"
DECIMAL_COMMA = re.compile("[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")


class PredictionTable(NamedTuple):
    """The predictions in a table.

    Parameters
    ----------
    clips : list of ScoredClip
        One for each row that has an answer.
    sha256 : str
        Of the bytes of the file.
    failed : tuple of FailedInput
        Inputs of ``gmmaudio classify`` that it could not use.
    """

    clips: list[ScoredClip]
    sha256: str
    failed: tuple[FailedInput, ...] = ()


@dataclass(frozen=True)
class _Layout:
    """The layout of a table: its columns of scores and probabilities, column -> label, and its style."""

    columns: Mapping[str, Mapping[str, str]]
    is_of_answers: bool
    has_decimal_commas: bool

    @property
    def least_probability(self) -> float:
        """The probability that a 0 stands for."""
        return ROUNDED_ZERO if self.is_of_answers else 0.0

    @property
    def true_label(self) -> str:
        """The column of true labels."""
        return TRUE_LABEL if self.is_of_answers else "label"


def read_predictions(path: str | os.PathLike[str]) -> PredictionTable:
    r"""Return the predictions in a CSV table, and the SHA-256 of the file.

    One row for each clip. ``path`` (or ``name``) and ``label`` are needed; then ``score:LABEL`` or
    ``probability:LABEL`` for each candidate (an empty cell: it was none), or ``predicted``. ``group, source, fold,
    repeat, duration_s`` are read where they are there, and ``unit``, what intervals are drawn over where that is not
    the group. Scores are taken as natural-log likelihoods up to a constant for each clip. The table is read as
    :func:`gmmaudio.text_tables.parse_table` describes, and names as :func:`respell_scored` describes.

    A table of ``gmmaudio classify`` is known by its columns. Its ``label`` is what was predicted, so that the true
    labels are in a column ``true_label``; a row without an answer is an input that failed. Where semicolons separate
    its cells, its numbers may have a decimal comma, as spreadsheets in many languages write them. A probability of 0 in
    it stands for 0.00005, the largest one that is written so.

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
    ...     (clip,), sha256, _ = read_predictions(table)
    >>> clip.predicted, clip.scores
    ('jazz', {'jazz': -1.0, 'rock': -2.5})
    """
    table = Path(path)
    try:
        # read once: a pipe cannot be read again
        data = read_limited(table, TABLE_BYTES, may_be_pipe=True)
        parsed = parse_table(decode_text(data), str(table))
        layout = _layout(parsed)
        found = [_clip(f"{table}, line {row.line}", row, layout) for row in parsed]
    except ReadError as error:
        raise CorpusError(f"{error}; {EXPECTED}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table}: cannot be read as CSV ({error}); {EXPECTED}") from error
    clips = [clip for clip in found if isinstance(clip, ScoredClip)]
    if not any(clip.rejected for clip in clips):
        # nobody knows whether the model has an open-set threshold
        clips = [replace(clip, rejected=None) for clip in clips]
    if not clips:
        rows = "no rows with an answer" if found else "no rows"
        raise CorpusError(f"{table}: has a header and {rows}; add one row for each clip")
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
    failed = tuple(each for each in found if isinstance(each, FailedInput))
    return PredictionTable(list(respell_scored(clips)), hashlib.sha256(data).hexdigest(), failed)


def _layout(table: TextTable) -> _Layout:
    """Return the layout of a table."""
    heads = table.columns
    is_of_answers = set(OF_ANSWERS) <= set(heads)
    if is_of_answers and TRUE_LABEL not in heads:
        check_known_columns(heads, [TRUE_LABEL], table.name)
        raise CorpusError(
            f"{table.name}: its column 'label' has the answers of classify; add a column {TRUE_LABEL!r} with the true "
            "ones"
        )
    return _Layout(
        _columns(table, is_of_answers=is_of_answers), is_of_answers, is_of_answers and table.separator == ";"
    )


def _columns(table: TextTable, *, is_of_answers: bool) -> dict[str, dict[str, str]]:
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
    # the probability of the label has no colon
    for head in (head for head in heads if not (is_of_answers and head + ":" == PROBABILITY)):
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


def _clip(where: str, row: TableRow, layout: _Layout) -> ScoredClip | FailedInput:
    """Return the prediction in one row; the failure where there is none."""
    columns = layout.columns
    lost = next((column for column in row.missing if any(column in known for known in columns.values())), None)
    if lost is not None:
        raise CorpusError(
            f"{where}: ends before the column {lost!r}; fill the row, with an empty cell for no candidate"
        )
    cells = {column: plain_cell(cell) for column, cell in row.cells.items()}
    path = next((cells[name] for name in NAMES if cells.get(name)), "")
    name = cells.get("name") or path
    if layout.is_of_answers and path and not cells["label_1"]:
        return FailedInput(path, cells.get("code") or "failed", cells.get("message") or "has no answer")
    # a cell may hold invisible characters alone
    has_label = bool(skeleton(cells[layout.true_label]))
    if not name or not has_label:
        raise CorpusError(f"{where}: no {layout.true_label if name else 'path'}; every clip needs one")
    scores = _numbers(where, cells, columns[SCORE], layout)
    probabilities = _numbers(where, cells, columns[PROBABILITY], layout)
    probability = _probability(where, probabilities, layout.least_probability) if columns[PROBABILITY] else None
    ranked = scores or probability or {}
    best = max(sorted(ranked), key=lambda label: ranked[label]) if ranked else ""
    predicted = cells.get("predicted") or (cells["label_1"] if layout.is_of_answers else best)
    if not predicted:
        raise CorpusError(f"{where}: neither predicted nor a score is given; every clip needs one")
    group, duration = cells.get("group") or None, cells.get("duration_s")
    return ScoredClip(
        name=name,
        paths=(path,),
        label=cells[layout.true_label],
        group=group,
        unit=cells.get("unit") or (f"file {path}" if group is None else group),
        source=cells.get("source") or None,
        fold=cells.get("fold", ""),
        repeat=_count(where, cells.get("repeat") or "0"),
        predicted=predicted,
        scores=scores,
        probability=probability,
        duration_s=_number(where, "duration_s", duration, layout, low=0.0) if duration else None,
        rejected=cells.get("code") == REJECTED if layout.is_of_answers else None,
    )


def _numbers(where: str, cells: Mapping[str, str], columns: Mapping[str, str], layout: _Layout) -> dict[str, float]:
    """Return label -> number of the cells that are filled; minus infinity is no candidate either."""
    filled = {label: cells[column] for column, label in columns.items() if cells[column].casefold() not in NO_CANDIDATE}
    return {label: _number(where, f"the score of {label}", text, layout) for label, text in filled.items()}


def _number(where: str, name: str, text: str, layout: _Layout, low: float = -LARGEST) -> float:
    """Return the number in a cell."""
    plain = text.replace(",", ".") if layout.has_decimal_commas and DECIMAL_COMMA.fullmatch(text) else text
    try:
        # Python's own separator of digits is no part of a number elsewhere
        value = math.nan if "_" in plain else float(plain)
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


def _probability(where: str, values: Mapping[str, float], least: float) -> dict[str, float] | None:
    """Return probabilities that sum to 1 but for rounding, each at least a number; None where there are none."""
    if not values:
        return None
    total = sum(values.values())
    if min(values.values()) < 0 or abs(total - 1) > SUM_TOLERANCE:
        raise CorpusError(
            f"{where}: probabilities sum to {total:.4g}; expected 1 (call the columns {SCORE}LABEL if they are scores)"
        )
    raised = {label: max(value, least) for label, value in values.items()}
    total = sum(raised.values())
    return {label: value / total for label, value in raised.items()}
