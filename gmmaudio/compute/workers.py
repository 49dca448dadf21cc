"""A function over many items: in this process, in its threads, or in worker processes, of which any may die."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import NoReturn, TypeVar

from gmmaudio.compute.limits import NO_LIMITS, ItemLimits
from gmmaudio.compute.thread_pool import thread_map
from gmmaudio.compute.threads import one_thread
from gmmaudio.compute.watched_threads import watched_thread_map
from gmmaudio.compute.window import too_long
from gmmaudio.errors import SettingError, WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
# docs/decisions/0014-jobs.md: seconds of work beside which the start of a worker, 0.3 s, is little
PAYS_S = 5.0
# more of them wait for Python's lock, and that of the mp3 decoder
MAX_THREADS = 8
# the slowest item of a round matters little, and memory is bounded
ITEMS_PER_THREAD = 8


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    n_jobs: int = 1,
    *,
    on_crash: Callable[[Item, WorkerError], Result] | None = None,
    limits: Callable[[Item], ItemLimits] | None = None,
) -> Iterator[Result]:
    """Return an iterator over ``function(item)`` for every item, in the order of the items, whatever ``n_jobs`` is.

    Workers are started once and kept for later calls, each with its numeric libraries at one thread, so that results
    are the same bits as in one process. Each has one item at a time. While one item takes long, the others go on: up to
    10,000 results wait for their reader, or 64 MiB of them.

    A worker that dies, by a fault in a library or by the system when memory runs out, or whose item passes a limit,
    loses nothing but the item that it had. That item is tried once more in a fresh worker, and without others beside it
    where memory may be the reason. Workers end when this process ends, however it does.

    Parameters
    ----------
    function : callable
        Function of one item, which workers receive by pickle. An exception that it raises stops the iteration at its
        item.
    items : iterable
        Items that can be pickled. One without a length may block, as a pipe does: results that are ready are yielded
        meanwhile.
    n_jobs : int
        Worker processes; 1 runs in this process, -1 takes one for each core. Where the system is not POSIX, all runs
        in this process.
    on_crash : callable, optional
        Function of an item that was lost both times, and of the error that says how; it returns what takes the place of
        the result. By default the error is raised. In this process it is called where memory runs out.
    limits : callable, optional
        Returns the time and the memory that an item may take. With limits, one job is one worker process.

    Returns
    -------
    iterator
        In this process each result is computed when it is asked for; in worker processes a little before.

    Raises
    ------
    SettingError
        If ``n_jobs`` is neither positive nor -1.
    WorkerError
        If worker processes cannot be started, or an item is lost again and there is no ``on_crash``.

    Examples
    --------
    >>> list(ordered_map(abs, [-1, -2, -3]))
    [1, 2, 3]
    """
    n_workers = count_jobs(n_jobs)
    if (n_workers == 1 and limits is None) or os.name != "posix":
        return _in_process(_saved(function, on_crash), items)
    # needs POSIX, and takes time to import
    from gmmaudio.compute.worker_pool import map_in_workers

    return map_in_workers(function, items, n_workers, on_crash or _raise, limits or _no_limits)


def map_by_work(
    function: Callable[[Item], Result],
    items: Collection[Item],
    work_s: float,
    *,
    on_crash: Callable[[Item, WorkerError], Result] | None = None,
    limits: Callable[[Item], ItemLimits] | None = None,
) -> Iterator[Result]:
    """Return the iterator of :func:`ordered_map`, in threads or in worker processes, whichever pays.

    Threads start at once, and worker processes lose nothing but an item where a library crashes: where each has so
    much work that its start is little beside it, they are taken.

    Parameters
    ----------
    function : callable
        Function of one item that may run in several threads, most of it in libraries that let others run meanwhile.
    items : collection
        Items that can be pickled.
    work_s : float
        About how long all items take in one thread, seconds.
    on_crash, limits : callable, optional
        As for :func:`ordered_map`. Threads hold no limit of memory; where an item passes its limit of time, worker
        processes go on. One thread holds no limits.

    Returns
    -------
    iterator
        The results in the order of the items, each computed when it is asked for or a little before.

    Examples
    --------
    >>> list(map_by_work(abs, [-1, -2, -3], 0.0))
    [1, 2, 3]
    """
    n_workers, n_threads = count_workers(None, work_s), min(count_jobs(None), MAX_THREADS)
    if n_workers >= n_threads and os.name == "posix":
        return ordered_map(function, items, n_workers, on_crash=on_crash, limits=limits)
    n_threads, here = max(1, min(n_threads, len(items))), _saved(function, on_crash)
    if limits is None or n_threads == 1 or os.name != "posix":
        return thread_map(here, items, n_threads, ITEMS_PER_THREAD)
    go_on = partial(_go_on, function, n_threads, on_crash, limits)
    return watched_thread_map(here, items, n_threads, ITEMS_PER_THREAD, limits, go_on)


def _go_on(
    function: Callable[[Item], Result],
    n_workers: int,
    on_crash: Callable[[Item, WorkerError], Result] | None,
    limits: Callable[[Item], ItemLimits],
    items: list[Item],
) -> Iterator[Result]:
    """Return the results of worker processes, where the first item took too long in a thread."""
    from gmmaudio.compute.worker_pool import map_in_workers

    loss = too_long(limits(items[0]).time_s or 0.0)
    return map_in_workers(function, items, n_workers, on_crash or _raise, limits, loss)


def count_workers(n_jobs: int | None, work_s: float) -> int:
    """Return the number of worker processes for a value of ``n_jobs``, and for some work where that is None.

    Parameters
    ----------
    n_jobs : int or None
        As for :func:`count_jobs`; None takes at most one for each core, and no more than have 5 s of work each.
    work_s : float
        About how long the work takes in one process, seconds.

    Returns
    -------
    int
        1 or more.

    Examples
    --------
    >>> count_workers(3, 0.1), count_workers(None, 0.1)
    (3, 1)
    """
    return max(1, int(min(count_jobs(-1), work_s / PAYS_S))) if n_jobs is None else count_jobs(n_jobs)


def count_jobs(n_jobs: int | None) -> int:
    """Return the number of processes or threads for a value of ``n_jobs``.

    Parameters
    ----------
    n_jobs : int or None
        A number; None and -1 stand for one for each core that this process may use.

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
    if n_jobs is None or n_jobs == -1:
        # a scheduler may leave a process some of the cores
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if n_jobs < 1:
        raise SettingError(f"`n_jobs` is {n_jobs}; expected 1 or more worker processes, or -1 for one each core")
    return n_jobs


def _in_process(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results computed in this process."""
    for item in items:
        yield function(item)


def _saved(
    function: Callable[[Item], Result], on_crash: Callable[[Item, WorkerError], Result] | None
) -> Callable[[Item], Result]:
    """Return a function for this process: numeric libraries at one thread, and an item lost where memory runs out."""

    def run(item: Item) -> Result:
        try:
            with one_thread():
                return function(item)
        except MemoryError:
            if on_crash is None:
                raise
        # what the function held is free again
        return on_crash(item, WorkerError("took more memory than there is", "memory"))

    return run


def _no_limits(_item: object) -> ItemLimits:
    """Return no limits."""
    return NO_LIMITS


def _raise(_item: object, error: WorkerError) -> NoReturn:
    """Raise the error of an item at which a worker died."""
    raise error
