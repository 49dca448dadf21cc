"""Settings chosen inside a training set, by inner folds that keep groups whole, never by the clips that are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gmmaudio.compute import RunContext, resume
from gmmaudio.evaluation import accuracy, balanced_accuracy, confusion_matrix
from gmmaudio.features import same_frames
from gmmaudio.models.fusion import head_weights
from gmmaudio.models.inner_folds import N_INNER_FOLDS, OutOfFold, labels_and_groups, out_of_fold_scores
from gmmaudio.models.kinds import KINDS, find_kind
from gmmaudio.models.presets import preset_of
from gmmaudio.models.recipe import Recipe
from gmmaudio.trials import Trial, digest_trials, with_features


@dataclass(frozen=True)
class Tuned:
    """The settings chosen, and the table of candidates.

    Parameters
    ----------
    recipe : Recipe
        The settings with the best balanced accuracy on the inner folds.
    table : tuple of dict
        ``kind``, the settings that candidates of that kind differ in, ``description``, ``balanced_accuracy``,
        ``accuracy`` and ``n`` of every candidate, best first.
    reason : str
        Why these were chosen.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> Tuned(make_recipe(n_components=4), (), "").to_dict()["chosen"]["n_components"]
    4
    """

    recipe: Recipe
    table: tuple[dict[str, Any], ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"chosen": self.recipe.kind_settings.to_dict(), "table": list(self.table), "reason": self.reason}


def tune(trials: Sequence[Trial], recipe: Recipe, run: RunContext, *, kind: str | None = None) -> Tuned:
    """Return the candidate that does best on inner folds of a training set, and the table it was chosen from.

    Features are not extracted again: all candidates use the same raw frames.

    Parameters
    ----------
    trials : sequence of Trial
        The training set, without the clips that metrics are computed from.
    recipe : Recipe
        Settings to start from; they are a candidate too. The seed divides and fits.
    run : RunContext
        Worker processes and progress.
    kind : str or None
        Compare settings of this kind only.

    Examples
    --------
    >>> from gmmaudio.compute import RunContext
    >>> from gmmaudio.corpus import plan_split
    >>> from gmmaudio.models import make_recipe
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> from gmmaudio.trials import build_trial_set
    >>> corpus, recipe = read_corpus("my_music"), make_recipe(n_components=1)
    >>> trials = build_trial_set(corpus.root, plan_split(corpus.clips), recipe.trial_settings).trials
    >>> tuned = tune(trials, recipe, RunContext(), kind="frames")
    >>> tuned.recipe.kind_settings.n_components
    1
    """
    candidates = _candidates(recipe, kind)
    rows: list[dict[str, Any]] = []
    digest = "" if run.checkpoints is None else digest_trials(trials)
    for candidate in run.track(candidates, "tuning"):
        key = {"kind": "candidate", "trials": digest, "recipe": candidate.to_dict()}
        compute = partial(_try_candidate, trials, candidate, run)
        row = resume(run.checkpoints, key, compute, lambda row: ({}, row), lambda _, row: dict(row))
        if not row:
            return Tuned(recipe, (), "no label has two groups to tune on: the settings are left as they were")
        rows.append(row)
    order = sorted(range(len(rows)), key=lambda i: -rows[i]["balanced_accuracy"])
    best, second = rows[order[0]], rows[order[min(1, len(order) - 1)]]
    ahead = 100 * (best["balanced_accuracy"] - second["balanced_accuracy"])
    reason = (
        f"best balanced accuracy, {100 * best['balanced_accuracy']:.1f} %, on up to {N_INNER_FOLDS} inner folds by "
        f"group of the training set (n={best['n']}), {ahead:.1f} "
        "percentage points ahead of the next; of equals the first compared"
    )
    return Tuned(candidates[order[0]], tuple(rows[i] for i in order), reason)


def _candidates(recipe: Recipe, kind_name: str | None) -> list[Recipe]:
    """Return the recipe itself and the candidates it is compared with, each once, the cheapest first."""
    candidates = [recipe] if kind_name in (None, recipe.kind_settings.kind) else []
    kinds = [kind for kind in KINDS.values() if kind_name in (None, kind.name)]
    for kind, change in sorted(((k, c) for k in kinds for c in k.candidates), key=lambda pair: pair[1].cost):
        start = preset_of(recipe.preset, kind.name)
        features = start.features
        if recipe.features.is_given:
            features = recipe.features
        elif not same_frames(features.frames, recipe.features.frames):
            vtln = recipe.features.frames.vtln if kind.takes_warps else ()
            block_s, step_s = features.rows.block_s, features.rows.block_step_s
            features = recipe.features.replace(vtln=vtln, block_s=block_s, block_step_s=step_s)
        # settings that go together, such as a shared covariance and one component, change at once
        settings = replace(start.kind_settings, **change.changes)
        candidate = replace(recipe, features=features, kind_settings=settings)
        if candidate not in candidates:
            candidates.append(candidate)
    return candidates


def _try_candidate(trials: Sequence[Trial], candidate: Recipe, run: RunContext) -> dict[str, Any]:
    """Return one line of the table; an empty one where there are no inner folds."""
    scores = out_of_fold_scores(with_features(trials, candidate.features), candidate, run)
    return {} if scores is None else _row(trials, candidate, scores)


def _row(trials: Sequence[Trial], candidate: Recipe, scores: OutOfFold) -> dict[str, Any]:
    """Return one line of the table."""
    codes, groups = labels_and_groups(trials, scores)
    weights = head_weights(scores, codes, groups, candidate)
    predictions, labels = scores.fused(weights).argmax(axis=1), scores.labels
    counts = confusion_matrix([labels[i] for i in codes], [labels[i] for i in predictions], labels)
    settings = candidate.kind_settings
    kind = find_kind(settings.kind)
    tuned = dict.fromkeys(name for change in kind.candidates for name in change.changes)
    return {
        "kind": kind.name,
        **{name: getattr(settings, name) for name in tuned},
        "description": kind.describe(settings),
        "balanced_accuracy": float(balanced_accuracy(counts)),
        "accuracy": float(accuracy(counts)),
        "n": len(codes),
    }
