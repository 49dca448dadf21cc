"""Input files that are read up to a limit, and folders in which there are none."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from gmmaudio.errors import GmmaudioError, ReadError
from gmmaudio.names import file_text, normal, spellings

# a mixture of 1,024 full covariances of 60 columns for each of 50 labels has 1.5 GB
MODEL_BYTES = 2 * 2**30
# supervectors of 64 components take 31 kB a clip: 130,000 clips
STATISTICS_BYTES = 4 * 2**30
# 2,000 scores of 20 characters for each of 6,000 clips have 240 MB
TABLE_BYTES = 512 * 2**20
# a clip of ten labels takes about 2 kB
REPORT_BYTES = 512 * 2**20
# a million paths of 200 characters
LIST_BYTES = 256 * 2**20
# sound on standard input: a WAV header states no more
STDIN_AUDIO_BYTES = 4 * 2**30

# marks a folder of ours in which everything can be computed again: no audio is searched for in it
CACHE_TAG_FILE = "CACHEDIR.TAG"
CACHE_TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# This file is a cache directory tag created by gmmaudio: what is in this folder can be computed again.\n"
    b"# See https://bford.info/cachedir/\n"
)

CHUNK_BYTES = 2**20
UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
# where a system shows the pipes that a process has open
OPEN_PIPES = ("/dev/fd/", "/proc/")


def find_path(path: str | os.PathLike[str]) -> Path:
    r"""Return the path under which a file exists, whatever normal form of Unicode its names have.

    Each folder and the file are tried as they are given, in NFC and in NFD, then compared in NFC with what is there.
    A name that exists as it is given is always the one that is taken.

    Parameters
    ----------
    path : path-like
        Path that a person or a manifest names.

    Returns
    -------
    Path
        The path as it is given where there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "Zoe\u0301.wav").write_bytes(b"")
    ...     find_path(f"{folder}/Zo\u00e9.wav").name == "Zoe\u0301.wav"
    True
    """
    given = Path(path)
    if str(given).isascii() or os.path.lexists(given):
        return given
    found = Path(given.anchor)
    for name in given.relative_to(given.anchor).parts:
        match = next((each for each in spellings(name) if os.path.lexists(found / each)), None) or _entry(found, name)
        if match is None:
            return given
        found /= match
    return found


def is_cache(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder has the tag of a cache of this program.

    Parameters
    ----------
    folder : path-like
        A folder, which need not exist.

    References
    ----------
    Cache Directory Tagging Specification, https://bford.info/cachedir/.

    Examples
    --------
    >>> is_cache("no_such_folder")
    False
    """
    try:
        with Path(folder, CACHE_TAG_FILE).open("rb") as handle:
            return handle.read(len(CACHE_TAG) + 1) == CACHE_TAG
    except (OSError, ValueError):
        return False


def _entry(folder: Path, name: str) -> str | None:
    """Return the entry of a folder that has the same NFC form as a name, the first of several; None without one."""
    try:
        entries = sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except (OSError, ValueError):
        return None
    return next((entry for entry in entries if normal(file_text(entry)) == normal(name)), None)


def read_limited(
    path: str | os.PathLike[str],
    limit: int,
    *,
    may_be_pipe: bool = False,
    check_start: Callable[[BinaryIO], None] | None = None,
) -> bytes:
    """Return the content of a regular file that has at most ``limit`` bytes.

    Size and kind are checked before the file is read, and the size again while it is read, since a file may grow.

    Parameters
    ----------
    path : path-like
        File to read.
    limit : int
        Largest size, bytes.
    may_be_pipe : bool
        Also read a pipe that the process has open already, such as ``/dev/stdin`` or what a shell writes for
        ``<(...)``. A named pipe is refused, because nobody may ever write to it.
    check_start : callable or None
        Called with the open file before all of it is read; it may read the first bytes, and raise an exception.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    ReadError
        If the file cannot be read, is not a regular file, or is larger.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "list.txt").write_bytes(b"1.wav")
    ...     read_limited(f"{folder}/list.txt", LIST_BYTES)
    b'1.wav'
    """
    with open_limited(path, limit, may_be_pipe=may_be_pipe) as handle:
        size = os.fstat(handle.fileno()).st_size
        if check_start is not None:
            check_start(handle)
            handle.seek(0)
        # in one piece where the size is true: pieces would be held twice while they are joined
        return b"".join(read_chunks(handle, limit, os.fspath(path), max(size + 1, CHUNK_BYTES)))


