"""Timelines of recordings: labels over time by a model, in memory that does not grow with the recording."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from gmmaudio.audio import AudioNote, Samples, read_blocks
from gmmaudio.compute import Progress, RunContext, one_thread, quiet
from gmmaudio.corpus import Clip
from gmmaudio.errors import AudioError, SettingError, WorkerError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import frame_chunks
from gmmaudio.models import Model
from gmmaudio.models.segmenter import MIN_TURN_S, Segmenter, SegmenterSettings
from gmmaudio.models.windows import HOP_S, MUCH_SHORTER, WindowSettings, calibrated_window_s
from gmmaudio.pipeline.arguments import as_clips
from gmmaudio.timelines import Timeline, TimelineSegment, join_neighbours
from gmmaudio.trials import as_failure, check_lengths, estimate_work, fail_crashed, file_limits
from gmmaudio.values import checked

# seconds: a hop longer than any window
LONGEST_HOP_S = 3600.0
# steps of the shortest turn, each of which is a state of every label
MOST_STEPS = 1_000
# seconds: a longer window covers several turns, even where the model was calibrated on such
LONGEST_WINDOW_S = 10.0


@dataclass(frozen=True)
class TimelineSettings:
    """Settings of a timeline.

    Parameters
    ----------
    window_s : float or None
        Length of the windows that are scored, seconds; None takes the length that the model was calibrated on, at most
        10 s.
    hop_s : float or None
        From one window to the next, seconds; None takes about 0.5 s. It is rounded, so that an odd number of steps
        makes a window.
    min_turn_s : float
        Shortest turn of a label, seconds.
    priors : mapping of str to float or None
        Class priors, as for :meth:`gmmaudio.models.Recogniser.predict`.
    min_duration_s : float
        Shortest decoded length of a recording, seconds.
    max_duration_s : float
        Longest decoded length, seconds; what is longer fails with the code ``too_long``.

    Raises
    ------
    SettingError
        If a length is outside its bounds.

    Examples
    --------
    >>> TimelineSettings(hop_s=1.0).min_turn_s
    2.0
    """

    window_s: float | None = None
    hop_s: float | None = None
    min_turn_s: float = MIN_TURN_S
    priors: Mapping[str, float] | None = None
    min_duration_s: float = 0.5
    max_duration_s: float = math.inf

    def __post_init__(self) -> None:
        check_lengths(self.min_duration_s)
        if not 0 <= self.min_turn_s <= 3600:
            raise SettingError(f"`min_turn_s` is {self.min_turn_s:g}; expected 0 to 3600 s")
        if self.window_s is not None:
            WindowSettings(self.window_s, self.window_s if self.hop_s is None else self.hop_s)
        elif self.hop_s is not None:
            WindowSettings(LONGEST_HOP_S, self.hop_s)

    def of(self, model: Model) -> SegmenterSettings:
        """Return the settings of the segmenter of a model.

        Parameters
        ----------
        model : Model
            The model, which takes sound.
        """
        model.features.sound_frames  # noqa: B018 - raises where rows are given
        model.check_of_sound()
        window_s = (
            min(calibrated_window_s(model.training), LONGEST_WINDOW_S) if self.window_s is None else self.window_s
        )
        hop_s = min(HOP_S, window_s) if self.hop_s is None else self.hop_s
        if self.min_turn_s / hop_s > MOST_STEPS:
            raise SettingError(
                f"`min_turn_s` is {self.min_turn_s:g}, {self.min_turn_s / hop_s:.0f} steps of {hop_s:g} s (`hop_s`); "
                f"expected {MOST_STEPS} steps at most"
            )
        return SegmenterSettings(WindowSettings(window_s, hop_s), self.min_turn_s)


@dataclass
class Scan:
    """The timeline of one recording in the making: segments as they settle, and at the end the whole.

    Parameters
    ----------
    model : Model
        The model.
    settings : TimelineSettings
        Windows and turns.
    """

    model: Model
    settings: TimelineSettings
    segments: list[TimelineSegment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    n_samples: int = 0

    def __post_init__(self) -> None:
        self._segmenter = Segmenter(self.model, self.settings.of(self.model), self.settings.priors)
        trained_s = calibrated_window_s(self.model.training)
        if self._segmenter.window_s < MUCH_SHORTER * trained_s:
            self.notes.append(
                f"windows of {self._segmenter.window_s:.3g} s: the model was calibrated on {trained_s:.3g} s, so "
                "probabilities over time are too sure"
            )

    def follow(self, blocks: Iterable[Samples]) -> Iterator[TimelineSegment]:
        """Yield the segments of a recording, each as soon as it is settled.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (n,), float32
            Consecutive mono samples at the front end's rate.
        """
        frames = self.model.features.sound_frames

        def settled() -> Iterator[TimelineSegment]:
            for chunk in frame_chunks(self._counted(blocks), frames, self.model.front_end_tables()):
                # one thread, so that a score is the same bits on any machine with the same libraries
                with one_thread():
                    found = list(self._segmenter.add(chunk))
                yield from found
            with one_thread():
                found = list(self._segmenter.finish())
            yield from found

        for segment in join_neighbours(self._within(settled())):
            self.segments.append(segment)
            yield segment

    @property
    def notes_on_all(self) -> tuple[str, ...]:
        """The note that all that was followed scores lower than held-out groups do, if it does."""
        familiarity, trained_s = self.model.familiarity, calibrated_window_s(self.model.training)
        found = None if familiarity is None else familiarity.finding_on(self._segmenter.scored_pieces, trained_s)
        return () if found is None else (found.text,)

    def timeline(self, path: str) -> Timeline:
        """Return the timeline of all that was followed.

        Parameters
        ----------
        path : str
            The recording, as it was named.
        """
        return Timeline(
            tuple(self.segments),
            self._segmenter.given_posteriors(),
            self._segmenter.times,
            self._segmenter.labels,
            self.n_samples / self.model.features.sound_frames.sample_rate_hz,
            path,
            self._segmenter.window_s,
            self._segmenter.step_s,
            (*self.notes, *self.notes_on_all),
            self.model.recogniser.caveats,
        )

    def silence(self, path: str) -> Timeline:
        """Return the timeline of a recording that turned out to be nothing but silence.

        Parameters
        ----------
        path : str
            The recording, as it was named.
        """
        duration_s, step_s = self.n_samples / self.model.features.sound_frames.sample_rate_hz, self._segmenter.step_s
        times = np.arange(step_s / 2, duration_s, step_s)
        posteriors = np.zeros((len(times), len(self._segmenter.labels) + 2))
        posteriors[:, -1] = 1.0
        segment = TimelineSegment(0.0, duration_s, None, "silence", 1.0)
        labels, window_s = self._segmenter.labels, self._segmenter.window_s
        return Timeline((segment,), posteriors, times, labels, duration_s, path, window_s, step_s)

    def _counted(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the blocks, and count their samples."""
        for block in blocks:
            self.n_samples += len(block)
            yield block

    def _within(self, segments: Iterable[TimelineSegment]) -> Iterator[TimelineSegment]:
        """Yield segments with the last of them ending where the sound does: frames reach a little beyond it."""
        last = None
        for segment in segments:
            if last is not None:
                yield last
            last = segment
        if last is not None:
            yield last.ending_at(self.n_samples / self.model.features.sound_frames.sample_rate_hz)


