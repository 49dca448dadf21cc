"""Write a file whole or not at all."""

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
    """Give a file that takes the place of ``path`` once it is whole and on disk, and leaves no trace otherwise.

    Raises
    ------
    WriteError
        If the place cannot be written.
    """
    place = Path(path)
    temporary: str | None = None
    try:
        if place.exists() and not (place.is_file() or place.is_dir()):
            raise WriteError(f"{place}: is a pipe or a device; name a file")
        descriptor, temporary = tempfile.mkstemp(dir=place.parent, prefix=".gmmaudio-")
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101 - a name, not a Path
        os.replace(temporary, place)  # noqa: PTH105
        temporary = None
    except OSError as error:
        if isinstance(error, GmmaudioError):
            raise
        raise WriteError(f"{place}: cannot be written ({error.strerror}); choose another place") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise WriteError now rather than after hours of work, where ``path`` cannot be written.

    Raises
    ------
    WriteError
        If its folder is missing or closed, or it is a folder itself.
    """
    place = Path(path)
    if str(place) == "-":
        raise WriteError("-: standard output is no place for this; name a file")
    try:
        if place.is_dir():
            raise WriteError(f"{place}: is a folder; name a file in it")
        if place.exists() and not place.is_file():
            raise WriteError(f"{place}: is a pipe or a device; name a file")
        if not place.parent.is_dir():
            raise WriteError(f"{place}: the folder {place.parent} is not there; make it first")
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(f"{place}: cannot be written ({error.strerror}); choose another place") from error
    if not os.access(place.parent, os.W_OK):
        raise WriteError(f"{place}: the folder {place.parent} cannot be written; choose another place")


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder where there is none.

    Raises
    ------
    WriteError
        If it cannot be made or written in.
    """
    place = Path(path)
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(f"{place}: no folder can be made there ({error.strerror}); choose another place") from error
    if not os.access(place, os.W_OK):
        raise WriteError(f"{place}: the folder cannot be written; choose another place")


def _umask() -> int:
    """Return the process's mask for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
