"""The table of metrics.

:data:`METRICS` is the only place that knows a metric: terminal, page, CSV, JSON and the guide read it. To add one, add
a :class:`Metric` there; docs/contributing.md has a template.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gmmaudio.evaluation.confusion import (
    Counts,
    Floats,
    Margins,
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    mean_log_loss,
    top_k_accuracy,
    true_log_probabilities,
)
from gmmaudio.evaluation.detection import detection_llrs, eer
from gmmaudio.evaluation.detection_cost import Decisions, cavg_of_decisions, cavg_primary, min_cavg, min_dcf
from gmmaudio.evaluation.pooled_detection import pooled_eer
from gmmaudio.evaluation.records import ScoredClip
from gmmaudio.evaluation.reliability import (
    Reliability,
    cllr_of_losses,
    min_cllr,
    reliability_curve,
    true_label_losses,
)
from gmmaudio.evaluation.risk_coverage import RankedErrors

Place: TypeAlias = Literal["headline", "console", "page"]


@dataclass(frozen=True, eq=False)
class MetricInput:
    """Predictions as arrays: what every metric is computed from.

    Parameters
    ----------
    labels : tuple of str
        Of the columns.
    columns, predicted : ndarray of int, shape (n,)
        Columns of the true and of the predicted label of every clip.
    confusion : ndarray, shape (..., n_labels, n_labels)
        Rows true, columns predicted: counts, or sums of weights. Leading axes are draws of a bootstrap.
    scores : ndarray, shape (n, n_labels), or None
        Higher is likelier; -inf where a label was no candidate. None where only decisions are known.
    probabilities : ndarray, shape (n, n_labels), or None
        Rows sum to 1; None where the scores are not calibrated.
    log_likelihoods : ndarray, shape (n, n_labels), or None
        Natural logs up to a constant for each row: log probabilities where there are any, else the scores.
    llrs : ndarray, shape (n, n_labels), or None
        Log-likelihood ratio of every label against the others, of :func:`gmmaudio.evaluation.detection_llrs`.
    weights : ndarray, shape (n,), or None
        What every clip counts, >= 0; None is 1 each. Set in the draws of a bootstrap.
    rejected : ndarray of bool, shape (n,), or None
        Clips that the open-set threshold classifies as unknown; None where there is no threshold.
    rejected_out_of_set : ndarray of bool, shape (m,), or None
        The same of clips whose label the model does not have; None where there are none.
    """

    labels: tuple[str, ...]
    columns: npt.NDArray[np.intp]
    predicted: npt.NDArray[np.intp]
    confusion: Counts | Floats
    scores: Floats | None = None
    probabilities: Floats | None = None
    log_likelihoods: Floats | None = None
    llrs: Floats | None = None
    weights: Floats | None = None
    rejected: npt.NDArray[np.bool_] | None = None
    rejected_out_of_set: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls, clips: Sequence[ScoredClip], labels: Sequence[str], out_of_set: Sequence[ScoredClip] = ()
    ) -> MetricInput:
        """Return predictions as arrays.

        Parameters
        ----------
        clips : sequence of ScoredClip
            Predictions.
        labels : sequence of str
            All labels, in the order of the columns.
        out_of_set : sequence of ScoredClip
            Predictions for clips of labels that the model does not have: in the metrics of the open set only.

        Raises
        ------
        SettingError
            If a label is unknown.
        """
        true, predicted = [clip.label for clip in clips], [clip.predicted for clip in clips]
        confusion = confusion_matrix(true, predicted, labels)
        column = {label: i for i, label in enumerate(labels)}
        decisions = cls(
            tuple(labels),
            np.array([column[label] for label in true], dtype=np.intp),
            np.array([column[label] for label in predicted], dtype=np.intp),
            confusion,
            rejected=_rejections(clips),
            rejected_out_of_set=_rejections(out_of_set),
        )
        scores, probabilities = _matrices(clips, labels)
        if scores is None:
            return decisions
        log_likelihoods = scores
        if probabilities is not None:
            with np.errstate(divide="ignore"):
                log_likelihoods = np.log(probabilities)
        return replace(
            decisions,
            scores=scores,
            probabilities=probabilities,
            log_likelihoods=log_likelihoods,
            llrs=detection_llrs(log_likelihoods),
        )

    @property
    def computed_from(self) -> str:
        """``probability``, ``score`` or ``decision``: what detection metrics are computed from."""
        if self.probabilities is not None:
            return "probability"
        return "decision" if self.scores is None else "score"

    @cached_property
    def has_trials(self) -> bool:
        """Whether there are scores, and clips of two labels or more, so that labels can be told from one another."""
        return self.llrs is not None and len(np.unique(self.columns)) > 1

    def trials(self) -> Iterator[tuple[str, tuple[Floats, Floats]]]:
        """Yield each label that has targets and nontargets, with the scores of both; nothing without ratios."""
        if self.llrs is None:
            return
        for i in np.unique(self.columns):
            is_target = self.columns == i
            if not is_target.all():
                scores = self.llrs[:, i]
                yield self.labels[i], (scores[is_target], scores[~is_target])

    @cached_property
    def detection(self) -> Mapping[str, Mapping[str, float]]:
        """``eer`` and ``min_dcf`` of every label that has clips, where others have clips too."""
        return {label: {"eer": eer(*sides), "min_dcf": min_dcf(*sides)} for label, sides in self.trials()}

    @cached_property
    def losses(self) -> Floats:
        """Loss of every clip, of :func:`gmmaudio.evaluation.reliability.true_label_losses`; needs log-likelihoods."""
        return true_label_losses(np.asarray(self.log_likelihoods), self.columns)

    @cached_property
    def true_log_probabilities(self) -> Floats:
        """Log probability of every clip's true label; needs probabilities."""
        return true_log_probabilities(np.asarray(self.probabilities), self.columns)

    @cached_property
    def ranked_errors(self) -> RankedErrors | None:
        """Errors by the probability of the predicted label, or its score where there are none; None of decisions."""
        values = self.scores if self.probabilities is None else self.probabilities
        if values is None:
            return None
        confidence = values[np.arange(len(self.columns)), self.predicted]
        return RankedErrors.of(confidence, self.predicted != self.columns)

    @cached_property
    def decisions(self) -> Decisions:
        """Clips accepted as of each label where the ratio is above 0; needs ratios."""
        return Decisions(np.asarray(self.llrs) >= 0.0, self.columns)

    def with_weights(self, weights: Floats) -> MetricInput:
        """Return the same predictions with weights; what does not depend on them is not computed again.

        Parameters
        ----------
        weights : ndarray, shape (n,)
            What every clip counts, >= 0.
        """
        weighted = replace(self, weights=weights)
        computed = {name: value for name, value in vars(self).items() if name not in vars(weighted)}
        vars(weighted).update(computed)
        return weighted

    @cached_property
    def reliability(self) -> Reliability | None:
        """Confidence against accuracy; None without probabilities."""
        return None if self.probabilities is None else reliability_curve(self.probabilities, self.columns)


