"""The output of ``gmmaudio classify``, a table or JSON, read back."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmmaudio.data_tables import parse_parquet, to_csv
from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.files import TABLE_BYTES, read_limited
from gmmaudio.json_text import from_json
from gmmaudio.text_tables import TextTable, decode_text, list_lines, parse_table, plain_cell

EXPECTED = 'expected the output of classify with `output_format="csv"` or `output_format="jsonl"`'
STATUSES = ("ok", "mixed", "unknown", "error")
# status of a JSON object that is of no clip, but on all of them
BATCH = "batch"
PROBABILITY = "probability:"
# what a parquet file begins with
PARQUET_MARK = b"PAR1"


@dataclass(frozen=True)
class ClassifiedClip:
    """A line of the output of ``classify``.

    Parameters
    ----------
    path : str
        The file, as it was named.
    status : {"ok", "mixed", "unknown", "error"}
        As for :class:`gmmaudio.models.Prediction`.
    label : str or None
        The predicted label; None unless the status is ``ok``.
    probability : mapping of str to float
        Probability of every label that the line has one of, 0..1; empty where the model is not calibrated.
    best_label : str or None
        The most likely label, whatever the status; None where the clip was not scored.
    group : str or None
        Value of a column ``group``, which somebody may have added.
    code, message : str or None
        Why there is no label, as ``classify`` said.

    Examples
    --------
    >>> ClassifiedClip("a.wav", "ok", "jazz", {"jazz": 0.6, "rock": 0.4}, "jazz").best_probability
    0.6
    """

    path: str
    status: str
    label: str | None
    probability: Mapping[str, float] = field(default_factory=dict)
    best_label: str | None = None
    group: str | None = None
    code: str | None = None
    message: str | None = None

    @property
    def best_probability(self) -> float | None:
        """The probability of the most likely label; None where it is not known."""
        return None if self.best_label is None else self.probability.get(self.best_label)

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Labels with their probabilities, best first."""
        return sorted(self.probability.items(), key=lambda pair: (-pair[1], pair[0]))


def read_classified(path: str | os.PathLike[str]) -> list[ClassifiedClip]:
    r"""Return the lines of the output of ``classify``; of a file that is named several times, the first.

    Parameters
    ----------
    path : path-like
        CSV, JSON lines, a JSON array or a parquet file, with the probabilities of all labels or of the best ones.

    Raises
    ------
    CorpusError
        If it cannot be read, or is not such output; the line is named.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = Path(folder, "results.csv")
    ...     _ = results.write_text("path,status,label_1,score_1,probability_1\na.wav,ok,jazz,-1.5,0.6\n")
    ...     [(clip.label, clip.best_probability) for clip in read_classified(results)]
    [('jazz', 0.6)]
    """
    name = str(path)
    try:
        data = read_limited(Path(path), TABLE_BYTES, may_be_pipe=True)
        text = decode_text(to_csv(parse_parquet(data, name)) if data.startswith(PARQUET_MARK) else data)
        is_json = text.lstrip().startswith(("{", "["))
        found = list(_json_clips(text, name) if is_json else _csv_clips(parse_table(text, name)))
    except ReadError as error:
        raise CorpusError(f"{error}; {EXPECTED}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{name}: cannot be read as CSV or JSON lines ({error}); {EXPECTED}") from error
    if not found:
        raise CorpusError(f"{name}: has no clips; {EXPECTED}")
    first: dict[str, ClassifiedClip] = {}
    for clip in found:
        first.setdefault(clip.path, clip)
    return list(first.values())


def _json_clips(text: str, name: str) -> Iterator[ClassifiedClip]:
    """Yield the clips of JSON lines, or of a JSON array."""
    for where, values in _json_rows(text, name):
        if not isinstance(values, dict):
            raise CorpusError(f"{where}: is no JSON object; {EXPECTED}")
        if values.get("status") == BATCH:
            continue
        given = values.get("probability")
        numbers = given if isinstance(given, dict) else {}
        probability = {str(label): _share(where, value) for label, value in numbers.items() if value is not None}
        scores = values.get("scores")
        ranked = list(probability or (scores if isinstance(scores, dict) else {}))
        yield _clip(where, values, probability, ranked)


def _json_rows(text: str, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of JSON lines or of a JSON array, each with its place for messages."""
    is_array = text.lstrip().startswith("[")
    for line, row in enumerate([text] if is_array else list_lines(text), 1):
        where = name if is_array else f"{name}, line {line}"
        try:
            values = from_json(row)
        except ValueError as error:
            raise CorpusError(f"{where}: is no JSON ({error}); {EXPECTED}") from error
        if is_array and isinstance(values, list):
            yield from ((f"{name}, entry {i}", value) for i, value in enumerate(values, 1))
        else:
            yield where, values


def _csv_clips(table: TextTable) -> Iterator[ClassifiedClip]:
    """Yield the clips of a CSV table."""
    if "path" not in table.columns or "status" not in table.columns:
        raise CorpusError(f"{table.name}: has columns {', '.join(map(repr, table.columns)) or 'none'}; {EXPECTED}")
    of_label = {column: column.removeprefix(PROBABILITY) for column in table.columns if column.startswith(PROBABILITY)}
    n_ranked = sum(column.startswith("label_") for column in table.columns)
    for row in table:
        where = f"{table.name}, line {row.line}"
        cells = {column: plain_cell(text) for column, text in row.cells.items()}
        pairs = [(cells.get(f"label_{i + 1}", ""), cells.get(f"probability_{i + 1}", "")) for i in range(n_ranked)]
        ranked = [label for label, _ in pairs if label]
        numbers = {label: cells[column] for column, label in of_label.items() if cells[column]}
        numbers |= {label: number for label, number in pairs if label and number}
        if cells.get("label") and cells.get("probability"):
            numbers.setdefault(cells["label"], cells["probability"])
        probability = {label: _share(where, number) for label, number in numbers.items()}
        yield _clip(where, cells, probability, ranked)


def _clip(where: str, values: Mapping[str, Any], probability: Mapping[str, float], ranked: list[str]) -> ClassifiedClip:
    """Return the clip of a line."""
    path, status = values.get("path"), values.get("status")
    if not isinstance(path, str) or not path or status not in STATUSES:
        raise CorpusError(f"{where}: has no path, or no status of {', '.join(STATUSES)}; {EXPECTED}")
    label = values.get("label") or None
    best = max(probability, key=lambda each: (probability[each], each == label), default=None)
    best = best or label or next(iter(ranked), None)
    if status == "ok" and not best:
        raise CorpusError(f"{where}: has the status ok and no label; {EXPECTED}")
    others = {name: values.get(name) for name in ("group", "code", "message")}
    return ClassifiedClip(
        path=path,
        status=status,
        label=(label or best) if status == "ok" else None,
        probability=probability,
        best_label=None if status == "error" else best,
        **{name: value if isinstance(value, str) and value else None for name, value in others.items()},
    )


def _share(where: str, value: object) -> float:
    """Return a probability, which may be a text."""
    try:
        # a table of a spreadsheet may have a decimal comma
        number = math.nan if isinstance(value, bool) or "_" in str(value) else float(str(value).replace(",", "."))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise CorpusError(f"{where}: a probability is {value!r}; expected a number from 0 to 1")
    return number
