"""The worker processes of one map, and the items that they have: an item whose worker dies is tried again, alone."""

from __future__ import annotations

import pickle
import selectors
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from gmmaudio.compute.serving import pickle_any
from gmmaudio.compute.worker_process import WorkerProcess, keep_worker, take_worker
from gmmaudio.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
# enough that the slowest item of a round matters little, few enough to bound memory
ITEMS_PER_WORKER = 8


@dataclass(eq=False)
class Task(Generic[Item, Result]):
    """An item, and its outcome once it is known.

    Parameters
    ----------
    item : object
        The item.
    is_retry : bool
        Whether its first worker died.
    outcome : callable or None
        Returns the result, or raises the exception of the function.
    """

    item: Item
    is_retry: bool = False
    outcome: Callable[[], Result] | None = None


def map_in_workers(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    n_workers: int,
    on_crash: Callable[[Item, WorkerError], Result],
) -> Iterator[Result]:
    """Return an iterator over the results in the order of the items, computed a little before they are asked for.

    Parameters
    ----------
    function : callable
        Function of one item.
    items : iterable
        Items.
    n_workers : int
        Worker processes.
    on_crash : callable
        Function of an item whose worker died twice, and of the error that says how; it returns what takes the place of
        the result, or raises.

    Returns
    -------
    iterator
        Results. The error of an item is raised at its turn, as in one process.

    Raises
    ------
    WorkerError
        If worker processes cannot be started.

    Examples
    --------
    >>> list(map_in_workers(abs, [-1, -2], 2, lambda item, error: None))
    [1, 2]
    """
    pool = WorkerPool(function, n_workers, on_crash)
    unread = (Task[Item, Result](item) for item in items)
    # the tasks between the reader and the items that are taken
    window: deque[Task[Item, Result]] = deque()
    crashed: deque[Task[Item, Result]] = deque()
    try:
        while True:
            # a task that may have killed its worker waits until it is alone
            while not crashed and pool.has_room() and len(window) < ITEMS_PER_WORKER * n_workers:
                task = next(unread, None)
                if task is None:
                    break
                window.append(task)
                pool.start(task)
            if crashed and not pool.busy:
                pool.start(crashed.popleft())
            if not window:
                return
            crashed += pool.collect(must_wait=window[0].outcome is None)
            outcome = window[0].outcome
            if outcome is not None:
                window.popleft()
                yield outcome()
    finally:
        pool.close()


class WorkerPool(Generic[Item, Result]):
    """The workers of one map.

    Parameters
    ----------
    function : callable
        Function of one item.
    n_workers : int
        Workers at most.
    on_crash : callable
        As for :func:`map_in_workers`.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        n_workers: int,
        on_crash: Callable[[Item, WorkerError], Result],
    ) -> None:
        self.n_workers = n_workers
        self.on_crash = on_crash
        self.busy: dict[WorkerProcess, Task[Item, Result]] = {}
        self._function = pickle_any(function)
        # these know the function
        self._free: list[WorkerProcess] = []

    def has_room(self) -> bool:
        """Return whether another task may be started: a worker is free, and none has a task that must be alone."""
        return len(self.busy) < self.n_workers and not any(task.is_retry for task in self.busy.values())

    def start(self, task: Task[Item, Result]) -> None:
        """Give a task to a worker: one that is tried again to a fresh one.

        Parameters
        ----------
        task : Task
            A task without outcome.
        """
        payload = pickle_any(task.item)
        if self._free and not task.is_retry:
            worker = self._free.pop()
            self.busy[worker] = task
        else:
            worker = WorkerProcess() if task.is_retry else take_worker()
            self.busy[worker] = task
            worker.give_function(self._function)
        worker.give_item(payload)

    def collect(self, *, must_wait: bool) -> list[Task[Item, Result]]:
        """Return the tasks whose workers died for the first time; tasks that are done have their outcome set.

        Parameters
        ----------
        must_wait : bool
            Whether to wait until there is news of a task.
        """
        crashed = []
        with selectors.DefaultSelector() as selector:
            for worker in self.busy:
                selector.register(worker, selectors.EVENT_READ, worker)
            ready = [key.data for key, _ in selector.select(None if must_wait else 0)]
        for worker in ready:
            try:
                payload = worker.receive()
            except EOFError:
                task = self._lose(worker)
                crashed += [task] if task.outcome is None else []
            else:
                if payload is not None:
                    self._finish(worker, pickle.loads(payload))  # noqa: S301 - written by a worker
        return crashed

    def _finish(self, worker: WorkerProcess, settled: tuple[bool, Any]) -> None:
        """Set the outcome of a worker's task, and count the worker as free."""
        task = self.busy.pop(worker)
        task.outcome = partial(_settle, *settled)
        # it may be large
        del task.item
        self._free.append(worker)

    def _lose(self, worker: WorkerProcess) -> Task[Item, Result]:
        """Return the task of a dead worker: to be tried again, or with the outcome that its worker died twice."""
        task = self.busy.pop(worker)
        how = worker.end()
        if not task.is_retry:
            task.is_retry = True
            return task
        if not worker.is_ready:
            raise WorkerError(f"worker processes end as they start ({how}); run in one process (`n_jobs=1`)")
        error = WorkerError(f"the worker process died twice, the second time alone ({explain_end(how)})")
        task.outcome = partial(self.on_crash, task.item, error)
        return task

    def close(self) -> None:
        """End the workers that are busy, and keep the others for the next map."""
        for worker in self.busy:
            worker.end()
        for worker in self._free:
            keep_worker(worker)
        self.busy, self._free = {}, []


def explain_end(how: str) -> str:
    """Return the end of a worker, with its common cause.

    Parameters
    ----------
    how : str
        A signal or an exit status.

    Examples
    --------
    >>> explain_end("SIGSEGV")
    'SIGSEGV: a fault in a decoder or another library'
    """
    if how == "SIGKILL":
        return f"{how}: the system does so when memory runs out"
    if how in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL"):
        return f"{how}: a fault in a decoder or another library"
    return how


def _settle(is_result: bool, value: Any) -> Any:
    """Return a result, or raise an exception."""
    if is_result:
        return value
    raise value
