"""Rows of numbers from any source, read in chunks of one size whatever pieces they come in.

A source is an array, a memory map, a list of arrays or of ``.npy`` files, or a function that returns an iterator over
arrays. Chunks are counted from the first row, so the same rows give the same chunks, and with them the same bits,
however they are divided. NaN is a missing value; a row of nothing else says nothing and is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import MixtureError
from gmmaudio.mixture.covariance import Array, Floats

# What one task of a thread or a process gets. The sums of a chunk are added to those before it, in order.
CHUNK_ROWS = 8192
# Rows handled at once within a chunk: large enough for matrix products to run at full rate, small enough for a
# block's moments and responsibilities to stay in cache; measured flat between 256 and 1024.
BLOCK_ROWS = 512

# Anything that rows can be read from.
RowSource = Any


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows in a run.

    Parameters
    ----------
    start : int
        Place of the first row in the source.
    rows : ndarray, shape (n, n_features), float32 or float64
        Finite numbers, or NaN where a value is missing.
    weights : ndarray, shape (n,), float64, or None
        Weight of each row; None where all are 1.
    has_missing : bool
        Whether there is a NaN.
    """

    start: int
    rows: Floats
    weights: Array | None
    has_missing: bool

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Yield (place in the chunk, rows), at most BLOCK_ROWS rows at a time."""
        for start in range(0, len(self.rows), BLOCK_ROWS):
            place = slice(start, start + BLOCK_ROWS)
            yield place, self.rows[place]

    @property
    def total(self) -> float:
        """Number of rows, or the sum of their weights."""
        return float(len(self.rows) if self.weights is None else self.weights.sum())


@dataclass(frozen=True, eq=False)
class Frame:
    """The coordinates ``(rows - centre) / scale`` in which products lose no digits.

    Parameters
    ----------
    centre, scale : ndarray, shape (n_features,), float64
        In the units of the rows; scale above 0.
    """

    centre: Array
    scale: Array

    def rounded(self) -> Frame | None:
        """Return the nearest frame of float32 numbers, in which float32 rows lose nothing but their last digit."""
        with np.errstate(over="ignore", under="ignore"):
            centre, scale = (v.astype(np.float32).astype(np.float64) for v in (self.centre, self.scale))
        fits = (np.abs(centre) < 1e30).all() and (scale > 1e-30).all() and (scale < 1e30).all()
        return Frame(centre, scale) if fits else None

    def whiten(self, rows: Floats) -> Array:
        """Return ``(rows - centre) / scale`` in float64, shape (n, n_features)."""
        columns = np.empty(rows.shape[::-1])
        self.whiten_columns(rows, columns)
        return np.ascontiguousarray(columns.T)

    def whiten_columns(self, rows: Floats, out: Floats) -> None:
        """Write ``(rows - centre) / scale`` to ``out`` (n_features, n), a column for each row, as its numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(rows.T, self.centre.astype(out.dtype)[:, None], out=out, casting="same_kind")
            np.divide(out, self.scale.astype(out.dtype)[:, None], out=out)
        if out.dtype == np.float64:
            # a row this far out has no density to speak of, and its square must stay a number
            np.clip(out, -1e100, 1e100, out=out)


@dataclass(frozen=True, eq=False)
class Summary:
    """What one look at all rows tells.

    Parameters
    ----------
    n_rows : int
        Rows that count: not all missing, weight above 0.
    total : float
        Their number, or the sum of their weights.
    observed : ndarray, shape (n_features,)
        The same for the rows that have a value in each column.
    low, high : ndarray, shape (n_features,)
        Least and greatest value of each column.
    single : bool
        Whether all numbers are float32.
    """

    n_rows: int
    total: float
    observed: Array
    low: Array
    high: Array
    single: bool


