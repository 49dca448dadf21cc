"""What the scikit-learn estimators share: the settings of a fit by EM, and checks of rows, weights and seeds."""

from __future__ import annotations

import warnings
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from gmmaudio.arrays import as_numbers, dtypes_of, fill_masked, has_masked
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture.covariance import Array, Floats
from gmmaudio.mixture.em import fit_gmm
from gmmaudio.mixture.em_trace import EMTrace
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.rows import check_weights

RandomState: TypeAlias = int | np.random.RandomState | np.random.Generator | None

# scikit-learn's checks of rows; fit_gmm makes the others.
ROWS: dict[str, Any] = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}


class MixtureSettings(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The settings of :func:`gmmaudio.mixture.fit_gmm`, stored as given and checked by ``fit``."""

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "diag",
        init: str | GaussianMixture = "kmeans",
        n_init: int = 1,
        max_iter: int = 100,
        tol: float = 1e-4,
        variance_floor: float = 1e-3,
        accelerate: bool = False,
        random_state: RandomState = None,
        n_threads: int = 1,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.variance_floor = variance_floor
        self.accelerate = accelerate
        self.random_state = random_state
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _rows(self, X: npt.ArrayLike) -> Floats:
        """Return the rows to score, after scikit-learn's checks of the rows and of this estimator."""
        check_is_fitted(self)
        rows: Floats = validate_data(self, without_masks(X), reset=False, **ROWS)
        return rows

    def _fit_mixture(
        self, X: Floats, weights: Array | None, rng: np.random.Generator, of_class: str = "", **changes: Any
    ) -> tuple[GaussianMixture, EMTrace]:
        """Return a mixture fitted with these settings, or changed ones, and warn where EM did not converge."""
        mixture, trace = self._run_em(X, weights, rng, **changes)
        self._warn_unless_converged(trace, of_class)
        return mixture, trace

    def _run_em(
        self, X: Floats, weights: Array | None, rng: np.random.Generator, **changes: Any
    ) -> tuple[GaussianMixture, EMTrace]:
        """Return a mixture fitted with these settings, or changed ones."""
        settings: dict[str, Any] = {
            "n_components": self.n_components,
            "covariance_type": self.covariance_type,
            "init": self.init,
            "n_init": self.n_init,
            "max_iter": self.max_iter,
            "tol": self.tol,
            "variance_floor": self.variance_floor,
            "accelerate": self.accelerate,
            "n_threads": self.n_threads,
        }
        return fit_gmm(X, weights=weights, rng=rng, **(settings | changes))

    def _warn_unless_converged(self, trace: EMTrace, of_class: str = "") -> None:
        """Warn where EM ended before it converged."""
        # with a tol of 0, or a max_iter of 0, the number of iterations is as requested
        if not trace.converged and self.tol > 0 and self.max_iter > 0:
            warnings.warn(
                f"EM{of_class} stopped after max_iter={self.max_iter} iterations and did not converge (tol={self.tol} "
                "nats for each row and feature); increase max_iter or tol",
                ConvergenceWarning,
                stacklevel=4,
            )


def without_masks(X: npt.ArrayLike) -> Any:
    """Return rows with NaN in place of masked values, for scikit-learn's checks, which ignore masks and cast dates.

    Parameters
    ----------
    X : array_like
        Rows.

    Raises
    ------
    MixtureError
        If they are dates or records.

    Examples
    --------
    >>> without_masks(np.ma.masked_array([[1.0, 2.0]], [[True, False]]))
    array([[nan,  2.]])
    """
    for dtype in dtypes_of(X):
        if getattr(dtype, "kind", "f") in "mMV":
            raise MixtureError(f"rows must be a matrix of real numbers; they are {dtype}")
    return fill_masked(X) if has_masked(X) else X


def weights_of(sample_weight: npt.ArrayLike | None, rows: Floats) -> Array | None:
    """Return the weights of rows after scikit-learn's checks, or None where there are none.

    Parameters
    ----------
    sample_weight : array_like, shape (n,), or None
        Weight of each row.
    rows : ndarray, shape (n, n_features)
        The rows.

    Examples
    --------
    >>> weights_of([1, 2], np.zeros((2, 1)))
    array([1., 2.])
    """
    if sample_weight is None:
        return None
    if not np.isscalar(sample_weight):
        sample_weight = as_numbers(sample_weight, "weights must be real numbers", MixtureError)
    return check_weights(_check_sample_weight(sample_weight, rows, dtype=np.float64))


def generator_of(random_state: RandomState) -> np.random.Generator:
    """Return the generator of scikit-learn's ``random_state``.

    Parameters
    ----------
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None
        Seed or source of randomness.

    Raises
    ------
    SettingError
        If it cannot be converted to one.

    Examples
    --------
    >>> bool(generator_of(5).integers(100) == np.random.default_rng(5).integers(100))
    True
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"random_state is {random_state!r}; expected an int of 0 or more, a numpy.random.RandomState or Generator, "
            "or None"
        ) from error
