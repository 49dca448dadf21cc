"""How many components, and of which covariance type: a table of criteria from one call.

Lower is better for ``bic``, ``aic`` and ``icl``, as in scikit-learn; R's mclust prints the negative of ``bic``, and an
ICL that takes minus the log of a row's largest responsibility for its entropy. Higher is better for ``held_out``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array, Floats, Mask
from gmmaudio.mixture.em import EMTrace, check_settings, fit_gmm
from gmmaudio.mixture.gaussian import GaussianMixture, as_generator
from gmmaudio.mixture.parallel import count_threads, thread_map
from gmmaudio.mixture.rows import Chunk, RowSource, check_weights, read_chunks, summarise

CRITERIA = ("bic", "aic", "icl", "held_out")
COLUMNS = ("covariance", "components", "parameters", "log likelihood", "bic", "aic", "icl", "held out", "converged")

# Rows and their weights; None where all are 1.
Weighted = tuple[RowSource, Array | None]
Fit = Callable[..., tuple[GaussianMixture, EMTrace]]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One mixture that was tried, and how it did.

    Parameters
    ----------
    covariance_type : {"diag", "full", "tied", "spherical"}
        Shape of each component.
    n_components_asked, n_components : int
        Components asked for and kept; fewer are kept only where there are fewer distinct rows. The criteria are those
        of the components kept.
    n_parameters : int
        Free parameters.
    log_likelihood : float
        Mean log density of a row, nats; with weights, the weighted mean.
    bic : float
        ``-2 log likelihood + n_parameters log n`` over all rows; lower is better.
    aic : float
        ``-2 log likelihood + 2 n_parameters`` over all rows; lower is better.
    icl : float
        ``bic + 2 entropy`` of the responsibilities over all rows; lower is better.
    held_out : float or None
        Mean log density of the rows held out, nats, under a mixture fitted to the others; higher is better. None
        where none were.
    converged : bool
        Whether the fit to all rows ended before ``max_iter``.
    mixture : GaussianMixture
        Fitted to all rows.
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


@dataclass(frozen=True, eq=False)
class Selection:
    """All candidates of a selection; as text, a table with the best of every criterion marked.

    Parameters
    ----------
    rows : tuple of Candidate
        In the order asked for: one covariance type after the other.
    criterion : {"bic", "aic", "icl", "held_out"}
        What :meth:`best` goes by where nothing else is said.
    """

    rows: tuple[Candidate, ...]
    criterion: str = "bic"

    def best(self, criterion: str | None = None) -> Candidate:
        """Return the candidate that is best by a criterion; of equal ones, the first.

        Parameters
        ----------
        criterion : {"bic", "aic", "icl", "held_out"}, optional
            Default: that of the selection.

        Raises
        ------
        SettingError
            If it is no criterion, or no rows were held out to compute it.
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
    """Return a candidate as the cells of its line; all marks are as wide, so that decimals stay in line."""
    places = {"bic": 2, "aic": 2, "icl": 2, "held_out": 4}
    values = {name: getattr(row, name) for name in CRITERIA}
    marks = {name: "*" if row is marked.get(name) else " " for name in CRITERIA}
    criteria = ["-" if values[name] is None else f"{values[name]:.{places[name]}f}{marks[name]}" for name in CRITERIA]
    fit = (row.covariance_type, _components(row), str(row.n_parameters), f"{row.log_likelihood:.4f}")
    return (*fit, *criteria, "yes" if row.converged else "no")


