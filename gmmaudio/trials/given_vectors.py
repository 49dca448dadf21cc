"""Vectors that are given beside the sound of clips: where they are, and which of them are those of a clip."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gmmaudio.corpus import Clip, list_audio
from gmmaudio.errors import CorpusError, RowsError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import Frames, GivenFrames
from gmmaudio.features.given_frames import check_name
from gmmaudio.files import find_path
from gmmaudio.findings import some_names
from gmmaudio.names import normal
from gmmaudio.trials.given_rows import ROWS_SUFFIXES, GivenRows, RowReader, as_rows
from gmmaudio.trials.trial import Trial, TrialSet, TrialVectors
from gmmaudio.values import convert, shown

HASHED_AT_ONCE = 2**20
# path, start and end of a clip
Place = tuple[str, float, float | None]


@dataclass(frozen=True, eq=False)
class GivenVectors:
    """Vectors that another program made of clips, beside their sound: one for each clip, or a few.

    Parameters
    ----------
    vectors : path-like, or mapping of str to array_like
        A folder, a file, or arrays in memory, as for :class:`gmmaudio.GivenRows`. An array is a vector, shape
        (n_columns,), or a few of one clip, shape (n, n_columns), which count as one by their mean score.
    vectors_name : str or None
        Name of what made the vectors, such as ``musicnn, penultimate layer``: a model records it and refuses vectors
        of another name. None takes the name of the file or folder for training, and that of the model elsewhere.
    vectors_column : str or None
        Column of the manifest that names the vectors of each clip, instead of ``path``. Of a ``.npy`` file it holds
        the index along the first axis, from 0.
    vectors_root : path-like or None
        Folder that the names of vectors are relative to, where clips are named by other paths; None takes paths as
        they are.

    Raises
    ------
    SettingError
        If a value is of another type, or outside its bounds, or two arrays have one name.

    Examples
    --------
    >>> given = GivenVectors({"a.wav": np.zeros(2), "b.wav": np.ones((3, 2))}, vectors_name="ours")
    >>> with given.open() as reader:
    ...     [reader.read(Clip(path, "jazz")).shape for path in ("a.wav", "b.wav")]
    [(1, 2), (3, 2)]
    """

    vectors: str | os.PathLike[str] | Mapping[str, Any]
    vectors_name: str | None = None
    vectors_column: str | None = None
    vectors_root: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.vectors, Mapping):
            convert("`vectors`", self.vectors, str | os.PathLike[str])
        else:
            wrong = [name for name in self.vectors if not isinstance(name, str)]
            if wrong:
                raise SettingError(f"`vectors` has an array called {shown(wrong[0])}; expected the path of a clip")
            check_distinct(tuple(self.vectors), "`vectors`")
        for name in ("vectors_name", "vectors_column"):
            object.__setattr__(self, name, convert(f"`{name}`", getattr(self, name), str | None))
        convert("`vectors_root`", self.vectors_root, str | os.PathLike[str] | None)
        if self.vectors_name is not None:
            _check_name(self.vectors_name)

    @property
    def path(self) -> Path | None:
        """The folder or file; None where the arrays are in memory."""
        return self.as_rows().path

    @property
    def name(self) -> str | None:
        """Name of what made them: the one that is given, or that of the file or folder; None where there is none."""
        if self.vectors_name is not None or self.path is None:
            return self.vectors_name
        stem = self.path.name if self.as_rows().is_folder else self.path.stem
        return stem or None

    def as_rows(self) -> GivenRows:
        """Return the same arrays as rows, which have no rate."""
        return GivenRows(self.vectors, rows_column=self.vectors_column)

    def training_name(self) -> str:
        """Return the name that a model records; SettingError where there is none.

        Examples
        --------
        >>> GivenVectors("embeddings/musicnn.npz").training_name()
        'musicnn'
        """
        if self.name is None:
            raise SettingError(
                "`vectors_name` is None; expected the name of what made the vectors, such as 'musicnn': the model "
                "records it, and refuses other vectors"
            )
        _check_name(self.name)
        return self.name

    @contextlib.contextmanager
    def open(self) -> Iterator[VectorReader]:
        """Return a context manager that gives the reader of the vectors of clips.

        Raises
        ------
        CorpusError
            If the folder or file cannot be used at all.
        """
        with contextlib.ExitStack() as stack:
            try:
                rows = stack.enter_context(self.as_rows().open())
                if not self.as_rows().is_folder and self.path is not None:
                    check_distinct(tuple(rows.place.names()), str(self.path))
            except (CorpusError, SettingError) as error:
                raise CorpusError(_of_vectors(error)) from error
            yield VectorReader(self, rows)

    def sha256(self) -> str:
        """Return the SHA-256 of the content of the file, of the folder with its names, or of the arrays in memory.

        Raises
        ------
        CorpusError
            If a file cannot be read.

        Examples
        --------
        >>> one, other = GivenVectors({"a": [1.0], "b": [2.0]}), GivenVectors({"b": [2.0], "a": [1.0]})
        >>> one.sha256() == other.sha256()
        True
        """
        digest = hashlib.sha256()
        if isinstance(self.vectors, Mapping):
            for name in sorted(self.vectors):
                digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
                digest.update(_array_bytes(self.vectors[name]))
            return digest.hexdigest()
        path = self.path or Path()
        files = list_audio(path, ROWS_SUFFIXES)[0] if self.as_rows().is_folder else [path]
        for file in files:
            if file != path:
                digest.update(os.fsencode(file.relative_to(path)) + b"\0")
            _add_file(digest, file)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class VectorReader:
    """Reads the vectors of clips from an open place.

    Parameters
    ----------
    given : GivenVectors
        Column and root.
    rows : RowReader
        Reads them as rows.
    """

    given: GivenVectors
    rows: RowReader

    def read(self, clip: Clip) -> Frames:
        """Return the vectors of a clip, shape (n, n_columns), float32, finite.

        Parameters
        ----------
        clip : Clip
            A clip. The vectors of a segment of a file are those that a column names.

        Raises
        ------
        RowsError
            If there are none, or they are no vectors.
        """
        if self.given.vectors_column is None and (clip.start_s or clip.end_s is not None):
            raise RowsError(
                "bad_segment",
                "vectors: is a segment of a file; name the column that names the vectors of each (`vectors_column`)",
            )
        try:
            values = self._find(clip)
        except RowsError as error:
            raise RowsError(error.code, f"vectors: {_of_vectors(error)}") from error
        missing = np.isnan(values).any(axis=1)
        if missing.any():
            raise RowsError(
                "missing_values",
                f"vectors: has missing values (NaN) in {int(missing.sum())} of {len(values)} vectors; make them again, "
                "or leave the clip out",
            )
        return values

    def _find(self, clip: Clip) -> Frames:
        """Return the rows of a clip, by its path, or by that below the root."""
        relative = _below(clip.path, self.given.vectors_root)
        try:
            return self.rows.read(clip)
        except RowsError as error:
            if relative is None or self.given.vectors_column is not None or error.code != "vanished":
                raise
            return self.rows.read(replace(clip, path=relative))


@dataclass(frozen=True, eq=False)
class ClipVectors:
    """The vectors of clips that have some, and the failures of the others.

    Parameters
    ----------
    frames : GivenFrames
        Name of what made them, and number of columns.
    by_place : mapping of (str, float, float or None) to ndarray, shape (n, n_columns), float32
        Path, start and end of a clip -> its vectors.
    failed : tuple of FailedInput
        Clips without vectors that can be used.
    """

    frames: GivenFrames
    by_place: Mapping[Place, Frames]
    failed: tuple[FailedInput, ...] = ()

    def usable(self, clips: Iterable[Clip]) -> list[Clip]:
        """Return the clips that have vectors.

        Parameters
        ----------
        clips : iterable of Clip
            Clips.
        """
        return [clip for clip in clips if place_of(clip) in self.by_place]

    def attach(self, trial_set: TrialSet, clips: Sequence[Clip]) -> TrialSet:
        """Return trials with the vectors of their clips, and the clips without vectors among the failures.

        Parameters
        ----------
        trial_set : TrialSet
            Trials of the usable clips.
        clips : sequence of Clip
            All clips.
        """
        hashes = dict(zip(map(place_of, trial_set.clips), trial_set.sha256, strict=True))
        return replace(
            trial_set,
            trials=[replace(trial, vectors=self._of_trial(trial)) for trial in trial_set.trials],
            failed=[*self.failed, *trial_set.failed],
            clips=tuple(clips),
            sha256=tuple(hashes.get(place_of(clip)) for clip in clips),
        )

    def _of_trial(self, trial: Trial) -> TrialVectors:
        """Return the vectors of the clips of a trial."""
        values = [self.by_place[place_of(part.clip)] for part in trial.parts]
        return TrialVectors(self.frames, np.concatenate(values))

    def sha256(self) -> str:
        """Return the SHA-256 of the vectors of all clips, by their places; the order of files does not matter."""
        digest = hashlib.sha256(self.frames.rows_name.encode())
        for place in sorted(self.by_place, key=repr):
            digest.update(f"{place!r}{self.by_place[place].shape}".encode("utf-8", "surrogateescape"))
            digest.update(self.by_place[place].tobytes())
        return digest.hexdigest()


def read_vectors(given: GivenVectors, clips: Sequence[Clip], frames: GivenFrames | None = None) -> ClipVectors:
    """Return the vectors of clips, and the failures of those without any that can be used.

    Parameters
    ----------
    given : GivenVectors
        The vectors.
    clips : sequence of Clip
        The clips.
    frames : GivenFrames or None
        Name and number of columns that a model takes; None takes the number that most clips have, and the given name.

    Raises
    ------
    CorpusError
        If no clip has vectors that can be used, or the folder or file cannot be used at all.
    SettingError
        If they have no name, or another one than the model takes.

    Examples
    --------
    >>> given = GivenVectors({"a.wav": np.zeros(2), "b.wav": np.ones(5)}, vectors_name="ours")
    >>> found = read_vectors(given, [Clip("a.wav", "jazz"), Clip("b.wav", "jazz"), Clip("c.wav", "rock")])
    >>> found.frames.n_columns, [(each.path, each.code) for each in found.failed]
    (2, [('b.wav', 'wrong_dimension'), ('c.wav', 'vanished')])
    """
    if frames is None:
        name = given.training_name()
    else:
        check_same_vectors(given, frames)
        name = frames.rows_name
    read: list[Frames | RowsError] = []
    with given.open() as reader:
        for clip in clips:
            try:
                read.append(reader.read(clip))
            except RowsError as error:
                read.append(error)
    widths = Counter(each.shape[1] for each in read if isinstance(each, np.ndarray))
    frames = frames or GivenFrames(rows_name=name, n_columns=widths.most_common(1)[0][0] if widths else 1)
    by_place: dict[Place, Frames] = {}
    failed: list[FailedInput] = []
    for clip, each in zip(clips, read, strict=True):
        wrong = each if isinstance(each, RowsError) else check_width(each, frames)
        if isinstance(each, np.ndarray) and wrong is None:
            by_place[place_of(clip)] = each
        elif wrong is not None:
            failed.append(FailedInput(clip.path, wrong.code, str(wrong)))
    if not by_place:
        raise CorpusError(
            f"none of {len(clips)} clips has vectors that can be used, the first: {failed[0].path}: {failed[0].message}"
            if failed
            else "there are no clips"
        )
    return ClipVectors(frames, by_place, tuple(failed))


def check_width(values: Frames, frames: GivenFrames) -> RowsError | None:
    """Return the error of vectors of another number of columns than is expected; None where it is the same.

    Parameters
    ----------
    values : ndarray, shape (n, n_columns)
        Vectors of a clip.
    frames : GivenFrames
        Name and number of columns that are expected.

    Examples
    --------
    >>> str(check_width(np.zeros((1, 3)), GivenFrames(rows_name="ours", n_columns=2)))
    "vectors: has 3 columns; expected 2, as 'ours' has in the other clips or in the model"
    """
    if values.shape[1] == frames.n_columns:
        return None
    return RowsError(
        "wrong_dimension",
        f"vectors: has {values.shape[1]} columns; expected {frames.n_columns}, as {frames.rows_name!r} has in the "
        "other clips or in the model",
    )


def check_same_vectors(given: GivenVectors, frames: GivenFrames) -> None:
    """Raise SettingError where vectors have another name than those that a model takes.

    Parameters
    ----------
    given : GivenVectors
        The vectors; where no name is given it is taken to be that of the model.
    frames : GivenFrames
        Name and number of columns that the model takes.

    Examples
    --------
    >>> check_same_vectors(GivenVectors({}, vectors_name="theirs"), GivenFrames(rows_name="ours", n_columns=2))
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `vectors_name` is 'theirs', and the model takes vectors of 'ours' (2 columns); make \
those, or train a model of these
    """
    if given.vectors_name not in (None, frames.rows_name):
        raise SettingError(
            f"`vectors_name` is {given.vectors_name!r}, and the model takes vectors of {frames.rows_name!r} "
            f"({frames.n_columns} columns); make those, or train a model of these"
        )


def check_distinct(names: Sequence[str], place: str) -> None:
    """Raise SettingError where two arrays have one name, in another Unicode form or letter for letter.

    Parameters
    ----------
    names : sequence of str
        Names of arrays.
    place : str
        Where they are, for the message.

    Examples
    --------
    >>> check_distinct(["a.wav", "b.wav"], "v.npz")
    """
    counts = Counter(map(normal, names))
    doubled = [name for name, n in counts.items() if n > 1]
    if doubled:
        raise SettingError(
            f"{place} holds {counts[doubled[0]]} arrays called {some_names(doubled)} (in two Unicode forms); expected "
            "one for each clip: keep one of them"
        )


def place_of(clip: Clip) -> Place:
    """Return path, start and end of a clip.

    Parameters
    ----------
    clip : Clip
        A clip.
    """
    return clip.path, clip.start_s, clip.end_s


def _below(path: str, root: str | os.PathLike[str] | None) -> str | None:
    """Return a path relative to a folder; None where it is not below it."""
    if root is None:
        return None
    with contextlib.suppress(ValueError):
        return Path(path).relative_to(root).as_posix()
    return None


def _check_name(name: str) -> None:
    """Raise SettingError where a name of vectors is empty, long, or no printable text."""
    try:
        check_name(name)
    except SettingError as error:
        raise SettingError(_of_vectors(error).replace("made the rows", "made the vectors")) from error


def _of_vectors(error: Exception) -> str:
    """Return a message on rows in the words, and with the names of the parameters, of vectors."""
    text = str(error)
    for of_rows in ("`rows", ", of rows (", "name its rows", "folder of rows"):
        text = text.replace(of_rows, of_rows.replace("rows", "vectors"))
    return text


def _array_bytes(array: Any) -> bytes:
    """Return shape and numbers of an array as bytes; those of what is no array are of its text."""
    try:
        rows = as_rows(array)
    except RowsError:
        return repr(array).encode()
    return f"{rows.shape}".encode() + rows.tobytes()


def _add_file(digest: Any, path: Path) -> None:
    """Add the content of a file to a digest."""
    try:
        with find_path(path).open("rb") as handle:
            while block := handle.read(HASHED_AT_ONCE):
                digest.update(block)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}); check path and permissions") from error
