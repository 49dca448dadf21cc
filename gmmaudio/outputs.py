"""Output files: checked before the work begins, and written whole and together, or not at all.

A file is written under a temporary name beside its target, flushed to disk and renamed. Links are followed first: the
file behind a link is replaced, and the link stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gmmaudio.errors import GmmaudioError, WriteError
from gmmaudio.temporary_files import remove_left_over, temporary_file

PathLike = str | os.PathLike[str]

# folders of devices and of the kernel: a name below them may be the open file of a process
SYSTEM_FOLDERS = ("/dev", "/proc", "/sys")
# as many as Linux follows
MAX_LINKS = 40
USUAL_LONGEST_NAME = 255
# a block of most file systems
PROBE_BYTES = 4096


@dataclass(frozen=True)
class Draft:
    """A file that is being written under a temporary name.

    Parameters
    ----------
    target : Path
        The file that it will replace, with links followed.
    name : str
        Its temporary name.
    handle : BinaryIO
        The open file, whose lock is held.
    """

    target: Path
    name: str
    handle: BinaryIO


@contextlib.contextmanager
def write_beside(path: PathLike) -> Iterator[BinaryIO]:
    """Return a context manager that opens a temporary file and renames it to ``path`` once it is whole and on disk.

    After an exception the temporary file is removed, and an older file at ``path`` is unchanged. The permissions of a
    file that is replaced are kept.

    Parameters
    ----------
    path : path-like
        File to write or replace; the target of a link is replaced, not the link.

    Returns
    -------
    context manager of file
        A binary file, opened for writing in the folder of the target.

    Raises
    ------
    WriteError
        If the file cannot be written, is no regular file, or lies below ``/dev``, ``/proc`` or ``/sys``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_beside(f"{folder}/scores.txt") as handle:
    ...         _ = handle.write(b"0.5")
    ...     [(path.name, path.read_text()) for path in Path(folder).iterdir()]
    [('scores.txt', '0.5')]
    """
    with write_errors(path), _open_draft(path) as draft:
        yield draft.handle
        _finish(draft)
        _publish([draft])


def write_together(files: Iterable[tuple[PathLike, bytes]], *, folder: PathLike | None = None) -> None:
    """Write several files: after an exception, none of them is new or changed.

    All are written under temporary names first, and renamed when all are whole and on disk. Where a name cannot be
    given, those that were are taken back. Temporary files that killed runs left in their folders are removed.

    Parameters
    ----------
    files : iterable of (path-like, bytes)
        Paths, as for :func:`write_beside`, and contents.
    folder : path-like or None
        Folder to make first, where it does not exist; its parent exists.

    Raises
    ------
    WriteError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     write_together([(f"{parent}/new/a", b"1"), (f"{parent}/new/b", b"2")], folder=f"{parent}/new")
    ...     sorted(path.name for path in Path(parent, "new").iterdir())
    ['a', 'b']
    """
    with contextlib.ExitStack() as stack:
        if folder is not None:
            stack.enter_context(new_folder(folder))
        drafts: list[Draft] = []
        cleaned: set[Path] = set()
        for path, content in files:
            with write_errors(path):
                draft = stack.enter_context(_open_draft(path))
                if draft.target.parent not in cleaned:
                    remove_left_over(draft.target.parent)
                    cleaned.add(draft.target.parent)
                draft.handle.write(content)
                _finish(draft)
            drafts.append(draft)
        _publish(drafts)


@contextlib.contextmanager
def new_folder(path: PathLike) -> Iterator[Path]:
    """Return a context manager that makes a folder with its parents, and removes what it made after an exception.

    Parameters
    ----------
    path : path-like
        Folder; one that exists is kept, whatever happens.

    Returns
    -------
    context manager of Path
        The folder, with links followed.

    Raises
    ------
    WriteError
        If it cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_folder(f"{parent}/a/b") as folder:
    ...         folder.is_dir()
    True
    """
    folder = _real_folder(path)
    missing = [parent for parent in (folder, *folder.parents) if not os.path.lexists(parent)]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _no_folder(path, error.errno or errno.EIO) from error
        yield folder
    except BaseException:
        # one that another run has filled stays
        with contextlib.suppress(OSError):
            for made in missing:
                made.rmdir()
        raise


def check_writable(path: PathLike) -> None:
    """Raise an error before the work begins, where its output could not be written.

    Parameters
    ----------
    path : path-like
        File that will be written.

    Raises
    ------
    WriteError
        If its folder is missing or not writable, or the path is a folder, a pipe, a socket or a device, a link that
        leads nowhere, or below ``/dev``, ``/proc`` or ``/sys``.

    Examples
    --------
    >>> check_writable("no_such_folder/model.gmm")
    Traceback (most recent call last):
    gmmaudio.errors.WriteError: no_such_folder/model.gmm: the folder no_such_folder is not there; make it first
    """
    if str(path) == "-":
        raise WriteError("-: standard output cannot be used here; name a file")
    with write_errors(path):
        target = resolve_output(path)
        existing = _check_kind(path, target)
        # the folder as it was named, where no link leads to another one
        folder = target.parent if Path(path).is_symlink() else Path(path).parent
        if not folder.is_dir():
            raise WriteError(f"{path}: the folder {folder} is not there; make it first")
        if not os.access(folder, os.W_OK):
            raise WriteError(f"{path}: the folder {folder} cannot be written; choose another path")
        if existing is not None and _keeps_others(folder.stat(), existing):
            raise WriteError(f"{path}: is a file of another user in a shared folder; choose another path")
        _try_to_write(folder)


def check_folder(path: PathLike, *, parents: bool = False) -> None:
    """Raise an error before the work begins, where files could not be written into a folder.

    Parameters
    ----------
    path : path-like
        Folder that exists, or can be made.
    parents : bool
        Its parents may be missing too.

    Raises
    ------
    WriteError
        If it is no folder, cannot be made or not be written, or lies below ``/dev``, ``/proc`` or ``/sys``.

    Examples
    --------
    >>> check_folder("no_such_folder/tables")
    Traceback (most recent call last):
    gmmaudio.errors.WriteError: no_such_folder/tables: the folder cannot be made (No such file or directory); choose ...
    """
    if str(path) == "-":
        raise WriteError("-: standard output cannot be used here; name a folder")
    with write_errors(path):
        folder = _real_folder(path)
        existing = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
        if not existing.is_dir():
            raise _no_folder(path, errno.EEXIST if existing == folder else errno.ENOTDIR)
        if not parents and existing not in (folder, folder.parent):
            raise _no_folder(path, errno.ENOENT)
        if not os.access(existing, os.W_OK):
            raise WriteError(f"{path}: the folder cannot be written; choose another path")
        _try_to_write(existing)


def check_target(path: PathLike) -> None:
    """Raise an error where an existing path is no file that may be replaced.

    Parameters
    ----------
    path : path-like
        File that will be written, in a folder of its own check.

    Raises
    ------
    WriteError
        As for :func:`check_writable`.

    Examples
    --------
    >>> check_target("/")
    Traceback (most recent call last):
    gmmaudio.errors.WriteError: /: is a folder; name a file in it
    """
    with write_errors(path):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return
        # there may be many, and most are plain files
        if not stat.S_ISREG(mode):
            _check_kind(path, resolve_output(path))


def longest_name(folder: PathLike) -> int:
    """Return the largest length of a file's name that the file system of a folder takes, bytes.

    Parameters
    ----------
    folder : path-like
        A folder, which need not exist yet.

    Examples
    --------
    >>> longest_name("/new") > 100
    True
    """
    existing = next(parent for parent in (Path(folder).absolute() / "_").parents if parent.is_dir())
    try:
        return os.pathconf(existing, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):
        return USUAL_LONGEST_NAME


def resolve_output(path: PathLike) -> Path:
    """Return the path of the file that is written for ``path``: links are followed, also to a file that is to be made.

    Parameters
    ----------
    path : path-like
        File that will be written.

    Returns
    -------
    Path
        An absolute path, which is no link.

    Raises
    ------
    WriteError
        If links lead back to themselves, or to a place below ``/dev``, ``/proc`` or ``/sys``.

    Examples
    --------
    >>> resolve_output("/dev/stdout")
    Traceback (most recent call last):
    gmmaudio.errors.WriteError: /dev/stdout: lies below /dev, where no file can be kept; name a file in another folder
    """
    name = str(Path(path))
    for _ in range(MAX_LINKS):
        parent, last = os.path.split(name)
        name = os.path.join(os.path.realpath(parent or "."), last)  # noqa: PTH118 - a name may be ..
        for system in SYSTEM_FOLDERS:
            if name == system or name.startswith(f"{system}/"):
                place = "lies" if name == str(path) else f"leads to {name},"
                raise WriteError(
                    f"{path}: {place} below {system}, where no file can be kept; name a file in another folder"
                )
        if not os.path.islink(name):  # noqa: PTH114
            return Path(name)
        name = os.path.join(os.path.dirname(name), os.readlink(name))  # noqa: PTH115, PTH118, PTH120
    raise WriteError(f"{path}: is a link that leads back to itself; choose another path")


@contextlib.contextmanager
def write_errors(path: PathLike) -> Iterator[None]:
    """Return a context manager that raises errors of the system in its block as a WriteError that names ``path``.

    Parameters
    ----------
    path : path-like
        The file that the block writes.

    Raises
    ------
    WriteError
        If the block raises an OSError.

    Examples
    --------
    >>> with write_errors("scores.csv"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    gmmaudio.errors.WriteError: scores.csv: cannot be written (No space left on device); choose another path
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, GmmaudioError):
            raise
        raise WriteError(f"{path}: cannot be written ({error.strerror or error}); choose another path") from error


