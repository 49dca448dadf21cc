"""Settings chosen inside a training set, by inner folds that keep groups whole: never by the clips of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gmmaudio import classifier
from gmmaudio.corpus import Fold, random_folds, scored_labels
from gmmaudio.evaluation import ScoredClip, accuracy, balanced_accuracy, confusion_matrix
from gmmaudio.pipeline.recipe import Recipe
from gmmaudio.pipeline.scoring import score_trials, units_of
from gmmaudio.pipeline.trials import Trial

N_INNER_FOLDS = 3
# covariance and components, cheapest first: of equals the first is chosen
CANDIDATES = (
    ("diag", 1),
    ("full", 1),
    ("diag", 4),
    ("full", 2),
    ("diag", 8),
    ("full", 4),
    ("diag", 16),
    ("diag", 32),
    ("diag", 64),
)


@dataclass(frozen=True)
class Tuned:
    """Settings chosen, and what was compared.

    Parameters
    ----------
    recipe : Recipe
        The settings with the best balanced accuracy on the inner folds.
    table : tuple of dict
        ``covariance_type, n_components, balanced_accuracy, accuracy, n`` of every candidate, in order.
    reason : str
        Why these.
    """

    recipe: Recipe
    table: tuple[dict[str, Any], ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"chosen": asdict(self.recipe.classifier), "table": list(self.table), "reason": self.reason}


def nested_scores(trials: Sequence[Trial], recipe: Recipe, *, seed: int, n_jobs: int = 1) -> list[ScoredClip]:
    """Return out-of-fold predictions of a training set: each by a model that heard no clip of its group.

    Nothing where no label has two groups.

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
    return [clip for fold in inner_folds(trials, seed) for clip in score_fold(trials, fold, recipe, seed, n_jobs)]


def inner_folds(trials: Sequence[Trial], seed: int) -> list[Fold]:
    """Return the folds of a training set, as many as its groups allow up to ``N_INNER_FOLDS``, or none."""
    labels, units = [trial.label for trial in trials], units_of(trials)
    scored = scored_labels(labels, units)
    n_groups = len({unit for label, unit in zip(labels, units, strict=True) if label in scored})
    if n_groups < 2:
        return []
    return random_folds(labels, units, min(N_INNER_FOLDS, n_groups), np.random.default_rng(seed))


def score_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, seed: int, n_jobs: int, *, tuned: bool = False
) -> list[ScoredClip]:
    """Return the predictions for a fold's held-out trials by a model of the others, tuned on those where asked."""
    train = [trials[i] for i in fold.train]
    chosen = tune(train, recipe, seed=seed, n_jobs=n_jobs).recipe if tuned else recipe
    fitted, _ = classifier.fit(
        [trial.rows.values for trial in train],
        [trial.label for trial in train],
        chosen.classifier,
        seed=seed,
        n_jobs=n_jobs,
    )
    return score_trials([trials[i] for i in fold.test], fitted, fold=fold.name)


def tune(trials: Sequence[Trial], recipe: Recipe, *, seed: int, n_jobs: int = 1) -> Tuned:
    """Return the candidate that does best on inner folds of a training set, and the table it was chosen from.

    Parameters
    ----------
    trials : sequence of Trial
        The training set: what a figure is made of must not be in it.
    recipe : Recipe
        Settings to start from; covariance and components are what is chosen.
    seed : int
        Divides and fits.
    n_jobs : int
        Worker processes.
    """
    n_folds = len(inner_folds(trials, seed))
    if not n_folds:
        return Tuned(recipe, (), "no label has two groups to tune on: the settings are left as they were")
    rows: list[dict[str, Any]] = []
    recipes = []
    for covariance_type, n_components in CANDIDATES:
        changed = replace(recipe.classifier, covariance_type=covariance_type, n_components=n_components)
        recipes.append(replace(recipe, classifier=changed))
        scored = nested_scores(trials, recipes[-1], seed=seed, n_jobs=n_jobs)
        labels = sorted({name for clip in scored for name in (clip.label, clip.predicted)})
        counts = confusion_matrix([clip.label for clip in scored], [clip.predicted for clip in scored], labels)
        rows.append(
            {
                "covariance_type": covariance_type,
                "n_components": n_components,
                "balanced_accuracy": float(balanced_accuracy(counts)),
                "accuracy": float(accuracy(counts)),
                "n": len(scored),
            }
        )
    best = max(range(len(rows)), key=lambda i: rows[i]["balanced_accuracy"])
    reason = (
        f"best balanced accuracy, {100 * rows[best]['balanced_accuracy']:.1f} %, on {n_folds} inner folds "
        f"by group of the training set (n={rows[best]['n']})"
    )
    return Tuned(recipes[best], tuple(rows), reason)
