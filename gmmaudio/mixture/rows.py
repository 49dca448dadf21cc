"""Rows of numbers from any source, read in chunks of one size.

The same rows give the same chunks, and therefore bit-identical results, however the source is divided. NaN and masked
values are missing values; rows in which all values are missing are skipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers
from gmmaudio.compute import digest_of, one_thread
from gmmaudio.errors import MixtureError
from gmmaudio.mixture.covariance import Array, Floats
from gmmaudio.mixture.file_rows import FileRows, in_file
from gmmaudio.mixture.parallel import Mapper
from gmmaudio.mixture.sources import Matrix, RowSource, as_floats, read_pieces

Result = TypeVar("Result")

# Rows of one matrix product within a chunk, at least: few enough for little to be slow where one of them is far out or
# has a missing value.
BLOCK_ROWS = 512
# Moments and responsibilities of a block, as far as a core's caches hold them; with less, numpy's calls take longer.
BLOCK_BYTES = 3 * 2**19


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

    def blocks(self, n_rows: int | None = None) -> Iterator[tuple[slice, Floats]]:
        """Yield (slice of the chunk, rows of that slice), at most ``n_rows`` rows at a time.

        Parameters
        ----------
        n_rows : int, optional
            Default: BLOCK_ROWS.
        """
        n_rows = n_rows or BLOCK_ROWS
        for start in range(0, len(self.rows), n_rows):
            block = slice(start, start + n_rows)
            yield block, self.rows[block]

    @property
    def total(self) -> float:
        """Number of rows, or the sum of their weights."""
        return float(len(self.rows) if self.weights is None else self.weights.sum())


def block_rows(row_bytes: int) -> int:
    """Return the number of rows of one matrix product in EM: BLOCK_ROWS, or two or four times as many.

    Parameters
    ----------
    row_bytes : int
        Size of the moments and the responsibilities of one row.

    Examples
    --------
    >>> block_rows(228), block_rows(1340), block_rows(3536)
    (2048, 1024, 512)
    """
    return BLOCK_ROWS * next((times for times in (4, 2) if times * BLOCK_ROWS * row_bytes <= BLOCK_BYTES), 1)


@dataclass(frozen=True, eq=False)
class UnreadChunk:
    """A chunk whose rows are not read or checked yet.

    A copy in another process reads rows of files itself: of pieces in files, it is sent their places only.

    Parameters
    ----------
    start : int
        Index of the first row in the source.
    pieces : tuple of ndarray or FileRows
        Rows, in order.
    weights : ndarray, shape (n,), float64, or None
        Weight of each row; None where all weights are 1.
    all_rows : bool
        Whether to keep rows without any value and rows of weight 0.

    Examples
    --------
    >>> UnreadChunk(0, (np.zeros((2, 1)), np.ones((1, 1)))).read().rows
    array([[0.],
           [0.],
           [1.]])
    """

    start: int
    pieces: tuple[Matrix | FileRows, ...]
    weights: Array | None = None
    all_rows: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        pieces = tuple(piece if isinstance(piece, FileRows) else in_file(piece) or piece for piece in self.pieces)
        return type(self), (self.start, pieces, self.weights, self.all_rows)

    def read(self) -> Chunk:
        """Return the chunk.

        Raises
        ------
        MixtureError
            If a value is infinite, or a file is no longer there.
        """
        parts = [piece.open() if isinstance(piece, FileRows) else piece for piece in self.pieces]
        rows = as_floats(parts[0] if len(parts) == 1 else np.concatenate(parts))
        has_missing = _check_missing(rows, self.start)
        chunk = Chunk(self.start, _with_quiet_nan(rows) if has_missing else rows, self.weights, has_missing)
        return chunk if self.all_rows else _drop_empty_rows(chunk)


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
    n_of_chunks : tuple of int
        The part of ``n_rows`` in each chunk.
    digest : str
        Hash of rows and weights, where one was asked for: of other rows, or the same ones in another type or order in
        memory, it is another, and the same however they are divided.
    """

    n_rows: int
    total: float
    observed: Array
    low: Array
    high: Array
    is_float32: bool
    n_of_chunks: tuple[int, ...]
    digest: str = ""


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
    for unread in list_chunks(X, weights, n_features=n_features, all_rows=all_rows):
        yield unread.read()


def list_chunks(
    X: RowSource, weights: npt.ArrayLike | None = None, *, n_features: int | None = None, all_rows: bool = False
) -> Iterator[UnreadChunk]:
    """Yield the chunks of :func:`read_chunks` before their rows are read.

    Parameters
    ----------
    X, weights, n_features, all_rows
        As for :func:`read_chunks`.

    Yields
    ------
    UnreadChunk
        At most CHUNK_ROWS rows.

    Raises
    ------
    MixtureError
        As for :func:`read_chunks`, but for infinite values.

    Examples
    --------
    >>> [chunk.start for chunk in list_chunks(np.zeros((10_000, 2)))]
    [0, 8192]
    """
    row_weights = None if weights is None else check_weights(weights)
    start = 0
    for pieces in read_pieces(X, n_features):
        stop = start + sum(map(len, pieces))
        if row_weights is not None and stop > len(row_weights):
            raise MixtureError(
                f"there are {len(row_weights)} weights and {stop} rows or more; expected one for each row"
            )
        chunk_weights = None if row_weights is None else row_weights[start:stop]
        yield UnreadChunk(start, tuple(pieces), chunk_weights, all_rows)
        start = stop
    if row_weights is not None and start != len(row_weights):
        raise MixtureError(f"there are {len(row_weights)} weights and {start} rows; expected one for each row")


