"""Fitting a Gaussian mixture by expectation-maximisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import TINY, Mask, covariance_of
from gmmaudio.mixture.edit import split, take
from gmmaudio.mixture.gaussian import GaussianMixture, as_generator
from gmmaudio.mixture.init import INITS, SAMPLES, distinct_rows, start
from gmmaudio.mixture.parallel import Mapper, count_threads
from gmmaudio.mixture.product import log_joint_of
from gmmaudio.mixture.rows import (
    Frame,
    RowSource,
    Summary,
    check_weights,
    draw,
    first_distinct,
    read_again,
    summarise,
    whitening,
)
from gmmaudio.mixture.squarem import extrapolate
from gmmaudio.mixture.statistics import SufficientStats, maximise, sum_chunks


@dataclass(frozen=True)
class EMTrace:
    """What happened during a fit.

    Parameters
    ----------
    log_likelihoods : tuple of float
        Mean log density of a row, nats: of the start, then after every iteration. It never falls, except at
        iterations that ``reseeded`` names.
    converged : bool
        Whether the rise fell below ``tol`` before ``max_iter`` iterations.
    reseeded : tuple of (int, tuple of int)
        Iterations (counted from 1) at which components that had lost their rows were placed anew, and which.
    floored : tuple of int
        Components that rest on the variance floor in every direction at the end.
    n_components_asked, n_components : int
        Components asked for and kept; fewer are kept only where there are fewer distinct rows.
    floor_hits : tuple of int
        Variances (or eigenvalues) that rest on the floor: at the start, then after every iteration.
    rejected : int
        Extrapolations of SQUAREM that were taken back because the likelihood fell.
    """

    log_likelihoods: tuple[float, ...]
    converged: bool
    reseeded: tuple[tuple[int, tuple[int, ...]], ...]
    floored: tuple[int, ...]
    n_components_asked: int
    n_components: int
    floor_hits: tuple[int, ...] = ()
    rejected: int = 0

    @property
    def n_iter(self) -> int:
        """Number of iterations."""
        return len(self.log_likelihoods) - 1


@dataclass(frozen=True, eq=False)
class EMStep:
    """Where a fit stands, as its callback is told.

    Parameters
    ----------
    start : int
        Which of ``n_init`` starts, from 0.
    iteration : int
        Iterations done, from 0.
    log_likelihood : float
        Mean log density of a row under ``mixture``, nats.
    mixture : GaussianMixture
        The mixture as it is, in the units of the rows: what a checkpoint needs, since EM goes on from a mixture.
    """

    start: int
    iteration: int
    log_likelihood: float
    mixture: GaussianMixture


def fit_gmm(
    X: RowSource,
    n_components: int,
    *,
    weights: npt.ArrayLike | None = None,
    covariance_type: str = "diag",
    init: str | GaussianMixture = "kmeans",
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-4,
    variance_floor: float = 1e-3,
    accelerate: bool = False,
    rng: np.random.Generator | None = None,
    n_threads: int = 1,
    mapper: Mapper | None = None,
    callback: Callable[[EMStep], Any] | None = None,
) -> tuple[GaussianMixture, EMTrace]:
    """Return a Gaussian mixture fitted to rows by EM, and the trace of the fit.

    Rows are centred and scaled by their global mean and deviation first, so the result does not depend on units or
    offsets. Memory over the rows is a few chunks of 8,192: no matrix of rows by components ever exists. All sums run
    in a fixed order, so the same rows and seed give the same bits, however the rows are divided and for any number of
    threads.

    Parameters
    ----------
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows, at least one: an array, a memory map, a list of arrays or ``.npy`` files, or a function that returns an
        iterator over arrays, the same ones each time. NaN is a missing value; a row of nothing else is passed over.
        float32 rows are computed in float32 where that loses nothing that matters, all others in float64.
    n_components : int
        Components K, >= 1. Where there are fewer distinct rows, that many are kept and the trace says so.
    weights : array_like, shape (n,), optional
        Weight of each row, 0 or more; 2 counts a row twice. Whole numbers are counts of rows; of others, the median
        weight stands for one row where a component is asked whether it has any.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Shape of each component.
    init : {"kmeans", "hierarchical", "binary", "random"} or GaussianMixture
        Start: k-means++ and Lloyd's steps on at most 20,000 rows; Ward's agglomeration on at most 2,000; binary
        splitting on at most 20,000; rows drawn at random with the global variance; or a mixture to go on from.
    n_init : int
        Starts, >= 1; the fit with the highest likelihood is kept.
    max_iter : int
        Iterations at most, >= 0.
    tol : float
        Stop when an iteration raises the mean log density of a row by less than ``tol`` nats for each feature. 0 runs
        exactly ``max_iter`` iterations, extrapolations that are taken back among them.
    variance_floor : float
        Least variance (or eigenvalue) of a component, as a share of the global variance, 0..1. At 0 a share of 1e-10
        remains, for at zero variance the likelihood has no maximum.
    accelerate : bool
        Extrapolate after every second iteration (SQUAREM), and take it back where the likelihood would fall. It pays
        where EM creeps: many iterations, a small ``tol``.
    rng : numpy.random.Generator, optional
        Drives the start. Default: a fixed seed.
    n_threads : int
        Threads over chunks of rows; -1 is one for each core.
    mapper : callable, optional
        A map that keeps order, to run chunks in processes or on a cluster instead, such as ``Pool.imap``. How many
        chunks it holds at a time is its own affair.
    callback : callable, optional
        Called with an :class:`EMStep` for the start and after every iteration.

    Returns
    -------
    mixture : GaussianMixture
        In the units of ``X``.
    trace : EMTrace
        Likelihoods, convergence, re-seeded and floored components.

    Raises
    ------
    MixtureError
        If ``X`` holds no row, an infinite number or a column without a value, a given start does not fit it, or a
        column's deviation is above 1e152, so that its variance is beyond float64.
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39 (1977).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, (500, 1)) for m in (-5.0, 5.0)])
    >>> mixture, trace = fit_gmm(X, 2)
    >>> np.sort(mixture.means[:, 0]).round(0)
    array([-5.,  5.])
    >>> trace.converged
    True
    """
    check_settings(n_components, covariance_type, init, n_init, max_iter, tol, variance_floor)
    count_threads(n_threads)
    rng = as_generator(rng)
    for name, function in (("mapper", mapper), ("callback", callback)):
        if function is not None and not callable(function):
            raise SettingError(f"{name} is {function!r:.50}; expected a function, or None")
    k, floor = int(n_components), max(variance_floor, TINY)
    with one_thread():
        rows = _Rows.of(X, weights, covariance_type)
        distinct = first_distinct(X, rows.weights, k + 1)
        fits = []
        for i in range(n_init):
            if isinstance(init, GaussianMixture):
                first = rows.given(init, k, covariance_type, floor)
            else:
                first = rows.start(distinct[:k], covariance_type, init, floor, rng)
            tell = None if callback is None else rows.teller(callback, i)
            # where every different row has a component already, none can be better placed
            fit = _Fit(rows, floor, len(distinct) > k, n_threads, mapper, tell)
            fits.append(fit.run(first, max_iter, tol, accelerate))
        mixture, trace = max(fits, key=lambda fit: fit[1].log_likelihoods[-1])
        return rows.in_units(mixture), replace(trace, n_components_asked=k)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a fit, and the frame it runs in."""

    X: RowSource
    weights: npt.NDArray[np.float64] | None
    summary: Summary
    frame: Frame
    single: bool
    # the weight that stands for one row
    row: float

    @classmethod
    def of(cls, X: RowSource, weights: npt.ArrayLike | None, covariance_type: str) -> _Rows:
        """Return the rows of a source after two looks at them."""
        shares, row = _scaled_weights(weights)
        summary = summarise(X, shares)
        frame = whitening(X, shares, summary, alike=covariance_of(covariance_type).isotropic)
        rounded = frame.rounded() if summary.single else None
        return cls(X, shares, summary, rounded or frame, rounded is not None, row)

    def in_units(self, mixture: GaussianMixture) -> GaussianMixture:
        """Return a mixture of the frame in the units of the rows."""
        frame = self.frame
        # and not by the inverse of the frame, which would round twice
        return GaussianMixture(
            mixture.weights,
            mixture.means * frame.scale + frame.centre,
            covariance_of(mixture.covariance_type).rescale(mixture.covariances, frame.scale),
            mixture.covariance_type,
        )

    def statistics(self, mixture: GaussianMixture, n_threads: int, mapper: Mapper | None) -> SufficientStats:
        """Return the statistics of all rows under a mixture, both in the frame; likelihoods are in the rows' units."""
        parameters = (mixture.weights, mixture.means, mixture.covariances)
        joint = log_joint_of(mixture.covariance_type, [parameters], self.frame, self.single)
        chunks = read_again(self.X, self.weights, self.summary)
        return sum_chunks(joint, chunks, n_threads=n_threads, mapper=mapper)

    def start(
        self,
        distinct: npt.NDArray[np.floating],
        covariance_type: str,
        init: str,
        floor: float,
        rng: np.random.Generator,
    ) -> GaussianMixture:
        """Return a named start with as many components as there are ``distinct`` rows."""
        k = len(distinct)
        rows, weights = draw(self.X, self.weights, self.summary, max(SAMPLES[init], k), rng)
        sample, shares = distinct_rows(rows, weights, self.frame)
        if len(sample) < k:
            rows, weights = np.concatenate([rows, distinct]), np.append(weights, np.full(k, weights.mean()))
            sample, shares = distinct_rows(rows, weights, self.frame)
        # in distances every column counts alike, also where the fit's frame scales all by one number
        alike = covariance_of(covariance_type).isotropic
        frame = whitening(self.X, self.weights, self.summary) if alike else self.frame
        stretch = self.frame.scale / frame.scale
        return start(sample, shares, k, covariance_type, init, floor, rng, stretch)

    def given(self, init: GaussianMixture, n_components: int, covariance_type: str, floor: float) -> GaussianMixture:
        """Return a given start in the frame."""
        given = (init.n_components, init.covariance_type, init.n_features)
        asked = (n_components, covariance_type, len(self.frame.centre))
        if given != asked:
            raise MixtureError(
                f"the start given has (components, covariance, features) {given}; the fit was asked for {asked}"
            )
        local = init.transform(self.frame.centre, self.frame.scale)
        raised = covariance_of(covariance_type).raise_to(local.covariances, floor)
        return GaussianMixture(local.weights, local.means, raised, covariance_type)

    def teller(self, callback: Callable[[EMStep], Any], i: int) -> Callable[[int, float, GaussianMixture], None]:
        """Return a function that tells a callback where start ``i`` stands."""

        def tell(iteration: int, log_likelihood: float, mixture: GaussianMixture) -> None:
            callback(EMStep(i, iteration, log_likelihood, self.in_units(mixture)))

        return tell


