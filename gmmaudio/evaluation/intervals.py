"""Intervals by bootstrap over groups: what another draw of artists or speakers would have given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmmaudio.evaluation.metrics import Counts, accuracy, balanced_accuracy, confusion_matrix

N_DRAWS = 2000
LEVEL = 0.95


def bootstrap_intervals(
    true: Sequence[str],
    predicted: Sequence[str],
    groups: Sequence[str],
    labels: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, tuple[float, float] | None]:
    """Return 95 % intervals of accuracy and balanced accuracy, by the percentile bootstrap over groups.

    Groups are drawn, never clips: clips of one artist or speaker are alike, and drawing them singly would claim a
    precision that is not there.

    Parameters
    ----------
    true, predicted, groups : sequence of str
        One each for every clip (a clip predicted in several repeats stands several times).
    labels : sequence of str
        All labels.
    rng : numpy.random.Generator
        Draws the groups.

    Returns
    -------
    dict
        ``accuracy`` and ``balanced_accuracy``: (low, high), 0..1; None with fewer than two groups.

    References
    ----------
    Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13. Field and Welsh, "Bootstrapping
    clustered data", JRSS B 69 (2007).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = bootstrap_intervals(["a", "b"] * 8, ["a", "a"] * 8, [str(i // 2) for i in range(16)], ["a", "b"], rng)
    >>> found["accuracy"]
    (0.5, 0.5)
    """
    counts = _counts_of_groups(true, predicted, groups, labels)
    n_groups = len(counts)
    if n_groups < 2:
        return {"accuracy": None, "balanced_accuracy": None}
    figures = np.empty((N_DRAWS, 2))
    flat = counts.reshape(n_groups, -1).astype(np.float64)
    for i in range(N_DRAWS):
        times = np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
        drawn = (times @ flat).reshape(counts.shape[1:])
        figures[i] = accuracy(drawn), balanced_accuracy(drawn)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(figures, [tail, 1 - tail], axis=0)
    return {
        "accuracy": (float(low[0]), float(high[0])),
        "balanced_accuracy": (float(low[1]), float(high[1])),
    }


def _counts_of_groups(
    true: Sequence[str], predicted: Sequence[str], groups: Sequence[str], labels: Sequence[str]
) -> Counts:
    """Return each group's confusion matrix, shape (n_groups, n_labels, n_labels)."""
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    return np.array(
        [
            confusion_matrix([true[i] for i in own], [predicted[i] for i in own], labels)
            for _, own in sorted(members.items())
        ]
    )
