"""Trials built from the frames of clips: joined or cut, gated and normalised."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gmmaudio.audio import NOTES
from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureSettings, FeatureStore, FrontEndTables, GivenFrames, make_rows
from gmmaudio.findings import Finding
from gmmaudio.trials.extraction import Degradation, Extracted, check_lengths, extract_clips
from gmmaudio.trials.spool import Spool
from gmmaudio.trials.trial import FrameReader, Segment, Trial, TrialSet
from gmmaudio.values import convert_fields

# codes of the notes that tell of sound that is not there, or not as it was recorded
NOTES_OF_LOSS = ("lost", "cut_off", "channels_cancel")


@dataclass(frozen=True)
class TrialSettings:
    """Settings by which clips become trials.

    Parameters
    ----------
    features : FeatureSettings
        The front end; gate and normalisation run over each trial.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; with None or 0 every clip is a trial.
    min_duration_s : float
        Shortest trial, seconds.
    tables : FrontEndTables or None
        Tables of the front end, such as those of a model; None designs them.
    takes_missing : bool
        Whether NaN may stand for a missing value in frames that are given.

    Raises
    ------
    SettingError
        If a length is outside its bounds.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> TrialSettings(make_features(), trial_s=6.0).min_duration_s
    0.5
    """

    features: FeatureSettings
    trial_s: float | None = None
    min_duration_s: float = 0.5
    tables: FrontEndTables | None = None
    takes_missing: bool = False

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        check_lengths(self.min_duration_s, self.trial_s)
        object.__setattr__(self, "trial_s", self.trial_s or None)

    @property
    def shortest_s(self) -> float:
        """Shortest trial, seconds; 0 of frames whose rate is not known."""
        frames = self.features.frames
        return 0.0 if isinstance(frames, GivenFrames) and not frames.is_rated else self.min_duration_s


def build_trial_set(
    root: Path,
    clips: Sequence[Clip],
    settings: TrialSettings,
    *,
    degradation: Degradation | None = None,
    augment: Sequence[Degradation] = (),
    store: FeatureStore | None = None,
    spool: Spool | None = None,
    run: RunContext = QUIET,
) -> TrialSet:
    """Return the trials of clips: decoded, turned into frames, joined or cut, gated and normalised.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        Clips to decode, each with the value it is held out by (:func:`gmmaudio.corpus.plan_split`).
    settings : TrialSettings
        Front end and lengths.
    degradation : Degradation or None
        Degradation of all sound before features are computed.
    augment : sequence of Degradation
        Degradations of which every trial gets a copy, for training only.
    store : FeatureStore or None
        Where the frames of clips are kept; they are the same bits with it and without.
    spool : Spool or None
        Where frames and rows go beyond a bound of memory; None holds all in memory.
    run : RunContext
        Worker processes and progress.

    Returns
    -------
    TrialSet
        Trials, failures and findings.

    Raises
    ------
    WorkerError
        If worker processes cannot be started.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> trial_set = build_trial_set(Path(), [Clip("no_such_file.wav", "jazz")], TrialSettings(make_features()))
    >>> len(trial_set.trials), trial_set.failed[0].code
    (0, 'vanished')
    """

    def extract(selected: Sequence[Clip], wanted: Degradation | None) -> list[Extracted | FailedInput]:
        # where clips are joined, only the trial must be long enough
        shortest_s = 0.0 if settings.trial_s else settings.min_duration_s
        return extract_clips(
            root,
            selected,
            settings.features,
            min_duration_s=shortest_s,
            degradation=wanted,
            tables=settings.tables,
            store=store,
            spool=spool,
            run=run,
        )

    results = extract(clips, degradation)
    copies = ((each.name, partial(extract, wanted=each)) for each in augment)
    return trial_set_of(results, clips, settings, copies, spool=spool)


def trial_set_of(
    results: Sequence[Extracted | FailedInput],
    clips: Sequence[Clip],
    settings: TrialSettings,
    copies: Iterable[tuple[str, Callable[[Sequence[Clip]], Sequence[Extracted | FailedInput]]]] = (),
    *,
    spool: Spool | None = None,
) -> TrialSet:
    """Return the trials of clips whose frames are known.

    Parameters
    ----------
    results : sequence of Extracted or FailedInput
        Frames of every clip, or its failure.
    clips : sequence of Clip
        The clips.
    settings : TrialSettings
        Front end and lengths.
    copies : iterable of (str, callable)
        Name of a degradation, and what gives the frames of degraded clips.
    spool : Spool or None
        Where rows go beyond a bound of memory; None holds all in memory.

    Returns
    -------
    TrialSet
        Trials, failures and findings.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> clip, failed = Clip("a.wav", "jazz"), FailedInput("a.wav", "vanished", "is not there")
    >>> trial_set_of([failed], [clip], TrialSettings(make_features())).failed[0].code
    'vanished'
    """
    extracted, failed = _usable(results)
    trials, short, left_out_s = _joined_and_cut(extracted, settings, spool)
    lost_copies: dict[str, tuple[FailedInput, ...]] = {}
    for name, extract in copies:
        degraded, lost = _usable(extract([item.clip for item in extracted]))
        trials = _with_copies(trials, make_trials(degraded, settings, spool)[0])
        lost_copies[name] = tuple(lost)
    findings = check_made_trials(extracted, left_out_s, lost_copies)
    sha256 = tuple(item.sha256 if isinstance(item, Extracted) else None for item in results)
    return TrialSet(trials, failed + short, findings, tuple(clips), sha256, left_out_s, lost_copies)


def check_made_trials(
    extracted: Sequence[Extracted], left_out_s: Sequence[float], lost_copies: Mapping[str, Sequence[FailedInput]]
) -> tuple[Finding, ...]:
    """Return the findings on remainders and degraded copies that trials lack, and on how files were decoded.

    Parameters
    ----------
    extracted : sequence of Extracted
        Clips that were decoded.
    left_out_s : sequence of float
        Remainders that are in no trial, seconds.
    lost_copies : mapping of str to sequence of FailedInput
        Degradation -> copies that could not be made.

    Returns
    -------
    tuple of Finding
        Empty where there is nothing to report.

    Examples
    --------
    >>> print(*check_made_trials([], [1.25, 0.5], {}))
    1.75 s of remainders shorter than half of `trial_s` are left out
    """
    findings = _check_remainders(left_out_s)
    for name, lost in lost_copies.items():
        findings += _check_lost_copies(name, lost)
    return findings + check_notes(extracted)


def check_notes(extracted: Sequence[Extracted]) -> tuple[Finding, ...]:
    """Return the findings on files that were decoded in another way than their header asks for.

    Parameters
    ----------
    extracted : sequence of Extracted
        Clips that were decoded.

    Returns
    -------
    tuple of Finding
        One for each code of a note.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.audio import AudioNote
    >>> from gmmaudio.features import RawFrames
    >>> raw, note = RawFrames(np.zeros((0, 13)), np.zeros(0), np.zeros(0)), AudioNote("lost", "0.03 s lost", 0.03)
    >>> print(*check_notes([Extracted(Clip("a.mp3", "jazz"), raw, 3.0, "", notes=(note,))]))
    in 1 of 1 clips: damaged places, which are left out; first a.mp3: 0.03 s lost; listen to them, or copy them again
    """
    return tuple(
        finding
        for code, meaning in NOTES.items()
        for finding in _finding_of_note(code, meaning, [item for item in extracted if code in _codes(item)], extracted)
    )


def _codes(item: Extracted) -> set[str]:
    """Return the codes of a clip's notes."""
    return {note.code for note in item.notes}


