"""The open-set threshold: when a clip is of no known label, by a statistic of its scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_type_hints

import numpy as np

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.detection import as_trials
from gmmaudio.models.linear_algebra import Array
from gmmaudio.values import convert_fields, convert_mapping

# name of a statistic -> why a clip below the threshold is unknown
EXPLANATIONS = {
    "score": "far from every class",
    "margin": "margin between the best two too small",
    "probability": "no class is likely enough",
}
STATISTICS = tuple(EXPLANATIONS)
# below it no statistic tells known labels from unknown ones well enough
MIN_AUROC = 0.6
MIN_CLIPS = 10
# a statistic that rejects more than this many times the share of known clips among the training clips is passed over
MAX_EXCESS = 2


@dataclass(frozen=True)
class OpenSetThreshold:
    """A threshold on a statistic of a clip's scores, below which the clip is of no known label.

    Parameters
    ----------
    statistic : {"score", "margin", "probability"}
        The best score, its margin to the second best, or the best probability.
    threshold : float or None
        Below it a clip is unknown; None rejects nothing.
    false_rejection : float
        Share of known clips that may be rejected, 0..1.
    auroc : float or None
        Area under the ROC curve, 0..1: how often a known clip is above one of a label that was left out of training;
        mean over the labels left out.
    n_known, n_unknown : int
        Clips it was learned from.
    reason : str
        How it was chosen, or why it is off.

    Raises
    ------
    SettingError
        If the statistic is unknown or the threshold is not finite.

    Examples
    --------
    >>> threshold = OpenSetThreshold("margin", 1.0, 0.05, 0.9, 50, 50, "")
    >>> threshold.explain(np.array([3.5, 4.0]), None)
    'margin between the best two too small'
    """

    statistic: str
    threshold: float | None
    false_rejection: float
    auroc: float | None
    n_known: int
    n_unknown: int
    reason: str

    def __post_init__(self) -> None:
        convert_fields(self)
        if self.statistic not in STATISTICS:
            raise SettingError(f"statistic is {self.statistic!r}; expected one of {', '.join(STATISTICS)}")
        for name, share in (("false_rejection", self.false_rejection), ("auroc", self.auroc)):
            if share is not None and not 0 <= share <= 1:
                raise SettingError(f"{name} is {share:g}; expected a share, 0 to 1")
        if min(self.n_known, self.n_unknown) < 0:
            raise SettingError(f"n_known is {self.n_known} and n_unknown {self.n_unknown}; expected counts")

    @classmethod
    def from_dict(cls, values: object) -> OpenSetThreshold:
        """Return the threshold that plain values describe.

        Parameters
        ----------
        values : mapping
            The fields by name, as :func:`dataclasses.asdict` gives them.

        Raises
        ------
        SettingError
            If a field is missing, unknown, or of the wrong kind.
        """
        return cls(**convert_mapping("open_set", values, get_type_hints(cls)))

    def explain(self, scores: Array, probability: Array | None) -> str | None:
        """Return the reason why a clip is unknown, None where it is not.

        Parameters
        ----------
        scores : ndarray, shape (n_labels,)
            Score of every label.
        probability : ndarray, shape (n_labels,), or None
            Probability of every label; needed by the statistic of that name.
        """
        if self.threshold is None or (self.statistic == "probability" and probability is None):
            return None
        values = score_statistics(scores[None], None if probability is None else probability[None])
        return EXPLANATIONS[self.statistic] if values[self.statistic][0] < self.threshold else None


def score_statistics(scores: Array, probability: Array | None) -> dict[str, Array]:
    """Return the statistics by name that are higher for known labels, shape (n,) each.

    Parameters
    ----------
    scores : ndarray, shape (n, n_labels)
        At least two labels.
    probability : ndarray, shape (n, n_labels), or None
        Where there is none, that statistic is left out.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        A margin is +inf where there is only one candidate.

    Examples
    --------
    >>> score_statistics(np.array([[1.0, 4.0, 2.0]]), None)
    {'score': array([4.]), 'margin': array([2.])}
    """
    second, best = np.partition(scores, -2, axis=1)[:, -2:].T
    values = {"score": best, "margin": best - second}
    return values if probability is None else values | {"probability": probability.max(axis=1)}


def auroc(known: Array, unknown: Array) -> float:
    """Return the area under the ROC curve, 0..1: how often a known value is above an unknown one, ties counting half.

    Parameters
    ----------
    known, unknown : ndarray, shape (n,)
        Values of a statistic. The area is NaN where either is empty.

    Raises
    ------
    SettingError
        If a value is NaN.

    Examples
    --------
    >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    known, unknown = as_trials(known), as_trials(unknown)
    if not len(known) or not len(unknown):
        return math.nan
    ordered = np.sort(unknown)
    # twice the number of unknown values below each known one, ties counting half
    below = np.searchsorted(ordered, known, "left") + np.searchsorted(ordered, known, "right")
    return float(below.sum() / 2 / (len(known) * len(unknown)))


