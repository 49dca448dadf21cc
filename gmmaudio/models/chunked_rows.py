"""Rows in chunks of a fixed size, read as often as needed, so that no more than a chunk is in memory at a time.

The size of a chunk follows from the number of bytes of a row alone. So the same rows give the same chunks, and sums
over chunks the same bits, whether the rows are in memory, in files, or computed anew at every reading.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import ReadError, WriteError
from gmmaudio.models.linear_algebra import Codes, Matrix

# of a chunk at most; short rows are no more than MAX_ROWS
CHUNK_BYTES = 8 * 2**20
MAX_ROWS = 8192
# of a table that is in memory; a larger one is in a temporary file
HELD_BYTES = 16 * 2**20


def chunk_rows(row_bytes: int) -> int:
    """Return the number of rows of a chunk, a power of two.

    Parameters
    ----------
    row_bytes : int
        Bytes of one row.

    Examples
    --------
    >>> chunk_rows(800), chunk_rows(30_720), chunk_rows(10**9)
    (8192, 256, 1)
    """
    most = max(1, min(MAX_ROWS, CHUNK_BYTES // max(1, row_bytes)))
    return 1 << (most.bit_length() - 1)


@dataclass(frozen=True, eq=False)
class ChunkedRows:
    """Rows that are read in chunks.

    Parameters
    ----------
    shape : (int, int)
        Number of rows and of columns.
    dtype : numpy.dtype
        Type of the numbers.
    n_at_once : int
        Rows of every chunk but the last, which may have fewer.
    read : callable
        Returns an iterator over the chunks from the first; it is called for every reading.

    Examples
    --------
    >>> rows = in_chunks(np.arange(6.0).reshape(3, 2), n_at_once=2)
    >>> [(part, chunk.tolist()) for part, chunk in rows]
    [(slice(0, 2, None), [[0.0, 1.0], [2.0, 3.0]]), (slice(2, 3, None), [[4.0, 5.0]])]
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    n_at_once: int
    read: Callable[[], Iterator[Matrix]]

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[tuple[slice, Matrix]]:
        yield from zip(self.parts(), self.read(), strict=True)

    def parts(self) -> Iterator[slice]:
        """Yield the place of every chunk among all rows."""
        for start in range(0, len(self), self.n_at_once):
            yield slice(start, min(start + self.n_at_once, len(self)))

    def map(self, function: Callable[[slice, Matrix], Matrix], n_columns: int) -> ChunkedRows:
        """Return rows that a function makes of every chunk, anew at every reading.

        Parameters
        ----------
        function : callable
            From the place of a chunk and its rows to as many rows, of the same type.
        n_columns : int
            Columns of the result.
        """
        shape = (len(self), n_columns)
        return replace(self, shape=shape, read=lambda: (function(part, chunk) for part, chunk in self))

    def whole(self) -> Matrix:
        """Return all rows as one matrix."""
        if len(self) <= self.n_at_once:
            return next(self.read())
        rows = np.empty(self.shape, self.dtype)
        for part, chunk in self:
            rows[part] = chunk
        return rows


def in_chunks(rows: Matrix | ChunkedRows, n_at_once: int | None = None) -> ChunkedRows:
    """Return a matrix as chunks that are views of it; chunks are returned as they are.

    Parameters
    ----------
    rows : ndarray, shape (n, d), or ChunkedRows
        At least one row.
    n_at_once : int, optional
        Rows of a chunk. Default: :func:`chunk_rows` of their size.

    Examples
    --------
    >>> len(in_chunks(np.zeros((3, 2))))
    3
    """
    if isinstance(rows, ChunkedRows):
        return rows
    n = n_at_once or chunk_rows(rows.dtype.itemsize * rows.shape[1])
    return ChunkedRows(rows.shape, rows.dtype, n, lambda: (rows[i : i + n] for i in range(0, len(rows), n)))


def rows_of_clips(rows: Sequence[Matrix], lengths: npt.NDArray[np.intp]) -> ChunkedRows:
    """Return the rows of all clips, one clip after another, as float64.

    Parameters
    ----------
    rows : sequence of ndarray, shape (n_i, d)
        Rows of every clip, of which one is read at a time.
    lengths : ndarray, shape (n_clips,), int
        Number of rows of every clip.

    Examples
    --------
    >>> rows = rows_of_clips([np.zeros((3, 2)), np.ones((1, 2))], np.array([3, 1]))
    >>> rows.whole().tolist()
    [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    """
    shape, dtype = (int(lengths.sum()), int(rows[0].shape[1])), np.dtype(np.float64)
    n_at_once = chunk_rows(dtype.itemsize * shape[1])
    return ChunkedRows(shape, dtype, n_at_once, lambda: _joined((rows[i] for i in range(len(rows))), n_at_once))


