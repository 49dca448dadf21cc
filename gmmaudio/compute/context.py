"""The context of a run: its threads or worker processes, its checkpoints, and the callable that shows progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from gmmaudio.compute.checkpoints import Checkpoints
from gmmaudio.compute.cluster import Cluster
from gmmaudio.compute.limits import ItemLimits
from gmmaudio.compute.workers import count_jobs, count_workers, map_by_work, ordered_map
from gmmaudio.errors import SettingError, WorkerError
from gmmaudio.files import in_units
from gmmaudio.values import convert_fields

Item = TypeVar("Item")
Result = TypeVar("Result")
# a worker process takes half of that before it reads a file
LEAST_MEMORY = 256 * 2**20


class Progress(Protocol):
    """A callable that shows the progress of a stage while it passes the items of the stage on.

    An exception that it raises stops the run: it leaves the function that was called as it is. If it has an attribute
    ``say``, that is called with lines on the course of the run.
    """

    def __call__(self, items: Iterable[Item], total: int | None, stage: str, /) -> Iterable[Item]:
        """Return the items, one by one.

        Parameters
        ----------
        items : iterable
            Results of the stage, or steps of its loop. One with an attribute ``duration_s`` was made of so many seconds
            of sound.
        total : int or None
            Number of items, at most; None where it is not known yet.
        stage : str
            Name of the stage, such as ``extracting features``.

        Returns
        -------
        iterable
            The same items in the same order.
        """


def quiet(items: Iterable[Item], _total: int | None, _stage: str, /) -> Iterable[Item]:
    """Return the items unchanged: no progress is shown.

    Parameters
    ----------
    items : iterable
        Items of a stage.

    Returns
    -------
    iterable
        The same items.

    Examples
    --------
    >>> list(quiet([1, 2], 2, "counting"))
    [1, 2]
    """
    return items


@dataclass(frozen=True)
class RunContext:
    """Worker processes, their limits, checkpoints and progress, handed down through a run.

    The results do not depend on any of these, but for items that pass a limit.

    Parameters
    ----------
    n_jobs : int or None
        Worker processes; 1 runs in this process, -1 takes one for each core. None takes threads for little work, and
        worker processes for much.
    progress : Progress
        Shows progress; by default nothing is shown.
    time_limit_s : float or None
        Time that one item of a map with limits may take, seconds, in place of the limit of the map; 0: no limit.
    memory_limit : int or None
        Memory that a worker process may take for one, bytes, likewise: 256 MiB or more, or 0.
    checkpoints : Checkpoints or None
        Where results of parts are kept, for a run that is started again; None keeps none.
    cluster : Cluster or None
        Dask cluster, in use by a ``with`` statement, whose workers take the place of this computer's.

    Raises
    ------
    SettingError
        If ``n_jobs`` is neither positive nor -1, or a limit is outside its bounds.

    Examples
    --------
    >>> list(RunContext().map(abs, [-1, -2], "taking absolute values"))
    [1, 2]
    """

    n_jobs: int | None = None
    progress: Progress = quiet
    time_limit_s: float | None = None
    memory_limit: int | None = None
    checkpoints: Checkpoints | None = None
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        count_jobs(self.n_jobs)
        if self.time_limit_s is not None and self.time_limit_s < 0:
            raise SettingError(f"`time_limit_s` is {self.time_limit_s:g}; expected seconds, or 0 for no limit")
        if self.memory_limit and self.memory_limit < LEAST_MEMORY:
            raise SettingError(
                f"`memory_limit` is {in_units(self.memory_limit)}; expected {in_units(LEAST_MEMORY)} or more, half of "
                "which a worker process takes by itself, or 0 for no limit"
            )

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        stage: str,
        *,
        on_crash: Callable[[Item, WorkerError], Result] | None = None,
        estimate: Callable[[], float] | None = None,
        limits: Callable[[Item], ItemLimits] | None = None,
    ) -> Iterator[Result]:
        """Return an iterator over ``function(item)`` in the order of the items, progress shown.

        Parameters
        ----------
        function : callable
            Function of one item, as for :func:`gmmaudio.compute.ordered_map`.
        items : iterable
            Items to pass to it. One without a length may block, as a pipe does: results that are ready are yielded
            meanwhile. It counts as much work.
        stage : str
            Name of the stage.
        on_crash : callable, optional
            What gives the result of an item whose worker process died or passed a limit, as for
            :func:`gmmaudio.compute.ordered_map`.
        estimate : callable, optional
            Returns about how long all items take in one thread, seconds; asked where ``n_jobs`` is None. A function
            without one runs in this process then; with one it may run in several threads.
        limits : callable, optional
            Returns the limits of an item, which worker processes hold, and threads as to time. Without it there are
            none. One job holds none either, unless this context names a limit: it is one worker process then.

        Returns
        -------
        iterator
            The results, each computed when it is asked for or a little before.

        Raises
        ------
        WorkerError
            If worker processes cannot be started, or an item is lost again and there is no ``on_crash``.

        Examples
        --------
        >>> list(RunContext(n_jobs=1).map(len, ["a", "bc"], "counting"))
        [1, 2]
        """
        results = self._results(function, items, on_crash, estimate, limits)
        return iter(self.progress(results, len(items) if isinstance(items, Collection) else None, stage))

    def _results(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        on_crash: Callable[[Item, WorkerError], Result] | None,
        estimate: Callable[[], float] | None,
        limits: Callable[[Item], ItemLimits] | None,
    ) -> Iterator[Result]:
        """Return the results of a map, by the way that its work and its limits ask for."""
        must_hold = limits is not None and bool(self.time_limit_s or self.memory_limit)
        held = None if limits is None else partial(_named, self.time_limit_s, self.memory_limit, limits)
        if self.cluster is not None:
            return self.cluster.map(function, items, on_crash=on_crash, limits=held)
        if self.n_jobs is not None or estimate is None:
            n_jobs = self.n_jobs or 1
        elif must_hold or not isinstance(items, Collection):
            n_jobs = self.count_workers(estimate() if isinstance(items, Collection) else math.inf)
        else:
            return map_by_work(function, items, estimate(), on_crash=on_crash, limits=held)
        return ordered_map(
            function, items, n_jobs, on_crash=on_crash, limits=held if n_jobs != 1 or must_hold else None
        )

    @property
    def is_here(self) -> bool:
        """Whether all workers are on this computer, and see its temporary files."""
        return self.cluster is None or self.cluster.address is None

    def locate(self, folder: Path) -> Path:
        """Return the path of a folder by which workers find it: those of a cluster have another current folder.

        Parameters
        ----------
        folder : Path
            A folder that is named from here.

        Examples
        --------
        >>> RunContext().locate(Path("music")).as_posix()
        'music'
        """
        return folder if self.cluster is None else folder.absolute()

    def say(self, line: str) -> None:
        """Show a line on the course of the run, where progress is shown.

        Parameters
        ----------
        line : str
            What to show.

        Examples
        --------
        >>> RunContext().say("goes on from 2 of 5 finished folds")
        """
        say = getattr(self.progress, "say", None)
        if callable(say):
            say(line)

    def count_workers(self, work_s: float) -> int:
        """Return the number of worker processes for some work.

        Parameters
        ----------
        work_s : float
            About how long it takes in one process, seconds.

        Examples
        --------
        >>> RunContext(n_jobs=2).count_workers(0.1), RunContext().count_workers(0.1)
        (2, 1)
        """
        return count_workers(self.n_jobs, work_s)

    def track(self, items: Sequence[Item], stage: str) -> Iterator[Item]:
        """Return an iterator over the items of a loop in this process, progress shown.

        Parameters
        ----------
        items : sequence
            Items of the loop.
        stage : str
            Name of the stage.

        Returns
        -------
        iterator
            The items, in their order.

        Examples
        --------
        >>> [fold * 2 for fold in RunContext().track([1, 2], "folds")]
        [2, 4]
        """
        return iter(self.progress(items, len(items), stage))

    @contextmanager
    def steps(self, total: int, stage: str) -> Iterator[Callable[[], None]]:
        """Return a context manager whose function is called after each step of a loop in another module.

        Parameters
        ----------
        total : int
            Largest number of steps.
        stage : str
            Name of the stage.

        Returns
        -------
        context manager of callable
            A function without arguments.

        Examples
        --------
        >>> with RunContext().steps(3, "iterating") as step:
        ...     step()
        """
        ticks = iter(self.progress(range(total), total, stage))
        try:
            yield lambda: _take(ticks)
        finally:
            # a generator's clean-up must not wait for the collector
            getattr(ticks, "close", lambda: None)()


def _named(
    time_limit_s: float | None, memory_limit: int | None, limits: Callable[[Item], ItemLimits], item: Item
) -> ItemLimits:
    """Return the limits of an item, those that a context names in place of those of its map."""
    of_item = limits(item)
    return ItemLimits(
        of_item.time_s if time_limit_s is None else time_limit_s or None,
        of_item.memory_bytes if memory_limit is None else memory_limit or None,
    )


def _take(items: Iterator[object]) -> None:
    """Take the next item, if there is one."""
    next(items, None)


# nothing shown
QUIET = RunContext()