@checked
def timeline(
    model: Model,
    path: str | os.PathLike[str],
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    min_turn_s: float = MIN_TURN_S,
    priors: Mapping[str, float] | None = None,
    min_duration_s: float = 0.5,
    on_segment: Callable[[TimelineSegment], None] | None = None,
) -> Timeline:
    """Return the labels of a recording over time.

    The model scores overlapping windows. A Viterbi path with a prior on turns, which acoustic changes make more or less
    likely, gives the turns; each turn is then scored as one clip, whose probability it has. Silence of two seconds or
    more is apart, and what the model's open-set threshold rejects is unknown. Memory does not grow with the recording.

    Parameters
    ----------
    model : Model
        The model.
    path : path-like
        An audio file.
    window_s : float or None
        Length of the windows, seconds; None takes the length that the model was calibrated on, at most 10 s. The notes
        say where windows are shorter.
    hop_s : float or None
        From one window to the next, seconds; None takes about 0.5 s.
    min_turn_s : float
        Shortest turn of a label, seconds.
    priors : mapping of str to float or None
        Class priors, as for :func:`gmmaudio.classify`.
    min_duration_s : float
        Shortest decoded length, seconds.
    on_segment : function of a TimelineSegment, or None
        Called with every segment as soon as it is settled.

    Returns
    -------
    Timeline
        Segments, posteriors and times. A file of silence is one segment of silence.

    Raises
    ------
    AudioError
        If the file cannot be used; its ``code`` is one of :data:`gmmaudio.audio.REASONS`.
    SettingError
        If a setting is outside its bounds, or priors do not match the labels of the model.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre").model
    >>> line = gmmaudio.timeline(model, "song.wav")
    >>> [(part.label, round(part.end_s, 2)) for part in line.segments]
    [('metal', 6.5)]
    """
    settings = TimelineSettings(window_s, hop_s, min_turn_s, priors, min_duration_s)
    if priors is not None:
        model.recogniser.prior_of(priors)
    return scan_file(model, settings, Path(path), os.fspath(path), on_segment)


