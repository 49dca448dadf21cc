"""Familiarity: whether many recordings together score as recordings of held-out groups of the training set do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_type_hints

import numpy as np

from gmmaudio.errors import SettingError
from gmmaudio.findings import Finding
from gmmaudio.models.linear_algebra import Array
from gmmaudio.models.open_set import area_of_choice, auroc, score_statistics
from gmmaudio.values import convert_fields, convert_mapping

# statistics of scores in words; a probability is high on strange sound, too
FAMILIARITY_STATISTICS = {"score": "the best score", "margin": "the margin between the two best scores"}
FALSE_ALARM = 0.05
# fewer recordings are no batch
MIN_BATCH = 5
# clips of less than this part of the length that a model was calibrated on score lower, whatever they are
SHORTEST_PART = 0.75
# confidence of the correlation's limit: with the estimate itself, large batches had 6 to 9 % of false alarms in place
# of 5 % where 20 to 60 groups were simulated; with the limit 3 to 5 %
CONFIDENCE = 0.75
REMEDY = "evaluate the model on some of them, or train on recordings like them"
# parts into which groups are divided to measure false alarms
N_PARTS = 5


@dataclass(frozen=True)
class Familiarity:
    """The distribution of a statistic of scores over held-out groups, and the threshold for the mean of a batch.

    The statistic of recordings of one group is correlated. The mean of n recordings, of which group g has ``n_g``, has
    the variance ``s**2 * (r * sum((n_g / n)**2) + (1 - r) / n)``, with the deviation s and the intraclass correlation r
    of recordings of held-out groups. A batch is unfamiliar where its mean, in deviations of such a mean from that of
    held-out recordings, is below the threshold.

    Parameters
    ----------
    statistic : {"score", "margin"}
        The best score, or its margin to the second best.
    mean : float
        Mean over held-out groups, in the unit of the scores.
    deviation : float
        Standard deviation of one recording of a new group, above 0.
    correlation : float
        Intraclass correlation of recordings of one group, 0..1: its upper limit at a confidence of 75 %, so that large
        batches have no more false alarms than small ones.
    threshold : float or None
        In standard deviations of a batch's mean; None where there are too few groups to know one.
    false_alarm : float
        Share of batches of new groups like the training set's that may be below the threshold, 0..1.
    measured_false_alarm : float or None
        Share of held-out groups whose means were below thresholds that were learned without them, 0..1.
    auroc : mapping of str to float
        ``labels`` or ``sources``, whichever could be left out of training -> how often the mean of a held-out group of
        those that were trained on is above that of a group of what was left out, 0..1.
    n, n_groups : int
        Held-out recordings and groups that it was learned from.

    Raises
    ------
    SettingError
        If a field is of the wrong kind or outside its bounds.

    References
    ----------
    Kish, "Survey sampling", Wiley (1965), on the variance of the mean of clusters. Vovk, Gammerman, Shafer,
    "Algorithmic learning in a random world", Springer (2005), on the threshold.

    Examples
    --------
    >>> familiarity = Familiarity("score", 10.0, 2.0, 0.25, -1.6, 0.05, 0.04, {"labels": 0.9}, 300, 60)
    >>> familiarity.value([7.0, 3.0])
    -1.5
    >>> alone, many = familiarity.spread(1), familiarity.spread(20)
    >>> alone, round(many, 3), familiarity.is_unfamiliar(-1.5, 1), familiarity.is_unfamiliar(-1.5, 20)
    (1.0, 0.536, False, True)
    """

    statistic: str
    mean: float
    deviation: float
    correlation: float
    threshold: float | None
    false_alarm: float
    measured_false_alarm: float | None
    auroc: dict[str, float]
    n: int
    n_groups: int

    def __post_init__(self) -> None:
        convert_fields(self)
        if self.statistic not in FAMILIARITY_STATISTICS:
            raise SettingError(f"statistic is {self.statistic!r}; expected one of {', '.join(FAMILIARITY_STATISTICS)}")
        shares = {"correlation": self.correlation, "false_alarm": self.false_alarm, **self.auroc}
        if self.measured_false_alarm is not None:
            shares["measured_false_alarm"] = self.measured_false_alarm
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise SettingError(f"{name} is {share:g}; expected a share, 0 to 1")
        if not (self.deviation > 0 and math.isfinite(self.mean) and math.isfinite(self.deviation)):
            raise SettingError(
                f"mean is {self.mean:g} and deviation {self.deviation:g}; expected numbers, the second above 0"
            )
        if min(self.n, self.n_groups) < 0:
            raise SettingError(f"n is {self.n} and n_groups {self.n_groups}; expected counts")

    @classmethod
    def from_dict(cls, values: object) -> Familiarity:
        """Return the familiarity that plain values describe.

        Parameters
        ----------
        values : mapping
            The fields by name, as :func:`dataclasses.asdict` gives them.

        Raises
        ------
        SettingError
            If a field is missing, unknown, or of the wrong kind.
        """
        return cls(**convert_mapping("familiarity", values, get_type_hints(cls)))

    def value(self, scores: Sequence[float] | Array) -> float | None:
        """Return the statistic of a recording in deviations from the mean of held-out ones.

        None of fewer than two scores, and where there is no threshold to hold it against.

        Parameters
        ----------
        scores : sequence of float
            Score of every label.
        """
        finite = np.asarray(scores, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if self.threshold is None or len(finite) < 2:
            return None
        return (float(score_statistics(finite[None], None)[self.statistic][0]) - self.mean) / self.deviation

    def spread(self, n: int, n_equal_groups: float = 1.0) -> float:
        """Return the standard deviation of the mean value of n recordings of new groups.

        Parameters
        ----------
        n : int
            Recordings, at least one.
        n_equal_groups : float
            The number of groups if they have equally many recordings, else ``n**2 / sum(n_g**2)``. 1, where groups are
            not known, is the widest.
        """
        return math.sqrt(self.correlation / n_equal_groups + (1 - self.correlation) / n)

    def is_unfamiliar(self, mean: float, n: int, n_equal_groups: float = 1.0) -> bool:
        """Return whether recordings score lower than those of held-out groups do.

        Parameters
        ----------
        mean : float
            Mean value of the recordings.
        n, n_equal_groups
            As for :meth:`spread`.
        """
        return self.threshold is not None and mean < self.threshold * self.spread(n, n_equal_groups)

    def of_pieces(self, pieces: Iterable[tuple[Array, float]], trial_s: float) -> tuple[float, int] | None:
        """Return the mean value of the pieces of a long recording, and the number of trials that they are as long as.

        Pieces much shorter than a trial are left out. None where no piece is left.

        Parameters
        ----------
        pieces : iterable of (ndarray, float)
            Scores of each piece, and its length, seconds.
        trial_s : float
            Length that the model was calibrated on, seconds.
        """
        values = [(self.value(scores), seconds) for scores, seconds in pieces if seconds >= SHORTEST_PART * trial_s]
        known = [(value, seconds) for value, seconds in values if value is not None]
        total_s = sum(seconds for _, seconds in known)
        if not known:
            return None
        return sum(value * seconds for value, seconds in known) / total_s, max(1, int(total_s / trial_s))

    def finding_on(self, pieces: Iterable[tuple[Array, float]], trial_s: float) -> Finding | None:
        """Return the finding that a long recording scores lower than held-out groups; None where it does not.

        Parameters
        ----------
        pieces, trial_s
            As for :meth:`of_pieces`.
        """
        found = self.of_pieces(pieces, trial_s)
        if found is None or found[1] < MIN_BATCH or not self.is_unfamiliar(*found):
            return None
        return Finding(
            "unfamiliar_recording",
            "warning",
            f"this recording, as long as {found[1]} clips, scores lower than held-out groups of the training set do: "
            "probabilities are not to be trusted here",
            REMEDY,
        )

    @property
    def description(self) -> str:
        """What is checked, and how well it tells; or why nothing is, in words."""
        basis = f"{self.n} held-out clips of {self.n_groups} groups"
        if self.threshold is None:
            needed = math.ceil(1 / self.false_alarm) - 1
            return f"not checked: {basis}; {needed} groups are needed for {100 * self.false_alarm:g} % false alarms"
        measured = self.measured_false_alarm
        alarms = "" if measured is None else f", measured {100 * measured:.1f} % of held-out groups"
        told = ", ".join(f"AUROC {area:.2f} for groups of {name} left out" for name, area in self.auroc.items())
        told = told or "AUROC not measured: no label or source could be left out"
        return (
            f"checked by {FAMILIARITY_STATISTICS[self.statistic]}, learned on {basis}; false alarms at most "
            f"{100 * self.false_alarm:g} %{alarms}; {told}"
        )


@dataclass(frozen=True, eq=False)
class GroupMeans:
    """The number of recordings of each group, and the means of their statistics.

    Parameters
    ----------
    n : ndarray, shape (n_groups,)
        Recordings of each group.
    means : ndarray, shape (n_groups,)
        Mean of the statistic of each group.
    squares : float
        Sum of squared differences of recordings from the mean of their group.

    Examples
    --------
    >>> found = GroupMeans.of(np.array([1.0, 3.0, 5.0]), ["ann", "ann", "bob"])
    >>> found.n.tolist(), found.means.tolist(), found.squares
    ([2.0, 1.0], [2.0, 5.0], 2.0)
    """

    n: Array
    means: Array
    squares: float

    @classmethod
    def of(cls, values: Array, groups: Sequence[str]) -> GroupMeans:
        """Return the means over groups, in the order of their names; values that are not finite are left out.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Statistic of each recording.
        groups : sequence of str, length n
            Its group.
        """
        usable = np.isfinite(values)
        _, code = np.unique(np.asarray(groups, dtype=object)[usable].astype(str), return_inverse=True)
        values = values[usable]
        n = np.bincount(code).astype(np.float64)
        means = np.bincount(code, values) / n
        return cls(n, means, float(((values - means[code]) ** 2).sum()))

    def part(self, chosen: Array) -> GroupMeans:
        """Return some of the groups; the squares are shared in proportion to their degrees of freedom.

        Parameters
        ----------
        chosen : ndarray of bool, shape (n_groups,)
            The groups.
        """
        freedom = (self.n - 1).sum()
        share = (self.n[chosen] - 1).sum() / freedom if freedom else 0.0
        return GroupMeans(self.n[chosen], self.means[chosen], self.squares * share)


@dataclass(frozen=True, eq=False)
class LeftOutMeans:
    """Groups of what a model was trained on, held out, and groups of what it was not trained on.

    Parameters
    ----------
    inside, outside : mapping of str to GroupMeans
        Of each statistic.
    """

    inside: Mapping[str, GroupMeans]
    outside: Mapping[str, GroupMeans]


def group_means(values: Mapping[str, Array], groups: Sequence[str]) -> dict[str, GroupMeans]:
    """Return the means over groups of each statistic of familiarity.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n,)
        Statistics of recordings.
    groups : sequence of str, length n
        Their groups.

    Examples
    --------
    >>> group_means({"score": np.array([1.0, 3.0])}, ["ann", "ann"])["score"].means
    array([2.])
    """
    return {name: GroupMeans.of(values[name], groups) for name in FAMILIARITY_STATISTICS if name in values}


def fit_familiarity(
    held_out: Mapping[str, GroupMeans],
    left_out: Mapping[str, Iterable[LeftOutMeans]] | None = None,
    *,
    false_alarm: float = FALSE_ALARM,
) -> Familiarity | None:
    """Return the familiarity of a training set, by the statistic that tells best what was left out of training.

    The AUROC that is stated is that of the choice (:func:`gmmaudio.models.open_set.area_of_choice`).

    Mean, deviation and correlation are those of a one-way layout with random groups (analysis of variance), the
    correlation as the upper limit of its interval, by the F distribution. The threshold is the k-th lowest
    standardised mean of the held-out groups, with k the whole part of ``false_alarm * (G + 1)`` for G groups: a further
    group like them is below it with a probability of ``k / (G + 1)`` at most.

    Parameters
    ----------
    held_out : mapping of str to GroupMeans
        Of each statistic, groups of the training set, each scored by a model that was not trained on it.
    left_out : mapping of str to iterable of LeftOutMeans
        ``labels`` and ``sources``, as far as they can be left out of training -> a round for each.
    false_alarm : float
        Share of groups like those of the training set that may be below the threshold, above 0 and below 1.

    Returns
    -------
    Familiarity or None
        None where the held-out values are of fewer than two groups, or are all the same.

    Raises
    ------
    SettingError
        If the share is outside its bounds.

    References
    ----------
    Searle, Casella, McCulloch, "Variance components", Wiley (1992), section 3.6, on the estimates and the interval.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> groups = np.repeat(np.arange(100), 4).astype(str)
    >>> values = rng.normal(5.0, 2.0, 400) + np.repeat(rng.normal(0.0, 1.0, 100), 4)
    >>> found = fit_familiarity(group_means({"score": values}, groups))
    >>> 0.2 < found.correlation < 0.35, found.measured_false_alarm < 0.1
    (True, True)
    """
    if not 0 < false_alarm < 1:
        raise SettingError(f"the rate of false alarms is {false_alarm:g}; expected above 0 and below 1")
    layouts = {name: layout for name, means in held_out.items() if (layout := _Layout.of(means)) is not None}
    if not layouts:
        return None
    areas: dict[str, dict[str, list[float]]] = {name: {} for name in layouts}
    for kind, rounds in (left_out or {}).items():
        listed = list(rounds)
        for name, layout in layouts.items():
            found = [
                auroc(layout.standardise(one.inside[name]), layout.standardise(one.outside[name])) for one in listed
            ]
            if found and np.isfinite(found).all():
                areas[name][kind] = found
    # of equal ones the first: the best score
    best = max(
        layouts, key=lambda name: float(np.mean([float(np.mean(found)) for found in areas[name].values()] or [0.0]))
    )
    kinds = [kind for kind in areas[best] if all(kind in areas[name] for name in layouts)]
    stated = {kind: area_of_choice([areas[name][kind] for name in layouts]) for kind in kinds}
    layout, means = layouts[best], held_out[best]
    threshold = layout.threshold(means, false_alarm)
    return Familiarity(
        best,
        layout.mean,
        math.sqrt(layout.between + layout.within),
        layout.between / (layout.between + layout.within),
        threshold,
        false_alarm,
        None if threshold is None else _measure_false_alarms(means, false_alarm),
        stated,
        int(means.n.sum()),
        len(means.n),
    )


@dataclass(frozen=True)
class _Layout:
    """A one-way layout with random groups: its mean, and the variance of a value between groups and within them."""

    mean: float
    between: float
    within: float

    @classmethod
    def of(cls, means: GroupMeans) -> _Layout | None:
        """Return the estimates of the analysis of variance, the correlation as a limit; None without variance."""
        from scipy.stats import f as f_distribution

        n, n_groups, total = means.n, len(means.n), float(means.n.sum())
        if n_groups < 2:
            return None
        grand = float(n @ means.means) / total
        between_square = float(n @ (means.means - grand) ** 2) / (n_groups - 1)
        size = (total - float(n @ n) / total) / (n_groups - 1)
        freedom = total - n_groups
        within_square = means.squares / freedom if freedom else 0.0
        variance = within_square + max(0.0, (between_square - within_square) / size)
        if not 0 < variance < math.inf:
            return None
        correlation = 1.0
        # groups of one recording each do not tell what is between them and what within: all of it is between
        if within_square:
            likely = between_square / within_square / float(f_distribution.ppf(1 - CONFIDENCE, n_groups - 1, freedom))
            ratio = max(0.0, (likely - 1) / size)
            correlation = ratio / (1 + ratio)
        between, within = correlation * variance, (1 - correlation) * variance
        weights = 1 / (between + within / n)
        return cls(float(weights @ means.means / weights.sum()), between, within)

    def standardise(self, means: GroupMeans) -> Array:
        """Return the means of groups in their standard deviations from the mean of all groups, shape (n_groups,)."""
        deviations: Array = (means.means - self.mean) / np.sqrt(self.between + self.within / means.n)
        return deviations

    def threshold(self, means: GroupMeans, false_alarm: float) -> float | None:
        """Return the standardised mean that at most a share of groups are below; None of too few groups."""
        # the sliver undoes rounding: 0.29 * 100 is a whole number
        k = math.floor(false_alarm * (len(means.n) + 1) + 1e-9)
        return float(np.sort(self.standardise(means))[k - 1]) if k else None


def _measure_false_alarms(means: GroupMeans, false_alarm: float) -> float | None:
    """Return the share of groups that are below thresholds learned from the others; None of too few groups."""
    n_alarms, part = 0, np.arange(len(means.n)) % N_PARTS
    for i in range(N_PARTS):
        others = means.part(part != i)
        layout = _Layout.of(others)
        threshold = None if layout is None else layout.threshold(others, false_alarm)
        if layout is None or threshold is None:
            return None
        n_alarms += int((layout.standardise(means.part(part == i)) < threshold).sum())
    return n_alarms / len(means.n)
