"""Two timelines of one recording compared, the true one and another: errors in seconds, and boundaries.

At every moment a recording has one state: a label, unknown or silence. What a timeline leaves between its segments is
silence. A moment is wrong by *confusion* where both timelines have sound and the states differ, so that ``unknown``
for a known label is an error and a label for what is truly unknown is one too; *missed* where the reference has sound
and the hypothesis silence; a *false alarm* where it is the other way round.

Every metric is a quotient of sums over recordings, so that long recordings weigh more, and its interval is for another
draw of recordings.

References
----------
NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan" (the error rate and its parts).
Bredin, "pyannote.metrics: a toolkit for reproducible evaluation, diagnostic, and error analysis of speaker diarization
systems", Interspeech (2017) (boundaries, purity and coverage).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import Floats
from gmmaudio.evaluation.intervals import UNMOVED, Interval, draw_weights, exact_interval, t_interval
from gmmaudio.timelines import Timeline

TOLERANCE_S = 1.0
# what is closer is the same time but for rounding
ROUNDING_S = 1e-9


@dataclass(frozen=True, eq=False)
class SegmentCounts:
    """Agreement of two timelines of a recording.

    Parameters
    ----------
    labels : tuple of str
        Labels in the order of rows and columns.
    seconds : ndarray, shape (n_labels + 2, n_labels + 2)
        Time in every pair of states, seconds: rows are those of the reference, columns those of the hypothesis; labels,
        then unknown, then silence.
    n_reference, n_hypothesis, n_matched : int
        Boundaries of either, and the greatest number of them that pair up one to one within the tolerance.
    covered_s, pure_s : float
        Of the sound of the reference: the sum over its segments of the longest part that lies in one segment of the
        hypothesis, and the same with the two exchanged, seconds.
    """

    labels: tuple[str, ...]
    seconds: Floats
    n_reference: int
    n_hypothesis: int
    n_matched: int
    covered_s: float
    pure_s: float

    @property
    def sound_s(self) -> float:
        """Time that is not silent in the reference, seconds."""
        return float(self.seconds[:-1].sum())

    @property
    def confusion_s(self) -> float:
        """Time with sound in both and different states, seconds."""
        both = self.seconds[:-1, :-1]
        return float(both.sum() - np.trace(both))

    @property
    def missed_s(self) -> float:
        """Time with sound in the reference alone, seconds."""
        return float(self.seconds[:-1, -1].sum())

    @property
    def false_alarm_s(self) -> float:
        """Time with sound in the hypothesis alone, seconds."""
        return float(self.seconds[-1, :-1].sum())

    @property
    def correct_s(self) -> float:
        """Time with the right state, silence included, seconds."""
        return float(np.trace(self.seconds))


@dataclass(frozen=True)
class SegmentMetric:
    """A quotient of sums over recordings.

    Parameters
    ----------
    title : str
        As reports name it.
    better : {"lower", "higher"}
        Which values are better.
    explanation : str
        What it is, in a sentence.
    parts : callable
        From :class:`SegmentCounts` to what is summed above and below.
    scale : {"log", "logit"}
        Where its interval is symmetric: ``logit`` for what lies in 0..1.
    """

    title: str
    better: str
    explanation: str
    parts: Callable[[SegmentCounts], tuple[float, float]]
    scale: str = "logit"


def _errors(counts: SegmentCounts) -> tuple[float, float]:
    """Return the time of all errors, and that of the sound of the reference."""
    return counts.confusion_s + counts.missed_s + counts.false_alarm_s, counts.sound_s


SEGMENT_METRICS: Mapping[str, SegmentMetric] = {
    "segment_error_rate": SegmentMetric(
        "Segment error rate",
        "lower",
        "confusion, missed and false-alarm time, as a share of the reference's sound; may exceed 1",
        _errors,
        "log",
    ),
    "confusion_rate": SegmentMetric(
        "Confusion",
        "lower",
        "time with another label than the reference has, or unknown for a label, as a share of its sound",
        lambda counts: (counts.confusion_s, counts.sound_s),
    ),
    "missed_rate": SegmentMetric(
        "Missed",
        "lower",
        "sound that was taken for silence, as a share of the reference's sound",
        lambda counts: (counts.missed_s, counts.sound_s),
    ),
    "false_alarm_rate": SegmentMetric(
        "False alarm",
        "lower",
        "silence that was taken for sound, as a share of the reference's sound; may exceed 1",
        lambda counts: (counts.false_alarm_s, counts.sound_s),
        "log",
    ),
    "frame_accuracy": SegmentMetric(
        "Frame accuracy",
        "higher",
        "share of all time with the right state, silence included: that of frames as they get shorter",
        lambda counts: (counts.correct_s, float(counts.seconds.sum())),
    ),
    "boundary_precision": SegmentMetric(
        "Boundary precision",
        "higher",
        "share of the found boundaries that a true one of their own lies near",
        lambda counts: (counts.n_matched, counts.n_hypothesis),
    ),
    "boundary_recall": SegmentMetric(
        "Boundary recall",
        "higher",
        "share of the true boundaries that a found one of their own lies near",
        lambda counts: (counts.n_matched, counts.n_reference),
    ),
    "boundary_f1": SegmentMetric(
        "Boundary F1",
        "higher",
        "harmonic mean of both",
        lambda counts: (2 * counts.n_matched, counts.n_hypothesis + counts.n_reference),
    ),
    "coverage": SegmentMetric(
        "Coverage",
        "higher",
        "share of the true segments that lies in the one found segment with the most of each, whatever its label",
        lambda counts: (counts.covered_s, counts.sound_s),
    ),
    "purity": SegmentMetric(
        "Purity",
        "higher",
        "share of the found segments that lies in the one true segment with the most of each, whatever its label",
        lambda counts: (counts.pure_s, counts.sound_s),
    ),
}


def segment_metrics_markdown() -> str:
    """Return the table of metrics of segments in Markdown, for the guide to timelines.

    Examples
    --------
    >>> print(segment_metrics_markdown().splitlines()[3])
    | Confusion | `confusion_rate` | lower | time with another label ... as a share of its sound |
    """
    rows = [(each.title, f"`{name}`", each.better, each.explanation) for name, each in SEGMENT_METRICS.items()]
    lines = [("metric", "key", "better", "definition"), ("---",) * 4, *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


@dataclass(frozen=True)
class SegmentMetrics:
    """Metrics of segments over some recordings.

    Parameters
    ----------
    values : mapping of str to float
        By the keys of :data:`SEGMENT_METRICS`; NaN where there is nothing to divide by.
    intervals : mapping of str to (float, float) or None
        95 % intervals over recordings; None with fewer than two of them, or where the draws do not say.
    """

    values: Mapping[str, float]
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)


def compare_segments(
    reference: Timeline,
    hypothesis: Timeline,
    labels: Sequence[str] | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> SegmentCounts:
    """Return the agreement of two timelines of a recording, from its start to the later of their ends.

    Parameters
    ----------
    reference, hypothesis : Timeline
        The true timeline, and the one that is judged.
    labels : sequence of str or None
        Order of rows and columns; None: all that occur, sorted.
    tolerance_s : float
        Farthest that a boundary lies from the one it is paired with, seconds. The ends of the recording are no
        boundaries.

    Raises
    ------
    SettingError
        If a label is not among ``labels``, or the tolerance is negative.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> true = Timeline((TimelineSegment(0, 6, "fr"), TimelineSegment(6, 10, "de")))
    >>> found = Timeline((TimelineSegment(0, 7, "fr"), TimelineSegment(7, 9, "de")))
    >>> counts = compare_segments(true, found)
    >>> counts.confusion_s, counts.missed_s, counts.n_reference, counts.n_hypothesis, counts.n_matched
    (1.0, 1.0, 1, 2, 1)
    """
    if not tolerance_s >= 0:
        raise SettingError(f"the tolerance of boundaries is {tolerance_s:g} s; expected 0 or more")
    present = {part.label for line in (reference, hypothesis) for part in line.segments if part.label is not None}
    labels = tuple(sorted(present)) if labels is None else tuple(labels)
    if not present <= set(labels):
        raise SettingError(f"label {min(present - set(labels))!r} is not among {', '.join(labels)}")
    end_s = max(reference.duration_s, hypothesis.duration_s)
    (true_s, true), (found_s, found) = (_states(line, labels, end_s) for line in (reference, hypothesis))
    edges = np.union1d(true_s, found_s)
    # the pieces that each stretch between edges is of
    of_true, of_found = (np.searchsorted(starts, edges, side="right") - 1 for starts in (true_s, found_s))
    lengths = np.diff(edges, append=max(end_s, edges[-1]) if len(edges) else 0.0)
    seconds = np.zeros((len(labels) + 2,) * 2)
    np.add.at(seconds, (true[of_true], found[of_found]), lengths)
    covered_s, pure_s = _longest_parts(true[of_true] == len(labels) + 1, of_true, of_found, lengths)
    n_matched = count_matches(true_s[1:], found_s[1:], tolerance_s)
    n_boundaries = max(len(true_s) - 1, 0), max(len(found_s) - 1, 0)
    return SegmentCounts(labels, seconds, *n_boundaries, n_matched, covered_s, pure_s)


def _states(line: Timeline, labels: tuple[str, ...], end_s: float) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Return the start of every piece of one state, seconds, and the index of the state; neighbours differ."""
    unknown, silence = len(labels), len(labels) + 1
    column = {label: i for i, label in enumerate(labels)}
    pieces: list[tuple[float, int]] = []
    last_s = 0.0
    for part in line.segments:
        if part.start_s - last_s > ROUNDING_S:
            pieces.append((last_s, silence))
        state = column[part.label] if part.label is not None else unknown if part.status == "unknown" else silence
        pieces.append((part.start_s if pieces else 0.0, state))
        last_s = part.end_s
    if end_s - last_s > ROUNDING_S:
        pieces.append((last_s, silence))
    changed = [piece for i, piece in enumerate(pieces) if i == 0 or piece[1] != pieces[i - 1][1]]
    return np.array([start for start, _ in changed]), np.array([state for _, state in changed], dtype=np.intp)


