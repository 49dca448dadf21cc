"""The worker processes of one map: watched, and replaced where one dies or its item passes a limit."""

from __future__ import annotations

import os
import pickle
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from gmmaudio.compute.feeding import open_feed
from gmmaudio.compute.limits import NO_LIMITS, ItemLimits, resident_bytes, waited_s
from gmmaudio.compute.serving import pickle_any
from gmmaudio.compute.window import Loss, Task, Window, settle, too_long
from gmmaudio.compute.worker_process import WorkerProcess, keep_worker, take_worker
from gmmaudio.errors import WorkerError
from gmmaudio.files import in_units

Item = TypeVar("Item")
Result = TypeVar("Result")
# results for each worker that may wait for their reader, however large they are
ITEMS_PER_WORKER = 8
# from one look at busy workers to the next, seconds
LOOK_S = 0.2
# what a process may take to start and to import the modules of its function, seconds
START_S = 120.0


def map_in_workers(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    n_workers: int,
    on_crash: Callable[[Item, WorkerError], Result],
    limits: Callable[[Item], ItemLimits] = lambda _item: NO_LIMITS,
    first_loss: Loss | None = None,
) -> Iterator[Result]:
    """Return an iterator over the results in the order of the items, computed a little before they are asked for.

    Parameters
    ----------
    function : callable
        Function of one item.
    items : iterable
        Items. One without a length may block: results that are ready are yielded meanwhile.
    n_workers : int
        Worker processes.
    on_crash : callable
        Function of an item that was lost twice, and of the error that says how; it returns what takes the place of the
        result, or raises.
    limits : callable, optional
        Returns the time and the memory that an item may take.
    first_loss : Loss or None
        How the first item was lost before: it is tried once only.

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
    feed = open_feed(items, pool.wake)
    window = Window[Item, Result](feed, ITEMS_PER_WORKER * n_workers, limits, first_loss)
    try:
        while True:
            pool.fill(window)
            if window.is_at_end():
                return
            pool.collect(window, must_wait=not window.is_ready())
            if window.is_ready():
                yield window.pop()
    finally:
        feed.close()
        pool.close()


@dataclass(eq=False)
class Run(Generic[Item, Result]):
    """A task that a worker has.

    Parameters
    ----------
    task : Task
        The task.
    last_s : float
        Clock when it was last looked at, seconds.
    spent_s : float
        Time that it took so far, seconds; below 0 while its process starts.
    waited_s : float
        Time that the process had waited for a core at the last look, seconds.
    """

    task: Task[Item, Result]
    last_s: float
    spent_s: float
    waited_s: float = 0.0

    def look(self, now_s: float, process: int) -> Loss | None:
        """Return the loss of the task where it passed a limit, and None where it did not.

        Parameters
        ----------
        now_s : float
            Clock, seconds.
        process : int
            Identifier of the worker process.
        """
        # a busy machine, a stopped program, a sleeping machine or a slow reader is not charged to the item
        waited = waited_s(process)
        self.spent_s += min(max(0.0, now_s - self.last_s - (waited - self.waited_s)), 2 * LOOK_S)
        self.last_s, self.waited_s = now_s, waited
        time_s, memory_bytes = self.task.limits.time_s, self.task.limits.memory_bytes
        if time_s is not None and self.spent_s > time_s:
            return too_long(time_s)
        if memory_bytes is not None and resident_bytes(process) > memory_bytes:
            return _out_of_memory(memory_bytes)
        return None


class TaskSource(Protocol[Item, Result]):
    """Where a pool takes its tasks from, and puts their outcomes: the window of a map, or a queue."""

    def take(self) -> Task[Item, Result] | None:
        """Return the next task; None where there is none now."""

    def put(self, task: Task[Item, Result], outcome: Callable[[], Result], n_bytes: int = 0, /) -> None:
        """Set the outcome of a task."""


class WorkerPool(Generic[Item, Result]):
    """The workers of one map, or of one queue.

    An item that is lost is tried once more in a fresh process. Where memory may be the reason, no other worker is busy
    meanwhile; otherwise the others go on.

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
        self._function = pickle_any(function)
        self._busy: dict[WorkerProcess, Run[Item, Result]] = {}
        # these know the function
        self._free: list[WorkerProcess] = []
        # lost once; those that must be alone
        self._again: deque[Task[Item, Result]] = deque()
        self._alone: deque[Task[Item, Result]] = deque()
        self._has_alone = False
        self._news, self._waker = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._news, selectors.EVENT_READ)

    def wake(self) -> None:
        """End the wait for news, from any thread."""
        os.write(self._waker, b".")

    def fill(self, window: TaskSource[Item, Result]) -> None:
        """Give tasks to the workers that are free.

        Parameters
        ----------
        window : TaskSource
            Where tasks come from.
        """
        while len(self._busy) < self.n_workers and not (self._has_alone and self._busy):
            self._has_alone = False
            if self._again:
                task: Task[Item, Result] | None = self._again.popleft()
            elif self._alone:
                if self._busy:
                    return
                task, self._has_alone = self._alone.popleft(), True
            else:
                task = window.take()
            if task is None:
                return
            try:
                self._start(task)
            except WorkerError as error:
                self.refuse(task, error, window)

    def _start(self, task: Task[Item, Result]) -> None:
        """Give a task to a worker: one that is tried again to a fresh one."""
        payload = pickle_any((task.limits.memory_bytes, task.item))
        knows_function = bool(self._free) and not self.needs_new_worker(task)
        worker = self._free.pop() if knows_function else self.new_worker(is_fresh=task.loss is not None)
        self._busy[worker] = Run(task, time.monotonic(), 0.0 if knows_function else -START_S)
        self._selector.register(worker, selectors.EVENT_READ, worker)
        if not knows_function:
            worker.give_function(self._function)
        worker.give_item(payload)

    def needs_new_worker(self, task: Task[Item, Result]) -> bool:
        """Return whether a task is for a worker that has done nothing before, even where others are free.

        Parameters
        ----------
        task : Task
            The task.
        """
        return task.loss is not None

    def new_worker(self, *, is_fresh: bool) -> WorkerProcess:
        """Return a worker that does not know the function yet.

        Parameters
        ----------
        is_fresh : bool
            Whether it must be a process that has done nothing before.
        """
        return WorkerProcess() if is_fresh else take_worker()

    def refuse(self, _task: Task[Item, Result], error: WorkerError, _window: TaskSource[Item, Result]) -> None:
        """Raise the error of a task for which no worker process can be started, which ends the map.

        Parameters
        ----------
        error : WorkerError
            Why it cannot.
        """
        raise error

    def is_tried_again(self, _loss: Loss) -> bool:
        """Return whether a task that was lost for the first time is tried once more.

        Parameters
        ----------
        _loss : Loss
            How it was lost.
        """
        return True

    def collect(self, window: TaskSource[Item, Result], *, must_wait: bool) -> None:
        """Put the outcomes that are there into the window, and look after the workers that are busy.

        Parameters
        ----------
        window : TaskSource
            Where outcomes go.
        must_wait : bool
            Whether to wait until there is news, or it is time to look.
        """
        is_watched = any(run.task.limits != NO_LIMITS for run in self._busy.values())
        timeout_s = (LOOK_S if is_watched else None) if must_wait else 0
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                os.read(self._news, 1)
            else:
                self._receive(key.data, window)
        now_s = time.monotonic()
        for worker, run in [*self._busy.items()] if is_watched else ():
            if now_s - run.last_s >= LOOK_S:
                loss = run.look(now_s, worker.process_id)
                if loss is not None:
                    self._lose(worker, loss, window)

    def _receive(self, worker: WorkerProcess, window: TaskSource[Item, Result]) -> None:
        """Take what a worker says: that it is ready, that it begins, an outcome, or nothing because it is dead."""
        run, was_ready = self._busy[worker], worker.is_ready
        try:
            payload = worker.receive()
        except EOFError:
            self._lose(worker, None, window)
            return
        if payload is None:
            if was_ready:
                run.last_s, run.spent_s = time.monotonic(), 0.0
            return
        is_result, value = pickle.loads(payload)  # noqa: S301 - written by a worker
        if not is_result and isinstance(value, MemoryError):
            self._lose(worker, _out_of_memory(run.task.limits.memory_bytes), window)
            return
        self._release(worker)
        self._free.append(worker)
        window.put(run.task, partial(settle, is_result, value), len(payload))

    def _lose(self, worker: WorkerProcess, loss: Loss | None, window: TaskSource[Item, Result]) -> None:
        """End a worker, and try its task again, or put the outcome that it was lost twice."""
        task = self._release(worker)
        how = worker.end()
        if task.loss is not None and not worker.is_ready:
            error = WorkerError(f"worker processes end as they start ({how}); run in one process (`n_jobs=1`)")
            self.refuse(task, error, window)
            return
        if loss is None:
            # the system does that to the largest process, which need not be the cause
            is_of_memory = how == "SIGKILL"
            loss = Loss("crashed", "the worker process died", f" ({explain_end(how)})", is_of_memory)
        if task.loss is not None:
            window.put(task, partial(self.on_crash, task.item, task.loss.then(loss)))
        elif self.is_tried_again(loss):
            task.loss = loss
            (self._alone if loss.is_of_memory else self._again).append(task)
        else:
            window.put(task, partial(self.on_crash, task.item, loss.error))

    def _release(self, worker: WorkerProcess) -> Task[Item, Result]:
        """Return the task of a worker, which is busy no more."""
        self._selector.unregister(worker)
        return self._busy.pop(worker).task

    def close(self) -> None:
        """End the workers that are busy, and keep the others for the next map."""
        self._selector.close()
        os.close(self._news)
        os.close(self._waker)
        for worker in self._busy:
            worker.end()
        for worker in self._free:
            keep_worker(worker)
        self._busy, self._free = {}, []


def _out_of_memory(limit_bytes: int | None) -> Loss:
    """Return the loss of an item that took more memory than it may, or than there is."""
    most = "there is" if limit_bytes is None else in_units(limit_bytes)
    return Loss("memory", f"took more memory than {most}", is_of_memory=True)


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
