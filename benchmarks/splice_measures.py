"""What ``timeline.py`` measures of a timeline beside the true turns: quotients of sums over recordings.

A *window* of 10 s is right where the label that holds most of it is that of the turn that holds most of it. The
windows of a recording follow one another from its start; those *inside turns* from the start of each turn, and lie in
it whole. A *boundary* is the change from one turn to the next, of which one is 10 s long or longer. A pause between
them belongs to neither; the error is how far the nearest change between the same two labels lies outside it, seconds. A
change of label goes from the end of one to the start of the next, over what is silent or unknown between them. A turn
of 10 s and more is *found* where a stretch of its label, without another label in it, has both ends within 1 s of its
own, or in the pauses beside it. So what has many changes has no more of them right by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.evaluation.intervals import UNMOVED, draw_weights, exact_interval, t_interval
from gmmaudio.evaluation.segmentation import SEGMENT_METRICS, compare_segments
from gmmaudio.timelines import Timeline, TimelineSegment

WINDOW_S, LONG_S, NEAR_S = 10.0, 10.0, 1.0
N_BINS = 10

Array = npt.NDArray[np.float64]
# what is summed above and below, over the recordings that it is measured on
Quotient = tuple[float, float]


def measure(truth: Timeline, found: Timeline) -> dict[str, Quotient]:
    """Return all quotients of a recording.

    Parameters
    ----------
    truth, found : Timeline
        The turns, and the timeline that is judged.
    """
    counts = compare_segments(truth, found, tolerance_s=NEAR_S)
    shown = ("segment_error_rate", "frame_accuracy", "boundary_precision", "boundary_recall")
    errors = boundary_errors(truth, found)
    near = [error <= NEAR_S for error in errors]
    return {
        "windows": share_right(truth, found, windows(truth.duration_s)),
        "windows_inside": share_right(truth, found, windows_inside(truth)),
        "turns": labelled_seconds(truth, found),
        "boundaries_near": (float(sum(near)), len(near)),
        "turns_found": turns_found(truth, found),
        "boundary_error_s": (float(sum(min(error, WINDOW_S) for error in errors)), len(errors)),
        "log_loss": log_loss(truth, found),
    } | {name: SEGMENT_METRICS[name].parts(counts) for name in shown}


def windows(duration_s: float) -> list[tuple[float, float]]:
    """Return the windows that follow one another from the start of a recording."""
    starts = np.arange(int(duration_s // WINDOW_S)) * WINDOW_S
    return [(float(start), float(start) + WINDOW_S) for start in starts]


def windows_inside(truth: Timeline) -> list[tuple[float, float]]:
    """Return the windows that lie in one turn, from its start."""
    return [
        (turn.start_s + first, turn.start_s + last)
        for turn in truth.segments
        for first, last in windows(turn.duration_s + 1e-9)
    ]


def held_most(line: Timeline, start_s: float, end_s: float) -> str | None:
    """Return the label that holds most of a window, None where unknown and silent segments hold more."""
    seconds: dict[str | None, float] = {None: 0.0}
    for part in line.segments:
        common = min(part.end_s, end_s) - max(part.start_s, start_s)
        if common > 0:
            seconds[part.label] = seconds.get(part.label, 0.0) + common
    return max(seconds, key=lambda label: seconds[label])


def share_right(truth: Timeline, found: Timeline, spans: Sequence[tuple[float, float]]) -> Quotient:
    """Return the number of windows with the right label, and of all."""
    return float(sum(held_most(truth, *span) == held_most(found, *span) for span in spans)), len(spans)


def labelled_seconds(truth: Timeline, found: Timeline) -> Quotient:
    """Return the seconds of turns with the right label, and of all turns: pauses between turns are not judged."""
    right = sum(
        max(0.0, min(turn.end_s, part.end_s) - max(turn.start_s, part.start_s))
        for turn in truth.segments
        for part in found.segments
        if part.label == turn.label
    )
    return right, sum(turn.duration_s for turn in truth.segments)


def label_runs(line: Timeline) -> list[TimelineSegment]:
    """Return stretches of one label, over what is silent or unknown within them."""
    runs: list[TimelineSegment] = []
    for part in line.segments:
        if part.label is None:
            continue
        if runs and runs[-1].label == part.label:
            runs[-1] = replace(runs[-1], end_s=part.end_s)
        else:
            runs.append(part)
    return runs


def boundary_errors(truth: Timeline, found: Timeline) -> list[float]:
    """Return the error of each boundary, seconds; infinite where no change is between its two labels."""
    changes = list(pairwise(label_runs(found)))
    errors = []
    for before, after in pairwise(truth.segments):
        if max(before.duration_s, after.duration_s) >= LONG_S:
            outside = [
                max(before.end_s - one.end_s, other.start_s - after.start_s, 0.0)
                for one, other in changes
                if (one.label, other.label) == (before.label, after.label)
            ]
            errors.append(min(outside, default=np.inf))
    return errors


def turns_found(truth: Timeline, found: Timeline) -> Quotient:
    """Return the number of long turns that are found, and of all."""
    runs = label_runs(found)
    starts_s = [turn.start_s for turn in truth.segments]
    ends_s = [turn.end_s for turn in truth.segments]
    # a turn may seem to begin in the pause before it, and to end in the one after it
    earliest_s, latest_s = [0.0, *ends_s[:-1]], [*starts_s[1:], truth.duration_s]
    is_found = [
        any(
            run.label == turn.label
            and earliest - NEAR_S <= run.start_s <= turn.start_s + NEAR_S
            and turn.end_s - NEAR_S <= run.end_s <= latest + NEAR_S
            for run in runs
        )
        for turn, earliest, latest in zip(truth.segments, earliest_s, latest_s, strict=True)
        if turn.duration_s >= LONG_S
    ]
    return float(sum(is_found)), len(is_found)


def rightness(truth: Timeline, part: TimelineSegment) -> float:
    """Return the share of a segment that has the label of the turns in it, 0..1; pauses are not judged."""
    right, judged = labelled_seconds(truth.crop(part.start_s, part.end_s), Timeline((part,)))
    return right / judged if judged else 1.0


def judged_segments(truth: Timeline, found: Timeline) -> list[tuple[float, float]]:
    """Return the probability of each segment of a label that has one, and the share of it that is right."""
    return [
        (part.probability, rightness(truth, part))
        for part in found.segments
        if part.label is not None and part.probability is not None
    ]


def log_loss(truth: Timeline, found: Timeline) -> Quotient:
    """Return the sum over segments of the log loss of their probabilities, bits, and their number."""
    pairs = judged_segments(truth, found)
    clipped = [(min(max(probability, 1e-4), 1 - 1e-4), right) for probability, right in pairs]
    return float(sum(-right * np.log2(p) - (1 - right) * np.log2(1 - p) for p, right in clipped)), len(pairs)


def calibration_error(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the expected calibration error of probabilities in ten bins of equal width; None without any."""
    if not pairs:
        return None
    probability, right = np.array(pairs).T
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    return float(sum(abs((probability - right)[bins == i].sum()) for i in range(N_BINS)) / len(pairs))


