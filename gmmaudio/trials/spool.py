"""The frames and rows of a run: in memory up to a bound, and beyond it in files of a temporary folder.

What is in a file is opened when it is used. A file is removed when nothing refers to it any more, the folder at the end
of the run; what a killed run left of it is removed by the next. The bytes are the same, and so is what is made of them.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import ReadError, WriteError
from gmmaudio.features import RawFrames, Rows
from gmmaudio.features.entry_file import DamagedEntryError, Entry, decode_entry, encode_entry
from gmmaudio.mixture.file_rows import FileRows
from gmmaudio.temporary_files import remove_left_over, temporary_folder

DEFAULT_MEMORY_BYTES = 1_000_000_000
# a file of rows is removed when all of them are dropped
VOLUME_BYTES = 256 * 2**20
# written for the frames of a clip, which have no key
NO_KEY = ""


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """The raw frames of a clip in a file.

    Parameters
    ----------
    path : str
        The file.
    n_frames : int
        Frames in it.
    """

    path: str
    n_frames: int

    def __len__(self) -> int:
        return self.n_frames

    @classmethod
    def write(cls, folder: str, raw: RawFrames) -> StoredFrames:
        """Return frames that are written to a new file, by whatever process.

        Parameters
        ----------
        folder : str
            Folder of the file.
        raw : RawFrames
            The frames.

        Raises
        ------
        WriteError
            If they cannot be written.

        Examples
        --------
        >>> numbers = np.zeros(3, dtype=np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stored = StoredFrames.write(folder, RawFrames(numbers[:, None], numbers, numbers))
        ...     len(stored), len(stored.read())
        (3, 3)
        """
        arrays = {"values": raw.values, "level_db": raw.level_db, "time_s": raw.time_s, "speech": raw.speech}
        entry = Entry({name: array for name, array in arrays.items() if array is not None}, {"n_before": raw.n_before})
        with _refused_writes(folder):
            descriptor, path = tempfile.mkstemp(dir=folder, prefix="frames-")
            with os.fdopen(descriptor, "wb") as handle:
                handle.writelines(encode_entry(NO_KEY, entry))
        return cls(path, len(raw))

    def read(self) -> RawFrames:
        """Return the frames.

        Raises
        ------
        ReadError
            If the file is gone, or damaged.
        """
        try:
            _, entry = decode_entry(Path(self.path).read_bytes())
        except (OSError, DamagedEntryError) as error:
            raise ReadError(f"{self.path}: cannot be read ({error}); this run had written it") from error
        arrays = entry.arrays
        return RawFrames(
            arrays["values"], arrays["level_db"], arrays["time_s"], arrays.get("speech"), entry.record["n_before"]
        )


@dataclass(frozen=True, eq=False)
class StoredRows:
    """The rows of a trial in a file.

    Parameters
    ----------
    values, time_s : FileRows
        The places of the rows, and of their times as a matrix of one column.
    volumes : tuple of object
        Keep the files for as long as these rows live.
    """

    values: FileRows
    time_s: FileRows
    volumes: tuple[object, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def open(self) -> Rows:
        """Return the rows, as a memory map."""
        return Rows(self.values.open(), self.time_s.open()[:, 0])


class Spool:
    """Memory for the frames and rows of a run up to a bound, and files for the rest.

    Parameters
    ----------
    memory_bytes : int
        Bytes of frames and rows that are held in memory.
    folder : Path or None
        Where a folder for files is made once one is needed; None is the system's folder for temporary files.

    Examples
    --------
    >>> rows = Rows(np.ones((1000, 20), dtype=np.float32), np.zeros(1000, dtype=np.float32))
    >>> with Spool(100_000) as spool:
    ...     [type(spool.hold_rows(rows)).__name__ for _ in range(2)]
    ['Rows', 'StoredRows']
    """

    def __init__(self, memory_bytes: int = DEFAULT_MEMORY_BYTES, folder: Path | None = None) -> None:
        self._left = memory_bytes
        self._base = Path(tempfile.gettempdir()) if folder is None else folder
        self._open = contextlib.ExitStack()
        self._folder: str | None = None
        # rows stand one after another, without their times between them, so that neighbours can be read as one
        self._values, self._times = _Volumes(), _Volumes()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def folder_for(self, n_bytes: float) -> str | None:
        """Return the folder that frames of so many bytes are written to by those who make them; None where they fit.

        Parameters
        ----------
        n_bytes : float
            Bytes that are expected.
        """
        return None if n_bytes <= self._left else self._make_folder()

    def hold_frames(self, frames: RawFrames | StoredFrames) -> RawFrames | StoredFrames:
        """Return frames in memory where they fit, and otherwise in a file, which is removed when they are dropped.

        Parameters
        ----------
        frames : RawFrames or StoredFrames
            In memory, or in the folder of :meth:`folder_for`.

        Raises
        ------
        WriteError
            If they cannot be written.
        """
        if isinstance(frames, RawFrames):
            arrays = (frames.values, frames.level_db, frames.time_s, frames.speech)
            if self._takes(frames, sum(array.nbytes for array in arrays if array is not None)):
                return frames
            frames = StoredFrames.write(self._make_folder(), frames)
        _on_drop(frames, _unlink, frames.path)
        return frames

    def hold_rows(self, rows: Rows) -> Rows | StoredRows:
        """Return rows in memory where they fit, and otherwise in a file, which is removed when all in it are dropped.

        Parameters
        ----------
        rows : Rows
            Rows of a trial.

        Raises
        ------
        WriteError
            If they cannot be written.
        """
        if self._takes(rows, rows.values.nbytes + rows.time_s.nbytes):
            return rows
        folder = self._make_folder()
        with _refused_writes(folder):
            values, of_values = self._values.append(folder, rows.values)
            time_s, of_times = self._times.append(folder, rows.time_s[:, None])
        return StoredRows(values, time_s, (of_values, of_times))

    def _takes(self, held: RawFrames | Rows, n_bytes: int) -> bool:
        """Return whether memory is left for numbers, which then is taken until they are dropped."""
        if n_bytes > self._left:
            return False
        self._left -= n_bytes
        _on_drop(held, self._give_back, n_bytes)
        return True

    def _give_back(self, n_bytes: int) -> None:
        """Count memory as free again."""
        self._left += n_bytes

    def _make_folder(self) -> str:
        """Return the folder of this run, which is made when it is first needed."""
        if self._folder is None:
            with _refused_writes(str(self._base)):
                self._base.mkdir(parents=True, exist_ok=True)
                remove_left_over(self._base)
                self._folder = self._open.enter_context(temporary_folder(self._base))
            self._open.callback(self._values.close)
            self._open.callback(self._times.close)
        return self._folder


class _Volume:
    """A file of matrices, which is removed when nothing refers to it."""

    def __init__(self, folder: str) -> None:
        descriptor, self.path = tempfile.mkstemp(dir=folder, prefix="rows-")
        self.handle: BinaryIO = os.fdopen(descriptor, "wb", buffering=0)
        self.n_bytes = 0
        _on_drop(self, _unlink, self.path)


class _Volumes:
    """Matrices one after another in files."""

    def __init__(self) -> None:
        self._last: _Volume | None = None

    def append(self, folder: str, matrix: npt.NDArray[Any]) -> tuple[FileRows, _Volume]:
        """Return the place of a matrix, which has the order of its elements in memory there too, and its file."""
        if self._last is None or self._last.n_bytes >= VOLUME_BYTES:
            self.close()
            self._last = _Volume(folder)
        volume, is_transposed = self._last, matrix.flags.f_contiguous and not matrix.flags.c_contiguous
        whole = np.ascontiguousarray(matrix.T if is_transposed else matrix)
        offset, volume.n_bytes = volume.n_bytes, volume.n_bytes + whole.nbytes
        _write_all(volume.handle, whole.data.cast("B") if whole.size else memoryview(b""))
        n, d = matrix.shape
        strides = whole.strides[::-1] if is_transposed else whole.strides
        return FileRows(volume.path, whole.dtype.str, (n, d), (strides[0], strides[1]), offset), volume

    def close(self) -> None:
        """Write no more to the last file."""
        if self._last is not None:
            self._last.handle.close()
            self._last = None


def _write_all(handle: BinaryIO, data: memoryview) -> None:
    """Write all bytes: an unbuffered file may take a part of them at a time."""
    while len(data):
        data = data[handle.write(data) :]


@contextlib.contextmanager
def _refused_writes(folder: str) -> Iterator[None]:
    """Return a context manager that names the folder that cannot be written, and what helps."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{folder}: features that do not fit into memory cannot be written ({error.strerror or error}); choose "
            "another folder (`cache`, or the environment variable TMPDIR), or allow more memory (`memory_bytes`)"
        ) from error


def _on_drop(held: object, function: Any, argument: object) -> None:
    """Call a function when an object is dropped, but not at the end of the process: the folder is removed then."""
    weakref.finalize(held, function, argument).atexit = False


def _unlink(path: str) -> None:
    """Remove a file, where it is still there."""
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - a name, not a Path
