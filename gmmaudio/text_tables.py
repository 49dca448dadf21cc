"""Text files that people and spreadsheets write: tables of separated values, and lists of one entry on each line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from csv import Error
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from gmmaudio.errors import CorpusError
from gmmaudio.names import quoted, respell, skeleton

SEPARATORS = ",;\t"
# the longest mark first: that of UTF-32 begins with that of UTF-16
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Excel's own first line, which names the separator and may end in empty cells
SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^"\w\r\n])"?(?P=separator)*[ \t]*(?:\r\n?|\n|\Z)', re.IGNORECASE)
LINE_END = re.compile(r"[\r\n]")
# characters that start a formula in a spreadsheet
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
# control characters but tab, LF and CR, and surrogates, which no encoding holds
UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def decode_text(data: bytes, errors: str = "strict") -> str:
    r"""Return the text of a file in UTF-8, or in UTF-16 or UTF-32 as Windows writes them; a byte order mark is removed.

    Parameters
    ----------
    data : bytes
        Content of the file.
    errors : str
        What is done with bytes that are no text, as for :meth:`bytes.decode`.

    Returns
    -------
    str
        The text.

    Raises
    ------
    UnicodeDecodeError
        If it is in another encoding.

    Examples
    --------
    >>> decode_text("Zo\u00e9".encode("utf-16")) == decode_text("Zo\u00e9".encode())
    True
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors)
    # without a mark: every second byte of ASCII in UTF-16 is 0, and text in UTF-8 has no such byte
    start = data[: min(len(data), 64) & ~1]
    for high, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if start and not any(start[high::2]) and all(start[1 - high :: 2]):
            return data.decode(encoding, errors)
    return data.decode("utf-8", errors)


class TableRow(NamedTuple):
    """One row of a table.

    Parameters
    ----------
    line : int
        Number of its first line in the file, from 1.
    cells : mapping of str to str
        Column -> text, without the spaces around it; empty where the row ends before the column.
    missing : tuple of str
        Columns before which the row ends.
    """

    line: int
    cells: Mapping[str, str]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class TextTable:
    """A table of separated values, whose rows are read one by one.

    Parameters
    ----------
    name : str
        Name of the file, for messages.
    columns : tuple of str
        Names of the columns, empty for a first column without a name.
    text : str
        The file.
    separator : str
        What separates cells.
    start : int
        Index of the first row in the text.
    """

    name: str
    columns: tuple[str, ...]
    text: str
    separator: str
    start: int

    def __iter__(self) -> Iterator[TableRow]:
        """Yield the rows that are not empty.

        Raises
        ------
        CorpusError
            If a row has more values than there are columns, or one in a column without a name.
        csv.Error
            If quotes are broken.
        """
        for line, cells in self.records():
            if not any(cells):
                continue
            missing = self.columns[len(cells) :]
            row = dict(zip(self.columns, cells, strict=False)) | dict.fromkeys(missing, "")
            row.pop("", None)
            yield TableRow(line, row, missing)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the first line and the cells of every row, also of one whose cells are all empty.

        A row may have fewer cells than there are columns, and more only where these are empty.

        Raises
        ------
        CorpusError
            If a row has more values than there are columns, or one in a column without a name, but for the first.
        csv.Error
            If quotes are broken.
        """
        n_columns = len(self.columns)
        unnamed = [i for i, column in enumerate(self.columns) if i > 0 and not column]
        for line, cells in self._records():
            if any(cells[n_columns:]):
                raise CorpusError(
                    f"{self.name}, line {line}: more values than columns; quote values that hold the separator"
                )
            if any(cells[i] for i in unnamed if i < len(cells)):
                raise CorpusError(f"{self.name}, line {line}: a value in a column without a name; name the column")
            yield line, cells

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the first line and the cells of every row after the header."""
        line, position = 1 + _n_lines(self.text[: self.start]), self.start
        while position < len(self.text):
            cells, end = _record(self.text, self.separator, position, line)
            yield line, cells
            line += _n_lines(self.text[position:end])
            position = end


def parse_table(text: str, name: str) -> TextTable:
    r"""Return the table in a text: its columns, and its rows as they are asked for.

    A comma, a semicolon or a tab separates cells, whichever the header has most often; a first line ``sep=;`` names
    another. Spaces around cells, and quotes around them, are removed. Empty rows and columns at the end are left out.

    Parameters
    ----------
    text : str
        Content of the file.
    name : str
        Name of the file, for messages.

    Returns
    -------
    TextTable
        Without columns where the text is empty.

    Raises
    ------
    CorpusError
        If two columns have one name.
    csv.Error
        If quotes are broken.

    References
    ----------
    Shafranovich, "Common format and MIME type for comma-separated values (CSV) files", RFC 4180 (2005).

    Examples
    --------
    >>> table = parse_table('sep=;\npath; label;;\n1.wav; "a; b";;\n;;;\n', "clips.csv")
    >>> table.columns, [row.cells for row in table]
    (('path', 'label'), [{'path': '1.wav', 'label': 'a; b'}])
    """
    if "\0" in text:
        raise Error("line contains NUL")
    named = SEPARATOR_LINE.match(text)
    start = named.end() if named else len(text) - len(text.lstrip("\r\n"))
    header = re.sub('"[^"]*"', "", text[start : _line_end(text, start)[0]])
    separator = named["separator"] if named else max(SEPARATORS, key=header.count)
    columns, start = _record(text, separator, start, 1 + _n_lines(text[:start]))
    while columns and not columns[-1]:
        columns.pop()
    heads = [column for column in respell(columns) if column]
    repeated = sorted(column for column, n in Counter(heads).items() if n > 1)
    if repeated:
        raise CorpusError(f"{name}: column {repeated[0]!r} occurs twice; rename or remove one")
    return TextTable(name, tuple(columns), text, separator, start)


