"""Analyses beside the accuracy: shorter clips, less training, a random split, degraded audio, similarity of labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gmmaudio.audio import DEGRADATIONS
from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip, Fold, random_folds
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import ScoredClip, Similarity, Slice, compare, make_slice
from gmmaudio.features import FeatureStore
from gmmaudio.findings import Finding
from gmmaudio.models import Recipe, Scorer
from gmmaudio.pipeline.fold_checkpoints import resume_scored_fold
from gmmaudio.pipeline.scoring import interval_units
from gmmaudio.trials import Degradation, Spool, Trial, TrialSettings, build_trial_set, units_of

SHARES = (1 / 8, 1 / 4, 1 / 2)


def check_durations(durations_s: Sequence[float]) -> None:
    """Raise an error where a duration to cut clips to is outside its bounds.

    Parameters
    ----------
    durations_s : sequence of float
        Durations, seconds.

    Raises
    ------
    SettingError
        If one is outside 0.1 to 3600 s.

    Examples
    --------
    >>> check_durations([3.0, 10.0])
    """
    for seconds in durations_s:
        if not 0.1 <= seconds <= 3600:
            raise SettingError(f"`durations_s` holds {seconds:g}; expected 0.1 to 3600 s each")


def duration_slices(durations: Sequence[Mapping[float, Sequence[ScoredClip]]]) -> tuple[Slice, ...]:
    """Return a slice of clips cut to each duration, the shortest first.

    Parameters
    ----------
    durations : sequence of mapping
        For every fold: duration in seconds -> predictions.

    Returns
    -------
    tuple of Slice
        One for each duration with predictions.

    Examples
    --------
    >>> clip = ScoredClip("1.wav 0.0 s", ("1.wav",), "en", "ann", "ann", None, "1", 0, "en", {})
    >>> [(each.name, each.n, each.accuracy) for each in duration_slices([{3.0: [clip], 1.0: []}])]
    [('3 s', 1, 1.0)]
    """
    predictions: dict[float, list[ScoredClip]] = defaultdict(list)
    for fold in durations:
        for seconds, clips in fold.items():
            predictions[seconds] += clips
    return tuple(
        make_slice(f"{seconds:g} s", predictions[seconds]) for seconds in sorted(predictions) if predictions[seconds]
    )


def learning_curve(
    trials: Sequence[Trial],
    folds: Sequence[Fold],
    whole: Sequence[ScoredClip],
    recipe: Recipe,
    run: RunContext,
    *,
    tuned: bool = False,
) -> tuple[Slice, ...]:
    """Return a slice for an eighth, a quarter, half and all of each fold's training audio.

    Of each label whole groups are taken in random order, and of the last its first trials, until the duration is
    reached: less audio is fewer artists or speakers, as it would be in practice.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    folds : sequence of Fold
        Folds of one repeat.
    whole : sequence of ScoredClip
        Predictions of that repeat with all training audio.
    recipe : Recipe
        Settings; its seed orders the groups.
    run : RunContext
        Worker processes and progress.
    tuned : bool
        Choose settings on every part, as was done for the whole.

    Returns
    -------
    tuple of Slice
        Four slices with their training audio in hours, the smallest share first; the last has its gain over the one
        before.

    Examples
    --------
    >>> from gmmaudio.corpus import leave_one_group_out, plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> clips = plan_split(corpus.clips, group_by="parent")
    >>> trials = build_trial_set(corpus.root, clips, recipe.trial_settings).trials
    >>> folds = leave_one_group_out([trial.label for trial in trials], units_of(trials))[:1]
    >>> whole = resume_scored_fold(trials, folds[0], recipe, RunContext())
    >>> slices = learning_curve(trials, folds, whole, recipe, RunContext())
    >>> [(each.name, round(3600 * each.hours, 1)) for each in slices]
    [('12.5 %', 13.0), ('25 %', 19.5), ('50 %', 32.5), ('100 %', 65.0)]
    """
    rows, before = [], []
    for share in run.track(SHARES, "learning curve"):
        parts = [
            Fold(
                fold.name, _select_share(trials, fold.train, share, np.random.default_rng((recipe.seed, k))), fold.test
            )
            for k, fold in enumerate(folds)
        ]
        clips = [clip for part in parts for clip in resume_scored_fold(trials, part, recipe, run, tuned=tuned)]
        rows.append(make_slice(f"{100 * share:g} %", clips, hours=_hours(trials, parts)))
        before = clips
    last = make_slice("100 %", whole, hours=_hours(trials, folds))
    paired = paired_slices([(rows[-1].name, before), (last.name, whole)], run)
    if len(paired) == 2:
        last = replace(last, gain=paired[1].difference, gain_interval=paired[1].difference_interval)
    return (*rows, last)


def random_split(
    trials: Sequence[Trial],
    grouped: Sequence[ScoredClip],
    n_folds: int,
    recipe: Recipe,
    run: RunContext,
    *,
    tuned: bool = False,
) -> tuple[Slice, ...]:
    """Return a slice with groups kept whole and one of a random split of the same clips; none without two folds.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    grouped : sequence of ScoredClip
        Predictions of one repeat with groups kept whole.
    n_folds : int
        Folds of the random split.
    recipe : Recipe
        Settings; its seed is that of the random split.
    run : RunContext
        Worker processes and progress.
    tuned : bool
        Choose settings on every training set, as was done with groups kept whole.

    Returns
    -------
    tuple of Slice
        Two slices, the second with its difference to the first; or none.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> random_split([], [], 5, make_recipe(), RunContext())
    ()
    """
    labels = [trial.label for trial in trials]
    trial_names = [str(i) for i in range(len(trials))]
    try:
        folds = random_folds(labels, trial_names, min(n_folds, len(trials)), np.random.default_rng(recipe.seed))
    except (CorpusError, SettingError):
        return ()
    random = {
        clip.name: clip
        for fold in run.track(folds, "random split")
        for clip in resume_scored_fold(trials, fold, recipe, run, tuned=tuned)
    }
    pairs = [(clip, random[clip.name]) for clip in grouped if clip.name in random]
    if not pairs:
        return ()
    conditions = [("groups kept whole", [a for a, _ in pairs]), ("split at random", [b for _, b in pairs])]
    return paired_slices(conditions, run)


def check_random_split(rows: Sequence[Slice]) -> tuple[Finding, ...]:
    """Return the finding on the gap between a random split and one by group.

    Parameters
    ----------
    rows : sequence of Slice
        Slices of :func:`random_split`.

    Returns
    -------
    tuple of Finding
        One, or none without a random split.

    Examples
    --------
    >>> clips = [ScoredClip("1.wav", ("1.wav",), "en", "ann", "ann", None, "1", 0, label, {}) for label in ("fr", "en")]
    >>> print(*check_random_split(paired_slices([("groups kept whole", clips[:1]), ("split at random", clips[1:])])))
    split at random these clips show 100.0 %, with groups kept whole 0.0 %: random-split gap +100.0 percentage points
    """
    if len(rows) < 2 or rows[1].difference is None:
        return ()
    grouped, random = rows
    interval = random.difference_interval
    between = "" if interval is None else f", 95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
    return (
        Finding(
            "random_split_gap",
            "information",
            f"split at random these clips show {100 * random.accuracy:.1f} %, with groups kept whole "
            f"{100 * grouped.accuracy:.1f} %: random-split gap {100 * (random.difference or 0.0):+.1f} percentage "
            f"points{between}",
        ),
    )


def paired_slices(conditions: Sequence[tuple[str, Sequence[ScoredClip]]], run: RunContext = QUIET) -> tuple[Slice, ...]:
    """Return slices of the same clips under several conditions, each with its difference to the first.

    A clip that is missing under a condition is left out of that difference.

    Parameters
    ----------
    conditions : sequence of (str, sequence of ScoredClip)
        Name and predictions of each condition; the others are compared with the first.
    run : RunContext
        Progress of the bootstrap and the permutation test.

    Returns
    -------
    tuple of Slice
        One for each condition that shares clips with the first.

    Examples
    --------
    >>> clips = [ScoredClip("1.wav", ("1.wav",), "en", "ann", "ann", None, "1", 0, label, {}) for label in ("fr", "en")]
    >>> slices = paired_slices([("one", clips[:1]), ("other", clips[1:])])
    >>> [(each.name, each.accuracy, each.difference) for each in slices]
    [('one', 0.0, None), ('other', 1.0, 1.0)]
    """
    first_name, first = conditions[0]
    rows = [make_slice(first_name, first)]
    for name, clips in conditions[1:]:
        other = {(clip.name, clip.repeat): clip for clip in clips}
        pairs = [(clip, other[clip.name, clip.repeat]) for clip in first if (clip.name, clip.repeat) in other]
        if not pairs:
            continue
        comparison = compare(
            [a.name for a, _ in pairs],
            [a.label for a, _ in pairs],
            [a.unit for a, _ in pairs],
            [a.predicted for a, _ in pairs],
            [b.predicted for _, b in pairs],
            repeats=[a.repeat for a, _ in pairs],
            progress=run.progress,
        )
        rows.append(make_slice(name, clips, difference=comparison.difference, difference_interval=comparison.interval))
    return tuple(rows)


def degraded_trials(
    root: Path,
    clips: Sequence[Clip],
    settings: TrialSettings,
    degradation: Degradation,
    group_by: str | None,
    store: FeatureStore | None,
    spool: Spool | None,
    run: RunContext,
) -> list[Trial]:
    """Return the trials of degraded clips.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        The clips.
    settings : TrialSettings
        Front end and lengths of trials.
    degradation : Degradation
        The degradation.
    group_by : str or None
        Column by which clips are held out, if not by group.
    store : FeatureStore or None
        Where the frames of clips are kept.
    spool : Spool or None
        Where frames and rows go beyond a bound of memory; None holds all in memory.
    run : RunContext
        Worker processes and progress.

    Returns
    -------
    list of Trial
        Trials of the clips that could be used.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> clips, noise = [Clip("jazz/album0/01.wav", "jazz")], Degradation("noise 20 dB")
    >>> settings = TrialSettings(make_features())
    >>> trials = degraded_trials(Path("my_music"), clips, settings, noise, None, None, None, RunContext())
    >>> [(trial.name, trial.duration_s) for trial in trials]
    [('jazz/album0/01.wav', 6.5)]
    """
    trial_set = build_trial_set(root, clips, settings, degradation=degradation, store=store, spool=spool, run=run)
    return interval_units(trial_set.trials, group_by)[0]


def robustness(
    clean: Sequence[ScoredClip],
    trial_s: float | None,
    score: Callable[[str], Sequence[ScoredClip]],
    run: RunContext,
) -> tuple[Slice, ...]:
    """Return a slice for every degradation, each with its difference to the clean clips.

    Parameters
    ----------
    clean : sequence of ScoredClip
        Predictions for clips as they are.
    trial_s : float or None
        Duration that clips are joined or cut to, seconds.
    score : callable
        Function that returns predictions for the same clips under the degradation of a name.
    run : RunContext
        Progress.

    Returns
    -------
    tuple of Slice
        The clean clips, then a slice for each degradation.

    Examples
    --------
    >>> clean = [ScoredClip("1.wav", ("1.wav",), "en", "ann", "ann", None, "1", 0, "en", {})]
    >>> slices = robustness(clean, None, lambda name: clean, RunContext())
    >>> slices[0].name, {each.difference for each in slices[1:]}
    ('clean', {0.0})
    """
    degradations = run.track(degradations_of(trial_s), "robustness")
    return paired_slices([("clean", clean), *((name, score(name)) for name in degradations)], run)


def degradations_of(trial_s: float | None) -> tuple[str, ...]:
    """Return the names of the degradations of test clips.

    Excerpts are left out where clips are joined to trials: the same trial would hold other audio.

    Parameters
    ----------
    trial_s : float or None
        Duration that clips are joined or cut to, seconds.

    Returns
    -------
    tuple of str
        Names in :data:`gmmaudio.audio.DEGRADATIONS`.

    Examples
    --------
    >>> set(degradations_of(None)) - set(degradations_of(6.0))
    {'5 s excerpt'}
    """
    return tuple(name for name, spec in DEGRADATIONS.items() if not (trial_s and spec.changes_duration))


def model_similarity(scorer: Scorer) -> Similarity | None:
    """Return the distances between the labels of a model; None with fewer than three labels, which make no map.

    Parameters
    ----------
    scorer : Scorer
        The model's scorer.

    Returns
    -------
    Similarity or None
        Labels and distances.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> from gmmaudio.models import gmm_scorer
    >>> mixtures = [GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (0.0, 1.0, 3.0)]
    >>> model_similarity(gmm_scorer(("a", "b", "c"), mixtures)).labels
    ('a', 'b', 'c')
    """
    if len(scorer.labels) < 3:
        return None
    return Similarity(scorer.labels, *scorer.label_distances())


def _select_share(
    trials: Sequence[Trial], train: Sequence[int], share: float, rng: np.random.Generator
) -> tuple[int, ...]:
    """Return trials that hold about a share of each label's audio, whole groups first."""
    units = dict(zip(train, units_of([trials[i] for i in train]), strict=True))
    names = sorted(set(units.values()))
    rank = {names[k]: i for i, k in enumerate(rng.permutation(len(names)))}
    kept: list[int] = []
    for label in sorted({trials[i].label for i in train}):
        of_label = sorted((i for i in train if trials[i].label == label), key=lambda i: (rank[units[i]], i))
        wanted, total = share * sum(trials[i].duration_s for i in of_label), 0.0
        for i in of_label:
            if total >= wanted:
                break
            kept.append(i)
            total += trials[i].duration_s
    return tuple(sorted(kept))


def _hours(trials: Sequence[Trial], folds: Sequence[Fold]) -> float:
    """Return the training audio, hours, mean over folds."""
    return float(np.mean([sum(trials[i].duration_s for i in fold.train) for fold in folds])) / 3600
