"""Temporary files and folders: a lock is held while they are used, and those that killed runs left are removed.

A lock ends with its process, however that ends. A file whose name only this package gives, and whose lock is free, was
left by a run that was killed. A folder has the name of such a file, which stands beside it while it is used.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

PathLike = str | os.PathLike[str]

PREFIX = ".gmmaudio-"
# a lock may be seen on one computer only: the name says on which one the writer runs
HOST = re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:32]
LEFT_OVER = re.compile(re.escape(f"{PREFIX}{HOST}-") + "[a-z0-9_]{8}")
# at the end of the name of a folder, after that of its file
FOLDER_SUFFIX = ".d"
# up to version 0.2 without the computer; their mode tells them from files of users
OLD_LEFT_OVER, OLD_MODE = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}"), 0o600


@contextlib.contextmanager
def temporary_file(folder: PathLike) -> Iterator[tuple[BinaryIO, str]]:
    """Return a context manager that opens a new file, holds its lock, and removes it at the end.

    Parameters
    ----------
    folder : path-like
        Folder to make it in.

    Returns
    -------
    context manager of (file, str)
        The file, opened for writing, and its name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, temporary_file(folder) as (handle, name):
    ...     Path(name).parent == Path(folder)
    True
    """
    while True:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"{PREFIX}{HOST}-")
        _lock(descriptor, is_waiting=True)
        with contextlib.suppress(FileNotFoundError):
            # another run may have taken it for a left-over before the lock was held
            if os.path.samestat(os.lstat(name), os.fstat(descriptor)):
                break
        os.close(descriptor)
    handle = os.fdopen(descriptor, "wb")
    try:
        yield handle, name
    finally:
        # it may have another name by now; one that stays is removed by the next run
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - a name, not a Path
        # closing writes once more what could not be written
        with contextlib.suppress(OSError):
            handle.close()


@contextlib.contextmanager
def temporary_folder(folder: PathLike) -> Iterator[str]:
    """Return a context manager that makes a new folder for files, and removes it at the end.

    Parameters
    ----------
    folder : path-like
        Folder to make it in.

    Returns
    -------
    context manager of str
        Its name. There must be no folders in it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with temporary_folder(folder) as name:
    ...         _ = Path(name, "rows").write_bytes(b"numbers")
    ...     list(Path(folder).iterdir())
    []
    """
    with temporary_file(folder) as (_, lock):
        name = lock + FOLDER_SUFFIX
        os.mkdir(name, 0o700)  # noqa: PTH102 - a name, not a Path
        try:
            yield name
        finally:
            # before its file, without which other runs take it for a left-over
            _remove_folder(name)


def remove_left_over(folder: PathLike) -> None:
    """Remove the temporary files and folders that killed runs left in a folder.

    Such a file has a name that only this package gives, belongs to this user, was made on this computer, and no process
    holds its lock. Such a folder has the name of a file that is not there. All others stay.

    Parameters
    ----------
    folder : path-like
        Folder that exists.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, f".gmmaudio-{HOST}-abcd1234").write_bytes(b"half a mod")
    ...     remove_left_over(folder)
    ...     list(Path(folder).iterdir())
    []
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
        for name in names:
            with contextlib.suppress(OSError):
                _remove_if_left_over(name)
        for name in names:
            with contextlib.suppress(OSError):
                _remove_folder_if_left_over(name)


def wait_for_lock(descriptor: int) -> None:
    """Take the lock of a file, which is free again when the file is closed; file systems without locks give none.

    Parameters
    ----------
    descriptor : int
        An open file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as handle:
    ...     wait_for_lock(handle.fileno())
    """
    _lock(descriptor, is_waiting=True)


def try_lock(descriptor: int) -> bool:
    """Return whether no other process holds the lock of a file; it is taken, where the file system has locks.

    Parameters
    ----------
    descriptor : int
        An open file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as handle:
    ...     try_lock(handle.fileno())
    True
    """
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True


def _remove_if_left_over(name: str) -> None:
    """Remove a file that a killed run has left; any other stays."""
    base = os.path.basename(name)  # noqa: PTH119
    if not (LEFT_OVER.fullmatch(base) or OLD_LEFT_OVER.fullmatch(base)):
        return
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not LEFT_OVER.fullmatch(base):
            is_ours = is_ours and stat.S_IMODE(status.st_mode) == OLD_MODE
        if is_ours and _lock(descriptor, is_waiting=False):
            os.unlink(name)  # noqa: PTH108
    finally:
        os.close(descriptor)


def _remove_folder_if_left_over(name: str) -> None:
    """Remove a folder that a killed run has left, whose file is gone; any other stays."""
    lock = name.removesuffix(FOLDER_SUFFIX)
    # PTH: names, not Paths
    if lock == name or not LEFT_OVER.fullmatch(os.path.basename(lock)) or os.path.lexists(lock):  # noqa: PTH119
        return
    status = os.lstat(name)
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
        _remove_folder(name)


def _remove_folder(name: str) -> None:
    """Remove a folder and the files in it, as far as that can be."""
    with contextlib.suppress(OSError):
        with os.scandir(name) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108
        os.rmdir(name)  # noqa: PTH106


def _lock(descriptor: int, *, is_waiting: bool) -> bool:
    """Return whether the lock of a file is held now; file systems without locks give none."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_waiting else fcntl.LOCK_NB))
    except (ImportError, OSError):
        return False
    return True
