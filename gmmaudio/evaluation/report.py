"""The report of an evaluation: metrics, intervals, findings, slices, and all predictions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.advice import advice_paragraph, advise
from gmmaudio.evaluation.confusion import (
    CONFUSED_DISTANCE,
    Counts,
    Floats,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
)
from gmmaudio.evaluation.intervals import Interval, Progress, silent
from gmmaudio.evaluation.left_out_sources import SourcesLeftOut
from gmmaudio.evaluation.metric_set import MetricSet, compute_metrics
from gmmaudio.evaluation.records import FailedInput, Protocol, ScoredClip, respell_scored
from gmmaudio.evaluation.slices import Slice, by_duration, by_source
from gmmaudio.evaluation.statements import Advice
from gmmaudio.evaluation.warnings import check_scored_clips
from gmmaudio.findings import Finding, at_level, sort_findings

# format of the JSON; a reader of 1.0 can read every 1.x
FORMAT = "1.3"
N_MISTAKES = 20


@dataclass(frozen=True, eq=False)
class Similarity:
    """Distances between labels.

    Parameters
    ----------
    labels : tuple of str
        Of rows and columns.
    distance : ndarray, shape (n_labels, n_labels)
        Symmetric, zero on the diagonal; NaN where unknown.
    kind : str
        Kind of distance, with its unit.
    """

    labels: tuple[str, ...]
    distance: Floats
    kind: str


@dataclass(frozen=True, eq=False)
class Report:
    """The metrics of an evaluation, and all that is needed to interpret them.

    Parameters
    ----------
    metrics : MetricSet
        Metrics, intervals, confusion matrix, per-label table, DET curves, reliability, risk-coverage curve.
    n : int
        Different clips (or trials) scored.
    labels : tuple of str
        Order of the confusion matrix.
    spread : tuple of mapping
        Seed, n, accuracy and balanced accuracy of every repeat.
    protocol : Protocol
        How the predictions were made.
    findings : tuple of Finding
        Alarms first, then warnings, information, and checks that found nothing.
    clips : tuple of ScoredClip
        Every prediction.
    failed : tuple of FailedInput
        Inputs that could not be used.
    slices : mapping of str to tuple of Slice
        Key of a kind in :data:`gmmaudio.evaluation.slices.SLICE_KINDS` -> its rows.
    similarity : Similarity or None
        Distances between labels; None where there are fewer than three with clips.
    run : mapping
        What is needed to run it again: manifest with content hashes, folds, options.
    out_of_set : tuple of ScoredClip
        Predictions for clips of labels that the model does not have: in the metrics of the open set only.
    advice : tuple of Advice
        What to expect of new clips, labels that are not safe, and what would make it better.
    sources_left_out : SourcesLeftOut or None
        What models scored that were trained on no clip of the source: the headline, where it is known. All other
        metrics are of the protocol.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {})
    >>> report = make_report([clip], ["jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> report.accuracy, report.headline
    (1.0, 'Accuracy 100.0 % (no interval: one group only), balanced 100.0 %, 1 clips, 1 labels, by hand')
    """

    metrics: MetricSet
    n: int
    labels: tuple[str, ...]
    spread: tuple[Mapping[str, Any], ...]
    protocol: Protocol
    findings: tuple[Finding, ...]
    clips: tuple[ScoredClip, ...]
    failed: tuple[FailedInput, ...]
    slices: Mapping[str, tuple[Slice, ...]] = field(default_factory=dict)
    similarity: Similarity | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    out_of_set: tuple[ScoredClip, ...] = ()
    advice: tuple[Advice, ...] = ()
    sources_left_out: SourcesLeftOut | None = None

    @property
    def accuracy(self) -> float:
        """Share of clips that are correctly classified, 0..1."""
        return float(self.metrics.values["accuracy"] or 0.0)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the labels with clips, 0..1."""
        return float(self.metrics.values["balanced_accuracy"] or 0.0)

    @property
    def log_loss(self) -> float | None:
        """Log-loss, nats; None without probabilities."""
        return self.metrics.values.get("log_loss")

    @property
    def intervals(self) -> Mapping[str, Interval | None]:
        """95 % intervals by bootstrap over groups."""
        return self.metrics.intervals

    @property
    def confusion(self) -> Counts:
        """Counts (n_labels, n_labels): rows true, columns predicted, summed over repeats."""
        return self.metrics.confusion

    @property
    def per_label(self) -> Mapping[str, Mapping[str, float | int | None]]:
        """Precision, recall, f1, n, n_groups, eer and min_dcf of every label, n_training_groups where known."""
        return self.metrics.per_label

    @property
    def group_columns(self) -> Mapping[str, str]:
        """The columns of groups of the per-label table, key -> heading: groups trained on where these are others."""
        rows = self.per_label.values()
        differ = any(row.get("n_training_groups", row["n_groups"]) != row["n_groups"] for row in rows)
        return {"n_groups": "groups"} | ({"n_training_groups": "groups trained on"} if differ else {})

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Alarms and warnings: what may make the metrics wrong, or worse than they look."""
        return at_level(self.findings, "alarm", "warning")

    @property
    def information(self) -> tuple[Finding, ...]:
        """Findings that should be known, where nothing is wrong."""
        return at_level(self.findings, "information")

    @property
    def checks_passed(self) -> tuple[Finding, ...]:
        """Checks that found nothing."""
        return at_level(self.findings, "passed")

    @property
    def headline(self) -> str:
        """Accuracy in one sentence for each protocol, with its interval: on new sources first, where that is known."""
        return "; ".join(self.headlines)

    @property
    def headlines(self) -> tuple[str, ...]:
        """The parts of the headline: accuracy on recordings of a new source, where it is known, then on new groups."""
        failed = f"; {len(self.failed)} input{'s' * (len(self.failed) != 1)} failed" if self.failed else ""
        n_labels = len(self.protocol.scored_labels)
        of_groups = _accuracy_text(self.metrics, self.n, n_labels, self.protocol.scheme) + failed
        if self.sources_left_out is None:
            return (of_groups,)
        left_out = self.sources_left_out
        n_labels = len(left_out.scored_labels)
        of_sources = _accuracy_text(left_out.metrics, left_out.n, n_labels, left_out.scheme)
        return (
            f"On recordings of a new source: {_lowered(of_sources)}",
            f"On new groups of known sources: {_lowered(of_groups)}",
        )

    @property
    def for_new_recordings(self) -> str:
        """The part that is for new recordings: ``sources_left_out``, or ``protocol`` where there is no other."""
        return "protocol" if self.sources_left_out is None else "sources_left_out"

    @property
    def paragraph(self) -> str:
        """The advice in words: what to expect of new clips, what is not safe, what to add; empty without any."""
        return advice_paragraph(self.advice)

    @property
    def mistakes(self) -> list[ScoredClip]:
        """The wrong predictions with the widest margin, widest first."""
        wrong = [clip for clip in self.clips if not clip.correct]
        return sorted(wrong, key=lambda clip: (0.0 if math.isnan(clip.margin) else -clip.margin, clip.name))[
            :N_MISTAKES
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, format :data:`FORMAT`; what is undefined is None."""
        metrics = self.metrics
        curve, risks = metrics.reliability, metrics.risk_coverage
        return {
            "format": FORMAT,
            **metrics.values,
            "log_loss": self.log_loss,
            "n": self.n,
            "n_predictions": len(self.clips),
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
            "per_label": {label: dict(row) for label, row in self.per_label.items()},
            "intervals": {name: None if pair is None else list(pair) for name, pair in self.intervals.items()},
            "repeats": [dict(row) for row in self.spread],
            "spread": spread_over_repeats(self.spread),
            "computed_from": metrics.computed_from,
            "det": [{"label": label} | _plain(asdict(det)) for label, det in metrics.det],
            "reliability": None if curve is None else _plain(asdict(curve)),
            "risk_coverage": None if risks is None else _plain(asdict(risks)),
            "slices": {name: [asdict(row) for row in rows] for name, rows in self.slices.items()},
            "similarity": None if self.similarity is None else _plain(asdict(self.similarity)),
            "protocol": asdict(self.protocol),
            "for_new_recordings": self.for_new_recordings,
            "sources_left_out": None if self.sources_left_out is None else self.sources_left_out.to_dict(),
            "advice": {"paragraph": self.paragraph, "items": [_plain(asdict(each)) for each in self.advice]},
            "findings": [asdict(finding) for finding in self.findings],
            "clips": [clip.to_dict() for clip in self.clips],
            "out_of_set": [clip.to_dict() for clip in self.out_of_set],
            "failed": [asdict(item) for item in self.failed],
            "run": dict(self.run),
        }


def make_report(
    clips: Sequence[ScoredClip],
    labels: Sequence[str],
    protocol: Protocol,
    findings: Sequence[Finding] = (),
    failed: Sequence[FailedInput] = (),
    *,
    slices: Mapping[str, Sequence[Slice]] | None = None,
    similarity: Similarity | None = None,
    run: Mapping[str, Any] | None = None,
    out_of_set: Sequence[ScoredClip] = (),
    n_training_groups: Mapping[str, int | None] | None = None,
    sources_left_out: SourcesLeftOut | None = None,
    progress: Progress = silent,
) -> Report:
    """Return the report of predictions, made by any system.

    Parameters
    ----------
    clips : sequence of ScoredClip
        At least one.
    labels : sequence of str
        All labels, scored or only candidates; the order of the confusion matrix.
    protocol : Protocol
        How the predictions were made.
    findings : sequence of Finding
        Findings on data, division and predictions, in any order.
    failed : sequence of FailedInput
        Inputs that could not be used.
    slices : mapping of str to sequence of Slice
        More tables; those by source and by duration are made here.
    similarity : Similarity or None
        Distances between labels; None takes :func:`confusion_similarity`.
    run : mapping
        What is needed to run it again.
    out_of_set : sequence of ScoredClip
        Predictions for clips of labels that the model does not have: in the metrics of the open set only.
    n_training_groups : mapping of str to int or None
        Number of groups of each label that models were trained on, in any fold; None where a group, or all of this, is
        unknown.
    sources_left_out : SourcesLeftOut or None
        What models scored that were trained on no clip of the source
        (:func:`gmmaudio.evaluation.left_out_sources.make_sources_left_out`).
    progress : callable
        Shows the progress of the bootstraps, see :class:`gmmaudio.evaluation.intervals.Progress`.

    Raises
    ------
    SettingError
        If there are no clips, or a label is unknown.

    Examples
    --------
    >>> clips = [
    ...     ScoredClip(name, (name,), label, group, group, None, "1", 0, "jazz", {"jazz": -1.0, "rock": -2.0})
    ...     for name, label, group in (("a.wav", "jazz", "ann"), ("b.wav", "jazz", "bob"), ("c.wav", "rock", "cy"))
    ... ]
    >>> protocol = Protocol("my split", "artist", 0, ("1",), 1, ("jazz", "rock"), ())
    >>> report = make_report(clips, ["jazz", "rock"], protocol)
    >>> print(report.headline)
    Accuracy 66.7 % (95 % interval ...), balanced 50.0 %, 3 clips, 2 labels, my split
    """
    if not clips:
        raise SettingError("no clip was scored; there is nothing to report")
    clips = respell_scored(clips, labels)
    metrics = compute_metrics(clips, labels, progress, out_of_set=out_of_set)
    if n_training_groups is not None:
        table = {
            label: {**row, "n_training_groups": n_training_groups.get(label)}
            for label, row in metrics.per_label.items()
        }
        metrics = replace(metrics, per_label=table)
    tables = {"source": by_source(clips), "duration": by_duration(clips)}
    tables |= {name: tuple(rows) for name, rows in (slices or {}).items()}
    report = Report(
        metrics=metrics,
        n=len({clip.name for clip in clips}),
        labels=tuple(labels),
        spread=_spread(clips, labels, protocol.seed),
        protocol=protocol,
        findings=sort_findings((*findings, *check_scored_clips(clips))),
        clips=tuple(clips),
        failed=tuple(failed),
        slices={name: rows for name, rows in tables.items() if rows},
        similarity=similarity or confusion_similarity(metrics.confusion, labels),
        run=run or {},
        out_of_set=tuple(out_of_set),
        sources_left_out=sources_left_out,
    )
    return replace(report, advice=advise(report))


def confusion_similarity(confusion: Counts, labels: Sequence[str]) -> Similarity | None:
    """Return distances between labels by confusion: 1 minus the mean of the two rates of confusion.

    None where fewer than three labels have clips, for then there is no map.

    Parameters
    ----------
    confusion : ndarray, shape (n_labels, n_labels)
        Counts.
    labels : sequence of str
        Names of rows and columns.

    Examples
    --------
    >>> confusion_similarity(np.array([[6, 4, 0], [0, 10, 0], [0, 0, 5]]), ["a", "b", "c"]).distance[0].tolist()
    [0.0, 0.8, 1.0]
    """
    known = np.flatnonzero(confusion.sum(axis=1)).tolist()
    if len(known) < 3:
        return None
    counts = confusion[np.ix_(known, known)].astype(np.float64)
    rates = counts / confusion[known].sum(axis=1, keepdims=True)
    distance = 1.0 - (rates + rates.T) / 2
    np.fill_diagonal(distance, 0.0)
    return Similarity(tuple(labels[i] for i in known), distance, CONFUSED_DISTANCE)


def spread_over_repeats(repeats: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]] | None:
    """Return minimum, mean, maximum and standard deviation over repeats of each metric; None for one repeat.

    Parameters
    ----------
    repeats : sequence of mapping
        ``accuracy`` and ``balanced_accuracy`` of every repeat.

    Examples
    --------
    >>> runs = [{"accuracy": 0.5, "balanced_accuracy": 0.5}, {"accuracy": 0.75, "balanced_accuracy": 0.5}]
    >>> spread_over_repeats(runs)["accuracy"]
    {'low': 0.5, 'mean': 0.625, 'high': 0.75, 'std': 0.1767766952966369}
    """
    if len(repeats) < 2:
        return None
    spread = {}
    for name in ("accuracy", "balanced_accuracy"):
        values = np.array([row[name] for row in repeats])
        spread[name] = {
            "low": float(values.min()),
            "mean": float(values.mean()),
            "high": float(values.max()),
            "std": float(values.std(ddof=1)),
        }
    return spread


def percent(interval: tuple[float, float]) -> str:
    """Return an interval of shares in per cent.

    Parameters
    ----------
    interval : (float, float)
        Ends, 0..1.

    Examples
    --------
    >>> percent((0.512, 0.7))
    '51.2 to 70.0 %'
    """
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"


def _lowered(text: str) -> str:
    """Return a text whose first letter is small."""
    return text[:1].lower() + text[1:]


def _accuracy_text(metrics: MetricSet, n: int, n_labels: int, scheme: str) -> str:
    """Return accuracy and balanced accuracy with interval, numbers and protocol."""
    interval = metrics.intervals["accuracy"]
    between = "no interval: one group only" if interval is None else f"95 % interval {percent(interval)}"
    shown, balanced = (100 * float(metrics.values[name] or 0.0) for name in ("accuracy", "balanced_accuracy"))
    return f"Accuracy {shown:.1f} % ({between}), balanced {balanced:.1f} %, {n} clips, {n_labels} labels, {scheme}"


def _spread(clips: Sequence[ScoredClip], labels: Sequence[str], seed: int) -> tuple[Mapping[str, Any], ...]:
    """Return the accuracies of every repeat."""
    runs: dict[int, list[ScoredClip]] = defaultdict(list)
    for clip in clips:
        runs[clip.repeat].append(clip)
    rows = []
    for repeat in sorted(runs):
        scored = runs[repeat]
        counts = confusion_matrix([clip.label for clip in scored], [clip.predicted for clip in scored], labels)
        metrics = {"accuracy": float(accuracy(counts)), "balanced_accuracy": float(balanced_accuracy(counts))}
        rows.append({"seed": seed + repeat, "n": len(scored)} | metrics)
    return tuple(rows)


def _plain(value: Any) -> Any:
    """Return arrays as lists, and None for what is not finite."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
