"""Folds that are kept when they are finished, and read where a run is started again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import RunContext, digest_of, recall, resume
from gmmaudio.compute.checkpoints import Arrays, Record
from gmmaudio.corpus import Fold
from gmmaudio.evaluation import ScoredClip
from gmmaudio.evaluation.scored_columns import from_columns, to_columns
from gmmaudio.models import Calibration, OpenSetThreshold, Recipe, Recogniser, Tuned
from gmmaudio.models.file import describe_scorer, describe_vector_head, read_scorer, read_vector_head
from gmmaudio.pipeline.fold_runs import FoldResult, run_fold, score_fold
from gmmaudio.trials import Trial, digest_trials

# prefixes of the arrays of predictions and of a scorer
SCORED, SCORER = "scored.", "scorer."


def resume_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, repeat: int, run: RunContext, **settings: Any
) -> FoldResult:
    """Return the result of a fold, read from the checkpoints of the run or computed and kept.

    Parameters
    ----------
    trials, fold, recipe, repeat, run
        As for :func:`gmmaudio.pipeline.fold_runs.run_fold`.
    **settings
        Its other parameters.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips[2:10]), recipe.trial_settings).trials
    >>> result = resume_fold(trials, Fold("1", (0, 1, 4, 5), (2, 7)), recipe, 0, RunContext())
    >>> [(clip.label, clip.predicted) for clip in result.scored]
    [('jazz', 'jazz'), ('metal', 'metal')]
    """

    def compute() -> FoldResult:
        return run_fold(trials, fold, recipe, repeat, run, **settings)

    if run.checkpoints is None:
        return compute()
    key = _fold_key(trials, fold, recipe, repeat, settings)
    return resume(run.checkpoints, key, compute, describe_fold, _restore(fold, repeat, recipe))


def kept_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, repeat: int, run: RunContext, **settings: Any
) -> FoldResult | None:
    """Return the result of a fold where the checkpoints of the run have it; None where it is to be computed.

    Parameters
    ----------
    trials, fold, recipe, repeat, run, **settings
        As for :func:`resume_fold`.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> kept_fold([], Fold("1", (), ()), make_recipe(), 0, RunContext()) is None
    True
    """
    if run.checkpoints is None:
        return None
    key = _fold_key(trials, fold, recipe, repeat, settings)
    return recall(run.checkpoints, key, _restore(fold, repeat, recipe))


def resume_folds(
    trials: Sequence[Trial],
    planned: Sequence[tuple[int, Fold]],
    recipe: Recipe,
    run: RunContext,
    title: str,
    **settings: Any,
) -> list[FoldResult]:
    """Return the results of several folds, read from the checkpoints of the run or computed and kept.

    Parameters
    ----------
    trials, recipe, run, **settings
        As for :func:`resume_fold`.
    planned : sequence of (int, Fold)
        Repeat and fold.
    title : str
        What is shown as progress.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> resume_folds([], [], make_recipe(), RunContext(), "folds")
    []
    """
    known = [kept_fold(trials, fold, recipe, repeat, run, **settings) for repeat, fold in planned]
    n_known = sum(result is not None for result in known)
    if n_known:
        run.say(f"goes on from {n_known} of {len(planned)} {title}, which an earlier run finished")
    return [
        resume_fold(trials, fold, recipe, repeat, run, **settings) if result is None else result
        for (repeat, fold), result in run.track(list(zip(planned, known, strict=True)), f"cross-validation {title}")
    ]


def resume_scored_fold(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, run: RunContext, *, tuned: bool = False
) -> list[ScoredClip]:
    """Return the predictions of :func:`gmmaudio.pipeline.fold_runs.score_fold`, read or computed and kept.

    Parameters
    ----------
    trials, fold, recipe, run, tuned
        As for :func:`gmmaudio.pipeline.fold_runs.score_fold`.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips[2:10]), recipe.trial_settings).trials
    >>> scored = resume_scored_fold(trials, Fold("1", (0, 1, 4, 5), (2, 7)), recipe, RunContext())
    >>> [clip.predicted for clip in scored]
    ['jazz', 'metal']
    """

    def compute() -> list[ScoredClip]:
        return score_fold(trials, fold, recipe, run, tuned=tuned)

    if run.checkpoints is None:
        return compute()
    key = {"kind": "scored fold", **_sides(trials, fold), "recipe": recipe.to_dict(), "tuned": tuned}
    return resume(run.checkpoints, key, compute, to_columns, from_columns)


def condition_key(
    trials: Sequence[Trial], results: Sequence[FoldResult], recipe: Recipe, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all that the predictions of folds for degraded trials depend on, beside the degradation.

    Parameters
    ----------
    trials : sequence of Trial
        All trials, as they are.
    results : sequence of FoldResult
        Results of the folds.
    recipe : Recipe
        Settings of the run; its seed is that of degradations.
    options : mapping
        Settings of the cross-validation, as plain values.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> condition_key([], [], make_recipe(seed=3), {"tune": False})["options"]
    {'tune': False}
    """
    folds = [[each.repeat, each.fold.name, *_indices(each.fold)] for each in results]
    return {
        "kind": "condition",
        "trials": digest_trials(trials),
        "folds": digest_of(*folds),
        "recipe": recipe.to_dict(),
        "options": dict(options),
    }


