"""Trials -> a recogniser: classifier, weights of its heads and calibration, all from the training set alone.

What is learned beside the classifier comes of its out-of-fold scores on inner folds that keep groups whole: one pass
serves the weights of two heads, the temperature, the threshold of "unknown", and the comparison of settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gmmaudio import classifier
from gmmaudio.calibration import Rejection, equal_mean, fit_calibration, fit_rejection, statistics, trained_weights
from gmmaudio.classifier import Classifier, Traces
from gmmaudio.corpus import Fold, random_folds, scored_labels
from gmmaudio.model import Recogniser
from gmmaudio.pipeline.recipe import Recipe
from gmmaudio.pipeline.scoring import units_of
from gmmaudio.pipeline.trials import Trial
from gmmaudio.threads import one_thread

N_INNER_FOLDS = 5
# rows of a training set for each principal component: inner folds, and those less a label, have half of them
ROWS_PER_COMPONENT = 4
# clips of a label that was left out, from as few folds as hold them: each takes a fit
ENOUGH_CLIPS = 5
NOT_CALIBRATED = "no label has two groups: scores cannot be made probabilities (name artists or speakers, --group-by)"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Scores of a training set, each by a classifier that was trained on no clip of its group.

    Parameters
    ----------
    place : ndarray, shape (n,), int
        Of the trials that were scored.
    scores : ndarray, shape (n, n_heads, n_labels)
        Of each head; a label that the fold's classifier did not know has -inf.
    labels : tuple of str
        Sorted; the columns.
    """

    place: npt.NDArray[np.intp]
    scores: Array
    labels: tuple[str, ...]

    def fused(self, weights: Sequence[float]) -> Array:
        """Return the weighted sum over heads, shape (n, n_labels); a label that was unknown stays at -inf."""
        return _fused(self.scores, weights)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A recogniser, and what happened on the way.

    Parameters
    ----------
    recogniser : Recogniser
        Classifier and calibration.
    traces : mapping of str to EMTrace
        Of EM.
    out_of_fold : OutOfFold or None
        What the calibration was learned from; None where nothing could be.
    notes : tuple of str
        What should be said of it.
    """

    recogniser: Recogniser
    traces: Traces = field(default_factory=dict)
    out_of_fold: OutOfFold | None = None
    notes: tuple[str, ...] = ()


def fit_trials(
    trials: Sequence[Trial], recipe: Recipe, *, seed: int, n_jobs: int = 1, calibrated: bool = True
) -> Fitted:
    """Return a recogniser of a training set.

    Parameters
    ----------
    trials : sequence of Trial
        The training set; their degraded copies are trained on too.
    recipe : Recipe
        Settings.
    seed : int
        Divides and fits.
    n_jobs : int
        Worker processes; the result is the same bits for any number.
    calibrated : bool
        Whether probabilities are wanted: it takes as many more fits as there are inner folds.
    """
    recipe = of_size(trials, recipe)
    fitted, traces = fit_classifier(trials, recipe, seed=seed, n_jobs=n_jobs)
    if not calibrated and len(fitted.heads) == 1:
        return Fitted(Recogniser(fitted), traces)
    found = nested_scores(trials, recipe, seed=seed, n_jobs=n_jobs)
    if found is None:
        return Fitted(Recogniser(fitted), traces, None, (NOT_CALIBRATED,))
    codes, groups = labels_and_groups(trials, found)
    fitted = replace(fitted, weights=head_weights(found, codes, groups, recipe))
    calibration = fit_calibration(found.fused(fitted.weights), codes, groups)
    return Fitted(Recogniser(fitted, calibration), traces, found)


def of_size(trials: Sequence[Trial], recipe: Recipe) -> Recipe:
    """Return settings with no more principal components than a training set of this size bears.

    The inner folds' classifiers must have as many as the one of all trials, or their densities are on another scale and
    the temperature and the threshold of "unknown" are not its own.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings.
    """
    config = recipe.classifier
    if config.kind != "blocks":
        return recipe
    bearable = max(1, sum(len(trial.rows) for trial in trials) // ROWS_PER_COMPONENT)
    return replace(recipe, classifier=replace(config, n_pca=min(config.n_pca or bearable, bearable)))


def labels_and_groups(trials: Sequence[Trial], found: OutOfFold) -> tuple[npt.NDArray[np.intp], tuple[str, ...]]:
    """Return the true label, as a column, and the group of every trial that was scored out of fold."""
    units = units_of(trials)
    codes = np.array([found.labels.index(trials[i].label) for i in found.place])
    return codes, tuple(units[i] for i in found.place)


def fit_classifier(trials: Sequence[Trial], recipe: Recipe, *, seed: int, n_jobs: int = 1) -> tuple[Classifier, Traces]:
    """Return the classifier of a training set and its degraded copies, and the traces of EM.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings.
    seed : int
        Drives the starts of EM.
    n_jobs : int
        Worker processes.
    """
    units = units_of(trials)
    rows = [(each.values, trial.label, unit) for trial, unit in zip(trials, units, strict=True) for each in trial.heard]
    return classifier.fit(
        [values for values, _, _ in rows],
        [label for _, label, _ in rows],
        recipe.classifier,
        groups=[unit for _, _, unit in rows],
        n_views=recipe.features.n_views,
        seed=seed,
        n_jobs=n_jobs,
    )


def nested_scores(trials: Sequence[Trial], recipe: Recipe, *, seed: int, n_jobs: int = 1) -> OutOfFold | None:
    """Return the out-of-fold scores of a training set; None where no label has two groups.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings of the fits.
    seed : int
        Divides and fits.
    n_jobs : int
        Worker processes.
    """
    labels, recipe = tuple(sorted({trial.label for trial in trials})), of_size(trials, recipe)
    place: list[int] = []
    scores: list[Array] = []
    for fold in inner_folds(trials, seed):
        train = [trials[i] for i in fold.train]
        if len({trial.label for trial in train}) < 2:
            continue
        fitted, _ = fit_classifier(train, recipe, seed=seed, n_jobs=n_jobs)
        place += fold.test
        scores += member_scores(fitted, [trials[i] for i in fold.test], labels)
    return OutOfFold(np.array(place), np.stack(scores), labels) if scores else None


def member_scores(fitted: Classifier, trials: Sequence[Trial], labels: Sequence[str]) -> list[Array]:
    """Return each head's scores of every trial, shape (n_heads, n_labels); -inf for labels it does not know."""
    columns = [labels.index(label) for label in fitted.labels]
    found = []
    with one_thread():
        for trial in trials:
            scores = np.full((len(fitted.heads), len(labels)), -np.inf)
            scores[:, columns] = fitted.score_members(trial.rows.values)
            found.append(scores)
    return found


