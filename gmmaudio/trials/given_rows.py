"""Rows that another program made of clips: where they are, and which of them are those of a clip."""

from __future__ import annotations

import contextlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gmmaudio.arrays import as_numbers
from gmmaudio.corpus import Clip, list_audio
from gmmaudio.errors import CorpusError, RowsError, SettingError
from gmmaudio.features import Frames, GivenFrames
from gmmaudio.features.given_frames import check_name, check_rate
from gmmaudio.files import find_path, in_units
from gmmaudio.findings import some_names
from gmmaudio.names import file_text, normal
from gmmaudio.trials.array_files import ARRAY_BYTES, KEY_COLUMNS, OPENERS, ArrayFile, Numbers, only_array, open_arrays
from gmmaudio.values import convert, shown

# reason code of rows that cannot be used -> its meaning
ROWS_REASONS: dict[str, str] = {
    "vanished": "no rows are there for the clip",
    "ambiguous": "several files, or several arrays of one name, may be those of the clip",
    "not_a_file": "the path is a folder, a device or a pipe",
    "unreadable": "the system refused to read the file, or a library for it is not installed",
    "empty": "the file has no bytes",
    "damaged": "the content is not of the format that the suffix tells, or is cut short",
    "not_rows": "no matrix or vector of real numbers",
    "no_rows": "a matrix without rows, or without columns",
    "too_large": "more bytes than the rows of one clip may take",
    "wrong_dimension": "another number of columns than the other clips have, or the model takes",
    "non_finite": "an infinite number, or one beyond single precision",
    "missing_values": "missing values (NaN) where the model takes none, or nothing else",
    "bad_segment": "a segment that rows without a rate cannot be cut to, or that lies outside them",
    "too_short": "fewer seconds than the minimum duration",
}
# clips that are looked at to find the number of columns
MAX_PROBED = 25
ROWS_SUFFIXES = tuple(OPENERS)


