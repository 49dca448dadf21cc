"""Ranks of values in the windows around them.

Each column is sorted once. In a short trial the ranks in some windows are sums over the sorted rows, from which the
others take steps of a row; in a long one, ranks of rows some lag apart are compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]
Ints = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

# a trial is short up to this many windows
SHORT_WINDOWS = 3.5
# short trials: rows from one window, whose ranks are counted in all sorted rows, to the next, and sorted rows that are
# added up in a byte; bytes of the table, which stays in the cache of the processor
STRIDE = 40
RUN = 16
TABLE_BYTES = 2**18
# long trials: ranks compared by one call, and comparisons that a byte counts
BLOCK_RANKS = 2**18
MAX_BYTE = 255
# the halves of a number of 64 bits
LOW, HIGH = (0, 1) if sys.byteorder == "little" else (1, 0)


class Pairs(NamedTuple):
    """Pairs of rows some lag apart, named by the earlier.

    Parameters
    ----------
    lag : int
        Rows from the earlier to the later.
    first, end : int
        The pairs.
    earlier_first : int
        From here to ``end``, the pair counts for the earlier row.
    later_end : int
        From ``first`` to here, it counts for the later.
    """

    lag: int
    first: int
    end: int
    earlier_first: int
    later_end: int


def twice_middle_ranks(values: Frames, size: int) -> Ints:
    """Return twice the middle rank, less one, of each value in the window of its row, shape (n, d).

    That is the number of values in the window that are smaller, plus that of those not larger: 1 to ``2 size - 1``. The
    window of row t begins at row ``t - size // 2``; near an end it is the first or last whole one.

    Of equal values the later is taken for the smaller at first, so that a comparison serves both rows of a pair, and
    what is wrong by that is put right in the end.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        Not NaN.
    size : int
        Rows of every window, 1 to n.

    Examples
    --------
    >>> twice_middle_ranks(np.array([[5.0], [7.0], [6.0], [6.0]], dtype=np.float32), 3).ravel().tolist()
    [1, 5, 2, 2]
    """
    n = len(values)
    rows, equals_next = _sorted_rows(values)
    ranks = _ranks(rows)
    if n <= SHORT_WINDOWS * size:
        counts = _count_from_strides(rows, ranks, size)
    else:
        counts = _count_by_lags(ranks, _pairs_inside(n, size))
    counts *= 2
    counts += 1
    row, column, balance = _balance_of_equals(rows, equals_next, size)
    counts[row, column] += balance
    return counts


def _sorted_rows(values: Frames) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return the rows of each column's values in rising order, of equal values the later first, shape (d, n).

    And whether the value there equals the next one, shape (d, n).
    """
    n, d = values.shape
    # order and row in one number: numpy sorts them faster than it sorts indices
    keys = np.empty((d, n), dtype=np.int64)
    halves = keys.view(np.int32).reshape(d, n, 2)
    # without negative zeros; the bits of negative numbers are in falling order
    bits = np.add(values.T, np.float32(0), order="C").view(np.int32)
    np.bitwise_xor(bits, (bits >> 31) & np.int32(2**31 - 1), out=halves[:, :, HIGH])
    halves[:, :, LOW] = np.arange(n - 1, -1, -1)
    keys.sort(axis=1)
    equals_next = np.zeros((d, n), dtype=bool)
    np.equal(halves[:, 1:, HIGH], halves[:, :-1, HIGH], out=equals_next[:, :-1])
    return n - 1 - halves[:, :, LOW], equals_next


def _ranks(rows: Ints) -> Ints:
    """Return the number of smaller values in the whole trial, shape (n, d)."""
    d, n = rows.shape
    # as few bytes as will do: they are what takes time
    ranks = np.empty(d * n, dtype=np.uint16 if n <= 2**16 else np.uint32)
    ranks[rows + n * np.arange(d)[:, None]] = np.arange(n)
    return np.ascontiguousarray(ranks.reshape(d, n).T)


