"""The same figures for parts of a test set, or for the whole of it under several conditions."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmmaudio.evaluation.confusion import accuracy, balanced_accuracy, confusion_matrix
from gmmaudio.evaluation.intervals import bootstrap_intervals
from gmmaudio.evaluation.records import ScoredClip

# the lengths that NIST's language recognition evaluations cut speech to, seconds
DURATIONS_S = (3.0, 10.0, 30.0)
# clips "of 30 s" are often some frames shorter
ROUNDING = 0.02


@dataclass(frozen=True)
class Slice:
    """Figures of a part of the clips, or of all clips under one condition.

    Parameters
    ----------
    name : str
        The part, or the condition.
    n, n_groups : int
        Predictions, and what the interval is drawn over.
    accuracy, balanced_accuracy : float
        0..1.
    interval : (float, float) or None
        95 % interval of the accuracy; None with fewer than two groups.
    hours : float or None
        Sound trained on, hours; None where it does not vary.
    difference : float or None
        Accuracy minus that of the first row, on the same clips; None where there is nothing to compare.
    difference_interval : (float, float) or None
        Its paired 95 % interval.
    """

    name: str
    n: int
    n_groups: int
    accuracy: float
    balanced_accuracy: float
    interval: tuple[float, float] | None
    hours: float | None = None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None


def make_slice(
    name: str,
    clips: Sequence[ScoredClip],
    *,
    hours: float | None = None,
    difference: float | None = None,
    difference_interval: tuple[float, float] | None = None,
) -> Slice:
    """Return the figures of some predictions.

    Parameters
    ----------
    name : str
        What they have in common.
    clips : sequence of ScoredClip
        At least one.
    hours, difference, difference_interval
        As for :class:`Slice`.
    """
    true, predicted = [clip.label for clip in clips], [clip.predicted for clip in clips]
    labels = sorted({*true, *predicted})
    counts = confusion_matrix(true, predicted, labels)
    units = [clip.unit for clip in clips]
    return Slice(
        name=name,
        n=len(clips),
        n_groups=len(set(units)),
        accuracy=float(accuracy(counts)),
        balanced_accuracy=float(balanced_accuracy(counts)),
        interval=bootstrap_intervals(true, predicted, units, labels, np.random.default_rng(0))["accuracy"],
        hours=hours,
        difference=difference,
        difference_interval=difference_interval,
    )


def by_source(clips: Sequence[ScoredClip]) -> tuple[Slice, ...]:
    """Return the figures of every source, sorted by name; nothing where sources are unknown or one."""
    return _parts([clip.source or "unknown" for clip in clips], clips)


def by_duration(clips: Sequence[ScoredClip]) -> tuple[Slice, ...]:
    """Return the figures of clips by their length; nothing where lengths are unknown or all in one class."""
    names = [_duration_class(clip.duration_s) for clip in clips]
    order = [_duration_class(edge) for edge in (0.0, *DURATIONS_S)]
    return tuple(sorted(_parts(names, clips), key=lambda part: [*order, "unknown"].index(part.name)))


def _duration_class(seconds: float | None) -> str:
    """Return the class of lengths that a clip belongs to.

    Examples
    --------
    >>> _duration_class(4.0)
    '3 to 10 s'
    """
    if seconds is None:
        return "unknown"
    place = bisect.bisect_right(DURATIONS_S, seconds * (1 + ROUNDING))
    if place == 0:
        return f"below {DURATIONS_S[0]:g} s"
    if place == len(DURATIONS_S):
        return f"{DURATIONS_S[-1]:g} s and more"
    return f"{DURATIONS_S[place - 1]:g} to {DURATIONS_S[place]:g} s"


def _parts(names: Sequence[str], clips: Sequence[ScoredClip]) -> tuple[Slice, ...]:
    """Return the figures of every part, nothing where there is only one."""
    found = sorted(set(names))
    if len(found) < 2:
        return ()
    return tuple(
        make_slice(part, [clip for clip, name in zip(clips, names, strict=True) if name == part]) for part in found
    )
