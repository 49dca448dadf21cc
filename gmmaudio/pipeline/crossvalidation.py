"""Cross-validation: models trained on one part of a corpus and scored on the other, in turn."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gmmaudio.compute import Cluster, Progress, RunContext, quiet
from gmmaudio.corpus import (
    Clip,
    Corpus,
    Fold,
    check_labels,
    group_keys,
    plan_split,
)
from gmmaudio.corpus.checks import check_similar_values
from gmmaudio.evaluation import Protocol, Report, ScoredClip, Slice, make_report
from gmmaudio.evaluation.metric_set import count_groups
from gmmaudio.evaluation.slices import DURATIONS_S
from gmmaudio.evaluation.warnings import check_open_set
from gmmaudio.features import FeatureStore
from gmmaudio.findings import Finding
from gmmaudio.models import Recipe, SourceShift
from gmmaudio.pipeline import analyses
from gmmaudio.pipeline.arguments import as_corpus, as_recipe, as_spool, as_store
from gmmaudio.pipeline.crossval_options import CrossvalOptions
from gmmaudio.pipeline.fold_checkpoints import condition_key, resume_condition, resume_folds
from gmmaudio.pipeline.fold_runs import FoldResult
from gmmaudio.pipeline.leakage import check_crossval, check_fold_column
from gmmaudio.pipeline.own_rows import (
    check_given,
    check_robustness,
    known_durations,
    recipe_of_rows,
    rows_record,
    training_trials,
)
from gmmaudio.pipeline.provenance import Clock, machine, run_record, versions
from gmmaudio.pipeline.scoring import are_in_domain, check_in_domain, interval_units, score_trials
from gmmaudio.pipeline.second_head import check_vectors, vectors_of, vectors_record
from gmmaudio.pipeline.source_runs import SourceRuns, run_sources_left_out
from gmmaudio.pipeline.stored_checkpoints import checkpoints_of
from gmmaudio.pipeline.tag_groups import with_tags
from gmmaudio.pipeline.training import check_lost_labels, check_trial_set
from gmmaudio.trials import (
    DEFAULT_MEMORY_BYTES,
    Degradation,
    GivenRows,
    GivenVectors,
    Spool,
    Trial,
    TrialSet,
    units_of,
    with_features,
)
from gmmaudio.values import checked

# of the random split beside a division that has no number of folds
N_RANDOM_FOLDS = 5
NO_RANDOM_SPLIT = Finding(
    "no_random_split",
    "information",
    "no random split is shown: without groups, or with too few clips, there is nothing to compare it with",
)


@checked
def crossval(
    corpus: str | Path | Corpus,
    preset: str | Recipe | None = None,
    *,
    folds: int | str = 5,
    fold_column: str | None = None,
    repeats: int = 1,
    group_by: str | None = None,
    split: str | None = None,
    durations_s: Sequence[float] = DURATIONS_S,
    tune: bool = False,
    learning_curve: bool = False,
    compare_random_split: bool = False,
    robustness: bool = False,
    open_set: bool | None = None,
    leave_sources_out: bool = True,
    rows: GivenRows | None = None,
    vectors: GivenVectors | None = None,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
    cluster: Cluster | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    command: str = "",
) -> Report:
    """Return the report of a cross-validation: no model is trained on clips of the groups that it is scored on.

    Parameters
    ----------
    corpus : path-like or Corpus
        Folder with a sub-folder for each class, manifest, or a corpus (:func:`gmmaudio.read_corpus`).
    preset : str, Recipe or None
        Name of a preset, or all settings (:func:`gmmaudio.make_recipe`); None selects the classic model.
    folds, fold_column, repeats, group_by, split, durations_s, tune
        As for :class:`CrossvalOptions`.
    learning_curve, compare_random_split, robustness, open_set, leave_sources_out
        As for :class:`CrossvalOptions`.
    rows : GivenRows or None
        Rows of another program, in place of sound (:class:`gmmaudio.GivenRows`); None reads the sound.
    vectors : GivenVectors or None
        Vectors of another program, beside sound, for a second head (:class:`gmmaudio.GivenVectors`); None has none.
    n_jobs : int or None
        Worker processes, 1 or more, or -1 for one each core; None takes threads for little work, and worker processes
        for much. The report does not depend on it.
    progress : Progress
        Shows progress.
    time_limit_s : float or None
        Time that a worker process may take for a file, seconds; None: 60 s and more for large files; 0: no limit. With
        a limit that is named, one job is one worker process.
    memory_limit : int or None
        Memory that a worker process may take for a file, bytes, likewise; None: half of the machine's, at least 1 GiB.
    cache : path-like, FeatureStore or None
        Folder where features are kept for other runs (:class:`gmmaudio.features.FeatureStore`); None keeps none. The
        report does not depend on it.
    cluster : Cluster or None
        Dask cluster whose workers read the files and fit, instead of this computer's; likewise.
    memory_bytes : int
        Bytes of memory for frames and rows; more of them go to temporary files, beside the cache or in the system's
        folder for them. The report does not depend on it.
    command : str
        The command line, for the report.

    Returns
    -------
    Report
        Metrics, predictions and findings.

    Raises
    ------
    CorpusError
        If no label can be scored.
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> import gmmaudio
    >>> report = gmmaudio.crossval("my_music", gmmaudio.make_recipe(n_components=1), folds=3, group_by="parent")
    >>> report.n, report.accuracy, report.protocol.scheme
    (12, 1.0, '3-fold cross-validation by folder')
    """
    options = CrossvalOptions(
        folds=folds,
        fold_column=fold_column,
        repeats=repeats,
        group_by=group_by,
        split=split,
        durations_s=tuple(durations_s),
        tune=tune,
        learning_curve=learning_curve,
        compare_random_split=compare_random_split,
        robustness=robustness,
        open_set=open_set,
        leave_sources_out=leave_sources_out,
    )
    run = RunContext(n_jobs, progress, time_limit_s, memory_limit, cluster=cluster)
    return run_crossval(
        as_corpus(corpus, rows),
        as_recipe(preset),
        options,
        run,
        rows=rows,
        vectors=vectors,
        cache=cache,
        memory_bytes=memory_bytes,
        command=command,
    )


def run_crossval(
    corpus: Corpus,
    recipe: Recipe,
    options: CrossvalOptions,
    run: RunContext,
    *,
    rows: GivenRows | None = None,
    vectors: GivenVectors | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    command: str = "",
) -> Report:
    """Return the report of a cross-validation whose settings are in records, see :func:`crossval`.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips.
    recipe : Recipe
        Settings of the models.
    options : CrossvalOptions
        Division of the corpus, and analyses.
    run : RunContext
        Worker processes and progress.
    rows : GivenRows or None
        Rows of another program, as for :func:`crossval`.
    vectors : GivenVectors or None
        Vectors of another program, as for :func:`crossval`.
    cache : path-like, FeatureStore or None
        Where features are kept, as for :func:`crossval`.
    memory_bytes : int
        Memory for frames and rows, as for :func:`crossval`.
    command : str
        The command line, for the report.

    Returns
    -------
    Report
        Metrics, predictions and findings.

    Raises
    ------
    CorpusError
        If no label can be scored.
    SettingError
        If there are more folds than groups.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> options = CrossvalOptions(folds=3, group_by="parent")
    >>> report = run_crossval(read_corpus("my_music"), make_recipe(n_components=1), options, RunContext())
    >>> report.n, report.accuracy
    (12, 1.0)
    """
    clock, store = Clock.start(), as_store(cache)
    run = replace(run, checkpoints=run.checkpoints or checkpoints_of(store))
    corpus = with_tags(corpus, options.group_by, progress=run.progress)
    clips = plan_split(corpus.clips, split=options.split, group_by=options.group_by, fold_column=options.fold_column)
    _check_divisible(clips, options, recipe.seed)
    check_robustness(rows, robustness=options.robustness)
    asked = {"robustness": options.robustness, "learning_curve": options.learning_curve}
    given = vectors_of(vectors, rows, clips, **asked)
    recipe = recipe_of_rows(recipe, rows, clips)
    # vectors are of whole clips
    durations_s = known_durations(recipe.features, options.durations_s) if given is None else ()
    options = replace(options, durations_s=durations_s)
    with as_spool(memory_bytes, store, run) as spool:
        trial_set = training_trials(
            corpus.root, clips, recipe, rows, tune=options.tune, store=store, spool=spool, run=run, vectors=given
        )
        trials, on_intervals = interval_units(trial_set.trials, options.group_by)
        on_corpus = corpus.findings + check_given(recipe.features) + check_vectors(given, in_report=True)
        on_corpus += check_trial_set(trial_set) + check_lost_labels(clips, trials)
        divisions = _divide(trials, options, recipe.seed)
        places = rows_record(rows) | vectors_record(vectors, given)
        results = _run_folds(trials, divisions, recipe, options, run)
        scored = _all_scored(results)
        sources = _leave_sources_out(trials, results, recipe, options, run)
        slices = sources.slices | _slices(trials, results, divisions[0], recipe, options, run)
        if options.robustness:
            slices["robustness"] = _robustness(corpus, clips, trials, results, recipe, options, store, spool, run)
        findings = (
            *_check_random_split(options, slices),
            *_findings(options, trials, divisions, scored, left_out=sources.left_out is not None),
            *sources.findings,
            *_check_in_domain(trials, results, left_out=sources.left_out is not None),
        )
        labels = sorted({trial.label for trial in trials})
        return make_report(
            scored,
            labels,
            _protocol(recipe, options, divisions, results, labels, command, clock),
            (*findings, *_check_open_set(scored, results, options), *on_corpus, *on_intervals),
            trial_set.failed,
            slices=slices,
            similarity=analyses.model_similarity(results[0].recogniser.scorer),
            sources_left_out=sources.left_out,
            run=_record(corpus, trial_set, recipe, options, divisions, places),
            n_training_groups=count_groups([t.label for t in trials], [t.held_out_by for t in trials]),
            progress=run.progress,
        )


def _divide(trials: Sequence[Trial], options: CrossvalOptions, seed: int) -> list[list[Fold]]:
    """Return the folds of every repeat."""
    labels, units, fold_of = [t.label for t in trials], units_of(trials), [t.fold for t in trials]
    return [options.divide(labels, units, fold_of, seed + repeat) for repeat in range(options.repeats)]


def _run_folds(
    trials: Sequence[Trial],
    divisions: Sequence[Sequence[Fold]],
    recipe: Recipe,
    options: CrossvalOptions,
    run: RunContext,
) -> list[FoldResult]:
    """Return the results of all folds of all repeats."""
    planned = [(repeat, fold) for repeat, folds in enumerate(divisions) for fold in folds]
    open_set = not recipe.kind_settings.needs_ubm if options.open_set is None else options.open_set
    settings = {"tuned": options.tune, "open_set": open_set, "durations_s": options.durations_s}
    return resume_folds(trials, planned, recipe, run, "folds", **settings)


def _all_scored(results: Sequence[FoldResult]) -> list[ScoredClip]:
    """Return the predictions of all folds; a threshold that is off beside others that are on rejects nothing."""
    some_on = any(result.recogniser.is_open_set for result in results)
    return [
        replace(clip, rejected=False) if some_on and result.recogniser.open_set and clip.rejected is None else clip
        for result in results
        for clip in result.scored
    ]


def _check_divisible(clips: Sequence[Clip], options: CrossvalOptions, seed: int) -> None:
    """Raise an error before any clip is decoded, where the clips cannot be divided."""
    labels = [clip.label for clip in clips]
    check_labels(labels)
    units = group_keys([clip.held_out_by for clip in clips], [clip.path for clip in clips])
    options.divide(labels, units, [clip.fold for clip in clips], seed)


def _findings(
    options: CrossvalOptions,
    trials: Sequence[Trial],
    divisions: Sequence[Sequence[Fold]],
    scored: Sequence[ScoredClip],
    *,
    left_out: bool,
) -> tuple[Finding, ...]:
    """Return the findings on the division and its metrics."""
    scored_labels = sorted({clip.label for clip in scored})
    findings = check_crossval(trials, divisions, scored_labels, options.group_by, sources_left_out=left_out)
    if options.fold_column:
        folds = [trial.fold for trial in trials]
        findings += check_fold_column(folds, units_of(trials)) + check_similar_values(options.fold_column, folds)
    if options.tune:
        findings += (
            Finding(
                "tuned_inside",
                "passed",
                "settings were chosen on inner folds of each training set, never on the held-out clips",
            ),
        )
    return findings


def _check_open_set(
    scored: Sequence[ScoredClip], results: Sequence[FoldResult], options: CrossvalOptions
) -> tuple[Finding, ...]:
    """Return the finding on the open set: the number of clips that the thresholds of the folds classify as unknown."""
    thresholds = [result.recogniser.open_set for result in results]
    if None in thresholds:
        # all folds of a run have a threshold or none has, except folds that cannot be calibrated
        n_without = sum(threshold is None for threshold in thresholds)
        text = f"no open-set threshold was learned in {n_without} of {len(thresholds)} folds"
        remedy = "`open_set=True` learns one where groups allow it, which takes time"
        # where it was asked for already, groups do not allow it
        remedy = "give every label more groups (`group_by`)" if options.open_set else remedy
        return check_open_set(scored, (), text, remedy)
    reasons = [threshold.reason for threshold in thresholds if threshold and threshold.threshold is None]
    if not reasons:
        return check_open_set(scored, (), "")
    reason = reasons[0].removeprefix("off: ")
    text = f"the threshold is off in {len(reasons)} of {len(thresholds)} folds ({reason})"
    return check_open_set(scored, (), text)


def _leave_sources_out(
    trials: Sequence[Trial],
    results: Sequence[FoldResult],
    recipe: Recipe,
    options: CrossvalOptions,
    run: RunContext,
) -> SourceRuns:
    """Return the runs with sources left out, none where they are turned off; of the first repeat only."""
    if not options.leave_sources_out:
        return SourceRuns()
    first = [clip for result in results if result.repeat == 0 for clip in result.scored]
    return run_sources_left_out(trials, first, recipe, run, tuned=options.tune)


def _slices(
    trials: Sequence[Trial],
    results: Sequence[FoldResult],
    folds: Sequence[Fold],
    recipe: Recipe,
    options: CrossvalOptions,
    run: RunContext,
) -> dict[str, Sequence[Slice]]:
    """Return the slices of the report; analyses that train other models use the first repeat only."""
    first = [clip for result in results if result.repeat == 0 for clip in result.scored]
    slices: dict[str, Sequence[Slice]] = {
        "durations": analyses.duration_slices([result.durations for result in results])
    }
    if options.learning_curve:
        slices["learning_curve"] = analyses.learning_curve(trials, folds, first, recipe, run, tuned=options.tune)
    # without groups both divisions would be by file
    if options.compare_random_split and any(clip.group for clip in first):
        n_folds = N_RANDOM_FOLDS if options.folds == "loo" else len(folds)
        slices["random_split"] = analyses.random_split(trials, first, n_folds, recipe, run, tuned=options.tune)
    return slices


def _check_random_split(options: CrossvalOptions, slices: Mapping[str, Sequence[Slice]]) -> tuple[Finding, ...]:
    """Return the finding on a random split, or that there is none, where one was asked for."""
    rows = slices.get("random_split")
    if options.compare_random_split and not rows:
        return (NO_RANDOM_SPLIT,)
    return analyses.check_random_split(rows or ())


def _robustness(
    corpus: Corpus,
    clips: Sequence[Clip],
    trials: Sequence[Trial],
    results: Sequence[FoldResult],
    recipe: Recipe,
    options: CrossvalOptions,
    store: FeatureStore | None,
    spool: Spool,
    run: RunContext,
) -> Sequence[Slice]:
    """Return the slices of the held-out trials under every degradation, scored by the models of their folds."""

    def compute(name: str) -> list[list[ScoredClip]]:
        degradation = Degradation(name, recipe.seed)
        degraded = analyses.degraded_trials(
            corpus.root, clips, recipe.trial_settings, degradation, options.group_by, store, spool, run
        )
        by_name = {trial.name: trial for trial in degraded}
        return [_score_held_out(by_name, trials, result, recipe) for result in results]

    key = {} if run.checkpoints is None else condition_key(trials, results, recipe, asdict(options))

    def score(name: str) -> list[ScoredClip]:
        return resume_condition(key | {"degradation": name}, results, run, lambda: compute(name))

    clean = [clip for result in results for clip in result.scored]
    return analyses.robustness(clean, recipe.trial_s, score, run)


def _score_held_out(
    by_name: Mapping[str, Trial], trials: Sequence[Trial], result: FoldResult, recipe: Recipe
) -> list[ScoredClip]:
    """Return the predictions of a fold's recogniser for its held-out trials, taken from ``by_name``."""
    test = [by_name[trials[i].name] for i in result.fold.test if trials[i].name in by_name]
    if result.features != recipe.features:
        test = with_features(test, result.features)
    pairs = ((trials[i].label, trials[i].source) for i in result.fold.train)
    return score_trials(
        test,
        result.recogniser,
        fold=result.fold.name,
        repeat=result.repeat,
        in_domain=are_in_domain(result.recogniser, pairs, test),
    )