def _rejections(clips: Sequence[ScoredClip]) -> npt.NDArray[np.bool_] | None:
    """Return the flags of clips that were classified as unknown, None where there are no clips or no threshold."""
    flags = [clip.rejected for clip in clips]
    return None if not flags or None in flags else np.array(flags, dtype=bool)


def _matrices(clips: Sequence[ScoredClip], labels: Sequence[str]) -> tuple[Floats | None, Floats | None]:
    """Return scores and probabilities as matrices, None where a clip has none; probabilities are scores too."""
    given = [clip.probability for clip in clips]
    probabilities = None if any(p is None for p in given) else _matrix([p or {} for p in given], labels, 0.0)
    if all(clip.scores for clip in clips):
        return _matrix([clip.scores for clip in clips], labels, -math.inf), probabilities
    return probabilities, probabilities


def _matrix(rows: Sequence[Mapping[str, float]], labels: Sequence[str], missing: float) -> Floats:
    """Return mappings as a matrix (n, n_labels)."""
    matrix = np.empty((len(rows), len(labels)))
    for i, row in enumerate(rows):
        matrix[i] = [row.get(label, missing) for label in labels]
    return matrix


@dataclass(frozen=True)
class Metric:
    """One metric: what it is called, what it means, how it is computed and where it is shown.

    Every metric is in the JSON and in the CSV tables.

    Parameters
    ----------
    name : str
        Key in the JSON and in the CSV tables.
    title : str
        On the terminal, on the page and in the guide.
    unit : {"%", "bits", "nats", ""}
        ``%`` is a share, 0..1, that is shown in per cent; an empty one is a plain number.
    direction : {"higher", "lower"}
        Which is better.
    explanation : str
        One sentence without its capital and full stop.
    function : callable
        From a :class:`MetricInput` to the value, shape (...) of its confusion matrices; None where these predictions
        have no such metric (no scores, no probabilities), NaN where it is undefined.
    interval : {"share", "label_mean", "weighted_share", "linear", "log", "logit"} or None
        How its 95 % interval is made by bootstrap over groups. A ``share`` of clips and a ``label_mean``, in which all
        labels weigh the same, are 0..1 and computed from the confusion matrices alone, leading axes kept. Others are
        computed from weights, the interval symmetric on that scale; that of a ``weighted_share`` on the scale of the
        logit, and exact where all groups are alike. None has no interval.
    shown : tuple of {"headline", "console", "page"}
        ``headline`` is a card on top of the page, ``page`` a row of its table, ``console`` the terminal.
    of_margins : callable or None
        The same from :class:`gmmaudio.evaluation.confusion.Margins`, where a ``share`` or ``label_mean`` needs no more:
        its interval then takes time in the number of labels, not of their pairs, where labels are many.
    """

    name: str
    title: str
    unit: Literal["%", "bits", "nats", ""]
    direction: Literal["higher", "lower"]
    explanation: str
    function: Callable[[MetricInput], float | Floats | None]
    interval: Literal["share", "label_mean", "weighted_share", "linear", "log", "logit"] | None = None
    shown: tuple[Place, ...] = ("console", "page")
    of_margins: Callable[[Margins], Floats] | None = None

    def text(self, value: float | None) -> str:
        """Return a value as it is shown, with its unit; a dash where it is undefined.

        Parameters
        ----------
        value : float or None
            The value.

        Examples
        --------
        >>> METRICS[0].text(0.5), METRICS[0].text(None)
        ('50.0 %', '–')
        """
        if value is None or not math.isfinite(value):
            return "–"
        return f"{100 * value:.1f} %" if self.unit == "%" else f"{value:.3f} {self.unit}".rstrip()