def inner_folds(trials: Sequence[Trial], seed: int) -> list[Fold]:
    """Return the folds of a training set, as many as its groups allow up to ``N_INNER_FOLDS``, or none."""
    labels, units = [trial.label for trial in trials], units_of(trials)
    scored = scored_labels(labels, units)
    n_groups = len({unit for label, unit in zip(labels, units, strict=True) if label in scored})
    if n_groups < 2:
        return []
    return random_folds(labels, units, min(N_INNER_FOLDS, n_groups), np.random.default_rng(seed))


def head_weights(
    found: OutOfFold, codes: npt.NDArray[np.intp], groups: Sequence[str], recipe: Recipe
) -> tuple[float, ...]:
    """Return the weight of each head: 1 where there is one, else what the recipe's back end says.

    Parameters
    ----------
    found : OutOfFold
        Scores to learn from.
    codes, groups
        What :func:`labels_and_groups` gave.
    recipe : Recipe
        Settings.
    """
    if recipe.classifier.n_members == 1:
        return (1.0,)
    members = found.scores.swapaxes(0, 1)
    return (trained_weights if recipe.classifier.back_end == "trained" else equal_mean)(members, codes, groups)


def learn_rejection(trials: Sequence[Trial], recipe: Recipe, fitted: Fitted, *, n_jobs: int = 1) -> Rejection | None:
    """Return when to call a clip unknown, learned by leaving each label out in turn; None without inner folds.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings.
    fitted : Fitted
        What :func:`fit_trials` gave for them.
    n_jobs : int
        Worker processes.
    """
    found, calibration = fitted.out_of_fold, fitted.recogniser.calibration
    if found is None or calibration is None:
        return None
    recipe, weights = of_size(trials, recipe), fitted.recogniser.classifier.weights
    fused = found.fused(weights)
    known = statistics(fused, calibration.probability(fused))
    if len(found.labels) < 3:
        rounds = []
    elif recipe.classifier.has_separate_labels:
        rounds = _without_columns(fused, labels_and_groups(trials, found)[0])
    else:
        rounds = _without_labels(trials, recipe, found.labels, weights, n_jobs)

    def told(scores: Array) -> dict[str, Array]:
        # the temperature belongs to scores of this kind, whatever the labels
        return statistics(scores, replace(calibration, offsets=np.zeros(scores.shape[1])).probability(scores))

    own = _fused(np.stack(member_scores(fitted.recogniser.classifier, trials, found.labels)), weights)
    return fit_rejection(
        known,
        [(told(inside), told(outside)) for inside, outside in rounds],
        own=statistics(own, calibration.probability(own)),
    )


