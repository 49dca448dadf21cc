"""Fitting a Gaussian mixture by expectation-maximisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import TINY, Array, Mask, covariance_of
from gmmaudio.mixture.gaussian import GaussianMixture, blocks_of, check_rows
from gmmaudio.mixture.init import INITS, first_distinct, start
from gmmaudio.mixture.statistics import SufficientStats, accumulate

Blocks = Callable[[], Iterable[Array]]


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
    """

    log_likelihoods: tuple[float, ...]
    converged: bool
    reseeded: tuple[tuple[int, tuple[int, ...]], ...]
    floored: tuple[int, ...]
    n_components_asked: int
    n_components: int

    @property
    def n_iter(self) -> int:
        """Number of iterations."""
        return len(self.log_likelihoods) - 1


def fit_gmm(
    X: npt.ArrayLike,
    n_components: int,
    *,
    covariance_type: str = "diag",
    init: str | GaussianMixture = "kmeans",
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-4,
    variance_floor: float = 1e-3,
    rng: np.random.Generator | None = None,
) -> tuple[GaussianMixture, EMTrace]:
    """Return a Gaussian mixture fitted to rows by EM, and the trace of the fit.

    Rows are centred and scaled by their global mean and deviation first, so the result does not depend on units or
    offsets. Memory over the rows is a few blocks of 1,024: no matrix of rows by components ever exists. All sums run
    in a fixed order on one thread, so the same rows and seed give the same bits.

    Parameters
    ----------
    X : array_like, shape (n, n_features)
        Finite rows, float32 or float64, at least one.
    n_components : int
        Components K, >= 1. Where there are fewer distinct rows, that many are kept and the trace says so.
    covariance_type : {"diag", "full"}
        Shape of each component.
    init : {"kmeans", "hierarchical", "random"} or GaussianMixture
        Start: k-means++ and Lloyd's steps on at most 20,000 rows; Ward's agglomeration on at most 2,000; rows drawn
        at random with the global variance; or a mixture to go on from.
    n_init : int
        Starts, >= 1; the fit with the highest likelihood is kept.
    max_iter : int
        Iterations at most, >= 0.
    tol : float
        Stop when an iteration raises the mean log density of a row by less than ``tol`` nats for each feature. 0 runs
        exactly ``max_iter`` iterations.
    variance_floor : float
        Least variance (or eigenvalue) of a component, as a share of the global variance, 0..1. At 0 a share of 1e-10
        remains, for at zero variance the likelihood has no maximum.
    rng : numpy.random.Generator, optional
        Drives the start. Default: a fixed seed.

    Returns
    -------
    mixture : GaussianMixture
        In the units of ``X``.
    trace : EMTrace
        Likelihoods, convergence, re-seeded and floored components.

    Raises
    ------
    MixtureError
        If ``X`` is not a finite matrix with at least one row, a given start does not fit it, or a column's deviation
        is above 1e152, so that its variance is beyond float64.
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
    rows = check_rows(X)
    rng = np.random.default_rng(0) if rng is None else rng
    if not isinstance(rng, np.random.Generator):
        raise SettingError(f"rng is {rng!r}; expected a numpy.random.Generator, such as numpy.random.default_rng(0)")
    floor = max(variance_floor, TINY)
    distinct = first_distinct(rows, n_components + 1)
    # where every different row has a component already, none can be better placed
    budget = n_components if len(distinct) > n_components else 0
    with threadpool_limits(limits=1):
        centre, scale = _whitening(rows)

        def blocks() -> Iterable[Array]:
            return (block for _, block in blocks_of(rows, centre, scale))

        fits = []
        for _ in range(n_init):
            if isinstance(init, GaussianMixture):
                first = _given(init, centre, scale, n_components, covariance_type, floor)
            else:
                first = start(rows, centre, scale, distinct[:n_components], covariance_type, init, floor, rng)
            fits.append(_em(first, blocks, max_iter, tol, floor, budget))
    mixture, trace = max(fits, key=lambda fit: fit[1].log_likelihoods[-1])
    return _in_units(mixture, replace(trace, n_components_asked=n_components), centre, scale)


@dataclass
class _Run:
    """What one run of EM remembers."""

    likelihoods: list[float] = field(default_factory=list)
    reseeded: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    def rise(self) -> float:
        """Gain of the last iteration, or infinity where it means nothing."""
        fresh = self.reseeded and self.reseeded[-1][0] == len(self.likelihoods) - 1
        if len(self.likelihoods) < 2 or fresh:
            return np.inf
        return self.likelihoods[-1] - self.likelihoods[-2]


def _em(
    mixture: GaussianMixture, blocks: Blocks, max_iter: int, tol: float, floor: float, budget: int
) -> tuple[GaussianMixture, EMTrace]:
    """Return the mixture after EM from ``mixture``, in whitened coordinates, and its trace."""
    run = _Run()
    # a component is placed anew once: one that loses its rows again has no better place
    settled = np.full(mixture.n_components, budget == 0)
    floored: Mask = np.zeros(mixture.n_components, dtype=bool)
    converged = False
    for iteration in range(max_iter + 1):
        stats = accumulate(mixture, blocks())
        run.likelihoods.append(stats.log_likelihood / stats.n_rows)
        converged = run.rise() < tol * mixture.n_features and tol > 0
        if converged or iteration == max_iter:
            break
        mixture, floored = maximise(stats, mixture, floor)
        lost = np.flatnonzero(_lost(stats, floored) & ~settled)
        if len(lost) and iteration < max_iter - 1:
            settled[lost] = True
            mixture = _reseed(mixture, lost)
            run.reseeded.append((iteration + 1, tuple(int(k) for k in lost)))
    trace = EMTrace(
        log_likelihoods=tuple(run.likelihoods),
        converged=converged,
        reseeded=tuple(run.reseeded),
        floored=tuple(int(k) for k in np.flatnonzero(floored)),
        n_components_asked=mixture.n_components,
        n_components=mixture.n_components,
    )
    return mixture, trace


def maximise(stats: SufficientStats, previous: GaussianMixture, floor: float) -> tuple[GaussianMixture, Mask]:
    """Return the mixture that fits the statistics best, and which components rest on the floor: the M-step.

    Parameters
    ----------
    stats : SufficientStats
        Of rows under ``previous``.
    previous : GaussianMixture
        A component without rows keeps its place here.
    floor : float
        Least variance (or eigenvalue), in squared units of the rows, > 0.

    Examples
    --------
    >>> import numpy as np
    >>> first = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> stats = accumulate(first, [np.array([[1.0], [3.0]])])
    >>> mixture, _ = maximise(stats, first, floor=0.01)
    >>> mixture.means, mixture.covariances
    (array([[2.]]), array([[1.]]))
    """
    covariance = covariance_of(previous.covariance_type)
    weights = stats.n / stats.n.sum()
    # below this a component's moments are rounding noise
    empty = stats.n < 1e-10 * stats.n_rows
    n = np.where(empty, 1.0, stats.n)
    means, covariances, floored = covariance.estimate(n, stats.f, stats.s, floor)
    means[empty], covariances[empty] = previous.means[empty], previous.covariances[empty]
    return GaussianMixture(weights, means, covariances, previous.covariance_type), floored & ~empty


def _lost(stats: SufficientStats, floored: Mask) -> Mask:
    """Return which components answer for less than half a row, or sit on a single one."""
    lost: Mask = (stats.n < 0.5) | (floored & (stats.n < 1.5))
    # with fewer than two rows for each component, a single one is a fair share
    return lost & (stats.n_rows > 2 * len(stats.n))


def _reseed(mixture: GaussianMixture, lost: npt.NDArray[np.intp]) -> GaussianMixture:
    """Return the mixture with each lost component placed beside a heavy one, which is split in two."""
    covariance = covariance_of(mixture.covariance_type)
    weights, means = mixture.weights.copy(), mixture.means.copy()
    covariances = mixture.covariances.copy()
    weights[lost] = 0.0
    # a component split again is split less far, so that no two parts land on one spot
    splits = np.ones(len(weights))
    for k in lost:
        heavy = int(weights.argmax())
        step = 0.5 ** splits[heavy] * covariance.spread(covariances[heavy])
        splits[[k, heavy]] = splits[heavy] + 1
        weights[[k, heavy]] = weights[heavy] / 2
        means[k], means[heavy] = means[heavy] + step, means[heavy] - step
        covariances[k] = covariances[heavy]
    return GaussianMixture(weights / weights.sum(), means, covariances, mixture.covariance_type)


def _whitening(rows: npt.NDArray[np.floating]) -> tuple[Array, Array]:
    """Return the mean and deviation (n_features,) of the rows, exact at any offset and safe at any scale."""
    low = rows.min(axis=0).astype(np.float64)
    high = rows.max(axis=0).astype(np.float64)
    middle = low / 2 + high / 2
    half = high / 2 - low / 2
    # a constant column, or one that varies by rounding only, keeps its own units
    flat = half <= 4 * np.finfo(rows.dtype).eps * np.maximum(np.abs(low), np.abs(high))
    half[flat] = np.maximum(half[flat], 1.0)
    mean = sum(block.sum(axis=0) for _, block in blocks_of(rows, middle, half)) / len(rows)
    squares = sum(((block - mean) ** 2).sum(axis=0) for _, block in blocks_of(rows, middle, half)) / len(rows)
    deviation = np.where(flat, 1.0, np.sqrt(squares))
    scale = np.maximum(half * deviation, 1e-151)
    wild = np.flatnonzero(scale > 1e152)
    if len(wild):
        raise MixtureError(
            f"column {wild[0]} has deviation {scale[wild[0]]:.3g}, whose square is no number any more; "
            "divide it by its scale"
        )
    return middle + half * mean, scale


def _given(
    init: GaussianMixture, centre: Array, scale: Array, n_components: int, covariance_type: str, floor: float
) -> GaussianMixture:
    """Return the given start in whitened coordinates."""
    given = (init.n_components, init.covariance_type, init.n_features)
    asked = (n_components, covariance_type, len(centre))
    if given != asked:
        raise MixtureError(
            f"the start given has (components, covariance, features) {given}; the fit was asked for {asked}"
        )
    local = init.transform(centre, scale)
    raised, _ = covariance_of(covariance_type).raise_to(local.covariances, floor)
    return GaussianMixture(local.weights, local.means, raised, covariance_type)


def _in_units(mixture: GaussianMixture, trace: EMTrace, centre: Array, scale: Array) -> tuple[GaussianMixture, EMTrace]:
    """Return the mixture and the trace in the units of the rows."""
    offset = float(np.log(scale).sum())
    trace = replace(trace, log_likelihoods=tuple(value - offset for value in trace.log_likelihoods))
    return mixture.transform(-centre / scale, 1.0 / scale), trace


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
    if not isinstance(init, GaussianMixture) and init not in INITS:
        raise SettingError(f"init is {init!r}; expected one of {', '.join(INITS)}, or a GaussianMixture")
    for name, value, least in (
        ("n_components", n_components, 1),
        ("n_init", n_init, 1),
        ("max_iter", max_iter, 0),
    ):
        if not isinstance(value, int | np.integer) or value < least:
            raise SettingError(f"{name} is {value}; expected a whole number, {least} or more")
    if not isinstance(tol, int | float | np.number) or not 0 <= tol < np.inf:
        raise SettingError(f"tol is {tol}; expected 0 or more")
    if not isinstance(variance_floor, int | float | np.number) or not 0 <= variance_floor <= 1:
        raise SettingError(f"variance_floor is {variance_floor}; expected a share of the global variance, 0 to 1")
