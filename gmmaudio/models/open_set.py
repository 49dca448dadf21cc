"""When a clip is of no known label: a threshold on a statistic of its scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.detection import as_trials
from gmmaudio.models.linear_algebra import Array

STATISTICS = ("score", "margin", "probability")
WHY = {
    "score": "far from every class",
    "margin": "margin between the best two too small",
    "probability": "no class is likely enough",
}
LEAST_AUROC = 0.6
LEAST_CLIPS = 10


@dataclass(frozen=True)
class Rejection:
    """When a clip is called unknown: where a statistic of its scores is below a threshold.

    Parameters
    ----------
    statistic : {"score", "margin", "probability"}
        The best score, what it is ahead of the second, or the best probability.
    threshold : float or None
        Below it a clip is unknown; None never says so.
    false_rejection : float
        Share of known clips that may be called unknown, 0..1.
    auroc : float or None
        How often a known clip is above one of a label that was left out of training, 0..1: mean over labels left out.
    n_known, n_unknown : int
        Clips it was learned from.
    reason : str
        How it was chosen, or why it is off.
    """

    statistic: str
    threshold: float | None
    false_rejection: float
    auroc: float | None
    n_known: int
    n_unknown: int
    reason: str

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            raise SettingError(f"statistic is {self.statistic!r}; expected one of {', '.join(STATISTICS)}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise SettingError(f"threshold is {self.threshold}; expected a number, or None to reject nothing")

    def why(self, scores: Array, probability: Array | None) -> str | None:
        """Return why a clip is unknown, None where it is not.

        Parameters
        ----------
        scores : ndarray, shape (n_labels,)
            Of every label.
        probability : ndarray, shape (n_labels,), or None
            Of every label; needed by the statistic of that name.
        """
        if self.threshold is None or (self.statistic == "probability" and probability is None):
            return None
        given = None if probability is None else probability[None]
        return WHY[self.statistic] if statistics(scores[None], given)[self.statistic][0] < self.threshold else None


def statistics(scores: Array, probability: Array | None) -> dict[str, Array]:
    """Return by name what tells known clips from unknown, shape (n,) each, higher for known.

    Parameters
    ----------
    scores : ndarray, shape (n, n_labels)
        At least two labels.
    probability : ndarray, shape (n, n_labels), or None
        Where there is none, that statistic is left out.

    A margin is +inf where there is only one candidate.

    Examples
    --------
    >>> statistics(np.array([[1.0, 4.0, 2.0]]), None)
    {'score': array([4.]), 'margin': array([2.])}
    """
    second, best = np.partition(scores, -2, axis=1)[:, -2:].T
    found = {"score": best, "margin": best - second}
    return found if probability is None else found | {"probability": probability.max(axis=1)}


def auroc(known: Array, unknown: Array) -> float:
    """Return how often a known value is above an unknown one, ties counting half, 0..1; NaN where either is empty.

    Examples
    --------
    >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    known, unknown = as_trials(known), as_trials(unknown)
    if not len(known) or not len(unknown):
        return math.nan
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([known, unknown]))[: len(known)]
    return float((ranks.sum() - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown)))


def fit_rejection(
    known: dict[str, Array],
    rounds: Sequence[tuple[dict[str, Array], dict[str, Array]]],
    *,
    own: dict[str, Array] | None = None,
    false_rejection: float = 0.05,
) -> Rejection:
    """Return when to call a clip unknown: the statistic that tells best, where any beats an AUROC of 0.6.

    The values that a classifier of all clips gives may be on another scale than those of the folds' classifiers: more
    so the fewer clips there are. A statistic by which it would reject more than twice the share of its own training
    clips is passed over.

    Parameters
    ----------
    known : dict of str to ndarray, shape (n,)
        Statistics of clips whose label all classifiers knew, out of fold: the threshold is theirs.
    rounds : sequence of (dict, dict)
        For each label left out: statistics of clips of the other labels, and of its own, by one classifier that heard
        of neither group nor, for the second, label.
    own : dict of str to ndarray, shape (n,), optional
        Statistics of the training clips by the classifier of all of them.
    false_rejection : float
        Share of known clips that may fall below the threshold, above 0 and below 1. The threshold is the k-th least
        value of known clips, with k the whole part of ``false_rejection * (n + 1)``, and a clip below it is unknown:
        a further clip like the known ones is so with a chance of ``k / (n + 1)`` at most. Clips of one group are
        alike, so of a new group it may be more.

    Raises
    ------
    SettingError
        If the share is outside its bounds, or a value is NaN.

    References
    ----------
    Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", Springer (2005), on the guarantee.
    """
    if not 0 < false_rejection < 1:
        raise SettingError(f"the rate of false rejections is {false_rejection:g}; expected above 0 and below 1")
    tried = {
        name: float(np.mean([auroc(a[name], b[name]) for a, b in rounds]))
        for name in known
        if rounds and all(name in a and len(a[name]) and len(b[name]) for a, b in rounds)
    }
    n_known = len(next(iter(known.values()), ()))
    n_unknown = sum(len(next(iter(b.values()))) for _, b in rounds)
    if not tried or min(n_known, n_unknown) < LEAST_CLIPS:
        reason = "off: too few labels, groups or clips to leave one label out in turn"
        return Rejection("score", None, false_rejection, None, n_known, n_unknown, reason)
    usable = [name for name in tried if not _rejects_its_own(known, own, name, false_rejection)]
    # where none is, the one that tells best says so
    best = max(usable or tried, key=lambda name: tried[name])
    told = f"each of {len(rounds)} labels left out in turn, AUROC {tried[best]:.2f} by {best}"
    if tried[best] <= LEAST_AUROC:
        reason = f"off: {told}, and more than {LEAST_AUROC:g} is needed"
        return Rejection(best, None, false_rejection, tried[best], n_known, n_unknown, reason)
    if not usable:
        reason = f"off: {told}, but the model would call too many of the clips that it was trained on unknown"
        return Rejection(best, None, false_rejection, tried[best], n_known, n_unknown, reason)
    threshold = _threshold(known[best], false_rejection)
    if threshold is None:
        reason = f"off: {told}, but the {n_known} known clips give no threshold for {100 * false_rejection:g} % of them"
        return Rejection(best, None, false_rejection, tried[best], n_known, n_unknown, reason)
    reason = f"{told}; at most {100 * false_rejection:g} % of known clips were below the threshold"
    return Rejection(best, threshold, false_rejection, tried[best], n_known, n_unknown, reason)


def _threshold(known: Array, false_rejection: float) -> float | None:
    """Return the value that at most a share of known clips are below; None where they are too few to tell."""
    ordered = np.sort(as_trials(known))
    # the sliver undoes rounding: 0.29 * 100 is a whole number
    k = math.floor(false_rejection * (len(ordered) + 1) + 1e-9)
    return float(ordered[k - 1]) if k and math.isfinite(ordered[k - 1]) else None


def _rejects_its_own(known: dict[str, Array], own: dict[str, Array] | None, name: str, false_rejection: float) -> bool:
    """Return whether more than twice the share of a classifier's own training clips are below the threshold."""
    threshold = _threshold(known[name], false_rejection)
    if threshold is None or own is None:
        return False
    return float((own[name] < threshold).mean()) > 2 * false_rejection
