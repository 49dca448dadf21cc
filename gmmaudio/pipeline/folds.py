"""One fold: a model of its training side, and predictions for the held-out side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gmmaudio.compute import RunContext
from gmmaudio.corpus import Fold
from gmmaudio.evaluation import ScoredClip
from gmmaudio.features import FeatureSettings
from gmmaudio.models import Recipe, Recogniser, Tuned, fit_trials, learn_open_set_threshold, tune
from gmmaudio.pipeline.scoring import score_durations, score_trials
from gmmaudio.trials import Trial, with_features


@dataclass(frozen=True, eq=False)
class FoldFit:
    """A recogniser of a fold's training side, and the held-out side.

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


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What came of one fold.

    Parameters
    ----------
    fold : Fold
        The fold.
    repeat : int
        The repeat, from 0.
    scored : list of ScoredClip
        Predictions for its held-out trials.
    durations : mapping of float to list of ScoredClip
        Predictions for them cut to lengths in seconds.
    recogniser : Recogniser
        What made them.
    features : FeatureSettings
        How the rows that it takes are made.
    tuned : Tuned or None
        How the settings were chosen, where they were.
    """

    fold: Fold
    repeat: int
    scored: list[ScoredClip]
    durations: Mapping[float, list[ScoredClip]]
    recogniser: Recogniser
    features: FeatureSettings
    tuned: Tuned | None


def fit_fold(
    trials: Sequence[Trial],
    fold: Fold,
    recipe: Recipe,
    run: RunContext,
    *,
    tuned: bool = False,
    calibrated: bool = True,
    open_set: bool = False,
) -> FoldFit:
    """Return a recogniser of a fold's training side, tuned on that side where asked, and the held-out side.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    fold : Fold
        Which are trained on and which are held out.
    recipe : Recipe
        Settings; its seed divides and fits.
    run : RunContext
        Worker processes and progress.
    tuned : bool
        Choose settings on inner folds of the training side.
    calibrated : bool
        Whether probabilities are wanted.
    open_set : bool
        Whether an open-set threshold is wanted.
    """
    train, test = [trials[i] for i in fold.train], [trials[i] for i in fold.test]
    choice = tune(train, recipe, run) if tuned else None
    chosen = recipe if choice is None else choice.recipe
    if chosen.features != recipe.features:
        train, test = with_features(train, chosen.features), with_features(test, chosen.features)
    fitted = fit_trials(train, chosen, run, calibrated=calibrated)
    threshold = learn_open_set_threshold(train, chosen, fitted, run) if open_set else None
    return FoldFit(replace(fitted.recogniser, open_set=threshold), test, chosen.features, choice)


def run_fold(
    trials: Sequence[Trial],
    fold: Fold,
    recipe: Recipe,
    repeat: int,
    run: RunContext,
    *,
    tuned: bool = False,
    open_set: bool = False,
    durations_s: Sequence[float] = (),
) -> FoldResult:
    """Return the predictions for a fold's held-out trials by a model of the others.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    fold : Fold
        Which are trained on and which are held out.
    recipe : Recipe
        Settings.
    repeat : int
        The repeat, from 0, which is added to the seed.
    run : RunContext
        Worker processes and progress.
    tuned : bool
        Choose settings on inner folds of the training side.
    open_set : bool
        Learn an open-set threshold on the training side too.
    durations_s : sequence of float
        Lengths that held-out trials are cut to and scored again, seconds.
    """
    fitted = fit_fold(trials, fold, replace(recipe, seed=recipe.seed + repeat), run, tuned=tuned, open_set=open_set)
    scored = score_trials(fitted.test, fitted.recogniser, fold=fold.name, repeat=repeat)
    durations = score_durations(
        fitted.test, fitted.recogniser, durations_s, fitted.features, fold=fold.name, repeat=repeat
    )
    return FoldResult(fold, repeat, scored, durations, fitted.recogniser, fitted.features, fitted.tuned)


def score_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, run: RunContext, *, tuned: bool = False
) -> list[ScoredClip]:
    """Return the predictions for a fold's held-out trials by a recogniser of the others, without probabilities.

    Parameters
    ----------
    trials, fold, recipe, run, tuned
        As for :func:`fit_fold`.
    """
    fitted = fit_fold(trials, fold, recipe, run, tuned=tuned, calibrated=False)
    return score_trials(fitted.test, fitted.recogniser, fold=fold.name)