@dataclass(frozen=True)
class Measured:
    """A value and its 95 % interval over recordings."""

    value: float | None
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"value": self.value, "interval": None if self.interval is None else list(self.interval)}


def quotient(parts: Sequence[Quotient], scale: str = "logit") -> Measured:
    """Return a quotient of sums over recordings.

    Parameters
    ----------
    parts : sequence of (float, float)
        What is summed above and below, of each recording.
    scale : {"logit", "log", "linear"}
        Where its interval is symmetric; ``logit`` for a share.
    """
    above, below = np.array(parts, dtype=float).T
    if below.sum() <= 0:
        return Measured(None, None)
    value = float(above.sum() / below.sum())
    drawn, degrees = _drawn(above, below)
    if degrees < 1:
        return Measured(value, None)
    if np.ptp(drawn) > UNMOVED:
        return Measured(value, t_interval(value, drawn, degrees, scale))
    share = below / below.sum()
    return Measured(value, exact_interval(value, float(1 / np.sum(share**2))) if scale == "logit" else None)


def difference(parts: Sequence[Quotient], others: Sequence[Quotient]) -> Measured:
    """Return the difference of two quotients over the same recordings, the first minus the second."""
    one, other = np.array(parts, dtype=float).T, np.array(others, dtype=float).T
    if one[1].sum() <= 0 or other[1].sum() <= 0:
        return Measured(None, None)
    value = float(one[0].sum() / one[1].sum() - other[0].sum() / other[1].sum())
    (drawn, degrees), (drawn_other, _) = _drawn(*one), _drawn(*other)
    return Measured(value, t_interval(value, drawn - drawn_other, degrees) if degrees else None)


def _drawn(above: Array, below: Array) -> tuple[Array, int]:
    """Return a quotient of every bootstrap draw of recordings, always the same draws, and the degrees of freedom."""
    n = len(above)
    draws = draw_weights([""] * n, [f"{i:04}" for i in range(n)], np.random.default_rng(0))
    weights = (draws.times * draws.factor)[:, draws.unit]
    return (weights @ above) / np.maximum(weights @ below, 1e-12), draws.degrees
