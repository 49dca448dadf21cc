"""The columns of a table of data: texts as a CSV file has them, arrays of numbers, columns of a parquet file.

pyarrow, which knows the latter, is imported where they are used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError

# cells without a value, in any case
MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf(?:inity)?", re.IGNORECASE)
SIGNS = ("+", "-")
# whole numbers that a file of typed columns holds as they are: no leading zeros, 64 bits
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
LARGEST_WHOLE = 2**63 - 1
ZERO_FIRST = re.compile("[+-]?0[0-9]")
DIGITS = re.compile("[+-]?[0-9]+")

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Numbers:
    """The cells of a column read as numbers.

    Parameters
    ----------
    values : ndarray, shape (n,), float64
        NaN where a cell is empty, or is no number.
    other : (int, str) or None
        Index and text of the first cell that is filled and is no number.
    share : float
        Share of the filled cells that are numbers, 0..1; 0 where none is filled.
    type_name : str
        Type of a column whose cells are all no numbers because of it, such as ``bool``; empty for others.

    Examples
    --------
    >>> numbers = TextColumn(("1.5", "NA", "old")).numbers()
    >>> numbers.values, numbers.other, numbers.share
    (array([1.5, nan, nan]), (2, 'old'), 0.5)
    """

    values: Array
    other: tuple[int, str] | None = None
    share: float = 1.0
    type_name: str = ""


class Column(Protocol):
    """A column of a table."""

    def __len__(self) -> int:
        """Return the number of cells."""
        ...

    def numbers(self) -> Numbers:
        """Return the cells as numbers."""
        ...

    def cells(self) -> Sequence[Any]:
        """Return the cells as CSV has them."""
        ...

    def arrow(self) -> Any:
        """Return the cells as an array of pyarrow."""
        ...

    def filled(self, values: Array, where: Mask) -> Column:
        """Return the column with the values of some cells replaced."""
        ...

    def repeated(self, times: int) -> Column:
        """Return the column several times, one below the other."""
        ...


class NumberText:
    """The text of a number, which is written as it is: it starts no formula.

    Parameters
    ----------
    text : str
        The text.

    Examples
    --------
    >>> print(NumberText("-1.50"))
    -1.50
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TextColumn:
    """A column of a CSV file: texts, of which some are numbers.

    Parameters
    ----------
    texts : sequence of str
        The cells.

    Examples
    --------
    >>> column = TextColumn(("1.50", ""))
    >>> list(column.filled(np.array([9.0, 2.5]), np.array([False, True])).texts)
    ['1.50', '2.5']
    """

    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    def numbers(self) -> Numbers:
        """Return the cells as numbers; those of 400 digits or more, and ``inf``, are infinite."""
        values = np.full(len(self.texts), np.nan)
        n_filled = n_other = 0
        other = None
        for i, text in enumerate(self.texts):
            if text.casefold() in MISSING:
                continue
            n_filled += 1
            if NUMBER.fullmatch(text):
                values[i] = float(text)
            else:
                n_other += 1
                other = other or (i, text)
        return Numbers(values, other, (n_filled - n_other) / n_filled if n_filled else 0.0)

    def cells(self) -> list[Any]:
        """Return the cells as CSV has them."""
        return [NumberText(text) if text[:1] in SIGNS and NUMBER.fullmatch(text) else text for text in self.texts]

    def arrow(self) -> Any:
        """Return the cells as an array of pyarrow: of whole numbers, of numbers or of strings."""
        pyarrow = require_pyarrow()
        numbers = self.numbers()
        if numbers.other is not None or not numbers.share:
            return pyarrow.array(list(self.texts), pyarrow.string())
        given = [None if text.casefold() in MISSING else text for text in self.texts]
        if all(text is None or _is_whole(text) for text in given):
            return pyarrow.array([None if text is None else int(text) for text in given], pyarrow.int64())
        if any(text is not None and _is_name(text) for text in given):
            return pyarrow.array(given, pyarrow.string())
        return pyarrow.array(numbers.values, from_pandas=True)

    def filled(self, values: Array, where: Mask) -> TextColumn:
        """Return the column with the texts of some cells replaced by those of numbers.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Numbers, read where ``where`` is true.
        where : ndarray, shape (n,), bool
            Cells to replace.
        """
        texts = list(self.texts)
        for i in np.flatnonzero(where):
            texts[i] = number_text(values[i])
        return TextColumn(texts)

    def repeated(self, times: int) -> TextColumn:
        """Return the column several times, one below the other.

        Parameters
        ----------
        times : int
            How often, >= 1.
        """
        return TextColumn(list(self.texts) * times)