def _count_from_strides(rows: Ints, ranks: Ints, size: int) -> Ints:
    """Return the number of smaller values in the window of each row, shape (n, d), of a short trial."""
    n, d = ranks.shape
    if n == size:
        return ranks.astype(np.int32)
    first, half, last = np.clip(np.arange(n) - size // 2, 0, n - size), size // 2, n - size
    starts = np.array([*range(0, last, STRIDE), last])
    block = np.where(first < last, first // STRIDE, len(starts) - 1)
    counts = np.empty((n, d), dtype=np.int32)
    n_columns = max(1, TABLE_BYTES // (n * len(starts)))
    for column in range(0, d, n_columns):
        part = slice(column, column + n_columns)
        counts[:, part] = _count_in_blocks(rows[part], ranks[:, part], starts, block, size)
    counts[half : half + last] += _count_steps(ranks, size, last)
    return counts


def _count_in_blocks(rows: Ints, ranks: Ints, starts: Ints, block: Ints, size: int) -> Ints:
    """Return the number of smaller values in the ``size`` rows from row ``starts[block]`` on, shape (n, d)."""
    n, d = ranks.shape
    n_runs, n_blocks = -(-n // RUN), len(starts)
    sorted_rows = np.ascontiguousarray(rows.T, dtype=ranks.dtype)
    inside = np.zeros((n_runs * RUN, n_blocks, d), dtype=bool)
    for k, start in enumerate(starts):
        # rows before the start wrap around, and are large
        np.less(sorted_rows - ranks.dtype.type(start), ranks.dtype.type(size), out=inside[:n, k])
    # sums up to each sorted row of those of its run, in bytes, and those of the runs before it
    sums = inside.view(np.uint8).reshape(n_runs, RUN, n_blocks, d)
    for k in range(1, RUN):
        np.add(sums[:, k], sums[:, k - 1], out=sums[:, k])
    before = np.zeros((n_runs, n_blocks, d), dtype=ranks.dtype)
    for k in range(1, n_runs):
        np.add(before[k - 1], sums[k - 1, -1], out=before[k])
    row = np.arange(n)
    is_inside = (starts[block] <= row) & (row < starts[block] + size)
    place = block[:, None] * d + np.arange(d)
    # as wide integers before they are multiplied: numpy 1 keeps those of 16 bits
    counts: Ints = before.ravel()[place + (ranks // RUN).astype(np.intp) * (n_blocks * d)].astype(np.int32)
    counts += sums.ravel()[place + ranks.astype(np.intp) * (n_blocks * d)]
    # it is not smaller than itself
    counts -= is_inside[:, None]
    return counts


def _count_steps(ranks: Ints, size: int, last: int) -> Ints:
    """Return the changes from the window that begins at a multiple of STRIDE to that of each of ``last`` windows.

    Rows leave at the start, and others come at the end. Shape (last, d).
    """
    d, n_blocks = ranks.shape[1], -(-last // STRIDE)
    n = n_blocks * STRIDE
    padded = np.concatenate([ranks, np.zeros((STRIDE, d), dtype=ranks.dtype)])
    leaving, centre, coming = (padded[k : k + n].reshape(n_blocks, STRIDE, d) for k in (0, size // 2, size))
    change = np.zeros((n_blocks, STRIDE, d), dtype=np.int8)
    place = np.empty((n_blocks, STRIDE - 1, d), dtype=bool)
    for k in range(1, STRIDE):
        part, is_smaller = change[:, k:], place[:, : STRIDE - k]
        np.add(part, np.less(coming[:, :-k], centre[:, k:], out=is_smaller).view(np.int8), out=part)
        np.subtract(part, np.less(leaving[:, :-k], centre[:, k:], out=is_smaller).view(np.int8), out=part)
    return change.reshape(n, d)[:last]


def _pairs_inside(n: int, size: int) -> list[Pairs]:
    """Return all pairs of which a row is in the other's window."""
    half = size // 2
    near = [Pairs(k, 0, n - k, 0, n - k) for k in range(1, size - half)]
    # the first window is that of all rows before its middle, and the last that of all rows after it
    start = [Pairs(k, 0, size - k, 0, 0) for k in range(size - half, size)]
    last = [Pairs(k, n - size if k > half else 0, n - k, n - k, n - k) for k in range(size - half, size)]
    return [*near, *start, *last]


def _count_by_lags(ranks: Ints, pairs: Sequence[Pairs]) -> Ints:
    """Return in how many of the pairs that count for it a rank is the larger, shape (n, d), of a long trial."""
    n, d = ranks.shape
    counts = np.zeros((n, d), dtype=np.int32)
    n_rows = max(1, BLOCK_RANKS // max(d, 1))
    for first in range(0, len(pairs), MAX_BYTE):
        batch = pairs[first : first + MAX_BYTE]
        as_earlier, as_later = np.zeros((2, n, d), dtype=np.uint8)
        for start in range(0, n, n_rows):
            _compare(ranks, batch, slice(start, start + n_rows), as_earlier, as_later)
        n_pairs = np.zeros((n, 1), dtype=np.int32)
        for pair in batch:
            n_pairs[pair.earlier_first : pair.end] += 1
        # the earlier rank is the larger in all other pairs
        counts += n_pairs
        counts -= as_earlier
        counts += as_later
    return counts


def _compare(ranks: Ints, batch: Sequence[Pairs], rows: slice, as_earlier: Bytes, as_later: Bytes) -> None:
    """Add 1 for every row of a pair, where it counts for it, if the earlier rank is the smaller."""
    place = np.empty((min(rows.stop, len(ranks)) - rows.start, ranks.shape[1]), dtype=bool)
    for pair in batch:
        lag, first, end = pair.lag, max(pair.first, rows.start), min(pair.end, rows.stop)
        if first >= end:
            continue
        is_less = np.less(ranks[first:end], ranks[first + lag : end + lag], out=place[: end - first]).view(np.uint8)
        earlier_first, later_end = max(pair.earlier_first, first), min(pair.later_end, end)
        if earlier_first < end:
            counts = as_earlier[earlier_first:end]
            np.add(counts, is_less[earlier_first - first :], out=counts)
        if later_end > first:
            counts = as_later[first + lag : later_end + lag]
            np.add(counts, is_less[: later_end - first], out=counts)


def _balance_of_equals(rows: Ints, equals_next: npt.NDArray[np.bool_], size: int) -> tuple[Ints, Ints, Ints]:
    """Return rows and columns of values that have equals, and the earlier less the later of those in the window."""
    n = rows.shape[1]
    equals_last = np.zeros_like(equals_next)
    equals_last[:, 1:] = equals_next[:, :-1]
    place = np.flatnonzero(equals_next | equals_last)
    column, row = place // n, rows.ravel()[place].astype(np.intp)
    # a rising number: groups of equal values one after the other, and in each the last row first
    base = np.cumsum(~equals_last.ravel()[place]) * n + n - 1
    order = base - row
    first = np.clip(row - size // 2, 0, n - size)
    i = np.arange(len(place))
    n_later = i - np.searchsorted(order, base - (first + size - 1))
    n_earlier = np.searchsorted(order, base - first, side="right") - 1 - i
    return row, column, n_earlier - n_later