def _top_k(data: MetricInput, k: int) -> float | None:
    """Return the top-k accuracy, where there are more labels than k."""
    if data.scores is None or k >= len(data.labels):
        return None
    return top_k_accuracy(data.scores, data.columns, k)


def _log_loss(data: MetricInput) -> float | None:
    return None if data.probabilities is None else mean_log_loss(data.true_log_probabilities, data.weights)


def _ece(data: MetricInput) -> float | None:
    return None if data.reliability is None else data.reliability.ece


def _aurc(data: MetricInput) -> float | None:
    return None if data.ranked_errors is None else data.ranked_errors.area(data.weights)


def _coverage(data: MetricInput) -> float | None:
    """Return the weighted share of clips that were not classified as unknown."""
    return None if data.rejected is None else float(np.average(~data.rejected, weights=data.weights))


def _selective_accuracy(data: MetricInput) -> float | None:
    """Return the weighted accuracy of the clips that were not classified as unknown, NaN where all were."""
    if data.rejected is None:
        return None
    weights = ~data.rejected * (1.0 if data.weights is None else data.weights)
    return float(np.average(data.predicted == data.columns, weights=weights)) if weights.any() else math.nan


def _out_of_set_recall(data: MetricInput) -> float | None:
    """Return the share of clips of unknown labels that were classified as unknown."""
    return None if data.rejected_out_of_set is None else float(data.rejected_out_of_set.mean())