def _finding_of_note(
    code: str, meaning: str, noted: Sequence[Extracted], extracted: Sequence[Extracted]
) -> tuple[Finding, ...]:
    """Return the finding on the clips that have a note, if there are any."""
    if not noted:
        return ()
    first = next(note for note in noted[0].notes if note.code == code)
    n_noted, n, path = len(noted), len(extracted), noted[0].clip.path
    if code in NOTES_OF_LOSS:
        return (
            Finding(
                "sound_lost",
                "warning",
                f"in {n_noted} of {n} clips: {meaning}; first {path}: {first.text}",
                "listen to them, or copy them again",
            ),
        )
    return (
        Finding("sound_as_read", "information", f"in {n_noted} of {n} clips: {meaning}; first {path}: {first.text}"),
    )


def _usable(results: Sequence[Extracted | FailedInput]) -> tuple[list[Extracted], list[FailedInput]]:
    """Return the clips that have frames, and those that failed."""
    extracted = [item for item in results if isinstance(item, Extracted)]
    return extracted, [item for item in results if isinstance(item, FailedInput)]


def _with_copies(trials: Sequence[Trial], copies: Sequence[Trial]) -> list[Trial]:
    """Return trials, each with the degraded copy of the same name added to its copies."""
    by_name = {copy.name: copy for copy in copies}
    return [
        replace(trial, copies=(*trial.copies, by_name[trial.name])) if trial.name in by_name else trial
        for trial in trials
    ]


