"""Frames of clips -> trials: joined, cut, gated and normalised."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureSettings, make_rows
from gmmaudio.findings import Finding
from gmmaudio.trials.extraction import Degradation, Extracted, check_lengths, extract_clips
from gmmaudio.trials.trial import Segment, Trial, TrialSet


@dataclass(frozen=True)
class TrialSettings:
    """How clips become trials.

    Parameters
    ----------
    features : FeatureSettings
        The front end: gate and normalisation run over each trial.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; None takes clips as they are.
    min_duration_s : float
        Least length of a trial, seconds (of a clip, where clips are taken as they are).

    Raises
    ------
    SettingError
        If a length is outside its bounds.
    """

    features: FeatureSettings
    trial_s: float | None = None
    min_duration_s: float = 0.5

    def __post_init__(self) -> None:
        check_lengths(self.min_duration_s, self.trial_s)


def build_trial_set(
    root: Path,
    clips: Sequence[Clip],
    settings: TrialSettings,
    *,
    degradation: Degradation | None = None,
    augment: Sequence[Degradation] = (),
    run: RunContext = QUIET,
) -> TrialSet:
    """Return the trials of clips: decoded, turned into frames, joined or cut, gated and normalised.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        What to decode, with what each is held out by (:func:`gmmaudio.corpus.plan_split`).
    settings : TrialSettings
        How clips become trials.
    degradation : Degradation or None
        What is done to the sound first.
    augment : sequence of Degradation
        What is done to copies of every trial, which are for training only.
    run : RunContext
        Worker processes and progress.
    """
    # of clips that are joined, only the trial must be long enough
    least_s = 0.0 if settings.trial_s else settings.min_duration_s
    results = extract_clips(root, clips, settings.features, min_duration_s=least_s, degradation=degradation, run=run)
    extracted, failed = _usable(results)
    trials, short, findings = make_trials(extracted, settings)
    for each in augment:
        copied = extract_clips(
            root,
            [item.clip for item in extracted],
            settings.features,
            min_duration_s=least_s,
            degradation=each,
            run=run,
        )
        degraded, lost = _usable(copied)
        trials = _with_copies(trials, make_trials(degraded, settings)[0])
        if lost:
            findings += (
                Finding(
                    "copies_failed",
                    "warning",
                    f"{len(lost)} copies ({each.name}) could not be made, first {lost[0].path}: {lost[0].message}",
                ),
            )
    sha256 = tuple(item.sha256 if isinstance(item, Extracted) else None for item in results)
    return TrialSet(trials, failed + short, findings, tuple(clips), sha256)


def _usable(results: Sequence[Extracted | FailedInput]) -> tuple[list[Extracted], list[FailedInput]]:
    """Return the clips that have frames, and those that failed."""
    extracted = [item for item in results if isinstance(item, Extracted)]
    return extracted, [item for item in results if isinstance(item, FailedInput)]


def _with_copies(trials: Sequence[Trial], copies: Sequence[Trial]) -> list[Trial]:
    """Return trials with the copies of the same name beside them."""
    by_name = {copy.name: copy for copy in copies}
    return [
        replace(trial, copies=(*trial.copies, by_name[trial.name])) if trial.name in by_name else trial
        for trial in trials
    ]


def make_trials(
    extracted: Sequence[Extracted], settings: TrialSettings
) -> tuple[list[Trial], list[FailedInput], tuple[Finding, ...]]:
    """Return the trials, those too short, and the findings on remainders that are left out.

    Without ``trial_s`` every clip is a trial. With it, clips of one label, group, source, split and fold that are held
    out together are joined in order until a trial is as near to ``trial_s`` as it gets; longer clips are cut; a
    remainder of at least half that length is kept. Clips that are held out alone are cut but never joined.

    Parameters
    ----------
    extracted : sequence of Extracted
        Frames of clips.
    settings : TrialSettings
        How clips become trials.
    """
    trial_s, frames_per_s = settings.trial_s, settings.features.frames.frames_per_s
    bundles: dict[tuple[str, ...], list[Extracted]] = {}
    for item in extracted:
        bundles.setdefault(_joining_key(item.clip, trial_s is not None), []).append(item)
    trials: list[Trial] = []
    failed: list[FailedInput] = []
    left_out_s = 0.0
    seen: Counter[str] = Counter()
    for members in bundles.values():
        whole = [[Segment(item, 0, len(item.raw), item.duration_s)] for item in members]
        runs, rest_s = (whole, 0.0) if trial_s is None else _joined(members, trial_s, frames_per_s)
        left_out_s += rest_s
        for run in runs:
            duration_s = sum(segment.duration_s for segment in run)
            # a frame less is rounding
            if duration_s < settings.min_duration_s - 1 / frames_per_s:
                failed.append(_too_short(run, duration_s, settings.min_duration_s))
            else:
                trials.append(_trial(run, settings.features, duration_s, seen))
    if not left_out_s > 0:
        return trials, failed, ()
    remainders = Finding(
        "remainders_left_out",
        "information",
        f"{left_out_s:.2f} s of remainders shorter than half of `trial_s` are left out",
    )
    return trials, failed, (remainders,)


def with_features(trials: Sequence[Trial], config: FeatureSettings) -> list[Trial]:
    """Return trials with other rows made of the same raw frames, and their copies too.

    Parameters
    ----------
    trials : sequence of Trial
        What to make anew.
    config : FeatureSettings
        A front end of the same raw frames (:func:`gmmaudio.features.same_frames`).
    """
    return [
        replace(
            trial,
            rows=make_rows([segment.raw for segment in trial.segments], config),
            copies=tuple(with_features(trial.copies, config)),
        )
        for trial in trials
    ]


def cut_trial(trial: Trial, seconds: float, config: FeatureSettings) -> list[Trial]:
    """Return a trial cut into trials of ``seconds``, gated and normalised anew; what is left over is left out.

    Nothing where the trial is shorter (a frame less is rounding).

    Parameters
    ----------
    trial : Trial
        What to cut.
    seconds : float
        Length wanted, seconds.
    config : FeatureSettings
        The front end.
    """
    step = max(1, math.floor(seconds * config.frames.frames_per_s))
    ends = [0]
    for segment in trial.segments:
        ends.append(ends[-1] + segment.last - segment.first)
    cuts = []
    for k in range(ends[-1] // step):
        low, high = k * step, (k + 1) * step
        run = [
            Segment(
                segment.extracted,
                segment.first + max(0, low - start),
                segment.last - max(0, end - high),
                (min(high, end) - max(low, start)) / config.frames.frames_per_s,
            )
            for segment, start, end in zip(trial.segments, ends[:-1], ends[1:], strict=True)
            if start < high and low < end
        ]
        rows = make_rows([segment.raw for segment in run], config)
        name = f"{trial.name} {low / config.frames.frames_per_s:.1f} s"
        cuts.append(Trial(name, tuple(run), rows, seconds, trial.unit))
    return cuts


def _joining_key(clip: Clip, joining: bool) -> tuple[str, ...]:
    """Return what clips must share to be joined: all that a trial has one value of."""
    if not joining or clip.held_out_by is None:
        return (clip.path, str(clip.start_s), str(clip.end_s))
    shared = (clip.label, clip.held_out_by, clip.source, clip.split, clip.fold, clip.group)
    return tuple(value or "" for value in shared)


def _joined(members: Sequence[Extracted], trial_s: float, frames_per_s: float) -> tuple[list[list[Segment]], float]:
    """Return runs of segments, each about ``trial_s`` long, and the seconds left out."""
    runs: list[list[Segment]] = []
    run: list[Segment] = []
    total_s = 0.0
    for segment in (segment for item in members for segment in _cut(item, trial_s, frames_per_s)):
        if run and abs(total_s - trial_s) <= abs(total_s + segment.duration_s - trial_s):
            runs.append(run)
            run, total_s = [], 0.0
        run.append(segment)
        total_s += segment.duration_s
    if run and total_s >= trial_s / 2:
        return [*runs, run], 0.0
    return runs, total_s


def _cut(item: Extracted, trial_s: float, frames_per_s: float) -> list[Segment]:
    """Return the clip in segments of ``trial_s`` at most."""
    step = max(1, math.floor(trial_s * frames_per_s))
    segments = []
    for first in range(0, len(item.raw), step):
        last = min(first + step, len(item.raw))
        share = (last - first) / len(item.raw)
        segments.append(Segment(item, first, last, share * item.duration_s))
    return segments


def _trial(
    run: Sequence[Segment],
    config: FeatureSettings,
    duration_s: float,
    seen: Counter[str],
) -> Trial:
    """Return one trial, with a name that no other has."""
    clip = run[0].extracted.clip
    name = clip.path
    if clip.start_s or clip.end_s is not None:
        name += f"@{clip.start_s:g}-{'' if clip.end_s is None else format(clip.end_s, 'g')}s"
    n_parts = len({id(segment.extracted) for segment in run})
    if n_parts > 1:
        name += f" (+{n_parts - 1})"
    seen[name] += 1
    if seen[name] > 1:
        name += f" [{seen[name]}]"
    rows = make_rows([segment.raw for segment in run], config)
    return Trial(name, tuple(run), rows, duration_s)


def _too_short(run: Sequence[Segment], duration_s: float, least_s: float) -> FailedInput:
    """Return the failure of a trial below the least length."""
    return FailedInput(
        run[0].extracted.clip.path,
        "too_short",
        f"{duration_s:.3g} s of sound in the trial that begins here; at least {least_s:g} s is needed "
        "(`min_duration_s`)",
    )
