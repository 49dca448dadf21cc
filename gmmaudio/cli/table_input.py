"""The table that a command reads: from a file, or from standard input."""

from __future__ import annotations

from pathlib import Path

from gmmaudio.data_tables import DataTable, parse_data
from gmmaudio.errors import ReadError, TableError
from gmmaudio.files import TABLE_BYTES, read_stream


def open_table(path: Path) -> Path | DataTable:
    """Return the path of a table, or the table that standard input brings where the path is ``-``.

    Parameters
    ----------
    path : Path
        As the command line names it.

    Raises
    ------
    TableError
        If standard input brings no table.
    """
    if str(path) != "-":
        return path
    from gmmaudio.cli.inputs import stdin_bytes

    try:
        data = read_stream(stdin_bytes(), TABLE_BYTES, "standard input")
    except ReadError as error:
        raise TableError(str(error)) from error
    return parse_data(data, "standard input")