def _check_lost_copies(name: str, lost: Sequence[FailedInput]) -> tuple[Finding, ...]:
    """Return the finding on degraded copies that could not be made."""
    if not lost:
        return ()
    return (
        Finding(
            "copies_failed",
            "warning",
            f"{len(lost)} copies ({name}) could not be made, first {lost[0].path}: {lost[0].message}",
        ),
    )


def make_trials(
    extracted: Sequence[Extracted], settings: TrialSettings, spool: Spool | None = None
) -> tuple[list[Trial], list[FailedInput], tuple[Finding, ...]]:
    """Return the trials, the failures of those that are too short, and the finding on remainders that are left out.

    Without ``trial_s`` every clip is a trial. With it, clips of one label, group, source, split and fold that are held
    out together are joined in order until the length of a trial is as near to ``trial_s`` as it gets. Longer clips are
    cut, and a remainder of at least half that length is kept. Clips that are held out alone are cut but never joined.

    Parameters
    ----------
    extracted : sequence of Extracted
        Frames of clips.
    settings : TrialSettings
        Front end and lengths.
    spool : Spool or None
        Where rows go beyond a bound of memory; None holds all in memory.

    Returns
    -------
    trials : list of Trial
        Trials in the order of the clips.
    failed : list of FailedInput
        Trials shorter than ``min_duration_s``.
    findings : tuple of Finding
        The finding on remainders, if there are any.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.features import RawFrames, make_features
    >>> raw = RawFrames(np.zeros((80, 13)), np.zeros(80), np.arange(80) / 43)
    >>> clips = [Extracted(Clip(path, "jazz", held_out_by="ann"), raw, 80 / 43, path) for path in ("a.wav", "b.wav")]
    >>> trials, failed, findings = make_trials(clips, TrialSettings(make_features(), trial_s=4.0))
    >>> [(trial.name, trial.paths) for trial in trials]
    [('a.wav (+1)', ('a.wav', 'b.wav'))]
    """
    made = _joined_and_cut(extracted, settings, spool)
    return made.trials, made.failed, _check_remainders(made.left_out_s)


class _Made(NamedTuple):
    """Trials, the failures of those that are too short, and the remainders that are in none, seconds."""

    trials: list[Trial]
    failed: list[FailedInput]
    left_out_s: tuple[float, ...]