@dataclass
class _Path:
    """What one run of EM remembers."""

    likelihoods: list[float] = field(default_factory=list)
    reseeded: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    floor_hits: list[int] = field(default_factory=list)
    rejected: int = 0
    # the mixtures since the last extrapolation
    recent: list[GaussianMixture] = field(default_factory=list)

    def rise(self) -> float:
        """Gain of the last iteration, or infinity where it means nothing."""
        fresh = self.reseeded and self.reseeded[-1][0] == len(self.likelihoods) - 1
        if len(self.likelihoods) < 2 or fresh:
            return np.inf
        return self.likelihoods[-1] - self.likelihoods[-2]


@dataclass(frozen=True, eq=False)
class _Fit:
    """One run of EM, in the frame of its rows."""

    rows: _Rows
    floor: float
    reseed: bool
    n_threads: int
    mapper: Mapper | None
    tell: Callable[[int, float, GaussianMixture], None] | None

    def run(
        self, mixture: GaussianMixture, max_iter: int, tol: float, accelerate: bool
    ) -> tuple[GaussianMixture, EMTrace]:
        """Return the mixture after EM from ``mixture``, in the frame, and its trace."""
        path, converged = _Path(), False
        # a component is placed anew once: one that loses its rows again has no better place
        settled = np.full(mixture.n_components, not self.reseed)
        leap: GaussianMixture | None = None
        for left in range(max_iter, -1, -1):
            stats = self.rows.statistics(leap or mixture, self.n_threads, self.mapper)
            # not (a >= b) is true of NaN too
            if leap is not None and not stats.mean_log_likelihood >= path.likelihoods[-1]:
                path.rejected, leap = path.rejected + 1, None
                continue
            leapt, mixture, leap = leap is not None, leap or mixture, None
            self._record(stats, mixture, path)
            # a leap that gains little says nothing of the steps of EM that follow it
            converged = path.rise() < tol * mixture.n_features and tol > 0 and not leapt
            if converged or left == 0:
                break
            path.recent.append(mixture)
            mixture = self._step(stats, mixture, path, settled, last=left == 1)
            # a leap that is taken back needs an iteration after it
            if accelerate and left > 2:
                leap = self._leap(path, mixture)
        return mixture, self._trace(mixture, path, converged)

    def _record(self, stats: SufficientStats, mixture: GaussianMixture, path: _Path) -> None:
        """Remember how a mixture does, and tell."""
        covariance = covariance_of(mixture.covariance_type)
        path.likelihoods.append(stats.mean_log_likelihood)
        path.floor_hits.append(covariance.on_floor(mixture.covariances, self.floor, mixture.n_components)[0])
        if self.tell is not None:
            self.tell(len(path.likelihoods) - 1, path.likelihoods[-1], mixture)

    def _step(
        self, stats: SufficientStats, mixture: GaussianMixture, path: _Path, settled: Mask, *, last: bool
    ) -> GaussianMixture:
        """Return the mixture after an M-step, with components that lost their rows placed anew."""
        mixture = maximise(stats, mixture, floor=self.floor)
        covariance = covariance_of(mixture.covariance_type)
        _, floored = covariance.on_floor(mixture.covariances, self.floor, mixture.n_components)
        lost = np.flatnonzero(_lost(stats, floored, self.rows.row) & ~settled)
        if len(lost) and not last:
            settled[lost] = True
            mixture = _reseed(mixture, lost, self.floor)
            path.reseeded.append((len(path.likelihoods), tuple(int(k) for k in lost)))
            path.recent.clear()
        return mixture

    def _leap(self, path: _Path, mixture: GaussianMixture) -> GaussianMixture | None:
        """Return where the last two steps lead, or None where there are not two of them."""
        if len(path.recent) < 2:
            return None
        leap = extrapolate(path.recent[-2], path.recent[-1], mixture, self.floor)
        path.recent.clear()
        return leap

    def _trace(self, mixture: GaussianMixture, path: _Path, converged: bool) -> EMTrace:
        covariance = covariance_of(mixture.covariance_type)
        _, floored = covariance.on_floor(mixture.covariances, self.floor, mixture.n_components)
        return EMTrace(
            log_likelihoods=tuple(path.likelihoods),
            converged=converged,
            reseeded=tuple(path.reseeded),
            floored=tuple(int(k) for k in np.flatnonzero(floored)),
            n_components_asked=mixture.n_components,
            n_components=mixture.n_components,
            floor_hits=tuple(path.floor_hits),
            rejected=path.rejected,
        )


