"""Tasks over threads in a fixed order, each with the numeric libraries at one thread."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from gmmaudio.errors import SettingError

Item = TypeVar("Item")
Result = TypeVar("Result")

# A map that keeps order: the builtin, or that of a pool of processes or a cluster.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def count_threads(n_threads: int) -> int:
    """Return the number of threads that ``n_threads`` means; -1 is one for each core.

    Raises
    ------
    SettingError
        If it is neither positive nor -1.

    Examples
    --------
    >>> count_threads(3)
    3
    """
    whole = isinstance(n_threads, int | np.integer) and not isinstance(n_threads, bool)
    if not whole or (n_threads < 1 and n_threads != -1):
        raise SettingError(f"n_threads is {n_threads!r}; expected 1 or more, or -1 for one on each core")
    return (os.cpu_count() or 1) if n_threads == -1 else int(n_threads)


def thread_map(function: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> Iterator[Result]:
    """Return an iterator over ``function(item)`` in the order of the items; few items are in flight at a time.

    Examples
    --------
    >>> list(thread_map(abs, [-1, -2, -3], 2))
    [1, 2, 3]
    """
    return map(function, items) if n_threads == 1 else _in_threads(function, items, n_threads)


def _in_threads(function: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> Iterator[Result]:
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            # one in reserve for each thread: memory does not grow with the items
            if len(pending) >= 2 * n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
