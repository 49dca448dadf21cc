"""Slices: the accuracy of parts of a test set, or of the whole of it under several conditions.

:data:`SLICE_KINDS` is the only place that knows a kind of slices: terminal, page, CSV, JSON and the guide read it.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
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
class SliceKind:
    """One kind of slices: a table of a report.

    Parameters
    ----------
    name : str
        Key in the JSON and in the CSV tables.
    title : str
        On the terminal, on the page and in the guide.
    explanation : str
        What the rows are, in sentences.
    """

    name: str
    title: str
    explanation: str = ""


SLICE_KINDS: tuple[SliceKind, ...] = (
    SliceKind(
        "source_gap",
        "New groups, and new sources",
        "The same clips, classified among the same labels: by group, where other clips of their source were trained "
        "on, and with their source left out.",
    ),
    SliceKind(
        "sources_left_out",
        "Sources left out",
        "Clips by their source, which was left out of training, with all clips of their groups.",
    ),
    SliceKind(
        "source_training",
        "Sources trained on, and new ones",
        "Clips of the sources that the model was trained on, and clips of others: these hold for new recordings.",
    ),
    SliceKind("source", "By source", "Clips by their source: a recording condition, or a corpus."),
    SliceKind("duration", "By duration", "Clips by their duration."),
    SliceKind(
        "durations",
        "Cut to durations",
        "Test clips of at least that duration, cut into segments before they were classified; n counts segments.",
    ),
    SliceKind("robustness", "Degraded audio", "The same clips, degraded before they were classified."),
    SliceKind(
        "learning_curve",
        "Learning curve",
        "The same clips, after training on a part of the audio. Where the last step still gains, more audio is likely "
        "to help.",
    ),
    SliceKind(
        "random_split",
        "Random-split gap",
        "The accuracy that a random split would show, in which clips of one group are on both sides: much of the "
        "difference is recognition of the group (an artist, a speaker), not of the label. Where the division is not "
        "into folds of equal size, the share trained on differs too.",
    ),
)


def slice_tables(slices: Mapping[str, Sequence[Slice]]) -> list[tuple[SliceKind, Sequence[Slice]]]:
    """Return the tables of slices in the order of :data:`SLICE_KINDS`, then those of other kinds under their keys.

    Parameters
    ----------
    slices : mapping of str to sequence of Slice
        Key of the kind -> rows, as a report has them.

    Examples
    --------
    >>> [kind.title for kind, _ in slice_tables({"mine": (), "robustness": (), "source": ()})]
    ['By source', 'Degraded audio', 'mine']
    """
    known = {kind.name for kind in SLICE_KINDS}
    others = [SliceKind(name, name) for name in slices if name not in known]
    return [(kind, slices[kind.name]) for kind in (*SLICE_KINDS, *others) if kind.name in slices]


def slices_markdown() -> str:
    """Return the table of kinds of slices in Markdown, for the guide to evaluation.

    Examples
    --------
    >>> print(slices_markdown().splitlines()[5])
    | By source | `source` | Clips by their source: a recording condition, or a corpus. |
    """
    rows = [(kind.title, f"`{kind.name}`", kind.explanation) for kind in SLICE_KINDS]
    lines = [("table", "key", "rows"), ("---",) * 3, *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


@dataclass(frozen=True)
class Slice:
    """Accuracy of a part of the clips, or of all clips under one condition.

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
        Audio trained on, hours; None where it does not vary.
    difference : float or None
        Accuracy minus that of the first row, on the same clips; None where there is nothing to compare.
    difference_interval : (float, float) or None
        Its paired 95 % interval.
    gain : float or None
        Accuracy minus that of the row before, on the same clips; None where rows are no steps.
    gain_interval : (float, float) or None
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
    gain: float | None = None
    gain_interval: tuple[float, float] | None = None


def make_slice(
    name: str,
    clips: Sequence[ScoredClip],
    *,
    hours: float | None = None,
    difference: float | None = None,
    difference_interval: tuple[float, float] | None = None,
) -> Slice:
    """Return the accuracy of some predictions, with its interval.

    Parameters
    ----------
    name : str
        The part, or the condition.
    clips : sequence of ScoredClip
        At least one.
    hours, difference, difference_interval
        As for :class:`Slice`.

    Examples
    --------
    >>> clips = [ScoredClip(str(i), (f"{i}.wav",), "jazz", None, str(i), None, "", 0, "jazz", {}) for i in range(4)]
    >>> made = make_slice("clean", clips)
    >>> made.n, made.n_groups, made.accuracy
    (4, 4, 1.0)
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
    """Return a slice for every source, sorted by name; none where sources are unknown or one.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Predictions.

    Examples
    --------
    >>> by_source([])
    ()
    """
    return _parts([clip.source or "unknown" for clip in clips], clips)


def by_duration(clips: Sequence[ScoredClip]) -> tuple[Slice, ...]:
    """Return a slice for every class of durations, shortest first; none where durations are unknown or of one class.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Predictions.

    Examples
    --------
    >>> by_duration([])
    ()
    """
    names = [_duration_class(clip.duration_s) for clip in clips]
    order = [_duration_class(edge) for edge in (0.0, *DURATIONS_S)]
    return tuple(sorted(_parts(names, clips), key=lambda part: [*order, "unknown"].index(part.name)))


def _duration_class(seconds: float | None) -> str:
    """Return the class of durations that a clip belongs to.

    Examples
    --------
    >>> _duration_class(4.0)
    '3 to 10 s'
    """
    if seconds is None:
        return "unknown"
    i = bisect.bisect_right(DURATIONS_S, seconds * (1 + ROUNDING))
    if i == 0:
        return f"below {DURATIONS_S[0]:g} s"
    if i == len(DURATIONS_S):
        return f"{DURATIONS_S[-1]:g} s and more"
    return f"{DURATIONS_S[i - 1]:g} to {DURATIONS_S[i]:g} s"


def _parts(names: Sequence[str], clips: Sequence[ScoredClip]) -> tuple[Slice, ...]:
    """Return a slice for every part, none where there is only one."""
    parts = sorted(set(names))
    if len(parts) < 2:
        return ()
    return tuple(
        make_slice(part, [clip for clip, name in zip(clips, names, strict=True) if name == part]) for part in parts
    )