def _check_in_domain(trials: Sequence[Trial], results: Sequence[FoldResult], *, left_out: bool) -> tuple[Finding, ...]:
    """Return the finding on the probabilities of held-out clips whose sources were trained on.

    Its remedy is left out where sources were left out as well.
    """
    known: list[tuple[ScoredClip, SourceShift]] = []
    for result in results:
        shift = None if result.recogniser.calibration is None else result.recogniser.calibration.source_shift
        if shift is not None:
            pairs = ((trials[i].label, trials[i].source) for i in result.fold.train)
            in_domain = are_in_domain(result.recogniser, pairs, [trials[i] for i in result.fold.test])
            known += [(clip, shift) for clip, is_known in zip(result.scored, in_domain, strict=True) if is_known]
    findings = check_in_domain(known)
    return tuple(replace(finding, remedy="") for finding in findings) if left_out else findings


def _protocol(
    recipe: Recipe,
    options: CrossvalOptions,
    divisions: Sequence[Sequence[Fold]],
    results: Sequence[FoldResult],
    labels: Sequence[str],
    command: str,
    clock: Clock,
) -> Protocol:
    """Return the protocol of the report."""
    scored = [clip for result in results for clip in result.scored]
    scored_labels = {clip.label for clip in scored}
    return Protocol(
        scheme=options.scheme(groups_known=any(clip.group for clip in scored)),
        group_by=options.group_by or "group",
        seed=recipe.seed,
        folds=tuple(fold.name for fold in divisions[0]),
        repeats=options.repeats,
        scored_labels=tuple(sorted(scored_labels)),
        unscored_labels=tuple(label for label in labels if label not in scored_labels),
        trial_s=recipe.trial_s,
        settings=recipe.to_dict() | ({"tuning": _choices(results)} if options.tune else {}),
        versions=versions(),
        command=command,
        machine=machine(),
        began=clock.began,
        seconds=clock.seconds,
    )


def _choices(results: Sequence[FoldResult]) -> list[dict[str, Any]]:
    """Return the settings that were chosen in each fold, as plain values."""
    return [
        {"repeat": result.repeat, "fold": result.fold.name, **result.tuned.to_dict()}
        for result in results
        if result.tuned is not None
    ]


def _record(
    corpus: Corpus,
    trial_set: TrialSet,
    recipe: Recipe,
    options: CrossvalOptions,
    divisions: Sequence[Sequence[Fold]],
    places: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the record from which the cross-validation can be run again."""
    plain = asdict(options) | {"durations_s": list(options.durations_s)}
    record = {"recipe": recipe.to_dict(), "division": plain, **places}
    return run_record("crossval", corpus, trial_set, record, divisions)