def _components(row: Candidate) -> str:
    """Return the number of components in words: ``3``, or ``3 of 5`` where fewer were kept than asked for."""
    kept, asked = row.n_components, row.n_components_asked
    return str(kept) if kept == asked else f"{kept} of {asked}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return cells as a line: the first to the left, as it is a name, the others to the right."""
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
    """Return every number of components with every covariance type, fitted and judged by four criteria.

    BIC, AIC and ICL are those of a fit to all rows. The held-out likelihood is that of a second fit, to the rows that
    are not held out; the same rows are held out for every candidate. All fits start from one seed, so a candidate does
    not depend on which others are tried. Memory over the rows is a few chunks of 8,192, as for a fit.

    BIC and AIC ask which mixture describes the rows, ICL which one also tells its components apart: it adds twice the
    entropy of the responsibilities and so prefers fewer, well separated components. The published ICL counts
    ``-log`` of each row's largest responsibility instead, and mclust prints (the negative of) that; the entropy is its
    soft version and never smaller. All three assume independent rows: where neighbours are alike, as frames of sound
    are, they favour too many components, and the held-out likelihood by ``groups`` is the one to trust.

    Parameters
    ----------
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows from any source that :func:`fit_gmm` reads. NaN is a missing value; a row of nothing else does not count.
    n_components : sequence of int
        Numbers to try, each >= 1.
    covariance_types : sequence of {"diag", "full", "tied", "spherical"}
        Shapes to try.
    weights : array_like, shape (n,), optional
        Weight of each row, 0 or more; 2 counts a row twice, in the likelihoods, the entropy and n. Weights that sum
        to 1 therefore leave BIC no penalty.
    groups : array_like, shape (n,), optional
        A label for each row (a speaker, an album); groups are held out whole, so that none is on both sides. Not
        looked at where nothing is held out.
    held_out : float
        Share of the rows that count, or of the groups, 0 or more and below 1; at least one is held out and one kept.
        0 holds out none and saves half the time.
    criterion : {"bic", "aic", "icl", "held_out"}
        What :meth:`Selection.best` goes by.
    init, n_init, max_iter, tol, variance_floor, accelerate
        As for :func:`fit_gmm`; a mixture to start from must be of the type and size of every candidate. Without a
        ``variance_floor`` a component on a handful of rows can have almost any likelihood, and no criterion means
        anything.
    rng : numpy.random.Generator, optional
        Drives the starts and what is held out. Default: a fixed seed.
    n_threads : int
        Threads over chunks of rows; -1 is one for each core.

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
    shares = None if weights is None else check_weights(weights)
    grid = [
        (kind, k)
        for kind in _several("covariance_types", covariance_types, "['diag', 'full']")
        for k in _several("n_components", n_components, "[1, 2, 4, 8]")
    ]
    for kind, k in grid:
        check_settings(k, kind, init, n_init, max_iter, tol, variance_floor)
    count_threads(n_threads)
    _check_share(held_out)
    _check_criterion(criterion, held_out=held_out > 0)
    rng = as_generator(rng)
    # drawn before the split, so that what is held out changes nothing but the held-out likelihood
    seed = int(rng.integers(2**63))

    def fit(part: Weighted, kind: str, k: int) -> tuple[GaussianMixture, EMTrace]:
        return fit_gmm(
            part[0],
            k,
            weights=part[1],
            covariance_type=kind,
            init=init,
            n_init=n_init,
            max_iter=max_iter,
            tol=tol,
            variance_floor=variance_floor,
            accelerate=accelerate,
            rng=np.random.default_rng(seed),
            n_threads=n_threads,
        )

    rows, total = (X, shares), summarise(X, shares).total
    parts = _divide(X, shares, groups, held_out, rng) if held_out else None
    return Selection(tuple(_judge(fit, kind, k, rows, total, parts, n_threads) for kind, k in grid), criterion)


def responsibility_entropy(
    mixture: GaussianMixture, X: RowSource, weights: npt.ArrayLike | None = None, *, n_threads: int = 1
) -> float:
    """Return the entropy of the responsibilities, summed over rows, in nats: 0 where every row is sure.

    ``-sum over rows and components of weight x r log r``; rows are read in chunks of 8,192.

    Parameters
    ----------
    mixture : GaussianMixture
        In the units of the rows.
    X : array_like, shape (n, n_features), list of array_like or of path, or callable
        Rows from any source that :func:`fit_gmm` reads. NaN is a missing value; a row of nothing else does not count.
    weights : array_like, shape (n,), optional
        Weight of each row, 0 or more.
    n_threads : int
        Threads over chunks; -1 is one for each core.

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

    return _summed(entropy, read_chunks(X, weights, n_features=mixture.n_features), n_threads)[0]


def _summed(of_rows: Callable[[Floats], Array], chunks: Iterable[Chunk], n_threads: int) -> tuple[float, float]:
    """Return the weighted sum over all rows of what ``of_rows`` (n, n_features) -> (n,) says of them, and n."""

    def one(chunk: Chunk) -> tuple[float, float]:
        values = of_rows(chunk.rows)
        return float(values.sum() if chunk.weights is None else chunk.weights @ values), chunk.total

    # once for all chunks: each would switch the libraries' threads off and on again
    with one_thread():
        parts = list(thread_map(one, chunks, count_threads(n_threads)))
    value, n = np.sum([(0.0, 0.0), *parts], axis=0)
    return float(value), float(n)


