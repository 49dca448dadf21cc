"""Out-of-fold scores of a training set, on inner folds that keep groups whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import RunContext, digest_of, resume
from gmmaudio.compute.checkpoints import Arrays, Record
from gmmaudio.corpus import Fold, random_folds, scored_labels
from gmmaudio.models.kinds import fresh_fits
from gmmaudio.models.linear_algebra import Array, Codes
from gmmaudio.models.partial_fits import PartialFits
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.training_rows import ClipRows, TrainingRows
from gmmaudio.trials import Trial, digest_trials, units_of

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
    settings = recipe.kind_settings.cap_components(sum(trial.n_rows for trial in trials))
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


def training_rows_of(trials: Sequence[Trial], recipe: Recipe, run: RunContext) -> TrainingRows:
    """Return the rows of a training set and its degraded copies: after each trial's own rows those of its copies.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings; the seed drives the starts of EM.
    run : RunContext
        Worker processes and progress.
    """
    labels, units = sorted({trial.label for trial in trials}), units_of(trials)
    trial_of_clips = [i for i, trial in enumerate(trials) for _ in trial.training_rows]
    return TrainingRows(
        ClipRows([rows.values for trial in trials for rows in trial.training_rows]),
        tuple(labels),
        np.array([labels.index(trials[i].label) for i in trial_of_clips]),
        tuple(units[i] for i in trial_of_clips),
        recipe.seed,
        run,
        recipe.features.frames.n_warps,
        np.array([i > 0 for trial in trials for i in range(len(trial.training_rows))]),
    )


@dataclass(frozen=True, eq=False)
class TrialFits:
    """Scorers of parts of a training set of trials, and the scores of the trials that they leave out.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    partial : PartialFits
        Scorers of parts of its rows, in the order of :func:`training_rows_of`.
    """

    trials: Sequence[Trial]
    partial: PartialFits

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The group of every trial, or what is held out in its place."""
        return units_of(self.trials)

    @cached_property
    def digest(self) -> str:
        """The content of the trials (:func:`gmmaudio.trials.digest_trials`)."""
        return digest_trials(self.trials)

    def resume(
        self,
        compute: Callable[[], list[Array]],
        run: RunContext,
        recipe: Recipe,
        kind: str,
        *places: Sequence[int],
    ) -> list[Array]:
        """Return scores by scorers of parts of the trials, read from the checkpoints of the run or computed and kept.

        Parameters
        ----------
        compute : callable
            Returns the scores.
        run : RunContext
            Its checkpoints.
        recipe : Recipe
            Settings of the fits.
        kind : str
            Name of these scores among all of the training set.
        *places : sequence of int
            Indices of the trials that are trained on and scored.
        """
        if run.checkpoints is None:
            return compute()
        key = {
            "kind": kind,
            "trials": self.digest,
            # scorers that share what a fit to all trials computed have other scores than those that do not
            "fits": type(self.partial).__name__,
            "recipe": recipe.to_dict(),
            "places": digest_of(*(list(map(int, each)) for each in places)),
        }
        return resume(run.checkpoints, key, compute, _describe_arrays, _restore_arrays)

    @cached_property
    def _edges(self) -> Codes:
        """The first clip of every trial, and the number of all clips."""
        return np.cumsum([0, *(len(trial.training_rows) for trial in self.trials)])

    def fit(self, trials: Sequence[int]) -> Scorer:
        """Return the scorer of some trials and their degraded copies, of the labels that they have.

        Parameters
        ----------
        trials : sequence of int
            Indices of the trials, ascending, of at least two labels.
        """
        return self.partial.fit(np.concatenate([np.arange(*self._edges[i : i + 2]) for i in trials]))

    def score(self, scorer: Scorer, trials: Sequence[int], labels: Sequence[str]) -> Array:
        """Return each head's scores of some trials, shape (n, n_heads, n_labels); -inf for labels the scorer lacks.

        Parameters
        ----------
        scorer : Scorer
            The scorer of the training set, or of a part of it.
        trials : sequence of int
            Indices of the trials, at least one.
        labels : sequence of str
            The columns; all of the scorer's labels and perhaps others.
        """
        scores = np.full((len(trials), len(scorer.heads), len(labels)), -np.inf)
        columns = [labels.index(label) for label in scorer.labels]
        scores[:, :, columns] = self.partial.score(scorer, self._edges[np.asarray(trials, dtype=np.intp)])
        return scores


def fresh_trial_fits(trials: Sequence[Trial], recipe: Recipe, run: RunContext) -> TrialFits:
    """Return scorers of parts of a training set that share nothing.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings of the fits.
    run : RunContext
        Worker processes and progress.
    """
    return TrialFits(trials, fresh_fits(training_rows_of(trials, recipe, run), recipe.kind_settings))


def out_of_fold_scores(
    trials: Sequence[Trial], recipe: Recipe, run: RunContext, fits: TrialFits | None = None
) -> OutOfFold | None:
    """Return the out-of-fold scores of a training set; None where no label has two groups.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings of the fits; the seed divides and fits.
    run : RunContext
        Worker processes and progress.
    fits : TrialFits or None
        Scorers of parts of the training set; None takes those that share nothing.

    Examples
    --------
    >>> from gmmaudio.compute import RunContext
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips), recipe.trial_settings).trials
    >>> scores = out_of_fold_scores(trials, recipe, RunContext())
    >>> scores.labels, len(scores.scores) == len(trials)
    (('jazz', 'metal'), True)
    """
    labels, recipe = tuple(sorted({trial.label for trial in trials})), cap_components(trials, recipe)
    fits = fits or fresh_trial_fits(trials, recipe, run)
    indices: list[int] = []
    scores: list[Array] = []
    for fold in run.track(make_inner_folds(trials, recipe.seed), "inner folds"):
        if len({trials[i].label for i in fold.train}) < 2:
            continue
        indices += fold.test
        compute = partial(score_held_out, fits, fold, labels)
        scores += fits.resume(compute, run, recipe, "inner fold", fold.train, fold.test)
    return OutOfFold(np.array(indices), np.concatenate(scores), labels) if scores else None


def score_held_out(fits: TrialFits, fold: Fold, labels: Sequence[str]) -> list[Array]:
    """Return the scores of the held-out trials of a fold by the scorer of the others, as the one array of a list.

    Parameters
    ----------
    fits : TrialFits
        Scorers of parts of the training set.
    fold : Fold
        Its trials, of at least two labels in training.
    labels : sequence of str
        The columns.
    """
    return [fits.score(fits.fit(fold.train), fold.test, labels)]


def _describe_arrays(arrays: Sequence[Array]) -> tuple[dict[str, Array], dict[str, int]]:
    """Return arrays by their place, and their number."""
    return {str(i): array for i, array in enumerate(arrays)}, {"n": len(arrays)}


def _restore_arrays(arrays: Arrays, record: Record) -> list[Array]:
    """Return the arrays that :func:`_describe_arrays` gave by their place."""
    return [arrays[str(i)] for i in range(record["n"])]


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
