"""The comparison of a model with one that is trained on more clips, or on corrected labels, by the same settings.

A model cannot be scored on clips that it was trained on, and a corpus that grew holds most of them. So both models are
made again on the same folds: A from the clips of the training side that the old model was trained on, with the labels
that it was given; B from all clips of the training side. Both are scored on the same held-out clips.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gmmaudio.compute import Cluster, Progress, RunContext, quiet
from gmmaudio.corpus import Clip, Corpus, Fold, check_labels, plan_split, random_folds, scored_labels
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import FailedInput, ScoredClip, compare
from gmmaudio.evaluation.comparison import Comparison
from gmmaudio.features import FeatureStore
from gmmaudio.findings import Finding
from gmmaudio.models import Model, Recipe, fit_trials
from gmmaudio.names import normal
from gmmaudio.pipeline.arguments import as_corpus, as_spool, as_store
from gmmaudio.pipeline.leakage import check_crossval, check_new_groups
from gmmaudio.pipeline.own_rows import recipe_of_rows, training_trials
from gmmaudio.pipeline.scoring import interval_units, score_trials
from gmmaudio.pipeline.tag_groups import with_tags
from gmmaudio.trials import DEFAULT_MEMORY_BYTES, Extracted, GivenRows, Trial, TrialSet, clips_of, units_of
from gmmaudio.values import checked

N_FOLDS = 5
# of the clips of the old model that the corpus must hold, so that A stands for it
LEAST_KNOWN = 0.9
KEPT, RELABELLED, NEW = "kept", "relabelled", "new"
WITHOUT = "or train without the comparison (`no_comparison`)"


@dataclass(frozen=True)
class TrainingChange:
    """What more clips, or corrected labels, change.

    Parameters
    ----------
    n_kept, n_relabelled, n_new : int
        Clips of the corpus that the old model was trained on with the same label, with another one, and not at all.
    n_gone : int
        Clips that it was trained on and that the corpus does not hold.
    n_folds : int
        Number of folds.
    on_kept : Comparison
        A and B on clips that the old model was trained on, with the label that they had then.
    on_others : Comparison or None
        A and B on new and relabelled clips; None where there are none whose label A knows.
    n_not_compared : int
        Held-out clips whose label no clip of A's training side has.
    findings : tuple of Finding
        Alarms and warnings on the division.
    """

    n_kept: int
    n_relabelled: int
    n_new: int
    n_gone: int
    n_folds: int
    on_kept: Comparison
    on_others: Comparison | None
    n_not_compared: int
    findings: tuple[Finding, ...] = ()


@dataclass
class _Scores:
    """Predictions of A and of B for the same held-out clips."""

    a: list[ScoredClip] = field(default_factory=list)
    b: list[ScoredClip] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    n_not_compared: int = 0

    def compare(self, *kinds: str) -> Comparison | None:
        """Return the comparison on clips of some kinds; None where there are none."""
        chosen = [i for i, kind in enumerate(self.kinds) if kind in kinds]
        if not chosen:
            return None
        a, b = [self.a[i] for i in chosen], [self.b[i] for i in chosen]
        return compare(
            names=[clip.name for clip in a],
            true=[clip.label for clip in a],
            units=[clip.unit for clip in a],
            predicted_a=[clip.predicted for clip in a],
            predicted_b=[clip.predicted for clip in b],
        )


def recipe_of(model: Model) -> Recipe:
    """Return the settings that a model was trained with, those that were chosen by tuning included.

    Parameters
    ----------
    model : Model
        The model.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.training import train
    >>> recipe = make_recipe("genre", kind="frames", n_components=2, seed=3)
    >>> recipe_of(train("my_music", recipe).model) == recipe
    True
    """
    training = model.training
    return Recipe(
        preset=training.preset,
        features=model.features,
        kind_settings=training.kind_settings,
        min_duration_s=training.min_duration_s,
        trial_s=training.trial_s,
        augment=training.augment,
        seed=training.seed,
    )


@checked
def compare_training(
    corpus: str | Path | Corpus,
    old: Model,
    *,
    split: str | None = None,
    group_by: str | None = None,
    rows: GivenRows | None = None,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
    cluster: Cluster | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> TrainingChange:
    """Return the difference that the clips make which a corpus has beyond those of an old model.

    The corpus is divided into folds that keep groups whole. In each, A is trained on the clips of the training side
    that the old model was trained on (the same samples by their hash), with the labels that it was given, B on all
    clips of the training side, both with the settings of the old model. Both are scored on the same held-out clips,
    with the labels of the corpus. A clip is compared where both know its label.

    Parameters
    ----------
    corpus : path-like or Corpus
        The corpus that the new model is trained on: the clips of the old model, and others or other labels.
    old : Model
        The old model.
    split, group_by, rows, n_jobs, progress, time_limit_s, memory_limit, cache, cluster, memory_bytes
        As for :func:`gmmaudio.train`.

    Returns
    -------
    TrainingChange
        Two comparisons: on clips that the old model was trained on, and on the others.

    Raises
    ------
    SettingError
        If the corpus is what the old model was trained on, or holds less than 90 % of it, or its UBM is of other clips.
    CorpusError
        If no label can be scored.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.training import train
    >>> whole = as_corpus("my_music")
    >>> half = replace(whole, clips=tuple(clip for clip in whole.clips if "album2" not in clip.path))
    >>> old = train(half, make_recipe(n_components=1), group_by="parent").model
    >>> change = compare_training(whole, old, group_by="parent")
    >>> change.n_kept, change.n_new, change.on_kept.n
    (8, 4, 8)
    """
    if old.vector_head is not None:
        raise SettingError(f"the old model has a second head on vectors, and two heads are not compared; {WITHOUT}")
    if old.training.ubm_clips:
        raise SettingError(
            "the UBM of the old model was fitted to other clips than its labels, which no training on a corpus does; "
            f"evaluate both models on clips of neither, {WITHOUT}"
        )
    store = as_store(cache)
    run = RunContext(n_jobs, progress, time_limit_s, memory_limit, None, cluster)
    corpus = with_tags(as_corpus(corpus, rows), group_by, progress=progress)
    clips = plan_split(corpus.clips, split=split, group_by=group_by)
    check_labels([clip.label for clip in clips])
    recipe = recipe_of_rows(recipe_of(old), rows, clips)
    with as_spool(memory_bytes, store, run) as spool:
        known = _KnownClips(old)
        made = training_trials(corpus.root, clips, recipe, rows, store=store, spool=spool, run=run)
        counts = known.count(made)
        _check_comparable(counts, len(known.labels), made.failed)
        if recipe.trial_s is not None:
            # clips are joined: again, those of each kind by themselves
            marked = known.mark(made)
            made = training_trials(corpus.root, marked, recipe, rows, store=store, spool=spool, run=run)
        trials, _ = interval_units(made.trials, group_by)
        folds = _divide(trials, recipe.seed)
        scores = _score(trials, known, folds, recipe, run)
        on_kept = scores.compare(KEPT)
        if on_kept is None:
            raise CorpusError(
                "no held-out clip that the old model was trained on has a label that is also on the training side; "
                f"give the labels more groups (`group_by`), {WITHOUT}"
            )
        findings = check_crossval(trials, [folds], sorted({clip.label for clip in scores.b}), group_by)
        findings += check_new_groups(*known.divide(clips_of(trials)))
    return TrainingChange(
        *counts,
        n_folds=len(folds),
        on_kept=on_kept,
        on_others=scores.compare(RELABELLED, NEW),
        n_not_compared=scores.n_not_compared,
        findings=tuple(finding for finding in findings if finding.level in ("alarm", "warning")),
    )


class _KnownClips:
    """The clips that a model was trained on, by the hash of their samples."""

    def __init__(self, model: Model) -> None:
        self.labels: dict[str, set[str]] = {}
        for clip in model.training.clips:
            self.labels.setdefault(clip.sha256, set()).add(normal(clip.label))

    def kind(self, sha256: str, label: str) -> str:
        """Return the kind of a clip: the model was trained on it with the label, with another one, or not at all."""
        labels = self.labels.get(sha256)
        return NEW if labels is None else KEPT if normal(label) in labels else RELABELLED

    def kind_of(self, trial: Trial) -> str:
        """Return the kind of a trial, whose clips are all of one kind."""
        return self.kind(trial.parts[0].sha256, trial.label)

    def old_trial(self, trial: Trial, spelling: Mapping[str, str]) -> Trial | None:
        """Return a trial with the label that the model was given; None where the model was not trained on it."""
        kind = self.kind_of(trial)
        if kind != RELABELLED:
            return trial if kind == KEPT else None
        label = min(self.labels[trial.parts[0].sha256])
        return _with_label(trial, spelling.get(label, label))

    def count(self, made: TrialSet) -> tuple[int, int, int, int]:
        """Return the numbers of clips that are kept, relabelled, new and gone."""
        # remainders that are too short for a trial were not trained on, and are not
        used = [(item.sha256, item.clip.label) for item in clips_of(made.trials)]
        kinds = [self.kind(sha256, label) for sha256, label in used]
        n_gone = len(self.labels.keys() - set(made.sha256))
        return kinds.count(KEPT), kinds.count(RELABELLED), kinds.count(NEW), n_gone

    def divide(self, extracted: Sequence[Extracted]) -> tuple[list[Clip], list[Clip]]:
        """Return the clips that the model was trained on, and the others."""
        known = [item.clip for item in extracted if item.sha256 in self.labels]
        return known, [item.clip for item in extracted if item.sha256 not in self.labels]

    def mark(self, made: TrialSet) -> list[Clip]:
        """Return clips whose splits tell kind and old labels: clips of two splits are never joined to a trial."""
        return [
            replace(clip, split=" ".join([self.kind(key, clip.label), *sorted(self.labels.get(key, ()))]))
            for clip, sha256 in zip(made.clips, made.sha256, strict=True)
            for key in (sha256 or "",)
        ]


def _check_comparable(counts: tuple[int, int, int, int], n_old: int, failed: Sequence[FailedInput]) -> None:
    """Raise where the comparison would be none of the old model, or of nothing."""
    n_kept, n_relabelled, n_new, n_gone = counts
    n_known = n_old - n_gone
    but = f" ({len(failed)} of its files failed, such as {failed[0].path}: {failed[0].message})" if failed else ""
    if n_known < LEAST_KNOWN * n_old:
        raise SettingError(
            f"the corpus holds {n_known} of the {n_old} clips that the old model was trained on, by the hash of their "
            f"samples{but}; expected {100 * LEAST_KNOWN:.0f} % or more, or a model of them would not stand for the old "
            f"one: train on its corpus with the new clips (`added`), {WITHOUT}"
        )
    if not n_new and not n_relabelled and not n_gone:
        raise SettingError(
            f"the corpus is what the old model was trained on ({n_kept} clips with the same labels){but}: there is "
            f"nothing to compare; add clips (`added`), {WITHOUT}"
        )


def _divide(trials: Sequence[Trial], seed: int) -> list[Fold]:
    """Return the folds of the corpus, five where there are as many groups."""
    labels, units = [trial.label for trial in trials], units_of(trials)
    scored = scored_labels(labels, units)
    n_groups = len({unit for label, unit in zip(labels, units, strict=True) if label in scored})
    return random_folds(labels, units, max(2, min(N_FOLDS, n_groups)), np.random.default_rng(seed))


def _score(
    trials: Sequence[Trial], known: _KnownClips, folds: Sequence[Fold], recipe: Recipe, run: RunContext
) -> _Scores:
    """Return the predictions of A and B for the held-out trials of every fold."""
    spelling = {normal(trial.label): trial.label for trial in trials}
    old_trials = [known.old_trial(trial, spelling) for trial in trials]
    scores = _Scores()
    for fold in run.track(folds, "comparing on folds"):
        of_a = [trial for i in fold.train if (trial := old_trials[i]) is not None]
        of_b = [trials[i] for i in fold.train]
        labels = {trial.label for trial in of_a} & {trial.label for trial in of_b}
        test = [trials[i] for i in fold.test if trials[i].label in labels]
        scores.n_not_compared += len(fold.test) - len(test)
        if not test or len({trial.label for trial in of_a}) < 2:
            scores.n_not_compared += len(test)
            continue
        scores.a += score_trials(test, fit_trials(of_a, recipe, run).recogniser, fold=fold.name)
        scores.b += score_trials(test, fit_trials(of_b, recipe, run).recogniser, fold=fold.name)
        scores.kinds += [known.kind_of(trial) for trial in test]
    return scores


def _with_label(trial: Trial, label: str) -> Trial:
    """Return a trial, and its copies, with another label."""
    segments = tuple(
        replace(part, extracted=replace(part.extracted, clip=replace(part.extracted.clip, label=label)))
        for part in trial.segments
    )
    return replace(trial, segments=segments, copies=tuple(_with_label(copy, label) for copy in trial.copies))
