"""A store of features: a folder of entries under keys, bounded, which many processes read and write at once.

An entry is a file that is written beside, and renamed once it is whole; its checksum is verified whenever it is read.
There is no index that could be damaged, or could differ from the files: the name of a file is the hash of its key, and
its time of modification is when it was last used. What is wrong with an entry costs that entry, and never a result.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmaudio.errors import SettingError, WriteError
from gmmaudio.features.entry_file import DamagedEntryError, Entry, decode_entry, encode_entry
from gmmaudio.files import CACHE_TAG, CACHE_TAG_FILE, is_cache
from gmmaudio.temporary_files import PREFIX, remove_left_over, temporary_file, wait_for_lock
from gmmaudio.values import convert_fields

# a format that cannot be read by this version gets another name, and is left alone
VERSION_FOLDER = "v1"
NEW_FOLDER, USAGE_FILE, USAGE_BYTES = "new", "usage", 28
SUFFIX = ".safetensors"
ENTRY_FOLDER, ENTRY_NAME = re.compile("[0-9a-f]{2}"), re.compile("[0-9a-f]{62}" + re.escape(SUFFIX))
DEFAULT_LIMIT_BYTES = 5_000_000_000
# what is kept when the limit is passed: the next writes need not remove anything
KEPT_SHARE = 0.9
# files take whole blocks
BLOCK_BYTES = 4096
# the sum of sizes is counted anew after as many writes: those of killed runs are not in it
WRITES_BETWEEN_COUNTS = 1024
# a temporary file of another computer, whose lock cannot be seen, is left over after a day
LEFT_OVER_S = 86_400.0


class StoredFile(NamedTuple):
    """A file of a store.

    Parameters
    ----------
    path : Path
        The file.
    n_bytes : int
        Bytes that it takes, in whole blocks.
    used_at : float
        Time of its last use, seconds since 1970.
    """

    path: Path
    n_bytes: int
    used_at: float


@dataclass(frozen=True)
class FeatureStore:
    """A folder of entries under keys: the least recently used are removed where it would grow beyond a limit.

    The folder is made when the first entry is written. It is marked by a tag that backup programs know, and nothing is
    ever written to, or removed from, a folder that holds other files.

    Parameters
    ----------
    folder : Path
        The folder.
    limit_bytes : int
        Bytes that the entries may take on disk.

    Raises
    ------
    SettingError
        If ``folder`` is a file, or holds other files or a file in place of its entries, or ``limit_bytes`` is not
        positive.

    References
    ----------
    Cache Directory Tagging Specification, https://bford.info/cachedir/.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = FeatureStore(Path(folder))
    ...     store.write({"clip": 1}, Entry({"frames": np.ones((2, 3))}))
    ...     store.read({"clip": 1}).arrays["frames"].shape, store.read({"clip": 2})
    ((2, 3), None)
    """

    folder: Path
    limit_bytes: int = DEFAULT_LIMIT_BYTES

    def __post_init__(self) -> None:
        convert_fields(self)
        object.__setattr__(self, "folder", self.folder.absolute())
        if not self.limit_bytes > 0:
            raise SettingError(f"limit_bytes is {self.limit_bytes}; expected 1 or more")
        _check_folder(self.folder)

    def read(self, key: Mapping[str, Any], *, is_mapped: bool = False, used_at: float | None = None) -> Entry | None:
        """Return the entry under a key; None where there is none.

        Parameters
        ----------
        key : mapping of str to Any
            Plain values, as JSON holds them.
        is_mapped : bool
            Map the arrays of the entry into memory, read-only, instead of copying them. Each entry takes a mapping of
            the process for as long as its arrays live.
        used_at : float or None
            Time that counts as that of this use, seconds since 1970; None is now. Entries with an earlier time are
            removed first.

        Raises
        ------
        DamagedEntryError
            If the entry is not as it was written. It is removed first.
        """
        text = _key_text(key)
        path = self._path(text)
        try:
            stored_key, entry = _read_entry(path, is_mapped=is_mapped)
            if stored_key != text:
                raise DamagedEntryError(f"{path}: holds the entry of another key")
        except DamagedEntryError:
            _remove(path)
            raise
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path, None if used_at is None else (used_at, used_at))
        return entry

    def holds(self, key: Mapping[str, Any]) -> bool:
        """Return whether there is an entry under a key, unread: it may be damaged.

        Parameters
        ----------
        key : mapping of str to Any
            Plain values, as JSON holds them.
        """
        return self._path(_key_text(key)).is_file()

    def write(self, key: Mapping[str, Any], entry: Entry, *, used_at: float | None = None) -> None:
        """Keep an entry under a key, in place of an older one.

        Parameters
        ----------
        key : mapping of str to Any
            Plain values, as JSON holds them.
        entry : Entry
            What to keep; nothing is kept of one that takes more than nine tenths of the limit.
        used_at : float or None
            As for :meth:`read`.

        Raises
        ------
        WriteError
            If it cannot be written.
        """
        text = _key_text(key)
        parts = encode_entry(text, entry)
        n_bytes = _on_disk(sum(map(len, parts)))
        # removing entries would remove it too
        if n_bytes > KEPT_SHARE * self.limit_bytes:
            return
        try:
            self._write(self._path(text), parts, used_at)
            self._count(n_bytes)
        except OSError as error:
            raise WriteError(f"{self.folder}: cannot be written ({error.strerror or error})") from error
        except SettingError as error:
            raise WriteError(str(error)) from error

    def files(self) -> Iterator[StoredFile]:
        """Yield the files of all entries, in no order."""
        for folder in _scan(self._version, is_folder=True):
            if ENTRY_FOLDER.fullmatch(folder.name):
                for file in _scan(Path(folder.path), is_folder=False):
                    if ENTRY_NAME.fullmatch(file.name):
                        # one that another process has just removed is no more
                        with contextlib.suppress(OSError):
                            status = file.stat(follow_symlinks=False)
                            yield StoredFile(Path(file.path), _on_disk(status.st_size), status.st_mtime)

    def verify(self) -> Iterator[tuple[Path, str]]:
        """Read every entry and remove those that are damaged.

        Yields
        ------
        path : Path
            File that was removed.
        reason : str
            What was wrong with it.
        """
        for file in self.files():
            try:
                key, _ = _read_entry(file.path)
                if self._path(key) != file.path:
                    raise DamagedEntryError("has the name of another entry")
            except DamagedEntryError as error:
                _remove(file.path)
                yield file.path, str(error)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield file.path, f"cannot be read ({error.strerror})"

    def clear(self) -> int:
        """Remove all entries, and what killed runs left of others; all other files stay.

        Returns
        -------
        int
            Number of entries that were removed.
        """
        n_removed = sum(_remove(file.path) for file in self.files())
        self.remove_left_over()
        for folder in list(_scan(self._version, is_folder=True)):
            if ENTRY_FOLDER.fullmatch(folder.name):
                with contextlib.suppress(OSError):
                    Path(folder.path).rmdir()
        _remove(self._version / USAGE_FILE)
        return n_removed

    def remove_left_over(self) -> None:
        """Remove the temporary files that killed runs left."""
        remove_left_over(self.folder)
        remove_left_over(self._version / NEW_FOLDER)
        oldest = time.time() - LEFT_OVER_S
        for file in _scan(self._version / NEW_FOLDER, is_folder=False):
            with contextlib.suppress(OSError):
                if file.name.startswith(PREFIX) and file.stat(follow_symlinks=False).st_mtime < oldest:
                    _remove(Path(file.path))

    @property
    def _version(self) -> Path:
        """The folder of this version of the format."""
        return self.folder / VERSION_FOLDER

    def _path(self, key: str) -> Path:
        """Return the path of the file of a key, which need not exist."""
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._version / name[:2] / f"{name[2:]}{SUFFIX}"

    def _write(self, path: Path, parts: list[bytes | memoryview], used_at: float | None) -> None:
        """Write a file beside and rename it, in folders that are made where they do not exist."""
        if not (self._version / NEW_FOLDER).is_dir():
            self._make_folders()
        with temporary_file(self._version / NEW_FOLDER) as (handle, name):
            handle.writelines(parts)
            # not flushed to disk: what a loss of power leaves of it has a wrong checksum
            handle.flush()
            if used_at is not None:
                os.utime(name, (used_at, used_at))
            try:
                os.replace(name, path)  # noqa: PTH105 - a name, not a Path
            except FileNotFoundError:
                path.parent.mkdir(exist_ok=True)
                os.replace(name, path)  # noqa: PTH105

    def _make_folders(self) -> None:
        """Make the folder and its tag, then the folders of this version."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not is_cache(self.folder):
            _check_folder(self.folder)
            with temporary_file(self.folder) as (handle, name):
                handle.write(CACHE_TAG)
                handle.flush()
                os.replace(name, self.folder / CACHE_TAG_FILE)  # noqa: PTH105
        (self._version / NEW_FOLDER).mkdir(parents=True, exist_ok=True)

    def _count(self, n_bytes: int) -> None:
        """Add the size of an entry to the sum of sizes, and remove entries where that passes the limit.

        The lock of the file that holds the sum is held meanwhile, so that one process removes entries at a time.
        """
        descriptor = os.open(self._version / USAGE_FILE, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        with os.fdopen(descriptor, "r+b", buffering=0) as handle:
            wait_for_lock(descriptor)
            total, n_writes = _parse_usage(handle.read(USAGE_BYTES + 1))
            if total is None or n_writes >= WRITES_BETWEEN_COUNTS or total + n_bytes > self.limit_bytes:
                total, n_writes = self._trim(), 0
            else:
                total += n_bytes
            handle.seek(0)
            # always of one length, so that a run that is killed leaves the old sum or the new one
            handle.write(b"%020d %06d\n" % (total, n_writes + 1))
            handle.truncate()

    def _trim(self) -> int:
        """Remove the least recently used entries where all take more than the limit; return the bytes that are left."""
        self.remove_left_over()
        files = sorted(self.files(), key=lambda file: file.used_at)
        total = sum(file.n_bytes for file in files)
        if total <= self.limit_bytes:
            return total
        for file in files:
            if total <= KEPT_SHARE * self.limit_bytes:
                break
            total -= file.n_bytes if _remove(file.path) else 0
        return total


def _check_folder(folder: Path) -> None:
    """Raise where a folder exists and is no store, nor empty."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names, not paths
    except NotADirectoryError as error:
        raise SettingError(f"{folder}: is a file, or lies below one; name a folder (`cache`)") from error
    except (OSError, ValueError):
        # one that cannot be read is not written either, which a run survives
        return
    if not all(name.startswith(PREFIX) for name in names) and not is_cache(folder):
        raise SettingError(
            f"{folder}: holds other files and is no cache of this program; name an empty folder, or a new one (`cache`)"
        )
    if VERSION_FOLDER in names and not (folder / VERSION_FOLDER).is_dir():
        raise SettingError(
            f"{folder}: {VERSION_FOLDER} in it is no folder, and entries cannot be kept there; remove it, or name "
            "another folder (`cache`)"
        )


def _key_text(key: Mapping[str, Any]) -> str:
    """Return the one text of a key."""
    return json.dumps(key, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _on_disk(n_bytes: int) -> int:
    """Return the bytes that a file takes."""
    return -(-n_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _read_entry(path: Path, *, is_mapped: bool = False) -> tuple[str, Entry]:
    """Return the key and the entry of a file, its checksum verified."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            raise DamagedEntryError("has no bytes, or is no file")
        if is_mapped:
            return decode_entry(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        data = np.empty(status.st_size, dtype=np.uint8)
        n_read = 0
        while n_read < len(data) and (n := handle.readinto(data.data[n_read:])):
            n_read += n
        return decode_entry(data[:n_read])


def _remove(path: Path) -> bool:
    """Remove a file, and return whether it is this call that removed it."""
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _scan(folder: Path, *, is_folder: bool) -> Iterator[os.DirEntry[str]]:
    """Yield the folders or the regular files in a folder, no links; none where it cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            is_kind = entry.is_dir if is_folder else entry.is_file
            if is_kind(follow_symlinks=False):
                yield entry


def _parse_usage(text: bytes) -> tuple[int | None, int]:
    """Return the sum of sizes and the writes since it was counted; None where the file does not tell."""
    match = re.fullmatch(rb"(\d{20}) (\d{6})\n", text)
    return (int(match[1]), int(match[2])) if match else (None, 0)