def _of_ratios(function: Callable[[Floats, MetricInput], float]) -> Callable[[MetricInput], float | None]:
    """Return the metric of log-likelihood ratios, for predictions that have trials."""
    return lambda data: function(data.llrs, data) if data.llrs is not None and data.has_trials else None


def _of_likelihoods(function: Callable[[Floats, MetricInput], float]) -> Callable[[MetricInput], float | None]:
    """Return the metric of log-likelihoods, for predictions that have trials."""
    return lambda data: (
        function(data.log_likelihoods, data) if data.log_likelihoods is not None and data.has_trials else None
    )


def _label_mean(name: str) -> Callable[[MetricInput], float | None]:
    """Return the mean over labels of a metric of detection."""
    return lambda data: float(np.mean([row[name] for row in data.detection.values()])) if data.has_trials else None


METRICS: tuple[Metric, ...] = (
    Metric(
        "accuracy",
        "Accuracy",
        unit="%",
        direction="higher",
        explanation="share of clips that are correctly classified",
        function=lambda data: accuracy(data.confusion),
        interval="share",
        shown=("headline",),
        of_margins=Margins.accuracy,
    ),
    Metric(
        "balanced_accuracy",
        "Balanced accuracy",
        unit="%",
        direction="higher",
        explanation="mean recall of the labels that have clips",
        function=lambda data: balanced_accuracy(data.confusion),
        interval="label_mean",
        shown=("headline",),
        of_margins=Margins.balanced_accuracy,
    ),
    Metric(
        "macro_f1",
        "Macro-F1",
        unit="%",
        direction="higher",
        explanation="mean F1 of the labels that have clips",
        function=lambda data: macro_f1(data.confusion),
        interval="label_mean",
        shown=("headline", "console"),
        of_margins=Margins.macro_f1,
    ),
    Metric(
        "top_2_accuracy",
        "Top-2 accuracy",
        unit="%",
        direction="higher",
        explanation="the true label is among the two with the highest scores; ties count against it",
        function=lambda data: _top_k(data, 2),
        shown=("page",),
    ),
    Metric(
        "top_3_accuracy",
        "Top-3 accuracy",
        unit="%",
        direction="higher",
        explanation="the true label is among the three with the highest scores; ties count against it",
        function=lambda data: _top_k(data, 3),
    ),
    Metric(
        "log_loss",
        "Log-loss",
        unit="nats",
        direction="lower",
        explanation="mean of minus the log of the probability given to the true label; 0 is perfect",
        function=_log_loss,
        interval="log",
        shown=("headline", "console", "page"),
    ),
    Metric(
        "ece",
        "ECE",
        unit="%",
        direction="lower",
        explanation="expected calibration error: mean gap, over ten bins of the probability of the predicted label, "
        "between that probability and the accuracy",
        function=_ece,
    ),
    Metric(
        "aurc",
        "AURC",
        unit="%",
        direction="lower",
        explanation="area under the risk-coverage curve: error rate among the clips of the highest probability, "
        "averaged over all numbers of clips accepted; the error rate of all clips where probability tells no errors",
        function=_aurc,
        shown=("page",),
    ),
    Metric(
        "eer",
        "Pooled EER",
        unit="%",
        direction="lower",
        explanation="equal error rate of the trials of all labels together: where misses and false alarms are equal, "
        "on the convex hull of the ROC curve",
        function=_of_ratios(lambda llrs, data: pooled_eer(llrs, data.columns)),
    ),
    Metric(
        "mean_eer",
        "Mean EER",
        unit="%",
        direction="lower",
        explanation="equal error rate of each label by itself, averaged over labels",
        function=_label_mean("eer"),
        shown=("page",),
    ),
    Metric(
        "mean_min_dcf",
        "Mean min DCF",
        unit="",
        direction="lower",
        explanation="detection cost at the best threshold of each label, at a target prior of 0.5, averaged over "
        "labels; 1 is the cost of deciding without the audio",
        function=_label_mean("min_dcf"),
        shown=("page",),
    ),
    Metric(
        "cavg",
        "Cavg",
        unit="",
        direction="lower",
        explanation="average cost of detecting every label against every other, as NIST defines it, at the Bayes "
        "threshold of calibrated scores; 0.5 is the cost of deciding without the audio",
        function=_of_ratios(lambda _llrs, data: cavg_of_decisions(data.decisions, data.weights)),
        interval="logit",
    ),
    Metric(
        "min_cavg",
        "min Cavg",
        unit="",
        direction="lower",
        explanation="Cavg at the best threshold, one for all labels",
        function=_of_ratios(lambda llrs, data: min_cavg(llrs, data.columns)),
    ),
    Metric(
        "cavg_primary",
        "Primary Cavg",
        unit="",
        direction="lower",
        explanation="mean of Cavg at target priors of 0.5 and 0.1, normalised so that accepting nothing costs 1 (NIST, "
        "2017 on)",
        function=_of_ratios(lambda llrs, data: cavg_primary(llrs, data.columns)),
        shown=("page",),
    ),
    Metric(
        "cllr",
        "Cllr",
        unit="bits",
        direction="lower",
        explanation="cost of the scores as log-likelihoods: multi-class cross entropy under a flat prior over labels; "
        "0 is perfect, log2 of the number of labels is the cost of deciding without the audio",
        function=_of_likelihoods(lambda _logs, data: cllr_of_losses(data.losses, data.columns, data.weights)),
        interval="log",
    ),
    Metric(
        "min_cllr",
        "min Cllr",
        unit="bits",
        direction="lower",
        explanation="Cllr after the best scale and offset of each label; Cllr minus this is the calibration loss",
        function=_of_likelihoods(lambda logs, data: min_cllr(logs, data.columns)),
    ),
    Metric(
        "coverage",
        "Coverage",
        unit="%",
        direction="higher",
        explanation="share of the clips of known labels that the open-set threshold did not classify as unknown",
        function=_coverage,
        interval="weighted_share",
    ),
    Metric(
        "selective_accuracy",
        "Selective accuracy",
        unit="%",
        direction="higher",
        explanation="accuracy among the clips that were not classified as unknown; the risk is one minus this",
        function=_selective_accuracy,
        interval="logit",
    ),
    Metric(
        "out_of_set_recall",
        "Out-of-set recall",
        unit="%",
        direction="higher",
        explanation="share of the clips whose label the model does not have that were classified as unknown",
        function=_out_of_set_recall,
    ),
)


def shown_metrics(place: Place) -> list[Metric]:
    """Return the metrics that are shown in a place, in the order of the table.

    Parameters
    ----------
    place : {"headline", "console", "page"}
        The place.

    Examples
    --------
    >>> [metric.name for metric in shown_metrics("headline")]
    ['accuracy', 'balanced_accuracy', 'macro_f1', 'log_loss']
    """
    return [metric for metric in METRICS if place in metric.shown]


def metrics_markdown() -> str:
    """Return the table of metrics in Markdown, for the guide to evaluation.

    Examples
    --------
    >>> print(metrics_markdown().splitlines()[2])
    | Accuracy | `accuracy` | % | higher | yes | share of clips that are correctly classified |
    """
    rows = [
        (
            metric.title,
            f"`{metric.name}`",
            metric.unit or "–",
            metric.direction,
            "yes" if metric.interval else "no",
            metric.explanation,
        )
        for metric in METRICS
    ]
    heads = ("metric", "key", "unit", "better", "interval", "definition")
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
