"""Rows of numbers from any source, read in chunks of one size.

A source is an array, a memory map, a list of arrays or of ``.npy`` files, or a function that returns an iterator over
arrays. Chunks are counted from the first row of the source, so the same rows give the same chunks, and therefore
bit-identical results, however the source is divided. NaN and masked values are missing values; rows in which all values
are missing are skipped.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers, is_masked_array
from gmmaudio.errors import MixtureError, ReadError
from gmmaudio.files import check_regular
from gmmaudio.mixture.covariance import Array, Floats

# Rows of one task of a thread or a process. The sums over chunks are added in the order of the chunks.
CHUNK_ROWS = 8192
# Rows of one matrix product within a chunk: large enough for full speed, small enough for a block's moments and
# responsibilities to stay in cache. Times measured for 256 to 1024 rows are alike.
BLOCK_ROWS = 512

# Raised by numpy for files that it did not write; its headers are parsed as Python.
NOT_NPY = (OSError, ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, MemoryError, BadZipFile)

# A source of rows: see the module's docstring.
RowSource = Any


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive rows of a source.

    Parameters
    ----------
    start : int
        Index of the first row in the source.
    rows : ndarray, shape (n, n_features), float32 or float64
        Finite numbers, or NaN where a value is missing.
    weights : ndarray, shape (n,), float64, or None
        Weight of each row; None where all weights are 1.
    has_missing : bool
        Whether any value is NaN.
    """

    start: int
    rows: Floats
    weights: Array | None
    has_missing: bool

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Yield (slice of the chunk, rows of that slice), at most BLOCK_ROWS rows at a time."""
        for start in range(0, len(self.rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            yield block, self.rows[block]

    @property
    def total(self) -> float:
        """Number of rows, or the sum of their weights."""
        return float(len(self.rows) if self.weights is None else self.weights.sum())


@dataclass(frozen=True, eq=False)
class RowSummary:
    """Counts and ranges from one pass over all rows of a source.

    Parameters
    ----------
    n_rows : int
        Number of rows with at least one value and a weight above 0.
    total : float
        Sum of the weights of these rows; their number where there are no weights.
    observed : ndarray, shape (n_features,)
        The same sum over the rows that have a value in each column.
    low, high : ndarray, shape (n_features,)
        Minimum and maximum of each column, in the units of the rows.
    is_float32 : bool
        Whether all rows are float32.
    """

    n_rows: int
    total: float
    observed: Array
    low: Array
    high: Array
    is_float32: bool


def read_chunks(
    X: RowSource, weights: npt.ArrayLike | None = None, *, n_features: int | None = None, all_rows: bool = False
) -> Iterator[Chunk]:
    """Yield the rows of a source in chunks of CHUNK_ROWS.

    Parameters
    ----------
    X : array_like, list of array_like or of path, or callable
        The rows; a list of matrices (or ``.npy`` files) is read in order; a function must return an iterator over
        matrices, with the same rows on every call.
    weights : array_like, shape (n,), optional
        Finite and >= 0, one for each row of the whole source.
    n_features : int, optional
        Number of columns expected.
    all_rows : bool
        Whether to keep rows without any value and rows of weight 0, which are skipped by default.

    Yields
    ------
    Chunk
        At most CHUNK_ROWS rows.

    Raises
    ------
    MixtureError
        If rows are not matrices of real numbers of one width, a value is infinite, or the number of weights differs
        from the number of rows.

    Examples
    --------
    >>> [chunk.rows.shape for chunk in read_chunks([np.zeros((5000, 2)), np.zeros((5000, 2))])]
    [(8192, 2), (1808, 2)]
    """
    row_weights = None if weights is None else check_weights(weights)
    start = 0
    for rows in map(_floats, _rechunk(_read_matrices(X, n_features), copy=callable(X))):
        stop = start + len(rows)
        if row_weights is not None and stop > len(row_weights):
            raise MixtureError(
                f"there are {len(row_weights)} weights and {stop} rows or more; expected one for each row"
            )
        chunk_weights = None if row_weights is None else row_weights[start:stop]
        has_missing = _check_missing(rows, start)
        chunk = Chunk(start, _with_quiet_nan(rows) if has_missing else rows, chunk_weights, has_missing)
        yield chunk if all_rows else _drop_empty_rows(chunk)
        start = stop
    if row_weights is not None and start != len(row_weights):
        raise MixtureError(f"there are {len(row_weights)} weights and {start} rows; expected one for each row")


def check_weights(weights: npt.ArrayLike) -> Array:
    """Return row weights as a float64 vector, shape (n,).

    Parameters
    ----------
    weights : array_like, shape (n,)
        Finite numbers >= 0, at least one of them above 0.

    Raises
    ------
    MixtureError
        If they are not a vector of finite numbers >= 0, all are 0, or their sum exceeds float64.

    Examples
    --------
    >>> check_weights([1, 2])
    array([1., 2.])
    """
    row_weights = _floats(as_numbers(weights, "weights must be real numbers", MixtureError)).astype(
        np.float64, copy=False
    )
    if row_weights.ndim != 1:
        raise MixtureError(f"weights have shape {row_weights.shape}; expected (n_rows,): one for each row")
    bad = np.flatnonzero(~(np.isfinite(row_weights) & (row_weights >= 0)))
    if len(bad):
        raise MixtureError(f"weight {bad[0]} is {row_weights[bad[0]]}; weights must be finite, and 0 or more")
    if len(row_weights) and row_weights.max() == 0:
        raise MixtureError("all weights are 0; at least one row must count")
    with np.errstate(over="ignore"):
        if not np.isfinite(row_weights.sum()):
            raise MixtureError("the weights sum to more than float64 holds; divide them by the greatest")
    return row_weights


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
    return _floats(_as_matrix(X, n_features))


def _as_matrix(X: npt.ArrayLike, n_features: int | None) -> npt.NDArray[Any]:
    """Return the matrix of :func:`as_rows` before the cast to floats."""
    rows = as_numbers(X, "rows must be a matrix of real numbers", MixtureError, missing=True)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise MixtureError(f"rows have shape {rows.shape}; expected (n_rows, n_features): one row for each observation")
    if n_features is not None and rows.shape[1] != n_features:
        raise MixtureError(f"rows have {rows.shape[1]} features; the mixture was made for {n_features}")
    return rows


def _floats(rows: npt.NDArray[Any]) -> Floats:
    """Return the rows as float32 or float64 in native byte order, without a copy where they are that already."""
    if rows.dtype in (np.float32, np.float64) and rows.dtype.isnative:
        return rows
    with np.errstate(over="ignore"):
        return rows.astype(np.float64)


def summarise(X: RowSource, weights: npt.ArrayLike | None = None) -> RowSummary:
    """Return the counts and ranges of all rows of a source, from one pass.

    Parameters
    ----------
    X : array_like, list of array_like or of path, or callable
        A source of rows, as for :func:`read_chunks`.
    weights : array_like, shape (n,), optional
        Weight of each row.

    Raises
    ------
    MixtureError
        If no row has a value and a weight above 0, or a column has no value in any row.

    Examples
    --------
    >>> summary = summarise([[1.0, np.nan], [3.0, 5.0]])
    >>> summary.n_rows, summary.observed, summary.low
    (2, array([2., 1.]), array([1., 5.]))
    """
    parts = [_summarise_chunk(chunk) for chunk in read_chunks(X, weights)]
    parts = [part for part in parts if part.n_rows]
    if not parts:
        raise MixtureError("there are no rows; at least one is needed")
    observed = np.sum([part.observed for part in parts], axis=0)
    if not observed.all():
        raise MixtureError(f"column {int(observed.argmin())} has no value in any row; drop it")
    return RowSummary(
        n_rows=sum(part.n_rows for part in parts),
        total=float(sum(part.total for part in parts)),
        observed=observed,
        low=np.min([part.low for part in parts], axis=0),
        high=np.max([part.high for part in parts], axis=0),
        is_float32=all(part.is_float32 for part in parts),
    )


def reread_chunks(X: RowSource, weights: npt.ArrayLike | None, summary: RowSummary) -> Iterator[Chunk]:
    """Yield the chunks of a source again, and check that their total is that of an earlier pass.

    Parameters
    ----------
    X, weights
        As for :func:`summarise`.
    summary : RowSummary
        Of the earlier pass.

    Yields
    ------
    Chunk
        At most CHUNK_ROWS rows.

    Raises
    ------
    MixtureError
        If the number of rows, their weight or the number of columns differs from the earlier pass.

    Examples
    --------
    >>> X = np.zeros((3, 2))
    >>> [chunk.total for chunk in reread_chunks(X, None, summarise(X))]
    [3.0]
    """
    total = 0.0
    for chunk in read_chunks(X, weights, n_features=len(summary.low)):
        total += chunk.total
        yield chunk
    if total != summary.total:
        raise MixtureError(
            f"there were {summary.total:g} rows at first and {total:g} later; expected a source that gives the same "
            "rows each time"
        )


def first_distinct_rows(X: RowSource, weights: npt.ArrayLike | None, limit: int) -> Floats:
    """Return the first distinct rows of a source, in order, at most ``limit`` of them, shape (n, n_features).

    Parameters
    ----------
    X, weights
        As for :func:`summarise`.
    limit : int
        Maximum number of rows, >= 1.

    Examples
    --------
    >>> first_distinct_rows([[1.0], [1.0], [2.0], [3.0]], None, 2)
    array([[1.],
           [2.]])
    """
    distinct: dict[bytes, Floats] = {}
    # a block often holds enough of them
    blocks = (rows for chunk in read_chunks(X, weights) for _, rows in chunk.blocks())
    for block in blocks:
        # adding zero makes -0.0 and 0.0 the same bytes, and all NaN are one
        rows = np.where(np.isnan(block), np.nan, block + 0.0).astype(np.float64, order="C")
        width = rows.dtype.itemsize * rows.shape[1]
        _, first_indices = np.unique(rows.view(np.dtype((np.void, width)))[:, 0], return_index=True)
        for i in np.sort(first_indices):
            distinct.setdefault(rows[i].tobytes(), rows[i].copy())
            if len(distinct) == limit:
                return np.array(list(distinct.values()))
    return np.array(list(distinct.values()))


def draw_rows(
    X: RowSource, weights: npt.ArrayLike | None, summary: RowSummary, limit: int, rng: np.random.Generator
) -> tuple[Floats, Array]:
    """Return a random sample of rows, drawn uniformly without replacement and in their order, and their weights.

    Parameters
    ----------
    X, weights
        As for :func:`summarise`.
    summary : RowSummary
        Of the same rows.
    limit : int
        Maximum number of rows; all rows are returned where there are not more.
    rng : numpy.random.Generator
        Source of randomness; not used where all rows are returned.

    Returns
    -------
    rows : ndarray, shape (n_drawn, n_features)
        In the units of the source.
    weights : ndarray, shape (n_drawn,)
        Weight of each row.

    Examples
    --------
    >>> X = [[0.0], [1.0], [2.0]]
    >>> rows, weights = draw_rows(X, None, summarise(X), 2, np.random.default_rng(0))
    >>> rows.shape, weights
    ((2, 1), array([1., 1.]))
    """
    n = summary.n_rows
    drawn = np.arange(n) if n <= limit else np.sort(rng.choice(n, limit, replace=False))
    rows, row_weights, start = [], [], 0
    for chunk in reread_chunks(X, weights, summary):
        in_chunk = drawn[np.searchsorted(drawn, start) : np.searchsorted(drawn, start + len(chunk.rows))] - start
        rows.append(chunk.rows[in_chunk])
        row_weights.append(np.ones(len(in_chunk)) if chunk.weights is None else chunk.weights[in_chunk])
        start += len(chunk.rows)
    return np.concatenate(rows), np.concatenate(row_weights)


def _read_matrices(X: RowSource, n_features: int | None) -> Iterator[Floats]:
    """Yield the matrices of a source, which must have the same number of columns."""
    width: int | None = None
    for part in itertools.chain.from_iterable(map(_divide_masked, _list_parts(X))):
        rows = _as_matrix(_open_npy(part) if isinstance(part, str | os.PathLike) else part, n_features)
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


def _open_npy(path: str | os.PathLike[str]) -> Floats:
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


def _rechunk(parts: Iterable[Floats], *, copy: bool) -> Iterator[Floats]:
    """Yield the rows of all parts, CHUNK_ROWS at a time; copies, where a function may overwrite its matrices later."""
    pending: list[Floats] = []
    n_pending = 0
    for part in parts:
        start = 0
        while start < len(part):
            piece = part[start : start + CHUNK_ROWS - n_pending]
            pending.append(piece.copy() if copy else piece)
            n_pending, start = n_pending + len(piece), start + len(piece)
            if n_pending == CHUNK_ROWS:
                yield _concatenate(pending)
                pending, n_pending = [], 0
    if pending:
        yield _concatenate(pending)


def _concatenate(parts: list[Floats]) -> Floats:
    """Return the parts as one matrix, without a copy where there is only one part."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _check_missing(rows: Floats, start: int) -> bool:
    """Return whether any value is NaN; raise MixtureError if one is infinite."""
    if np.isfinite(rows).all():
        return False
    infinite = np.argwhere(np.isinf(rows))
    if len(infinite):
        i, j = (int(v) for v in infinite[0])
        raise MixtureError(
            f"row {start + i}, column {j} is {rows[i, j]}; rows must be finite, or NaN where a value is missing: "
            "drop or repair such rows"
        )
    return True


