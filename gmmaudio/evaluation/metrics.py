"""All figures of merit of a set of predictions at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.evaluation.confusion import (
    Counts,
    Floats,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    log_loss,
    macro_f1,
    per_label,
    top_k_accuracy,
)
from gmmaudio.evaluation.detection import (
    DetCurve,
    cavg,
    cavg_primary,
    det_curve,
    detection_llrs,
    eer,
    min_cavg,
    min_dcf,
    pooled_trials,
    trials_of,
)
from gmmaudio.evaluation.intervals import Interval, bootstrap_intervals, interval_of
from gmmaudio.evaluation.records import ScoredClip
from gmmaudio.evaluation.reliability import Reliability, cllr, min_cllr, reliability_curve

TOP = (2, 3)
# points of a DET curve that a page or a JSON holds
N_DET_POINTS = 100
# rates at which a table tells the misses, 0..1
FALSE_ALARMS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True, eq=False)
class MetricSet:
    """Figures of merit of predictions.

    Parameters
    ----------
    values : mapping of str to float or None
        Name -> figure; None where it is undefined for these predictions.
    intervals : mapping of str to (float, float) or None
        95 % intervals by bootstrap over groups, of those that have one.
    confusion : ndarray, shape (n_labels, n_labels), int
        Rows true, columns predicted; counts.
    per_label : mapping
        Precision, recall, f1, n, eer and min_dcf of every label.
    computed_from : {"probability", "score", "decision"}
        What the detection figures (eer, min_dcf, cavg, cllr) were computed from; with decisions alone there are none.
    det : tuple of (str or None, DetCurve)
        Of all labels pooled (None) and of each label with clips; thinned, see :func:`thinned`.
    reliability : Reliability or None
        Confidence against accuracy; None without probabilities.
    """

    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    confusion: Counts
    per_label: Mapping[str, Mapping[str, float | int | None]]
    computed_from: str
    det: tuple[tuple[str | None, DetCurve], ...]
    reliability: Reliability | None


def compute_metrics(clips: Sequence[ScoredClip], labels: Sequence[str]) -> MetricSet:
    """Return all figures of predictions.

    Parameters
    ----------
    clips : sequence of ScoredClip
        At least one.
    labels : sequence of str
        All labels, in the order of the confusion matrix.

    Raises
    ------
    SettingError
        If a label is unknown.
    """
    true, predicted = [clip.label for clip in clips], [clip.predicted for clip in clips]
    confusion = confusion_matrix(true, predicted, labels)
    # the draw must not depend on the split's seed: the same predictions have the same interval
    intervals = bootstrap_intervals(true, predicted, [c.unit for c in clips], labels, np.random.default_rng(0))
    values = {
        "accuracy": float(accuracy(confusion)),
        "balanced_accuracy": float(balanced_accuracy(confusion)),
        "macro_f1": float(macro_f1(confusion)),
    }
    table = per_label(confusion, labels)
    place = {label: i for i, label in enumerate(labels)}
    columns = np.array([place[label] for label in true])
    found = _Scores.of(clips, labels)
    if found is None:
        return MetricSet(values, intervals, confusion, table, "decision", (), None)
    ranked = found.scores
    values |= {f"top_{k}_accuracy": top_k_accuracy(ranked, columns, k) for k in TOP if k < len(labels)}
    llrs = detection_llrs(found.log_likelihoods)
    more, det = _detection(llrs, columns, labels)
    for label, row in more.items():
        table[label] |= row
    values |= _pooled(found.log_likelihoods, llrs, columns, more)
    calibration = None
    if found.probabilities is not None:
        calibration = reliability_curve(found.probabilities, columns)
        values |= {"log_loss": log_loss(found.probabilities, columns), "ece": calibration.ece}
    intervals |= _weighted_intervals(clips, found, llrs, columns)
    reads = "score" if found.probabilities is None else "probability"
    defined = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return MetricSet(defined, intervals, confusion, table, reads, det, calibration)


@dataclass(frozen=True, eq=False)
class _Scores:
    """Scores as matrices, one row for each clip, one column for each label; -inf where a label was no candidate."""

    scores: Floats
    probabilities: Floats | None

    @classmethod
    def of(cls, clips: Sequence[ScoredClip], labels: Sequence[str]) -> _Scores | None:
        """Return the matrices of clips, None where there are only decisions."""
        given = [clip.probability for clip in clips]
        probabilities = None if any(p is None for p in given) else _matrix([p or {} for p in given], labels, 0.0)
        if all(clip.scores for clip in clips):
            return cls(_matrix([clip.scores for clip in clips], labels, -math.inf), probabilities)
        return None if probabilities is None else cls(probabilities, probabilities)

    @property
    def log_likelihoods(self) -> Floats:
        """Log probabilities where there are any, for they are what was calibrated; else the scores themselves."""
        if self.probabilities is None:
            return self.scores
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(self.probabilities)
        return logs


def _matrix(rows: Sequence[Mapping[str, float]], labels: Sequence[str], missing: float) -> Floats:
    """Return mappings as a matrix (n, n_labels)."""
    return np.array([[row.get(label, missing) for label in labels] for row in rows], dtype=np.float64)


def _detection(
    llrs: Floats, columns: npt.NDArray[np.intp], labels: Sequence[str]
) -> tuple[dict[str, dict[str, float]], tuple[tuple[str | None, DetCurve], ...]]:
    """Return EER and least detection cost of every label that has clips, and the DET curves."""
    det: list[tuple[str | None, DetCurve]] = [(None, thinned(det_curve(*pooled_trials(llrs, columns))))]
    rows = {}
    for column, label in enumerate(labels):
        targets, nontargets = trials_of(llrs, columns, column)
        if len(targets) and len(nontargets):
            rows[label] = {"eer": eer(targets, nontargets), "min_dcf": min_dcf(targets, nontargets)}
            det.append((label, thinned(det_curve(targets, nontargets))))
    return rows, tuple(det) if rows else ()


def thinned(curve: DetCurve) -> DetCurve:
    """Return a DET curve of about N_DET_POINTS points at most, evenly spread along the curve as it is drawn.

    The points at the rates of false alarms that a table shows stay exact.

    Parameters
    ----------
    curve : DetCurve
        All operating points.
    """
    if len(curve.thresholds) <= N_DET_POINTS:
        return curve
    from scipy.special import ndtri

    drawn = [ndtri(np.clip(rate, 1e-4, 1 - 1e-4)) for rate in (curve.p_fa, curve.p_miss)]
    length = np.concatenate([[0.0], np.cumsum(sum(np.abs(np.diff(axis)) for axis in drawn))])
    even = np.searchsorted(length, np.linspace(0.0, length[-1], N_DET_POINTS))
    # rates of false alarms fall along the curve
    exact = [int(np.argmax(curve.p_fa <= rate)) for rate in FALSE_ALARMS]
    kept = np.unique([0, *even.clip(max=len(length) - 1), *exact, len(length) - 1])
    return DetCurve(curve.thresholds[kept], curve.p_miss[kept], curve.p_fa[kept])


def _pooled(
    log_likelihoods: Floats,
    llrs: Floats,
    columns: npt.NDArray[np.intp],
    rows: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Return the detection figures over all labels; nothing where fewer than two have clips."""
    if len(rows) < 2:
        return {}
    return {
        "eer": eer(*pooled_trials(llrs, columns)),
        "mean_eer": float(np.mean([row["eer"] for row in rows.values()])),
        "mean_min_dcf": float(np.mean([row["min_dcf"] for row in rows.values()])),
        "cavg": cavg(llrs, columns),
        "min_cavg": min_cavg(llrs, columns),
        "cavg_primary": cavg_primary(llrs, columns),
        "cllr": cllr(log_likelihoods, columns),
        "min_cllr": min_cllr(log_likelihoods, columns),
    }


def _weighted_intervals(
    clips: Sequence[ScoredClip], found: _Scores, llrs: Floats, columns: npt.NDArray[np.intp]
) -> dict[str, Interval | None]:
    """Return the intervals of figures that are more than a count."""
    true, units = [clip.label for clip in clips], [clip.unit for clip in clips]

    def interval(statistic: Callable[[Floats], float], scale: str) -> Interval | None:
        return interval_of(statistic, true, units, np.random.default_rng(0), scale=scale)

    intervals = {}
    if len(set(true)) > 1:
        logs = found.log_likelihoods
        intervals["cavg"] = interval(lambda weights: cavg(llrs, columns, weights=weights), "logit")
        intervals["cllr"] = interval(lambda weights: cllr(logs, columns, weights=weights), "log")
    if found.probabilities is not None:
        rows = found.probabilities
        intervals["log_loss"] = interval(lambda weights: log_loss(rows, columns, weights=weights), "log")
    return intervals