def _joined_and_cut(extracted: Sequence[Extracted], settings: TrialSettings, spool: Spool | None) -> _Made:
    """Return the trials of clips that are joined or cut."""
    trial_s, frames_per_s = settings.trial_s, settings.features.frames.frames_per_s
    reader = FrameReader()
    joinable: dict[tuple[str, ...], list[Extracted]] = {}
    for item in extracted:
        joinable.setdefault(joining_key(item.clip, joining=trial_s is not None), []).append(item)
    trials: list[Trial] = []
    failed: list[FailedInput] = []
    left_out_s: list[float] = []
    names: Counter[str] = Counter()
    for members in joinable.values():
        whole = [[Segment(item, 0, item.n_frames, item.duration_s)] for item in members]
        planned, rest_s = (whole, 0.0) if trial_s is None else _joined(members, trial_s, frames_per_s)
        left_out_s += [rest_s] if rest_s > 0 else []
        for segments in planned:
            duration_s = sum(segment.duration_s for segment in segments)
            # one frame less is rounding
            if duration_s < settings.shortest_s - 1 / frames_per_s:
                failed.append(_too_short(segments, duration_s, settings.shortest_s))
            else:
                rows = make_rows([reader.read(segment) for segment in segments], settings.features)
                held = rows if spool is None else spool.hold_rows(rows)
                trials.append(Trial(_name(segments, names), tuple(segments), held, duration_s, spool=spool))
    return _Made(trials, failed, tuple(left_out_s))


def _check_remainders(left_out_s: Sequence[float]) -> tuple[Finding, ...]:
    """Return the finding on remainders that are left out, seconds each."""
    if not left_out_s:
        return ()
    return (
        Finding(
            "remainders_left_out",
            "information",
            f"{math.fsum(left_out_s):.2f} s of remainders shorter than half of `trial_s` are left out",
        ),
    )


def with_features(trials: Sequence[Trial], features: FeatureSettings) -> list[Trial]:
    """Return trials, and their copies, with rows that another front end makes of the same raw frames.

    Parameters
    ----------
    trials : sequence of Trial
        Trials.
    features : FeatureSettings
        A front end of the same raw frames (:func:`gmmaudio.features.same_frames`).

    Returns
    -------
    list of Trial
        Trials in the same order.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.features import RawFrames, make_features
    >>> raw = RawFrames(np.full((80, 13), 5.0), np.zeros(80), np.arange(80) / 43)
    >>> clip = Extracted(Clip("a.wav", "jazz"), raw, 80 / 43, "hash of the samples")
    >>> trials, _, _ = make_trials([clip], TrialSettings(make_features()))
    >>> [float(trial.rows.values.max()) for trial in (*trials, *with_features(trials, make_features(normalise="mean")))]
    [5.0, 0.0]
    """
    reader, others = FrameReader(), []
    for trial in trials:
        rows = make_rows([reader.read(segment) for segment in trial.segments], features)
        held = rows if trial.spool is None else trial.spool.hold_rows(rows)
        others.append(replace(trial, held_rows=held, copies=tuple(with_features(trial.copies, features))))
    return others


