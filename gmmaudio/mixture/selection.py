"""Selection of the number of components and the covariance type by information criteria and held-out likelihood.

Lower is better for ``bic``, ``aic`` and ``icl``, as in scikit-learn; R's mclust prints the negative of ``bic``, and an
ICL in which minus the log of a row's largest responsibility replaces its entropy. Higher is better for ``held_out``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import entr, stdtrit

from gmmaudio.arrays import refuse_masked
from gmmaudio.compute import one_thread, thread_map
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array, Floats, Mask
from gmmaudio.mixture.em import check_settings, fit_gmm
from gmmaudio.mixture.em_trace import EMTrace
from gmmaudio.mixture.gaussian import GaussianMixture, as_generator
from gmmaudio.mixture.parallel import count_threads
from gmmaudio.mixture.rows import Chunk, check_weights, read_chunks, summarise
from gmmaudio.mixture.sources import RowSource

CRITERIA = ("bic", "aic", "icl", "held_out")
COLUMNS = ("covariance", "components", "parameters", "log likelihood", "bic", "aic", "icl", "held out", "converged")

# Rows and their weights; None where all weights are 1.
Weighted = tuple[RowSource, Array | None]
Fit = Callable[..., tuple[GaussianMixture, EMTrace]]
Interval = tuple[float, float]
# of the interval of a held-out likelihood
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Candidate:
    """One mixture of a selection, and its criteria.

    Parameters
    ----------
    covariance_type : {"diag", "full", "tied", "spherical"}
        Shape of each component.
    n_components_asked, n_components : int
        Number of components requested and kept; fewer are kept only where there are fewer distinct rows. The criteria
        are those of the components kept.
    n_parameters : int
        Number of free parameters.
    log_likelihood : float
        Mean log density of a row, nats; with weights, the weighted mean.
    bic : float
        ``-2 log likelihood + n_parameters log n`` over all rows; lower is better.
    aic : float
        ``-2 log likelihood + 2 n_parameters`` over all rows; lower is better.
    icl : float
        ``bic + 2 entropy`` of the responsibilities over all rows; lower is better.
    held_out : float or None
        Mean log density of the held-out rows, nats, under a mixture fitted to the others; higher is better. None
        where no rows were held out.
    converged : bool
        Whether the fit to all rows ended before ``max_iter``.
    mixture : GaussianMixture
        Fitted to all rows.
    held_out_interval : tuple of (float, float) or None
        95 % interval of ``held_out``, nats, over draws of the held-out rows (or groups) with the fitted mixture as it
        is: by Student's t, from the residuals of the rows (or groups). None where fewer than two are held out.

    Examples
    --------
    >>> candidate = select_gmm([[-1.0], [1.0]], [1], held_out=0).rows[0]
    >>> candidate.n_parameters, round(candidate.log_likelihood, 4), round(candidate.aic, 4)
    (2, -1.4189, 9.6758)
    """

    covariance_type: str
    n_components_asked: int
    n_components: int
    n_parameters: int
    log_likelihood: float
    bic: float
    aic: float
    icl: float
    held_out: float | None
    converged: bool
    mixture: GaussianMixture
    held_out_interval: Interval | None = None


@dataclass(frozen=True)
class _Parts:
    """The rows to fit to and the held-out rows, and the group of each of the latter; None where each is its own."""

    kept: Weighted
    held: Weighted
    groups: npt.NDArray[np.intp] | None


@dataclass(frozen=True, eq=False)
class Selection:
    """The candidates of a selection; its text is a table with the best value of every criterion marked.

    Parameters
    ----------
    rows : tuple of Candidate
        For each covariance type in the order given, one for each number of components.
    criterion : {"bic", "aic", "icl", "held_out"}
        Default criterion of :meth:`best`.

    Examples
    --------
    >>> selection = select_gmm([[-1.0], [0.0], [1.0]], [1], ["diag", "spherical"], held_out=0, criterion="aic")
    >>> [row.covariance_type for row in selection.rows], selection.best().covariance_type
    (['diag', 'spherical'], 'diag')
    """

    rows: tuple[Candidate, ...]
    criterion: str = "bic"

    def best(self, criterion: str | None = None) -> Candidate:
        """Return the best candidate by a criterion; of equal ones, the first.

        Parameters
        ----------
        criterion : {"bic", "aic", "icl", "held_out"}, optional
            Default: that of the selection.

        Raises
        ------
        SettingError
            If it is not a criterion, or is ``"held_out"`` and no rows were held out.
        """
        name = self.criterion if criterion is None else criterion
        _check_criterion(name, held_out=self.rows[0].held_out is not None)
        sign = -1 if name == "held_out" else 1
        return min(self.rows, key=lambda row: sign * float(getattr(row, name)))

    def __str__(self) -> str:
        marked = {name: self.best(name) for name in CRITERIA if getattr(self.rows[0], name) is not None}
        lines = [COLUMNS, *(_cells(row, marked) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
        table = "\n".join(_aligned(line, widths) for line in lines)
        best = self.best()
        name = self.criterion.replace("_", " ")
        return f"{table}\n* best of its column; best by {name}: {best.covariance_type}, {_components(best)}"


def _cells(row: Candidate, marked: dict[str, Candidate]) -> tuple[str, ...]:
    """Return the cells of a candidate's line, with a mark or a space behind every criterion to align decimals."""
    digits = {"bic": 2, "aic": 2, "icl": 2, "held_out": 4}
    values = {name: getattr(row, name) for name in CRITERIA}
    marks = {name: "*" if row is marked.get(name) else " " for name in CRITERIA}
    criteria = ["-" if values[name] is None else f"{values[name]:.{digits[name]}f}{marks[name]}" for name in CRITERIA]
    fit = (row.covariance_type, _components(row), str(row.n_parameters), f"{row.log_likelihood:.4f}")
    return (*fit, *criteria, "yes" if row.converged else "no")