def _without_columns(fused: Array, codes: npt.NDArray[np.intp]) -> list[tuple[Array, Array]]:
    """Return for each label the scores by all other labels, of clips of those and of its own.

    Where no label knows of another, a classifier without it is that with it, less a column.
    """
    rounds = []
    for k in range(fused.shape[1]):
        others = np.delete(fused, k, axis=1)
        usable = np.isfinite(others).sum(axis=1) > 1
        inside, outside = others[usable & (codes != k)], others[usable & (codes == k)]
        if len(inside) and len(outside):
            rounds.append((inside, outside))
    return rounds


def _without_labels(
    trials: Sequence[Trial], recipe: Recipe, labels: Sequence[str], weights: Sequence[float], n_jobs: int
) -> list[tuple[Array, Array]]:
    """Return for each label the scores by a classifier without it, of held-out clips of the others and of its own.

    Each label takes inner folds, another one first, until they have held ``ENOUGH_CLIPS`` of its clips.
    """
    rounds = []
    folds = inner_folds(trials, recipe.seed)
    for i, label in enumerate(labels):
        others = [name for name in labels if name != label]
        held: list[Array] = []
        heard: list[Array] = []
        for fold in folds[i % len(folds) :] + folds[: i % len(folds)]:
            test = [trials[k] for k in fold.test]
            train = [trials[k] for k in fold.train if trials[k].label != label]
            inside, outside = [t for t in test if t.label != label], [t for t in test if t.label == label]
            if not inside or not outside or len({t.label for t in train}) < 2:
                continue
            fit, _ = fit_classifier(train, recipe, seed=recipe.seed, n_jobs=n_jobs)
            heard += member_scores(fit, inside, others)
            held += member_scores(fit, outside, others)
            if len(held) >= ENOUGH_CLIPS:
                break
        if held:
            rounds.append((_fused(np.stack(heard), weights), _fused(np.stack(held), weights)))
    return rounds


def _fused(scores: Array, weights: Sequence[float]) -> Array:
    """Return the weighted sum over heads, shape (n, n_labels); a label that was unknown stays at -inf."""
    known = np.isfinite(scores)
    total = np.einsum("m,nml->nl", np.asarray(weights), np.where(known, scores, 0.0))
    fused: Array = np.where(known.all(axis=1), total, -np.inf)
    return fused
