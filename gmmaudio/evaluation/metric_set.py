"""All metrics of a set of predictions at once, with their intervals and curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmmaudio.evaluation import metrics
from gmmaudio.evaluation.confusion import Counts, Floats, confusion_matrix, per_label
from gmmaudio.evaluation.detection import DetCurve, det_curve, thin_curve
from gmmaudio.evaluation.intervals import (
    CountStatistic,
    Interval,
    Progress,
    bootstrap_intervals,
    effective_groups,
    exact_interval,
    silent,
    weighted_interval,
)
from gmmaudio.evaluation.metrics import Metric, MetricInput
from gmmaudio.evaluation.pooled_detection import pooled_det_curve
from gmmaudio.evaluation.records import ScoredClip
from gmmaudio.evaluation.reliability import Reliability
from gmmaudio.evaluation.risk_coverage import RiskCoverage


@dataclass(frozen=True, eq=False)
class MetricSet:
    """All metrics of a set of predictions.

    Parameters
    ----------
    values : mapping of str to float or None
        Name -> value: those of :data:`gmmaudio.evaluation.metrics.METRICS` that these predictions have; None where
        one is undefined.
    intervals : mapping of str to (float, float) or None
        95 % intervals by bootstrap over groups, of those that have one.
    confusion : ndarray, shape (n_labels, n_labels), int
        Rows true, columns predicted; counts.
    per_label : mapping
        Precision, recall, f1, n, n_groups (None where a group is unknown), eer and min_dcf of every label.
    computed_from : {"probability", "score", "decision"}
        What the metrics of detection (eer, min_dcf, cavg, cllr) were computed from; decisions alone have none.
    det : tuple of (str or None, DetCurve)
        Of all labels pooled (None) and of each label with clips; thinned, see
        :func:`gmmaudio.evaluation.detection.thin_curve`.
    reliability : Reliability or None
        Confidence against accuracy; None without probabilities.
    risk_coverage : RiskCoverage or None
        Error rate of the clips that are answered, by the share of them; None of decisions alone.
    """

    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    confusion: Counts
    per_label: Mapping[str, Mapping[str, float | int | None]]
    computed_from: str
    det: tuple[tuple[str | None, DetCurve], ...]
    reliability: Reliability | None
    risk_coverage: RiskCoverage | None = None


def compute_metrics(
    clips: Sequence[ScoredClip],
    labels: Sequence[str],
    progress: Progress = silent,
    *,
    out_of_set: Sequence[ScoredClip] = (),
) -> MetricSet:
    """Return all metrics of predictions, with their intervals.

    Parameters
    ----------
    clips : sequence of ScoredClip
        At least one.
    labels : sequence of str
        All labels, in the order of the confusion matrix.
    progress : callable
        Shows the progress of the bootstraps, see :class:`gmmaudio.evaluation.intervals.Progress`.
    out_of_set : sequence of ScoredClip
        Predictions for clips of labels that the model does not have: in the metrics of the open set only.

    Raises
    ------
    SettingError
        If a label is unknown.

    Examples
    --------
    >>> clips = [
    ...     ScoredClip(name, (name,), label, name, name, None, "", 0, "jazz", {"jazz": 0.5, "rock": 0.0})
    ...     for name, label in (("a.wav", "jazz"), ("b.wav", "jazz"), ("c.wav", "rock"))
    ... ]
    >>> found = compute_metrics(clips, ["jazz", "rock"])
    >>> round(found.values["accuracy"], 3), found.values["balanced_accuracy"], found.computed_from
    (0.667, 0.5, 'score')
    """
    data = MetricInput.of(clips, labels, out_of_set)
    table = per_label(confusion_matrix([c.label for c in clips], [c.predicted for c in clips], labels), labels)
    n_groups = count_groups([clip.label for clip in clips], [clip.group for clip in clips])
    for label in labels:
        table[label]["n_groups"] = n_groups.get(label, 0)
        table[label] |= data.detection.get(label, {})
    values = metric_values(data)
    present = [metric for metric in metrics.METRICS if metric.name in values]
    return MetricSet(
        values=values,
        intervals=_intervals(clips, data, present, progress),
        confusion=np.asarray(data.confusion, dtype=np.int64),
        per_label=table,
        computed_from=data.computed_from,
        det=_det_curves(data),
        reliability=data.reliability,
        risk_coverage=None if data.ranked_errors is None else data.ranked_errors.curve(),
    )


def metric_values(data: MetricInput) -> dict[str, float | None]:
    """Return the metrics that predictions have, by name; None where one is undefined.

    Parameters
    ----------
    data : MetricInput
        Predictions as arrays.

    Examples
    --------
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", None, "a.wav", None, "", 0, "jazz", {})
    >>> metric_values(MetricInput.of([clip], ["jazz"]))["accuracy"]
    1.0
    """
    computed = {metric.name: metric.function(data) for metric in metrics.METRICS}
    known = {name: float(value) for name, value in computed.items() if value is not None}
    return {name: value if math.isfinite(value) else None for name, value in known.items()}


def count_groups(labels: Sequence[str], groups: Sequence[str | None]) -> dict[str, int | None]:
    """Return the number of groups of each label; None where a group of its clips is unknown.

    Parameters
    ----------
    labels : sequence of str
        Label of every clip.
    groups : sequence of str or None
        Group of every clip; None where unknown.

    Examples
    --------
    >>> count_groups(["jazz", "jazz", "rock"], ["ann", "ann", None])
    {'jazz': 1, 'rock': None}
    """
    members: dict[str, set[str | None]] = {}
    for label, group in zip(labels, groups, strict=True):
        members.setdefault(label, set()).add(group)
    return {label: None if None in of_label else len(of_label) for label, of_label in members.items()}


def _intervals(
    clips: Sequence[ScoredClip], data: MetricInput, present: Sequence[Metric], progress: Progress
) -> dict[str, Interval | None]:
    """Return the intervals of the metrics that have one."""
    true, predicted = [clip.label for clip in clips], [clip.predicted for clip in clips]
    units = [clip.unit for clip in clips]
    # the draws must not depend on the split's seed: the same predictions have the same interval
    intervals = bootstrap_intervals(
        true,
        predicted,
        units,
        data.labels,
        np.random.default_rng(0),
        {m.name: _count_statistic(m, data) for m in present if m.interval in ("share", "label_mean")},
        progress,
    )
    for metric in present:
        if metric.interval is None or metric.name in intervals:
            continue
        statistic, rng = _weighted_statistic(metric, data), np.random.default_rng(0)
        scale = "logit" if metric.interval == "weighted_share" else metric.interval
        interval = weighted_interval(statistic, true, units, rng, scale=scale, progress=progress)
        if interval is None and metric.interval == "weighted_share" and len(set(units)) > 1:
            # where all groups are alike, draws do not vary
            codes = np.unique(np.asarray(units), return_inverse=True)[1]
            share = statistic(np.ones(len(true)))
            interval = exact_interval(share, effective_groups(true, codes, balanced=False))
        intervals[metric.name] = interval
    return intervals


def _count_statistic(metric: Metric, data: MetricInput) -> CountStatistic:
    """Return a metric as a function of confusion matrices."""

    def statistic(confusion: Floats) -> Floats:
        return np.asarray(metric.function(replace(data, confusion=confusion)), dtype=np.float64)

    return CountStatistic(statistic, balanced=metric.interval == "label_mean", of_margins=metric.of_margins)


def _weighted_statistic(metric: Metric, data: MetricInput) -> Callable[[Floats], float]:
    """Return a metric as a function of the weights of the clips."""

    def statistic(weights: Floats) -> float:
        value = metric.function(data.with_weights(weights))
        return math.nan if value is None else float(value)

    return statistic


def _det_curves(data: MetricInput) -> tuple[tuple[str | None, DetCurve], ...]:
    """Return the DET curves of all labels pooled and of every label that has clips, thinned; none without trials."""
    if data.llrs is None or not data.has_trials:
        return ()
    of_labels = ((label, thin_curve(det_curve(*sides))) for label, sides in data.trials())
    return ((None, thin_curve(pooled_det_curve(data.llrs, data.columns))), *of_labels)