def read_chunks(
    X: RowSource, weights: npt.ArrayLike | None = None, *, n_features: int | None = None, all_rows: bool = False
) -> Iterator[Chunk]:
    """Yield the rows of a source in chunks of CHUNK_ROWS.

    Parameters
    ----------
    X : array_like, list of array_like or of path, or callable
        The rows; a list of matrices (or ``.npy`` files) is read one after the other; a function must return an
        iterator over matrices, and the same rows each time.
    weights : array_like, shape (n,), optional
        Finite, 0 or more, and one for each row of the whole source.
    n_features : int, optional
        Columns expected.
    all_rows : bool
        Keep rows that are all missing and rows of weight 0, which are passed over otherwise.

    Raises
    ------
    MixtureError
        If rows are not matrices of real numbers of one width, a number is infinite, or weights do not fit.
    """
    shares = None if weights is None else check_weights(weights)
    start = 0
    for rows in map(_floats, _regroup(_parts(X, n_features), copy=callable(X))):
        stop = start + len(rows)
        if shares is not None and stop > len(shares):
            raise MixtureError(f"there are {len(shares)} weights and {stop} rows or more; expected one for each row")
        chunk = Chunk(start, rows, None if shares is None else shares[start:stop], _has_missing(rows, start))
        yield chunk if all_rows else _informative(chunk)
        start = stop
    if shares is not None and start != len(shares):
        raise MixtureError(f"there are {len(shares)} weights and {start} rows; expected one for each row")


def check_weights(weights: npt.ArrayLike) -> Array:
    """Return row weights as a float64 vector.

    Raises
    ------
    MixtureError
        If they are no vector of finite numbers of 0 or more, or all are 0.
    """
    shares = _floats(_as_array(weights, "weights must be real numbers")).astype(np.float64, copy=False)
    if shares.ndim != 1:
        raise MixtureError(f"weights have shape {shares.shape}; expected (n_rows,): one for each row")
    bad = np.flatnonzero(~(np.isfinite(shares) & (shares >= 0)))
    if len(bad):
        raise MixtureError(f"weight {bad[0]} is {shares[bad[0]]}; weights must be finite, and 0 or more")
    if len(shares) and shares.max() == 0:
        raise MixtureError("all weights are 0; at least one row must count")
    with np.errstate(over="ignore"):
        if not np.isfinite(shares.sum()):
            raise MixtureError("the weights sum to more than float64 holds; divide them by the greatest")
    return shares


def as_rows(X: npt.ArrayLike, n_features: int | None = None) -> Floats:
    """Return ``X`` as a matrix of float32 or float64 numbers, not copied when it is one already.

    What is masked in a masked array becomes NaN.

    Raises
    ------
    MixtureError
        If it is not two-dimensional, has no columns, or the wrong number of them.
    """
    return _floats(_as_matrix(X, n_features))


def _as_matrix(X: npt.ArrayLike, n_features: int | None) -> npt.NDArray[Any]:
    """Return :func:`as_rows` before the cast to floats."""
    rows = _as_array(X, "rows must be a matrix of real numbers")
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise MixtureError(f"rows have shape {rows.shape}; expected (n_rows, n_features): one row for each observation")
    if n_features is not None and rows.shape[1] != n_features:
        raise MixtureError(f"rows have {rows.shape[1]} features; the mixture was made for {n_features}")
    return rows


