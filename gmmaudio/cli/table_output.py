"""The table that a command writes: to a CSV or parquet file, or as CSV to standard output."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from gmmaudio.cell_columns import require_pyarrow
from gmmaudio.cli.console import say
from gmmaudio.cli.output_paths import OutputPaths
from gmmaudio.data_tables import DataTable, is_parquet_name, to_csv, to_parquet
from gmmaudio.errors import SettingError
from gmmaudio.outputs import write_together


@dataclass(frozen=True)
class TableOutput:
    """A file for a table, or standard output.

    Parameters
    ----------
    path : Path or None
        The file, parquet where its suffix is ``.parquet``, otherwise CSV; None is standard output.
    overwrite : bool
        Whether a file that is there is replaced.
    """

    path: Path | None
    overwrite: bool

    def check(self, *inputs: Path) -> None:
        """Raise now where the table could not be written later, or would overwrite an input.

        Parameters
        ----------
        *inputs : sequence of Path
            Files that are read.

        Raises
        ------
        SettingError
            If a file would be overwritten, or pyarrow is needed and not installed.
        WriteError
            If the file cannot be written.
        """
        if self.path is None and self.overwrite:
            raise click.UsageError("--overwrite is of an output; name one with -o.")
        OutputPaths({"-o": self.path}).check(*inputs)
        if self.path is None:
            return
        if is_parquet_name(self.path):
            require_pyarrow()
        if os.path.lexists(self.path) and not self.overwrite:
            raise SettingError(f"{self.path}: is there already; replace it (`overwrite`), or name another file")

    def write(self, table: DataTable) -> None:
        """Write a table, whole or not at all.

        Parameters
        ----------
        table : DataTable
            The table.
        """
        if self.path is None:
            click.echo(to_csv(table).decode("utf-8"), nl=False)
            return
        data = to_parquet(table) if is_parquet_name(self.path) else to_csv(table)
        write_together([(self.path, data)])
        say(f"wrote {self.path}: {table.n_rows} rows, {len(table.columns)} columns")
