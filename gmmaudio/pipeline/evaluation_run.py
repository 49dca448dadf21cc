"""Evaluation of a trained model on the labelled clips of a corpus."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmmaudio.compute import Progress, RunContext, quiet
from gmmaudio.corpus import Clip, Corpus, plan_split
from gmmaudio.corpus.checks import check_similar_labels
from gmmaudio.errors import CorpusError
from gmmaudio.evaluation import Protocol, Report, ScoredClip, Slice, make_report, make_slice
from gmmaudio.evaluation.metric_set import count_groups
from gmmaudio.evaluation.slices import DURATIONS_S
from gmmaudio.evaluation.warnings import check_open_set
from gmmaudio.features import FeatureStore
from gmmaudio.findings import Finding, some_names
from gmmaudio.models import Model, model_sha256
from gmmaudio.names import respell
from gmmaudio.pipeline import analyses
from gmmaudio.pipeline.arguments import as_corpus, as_spool, as_store
from gmmaudio.pipeline.batch_check import check_scored
from gmmaudio.pipeline.leakage import check_copies, check_model, find_new_sources
from gmmaudio.pipeline.own_rows import (
    check_given,
    known_durations,
    model_settings,
    rows_record,
    trials_of,
)
from gmmaudio.pipeline.provenance import Clock, machine, run_record, versions
from gmmaudio.pipeline.scoring import are_in_domain, check_in_domain, interval_units, score_durations, score_trials
from gmmaudio.pipeline.second_head import check_vectors, model_vectors, vectors_record
from gmmaudio.pipeline.tag_groups import with_tags
from gmmaudio.trials import (
    DEFAULT_MEMORY_BYTES,
    Degradation,
    GivenRows,
    GivenVectors,
    Spool,
    Trial,
    TrialSet,
    TrialSettings,
)
from gmmaudio.values import checked


@checked
def evaluate(
    model: Model,
    corpus: str | Path | Corpus,
    *,
    split: str | None = None,
    trial_s: float | None = None,
    min_duration_s: float = 0.5,
    group_by: str | None = None,
    durations_s: Sequence[float] = DURATIONS_S,
    robustness: bool = False,
    rows: GivenRows | None = None,
    vectors: GivenVectors | None = None,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    command: str = "",
) -> Report:
    """Return the report of a model on the labelled clips of a corpus.

    Parameters
    ----------
    model : Model
        The model.
    corpus : path-like or Corpus
        Folder with a sub-folder for each class, manifest, or a corpus (:func:`gmmaudio.read_corpus`).
    split : str or None
        Split to score; None selects ``test`` where the corpus has splits, and all clips where it has none.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; None takes the length that the model was trained with, and with
        0 every clip is a trial.
    min_duration_s : float
        Shortest clip or trial, seconds.
    group_by : str or None
        Column of groups that confidence intervals resample, as for :func:`gmmaudio.corpus.plan_split`.
    durations_s : sequence of float
        Lengths that clips are cut to and scored again, seconds.
    robustness : bool
        Also score the clips under every degradation of :data:`gmmaudio.audio.DEGRADATIONS`.
    rows : GivenRows or None
        Rows of another program, in place of sound (:class:`gmmaudio.GivenRows`); None reads the sound.
    vectors : GivenVectors or None
        Vectors of another program, beside sound, for a model with a second head (:class:`gmmaudio.GivenVectors`).
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
        If no clip can be scored.
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> report = gmmaudio.evaluate(model, "my_music")
    >>> [finding.code for finding in report.findings if finding.level == "alarm"]
    ['trained_on', 'groups_unknown']
    """
    clock, run = Clock.start(), RunContext(n_jobs, progress, time_limit_s, memory_limit)
    settings = model_settings(model, rows, trial_s, min_duration_s, robustness=robustness)
    # vectors are of whole clips
    durations_s = known_durations(model.features, durations_s) if vectors is None else ()
    store, corpus = as_store(cache), with_tags(as_corpus(corpus, rows), group_by, progress=progress)
    clips = _in_model_spelling(plan_split(corpus.clips, default="test", split=split, group_by=group_by), model)
    known, unknown_labels = _known_clips(model, clips)
    given = model_vectors(model, vectors, rows, clips, robustness=robustness)
    options: dict[str, Any] = {"split": split, "trial_s": settings.trial_s or 0.0, "min_duration_s": min_duration_s}
    options |= {"group_by": group_by, "durations_s": list(durations_s), "robustness": robustness}
    options |= {"model_sha256": model_sha256(model), **rows_record(rows), **vectors_record(vectors, given)}
    with as_spool(memory_bytes, store) as spool:
        trial_set = trials_of(corpus.root, clips, settings, rows, store=store, spool=spool, run=run, vectors=given)
        trials, on_intervals = interval_units(_with_labels(trial_set, model.scorer.labels), group_by)
        _check_scorable(trials, len(known), trial_set)
        whole = model if settings.trial_s is None else None  # cut trials are not long
        in_domain = _are_in_domain(model, trials)
        scored = score_trials(trials, model.recogniser, run=run, model=whole, in_domain=in_domain)
        out_of_set = score_trials(_with_labels(trial_set, unknown_labels), model.recogniser, run=run, model=whole)
        durations = score_durations(trials, model.recogniser, durations_s, model.features, run=run, in_domain=in_domain)
        slices: dict[str, Sequence[Slice]] = {"durations": analyses.duration_slices([durations])}
        slices["source_training"] = _by_training(model, scored)
        if robustness:
            slices["robustness"] = _robustness(model, corpus.root, known, scored, settings, group_by, store, spool, run)
        findings = check_vectors(given, in_report=True) + _check_clips(model, corpus, trial_set, trials, group_by)
        findings += on_intervals + _check_familiarity(model, trials, scored, whole, run)
        return make_report(
            scored,
            model.scorer.labels,
            _protocol(model, options, _scored_part(corpus, split), scored, unknown_labels, command, clock),
            (*findings, *_check_scored(model, scored, in_domain, out_of_set)),
            trial_set.failed,
            slices=slices,
            similarity=analyses.model_similarity(model.scorer),
            run=run_record("evaluate", corpus, trial_set, options),
            out_of_set=out_of_set,
            n_training_groups=_training_groups(model),
            progress=run.progress,
        )


def _are_in_domain(model: Model, trials: Sequence[Trial]) -> list[bool]:
    """Return whether each trial is of the sources that a model was trained on; those of unknown source are not."""
    trained = ((clip.label, clip.source) for clip in model.training.clips if clip.source)
    return are_in_domain(model.recogniser, trained, trials)


def _check_scored(
    model: Model, scored: Sequence[ScoredClip], in_domain: Sequence[bool], out_of_set: Sequence[ScoredClip]
) -> tuple[Finding, ...]:
    """Return the findings on predictions: the open set, and what recordings probabilities hold for."""
    findings = check_open_set(scored, out_of_set, _threshold_note(model))
    shift = None if model.calibration is None else model.calibration.source_shift
    if shift is None:
        return findings
    known = [(clip, shift) for clip, is_known in zip(scored, in_domain, strict=True) if is_known]
    caveats = () if len(known) == len(scored) else shift.caveats
    return (*findings, *check_in_domain(known), *caveats)


def _in_model_spelling(clips: Sequence[Clip], model: Model) -> tuple[Clip, ...]:
    """Return clips whose labels are spelt as those of the model are, where they have one NFC form."""
    labels = respell([clip.label for clip in clips], model.scorer.labels)
    return tuple(replace(clip, label=label) for clip, label in zip(clips, labels, strict=True))


def _with_labels(trial_set: TrialSet, labels: Sequence[str]) -> list[Trial]:
    """Return the trials of some labels."""
    return [trial for trial in trial_set.trials if trial.label in labels]


def _by_training(model: Model, scored: Sequence[ScoredClip]) -> list[Slice]:
    """Return the slices of clips of sources that were trained on, and of others; none without both."""
    new = find_new_sources(model.training, [clip.source for clip in scored])
    if new is None:
        return []
    of_known = [clip for clip in scored if clip.source not in new]
    others = [clip for clip in scored if clip.source in new]
    parts = (("sources trained on", of_known), ("new sources", others))
    return [make_slice(name, clips) for name, clips in parts] if of_known and others else []


def _robustness(
    model: Model,
    root: Path,
    clips: Sequence[Clip],
    clean: Sequence[ScoredClip],
    settings: TrialSettings,
    group_by: str | None,
    store: FeatureStore | None,
    spool: Spool,
    run: RunContext,
) -> tuple[Slice, ...]:
    """Return the slices of clips under every degradation."""

    def score(name: str) -> list[ScoredClip]:
        degradation = Degradation(name, model.training.seed)
        degraded = analyses.degraded_trials(root, clips, settings, degradation, group_by, store, spool, run)
        whole = model if settings.trial_s is None else None
        in_domain = _are_in_domain(model, degraded)
        return score_trials(degraded, model.recogniser, run=run, model=whole, in_domain=in_domain)

    return analyses.robustness(clean, settings.trial_s, score, run)


def _check_clips(
    model: Model, corpus: Corpus, trial_set: TrialSet, trials: Sequence[Trial], group_by: str | None
) -> tuple[Finding, ...]:
    """Return the findings on the clips that are scored, before they are."""
    known, unknown_labels = _known_clips(model, trial_set.clips)
    return (
        *check_given(model.features),
        *check_model(model.training, trials, group_by),
        *corpus.findings,
        *check_copies(trials),
        *_check_labels(trial_set.clips, known, unknown_labels, model.scorer.labels),
        *trial_set.findings,
    )


def _check_familiarity(
    model: Model, trials: Sequence[Trial], scored: Sequence[ScoredClip], whole: Model | None, run: RunContext
) -> tuple[Finding, ...]:
    """Return the findings on clips that score lower than held-out groups do: by their sound alone."""
    if model.vector_head is not None:
        of_sound = model.of_sound
        scored = score_trials(trials, of_sound.recogniser, run=run, model=None if whole is None else of_sound)
    return check_scored(model, scored)


def _check_scorable(trials: Sequence[Trial], n_clips: int, trial_set: TrialSet) -> None:
    """Raise an error where none of the clips can be scored."""
    if trials:
        return
    if not trial_set.failed:
        raise CorpusError(f"none of {n_clips} clips can be scored; {'; '.join(map(str, trial_set.findings))}")
    first = trial_set.failed[0]
    raise CorpusError(f"all {n_clips} clips failed; first: {first.path}: {first.message}")


def _protocol(
    model: Model,
    options: Mapping[str, Any],
    part: str,
    scored: Sequence[ScoredClip],
    unknown_labels: tuple[str, ...],
    command: str,
    clock: Clock,
) -> Protocol:
    """Return the protocol of the report."""
    trial_s = options["trial_s"] or None
    return Protocol(
        scheme=f"a trained model on {part}" + ("" if trial_s is None else f", trials of {trial_s:g} s"),
        group_by=options["group_by"] or "group",
        seed=model.training.seed,
        folds=(),
        repeats=1,
        scored_labels=tuple(sorted({clip.label for clip in scored})),
        unscored_labels=unknown_labels,
        trial_s=trial_s,
        settings={"features": model.features.to_dict(), "training": _training_settings(model)},
        versions=versions(),
        machine=machine(),
        model_sha256=options["model_sha256"],
        command=command,
        began=clock.began,
        seconds=clock.seconds,
    )


def _training_groups(model: Model) -> dict[str, int | None]:
    """Return the number of groups of each label that a model was trained on; None where one is unknown."""
    clips = model.training.clips
    return count_groups([clip.label for clip in clips], [clip.group for clip in clips])


def _threshold_note(model: Model) -> str:
    """Return the reason why a model classifies no clip as unknown; empty where it has a threshold."""
    if model.open_set is None:
        return "the model has no open-set threshold"
    return "" if model.open_set.threshold is not None else f"the threshold is {model.open_set.reason}"


def _known_clips(model: Model, clips: Sequence[Clip]) -> tuple[list[Clip], tuple[str, ...]]:
    """Return the clips whose label the model has, and the other labels."""
    known = [clip for clip in clips if clip.label in model.scorer.labels]
    unknown_labels = tuple(sorted({clip.label for clip in clips} - set(model.scorer.labels)))
    if not known:
        raise CorpusError(
            f"the corpus's labels are {', '.join(unknown_labels)} and the model's {', '.join(model.scorer.labels)}: "
            "none in common; rename the folders, or train on this corpus"
        )
    return known, unknown_labels


def _check_labels(
    clips: Sequence[Clip], known: Sequence[Clip], unknown_labels: Sequence[str], labels: Sequence[str]
) -> tuple[Finding, ...]:
    """Return the findings on clips whose labels the model does not have."""
    n_left = len(clips) - len(known)
    if not n_left:
        return ()
    counts = Counter(clip.label for clip in clips)
    return (
        *check_similar_labels(dict.fromkeys(labels, 0) | counts),
        Finding(
            "labels_not_in_model",
            "warning",
            f"{n_left} clips of labels that the model does not have are in no metric but those of the open set: "
            f"{some_names(unknown_labels)}",
            "train on them, or rename them",
        ),
    )


def _scored_part(corpus: Corpus, split: str | None) -> str:
    """Return a description of the clips that are scored."""
    if split is None and not any(clip.split for clip in corpus.clips):
        return "all clips of the corpus"
    return f"its split {split or 'test'!r}"


def _training_settings(model: Model) -> dict[str, object]:
    """Return the settings of the model's training, without the list of clips."""
    training = model.training
    return {
        "preset": training.preset,
        "kind_settings": training.kind_settings.to_dict(),
        "seed": training.seed,
        "trial_s": training.trial_s,
        "clips": len(training.clips),
        "seconds": training.seconds,
    }