def _components(row: Candidate) -> str:
    """Return the number of components as text: ``3``, or ``3 of 5`` where fewer were kept than requested."""
    kept, requested = row.n_components, row.n_components_asked
    return str(kept) if kept == requested else f"{kept} of {requested}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return the cells as a line, the first left-aligned and the others right-aligned."""
    first, *others = cells
    return "  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))])


def select_gmm(
    X: RowSource,
    n_components: Sequence[int],
    covariance_types: Sequence[str] = ("diag",),
    *,
    weights: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    held_out: float = 0.2,
    criterion: str = "bic",
    init: str | GaussianMixture = "kmeans",
    n_init: int = 1,
    max_iter: int = 100,
    tol: float = 1e-4,
    variance_floor: float = 1e-3,
    accelerate: bool = False,
    rng: np.random.Generator | None = None,
    n_threads: int = 1,
) -> Selection:
    """Return mixtures of several numbers of components and covariance types, with four criteria of each.

    BIC, AIC and ICL are those of a fit to all rows. The held-out likelihood is that of a second fit, to the rows that
    are not held out; the same rows are held out for every candidate. All fits start from one seed, so a candidate does
    not depend on the other candidates. Memory beyond the rows is that of a fit.

    BIC and AIC measure how well a mixture describes the rows; ICL also measures how well its components are separated:
    it adds twice the entropy of the responsibilities and so prefers fewer, well separated components. The published
    ICL uses ``-log`` of each row's largest responsibility instead, and mclust prints (the negative of) that; the
    entropy is its soft version and never smaller. All three assume independent rows: where neighbouring rows are
    correlated, as frames of sound are, they favour too many components, and the held-out likelihood by ``groups`` is
    more reliable.

    Parameters
    ----------
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows from any source that :func:`fit_gmm` reads. NaN is a missing value; a row without any value is ignored.
    n_components : sequence of int
        Numbers of components to try, each >= 1.
    covariance_types : sequence of {"diag", "full", "tied", "spherical"}
        Covariance types to try.
    weights : array_like, shape (n,), optional
        Weight of each row, >= 0; a weight of 2 counts a row twice, in the likelihoods, the entropy and n. With weights
        that sum to 1 BIC therefore has no penalty.
    groups : array_like, shape (n,), optional
        A label for each row (a speaker, an album). The rows of a group are held out together, so that no group is on
        both sides. Not used where ``held_out`` is 0.
    held_out : float
        Share of the rows, or of the groups, to hold out, 0 <= held_out < 1; at least one is held out and one kept.
        0 holds out none and saves half the time.
    criterion : {"bic", "aic", "icl", "held_out"}
        Default criterion of :meth:`Selection.best`.
    init, n_init, max_iter, tol, variance_floor, accelerate
        As for :func:`fit_gmm`; a mixture to start from must be of the type and size of every candidate. Without a
        ``variance_floor`` a component with few rows can have almost any likelihood, and the criteria are meaningless.
    rng : numpy.random.Generator, optional
        Randomness of the starts and of the held-out rows. Default: a fixed seed.
    n_threads : int
        Number of threads over chunks of rows; -1 is one for each core.

    Returns
    -------
    Selection
        One :class:`Candidate` for each covariance type and number of components; ``print`` it for a table.

    Raises
    ------
    SettingError
        If a setting is outside its bounds; before anything is fitted.
    MixtureError
        If the rows cannot be fitted, ``groups`` do not fit them, or there is only one row or group.

    References
    ----------
    Schwarz, "Estimating the dimension of a model", Annals of Statistics 6 (1978): BIC.
    Akaike, "A new look at the statistical model identification", IEEE Trans. Automatic Control 19 (1974): AIC.
    Biernacki, Celeux, Govaert, "Assessing a mixture model for clustering with the integrated completed likelihood",
    IEEE Trans. PAMI 22 (2000): ICL; with the entropy: McLachlan, Peel, *Finite Mixture Models* (2000), chapter 6.
    Smyth, "Model selection for probabilistic clustering using cross-validated likelihood", Statistics and Computing 10
    (2000).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, (200, 2)) for m in (-5.0, 0.0, 5.0)])
    >>> selection = select_gmm(X, [1, 2, 3, 4], ["diag", "full"])
    >>> selection.best().covariance_type, selection.best().n_components
    ('diag', 3)
    >>> selection.best("held_out").n_components
    3
    """
    row_weights = None if weights is None else check_weights(weights)
    grid = [
        (covariance_type, k)
        for covariance_type in _check_options("covariance_types", covariance_types, "['diag', 'full']")
        for k in _check_options("n_components", n_components, "[1, 2, 4, 8]")
    ]
    for covariance_type, k in grid:
        check_settings(k, covariance_type, init, n_init, max_iter, tol, variance_floor)
    count_threads(n_threads)
    _check_share(held_out)
    _check_criterion(criterion, held_out=held_out > 0)
    rng = as_generator(rng)
    # drawn before the split, so that BIC, AIC and ICL do not depend on the held-out rows
    seed = int(rng.integers(2**63))

    def fit(part: Weighted, covariance_type: str, k: int) -> tuple[GaussianMixture, EMTrace]:
        return fit_gmm(
            part[0],
            k,
            weights=part[1],
            covariance_type=covariance_type,
            init=init,
            n_init=n_init,
            max_iter=max_iter,
            tol=tol,
            variance_floor=variance_floor,
            accelerate=accelerate,
            rng=np.random.default_rng(seed),
            n_threads=n_threads,
        )

    rows, total = (X, row_weights), summarise(X, row_weights).total
    parts = _split_rows(X, row_weights, groups, held_out, rng) if held_out else None
    candidates = (_evaluate_candidate(fit, *cell, rows, total, parts, n_threads) for cell in grid)
    return Selection(tuple(candidates), criterion)