def _with_quiet_nan(rows: Floats) -> Floats:
    """Return rows in which no NaN is a signalling one, as a file may hold them: arithmetic would warn of them."""
    quiet = rows.copy(order="K")
    quiet[np.isnan(rows)] = np.nan
    return quiet


def _drop_empty_rows(chunk: Chunk) -> Chunk:
    """Return the chunk without the rows that have no value or weight 0."""
    keep = np.ones(len(chunk.rows), dtype=bool)
    if chunk.has_missing:
        keep &= ~np.isnan(chunk.rows).all(axis=1)
    if chunk.weights is not None:
        keep &= chunk.weights > 0
    if keep.all():
        return chunk
    rows, weights = chunk.rows[keep], None if chunk.weights is None else chunk.weights[keep]
    return Chunk(chunk.start, rows, weights, bool(np.isnan(rows).any()))


def _summarise_chunk(chunk: Chunk) -> RowSummary:
    """Return the summary of one chunk."""
    rows = chunk.rows
    present = ~np.isnan(rows) if chunk.has_missing else True
    low = np.min(rows, axis=0, where=present, initial=np.inf).astype(np.float64)
    high = np.max(rows, axis=0, where=present, initial=-np.inf).astype(np.float64)
    return RowSummary(len(rows), chunk.total, observed_weight(chunk), low, high, rows.dtype == np.float32)


def observed_weight(chunk: Chunk) -> Array:
    """Return the summed weight of the rows that have a value in each column, shape (n_features,).

    Parameters
    ----------
    chunk : Chunk
        Rows of weight 1 where it has no weights.

    Examples
    --------
    >>> observed_weight(Chunk(0, np.array([[1.0, np.nan], [2.0, 3.0]]), None, has_missing=True))
    array([2., 1.])
    """
    if not chunk.has_missing:
        return np.full(chunk.rows.shape[1], chunk.total)
    weights = np.ones(len(chunk.rows)) if chunk.weights is None else chunk.weights
    observed: Array = weights @ ~np.isnan(chunk.rows)
    return observed
