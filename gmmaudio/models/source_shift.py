"""Probabilities for recordings of a new source: the share of the class priors in them, measured by leaving sources out.

A calibration is learned on clips of other groups, but of the same recording sources. Of a new source it says too much,
and where labels and sources are confounded it says nothing true. The probabilities that are given mix those of the
calibration, p, with the class priors:

    (1 - a) p + a prior

The label with the highest p keeps the highest probability under equal priors, no answer is surer than (1 - a) + a / n,
and the log-loss is bounded by log(n / a). The share of the priors, a, is fixed by these rules.

1. Each source is left out in turn (of more than five, a fifth of them at once), where a label has clips of another, and
   clips of the same groups with it.
   Models of the other sources score its clips. For each source that is left out, 1 - a is the share with the lowest
   log-loss, labels and groups weighing the same, where clips with a wrong answer are added to those that were measured.
   Their answers are as sure as the measured ones, and their label is any but the one that was answered:

   - one label's share of them for every label that is confounded with its sources: of a new source of it nothing is
     known;
   - all labels' share, divided by the number of sources: one more source, of which every answer is wrong (rule of
     succession).

2. The lowest of these shares is taken, and squared: the source that is asked about may lose as much again.
3. Where no source could be left out, although there are several, nothing is measured, and the answers are the priors.
4. Where there is one source in all, or none is known, nothing is measured either, but labels are not confounded: the
   calibration stays as it is, and a caveat says so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gmmaudio.corpus import Fold, leave_one_group_out, random_folds, scored_labels
from gmmaudio.corpus.confounding import MIN_DIFFERENCE
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.findings import Finding, some_names
from gmmaudio.models.linear_algebra import Array, Codes
from gmmaudio.values import convert_fields, convert_mapping

# divisions of the sources, and the name of those that are unknown beside known ones
N_SOURCE_FOLDS, UNKNOWN_SOURCE = 5, ""
# the share of the priors is never all: the order of the labels is kept
LARGEST_SHARE = 1 - 1e-9
# share of the priors from which answers say little, so that each has a caveat
NEAR_PRIORS = 0.9
# halvings of the interval that holds the best share
N_HALVINGS = 50


@dataclass(frozen=True)
class SourceShift:
    """The share of the class priors in the probabilities for recordings of a new source, and what it was measured on.

    Parameters
    ----------
    prior_share : float
        Share of the class priors, 0..1.
    n_sources : int
        Sources of the training set, unknown ones as one.
    n_left_out : int
        Sources that were left out and scored.
    n : int
        Clips that were scored.
    log_loss : float or None
        Mean log-loss of these clips with the share, each source left out weighing the same, nats.
    log_loss_calibrated : float or None
        The same without it, by the calibration alone.
    confounded : tuple of str
        Labels that cannot be told apart from their sources.

    Raises
    ------
    SettingError
        If a value is outside its bounds.

    Examples
    --------
    >>> shift = SourceShift(0.5, 2, 2)
    >>> shift.apply(np.array([0.9, 0.1])), shift.caveats
    (array([0.7, 0.3]), ())
    """

    prior_share: float
    n_sources: int
    n_left_out: int = 0
    n: int = 0
    log_loss: float | None = None
    log_loss_calibrated: float | None = None
    confounded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        convert_fields(self)
        if not 0 <= self.prior_share <= 1 or min(self.n_sources, self.n_left_out, self.n) < 0:
            raise SettingError(
                f"the share of the priors is {self.prior_share}; expected 0 to 1, and counts of 0 or more"
            )

    def apply(self, probability: Array, priors: Array | None = None) -> Array:
        """Return the probabilities for recordings of a new source, in the shape of those given.

        Parameters
        ----------
        probability : ndarray, shape (..., n_labels)
            Probabilities by the calibration, under the same priors.
        priors : ndarray, shape (n_labels,), or None
            Class priors, summing to 1; None takes all as equal.
        """
        if not self.prior_share:
            return probability
        prior = 1 / probability.shape[-1] if priors is None else priors
        mixed: Array = (1 - self.prior_share) * probability + self.prior_share * prior
        return mixed

    @property
    def is_measured(self) -> bool:
        """Whether a source could be left out."""
        return self.n_left_out > 0

    @property
    def is_confounded(self) -> bool:
        """Whether labels cannot be told apart from their sources: some of them, or no label has two sources."""
        return self.n_sources > 1 and (bool(self.confounded) or not self.is_measured)

    @property
    def caveats(self) -> tuple[Finding, ...]:
        """What is to be said with every answer: on confounded labels, one source, or a large share of the priors."""
        if self.n_sources == 1:
            return (ONE_SOURCE,)
        if not self.is_confounded:
            return (NEAR_THE_PRIORS,) if self.prior_share >= NEAR_PRIORS else ()
        who = f" ({some_names(self.confounded)})" if self.confounded else ""
        return (
            Finding(
                "confounded_training_set",
                "alarm",
                f"labels and recording sources cannot be told apart in the training set{who}: how often an answer is "
                "right for recordings of other sources was not measured, and probabilities stay near the class priors",
                "train on clips of another source of these labels; for recordings of the very sources that were "
                "trained on, ask for the probabilities that hold for them (`same_sources`)",
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"confounded": list(self.confounded)}

    @classmethod
    def from_dict(cls, values: object) -> SourceShift:
        """Return the shift that plain values describe.

        Parameters
        ----------
        values : dict
            Result of :meth:`to_dict`.

        Raises
        ------
        SettingError
            If a value is missing or of the wrong kind.
        """
        return cls(**convert_mapping("source_shift", values, _PLAIN_TYPES))


ONE_SOURCE = Finding(
    "single_training_source",
    "information",
    "all training clips are of one recording source: how often an answer is right for other sources was not measured",
    "add clips of another source",
)
NEAR_THE_PRIORS = Finding(
    "probabilities_near_priors",
    "information",
    "of clips whose sources were left out of training too few had a right answer, or too few sources are known: "
    "probabilities for recordings of other sources stay near the class priors",
    "train on clips of more sources of each label; for recordings of the very sources that were trained on, ask for "
    "the probabilities that hold for them (`same_sources`)",
)
_PLAIN_TYPES = {
    "prior_share": float,
    "n_sources": int,
    "n_left_out": int,
    "n": int,
    "log_loss": float | None,
    "log_loss_calibrated": float | None,
    "confounded": tuple[str, ...],
}


def named_sources(sources: Iterable[str | None]) -> tuple[str, ...] | None:
    """Return the source of every clip, unknown ones as one more source; None where none is known.

    Parameters
    ----------
    sources : iterable of str or None
        Source of every clip; None or empty where it is unknown.

    Examples
    --------
    >>> named_sources(["radio", None]), named_sources([None, ""])
    (('radio', ''), None)
    """
    named = tuple(source or UNKNOWN_SOURCE for source in sources)
    return named if any(named) else None


def confounded_labels(labels: Sequence[str], sources: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that cannot be told apart from their sources, sorted.

    The sources of such a label differ from those of at least half of the other labels by 80 % or more in total
    variation (as :mod:`gmmaudio.corpus.confounding` compares formats), and 80 % or more of its clips are of one source,
    so that it cannot be measured on another. Labels of several sources that no other label has are not confounded in
    this sense: leaving one of their sources out shows what was learned.

    Parameters
    ----------
    labels, sources : sequence of str
        Label and source of every clip.

    Examples
    --------
    >>> confounded_labels(["en", "fr", "fr"], ["radio", "phone", "phone"])
    ('en', 'fr')
    >>> confounded_labels(["en", "en", "fr", "fr"], ["1", "2", "3", "4"])
    ()
    >>> confounded_labels(["en", "en", "fr"], ["radio", "phone", "phone"])
    ()
    """
    counts = Counter(zip(labels, sources, strict=True))
    names, columns = sorted(set(labels)), sorted(set(sources))
    n = np.array([[counts[label, source] for source in columns] for label in names], dtype=float)
    shares = n / n.sum(axis=1, keepdims=True)
    confounded = []
    for label, own in zip(names, shares, strict=True):
        # the label itself is at a distance of 0
        n_far = int((np.abs(shares - own).sum(axis=1) / 2 >= MIN_DIFFERENCE - 1e-9).sum())
        if 2 * n_far >= len(names) - 1 > 0 and own.max() >= MIN_DIFFERENCE - 1e-9:
            confounded.append(label)
    return tuple(confounded)


