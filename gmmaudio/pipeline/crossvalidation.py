"""A corpus -> the report of models trained on parts of it and scored on the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gmmaudio.compute import Progress, quiet
from gmmaudio.corpus import (
    Clip,
    Corpus,
    Fold,
    Place,
    check_labels,
    column_folds,
    group_keys,
    leave_one_group_out,
    random_folds,
    regroup,
    select_split,
)
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import FailedInput, Findings, Protocol, Report, ScoredClip, Slice, make_report
from gmmaudio.evaluation.slices import DURATIONS_S
from gmmaudio.features import FeatureSettings
from gmmaudio.models import Recipe, Recogniser, Tuned
from gmmaudio.pipeline import analyses
from gmmaudio.pipeline.folds import fit_fold
from gmmaudio.pipeline.leakage import crossval_findings, fold_column_findings
from gmmaudio.pipeline.provenance import Clock, machine, run_record, versions
from gmmaudio.pipeline.scoring import interval_units, score_trials
from gmmaudio.pipeline.training import corpus_notes, lost_labels
from gmmaudio.trials import Degradation, Extracted, Material, Trial, gather, units_of, with_features

# of the random split beside a division that has no number of folds
N_RANDOM_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Division:
    """How a corpus is divided, and what else is asked of it.

    Parameters
    ----------
    folds : int or "loo"
        Number of folds, or leave one group out at a time.
    fold_column : str or None
        Column that tells the folds instead.
    repeats : int
        Times the whole is done, with seeds ``seed``, ``seed + 1``, ...
    group_by : str or None
        Column, ``parent`` or ``none``; None keeps the corpus's groups.
    split : str or None
        Split to use; None takes clips whose split is empty or ``train``, or all where a fold column is given.
    durations_s : tuple of float
        Lengths that test clips are cut to and scored again, seconds.
    tuned : bool
        Choose kind, covariance, components and projection on inner folds of every fold's training set.
    learning_curve : bool
        Also train on an eighth, a quarter and half of the sound.
    random_split_gap : bool
        Also split at random.
    robustness : bool
        Also score the held-out clips degraded.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.
    """

    folds: int | str = 5
    fold_column: str | None = None
    repeats: int = 1
    group_by: str | None = None
    split: str | None = None
    durations_s: tuple[float, ...] = DURATIONS_S
    tuned: bool = False
    learning_curve: bool = False
    random_split_gap: bool = False
    robustness: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "durations_s", tuple(self.durations_s))
        analyses.check_durations(self.durations_s)
        fixed = self.fold_column is not None or self.folds == "loo"
        if self.repeats < 1 or (self.repeats > 1 and fixed):
            raise SettingError(
                f"--repeats is {self.repeats}; expected 1 or more, and 1 with --fold-column or --folds loo, "
                "whose division is fixed"
            )

    def scheme(self, known: bool) -> str:
        """Return the division in words; where groups are not known, files are divided."""
        group = {None: "group", "parent": "folder"}.get(self.group_by, self.group_by) if known else "file"
        if self.fold_column:
            words = f"cross-validation by the fold column {self.fold_column!r}"
        elif self.folds == "loo":
            words = f"cross-validation, one {group} left out at a time"
        else:
            words = f"{self.folds}-fold cross-validation by {group}"
        words += f", {self.repeats} repeats" if self.repeats > 1 else ""
        return words + (", settings chosen on inner folds" if self.tuned else "")

    def clips_of(self, corpus: Corpus) -> tuple[Clip, ...]:
        """Return the clips to use, with the groups to split by."""
        everything = self.split is None and self.fold_column is not None
        return regroup(corpus.clips if everything else select_split(corpus.clips, self.split, "train"), self.group_by)

    def divide(
        self, labels: Sequence[str], units: Sequence[str], values: Sequence[str | None], seed: int
    ) -> list[Fold]:
        """Return the folds of one repeat; ``values`` are those of the fold column."""
        if self.fold_column is not None:
            if not any(values):
                raise CorpusError(
                    f"no clip has a value in the column {self.fold_column!r}; name another (--fold-column)"
                )
            return column_folds(values, labels, units)
        if self.folds == "loo":
            return leave_one_group_out(labels, units)
        if not isinstance(self.folds, int):
            raise SettingError(f"--folds is {self.folds!r}; expected a number, or loo")
        return random_folds(labels, units, self.folds, np.random.default_rng(seed))


@dataclass(frozen=True, eq=False)
class Outcome:
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


def crossval(
    corpus: Corpus,
    recipe: Recipe,
    division: Division | None = None,
    *,
    n_jobs: int = 1,
    progress: Progress[Extracted | FailedInput] = quiet,
    command: str = "",
    **settings: Any,
) -> Report:
    """Return the report of cross-validation: every fold's model is trained without any clip of the held-out groups.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips.
    recipe : Recipe
        Settings.
    division : Division or None
        How it is divided; None makes one of ``settings``.
    n_jobs : int
        Worker processes.
    progress : callable
        Shows progress.
    command : str
        What was typed, for the report.
    **settings
        The fields of :class:`Division`: ``folds=5``, ``group_by="parent"``, ...

    Raises
    ------
    CorpusError
        If no label can be scored.
    SettingError
        If a setting is outside its bounds.
    """
    clock = Clock.start()
    division = Division(**settings) if division is None else division
    clips = division.clips_of(corpus)
    _check_divisible(clips, division, recipe.seed)
    groups = {clip.place: clip.group for clip in corpus.clips}
    how: dict[str, Any] = {"trial_s": recipe.trial_s, "min_duration_s": recipe.min_duration_s}
    how |= {"fold_column": division.fold_column, "apart": groups if division.group_by else None}
    how |= {"n_jobs": n_jobs, "progress": progress}
    material = gather(corpus.root, clips, recipe.features, augment=recipe.degradations, **how)
    trials, inside = interval_units(material.trials, groups, division.group_by)
    notes = [*corpus.notes, *corpus_notes(material), *lost_labels(clips, trials), *inside]
    labels, units, values = [t.label for t in trials], units_of(trials), [t.fold for t in trials]
    divisions = [division.divide(labels, units, values, recipe.seed + r) for r in range(division.repeats)]
    outcomes = [
        _run_fold(trials, fold, recipe, division, repeat, n_jobs)
        for repeat, folds in enumerate(divisions)
        for fold in folds
    ]
    scored = [clip for outcome in outcomes for clip in outcome.scored]
    found = _findings(groups, division, trials, divisions, scored)
    slices = _studies(trials, outcomes, divisions[0], recipe, division, n_jobs)

    def score_degraded(name: str) -> list[ScoredClip]:
        degradation = Degradation(name, recipe.seed)
        degraded = analyses.degraded_trials(corpus, clips, recipe.features, degradation, division.group_by, **how)
        return _score_held_out({trial.name: trial for trial in degraded}, trials, outcomes, recipe)

    if division.robustness:
        slices["robustness"] = analyses.robustness(scored, recipe.trial_s, score_degraded)
    gap = analyses.random_split_notes(slices.get("random_split", ()))
    if division.random_split_gap and not slices.get("random_split"):
        gap = ("no random split is shown: without groups, or with too few clips, there is nothing to set beside it",)
    return make_report(
        scored,
        sorted(set(labels)),
        _protocol(recipe, division, divisions, outcomes, sorted(set(labels)), command, clock),
        (*gap, *found.guards, *notes),
        material.failed,
        passed=found.passed,
        slices=slices,
        similarity=analyses.model_similarity(outcomes[0].recogniser.classifier),
        run=_record(corpus, clips, material, recipe, division, divisions),
    )


def _check_divisible(clips: Sequence[Clip], division: Division, seed: int) -> None:
    """Raise now, rather than after an hour of decoding, where the clips cannot be divided as asked."""
    labels = [clip.label for clip in clips]
    check_labels(labels)
    units = group_keys([clip.group for clip in clips], [clip.path for clip in clips])
    column = division.fold_column
    division.divide(labels, units, [clip.column(column) if column else None for clip in clips], seed)


def _run_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, division: Division, repeat: int, n_jobs: int
) -> Outcome:
    """Return the predictions for a fold's held-out trials by a model of the others."""
    found = fit_fold(trials, fold, recipe, recipe.seed + repeat, n_jobs, tuned=division.tuned)
    where: dict[str, Any] = {"fold": fold.name, "repeat": repeat}
    scored = score_trials(found.test, found.recogniser, **where)
    durations = analyses.score_durations(found.test, found.recogniser, division.durations_s, found.features, **where)
    return Outcome(fold, repeat, scored, durations, found.recogniser, found.features, found.tuned)