def responsibility_entropy(
    mixture: GaussianMixture, X: RowSource, weights: npt.ArrayLike | None = None, *, n_threads: int = 1
) -> float:
    """Return the entropy of the responsibilities, summed over rows, in nats.

    It is ``-sum over rows and components of weight x r log r``, and 0 where every row belongs to one component. Rows
    are read in chunks of 8,192.

    Parameters
    ----------
    mixture : GaussianMixture
        In the units of the rows.
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows from any source that :func:`fit_gmm` reads. NaN is a missing value; a row without any value is ignored.
    weights : array_like, shape (n,), optional
        Weight of each row, >= 0.
    n_threads : int
        Number of threads over chunks; -1 is one for each core.

    Raises
    ------
    MixtureError
        If the rows do not fit the mixture, or the weights do not fit the rows.

    References
    ----------
    Celeux, Soromenho, "An entropy criterion for assessing the number of clusters in a mixture model", Journal of
    Classification 13 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
    >>> round(responsibility_entropy(mixture, [[0.0]]), 6), round(float(np.log(2)), 6)
    (0.693147, 0.693147)
    """

    def entropy(rows: Floats) -> Array:
        return np.asarray(entr(mixture.responsibilities(rows)).sum(axis=1))

    return _weighted_sum(entropy, read_chunks(X, weights, n_features=mixture.n_features), n_threads)[0]


