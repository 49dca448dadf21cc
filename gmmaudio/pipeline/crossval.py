"""A corpus -> the report of models trained on parts of it and scored on the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmmaudio import classifier
from gmmaudio.corpus import (
    UNKNOWN_GROUPS,
    Clip,
    Corpus,
    Fold,
    check_labels,
    column_folds,
    group_keys,
    leak_notes,
    leave_one_group_out,
    random_folds,
    regroup,
    select_split,
    straddling_groups,
)
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import FailedInput, Protocol, Report, ScoredClip, make_report
from gmmaudio.pipeline.extraction import Extracted, Progress, extract_clips, quiet
from gmmaudio.pipeline.recipe import Recipe, versions
from gmmaudio.pipeline.scoring import score_trials, units_of
from gmmaudio.pipeline.train import clips_of, corpus_notes, lost_labels
from gmmaudio.pipeline.trials import Trial, make_trials


def crossval(
    corpus: Corpus,
    recipe: Recipe,
    *,
    folds: int | str = 5,
    fold_column: str | None = None,
    repeats: int = 1,
    group_by: str | None = None,
    split: str | None = None,
    n_jobs: int = 1,
    progress: Progress[Extracted | FailedInput] = quiet,
    command: str = "",
) -> Report:
    """Return the report of cross-validation: every fold's model is trained without any clip of the held-out groups.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips.
    recipe : Recipe
        Settings.
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
    n_jobs : int
        Worker processes.
    progress : callable
        Shows progress.
    command : str
        What was typed, for the report.

    Raises
    ------
    CorpusError
        If no label can be scored.
    SettingError
        If a setting is outside its bounds.
    """
    if repeats < 1 or (repeats > 1 and (fold_column or folds == "loo")):
        raise SettingError(
            f"--repeats is {repeats}; expected 1 or more, and 1 with --fold-column or --folds loo, "
            "whose division is fixed"
        )
    everything = split is None and fold_column is not None
    clips = regroup(corpus.clips if everything else select_split(corpus.clips, split, "train"), group_by)
    _check_divisible(clips, folds, fold_column, recipe.seed)
    extracted, failed = extract_clips(
        corpus.root,
        clips,
        recipe.features,
        min_duration_s=0.0 if recipe.trial_s else recipe.min_duration_s,
        n_jobs=n_jobs,
        progress=progress,
    )
    trials, short, left_out = make_trials(
        extracted,
        recipe.features,
        trial_s=recipe.trial_s,
        min_duration_s=recipe.min_duration_s,
        fold_column=fold_column,
    )
    failed += short
    guards = [*corpus.notes, *corpus_notes(trials, failed, left_out), *lost_labels(clips, trials)]
    if any(trial.group is None for trial in trials):
        guards.insert(0, UNKNOWN_GROUPS)
    scored: list[ScoredClip] = []
    labels, units = [trial.label for trial in trials], units_of(trials)
    values = [trial.fold for trial in trials]
    divisions = [_divide(labels, units, values, folds, fold_column, recipe.seed + repeat) for repeat in range(repeats)]
    for repeat, division in enumerate(divisions):
        for fold in division:
            scored += _score_fold(trials, fold, recipe, repeat, n_jobs)
    guards += leak_notes(_sides(trials, fold) for division in divisions for fold in division)
    if fold_column:
        guards += _straddling(values, units)
    candidates = sorted(set(labels))
    protocol = _protocol(recipe, divisions, scored, candidates, folds, fold_column, group_by, command)
    return make_report(scored, candidates, protocol, guards, failed)


def _check_divisible(clips: Sequence[Clip], folds: int | str, fold_column: str | None, seed: int) -> None:
    """Raise now, rather than after an hour of decoding, where the clips cannot be divided as asked."""
    labels = [clip.label for clip in clips]
    check_labels(labels)
    units = group_keys([clip.group for clip in clips], [clip.path for clip in clips])
    values = [clip.column(fold_column) if fold_column else None for clip in clips]
    _divide(labels, units, values, folds, fold_column, seed)


def _divide(
    labels: Sequence[str],
    units: Sequence[str],
    values: Sequence[str | None],
    folds: int | str,
    fold_column: str | None,
    seed: int,
) -> list[Fold]:
    """Return the folds of one repeat."""
    if fold_column is not None:
        if not any(values):
            raise CorpusError(f"no clip has a value in the column {fold_column!r}; name another (--fold-column)")
        return column_folds(values, labels, units)
    if folds == "loo":
        return leave_one_group_out(labels, units)
    if not isinstance(folds, int):
        raise SettingError(f"--folds is {folds!r}; expected a number, or loo")
    return random_folds(labels, units, folds, np.random.default_rng(seed))


def _score_fold(trials: Sequence[Trial], fold: Fold, recipe: Recipe, repeat: int, n_jobs: int) -> list[ScoredClip]:
    """Return the predictions for a fold's held-out trials by a model of the others."""
    fitted, _ = classifier.fit(
        [trials[i].rows.values for i in fold.train],
        [trials[i].label for i in fold.train],
        recipe.classifier,
        seed=recipe.seed + repeat,
        n_jobs=n_jobs,
    )
    return score_trials([trials[i] for i in fold.test], fitted, fold=fold.name, repeat=repeat)


def _sides(trials: Sequence[Trial], fold: Fold) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return path and hash of every clip on the two sides of a fold."""
    train, test = (clips_of([trials[i] for i in side]) for side in (fold.train, fold.test))
    return [(c.clip.path, c.sha256) for c in train], [(c.clip.path, c.sha256) for c in test]


def _straddling(values: Sequence[str | None], units: Sequence[str]) -> list[str]:
    """Return which groups the fold column cuts through."""
    return [
        f"group {group!r} is in several folds; its clips are left out of training where others of it are scored"
        for group in straddling_groups(values, units)
    ]


def _protocol(
    recipe: Recipe,
    divisions: Sequence[Sequence[Fold]],
    scored: Sequence[ScoredClip],
    labels: Sequence[str],
    folds: int | str,
    fold_column: str | None,
    group_by: str | None,
    command: str,
) -> Protocol:
    """Return how the predictions were made."""
    if fold_column:
        scheme = f"cross-validation by the fold column {fold_column!r}"
    elif folds == "loo":
        scheme = f"cross-validation, one {group_by or 'group'} left out at a time"
    else:
        scheme = f"{folds}-fold cross-validation by group"
    if len(divisions) > 1:
        scheme += f", {len(divisions)} repeats"
    found = {clip.label for clip in scored}
    return Protocol(
        scheme=scheme,
        group_by=group_by or "group",
        seed=recipe.seed,
        folds=tuple(fold.name for fold in divisions[0]),
        repeats=len(divisions),
        scored_labels=tuple(sorted(found)),
        unscored_labels=tuple(label for label in labels if label not in found),
        trial_s=recipe.trial_s,
        settings=recipe.to_dict(),
        versions=versions(),
        command=command,
    )