def map_unread(
    function: Callable[[Chunk], Result], chunks: Iterable[UnreadChunk], mapper: Mapper | None
) -> Iterator[Result]:
    """Return an iterator over ``function(chunk)`` in the order of the chunks, each read where it is worked on.

    Parameters
    ----------
    function : callable
        Function of a :class:`Chunk`; it can be pickled.
    chunks : iterable of UnreadChunk
        Chunks.
    mapper : callable or None
        As for :func:`gmmaudio.mixture.fit_gmm`; None reads and works in this thread.

    Examples
    --------
    >>> list(map_unread(observed_weight, list_chunks([[1.0], [2.0]]), None))
    [array([2.])]
    """
    if mapper is None:
        return (function(chunk.read()) for chunk in chunks)
    return iter(mapper(partial(_read_and_apply, function), chunks))


def _read_and_apply(function: Callable[[Chunk], Result], chunk: UnreadChunk) -> Result:
    """Return a function of one chunk, for a worker process that has not limited its numeric libraries."""
    with one_thread():
        return function(chunk.read())


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
    row_weights = as_floats(as_numbers(weights, "weights must be real numbers", MixtureError)).astype(
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


def summarise(
    X: RowSource, weights: npt.ArrayLike | None = None, mapper: Mapper | None = None, *, with_digest: bool = False
) -> RowSummary:
    """Return the counts and ranges of all rows of a source, from one pass.

    Parameters
    ----------
    X : array_like, list of array_like or of path, or callable
        A source of rows, as for :func:`read_chunks`.
    weights : array_like, shape (n,), optional
        Weight of each row.
    mapper : callable, optional
        As for :func:`gmmaudio.mixture.fit_gmm`.
    with_digest : bool
        Whether the rows are hashed, too.

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
    summarise_one = partial(_summarise_chunk, with_digest=with_digest)
    all_parts = list(map_unread(summarise_one, list_chunks(X, weights), mapper))
    parts = [part for part in all_parts if part.n_rows]
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
        n_of_chunks=tuple(part.n_rows for part in all_parts),
        digest=digest_of(*(part.digest for part in all_parts)) if with_digest else "",
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
    check_total(total, summary)


def check_total(total: float, summary: RowSummary) -> None:
    """Raise MixtureError where the number of rows, or their weight, differs from that of an earlier pass.

    Parameters
    ----------
    total : float
        Sum of the totals of all chunks, in their order.
    summary : RowSummary
        Of the earlier pass.

    Examples
    --------
    >>> check_total(1.0, summarise([[0.0]]))
    """
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
    X: RowSource,
    weights: npt.ArrayLike | None,
    summary: RowSummary,
    limit: int,
    rng: np.random.Generator,
    mapper: Mapper | None = None,
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
    mapper : callable, optional
        As for :func:`gmmaudio.mixture.fit_gmm`.

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
    starts = np.cumsum([0, *summary.n_of_chunks])
    parts_of_drawn = np.split(drawn, np.searchsorted(drawn, starts[1:]))
    in_chunks = [part - start for part, start in zip(parts_of_drawn, starts, strict=True)]
    chunks = list_chunks(X, weights, n_features=len(summary.low))
    # a source that gives more chunks than at first is refused below
    tasks = zip(chunks, itertools.chain(in_chunks, itertools.repeat(drawn[:0])), strict=False)
    parts = list((mapper or map)(_take_drawn, tasks))
    check_total(sum(total for total, _, _ in parts), summary)
    return np.concatenate([rows for _, rows, _ in parts]), np.concatenate([some for _, _, some in parts])


def _take_drawn(task: tuple[UnreadChunk, npt.NDArray[np.intp]]) -> tuple[float, Floats, Array]:
    """Return the total of a chunk, and those of its rows that are drawn with their weights."""
    chunk, drawn = task[0].read(), task[1]
    # of a chunk that has become shorter the total tells
    drawn = drawn[drawn < len(chunk.rows)]
    weights = np.ones(len(drawn)) if chunk.weights is None else chunk.weights[drawn]
    return chunk.total, chunk.rows[drawn], weights


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


def _summarise_chunk(chunk: Chunk, *, with_digest: bool = False) -> RowSummary:
    """Return the summary of one chunk."""
    rows = chunk.rows
    present = ~np.isnan(rows) if chunk.has_missing else True
    low = np.min(rows, axis=0, where=present, initial=np.inf).astype(np.float64)
    high = np.max(rows, axis=0, where=present, initial=-np.inf).astype(np.float64)
    digest, n = _digest_chunk(chunk) if with_digest else "", len(rows)
    return RowSummary(n, chunk.total, observed_weight(chunk), low, high, rows.dtype == np.float32, (n,), digest)


def _digest_chunk(chunk: Chunk) -> str:
    """Return the hash of the rows and weights of a chunk."""
    # sums may depend on the order of the numbers in memory
    in_rows, weights = chunk.rows.flags.c_contiguous, chunk.weights
    return digest_of(in_rows, chunk.rows if in_rows else chunk.rows.T, *([] if weights is None else [weights]))


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
