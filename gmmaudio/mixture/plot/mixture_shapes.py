"""The density of a mixture: curves over one feature, ellipses and contours in a plane, grids of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gmmaudio.canvas.look import SERIES
from gmmaudio.canvas.name_text import write_name
from gmmaudio.canvas.paper import PAPER, axes_for, axes_grid
from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance import Array
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.plot.component_colours import component_colours
from gmmaudio.mixture.plot.projection import AXIS_LETTERS, Features, Projection, finite_rows, seen_in, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Ellipse

# of the curve over a feature: as many over its whole range, and as many around each of the first components
N_CURVE, N_AROUND, MAX_AROUND = 401, 97, 100
# standard deviations from a mean that curves and contours are drawn to; and those from which on a narrow component
# beside others is 0 for the eye, on the way to the next point of the curve
REACH, TAIL = 4.0, 6.0
N_GRID = 201
MAX_BINS = 200
# components with a colour each; more would be a confusion of colours
MAX_COLOURED = 12
# rows drawn from the mixture, for the density above which a share of its probability is
N_SAMPLED = 20_000

Grid = npt.NDArray[np.object_]


def plot_mixture(
    mixture: GaussianMixture,
    rows: npt.ArrayLike | None = None,
    features: Features = None,
    *,
    names: Sequence[str] | None = None,
    deviations: Sequence[float] = (1.0, 2.0),
    contours: Sequence[float] = (),
    axes: Any = None,
) -> Any:
    """Return the Axes with a mixture: the density of one feature, ellipses in a plane, or a grid of pairs.

    One feature: the density as a bold line, the weighted density of each component below it, and the rows as a
    histogram. Two features, or two principal axes: each component as ellipses, whose half axes are the roots of the
    eigenvalues of its covariance in the plane, times a number of standard deviations; the darker, the greater the
    weight; the rows are points. An ellipse of s standard deviations holds the share 1 - exp(-s^2 / 2) of the
    component's probability: 39 % for 1, 86 % for 2. Three features or more: every feature on the diagonal, every pair
    below it.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.
    rows : array_like, shape (n, n_features), or None
        Drawn below the mixture; in a plane 20,000 at most, evenly taken. Those with a missing value in what is shown
        are left out.
    features : int, sequence of int, "principal" or None
        Columns of the rows, counted from 0, eight at most; or the two principal axes of the whole mixture. None, all.
    names : sequence of str or None
        Name of every feature, for the axes.
    deviations : sequence of float
        An ellipse of this size for each component, standard deviations, > 0.
    contours : sequence of float
        In a plane, a line of equal density of the whole mixture around each of these shares of its probability, 0..1.
    axes : Axes, ndarray of Axes or None
        Drawn on; for a grid of pairs an array, a row and a column for each feature. None, those of a new figure.

    Returns
    -------
    Axes or ndarray of Axes
        Those that were drawn on. The artists of components have labels, for ``axes.legend()``.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or features, names, deviations, contours or axes do not fit.
    MixtureError
        If the rows do not fit the mixture.

    References
    ----------
    Hyndman, "Computing and graphing highest density regions", The American Statistician 50(2) (1996): the density on
    the line around a share of the probability is a quantile of the densities of rows drawn from the mixture.

    Examples
    --------
    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [5.0, 1.0]], [[1.0, 4.0], [1.0, 1.0]])
    >>> axes = plot_mixture(mixture, names=["MFCC 1", "MFCC 2"], deviations=[1])
    >>> axes.get_xlabel(), [float(ellipse.height) for ellipse in axes.patches]
    ('MFCC 1', [2.0, 2.0])
    >>> plot_mixture(mixture, features=0).get_ylabel()
    'density'
    """
    _check_sizes(deviations, contours)
    view = seen_in(mixture, features, names)
    taken = None if rows is None else finite_rows(rows, mixture.n_features)
    if view.basis.shape[1] > 2:
        return _draw_pairs(mixture, view, taken, (deviations, contours), axes)
    with axes_for(axes, (4.6, 3.2) if view.basis.shape[1] == 1 else (4.6, 4.0)) as drawn:
        if view.basis.shape[1] == 1:
            draw_density(drawn, mixture, view, taken)
            name_axes(drawn, (*view.axis_names, "density"))
        else:
            draw_plane(drawn, mixture, view, taken, deviations, contours)
            name_axes(drawn, view.axis_names)
    return drawn


def name_axes(axes: Axes, names: Sequence[str]) -> None:
    """Write names beside the axes.

    Parameters
    ----------
    axes : Axes
        Changed.
    names : sequence of str
        Of x and y.
    """
    for label, name in zip((axes.xaxis.label, axes.yaxis.label), names, strict=True):
        write_name(label, name, AXIS_LETTERS)


def draw_density(axes: Axes, mixture: GaussianMixture, view: Projection, rows: npt.NDArray[np.floating] | None) -> None:
    """Draw the density over one axis, that of each component, and a histogram of rows.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    mixture : GaussianMixture
        The mixture.
    view : Projection
        A line.
    rows : ndarray, shape (n, n_features), or None
        Rows.
    """
    points = np.zeros(0) if rows is None else view.points(rows)[:, 0]
    if len(points):
        n_bins = min(len(np.histogram_bin_edges(points, _bin_rule(points))) - 1, MAX_BINS)
        axes.hist(points, bins=n_bins, density=True, color=PAPER.line, label="rows")
    seen = view.marginal(mixture)
    at = curve_places(seen, points)
    log_density, shares = seen.density_and_responsibilities(at[:, None])
    density = np.exp(log_density)
    if mixture.n_components > 1:
        colours = component_colours(mixture.n_components)
        for k, colour in enumerate(colours if mixture.n_components <= MAX_COLOURED else [SERIES[0]] * len(colours)):
            axes.fill_between(at, density * shares[:, k], color=colour, alpha=0.15, linewidth=0)
            axes.plot(at, density * shares[:, k], color=colour, linewidth=1.3, label=f"component {k}")
    axes.plot(at, density, color=PAPER.ink, linewidth=2.0, label="mixture")
    axes.set_ylim(bottom=0.0)


def draw_plane(
    axes: Axes,
    mixture: GaussianMixture,
    view: Projection,
    rows: npt.NDArray[np.floating] | None,
    deviations: Sequence[float],
    contours: Sequence[float],
) -> None:
    """Draw the ellipses of components in a plane, rows below them and contours above them.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    mixture : GaussianMixture
        The mixture.
    view : Projection
        A plane.
    rows : ndarray, shape (n, n_features), or None
        Rows.
    deviations, contours : sequence of float
        As for :func:`plot_mixture`.
    """
    if rows is not None:
        points = view.points(thinned(rows))
        axes.scatter(*points.T, **point_look(len(points)), color=PAPER.soft, label="rows")
    for ellipse in component_ellipses(mixture, view, deviations):
        axes.add_patch(ellipse)
    if len(contours):
        _draw_contours(axes, view.marginal(mixture), contours)
    axes.autoscale_view()


def point_look(n: int) -> dict[str, Any]:
    """Return size and transparency of points: the more there are, the smaller and fainter.

    Parameters
    ----------
    n : int
        Number of points.

    Examples
    --------
    >>> point_look(100)["s"] > point_look(10_000)["s"]
    True
    """
    few = min(max((4000.0 / max(n, 1) - 2.0) / 10.0, 0.0), 1.0)
    return {"s": 2.0 + 10.0 * few, "alpha": 0.35 + 0.25 * few, "linewidths": 0, "rasterized": True}


def component_ellipses(mixture: GaussianMixture, view: Projection, deviations: Sequence[float]) -> list[Ellipse]:
    """Return the ellipses of all components in a plane, the largest of each first.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    view : Projection
        A plane.
    deviations : sequence of float
        Sizes, standard deviations, > 0.
    """
    from matplotlib.patches import Ellipse

    n, heaviest = mixture.n_components, mixture.weights.max()
    colours = component_colours(n) if n <= MAX_COLOURED else [SERIES[0]] * n
    ellipses = []
    for k, (centre, matrix) in enumerate(zip(view.means(mixture), view.covariances(mixture), strict=True)):
        values, vectors = np.linalg.eigh(matrix)
        half_axes = np.sqrt(np.maximum(values, 0.0))
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        for i, size in enumerate(sorted(deviations, reverse=True)):
            wide, high = 2 * size * half_axes[1], 2 * size * half_axes[0]
            ellipses.append(Ellipse((float(centre[0]), float(centre[1])), wide, high, angle=angle))
            ellipses[-1].set(facecolor=(colours[k], 0.08 + 0.27 * mixture.weights[k] / heaviest), edgecolor=PAPER.ink)
            ellipses[-1].set(linewidth=0.7, label=f"component {k}" if i == 0 else None)
    return ellipses


def curve_places(seen: GaussianMixture, points: Array) -> Array:
    """Return the places of the points of a curve over an axis, ascending: the denser, the narrower the components.

    Parameters
    ----------
    seen : GaussianMixture
        Of one feature, with full covariances.
    points : ndarray, shape (n,)
        Rows, which the curve reaches over too.

    Examples
    --------
    >>> places = curve_places(GaussianMixture([1.0], [[2.0]], [[[1.0]]], "full"), np.array([9.0]))
    >>> float(places[0]), float(places[-1])
    (-2.0, 9.0)
    """
    means, widths = seen.means[:, 0], np.sqrt(seen.covariances[:, 0, 0])
    ends = np.concatenate([means - REACH * widths, means + REACH * widths, points])
    around = means[:MAX_AROUND, None] + widths[:MAX_AROUND, None] * np.linspace(-TAIL, TAIL, N_AROUND)
    places = np.concatenate([np.linspace(ends.min(), ends.max(), N_CURVE), around.ravel()])
    return np.asarray(np.unique(np.clip(places, ends.min(), ends.max())))


def _draw_contours(axes: Axes, seen: GaussianMixture, shares: Sequence[float]) -> None:
    """Draw the lines of equal density around shares of the probability of a mixture in a plane."""
    widths = np.sqrt(np.einsum("kii->ki", seen.covariances))
    low, high = (seen.means - REACH * widths).min(axis=0), (seen.means + REACH * widths).max(axis=0)
    x, y = (np.linspace(low[i], high[i], N_GRID) for i in range(2))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    sampled = seen.log_density(seen.sample(N_SAMPLED, np.random.default_rng(0)))
    levels = np.unique(np.quantile(sampled, 1.0 - np.asarray(shares, dtype=np.float64)))
    heights = seen.log_density(grid).reshape(len(y), len(x))
    axes.contour(x, y, heights, levels=levels, colors=PAPER.ink, linewidths=1.0, linestyles="dashed")


def _draw_pairs(
    mixture: GaussianMixture,
    view: Projection,
    rows: npt.NDArray[np.floating] | None,
    sizes: tuple[Sequence[float], Sequence[float]],
    axes: Any,
) -> Grid:
    """Return a grid of Axes: features on its diagonal, pairs of them below it, nothing above it."""
    n = view.basis.shape[1]
    with axes_grid(axes, (n, n), (1.0 + 1.6 * n, 1.0 + 1.5 * n)) as grid:
        for row, column in np.ndindex(n, n):
            drawn: Any = grid[row, column]
            if column > row:
                drawn.set_axis_off()
                continue
            shown = [column] if column == row else [column, row]
            part = Projection(view.basis[:, shown], view.centre, tuple(view.axis_names[i] for i in shown))
            if column == row:
                draw_density(drawn, mixture, part, rows)
                drawn.set_yticks([])
            else:
                draw_plane(drawn, mixture, part, rows, *sizes)
            name_axes(drawn, (view.axis_names[column], view.axis_names[row] if column < row else "density"))
            drawn.label_outer()
        _share_limits(grid)
    return grid


def _share_limits(grid: Grid) -> None:
    """Give a feature the same limits in its whole row and column."""
    n = len(grid)
    for i in range(n):
        across = [grid[row, i].get_xlim() for row in range(i, n)] + [grid[i, column].get_ylim() for column in range(i)]
        limits = min(low for low, _ in across), max(high for _, high in across)
        for row in range(i, n):
            grid[row, i].set_xlim(limits)
        for column in range(i):
            grid[i, column].set_ylim(limits)


def _bin_rule(points: Array) -> str | int:
    """Return the rule for the number of bins; far rows would make too many by numpy's."""
    spread = np.subtract(*np.percentile(points, [75, 25]))
    return MAX_BINS if np.ptp(points) > 50 * spread else "auto"


def _check_sizes(deviations: Sequence[float], contours: Sequence[float]) -> None:
    """Raise where sizes of ellipses or shares of the probability are none."""
    if not all(0 < size < np.inf for size in deviations):
        raise SettingError(f"`deviations` is {list(deviations)}; expected numbers above 0")
    if not all(0 < share < 1 for share in contours):
        raise SettingError(f"`contours` is {list(contours)}; expected shares between 0 and 1")
