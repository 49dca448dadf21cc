"""A function over many items on the workers of a Dask cluster, of which any may be lost.

Dask schedules, moves results and starts lost work again; this module keeps results in order and memory bounded. Items
and results travel as bytes that are pickled here, and an exception of the function is a result like any other: what
Dask itself raises is then always trouble with the cluster.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import pickle
import socket
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Generic, NoReturn, Self, TypeVar

from gmmaudio.compute.feeding import Feed, NotThereYet, open_feed
from gmmaudio.compute.limits import ItemLimits
from gmmaudio.compute.serving import pickle_any, pickle_error
from gmmaudio.compute.threads import one_thread
from gmmaudio.compute.workers import ordered_map
from gmmaudio.errors import SettingError, WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")

# items for each thread of the workers that are sent and not taken yet: while one takes long, the others go on
ITEMS_PER_THREAD = 64
# of these in work, or waiting at the worker
SENT_PER_THREAD = 2
# an address where nobody answers is given up after this time
CONNECT_S = 5.0
# workers that come or go are counted as often
CHECK_S = 1.0
# what a worker keeps of functions it was sent; a run has one or two at a time
KEPT_FUNCTIONS = 4
# an item with which so many workers were lost is tried once more, while no other is in work
MAX_LOST = 2
# above all levels of logging
SILENT = 60
INSTALL = "install the dask extra: pip install 'gmmaudio[dask]'"
# the cluster itself failed: what a scheduler or a worker of another version does
UNLIKE = "scheduler and workers need the versions of gmmaudio, Dask and Python that this computer has"


class Cluster:
    """The workers of a Dask cluster: one that runs already, or worker processes that are started on this computer.

    Use it in a ``with`` statement. Files are opened by the workers, under the paths that they have on this computer.
    Dask runs whatever code reaches its scheduler: a scheduler without TLS belongs into a network that is trusted.

    Parameters
    ----------
    address : str or None
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``.
    n_workers : int or None
        Worker processes that are started on this computer instead, each with one thread, and ended at the end.

    Raises
    ------
    SettingError
        If neither or both are given, one is outside its bounds, or Dask is not installed.

    Examples
    --------
    >>> with Cluster(n_workers=2) as cluster:  # doctest: +SKIP
    ...     list(cluster.map(abs, [-1, -2, -3]))
    [1, 2, 3]
    """

    def __init__(self, address: str | None = None, n_workers: int | None = None) -> None:
        if (address is None) == (n_workers is None):
            raise SettingError("expected the `address` of a scheduler, or `n_workers` to start, and not both")
        if n_workers is not None and (isinstance(n_workers, bool) or not 1 <= n_workers <= 1024):
            raise SettingError(f"`n_workers` is {n_workers}; expected 1 to 1024 worker processes")
        _import_distributed()
        self.address, self.n_workers = address, n_workers
        self._stack = ExitStack()
        self._client: Any = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_no_logs())
            address = _start_workers(stack, self.n_workers or 1) if self.address is None else self.address
            self._client = stack.enter_context(_connect(address))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._client = None
        self._stack.close()

    @property
    def client(self) -> Any:
        """The client of the cluster (``distributed.Client``).

        Raises
        ------
        SettingError
            Outside of a ``with`` statement.
        """
        if self._client is None:
            raise SettingError("a cluster is used in a with statement: with Cluster(...) as cluster")
        return self._client

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        on_crash: Callable[[Item, WorkerError], Result] | None = None,
        limits: Callable[[Item], ItemLimits] | None = None,
    ) -> Iterator[Result]:
        """Return an iterator over ``function(item)`` in the order of the items.

        Each thread of the workers has one item in work and one that waits. While one item takes long, the others go on,
        up to 64 for each thread: memory does not grow with their number. Results stay with the workers until they are
        asked for. What a lost worker had is computed again by others.

        Parameters
        ----------
        function : callable
            Function of one item, which workers receive once, by pickle.
        items : iterable
            Items that can be pickled. One without a length may block, as a pipe does: results that are ready are
            yielded meanwhile.
        on_crash : callable, optional
            Function of an item at which workers were lost again and again, also alone, or that passed a limit, and of
            the error that says so; it returns what takes the place of the result. By default the error is raised.
        limits : callable, optional
            Returns the limits of an item. Each worker of the cluster then runs items in a process of its own, as
            :func:`gmmaudio.compute.ordered_map` does: an item that crashes costs that process only.

        Returns
        -------
        iterator
            The results. An exception that the function raises stops the iteration at its item.

        Raises
        ------
        WorkerError
            If the cluster is lost or cannot run the function, or workers are lost at an item and there is no
            ``on_crash``.
        """
        return _Map(self, function, on_crash or _raise, limits).results(items)


@dataclass(eq=False)
class _Sent(Generic[Item]):
    """An item on its way: the worker that has it, the future of its outcome, and the workers that were lost with it."""

    item: Item
    worker: str = ""
    # None: it waits until it is alone
    future: Any = None
    n_lost: int = 0
    is_alone: bool = False
    error: WorkerError | None = None

    @property
    def is_settled(self) -> bool:
        """Whether there is an outcome, or there will be none."""
        return self.error is not None or (self.future is not None and self.future.done())


class _Map(Generic[Item, Result]):
    """One map over items. Each goes to the worker that has the fewest: Dask would send short ones all to one."""

    def __init__(
        self,
        cluster: Cluster,
        function: Callable[[Item], Result],
        on_crash: Callable[[Item, WorkerError], Result],
        limits: Callable[[Item], ItemLimits] | None,
    ) -> None:
        self._cluster, self._client, self._on_crash = cluster, cluster.client, on_crash
        self._name, self._numbers = f"gmmaudio-{os.urandom(8).hex()}", itertools.count()
        work = function if limits is None else functools.partial(_held, function, on_crash, limits)
        self._function = _submit(self._client, f"{self._name}-function", _keep, pickle_any((environment(), work)))
        self._load = _Load(self._client)
        self._window: deque[_Sent[Item]] = deque()
        # one word for each outcome that is there
        self._news = SimpleQueue[None]()

    def results(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results in the order of the items."""
        window = self._window
        feed = open_feed(items, on_arrival=lambda: self._news.put(None))
        try:
            while True:
                if self._load.recount():
                    self._mend()
                is_ended = self._fill(feed)
                if is_ended and not window:
                    return
                if window and window[0].is_settled:
                    yield from self._take(window[0])
                else:
                    with suppress(Empty):
                        self._news.get(timeout=CHECK_S)
        finally:
            feed.close()
            # a client that was closed has cancelled them
            if self._client.status == "running":
                self._client.cancel([sent.future for sent in window if sent.future is not None])

    def _fill(self, feed: Feed[Item]) -> bool:
        """Send items while there is room and they are there; return whether there are no more."""
        while self._has_room():
            try:
                sent = _Sent(feed.take())
            except NotThereYet:
                return False
            except StopIteration:
                return True
            self._window.append(sent)
            self._send(sent)
        return False

    def _has_room(self) -> bool:
        """Return whether another item may be sent: a worker has few, and none waits until it is alone."""
        load, window = self._load, self._window
        has_room = len(window) < ITEMS_PER_THREAD * load.n_threads and load.free_worker() is not None
        return has_room and not any(sent.n_lost >= MAX_LOST for sent in window)

    def _send(self, sent: _Sent[Item]) -> None:
        """Send an item to a worker."""
        key, load, news = f"{self._name}-{next(self._numbers)}", self._load, self._news
        sent.worker = worker = load.lightest()
        load.add(worker, key)
        sent.future = _submit(self._client, key, _outcome, self._function, pickle_any(sent.item), worker=worker)

        def tell(_future: object) -> None:
            load.remove(worker, key)
            news.put(None)

        sent.future.add_done_callback(tell)

    def _mend(self) -> None:
        """Send the items of lost workers again; one that lost several is sent when all others are settled."""
        if not self._load.n_threads:
            return
        for sent in self._window:
            if sent.future is not None and not sent.is_settled and not self._load.has(sent.worker):
                self._lose(sent)
        waiting = [sent for sent in self._window if not sent.is_settled]
        if waiting and all(sent.future is None for sent in waiting):
            waiting[0].is_alone = True
            self._send(waiting[0])

    def _lose(self, sent: _Sent[Item]) -> None:
        """Send the item of a lost worker again, or let it wait, or give it up where it was alone."""
        sent.future.cancel()
        sent.future = None
        sent.n_lost += 1
        if sent.is_alone:
            sent.error = WorkerError(f"{sent.n_lost} workers died at it, the last time alone")
        elif sent.n_lost < MAX_LOST and self._load.n_threads:
            self._send(sent)

    def _take(self, sent: _Sent[Item]) -> Iterator[Result]:
        """Yield the result of the first item of the window; nothing where it turns out to be lost."""
        outcome = sent.error or self._receive(sent)
        if outcome is None:
            self._lose(sent)
            return
        self._window.popleft()
        if isinstance(outcome, WorkerError):
            yield self._on_crash(sent.item, outcome)
            return
        is_result, value = pickle.loads(outcome)  # noqa: S301 - written by a worker
        if not is_result:
            raise value
        yield value

    def _receive(self, sent: _Sent[Item]) -> bytes | None:
        """Return the outcome of an item, in bytes; None where it was lost with its worker."""
        from distributed import KilledWorker, TimeoutError

        patience_s = CHECK_S
        while True:
            try:
                payload = _fetch(self._client, sent.future, patience_s)
            except KilledWorker:
                return None
            except TimeoutError:
                self._load.recount()
                if not self._load.has(sent.worker):
                    return None
                # a large outcome on a slow network: the transfer begins anew
                patience_s *= 2
            except Exception as error:
                where = self._cluster.address or "this computer"
                message = f"{type(error).__name__}: {str(error)[:300]}"
                raise WorkerError(f"the cluster at {where} cannot go on ({message}); {UNLIKE}") from error
            else:
                return payload


