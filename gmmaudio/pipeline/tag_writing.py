"""Tags of music files written, and taken back: each file as a whole or not at all, its sound unchanged.

A file is copied beside itself, the tag is written to the copy, and both are decoded: their samples must be the same.
What makes the old bytes of the new ones is brought to disk in the undo journal, and the copy takes the name of the
file.
To take it back, the file must be as it was left, bit for bit; it then is as it was before, with its earlier time of
modification.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from gmmaudio.audio.sample_digest import hash_samples
from gmmaudio.errors import GmmaudioError, MusicFileError, WriteError
from gmmaudio.journal import sync_folder
from gmmaudio.music_tags import write_field
from gmmaudio.pipeline.byte_patch import apply_patch, hash_bytes, make_patch
from gmmaudio.pipeline.undo_journal import UndoJournal
from gmmaudio.temporary_files import remove_left_over, temporary_file

PathLike = str | os.PathLike[str]

# errors of one file or folder; others, as of a full disk, end the run
OF_ONE_FILE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
REFUSED = "read_only", "cannot be written ({}); allow writing to the file and its folder"


class FileChange(NamedTuple):
    """A value for the field of one file.

    Parameters
    ----------
    path : str
        The file.
    field : str
        Name of the field.
    existing : tuple of str
        Values that the field has now.
    value : str
        The value to write.
    """

    path: str
    field: str
    existing: tuple[str, ...]
    value: str


def write_change(change: FileChange, journal: UndoJournal) -> None:
    """Write a value to the field of a file; after an exception the file is as it was.

    Links are followed. Permissions, owner and extended attributes are kept; the time of modification is that of the
    writing, so that copies and backups notice the change.

    Parameters
    ----------
    change : FileChange
        The file and the value.
    journal : UndoJournal
        Gets what undoes the change before the file is touched.

    Raises
    ------
    MusicFileError
        If the file may not be changed, or its tags cannot hold the value.
    AudioError
        If the file cannot be decoded.
    WriteError
        If the disk is full, or the journal cannot be written: no further file is to be tried.
    """
    target = Path(os.path.realpath(change.path))
    with _write_errors(target):
        before = check_changeable(target)
        remove_left_over(target.parent)
        with _copied(target) as (name, handle):
            write_field(name, change.field, change.value, like=target)
            patch = _checked_patch(target, name)
            if hash_samples(target) != hash_samples(name):
                raise MusicFileError(
                    "samples_changed", "its decoded samples would not be the same; nothing was written"
                )
            record = {
                "path": str(target),
                "field": change.field,
                "existing": change.existing,
                "value": change.value,
                "before": hash_bytes(target),
                "after": hash_bytes(name),
                "mtime_ns": before.st_mtime_ns,
                "patch": patch,
            }
            journal.add(record)
            _replace(target, name, handle, before)


def undo_change(record: Mapping[str, Any], *, is_trial: bool = False) -> bool:
    """Make a file as it was before its tag was written, and return whether there was something to do.

    Parameters
    ----------
    record : mapping
        Of an undo journal.
    is_trial : bool
        Only check that it can be done.

    Returns
    -------
    bool
        False where the file is as it was already.

    Raises
    ------
    MusicFileError
        If the file is gone or changed since, or the record is damaged.
    WriteError
        If the disk is full.
    """
    try:
        target, after, before = Path(record["path"]), str(record["after"]), str(record["before"])
        patch, mtime_ns = str(record["patch"]), int(record["mtime_ns"])
    except (LookupError, TypeError, ValueError) as error:
        raise MusicFileError("damaged", "its line of the undo journal is damaged") from error
    with _write_errors(target):
        if not os.path.lexists(target):
            raise MusicFileError("gone", "is not there any more; put it back where it was")
        status = check_changeable(target)
        now = hash_bytes(target)
        if now == before:
            return False
        if now != after:
            raise MusicFileError(
                "changed", "was changed since its tag was written; undo later runs first, or keep it as it is"
            )
        if not is_trial:
            _restore(target, patch, before, (status, mtime_ns))
    return True


def _restore(target: Path, patch: str, before: str, times: tuple[os.stat_result, int]) -> None:
    """Put the old bytes of a file in the place of the new ones, with the old time of modification."""
    status, mtime_ns = times
    with temporary_file(target.parent) as (handle, name):
        try:
            is_same = apply_patch(patch, target, handle) == before
        except ValueError:
            is_same = False
        if not is_same:
            raise MusicFileError("damaged", "its line of the undo journal is damaged")
        handle.flush()
        _replace(target, name, handle, status, mtime_ns=mtime_ns)


def _checked_patch(old: Path, new: str) -> str:
    """Return the patch that makes the old file of the new one, tried."""
    patch = make_patch(old, new)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        if apply_patch(patch, new, nowhere) != hash_bytes(old):
            raise MusicFileError("changed", "changed while its tag was written; run the command again")
    return patch


def check_changeable(target: Path) -> os.stat_result:
    """Return the status of a file that may be replaced.

    Parameters
    ----------
    target : Path
        A file, no link.

    Raises
    ------
    MusicFileError
        If it is read-only, has several names, or belongs to another user.

    Examples
    --------
    >>> check_changeable(Path(os.devnull))
    Traceback (most recent call last):
    gmmaudio.errors.MusicFileError: is not a regular file; name an audio file
    """
    status = target.stat()
    if not stat.S_ISREG(status.st_mode):
        raise MusicFileError("read_only", "is not a regular file; name an audio file")
    # root may write everything: what is read-only is meant to be
    if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise MusicFileError("read_only", "is read-only; allow writing to it")
    if status.st_nlink > 1:
        words = f"is one file with {status.st_nlink} names (hard links), which a new file would separate"
        raise MusicFileError("hard_linked", f"{words}; make it a copy of its own first")
    if hasattr(os, "geteuid") and os.geteuid() not in (0, status.st_uid):
        raise MusicFileError("other_owner", "belongs to another user, who would lose it; let its owner run the command")
    return status


@contextlib.contextmanager
def _copied(target: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Give the name of a copy of a file beside it, and the open copy, whose lock is held."""
    with temporary_file(target.parent) as (handle, name):
        with target.open("rb") as source:
            shutil.copyfileobj(source, handle, 2**20)
        handle.flush()
        yield name, handle


