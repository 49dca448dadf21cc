"""Numeric libraries at one thread, so that sums have one order."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import threadpoolctl
from threadpoolctl import ThreadpoolController


def libraries() -> ThreadpoolController:
    """Return the numeric libraries of this process.

    To search for them takes milliseconds: it is done again only where modules were imported since.

    Returns
    -------
    threadpoolctl.ThreadpoolController
        The thread pools of the libraries that are loaded.

    Examples
    --------
    >>> {pool["user_api"] for pool in libraries().info()} <= {"blas", "openmp"}
    True
    """
    return _libraries(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:
    """Return the numeric libraries that are loaded while ``n_modules`` modules are imported."""
    del n_modules
    return ThreadpoolController()


class _OneThread:
    """A limit of one thread for the whole process, and the number of callers that need it.

    The caller that leaves last removes the limit. threadpoolctl lets one thread of the process set limits and ignores
    all others, so control is taken before each change and given up after it: the caller that leaves last need not be
    the one that came first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._limited: ThreadpoolController | None = None
        self._limits: list[Any] = []

    def enter(self) -> None:
        with self._lock:
            loaded = libraries()
            # also where there is a caller already, and a library was imported or its limit changed since
            if loaded is not self._limited or not _is_one(loaded):
                _free_control()
                self._limits.append(loaded.limit(limits=1))
                _free_control()
                self._limited = loaded
            # an exception before this leaves nothing to undo
            self._callers += 1

    def leave(self) -> None:
        with self._lock:
            self._callers -= 1
            if self._callers == 0:
                _free_control()
                while self._limits:
                    self._limits.pop().restore_original_limits()
                _free_control()
                self._limited = None


def _is_one(loaded: ThreadpoolController) -> bool:
    """Return whether all libraries are at one thread: others may set limits too, also while a caller is at work."""
    return all(library.num_threads == 1 for library in loaded.lib_controllers)


def _free_control() -> None:
    """Let any thread set limits; versions of threadpoolctl before 3.7 always do."""
    clear = getattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


_ONE = _OneThread()


@contextmanager
def one_thread() -> Iterator[None]:
    """Return a context manager under which every matrix product runs on its caller's thread.

    Sums then have one order, and results are the same bits for any number of cores.

    Returns
    -------
    context manager
        Contexts may be nested, and entered by several threads.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread():
    ...     product = np.ones((2, 3)) @ np.ones((3, 2))
    """
    _ONE.enter()
    try:
        yield
    finally:
        _ONE.leave()