def _joined(matrices: Iterable[Matrix], n_at_once: int) -> Iterator[Matrix]:
    """Yield the rows of matrices in chunks, as float64."""
    pieces: list[Matrix] = []
    n_pending = 0
    for matrix in matrices:
        start = 0
        while start < len(matrix):
            # a copy: no piece may hold the matrix of a whole clip
            piece = matrix[start : start + n_at_once - n_pending].astype(np.float64)
            pieces.append(piece)
            n_pending, start = n_pending + len(piece), start + len(piece)
            if n_pending == n_at_once:
                yield np.concatenate(pieces)
                pieces, n_pending = [], 0
    if pieces:
        yield np.concatenate(pieces)


class RowTable:
    """A matrix that is written once, row after row, and read in chunks: in memory, or in a temporary file.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    dtype : numpy.dtype
        Type of the numbers.

    Examples
    --------
    >>> table = RowTable((3, 2), np.dtype(np.float32))
    >>> table.append(np.zeros((2, 2)))
    >>> table.append(np.ones((1, 2)))
    >>> table.take(np.array([1, 2])).whole().tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self._n_written, self._lock = 0, threading.Lock()
        n_bytes = self.dtype.itemsize * shape[0] * shape[1]
        self._held = np.empty(shape, dtype) if n_bytes <= HELD_BYTES else None

    @cached_property
    def _file(self) -> IO[bytes]:
        """The temporary file, which has no name and is gone with the table."""
        handle = tempfile.TemporaryFile(prefix="gmmaudio-")  # noqa: SIM115 - open as long as the table
        weakref.finalize(self, handle.close)
        return handle

    def __len__(self) -> int:
        return self.shape[0]

    def append(self, rows: Matrix) -> None:
        """Write the next rows.

        Parameters
        ----------
        rows : ndarray, shape (n, n_columns)
            Rows.

        Raises
        ------
        WriteError
            If the temporary file cannot be written.
        """
        start = self._n_written
        self._n_written += len(rows)
        if self._held is not None:
            self._held[start : self._n_written] = rows
            return
        try:
            self._file.seek(start * self.dtype.itemsize * self.shape[1])
            self._file.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
            self._file.flush()
        except OSError as error:
            n_bytes = self.dtype.itemsize * self.shape[0] * self.shape[1]
            raise WriteError(
                f"cannot write a temporary file of {n_bytes / 2**20:.0f} MiB in {tempfile.gettempdir()} "
                f"({error.strerror}): set TMPDIR to a folder with more space"
            ) from error

    def take(self, indices: Codes) -> ChunkedRows:
        """Return some rows.

        Parameters
        ----------
        indices : ndarray, shape (n,), int
            Indices of the rows; a file is read fastest where they ascend.
        """
        n_at_once = chunk_rows(self.dtype.itemsize * self.shape[1])
        starts = range(0, len(indices), n_at_once)
        shape = (len(indices), self.shape[1])
        read = lambda: (self.read(indices[i : i + n_at_once]) for i in starts)  # noqa: E731
        return ChunkedRows(shape, self.dtype, n_at_once, read)

    def rows(self) -> ChunkedRows:
        """Return all rows; those in memory are views."""
        n_at_once = chunk_rows(self.dtype.itemsize * self.shape[1])
        starts = range(0, len(self), n_at_once)
        read = lambda: (self.read(slice(i, i + n_at_once)) for i in starts)  # noqa: E731
        return ChunkedRows(self.shape, self.dtype, n_at_once, read)

    def read(self, where: Codes | slice) -> Matrix:
        """Return rows as a matrix.

        Parameters
        ----------
        where : slice, or ndarray of int
            Rows to read.
        """
        if self._held is not None:
            held: Matrix = self._held[where]
            return held
        indices = np.arange(*where.indices(len(self))) if isinstance(where, slice) else where
        rows = np.empty((len(indices), self.shape[1]), self.dtype)
        row_bytes = self.dtype.itemsize * self.shape[1]
        if not rows.size:
            return rows
        content = rows.data.cast("B")
        # read and not mapped: a map of scattered rows takes the memory of all that lie between them
        starts = np.flatnonzero(np.diff(indices, prepend=-2) != 1).tolist()
        with self._lock:
            for start, stop in zip(starts, [*starts[1:], len(indices)], strict=True):
                self._file.seek(int(indices[start]) * row_bytes)
                part = content[start * row_bytes : stop * row_bytes]
                if self._file.readinto(part) != len(part):  # type: ignore[attr-defined]
                    raise ReadError("a temporary file became shorter than what was written; run again")
        return rows


def keep_rows(rows: ChunkedRows) -> RowTable:
    """Return a table of rows, so that they are computed once.

    Parameters
    ----------
    rows : ChunkedRows
        Rows that are computed at every reading.

    Examples
    --------
    >>> doubled = in_chunks(np.ones((2, 1))).map(lambda _, chunk: 2 * chunk, 1)
    >>> keep_rows(doubled).rows().whole().ravel()
    array([2., 2.])
    """
    table = RowTable(rows.shape, rows.dtype)
    for _, chunk in rows:
        table.append(chunk)
    return table
