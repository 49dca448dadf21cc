"""The weights by which the scores of several heads are added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmmaudio.models.calibration import (
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
from gmmaudio.models.linear_algebra import Array, Codes
from gmmaudio.models.recipe import Recipe


def equal_mean(scores: Array, codes: Codes, groups: Sequence[str]) -> tuple[float, ...]:
    """Return the weight of each head by which their log-probabilities, each at its own temperature, are averaged.

    A head whose scores never differ has a weight of 0.

    Parameters
    ----------
    scores : ndarray, shape (n_heads, n, n_labels)
        Out-of-fold scores.
    codes : ndarray, shape (n,), int
        True label of every clip, as a column.
    groups : sequence of str
        Group of every clip.

    Examples
    --------
    >>> scores = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 0.0]])
    >>> one, other = equal_mean(np.stack([scores, 10 * scores]), np.array([0, 1, 0, 1]), list("abcd"))
    >>> round(one / other, 3)
    10.0
    """
    scales = [fit_calibration(s, codes, groups, method="temperature").scale * (typical_gap(s) > 0) for s in scores]
    # where no head's scores ever differ, any weights are as good
    return tuple(scale / len(scores) for scale in scales) if any(scales) else (1.0 / len(scores),) * len(scores)


def trained_weights(scores: Array, codes: Codes, groups: Sequence[str]) -> tuple[float, ...]:
    """Return the weights of heads, 0 or more, by which the softmax of the weighted sum has the lowest log-loss.

    Parameters
    ----------
    scores : ndarray, shape (n_heads, n, n_labels)
        Out-of-fold scores.
    codes : ndarray, shape (n,), int
        True label of every clip, as a column.
    groups : sequence of str
        Group of every clip.

    Examples
    --------
    >>> scores = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 0.0]])
    >>> weights = trained_weights(np.stack([scores, np.zeros((4, 2))]), np.array([0, 1, 0, 1]), list("abcd"))
    >>> weights[0] > 0, weights[1]
    (True, 0.0)
    """
    from scipy.optimize import minimize

    start = np.array(equal_mean(scores, codes, groups))
    # a label that is impossible for one head is so for all
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
        errors = weights[:, None] * (softmax(logits) - targets)
        return cross_entropy(logits, targets, weights), np.tensordot(finite, errors, axes=2)

    best = minimize(cost, np.ones(len(scores)), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(scores)).x
    return tuple(float(weight) for weight in best * start)


def head_weights(out_of_fold: OutOfFold, codes: Codes, groups: Sequence[str], recipe: Recipe) -> tuple[float, ...]:
    """Return the weight of each head: 1 where there is one, else by the recipe's back end.

    Parameters
    ----------
    out_of_fold : OutOfFold
        Scores to learn from.
    codes, groups
        Result of :func:`gmmaudio.models.inner_folds.labels_and_groups`.
    recipe : Recipe
        Settings.
    """
    fusion = recipe.kind_settings.fusion
    if fusion is None:
        return (1.0,)
    scores_by_head = out_of_fold.scores.swapaxes(0, 1)
    return (trained_weights if fusion == "trained" else equal_mean)(scores_by_head, codes, groups)
