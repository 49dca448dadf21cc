"""What scores rows after their transform: a mixture for each label, or one linear function for each."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture import GaussianMixture, stacked_log_density
from gmmaudio.models.linear_algebra import Array, Parts, Rows, label_means

MIXTURE_PARTS = ("weights", "means", "covariances")
MAX_LOGISTIC_STEPS = 300


@dataclass(frozen=True, eq=False)
class Mixtures:
    """One Gaussian mixture for each label; the score of a row is its log density, nats.

    Parameters
    ----------
    mixtures : tuple of GaussianMixture
        One for each label, over the same features.
    """

    mixtures: tuple[GaussianMixture, ...]
    kind: ClassVar[str] = "mixtures"

    @property
    def n_labels(self) -> int:
        """Labels scored."""
        return len(self.mixtures)

    def score(self, rows: Rows) -> Array:
        """Return the log density of every row under every label, shape (n, n_labels), nats."""
        return stacked_log_density(self.mixtures, rows)

    def settings(self) -> dict[str, Any]:
        """Return plain values."""
        return {"covariance_type": self.mixtures[0].covariance_type, "n_labels": len(self.mixtures)}

    def parts(self) -> Parts:
        """Return arrays by name: the label's place, and what of its mixture."""
        return {f"{i}.{part}": getattr(m, part) for i, m in enumerate(self.mixtures) for part in MIXTURE_PARTS}

    @classmethod
    def of(cls, settings: dict[str, Any], parts: Parts) -> Mixtures:
        """Return what settings and parts describe."""
        kind = settings["covariance_type"]
        each = ([parts[f"{i}.{part}"] for part in MIXTURE_PARTS] for i in range(int(settings["n_labels"])))
        return cls(tuple(GaussianMixture(w, m, c, kind) for w, m, c in each))


@dataclass(frozen=True, eq=False)
class Linear:
    """One linear function for each label: logistic regression, or the cosine to a mean of unit length.

    Parameters
    ----------
    coefficients : ndarray, shape (n_labels, d), float32
        Of the functions.
    intercepts : ndarray, shape (n_labels,)
        Added.
    """

    coefficients: npt.NDArray[np.float32]
    intercepts: Array
    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.coefficients.ndim != 2 or self.intercepts.shape != self.coefficients.shape[:1]:
            raise SettingError(f"shapes {self.coefficients.shape} and {self.intercepts.shape} do not go together")

    @property
    def n_labels(self) -> int:
        """Labels scored."""
        return len(self.intercepts)

    def score(self, rows: Rows) -> Array:
        """Return the function of every label at every row, shape (n, n_labels)."""
        return np.asarray(rows, dtype=np.float64) @ self.coefficients.T.astype(np.float64) + self.intercepts

    def settings(self) -> dict[str, Any]:
        """Return plain values."""
        return {}

    def parts(self) -> Parts:
        """Return arrays by name."""
        return {"coefficients": self.coefficients, "intercepts": self.intercepts}

    @classmethod
    def of(cls, settings: dict[str, Any], parts: Parts) -> Linear:
        """Return what settings and parts describe."""
        return cls(**parts, **settings)


def fit_cosine(vectors: Rows, codes: npt.NDArray[np.intp], weights: Array) -> Linear:
    """Return the cosine to the weighted mean of every label.

    Parameters
    ----------
    vectors : ndarray, shape (n, d)
        Of unit length.
    codes : ndarray, shape (n,), int
        Label of every vector.
    weights : ndarray, shape (n,)
        Above 0.
    """
    means = label_means(vectors, codes, weights)
    length = np.linalg.norm(means, axis=1, keepdims=True)
    return Linear((means / np.where(length > 0, length, 1.0)).astype(np.float32), np.zeros(len(means)))


def fit_logistic(rows: Rows, codes: npt.NDArray[np.intp], weights: Array, penalty: float) -> Linear:
    """Return multinomial logistic regression on rows.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Of a scale near one.
    codes : ndarray, shape (n,), int
        Label of every row, at least two different.
    weights : ndarray, shape (n,)
        Of the rows, mean 1.
    penalty : float
        Half the squared coefficients times this are added to the weighted mean log-loss.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0 / (penalty * len(rows)), max_iter=MAX_LOGISTIC_STEPS)
    with warnings.catch_warnings():
        # some steps short of the optimum is no other answer
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, codes, sample_weight=weights)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(coefficients) == 1:
        # of two labels only the difference is fitted
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return Linear(coefficients.astype(np.float32), np.asarray(intercepts, dtype=np.float64))