def _as_array(X: npt.ArrayLike, expected: str) -> npt.NDArray[Any]:
    """Return numbers as an array, cast to floats only where it is not an array of numbers already."""
    try:
        if isinstance(X, np.ma.MaskedArray):
            # what is masked is missing
            return np.ma.filled(X.astype(np.result_type(X.dtype, np.float32)), np.nan)
        rows = np.asarray(X)
        if rows.dtype.kind in "cmMV":
            raise TypeError(f"they are {rows.dtype}")
        return rows if rows.dtype.kind in "fiub" else np.asarray(X, dtype=np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise MixtureError(f"{expected}; {error}") from error


def _floats(rows: npt.NDArray[Any]) -> Floats:
    """Return rows as float32 or float64 numbers of this machine's byte order, not copied when they are."""
    if rows.dtype in (np.float32, np.float64) and rows.dtype.isnative:
        return rows
    with np.errstate(over="ignore"):
        return rows.astype(np.float64)


def summarise(X: RowSource, weights: npt.ArrayLike | None = None) -> Summary:
    """Return what one pass over a source tells of it.

    Raises
    ------
    MixtureError
        If there are no rows that count, or a column has no value in any of them.
    """
    parts = [_look(chunk) for chunk in read_chunks(X, weights)]
    parts = [part for part in parts if part.n_rows]
    if not parts:
        raise MixtureError("there are no rows; at least one is needed")
    seen = np.sum([part.observed for part in parts], axis=0)
    if not seen.all():
        raise MixtureError(f"column {int(seen.argmin())} has no value in any row; drop it")
    return Summary(
        n_rows=sum(part.n_rows for part in parts),
        total=float(sum(part.total for part in parts)),
        observed=seen,
        low=np.min([part.low for part in parts], axis=0),
        high=np.max([part.high for part in parts], axis=0),
        single=all(part.single for part in parts),
    )


def read_again(X: RowSource, weights: npt.ArrayLike | None, summary: Summary) -> Iterator[Chunk]:
    """Yield the chunks of a source that was summarised before.

    Raises
    ------
    MixtureError
        If it gives other rows than it did then, by their number or width.
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


def whitening(X: RowSource, weights: npt.ArrayLike | None, summary: Summary, *, alike: bool = False) -> Frame:
    """Return the frame of the columns' mean and deviation, exact at any offset and safe at any scale.

    A constant column, or one that varies by rounding only, keeps its own units; with ``alike``, all columns are
    scaled by the root of their mean variance.

    Raises
    ------
    MixtureError
        If a column's deviation is above 1e152, so that its variance is beyond float64.
    """
    low, high = summary.low, summary.high
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    kind: type[np.floating] = np.float32 if summary.single else np.float64
    flat = half <= 4 * np.finfo(kind).eps * np.maximum(np.abs(low), np.abs(high))
    half[flat] = np.maximum(half[flat], 1.0)
    rough = Frame(middle, half)
    n, mean, squares = np.zeros_like(middle), np.zeros_like(middle), np.zeros_like(middle)
    for chunk in read_again(X, weights, summary):
        n, mean, squares = _merge((n, mean, squares), _moments(chunk, rough))
    centre, deviation = middle + half * mean, half * np.where(flat, 0.0, np.sqrt(squares / n))
    if alike:
        half[:] = half.max()
        widest = deviation.max() or 1.0
        deviation[:] = widest * np.sqrt(np.square(deviation / widest).mean())
    scale = np.maximum(np.where(deviation > 0, deviation, half), 1e-151)
    wild = np.flatnonzero(scale > 1e152)
    if len(wild):
        raise MixtureError(
            f"column {wild[0]} has deviation {scale[wild[0]]:.3g}, whose square is no number any more; "
            "divide it by its scale"
        )
    return Frame(centre, scale)


def first_distinct(X: RowSource, weights: npt.ArrayLike | None, limit: int) -> Floats:
    """Return the first rows that differ from all before them, at most ``limit``, shape (n, n_features)."""
    seen: dict[bytes, Floats] = {}
    for chunk in read_chunks(X, weights):
        # adding zero makes -0.0 and 0.0 the same bytes, and all NaN are one
        rows = np.where(np.isnan(chunk.rows), np.nan, chunk.rows + 0.0).astype(np.float64, order="C")
        width = rows.dtype.itemsize * rows.shape[1]
        _, places = np.unique(rows.view(np.dtype((np.void, width)))[:, 0], return_index=True)
        for i in np.sort(places):
            seen.setdefault(rows[i].tobytes(), rows[i].copy())
            if len(seen) == limit:
                return np.array(list(seen.values()))
    return np.array(list(seen.values()))


def draw(
    X: RowSource, weights: npt.ArrayLike | None, summary: Summary, limit: int, rng: np.random.Generator
) -> tuple[Floats, Array]:
    """Return at most ``limit`` rows, all of them where there are no more, and their weights.

    Rows are drawn without replacement and evenly; they keep their weights and their order.
    """
    n = summary.n_rows
    chosen = np.arange(n) if n <= limit else np.sort(rng.choice(n, limit, replace=False))
    rows, shares, start = [], [], 0
    for chunk in read_again(X, weights, summary):
        own = chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, start + len(chunk.rows))] - start
        rows.append(chunk.rows[own])
        shares.append(np.ones(len(own)) if chunk.weights is None else chunk.weights[own])
        start += len(chunk.rows)
    return np.concatenate(rows), np.concatenate(shares)


def _parts(X: RowSource, n_features: int | None) -> Iterator[Floats]:
    """Yield the matrices that a source is made of, all of one width."""
    first: int | None = None
    for part in _listed(X):
        rows = _as_matrix(_open(part) if isinstance(part, str | os.PathLike) else part, n_features)
        first = rows.shape[1] if first is None else first
        if rows.shape[1] != first:
            raise MixtureError(f"rows have {first} features at first and {rows.shape[1]} later; expected one width")
        if len(rows):
            yield rows


def _listed(X: RowSource) -> Iterable[Any]:
    """Return the parts of a source."""
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
        # a list of matrices or files; anything else is one matrix written as a list
        listed = all(isinstance(part, str | os.PathLike) or getattr(part, "ndim", 0) == 2 for part in X)
        return X if listed else [X]
    return [X]


def _open(path: str | os.PathLike[str]) -> Floats:
    """Return the matrix in a ``.npy`` file as a memory map."""
    try:
        rows: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MixtureError(f"{os.fspath(path)}: cannot be read ({error}); expected a .npy file of rows") from error
    return rows


def _regroup(parts: Iterable[Floats], *, copy: bool) -> Iterator[Floats]:
    """Yield the rows of all parts in runs of CHUNK_ROWS, as copies where a part may be written to later."""
    held: list[Floats] = []
    n_held = 0
    for part in parts:
        start = 0
        while start < len(part):
            piece = part[start : start + CHUNK_ROWS - n_held]
            held.append(piece.copy() if copy else piece)
            n_held, start = n_held + len(piece), start + len(piece)
            if n_held == CHUNK_ROWS:
                yield _joined(held)
                held, n_held = [], 0
    if held:
        yield _joined(held)


def _joined(parts: list[Floats]) -> Floats:
    """Return parts as one matrix, not copied where there is one only."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _has_missing(rows: Floats, start: int) -> bool:
    """Return whether there is a NaN, and refuse infinity."""
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


def _informative(chunk: Chunk) -> Chunk:
    """Return the chunk without rows that are all missing or of weight 0."""
    keep = np.ones(len(chunk.rows), dtype=bool)
    if chunk.has_missing:
        keep &= ~np.isnan(chunk.rows).all(axis=1)
    if chunk.weights is not None:
        keep &= chunk.weights > 0
    if keep.all():
        return chunk
    rows, weights = chunk.rows[keep], None if chunk.weights is None else chunk.weights[keep]
    return Chunk(chunk.start, rows, weights, bool(np.isnan(rows).any()))


def _look(chunk: Chunk) -> Summary:
    """Return the summary of one chunk."""
    rows = chunk.rows
    present = ~np.isnan(rows) if chunk.has_missing else True
    low = np.min(rows, axis=0, where=present, initial=np.inf).astype(np.float64)
    high = np.max(rows, axis=0, where=present, initial=-np.inf).astype(np.float64)
    return Summary(len(rows), chunk.total, observed(chunk), low, high, rows.dtype == np.float32)


def observed(chunk: Chunk) -> Array:
    """Return the rows, or their weight, that have a value in each column, shape (n_features,)."""
    if not chunk.has_missing:
        return np.full(chunk.rows.shape[1], chunk.total)
    weights = np.ones(len(chunk.rows)) if chunk.weights is None else chunk.weights
    seen: Array = weights @ ~np.isnan(chunk.rows)
    return seen


Moments = tuple[Array, Array, Array]


def _moments(chunk: Chunk, frame: Frame) -> Moments:
    """Return the total weight, the mean and the summed squares about it of every column, in a frame."""
    z = frame.whiten(chunk.rows)
    weights = np.ones(len(z)) if chunk.weights is None else chunk.weights
    present = ~np.isnan(z) if chunk.has_missing else np.ones(z.shape, dtype=bool)
    n = weights @ present
    divisor = np.where(n > 0, n, 1.0)
    mean = weights @ np.where(present, z, 0.0) / divisor
    return n, mean, weights @ np.where(present, z - mean, 0.0) ** 2


def _merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of two sets of rows (Chan, Golub, LeVeque 1983: no digits lost far from the origin)."""
    n = a[0] + b[0]
    share = b[0] / np.where(n > 0, n, 1.0)
    apart = b[1] - a[1]
    return n, a[1] + apart * share, a[2] + b[2] + apart * apart * a[0] * share
