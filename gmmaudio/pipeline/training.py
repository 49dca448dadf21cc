"""Training of a model on a corpus."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gmmaudio.compute import Cluster, Progress, RunContext, quiet
from gmmaudio.corpus import Clip, Corpus, check_labels, check_same_audio, plan_split, to_hex
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureStore, FrontEndTables, design_tables
from gmmaudio.findings import Finding
from gmmaudio.mixture import EMTrace
from gmmaudio.models import (
    Fit,
    Model,
    Recipe,
    TrainingClip,
    TrainingSummary,
    fit_checked_head,
    fit_trials,
    learn_limits,
    preset_of,
    tuning,
)
from gmmaudio.pipeline.arguments import as_corpus, as_recipe, as_spool, as_store
from gmmaudio.pipeline.leakage import check_training_set
from gmmaudio.pipeline.own_rows import check_given, recipe_of_rows, training_trials
from gmmaudio.pipeline.provenance import versions
from gmmaudio.pipeline.second_head import check_vectors, vectors_of
from gmmaudio.pipeline.stored_checkpoints import checkpoints_of
from gmmaudio.pipeline.tag_groups import with_tags
from gmmaudio.trials import (
    DEFAULT_MEMORY_BYTES,
    Extracted,
    GivenRows,
    GivenVectors,
    Trial,
    TrialSet,
    clips_of,
    with_features,
)
from gmmaudio.values import checked

FILES_AS_GROUPS = Finding(
    "files_as_groups",
    "warning",
    "groups unknown: probabilities were learned as if every file were of another artist or speaker, and are likely "
    "overconfident",
    "name the groups (`group_by`)",
)


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A model, the traces of its EM, and the clips that could not be used.

    Parameters
    ----------
    model : Model
        The model; its training summary holds the findings.
    traces : mapping of str to EMTrace
        EM trace of each label's mixture.
    failed : tuple of FailedInput
        Clips that could not be used.
    """

    model: Model
    traces: dict[str, EMTrace]
    failed: tuple[FailedInput, ...]


