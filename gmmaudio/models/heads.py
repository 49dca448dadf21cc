"""Heads, which score rows after their transform: one mixture for each label, or one linear function for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import refuse_masked
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture, MixtureStack, divergences
from gmmaudio.mixture.density_parts import linearise_log_density, split_log_density
from gmmaudio.mixture.mixture_file import MIXTURE_TENSORS, mixture_table
from gmmaudio.models.chunked_rows import ChunkedRows
from gmmaudio.models.linear_algebra import Array, Codes, Matrix
from gmmaudio.models.running_moments import label_means
from gmmaudio.models.score_parts import Answers, ScoreLine, ScoreParts
from gmmaudio.tensor_table import TensorLayout, Tensors
from gmmaudio.values import convert_fields

MAX_COEFFICIENT = 1e15
# rows drawn of each mixture; the divergences are then within about 0.01 nats
N_SAMPLES = 2_000


class Head(Protocol):
    """The last stage of a scorer: transformed rows -> one score for each label.

    Attributes
    ----------
    kind : str
        Name in the model file.
    setting_types : mapping of str to type
        Type of every one of its settings in the model file.
    """

    kind: ClassVar[str]
    setting_types: ClassVar[Mapping[str, Any]]

    @property
    def n_labels(self) -> int:
        """Number of labels scored."""

    def score(self, rows: Matrix) -> Array:
        """Return the score of every row under every label, shape (n, n_labels).

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        """

    def label_distances(self) -> tuple[Array, str]:
        """Return the distance between every two labels, shape (n_labels, n_labels), and the name of the distance."""

    def split_score(self, rows: Matrix, label: int) -> ScoreParts:
        """Return the parts of the score of every row under a label, by the columns of the transformed rows.

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        """

    def linearise(self, rows: Matrix, label: int, reference: Array) -> ScoreLine:
        """Return the score of every row under a label as a line through a reference and the row.

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        reference : ndarray, shape (d,)
            The other end of each line.
        """

    def centre(self, label: int) -> Array | None:
        """Return the mean of a label's rows, shape (d,), as the head knows it; None where it knows none.

        Parameters
        ----------
        label : int
            Index of the label.
        """

    def answers(self, rows: Matrix, label: int) -> Answers | None:
        """Return the components of a label that answer for rows; None where a label has no components.

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        """

    def settings(self) -> dict[str, Any]:
        """Return plain values for the model file."""

    def tensors(self) -> Tensors:
        """Return arrays by name for the model file."""

    @classmethod
    def tensor_table(cls, settings: Mapping[str, Any], n_labels: int, /) -> dict[str, TensorLayout]:
        """Return the tensors that a head is stored in, by name: their types, shapes and bounds.

        Parameters
        ----------
        settings : mapping
            Result of :meth:`settings`.
        n_labels : int
            Number of labels of the model.
        """

    @classmethod
    def from_tensors(cls, settings: Mapping[str, Any], tensors: Tensors) -> Self:
        """Return the head that settings and tensors describe.

        Parameters
        ----------
        settings, tensors
            Results of :meth:`settings` and :meth:`tensors`.
        """


@dataclass(frozen=True, eq=False)
class Mixtures:
    """One Gaussian mixture for each label; the score of a row is its log density, nats.

    Parameters
    ----------
    mixtures : tuple of GaussianMixture
        One for each label, over the same features.

    Examples
    --------
    >>> unit = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    >>> Mixtures((unit, unit)).score(np.zeros((1, 1))).round(3)
    array([[-0.919, -0.919]])
    """

    mixtures: tuple[GaussianMixture, ...]
    kind: ClassVar[str] = "mixtures"
    setting_types: ClassVar[Mapping[str, Any]] = {"covariance_type": str, "n_labels": int}

    def __post_init__(self) -> None:
        convert_fields(self)

    @cached_property
    def _stack(self) -> MixtureStack:
        return MixtureStack(self.mixtures)

    @property
    def n_labels(self) -> int:
        """Number of labels scored."""
        return len(self.mixtures)

    def score(self, rows: Matrix) -> Array:
        """Return the log density of every row under every label, shape (n, n_labels), nats.

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        """
        return self._stack.log_density(rows)

    def split_score(self, rows: Matrix, label: int) -> ScoreParts:
        """Return the parts of the log density of every row, by column (:func:`split_log_density`).

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        """
        parts = split_log_density(self.mixtures[label], rows)
        others = {"volume": parts.volume, "weights": parts.weights, "entropy": parts.entropy}
        return ScoreParts(parts.features, others)

    def linearise(self, rows: Matrix, label: int, reference: Array) -> ScoreLine:
        """Return the log density of every row as a line (:func:`linearise_log_density`).

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        reference : ndarray, shape (d,)
            The other end of each line.
        """
        line = linearise_log_density(self.mixtures[label], rows, reference)
        return ScoreLine(line.slopes, line.constant)

    def centre(self, label: int) -> Array:
        """Return the mean of a label's mixture, shape (d,).

        Parameters
        ----------
        label : int
            Index of the label.
        """
        mixture = self.mixtures[label]
        mean: Array = mixture.weights @ mixture.means
        return mean

    def answers(self, rows: Matrix, label: int) -> Answers:
        """Return the components of the label's mixture that answer for rows.

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        """
        mixture = self.mixtures[label]
        return Answers(mixture, rows, mixture.responsibilities(rows))

    def label_distances(self) -> tuple[Array, str]:
        """Return the Jensen-Shannon divergence between the labels' mixtures, shape (n_labels, n_labels), and its name.

        The divergence is estimated from rows drawn of the mixtures, 0 to 0.69 nats.
        """
        distances = divergences(self.mixtures, n_samples=N_SAMPLES)
        return distances, "Jensen-Shannon divergence between the labels' mixtures of one model, nats (0 to 0.69)"

    def settings(self) -> dict[str, Any]:
        """Return plain values for the model file."""
        return {"covariance_type": self.mixtures[0].covariance_type, "n_labels": len(self.mixtures)}

    def tensors(self) -> Tensors:
        """Return arrays by name: the label's index, then the parameter of its mixture."""
        return {f"{i}.{name}": getattr(m, name) for i, m in enumerate(self.mixtures) for name in MIXTURE_TENSORS}

    @classmethod
    def tensor_table(cls, settings: Mapping[str, Any], n_labels: int) -> dict[str, TensorLayout]:
        """Return the tensors that it is stored in: those of one mixture for each label, named by the label's index.

        Parameters
        ----------
        settings, n_labels
            As for :class:`Head`.
        """
        if settings["n_labels"] != n_labels:
            raise SettingError(f"{n_labels} labels and {settings['n_labels']} mixtures; expected one for each")
        return {
            f"{i}.{name}": layout
            for i in range(n_labels)
            for name, layout in mixture_table(settings["covariance_type"], f"n_components.{i}", "d").items()
        }

    @classmethod
    def from_tensors(cls, settings: Mapping[str, Any], tensors: Tensors) -> Mixtures:
        """Return the head that settings and tensors describe.

        Parameters
        ----------
        settings, tensors
            Results of :meth:`settings` and :meth:`tensors`.
        """
        covariance_type = settings["covariance_type"]
        each = ([tensors[f"{i}.{name}"] for name in MIXTURE_TENSORS] for i in range(settings["n_labels"]))
        return cls(tuple(GaussianMixture(w, m, c, covariance_type) for w, m, c in each))