@contextlib.contextmanager
def open_limited(path: str | os.PathLike[str], limit: int, *, may_be_pipe: bool = False) -> Iterator[BinaryIO]:
    """Return a context manager that opens a regular file of at most ``limit`` bytes for reading.

    Parameters
    ----------
    path, limit, may_be_pipe
        As for :func:`read_limited`.

    Raises
    ------
    ReadError
        If the file cannot be read, also while it is open, is not a regular file, or is larger.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "list.txt").write_bytes(b"1.wav")
    ...     with open_limited(f"{folder}/list.txt", LIST_BYTES) as handle:
    ...         handle.read(1)
    b'1'
    """
    try:
        with _open_for_reading(path, may_be_pipe=may_be_pipe) as handle:
            if os.fstat(handle.fileno()).st_size > limit:
                raise _too_large(os.fspath(path), limit)
            yield handle
    except (OSError, ValueError) as error:
        if isinstance(error, GmmaudioError):
            raise
        raise ReadError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def read_stream(stream: BinaryIO, limit: int, name: str) -> bytes:
    """Return all that a stream gives, at most ``limit`` bytes.

    Parameters
    ----------
    stream : binary file
        Open file, or standard input.
    limit : int
        Largest size, bytes.
    name : str
        Name of the stream, for the error.

    Raises
    ------
    ReadError
        If there is more.

    Examples
    --------
    >>> import io
    >>> read_stream(io.BytesIO(b"1.wav"), 1_000, "standard input")
    b'1.wav'
    """
    return b"".join(read_chunks(stream, limit, name))


def read_chunks(stream: BinaryIO, limit: int, name: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield all that a stream gives in chunks, at most ``limit`` bytes.

    Parameters
    ----------
    stream, limit, name
        As for :func:`read_stream`.
    chunk_bytes : int
        Largest size of a chunk, bytes.

    Yields
    ------
    bytes
        The next chunk.

    Raises
    ------
    ReadError
        If there is more.

    Examples
    --------
    >>> import io
    >>> [len(chunk) for chunk in read_chunks(io.BytesIO(bytes(1_500_000)), 2**21, "standard input")]
    [1048576, 451424]
    """
    n_read = 0
    while chunk := stream.read(min(chunk_bytes, limit + 1 - n_read)):
        n_read += len(chunk)
        if n_read > limit:
            raise _too_large(name, limit)
        yield chunk


def check_regular(path: str | os.PathLike[str], *, may_be_pipe: bool = False) -> None:
    """Raise ReadError where a path is not a regular file: a device or a pipe might be read for ever.

    Parameters
    ----------
    path : path-like
        File that will be read.
    may_be_pipe : bool
        As for :func:`read_limited`.

    Raises
    ------
    ReadError
        If there is no regular file.

    Examples
    --------
    >>> check_regular("/")
    Traceback (most recent call last):
    gmmaudio.errors.ReadError: /: is a folder; name a regular file
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - any path-like
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    _check_mode(path, mode, may_be_pipe=may_be_pipe)


@contextlib.contextmanager
def _open_for_reading(path: str | os.PathLike[str], *, may_be_pipe: bool) -> Iterator[BinaryIO]:
    """Give an open file that is not a folder, a device, a socket or a named pipe."""
    path = find_path(path)
    # opening a device may have effects: its kind is checked before, and after, when it cannot change any more
    check_regular(path, may_be_pipe=may_be_pipe)
    with open(path, "rb", opener=_open_without_waiting) as handle:
        _check_mode(path, os.fstat(handle.fileno()).st_mode, may_be_pipe=may_be_pipe)
        if may_be_pipe:
            os.set_blocking(handle.fileno(), True)
        yield handle


def _open_without_waiting(path: str, flags: int) -> int:
    """Return the descriptor of an opened file; a pipe without a writer is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_mode(path: str | os.PathLike[str], mode: int, *, may_be_pipe: bool) -> None:
    """Raise ReadError where the mode of a file is not that of a regular one."""
    if stat.S_ISREG(mode):
        return
    if stat.S_ISFIFO(mode):
        if may_be_pipe and os.path.realpath(path).startswith(OPEN_PIPES):
            return
        kind = "a named pipe, which may never be written to" if may_be_pipe else "a pipe"
    else:
        kind = "a folder" if stat.S_ISDIR(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    raise ReadError(f"{path}: is {kind}; name a regular file")


def in_units(n_bytes: int) -> str:
    """Return a size as a whole number of the largest unit that divides it.

    Parameters
    ----------
    n_bytes : int
        Size, bytes.

    Examples
    --------
    >>> in_units(2**29), in_units(2_000)
    ('512 MiB', '2,000 bytes')
    """
    size, unit = next(((n_bytes // n, unit) for n, unit in UNITS if n_bytes % n == 0), (n_bytes, "bytes"))
    return f"{size:,} {unit}"


def _too_large(name: str, limit: int) -> ReadError:
    """Return the error for what is larger than its limit."""
    return ReadError(f"{name}: holds more than {in_units(limit)}, the most that is read of such a file")
