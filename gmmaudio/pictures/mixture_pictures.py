"""Pictures of mixtures: components as ellipses, and the likelihood by iteration of EM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.drawing import SERIES, line_look
from gmmaudio.mixture import EMTrace, GaussianMixture
from gmmaudio.mixture.covariance import Array, covariance_of
from gmmaudio.mixture.sources import as_rows
from gmmaudio.pictures.name_text import add_legend, write_name
from gmmaudio.pictures.paper import PAPER, axes_for, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.patches import Ellipse

# more points would make a file of megabytes, and cover each other
MAX_POINTS = 20_000
PRINCIPAL = "principal"
AXIS_LETTERS = 40


@dataclass(frozen=True, eq=False)
class Projection:
    """A plane that a mixture is seen in.

    Parameters
    ----------
    basis : ndarray, shape (n_features, 2)
        Columns of length 1, at right angles.
    centre : ndarray, shape (n_features,)
        What is at the origin, in the units of the rows.
    axis_names : tuple of str
        Names of both axes.
    """

    basis: Array
    centre: Array
    axis_names: tuple[str, str]


def plot_components(
    mixture: GaussianMixture,
    features: tuple[int, int] | str = (0, 1),
    rows: npt.ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    deviations: Sequence[float] = (1.0, 2.0),
    axes: Axes | None = None,
) -> Axes:
    """Return the Axes with the components of a mixture as ellipses: where a component has its rows in this plane.

    The half axes of an ellipse are roots of the eigenvalues of the component's covariance in the plane, times a number
    of standard deviations. The darker, the greater the weight.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type, with two features or more.
    features : tuple of two int, or "principal"
        Columns of the rows, counted from 0; or the two principal axes of the whole mixture.
    rows : array_like, shape (n, n_features), or None
        Drawn as points, 20,000 at most, evenly taken; those with a missing value in the plane are left out.
    names : sequence of str or None
        Name of every feature, for the axes.
    deviations : sequence of float
        An ellipse of this size for each component, standard deviations, > 0.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or features, names or deviations do not fit.
    MixtureError
        If the rows do not fit the mixture.

    Examples
    --------
    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [5.0, 1.0]], [[1.0, 4.0], [1.0, 1.0]])
    >>> axes = plot_components(mixture, names=["MFCC 1", "MFCC 2"], deviations=[1])
    >>> axes.get_xlabel(), [float(ellipse.height) for ellipse in axes.patches]
    ('MFCC 1', [2.0, 2.0])
    """
    _check_sizes(mixture, names, deviations)
    plane = _principal(mixture) if features == PRINCIPAL else _of_features(mixture, features, names)
    points = None if rows is None else _points(as_rows(rows, mixture.n_features), plane)
    with axes_for(axes, (4.6, 4.0)) as drawn:
        if points is not None:
            drawn.scatter(points[:, 0], points[:, 1], s=2, color=PAPER.soft, alpha=0.35, linewidths=0, rasterized=True)
        for ellipse in _ellipses(mixture, plane, deviations):
            drawn.add_patch(ellipse)
        drawn.autoscale_view()
        for label, name in zip((drawn.xaxis.label, drawn.yaxis.label), plane.axis_names, strict=True):
            write_name(label, name, AXIS_LETTERS)
    return drawn


def plot_likelihood(trace: EMTrace | Mapping[str, EMTrace], axes: Axes | None = None) -> Axes:
    """Return the Axes with the mean log density of a row by iteration of EM.

    A triangle is an iteration at which components were re-seeded: only there the likelihood may fall. The last point
    is hollow where EM stopped before it converged.

    Parameters
    ----------
    trace : EMTrace or mapping of str to EMTrace
        The course of one fit, or of several with their names.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or there is no trace.

    Examples
    --------
    >>> from gmmaudio.mixture import fit_gmm
    >>> _, trace = fit_gmm([[-1.0], [1.0], [1.5]], 1)
    >>> plot_likelihood(trace).lines[0].get_ydata().tolist() == list(trace.log_likelihoods)
    True
    """
    traces: dict[str, EMTrace] = {"": trace} if isinstance(trace, EMTrace) else dict(trace)
    if not traces:
        raise SettingError("there is no trace of a fit; expected one or more")
    require_matplotlib()
    from matplotlib.ticker import MaxNLocator

    with axes_for(axes, (4.6, 3.2) if len(traces) == 1 else (5.8, 3.6)) as drawn:
        lines = [_draw_trace(drawn, i, one) for i, one in enumerate(traces.values())]
        drawn.set(xlabel="iteration", ylabel="log density of a row, nats")
        drawn.xaxis.set_major_locator(MaxNLocator(integer=True))
        if not isinstance(trace, EMTrace):
            add_legend(drawn, lines, list(traces))
    return drawn


def _draw_trace(axes: Axes, i: int, trace: EMTrace) -> Line2D:
    """Return the line of the i-th fit; its marks are drawn too."""
    look = line_look(i + 1, PAPER)
    values = trace.log_likelihoods
    (line,) = axes.plot(range(len(values)), values, **look)
    reseeded = [at for at, _ in trace.reseeded]
    axes.plot(reseeded, [values[at] for at in reseeded], linestyle="none", marker="v", color=look["color"])
    inside = look["color"] if trace.converged else "white"
    axes.plot(len(values) - 1, values[-1], marker="o", color=look["color"], markerfacecolor=inside)
    return line


def _check_sizes(mixture: GaussianMixture, names: Sequence[str] | None, deviations: Sequence[float]) -> None:
    """Raise where a mixture is no plane, or names or deviations do not fit."""
    if mixture.n_features < 2:
        raise SettingError("the mixture has one feature; a plane needs two")
    if names is not None and len(names) != mixture.n_features:
        raise SettingError(f"`names` has {len(names)} names; expected one for each of {mixture.n_features} features")
    if not all(0 < size < np.inf for size in deviations):
        raise SettingError(f"`deviations` is {list(deviations)}; expected numbers above 0")


def _of_features(mixture: GaussianMixture, features: tuple[int, int] | str, names: Sequence[str] | None) -> Projection:
    """Return the plane of two features."""
    d = mixture.n_features
    chosen = [] if isinstance(features, str) else list(features)
    if len(set(chosen)) != 2 or not all(isinstance(i, int | np.integer) and 0 <= i < d for i in chosen):
        raise SettingError(f"`features` is {features!r}; expected two columns from 0 to {d - 1}, or principal")
    basis = np.zeros((d, 2))
    basis[chosen, [0, 1]] = 1.0
    first, second = (f"feature {i}" if names is None else names[i] for i in chosen)
    return Projection(basis, np.zeros(d), (first, second))


def _principal(mixture: GaussianMixture) -> Projection:
    """Return the plane of the two principal axes of the whole mixture, with its mean at the origin."""
    weights = mixture.weights / mixture.weights.sum()
    centre = weights @ mixture.means
    offsets = mixture.means - centre
    total = (weights * offsets.T) @ offsets
    for weight, matrix in zip(weights, _matrices(mixture), strict=True):
        total += weight * matrix
    values, vectors = np.linalg.eigh(total)
    basis = vectors[:, :-3:-1]
    # an axis may point either way: the same picture on every machine
    basis = basis * np.where(basis[np.abs(basis).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    shares = 100 * values[:-3:-1] / values.sum()
    return Projection(basis, centre, (_axis_name(1, shares[0]), _axis_name(2, shares[1])))


def _axis_name(i: int, share: float) -> str:
    """Return the name of a principal axis with its share of the variance, per cent."""
    return f"principal axis {i} ({share:.0f} % of variance)"


def _matrices(mixture: GaussianMixture) -> Iterator[Array]:
    """Yield the covariance matrix of every component: all of them at once may be gigabytes."""
    covariance = covariance_of(mixture.covariance_type)
    for j in range(mixture.n_components):
        taken = covariance.take(mixture.covariances, np.array([j]))
        yield covariance.matrices(taken, 1, mixture.n_features)[0]


def _points(rows: npt.NDArray[np.floating], plane: Projection) -> Array:
    """Return rows in the plane, shape (n, 2); of very many some, evenly taken."""
    taken = rows[:: max(1, -(-len(rows) // MAX_POINTS))].astype(np.float64)
    # what the plane does not show may be missing
    shown = (plane.basis != 0).any(axis=1)
    points: Array = (taken[:, shown] - plane.centre[shown]) @ plane.basis[shown]
    return points[~np.isnan(points).any(axis=1)]


def _ellipses(mixture: GaussianMixture, plane: Projection, deviations: Sequence[float]) -> list[Ellipse]:
    """Return the ellipses of all components, the largest of each first."""
    from matplotlib.patches import Ellipse

    centres = (mixture.means - plane.centre) @ plane.basis
    ellipses = []
    for weight, centre, matrix in zip(mixture.weights, centres, _matrices(mixture), strict=True):
        values, vectors = np.linalg.eigh(plane.basis.T @ matrix @ plane.basis)
        half_axes = np.sqrt(np.maximum(values, 0.0))
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        for size in sorted(deviations, reverse=True):
            wide, high = 2 * size * half_axes[1], 2 * size * half_axes[0]
            ellipses.append(Ellipse((float(centre[0]), float(centre[1])), wide, high, angle=angle))
            ellipses[-1].set(facecolor=(SERIES[0], 0.1 + 0.4 * weight / mixture.weights.max()), edgecolor=PAPER.ink)
            ellipses[-1].set_linewidth(0.7)
    return ellipses
