"""Tables of data: named columns of numbers and of text, from CSV or parquet files, and back to them.

Cells that are not changed are written as they were read. Parquet files are read and written by pyarrow, which is
imported where they are used.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.cell_columns import NUMBER, ArrayColumn, ArrowColumn, Column, TextColumn, require_pyarrow
from gmmaudio.errors import CorpusError, GmmaudioError, ReadError, TableError
from gmmaudio.files import TABLE_BYTES, read_limited
from gmmaudio.findings import some_names
from gmmaudio.names import normal, quoted
from gmmaudio.outputs import write_beside, write_errors
from gmmaudio.text_tables import TextTable, csv_text, decode_text, parse_table, plain_cell

EXPECTED = "expected a CSV or parquet table with a row of column names"
PARQUET_MAGIC = b"PAR1"
PARQUET_SUFFIXES = (".parquet", ".pq")
# cells of a parquet file, which may be much larger in memory than on disk
MAX_CELLS = 2**28
# rows of a parquet file that are written together
GROUP_ROWS = 10_000
READ_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class DataTable:
    r"""A table of data, column by column.

    Parameters
    ----------
    name : str
        Name of the file, for messages.
    columns : mapping of str to Column
        The columns by their names, in order; that of a first column of a CSV file may be empty.
    lines : sequence of int or None
        Line of the file on which each row begins; None where a file has no lines.

    Examples
    --------
    >>> table = parse_csv("name,age\nann,31\nbob,NA\n", "people.csv")
    >>> table.n_rows, list(table.columns), table.place(1)
    (2, ['name', 'age'], 'line 3')
    >>> print(to_csv(table.with_columns({"cluster": np.array([0, 1])})).decode())
    name,age,cluster
    ann,31,0
    bob,NA,1
    <BLANKLINE>
    """

    name: str
    columns: Mapping[str, Column]
    lines: Sequence[int] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def place(self, i: int) -> str:
        """Return the place of a row in words.

        Parameters
        ----------
        i : int
            Index of the row, from 0.
        """
        return f"row {i + 1}" if self.lines is None else f"line {self.lines[i]}"

    def find(self, name: str) -> str | None:
        """Return the name of the column that a person names, compared in Unicode's form NFC; None where there is none.

        Parameters
        ----------
        name : str
            Name of a column.
        """
        if name in self.columns:
            return name
        return next((each for each in self.columns if normal(each) == normal(name)), None)

    def cells(self, name: str) -> Sequence[Any]:
        """Return the cells of a column as CSV has them.

        Parameters
        ----------
        name : str
            The column.

        Raises
        ------
        TableError
            If a cell cannot be written as text: dates outside the years 1 to 9999, text that is not UTF-8.
        """
        try:
            return self.columns[name].cells()
        except (ValueError, OverflowError) as error:
            # pyarrow's own errors are ValueErrors
            raise TableError(
                f"{self.name}: column {quoted(name)} holds what cannot be written as text ({error}); leave it out, or "
                "write parquet"
            ) from error

    def with_columns(self, columns: Mapping[str, Column | npt.NDArray[Any]]) -> DataTable:
        """Return the table with columns added, or replaced where they have the name of one.

        Parameters
        ----------
        columns : mapping of str to Column or ndarray
            Columns of ``n_rows`` cells.
        """
        made = {name: ArrayColumn(c) if isinstance(c, np.ndarray) else c for name, c in columns.items()}
        return DataTable(self.name, {**self.columns, **made}, self.lines)

    def repeated(self, times: int) -> DataTable:
        """Return the table several times, one below the other.

        Parameters
        ----------
        times : int
            How often, >= 1.
        """
        lines = None if self.lines is None else list(self.lines) * times
        return DataTable(self.name, {name: c.repeated(times) for name, c in self.columns.items()}, lines)


def read_data_table(path: str | os.PathLike[str]) -> DataTable:
    r"""Return the table in a CSV or parquet file.

    A CSV file is read as :func:`gmmaudio.text_tables.parse_table` describes. Lines without any character are skipped;
    a row of empty cells is a row without values.

    Parameters
    ----------
    path : path-like
        The file; a parquet file is known by its first bytes. It may be a pipe that is open already.

    Raises
    ------
    TableError
        If it cannot be read, has no columns, two columns of one name, or a row of another width.
    SettingError
        If it is a parquet file and pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "people.csv").write_text("name,age\nann,31\n")
    ...     table = read_data_table(f"{folder}/people.csv")
    >>> table.columns["age"].numbers().values
    array([31.])
    """
    name = os.fspath(path)
    try:
        data = read_limited(path, TABLE_BYTES, may_be_pipe=True)
    except ReadError as error:
        raise TableError(f"{error}; {EXPECTED}") from error
    return parse_data(data, name)


def parse_data(data: bytes, name: str) -> DataTable:
    r"""Return the table in the bytes of a CSV or parquet file.

    Parameters
    ----------
    data : bytes
        Content of the file.
    name : str
        Name of the file, for messages.

    Raises
    ------
    TableError, SettingError
        As for :func:`read_data_table`.

    Examples
    --------
    >>> parse_data(b"name,age\nann,31\n", "standard input").columns["age"].texts
    ['31']
    """
    if data.startswith(PARQUET_MAGIC):
        return parse_parquet(data, name)
    if is_parquet_name(name):
        raise TableError(f"{name}: is no parquet file; name it .csv if it is text, or write it again")
    try:
        return parse_csv(decode_text(data), name)
    except UnicodeDecodeError as error:
        raise TableError(f"{name}: is no text in UTF-8 or UTF-16 ({error.reason}); save it as CSV in UTF-8") from error


def parse_csv(text: str, name: str) -> DataTable:
    r"""Return the table in the text of a CSV file.

    Parameters
    ----------
    text : str
        Content of the file.
    name : str
        Name of the file, for messages.

    Raises
    ------
    TableError
        If it has no row of names, two columns of one name, or a row of another width.

    Examples
    --------
    >>> [list(column.cells()) for column in parse_csv("a;b\nx;=1\n", "t.csv").columns.values()]
    [['x'], ['=1']]
    """
    try:
        parsed = parse_table(text, name)
        _check_names(parsed.columns, name)
        lines, rows = _rows_of(parsed)
    except csv.Error as error:
        raise TableError(f"{name}: cannot be read as CSV ({error}); {EXPECTED}") from error
    except CorpusError as error:
        raise TableError(str(error)) from error
    texts = list(zip(*rows, strict=False)) if rows else [()] * len(parsed.columns)
    # a column without a name has values only where it is the first
    columns = {
        column: TextColumn([plain_cell(cell) for cell in texts[i]])
        for i, column in enumerate(parsed.columns)
        if column or i == 0
    }
    return DataTable(name, columns, lines)


def _rows_of(table: TextTable) -> tuple[list[int], list[list[str]]]:
    """Return the first line and the cells of every row; blank lines are none, but where there is one column."""
    n_columns = len(table.columns)
    lines, rows = [], []
    for line, cells in table.records():
        if cells == [""] and n_columns > 1:
            continue
        if len(cells) < n_columns:
            raise TableError(
                f"{table.name}, line {line}: ends before the column {table.columns[len(cells)]!r}; fill the row, with "
                "empty cells for missing values"
            )
        lines.append(line)
        rows.append(cells)
    while n_columns == 1 and rows and rows[-1] == [""]:
        rows.pop(), lines.pop()
    return lines, rows


def _check_names(columns: Sequence[str], name: str) -> None:
    """Raise TableError where the first row of a table holds no names."""
    if not any(columns):
        raise TableError(f"{name}: has no columns; {EXPECTED}")
    if all(NUMBER.fullmatch(column) for column in columns if column):
        raise TableError(f"{name}: the first row holds numbers ({some_names([c for c in columns if c])}); {EXPECTED}")


def parse_parquet(data: bytes, name: str) -> DataTable:
    """Return the table in the bytes of a parquet file.

    Parameters
    ----------
    data : bytes
        Content of the file.
    name : str
        Name of the file, for messages.

    Raises
    ------
    TableError
        If it is damaged, too large, has no columns or two of one name.
    SettingError
        If pyarrow is not installed.
    """
    pyarrow = require_pyarrow()
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        n_cells = file.metadata.num_rows * max(file.metadata.num_columns, 1)
        if n_cells > MAX_CELLS:
            raise TableError(f"{name}: has {n_cells:,} cells; expected at most {MAX_CELLS:,}: divide it")
        read = file.read()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        if isinstance(error, GmmaudioError):
            raise
        first = str(error).strip().split("\n")[0]
        raise TableError(f"{name}: cannot be read as parquet ({first}); write it again") from error
    names = read.column_names
    if not names:
        raise TableError(f"{name}: has no columns; {EXPECTED}")
    repeated = sorted(column for column, n in Counter(map(normal, names)).items() if n > 1)
    if repeated:
        raise TableError(f"{name}: column {quoted(repeated[0])} occurs twice; rename or remove one")
    return DataTable(name, {column: ArrowColumn(read.column(i)) for i, column in enumerate(names)})


def to_csv(table: DataTable) -> bytes:
    """Return a table as a CSV file in UTF-8, in which no text starts a formula.

    Parameters
    ----------
    table : DataTable
        The table.

    Raises
    ------
    TableError
        If a column of a parquet file holds what cannot be written as text.
    """
    rows = zip(*(table.cells(name) for name in table.columns), strict=True)
    return csv_text([tuple(table.columns), *rows]).encode("utf-8", "backslashreplace")


def to_parquet(table: DataTable) -> bytes:
    """Return a table as a parquet file.

    Parameters
    ----------
    table : DataTable
        The table.

    Raises
    ------
    SettingError
        If pyarrow is not installed.
    """
    pyarrow = require_pyarrow()
    from pyarrow import parquet

    made = pyarrow.table([column.arrow() for column in table.columns.values()], names=list(table.columns))
    sink = io.BytesIO()
    parquet.write_table(made, sink)
    return sink.getvalue()


class ParquetRows:
    """A parquet file that is written row by row, and replaces the one that was there at the end.

    Rows go to a temporary file beside it, in groups, so that memory does not grow with their number.

    Parameters
    ----------
    path : path-like
        The file; no link.
    columns : mapping of str to bool
        Names of the columns, each with whether it holds texts; numbers are float64.

    Raises
    ------
    SettingError
        If pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = ParquetRows(f"{folder}/people.parquet", {"name": True, "age": False})
    ...     rows.write(b'["ann", 31]')
    ...     rows.write(b'["bob", null]')
    ...     rows.finish()
    ...     rows.close()
    ...     table = read_data_table(rows.path)
    >>> list(table.cells("name")), list(table.cells("age"))
    (['ann', 'bob'], [31.0, ''])
    """

    def __init__(self, path: str | os.PathLike[str], columns: Mapping[str, bool]) -> None:
        pyarrow = require_pyarrow()
        self.path = Path(path)
        types = {True: pyarrow.string(), False: pyarrow.float64()}
        self._schema = pyarrow.schema([(_text_of(name), types[is_text]) for name, is_text in columns.items()])
        self._waiting: list[list[Any]] = []
        self._stack = contextlib.ExitStack()
        self._writer: Any = None

    def content(self) -> tuple[int, int] | None:
        """Return size and CRC-32 of the file; None where there is none."""
        size = checksum = 0
        try:
            with self.path.open("rb") as handle:
                while data := handle.read(READ_BYTES):
                    size, checksum = size + len(data), zlib.crc32(data, checksum)
        except OSError:
            return None
        return size, checksum

    def clear(self) -> None:
        """Leave what is in the file, which is replaced at the end."""

    def write(self, row: bytes, *, is_new: bool = True) -> None:  # noqa: ARG002 - rows wait for those of their group
        """Write the next row.

        Parameters
        ----------
        row : bytes
            JSON list of its cells: texts, numbers, null for an empty one. Nothing where it has no bytes.
        is_new : bool
            Of no use here.

        Raises
        ------
        WriteError
            If the file cannot be written.
        """
        if row:
            self._waiting.append(json.loads(row))
        if len(self._waiting) >= GROUP_ROWS:
            self._write_group()

    def finish(self) -> None:
        """Write the rows that wait and the end of the file, and give it its name."""
        self._write_group()
        with write_errors(self.path):
            self._writer.close()
            self._stack.close()

    def close(self) -> None:
        """Drop what was not finished."""
        if self._writer is not None:
            # what pyarrow would do later, when it is collected
            with contextlib.suppress(OSError, ValueError):
                self._writer.close()
        with contextlib.suppress(_Dropped):
            self._stack.__exit__(_Dropped, _Dropped(), None)

    def _write_group(self) -> None:
        """Write the rows that wait as one group."""
        pyarrow = require_pyarrow()
        from pyarrow import parquet

        with write_errors(self.path):
            if self._writer is None:
                self._writer = parquet.ParquetWriter(self._stack.enter_context(write_beside(self.path)), self._schema)
            columns = list(zip(*self._waiting, strict=True)) or [()] * len(self._schema)
            cells = [[_text_of(cell) for cell in column] for column in columns]
            arrays = [pyarrow.array(each, field.type) for each, field in zip(cells, self._schema, strict=True)]
            if self._waiting:
                self._writer.write_table(pyarrow.table(arrays, schema=self._schema))
        self._waiting = []


class _Dropped(Exception):  # noqa: N818 - ends the writing of a file, and is no error
    """The rows that were written are not wanted."""


def _text_of(cell: Any) -> Any:
    """Return a cell, bytes in it that are no text as escapes."""
    return cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell


def is_parquet_name(path: str | os.PathLike[str]) -> bool:
    """Return whether the suffix of a path is one of parquet files.

    Parameters
    ----------
    path : path-like
        Any path.

    Examples
    --------
    >>> is_parquet_name("table.PARQUET"), is_parquet_name("table.csv")
    (True, False)
    """
    return Path(path).suffix.lower() in PARQUET_SUFFIXES
