"""A standing pool: worker processes that wait, know their function, and take one item after another from a queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, NoReturn, TypeVar

from gmmaudio.compute.limits import NO_LIMITS, ItemLimits
from gmmaudio.compute.window import Loss, Task
from gmmaudio.compute.worker_pool import TaskSource, WorkerPool
from gmmaudio.compute.worker_process import WorkerProcess
from gmmaudio.errors import SettingError, WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
# what the thread of a pool may take to end once its workers are killed, seconds
JOIN_S = 5.0
# from a worker that could not be warmed up to the next attempt, seconds
REST_S = 5.0


class FullQueueError(WorkerError):
    """An item that a pool does not take: too many wait, or the pool is closed."""


@dataclass(eq=False)
class QueuedTask(Task[Item, Result]):
    """A task of a queue, with the promise of its result.

    Parameters
    ----------
    future : Future
        The promise.
    is_warming : bool
        Whether it warms a worker up.
    """

    future: Future[Result] = field(default_factory=Future)
    is_warming: bool = False


class StandingPool(Generic[Item, Result]):
    """Worker processes that stay, and take single items under limits, from any thread.

    A worker whose item passes a limit, or that dies at work, is replaced at once; one that dies idle is replaced when
    the next item comes. An item whose worker died is tried once more in a fresh process; one that passed a limit is
    not, because it would do so again.

    Parameters
    ----------
    function : callable
        Function of one item, which workers receive by pickle.
    n_workers : int
        Worker processes.
    n_waiting : int
        Items at most that wait for a worker.
    warm_item : Item
        An item by which a new worker is warmed up: it loads the function and all that the function needs.

    Raises
    ------
    SettingError
        If there is no worker, or a negative number waits.

    Examples
    --------
    >>> with StandingPool(abs, 1, 4, 0) as pool:
    ...     pool.submit(-3).result()
    3
    """

    def __init__(self, function: Callable[[Item], Result], n_workers: int, n_waiting: int, warm_item: Item) -> None:
        if n_workers < 1 or n_waiting < 0:
            raise SettingError(f"{n_workers} workers and {n_waiting} that wait; expected 1 or more, and 0 or more")
        self.n_workers = n_workers
        self.n_waiting = n_waiting
        self._queue = _Queue[Item, Result](n_waiting, warm_item)
        self._pool = _QueuePool[Item, Result](function, n_workers, _raise)
        self._warming: list[Future[Result]] = []
        self._is_closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="standing pool", daemon=True)

    def __enter__(self) -> StandingPool[Item, Result]:
        """Start the thread that looks after the workers, and the workers."""
        self._warming = [self._queue.add_warm() for _ in range(self.n_workers)]
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End all workers, whatever they are doing; items that wait have a FullQueueError."""
        self.close()

    def warm_results(self) -> list[Result]:
        """Return the results of the item that warms up, one of each worker, once all workers are warm.

        Raises
        ------
        WorkerError
            If worker processes cannot be started.
        """
        return [future.result() for future in self._warming]

    def submit(self, item: Item, limits: ItemLimits = NO_LIMITS) -> Future[Result]:
        """Return the promise of the result for an item. One that is cancelled while it waits is left out.

        Parameters
        ----------
        item : Item
            An item that can be pickled.
        limits : ItemLimits
            Time and memory that it may take.

        Raises
        ------
        FullQueueError
            If too many items wait, or the pool is closed.
        """
        with self._lock:
            if self._is_closed:
                raise FullQueueError("the pool of workers is closed; start another one")
            future = self._queue.add(item, limits)
            self._pool.wake()
            return future

    @property
    def n_queued(self) -> int:
        """Number of items that wait for a worker."""
        return len(self._queue)

    @property
    def n_busy(self) -> int:
        """Number of workers that have an item."""
        return self._pool.n_busy

    @property
    def n_replaced(self) -> int:
        """Number of workers that were started in the place of others since the start."""
        return max(0, self._pool.n_started - self.n_workers)

    @property
    def is_open(self) -> bool:
        """Whether items are taken."""
        return not self._is_closed

    def close(self) -> None:
        """End all workers, whatever they are doing. A second call does nothing."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._pool.wake()
        if self._thread.ident is None:
            self._pool.close()
        else:
            self._thread.join(JOIN_S)

    def _work(self) -> None:
        """Give items to workers until the pool is closed; the loop of the pool's thread."""
        try:
            while not self._is_closed:
                self._queue.n_cold = self.n_workers - self._pool.n_known
                self._pool.fill(self._queue)
                self._pool.collect(self._queue, must_wait=True)
        finally:
            with self._lock:
                self._is_closed = True
                self._queue.refuse_all()
                self._pool.close()


