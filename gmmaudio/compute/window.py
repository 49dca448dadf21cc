"""The tasks of a map between the reader of its results and the items that are taken, in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from gmmaudio.compute.feeding import Feed, NotThereYet
from gmmaudio.compute.limits import NO_LIMITS, ItemLimits
from gmmaudio.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
# while a slow item holds up the reader, the others go on: up to so many results, and so many bytes of them
MAX_TASKS = 10_000
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Loss:
    """How a worker process lost the item that it had.

    Parameters
    ----------
    code : str
        ``crashed``, ``timeout`` or ``memory``.
    words : str
        What happened, as the begin of a sentence.
    detail : str
        The end of the sentence, such as a signal; may be empty.
    is_of_memory : bool
        Whether the cause may be that other workers took memory too.
    """

    code: str
    words: str
    detail: str = ""
    is_of_memory: bool = False

    @property
    def error(self) -> WorkerError:
        """The error of an item that was lost and is not tried again."""
        return WorkerError(f"{self.words}{self.detail}", self.code)

    def then(self, again: Loss) -> WorkerError:
        """Return the error of an item that was lost, was tried again, and was lost again.

        Parameters
        ----------
        again : Loss
            How it was lost again.

        Examples
        --------
        >>> crash = Loss("crashed", "the worker process died", " (SIGSEGV)")
        >>> str(crash.then(crash))
        'the worker process died twice, the second time in a fresh process (SIGSEGV)'
        >>> str(crash.then(Loss("timeout", "took longer than 60 s")))
        'the worker process died (SIGSEGV), and then, in a fresh process, took longer than 60 s'
        """
        where = "alone" if self.is_of_memory else "in a fresh process"
        if self.words == again.words:
            return WorkerError(f"{again.words} twice, the second time {where}{again.detail}", again.code)
        return WorkerError(f"{self.words}{self.detail}, and then, {where}, {again.words}{again.detail}", again.code)


def too_long(limit_s: float) -> Loss:
    """Return the loss of an item that passed its limit of time.

    Parameters
    ----------
    limit_s : float
        The limit, seconds.

    Examples
    --------
    >>> too_long(60.0).words
    'took longer than 60 s'
    """
    return Loss("timeout", f"took longer than {limit_s:g} s")


@dataclass(eq=False)
class Task(Generic[Item, Result]):
    """An item, and its outcome once it is known.

    Parameters
    ----------
    item : object
        The item; dropped when the outcome is known.
    limits : ItemLimits
        Time and memory that it may take.
    loss : Loss or None
        How its first worker lost it.
    outcome : callable or None
        Returns the result, or raises the exception of the function.
    n_bytes : int
        Size of the outcome.
    """

    item: Item
    limits: ItemLimits = NO_LIMITS
    loss: Loss | None = None
    outcome: Callable[[], Result] | None = None
    n_bytes: int = 0


class Window(Generic[Item, Result]):
    """The tasks whose results were not read yet.

    Parameters
    ----------
    feed : Feed
        The items.
    n_tasks : int
        Tasks at most that are there however large their results are.
    limits : callable, optional
        Returns the limits of an item.
    first_loss : Loss or None
        How the first item was lost before.
    """

    def __init__(
        self,
        feed: Feed[Item],
        n_tasks: int,
        limits: Callable[[Item], ItemLimits] = lambda _item: NO_LIMITS,
        first_loss: Loss | None = None,
    ) -> None:
        self.feed = feed
        self.n_tasks = n_tasks
        self.limits = limits
        self._first_loss = first_loss
        self._tasks: deque[Task[Item, Result]] = deque()
        self._n_bytes = 0
        self._has_more = True

    def take(self) -> Task[Item, Result] | None:
        """Return a task for the next item; None where there is no item now, or no room for its result."""
        if not self._has_more or not self._has_room():
            return None
        try:
            item = self.feed.take()
            task = Task[Item, Result](item, self.limits(item), self._first_loss)
        except NotThereYet:
            return None
        except StopIteration:
            self._has_more = False
            return None
        except BaseException as error:  # noqa: BLE001 - raised at its turn, as in one process
            self._has_more = False
            self._tasks.append(Task[Any, Result](None, outcome=partial(settle, False, error)))
            return None
        self._first_loss = None
        self._tasks.append(task)
        return task

    def _has_room(self) -> bool:
        """Return whether there is room for one more result."""
        n = len(self._tasks)
        return n < self.n_tasks or (n < MAX_TASKS and self._n_bytes < MAX_BYTES)

    def put(self, task: Task[Item, Result], outcome: Callable[[], Result], n_bytes: int = 0) -> None:
        """Set the outcome of a task.

        Parameters
        ----------
        task : Task
            A task that was taken.
        outcome : callable
            Returns the result, or raises an exception.
        n_bytes : int
            Its size.
        """
        task.outcome, task.n_bytes = outcome, n_bytes
        self._n_bytes += n_bytes
        # it may be large
        del task.item

    def is_ready(self) -> bool:
        """Return whether the result whose turn it is is there."""
        return bool(self._tasks) and self._tasks[0].outcome is not None

    def is_at_end(self) -> bool:
        """Return whether nothing more is to come."""
        return not self._has_more and not self._tasks

    def pop(self) -> Result:
        """Return the result whose turn it is, or raise the exception of its function."""
        task = self._tasks.popleft()
        self._n_bytes -= task.n_bytes
        assert task.outcome is not None  # noqa: S101 - asked for when it is ready
        return task.outcome()


def settle(is_result: bool, value: Any) -> Any:
    """Return a result, or raise an exception.

    Parameters
    ----------
    is_result : bool
        Whether it is a result.
    value : object
        The result or the exception.

    Examples
    --------
    >>> settle(True, 3)
    3
    """
    if is_result:
        return value
    raise value
