"""One fold: a recogniser trained on its training side, and predictions for its held-out side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gmmaudio.compute import RunContext
from gmmaudio.corpus import Fold, scored_labels
from gmmaudio.evaluation import ScoredClip
from gmmaudio.features import FeatureSettings
from gmmaudio.models import Recipe, Recogniser, Tuned, fit_trials, fit_vector_head, learn_open_set_threshold, tune
from gmmaudio.pipeline.nearest_groups import add_nearest_groups
from gmmaudio.pipeline.scoring import are_in_domain, score_durations, score_trials
from gmmaudio.trials import Trial, units_of, with_features


@dataclass(frozen=True, eq=False)
class FoldFit:
    """A recogniser trained on one side of a fold, and the held-out trials.

    Parameters
    ----------
    recogniser : Recogniser
        Recogniser trained on the training side.
    train, test : list of Trial
        Trials of the training side, and held-out trials, with rows of the recogniser's front end.
    features : FeatureSettings
        The front end.
    tuned : Tuned or None
        The choice of settings on inner folds, if there was one.
    """

    recogniser: Recogniser
    train: list[Trial]
    test: list[Trial]
    features: FeatureSettings
    tuned: Tuned | None


@dataclass(frozen=True, eq=False)
class FoldResult:
    """The predictions of one fold, and the recogniser that made them.

    Parameters
    ----------
    fold : Fold
        The fold.
    repeat : int
        The repeat, from 0.
    scored : list of ScoredClip
        Predictions for the held-out trials.
    durations : mapping of float to list of ScoredClip
        For each length in seconds, predictions for the held-out trials cut to it.
    recogniser : Recogniser
        Recogniser trained on the training side.
    features : FeatureSettings
        The front end of the recogniser.
    tuned : Tuned or None
        The choice of settings on inner folds, if there was one.
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
    """Return a recogniser trained on one side of a fold, and the held-out trials.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    fold : Fold
        Indices of the training trials and the held-out trials.
    recipe : Recipe
        Settings; its seed is that of the fit and of inner folds.
    run : RunContext
        Worker processes and progress.
    tuned : bool
        Choose settings on inner folds of the training side.
    calibrated : bool
        Learn a calibration, so that predictions have probabilities; with vectors it is always learned.
    open_set : bool
        Learn an open-set threshold.

    Returns
    -------
    FoldFit
        Recogniser, held-out trials and front end.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips[2:10]), recipe.trial_settings).trials
    >>> fitted = fit_fold(trials, Fold("1", (0, 1, 4, 5), (2, 7)), recipe, RunContext(), calibrated=False)
    >>> fitted.recogniser.scorer.labels, [trial.name for trial in fitted.test]
    (('jazz', 'metal'), ['jazz/album2/01.wav', 'metal/album1/02.wav'])
    """
    train, test = with_own_groups([trials[i] for i in fold.train]), [trials[i] for i in fold.test]
    choice = tune(train, recipe, run) if tuned else None
    chosen = recipe if choice is None else choice.recipe
    if chosen.features != recipe.features:
        train, test = with_features(train, chosen.features), with_features(test, chosen.features)
    # two heads are joined by probabilities
    calibrated = calibrated or any(trial.vectors is not None for trial in train)
    fitted = fit_trials(train, chosen, run, calibrated=calibrated)
    threshold = learn_open_set_threshold(train, chosen, fitted, run) if open_set else None
    head = fit_vector_head(train, chosen.seed, run)
    recogniser = replace(fitted.recogniser, open_set=threshold, vector_head=head)
    return FoldFit(recogniser, train, test, chosen.features, choice)


def with_own_groups(trials: Sequence[Trial]) -> list[Trial]:
    """Return the training side of a fold, held out by its own groups where its sources allow no calibration.

    Where sources are left out and one is left, no clips of it could be held out, and there would be no probabilities.

    Parameters
    ----------
    trials : sequence of Trial
        The training side.

    Examples
    --------
    >>> with_own_groups([])
    []
    """
    labels = [trial.label for trial in trials]
    if scored_labels(labels, units_of(trials)) or any(trial.held_out_by != trial.source for trial in trials):
        return list(trials)
    return [_held_out_by_group(trial) for trial in trials]


def _held_out_by_group(trial: Trial) -> Trial:
    """Return a trial, and its copies, held out by its group."""
    segments = tuple(
        replace(part, extracted=replace(part.extracted, clip=replace(part.extracted.clip, held_out_by=trial.group)))
        for part in trial.segments
    )
    return replace(trial, segments=segments, copies=tuple(map(_held_out_by_group, trial.copies)))


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
    """Return the predictions for a fold's held-out trials by a recogniser trained on the other side.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    fold : Fold
        Indices of the training trials and the held-out trials.
    recipe : Recipe
        Settings.
    repeat : int
        The repeat, from 0, which is added to the seed.
    run : RunContext
        Worker processes and progress.
    tuned : bool
        Choose settings on inner folds of the training side.
    open_set : bool
        Learn an open-set threshold on the training side.
    durations_s : sequence of float
        Lengths that held-out trials are cut to and scored again, seconds.

    Returns
    -------
    FoldResult
        Predictions and recogniser.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips[2:10]), recipe.trial_settings).trials
    >>> result = run_fold(trials, Fold("1", (0, 1, 4, 5), (2, 7)), recipe, 0, RunContext(), durations_s=[3.0])
    >>> [(clip.label, clip.predicted) for clip in result.scored], len(result.durations[3.0])
    ([('jazz', 'jazz'), ('metal', 'metal')], 4)
    """
    fitted = fit_fold(trials, fold, replace(recipe, seed=recipe.seed + repeat), run, tuned=tuned, open_set=open_set)
    in_domain = are_in_domain(fitted.recogniser, ((trial.label, trial.source) for trial in fitted.train), fitted.test)
    scored = score_trials(fitted.test, fitted.recogniser, fold=fold.name, repeat=repeat, run=run, in_domain=in_domain)
    scored = add_nearest_groups(scored, fitted.test, fitted.train, fitted.recogniser.scorer)
    durations = score_durations(
        fitted.test,
        fitted.recogniser,
        durations_s,
        fitted.features,
        fold=fold.name,
        repeat=repeat,
        run=run,
        in_domain=in_domain,
    )
    return FoldResult(fold, repeat, scored, durations, fitted.recogniser, fitted.features, fitted.tuned)


def score_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, run: RunContext, *, tuned: bool = False
) -> list[ScoredClip]:
    """Return the predictions for a fold's held-out trials, without probabilities.

    Parameters
    ----------
    trials, fold, recipe, run, tuned
        As for :func:`fit_fold`.

    Returns
    -------
    list of ScoredClip
        One for each held-out trial.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips[2:10]), recipe.trial_settings).trials
    >>> scored = score_fold(trials, Fold("1", (0, 1, 4, 5), (2, 7)), recipe, RunContext())
    >>> [(clip.label, clip.predicted, clip.probability) for clip in scored]
    [('jazz', 'jazz', None), ('metal', 'metal', None)]
    """
    fitted = fit_fold(trials, fold, recipe, run, tuned=tuned, calibrated=False)
    return score_trials(fitted.test, fitted.recogniser, fold=fold.name, run=run)
