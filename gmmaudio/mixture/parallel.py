"""Tasks over threads in a fixed order, each with the numeric libraries at one thread."""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import threadpoolctl
from threadpoolctl import ThreadpoolController

from gmmaudio.errors import SettingError

Item = TypeVar("Item")
Result = TypeVar("Result")

# A map that keeps order: the builtin, or that of a pool of processes or a cluster.
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@functools.cache
def _libraries() -> ThreadpoolController:
    """Return the numeric libraries of this process; finding them takes milliseconds, so it is done once."""
    return ThreadpoolController()


class _OneThread:
    """How many callers want one thread: the limit is the whole process's, so the last to leave takes it away.

    threadpoolctl lets one thread of the process set limits and ignores all others, so control is taken before each
    change and given up after it: the caller that leaves last need not be the one that came first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._limit: Any = None

    def enter(self) -> None:
        with self._lock:
            self._callers += 1
            if self._callers == 1:
                _free_control()
                self._limit = _libraries().limit(limits=1)
                _free_control()

    def leave(self) -> None:
        with self._lock:
            self._callers -= 1
            if self._callers == 0:
                _free_control()
                self._limit.restore_original_limits()
                _free_control()


def _free_control() -> None:
    """Let any thread set limits; versions of threadpoolctl before 3.7 always do."""
    free = getattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread", None)
    if free is not None:
        free(force=True)


_ONE = _OneThread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Return a context in which every matrix product runs on its caller's thread, so that sums have one order."""
    _ONE.enter()
    try:
        yield
    finally:
        _ONE.leave()


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