def cut_trial(trial: Trial, seconds: float, features: FeatureSettings) -> list[Trial]:
    """Return a trial cut into trials of one length, each gated and normalised by itself.

    A remainder is left out, so a trial that is shorter than ``seconds`` gives none.

    Parameters
    ----------
    trial : Trial
        Trial to cut.
    seconds : float
        Length of the new trials, seconds.
    features : FeatureSettings
        The front end.

    Returns
    -------
    list of Trial
        Trials in the order of time.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.features import RawFrames, make_features
    >>> features = make_features()
    >>> raw = RawFrames(np.zeros((80, 13)), np.zeros(80), np.arange(80) / 43)
    >>> clip = Extracted(Clip("a.wav", "jazz"), raw, 80 / 43, "hash of the samples")
    >>> (trial,), _, _ = make_trials([clip], TrialSettings(features))
    >>> [(cut.name, len(cut.rows)) for cut in cut_trial(trial, 0.8, features)]
    [('a.wav 0.0 s', 34), ('a.wav 0.8 s', 34)]
    """
    frames_per_s = features.frames.frames_per_s
    step = max(1, math.floor(seconds * frames_per_s))
    reader, ends = FrameReader(), [0]
    for segment in trial.segments:
        ends.append(ends[-1] + segment.last - segment.first)
    cuts = []
    for k in range(ends[-1] // step):
        low, high = k * step, (k + 1) * step
        segments = [
            Segment(
                segment.extracted,
                segment.first + max(0, low - start),
                segment.last - max(0, end - high),
                (min(high, end) - max(low, start)) / frames_per_s,
            )
            for segment, start, end in zip(trial.segments, ends[:-1], ends[1:], strict=True)
            if start < high and low < end
        ]
        rows = make_rows([reader.read(segment) for segment in segments], features)
        cuts.append(Trial(f"{trial.name} {low / frames_per_s:.1f} s", tuple(segments), rows, seconds, trial.unit))
    return cuts


def joining_key(clip: Clip, *, joining: bool) -> tuple[str, ...]:
    """Return the values that clips must share to be joined: those of which a trial has one.

    Parameters
    ----------
    clip : Clip
        A clip, with the value that it is held out by.
    joining : bool
        Whether clips are joined at all.

    Examples
    --------
    >>> ann, bob = (Clip(f"{name}.wav", "en", name, held_out_by=name) for name in ("ann", "bob"))
    >>> joining_key(ann, joining=True) == joining_key(bob, joining=True)
    False
    """
    if not joining or clip.held_out_by is None:
        return (clip.path, str(clip.start_s), str(clip.end_s))
    shared = (clip.label, clip.held_out_by, clip.source, clip.split, clip.fold, clip.group)
    return tuple(value or "" for value in shared)


def _joined(members: Sequence[Extracted], trial_s: float, frames_per_s: float) -> tuple[list[list[Segment]], float]:
    """Return lists of segments, each about ``trial_s`` long, and the seconds left out."""
    joined: list[list[Segment]] = []
    segments: list[Segment] = []
    total_s = 0.0
    for segment in (segment for item in members for segment in _cut(item, trial_s, frames_per_s)):
        if segments and abs(total_s - trial_s) <= abs(total_s + segment.duration_s - trial_s):
            joined.append(segments)
            segments, total_s = [], 0.0
        segments.append(segment)
        total_s += segment.duration_s
    if segments and total_s >= trial_s / 2:
        return [*joined, segments], 0.0
    return joined, total_s


def _cut(item: Extracted, trial_s: float, frames_per_s: float) -> list[Segment]:
    """Return the segments of a clip, each ``trial_s`` long except the last."""
    step = max(1, math.floor(trial_s * frames_per_s))
    segments = []
    for first in range(0, item.n_frames, step):
        last = min(first + step, item.n_frames)
        share = (last - first) / item.n_frames
        segments.append(Segment(item, first, last, share * item.duration_s))
    return segments


def _name(segments: Sequence[Segment], names: Counter[str]) -> str:
    """Return a unique name of a trial, which is counted in ``names``."""
    clip = segments[0].extracted.clip
    name = clip.path
    if clip.start_s or clip.end_s is not None:
        name += f"@{clip.start_s:g}-{'' if clip.end_s is None else format(clip.end_s, 'g')}s"
    n_parts = len({id(segment.extracted) for segment in segments})
    if n_parts > 1:
        name += f" (+{n_parts - 1})"
    names[name] += 1
    if names[name] > 1:
        name += f" [{names[name]}]"
    return name


def _too_short(segments: Sequence[Segment], duration_s: float, shortest_s: float) -> FailedInput:
    """Return the failure of a trial that is too short."""
    return FailedInput(
        segments[0].extracted.clip.path,
        "too_short",
        f"{duration_s:.3g} s of sound in the trial that begins here; at least {shortest_s:g} s is needed "
        "(`min_duration_s`)",
    )
