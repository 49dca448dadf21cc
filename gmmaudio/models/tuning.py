"""Settings chosen inside a training set, by inner folds that keep groups whole: never by the clips of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gmmaudio.compute import RunContext
from gmmaudio.evaluation import accuracy, balanced_accuracy, confusion_matrix
from gmmaudio.features import same_frames
from gmmaudio.models.fusion import head_weights
from gmmaudio.models.inner_folds import N_INNER_FOLDS, OutOfFold, labels_and_groups, nested_scores
from gmmaudio.models.presets import preset_of
from gmmaudio.models.recipe import Recipe
from gmmaudio.trials import Trial, with_features

# What is compared, cheapest first: of equals the first is chosen.
CANDIDATES: tuple[dict[str, Any], ...] = (
    {"kind": "blocks", "covariance_type": "shared", "n_components": 1, "n_pca": 20},
    {"kind": "blocks", "covariance_type": "shared", "n_components": 1, "n_pca": 40},
    {"kind": "blocks", "covariance_type": "shared", "n_components": 1, "n_pca": 80},
    {"kind": "blocks", "covariance_type": "diag", "n_components": 1, "n_pca": 20},
    {"kind": "frames", "covariance_type": "diag", "n_components": 1},
    {"kind": "frames", "covariance_type": "full", "n_components": 1},
    {"kind": "frames", "covariance_type": "diag", "n_components": 4},
    {"kind": "frames", "covariance_type": "full", "n_components": 2},
    {"kind": "frames", "covariance_type": "diag", "n_components": 8},
    {"kind": "frames", "covariance_type": "full", "n_components": 4},
    {"kind": "frames", "covariance_type": "diag", "n_components": 16},
    {"kind": "supervector", "covariance_type": "diag", "n_components": 32},
    {"kind": "supervector", "covariance_type": "diag", "n_components": 64},
    {"kind": "supervector", "covariance_type": "diag", "n_components": 128},
    {"kind": "frames", "covariance_type": "diag", "n_components": 32},
    {"kind": "frames", "covariance_type": "diag", "n_components": 64},
)


@dataclass(frozen=True)
class Tuned:
    """Settings chosen, and what was compared.

    Parameters
    ----------
    recipe : Recipe
        The settings with the best balanced accuracy on the inner folds.
    table : tuple of dict
        ``kind, covariance_type, n_components, n_pca, balanced_accuracy, accuracy, n`` of every candidate, best first.
    reason : str
        Why these.
    """

    recipe: Recipe
    table: tuple[dict[str, Any], ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"chosen": asdict(self.recipe.classifier), "table": list(self.table), "reason": self.reason}


def tune(trials: Sequence[Trial], recipe: Recipe, run: RunContext, *, kind: str | None = None) -> Tuned:
    """Return the candidate that does best on inner folds of a training set, and the table it was chosen from.

    Features are not extracted again: candidates differ in what is made of the same raw frames.

    Parameters
    ----------
    trials : sequence of Trial
        The training set: what a figure is made of must not be in it.
    recipe : Recipe
        Settings to start from; its own are a candidate too. The seed divides and fits.
    run : RunContext
        Worker processes and progress.
    kind : str or None
        Compare settings of this kind only.
    """
    candidates = _candidates(recipe, kind)
    rows: list[dict[str, Any]] = []
    for candidate in run.track(candidates, "tuning"):
        found = nested_scores(with_features(trials, candidate.features), candidate, run)
        if found is None:
            return Tuned(recipe, (), "no label has two groups to tune on: the settings are left as they were")
        rows.append(_row(trials, candidate, found))
    order = sorted(range(len(rows)), key=lambda i: -rows[i]["balanced_accuracy"])
    best, second = rows[order[0]], rows[order[min(1, len(order) - 1)]]
    ahead = 100 * (best["balanced_accuracy"] - second["balanced_accuracy"])
    reason = (
        f"best balanced accuracy, {100 * best['balanced_accuracy']:.1f} %, on up to {N_INNER_FOLDS} inner folds by "
        f"group of the training set (n={best['n']}), {ahead:.1f} points ahead of the next; of equals the first compared"
    )
    return Tuned(candidates[order[0]], tuple(rows[i] for i in order), reason)


def _candidates(recipe: Recipe, kind: str | None) -> list[Recipe]:
    """Return the recipe itself and what it is compared with, each once."""
    found = [recipe] if kind in (None, recipe.classifier.kind) else []
    for change in CANDIDATES:
        if kind not in (None, change["kind"]):
            continue
        start = preset_of(recipe.preset, change["kind"])
        features = start.features
        if not same_frames(features.frames, recipe.features.frames):
            vtln = recipe.features.frames.vtln if change["kind"] == "supervector" else ()
            block_s, step_s = features.rows.block_s, features.rows.block_step_s
            features = recipe.features.replace(vtln=vtln, block_s=block_s, block_step_s=step_s)
        # a shared covariance goes with one component: all are changed at once
        classifier = replace(start.classifier, back_end="own", **change)
        candidate = replace(recipe, features=features, classifier=classifier)
        if candidate not in found:
            found.append(candidate)
    return found


def _row(trials: Sequence[Trial], candidate: Recipe, found: OutOfFold) -> dict[str, Any]:
    """Return one line of the table."""
    codes, groups = labels_and_groups(trials, found)
    weights = head_weights(found, codes, groups, candidate)
    given = found.fused(weights).argmax(axis=1)
    counts = confusion_matrix([found.labels[i] for i in codes], [found.labels[i] for i in given], found.labels)
    settings = {name: getattr(candidate.classifier, name) for name in ("kind", "covariance_type", "n_components")}
    settings |= {"n_pca": candidate.classifier.n_pca if candidate.classifier.kind == "blocks" else None}
    figures = {"balanced_accuracy": float(balanced_accuracy(counts)), "accuracy": float(accuracy(counts))}
    return {**settings, "back_end": candidate.classifier.back_end, **figures, "n": len(codes)}
