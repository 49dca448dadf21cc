"""Fitting a Gaussian mixture by expectation-maximisation.

The rows are whitened in ``fit_rows``; the E-step and the M-step are in ``statistics``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import Checkpoints, one_thread
from gmmaudio.errors import SettingError
from gmmaudio.mixture.components import split, take
from gmmaudio.mixture.covariance import MIN_VARIANCE_SHARE, Mask, covariance_of
from gmmaudio.mixture.em_trace import EMTrace
from gmmaudio.mixture.fit_rows import FitRows
from gmmaudio.mixture.gaussian import GaussianMixture, as_generator
from gmmaudio.mixture.init import INITS, load_clustering
from gmmaudio.mixture.parallel import Mapper, count_threads
from gmmaudio.mixture.replay import Replay
from gmmaudio.mixture.rows import first_distinct_rows
from gmmaudio.mixture.sources import RowSource
from gmmaudio.mixture.squarem import extrapolate
from gmmaudio.mixture.statistics import SufficientStats, maximise
from gmmaudio.values import checked

# A function of iteration, mean log likelihood and mixture of whitened rows.
Report = Callable[[int, float, GaussianMixture], None]


@dataclass(frozen=True, eq=False)
class EMStep:
    """The state of a fit, which :func:`fit_gmm` passes to its callback.

    Parameters
    ----------
    start : int
        Index of the start, 0 to ``n_init - 1``.
    iteration : int
        Number of iterations done, from 0. It goes back where re-seeding is taken back, or another is tried.
    log_likelihood : float
        Mean log density of a row under ``mixture``, nats.
    mixture : GaussianMixture
        The current mixture, in the units of the rows. It is a checkpoint: pass it as ``init`` to continue the fit.

    Examples
    --------
    >>> steps = []
    >>> _ = fit_gmm([[-1.0], [1.0]], 1, callback=steps.append)
    >>> [(step.start, step.iteration, round(step.log_likelihood, 4)) for step in steps]
    [(0, 0, -1.4189), (0, 1, -1.4189)]
    """

    start: int
    iteration: int
    log_likelihood: float
    mixture: GaussianMixture


@checked
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
    checkpoints: Checkpoints | None = None,
) -> tuple[GaussianMixture, EMTrace]:
    """Return a Gaussian mixture fitted to rows by EM, and the trace of the fit.

    Rows are centred and scaled by their global mean and standard deviation first, so the result does not depend on
    units or offsets; where a few far rows stretch a column, by those of the others. Memory beyond the rows is a few
    chunks of 8,192 rows, and at most 64 MiB for rows in these coordinates, kept between iterations: no matrix of rows
    by components is ever held. All sums run in a fixed order, so the same rows and seed give bit-identical results,
    however the rows are divided and for any number of threads.

    Parameters
    ----------
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows, at least one: an array, a memory map, a list of arrays or ``.npy`` files, or a function that returns an
        iterator over arrays, the same ones on every call. NaN is a missing value; a row without any value is skipped.
        float32 rows are computed in float32 where its precision suffices, all others in float64.
    n_components : int
        Number of components K, >= 1. Where there are fewer distinct rows, that many are kept; see the trace.
    weights : array_like, shape (n,), optional
        Weight of each row, >= 0; a weight of 2 counts a row twice. Integers are counts of rows; otherwise the median
        weight is that of one row, to decide whether a component has lost its rows.
    covariance_type : {"diag", "full", "tied", "spherical"}
        Shape of each component.
    init : {"kmeans", "hierarchical", "binary", "random"} or GaussianMixture
        Start: k-means++ and Lloyd's iterations on at most 20,000 rows; Ward's agglomeration on at most 2,000; binary
        splitting on at most 20,000; rows drawn at random with the global variance; or a mixture to continue from.
    n_init : int
        Number of starts, >= 1; the fit with the highest likelihood is kept.
    max_iter : int
        Maximum number of iterations, >= 0.
    tol : float
        Stop when an iteration increases the mean log density of a row by less than ``tol`` nats for each feature. 0
        runs exactly ``max_iter`` iterations, rejected extrapolations included.
    variance_floor : float
        Minimum variance (or eigenvalue) of a component, as a share of the global variance, 0..1; far rows are not
        counted in it. At 0 a share of 1e-10 remains, as at zero variance the likelihood has no maximum.
    accelerate : bool
        Whether to extrapolate after every second iteration (SQUAREM), and reject extrapolations that decrease the
        likelihood. It helps where EM converges slowly: many iterations, a small ``tol``.
    rng : numpy.random.Generator, optional
        Randomness of the start. Default: a fixed seed.
    n_threads : int
        Number of threads over chunks of rows; -1 is one for each core.
    mapper : callable, optional
        An order-preserving map that runs chunks in processes or on a cluster instead, such as ``Pool.imap``. It
        decides how many chunks are in memory at a time. In every pass over the rows those of an array are pickled, and
        those of files and memory maps are read by the workers from the same paths.
    callback : callable, optional
        Called with an :class:`EMStep` for the start and after every iteration, in the calling thread. An exception
        that it raises ends the fit and is passed on; no thread is left running.
    checkpoints : Checkpoints, optional
        Where the sums of iterations that take a second or more are kept, and what EM from a start has come to: a fit
        that was ended, however it was, and is called again goes on from there, to the same bits. Anything with the
        methods ``read`` and ``write`` of :class:`gmmaudio.compute.Checkpoints`, such as
        :class:`gmmaudio.pipeline.StoredCheckpoints`. The callback is called for iterations whose sums are read, too; of
        a start whose end is read, for its end only.

    Returns
    -------
    mixture : GaussianMixture
        In the units of ``X``.
    trace : EMTrace
        Likelihoods, convergence, re-seeded and floored components.

    Raises
    ------
    MixtureError
        If ``X`` holds no row, an infinite number or a column without a value, a mixture given as ``init`` does not
        fit it, or the standard deviation of a column is above 1e152, so that its variance exceeds float64.
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
    _check_objects(mapper, callback, checkpoints)
    k, floor = int(n_components), max(variance_floor, MIN_VARIANCE_SHARE)
    load_clustering(init, k)
    with one_thread():
        rows = FitRows.of(X, weights, covariance_type, n_threads, mapper, with_digest=checkpoints is not None)
        distinct = first_distinct_rows(X, rows.weights, k + 1)
        fits = []
        for i in range(n_init):
            if isinstance(init, GaussianMixture):
                first = rows.whiten_start(init, k, covariance_type, floor)
            else:
                first = rows.make_start(distinct[:k], covariance_type, init, floor, rng)
            report = None if callback is None else _make_report(callback, rows, i)
            # where every distinct row has a component already, re-seeding cannot help
            run = _Run(rows, floor, len(distinct) > k, True, report, Replay(checkpoints, rows.digest))
            fits.append(run.fit(first, max_iter, tol, accelerate))
            if rows.is_far(fits[-1][0]).any():
                fits.append(replace(run, keep_far=False).fit(first, max_iter, tol, accelerate))
        mixture, trace = max(fits, key=lambda fit: fit[1].log_likelihoods[-1])
        return rows.in_row_units(mixture), replace(trace, n_components_asked=k)