def _weighted_sum(function: Callable[[Floats], Array], chunks: Iterable[Chunk], n_threads: int) -> tuple[float, float]:
    """Return the weighted sum over all rows of a function (n, n_features) -> (n,), and the summed weight."""

    def sum_chunk(chunk: Chunk) -> tuple[float, float]:
        values = function(chunk.rows)
        return float(values.sum() if chunk.weights is None else chunk.weights @ values), chunk.total

    # once for all chunks, as changing the limit for each would be slow
    with one_thread():
        parts = list(thread_map(sum_chunk, chunks, count_threads(n_threads)))
    value, n = np.sum([(0.0, 0.0), *parts], axis=0)
    return float(value), float(n)


def _evaluate_candidate(
    fit: Fit,
    covariance_type: str,
    k: int,
    rows: Weighted,
    total: float,
    parts: _Parts | None,
    n_threads: int,
) -> Candidate:
    """Return one candidate, fitted to all ``rows`` and, where there are ``parts``, to the first of them."""
    mixture, trace = fit(rows, covariance_type, k)
    p, deviance = mixture.n_parameters, -2 * total * trace.log_likelihoods[-1]
    bic = deviance + p * float(np.log(total))
    held_out, interval = (None, None) if parts is None else _held_out(fit, covariance_type, k, parts, n_threads)
    return Candidate(
        covariance_type=covariance_type,
        n_components_asked=trace.n_components_asked,
        n_components=trace.n_components,
        n_parameters=p,
        log_likelihood=trace.log_likelihoods[-1],
        bic=bic,
        aic=deviance + 2 * p,
        icl=bic + 2 * responsibility_entropy(mixture, *rows, n_threads=n_threads),
        held_out=held_out,
        converged=trace.converged,
        mixture=mixture,
        held_out_interval=interval,
    )


def _held_out(fit: Fit, covariance_type: str, k: int, parts: _Parts, n_threads: int) -> tuple[float, Interval | None]:
    """Return the mean log density of the held-out rows under a mixture fitted to the others, and its interval."""
    try:
        mixture, _ = fit(parts.kept, covariance_type, k)
    except MixtureError as error:
        raise MixtureError(f"among the rows that are not held out: {error}") from error

    def density_and_weights(chunk: Chunk) -> tuple[Array, Array]:
        return mixture.log_density(chunk.rows), np.ones(len(chunk.rows)) if chunk.weights is None else chunk.weights

    with one_thread():
        chunks = list(thread_map(density_and_weights, read_chunks(*parts.held), count_threads(n_threads)))
        density, weights = (np.concatenate(arrays) for arrays in zip(*chunks, strict=True))
        return _mean_and_interval(density, weights, parts.groups)


def _mean_and_interval(
    values: Array, weights: Array, groups: npt.NDArray[np.intp] | None
) -> tuple[float, Interval | None]:
    """Return the weighted mean of values (n,), and its interval over draws of the rows, or of their groups.

    References
    ----------
    Cochran, *Sampling Techniques* (1977), section 6.4: the variance of a ratio of sums over units.
    """
    total = weights.sum()
    mean = float(weights @ values / total)
    residuals: Array = weights * (values - mean)
    if groups is not None:
        residuals = np.bincount(np.unique(groups, return_inverse=True)[1].ravel(), residuals).astype(np.float64)
    n = len(residuals)
    if n < 2:
        return mean, None
    error = np.sqrt(n / (n - 1) * (residuals @ residuals)) / total
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * error)
    return mean, (mean - half, mean + half)


