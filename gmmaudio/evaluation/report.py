"""Predictions and the protocol under which they were made -> a report: figures, intervals, guards."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.intervals import bootstrap_intervals
from gmmaudio.evaluation.metrics import (
    Counts,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    log_loss,
    per_label,
)

N_MISTAKES = 20
# below this the percentile bootstrap is visibly too narrow
FEW_GROUPS = 10


@dataclass(frozen=True)
class Protocol:
    """How predictions were made: without it a figure means nothing.

    Parameters
    ----------
    scheme : str
        In words: ``4 folds by group``, ``leave one group out``, ``held-out split``.
    group_by : str
        Where groups come from: ``group``, another column, ``parent`` or ``none``.
    seed : int
        Seed of the first repeat.
    folds : tuple of str
        Names of the folds.
    repeats : int
        Times the whole was done, each with another division and seed.
    scored_labels, unscored_labels : tuple of str
        Labels whose clips are in the figures, and those that were only trained on.
    trial_s : float or None
        Length that clips were joined or cut to, seconds.
    settings : mapping
        Front end and classifier.
    versions : mapping of str to str
        Of this package and the libraries below it.
    command : str
        What was typed.
    """

    scheme: str
    group_by: str
    seed: int
    folds: tuple[str, ...]
    repeats: int
    scored_labels: tuple[str, ...]
    unscored_labels: tuple[str, ...]
    trial_s: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


@dataclass(frozen=True)
class ScoredClip:
    """A clip (or trial), what it is, and what it was called.

    Parameters
    ----------
    name : str
        What it is called in a table; the same in every repeat, and no two have the same.
    paths : tuple of str
        One path, or those of the clips that were joined.
    label : str
        True label.
    group : str or None
        Its group; None where unknown.
    unit : str
        What the interval is drawn over: the group, or the file where the group is unknown.
    source : str or None
        Its source.
    fold : str
        The fold in which it was held out.
    repeat : int
        The repeat, from 0.
    predicted : str
        The label given.
    scores : mapping of str to float
        Of every candidate label; higher is likelier.
    probability : mapping of str to float or None
        Of every candidate label, where the model is calibrated.
    """

    name: str
    paths: tuple[str, ...]
    label: str
    group: str | None
    unit: str
    source: str | None
    fold: str
    repeat: int
    predicted: str
    scores: Mapping[str, float]
    probability: Mapping[str, float] | None = None

    @property
    def margin(self) -> float:
        """How far the label given is above the true one, in score; infinite where the true one was no candidate."""
        return self.scores[self.predicted] - self.scores.get(self.label, -math.inf)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        place = {"path": self.paths[0]} if len(self.paths) == 1 else {"paths": list(self.paths)}
        kept = ("name", "label", "group", "source", "fold", "repeat", "predicted")
        given = None if self.probability is None else {label: float(p) for label, p in self.probability.items()}
        scores = {label: float(s) if math.isfinite(s) else None for label, s in self.scores.items()}
        return place | {name: getattr(self, name) for name in kept} | {"scores": scores, "probability": given}


@dataclass(frozen=True)
class FailedInput:
    """An input that could not be used; outside accuracy, but counted in the headline."""

    path: str
    code: str
    message: str


@dataclass(frozen=True)
class Report:
    """The figures of an evaluation, and all that is needed to weigh them.

    Parameters
    ----------
    accuracy, balanced_accuracy : float
        0..1.
    log_loss : float or None
        Nats; None without probabilities.
    n : int
        Different clips (or trials) scored.
    labels : tuple of str
        Order of the confusion matrix.
    confusion : ndarray, shape (n_labels, n_labels), int
        Rows true, columns predicted; counts, summed over repeats.
    per_label : mapping
        Precision, recall, f1, n of every label.
    intervals : mapping of str to (float, float) or None
        95 % intervals by bootstrap over groups.
    spread : tuple of mapping
        Seed, accuracy and balanced accuracy of every repeat.
    protocol : Protocol
        How the predictions were made.
    guards : tuple of str
        What may make the figures wrong.
    clips : tuple of ScoredClip
        Every prediction.
    failed : tuple of FailedInput
        Inputs that could not be used.
    """

    accuracy: float
    balanced_accuracy: float
    log_loss: float | None
    n: int
    labels: tuple[str, ...]
    confusion: Counts
    per_label: Mapping[str, Mapping[str, float | int | None]]
    intervals: Mapping[str, tuple[float, float] | None]
    spread: tuple[Mapping[str, Any], ...]
    protocol: Protocol
    guards: tuple[str, ...]
    clips: tuple[ScoredClip, ...]
    failed: tuple[FailedInput, ...]

    @property
    def headline(self) -> str:
        """The figure in one sentence, with its interval and protocol."""
        interval = self.intervals["accuracy"]
        between = "no interval: one group only" if interval is None else f"95 % interval {percent(interval)}"
        lost = f"; {len(self.failed)} input{'s' * (len(self.failed) != 1)} failed" if self.failed else ""
        return (
            f"Accuracy {100 * self.accuracy:.1f} % ({between}), balanced {100 * self.balanced_accuracy:.1f} %, "
            f"{self.n} clips, {len(self.protocol.scored_labels)} labels, {self.protocol.scheme}{lost}"
        )

    @property
    def mistakes(self) -> list[ScoredClip]:
        """The wrong predictions with the widest margin, widest first."""
        wrong = [clip for clip in self.clips if clip.predicted != clip.label]
        return sorted(wrong, key=lambda clip: (-clip.margin, clip.name))[:N_MISTAKES]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what is undefined is None."""
        return {
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "log_loss": self.log_loss,
            "n": self.n,
            "n_predictions": len(self.clips),
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
            "per_label": {label: dict(row) for label, row in self.per_label.items()},
            "intervals": {name: None if pair is None else list(pair) for name, pair in self.intervals.items()},
            "repeats": [dict(row) for row in self.spread],
            "protocol": asdict(self.protocol),
            "guards": list(self.guards),
            "clips": [clip.to_dict() for clip in self.clips],
            "failed": [asdict(item) for item in self.failed],
        }