def resume_condition(
    key: Mapping[str, Any],
    results: Sequence[FoldResult],
    run: RunContext,
    compute: Callable[[], list[list[ScoredClip]]],
) -> list[ScoredClip]:
    """Return the predictions of all folds for their held-out trials under a condition, read or computed and kept.

    They are not kept where a trial is missing: what failed may succeed the next time.

    Parameters
    ----------
    key : mapping
        All that they depend on.
    results : sequence of FoldResult
        Results of the folds, without the condition.
    run : RunContext
        Its checkpoints.
    compute : callable
        Returns the predictions of every fold.

    Examples
    --------
    >>> resume_condition({}, [], RunContext(), lambda: [[], []])
    []
    """
    scored = recall(run.checkpoints, key, _restore_scored)
    if scored is None:
        scored = compute()
        is_whole = [len(clips) for clips in scored] == [len(result.scored) for result in results]
        if run.checkpoints is not None and is_whole:
            run.checkpoints.write(key, *_describe_scored(scored))
    return [clip for clips in scored for clip in clips]


def describe_fold(result: FoldResult) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the result of a fold as arrays and plain values: no fold, repeat or front end, which who asks knows.

    Parameters
    ----------
    result : FoldResult
        What to keep.

    Examples
    --------
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips[2:10]), recipe.trial_settings).trials
    >>> result = run_fold(trials, Fold("1", (0, 1, 4, 5), (2, 7)), recipe, 0, RunContext())
    >>> arrays, record = describe_fold(result)
    >>> restore_fold(result.fold, 0, recipe, arrays, record).scored == result.scored
    True
    """
    recogniser, tuned = result.recogniser, result.tuned
    header, tensors = describe_scorer(recogniser.scorer)
    arrays: dict[str, npt.NDArray[Any]] = {SCORER + name: np.asarray(tensor) for name, tensor in tensors.items()}
    of_head: dict[str, Any] = {}
    if recogniser.vector_head is not None:
        of_head, more = describe_vector_head(recogniser.vector_head)
        arrays |= {name: np.asarray(tensor) for name, tensor in more.items()}
    of_scored, scored = _describe_scored([result.scored, *result.durations.values()])
    return arrays | of_scored, {
        "scorer": header,
        **of_head,
        "calibration": None if recogniser.calibration is None else recogniser.calibration.to_dict(),
        "open_set": None if recogniser.open_set is None else asdict(recogniser.open_set),
        "durations_s": list(result.durations),
        **scored,
        "tuned": None if tuned is None else {**asdict(tuned), "recipe": tuned.recipe.to_dict()},
    }


def restore_fold(fold: Fold, repeat: int, recipe: Recipe, arrays: Arrays, record: Record) -> FoldResult:
    """Return the result of a fold that :func:`describe_fold` gave as arrays and plain values.

    Parameters
    ----------
    fold : Fold
        The fold.
    repeat : int
        The repeat, from 0.
    recipe : Recipe
        Settings of the run.
    arrays, record
        Results of :func:`describe_fold`.

    Raises
    ------
    SettingError
        If they are not those of a fold.
    """
    tuned = None if record["tuned"] is None else _tuned(record["tuned"])
    chosen = recipe if tuned is None else tuned.recipe
    scorer = read_scorer(record["scorer"], _divided(arrays, SCORER), chosen.kind_settings, chosen.features.n_features)
    calibration, open_set = record["calibration"], record["open_set"]
    recogniser = Recogniser(
        scorer,
        None if calibration is None else Calibration.from_dict(calibration),
        None if open_set is None else OpenSetThreshold.from_dict(open_set),
        vector_head=read_vector_head(record, dict(arrays)),
    )
    scored, *cut = _restore_scored(arrays, record)
    durations = dict(zip(record["durations_s"], cut, strict=True))
    return FoldResult(fold, repeat, scored, durations, recogniser, chosen.features, tuned)


def _describe_scored(scored: Sequence[Sequence[ScoredClip]]) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return several lists of predictions as arrays and plain values."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    records = []
    for i, clips in enumerate(scored):
        columns, record = to_columns(clips)
        arrays |= {f"{i}.{SCORED}{name}": array for name, array in columns.items()}
        records.append(record)
    return arrays, {"scored": records}


def _restore_scored(arrays: Arrays, record: Record) -> list[list[ScoredClip]]:
    """Return the lists of predictions that arrays and plain values describe."""
    return [from_columns(_divided(arrays, f"{i}.{SCORED}"), each) for i, each in enumerate(record["scored"])]


def _restore(fold: Fold, repeat: int, recipe: Recipe) -> Callable[[Arrays, Record], FoldResult]:
    """Return a function of arrays and record that gives the result of a fold."""
    return lambda arrays, record: restore_fold(fold, repeat, recipe, arrays, record)


def _tuned(values: Mapping[str, Any]) -> Tuned:
    """Return the choice of settings that plain values describe."""
    return Tuned(Recipe.from_dict(values["recipe"]), tuple(values["table"]), values["reason"])


def _fold_key(
    trials: Sequence[Trial], fold: Fold, recipe: Recipe, repeat: int, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all that the result of a fold depends on."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    return {"kind": "fold", **_sides(trials, fold), "recipe": recipe.to_dict(), "repeat": repeat, **plain}


def _sides(trials: Sequence[Trial], fold: Fold) -> dict[str, Any]:
    """Return the trials of the two sides of a fold by their content."""
    sides = {"train": fold.train, "test": fold.test}
    return {"fold": fold.name, **{side: digest_trials([trials[i] for i in at]) for side, at in sides.items()}}


def _indices(fold: Fold) -> list[list[int]]:
    """Return the trials of the two sides of a fold by their place."""
    return [list(map(int, side)) for side in (fold.train, fold.test)]


def _divided(arrays: Arrays, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays whose names have a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
