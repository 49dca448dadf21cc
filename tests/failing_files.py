"""A file system on which the n-th operation fails: files below some folders that this process writes.

Counted are all operations that change such files or folders: opening one for writing, writing to it, bringing it to
disk, cutting it, renaming, removing, changing permissions, making folders. Reading is not. The functions of ``os`` and
``io`` are replaced; what a library in C writes by itself is not seen.
"""

import builtins
import contextlib
import io
import os


class FailingFiles:
    """Operations on files below folders, of which one fails, or all from one on.

    Parameters
    ----------
    folders : sequence of path-like
        The folders.
    n : int
        Number of the operation that fails, from 0; -1: none.
    error : int
        Its error number.
    persists : bool
        Let all later ones fail too, as on a full disk; removing and renaming still work there.
    """

    def __init__(self, folders, n=-1, error=0, *, persists=False):
        self.folders = [os.path.realpath(folder) for folder in folders]
        self.n, self.error, self.persists = n, error, persists
        self.operations = []
        self._files = set()

    def is_below(self, path):
        """Return whether a path lies in one of the folders."""
        try:
            name = os.path.realpath(os.fsdecode(path))
        except (TypeError, ValueError):
            return False
        return any(name == folder or name.startswith(folder + os.sep) for folder in self.folders)

    def step(self, kind, name=""):
        """Count an operation, or let it fail."""
        index = len(self.operations)
        self.operations.append(kind)
        has_failed = self.persists and 0 <= self.n < index and kind in ("open", "write", "fsync", "mkdir")
        if index == self.n or has_failed:
            raise OSError(self.error, os.strerror(self.error), str(name))

    def keep(self, descriptor):
        """Remember the file of a descriptor as one that is counted."""
        status = os.fstat(descriptor)
        self._files.add((status.st_dev, status.st_ino))

    def is_kept(self, descriptor):
        """Return whether the file of a descriptor is counted."""
        if not isinstance(descriptor, int):
            descriptor = descriptor.fileno()
        status = os.fstat(descriptor)
        return (status.st_dev, status.st_ino) in self._files


class _Raw(io.FileIO):
    """A file whose operations are counted."""

    failing = None

    def write(self, data):
        self.failing.step("write", self.name)
        return super().write(data)

    def truncate(self, size=None):
        self.failing.step("truncate", self.name)
        return super().truncate(size)


class _Buffered:
    """A buffered file that numpy does not take for one that it could write to by itself."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        return iter(self._file)


def _opened(failing, file, mode, buffering, encoding, errors, newline, closefd):
    """Return a file that is opened as by ``open``, its operations counted."""
    raw = _Raw(file, mode.replace("b", "").replace("t", ""), closefd=closefd)
    raw.failing = failing
    failing.keep(raw.fileno())
    if buffering == 0:
        return raw
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    if "b" in mode:
        return _Buffered(buffered)
    return io.TextIOWrapper(buffered, encoding, errors, newline)


REAL_OPEN, REAL_OS_OPEN = io.open, os.open
# functions of os on paths and on open files -> the kind of operation
OF_PATHS = {"replace": "rename", "rename": "rename", "chmod": "chmod", "mkdir": "mkdir", "unlink": "unlink"}
OF_PATHS |= {"remove": "unlink", "rmdir": "unlink"}
OF_FILES = {"fsync": "fsync", "fdatasync": "fsync", "ftruncate": "truncate", "write": "write"}


def _open_of(failing):
    """Return the function that stands for ``open``."""

    def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        is_counted = set(mode) & set("wax+") and opener is None
        if not is_counted or not (failing.is_kept(file) if isinstance(file, int) else failing.is_below(file)):
            return REAL_OPEN(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if not isinstance(file, int):
            failing.step("open", file)
        return _opened(failing, file, mode, buffering, encoding, errors, newline, closefd)

    return opened


def _os_open_of(failing):
    """Return the function that stands for ``os.open``."""

    def opened(path, flags, mode=0o777, **kwargs):
        is_counted = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and failing.is_below(path)
        if is_counted:
            failing.step("open", path)
        descriptor = REAL_OS_OPEN(path, flags, mode, **kwargs)
        if is_counted:
            failing.keep(descriptor)
        return descriptor

    return opened


def _counted(failing, kind, real, is_counted):
    """Return the function that stands for one of ``os`` on a path or an open file."""

    def function(first, *args, **kwargs):
        if is_counted(first) or (args and kind == "rename" and failing.is_below(args[0])):
            failing.step(kind, first)
        return real(first, *args, **kwargs)

    return function


@contextlib.contextmanager
def failing_files(folders, n=-1, error=0, *, persists=False):
    """Return a context manager of :class:`FailingFiles`, in which the operations of this process are counted."""
    failing = FailingFiles(folders, n, error, persists=persists)
    opened = _open_of(failing)
    replaced = {(io, "open"): opened, (builtins, "open"): opened, (os, "fdopen"): opened}
    replaced[os, "open"] = _os_open_of(failing)
    for names, is_counted in ((OF_PATHS, failing.is_below), (OF_FILES, failing.is_kept)):
        for name, kind in names.items():
            if hasattr(os, name):
                replaced[os, name] = _counted(failing, kind, getattr(os, name), is_counted)
    kept = {(module, name): getattr(module, name) for module, name in replaced}
    try:
        for (module, name), function in replaced.items():
            setattr(module, name, function)
        yield failing
    finally:
        for (module, name), function in kept.items():
            setattr(module, name, function)
