"""Scores -> probabilities: a temperature, or a scale and offsets, learned from out-of-fold scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gmmaudio.arrays import refuse_masked
from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import as_columns, as_log_likelihoods
from gmmaudio.evaluation.detection import row_blocks
from gmmaudio.models.linear_algebra import Array, Codes
from gmmaudio.models.source_shift import SourceShift
from gmmaudio.values import convert_fields, convert_mapping

METHODS = ("auto", "temperature", "affine")
# clips and groups of every label that "auto" needs before each label has its own offset
AFFINE_CLIPS, AFFINE_GROUPS = 30, 8
# wrong answers that are added to every label's, so that no set of right answers makes a scale infinite
SMOOTHING = 0.5
MAX_LOG_SCALE = 20.0
# of the logarithm of the scale
SCALE_TOLERANCE = 1e-9
# pull of the offsets to zero
RIDGE = 0.01


@dataclass(frozen=True, eq=False)
class Calibration:
    """The map from scores to probabilities: softmax(scale * scores + offsets + log prior).

    Parameters
    ----------
    scale : float
        Inverse temperature, above 0.
    offsets : ndarray, shape (n_labels,)
        Added to each label; zeros, unless the calibration is affine.
    n, n_groups : int
        Clips and groups it was learned from.
    log_loss : float
        Mean log-loss of those clips after calibration, groups and labels weighing the same, nats.
    source_shift : SourceShift or None
        Share of the class priors in the probabilities for recordings of a new source; None where sources are unknown,
        or recordings are of those that were trained on.

    Examples
    --------
    >>> Calibration(2.0, np.zeros(2)).method
    'temperature'
    """

    scale: float
    offsets: Array
    n: int = 0
    n_groups: int = 0
    log_loss: float = math.nan
    source_shift: SourceShift | None = None

    def __post_init__(self) -> None:
        convert_fields(self, skip=("log_loss",))
        if min(self.n, self.n_groups) < 0:
            raise SettingError(f"n is {self.n} and n_groups {self.n_groups}; expected counts")
        if not self.scale > 0 or self.offsets.ndim != 1 or not np.isfinite(self.offsets).all():
            raise SettingError(
                f"scale is {self.scale} and offsets {self.offsets}; expected a number above 0, and numbers"
            )

    @property
    def method(self) -> str:
        """``temperature`` or ``affine``."""
        return "affine" if self.offsets.any() else "temperature"

    def probability(self, scores: Array, priors: Array | None = None) -> Array:
        """Return the probability of every label, 0..1, in the shape of the scores, for sources that were trained on.

        Parameters
        ----------
        scores : ndarray, shape (n_labels,) or (n, n_labels)
            Score of every label; -inf is impossible.
        priors : ndarray, shape (n_labels,), optional
            Class priors, summing to 1; equal where not given.

        Raises
        ------
        SettingError
            If a score is NaN, +inf or masked, all of a clip's are impossible, or shapes do not fit.

        Examples
        --------
        >>> Calibration(2.0, np.zeros(2)).probability(np.array([0.0, np.log(3.0)])).round(3)
        array([0.1, 0.9])
        """
        n_labels = len(self.offsets)
        refuse_masked(scores, "scores must be numbers", SettingError)
        if scores.shape[-1:] != (n_labels,):
            raise SettingError(
                f"scores have shape {scores.shape}; expected {n_labels} for each clip, one of each label"
            )
        log_prior = np.zeros(n_labels) if priors is None else _log_prior(priors, n_labels)
        if scores.ndim == 1 or not len(scores):
            return self._probability(scores, log_prior)
        parts = [self._probability(scores[rows], log_prior) for rows in row_blocks(scores)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _probability(self, scores: Array, log_prior: Array) -> Array:
        """Return the probability of every label of some clips."""
        possible = np.where(np.isneginf(log_prior), -np.inf, scores)
        if np.isnan(scores).any() or (scores == np.inf).any() or not np.isfinite(possible).any(axis=-1).all():
            raise SettingError("scores hold NaN or infinity, or nothing that is possible; expected numbers")
        # differences first: a product of great scores may be no number
        with np.errstate(over="ignore"):
            return softmax(self.scale * shifted_scores(possible) + self.offsets + log_prior)

    def of_labels(self, columns: Sequence[int]) -> Calibration:
        """Return the calibration of scores of some of the labels.

        Parameters
        ----------
        columns : sequence of int
            The labels, by their columns.
        """
        return replace(self, offsets=self.offsets[list(columns)])

    def in_domain(self) -> Calibration:
        """Return the calibration for recordings of the sources that were trained on: without a shift of sources."""
        return self if self.source_shift is None else replace(self, source_shift=None)

    def for_scores_of_new_source(self, scores: Array, priors: Array | None = None) -> Array:
        """Return the probability of every label, 0..1, for a source that is not known to have been trained on.

        Parameters
        ----------
        scores, priors
            As for :meth:`probability`.
        """
        return self.for_new_source(self.probability(scores, priors), priors)

    def named_for_new_source(self, probability: Mapping[str, float], priors: Array | None = None) -> dict[str, float]:
        """Return probabilities by label for recordings of a source that is not known to have been trained on.

        Parameters
        ----------
        probability : mapping of str to float
            Of every label, in the order of the columns, for sources that were trained on.
        priors : ndarray, shape (n_labels,), optional
            The priors that they were computed with.
        """
        mixed = self.for_new_source(np.array([*probability.values()]), priors)
        return dict(zip(probability, mixed.tolist(), strict=True))

    def for_new_source(self, probability: Array, priors: Array | None = None) -> Array:
        """Return probabilities for recordings of a source that is not known to have been trained on.

        Parameters
        ----------
        probability : ndarray, shape (..., n_labels)
            Result of :meth:`probability`.
        priors : ndarray, shape (n_labels,), optional
            The priors that it was computed with.

        Examples
        --------
        >>> shifted = Calibration(2.0, np.zeros(2), source_shift=SourceShift(0.5, 2, 2))
        >>> shifted.for_new_source(np.array([0.1, 0.9]))
        array([0.3, 0.7])
        """
        return probability if self.source_shift is None else self.source_shift.apply(probability, priors)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; without a shift of sources where there is none, as before format 2.1."""
        plain = asdict(replace(self, source_shift=None))
        plain |= {"offsets": self.offsets.tolist(), "log_loss": _number(self.log_loss)}
        del plain["source_shift"]
        return plain if self.source_shift is None else plain | {"source_shift": self.source_shift.to_dict()}

    @classmethod
    def from_dict(cls, values: object) -> Calibration:
        """Return the calibration that plain values describe.

        Parameters
        ----------
        values : dict
            Result of :meth:`to_dict`.

        Raises
        ------
        SettingError
            If a value is missing or of the wrong kind.
        """
        has_shift = isinstance(values, Mapping) and "source_shift" in values
        types = _PLAIN_TYPES | ({"source_shift": dict[str, Any]} if has_shift else {})
        known = convert_mapping("calibration", values, types)
        known["log_loss"] = math.nan if known["log_loss"] is None else known["log_loss"]
        known["offsets"] = np.array(known["offsets"], dtype=np.float64)
        if has_shift:
            known["source_shift"] = SourceShift.from_dict(known["source_shift"])
        return cls(**known)