def _judge(
    fit: Fit, kind: str, k: int, rows: Weighted, total: float, parts: tuple[Weighted, Weighted] | None, n_threads: int
) -> Candidate:
    """Return one candidate, fitted to all ``rows`` and, where there are ``parts``, to the kept one."""
    mixture, trace = fit(rows, kind, k)
    p, deviance = mixture.n_parameters, -2 * total * trace.log_likelihoods[-1]
    bic = deviance + p * float(np.log(total))
    return Candidate(
        covariance_type=kind,
        n_components_asked=trace.n_components_asked,
        n_components=trace.n_components,
        n_parameters=p,
        log_likelihood=trace.log_likelihoods[-1],
        bic=bic,
        aic=deviance + 2 * p,
        icl=bic + 2 * responsibility_entropy(mixture, *rows, n_threads=n_threads),
        held_out=None if parts is None else _held_out(fit, kind, k, parts, n_threads),
        converged=trace.converged,
        mixture=mixture,
    )


def _held_out(fit: Fit, kind: str, k: int, parts: tuple[Weighted, Weighted], n_threads: int) -> float:
    """Return the mean log density of the rows held out under a mixture fitted to those kept."""
    kept, held = parts
    try:
        mixture, _ = fit(kept, kind, k)
    except MixtureError as error:
        raise MixtureError(f"among the rows that are not held out: {error}") from error
    value, n = _summed(mixture.log_density, read_chunks(*held), n_threads)
    return value / n


def _divide(
    X: RowSource, shares: Array | None, groups: npt.ArrayLike | None, held_out: float, rng: np.random.Generator
) -> tuple[Weighted, Weighted]:
    """Return the rows to fit to and the rows held out, each with their weights."""
    counted = _counted(X, shares)
    units = np.arange(len(counted)) if groups is None else _codes(groups, len(counted))
    # rows that do not count are on neither side, and neither are groups of nothing else
    present = np.unique(units[counted])
    if len(present) < 2:
        what = "rows that count" if groups is None else "groups with rows that count"
        raise MixtureError(f"{what}: {len(present)}; expected 2 or more, so that some can be held out, or held_out=0")
    n_held = min(max(round(held_out * len(present)), 1), len(present) - 1)
    held = np.isin(units, rng.choice(present, n_held, replace=False))
    return _where(X, shares, counted & ~held), _where(X, shares, counted & held)


def _counted(X: RowSource, shares: Array | None) -> Mask:
    """Return which rows (n,) of a source count: not all missing, weight above 0."""
    counted: list[Mask] = []
    for chunk in read_chunks(X, shares, all_rows=True):
        some: Mask = np.asarray(~np.isnan(chunk.rows).all(axis=1))
        counted.append(some if chunk.weights is None else some & (chunk.weights > 0))
    return np.concatenate(counted)


def _codes(groups: npt.ArrayLike, n: int) -> npt.NDArray[np.intp]:
    """Return a whole number for each row that tells its group."""
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise MixtureError(f"groups have shape {labels.shape} and there are {n} rows; expected one label for each row")
    # objects of unlike types, such as names and None, have no order to sort them by
    return np.unique(labels.astype(str) if labels.dtype == object else labels, return_inverse=True)[1]


def _where(X: RowSource, shares: Array | None, keep: Mask) -> Weighted:
    """Return a source of some rows of a source, and their weights."""

    def rows() -> Iterator[Floats]:
        for chunk in read_chunks(X, all_rows=True):
            yield chunk.rows[keep[chunk.start : chunk.start + len(chunk.rows)]]

    return rows, None if shares is None else shares[keep]


def _several(name: str, values: Iterable[Any], example: str) -> tuple[Any, ...]:
    """Return a list of settings to try, all different.

    Raises
    ------
    SettingError
        If it is no list, is empty, or has something twice.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise SettingError(f"{name} is {values!r}; expected a list, such as {example}")
    items = tuple(values)
    if not items:
        raise SettingError(f"{name} is empty; expected one or more to try, such as {example}")
    twice = [item for i, item in enumerate(items) if item in items[:i]]
    if twice:
        raise SettingError(f"{name} has {twice[0]!r} twice; expected each once, such as {example}")
    return items


def _check_share(held_out: float) -> None:
    """Raise SettingError if ``held_out`` is no share."""
    if not isinstance(held_out, int | float | np.number) or not 0 <= held_out < 1:
        raise SettingError(f"held_out is {held_out!r}; expected a share of the rows, 0 (none) or more and below 1")


def _check_criterion(criterion: str, *, held_out: bool) -> None:
    """Raise SettingError if there is no such criterion, or none without rows held out."""
    if criterion not in CRITERIA:
        raise SettingError(f"criterion is {criterion!r}; expected one of {', '.join(CRITERIA)}")
    if criterion == "held_out" and not held_out:
        raise SettingError("criterion is 'held_out' and no rows are held out; expected held_out above 0, such as 0.2")