def _split_rows(
    X: RowSource, row_weights: Array | None, groups: npt.ArrayLike | None, held_out: float, rng: np.random.Generator
) -> _Parts:
    """Return the rows to fit to and the held-out rows, each with their weights, and the groups of the latter."""
    counted = _counted_rows(X, row_weights)
    units = np.arange(len(counted)) if groups is None else _group_codes(groups, len(counted))
    # rows that do not count are on neither side, and neither are groups without other rows
    present = np.unique(units[counted])
    if len(present) < 2:
        what = "rows that count" if groups is None else "groups with rows that count"
        raise MixtureError(f"{what}: {len(present)}; expected 2 or more, so that some can be held out, or held_out=0")
    n_held = min(max(round(held_out * len(present)), 1), len(present) - 1)
    held = np.isin(units, rng.choice(present, n_held, replace=False))
    return _Parts(
        _select_rows(X, row_weights, counted & ~held),
        _select_rows(X, row_weights, counted & held),
        None if groups is None else units[counted & held],
    )


def _counted_rows(X: RowSource, row_weights: Array | None) -> Mask:
    """Return a mask (n,) of the rows of a source that count: those with a value and a weight above 0."""
    counted: list[Mask] = []
    for chunk in read_chunks(X, row_weights, all_rows=True):
        has_value: Mask = np.asarray(~np.isnan(chunk.rows).all(axis=1))
        counted.append(has_value if chunk.weights is None else has_value & (chunk.weights > 0))
    return np.concatenate(counted)


def _group_codes(groups: npt.ArrayLike, n: int) -> npt.NDArray[np.intp]:
    """Return the index of each row's group, shape (n,)."""
    refuse_masked(groups, "groups must be one label for each row", MixtureError)
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise MixtureError(f"groups have shape {labels.shape} and there are {n} rows; expected one label for each row")
    # objects of different types, such as str and None, cannot be sorted
    return np.unique(labels.astype(str) if labels.dtype == object else labels, return_inverse=True)[1]


def _select_rows(X: RowSource, row_weights: Array | None, keep: Mask) -> Weighted:
    """Return a source of the rows of a source where ``keep`` is true, and their weights."""

    def rows() -> Iterator[Floats]:
        for chunk in read_chunks(X, all_rows=True):
            yield chunk.rows[keep[chunk.start : chunk.start + len(chunk.rows)]]

    return rows, None if row_weights is None else row_weights[keep]


def _check_options(name: str, values: Iterable[Any], example: str) -> tuple[Any, ...]:
    """Return a list of settings to try, all different.

    Raises
    ------
    SettingError
        If it is not a list, is empty, or has an item twice.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SettingError(f"{name} is {values!r}; expected a list, such as {example}")
    items = tuple(values)
    if not items:
        raise SettingError(f"{name} is empty; expected one or more to try, such as {example}")
    repeated = [item for i, item in enumerate(items) if item in items[:i]]
    if repeated:
        raise SettingError(f"{name} has {repeated[0]!r} twice; expected each once, such as {example}")
    return items


def _check_share(held_out: float) -> None:
    """Raise SettingError if ``held_out`` is not a share."""
    if not isinstance(held_out, int | float | np.number) or not 0 <= held_out < 1:
        raise SettingError(f"`held_out` is {held_out!r}; expected a share of the rows, 0 (none) or more and below 1")


def _check_criterion(criterion: str, *, held_out: bool) -> None:
    """Raise SettingError if there is no such criterion, or it needs held-out rows and there are none."""
    if criterion not in CRITERIA:
        raise SettingError(f"`criterion` is {criterion!r}; expected one of {', '.join(CRITERIA)}")
    if criterion == "held_out" and not held_out:
        raise SettingError(
            "`criterion` is 'held_out' and no rows are held out; expected `held_out` above 0, such as 0.2"
        )
