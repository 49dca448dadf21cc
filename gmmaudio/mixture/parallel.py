"""Order-preserving maps over threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from gmmaudio.errors import SettingError

Item = TypeVar("Item")
Result = TypeVar("Result")

# An order-preserving map: the builtin, or that of a pool of processes or a cluster.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


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
    return (os.cpu_count() or 1) if n_threads == -1 else int(n_threads)


def thread_map(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int
) -> Generator[Result, None, None]:
    """Return a generator of ``function(item)`` in the order of the items.

    At most two items for each thread are in work or waiting, so memory does not grow with the number of items. When
    the generator is closed or an exception passes through it, waiting items are dropped and running ones finish.

    Parameters
    ----------
    function : callable
        Function of one item.
    items : iterable
        Read in the calling thread.
    n_threads : int
        Number of threads, >= 1; 1 runs in the calling thread.

    Examples
    --------
    >>> list(thread_map(abs, [-1, -2, -3], 2))
    [1, 2, 3]
    """
    return (function(item) for item in items) if n_threads == 1 else _map_in_threads(function, items, n_threads)


def _map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int
) -> Generator[Result, None, None]:
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                # one waits for each thread, so that no thread is idle
                if len(pending) >= 2 * n_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