def fit_open_set_threshold(
    known: Mapping[str, Array],
    rounds: Iterable[tuple[Mapping[str, Array], Mapping[str, Array]]],
    *,
    in_sample: Mapping[str, Array] | None = None,
    other_sources: Mapping[str, Array] | None = None,
    false_rejection: float = 0.05,
    drawn: tuple[int, int] | None = None,
) -> OpenSetThreshold:
    """Return the open-set threshold: on the statistic with the highest AUROC, where that is above 0.6.

    The AUROC that is stated is honest about the choice: that of each round is by the statistic that is best in the
    other rounds.

    The scores of a model of all clips may be on another scale than those of the inner folds' models: more so the fewer
    clips there are. A statistic by which the model would reject more than twice the share of its own training clips is
    passed over.

    Parameters
    ----------
    known : mapping of str to ndarray, shape (n,)
        Out-of-fold statistics of clips whose label every model knew: the threshold is learned from them.
    rounds : iterable of (mapping, mapping)
        For each label left out: statistics of clips of the other labels, and of that label, by one model that was
        trained on neither their groups nor that label. No more than the last round is held.
    in_sample : mapping of str to ndarray, shape (n,), optional
        Statistics of the training clips by the model of all of them.
    other_sources : mapping of str to ndarray, shape (n,), optional
        Statistics of clips of labels that a model was trained on, whose sources it was not: recordings of other sources
        score lower, and no more than the share of these may be below the threshold either.
    false_rejection : float
        Share of known clips that may fall below the threshold, above 0 and below 1. The threshold is the k-th lowest
        value of known clips, with k the whole part of ``false_rejection * (n + 1)``, and a clip below it is unknown:
        a further clip like the known ones is rejected with a probability of ``k / (n + 1)`` at most. Clips of one
        group are alike, so of a new group it may be more.
    drawn : (int, int) or None
        How many labels were left out, drawn of how many; None where each was left out, one in each round.

    Raises
    ------
    SettingError
        If the share is outside its bounds, or a value is NaN.

    References
    ----------
    Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", Springer (2005), on the guarantee.

    Examples
    --------
    >>> known, unknown = {"score": np.arange(20.0)}, {"score": np.arange(-20.0, 0.0)}
    >>> fit_open_set_threshold(known, [(known, unknown)]).threshold
    0.0
    """
    if not 0 < false_rejection < 1:
        raise SettingError(f"the rate of false rejections is {false_rejection:g}; expected above 0 and below 1")
    # all rounds at once would take memory cubic in the number of labels
    areas_of_rounds: dict[str, list[float]] = {name: [] for name in known}
    n_known, n_unknown, n_rounds = len(next(iter(known.values()), ())), 0, 0
    for inside, outside in rounds:
        n_rounds += 1
        n_unknown += len(next(iter(outside.values())))
        for name, found in areas_of_rounds.items():
            if len(inside.get(name, ())) and len(outside.get(name, ())):
                found.append(auroc(inside[name], outside[name]))
    # a statistic that a round lacks is no candidate
    areas = {name: float(np.mean(found)) for name, found in areas_of_rounds.items() if len(found) == n_rounds > 0}
    if not areas or min(n_known, n_unknown) < MIN_CLIPS:
        reason = "off: too few labels, groups or clips to leave one label out in turn"
        return OpenSetThreshold("score", None, false_rejection, None, n_known, n_unknown, reason)
    limits = {name: _lowest_threshold(known, other_sources, name, false_rejection) for name in areas}
    usable = [name for name in areas if not _rejects_training_clips(limits[name], in_sample, name, false_rejection)]
    # where none is usable, the reason names the best of all
    best = max(usable or areas, key=lambda name: areas[name])
    area = area_of_choice([areas_of_rounds[name] for name in usable or areas])
    threshold = limits[best] if usable and area > MIN_AUROC else None
    each = f"each of {n_rounds} labels" if drawn is None else "{} of {} labels, drawn by the seed,".format(*drawn)
    basis = f"{each} left out in turn, AUROC {area:.2f} by {best}"
    if area <= MIN_AUROC:
        reason = f"off: {basis}, and more than {MIN_AUROC:g} is needed"
    elif not usable:
        reason = f"off: {basis}, but the model would classify too many of the clips that it was trained on as unknown"
    elif threshold is None:
        reason = (
            f"off: {basis}, but the {n_known} known clips give no threshold for {100 * false_rejection:g} % of them"
        )
    else:
        of = "" if other_sources is None else " and of those of sources left out"
        reason = f"{basis}; at most {100 * false_rejection:g} % of known clips{of} were below the threshold"
    return OpenSetThreshold(best, threshold, false_rejection, area, n_known, n_unknown, reason)