def _check_objects(mapper: object, callback: object, checkpoints: object) -> None:
    """Raise SettingError where an argument of :func:`fit_gmm` lacks the methods that it is for."""
    for name, function in (("mapper", mapper), ("callback", callback)):
        if function is not None and not callable(function):
            raise SettingError(f"{name} is {function!r:.50}; expected a function, or None")
    if checkpoints is not None and not (hasattr(checkpoints, "read") and hasattr(checkpoints, "write")):
        raise SettingError(f"checkpoints is {checkpoints!r:.50}; expected an object that can read and write, or None")


def _make_report(callback: Callable[[EMStep], Any], rows: FitRows, i: int) -> Report:
    """Return a function that reports the state of start ``i`` to a callback."""

    def report(iteration: int, log_likelihood: float, mixture: GaussianMixture) -> None:
        callback(EMStep(i, iteration, log_likelihood, rows.in_row_units(mixture)))

    return report


# A mixture of whitened rows, after the statistics of the rows under it.
_State = tuple[SufficientStats, GaussianMixture]


@dataclass
class _History:
    """The course of one run of EM."""

    likelihoods: list[float] = field(default_factory=list)
    reseeded: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    taken_back: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    floor_hits: list[int] = field(default_factory=list)
    rejected: int = 0
    # the mixtures since the last extrapolation
    recent: list[GaussianMixture] = field(default_factory=list)
    # the states before each re-seeding
    checkpoints: list[_Checkpoint] = field(default_factory=list)

    def last_increase(self) -> float:
        """Increase of the likelihood by the last iteration; infinity at the start and after re-seeding."""
        just_reseeded = self.reseeded and self.reseeded[-1][0] == len(self.likelihoods) - 1
        if len(self.likelihoods) < 2 or just_reseeded:
            return np.inf
        return self.likelihoods[-1] - self.likelihoods[-2]

    def decreases(self, stats: SufficientStats) -> bool:
        """Whether the likelihood of the next mixture is below that of the last, without a re-seeding."""
        just_reseeded = self.reseeded and self.reseeded[-1][0] == len(self.likelihoods)
        return not just_reseeded and stats.mean_log_likelihood < self.likelihoods[-1]

    def reseed(self, lost: npt.NDArray[np.intp], checkpoint: _Checkpoint) -> None:
        """Note that components are re-seeded, and how EM would go on without it."""
        self.checkpoints.append(checkpoint)
        self.reseeded.append((len(self.likelihoods), tuple(int(k) for k in lost)))
        self.recent.clear()

    def take_back(self) -> _Checkpoint | None:
        """Return to before the last re-seeding that EM has not made up for, or None where there is none."""
        while self.checkpoints:
            checkpoint = self.checkpoints.pop()
            n, end = checkpoint.n_likelihoods, self.likelihoods[-1]
            if end >= self.likelihoods[n - 1]:
                continue
            # those of the iterations since then are of mixtures that are dropped
            after = [(iteration, lost) for iteration, lost in self.reseeded if iteration >= n]
            self.reseeded = self.reseeded[: -len(after)]
            self.taken_back += after
            self.likelihoods, self.floor_hits = self.likelihoods[:n], self.floor_hits[:n]
            self.rejected = checkpoint.rejected
            self.recent.clear()
            return checkpoint
        return None


