"""The columns of a table of data that a mixture is fitted to, or was fitted to, as rows of numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmmaudio.cell_columns import Array, Numbers
from gmmaudio.data_tables import DataTable
from gmmaudio.errors import SettingError, TableError
from gmmaudio.findings import Finding, first_of, some_names
from gmmaudio.names import is_index_name, quoted
from gmmaudio.values import shown

REMEDY = "write a number, or an empty cell, NA, NaN or null where it is missing"
# of the filled cells of a column: one that is left out may be a column of numbers with errors
MOSTLY_NUMBERS = 0.5
# ranges of columns whose variances the file of a mixture holds, and values whose mean it does
SMALLEST_RANGE, LARGEST_RANGE, LARGEST = 1e-22, 1e24, 1e49
DECIMAL_COMMA = re.compile("[+-]?[0-9]*,[0-9]+")
# names in a message
MOST_NAMES = 12


@dataclass(frozen=True, eq=False)
class TableRows:
    """The numbers of some columns of a table.

    Parameters
    ----------
    names : tuple of str
        The columns.
    rows : ndarray, shape (n, n_columns), float64
        Their values; NaN where one is missing.
    left_out : tuple of (str, str)
        The other columns that were not named, each with the reason.
    findings : tuple of Finding
        What should be known of the columns.
    """

    names: tuple[str, ...]
    rows: Array
    left_out: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()


def choose_columns(table: DataTable, columns: Sequence[str] | None = None, besides: Sequence[str] = ()) -> TableRows:
    """Return the numbers of the columns that are named, or of all columns of numbers.

    A column that is not named is left out where a filled cell is no number, where it has no value or one value only,
    where it counts the rows, and where it is the index of a data frame without a name.

    Parameters
    ----------
    table : DataTable
        The table.
    columns : sequence of str, optional
        Names of columns.
    besides : sequence of str
        Columns that have another use, and are not looked at.

    Returns
    -------
    TableRows
        Every value is finite or NaN, and no column is constant.

    Raises
    ------
    SettingError
        If a column is named that is not there, or twice.
    TableError
        If there are fewer than two rows with a value, no column of numbers, or a column that is named cannot be used.
    """
    _check_has_rows(table)
    if columns is None:
        names, left_out, findings = _numeric_columns(table, besides)
    else:
        names, left_out, findings = _named_columns(table, columns), (), ()
    rows = _stack(table, names)
    has_value = ~np.isnan(rows).all(axis=1)
    if has_value.sum() < 2:
        n = int(has_value.sum())
        raise TableError(f"{table.name}: has {n} row{'s' * (n != 1)} with a value; expected 2 or more")
    for name, column in zip(names, rows.T, strict=True):
        _check_range(table, name, column)
    return TableRows(names, rows, left_out, (*findings, *check_empty_rows(table, rows)))


def match_columns(table: DataTable, names: Sequence[str]) -> TableRows:
    """Return the numbers of the columns that a mixture was fitted to; their order in the table does not count.

    Parameters
    ----------
    table : DataTable
        The table; it may have other columns.
    names : sequence of str
        The columns of the mixture, in its order.

    Raises
    ------
    TableError
        If there are no rows, a column is missing, or a cell is no finite number.
    """
    _check_has_rows(table)
    found = [table.find(name) for name in names]
    missing = [name for name, column in zip(names, found, strict=True) if column is None]
    if missing:
        has = some_names([name for name in table.columns if name], MOST_NAMES) or "none"
        raise TableError(
            f"{table.name}: has no column {some_names(missing, MOST_NAMES)}; expected the columns of the mixture, "
            f"{some_names(list(names), MOST_NAMES)}, and found {has}: rename columns, or add empty ones for missing "
            "values"
        )
    matched = tuple(column for column in found if column is not None)
    rows = _stack(table, matched)
    return TableRows(matched, rows, (), check_empty_rows(table, rows))


def check_empty_rows(table: DataTable, rows: Array) -> tuple[Finding, ...]:
    """Return the finding that some rows have no value in the columns that are used.

    Parameters
    ----------
    table : DataTable
        The table.
    rows : ndarray, shape (n, n_columns)
        The values that are used.
    """
    empty = np.flatnonzero(np.isnan(rows).all(axis=1))
    if not len(empty):
        return ()
    return (
        Finding(
            "rows_without_values",
            "information",
            f"{len(empty)} of {len(rows)} rows have no value in the columns that are used, the first in "
            f"{table.place(int(empty[0]))}: they say nothing of clusters, and get the weights of the mixture",
        ),
    )


def check_far_values(table: DataTable, used: TableRows, columns: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return the finding that values are far outside the range of the rows that a mixture was fitted to.

    A value is far outside where it is further from the range than the range is wide.

    Parameters
    ----------
    table : DataTable
        The table.
    used : TableRows
        Its columns of the mixture.
    columns : sequence of mapping
        ``low`` and ``high`` of each column in the rows of the fit; columns without them are not checked.
    """
    cases = []
    for name, values, column in zip(used.names, used.rows.T, columns, strict=True):
        low, high = column.get("low"), column.get("high")
        if not (isinstance(low, int | float) and isinstance(high, int | float)):
            continue
        with np.errstate(over="ignore"):
            far = np.flatnonzero(np.maximum(low - values, values - high) > high - low)
        if len(far):
            first, n_values = int(far[0]), int((~np.isnan(values)).sum())
            cases.append(
                f"{quoted(name)}: {len(far)} of {n_values} values, the first {values[first]:g} in "
                f"{table.place(first)}, where the mixture saw {low:g} to {high:g}"
            )
    if not cases:
        return ()
    return (
        Finding(
            "values_far_outside",
            "warning",
            f"values lie far outside the rows that the mixture was fitted to: {first_of(cases)}",
            "check the units and the scales of these columns",
        ),
    )


