"""The risk-coverage curve: the error rate of the clips that are answered, by the share of clips that are.

A system that may leave clips unanswered accepts those of highest confidence. Its risk at a coverage is the error rate
among the share that it accepts; at a coverage of 1 it is the error rate of all. Where confidence tells errors from
correct answers, the risk falls with the coverage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import Floats, as_weights
from gmmaudio.evaluation.detection import as_trials

# points of a curve that a report keeps
N_POINTS = 200


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """A risk-coverage curve: the operating points of all thresholds on confidence.

    Parameters
    ----------
    coverage : ndarray, shape (n,)
        Share of clips that are accepted, above 0, ascending to 1.
    risk : ndarray, shape (n,)
        Error rate among them, 0..1.
    threshold : ndarray, shape (n,)
        Lowest confidence that is accepted, descending.
    """

    coverage: Floats
    risk: Floats
    threshold: Floats


@dataclass(frozen=True, eq=False)
class RankedErrors:
    """Errors by confidence, the most confident first, in blocks of equal confidence.

    Parameters
    ----------
    order : ndarray of int, shape (n,)
        Clips by falling confidence.
    starts : ndarray of int, shape (n_blocks,)
        Where each block begins in that order.
    wrong : ndarray of bool, shape (n,)
        Errors, in that order.
    threshold : ndarray, shape (n_blocks,)
        Confidence of each block.
    """

    order: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    wrong: npt.NDArray[np.bool_]
    threshold: Floats

    @classmethod
    def of(cls, confidence: npt.ArrayLike, wrong: npt.ArrayLike) -> RankedErrors:
        """Return errors by confidence.

        Parameters
        ----------
        confidence : array_like, shape (n,)
            Higher is surer.
        wrong : array_like of bool, shape (n,)
            Whether the answer is wrong.

        Raises
        ------
        SettingError
            If a confidence is NaN, or there are not as many of both.
        """
        values, errors = as_trials(confidence), np.asarray(wrong, dtype=bool)
        if values.shape != errors.shape:
            raise SettingError(f"there are {len(values)} confidences and {len(errors)} answers; expected one of each")
        order = np.argsort(-values, kind="stable")
        ranked = values[order]
        starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])) if len(ranked) else order
        return cls(order, starts, errors[order], ranked[starts])

    def sums(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Return the weight of each block, and that of its errors, shapes (n_blocks,).

        Parameters
        ----------
        weights : ndarray, shape (n,), or None
            What every clip counts, >= 0; None is 1 each.
        """
        each = np.ones(len(self.order)) if weights is None else np.asarray(weights, dtype=np.float64)[self.order]
        if not len(each):
            return np.empty(0), np.empty(0)
        return np.add.reduceat(each, self.starts), np.add.reduceat(each * self.wrong, self.starts)

    def area(self, weights: Floats | None = None) -> float:
        """Return the area under the curve, as :func:`aurc` does; NaN without clips.

        Parameters
        ----------
        weights : ndarray, shape (n,), or None
            What every clip counts, >= 0; None is 1 each.
        """
        from scipy.special import digamma

        size, errors = self.sums(weights)
        size, errors = size[size > 0], errors[size > 0]
        if not len(size):
            return float("nan")
        before, errors_before = np.cumsum(size) - size, np.cumsum(errors) - errors
        # the sum over j = 1 .. m of (E + e j / m) / (W + j), the expected risk after each clip of a block
        harmonic = digamma(before + size + 1) - digamma(before + 1)
        areas = errors + (errors_before - errors * before / size) * harmonic
        return float(areas.sum() / size.sum())

    def curve(self) -> RiskCoverage:
        """Return the operating points, of which many are thinned to about ``N_POINTS``, evenly over coverage."""
        size, errors = self.sums()
        accepted = np.cumsum(size)
        kept = np.arange(len(size))
        if len(kept) > N_POINTS:
            even = np.searchsorted(accepted, np.linspace(accepted[0], accepted[-1], N_POINTS))
            kept = np.unique(even.clip(max=len(size) - 1))
        coverage = accepted / accepted[-1] if len(accepted) else accepted
        return RiskCoverage(coverage[kept], (np.cumsum(errors) / accepted)[kept], self.threshold[kept])


def risk_coverage_curve(confidence: npt.ArrayLike, wrong: npt.ArrayLike) -> RiskCoverage:
    """Return the risk-coverage curve: an operating point for each confidence, of many about 200.

    Parameters
    ----------
    confidence : array_like, shape (n,)
        Probability of the predicted label, or another statistic; higher is surer, and only the order matters.
    wrong : array_like of bool, shape (n,)
        Whether the answer is wrong.

    Raises
    ------
    SettingError
        If a confidence is NaN, or there are not as many of both.

    References
    ----------
    El-Yaniv, Wiener, "On the foundations of noise-free selective classification", JMLR 11 (2010).

    Examples
    --------
    >>> curve = risk_coverage_curve([0.9, 0.8, 0.8, 0.6], [False, False, True, True])
    >>> curve.coverage.tolist(), curve.risk.round(3).tolist()
    ([0.25, 0.75, 1.0], [0.0, 0.333, 0.5])
    """
    return RankedErrors.of(confidence, wrong).curve()


def aurc(confidence: npt.ArrayLike, wrong: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Return the area under the risk-coverage curve, 0..1: the risk, averaged over the numbers of clips accepted.

    Clips of equal confidence are accepted in random order: the expected area, which no order of the clips changes. The
    error rate itself where confidence says nothing; NaN without clips.

    Parameters
    ----------
    confidence : array_like, shape (n,)
        Higher is surer; only the order matters.
    wrong : array_like of bool, shape (n,)
        Whether the answer is wrong.
    weights : array_like, shape (n,), optional
        What every clip counts, >= 0: that many copies of it. Default: 1 each.

    Raises
    ------
    SettingError
        If a confidence is NaN, or the shapes do not fit.

    References
    ----------
    Geifman, Uziel, El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR (2019).

    Examples
    --------
    >>> round(aurc([0.9, 0.8, 0.7], [False, False, True]), 4), round(aurc([0.5, 0.5], [False, True]), 4)
    (0.1111, 0.5)
    """
    ranked = RankedErrors.of(confidence, wrong)
    return ranked.area(None if weights is None else as_weights(weights, len(ranked.order)))
