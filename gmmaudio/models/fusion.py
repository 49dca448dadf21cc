"""The weights by which the scores of several heads are added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmmaudio.models.calibration import (
    Codes,
    clip_weights,
    cross_entropy,
    fit_calibration,
    shifted_scores,
    smoothed_targets,
    softmax,
    typical_gap,
    usable_clips,
)
from gmmaudio.models.inner_folds import OutOfFold
from gmmaudio.models.linear_algebra import Array
from gmmaudio.models.recipe import Recipe


def equal_mean(scores: Array, codes: Codes, groups: Sequence[str]) -> tuple[float, ...]:
    """Return the weight of each member by which their log-probabilities, each at its own temperature, are averaged.

    A member whose scores never differ has a weight of 0.

    Parameters
    ----------
    scores : ndarray, shape (n_members, n, n_labels)
        Out-of-fold scores.
    codes, groups
        As for :func:`fit_calibration`.

    Examples
    --------
    >>> scores = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 0.0]])
    >>> one, other = equal_mean(np.stack([scores, 10 * scores]), np.array([0, 1, 0, 1]), list("abcd"))
    >>> round(one / other, 3)
    10.0
    """
    scales = [fit_calibration(s, codes, groups, method="temperature").scale * (typical_gap(s) > 0) for s in scores]
    # of members that never differ any weights are as good
    return tuple(scale / len(scores) for scale in scales) if any(scales) else (1.0 / len(scores),) * len(scores)


def trained_weights(scores: Array, codes: Codes, groups: Sequence[str]) -> tuple[float, ...]:
    """Return the weights of members, 0 or more, by which the softmax of the weighted sum has the least log-loss.

    Parameters
    ----------
    scores : ndarray, shape (n_members, n, n_labels)
        Out-of-fold scores.
    codes, groups
        As for :func:`fit_calibration`.
    """
    from scipy.optimize import minimize

    start = np.array(equal_mean(scores, codes, groups))
    # a label that is impossible for one member is so for all
    barred = np.where(np.isneginf(scores).any(axis=0), -np.inf, 0.0)
    usable, kept_codes, kept_groups = usable_clips(barred, codes, groups)
    kept = np.isfinite(barred[np.arange(len(barred)), codes])
    gaps = np.stack([shifted_scores(s + barred) for s in scores])[:, kept] * start[:, None, None]
    finite = np.where(np.isfinite(gaps), gaps, 0.0)
    # the wrong answer is the runner-up of the equal mean: one that does not change with the weights
    targets = smoothed_targets(finite.sum(axis=0) + usable, kept_codes)
    weights = clip_weights(kept_codes, kept_groups)

    def cost(x: Array) -> tuple[float, Array]:
        logits = np.tensordot(x, finite, axes=1) + usable
        wrong = weights[:, None] * (softmax(logits) - targets)
        return cross_entropy(logits, targets, weights), np.tensordot(finite, wrong, axes=2)

    best = minimize(cost, np.ones(len(scores)), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(scores)).x
    return tuple(float(weight) for weight in best * start)


def head_weights(
    found: OutOfFold, codes: npt.NDArray[np.intp], groups: Sequence[str], recipe: Recipe
) -> tuple[float, ...]:
    """Return the weight of each head: 1 where there is one, else what the recipe's back end says.

    Parameters
    ----------
    found : OutOfFold
        Scores to learn from.
    codes, groups
        What :func:`labels_and_groups` gave.
    recipe : Recipe
        Settings.
    """
    if recipe.kind_settings.fusion is None:
        return (1.0,)
    members = found.scores.swapaxes(0, 1)
    return (trained_weights if recipe.kind_settings.fusion == "trained" else equal_mean)(members, codes, groups)