@contextlib.contextmanager
def _open_draft(path: PathLike) -> Iterator[Draft]:
    """Give a temporary file in the folder of the target of ``path``; it is removed unless it was renamed."""
    target = resolve_output(path)
    _check_kind(path, target)
    with temporary_file(target.parent) as (handle, name):
        yield Draft(target, name, handle)


def _finish(draft: Draft) -> None:
    """Bring a draft to disk, with the permissions of the file that it replaces, or those of a new one."""
    draft.handle.flush()
    os.fsync(draft.handle.fileno())
    try:
        replaced = draft.target.stat()
    except FileNotFoundError:
        os.chmod(draft.name, 0o666 & ~_umask())  # noqa: PTH101 - a name, not a Path
        return
    # only root may give a file to another user
    with contextlib.suppress(OSError, AttributeError):
        os.chown(draft.name, replaced.st_uid, replaced.st_gid)
    os.chmod(draft.name, replaced.st_mode & 0o777)  # noqa: PTH101


def _publish(drafts: Sequence[Draft]) -> None:
    """Give finished drafts the names of their targets: all of them, or after an exception none."""
    with contextlib.ExitStack() as stack:
        copies = {}
        for draft in drafts if len(drafts) > 1 else ():
            with write_errors(draft.target):
                if draft.target.exists():
                    copies[draft.name] = stack.enter_context(_copied(draft.target))
        try:
            for draft in drafts:
                with write_errors(draft.target):
                    os.replace(draft.name, draft.target)  # noqa: PTH105
        except BaseException:
            for draft in drafts:
                if not os.path.lexists(draft.name):
                    _take_back(draft.target, copies.get(draft.name))
            raise


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[str]:
    """Give the name of a copy of a file beside it."""
    with temporary_file(path.parent) as (handle, name), path.open("rb") as source:
        shutil.copyfileobj(source, handle)
        handle.flush()
        shutil.copystat(path, name)
        yield name


