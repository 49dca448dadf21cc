"""Frames of clips -> trials: what is trained on and scored as one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureConfig, Rows, finish
from gmmaudio.pipeline.extraction import Extracted, check_lengths


@dataclass(frozen=True, eq=False)
class Trial:
    """Rows that get one label together.

    Parameters
    ----------
    name : str
        The path, with what tells it from other trials of the same file.
    parts : tuple of Extracted
        The clips it was made of.
    rows : Rows
        Gated and normalised over the trial.
    duration_s : float
        Length before the gate, seconds.
    fold : str or None
        Value of the fold column.
    """

    name: str
    parts: tuple[Extracted, ...]
    rows: Rows
    duration_s: float
    fold: str | None

    @property
    def label(self) -> str:
        """Label of all parts."""
        return self.parts[0].clip.label

    @property
    def group(self) -> str | None:
        """Group of all parts."""
        return self.parts[0].clip.group

    @property
    def source(self) -> str | None:
        """Source of all parts."""
        return self.parts[0].clip.source

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the parts."""
        return tuple(part.clip.path for part in self.parts)


@dataclass(frozen=True)
class _Piece:
    """A run of frames of one clip."""

    extracted: Extracted
    first: int
    last: int
    duration_s: float


def make_trials(
    extracted: Sequence[Extracted],
    config: FeatureConfig,
    *,
    trial_s: float | None,
    min_duration_s: float,
    fold_column: str | None = None,
) -> tuple[list[Trial], list[FailedInput], tuple[str, ...]]:
    """Return the trials, those too short, and what should be said of what was left out.

    Without ``trial_s`` every clip is a trial. With it, clips of one label, group, source, split and fold are joined
    in order until a trial is as near to ``trial_s`` as it gets; longer clips are cut; a remainder of at least half
    that length is kept. Clips whose group is unknown are cut but never joined.

    Parameters
    ----------
    extracted : sequence of Extracted
        Frames of clips.
    config : FeatureConfig
        The front end: gate and normalisation run over each trial.
    trial_s : float or None
        Length wanted, seconds.
    min_duration_s : float
        Least length of a trial, seconds.
    fold_column : str or None
        Column that tells the folds.
    """
    check_lengths(min_duration_s, trial_s)
    bundles: dict[tuple[str, ...], list[Extracted]] = {}
    for item in extracted:
        bundles.setdefault(_key(item, trial_s is not None, fold_column), []).append(item)
    trials: list[Trial] = []
    failed: list[FailedInput] = []
    left_out_s = 0.0
    seen: Counter[str] = Counter()
    for members in bundles.values():
        whole = [[_Piece(item, 0, len(item.raw), item.duration_s)] for item in members]
        runs, rest_s = (whole, 0.0) if trial_s is None else _joined(members, trial_s, config.frames_per_s)
        left_out_s += rest_s
        for run in runs:
            duration_s = sum(piece.duration_s for piece in run)
            # a frame less is rounding
            if duration_s < min_duration_s - 1 / config.frames_per_s:
                failed.append(_too_short(run, duration_s, min_duration_s))
            else:
                trials.append(_trial(run, config, duration_s, seen, fold_column))
    note = f"{left_out_s:.2f} s of remainders shorter than half of --trial-seconds are left out"
    return trials, failed, (note,) if left_out_s > 0 else ()


def _key(item: Extracted, joining: bool, fold_column: str | None) -> tuple[str, ...]:
    """Return what clips must share to be joined."""
    clip = item.clip
    if not joining or clip.group is None:
        return (clip.path, str(clip.start_s), str(clip.end_s))
    fold = clip.column(fold_column) if fold_column else ""
    return (clip.label, clip.group, clip.source or "", clip.split or "", fold or "")


def _joined(members: Sequence[Extracted], trial_s: float, frames_per_s: float) -> tuple[list[list[_Piece]], float]:
    """Return runs of pieces, each about ``trial_s`` long, and the seconds left out."""
    runs: list[list[_Piece]] = []
    run: list[_Piece] = []
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


def _cut(item: Extracted, trial_s: float, frames_per_s: float) -> list[_Piece]:
    """Return the clip in pieces of ``trial_s`` at most."""
    step = max(1, math.floor(trial_s * frames_per_s))
    pieces = []
    for first in range(0, len(item.raw), step):
        last = min(first + step, len(item.raw))
        share = (last - first) / len(item.raw)
        pieces.append(_Piece(item, first, last, share * item.duration_s))
    return pieces


def _trial(
    run: Sequence[_Piece],
    config: FeatureConfig,
    duration_s: float,
    seen: Counter[str],
    fold_column: str | None,
) -> Trial:
    """Return one trial, with a name that no other has."""
    clip = run[0].extracted.clip
    name = clip.path
    if clip.start_s or clip.end_s is not None:
        name += f"@{clip.start_s:g}-{'' if clip.end_s is None else format(clip.end_s, 'g')}s"
    parts = tuple(dict.fromkeys(piece.extracted for piece in run))
    if len(parts) > 1:
        name += f" (+{len(parts) - 1})"
    seen[name] += 1
    if seen[name] > 1:
        name += f" [{seen[name]}]"
    raw = [piece.extracted.raw.slice(piece.first, piece.last) for piece in run]
    return Trial(name, parts, finish(raw, config), duration_s, clip.column(fold_column) if fold_column else None)


def _too_short(run: Sequence[_Piece], duration_s: float, least_s: float) -> FailedInput:
    """Return the failure of a trial below the least length."""
    return FailedInput(
        run[0].extracted.clip.path,
        "too_short",
        f"{duration_s:.3g} s of sound in the trial that begins here; at least {least_s:g} s is needed (--min-duration)",
    )
