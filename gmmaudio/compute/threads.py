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
    """Return the numeric libraries of this process; finding them takes milliseconds: once while none is imported."""
    return _libraries(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:
    """Return the numeric libraries when so many modules are imported."""
    del n_modules
    return ThreadpoolController()


class _OneThread:
    """How many callers want one thread: the limit is the whole process's, so the last to leave takes it away.

    threadpoolctl lets one thread of the process set limits and ignores all others, so control is taken before each
    change and given up after it: the caller that leaves last need not be the one that came first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers = 0
        self._found: ThreadpoolController | None = None
        self._limits: list[Any] = []

    def enter(self) -> None:
        with self._lock:
            found = libraries()
            # also where a caller came before, and something was imported since
            if found is not self._found:
                _free_control()
                self._limits.append(found.limit(limits=1))
                _free_control()
                self._found = found
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
                self._found = None


def _free_control() -> None:
    """Let any thread set limits; versions of threadpoolctl before 3.7 always do."""
    free = getattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread", None)
    if free is not None:
        free(force=True)


_ONE = _OneThread()


@contextmanager
def one_thread() -> Iterator[None]:
    """Return a context in which every matrix product runs on its caller's thread, so that sums have one order."""
    _ONE.enter()
    try:
        yield
    finally:
        _ONE.leave()
