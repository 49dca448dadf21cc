"""One fold: a model of its training side, and predictions for the held-out side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmmaudio.corpus import Fold
from gmmaudio.evaluation import ScoredClip
from gmmaudio.features import FeatureSettings
from gmmaudio.models import Recipe, Recogniser, Tuned, fit_trials, tune
from gmmaudio.pipeline.scoring import score_trials
from gmmaudio.trials import Trial, with_features


@dataclass(frozen=True, eq=False)
class FoldFit:
    """A recogniser of a fold's training side, and what it is asked.

    Parameters
    ----------
    recogniser : Recogniser
        Trained on the fold's training side.
    test : list of Trial
        The held-out side, with the rows that the recogniser takes.
    features : FeatureSettings
        How they were made.
    tuned : Tuned or None
        How the settings were chosen, where they were.
    """

    recogniser: Recogniser
    test: list[Trial]
    features: FeatureSettings
    tuned: Tuned | None


def fit_fold(
    trials: Sequence[Trial],
    fold: Fold,
    recipe: Recipe,
    seed: int,
    n_jobs: int,
    *,
    tuned: bool = False,
    calibrated: bool = True,
) -> FoldFit:
    """Return a recogniser of a fold's training side, tuned on that side where asked, and the held-out side.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    fold : Fold
        Which are trained on and which are held out.
    recipe : Recipe
        Settings.
    seed : int
        Divides and fits.
    n_jobs : int
        Worker processes.
    tuned : bool
        Choose settings on inner folds of the training side.
    calibrated : bool
        Whether probabilities are wanted.
    """
    train, test = [trials[i] for i in fold.train], [trials[i] for i in fold.test]
    choice = tune(train, recipe, seed=seed, n_jobs=n_jobs) if tuned else None
    chosen = recipe if choice is None else choice.recipe
    if chosen.features != recipe.features:
        train, test = with_features(train, chosen.features), with_features(test, chosen.features)
    fitted = fit_trials(train, chosen, seed=seed, n_jobs=n_jobs, calibrated=calibrated)
    return FoldFit(fitted.recogniser, test, chosen.features, choice)


def score_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, seed: int, n_jobs: int, *, tuned: bool = False
) -> list[ScoredClip]:
    """Return the predictions for a fold's held-out trials by a recogniser of the others, without probabilities."""
    found = fit_fold(trials, fold, recipe, seed, n_jobs, tuned=tuned, calibrated=False)
    return score_trials(found.test, found.recogniser, fold=fold.name)