def _longest_parts(
    silent: npt.NDArray[np.bool_], of_true: npt.NDArray[np.intp], of_found: npt.NDArray[np.intp], lengths: Floats
) -> tuple[float, float]:
    """Return the sums of the longest common parts, over true and over found pieces, within the sound of the reference.

    Parameters
    ----------
    silent : ndarray, shape (n,)
        Whether the reference is silent, in stretches that both timelines have one state in.
    of_true, of_found : ndarray, shape (n,), int
        The piece of each that a stretch is of.
    lengths : ndarray, shape (n,)
        Of the stretches, seconds.
    """
    if not len(lengths):
        return 0.0, 0.0
    # a found piece is cut where the reference is silent
    part = np.cumsum(silent | np.append(True, np.diff(of_found) != 0))
    longest = np.zeros(of_true[-1] + 1), np.zeros(part[-1] + 1)
    for best, piece in zip(longest, (of_true, part), strict=True):
        np.maximum.at(best, piece[~silent], lengths[~silent])
    return float(longest[0].sum()), float(longest[1].sum())


def count_matches(reference_s: npt.ArrayLike, hypothesis_s: npt.ArrayLike, tolerance_s: float) -> int:
    """Return the greatest number of pairs, one to one, of times that lie no farther apart than the tolerance.

    The earliest time that is left pairs with the earliest it can: on a line, no other choice gives more.

    Parameters
    ----------
    reference_s, hypothesis_s : array_like, shape (n,) and (m,)
        Times, ascending, seconds.
    tolerance_s : float
        Seconds, >= 0.

    Examples
    --------
    >>> count_matches([10.0, 11.5], [11.0, 12.4], 1.0)
    2
    """
    one, other = np.asarray(reference_s).tolist(), np.asarray(hypothesis_s).tolist()
    i = j = n_pairs = 0
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) <= tolerance_s + ROUNDING_S:
            i, j, n_pairs = i + 1, j + 1, n_pairs + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return n_pairs


