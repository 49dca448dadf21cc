"""How a run uses the machine: worker processes, and what shows its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gmmaudio.compute.workers import count_jobs, ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")


class Progress(Protocol):
    """A function that shows progress while it passes items on.

    It takes the items, their number and the name of the stage, and yields the items. An exception that it raises stops
    the run.
    """

    def __call__(self, items: Iterable[Item], total: int, stage: str, /) -> Iterable[Item]:
        """Return the items, one by one."""


def quiet(items: Iterable[Item], _total: int, _stage: str, /) -> Iterable[Item]:
    """Return the items as they are: no progress is shown.

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
    n_jobs : int
        Worker processes; 1 runs in this process, -1 takes one for each core.
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

    n_jobs: int = 1
    progress: Progress = quiet

    def __post_init__(self) -> None:
        count_jobs(self.n_jobs)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item], stage: str) -> Iterator[Result]:
        """Return an iterator over ``function(item)`` in the order of the items, progress shown.

        Parameters
        ----------
        function : callable
            As for :func:`gmmaudio.compute.ordered_map`.
        items : sequence
            What to run it over.
        stage : str
            Name of the stage.
        """
        return iter(self.progress(ordered_map(function, items, self.n_jobs), len(items), stage))

    def track(self, items: Sequence[Item], stage: str) -> Iterator[Item]:
        """Return an iterator over the items, progress shown.

        Parameters
        ----------
        items : sequence
            What a loop runs over.
        stage : str
            Name of the stage.
        """
        return iter(self.progress(items, len(items), stage))

    @contextmanager
    def steps(self, total: int, stage: str) -> Iterator[Callable[[], None]]:
        """Return a context that gives a function to call after each step of a stage that is no loop of ours.

        Parameters
        ----------
        total : int
            Number of steps at most.
        stage : str
            Name of the stage.

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


# one process, nothing shown
QUIET = RunContext()
