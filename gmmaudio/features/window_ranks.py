"""Ranks of values in the windows around them, by one sort of each column and counts over its sorted rows."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]
Ints = npt.NDArray[Any]

# windows of a part of a long trial, which is sorted with the rows around it, and the least number of its rows
PART_WINDOWS = 3
MIN_PART = 512
# values that are sorted at once: fewer cost calls, more leave the processor's cache
PART_VALUES = 2**17
# windows from one whose values are counted in all sorted rows to the next; the others take steps of a row from there
STRIDE = 40
# sorted rows of which counts are added in bytes
RUN = 16
# the halves of a number of 64 bits
LOW, HIGH = (0, 1) if sys.byteorder == "little" else (1, 0)


def twice_middle_ranks(values: Frames, size: int) -> Ints:
    """Return twice the middle rank, less one, of each value in the window of its row, shape (n, d).

    That is the number of values in the window that are smaller, plus that of those not larger: 1 to ``2 size - 1``. The
    window of row t begins at row ``t - size // 2``; near an end it is the first or last whole one.

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
    n, d = values.shape
    first = _first_rows(n, size)
    step = max(PART_WINDOWS * size, MIN_PART)
    result = np.empty((n, d), dtype=np.int32)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        part = slice(first[rows][0], first[rows][-1] + size)
        n_columns = max(1, PART_VALUES // (part.stop - part.start))
        for column in range(0, d, n_columns):
            columns = slice(column, column + n_columns)
            ranks = _ranks_of_part(values[part, columns], size)
            result[rows, columns] = ranks[rows.start - part.start : rows.stop - part.start]
    return result


def _first_rows(n: int, size: int) -> Ints:
    """Return the first row of the window of every row, shape (n,)."""
    return np.clip(np.arange(n) - size // 2, 0, n - size)


def _ranks_of_part(values: Frames, size: int) -> Ints:
    """Return the ranks of :func:`twice_middle_ranks` in a part that is sorted as one.

    Of equal values the later is taken for the smaller at first, and what is wrong by that put right in the end.
    """
    n = len(values)
    first = _first_rows(n, size)
    rows, equals_next = _sorted_rows(values)
    ranks = _ranks(rows)
    counts = ranks if n == size else _ranks_in_windows(rows, ranks, first, size)
    result = 2 * counts.astype(np.int32) + 1
    row, column, balance = _balance_of_equals(rows, equals_next, first, size)
    result[row, column] += balance
    return result


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
    ranks = np.empty(d * n, dtype=np.uint16 if n < 2**16 else np.uint32)
    ranks[rows + n * np.arange(d)[:, None]] = np.arange(n)
    return np.ascontiguousarray(ranks.reshape(d, n).T)


def _ranks_in_windows(rows: Ints, ranks: Ints, first: Ints, size: int) -> Ints:
    """Return the number of smaller values in the window of each row, which begins at row ``first``, shape (n, d)."""
    last = len(ranks) - size
    starts = np.array([*range(0, last, STRIDE), last])
    block = np.where(first < last, first // STRIDE, len(starts) - 1)
    counts = _count_in_blocks(rows, ranks, starts, block, size)
    half = size // 2
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
    place = block[:, None] * d + np.arange(d)
    row = np.arange(n)
    is_inside = (starts[block] <= row) & (row < starts[block] + size)
    counts: Ints = before.ravel()[place + ranks // RUN * np.intp(n_blocks * d)].astype(np.int32)
    counts += sums.ravel()[place + ranks * np.intp(n_blocks * d)]
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


def _balance_of_equals(
    rows: Ints, equals_next: npt.NDArray[np.bool_], first: Ints, size: int
) -> tuple[Ints, Ints, Ints]:
    """Return rows and columns of values that have equals, and the earlier less the later of those in the window."""
    n = rows.shape[1]
    equals_last = np.zeros_like(equals_next)
    equals_last[:, 1:] = equals_next[:, :-1]
    place = np.flatnonzero(equals_next | equals_last)
    column, row = place // n, rows.ravel()[place].astype(np.intp)
    # a rising number: groups of equal values one after the other, and in each the last row first
    base = np.cumsum(~equals_last.ravel()[place]) * n + n - 1
    order = base - row
    i = np.arange(len(place))
    n_later = i - np.searchsorted(order, base - (first[row] + size - 1))
    n_earlier = np.searchsorted(order, base - first[row], side="right") - 1 - i
    return row, column, n_earlier - n_later
