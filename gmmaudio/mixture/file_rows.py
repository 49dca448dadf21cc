"""Rows in files as references to their place, which other processes open for themselves."""

from __future__ import annotations

import mmap
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import MixtureError

EXPECTED = "expected the file of rows that was there at first"


@dataclass(frozen=True)
class FileRows:
    """The place of a matrix in a file.

    Parameters
    ----------
    path : str
        The file; absolute.
    dtype : str
        Type of a number, as in ``numpy.dtype.str``.
    shape : tuple of (int, int)
        Rows and columns.
    strides : tuple of (int, int)
        Bytes from one row, and from one column, to the next.
    offset : int
        Bytes before the first number.
    checksum : int or None
        CRC-32 of the first and the last row, by which a file that took the place of this one is known; None of a file
        that nothing else writes.

    Examples
    --------
    >>> rows = FileRows("frames.bin", "<f4", (10, 3), (12, 4), 0)
    >>> len(rows[1::2]), rows[:4].followed_by(rows[4:]) == rows
    (5, True)
    """

    path: str
    dtype: str
    shape: tuple[int, int]
    strides: tuple[int, int]
    offset: int
    checksum: int | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> FileRows:
        """Return some of the rows, not read yet; steps are 1 or more."""
        start, stop, step = part.indices(len(self))
        n, (to_row, to_column) = len(range(start, stop, step)), self.strides
        offset, strides = self.offset + start * to_row, (step * to_row, to_column)
        return replace(self, shape=(n, self.shape[1]), strides=strides, offset=offset, checksum=None)

    def followed_by(self, other: FileRows) -> FileRows | None:
        """Return these rows and others as one, or None where those are not the next in the file.

        Parameters
        ----------
        other : FileRows
            Other rows.
        """
        n = len(self) + len(other)
        whole = replace(self, shape=(n, self.shape[1]), checksum=None)
        return whole if whole[len(self) :] == replace(other, checksum=None) else None

    @property
    def ndim(self) -> int:
        """Number of dimensions: 2."""
        return len(self.shape)

    def open(self) -> npt.NDArray[Any]:
        """Return the matrix as a memory map.

        Raises
        ------
        MixtureError
            If the file is not there any more, cannot be read, has become shorter or holds other rows.
        """
        if not len(self):
            return np.empty(self.shape, self.dtype)
        try:
            content = np.memmap(self.path, np.uint8, mode="r")
            rows = np.ndarray(self.shape, self.dtype, content, self.offset, self.strides)
        except (OSError, ValueError, TypeError) as error:
            raise MixtureError(f"{self.path}: cannot be read ({error}); {EXPECTED}") from error
        if self.checksum is not None and _checksum(rows) != self.checksum:
            raise MixtureError(f"{self.path}: holds other rows; {EXPECTED}")
        return rows


def in_file(rows: npt.NDArray[Any]) -> FileRows | None:
    """Return the place of rows that are part of a memory map, or None where they are not in a file that is there.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        Any view of a memory map, or other rows.

    Examples
    --------
    >>> in_file(np.zeros((2, 3))) is None
    True
    """
    root = _root_of(rows)
    # what is written to a copy on write is not in its file
    if root is None or root.filename is None or root.mode == "c" or min(rows.strides) < 0:
        return None
    path, (n, d), (to_row, to_column) = Path(root.filename), rows.shape, rows.strides
    offset = root.offset + _address(rows) - _address(root)
    if not path.is_file():
        return None
    return FileRows(str(path), rows.dtype.str, (n, d), (to_row, to_column), offset, _checksum(rows))


def _checksum(rows: npt.NDArray[Any]) -> int:
    """Return the CRC-32 of the first and the last row."""
    return zlib.crc32(rows[[0, -1]].tobytes() if len(rows) else b"")


def _address(array: npt.NDArray[Any]) -> int:
    """Return the address of the first number of an array."""
    return int(array.__array_interface__["data"][0])


def _root_of(rows: npt.NDArray[Any]) -> np.memmap[Any, Any] | None:
    """Return the memory map that an array is a view of, or None."""
    array: object = rows
    while isinstance(array, np.ndarray):
        base: object = array.base
        # a view of a memory map has its type and its offset, which is not that of the view
        if isinstance(array, np.memmap) and isinstance(base, mmap.mmap):
            return array
        array = base
    return None
