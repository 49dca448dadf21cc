"""A function over many items in threads of this process: numeric libraries and decoders let others run meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_map(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int, n_ahead: int = 2
) -> Generator[Result, None, None]:
    """Return a generator of ``function(item)`` in the order of the items.

    A few items for each thread are in work or waiting, so memory does not grow with the number of items. When
    the generator is closed or an exception passes through it, waiting items are dropped and running ones finish.

    Parameters
    ----------
    function : callable
        Function of one item.
    items : iterable
        Read in the calling thread.
    n_threads : int
        Number of threads, >= 1; 1 runs in the calling thread.
    n_ahead : int
        Items for each thread that are in work, waiting or done before they are taken, >= 1.

    Examples
    --------
    >>> list(thread_map(abs, [-1, -2, -3], 2))
    [1, 2, 3]
    """
    return (function(item) for item in items) if n_threads == 1 else _in_threads(function, items, n_threads, n_ahead)


def _in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int, n_ahead: int
) -> Generator[Result, None, None]:
    """Yield the results of threads."""
    # takes time to import
    from concurrent.futures import ThreadPoolExecutor

    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                # more than one for each thread, so that no thread is idle
                if len(pending) >= n_ahead * n_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
