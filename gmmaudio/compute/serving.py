"""The loop of a worker process: items in, outcomes out, and an end as soon as its parent is gone."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import sys
import threading
import traceback
from collections.abc import Callable
from io import FileIO
from typing import Any, NoReturn

from gmmaudio.compute.limits import memory_limited
from gmmaudio.compute.threads import one_thread

# an idle worker ends after this time, and frees its memory; the next map starts another one
IDLE_S = 300.0
CHECK_PARENT_S = 1.0
LENGTH_BYTES = 8


def serve(lifeline: int, parent: int, *, stays: bool = False) -> NoReturn:
    """Apply functions to items until the parent process closes its pipe.

    Frames come on standard input: an empty one is followed by one that holds a pickled function, any other holds a
    pickled pair, the memory that the item may take and the item. What goes to standard output begins with an empty
    frame, which says that the worker is ready. One more says that a function is loaded, and its first item is begun.
    Then there is one frame for each item, a pickled pair: whether the function returned, and its result or its
    exception.

    Parameters
    ----------
    lifeline : int
        File descriptor of a pipe that nobody writes to and the parent holds open as long as it lives.
    parent : int
        Process identifier of the parent.
    stays : bool
        Whether the worker waits for items as long as its parent lives; otherwise it ends after a while without any.
    """
    _end_with_parent(lifeline, parent)
    tasks, outcomes = _private_pipes()
    load_function: Callable[[], Any] = _no_function

    def say() -> None:
        write_frame(outcomes, b"")

    with contextlib.suppress(EOFError, BrokenPipeError):
        say()
        while select.select([tasks], [], [], None if stays else IDLE_S)[0]:
            payload = read_frame(tasks)
            if payload:
                write_frame(outcomes, _outcome(load_function, payload))
            else:
                load_function = _Loader(read_frame(tasks), say).load
    # nothing is left to flush, and the clean-up of libraries would only take time
    os._exit(0)


def write_frame(pipe: FileIO, payload: bytes | memoryview) -> None:
    """Write the length of some bytes, and the bytes.

    Parameters
    ----------
    pipe : file
        An unbuffered file.
    payload : bytes-like
        Content of the frame.

    Raises
    ------
    BrokenPipeError
        If the reader is gone.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile(buffering=0) as pipe:
    ...     write_frame(pipe, b"abc")
    ...     _ = pipe.seek(0)
    ...     bytes(read_frame(pipe))
    b'abc'
    """
    for part in (len(payload).to_bytes(LENGTH_BYTES, "little"), payload):
        rest = memoryview(part)
        while rest:
            rest = rest[pipe.write(rest) :]


def read_frame(pipe: FileIO) -> bytearray:
    """Return the bytes of the next frame.

    Parameters
    ----------
    pipe : file
        An unbuffered file.

    Raises
    ------
    EOFError
        If the writer is gone, even in the middle of a frame.
    """
    return _read(pipe, int.from_bytes(_read(pipe, LENGTH_BYTES), "little"))


def _read(pipe: FileIO, n: int) -> bytearray:
    """Return the next ``n`` bytes."""
    payload = bytearray(n)
    rest = memoryview(payload)
    while rest:
        n_read = pipe.readinto(rest)
        if not n_read:
            raise EOFError
        rest = rest[n_read:]
    return payload


class _Loader:
    """A pickled function, loaded when it is first needed: an error of its modules is then that of the item."""

    def __init__(self, payload: bytearray, on_load: Callable[[], None]) -> None:
        self._payload = payload
        self._on_load = on_load
        self._function: Any = None

    def load(self) -> Any:
        if self._function is None:
            self._function = pickle.loads(self._payload)  # noqa: S301 - written by the parent process
            self._on_load()
        return self._function


def _no_function() -> NoReturn:
    raise RuntimeError("an item came before its function")


def _outcome(load_function: Callable[[], Any], payload: bytearray) -> bytes | memoryview:
    """Return the pickled outcome of one item."""
    try:
        function, (n_bytes, item) = load_function(), pickle.loads(payload)  # noqa: S301 - written by the parent process
        with one_thread(), memory_limited(n_bytes):
            result = function(item)
        return pickle_any((True, result))
    except BaseException as error:  # noqa: BLE001 - the parent raises it
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        return pickle_error(error)


def pickle_error(error: BaseException) -> bytes | memoryview:
    """Return an exception as a pickled outcome; one that cannot be loaded again becomes a RuntimeError of its text.

    Parameters
    ----------
    error : BaseException
        What a function raised.

    Examples
    --------
    >>> pickle.loads(pickle_error(ValueError("too short")))
    (False, ValueError('too short'))
    """
    try:
        payload = pickle_any((False, error))
        pickle.loads(payload)  # noqa: S301 - written above
    except Exception:  # noqa: BLE001 - an exception of any library may have any constructor
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return payload


def pickle_any(value: object) -> bytes | memoryview:
    """Return a value as bytes; functions and classes without an importable name go by their code.

    Parameters
    ----------
    value : object
        Any value that pickle or cloudpickle takes.

    Examples
    --------
    >>> pickle.loads(pickle_any(lambda x: x + 1))(2)
    3
    """
    with contextlib.suppress(pickle.PicklingError, AttributeError, TypeError):
        payload = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        # a worker has another main module
        if b"__main__" not in payload:
            return payload
    # takes long to import
    import cloudpickle

    by_code: bytes = cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return by_code


def _private_pipes() -> tuple[FileIO, FileIO]:
    """Return the pipes of standard input and output; what the function prints goes to standard error."""
    tasks, outcomes = FileIO(os.dup(0), "r"), FileIO(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # closed by whoever started the run
        os.dup2(nowhere, 1)
    return tasks, outcomes


def _end_with_parent(lifeline: int, parent: int) -> None:
    """End this process when its parent is gone, whatever it is doing then."""
    if sys.platform == "linux":
        import fcntl

        # the kernel ends the process by SIGIO when the pipe is closed, also inside a library that holds Python's lock
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def watch() -> None:
        # a child of the parent may hold the pipe open too: the parent's number is the second sign
        while os.getppid() == parent and not select.select([lifeline], [], [], CHECK_PARENT_S)[0]:
            pass
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