def _scaled_weights(weights: npt.ArrayLike | None) -> tuple[npt.NDArray[np.float64] | None, float]:
    """Return weights whose sums and squares are numbers, and the weight that stands for one row.

    A row weighs 1 where weights are counts, and as the median of the others. Scaled by a power of two, weights keep
    their digits.
    """
    if weights is None:
        return None, 1.0
    shares = check_weights(weights)
    counts = (shares == np.round(shares)).all()
    row = 1.0 if counts else float(np.median(shares[shares > 0]))
    power = 1 - int(np.frexp(shares.max(initial=0.0))[1])
    return np.ldexp(shares, power), float(np.ldexp(row, power))


def _lost(stats: SufficientStats, floored: Mask, row: float) -> Mask:
    """Return which components answer for less than half a row, or sit on a single one."""
    lost: Mask = (stats.n < 0.5 * row) | (floored & (stats.n < 1.5 * row))
    # with fewer than two rows for each component, a single one is a fair share
    return lost & (stats.n_rows > 2 * len(stats.n) * row)


def _reseed(mixture: GaussianMixture, lost: npt.NDArray[np.intp], floor: float) -> GaussianMixture:
    """Return the mixture with each lost component placed beside a heavy one, which is split in two."""
    kept = np.setdiff1d(np.arange(mixture.n_components), lost)
    whole = take(split(take(mixture, kept), mixture.n_components), np.argsort(np.append(kept, lost)))
    # halves are narrower than what they came from
    raised = covariance_of(whole.covariance_type).raise_to(whole.covariances, floor)
    return GaussianMixture(whole.weights, whole.means, raised, whole.covariance_type)


def check_settings(
    n_components: int,
    covariance_type: str,
    init: str | GaussianMixture,
    n_init: int,
    max_iter: int,
    tol: float,
    variance_floor: float,
) -> None:
    """Raise SettingError where a setting of :func:`fit_gmm` is outside its bounds.

    Examples
    --------
    >>> check_settings(8, "diag", "kmeans", 1, 100, 1e-4, 1e-3)
    """
    covariance_of(covariance_type)
    if not isinstance(init, GaussianMixture) and not (isinstance(init, str) and init in INITS):
        raise SettingError(f"init is {init!r}; expected one of {', '.join(INITS)}, or a GaussianMixture")
    for name, value, least in (
        ("n_components", n_components, 1),
        ("n_init", n_init, 1),
        ("max_iter", max_iter, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise SettingError(f"{name} is {value}; expected a whole number, {least} or more")
    if not isinstance(tol, int | float | np.number) or not 0 <= tol < np.inf:
        raise SettingError(f"tol is {tol}; expected 0 or more")
    if not isinstance(variance_floor, int | float | np.number) or not 0 <= variance_floor <= 1:
        raise SettingError(f"variance_floor is {variance_floor}; expected a share of the global variance, 0 to 1")