@checked
def timelines(
    model: Model,
    paths: Sequence[str | os.PathLike[str]],
    settings: TimelineSettings | None = None,
    *,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
) -> Iterator[Timeline | FailedInput]:
    """Return an iterator over the timelines of recordings, or their failures, in the order of the paths.

    Parameters
    ----------
    model : Model
        The model.
    paths : sequence of path-like
        Audio files.
    settings : TimelineSettings or None
        Windows and turns; None takes the defaults.
    n_jobs : int or None
        Worker processes, as for :func:`gmmaudio.classify`.
    progress : Progress
        Shows progress.
    time_limit_s : float or None
        Time that a worker process may take for a file, seconds; None: 60 s and more for large files; 0: no limit. With
        a limit that is named, one job is one worker process.
    memory_limit : int or None
        Memory that a worker process may take for a file, bytes, likewise; None: half of the machine's, at least 1 GiB.

    Raises
    ------
    SettingError
        If priors do not match the labels of the model.
    WorkerError
        If worker processes cannot be started.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre").model
    >>> song, gone = timelines(model, ["song.wav", "gone.wav"])
    >>> len(song), gone.code
    (1, 'vanished')
    """
    settings = TimelineSettings() if settings is None else settings
    settings.of(model)
    if settings.priors is not None:
        model.recogniser.prior_of(settings.priors)
    clips, run = as_clips(paths), RunContext(n_jobs, progress, time_limit_s, memory_limit)
    estimate = partial(estimate_work, Path(), clips, lambda _clip: False)
    function = partial(_try_file, model, settings)
    limits = partial(file_limits, Path())
    return run.map(function, clips, "labelling over time", on_crash=_fail_crashed, estimate=estimate, limits=limits)


def _fail_crashed(clip: Clip, error: WorkerError) -> FailedInput:
    """Return the failure of a file whose worker process died."""
    return fail_crashed(clip, error).result


def _try_file(model: Model, settings: TimelineSettings, clip: Clip) -> Timeline | FailedInput:
    """Return the timeline of one file, or its failure."""
    try:
        return scan_file(model, settings, Path(clip.path), clip.path)
    except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop the others
        return as_failure(clip.path, error)


def scan_file(
    model: Model,
    settings: TimelineSettings,
    path: Path,
    name: str,
    on_segment: Callable[[TimelineSegment], None] | None = None,
) -> Timeline:
    """Return the timeline of a file.

    Parameters
    ----------
    model : Model
        The model.
    settings : TimelineSettings
        Windows and turns.
    path : Path
        The file.
    name : str
        Its name in the timeline.
    on_segment : function of a TimelineSegment, or None
        Called with every segment as soon as it is settled.

    Raises
    ------
    AudioError
        If the file cannot be used.
    """
    scan, said = Scan(model, settings), list[AudioNote]()
    blocks = read_blocks(
        path,
        model.features.sound_frames.sample_rate_hz,
        min_duration_s=settings.min_duration_s,
        max_duration_s=settings.max_duration_s,
        on_note=said.append,
    )
    try:
        for segment in scan.follow(blocks):
            if on_segment is not None:
                on_segment(segment)
    except AudioError as error:
        if error.code != "silent":
            raise
        return replace(scan.silence(name), notes=(*scan.notes, *(note.text for note in said)))
    scan.notes.extend(note.text for note in said)
    return scan.timeline(name)