class _Queue(Generic[Item, Result]):
    """The items that wait for a worker, first come, first served."""

    def __init__(self, n_waiting: int, warm_item: Item) -> None:
        self.n_waiting = n_waiting
        # workers that are not there
        self.n_cold = 0
        # no worker is warmed up of its own accord before this time: none may be able to start
        self._rest_until_s = 0.0
        self._warm_item = warm_item
        self._waiting: deque[QueuedTask[Item, Result]] = deque()
        self._warming: deque[QueuedTask[Item, Result]] = deque()
        self._taken: set[QueuedTask[Item, Result]] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item, limits: ItemLimits) -> Future[Result]:
        """Return the promise of a result."""
        with self._lock:
            if len(self._waiting) >= self.n_waiting:
                # those whose promise was cancelled wait no more
                self._waiting = deque(task for task in self._waiting if not task.future.cancelled())
            if len(self._waiting) >= self.n_waiting:
                raise FullQueueError(f"{self.n_waiting} items wait already; try again later")
            task = QueuedTask[Item, Result](item, limits)
            self._waiting.append(task)
            return task.future

    def add_warm(self) -> Future[Result]:
        """Return the promise of the result of the item that warms a worker up."""
        task = QueuedTask[Item, Result](self._warm_item, is_warming=True)
        with self._lock:
            self._warming.append(task)
        return task.future

    def take(self) -> QueuedTask[Item, Result] | None:
        """Return the next task; where none waits, and workers are cold, one that warms a worker up."""
        with self._lock:
            for tasks in (self._warming, self._waiting):
                while tasks:
                    task = tasks.popleft()
                    if task.future.set_running_or_notify_cancel():
                        self._taken.add(task)
                        return task
            if self.n_cold <= 0 or time.monotonic() < self._rest_until_s:
                return None
            self.n_cold -= 1
            task = QueuedTask[Item, Result](self._warm_item, is_warming=True)
            task.future.set_running_or_notify_cancel()
            self._taken.add(task)
            return task

    def put(self, task: Task[Item, Result], outcome: Callable[[], Result], _n_bytes: int = 0, /) -> None:
        """Keep the promise of a task."""
        assert isinstance(task, QueuedTask)  # noqa: S101 - it came from here
        self._taken.discard(task)
        try:
            result = outcome()
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            if task.is_warming:
                self._rest_until_s = time.monotonic() + REST_S
            task.future.set_exception(error)
        else:
            task.future.set_result(result)

    def refuse_all(self) -> None:
        """Give an error to whoever waits for a result."""
        with self._lock:
            tasks = [*self._waiting, *self._warming, *self._taken]
            self._waiting.clear()
            self._warming.clear()
            self._taken.clear()
        for task in tasks:
            if not task.future.done() and (task.future.running() or task.future.set_running_or_notify_cancel()):
                task.future.set_exception(FullQueueError("the pool of workers is closed; start another one"))


class _QueuePool(WorkerPool[Item, Result]):
    """The workers of a queue: they stay, and none of them was a worker of a map."""

    def __init__(
        self, function: Callable[[Item], Result], n_workers: int, on_crash: Callable[[Item, WorkerError], Result]
    ) -> None:
        super().__init__(function, n_workers, on_crash)
        self.n_started = 0

    @property
    def n_busy(self) -> int:
        """Number of workers that have an item."""
        return len(self._busy)

    @property
    def n_known(self) -> int:
        """Number of workers that know the function, or are about to; those that died idle are let go."""
        for worker in [each for each in self._free if not each.is_alive()]:
            worker.end()
            self._free.remove(worker)
        return len(self._busy) + len(self._free)

    def needs_new_worker(self, task: Task[Item, Result]) -> bool:
        """Return whether a task is tried again, or is there to start a worker."""
        return super().needs_new_worker(task) or (isinstance(task, QueuedTask) and task.is_warming)

    def new_worker(self, *, is_fresh: bool) -> WorkerProcess:
        """Return a worker that stays."""
        del is_fresh
        self.n_started += 1
        return WorkerProcess(stays=True)

    def refuse(self, task: Task[Item, Result], error: WorkerError, window: TaskSource[Item, Result]) -> None:
        """Give the error to the task: the pool goes on."""
        window.put(task, lambda: _raise(task, error))

    def is_tried_again(self, loss: Loss) -> bool:
        """Return whether the worker died of its own accord."""
        return loss.code == "crashed" and not loss.is_of_memory

    def close(self) -> None:
        """End all workers."""
        free, self._free = self._free, []
        super().close()
        for worker in free:
            worker.end()


def _raise(_item: object, error: WorkerError) -> NoReturn:
    """Raise the error of an item that was lost."""
    raise error