@dataclass(frozen=True, eq=False)
class _Checkpoint:
    """The state of a run where components were re-seeded: the mixture as it would have been without that."""

    # of the iteration before that mixture
    before: _State
    mixture: GaussianMixture
    # iterations left after that mixture
    n_left: int
    n_likelihoods: int
    rejected: int


@dataclass(frozen=True, eq=False)
class _Run:
    """EM from one start, in whitened coordinates."""

    rows: FitRows
    floor: float
    reseed: bool
    # whether a row that is far from all others may keep a component of its own
    keep_far: bool
    report: Report | None
    replay: Replay

    def fit(
        self, mixture: GaussianMixture, max_iter: int, tol: float, accelerate: bool
    ) -> tuple[GaussianMixture, EMTrace]:
        """Return the mixture after EM from ``mixture``, in whitened coordinates, and its trace, kept or computed."""
        settings = {
            "floor": self.floor,
            "reseed": self.reseed,
            "keep_far": self.keep_far,
            "max_iter": max_iter,
            "tol": tol,
            "accelerate": accelerate,
        }
        finished = self.replay.finished(mixture, settings)
        if finished is None:
            return self.replay.keep(mixture, settings, lambda: self._iterate(mixture, max_iter, tol, accelerate))
        if self.report is not None:
            self.report(finished[1].n_iter, finished[1].log_likelihoods[-1], finished[0])
        return finished

    def _iterate(
        self, mixture: GaussianMixture, max_iter: int, tol: float, accelerate: bool
    ) -> tuple[GaussianMixture, EMTrace]:
        """Return the mixture after EM from ``mixture``, and its trace."""
        history, n_left = _History(), max_iter
        # a component is re-seeded once: if it loses its rows again, another attempt would not help
        settled = np.full(mixture.n_components, not self.reseed)
        extrapolated: GaussianMixture | None = None
        before: _State | None = None
        while True:
            stats = self._statistics(extrapolated or mixture)
            # not (a >= b) holds for NaN too
            if extrapolated is not None and not stats.mean_log_likelihood >= history.likelihoods[-1]:
                history.rejected, extrapolated = history.rejected + 1, None
                n_left -= 1
                continue
            is_extrapolated, mixture, extrapolated = extrapolated is not None, extrapolated or mixture, None
            # beside far rows, rounding errors of a step may exceed its increase
            if before is not None and self.rows.whitening.stretched and history.decreases(stats):
                stats, mixture = before
            before = stats, mixture
            self._record(stats, mixture, history)
            # a small increase by an extrapolation does not imply that those by the next EM steps are small
            converged = history.last_increase() < tol * mixture.n_features and tol > 0 and not is_extrapolated
            if converged or n_left == 0:
                checkpoint = history.take_back()
                if checkpoint is None:
                    return mixture, self._trace(mixture, history, converged)
                mixture, n_left, before = checkpoint.mixture, checkpoint.n_left, checkpoint.before
                continue
            history.recent.append(mixture)
            mixture = self._step(before, history, settled, n_left)
            # a rejected extrapolation needs an iteration after it
            if accelerate and n_left > 2:
                extrapolated = self._extrapolate(history, mixture)
            n_left -= 1

    def _statistics(self, mixture: GaussianMixture) -> SufficientStats:
        """Return the statistics of all rows under a mixture, kept or computed."""
        return self.replay.statistics(mixture, lambda: self.rows.statistics(mixture))

    def _record(self, stats: SufficientStats, mixture: GaussianMixture, history: _History) -> None:
        """Add the likelihood of a mixture to the history, and report it."""
        covariance = covariance_of(mixture.covariance_type)
        history.likelihoods.append(stats.mean_log_likelihood)
        history.floor_hits.append(covariance.at_floor(mixture.covariances, self.floor, mixture.n_components)[0])
        if self.report is not None:
            self.report(len(history.likelihoods) - 1, history.likelihoods[-1], mixture)

    def _step(self, before: _State, history: _History, settled: Mask, n_left: int) -> GaussianMixture:
        """Return the mixture after an M-step, in which components that lost their rows are re-seeded."""
        stats, mixture = before
        mixture = maximise(stats, mixture, floor=self.floor)
        covariance = covariance_of(mixture.covariance_type)
        _, floored = covariance.at_floor(mixture.covariances, self.floor, mixture.n_components)
        alone = floored & ~self.rows.is_far(mixture) if self.keep_far else floored
        lost = np.flatnonzero(_has_lost_rows(stats, alone, self.rows.unit_weight) & ~settled)
        # in the last iteration a component would be returned before it had seen a row
        if len(lost) and n_left > 1:
            settled[lost] = True
            history.reseed(lost, _Checkpoint(before, mixture, n_left - 1, len(history.likelihoods), history.rejected))
            mixture = _reseed(mixture, lost, self.floor)
        return mixture

    def _extrapolate(self, history: _History, mixture: GaussianMixture) -> GaussianMixture | None:
        """Return the extrapolation of the last two steps, or None where there are fewer than two."""
        if len(history.recent) < 2:
            return None
        extrapolated = extrapolate(history.recent[-2], history.recent[-1], mixture, self.floor)
        history.recent.clear()
        return extrapolated

    def _trace(self, mixture: GaussianMixture, history: _History, converged: bool) -> EMTrace:
        covariance = covariance_of(mixture.covariance_type)
        _, floored = covariance.at_floor(mixture.covariances, self.floor, mixture.n_components)
        return EMTrace(
            log_likelihoods=tuple(history.likelihoods),
            converged=converged,
            reseeded=tuple(history.reseeded),
            floored=tuple(int(k) for k in np.flatnonzero(floored)),
            n_components_asked=mixture.n_components,
            n_components=mixture.n_components,
            floor_hits=tuple(history.floor_hits),
            rejected=history.rejected,
            taken_back=tuple(history.taken_back),
            stretched=self.rows.whitening.stretched,
            min_variances=tuple(float(v) for v in self.floor * np.square(self.rows.whitening.scale)),
        )


