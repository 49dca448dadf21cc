"""Frames of clips -> trials: joined, cut, gated and normalised."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmmaudio.compute import Progress, quiet
from gmmaudio.corpus import Clip, Place
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureSettings, make_rows
from gmmaudio.trials.extraction import Degradation, Extracted, check_lengths, extract_clips
from gmmaudio.trials.trial import Material, Piece, Trial


def gather(
    root: Path,
    clips: Sequence[Clip],
    config: FeatureSettings,
    *,
    trial_s: float | None,
    min_duration_s: float,
    fold_column: str | None = None,
    apart: Mapping[Place, str | None] | None = None,
    degradation: Degradation | None = None,
    augment: Sequence[Degradation] = (),
    n_jobs: int = 1,
    progress: Progress[Extracted | FailedInput] = quiet,
) -> Material:
    """Return the trials of clips: decoded, turned into frames, joined or cut, gated and normalised.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        What to decode.
    config : FeatureSettings
        The front end.
    trial_s, min_duration_s, fold_column, apart
        As for :func:`make_trials`; without ``trial_s`` the least length is that of each clip.
    degradation : Degradation or None
        What is done to the sound first.
    augment : sequence of Degradation
        What is done to copies of every trial, which are for training only.
    n_jobs : int
        Worker processes.
    progress : callable
        Shows progress.
    """
    check_lengths(min_duration_s, trial_s)
    least_s = 0.0 if trial_s else min_duration_s
    how: dict[str, Any] = {"min_duration_s": least_s, "n_jobs": n_jobs, "progress": progress}
    joining: dict[str, Any] = {"trial_s": trial_s, "min_duration_s": min_duration_s}
    joining |= {"fold_column": fold_column, "apart": apart}
    extracted, failed = extract_clips(root, clips, config, degradation=degradation, **how)
    trials, short, left_out = make_trials(extracted, config, **joining)
    hashes = {item.clip.place: item.sha256 for item in extracted}
    usable = [item.clip for item in extracted]
    for each in augment:
        degraded, lost = extract_clips(root, usable, config, degradation=each, **how)
        trials = _with_copies(trials, make_trials(degraded, config, **joining)[0])
        if lost:
            left_out += (
                f"{len(lost)} copies ({each.name}) could not be made, first {lost[0].path}: {lost[0].message}",
            )
    return Material(trials, failed + short, left_out, hashes)


def _with_copies(trials: Sequence[Trial], copies: Sequence[Trial]) -> list[Trial]:
    """Return trials with the copies of the same name beside them."""
    by_name = {copy.name: copy for copy in copies}
    return [
        replace(trial, copies=(*trial.copies, by_name[trial.name])) if trial.name in by_name else trial
        for trial in trials
    ]


def make_trials(
    extracted: Sequence[Extracted],
    config: FeatureSettings,
    *,
    trial_s: float | None,
    min_duration_s: float,
    fold_column: str | None = None,
    apart: Mapping[Place, str | None] | None = None,
) -> tuple[list[Trial], list[FailedInput], tuple[str, ...]]:
    """Return the trials, those too short, and what should be said of what was left out.

    Without ``trial_s`` every clip is a trial. With it, clips of one label, group, source, split and fold are joined
    in order until a trial is as near to ``trial_s`` as it gets; longer clips are cut; a remainder of at least half
    that length is kept. Clips whose group is unknown are cut but never joined.

    Parameters
    ----------
    extracted : sequence of Extracted
        Frames of clips.
    config : FeatureSettings
        The front end: gate and normalisation run over each trial.
    trial_s : float or None
        Length wanted, seconds.
    min_duration_s : float
        Least length of a trial, seconds.
    fold_column : str or None
        Column that tells the folds.
    apart : mapping of place to str, or None
        Something else that clips must share to be joined: a speaker, where the group is a source.
    """
    check_lengths(min_duration_s, trial_s)
    bundles: dict[tuple[str, ...], list[Extracted]] = {}
    for item in extracted:
        key = (*_key(item, trial_s is not None, fold_column), (apart or {}).get(item.clip.place) or "")
        bundles.setdefault(key, []).append(item)
    trials: list[Trial] = []
    failed: list[FailedInput] = []
    left_out_s = 0.0
    seen: Counter[str] = Counter()
    for members in bundles.values():
        whole = [[Piece(item, 0, len(item.raw), item.duration_s)] for item in members]
        runs, rest_s = (whole, 0.0) if trial_s is None else _joined(members, trial_s, config.frames.frames_per_s)
        left_out_s += rest_s
        for run in runs:
            duration_s = sum(piece.duration_s for piece in run)
            # a frame less is rounding
            if duration_s < min_duration_s - 1 / config.frames.frames_per_s:
                failed.append(_too_short(run, duration_s, min_duration_s))
            else:
                trials.append(_trial(run, config, duration_s, seen, fold_column))
    note = f"{left_out_s:.2f} s of remainders shorter than half of --trial-seconds are left out"
    return trials, failed, (note,) if left_out_s > 0 else ()


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
            rows=make_rows([piece.raw for piece in trial.pieces], config),
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
    for piece in trial.pieces:
        ends.append(ends[-1] + piece.last - piece.first)
    cuts = []
    for k in range(ends[-1] // step):
        low, high = k * step, (k + 1) * step
        run = [
            Piece(
                piece.extracted,
                piece.first + max(0, low - start),
                piece.last - max(0, end - high),
                (min(high, end) - max(low, start)) / config.frames.frames_per_s,
            )
            for piece, start, end in zip(trial.pieces, ends[:-1], ends[1:], strict=True)
            if start < high and low < end
        ]
        rows = make_rows([piece.raw for piece in run], config)
        name = f"{trial.name} {low / config.frames.frames_per_s:.1f} s"
        cuts.append(Trial(name, tuple(run), rows, seconds, trial.fold, trial.unit))
    return cuts


def _key(item: Extracted, joining: bool, fold_column: str | None) -> tuple[str, ...]:
    """Return what clips must share to be joined."""
    clip = item.clip
    if not joining or clip.group is None:
        return (clip.path, str(clip.start_s), str(clip.end_s))
    fold = clip.column(fold_column) if fold_column else ""
    return (clip.label, clip.group, clip.source or "", clip.split or "", fold or "")


def _joined(members: Sequence[Extracted], trial_s: float, frames_per_s: float) -> tuple[list[list[Piece]], float]:
    """Return runs of pieces, each about ``trial_s`` long, and the seconds left out."""
    runs: list[list[Piece]] = []
    run: list[Piece] = []
    total_s = 0.0
    for piece in (piece for item in members for piece in _cut(item, trial_s, frames_per_s)):
        if run and abs(total_s - trial_s) <= abs(total_s + piece.duration_s - trial_s):
            runs.append(run)
            run, total_s = [], 0.0
        run.append(piece)
        total_s += piece.duration_s
    if run and total_s >= trial_s / 2:
        return [*runs, run], 0.0
    return runs, total_s


def _cut(item: Extracted, trial_s: float, frames_per_s: float) -> list[Piece]:
    """Return the clip in pieces of ``trial_s`` at most."""
    step = max(1, math.floor(trial_s * frames_per_s))
    pieces = []
    for first in range(0, len(item.raw), step):
        last = min(first + step, len(item.raw))
        share = (last - first) / len(item.raw)
        pieces.append(Piece(item, first, last, share * item.duration_s))
    return pieces


def _trial(
    run: Sequence[Piece],
    config: FeatureSettings,
    duration_s: float,
    seen: Counter[str],
    fold_column: str | None,
) -> Trial:
    """Return one trial, with a name that no other has."""
    clip = run[0].extracted.clip
    name = clip.path
    if clip.start_s or clip.end_s is not None:
        name += f"@{clip.start_s:g}-{'' if clip.end_s is None else format(clip.end_s, 'g')}s"
    n_parts = len({id(piece.extracted) for piece in run})
    if n_parts > 1:
        name += f" (+{n_parts - 1})"
    seen[name] += 1
    if seen[name] > 1:
        name += f" [{seen[name]}]"
    rows = make_rows([piece.raw for piece in run], config)
    return Trial(name, tuple(run), rows, duration_s, clip.column(fold_column) if fold_column else None)


def _too_short(run: Sequence[Piece], duration_s: float, least_s: float) -> FailedInput:
    """Return the failure of a trial below the least length."""
    return FailedInput(
        run[0].extracted.clip.path,
        "too_short",
        f"{duration_s:.3g} s of sound in the trial that begins here; at least {least_s:g} s is needed (--min-duration)",
    )