def _take_back(target: Path, copy: str | None) -> None:
    """Put the copy of an older file in the place of a new one; without a copy there was none."""
    with contextlib.suppress(OSError):
        if copy is None:
            target.unlink()
        else:
            os.replace(copy, target)  # noqa: PTH105


def _check_kind(path: PathLike, target: Path) -> os.stat_result | None:
    """Return the status of an existing target, which is a regular file; None where there is none."""
    try:
        status = target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(status.st_mode):
        raise WriteError(f"{path}: is a folder; name a file in it")
    if stat.S_ISSOCK(status.st_mode):
        raise WriteError(f"{path}: is a socket; name a file")
    if not stat.S_ISREG(status.st_mode):
        raise WriteError(f"{path}: is a pipe or a device; name a file")
    return status


def _try_to_write(folder: Path) -> None:
    """Write a few bytes into a folder and remove them: a disk may be full, or not be written for other reasons."""
    with temporary_file(folder) as (handle, _):
        handle.write(bytes(PROBE_BYTES))
        handle.flush()


def _keeps_others(folder: os.stat_result, file: os.stat_result) -> bool:
    """Return whether a folder, such as /tmp, lets no other user replace a file."""
    is_shared = bool(folder.st_mode & stat.S_ISVTX)
    return is_shared and os.geteuid() not in (0, file.st_uid, folder.st_uid)


def _real_folder(path: PathLike) -> Path:
    """Return the path of a folder with links followed."""
    return Path(os.path.realpath(resolve_output(path)))


def _no_folder(path: PathLike, code: int) -> WriteError:
    """Return the error for a folder that cannot be made."""
    return WriteError(f"{path}: the folder cannot be made ({os.strerror(code)}); choose another path")


def _umask() -> int:
    """Return the process's mode mask for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