def _replace(target: Path, name: str, handle: BinaryIO, before: os.stat_result, *, mtime_ns: int | None = None) -> None:
    """Give a finished copy the name of its file, which is as it was when its status was taken."""
    written = os.stat(name)  # noqa: PTH116 - a name, not a Path
    shutil.copystat(target, name)
    # only root may give a file to another user, and only members to a group
    with contextlib.suppress(OSError, AttributeError):
        os.chown(name, before.st_uid, before.st_gid)
        os.chmod(name, stat.S_IMODE(before.st_mode))  # noqa: PTH101
    owner = os.stat(name)  # noqa: PTH116
    if (owner.st_uid, owner.st_gid) != (before.st_uid, before.st_gid):
        words = "has an owner or a group that a new file cannot be given to; let its owner run the command"
        raise MusicFileError("other_owner", words)
    os.utime(name, ns=(before.st_atime_ns, written.st_mtime_ns if mtime_ns is None else mtime_ns))
    os.fsync(handle.fileno())
    now = target.stat()
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        raise MusicFileError("changed", "changed while its tag was written; run the command again")
    os.replace(name, target)  # noqa: PTH105
    sync_folder(target.parent)


@contextlib.contextmanager
def _write_errors(target: Path) -> Iterator[None]:
    """Raise errors of the system as a MusicFileError, where they are of one file, or else as a WriteError."""
    try:
        yield
    except OSError as error:
        if isinstance(error, GmmaudioError):
            raise
        if isinstance(error, FileNotFoundError):
            raise MusicFileError("gone", "is not there any more; put it back where it was") from error
        if error.errno in OF_ONE_FILE:
            raise MusicFileError(REFUSED[0], REFUSED[1].format(error.strerror)) from error
        raise WriteError(
            f"{target}: cannot be written ({error.strerror or error}); nothing of it was changed"
        ) from error
