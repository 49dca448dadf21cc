"""Confidence intervals by bootstrap over groups: for another draw of artists or speakers.

Clips of one artist or speaker are alike, so groups are drawn and never clips. They are drawn within strata, the groups
that hold the same labels, so that no draw lacks a label; one fewer than there are, with weights that make up for it.
The standard deviation of the draws gives an interval by Student's t, for shares on the logit scale: it stays within
0..1 and is asymmetric for a share near 1. docs/decisions/0006-intervals.md has the simulation behind this choice.

References
----------
Rao, Wu, "Resampling inference with complex survey data", Journal of the American Statistical Association 83 (1988).
Field, Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B 69(3) (2007).
Korn, Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated from
survey data", Survey Methodology 24(2) (1998): exact bounds that count groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse, special

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.confusion import Floats, Margins, accuracy, balanced_accuracy, macro_f1

N_DRAWS = 2000
LEVEL = 0.95
# draws that differ by no more than rounding
UNMOVED = 1e-12
SCALES = ("linear", "log", "logit")
# of more labels the draws have no matrices, but their margins
MATRIX_LABELS = 30
# numbers held at a time
BLOCK = 200_000
# draws at a time at least: the cells of all clips are read once for them
LEAST_ROWS = 8

T = TypeVar("T")
Interval = tuple[float, float]


class Progress(Protocol):
    """Show the progress of a long loop: take its items, their number and what is being done, and yield the items on.

    An exception that it raises ends the loop.
    """

    def __call__(self, items: Iterable[T], total: int, doing: str, /) -> Iterable[T]:
        """Return the items, one after another."""


def silent(items: Iterable[T], _total: int, _doing: str, /) -> Iterable[T]:
    """Return the items as they are: a :class:`Progress` that shows nothing.

    Parameters
    ----------
    items : iterable
        What a loop runs over.

    Examples
    --------
    >>> list(silent([1, 2], 2, "bootstrap"))
    [1, 2]
    """
    return items


@dataclass(frozen=True)
class CountStatistic:
    """A share that is computed from confusion matrices.

    Parameters
    ----------
    function : callable
        From confusion matrices, shape (..., n_labels, n_labels), to shares, shape (...), 0..1.
    balanced : bool
        Whether every label weighs the same in it, or every clip.
    of_margins : callable or None
        The same from diagonal and margins, for more labels than have their matrices held.
    """

    function: Callable[[Floats], Floats]
    balanced: bool
    of_margins: Callable[[Margins], Floats] | None = None


COUNT_STATISTICS: Mapping[str, CountStatistic] = {
    "accuracy": CountStatistic(accuracy, balanced=False, of_margins=Margins.accuracy),
    "balanced_accuracy": CountStatistic(balanced_accuracy, balanced=True, of_margins=Margins.balanced_accuracy),
    "macro_f1": CountStatistic(macro_f1, balanced=True, of_margins=Margins.macro_f1),
}


@dataclass(frozen=True)
class Draws:
    """Bootstrap weights, held for groups: clips of one group have the same.

    Parameters
    ----------
    unit : ndarray, shape (n_clips,), int
        The group of every clip.
    times : ndarray, shape (n_draws, n_units), uint8 or uint16
        How often each group was drawn: of one byte, where none was drawn more than 255 times.
    factor : ndarray, shape (n_units,)
        What each time counts, >= 1: makes up for the one that was not drawn.
    degrees : int
        Degrees of freedom: groups minus strata; 0 with fewer than two groups, which have no interval.
    """

    unit: npt.NDArray[np.intp]
    times: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    factor: Floats
    degrees: int

    def clip_weights(self) -> Iterator[Floats]:
        """Yield the weights of the clips of one draw after another, each of shape (n_clips,)."""
        for row in self.times:
            yield (row * self.factor)[self.unit]

    def sums(self, cell: npt.ArrayLike, n_cells: int) -> Iterator[Floats]:
        """Yield the sum of the weights in every cell, some draws at a time, shape (some, n_cells).

        Parameters
        ----------
        cell : array_like of int, shape (n_clips,)
            The cell of every clip, such as that of a confusion matrix.
        n_cells : int
            Number of cells.
        """
        shape = len(self.factor), n_cells
        counts = sparse.csr_array((np.ones(len(self.unit)), (self.unit, np.asarray(cell))), shape=shape)
        n_rows = self._rows_at_once(n_cells)
        for start in range(0, len(self.times), n_rows):
            yield (self.times[start : start + n_rows] * self.factor) @ counts

    def n_blocks(self, n_cells: int) -> int:
        """Return the number of arrays that :meth:`sums` yields.

        Parameters
        ----------
        n_cells : int
            As for :meth:`sums`.
        """
        return -(-len(self.times) // self._rows_at_once(n_cells))

    def _rows_at_once(self, n_cells: int) -> int:
        """Return the number of draws whose sums are held at a time."""
        return max(LEAST_ROWS, BLOCK // max(len(self.factor), n_cells))


def draw_weights(true: Sequence[str], units: Sequence[str], rng: np.random.Generator, n_draws: int = N_DRAWS) -> Draws:
    """Return bootstrap weights of groups, drawn within strata (Rao and Wu's rescaled bootstrap).

    Of the m groups of a stratum m - 1 are drawn, with replacement, and each counts m / (m - 1) times: the variance of a
    mean is then the usual one with m - 1 below it, not m. The order of the clips changes nothing.

    Parameters
    ----------
    true, units : sequence of str
        True label and group of every clip (a clip predicted in several repeats stands several times).
    rng : numpy.random.Generator
        Draws the groups.
    n_draws : int
        >= 1.

    Raises
    ------
    SettingError
        If the lengths differ, or ``n_draws`` is below 1.

    References
    ----------
    Rao, Wu, "Resampling inference with complex survey data", Journal of the American Statistical Association 83 (1988).

    Examples
    --------
    >>> draws = draw_weights(["a", "a", "b", "b"], ["1", "2", "3", "4"], np.random.default_rng(1), n_draws=3)
    >>> [weights.tolist() for weights in draws.clip_weights()]
    [[2.0, 0.0, 0.0, 2.0], [0.0, 2.0, 2.0, 0.0], [0.0, 2.0, 2.0, 0.0]]
    """
    if len(true) != len(units):
        raise SettingError(f"{len(true)} labels and {len(units)} groups; expected one each for every clip")
    if n_draws < 1:
        raise SettingError(f"n_draws is {n_draws}; expected at least 1")
    numbers = {unit: i for i, unit in enumerate(sorted(set(units)))}
    unit = np.array([numbers[name] for name in units], dtype=np.intp)
    n_units = len(numbers)
    strata = _strata(true, unit, n_units)
    # groups are numbered stratum after stratum: each stratum's draws are written side by side
    rank = np.empty(n_units, dtype=np.intp)
    rank[[i for stratum in strata for i in stratum]] = np.arange(n_units)
    times: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] = np.ones((n_draws, n_units), dtype=np.uint8)
    factor = np.ones(n_units)
    start = 0
    for n in map(len, strata):
        if n > 1:
            for rows, drawn in _times(n, n_draws, rng):
                if drawn.max() > np.iinfo(times.dtype).max:
                    times = times.astype(np.uint16)
                times[rows, start : start + n] = drawn
            factor[start : start + n] = n / (n - 1)
        start += n
    return Draws(rank[unit], times, factor, degrees=n_units - len(strata))


def _strata(true: Sequence[str], unit: npt.NDArray[np.intp], n_units: int) -> list[list[int]]:
    """Return the groups of every stratum: those with the same set of labels.

    A group alone in its stratum says nothing about the variance between groups: such groups make one stratum together,
    and one that is left over joins the smallest of the others.
    """
    labels: list[set[str]] = [set() for _ in range(n_units)]
    for label, i in zip(true, unit.tolist(), strict=True):
        labels[i].add(label)
    alike: dict[tuple[str, ...], list[int]] = {}
    for i, unit_labels in enumerate(labels):
        alike.setdefault(tuple(sorted(unit_labels)), []).append(i)
    strata = sorted((members for _, members in sorted(alike.items()) if len(members) > 1), key=len)
    alone = [members[0] for _, members in sorted(alike.items()) if len(members) == 1]
    if len(alone) == 1 and strata:
        strata[0] = strata[0] + alone
    elif alone:
        strata.append(alone)
    return strata


def _times(n: int, n_draws: int, rng: np.random.Generator) -> Iterator[tuple[slice, npt.NDArray[np.intp]]]:
    """Yield some draws at a time, and how often each of ``n`` is among ``n - 1`` drawn with replacement, (some, n)."""
    n_rows = max(1, BLOCK // n)
    for start in range(0, n_draws, n_rows):
        rows = min(n_rows, n_draws - start)
        drawn = rng.integers(n, size=(rows, n - 1)) + n * np.arange(rows)[:, None]
        yield slice(start, start + rows), np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)


def bootstrap_intervals(
    true: Sequence[str],
    predicted: Sequence[str],
    units: Sequence[str],
    labels: Sequence[str],
    rng: np.random.Generator,
    statistics: Mapping[str, CountStatistic] = COUNT_STATISTICS,
    progress: Progress = silent,
) -> dict[str, Interval | None]:
    """Return 95 % intervals of shares of counts, such as accuracy, by the bootstrap over groups.

    They are for another draw of as many groups of each label. Where all groups are alike (all right, all wrong, all
    half right), the draws do not vary, and the interval is the exact binomial one for as many trials as there are
    groups (fewer where their sizes are uneven). A label with one group only is drawn with other such labels: the
    variance between its groups is unknown.

    Parameters
    ----------
    true, predicted, units : sequence of str
        Labels and group of every clip (a clip predicted in several repeats stands several times).
    labels : sequence of str
        All labels.
    rng : numpy.random.Generator
        Draws the groups.
    statistics : mapping of str to CountStatistic
        The shares. Default: ``accuracy``, ``balanced_accuracy`` and ``macro_f1``.
    progress : callable
        Shows progress, see :class:`Progress`.

    Returns
    -------
    dict
        Of each statistic: (low, high), 0..1; None with fewer than two groups.

    Raises
    ------
    SettingError
        If the lengths differ, or a label is unknown.

    References
    ----------
    Rao, Wu, "Resampling inference with complex survey data", Journal of the American Statistical Association 83 (1988).
    Korn, Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data", Survey Methodology 24(2) (1998).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true, predicted, units = ["a", "b"] * 8, ["a", "a"] * 8, [str(i // 2) for i in range(16)]
    >>> bootstrap_intervals(true, predicted, units, ["a", "b"], rng)["accuracy"]
    (0.157..., 0.842...)
    """
    cell = confusion_cells(true, predicted, labels)
    draws = draw_weights(true, units, rng, N_DRAWS)
    if draws.degrees < 1:
        return dict.fromkeys(statistics)
    shape = len(labels), len(labels)
    whole = np.bincount(cell, minlength=len(labels) ** 2).reshape(shape).astype(np.float64)
    drawn_values = _drawn(statistics, draws, cell, len(labels), progress)
    intervals: dict[str, Interval | None] = {}
    for name, statistic in statistics.items():
        value, drawn = float(statistic.function(whole)), drawn_values[name]
        if 0 < value < 1 and np.ptp(drawn) > UNMOVED:
            intervals[name] = t_interval(value, drawn, draws.degrees, "logit")
        else:
            n_groups = effective_groups(true, draws.unit, balanced=statistic.balanced)
            intervals[name] = exact_interval(value, n_groups)
    return intervals


def _drawn(
    statistics: Mapping[str, CountStatistic],
    draws: Draws,
    cell: npt.NDArray[np.intp],
    n_labels: int,
    progress: Progress,
) -> dict[str, Floats]:
    """Return each statistic of every draw, shape (n_draws,)."""
    n_cells, of_margins = n_labels**2, {name: each.of_margins for name, each in statistics.items()}
    rows: dict[str, list[Floats]] = {name: [] for name in statistics}
    if n_labels <= MATRIX_LABELS or None in of_margins.values():
        for sums in progress(draws.sums(cell, n_cells), draws.n_blocks(n_cells), "bootstrap"):
            for name, statistic in statistics.items():
                rows[name].append(statistic.function(sums.reshape(-1, n_labels, n_labels)))
    else:
        # matrices would be larger than the clips that they count
        for margins in progress(margins_of_draws(draws, cell, n_labels), draws.n_blocks(n_labels + 1), "bootstrap"):
            for name, function in of_margins.items():
                rows[name] += [] if function is None else [function(margins)]
    return {name: np.concatenate(values) for name, values in rows.items()}


def margins_of_draws(draws: Draws, cell: npt.NDArray[np.intp], n_labels: int) -> Iterator[Margins]:
    """Yield diagonal and margins of the confusion matrices of some draws at a time.

    Parameters
    ----------
    draws : Draws
        Weights of the clips.
    cell : ndarray, shape (n_clips,), int
        The cell of every clip, of :func:`confusion_cells`.
    n_labels : int
        Number of labels.

    Examples
    --------
    >>> draws = draw_weights(["a", "b"], ["1", "2"], np.random.default_rng(0), n_draws=5)
    >>> next(margins_of_draws(draws, np.array([0, 3]), 2)).hits.shape
    (5, 2)
    """
    true, predicted = np.divmod(cell, n_labels)
    # what is wrong goes to a column of its own
    columns = (np.where(true == predicted, true, n_labels), true, predicted)
    for sums in zip(*(draws.sums(column, n_labels + 1) for column in columns), strict=True):
        yield Margins(*(each[:, :n_labels] for each in sums))


def weighted_interval(
    statistic: Callable[[Floats], float],
    true: Sequence[str],
    units: Sequence[str],
    rng: np.random.Generator,
    n_draws: int = 500,
    scale: str = "linear",
    progress: Progress = silent,
) -> Interval | None:
    """Return the 95 % interval of any statistic of weighted clips, by the same draws of groups.

    Parameters
    ----------
    statistic : callable
        From weights of the clips, shape (n_clips,), >= 0, to a number; weights of 1 give its value.
    true, units : sequence of str
        True label and group of every clip.
    rng : numpy.random.Generator
        Draws the groups.
    n_draws : int
        >= 1.
    scale : {"linear", "log", "logit"}
        Where the interval is symmetric: ``log`` for what is positive (log-loss, Cllr), ``logit`` for what lies in 0..1.
    progress : callable
        Shows progress, see :class:`Progress`.

    Returns
    -------
    (float, float) or None
        None with fewer than two groups, where a draw or the value is not finite, where the value is not inside its
        scale (a log-loss of 0), and where the draws do not vary.

    Raises
    ------
    SettingError
        If the lengths differ, or a setting is outside its bounds.

    Examples
    --------
    >>> loss = np.array([0.1, 0.4, 0.2, 0.9])
    >>> def mean(weights):
    ...     return np.average(loss, weights=weights)
    >>> low, high = weighted_interval(mean, ["a"] * 4, ["1", "2", "3", "4"], np.random.default_rng(0), scale="log")
    >>> round(low, 2), round(high, 2)
    (0.1, 1.59)
    """
    if scale not in SCALES:
        raise SettingError(f"scale is {scale!r}; expected one of {', '.join(SCALES)}")
    draws = draw_weights(true, units, rng, n_draws)
    if draws.degrees < 1:
        return None
    value = float(statistic(np.ones(len(true))))
    weights = progress(draws.clip_weights(), n_draws, "bootstrap")
    drawn = np.array([float(statistic(w)) for w in weights])
    # groups that are all alike tell nothing about the variance between groups
    unmoved = np.isfinite(drawn).all() and np.ptp(drawn) <= UNMOVED
    return None if unmoved else t_interval(value, drawn, draws.degrees, scale)


def confusion_cells(true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the cell of each clip in the confusion matrix laid out row by row, shape (n_clips,).

    Parameters
    ----------
    true, predicted : sequence of str
        Labels of every clip.
    labels : sequence of str
        Order of rows and columns.

    Raises
    ------
    SettingError
        If the lengths differ, or a label is not among ``labels``.

    Examples
    --------
    >>> confusion_cells(["a", "b"], ["b", "b"], ["a", "b"])
    array([1, 3])
    """
    if len(true) != len(predicted):
        raise SettingError(f"{len(true)} true and {len(predicted)} predicted labels; expected one each for every clip")
    column = {label: i for i, label in enumerate(labels)}
    unknown = sorted((set(true) | set(predicted)) - set(column))
    if unknown:
        raise SettingError(f"label {unknown[0]!r} is not among {', '.join(labels)}")
    return np.array([column[t] * len(labels) + column[p] for t, p in zip(true, predicted, strict=True)], dtype=np.intp)


def t_interval(value: float, drawn: Floats, degrees: int, scale: str = "linear") -> Interval | None:
    """Return Student's 95 % interval about a value from the standard deviation of its draws, symmetric on a scale.

    Parameters
    ----------
    value : float
        The statistic of all clips.
    drawn : ndarray, shape (n_draws,)
        The same of every draw.
    degrees : int
        Degrees of freedom, >= 1.
    scale : {"linear", "log", "logit"}
        The standard deviation is converted by the slope at ``value``, so draws on the edge of the scale do no harm.

    Returns
    -------
    (float, float) or None
        Holds ``value``; None where a number is not finite, or ``value`` is not inside the scale.

    Examples
    --------
    >>> t_interval(0.5, np.array([0.4, 0.6]), 10)
    (0.27718611..., 0.72281388...)
    """
    top = {"linear": np.inf, "log": np.inf, "logit": 1.0}[scale]
    if not (np.isfinite(value) and np.isfinite(drawn).all()) or (scale != "linear" and not 0 < value < top):
        return None
    half = float(special.stdtrit(degrees, (1 + LEVEL) / 2)) * float(np.sqrt(np.mean((drawn - value) ** 2)))
    if scale == "linear":
        low, high = value - half, value + half
    elif scale == "log":
        low, high = value * np.exp(-half / value), value * np.exp(min(half / value, 700.0))
    else:
        centre, half = special.logit(value), half / (value * (1 - value))
        low, high = special.expit(centre - half), special.expit(centre + half)
    # the way to the scale and back may miss the value by its last bit
    return (min(float(low), value), max(float(high), value)) if np.isfinite([low, high]).all() else None


def exact_interval(share: float, n: float) -> Interval | None:
    """Return Clopper and Pearson's 95 % interval of a share, both ends 0..1.

    Parameters
    ----------
    share : float
        0..1, of ``n``, not always a whole number of them; None is returned for NaN.
    n : float
        Independent trials, > 0, not always a whole number.

    References
    ----------
    Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika
    26(4) (1934).

    Examples
    --------
    >>> exact_interval(1.0, 10)
    (0.69150289..., 1.0)
    """
    if np.isnan(share):
        return None
    tail, hits, misses = (1 - LEVEL) / 2, share * n, (1 - share) * n
    low = float(special.betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, misses, 1 - tail)) if misses > 0 else 1.0
    return low, high


def effective_groups(true: Sequence[str], unit: npt.NDArray[np.intp], *, balanced: bool) -> float:
    """Return the effective number of groups, 1..n_units: 1 / sum of their squared weights.

    Parameters
    ----------
    true : sequence of str
        True label of every clip, at least one.
    unit : ndarray, shape (n_clips,), int
        Its group.
    balanced : bool
        Whether every label weighs the same, or every clip.

    References
    ----------
    Kish, *Survey Sampling* (1965), section 11.7.

    Examples
    --------
    >>> effective_groups(["a", "a", "b", "b"], np.array([0, 1, 2, 2]), balanced=False)
    2.6666666666666665
    """
    column = {label: i for i, label in enumerate(sorted(set(true)))}
    label = np.array([column[name] for name in true])
    weights = 1 / (np.bincount(label)[label] * len(column)) if balanced else np.full(len(true), 1 / len(true))
    return float(1 / np.sum(np.bincount(unit, weights=weights) ** 2))
