"""A function over many items: in this process, or in worker processes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from gmmaudio.compute.threads import one_thread
from gmmaudio.errors import SettingError, WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
# enough that the slowest item of a round matters little, few enough to bound memory
ITEMS_PER_WORKER = 8


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int = 1) -> Iterator[Result]:
    """Return an iterator over ``function(item)`` for every item, in the order of the items, whatever ``n_jobs`` is.

    Workers are started once and kept for later calls, each with its numeric libraries at one thread, so that results
    are the same bits as in one process. Only a few items per worker are in flight: memory does not grow with their
    number.

    Parameters
    ----------
    function : callable
        Function of one item, importable by name, as workers receive it by pickle. An exception that it raises stops
        the iteration.
    items : iterable
        Items that can be pickled.
    n_jobs : int
        Worker processes; 1 runs in this process, -1 takes one for each core.

    Returns
    -------
    iterator
        In this process each result is computed when it is asked for; in worker processes a round ahead.

    Raises
    ------
    SettingError
        If ``n_jobs`` is neither positive nor -1.
    WorkerError
        If a worker process dies.

    Examples
    --------
    >>> list(ordered_map(abs, [-1, -2, -3]))
    [1, 2, 3]
    """
    n_workers = count_jobs(n_jobs)
    return _in_process(function, items) if n_workers == 1 else _in_workers(function, items, n_workers)


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


def _in_workers(function: Callable[[Item], Result], items: Iterable[Item], n_workers: int) -> Iterator[Result]:
    """Yield the results that worker processes compute, a few for each worker at a time."""
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pending = iter(items)
    # not around the yield: joblib's settings are those of the whole thread, the caller's own loops included
    with joblib.parallel_config("loky", n_jobs=n_workers, inner_max_num_threads=1):
        parallel: Any = joblib.Parallel(batch_size=1)
    while chunk := list(itertools.islice(pending, ITEMS_PER_WORKER * n_workers)):
        try:
            results = parallel(joblib.delayed(function)(item) for item in chunk)
        except TerminatedWorkerError as error:
            raise WorkerError(
                "a worker process died, out of memory or in a decoder; run in one process to see at which file "
                "(`n_jobs=1`)"
            ) from error
        yield from results
