"""Sources of rows, as the pieces of chunks of one size, which need not be read yet.

A source is an array, a memory map, a list of arrays, of places in files or of ``.npy`` files, or a function that
returns an iterator over arrays. Places in files (:class:`gmmaudio.mixture.file_rows.FileRows`) are opened chunk by
chunk. Chunks are counted from the first row of the source, so the same rows give the same chunks, however the source is
divided.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers, is_masked_array
from gmmaudio.errors import MixtureError, ReadError
from gmmaudio.files import check_regular
from gmmaudio.mixture.covariance import Floats
from gmmaudio.mixture.file_rows import FileRows

# Rows of one task of a thread or a process. The sums over chunks are added in the order of the chunks.
CHUNK_ROWS = 8192

# Raised by numpy for files that it did not write; its headers are parsed as Python.
NOT_NPY = (OSError, ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, MemoryError, BadZipFile)

# A source of rows: see the module's docstring.
RowSource = Any

Matrix = npt.NDArray[Any]


def read_pieces(X: RowSource, n_features: int | None = None) -> Iterator[list[Matrix | FileRows]]:
    """Yield the pieces of each chunk of a source: matrices with CHUNK_ROWS rows together, in the last chunk fewer.

    Parameters
    ----------
    X : array_like, list of array_like, of FileRows or of path, or callable
        The rows; a list of matrices (or ``.npy`` files) is read in order; a function must return an iterator over
        matrices, with the same rows on every call.
    n_features : int, optional
        Number of columns expected.

    Yields
    ------
    list of ndarray or FileRows, shape (n_i, n_features)
        Of any numeric dtype, at least one. Those of ``.npy`` files are memory maps; those of a function are copies, as
        it may overwrite its matrices later.

    Raises
    ------
    MixtureError
        If rows are not matrices of real numbers of one width, or a file cannot be read.

    Examples
    --------
    >>> [[len(piece) for piece in pieces] for pieces in read_pieces([np.zeros((5000, 2)), np.zeros((5000, 2))])]
    [[5000, 3192], [1808]]
    """
    copy, n_pending = callable(X), 0
    pending: list[Matrix | FileRows] = []
    for part in _read_matrices(X, n_features):
        start = 0
        while start < len(part):
            piece = part[start : start + CHUNK_ROWS - n_pending]
            _append(pending, piece.copy() if copy and isinstance(piece, np.ndarray) else piece)
            n_pending, start = n_pending + len(piece), start + len(piece)
            if n_pending == CHUNK_ROWS:
                yield pending
                pending, n_pending = [], 0
    if pending:
        yield pending


def _append(pieces: list[Matrix | FileRows], piece: Matrix | FileRows) -> None:
    """Add a piece to the last ones; neighbours in a file become one, which is opened once."""
    last = pieces[-1] if pieces else None
    joined = last.followed_by(piece) if isinstance(last, FileRows) and isinstance(piece, FileRows) else None
    if joined is None:
        pieces.append(piece)
    else:
        pieces[-1] = joined


def as_rows(X: npt.ArrayLike, n_features: int | None = None) -> Floats:
    """Return ``X`` as a matrix of float32 or float64 numbers, without a copy where it is one already.

    Parameters
    ----------
    X : array_like, shape (n, n_features)
        Real numbers; masked values of a masked array become NaN.
    n_features : int, optional
        Number of columns expected.

    Returns
    -------
    ndarray, shape (n, n_features), float32 or float64
        float32 rows stay float32; all other dtypes become float64.

    Raises
    ------
    MixtureError
        If it is not two-dimensional, has no columns, or a number of columns other than ``n_features``.

    Examples
    --------
    >>> as_rows([[1, 2]])
    array([[1., 2.]])
    """
    return as_floats(_as_matrix(X, n_features))


def _as_piece(X: npt.ArrayLike | FileRows, n_features: int | None) -> Matrix | FileRows:
    """Return the matrix of :func:`as_rows` before the cast to floats; a place in a file as it is."""
    if isinstance(X, FileRows):
        _check_width(X.shape, n_features)
        return X
    return _as_matrix(X, n_features)


def _as_matrix(X: npt.ArrayLike, n_features: int | None) -> Matrix:
    """Return the matrix of :func:`as_rows` before the cast to floats."""
    rows = as_numbers(X, "rows must be a matrix of real numbers", MixtureError, missing=True)
    _check_width(rows.shape, n_features)
    return rows


def _check_width(shape: tuple[int, ...], n_features: int | None) -> None:
    """Raise MixtureError where a shape is not that of rows of so many features."""
    if len(shape) != 2 or shape[1] == 0:
        remedy = "; reshape(-1, 1) makes rows of one feature of them, reshape(1, -1) one row" if len(shape) == 1 else ""
        raise MixtureError(
            f"rows have shape {shape}; expected (n_rows, n_features): one row for each observation{remedy}"
        )
    if n_features is not None and shape[1] != n_features:
        raise MixtureError(f"rows have {shape[1]} features; the mixture was made for {n_features}")


def as_floats(rows: Matrix) -> Floats:
    """Return numbers as float32 or float64 in native byte order, without a copy where they are that already.

    Parameters
    ----------
    rows : ndarray
        Integers, booleans or floats.

    Examples
    --------
    >>> as_floats(np.array([1, 2]))
    array([1., 2.])
    """
    if rows.dtype in (np.float32, np.float64) and rows.dtype.isnative:
        return rows
    with np.errstate(over="ignore"):
        return rows.astype(np.float64)


def _read_matrices(X: RowSource, n_features: int | None) -> Iterator[Matrix | FileRows]:
    """Yield the matrices of a source, opened or not, which must have the same number of columns."""
    width: int | None = None
    for part in itertools.chain.from_iterable(map(_divide_masked, _list_parts(X))):
        rows = _as_piece(_open_npy(part) if isinstance(part, str | os.PathLike) else part, n_features)
        width = rows.shape[1] if width is None else width
        if rows.shape[1] != width:
            raise MixtureError(f"rows have {width} features at first and {rows.shape[1]} later; expected one width")
        if len(rows):
            yield rows


def _list_parts(X: RowSource) -> Iterable[Any]:
    """Return the matrices and paths of a source."""
    if callable(X):
        parts = X()
        if getattr(parts, "ndim", 0) == 2:
            return [parts]
        if not isinstance(parts, Iterable):
            raise MixtureError(f"the function gave {parts!r:.50}; expected an iterator over matrices of rows")
        return parts
    if isinstance(X, Iterator):
        raise MixtureError("a generator can be read once, and rows are read many times; pass a function that makes one")
    if isinstance(X, list | tuple):
        # a list of matrices or files; any other list is one matrix
        is_list_of_parts = all(isinstance(part, str | os.PathLike) or getattr(part, "ndim", 0) == 2 for part in X)
        return X if is_list_of_parts else [X]
    return [X]


def _divide_masked(part: Any) -> list[Any]:
    """Return the pieces of a large masked matrix, whose masked values are filled in copies; other parts as they are."""
    if not is_masked_array(part) or part.ndim != 2:
        return [part]
    return [part[start : start + CHUNK_ROWS] for start in range(0, max(len(part), 1), CHUNK_ROWS)]


def _open_npy(path: str | os.PathLike[str]) -> Matrix:
    """Return the matrix of a ``.npy`` file as a memory map."""
    try:
        # a pipe would be waited for, and a device read without end
        check_regular(path)
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except ReadError as error:
        raise MixtureError(f"{error}; expected a .npy file of rows") from error
    except NOT_NPY as error:
        raise MixtureError(f"{os.fspath(path)}: cannot be read ({error}); expected a .npy file of rows") from error
    if not isinstance(rows, np.ndarray):
        raise MixtureError(f"{os.fspath(path)}: holds several arrays; expected a .npy file of rows")
    return rows
