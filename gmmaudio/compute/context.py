"""The context of a run: its threads or worker processes, and the callable that shows its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gmmaudio.compute.workers import count_jobs, count_workers, map_by_work, ordered_map
from gmmaudio.errors import WorkerError
from gmmaudio.values import convert_fields

Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """A callable that shows the progress of a stage while it passes the items of the stage on.

    An exception that it raises stops the run: it leaves the function that was called as it is.
    """

    def __call__(self, items: Iterable[Item], total: int, stage: str, /) -> Iterable[Item]:
        """Return the items, one by one.

        Parameters
        ----------
        items : iterable
            Results of the stage, or steps of its loop. One with an attribute ``duration_s`` was made of so many seconds
            of sound.
        total : int
            Number of items, at most.
        stage : str
            Name of the stage, such as ``extracting features``.

        Returns
        -------
        iterable
            The same items in the same order.
        """


def quiet(items: Iterable[Item], _total: int, _stage: str, /) -> Iterable[Item]:
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
    """Worker processes and progress, handed down through a run. The results do not depend on either.

    Parameters
    ----------
    n_jobs : int or None
        Worker processes; 1 runs in this process, -1 takes one for each core. None takes threads for little work, and
        worker processes for much.
    progress : Progress
        Shows progress; by default nothing is shown.

    Raises
    ------
    SettingError
        If ``n_jobs`` is neither positive nor -1.

    Examples
    --------
    >>> list(RunContext().map(abs, [-1, -2], "taking absolute values"))
    [1, 2]
    """

    n_jobs: int | None = None
    progress: Progress = quiet

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        count_jobs(self.n_jobs)

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        stage: str,
        *,
        on_crash: Callable[[Item, WorkerError], Result] | None = None,
        estimate: Callable[[], float] | None = None,
    ) -> Iterator[Result]:
        """Return an iterator over ``function(item)`` in the order of the items, progress shown.

        Parameters
        ----------
        function : callable
            Function of one item, as for :func:`gmmaudio.compute.ordered_map`.
        items : sequence
            Items to pass to it.
        stage : str
            Name of the stage.
        on_crash : callable, optional
            What gives the result of an item whose worker process died, as for
            :func:`gmmaudio.compute.ordered_map`.
        estimate : callable, optional
            Returns about how long all items take in one thread, seconds; asked where ``n_jobs`` is None. A function
            without one runs in this process then; with one it may run in several threads.

        Returns
        -------
        iterator
            The results, each computed when it is asked for or a little before.

        Raises
        ------
        WorkerError
            If worker processes cannot be started, or one dies at an item again and there is no ``on_crash``.

        Examples
        --------
        >>> list(RunContext(n_jobs=1).map(len, ["a", "bc"], "counting"))
        [1, 2]
        """
        if self.n_jobs is None and estimate is not None:
            results = map_by_work(function, items, estimate(), on_crash=on_crash)
        else:
            results = ordered_map(function, items, self.n_jobs or 1, on_crash=on_crash)
        return iter(self.progress(results, len(items), stage))

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


def _take(items: Iterator[object]) -> None:
    """Take the next item, if there is one."""
    next(items, None)


# nothing shown
QUIET = RunContext()
