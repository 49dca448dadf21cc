"""A fitted mixture and a table: the cluster of every row, and values for the missing ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gmmaudio.cell_columns import Array, Column
from gmmaudio.data_tables import MAX_CELLS, DataTable, read_data_table
from gmmaudio.errors import SettingError, TableError
from gmmaudio.findings import Finding
from gmmaudio.mixture import SavedMixture
from gmmaudio.mixture.conditional_draws import draw_missing
from gmmaudio.names import quoted
from gmmaudio.pipeline.table_columns import TableRows, check_far_values, match_columns
from gmmaudio.values import checked

CLUSTER, LOG_DENSITY, MEMBERSHIP = "cluster", "log_density", "membership_"
IMPUTATION = "imputation"
# copies of a table that are written at once
MAX_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class TableAnswer:
    """A table with what a mixture says of its rows.

    Parameters
    ----------
    table : DataTable
        The table with columns added, or values filled in.
    findings : tuple of Finding
        What should be known of the values.
    n_filled : int
        Number of missing values that were filled in, once where several are drawn for each.
    """

    table: DataTable
    findings: tuple[Finding, ...]
    n_filled: int = 0


@checked
def assign_table(saved: SavedMixture, table: str | Path | DataTable) -> TableAnswer:
    r"""Return the rows of a table with their cluster, their membership in each and their log density.

    The cluster is the component with the largest membership, counted from 0, the heaviest first. A membership is the
    probability of the component given the values that are there. Log densities are natural logs, and comparable
    between rows with the same missing columns only.

    Parameters
    ----------
    saved : SavedMixture
        A mixture with the names of its columns.
    table : path-like or DataTable
        A CSV or parquet file, or a table that was read, with these columns in any order.

    Raises
    ------
    TableError
        If the table cannot be read, lacks a column of the mixture, or has one that would be added.

    Examples
    --------
    >>> from gmmaudio.data_tables import parse_csv
    >>> from gmmaudio.mixture import GaussianMixture
    >>> mixture = GaussianMixture([0.5, 0.5], [[-9.0], [9.0]], [[1.0], [1.0]])
    >>> answer = assign_table(SavedMixture(mixture, ("x",)), parse_csv("x\n8\n-8\n", "t.csv"))
    >>> list(answer.table.columns), answer.table.columns["cluster"].values
    (['x', 'cluster', 'membership_0', 'membership_1', 'log_density'], array([1, 0]))
    """
    table, used = _read(saved, table)
    mixture = saved.mixture
    memberships = [f"{MEMBERSHIP}{k}" for k in range(mixture.n_components)]
    _check_new(table, (CLUSTER, *memberships, LOG_DENSITY))
    density, responsibilities = mixture.density_and_responsibilities(used.rows)
    added: dict[str, Any] = {CLUSTER: responsibilities.argmax(axis=1)}
    added |= dict(zip(memberships, responsibilities.T, strict=True))
    added[LOG_DENSITY] = density
    return TableAnswer(table.with_columns(added), used.findings)


@checked
def impute_table(
    saved: SavedMixture, table: str | Path | DataTable, *, n_draws: int | None = None, seed: int = 0
) -> TableAnswer:
    r"""Return a table in which missing values of the columns of a mixture are filled in.

    Without ``n_draws``, by their means given the values of the row that are there. These are the best guess of each
    value by squared error; they vary less than true values would. With ``n_draws``, the table is there that many times,
    one below the other, numbered in a first column ``imputation`` from 1: in each, missing values are drawn from their
    distribution given those that are there. What is computed of each table varies as much as the missing values leave
    it open (Rubin 1987); the uncertainty of the mixture itself is not in it.

    Parameters
    ----------
    saved : SavedMixture
        A mixture with the names of its columns.
    table : path-like or DataTable
        A CSV or parquet file, or a table that was read, with these columns in any order.
    n_draws : int or None
        Number of imputations, 1 to 1000.
    seed : int
        Seed of the draws, >= 0.

    Raises
    ------
    TableError
        If the table cannot be read, lacks a column of the mixture, or has one that would be added.
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Rubin, *Multiple Imputation for Nonresponse in Surveys* (1987).

    Examples
    --------
    >>> from gmmaudio.data_tables import parse_csv, to_csv
    >>> from gmmaudio.mixture import GaussianMixture
    >>> line = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.75], [0.75, 1.0]]], "full")
    >>> answer = impute_table(SavedMixture(line, ("x", "y")), parse_csv("x,y\n2,\n", "t.csv"))
    >>> print(to_csv(answer.table).decode(), answer.n_filled)
    x,y
    2,1.5
     1
    """
    if n_draws is not None and not 1 <= n_draws <= MAX_DRAWS:
        raise SettingError(f"`n_draws` is {n_draws}; expected 1 to {MAX_DRAWS}")
    if seed < 0:
        raise SettingError(f"`seed` is {seed}; expected 0 or more")
    table, used = _read(saved, table)
    missing = np.isnan(used.rows)
    if n_draws is None:
        complete = saved.mixture.impute(used.rows)
        return TableAnswer(_filled(table, used, complete), used.findings, int(missing.sum()))
    _check_new(table, (IMPUTATION,))
    n_cells = n_draws * table.n_rows * (len(table.columns) + 1)
    if n_cells > MAX_CELLS:
        raise SettingError(f"`n_draws` is {n_draws}, which makes {n_cells:,} cells; expected at most {MAX_CELLS:,}")
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([draw_missing(saved.mixture, used.rows, rng) for _ in range(n_draws)])
    several = TableRows(used.names, np.tile(used.rows, (n_draws, 1)))
    filled = _filled(table.repeated(n_draws), several, drawn)
    number = DataTable(table.name, {}).with_columns({IMPUTATION: np.repeat(np.arange(n_draws) + 1, table.n_rows)})
    return TableAnswer(number.with_columns(filled.columns), used.findings, int(missing.sum()))


def _read(saved: SavedMixture, table: str | Path | DataTable) -> tuple[DataTable, TableRows]:
    """Return a table, and its columns of a mixture, with findings on its values."""
    if saved.names is None:
        raise TableError("the mixture has no names of columns; fit it to a table, or save it with `names`")
    if not isinstance(table, DataTable):
        table = read_data_table(table)
    used = match_columns(table, saved.names)
    findings = (*used.findings, *check_far_values(table, used, _columns_of(saved)))
    return table, TableRows(used.names, used.rows, (), findings)


def _columns_of(saved: SavedMixture) -> list[dict[str, Any]]:
    """Return the record of each column in the training; empty where there is none."""
    columns = saved.details.get("columns")
    records = columns if isinstance(columns, list) else []
    known = {record.get("name"): record for record in records if isinstance(record, dict)}
    return [known.get(name, {}) for name in saved.names or ()]


def _check_new(table: DataTable, names: Iterable[str]) -> None:
    """Raise TableError where a table has a column that would be added."""
    for name in names:
        if table.find(name) is not None:
            raise TableError(
                f"{table.name}: has a column {quoted(name)}, which would be added; rename it, or leave it out"
            )


def _filled(table: DataTable, used: TableRows, complete: Array) -> DataTable:
    """Return a table in which the missing values of the columns that are used are those of other rows."""
    columns: dict[str, Column] = {}
    for name, values, before in zip(used.names, complete.T, used.rows.T, strict=True):
        columns[name] = table.columns[name].filled(values, np.isnan(before))
    return table.with_columns(columns)