class _Load:
    """The workers, and the tasks that each has: all should have some, and none many."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._threads: dict[str, int] = {}
        self._counted_at = -math.inf
        self._keys: dict[str, set[str]] = {}
        self._lock = Lock()

    @property
    def n_threads(self) -> int:
        """Threads of all workers."""
        return sum(self._threads.values())

    def recount(self) -> bool:
        """Return True where the workers were counted anew: once a second."""
        if time.monotonic() < self._counted_at + CHECK_S:
            return False
        self._threads, self._counted_at = self._client.nthreads(), time.monotonic()
        return True

    def has(self, worker: str) -> bool:
        """Return whether a worker was there when they were counted."""
        return worker in self._threads

    def lightest(self) -> str:
        """Return the worker that has the fewest tasks for each thread."""
        return min(self._threads, key=self._per_thread)

    def free_worker(self) -> str | None:
        """Return that worker; None where it has enough."""
        worker = self.lightest()
        return worker if self._per_thread(worker) < SENT_PER_THREAD else None

    def _per_thread(self, worker: str) -> float:
        return len(self._keys.get(worker, ())) / self._threads[worker]

    def add(self, worker: str, key: str) -> None:
        """Count a task that is sent to a worker."""
        with self._lock:
            self._keys.setdefault(worker, set()).add(key)

    def remove(self, worker: str, key: str) -> None:
        """Count a task that is done, or given up."""
        with self._lock:
            self._keys[worker].discard(key)


def _submit(client: Any, key: str, function: Callable[..., Any], *arguments: Any, worker: str | None = None) -> Any:
    """Return the future of a task, on one worker or on any."""
    import dask

    # the function of a map may hold a large model
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10 GiB"}):
        return client.submit(function, *arguments, key=key, pure=False, workers=worker and [worker])


def _fetch(client: Any, future: Any, patience_s: float) -> bytes:
    """Return the outcome of a task; raise its error, or ``TimeoutError`` where it does not come in time."""
    fetched = client.sync(_gather, client, future, callback_timeout=patience_s)
    payload: bytes = fetched[0] if fetched and fetched[0] is not None else future.result(timeout=patience_s)
    return payload


async def _gather(client: Any, future: Any) -> list[Any]:
    """Return the outcome of a task in a list, which is empty or holds None where there is none."""
    # ``future.result`` would leave a task behind at a time limit, of whose end asyncio complains to stderr
    outcomes: list[Any] = await client.gather([future], errors="skip", asynchronous=True)
    return outcomes


def _held(
    function: Callable[[Item], Result],
    on_crash: Callable[[Item, WorkerError], Result],
    limits: Callable[[Item], ItemLimits],
    item: Item,
) -> Result:
    """Return the result of an item, computed in a process of this worker that holds its limits."""
    (result,) = ordered_map(function, [item], 1, on_crash=on_crash, limits=limits)
    return result


def _keep(payload: bytes) -> bytes:
    """Return bytes as they are: a task that Dask repeats where its result is lost, and passes from worker to worker."""
    return payload


def _outcome(function: bytes, item: bytes) -> bytes | memoryview:
    """Return the outcome of an item on a worker, as a pickled pair: whether there is a result, and it or the error."""
    try:
        with one_thread():
            return pickle_any((True, _load(function)(pickle.loads(item))))  # noqa: S301 - written by the client
    except BaseException as error:  # noqa: BLE001 - the client raises it
        error.add_note(f"on {socket.gethostname()}:\n{traceback.format_exc()}")
        return pickle_error(error)


@functools.lru_cache(maxsize=KEPT_FUNCTIONS)
def _load(payload: bytes) -> Callable[[Any], Any]:
    """Return a function that was pickled beside the environment of the client, which must be that of this worker."""
    expected, function = pickle.loads(payload)  # noqa: S301 - written by the client
    if expected != environment():
        raise WorkerError(
            f"the worker on {socket.gethostname()} has {', '.join(environment())}, and the client "
            f"{', '.join(expected)}: results would differ; install the same versions"
        )
    loaded: Callable[[Any], Any] = function
    return loaded


def environment() -> tuple[str, ...]:
    """Return the versions that client and workers must have in common, so that results are the same bits.

    Examples
    --------
    >>> [name.split()[0] for name in environment()]
    ['gmmaudio', 'numpy', 'Python']
    """
    import numpy as np

    # importing it here would turn the layers around
    version = sys.modules["gmmaudio"].__version__
    return f"gmmaudio {version}", f"numpy {np.__version__}", f"Python {sys.version_info[0]}.{sys.version_info[1]}"


def _import_distributed() -> Any:
    """Return the package ``distributed``."""
    try:
        import distributed
    except ImportError as error:
        raise SettingError(f"a cluster needs Dask; {INSTALL}") from error
    return distributed


@contextmanager
def _no_logs() -> Iterator[None]:
    """Return a context manager under which Dask writes nothing to stderr: what matters is raised."""
    import logging

    # asyncio tells of transfers that are given up
    loggers = [logging.getLogger(name) for name in ("distributed", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _start_workers(stack: ExitStack, n_workers: int) -> str:
    """Return the address of a scheduler in this process with worker processes, which are ended with the stack."""
    import dask

    # by default a worker that dies twice within 15 s is not replaced
    stack.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": "1000 days"}))
    # the thread that starts them, now and in place of those that are lost, passes that on
    with _uninterrupted():
        cluster = _import_distributed().LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # any port: another cluster may have the usual one
            dashboard_address="127.0.0.1:0",
            # by default a worker is ended where its share of the memory is used
            memory_limit=None,
            local_directory=tempfile.gettempdir(),
            silence_logs=SILENT,
        )
    stack.enter_context(cluster)
    return str(cluster.scheduler_address)


def _uninterrupted() -> AbstractContextManager[None]:
    """Return a context manager in which threads and processes are started that the keyboard does not interrupt."""
    if os.name != "posix":
        return nullcontext()
    from multiprocessing import resource_tracker

    from gmmaudio.compute.worker_process import no_interrupt

    # its start would let the keyboard interrupt the thread that does it
    resource_tracker.ensure_running()
    return no_interrupt()


def _connect(address: str) -> Any:
    """Return the client of a scheduler with at least one worker."""
    import asyncio

    try:
        # a client that cannot connect would go on trying in a thread of its own
        asyncio.run(asyncio.wait_for(_greet(address), CONNECT_S))
        client = _import_distributed().Client(address, timeout=CONNECT_S, set_as_default=False)
    except ValueError as error:
        raise SettingError(f"{address!r} is no address of a scheduler ({error}); expected tcp://HOST:8786") from error
    except Exception as error:
        # Dask's, asyncio's, the system's, or those of TLS
        reason = str(error) or type(error).__name__
        raise WorkerError(f"no scheduler answers at {address} ({reason}); start one, or check the address") from error
    if not client.nthreads():
        client.close()
        raise WorkerError(f"the scheduler at {address} has no workers; start some (`dask worker {address}`)")
    return client


async def _greet(address: str) -> None:
    """Ask a scheduler who it is; raise where none answers."""
    from distributed.core import connect, send_recv
    from distributed.security import Security

    comm = await connect(address, timeout=CONNECT_S, **Security().get_connection_args("client"))
    try:
        identity = await send_recv(comm, op="identity", reply=True)
        if identity["type"] != "Scheduler":
            raise WorkerError(f"a {identity['type']} answers there")
    finally:
        comm.abort()


def _raise(_item: object, error: WorkerError) -> NoReturn:
    """Raise the error of an item at which workers were lost."""
    raise error