def _findings(
    groups: Mapping[Place, str | None],
    division: Division,
    trials: Sequence[Trial],
    divisions: Sequence[Sequence[Fold]],
    scored: Sequence[ScoredClip],
) -> Findings:
    """Return what may make the figures wrong."""
    names = sorted({clip.label for clip in scored})
    found = crossval_findings(trials, divisions, names, groups, division.group_by)
    if division.fold_column:
        found += fold_column_findings([trial.fold for trial in trials], units_of(trials))
    if division.tuned:
        found += Findings(
            (), ("settings were chosen on inner folds of each training set, never on the held-out clips",)
        )
    return found


def _studies(
    trials: Sequence[Trial],
    outcomes: Sequence[Outcome],
    folds: Sequence[Fold],
    recipe: Recipe,
    division: Division,
    n_jobs: int,
) -> dict[str, Sequence[Slice]]:
    """Return the tables beside the figure; what trains anew is done on the first repeat only."""
    first = [clip for outcome in outcomes if outcome.repeat == 0 for clip in outcome.scored]
    found: dict[str, Sequence[Slice]] = {
        "durations": analyses.duration_slices([outcome.durations for outcome in outcomes])
    }
    how: dict[str, Any] = {"tuned": division.tuned, "n_jobs": n_jobs}
    if division.learning_curve:
        found["learning_curve"] = analyses.learning_curve(trials, folds, first, recipe, **how)
    # without groups both would be split by file
    if division.random_split_gap and any(clip.group for clip in first):
        n_folds = N_RANDOM_FOLDS if division.folds == "loo" else len(folds)
        found["random_split"] = analyses.random_split(trials, first, n_folds, recipe, **how)
    return found


