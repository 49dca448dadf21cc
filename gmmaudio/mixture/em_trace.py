"""The course of a fit by EM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EMTrace:
    """The course of a fit.

    Parameters
    ----------
    log_likelihoods : tuple of float
        Mean log density of a row, nats: of the start, then after every iteration. It never decreases, except at the
        iterations of ``reseeded``, and ends at its maximum.
    converged : bool
        Whether the increase fell below ``tol`` before ``max_iter`` iterations.
    reseeded : tuple of (int, tuple of int)
        Iterations (counted from 1) at which components without rows were re-seeded, and these components. The
        likelihood ended no lower than it was before each of them.
    floored : tuple of int
        Components whose variances are all at the floor at the end.
    n_components_asked, n_components : int
        Number of components requested and kept; fewer are kept only where there are fewer distinct rows.
    floor_hits : tuple of int
        Number of variances (or eigenvalues) at the floor: at the start, then after every iteration.
    rejected : int
        Number of SQUAREM extrapolations that were rejected because the likelihood would have decreased.
    taken_back : tuple of (int, tuple of int)
        Re-seedings that EM did not make up for, in the form of ``reseeded``: the fit went on from the mixture before
        them, and the iterations after them are in none of the other lists.
    stretched : tuple of int
        Columns that a few far rows stretch: the standard deviation of the others is their scale.
    min_variances : tuple of float
        Minimum variance of a component in each column, in squared units of the rows: ``variance_floor`` times the
        variance of the column, or that of its bulk where it is stretched. Where covariances are matrices, the bound is
        on the eigenvalues after the columns are divided by the roots of these numbers.

    Examples
    --------
    >>> from gmmaudio.mixture import fit_gmm
    >>> _, trace = fit_gmm([[-1.0], [1.0]], 1)
    >>> trace.n_iter, trace.converged, trace.floored
    (1, True, ())
    """

    log_likelihoods: tuple[float, ...]
    converged: bool
    reseeded: tuple[tuple[int, tuple[int, ...]], ...]
    floored: tuple[int, ...]
    n_components_asked: int
    n_components: int
    floor_hits: tuple[int, ...] = ()
    rejected: int = 0
    taken_back: tuple[tuple[int, tuple[int, ...]], ...] = ()
    stretched: tuple[int, ...] = ()
    min_variances: tuple[float, ...] = ()

    @property
    def n_iter(self) -> int:
        """Number of iterations."""
        return len(self.log_likelihoods) - 1
