"""A function over many items: in this process, or in worker processes, of which any may die."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn, TypeVar

from gmmaudio.compute.threads import one_thread
from gmmaudio.errors import SettingError, WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    n_jobs: int = 1,
    *,
    on_crash: Callable[[Item, WorkerError], Result] | None = None,
) -> Iterator[Result]:
    """Return an iterator over ``function(item)`` for every item, in the order of the items, whatever ``n_jobs`` is.

    Workers are started once and kept for later calls, each with its numeric libraries at one thread, so that results
    are the same bits as in one process. Only a few items per worker are in flight: memory does not grow with their
    number.

    A worker that dies, by a fault in a library or by the system when memory runs out, loses nothing but the item that
    it had. That item is tried once more, alone, in a fresh worker. Workers end when this process ends, however it does.

    Parameters
    ----------
    function : callable
        Function of one item, which workers receive by pickle. An exception that it raises stops the iteration at its
        item.
    items : iterable
        Items that can be pickled.
    n_jobs : int
        Worker processes; 1 runs in this process, -1 takes one for each core. Where the system is not POSIX, all runs
        in this process.
    on_crash : callable, optional
        Function of an item whose worker died both times, and of the error that says how; it returns what takes the
        place of the result. By default the error is raised.

    Returns
    -------
    iterator
        In this process each result is computed when it is asked for; in worker processes a little before.

    Raises
    ------
    SettingError
        If ``n_jobs`` is neither positive nor -1.
    WorkerError
        If worker processes cannot be started, or one dies at an item again and there is no ``on_crash``.

    Examples
    --------
    >>> list(ordered_map(abs, [-1, -2, -3]))
    [1, 2, 3]
    """
    n_workers = count_jobs(n_jobs)
    if n_workers == 1 or os.name != "posix":
        return _in_process(function, items)
    # needs POSIX, and takes time to import
    from gmmaudio.compute.worker_pool import map_in_workers

    return map_in_workers(function, items, n_workers, on_crash or _raise)


def count_jobs(n_jobs: int) -> int:
    """Return the number of worker processes for a value of ``n_jobs``.

    Parameters
    ----------
    n_jobs : int
        A number of processes; -1 stands for one for each core.

    Returns
    -------
    int
        1 or more.

    Raises
    ------
    SettingError
        If ``n_jobs`` is neither positive nor -1.

    Examples
    --------
    >>> count_jobs(3)
    3
    """
    if n_jobs == -1:
        return os.cpu_count() or 1
    if n_jobs < 1:
        raise SettingError(f"`n_jobs` is {n_jobs}; expected 1 or more worker processes, or -1 for one each core")
    return n_jobs


def _in_process(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results computed in this process."""
    for item in items:
        # not around the yield: the caller's own work between results has its own limits
        with one_thread():
            result = function(item)
        yield result


def _raise(_item: object, error: WorkerError) -> NoReturn:
    """Raise the error of an item at which a worker died."""
    raise error
