"""Paired comparison of two systems on the same clips: differences, their intervals and tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from gmmaudio.arrays import as_numbers
from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import Counts, Floats, accuracy, balanced_accuracy
from gmmaudio.evaluation.intervals import (
    MATRIX_LABELS,
    UNMOVED,
    Draws,
    Interval,
    Progress,
    confusion_cells,
    draw_weights,
    effective_groups,
    exact_interval,
    margins_of_draws,
    silent,
    t_interval,
)

N_DRAWS = 2000
# additions up to which the distribution of the permutation test is built group by group
PLAIN_ADDITIONS = 4_000_000


@dataclass(frozen=True)
class ChangedClip:
    """A clip for which the two systems predicted different labels.

    Parameters
    ----------
    name : str
        Of the clip.
    repeat : int
        The repeat, from 0.
    label : str
        True label.
    predicted_a, predicted_b : str
        Labels that A and B predicted.
    """

    name: str
    repeat: int
    label: str
    predicted_a: str
    predicted_b: str

    @property
    def became(self) -> str:
        """``wrong`` where only A is correct, ``right`` where only B is, ``wrong otherwise`` where neither is."""
        if self.predicted_a == self.label:
            return "wrong"
        return "right" if self.predicted_b == self.label else "wrong otherwise"


@dataclass(frozen=True)
class Comparison:
    """Two systems, A and B, on the same clips. Differences are B minus A.

    Parameters
    ----------
    n, n_groups, n_repeats : int
        Different clips, what the intervals are drawn over, and predictions of every clip.
    accuracy_a, accuracy_b, balanced_accuracy_a, balanced_accuracy_b : float
        0..1, over all repeats.
    difference, balanced_difference : float
        Of the accuracies and of the balanced accuracies, -1..1.
    interval, balanced_interval : (float, float) or None
        Their 95 % intervals, paired: the same draws of groups for both systems. None with fewer than two groups.
    only_a_right, only_b_right : int
        Clips of the first repeat that only one system classified correctly.
    mcnemar_p : float
        Exact McNemar test of these two counts. It takes clips as independent, which clips of one artist or speaker are
        not: where groups exist, trust ``permutation_p``.
    permutation_p : float
        Exact group-level permutation test: A and B are swapped in whole groups, over all repeats.
    changed : tuple of ChangedClip
        Clips that became wrong, then those that became right, then those that are wrong otherwise; each by name.
    """

    n: int
    n_groups: int
    n_repeats: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    interval: Interval | None
    balanced_accuracy_a: float
    balanced_accuracy_b: float
    balanced_difference: float
    balanced_interval: Interval | None
    only_a_right: int
    only_b_right: int
    mcnemar_p: float
    permutation_p: float
    changed: tuple[ChangedClip, ...]

    @property
    def headline(self) -> str:
        """The better system by accuracy, the difference, and whether its interval holds 0."""
        better = self.difference > 0
        sign = 1 if better else -1
        what = f"{'B' if better else 'A'} is better by {100 * abs(self.difference):.1f} percentage points"
        if self.difference == 0:
            sign, what = 1, "A and B are equally accurate"
        if self.interval is None:
            return f"{what} (no interval: one group only): these clips do not tell which is better"
        low, high = sorted(100 * sign * end for end in self.interval)
        between = f"95 % interval {low + 0.0:.1f} to {high + 0.0:.1f}"
        if low <= 0 <= high:
            return f"{what} ({between}): the interval holds 0, so these clips do not tell which is better"
        return f"{what} ({between}): the interval does not hold 0"


def compare(
    names: Sequence[str],
    true: Sequence[str],
    units: Sequence[str],
    predicted_a: Sequence[str],
    predicted_b: Sequence[str],
    repeats: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Return the paired comparison of two systems on the same clips; swapping them turns every sign.

    Parameters
    ----------
    names, true, units : sequence of str
        Name, true label and group of every clip, at least one; a clip predicted in several repeats stands several
        times.
    predicted_a, predicted_b : sequence of str
        What each system predicted.
    repeats : sequence of int, optional
        The repeat of every prediction. Default: all of one.
    progress : callable
        Shows the progress of bootstrap and permutation test, see :class:`gmmaudio.evaluation.intervals.Progress`.

    Raises
    ------
    SettingError
        If there are no clips, the lengths differ, or a clip occurs twice in one repeat.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947).

    Examples
    --------
    >>> comparison = compare("abcdef", "xxxyyy", "112233", "xxyyyx", "xxxyyy")
    >>> comparison.headline
    'B is better by 33.3 percentage points (95 % interval -38.3 to 100.0): the interval holds 0, so these clips ...'
    >>> comparison.only_a_right, comparison.only_b_right, comparison.mcnemar_p, comparison.permutation_p
    (0, 2, 0.5, 0.5)
    """
    runs = [0] * len(names) if repeats is None else list(repeats)
    _check(names, true, units, predicted_a, predicted_b, runs)
    right = np.array([[p == t for p, t in zip(side, true, strict=True)] for side in (predicted_a, predicted_b)])
    first = np.array(runs) == min(runs)
    only_a, only_b = int((right[0] & ~right[1])[first].sum()), int((right[1] & ~right[0])[first].sum())
    labels = sorted({*true, *predicted_a, *predicted_b})
    cells = [confusion_cells(true, side, labels) for side in (predicted_a, predicted_b)]
    # a fixed seed: the same predictions have the same interval
    draws = draw_weights(true, units, np.random.default_rng(0), N_DRAWS)
    metrics = np.array([_accuracies(np.bincount(c, minlength=len(labels) ** 2), len(labels)) for c in cells])
    intervals = _paired_intervals(true, draws, cells, metrics, len(labels), progress)
    steps = right[1].astype(np.int64) - right[0]
    return Comparison(
        n=len(set(names)),
        n_groups=len(draws.factor),
        n_repeats=len(set(runs)),
        accuracy_a=float(metrics[0, 0]),
        accuracy_b=float(metrics[1, 0]),
        difference=float(metrics[1, 0] - metrics[0, 0]),
        interval=intervals[0],
        balanced_accuracy_a=float(metrics[0, 1]),
        balanced_accuracy_b=float(metrics[1, 1]),
        balanced_difference=float(metrics[1, 1] - metrics[0, 1]),
        balanced_interval=intervals[1],
        only_a_right=only_a,
        only_b_right=only_b,
        mcnemar_p=mcnemar_p(only_a, only_b),
        permutation_p=permutation_p(np.bincount(draws.unit, weights=steps).astype(np.int64), progress),
        changed=_changed(names, runs, true, predicted_a, predicted_b),
    )


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the two-sided p-value of the exact McNemar test; 1 where nothing differs.

    It takes clips as independent.

    Parameters
    ----------
    only_a, only_b : int
        Clips that only one system classified correctly.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947).

    Examples
    --------
    >>> round(mcnemar_p(1, 9), 4)
    0.0215
    """
    return min(1.0, 2 * float(special.bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def permutation_p(differences: npt.ArrayLike, progress: Progress = silent) -> float:
    """Return the two-sided p-value of the exact group-level permutation test, which swaps the systems in whole groups.

    It is the share of all swaps whose sum is as far from 0 as the observed one. The sums are whole numbers, so that
    their distribution is computed without listing the swaps: group by group, or for many groups by a Fourier transform,
    to a relative error below 1e-8. For groups of one clip it is
    McNemar's.

    Parameters
    ----------
    differences : array_like of int, shape (n_groups,)
        Clips that B classified correctly minus those that A did, of every group.
    progress : callable
        Shows progress, see :class:`gmmaudio.evaluation.intervals.Progress`.

    Raises
    ------
    SettingError
        If the differences are no real numbers, or some are masked.

    References
    ----------
    Fisher, *The Design of Experiments* (1935), section 21. Pagano, Tritchler, "On obtaining permutation distributions
    in polynomial time", Journal of the American Statistical Association 78 (1983).

    Examples
    --------
    >>> permutation_p([1, 2, 3])
    0.25
    """
    signed = as_numbers(differences, "differences must be whole numbers", SettingError).astype(np.int64)
    steps = np.sort(np.abs(signed[signed != 0]))
    observed, total = abs(int(signed.sum())), int(steps.sum())
    if len(steps) * total <= PLAIN_ADDITIONS:
        return min(1.0, _p_by_adding(steps, observed, progress))
    if observed == 0:
        return 1.0
    if observed == total:
        return float(np.ldexp(1.0, 1 - len(steps)))
    return min(1.0, _p_by_transform(steps, observed, progress))


def _p_by_adding(steps: Counts, observed: int, progress: Progress) -> float:
    """Return the share of swaps of sorted steps whose sum is as far from 0, by building the distribution of the sums.

    The time grows with the number of steps times their sum.
    """
    total = int(steps.sum())
    # share[s]: swaps in which the groups that favour B make s together; the others then make total - s for A
    share = np.zeros(total + 1)
    share[0] = 1.0
    reaches = zip(steps.tolist(), np.cumsum(steps).tolist(), strict=True)
    for step, reach in progress(reaches, len(steps), "permutation test"):
        share[step : reach + 1] += share[: reach + 1 - step]
        share[: reach + 1] /= 2
    as_far = np.abs(2 * np.arange(total + 1) - total) >= observed
    return float(share[as_far].sum())


def _p_by_transform(steps: Counts, observed: int, progress: Progress) -> float:
    """Return the same as :func:`_p_by_adding`, by a Fourier transform; ``observed`` is not 0 and not the sum of steps.

    The steps are weighted by an exponential tilt that makes the observed sum the expected one, so that its probability
    is far above rounding errors, however small it is without the tilt. The time grows with the sum of the steps, times
    the number of different ones.

    References
    ----------
    Keich, "sFFT: a faster accurate computation of the p-value of the entropy score", Journal of Computational Biology
    12(4) (2005): the exponential shift.
    """
    sizes, counts = np.unique(steps, return_counts=True)
    total = int(steps.sum())
    least = (total + observed + 1) // 2
    tilt = _tilt(sizes, counts, least)
    turn = np.exp(-2j * np.pi * np.arange(total // 2 + 1) / (total + 1))
    transform = np.ones(len(turn), dtype=np.complex128)
    pairs = zip(sizes.tolist(), counts.tolist(), strict=True)
    for size, count in progress(pairs, len(sizes), "permutation test"):
        chosen = special.expit(tilt * size)
        transform *= (1 - chosen + chosen * turn**size) ** count
    tilted = np.fft.irfft(transform, total + 1)[least:]
    log_scale = float(counts @ (np.logaddexp(0.0, tilt * sizes) - np.log(2.0)))
    # the two tails are alike
    return 2 * float(tilted @ np.exp(log_scale - tilt * np.arange(least, total + 1)))


def _tilt(sizes: Counts, counts: Counts, expected: int) -> float:
    """Return the exponential tilt under which the steps have this expected sum: above half of their sum, below all."""

    def sum_under(tilt: float) -> float:
        return float((counts * sizes) @ special.expit(tilt * sizes))

    low, high = 0.0, 1.0
    while sum_under(high) < expected:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sum_under(middle) < expected else (low, middle)
    return low


def _check(names: Sequence[str], *others: Sequence[str] | Sequence[int]) -> None:
    """Raise SettingError where there is nothing to compare, or a clip occurs twice."""
    if not names:
        raise SettingError("no clips; there is nothing to compare")
    lengths = {len(names), *map(len, others)}
    if len(lengths) > 1:
        raise SettingError(f"sequences of {min(lengths)} to {max(lengths)} items; expected one each for every clip")
    seen = set()
    for key in zip(names, others[-1], strict=True):
        if key in seen:
            raise SettingError(f"clip {key[0]!r} occurs twice in repeat {key[1]}; expected it once")
        seen.add(key)


def _accuracies(sums: npt.ArrayLike, n_labels: int) -> Floats:
    """Return accuracy and balanced accuracy, shape (..., 2), of confusion matrices laid out in rows."""
    rows = np.asarray(sums, dtype=np.float64)
    matrices = rows.reshape(*rows.shape[:-1], n_labels, n_labels)
    return np.stack([accuracy(matrices), balanced_accuracy(matrices)], axis=-1)


def _drawn_accuracies(draws: Draws, cell: npt.NDArray[np.intp], n_labels: int) -> Iterator[Floats]:
    """Yield accuracy and balanced accuracy, shape (some, 2), of some draws at a time."""
    if n_labels <= MATRIX_LABELS:
        yield from (_accuracies(sums, n_labels) for sums in draws.sums(cell, n_labels**2))
    else:
        for margins in margins_of_draws(draws, cell, n_labels):
            yield np.stack([margins.accuracy(), margins.balanced_accuracy()], axis=-1)


def _paired_intervals(
    true: Sequence[str],
    draws: Draws,
    cells: Sequence[npt.NDArray[np.intp]],
    metrics: Floats,
    n_labels: int,
    progress: Progress,
) -> list[Interval | None]:
    """Return the intervals of the differences of accuracy and balanced accuracy.

    Where the difference is the same in every group the draws do not vary: then at most a share q of other groups
    differs from these, by the exact bound, and the difference lies within what they could change.
    """
    if draws.degrees < 1:
        return [None, None]
    both = zip(*(_drawn_accuracies(draws, cell, n_labels) for cell in cells), strict=True)
    n_cells = n_labels**2 if n_labels <= MATRIX_LABELS else n_labels + 1
    blocks = progress(both, draws.n_blocks(n_cells), "bootstrap")
    drawn = np.concatenate([b - a for a, b in blocks])
    intervals: list[Interval | None] = []
    for i, balanced in enumerate((False, True)):
        step = float(metrics[1, i] - metrics[0, i])
        if np.ptp(drawn[:, i]) <= UNMOVED:
            pair = exact_interval(0.0, effective_groups(true, draws.unit, balanced=balanced)) or (0.0, 1.0)
            intervals.append((step - pair[1] * (step + 1), step + pair[1] * (1 - step)))
            continue
        interval = t_interval(step, drawn[:, i], draws.degrees)
        intervals.append(None if interval is None else (max(interval[0], -1.0), min(interval[1], 1.0)))
    return intervals


def _changed(
    names: Sequence[str],
    repeats: Sequence[int],
    true: Sequence[str],
    predicted_a: Sequence[str],
    predicted_b: Sequence[str],
) -> tuple[ChangedClip, ...]:
    """Return the clips whose label changed: became wrong, became right, wrong otherwise."""
    clips = map(ChangedClip, names, repeats, true, predicted_a, predicted_b)
    order = ("wrong", "right", "wrong otherwise")
    changed = [clip for clip in clips if clip.predicted_a != clip.predicted_b]
    return tuple(sorted(changed, key=lambda clip: (order.index(clip.became), clip.name, clip.repeat)))
