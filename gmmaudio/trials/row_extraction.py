"""Rows that are given as the raw frames of clips: what comes after them does not know where frames are from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip
from gmmaudio.errors import AudioError, RowsError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureSettings, Frames, GivenFrames, RawFrames, RowSettings
from gmmaudio.trials.building import TrialSettings, trial_set_of
from gmmaudio.trials.extraction import Extracted, as_failure
from gmmaudio.trials.given_rows import GivenRows, RowReader
from gmmaudio.trials.spool import Spool
from gmmaudio.trials.trial import TrialSet


@dataclass(frozen=True, eq=False)
class RowExtraction:
    """The settings under which given rows become frames.

    Parameters
    ----------
    features : FeatureSettings
        The front end, whose frames are given.
    min_duration_s : float
        Shortest clip, seconds; of rows without a rate it does not count.
    takes_missing : bool
        Whether NaN may stand for a missing value.

    Raises
    ------
    SettingError
        If the front end makes its frames of sound.
    """

    features: FeatureSettings
    min_duration_s: float = 0.0
    takes_missing: bool = False

    def __post_init__(self) -> None:
        self.frames()

    def frames(self) -> GivenFrames:
        """Return the settings of the frames."""
        frames = self.features.frames
        if not isinstance(frames, GivenFrames):
            raise SettingError("the front end makes frames of sound, and rows are given; leave them out")
        return frames

    @property
    def may_be_missing(self) -> bool:
        """Whether NaN reaches what takes it: nothing is computed of the rows before."""
        return self.takes_missing and self.features.rows == RowSettings()

    def extract(self, reader: RowReader, clip: Clip) -> Extracted | FailedInput:
        """Return the frames of a clip, or its failure.

        Parameters
        ----------
        reader : RowReader
            Reads its rows.
        clip : Clip
            The clip.
        """
        try:
            rows = reader.read(clip)
            self._check(rows)
            return self._extracted(rows, clip)
        except (RowsError, AudioError) as error:
            return FailedInput(clip.path, error.code, str(error))
        except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop the others
            return as_failure(clip.path, error)

    def _check(self, rows: Frames) -> None:
        """Raise RowsError where rows are not those that the front end has."""
        frames, (n, d) = self.frames(), rows.shape
        if d != frames.n_columns:
            hint = "; rows are frames: transpose it" if n == frames.n_columns else ""
            raise RowsError(
                "wrong_dimension",
                f"has {d} columns; expected {frames.n_columns}, as {frames.rows_name!r} has in the other clips or in "
                f"the model{hint}",
            )
        missing = np.isnan(rows)
        n_missing = int(missing.any(axis=1).sum())
        if n_missing and not self.may_be_missing:
            raise RowsError(
                "missing_values",
                f"has missing values (NaN) in {n_missing} of {n} rows, which this kind of model does not take; fill "
                "them, or take the `kind` frames",
            )
        if missing.all():
            raise RowsError("missing_values", "has missing values (NaN) only; leave the clip out")
        if frames.is_rated and n / frames.frames_per_s < self.min_duration_s - 1 / frames.frames_per_s:
            raise RowsError(
                "too_short",
                f"lasts {n / frames.frames_per_s:.3g} s; at least {self.min_duration_s:g} s is needed "
                "(`min_duration_s`)",
            )

    def _extracted(self, rows: Frames, clip: Clip) -> Extracted:
        """Return rows as the frames of a clip."""
        n, rate = len(rows), self.frames().frames_per_s
        digest = hashlib.sha256(f"{rows.shape}".encode())
        digest.update(rows.tobytes())
        level_db, time_s = np.zeros(n, dtype=np.float32), (np.arange(n) / rate).astype(np.float32)
        raw = RawFrames(rows, level_db, time_s)
        return Extracted(clip, raw, n / rate, digest.hexdigest(), is_timed=self.frames().is_rated)


def extract_rows(
    given: GivenRows,
    clips: Iterable[Clip],
    extraction: RowExtraction,
    *,
    spool: Spool | None = None,
    run: RunContext = QUIET,
) -> Iterator[Extracted | FailedInput]:
    """Yield the frames of every clip, or its failure, in the order of the clips.

    They are read in this process: that takes less time than to start another.

    Parameters
    ----------
    given : GivenRows
        Where the rows are.
    clips : iterable of Clip
        Clips.
    extraction : RowExtraction
        Settings.
    spool : Spool or None
        Where frames go beyond a bound of memory; None holds all in memory.
    run : RunContext
        Shows progress.

    Raises
    ------
    CorpusError
        If the folder or file cannot be used at all.
    SettingError
        If the rows are of another front end.

    Examples
    --------
    >>> features = FeatureSettings(GivenFrames(rows_name="ours", n_columns=2))
    >>> given = GivenRows({"a.wav": np.zeros((3, 2)), "b.wav": np.ones(5)}, rows_name="ours")
    >>> first, second = extract_rows(given, [Clip("a.wav", ""), Clip("b.wav", "")], RowExtraction(features))
    >>> first.n_frames, second.code
    (3, 'wrong_dimension')
    """
    check_same_rows(given, extraction.frames())
    with given.open() as reader:
        function: Callable[[Clip], Extracted | FailedInput] = partial(extraction.extract, reader)
        for result in RunContext(1, run.progress).map(function, clips, "reading rows"):
            yield _held(result, spool)


def _held(result: Extracted | FailedInput, spool: Spool | None) -> Extracted | FailedInput:
    """Return a clip whose frames are in memory, or in a file where they do not fit."""
    if isinstance(result, FailedInput) or spool is None:
        return result
    return replace(result, frames=spool.hold_frames(result.frames))


def check_same_rows(given: GivenRows, frames: GivenFrames) -> None:
    """Raise SettingError where rows have another name or rate than those that a model takes.

    Parameters
    ----------
    given : GivenRows
        The rows; a name or rate that they do not have is that of the model.
    frames : GivenFrames
        Settings of the frames that are taken.

    Examples
    --------
    >>> check_same_rows(GivenRows({}, rows_name="theirs"), GivenFrames(rows_name="ours", n_columns=2))
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `rows_name` is 'theirs', and the model takes rows of 'ours'; make those, or train a \
model of these
    """
    if given.rows_name not in (None, frames.rows_name):
        raise SettingError(
            f"`rows_name` is {given.rows_name!r}, and the model takes rows of {frames.rows_name!r}; make those, or "
            "train a model of these"
        )
    if given.rows_rate_hz not in (None, frames.rows_rate_hz):
        known = "none" if frames.rows_rate_hz is None else f"{frames.rows_rate_hz:g}"
        raise SettingError(
            f"`rows_rate_hz` is {given.rows_rate_hz:g}, and that of the model's rows is {known}; leave it out, or "
            "train a model of these"
        )


def trials_of_rows(
    given: GivenRows,
    clips: Sequence[Clip],
    settings: TrialSettings,
    *,
    spool: Spool | None = None,
    run: RunContext = QUIET,
) -> TrialSet:
    """Return the trials of clips whose rows are given, as :func:`build_trial_set` makes them of sound.

    Parameters
    ----------
    given : GivenRows
        The rows, in memory or in files.
    clips : sequence of Clip
        Clips, each with the value it is held out by (:func:`gmmaudio.corpus.plan_split`).
    settings : TrialSettings
        Front end, whose frames are given, and lengths.
    spool : Spool or None
        Where frames and rows go beyond a bound of memory; None holds all in memory.
    run : RunContext
        Shows progress.

    Returns
    -------
    TrialSet
        Trials, failures and findings.

    Raises
    ------
    CorpusError
        If the folder or file of rows cannot be used at all.
    SettingError
        If the rows are of another front end, or the front end makes its frames of sound.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> arrays = {f"{label}/{i}": rng.normal(size=(50, 3)) + 4 * (label == "b") for label in "ab" for i in range(2)}
    >>> clips = [Clip(path, path[0], held_out_by=path) for path in arrays]
    >>> features = FeatureSettings(GivenFrames(rows_name="ours", n_columns=3))
    >>> trial_set = trials_of_rows(GivenRows(arrays), clips, TrialSettings(features))
    >>> [(trial.name, trial.rows.values.shape) for trial in trial_set.trials[:2]]
    [('a/0', (50, 3)), ('a/1', (50, 3))]
    """
    shortest_s = 0.0 if settings.trial_s else settings.min_duration_s
    extraction = RowExtraction(settings.features, shortest_s, settings.takes_missing)
    if settings.trial_s and not extraction.frames().is_rated:
        raise SettingError(
            f"`trial_s` is {settings.trial_s:g}, and the rate of the rows is not known; name it (`rows_rate_hz`), or "
            "take clips as they are (`trial_s` 0)"
        )
    return trial_set_of(
        list(extract_rows(given, clips, extraction, spool=spool, run=run)), clips, settings, spool=spool
    )
