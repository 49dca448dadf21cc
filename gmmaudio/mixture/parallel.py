"""The settings of a fit that say where its blocks of rows are worked on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gmmaudio.compute import count_jobs
from gmmaudio.errors import SettingError

# An order-preserving map: the builtin, or that of a pool of processes or a cluster.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


# items of one task: enough that its way to a worker and back is little beside it
BATCH = 16


@dataclass(frozen=True)
class BatchMapper:
    """A mapper whose workers are far away: it gives them several chunks at once, and they add up the statistics.

    Parameters
    ----------
    mapper : callable
        An order-preserving map, such as :meth:`gmmaudio.compute.Cluster.map`.

    Examples
    --------
    >>> list(BatchMapper(map)(abs, [-1, -2, -3]))
    [1, 2, 3]
    """

    mapper: Mapper

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Return an iterator over ``function(item)`` in the order of the items.

        Parameters
        ----------
        function : callable
            Function of one item.
        items : iterable
            Items.
        """
        return itertools.chain.from_iterable(self.mapper(partial(_apply_to_all, function), in_batches(items, BATCH)))


def _apply_to_all(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Return a function of each item."""
    return [function(item) for item in items]


def in_batches(items: Iterable[Any], n: int) -> Iterator[tuple[Any, ...]]:
    """Yield ``n`` items at a time, in the last batch perhaps fewer.

    Parameters
    ----------
    items : iterable
        Items.
    n : int
        Number of items of a batch.

    Examples
    --------
    >>> list(in_batches("abc", 2))
    [('a', 'b'), ('c',)]
    """
    rest = iter(items)
    yield from iter(lambda: tuple(itertools.islice(rest, n)), ())


def count_threads(n_threads: int) -> int:
    """Return the number of threads for a setting ``n_threads``.

    Parameters
    ----------
    n_threads : int
        A number >= 1, or -1 for one thread for each core.

    Raises
    ------
    SettingError
        If it is anything else.

    Examples
    --------
    >>> count_threads(3)
    3
    """
    whole = isinstance(n_threads, int | np.integer) and not isinstance(n_threads, bool)
    if not whole or (n_threads < 1 and n_threads != -1):
        raise SettingError(f"n_threads is {n_threads!r}; expected 1 or more, or -1 for one on each core")
    return count_jobs(int(n_threads))