@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """A column of numbers that were computed.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Integers or floats; NaN is an empty cell.

    Examples
    --------
    >>> ArrayColumn(np.array([0.5, np.nan])).cells()
    [0.5, '']
    """

    values: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def numbers(self) -> Numbers:
        """Return the cells as numbers."""
        return Numbers(self.values.astype(np.float64))

    def cells(self) -> list[Any]:
        """Return the cells as CSV has them."""
        return ["" if math.isnan(value) else value for value in self.values.tolist()]

    def arrow(self) -> Any:
        """Return the cells as an array of pyarrow."""
        return require_pyarrow().array(self.values, from_pandas=True)

    def filled(self, values: Array, where: Mask) -> ArrayColumn:
        """Return the column with some numbers replaced.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Numbers, read where ``where`` is true.
        where : ndarray, shape (n,), bool
            Cells to replace.
        """
        return ArrayColumn(np.where(where, values, self.values))

    def repeated(self, times: int) -> ArrayColumn:
        """Return the column several times, one below the other.

        Parameters
        ----------
        times : int
            How often, >= 1.
        """
        return ArrayColumn(np.tile(self.values, times))


@dataclass(frozen=True, eq=False)
class ArrowColumn:
    """A column of a parquet file, which keeps its type.

    Parameters
    ----------
    data : pyarrow.ChunkedArray
        The cells.
    """

    data: Any

    def __len__(self) -> int:
        return len(self.data)

    def numbers(self) -> Numbers:
        """Return the cells as numbers, where their type is one of numbers."""
        pyarrow = require_pyarrow()
        kind, types = self.data.type, pyarrow.types
        if types.is_null(kind):
            return Numbers(np.full(len(self.data), np.nan), share=0.0)
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            return Numbers(np.full(len(self.data), np.nan), share=0.0, type_name=str(kind))
        # safe=False: a whole number above 2**53 is rounded
        values = self.data.cast(pyarrow.float64(), safe=False).to_numpy()
        return Numbers(np.array(values, dtype=np.float64), share=float(not np.isnan(values).all()))

    def cells(self) -> list[Any]:
        """Return the cells as CSV has them."""
        return [_python_cell(value) for value in self.data.to_pylist()]

    def arrow(self) -> Any:
        """Return the cells as an array of pyarrow."""
        return self.data

    def filled(self, values: Array, where: Mask) -> Column:
        """Return the column with some numbers replaced, as float64.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Numbers, read where ``where`` is true.
        where : ndarray, shape (n,), bool
            Cells to replace.
        """
        return ArrayColumn(np.where(where, values, self.numbers().values)) if where.any() else self

    def repeated(self, times: int) -> ArrowColumn:
        """Return the column several times, one below the other.

        Parameters
        ----------
        times : int
            How often, >= 1.
        """
        return ArrowColumn(require_pyarrow().chunked_array(self.data.chunks * times, self.data.type))


def require_pyarrow() -> Any:
    """Return the module pyarrow.

    Raises
    ------
    SettingError
        If it is not installed.

    Examples
    --------
    >>> pyarrow = require_pyarrow()  # doctest: +SKIP
    """
    try:
        import pyarrow
    except ImportError as error:
        raise SettingError(
            "parquet files need pyarrow; install the parquet extra: pip install 'gmmaudio[parquet]', or use CSV"
        ) from error
    return pyarrow


def number_text(value: float) -> str:
    """Return the shortest text that is read as the same number; NaN is empty.

    Parameters
    ----------
    value : float
        A number.

    Examples
    --------
    >>> number_text(0.1), number_text(3.0), number_text(math.nan)
    ('0.1', '3.0', '')
    """
    return "" if math.isnan(value) else repr(float(value))


def _is_whole(text: str) -> bool:
    """Return whether a text is a whole number of 64 bits, written as such."""
    return bool(WHOLE.fullmatch(text)) and abs(int(text)) <= LARGEST_WHOLE


def _is_name(text: str) -> bool:
    """Return whether the text of a number says more than its float64: 007, or a key of more digits."""
    if ZERO_FIRST.match(text):
        return True
    # of more than 300 digits, float() may be infinite
    return bool(DIGITS.fullmatch(text)) and (len(text) > 300 or int(float(text)) != int(text))


def _python_cell(value: Any) -> Any:
    """Return a value of a parquet file as CSV has it: numbers as they are, and all else as text."""
    if value is None:
        return ""
    if isinstance(value, float) and math.isnan(value):
        return ""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
