"""Out-of-fold scores of a training set, on inner folds that keep groups whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import RunContext, one_thread
from gmmaudio.corpus import Fold, random_folds, scored_labels
from gmmaudio.models.kinds import fit_scorer
from gmmaudio.models.linear_algebra import Array, Codes
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.ubm import Traces
from gmmaudio.trials import Trial, units_of

N_INNER_FOLDS = 5


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Scores of a training set, each by a scorer that was trained on no clip of its group.

    Parameters
    ----------
    indices : ndarray, shape (n,), int
        Indices of the trials that were scored.
    scores : ndarray, shape (n, n_heads, n_labels)
        Scores of each head; a label that the fold's scorer does not have is -inf.
    labels : tuple of str
        Sorted; the columns.

    Examples
    --------
    >>> scores = np.array([[[1.0, 2.0], [3.0, -np.inf]]])
    >>> OutOfFold(np.array([0]), scores, ("a", "b")).fused([1.0, 0.5])
    array([[ 2.5, -inf]])
    """

    indices: npt.NDArray[np.intp]
    scores: Array
    labels: tuple[str, ...]

    def fused(self, weights: Sequence[float]) -> Array:
        """Return the weighted sum over heads, shape (n, n_labels); a label that a scorer does not have stays at -inf.

        Parameters
        ----------
        weights : sequence of float
            Weight of each head.
        """
        return fuse(self.scores, weights)


def cap_components(trials: Sequence[Trial], recipe: Recipe) -> Recipe:
    """Return a recipe with no more principal components than a training set of this size can support.

    The scorers of inner folds must have as many as the one of all trials, or their densities are on another scale, and
    temperature and open-set threshold do not fit it.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings.
    """
    settings = recipe.kind_settings.cap_components(sum(len(trial.rows) for trial in trials))
    return recipe if settings is recipe.kind_settings else replace(recipe, kind_settings=settings)


def labels_and_groups(trials: Sequence[Trial], out_of_fold: OutOfFold) -> tuple[Codes, tuple[str, ...]]:
    """Return the true label, as a column, and the group of every trial that was scored out of fold.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    out_of_fold : OutOfFold
        Its scores.
    """
    units = units_of(trials)
    codes = np.array([out_of_fold.labels.index(trials[i].label) for i in out_of_fold.indices])
    return codes, tuple(units[i] for i in out_of_fold.indices)


def fit_scorer_on_trials(trials: Sequence[Trial], recipe: Recipe, run: RunContext) -> tuple[Scorer, Traces]:
    """Return the scorer of a training set and its degraded copies, and the traces of EM.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings; the seed drives the starts of EM.
    run : RunContext
        Worker processes and progress.
    """
    units = units_of(trials)
    rows = [
        (each.values, trial.label, unit)
        for trial, unit in zip(trials, units, strict=True)
        for each in trial.training_rows
    ]
    return fit_scorer(
        [values for values, _, _ in rows],
        [label for _, label, _ in rows],
        recipe.kind_settings,
        groups=[unit for _, _, unit in rows],
        n_warps=recipe.features.frames.n_warps,
        seed=recipe.seed,
        run=run,
    )


def out_of_fold_scores(trials: Sequence[Trial], recipe: Recipe, run: RunContext) -> OutOfFold | None:
    """Return the out-of-fold scores of a training set; None where no label has two groups.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings of the fits; the seed divides and fits.
    run : RunContext
        Worker processes and progress.
    """
    labels, recipe = tuple(sorted({trial.label for trial in trials})), cap_components(trials, recipe)
    indices: list[int] = []
    scores: list[Array] = []
    for fold in run.track(make_inner_folds(trials, recipe.seed), "inner folds"):
        train = [trials[i] for i in fold.train]
        if len({trial.label for trial in train}) < 2:
            continue
        scorer, _ = fit_scorer_on_trials(train, recipe, run)
        indices += fold.test
        scores += head_scores(scorer, [trials[i] for i in fold.test], labels)
    return OutOfFold(np.array(indices), np.stack(scores), labels) if scores else None


def head_scores(scorer: Scorer, trials: Sequence[Trial], labels: Sequence[str]) -> list[Array]:
    """Return each head's scores of every trial, shape (n_heads, n_labels); -inf for labels that the scorer lacks.

    Parameters
    ----------
    scorer : Scorer
        Scores them.
    trials : sequence of Trial
        Trials to score.
    labels : sequence of str
        The columns; all of the scorer's labels and perhaps others.
    """
    columns = [labels.index(label) for label in scorer.labels]
    scores_of_trials = []
    with one_thread():
        for trial in trials:
            scores = np.full((len(scorer.heads), len(labels)), -np.inf)
            scores[:, columns] = scorer.score_heads(trial.rows.values)
            scores_of_trials.append(scores)
    return scores_of_trials


def make_inner_folds(trials: Sequence[Trial], seed: int) -> list[Fold]:
    """Return the folds of a training set, as many as its groups allow up to ``N_INNER_FOLDS``, or none.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    seed : int
        Seed of the division.
    """
    labels, units = [trial.label for trial in trials], units_of(trials)
    scored = scored_labels(labels, units)
    n_groups = len({unit for label, unit in zip(labels, units, strict=True) if label in scored})
    if n_groups < 2:
        return []
    return random_folds(labels, units, min(N_INNER_FOLDS, n_groups), np.random.default_rng(seed))


def fuse(scores: Array, weights: Sequence[float]) -> Array:
    """Return the weighted sum over heads, shape (n, n_labels); a label that a scorer does not have stays at -inf.

    Parameters
    ----------
    scores : ndarray, shape (n, n_heads, n_labels)
        Scores of each head.
    weights : sequence of float
        Weight of each head.

    Examples
    --------
    >>> fuse(np.array([[[1.0, 2.0], [3.0, -np.inf]]]), [1.0, 0.5])
    array([[ 2.5, -inf]])
    """
    known = np.isfinite(scores)
    total = np.einsum("m,nml->nl", np.asarray(weights), np.where(known, scores, 0.0))
    fused: Array = np.where(known.all(axis=1), total, -np.inf)
    return fused
