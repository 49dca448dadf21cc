"""Output files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gmmaudio.errors import GmmaudioError, WriteError


@contextlib.contextmanager
def write_beside(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Return a context manager that opens a temporary file and renames it to ``path`` once it is whole and on disk.

    After an exception the temporary file is removed, and an older file at ``path`` is unchanged.

    Parameters
    ----------
    path : path-like
        File to write or replace.

    Returns
    -------
    context manager of file
        A binary file, opened for writing in the folder of ``path``.

    Raises
    ------
    WriteError
        If the file cannot be written, or is a pipe or a device.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_beside(f"{folder}/scores.txt") as handle:
    ...         _ = handle.write(b"0.5")
    ...     [(path.name, path.read_text()) for path in Path(folder).iterdir()]
    [('scores.txt', '0.5')]
    """
    target = Path(path)
    temporary: str | None = None
    try:
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise WriteError(f"{target}: is a pipe or a device; name a file")
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".gmmaudio-")
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101 - a name, not a Path
        os.replace(temporary, target)  # noqa: PTH105
        temporary = None
    except OSError as error:
        if isinstance(error, GmmaudioError):
            raise
        raise WriteError(f"{target}: cannot be written ({error.strerror}); choose another path") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an error before the work begins, where its output could not be written.

    Parameters
    ----------
    path : path-like
        File that will be written.

    Raises
    ------
    WriteError
        If its folder is missing or not writable, or the path is a folder, a pipe or a device.

    Examples
    --------
    >>> check_writable("no_such_folder/model.gmm")
    Traceback (most recent call last):
    gmmaudio.errors.WriteError: no_such_folder/model.gmm: the folder no_such_folder is not there; make it first
    """
    target = Path(path)
    if str(target) == "-":
        raise WriteError("-: standard output cannot be used here; name a file")
    try:
        if target.is_dir():
            raise WriteError(f"{target}: is a folder; name a file in it")
        if target.exists() and not target.is_file():
            raise WriteError(f"{target}: is a pipe or a device; name a file")
        if not target.parent.is_dir():
            raise WriteError(f"{target}: the folder {target.parent} is not there; make it first")
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(f"{target}: cannot be written ({error.strerror}); choose another path") from error
    if not os.access(target.parent, os.W_OK):
        raise WriteError(f"{target}: the folder {target.parent} cannot be written; choose another path")


def make_folder(path: str | os.PathLike[str]) -> None:
    """Create a folder; one that exists is kept.

    Parameters
    ----------
    path : path-like
        Folder, whose parent exists.

    Raises
    ------
    WriteError
        If it cannot be created, or files in it could not be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     make_folder(f"{parent}/tables")
    ...     [path.name for path in Path(parent).iterdir()]
    ['tables']
    """
    folder = Path(path)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: the folder cannot be made ({error.strerror}); choose another path") from error
    if not os.access(folder, os.W_OK):
        raise WriteError(f"{folder}: the folder cannot be written; choose another path")


def _umask() -> int:
    """Return the process's mode mask for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