def sum_counts(counts: Sequence[SegmentCounts]) -> SegmentCounts:
    """Return the sums over recordings.

    Parameters
    ----------
    counts : sequence of SegmentCounts
        At least one, all of the same labels.

    Raises
    ------
    SettingError
        If there are none, or their labels differ.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> counts = compare_segments(Timeline((TimelineSegment(0, 6, "fr"),)), Timeline((TimelineSegment(0, 5, "fr"),)))
    >>> sum_counts([counts, counts]).missed_s
    2.0
    """
    labels = {each.labels for each in counts}
    if len(labels) != 1:
        raise SettingError(f"{len(counts)} recordings with {len(labels)} lists of labels; expected one list for all")
    return SegmentCounts(
        counts[0].labels,
        np.sum([each.seconds for each in counts], axis=0),
        *(sum(getattr(each, name) for each in counts) for name in ("n_reference", "n_hypothesis", "n_matched")),
        *(float(sum(getattr(each, name) for each in counts)) for name in ("covered_s", "pure_s")),
    )


def segment_metrics(
    counts: Sequence[SegmentCounts], units: Sequence[str] | None = None, rng: np.random.Generator | None = None
) -> SegmentMetrics:
    """Return all metrics of segments over some recordings, with intervals.

    Parameters
    ----------
    counts : sequence of SegmentCounts
        One for each recording, at least one.
    units : sequence of str or None
        What recordings belong to that is drawn together, such as their series; None: each is one of its own.
    rng : numpy.random.Generator or None
        Draws them; None: always the same draws.

    Raises
    ------
    SettingError
        If there are no recordings, labels differ, or there is not one unit for each.

    Examples
    --------
    >>> from gmmaudio.timelines import TimelineSegment
    >>> true, found = Timeline((TimelineSegment(0, 6, "fr"),)), Timeline((TimelineSegment(0, 3, "fr"),))
    >>> metrics = segment_metrics([compare_segments(true, true), compare_segments(true, found)])
    >>> metrics.values["segment_error_rate"], metrics.values["frame_accuracy"]
    (0.25, 0.75)
    """
    sum_counts(counts)
    units = [str(i) for i in range(len(counts))] if units is None else list(units)
    draws = draw_weights([""] * len(counts), units, np.random.default_rng(0) if rng is None else rng)
    # the same factor for all recordings cancels in a quotient
    weights = draws.times[:, draws.unit].astype(np.float64)
    values: dict[str, float] = {}
    intervals: dict[str, Interval | None] = {}
    for name, metric in SEGMENT_METRICS.items():
        above, below = np.array([metric.parts(each) for each in counts], dtype=np.float64).T
        values[name] = value = float(_quotient(above.sum(), below.sum()))
        if draws.degrees < 1:
            intervals[name] = None
            continue
        drawn = _quotient(weights @ above, weights @ below)
        if np.isfinite(drawn).all() and np.ptp(drawn) > UNMOVED:
            intervals[name] = t_interval(value, drawn, draws.degrees, metric.scale)
        elif metric.scale == "logit" and below.sum() > 0:
            # as many independent trials as there are recordings, fewer where their sizes are uneven
            share = np.bincount(draws.unit, weights=below / below.sum())
            intervals[name] = exact_interval(value, float(1 / np.sum(share**2)))
        else:
            intervals[name] = None
    return SegmentMetrics(values, intervals)


def _quotient(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    """Return a quotient, NaN where there is nothing to divide by; 0 or 1 but for rounding is 0 or 1."""
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    value = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
    value = np.where(np.abs(value) < ROUNDING_S, 0.0, value)
    return np.where(np.abs(value - 1) < ROUNDING_S, 1.0, value)