@checked
def train(
    corpus: str | Path | Corpus,
    preset: str | Recipe | None = None,
    *,
    split: str | None = None,
    group_by: str | None = None,
    tune: bool = False,
    kind: str | None = None,
    rows: GivenRows | None = None,
    vectors: GivenVectors | None = None,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
    cluster: Cluster | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> TrainResult:
    """Return a model trained on a corpus: the same bits for any ``n_jobs``.

    Parameters
    ----------
    corpus : path-like or Corpus
        Folder with a sub-folder for each class, manifest, or a corpus (:func:`gmmaudio.read_corpus`).
    preset : str, Recipe or None
        Name of a preset, or all settings (:func:`gmmaudio.make_recipe`); None selects the classic model.
    split : str or None
        Split to train on; None selects clips whose split is empty or ``train``.
    group_by : str or None
        Column of clips that are held out together, as for :func:`gmmaudio.corpus.plan_split`.
    tune : bool
        Choose kind, components, covariance and projection on inner folds.
    kind : str or None
        With ``tune``, choose among settings of this kind only.
    rows : GivenRows or None
        Rows of another program, in place of sound (:class:`gmmaudio.GivenRows`); None reads the sound.
    vectors : GivenVectors or None
        Vectors of another program, beside sound, for a second head (:class:`gmmaudio.GivenVectors`); None has none.
    n_jobs : int or None
        Worker processes, 1 or more, or -1 for one each core; None takes threads for little work, and worker processes
        for much. The model does not depend on it.
    progress : Progress
        Shows progress.
    time_limit_s : float or None
        Time that a worker process may take for a file, seconds; None: 60 s and more for large files; 0: no limit. With
        a limit that is named, one job is one worker process.
    memory_limit : int or None
        Memory that a worker process may take for a file, bytes, likewise; None: half of the machine's, at least 1 GiB.
    cache : path-like, FeatureStore or None
        Folder where features are kept for other runs (:class:`gmmaudio.features.FeatureStore`); None keeps none. The
        model does not depend on it.
    cluster : Cluster or None
        Dask cluster whose workers read the files and fit, instead of this computer's; likewise.
    memory_bytes : int
        Bytes of memory for frames and rows; more of them go to temporary files, beside the cache or in the system's
        folder for them. The model does not depend on it.

    Returns
    -------
    TrainResult
        The model, the EM traces, and the clips that could not be used.

    Raises
    ------
    CorpusError
        If fewer than two classes have usable clips.
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> import gmmaudio
    >>> result = gmmaudio.train("my_music", preset="genre", group_by="parent")
    >>> result.model.scorer.labels, len(result.model.training.clips), result.failed
    (('jazz', 'metal'), 12, ())
    """
    if kind is not None and not tune:
        raise SettingError(
            f"`kind` is {kind!r} and `tune` is off; expected `tune=True` to choose within a kind, or a recipe "
            f"of the kind: make_recipe(kind={kind!r})"
        )
    store = as_store(cache)
    run = RunContext(n_jobs, progress, time_limit_s, memory_limit, checkpoints_of(store), cluster)
    corpus, recipe = with_tags(as_corpus(corpus, rows), group_by, progress=progress), as_recipe(preset)
    clips = plan_split(corpus.clips, split=split, group_by=group_by)
    check_labels([clip.label for clip in clips])
    given = vectors_of(vectors, rows, clips)
    recipe = recipe_of_rows(recipe, rows, clips)
    with as_spool(memory_bytes, store, run) as spool:
        trial_set = training_trials(
            corpus.root, clips, recipe, rows, tune=tune, store=store, spool=spool, run=run, vectors=given
        )
        trials = trial_set.trials
        findings = (
            corpus.findings
            + check_given(recipe.features)
            + check_vectors(given)
            + check_trial_set(trial_set)
            + check_lost_labels(clips, trials)
        )
        choice = tuning.tune(trials, recipe, run, kind=kind) if tune else None
        if choice is not None:
            recipe = choice.recipe
            trials = with_features(trials, recipe.features)
        short_s = 0.0 if recipe.features.is_given else preset_of(recipe.preset, recipe.kind_settings.kind).short_s
        findings += check_training_set(trials, short_s, recipe.augment)
        tuned = None if choice is None else choice.to_dict()
        model, traces = fit_model(trials, recipe, run, findings, tuned=tuned, group_by=group_by)
        return TrainResult(model, traces, tuple(trial_set.failed))


def fit_model(
    trials: Sequence[Trial],
    recipe: Recipe,
    run: RunContext,
    findings: tuple[Finding, ...],
    *,
    tuned: dict[str, Any] | None = None,
    group_by: str | None = None,
    fit: Fit | None = None,
    tables: FrontEndTables | None = None,
) -> tuple[Model, dict[str, EMTrace]]:
    """Return a model of a training set, with calibration, open-set threshold and summary, and the traces of EM.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    recipe : Recipe
        Settings.
    run : RunContext
        Worker processes and progress.
    findings : tuple of Finding
        Findings on the training set; those on the fit are added.
    tuned : dict or None
        The choice of settings on inner folds, as plain values.
    group_by : str or None
        Column that gave the groups of the clips.
    fit : Fit or None
        As for :func:`gmmaudio.models.fit_trials`.
    tables : FrontEndTables or None
        Tables of the front end; None designs them.

    Examples
    --------
    >>> from gmmaudio.compute import QUIET
    >>> from gmmaudio.corpus import plan_split
    >>> recipe, corpus = as_recipe(None), as_corpus("my_music")
    >>> trials = training_trials(corpus.root, plan_split(corpus.clips), recipe, None).trials
    >>> fit_model(trials, recipe, QUIET, ())[0].scorer.labels
    ('jazz', 'metal')
    """
    if fit is not None:
        # their keys would be those of a fit to the rows of these trials
        run = replace(run, checkpoints=None)
    fitted = fit_trials(trials, recipe, run, fit=fit)
    open_set, familiarity = learn_limits(trials, recipe, fitted, run)
    head, on_head = fit_checked_head(trials, recipe.seed, run, fitted)
    findings += fitted.findings + check_traces(fitted.traces) + on_head
    if fitted.recogniser.calibration is not None and any(trial.held_out_by is None for trial in trials):
        findings += (FILES_AS_GROUPS,)
    summary = summarise(trials, fitted.traces, recipe, findings, tuned, group_by)
    scorer, calibration = fitted.recogniser.scorer, fitted.recogniser.calibration
    if tables is None and not recipe.features.is_given:
        tables = design_tables(recipe.features.sound_frames)
    return Model(recipe.features, scorer, summary, calibration, open_set, tables, familiarity, head), fitted.traces


def check_trial_set(trial_set: TrialSet) -> tuple[Finding, ...]:
    """Return the findings on the clips that can be used, and on those that cannot.

    Parameters
    ----------
    trial_set : TrialSet
        Trials and failures.

    Returns
    -------
    tuple of Finding
        Findings on labels, copies and remainders.

    Raises
    ------
    CorpusError
        If usable clips have fewer than two labels.

    Examples
    --------
    >>> failed = FailedInput("1.wav", "vanished", "is not there; check the path")
    >>> check_trial_set(TrialSet([], [failed], (), (), ()))
    Traceback (most recent call last):
    gmmaudio.errors.CorpusError: no clip is left to use: 1 clips failed, the first: 1.wav: is not there; check the path
    """
    extracted, failed = clips_of(trial_set.trials), trial_set.failed
    labels = [item.clip.label for item in extracted]
    if len(set(labels)) < 2 and (failed or trial_set.findings):
        reasons = [f"{len(failed)} clips failed, the first: {failed[0].path}: {failed[0].message}"] if failed else []
        reasons += map(str, trial_set.findings)
        raise CorpusError(f"{'one label is' if labels else 'no clip is'} left to use: {'; '.join(reasons)}")
    paths, hashes = [item.clip.path for item in extracted], [item.sha256 for item in extracted]
    return check_labels(labels) + check_same_audio(paths, labels, hashes) + trial_set.findings


def check_lost_labels(clips: Sequence[Clip], trials: Sequence[Trial]) -> tuple[Finding, ...]:
    """Return a finding for each label of which no clip can be used.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    trials : sequence of Trial
        Trials of the usable clips.

    Returns
    -------
    tuple of Finding
        One for each label.

    Examples
    --------
    >>> print(*check_lost_labels([Clip("1.wav", "fado")], []))
    no clip of label 'fado' can be used: it is left out; see the failures
    """
    lost = sorted({clip.label for clip in clips} - {trial.label for trial in trials})
    return tuple(
        Finding("label_lost", "warning", f"no clip of label {label!r} can be used: it is left out", "see the failures")
        for label in lost
    )


def check_traces(traces: dict[str, EMTrace]) -> tuple[Finding, ...]:
    """Return a finding for each mixture with fewer components than the settings ask for.

    Parameters
    ----------
    traces : mapping of str to EMTrace
        EM trace of each label's mixture.

    Returns
    -------
    tuple of Finding
        One for each such label.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.mixture import fit_gmm
    >>> _, trace = fit_gmm(np.array([[0.0], [1.0], [0.0], [1.0]]), 3, rng=np.random.default_rng(0))
    >>> print(check_traces({"fado": trace})[0].text)
    fado: 3 components were asked and 2 kept: there are no more distinct frames
    """
    return tuple(
        Finding(
            "fewer_components",
            "information",
            f"{label}: {trace.n_components_asked} components were asked and {trace.n_components} kept: there are no "
            "more distinct frames",
            "lower `n_components`, or add audio",
        )
        for label, trace in traces.items()
        if trace.n_components < trace.n_components_asked
    )


def summarise(
    trials: Sequence[Trial],
    traces: dict[str, EMTrace],
    recipe: Recipe,
    findings: tuple[Finding, ...],
    tuning: dict[str, Any] | None = None,
    group_by: str | None = None,
) -> TrainingSummary:
    """Return the summary of a training run that is saved with the model.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    traces : mapping of str to EMTrace
        EM trace of each label's mixture.
    recipe : Recipe
        Settings.
    findings : tuple of Finding
        Findings on the training set and the fit.
    tuning : dict or None
        The choice of settings on inner folds, as plain values.
    group_by : str or None
        Column that gave the groups of the clips.

    Returns
    -------
    TrainingSummary
        Settings, amounts, clips and findings.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> summarise([], {}, make_recipe(seed=3), ()).seed
    3
    """
    seconds: dict[str, float] = defaultdict(float)
    rows: dict[str, int] = defaultdict(int)
    for trial in trials:
        seconds[trial.label] += trial.duration_s
        rows[trial.label] += trial.n_rows
    return TrainingSummary(
        preset=recipe.preset,
        kind_settings=recipe.kind_settings,
        seed=recipe.seed,
        trial_s=recipe.trial_s,
        min_duration_s=recipe.min_duration_s,
        seconds=dict(seconds),
        rows=dict(rows),
        log_likelihood={label: trace.log_likelihoods[-1] for label, trace in traces.items()},
        clips=tuple(map(_training_clip, clips_of(trials))),
        findings=findings,
        versions=versions(),
        augment=recipe.augment,
        tuning=tuning,
        group_by=group_by,
    )


def _training_clip(item: Extracted) -> TrainingClip:
    """Return the record of a clip that a model is trained on."""
    clip = item.clip
    return TrainingClip(
        clip.path, clip.label, clip.held_out_by, item.sha256, to_hex(item.fingerprint), source=clip.source or None
    )
