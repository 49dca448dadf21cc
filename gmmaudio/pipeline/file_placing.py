"""Files linked, copied or moved to a free name, and taken back: no file is ever replaced, and none is lost.

What is about to be done is brought to disk in the undo journal first. A copy or a moved file gets its name by a hard
link, which fails where the name is taken; where a file system has none, the name is taken by an empty file first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gmmaudio.errors import GmmaudioError, MusicFileError, WriteError
from gmmaudio.journal import sync_folder
from gmmaudio.pipeline.byte_patch import hash_bytes
from gmmaudio.pipeline.sorting import COPY, LINK, MOVE, WAYS
from gmmaudio.pipeline.undo_journal import UndoJournal
from gmmaudio.temporary_files import remove_left_over, temporary_file

# file systems without hard links, and files that may not be linked
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
# errors of one file or folder; others, as of a full disk, end the run
OF_ONE_FILE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)
LISTED = "playlist"
TAKEN = "taken", "has another file in its place; move that away"
DAMAGED = "damaged", "its line of the undo journal is damaged"


def place_file(source: str, target: str, way: str, journal: UndoJournal) -> None:
    """Link, copy or move a file to a name that is free; its folder is made.

    Parameters
    ----------
    source : str
        The file.
    target : str
        Its new name.
    way : {"link", "copy", "move"}
        A link is symbolic and relative. A copy has the times and permissions of the file.
    journal : UndoJournal
        Gets what undoes it before anything is done.

    Raises
    ------
    MusicFileError
        If the name is taken, or the file or the folder may not be changed.
    WriteError
        If the disk is full, or the journal cannot be written.
    """
    goal, origin = Path(os.path.abspath(target)), Path(os.path.abspath(source))  # noqa: PTH100 - keeps a link
    record: dict[str, Any] = {"way": way, "source": str(origin), "target": str(goal)}
    with _placing_errors(goal):
        record["made"] = [str(parent) for parent in goal.parents if not parent.exists()][::-1]
        if way == LINK:
            text = os.path.relpath(os.path.realpath(origin), os.path.realpath(goal.parent))
            journal.add(record | {"text": text})
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(text, goal)  # noqa: PTH211 - as its text is
        elif way == COPY or not _is_on_device(origin, goal):
            goal.parent.mkdir(parents=True, exist_ok=True)
            _copy(origin, goal, journal, record)
            if way == MOVE:
                _drop_old_name(origin, goal)
        else:
            journal.add(record | {"stamp": _stamp(origin)})
            goal.parent.mkdir(parents=True, exist_ok=True)
            _move_name(origin, goal)
        sync_folder(goal.parent)


def write_list(target: str, content: bytes, journal: UndoJournal) -> None:
    """Write a new file, such as a playlist.

    Parameters
    ----------
    target : str
        Its name, which is free.
    content : bytes
        Its bytes.
    journal : UndoJournal
        Gets what undoes it before the file is there.

    Raises
    ------
    MusicFileError
        If the name is taken, or the folder may not be changed.
    WriteError
        If the disk is full, or the journal cannot be written.
    """
    goal = Path(os.path.abspath(target))  # noqa: PTH100
    with _placing_errors(goal):
        remove_left_over(goal.parent)
        with temporary_file(goal.parent) as (handle, name):
            handle.write(content)
            handle.flush()
            os.chmod(name, 0o644)  # noqa: PTH101 - a name, not a Path
            os.fsync(handle.fileno())
            journal.add({"way": LISTED, "target": str(goal), "sha256": hash_bytes(name), "made": []})
            _move_name(Path(name), goal)
        sync_folder(goal.parent)


def undo_placement(record: Mapping[str, Any], *, is_trial: bool = False) -> bool:
    """Take back what was done with a file, and return whether there was something to do.

    Parameters
    ----------
    record : mapping
        Of an undo journal.
    is_trial : bool
        Only check that it can be done.

    Raises
    ------
    MusicFileError
        If the target changed since, the source of a copy is gone, or another file is where one that was moved had been.
    WriteError
        If the disk is full.
    """
    try:
        way, target, made = str(record["way"]), Path(record["target"]), [Path(each) for each in record["made"]]
        source = Path(record["source"]) if way in WAYS else None
    except (LookupError, TypeError) as error:
        raise MusicFileError(*DAMAGED) from error
    with _placing_errors(target):
        is_there = os.path.lexists(target)
        if way == MOVE and source is not None and not (is_there or os.path.lexists(source)):
            raise MusicFileError("gone", "is not there any more; put it back where it was")
        if is_there:
            _check_unchanged(record, way, target, source)
        if is_trial or not is_there:
            if not is_trial:
                _remove_empty(made)
            return is_there
        if way == MOVE and source is not None and not os.path.lexists(source):
            _move_back(target, source)
        else:
            target.unlink()
        sync_folder(target.parent)
        _remove_empty(made)
    return True


def _check_unchanged(record: Mapping[str, Any], way: str, target: Path, source: Path | None) -> None:
    """Raise where a target is not as it was left, or is the last copy of its file."""
    if way == LINK:
        is_same = target.is_symlink() and os.readlink(target) == record.get("text")  # noqa: PTH115 - as its text is
    elif way == LISTED:
        is_same = hash_bytes(target) == record.get("sha256")
    else:
        is_same = not target.is_symlink() and _stamp(target) == record.get("stamp")
    if not is_same:
        raise MusicFileError("changed", "changed since it was put there; undo later runs first, or leave it")
    if way == COPY and source is not None and not source.is_file():
        raise MusicFileError("gone", f"is the only copy left of {source}; put it back there, or leave it")
    if way == MOVE and source is not None and os.path.lexists(source) and not _is_still_there(source, target, record):
        raise MusicFileError("taken", f"was at {source}, where another file is now; move that away")


def _is_still_there(source: Path, target: Path, record: Mapping[str, Any]) -> bool:
    """Return whether a file that was moved has its old name too: the run was killed between the two."""
    return target.samefile(source) or (not source.is_symlink() and _stamp(source) == record.get("stamp"))


def _copy(origin: Path, goal: Path, journal: UndoJournal, record: Mapping[str, Any]) -> None:
    """Copy a file to a free name, with its times and permissions, whole or not at all."""
    remove_left_over(goal.parent)
    with temporary_file(goal.parent) as (handle, name):
        with origin.open("rb") as source:
            shutil.copyfileobj(source, handle, 2**20)
        handle.flush()
        shutil.copystat(origin, name)
        os.fsync(handle.fileno())
        if hash_bytes(origin) != hash_bytes(name):
            raise MusicFileError("changed", "changed while it was copied; run the command again")
        journal.add({**record, "stamp": _stamp(Path(name))})
        _move_name(Path(name), goal)


def _move_back(target: Path, source: Path) -> None:
    """Move a file back to where it was, whose name is free or still its own."""
    source.parent.mkdir(parents=True, exist_ok=True)
    if _is_on_device(target, source):
        _move_name(target, source)
        return
    with temporary_file(source.parent) as (handle, name):
        with target.open("rb") as content:
            shutil.copyfileobj(content, handle, 2**20)
        handle.flush()
        shutil.copystat(target, name)
        os.fsync(handle.fileno())
        _move_name(Path(name), source)
    target.unlink()


def _move_name(origin: Path, goal: Path) -> None:
    """Give a file another name in the same file system, which is free; the old name goes last."""
    try:
        os.link(origin, goal, follow_symlinks=False)
    except FileExistsError as error:
        # the file has both names where an earlier run was killed here
        if not goal.samefile(origin):
            raise MusicFileError(*TAKEN) from error
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        try:
            os.close(os.open(goal, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError as taken:
            raise MusicFileError(*TAKEN) from taken
        origin.replace(goal)
        return
    _drop_old_name(origin, goal)


def _drop_old_name(origin: Path, goal: Path) -> None:
    """Remove the old name of a file that has its new one, or the new one where the old one has to stay."""
    try:
        origin.unlink()
    except OSError as error:
        if error.errno not in OF_ONE_FILE or not os.path.lexists(origin):
            raise
        goal.unlink()
        words = f"cannot be moved out of its folder ({error.strerror}); allow writing to that folder, or copy the file"
        raise MusicFileError("read_only", words) from error


def _is_on_device(source: Path, target: Path) -> bool:
    """Return whether a file and the folder of another are on one file system."""
    parent = next(parent for parent in target.parents if parent.exists())
    return source.stat().st_dev == parent.stat().st_dev


def _stamp(path: Path) -> list[int]:
    """Return the size and the time of modification of a file, nanoseconds."""
    status = path.lstat()
    return [status.st_size, status.st_mtime_ns]


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that were made, the innermost first, where nothing is in them."""
    with contextlib.suppress(OSError):
        for folder in reversed(folders):
            folder.rmdir()


@contextlib.contextmanager
def _placing_errors(target: Path) -> Iterator[None]:
    """Raise errors of the system as a MusicFileError, where they are of one file, or else as a WriteError."""
    try:
        yield
    except OSError as error:
        if isinstance(error, GmmaudioError):
            raise
        if isinstance(error, FileExistsError):
            raise MusicFileError(*TAKEN) from error
        if isinstance(error, FileNotFoundError):
            raise MusicFileError("gone", "is not there any more; check the path") from error
        if error.errno in OF_ONE_FILE:
            remedy = "shorten it" if error.errno == errno.ENAMETOOLONG else "allow writing to its folder"
            words = f"{target} cannot be written ({error.strerror}); {remedy}"
            raise MusicFileError("read_only", words) from error
        raise WriteError(f"{target}: cannot be written ({error.strerror or error}); its file is as it was") from error