def _score_held_out(
    by_name: Mapping[str, Trial], trials: Sequence[Trial], outcomes: Sequence[Outcome], recipe: Recipe
) -> list[ScoredClip]:
    """Return the predictions of each fold's model for its held-out trials as they are in ``by_name``."""
    scored: list[ScoredClip] = []
    for outcome in outcomes:
        test = [by_name[trials[i].name] for i in outcome.fold.test if trials[i].name in by_name]
        if outcome.features != recipe.features:
            test = with_features(test, outcome.features)
        scored += score_trials(test, outcome.recogniser, fold=outcome.fold.name, repeat=outcome.repeat)
    return scored


def _protocol(
    recipe: Recipe,
    division: Division,
    divisions: Sequence[Sequence[Fold]],
    outcomes: Sequence[Outcome],
    labels: Sequence[str],
    command: str,
    clock: Clock,
) -> Protocol:
    """Return how the predictions were made."""
    found = {clip.label for outcome in outcomes for clip in outcome.scored}
    settings = recipe.to_dict()
    if division.tuned:
        settings["tuning"] = [
            {"repeat": outcome.repeat, "fold": outcome.fold.name, **outcome.tuned.to_dict()}
            for outcome in outcomes
            if outcome.tuned is not None
        ]
    return Protocol(
        scheme=division.scheme(known=any(clip.group for outcome in outcomes for clip in outcome.scored)),
        group_by=division.group_by or "group",
        seed=recipe.seed,
        folds=tuple(fold.name for fold in divisions[0]),
        repeats=division.repeats,
        scored_labels=tuple(sorted(found)),
        unscored_labels=tuple(label for label in labels if label not in found),
        trial_s=recipe.trial_s,
        settings=settings,
        versions=versions(),
        command=command,
        machine=machine(),
        began=clock.began,
        seconds=clock.seconds,
    )


def _record(
    corpus: Corpus,
    clips: Sequence[Clip],
    material: Material,
    recipe: Recipe,
    division: Division,
    divisions: Sequence[Sequence[Fold]],
) -> dict[str, Any]:
    """Return what is needed to run it again."""
    options = {"recipe": recipe.to_dict(), "division": vars(division) | {"durations_s": list(division.durations_s)}}
    chosen = {clip.place for clip in clips}
    # as the corpus had them: groups are taken anew from columns and folders
    original = tuple(clip for clip in corpus.clips if clip.place in chosen)
    return run_record("crossval", replace(corpus, clips=original), material, options, divisions)