@dataclass(frozen=True, eq=False)
class Linear:
    """One linear function for each label: logistic regression, or the cosine to a mean of unit length.

    Parameters
    ----------
    coefficients : ndarray, shape (n_labels, d), float32
        Coefficients of the functions.
    intercepts : ndarray, shape (n_labels,)
        Added to each label's score.

    Raises
    ------
    SettingError
        If the shapes do not fit.

    Examples
    --------
    >>> Linear(np.eye(2, dtype=np.float32), np.array([0.0, 1.0])).score(np.array([[3.0, 4.0]]))
    array([[3., 5.]])
    """

    coefficients: npt.NDArray[np.float32]
    intercepts: Array
    kind: ClassVar[str] = "linear"
    setting_types: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        if self.coefficients.ndim != 2 or self.intercepts.shape != self.coefficients.shape[:1]:
            raise SettingError(
                f"coefficients have shape {self.coefficients.shape} and intercepts {self.intercepts.shape}; expected "
                "(n_labels, d) and (n_labels,)"
            )

    @property
    def n_labels(self) -> int:
        """Number of labels scored."""
        return len(self.intercepts)

    def score(self, rows: Matrix) -> Array:
        """Return the function of every label at every row, shape (n, n_labels).

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.

        Raises
        ------
        MixtureError
            If a value is masked.
        """
        refuse_masked(rows, "rows must be finite", MixtureError)
        return np.asarray(rows, dtype=np.float64) @ self.coefficients.T.astype(np.float64) + self.intercepts

    def split_score(self, rows: Matrix, label: int) -> ScoreParts:
        """Return the parts of the function of every row: coefficients times columns, and the intercept.

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        """
        slopes = self.coefficients[label, None].astype(np.float64)
        intercept = np.repeat(self.intercepts[label], len(rows))
        return ScoreParts(np.asarray(rows, dtype=np.float64) * slopes, {"intercept": intercept})

    def linearise(self, rows: Matrix, label: int, reference: Array) -> ScoreLine:
        """Return the function itself, the same for every row.

        Parameters
        ----------
        rows : ndarray, shape (n, d)
            Transformed rows.
        label : int
            Index of the label.
        reference : ndarray, shape (d,)
            The row at which the line has its constant.
        """
        slopes = self.coefficients[label, None].astype(np.float64)
        return ScoreLine(slopes, np.repeat(self.intercepts[label] + slopes[0] @ reference, len(rows)))

    def centre(self, _label: int) -> None:
        """Return None: a linear function does not know the rows of its label.

        Parameters
        ----------
        _label : int
            As for :class:`Head`.
        """

    def answers(self, _rows: Matrix, _label: int) -> None:
        """Return None: a linear function has no components.

        Parameters
        ----------
        _rows, _label
            As for :class:`Head`.
        """

    def label_distances(self) -> tuple[Array, str]:
        """Return one minus the cosine between the labels' coefficients, shape (n_labels, n_labels), and its name."""
        # in exact symmetry and from exactly zero, which rounding would not give
        lengths = np.linalg.norm(self.coefficients, axis=1, keepdims=True)
        unit = self.coefficients / np.where(lengths > 0, lengths, 1)
        distances = np.linalg.norm(unit[:, None] - unit[None], axis=2).astype(np.float64) ** 2 / 2
        return distances, "one minus the cosine between the labels' vectors of one model (0 to 2)"

    def settings(self) -> dict[str, Any]:
        """Return plain values for the model file."""
        return {}

    def tensors(self) -> Tensors:
        """Return arrays by name for the model file."""
        return {"coefficients": self.coefficients, "intercepts": self.intercepts}

    @classmethod
    def tensor_table(cls, _settings: Mapping[str, Any], _n_labels: int) -> dict[str, TensorLayout]:
        """Return the tensors that it is stored in.

        Parameters
        ----------
        _settings, _n_labels
            As for :class:`Head`.
        """
        # of single precision, whose squares must be finite
        coefficients = TensorLayout("float32", ("n_labels", "d"), -MAX_COEFFICIENT, MAX_COEFFICIENT)
        return {"coefficients": coefficients, "intercepts": TensorLayout("float64", ("n_labels",))}

    @classmethod
    def from_tensors(cls, settings: Mapping[str, Any], tensors: Tensors) -> Linear:
        """Return the head that settings and tensors describe.

        Parameters
        ----------
        settings, tensors
            Results of :meth:`settings` and :meth:`tensors`.
        """
        return cls(**tensors, **settings)


def fit_cosine(vectors: Matrix | ChunkedRows, codes: Codes, weights: Array) -> Linear:
    """Return the cosine to the weighted mean of every label, as a head.

    Parameters
    ----------
    vectors : ndarray, shape (n, d), or ChunkedRows
        Vectors of unit length.
    codes : ndarray, shape (n,), int
        Label of every vector.
    weights : ndarray, shape (n,)
        Weight of every vector, above 0.

    Examples
    --------
    >>> fit_cosine(np.eye(2), np.array([0, 1]), np.ones(2)).score(np.array([[0.6, 0.8]])).round(2)
    array([[0.6, 0.8]])
    """
    means = label_means(vectors, codes, weights)
    length = np.linalg.norm(means, axis=1, keepdims=True)
    return Linear((means / np.where(length > 0, length, 1.0)).astype(np.float32), np.zeros(len(means)))