def folds_of_sources(labels: Sequence[str], sources: Sequence[str], seed: int) -> list[Fold]:
    """Return the folds that leave sources out: one each, or ``N_SOURCE_FOLDS`` where there are more; none without any.

    Parameters
    ----------
    labels, sources : sequence of str
        Label and source of every trial.
    seed : int
        Seed of the division of many sources.

    Examples
    --------
    >>> [fold.test for fold in folds_of_sources(["en", "en", "fr"], ["radio", "phone", "phone"], 0)]
    [(0,)]
    """
    scored = scored_labels(labels, sources)
    if not scored:
        return []
    n = len({source for label, source in zip(labels, sources, strict=True) if label in scored})
    try:
        if n <= N_SOURCE_FOLDS:
            return leave_one_group_out(labels, sources)
        return random_folds(labels, sources, N_SOURCE_FOLDS, np.random.default_rng(seed))
    except CorpusError:
        # whichever is left out, fewer than two labels stay
        return []


def without_shared_groups(fold: Fold, labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return a fold as one or two, in which no group is on both sides, and labels that are scored are trained on.

    Groups that have clips of sources on both sides, as speakers do who were recorded twice, are divided into two
    halves of each label: one is scored, the other trained on, and the other way round.

    Parameters
    ----------
    fold : Fold
        A fold that leaves sources out.
    labels, groups : sequence of str
        Label and group of every trial.

    Examples
    --------
    >>> fold, labels = Fold("phone", (0, 1, 4, 5), (2, 3, 6, 7)), list("aaaabbbb")
    >>> halves = without_shared_groups(fold, labels, ["1", "2", "1", "2", "3", "4", "3", "4"])
    >>> [(half.train, half.test) for half in halves]
    [((1, 5), (2, 6)), ((0, 4), (3, 7))]
    """
    shared = {groups[i] for i in fold.train} & {groups[i] for i in fold.test}
    halves: tuple[set[str], ...] = (set(),)
    if shared:
        halves, of_label = (set(), set()), Counter[str]()
        for label, group in sorted({(labels[i], groups[i]) for i in fold.test if groups[i] in shared}):
            if not any(group in half for half in halves):
                halves[of_label[label] % 2].add(group)
                of_label[label] += 1
    folds = []
    for k, held in enumerate(halves):
        train = tuple(i for i in fold.train if groups[i] not in held)
        known = {labels[i] for i in train}
        own = [i for i in fold.test if groups[i] in held or (k == 0 and groups[i] not in shared)]
        test = tuple(i for i in own if labels[i] in known)
        if test and len(known) > 1:
            folds.append(Fold(fold.name, train, test))
    return folds


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Probabilities of the clips of sources that were left out at once.

    Parameters
    ----------
    probability : ndarray, shape (n, n_candidates)
        Of every label that the scorer knows, two at least, by the calibration.
    codes : ndarray, shape (n,), int
        True label of every clip, as a column.
    weights : ndarray, shape (n,)
        Weight of every clip, sum 1.
    """

    probability: Array
    codes: Codes
    weights: Array

    @property
    def true(self) -> Array:
        """Probability of the true label of every clip."""
        known: Array = self.probability[np.arange(len(self.codes)), self.codes]
        return known

    def log_loss(self, prior_share: float) -> float:
        """Return the mean log-loss with a share of the priors, nats."""
        mixed = (1 - prior_share) * self.true + prior_share / self.probability.shape[1]
        return -float(self.weights @ np.log(np.maximum(mixed, 1e-300)))

    def best_share(self, n_measured: float, n_wrong: float) -> float:
        """Return the share of probabilities, beside that of the priors, with the lowest log-loss, 0..1.

        Parameters
        ----------
        n_measured : float
            What the clips count.
        n_wrong : float
            What clips count whose label is any but the one that is answered, each as likely.
        """
        n_candidates = self.probability.shape[1]
        wrong = np.sort(self.probability, axis=1)[:, :-1]
        each = np.repeat(n_wrong / (n_candidates - 1) * self.weights, n_candidates - 1)
        gains = n_candidates * np.concatenate([self.true, wrong.ravel()]) - 1
        return _best_share(gains, np.concatenate([n_measured * self.weights, each]))


def learn_prior_share(left_out: Sequence[LeftOut], n_labels: int, n_confounded: int, n_sources: int) -> float:
    """Return the share of the class priors by the rules of this module, 0..1.

    Parameters
    ----------
    left_out : sequence of LeftOut
        Sources that were left out.
    n_labels, n_confounded : int
        Labels, and those of them that are confounded with their sources.
    n_sources : int
        Sources that were left out.

    Examples
    --------
    Two sources, on which every answer was right: a third may be as good, or bad.

    >>> right = LeftOut(np.eye(4), np.arange(4), np.full(4, 1 / 4))
    >>> round(learn_prior_share([right, right], 4, 0, 2), 3)
    0.691
    >>> round(learn_prior_share([right] * 50, 4, 0, 50), 3)
    0.052
    >>> round(learn_prior_share([right, right], 4, 4, 2), 3), round(learn_prior_share([], 4, 0, 0), 3)
    (1.0, 1.0)
    """
    n_wrong = n_confounded + n_labels / max(n_sources, 1)
    shares = [each.best_share(n_labels - n_confounded, n_wrong) for each in left_out]
    return min(1 - min(shares, default=0.0) ** 2, LARGEST_SHARE)


def _best_share(gains: Array, weights: Array) -> float:
    """Return the share b of probabilities, 0..1, with the greatest weighted sum of log(1 + b gain), a concave one."""
    low, high = 0.0, 1.0
    if weights @ gains <= 0:
        return 0.0
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        slope = float(weights @ (gains / (1 + middle * gains)))
        low, high = (middle, high) if slope > 0 else (low, middle)
    return low


def shift_of(
    left_out: Sequence[LeftOut], labels: Sequence[str], sources: Sequence[str], n_sources_left_out: int
) -> SourceShift:
    """Return the share of the priors of a training set, and what it was measured on.

    Parameters
    ----------
    left_out : sequence of LeftOut
        Sources that were left out.
    labels, sources : sequence of str
        Label and source of every trial.
    n_sources_left_out : int
        Number of these sources.

    Examples
    --------
    >>> shift_of([], ["en", "fr"], ["radio", "radio"], 0).prior_share
    0.0
    >>> shift_of([], ["en", "fr"], ["radio", "phone"], 0).confounded
    ('en', 'fr')
    """
    n_sources = len(set(sources))
    if n_sources == 1:
        return SourceShift(0.0, 1)
    confounded = confounded_labels(labels, sources)
    share = learn_prior_share(left_out, len(set(labels)), len(confounded), n_sources_left_out)
    losses = [[each.log_loss(a) for each in left_out] for a in (share, 0.0)]
    with_share, calibrated = (math.fsum(each) / len(each) if each else None for each in losses)
    n = sum(len(each.codes) for each in left_out)
    return SourceShift(share, n_sources, n_sources_left_out, n, with_share, calibrated, confounded)
