"""Limits of time and memory for one item of a map, and what a process takes."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmmaudio.errors import SettingError
from gmmaudio.values import convert_fields

PROCESSES = Path("/proc")
# more than a few numbers have
LINE_BYTES = 256
# groups of processes with a limit of memory, in the two versions of the interface
GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class ItemLimits:
    """The time and the memory that one item may take in a worker process.

    Parameters
    ----------
    time_s : float or None
        Time, seconds; None: no limit.
    memory_bytes : int or None
        Resident memory of the worker process, bytes; None: no limit.

    Raises
    ------
    SettingError
        If a limit is 0 or less.

    Examples
    --------
    >>> ItemLimits(time_s=60.0).time_s
    60.0
    """

    time_s: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        for name, limit in (("time_s", self.time_s), ("memory_bytes", self.memory_bytes)):
            if limit is not None and limit <= 0:
                raise SettingError(f"`{name}` is {limit:g}; expected more than 0, or None for no limit")


NO_LIMITS = ItemLimits()


@functools.cache
def machine_memory() -> int:
    """Return the memory that this process can use, bytes: of the machine, or of its container; 0 where that is unknown.

    Examples
    --------
    >>> machine_memory() >= 0
    True
    """
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, OSError, ValueError):
        return 0
    with contextlib.suppress(OSError, ValueError):
        for line in (PROCESSES / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            name = {"": "memory.max", "memory": "memory/memory.limit_in_bytes"}.get(controllers)
            if name is not None:
                folder, file = (GROUPS / name).parent, Path(name).name
                found += _limits_in(folder / file, folder / group.lstrip("/") / file)
    return min(found)


def _limits_in(*files: Path) -> Iterator[int]:
    """Yield the numbers in files; a file that is not there, or says that there is no limit, gives none."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            yield int(file.read_bytes())


def resident_bytes(process: int) -> int:
    """Return the memory of a process that is in use, bytes; 0 where the system does not say, or the process is gone.

    Parameters
    ----------
    process : int
        Its identifier.

    Examples
    --------
    >>> resident_bytes(os.getpid()) >= 0
    True
    """
    return _pages(process, 1)


def waited_s(process: int) -> float:
    """Return the time that a process has waited for a core, seconds; 0 where the system does not say, or it is gone.

    Parameters
    ----------
    process : int
        Its identifier.

    Examples
    --------
    >>> waited_s(os.getpid()) >= 0
    True
    """
    return _number(process, "schedstat", 1) / 1e9


@contextlib.contextmanager
def memory_limited(n_bytes: int | None) -> Iterator[None]:
    """Return a context manager under which this process gets only so many more bytes; then it has a MemoryError.

    The system holds the limit, however fast memory is taken. It is that of private data, so that files mapped for
    reading do not count. Systems other than Linux have none.

    Parameters
    ----------
    n_bytes : int or None
        Bytes; None: no limit.

    Examples
    --------
    >>> with memory_limited(2**30):
    ...     names = ["a", "b"]
    """
    n_now = _pages(os.getpid(), 5) if n_bytes is not None else 0
    if n_bytes is None or not n_now:
        yield
        return
    import resource  # needs POSIX

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = [n_now + n_bytes, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _pages(process: int, column: int) -> int:
    """Return a column of the memory table of a process, bytes; 0 where there is none."""
    return _number(process, "statm", column) * os.sysconf("SC_PAGE_SIZE")


def _number(process: int, name: str, column: int) -> int:
    """Return a number in a table of a process that has one line; 0 where there is none."""
    try:
        # a quarter of the time that a Path takes: this is read for every item
        table = os.open(f"{PROCESSES}/{process}/{name}", os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(os.read(table, LINE_BYTES).split()[column])
    except (OSError, ValueError, IndexError):
        return 0
    finally:
        os.close(table)