# as plain values have them
_PLAIN_TYPES = {"scale": float, "offsets": tuple[float, ...], "n": int, "n_groups": int, "log_loss": float | None}


def _number(value: float) -> float | None:
    """Return a number as JSON has it."""
    return value if math.isfinite(value) else None


def _log_prior(priors: Array, n_labels: int) -> Array:
    """Return the log of a prior, -inf where it is 0."""
    if np.shape(priors) != (n_labels,) or not (np.isfinite(priors).all() and (np.asarray(priors) >= 0).all()):
        raise SettingError(f"priors are {priors}; expected {n_labels} numbers, 0 or more")
    with np.errstate(divide="ignore"):
        logs: Array = np.log(priors)
    return logs


def softmax(logits: Array) -> Array:
    """Return exp(logits) over their sum along the last axis, 0..1, in the shape of the logits.

    Parameters
    ----------
    logits : ndarray
        Finite, or -inf beside finite ones.

    Examples
    --------
    >>> softmax(np.log([1.0, 3.0]))
    array([0.25, 0.75])
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    share: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return share


def clip_weights(codes: Codes, groups: Sequence[str]) -> Array:
    """Return weights by which every label counts the same, and every group within it, shape (n,), sum 1.

    A speaker of 300 clips says no more about other speakers than one of two.

    Parameters
    ----------
    codes : ndarray, shape (n,), int
        Label of every clip.
    groups : sequence of str
        Group of every clip.

    Examples
    --------
    >>> clip_weights(np.array([0, 0, 0, 1]), ["a", "a", "b", "c"])
    array([0.125, 0.125, 0.25 , 0.5  ])
    """
    label_groups = list(zip(codes.tolist(), groups, strict=True))
    keys, counts = np.unique(np.array([f"{code}\0{group}" for code, group in label_groups]), return_counts=True)
    n_clips = dict(zip(keys.tolist(), counts.tolist(), strict=True))
    members: dict[int, set[str]] = {}
    for code, group in label_groups:
        members.setdefault(code, set()).add(group)
    each = [1.0 / (n_clips[f"{code}\0{group}"] * len(members[code]) * len(members)) for code, group in label_groups]
    return np.array(each)


def fit_calibration(scores: Array, codes: Codes, groups: Sequence[str], *, method: str = "auto") -> Calibration:
    """Return the calibration with the lowest log-loss on out-of-fold scores, labels and groups weighing the same.

    Targets are smoothed as by half a wrong answer for every label (after Platt), so that a training set without
    mistakes does not make certainty of every score. The wrong answer is the runner-up: spread over all other labels it
    would be the labels furthest off that set the scale. Offsets are learned only where every label has 30 clips and 8
    groups ("auto"): with fewer they learn the groups.

    Clips whose true label was impossible say nothing of any scale and are left out. The scale is 1 where no score
    differs from another of its clip.

    The scorers of the folds were trained on fewer clips than the one whose scores are then calibrated, which is not
    undone: where more clips make the same range of scores better, probabilities are somewhat underconfident; where more
    clips stretch the range, somewhat overconfident.

    Parameters
    ----------
    scores : ndarray, shape (n, n_labels)
        Scores of every clip, by a scorer that was trained on none of its group; at least one clip.
    codes : ndarray, shape (n,), int
        True label of every clip, as a column.
    groups : sequence of str
        Group of every clip.
    method : {"auto", "temperature", "affine"}
        One scale, or an offset for each label too; ``auto`` chooses.

    Raises
    ------
    SettingError
        If the method is unknown, there are no clips, a score is NaN or +inf, arguments do not fit one another, or
        ``affine`` is asked for and a label has no clips.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017 (temperature). Platt, "Probabilistic outputs for
    support vector machines", 1999 (smoothed targets).

    Examples
    --------
    >>> scores = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 0.0]])
    >>> round(fit_calibration(scores, np.array([0, 1, 0, 1]), list("abcd")).scale, 2)
    0.58
    """
    scores, codes, groups = usable_clips(scores, codes, groups)
    if method not in METHODS or not len(scores):
        raise SettingError(
            f"method is {method!r} with {len(scores)} clips; expected one of {', '.join(METHODS)}, and clips"
        )
    weights, targets = clip_weights(codes, groups), smoothed_targets(scores, codes)
    n_labels, unit = scores.shape[1], typical_gap(scores)
    if method == "affine" and len(np.unique(codes)) < n_labels:
        raise SettingError("method is affine, but a label has no clips to learn its offset from; take temperature")
    gaps = shifted_scores(scores)
    gaps /= unit or 1.0
    if not unit:
        scale, offsets = 1.0, np.zeros(n_labels)
    elif method == "affine" or (method == "auto" and _is_enough(codes, groups, n_labels)):
        scale, offsets = _affine(gaps, targets, weights)
    else:
        scale, offsets = _temperature(gaps, targets, weights), np.zeros(n_labels)
    scale /= unit or 1.0
    losses = np.empty(len(scores))
    with np.errstate(over="ignore"):
        for rows in row_blocks(scores):
            logits = shifted_scores(scores[rows]) * scale + offsets
            losses[rows] = _losses(logits, smoothed_targets(scores[rows], codes[rows], 0.0))
    return Calibration(scale, offsets, len(scores), len(set(groups)), float(weights @ losses))


def usable_clips(scores: Array, codes: Codes, groups: Sequence[str]) -> tuple[Array, Codes, list[str]]:
    """Return checked scores, labels and groups of the clips whose true label was possible.

    Parameters
    ----------
    scores : ndarray, shape (n, n_labels)
        Scores of every clip; -inf is impossible.
    codes : ndarray, shape (n,), int
        True label of every clip, as a column.
    groups : sequence of str
        Group of every clip.

    Raises
    ------
    SettingError
        If a score is NaN or +inf, or arguments do not fit one another.

    Examples
    --------
    >>> usable_clips(np.array([[0.0, 1.0], [0.0, -np.inf]]), np.array([0, 1]), ["a", "b"])
    (array([[0., 1.]]), array([0]), ['a'])
    """
    scores = as_log_likelihoods(scores)
    codes = as_columns(codes, scores).astype(np.intp)
    if len(groups) != len(codes):
        raise SettingError(f"{len(groups)} groups for {len(codes)} clips; expected one for each")
    kept = np.isfinite(scores[np.arange(len(codes)), codes])
    if kept.all():
        return scores, codes, list(groups)
    return scores[kept], codes[kept], [group for group, is_kept in zip(groups, kept, strict=True) if is_kept]


def typical_gap(scores: Array) -> float:
    """Return the median gap between the best score of a clip and another, 0 where there is none.

    Searched in this unit, the calibration is the same for scores of any size.

    Parameters
    ----------
    scores : ndarray, shape (n, n_labels)
        Scores of every clip.

    Examples
    --------
    >>> typical_gap(np.array([[3.0, 1.0], [0.0, 4.0]]))
    3.0
    """
    gaps = shifted_scores(scores)
    gaps = gaps[np.isfinite(gaps) & (gaps < 0)]
    unit = -float(np.median(gaps, overwrite_input=True)) if len(gaps) else 0.0
    return unit if 1e-300 < unit < 1e306 else 0.0


def _temperature(gaps: Array, targets: Array, weights: Array) -> float:
    """Return the scale with the lowest loss: where its slope, which rises with the scale, passes 0."""
    low, high, slopes = -MAX_LOG_SCALE, MAX_LOG_SCALE / 2, np.empty(len(gaps))
    while high - low > SCALE_TOLERANCE:
        middle = (low + high) / 2
        for rows in row_blocks(gaps):
            part = gaps[rows]
            with np.errstate(over="ignore"):
                errors = softmax(part * math.exp(middle)) - targets[rows]
            slopes[rows] = (errors * np.where(np.isfinite(part), part, 0.0)).sum(axis=1)
        slope = float(weights @ slopes)
        low, high = (middle, high) if slope < 0 else (low, middle)
    return math.exp((low + high) / 2)


def _affine(gaps: Array, targets: Array, weights: Array) -> tuple[float, Array]:
    """Return the scale and the offsets with the lowest loss, offsets pulled to 0."""
    from scipy.optimize import minimize

    start = _temperature(gaps, targets, weights)

    def cost(x: Array) -> tuple[float, Array]:
        gradient, losses = np.concatenate([[0.0], RIDGE * x[1:]]), np.empty(len(gaps))
        for rows in row_blocks(gaps):
            logits = gaps[rows] * (math.exp(x[0]) * start) + x[1:]
            errors = weights[rows, None] * (softmax(logits) - targets[rows])
            gradient[0] += float((errors * np.where(np.isfinite(logits), logits - x[1:], 0.0)).sum())
            gradient[1:] += errors.sum(axis=0)
            losses[rows] = _losses(logits, targets[rows])
        return float(weights @ losses) + RIDGE / 2 * float((x[1:] ** 2).sum()), gradient

    best = minimize(cost, np.zeros(1 + gaps.shape[1]), jac=True, method="L-BFGS-B").x
    return start * math.exp(best[0]), best[1:] - best[1:].mean()


def shifted_scores(scores: Array) -> Array:
    """Return scores less each clip's best, in the shape of the scores.

    Parameters
    ----------
    scores : ndarray, shape (..., n_labels)
        Scores.

    Examples
    --------
    >>> shifted_scores(np.array([3.0, 1.0]))
    array([ 0., -2.])
    """
    with np.errstate(over="ignore"):
        shifted: Array = scores - scores.max(axis=-1, keepdims=True)
    return shifted


def smoothed_targets(scores: Array, codes: Codes, smoothing: float = SMOOTHING) -> Array:
    """Return the smoothed target probability of every label, 0..1, shape (n, n_labels).

    Parameters
    ----------
    scores : ndarray, shape (n, n_labels)
        Scores of every clip; the runner-up gets what the true label loses.
    codes : ndarray, shape (n,), int
        True label of every clip, as a column.
    smoothing : float
        Wrong answers added to every label's.

    Examples
    --------
    >>> smoothed_targets(np.array([[2.0, 1.0, 0.0]]), np.array([0]))
    array([[0.75, 0.25, 0.  ]])
    """
    n_labels = scores.shape[1]
    n = np.bincount(codes, minlength=n_labels)[codes]
    wrong = smoothing / (n + 2 * smoothing)
    each, runner_up = np.arange(len(codes)), np.zeros(len(codes), dtype=np.intp)
    for rows in row_blocks(scores):
        others = scores[rows].copy()
        others[np.arange(len(others)), codes[rows]] = -np.inf
        runner_up[rows] = others.argmax(axis=1)
    # a clip's only candidate has no runner-up
    wrong = np.where((runner_up != codes) & np.isfinite(scores[each, runner_up]), wrong, 0.0)
    targets = np.zeros(scores.shape)
    targets[each, runner_up] = wrong
    targets[each, codes] = 1.0 - wrong
    return targets


def cross_entropy(logits: Array, targets: Array, weights: Array) -> float:
    """Return the weighted mean cross-entropy of softmax(logits), nats.

    Parameters
    ----------
    logits, targets : ndarray, shape (n, n_labels)
        Logits, and target probabilities.
    weights : ndarray, shape (n,)
        Weight of every clip, sum 1.

    Examples
    --------
    >>> round(cross_entropy(np.zeros((1, 2)), np.array([[1.0, 0.0]]), np.ones(1)), 3)
    0.693
    """
    return float(weights @ _losses(logits, targets))


def _losses(logits: Array, targets: Array) -> Array:
    """Return the cross-entropy of softmax(logits) of every clip, nats, shape (n,)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_share = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    each: Array = np.where(targets > 0, targets * np.where(targets > 0, log_share, 0.0), 0.0).sum(axis=1)
    return -each


def _is_enough(codes: Codes, groups: Sequence[str], n_labels: int) -> bool:
    """Return whether every label has enough clips and groups for its own offset."""
    members: dict[int, set[str]] = {}
    for code, group in zip(codes.tolist(), groups, strict=True):
        members.setdefault(code, set()).add(group)
    n_clips = np.bincount(codes, minlength=n_labels)
    return int(n_clips.min()) >= AFFINE_CLIPS and min(len(members[k]) for k in range(n_labels)) >= AFFINE_GROUPS