def _check_has_rows(table: DataTable) -> None:
    """Raise TableError where a table has no rows."""
    if not table.n_rows:
        raise TableError(f"{table.name}: has names of columns and no rows; add rows")


def _check_range(table: DataTable, name: str, values: Array) -> None:
    """Raise TableError where no mixture can be fitted to a column, or none that a file holds."""
    problem = _uniformity(values)
    if problem:
        raise TableError(
            f"{table.name}: column {quoted(name)} has {problem}, to which no mixture can be fitted; leave it out of "
            "`columns`"
        )
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if not SMALLEST_RANGE <= high - low <= LARGEST_RANGE or max(-low, high) > LARGEST:
        raise TableError(
            f"{table.name}: column {quoted(name)} has numbers from {low:g} to {high:g}; expected a range of "
            f"{SMALLEST_RANGE:g} to {LARGEST_RANGE:g}: choose another unit"
        )


def _named_columns(table: DataTable, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of a table that are named."""
    names = []
    for wanted in columns:
        name = table.find(wanted)
        if name is None or not name:
            has = some_names([each for each in table.columns if each], MOST_NAMES)
            raise SettingError(f"`columns` names {shown(wanted)}; expected columns of {table.name}: {has}")
        names.append(name)
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated or not names:
        problem = f"names {shown(repeated[0])} twice" if repeated else "is empty"
        raise SettingError(f"`columns` {problem}; expected each column once, such as those of {table.name}")
    return tuple(names)


def _numeric_columns(
    table: DataTable, besides: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...], tuple[Finding, ...]]:
    """Return the columns of numbers, the others with the reason why they are left out, and findings on these."""
    names, left_out, nearly = [], [], []
    for name, column in table.columns.items():
        if name in besides:
            continue
        numbers = column.numbers()
        reason = _reason_to_leave_out(table, name, numbers)
        if not reason:
            names.append(name)
            continue
        left_out.append((name, reason))
        if name and numbers.other is not None and _is_nearly_numeric(numbers):
            nearly.append(f"{quoted(name)} ({reason})")
    if not names:
        reasons = first_of([f"{quoted(name)}: {reason}" for name, reason in left_out], MOST_NAMES)
        raise TableError(f"{table.name}: has no column of numbers that vary ({reasons}); expected at least one")
    return tuple(names), tuple(left_out), (*_check_left_out(left_out), *_check_nearly_numeric(nearly))


def _is_nearly_numeric(numbers: Numbers) -> bool:
    """Return whether cells that are no numbers may be errors, or numbers of another notation."""
    has_comma = numbers.other is not None and DECIMAL_COMMA.fullmatch(numbers.other[1]) is not None
    return has_comma or numbers.share >= MOSTLY_NUMBERS


def _check_left_out(left_out: Sequence[tuple[str, str]]) -> tuple[Finding, ...]:
    """Return the finding that columns are not used."""
    if not left_out:
        return ()
    cases = [f"{quoted(name)} ({reason})" for name, reason in left_out]
    return (Finding("columns_left_out", "information", f"columns that are left out: {first_of(cases, MOST_NAMES)}"),)


def _check_nearly_numeric(nearly: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding that columns are left out whose cells are numbers for the most part."""
    if not nearly:
        return ()
    return (
        Finding(
            "column_nearly_numeric",
            "warning",
            f"columns that hold numbers for the most part are left out: {first_of(list(nearly), MOST_NAMES)}",
            f"{REMEDY}, or name the columns to use (`columns`)",
        ),
    )


def _reason_to_leave_out(table: DataTable, name: str, numbers: Numbers) -> str:
    """Return the reason to leave out a column that was not named; empty where it is used."""
    if not name:
        return "it has no name"
    if is_index_name(name):
        return "it is the index of a data frame"
    if numbers.type_name:
        return f"type {numbers.type_name}"
    if numbers.other is not None:
        # the reason is kept with the mixture, which is no place for what cells say of people
        what = "a decimal comma" if DECIMAL_COMMA.fullmatch(numbers.other[1]) else "text"
        return f"{what} in {table.place(numbers.other[0])}"
    return _uniformity(numbers.values) or ("it counts the rows" if _counts(numbers.values) else "")


def _uniformity(values: Array) -> str:
    """Return the content of a column without two different values in words; empty for others."""
    filled = values[~np.isnan(values)]
    if not len(filled):
        return "no value"
    return f"one value, {filled[0]:g}" if (filled == filled[0]).all() else ""


def _counts(values: Array) -> bool:
    """Return whether a column has the whole numbers from 0 or 1 on, in order."""
    filled = values[~np.isnan(values)]
    return len(filled) > 2 and filled[0] in (0, 1) and bool((np.diff(filled) == 1).all())


def _stack(table: DataTable, names: Sequence[str]) -> Array:
    """Return the numbers of columns side by side; raise TableError where a cell is none, or is infinite."""
    rows = np.empty((table.n_rows, len(names)))
    for j, name in enumerate(names):
        numbers = table.columns[name].numbers()
        if numbers.type_name:
            raise TableError(
                f"{table.name}: column {quoted(name)} has the type {numbers.type_name}; expected a type of numbers"
            )
        if numbers.other is not None:
            i, text = numbers.other
            comma = ", with a decimal point" if DECIMAL_COMMA.fullmatch(text) else ""
            raise TableError(
                f"{table.name}, {table.place(i)}: column {quoted(name)} is {shown(text)}; expected a finite number"
                f"{comma}: {REMEDY}"
            )
        infinite = np.flatnonzero(np.isinf(numbers.values))
        if len(infinite):
            i = int(infinite[0])
            raise TableError(
                f"{table.name}, {table.place(i)}: column {quoted(name)} is infinite, or too large a number; expected a "
                f"finite number: {REMEDY}"
            )
        rows[:, j] = numbers.values
    return rows