def _has_lost_rows(stats: SufficientStats, floored: Mask, unit_weight: float) -> Mask:
    """Return a mask of the components with less than half a row, or at the floor with a single row."""
    lost: Mask = (stats.n < 0.5 * unit_weight) | (floored & (stats.n < 1.5 * unit_weight))
    # with fewer than two rows for each component, a component on a single row is expected
    return lost & (stats.n_rows > 2 * len(stats.n) * unit_weight)


def _reseed(mixture: GaussianMixture, lost: npt.NDArray[np.intp], floor: float) -> GaussianMixture:
    """Return the mixture in which the heaviest components are split in two, to replace those that lost their rows."""
    kept = np.setdiff1d(np.arange(mixture.n_components), lost)
    reseeded = take(split(take(mixture, kept), mixture.n_components), np.argsort(np.append(kept, lost)))
    # the halves are narrower than the component that was split
    covariances = covariance_of(reseeded.covariance_type).apply_floor(reseeded.covariances, floor)
    return GaussianMixture(reseeded.weights, reseeded.means, covariances, reseeded.covariance_type)


def check_settings(
    n_components: int,
    covariance_type: str,
    init: str | GaussianMixture,
    n_init: int,
    max_iter: int,
    tol: float,
    variance_floor: float,
) -> None:
    """Check the settings of :func:`fit_gmm`.

    Parameters
    ----------
    n_components, covariance_type, init, n_init, max_iter, tol, variance_floor
        As for :func:`fit_gmm`.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> check_settings(8, "diag", "kmeans", 1, 100, 1e-4, 1e-3)
    """
    covariance_of(covariance_type)
    if not isinstance(init, GaussianMixture) and not (isinstance(init, str) and init in INITS):
        raise SettingError(f"init is {init!r}; expected one of {', '.join(INITS)}, or a GaussianMixture")
    for name, value, minimum in (
        ("n_components", n_components, 1),
        ("n_init", n_init, 1),
        ("max_iter", max_iter, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
            raise SettingError(f"{name} is {value}; expected a whole number, {minimum} or more")
    if not isinstance(tol, int | float | np.number) or not 0 <= tol < np.inf:
        raise SettingError(f"tol is {tol}; expected 0 or more")
    if not isinstance(variance_floor, int | float | np.number) or not 0 <= variance_floor <= 1:
        raise SettingError(f"variance_floor is {variance_floor}; expected a share of the global variance, 0 to 1")