def make_report(
    clips: Sequence[ScoredClip],
    labels: Sequence[str],
    protocol: Protocol,
    guards: Sequence[str] = (),
    failed: Sequence[FailedInput] = (),
) -> Report:
    """Return the report of predictions, anybody's.

    Parameters
    ----------
    clips : sequence of ScoredClip
        At least one.
    labels : sequence of str
        All labels, scored or only candidates; the order of the confusion matrix.
    protocol : Protocol
        How the predictions were made.
    guards : sequence of str
        What may make the figures wrong.
    failed : sequence of FailedInput
        Inputs that could not be used.

    Raises
    ------
    SettingError
        If there are no clips, or a label is unknown.
    """
    if not clips:
        raise SettingError("no clip was scored; there is nothing to report")
    true, predicted = [clip.label for clip in clips], [clip.predicted for clip in clips]
    confusion = confusion_matrix(true, predicted, labels)
    # the draw must not depend on the split's seed: the same predictions have the same interval
    rng = np.random.default_rng(0)
    return Report(
        accuracy=float(accuracy(confusion)),
        balanced_accuracy=float(balanced_accuracy(confusion)),
        log_loss=_log_loss(clips),
        n=len({clip.name for clip in clips}),
        labels=tuple(labels),
        confusion=confusion,
        per_label=per_label(confusion, labels),
        intervals=bootstrap_intervals(true, predicted, [clip.unit for clip in clips], labels, rng),
        spread=_spread(clips, labels, protocol.seed),
        protocol=protocol,
        guards=(*guards, *_few_groups(clips)),
        clips=tuple(clips),
        failed=tuple(failed),
    )


def _few_groups(clips: Sequence[ScoredClip]) -> tuple[str, ...]:
    """Return a warning where too few groups were drawn from for the interval to be more than a hint."""
    n_groups = len({clip.unit for clip in clips})
    if n_groups == 1 or n_groups >= FEW_GROUPS:
        return ()
    return (f"the interval rests on {n_groups} groups only: read it as a hint, and add groups",)


def percent(interval: tuple[float, float]) -> str:
    """Return an interval of shares in per cent.

    Examples
    --------
    >>> percent((0.512, 0.7))
    '51.2 to 70.0 %'
    """
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"


def _spread(clips: Sequence[ScoredClip], labels: Sequence[str], seed: int) -> tuple[Mapping[str, Any], ...]:
    """Return the figures of every repeat."""
    runs: dict[int, list[ScoredClip]] = defaultdict(list)
    for clip in clips:
        runs[clip.repeat].append(clip)
    rows = []
    for repeat in sorted(runs):
        own = runs[repeat]
        counts = confusion_matrix([clip.label for clip in own], [clip.predicted for clip in own], labels)
        figures = {"accuracy": float(accuracy(counts)), "balanced_accuracy": float(balanced_accuracy(counts))}
        rows.append({"seed": seed + repeat, "n": len(own)} | figures)
    return tuple(rows)


def _log_loss(clips: Sequence[ScoredClip]) -> float | None:
    """Return the log-loss where every clip has probabilities; a label that was no candidate had none."""
    if any(clip.probability is None for clip in clips):
        return None
    losses = []
    for clip in clips:
        probability = {clip.label: 0.0} | dict(clip.probability or {})
        losses.append(log_loss([list(probability.values())], [list(probability).index(clip.label)]))
    return float(np.mean(losses))
