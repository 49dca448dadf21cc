"""The formats of answers: text, CSV, JSON lines, a JSON array and parquet, each written row by row."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.json_text import to_json
from gmmaudio.text_tables import safe_cell

if TYPE_CHECKING:
    from gmmaudio.data_tables import ParquetRows
    from gmmaudio.findings import Finding
    from gmmaudio.models import Prediction
    from gmmaudio.row_file import RowFile

FORMATS = ("text", "csv", "jsonl", "json", "parquet")
# formats by the suffix of an output
SUFFIXES = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
# the columns of a table before those of ranked labels, with what is in them
FIXED = {
    "path": "text",
    "status": "text",
    "label": "text",
    "probability": "probability",
    "duration_s": "number",
    "code": "text",
    "message": "text",
    "notes": "text",
}
RANKED = {"label": "text", "score": "number", "probability": "probability"}
# status of the last JSON object, on all inputs together
BATCH = "batch"
# digits of a probability in CSV, where class priors have no large share in it
DIGITS = 4
# what separates cells in some program
SEPARATORS = ",;\t\r"


@dataclass(frozen=True)
class CsvStyle:
    """The style of a CSV file.

    Parameters
    ----------
    separator : str
        What separates cells.
    decimal : str
        The decimal sign.
    mark : str
        What the file begins with: a byte order mark, or nothing.
    """

    separator: str = ","
    decimal: str = "."
    mark: str = ""


@dataclass(frozen=True)
class AnswerFormat:
    """The parts of an output.

    Parameters
    ----------
    name : str
        One of :data:`FORMATS`.
    row : callable
        The name of an input, and its prediction -> its row.
    closing : callable or None
        Findings on all inputs -> a last row; None where the format has none.
    head, separator, tail : str
        What stands before all rows, between two, and after all of them. In parquet nothing does, and a row is the JSON
        list of its cells.
    columns : mapping of str to str or None
        Of a table, its columns, each with what is in it: ``text``, ``number`` or ``probability``.
    style : CsvStyle
        Of CSV.
    digits : int
        Digits of a probability in CSV.
    """

    name: str
    row: Callable[[str, Prediction], str]
    head: str = ""
    separator: str = ""
    tail: str = ""
    columns: Mapping[str, str] | None = None
    style: CsvStyle = CsvStyle()
    digits: int = DIGITS
    closing: Callable[[Sequence[Finding]], str] | None = None

    def open(self, path: Path) -> RowFile | ParquetRows:
        """Return the output, to which rows are written.

        Parameters
        ----------
        path : Path
            The file; no link.
        """
        from gmmaudio.data_tables import ParquetRows
        from gmmaudio.row_file import RowFile

        if self.name != "parquet":
            return RowFile(path)
        return ParquetRows(path, {name: kind == "text" for name, kind in (self.columns or {}).items()})

    def settings(self) -> dict[str, Any]:
        """Return the values that rows depend on, for the journal of a run."""
        columns = None if self.columns is None else list(self.columns)
        excel = f"{self.style.separator} {self.style.decimal}" if self.style.mark else None
        digits = {} if self.digits == DIGITS else {"digits": self.digits}
        return {"output_format": self.name, "columns": columns, "is_excel": excel, **digits}


def choose_format(named: str | None, output: Path | None) -> str:
    """Return the format of an output: the one that is named, or that of its suffix, or text.

    Parameters
    ----------
    named : str or None
        Name of a format.
    output : Path or None
        The file; None is standard output.

    Examples
    --------
    >>> choose_format(None, Path("night.CSV")), choose_format("jsonl", Path("night.csv")), choose_format(None, None)
    ('csv', 'jsonl', 'text')
    """
    return named or SUFFIXES.get("" if output is None else output.suffix.lower(), "text")


def make_format(
    name: str,
    labels: Sequence[str],
    top: int | None,
    *,
    is_calibrated: bool,
    has_caveats: bool = False,
    prior_share: float = 0.0,
    style: CsvStyle = CsvStyle(),
) -> AnswerFormat:
    """Return a format of the answers of a model.

    Parameters
    ----------
    name : str
        One of :data:`FORMATS`.
    labels : sequence of str
        Labels of the model.
    top : int or None
        Number of ranked labels: by default one, and in JSON all.
    is_calibrated : bool
        Whether the model gives probabilities.
    has_caveats : bool
        Whether its answers have caveats: a table then has a column of their codes.
    prior_share : float
        Share of the class priors in its probabilities, 0..1: the rest of them has four digits in CSV.
    style : CsvStyle
        Of CSV.
    """
    n_ranked = min(top or 1, len(labels))
    if name == "text":
        return AnswerFormat(name, partial(_text_row, n_ranked=n_ranked))
    if name in ("json", "jsonl"):
        record = partial(_json_row, top=top or len(labels))
        if name == "jsonl":
            return AnswerFormat(
                name,
                lambda shown, prediction: record(shown, prediction) + "\n",
                closing=lambda findings: _json_closing(findings) + "\n",
            )
        # each row brings the end of the line before it: only the last has no comma
        return AnswerFormat(name, record, "[\n", ",\n", "\n]\n", closing=_json_closing)
    columns = _columns(labels, n_ranked, is_calibrated=is_calibrated, has_caveats=has_caveats)
    if name == "parquet":
        return AnswerFormat(
            name, lambda shown, prediction: to_json(_cells(shown, prediction, columns)), columns=columns
        )
    kinds, digits = tuple(columns.values()), _digits(prior_share)
    return AnswerFormat(
        name,
        lambda shown, prediction: _csv_line(_cells(shown, prediction, columns), kinds, style, digits),
        style.mark + _csv_line(list(columns), ["text"] * len(columns), style),
        columns=columns,
        style=style,
        digits=digits,
    )


def _digits(prior_share: float) -> int:
    """Return the digits of a probability in CSV: those of a mixture with the class priors still tell labels apart."""
    rest = max(1 - prior_share, sys.float_info.epsilon)
    # the least share of the calibration is a power of ten, but for rounding
    return DIGITS + math.floor(-math.log10(rest) + 1e-6)


def excel_style() -> CsvStyle:
    """Return the style of CSV that Excel opens by a double click, in the language of this computer.

    Excel takes UTF-8 where a file begins with a byte order mark, and separators and decimal signs of the system. Of
    other systems than Windows only the decimal sign is known: a semicolon separates cells where that is a comma.

    Raises
    ------
    click.UsageError
        If the locale that is set is not installed.
    """
    separator, decimal = _system_signs()
    return CsvStyle(separator, decimal, "\ufeff")


def _system_signs() -> tuple[str, str]:
    """Return the separator of cells and the decimal sign, by the settings of the system."""
    if sys.platform == "win32":
        import winreg

        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, r"Control Panel\International") as key:
            return winreg.QueryValueEx(key, "sList")[0], winreg.QueryValueEx(key, "sDecimal")[0]
    import locale

    before = locale.setlocale(locale.LC_NUMERIC)
    try:
        locale.setlocale(locale.LC_NUMERIC, "")
        decimal = str(locale.localeconv()["decimal_point"])
    except locale.Error as error:
        raise click.UsageError(
            "--excel: the locale of LC_ALL, LC_NUMERIC or LANG is not installed; set LC_NUMERIC to one of `locale -a`."
        ) from error
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)
    return (";" if decimal == "," else ","), decimal


def _text_row(shown: str, prediction: Prediction, *, n_ranked: int) -> str:
    """Return the line of an answer; nothing for an input that failed."""
    from gmmaudio.cli.flags import with_flags
    from gmmaudio.names import printable

    cells = [cell for label, _ in prediction.top(n_ranked) for cell in (label, _confidence(prediction, label))]
    if prediction.status in ("unknown", "mixed"):
        cells.append(f"{prediction.status}: {with_flags(prediction.message or '')}")
    return "\t".join(printable(cell) for cell in (shown, *cells)) + "\n" if cells else ""


def _confidence(prediction: Prediction, label: str) -> str:
    """Return the probability of a label, or its score where there is none."""
    if prediction.probability is None:
        return f"{prediction.scores[label]:.4f}"
    return f"{100 * prediction.probability[label]:.1f} %"


def _json_row(shown: str, prediction: Prediction, *, top: int) -> str:
    """Return the JSON object of an answer."""
    return to_json(prediction.to_dict(top) | {"path": shown})


def _json_closing(findings: Sequence[Finding]) -> str:
    """Return the JSON object that follows the answers where there is something to say of all of them together."""
    nothing = dict.fromkeys(("label", "scores", "probability", "duration_s"))
    return to_json({"path": None, "status": BATCH, **nothing, "findings": [asdict(finding) for finding in findings]})


def _columns(labels: Sequence[str], n_ranked: int, *, is_calibrated: bool, has_caveats: bool) -> dict[str, str]:
    """Return the columns of a table: fixed ones, those of the best labels, and one for each label."""
    ranked = {f"{name}_{i + 1}": kind for i in range(n_ranked) for name, kind in RANKED.items()}
    name = "probability" if is_calibrated else "score"
    caveats = {"caveats": "text"} if has_caveats else {}
    return {**FIXED, **caveats, **ranked, **{f"{name}:{label}": RANKED[name] for label in labels}}


def _cells(shown: str, prediction: Prediction, columns: Mapping[str, str]) -> list[Any]:
    """Return the cells of a row: texts, numbers, and None where there is neither."""
    probability, scores = prediction.probability or {}, prediction.scores
    duration_s = prediction.duration_s
    # without a column of caveats the model has none: they are of this file
    caveats = () if "caveats" in columns else prediction.caveats
    notes = [note.text for note in prediction.notes] + [caveat.text for caveat in caveats]
    values: dict[str, Any] = {
        "path": shown,
        "status": prediction.status,
        "label": prediction.label,
        "probability": probability.get(prediction.label or ""),
        "duration_s": None if duration_s is None else round(duration_s, 3),
        "code": prediction.code,
        "message": prediction.message,
        "notes": "; ".join(notes) or None,
        "caveats": "; ".join(caveat.code for caveat in prediction.caveats) or None,
        **{f"probability:{label}": value for label, value in probability.items()},
        **{f"score:{label}": value for label, value in scores.items()},
    }
    for i, (label, score) in enumerate(prediction.top(len(scores)), 1):
        values |= {f"label_{i}": label, f"score_{i}": score, f"probability_{i}": probability.get(label)}
    return [values.get(name) for name in columns]


def _csv_line(cells: Sequence[Any], kinds: Sequence[str], style: CsvStyle, digits: int = DIGITS) -> str:
    """Return one row of CSV with its line end; no text in it starts a formula."""
    out = io.StringIO(newline="")
    # a program with another separator must not find a cell that begins inside a text
    is_quoted = any(each in cell for cell in cells if isinstance(cell, str) for each in SEPARATORS)
    written = [_csv_cell(cell, kind, style.decimal, digits) for cell, kind in zip(cells, kinds, strict=True)]
    quoted = csv.writer(out, delimiter=style.separator, quoting=csv.QUOTE_ALL)
    plain = csv.writer(out, delimiter=style.separator)
    (quoted if is_quoted else plain).writerow(written)
    return out.getvalue()


def _csv_cell(cell: Any, kind: str, decimal: str, digits: int) -> Any:
    """Return a cell as CSV has it: numbers as they are, probabilities rounded."""
    from gmmaudio.cell_columns import NumberText

    if cell is None or kind == "text":
        return safe_cell(cell)
    text = f"{cell:.{digits}f}" if kind == "probability" else str(cell)
    return NumberText(text.replace(".", decimal))