@dataclass(frozen=True, eq=False)
class GivenRows:
    """Rows that another program made of clips: embeddings, filter banks, or whatever else has columns.

    Parameters
    ----------
    rows : path-like, or mapping of str to array_like
        A folder with one file for each clip, at the clip's own path with the suffix of a format (``.npy``, ``.npz``,
        ``.parquet``, ``.safetensors``) after its own or instead of it; a ``.npz``, ``.parquet`` or ``.safetensors``
        file with an array for each clip, by its path or by that without suffix; or such arrays in memory. An array is
        a matrix, shape (n_frames, n_columns), or a vector, shape (n_columns,).
    rows_name : str or None
        Name of what made the rows, such as ``wav2vec2-base layer 7``: a model records it and refuses other rows. None
        takes that of the model; training needs one.
    rows_column : str or None
        Column of the manifest that names the rows of each clip, instead of ``path``. Of a ``.npy`` file it holds the
        index along the first axis, from 0.
    rows_rate_hz : float or None
        Rows in a second. None, for one vector for each clip or where the rate is not known: each row counts as one
        second, and nothing that is measured in seconds can be asked for.

    Raises
    ------
    SettingError
        If a value is of another type, or outside its bounds.

    Examples
    --------
    >>> given = GivenRows({"a.wav": np.zeros((3, 2)), "b.wav": np.ones(2)}, rows_name="ours")
    >>> with given.open() as reader:
    ...     [reader.read(Clip(path, "jazz")).shape for path in given.clip_names()]
    [(3, 2), (1, 2)]
    """

    rows: str | os.PathLike[str] | Mapping[str, Any]
    rows_name: str | None = None
    rows_column: str | None = None
    rows_rate_hz: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.rows, Mapping):
            convert("`rows`", self.rows, str | os.PathLike[str])
        else:
            wrong = [name for name in self.rows if not isinstance(name, str)]
            if wrong:
                raise SettingError(f"`rows` has an array called {shown(wrong[0])}; expected the path of a clip")
        for name, hint in (("rows_name", str | None), ("rows_column", str | None), ("rows_rate_hz", float | None)):
            object.__setattr__(self, name, convert(f"`{name}`", getattr(self, name), hint))
        if self.rows_name is not None:
            check_name(self.rows_name)
        check_rate(self.rows_rate_hz)

    @property
    def path(self) -> Path | None:
        """The folder or file; None where the arrays are in memory."""
        return None if isinstance(self.rows, Mapping) else find_path(Path(self.rows))

    @property
    def is_folder(self) -> bool:
        """Whether they are in a folder."""
        path = self.path
        return path is not None and os.path.isdir(path)  # noqa: PTH112 - a name too long is no folder

    def frames(self, n_columns: int) -> GivenFrames:
        """Return the settings of frames with a number of columns; SettingError where the rows have no name.

        Parameters
        ----------
        n_columns : int
            Columns of a row.
        """
        if self.rows_name is None:
            raise SettingError(
                "`rows_name` is None; expected the name of what made the rows, such as 'wav2vec2-base layer 7': the "
                "model records it, and refuses other rows"
            )
        return GivenFrames(rows_name=self.rows_name, n_columns=n_columns, rows_rate_hz=self.rows_rate_hz)

    @contextlib.contextmanager
    def open(self) -> Iterator[RowReader]:
        """Return a context manager that gives the reader of the rows of clips.

        Raises
        ------
        CorpusError
            If the folder or file cannot be used at all.
        """
        path = self.path
        if path is None:
            yield RowReader(self, _InMemory(dict(self.rows)))  # type: ignore[arg-type]
        elif self.is_folder:
            yield RowReader(self, _Folder(path))
        else:
            with contextlib.ExitStack() as stack:
                try:
                    arrays = stack.enter_context(open_arrays(path, self.rows_column))
                except RowsError as error:
                    raise CorpusError(f"{path}: {error}; expected a folder, or a file, of rows (`rows`)") from error
                of_index = path.suffix.lower() == ".npy"
                yield RowReader(self, _OneArray(path, arrays) if of_index else _Container(path, arrays))

    def clip_names(self) -> tuple[str, ...]:
        """Return the names of all clips that have rows, sorted; those of a folder are the paths of its files.

        Raises
        ------
        CorpusError
            If there are none.
        """
        with self.open() as reader:
            names = tuple(sorted(reader.place.names()))
        if not names:
            raise CorpusError(f"{self.path or 'rows'}: holds no rows; expected files of {', '.join(ROWS_SUFFIXES)}")
        return names

    def count_columns(self, clips: Sequence[Clip]) -> int:
        """Return the number of columns that most of some clips have, evenly spaced, the first of equals.

        Parameters
        ----------
        clips : sequence of Clip
            Clips, at least one.

        Raises
        ------
        CorpusError
            If no clip of them has rows that can be read.

        Examples
        --------
        >>> GivenRows({"a.wav": np.zeros((3, 2))}).count_columns([Clip("a.wav", "jazz")])
        2
        """
        counts: Counter[int] = Counter()
        first: tuple[str, RowsError] | None = None
        probed = clips[:: max(1, -(-len(clips) // MAX_PROBED))]
        with self.open() as reader:
            for clip in probed:
                try:
                    counts[reader.read(clip).shape[1]] += 1
                except RowsError as error:
                    first = first or (clip.path, error)
        if not counts and first is not None:
            raise CorpusError(
                f"no rows of {len(probed)} clips that were looked at can be used, the first: {first[0]}: {first[1]}"
            )
        return counts.most_common(1)[0][0]


class _Place(Protocol):
    """Where rows are: in memory, in a folder or in a file."""

    def names(self) -> Sequence[str]:
        """Return the names of all clips in it."""

    def find(self, key: str, column: str | None, /) -> Any:
        """Return the array of a key: a path, or the value of a column."""


class _Container:
    """Arrays of several clips in a file, by name."""

    def __init__(self, path: Path, arrays: ArrayFile) -> None:
        self._path, self._arrays = path, arrays
        self._by_name = {normal(name): name for name in arrays.names}

    def names(self) -> Sequence[str]:
        # one array without a name is that of the file
        return [name or self._path.name for name in self._arrays.names]

    def find(self, key: str, column: str | None) -> Numbers:
        if list(self._by_name) == [""] and key != self._path.name:
            known = ", ".join(KEY_COLUMNS if column is None else (column, *KEY_COLUMNS))
            raise RowsError(
                "vanished",
                f"has no name in {self._path.name}, which has none of the columns {known}; give it one that names the "
                "clip of each row",
            )
        name = _find_name(key, self._by_name, self._path.name)
        return self._arrays.read("" if name == self._path.name and name not in self._arrays.names else name)


class _InMemory:
    """Arrays in memory, by name."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._arrays = arrays
        self._by_name = {normal(name): name for name in arrays}

    def names(self) -> Sequence[str]:
        return list(self._arrays)

    def find(self, key: str, _column: str | None) -> Any:
        return self._arrays[_find_name(key, self._by_name, "rows")]


class _OneArray:
    """A .npy file: the rows of one clip, or one entry along its first axis for each."""

    def __init__(self, path: Path, arrays: ArrayFile) -> None:
        self._path, self._arrays = path, arrays

    def names(self) -> Sequence[str]:
        return [self._path.name]

    def find(self, key: str, column: str | None) -> Numbers:
        array = self._arrays.read("")
        if column is None:
            if key == self._path.name:
                return array
            raise RowsError(
                "vanished",
                f"has no name in {self._path.name}, which is one array; name the column of the manifest that holds the "
                "index of each clip (`rows_column`), or a folder of such files",
            )
        # int() refuses thousands of digits
        is_index = key.isascii() and key.isdecimal() and len(key) < 20
        if not is_index or array.ndim < 2 or int(key) >= len(array):
            last = len(array) - 1 if array.ndim > 1 else 0
            raise RowsError(
                "vanished",
                f"has {shown(key)} in the column {column!r}; expected 0 to {last}, the index along the first axis of "
                f"{self._path.name}, of shape {array.shape}",
            )
        row: Numbers = array[int(key)]
        return row


class _Folder:
    """A folder with one file for each clip."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> Sequence[str]:
        files, _ = list_audio(self._folder, ROWS_SUFFIXES)
        return [file_text(file.relative_to(self._folder).as_posix()) for file in files]

    def find(self, key: str, _column: str | None) -> Numbers:
        with open_arrays(self._path_of(key)) as arrays:
            # the file is closed after it
            return np.array(only_array(arrays))

    def _path_of(self, key: str) -> Path:
        """Return the path of the file of a clip."""
        path = Path(key)
        if path.is_absolute() or ".." in path.parts or "\0" in key:
            raise RowsError(
                "vanished",
                f"has the path {key!r}, which leads out of the folder of rows; name a column with another "
                "(`rows_column`)",
            )
        if path.suffix.lower() in ROWS_SUFFIXES:
            return self._folder / path
        names = [f"{path}{suffix}" for suffix in ROWS_SUFFIXES]
        names += [str(path.with_suffix(suffix)) for suffix in ROWS_SUFFIXES] if path.suffix else []
        found = [each for each in (find_path(self._folder / name) for name in names) if os.path.lexists(each)]
        if len(found) > 1:
            raise RowsError("ambiguous", f"has {some_names([each.name for each in found])}; keep one of them")
        if not found:
            raise RowsError("vanished", f"has no {names[0]} in {self._folder}, nor another format; check both paths")
        return found[0]


def _find_name(key: str, by_name: Mapping[str, str], place: str) -> str:
    """Return the name of an array that is a key, or a key without its suffix."""
    for each in (key, os.path.splitext(key)[0]):  # noqa: PTH122 - a name, not a path
        if normal(each) in by_name:
            return by_name[normal(each)]
    if key == place:
        return key
    raise RowsError("vanished", f"has no array in {place}, by its path or by that without suffix; check both")


@dataclass(frozen=True, eq=False)
class RowReader:
    """Reads the rows of clips from an open place.

    Parameters
    ----------
    given : GivenRows
        Column and rate.
    place : object
        The place.
    """

    given: GivenRows
    place: _Place

    def read(self, clip: Clip) -> Frames:
        """Return the rows of a clip, shape (n, n_columns), float32; NaN is a missing value.

        Parameters
        ----------
        clip : Clip
            A clip. Its segment, if it has one, is cut from the rows of its path; the rows that a column names are
            those of the segment.

        Raises
        ------
        RowsError
            If there are none, or they are no rows.
        """
        column = self.given.rows_column
        key = clip.path if column is None else clip.column(column)
        if not key:
            raise RowsError("vanished", f"has no value in the column {column!r}; name its rows there")
        rows = as_rows(self.place.find(key, column))
        if column is not None or (not clip.start_s and clip.end_s is None):
            return rows
        return _cut(rows, clip, self.given.rows_rate_hz)


def as_rows(array: Any) -> Frames:
    """Return an array as rows, shape (n, n_columns), float32; a vector is one row, and a masked value NaN.

    Parameters
    ----------
    array : array_like
        A matrix, shape (n, n_columns), or a vector, shape (n_columns,).

    Raises
    ------
    RowsError
        If it is no such array of numbers, has no rows, or an infinite number.

    Examples
    --------
    >>> as_rows([1, 2])
    array([[1., 2.]], dtype=float32)
    """
    try:
        numbers = as_numbers(array, "no array of real numbers", ValueError, missing=True)
    except ValueError as error:
        raise RowsError("not_rows", f"holds {error}; expected a matrix (n_frames, n_columns) or a vector") from error
    if numbers.ndim not in (1, 2):
        raise RowsError(
            "not_rows", f"has shape {numbers.shape}; expected (n_frames, n_columns), or (n_columns,) for one vector"
        )
    if not numbers.size:
        raise RowsError("no_rows", f"has shape {numbers.shape}; expected at least one row and one column")
    if 4 * numbers.size > ARRAY_BYTES:
        raise RowsError(
            "too_large", f"has shape {numbers.shape}; expected at most {in_units(ARRAY_BYTES)} for one clip"
        )
    with np.errstate(over="ignore"):
        rows = np.atleast_2d(np.asarray(numbers, dtype=np.float32))
    infinite = np.argwhere(np.isinf(rows))
    if len(infinite):
        row, column = infinite[0]
        given = numbers.reshape(rows.shape)[row, column]
        raise RowsError(
            "non_finite", f"row {row}, column {column} is {given}; expected finite numbers of single precision"
        )
    return np.ascontiguousarray(rows)


def _cut(rows: Frames, clip: Clip, rate_hz: float | None) -> Frames:
    """Return the rows of a clip's segment."""
    if rate_hz is None:
        raise RowsError(
            "bad_segment",
            "is a segment of a file, and the rate of the rows is not known; name it (`rows_rate_hz`), or the column "
            "that names the rows of each clip (`rows_column`)",
        )
    first = math.floor(clip.start_s * rate_hz + 0.5)
    last = len(rows) if clip.end_s is None else math.floor(clip.end_s * rate_hz + 0.5)
    if not first < min(last, len(rows)) or last > len(rows) + 1:
        raise RowsError(
            "bad_segment",
            f"is from {clip.start_s:g} to {'the end' if clip.end_s is None else f'{clip.end_s:g} s'}, and the rows "
            f"last {len(rows) / rate_hz:g} s; check the times, and `rows_rate_hz`",
        )
    return rows[first:last]