def area_of_choice(areas: Sequence[Sequence[float]]) -> float:
    """Return the mean AUROC over rounds, each by the candidate that is best in the mean of the other rounds.

    The greatest mean of all candidates would be too good: it is chosen by the rounds that it is a mean of.

    Parameters
    ----------
    areas : sequence of sequence of float
        Of each candidate, the AUROC of every round, at least one. A single round chooses by itself.

    Examples
    --------
    >>> round(area_of_choice([[0.9, 0.5, 0.7], [0.6, 0.9, 0.6]]), 3)
    0.567
    """
    table = np.array(areas)
    n_rounds = table.shape[1]
    others = table.sum(axis=1, keepdims=True) - table if n_rounds > 1 else table
    return float(table[others.argmax(axis=0), np.arange(n_rounds)].mean())


def _threshold(known: Array, false_rejection: float) -> float | None:
    """Return the value that at most a share of known clips are below; None where the clips are too few for it."""
    ordered = np.sort(as_trials(known))
    # the sliver undoes rounding: 0.29 * 100 is a whole number
    k = math.floor(false_rejection * (len(ordered) + 1) + 1e-9)
    return float(ordered[k - 1]) if k and math.isfinite(ordered[k - 1]) else None


def _lowest_threshold(
    known: Mapping[str, Array], other_sources: Mapping[str, Array] | None, name: str, false_rejection: float
) -> float | None:
    """Return the value that at most a share of known clips are below, and of those of other sources if there are."""
    sides = [known[name]] if other_sources is None else [known[name], other_sources[name]]
    limits = [_threshold(side, false_rejection) for side in sides]
    return None if None in limits else min(limit for limit in limits if limit is not None)


def _rejects_training_clips(
    threshold: float | None, in_sample: Mapping[str, Array] | None, name: str, false_rejection: float
) -> bool:
    """Return whether more than twice the share of a model's own training clips are below the threshold."""
    if threshold is None or in_sample is None:
        return False
    return float((in_sample[name] < threshold).mean()) > MAX_EXCESS * false_rejection