def check_known_columns(columns: Iterable[str], known: Iterable[str], name: str) -> None:
    """Raise an error where a column is called nearly as a known one, and would be left unused.

    Parameters
    ----------
    columns : iterable of str
        Columns of a table.
    known : iterable of str
        Columns that have a meaning.
    name : str
        Name of the file, for the message.

    Raises
    ------
    CorpusError
        If there is one.

    Examples
    --------
    >>> check_known_columns(["path", "label", "Split"], ["path", "label", "split"], "clips.csv")
    Traceback (most recent call last):
    gmmaudio.errors.CorpusError: clips.csv: column 'Split' would not be used; call it 'split', or something else
    """
    columns = tuple(columns)
    for wanted in sorted(set(known) - set(columns)):
        alike = next((column for column in columns if skeleton(column) == wanted), None)
        if alike is not None:
            raise CorpusError(
                f"{name}: column {quoted(alike)} would not be used; call it {wanted!r}, or something else"
            )


def list_lines(text: str) -> list[str]:
    r"""Return the lines of a list that are not empty; a line may end as on any system.

    Parameters
    ----------
    text : str
        Content of the file.

    Examples
    --------
    >>> list_lines("1.wav\r\n\r\n2.wav")
    ['1.wav', '2.wav']
    """
    # where lines end in LF, CR may be part of a name
    lines = (line.rstrip("\r") for line in text.split("\n")) if "\n" in text else text.split("\r")
    return [line for line in lines if line.strip()]


def safe_cell(value: Any) -> Any:
    r"""Return a cell that no spreadsheet takes for a formula, and that drives no terminal.

    Text that starts as a formula gets an apostrophe before it, which :func:`plain_cell` removes. Control characters
    but tabs and line ends, which CSV can hold, become escapes, and so do bytes that are no text. Numbers are unchanged.

    Parameters
    ----------
    value : object
        The content of a cell.

    Examples
    --------
    >>> safe_cell("=1+1"), safe_cell(-1.5), safe_cell("jazz")
    ("'=1+1", -1.5, 'jazz')
    >>> print(safe_cell("\x1b[31mjazz"))
    \x1b[31mjazz
    """
    if not isinstance(value, str):
        return value
    text = UNSAFE.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV, every cell safe.

    Parameters
    ----------
    rows : iterable of iterable
        Cells of every row, the header first.

    Examples
    --------
    >>> print(csv_text([("label", "n"), ("=a", 1)]))
    label,n
    '=a,1
    <BLANKLINE>
    """
    out = io.StringIO()
    plain = csv.writer(out, lineterminator="\n")
    # before Python 3.13, a carriage return alone gets no quotes
    quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = [safe_cell(cell) for cell in row]
        (quoting if any("\r" in cell for cell in cells if isinstance(cell, str)) else plain).writerow(cells)
    return out.getvalue()


def plain_cell(text: str) -> str:
    """Return the text that :func:`safe_cell` was given.

    Parameters
    ----------
    text : str
        A cell.

    Examples
    --------
    >>> plain_cell("'=1+1"), plain_cell("jazz")
    ('=1+1', 'jazz')
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _record(text: str, separator: str, start: int, line: int) -> tuple[list[str], int]:
    """Return the cells of the row that starts at an index, and the index after its end."""
    cells: list[str] = []
    field, position = _field(separator), start
    while True:
        end, following = _line_end(text, position)
        if text.find('"', position, end) < 0:
            return [*cells, *(cell.strip() for cell in text[position:end].split(separator))], following
        match = field.match(text, position)
        if match is None or (match[1] is None and match[2].lstrip().startswith('"')):
            raise Error(f"line {line}: a quote is not closed, or text follows it")
        cells.append((match[2] if match[1] is None else match[1].replace('""', '"')).strip())
        position = match.end()
        if text[position : position + 1] != separator:
            return cells, _line_end(text, position)[1]
        position += 1


@cache
def _field(separator: str) -> re.Pattern[str]:
    """Return the pattern of a cell: quoted, with spaces around it, or plain."""
    blank = "[ ]" if separator == "\t" else r"[ \t]"
    stop = rf"{re.escape(separator)}\r\n"
    return re.compile(rf'{blank}*"([^"]*(?:""[^"]*)*)"{blank}*(?=[{stop}]|\Z)|([^{stop}]*)')


def _line_end(text: str, start: int) -> tuple[int, int]:
    """Return the index at which a line ends, and the index after its end."""
    found = LINE_END.search(text, start)
    if found is None:
        return len(text), len(text)
    return found.start(), found.end() + (text[found.start() : found.start() + 2] == "\r\n")


def _n_lines(text: str) -> int:
    """Return the number of line ends in a text."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")
