"""Gaussians on standardised and projected blocks of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models.heads import Linear, Mixtures, fit_logistic
from gmmaudio.models.kinds.frame_gmm import fit_mixtures
from gmmaudio.models.linear_algebra import Array, Parts, Rows, label_means, signed_axes
from gmmaudio.models.scorer import Classifier
from gmmaudio.models.ubm import Traces, TrainingRows

# a column that does not move is left at zero
LEAST_DEVIATION = 1e-9


@dataclass(frozen=True, eq=False)
class Projection:
    """Standardised rows, bent to stay within a limit, times a matrix.

    Parameters
    ----------
    mean, scale : ndarray, shape (n_features,)
        Taken out, and divided by.
    matrix : ndarray, shape (n_features, d)
        Principal axes, whitened where labels share a covariance.
    z_limit : float or None
        Standardised values are bent to stay within -z_limit..z_limit.
    """

    mean: Array
    scale: Array
    matrix: Array
    z_limit: float | None = None
    kind: ClassVar[str] = "projection"
    scores_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        n = len(self.matrix)
        if self.matrix.ndim != 2 or self.mean.shape != (n,) or self.scale.shape != (n,):
            raise SettingError(f"shapes {self.mean.shape}, {self.scale.shape}, {self.matrix.shape} do not go together")

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return len(self.matrix)

    def apply(self, values: Rows) -> Array:
        """Return the projected rows, shape (n, d)."""
        return standardise(values, self.mean, self.scale, self.z_limit) @ self.matrix

    def settings(self) -> dict[str, Any]:
        """Return plain values."""
        return {"z_limit": self.z_limit}

    def parts(self) -> Parts:
        """Return arrays by name."""
        return {"mean": self.mean, "scale": self.scale, "matrix": self.matrix}

    @classmethod
    def of(cls, settings: dict[str, Any], parts: Parts) -> Projection:
        """Return what settings and parts describe."""
        return cls(**parts, z_limit=settings["z_limit"])


def standardise(values: Rows, mean: Array, scale: Array, z_limit: float | None) -> Array:
    """Return rows less a mean over a scale, bent to stay within a limit, shape (n, n_features)."""
    z = (np.asarray(values, dtype=np.float64) - mean) / scale
    return z if z_limit is None else z_limit * np.tanh(z / z_limit)


def fit_projection(rows: Array, n_pca: int | None, z_limit: float | None) -> Projection:
    """Return standardisation and principal axes of rows.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
        At least one.
    n_pca : int or None
        Axes kept at most; None keeps all in which the rows differ.
    z_limit : float or None
        As for :class:`Projection`.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    >>> fit_projection(rows, None, None).matrix.shape
    (2, 1)
    """
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > LEAST_DEVIATION * np.maximum(1.0, abs(mean)), scale, np.inf)
    z = standardise(rows, mean, scale, z_limit)
    values, axes = np.linalg.eigh(np.cov(z, rowvar=False, bias=True).reshape(len(mean), len(mean)))
    moving = int((values > 1e-10 * max(values.max(), 1e-300)).sum())
    kept = max(1, min(moving, n_pca or moving))
    return Projection(mean, scale, signed_axes(axes[:, ::-1][:, :kept]), z_limit)


def whitened(
    projection: Projection, rows: Array, codes: npt.NDArray[np.intp], shrinkage: float | None = None
) -> Projection:
    """Return a projection after which rows of one label have the unit covariance, as far as it is believed.

    Parameters
    ----------
    projection : Projection
        What is done first.
    rows : ndarray, shape (n, d)
        Projected rows.
    codes : ndarray, shape (n,), int
        Label of every row, 0..n_labels - 1.
    shrinkage : float or None
        Share of a multiple of the identity in the covariance, 0..1; None takes Ledoit and Wolf's.

    References
    ----------
    Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate
    Analysis 88 (2004).
    """
    from sklearn.covariance import ledoit_wolf

    centred = rows - label_means(rows, codes)[codes]
    if shrinkage is None:
        covariance, _ = ledoit_wolf(centred, assume_centered=True)
    else:
        covariance = centred.T @ centred / len(centred)
        level = np.trace(covariance) / len(covariance)
        covariance = (1 - shrinkage) * covariance + shrinkage * level * np.eye(len(covariance))
    values, axes = np.linalg.eigh(covariance)
    root = axes / np.sqrt(np.maximum(values, 1e-9 * max(values.max(), 1e-300)))
    return Projection(projection.mean, projection.scale, projection.matrix @ root, projection.z_limit)


def fit_blocks(training: TrainingRows) -> tuple[Classifier, Traces]:
    """Return a projection, and Gaussians or linear functions (or both) on projected rows."""
    config, clip = training.config, training.per_row()
    rows: Array = np.concatenate(training.rows).astype(np.float64)
    codes = training.codes[clip]
    projection = fit_projection(rows, config.n_pca, config.z_limit)
    traces: Traces = {}
    heads: list[Mixtures | Linear] = []
    if config.is_shared:
        projection = whitened(projection, projection.apply(rows), codes, config.shrinkage)
    projected = projection.apply(rows)
    weights = (training.weights() / np.bincount(clip))[clip]
    if config.back_end != "logistic":
        if config.is_shared:
            heads.append(_unit_gaussians(label_means(projected, codes, weights)))
        else:
            mixtures, traces = fit_mixtures((projected[codes == i] for i in range(len(training.names))), training)
            heads.append(Mixtures(mixtures))
    if config.back_end != "own":
        heads.append(fit_logistic(projected, codes, weights * (len(clip) / weights.sum()), config.penalty))
    return Classifier(training.names, projection, tuple(heads), (1.0,) * len(heads)), traces


def _unit_gaussians(means: Array) -> Mixtures:
    """Return one Gaussian of unit covariance around each mean: what a shared covariance is after whitening."""
    one = np.ones(1)
    return Mixtures(tuple(GaussianMixture(one, mean[None], one, "spherical") for mean in means))
