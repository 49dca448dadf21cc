"""A worker process as its parent sees it: started, given items, asked for outcomes, ended; idle ones are kept."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import cast

from gmmaudio.compute.serving import read_frame, write_frame
from gmmaudio.errors import WorkerError

# the numeric libraries at one thread, also those that threadpoolctl does not know
ONE_THREAD = {
    f"{library}_THREADS": "1"
    for library in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "BLIS_NUM", "VECLIB_MAXIMUM", "NUMBA_NUM", "NUMEXPR_NUM")
}
# a killed process that the system still holds, as in a read from a dead disk, is not waited for
END_S = 1.0


class WorkerProcess:
    """A process that runs :func:`gmmaudio.compute.serving.serve`. It ends when this process does, however that ends.

    Parameters
    ----------
    stays : bool
        Whether it waits for items without end; otherwise it ends where none has come for a while.

    Raises
    ------
    WorkerError
        If the system cannot start it.
    """

    def __init__(self, *, stays: bool = False) -> None:
        self.parent = os.getpid()
        self.place = _place()
        self.is_ready = False
        read_end, self._lifeline = os.pipe()
        # above the standard streams of the worker: where one of this process's is closed, a pipe gets its number
        lifeline = fcntl.fcntl(read_end, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(read_end)
        command = (
            f"import sys; sys.path[:] = {sys.path!r}; from gmmaudio.compute.serving import serve; "
            f"serve({lifeline}, {self.parent}, stays={stays})"
        )
        try:
            with no_interrupt():
                self._process = subprocess.Popen(  # noqa: S603 - this Python
                    [sys.executable, f"-Xutf8={sys.flags.utf8_mode}", "-c", command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                    pass_fds=[lifeline],
                    env={**os.environ, **ONE_THREAD},
                )
        except OSError as error:
            os.close(self._lifeline)
            raise WorkerError(
                f"a worker process cannot be started ({error.strerror}); run in one process (`n_jobs=1`)"
            ) from error
        finally:
            os.close(lifeline)
        self._tasks, self._outcomes = cast(FileIO, self._process.stdin), cast(FileIO, self._process.stdout)

    def fileno(self) -> int:
        """Return the descriptor that can be read when the worker has something to say, or is dead."""
        return self._outcomes.fileno()

    @property
    def process_id(self) -> int:
        """The number of the process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return True while the process runs."""
        return self._process.poll() is None

    def give_function(self, payload: bytes | memoryview) -> None:
        """Send the function of the items that follow.

        Parameters
        ----------
        payload : bytes-like
            The function, pickled.
        """
        self._send(b"")
        self._send(payload)

    def give_item(self, payload: bytes | memoryview) -> None:
        """Send an item.

        Parameters
        ----------
        payload : bytes-like
            The memory that the item may take, bytes or None, and the item, pickled as a pair.
        """
        self._send(payload)

    def _send(self, payload: bytes | memoryview) -> None:
        """Send a frame; that the worker is dead is found when its outcome is read."""
        with contextlib.suppress(BrokenPipeError):
            write_frame(self._tasks, payload)

    def receive(self) -> bytearray | None:
        """Return the pickled outcome of an item; None where the worker says that it is ready, or begins an item.

        Raises
        ------
        EOFError
            If the worker is dead.
        """
        payload = read_frame(self._outcomes)
        if payload:
            return payload
        self.is_ready = True
        return None

    def end(self) -> str:
        """Return the end of the process, such as ``SIGSEGV`` or ``exit status 3``; it is killed if it still runs."""
        self._process.kill()
        try:
            code = self._process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self._tasks.close()
        self._outcomes.close()
        os.close(self._lifeline)
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


_IDLE: list[WorkerProcess] = []


def take_worker() -> WorkerProcess:
    """Return an idle worker of this process, or a new one."""
    while _IDLE:
        worker = _IDLE.pop()
        # one of another process, where this one is its fork
        if worker.parent != os.getpid():
            continue
        if worker.is_alive() and worker.place == _place():
            return worker
        worker.end()
    return WorkerProcess()


def _place() -> tuple[str, ...]:
    """Return the places where a new worker looks for relative paths and for modules."""
    try:
        return str(Path.cwd()), *sys.path
    except OSError:  # the folder was removed
        return ("", *sys.path)


def keep_worker(worker: WorkerProcess) -> None:
    """Keep an idle worker for the next map.

    Parameters
    ----------
    worker : WorkerProcess
        A worker that is ready and has nothing to do.
    """
    _IDLE.append(worker)


@atexit.register
def _end_idle_workers() -> None:
    """End the idle workers of this process."""
    for worker in _IDLE:
        if worker.parent == os.getpid():
            worker.end()
    _IDLE.clear()


@contextlib.contextmanager
def no_interrupt() -> Iterator[None]:
    """Return a context manager in which processes are started that the keyboard does not interrupt.

    This process is interrupted, and ends them.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
