"""A function over items in threads, until one takes too long: worker processes, which can be ended, go on then."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from gmmaudio.compute.limits import ItemLimits
from gmmaudio.compute.window import settle

Item = TypeVar("Item")
Result = TypeVar("Result")
# a map that is left waits so long for the items that its threads have, seconds
CLOSE_S = 10.0


@dataclass(eq=False)
class ThreadTask(Generic[Item, Result]):
    """An item of a thread, and its outcome once it is known.

    Parameters
    ----------
    item : object
        The item.
    began_s : float or None
        Clock when a thread took it, seconds.
    outcome : callable or None
        Returns the result, or raises the exception of the function.
    """

    item: Item
    began_s: float | None = None
    outcome: Callable[[], Result] | None = None


def watched_thread_map(
    function: Callable[[Item], Result],
    items: Collection[Item],
    n_threads: int,
    n_ahead: int,
    limits: Callable[[Item], ItemLimits],
    go_on: Callable[[list[Item]], Iterator[Result]],
) -> Generator[Result, None, None]:
    """Return a generator of ``function(item)`` in the order of the items.

    A thread cannot be ended, and what it holds, such as the lock of a decoder, may hold up the others. So, when an item
    passes its limit of time, all that is not done is left to another map, and the threads to themselves.

    Parameters
    ----------
    function : callable
        Function of one item.
    items : collection
        Read in the calling thread.
    n_threads : int
        Number of threads, >= 2.
    n_ahead : int
        Items for each thread that are in work, waiting or done before they are taken, >= 1.
    limits : callable
        Returns the limits of an item; that of memory is not held.
    go_on : callable
        Function of the items that are not done, that which took too long at their head; it returns their results.

    Examples
    --------
    >>> list(watched_thread_map(abs, [-1, -2, -3], 2, 1, lambda item: ItemLimits(), lambda items: iter(())))
    [1, 2, 3]
    """
    unread, window = iter(items), deque[ThreadTask[Item, Result]]()
    crew = Crew(function, n_threads)
    is_late = False
    try:
        while not is_late:
            while len(window) < n_ahead * n_threads:
                try:
                    window.append(ThreadTask(next(unread)))
                except StopIteration:
                    break
                crew.give(window[-1])
            if not window:
                return
            outcome = crew.outcome_of(window[0], limits(window[0].item).time_s)
            is_late = outcome is None
            if outcome is not None:
                window.popleft()
                yield outcome()
    finally:
        crew.close(0.0 if is_late else CLOSE_S)
    done = [task.outcome for task in window]
    rest = go_on([*(task.item for task, outcome in zip(window, done, strict=True) if outcome is None), *unread])
    for outcome in done:
        yield next(rest) if outcome is None else outcome()
    yield from rest


class Crew(Generic[Item, Result]):
    """Threads that work on tasks in their order, and do not keep the program from its end.

    Parameters
    ----------
    function : callable
        Function of one item.
    n_threads : int
        Number of threads.
    """

    def __init__(self, function: Callable[[Item], Result], n_threads: int) -> None:
        self._function = function
        self._tasks = SimpleQueue[ThreadTask[Item, Result] | None]()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(n_threads)]
        for thread in self._threads:
            thread.start()

    def give(self, task: ThreadTask[Item, Result]) -> None:
        """Add a task to those that wait.

        Parameters
        ----------
        task : ThreadTask
            A new task.
        """
        self._tasks.put(task)

    def outcome_of(self, task: ThreadTask[Item, Result], limit_s: float | None) -> Callable[[], Result] | None:
        """Return the outcome of a task, waited for; None where it passed a limit of time.

        Parameters
        ----------
        task : ThreadTask
            A task that was given, and is the first of those without outcome.
        limit_s : float or None
            Time since a thread took it, seconds; None: no limit.
        """
        with self._changed:
            self._changed.wait_for(lambda: task.began_s is not None)
            left_s = None if limit_s is None else max(0.0, (task.began_s or 0.0) + limit_s - time.monotonic())
            self._changed.wait_for(lambda: task.outcome is not None, left_s)
            return task.outcome

    def _work(self) -> None:
        """Work on tasks until there are no more."""
        while (task := self._tasks.get()) is not None:
            self._change(task, time.monotonic(), None)
            try:
                outcome = partial(settle, True, self._function(task.item))
            except BaseException as error:  # noqa: BLE001 - raised where the result is read
                outcome = partial(settle, False, error)
            self._change(task, task.began_s, outcome)

    def _change(
        self, task: ThreadTask[Item, Result], began_s: float | None, outcome: Callable[[], Result] | None
    ) -> None:
        """Set what is known of a task, and tell who waits for it."""
        with self._changed:
            task.began_s, task.outcome = began_s, outcome
            self._changed.notify_all()

    def close(self, wait_s: float) -> None:
        """Drop the tasks that wait, and end the threads.

        Parameters
        ----------
        wait_s : float
            Time that they have for the tasks that they work on, seconds.
        """
        while True:
            try:
                self._tasks.get_nowait()
            except Empty:
                break
        for _ in self._threads:
            self._tasks.put(None)
        deadline_s = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
