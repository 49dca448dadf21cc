"""Responsibilities: soft memberships over a feature, of points in a plane, or of rows as stacked bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gmmaudio.canvas.name_text import add_legend
from gmmaudio.canvas.paper import PAPER, axes_for
from gmmaudio.errors import SettingError
from gmmaudio.mixture.covariance import Array
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.plot.component_colours import component_colours
from gmmaudio.mixture.plot.mixture_shapes import component_ellipses, curve_places, name_axes, point_look
from gmmaudio.mixture.plot.projection import Features, Projection, finite_rows, seen_in, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# narrower bars could not be seen
MAX_STACKED = 2_000
# names in a legend
MAX_NAMED = 12
# standard deviations of the outlines of components
OUTLINE = (2.0,)
ROWS = "rows"


def plot_responsibilities(
    mixture: GaussianMixture,
    rows: npt.ArrayLike | None = None,
    features: Features = None,
    *,
    names: Sequence[str] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Return the Axes with the responsibilities of components, which sum to 1 for every row.

    One feature: stacked areas over it, as responsibilities are where only this feature is known; a stroke below for
    each row. Two features, or two principal axes: the rows as points, whose colours are those of the components, mixed
    by responsibility. ``"rows"``: a bar for each row, stacked from its responsibilities; rows of one component are
    neighbours, the surest first.

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.
    rows : array_like, shape (n, n_features), or None
        Needed except for one feature. In a plane 20,000 are drawn at most, as bars 2,000, evenly taken.
    features : int, sequence of one or two int, "principal", "rows" or None
        Columns of the rows, counted from 0; or the principal axes; or no feature, but bars. None: all features of one
        or two, bars where there are more.
    names : sequence of str or None
        Name of every feature, for the axes.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, rows are needed, or features or names do not fit.
    MixtureError
        If the rows do not fit the mixture.

    References
    ----------
    Bars: Rosenberg et al., "Genetic structure of human populations", Science 298 (2002).

    Examples
    --------
    >>> mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
    >>> axes = plot_responsibilities(mixture, [[-1.0], [0.5]])
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['component 1', 'component 0']
    """
    as_bars = features == ROWS if isinstance(features, str) else features is None and mixture.n_features > 2
    view = None if as_bars else seen_in(mixture, features, names)
    if view is not None and view.basis.shape[1] > 2:
        raise SettingError(f"`features` is {features!r}; expected one or two columns, principal or rows")
    if rows is None and (view is None or view.basis.shape[1] == 2):
        raise SettingError("`rows` is None; expected rows, as only one feature can be drawn without them")
    taken = None if rows is None else finite_rows(rows, mixture.n_features)
    with axes_for(axes, (5.8, 2.8) if view is None or view.basis.shape[1] == 1 else (5.4, 4.0)) as drawn:
        if view is not None and view.basis.shape[1] == 1:
            _draw_areas(drawn, mixture, view, taken)
        elif taken is not None:
            _draw_bars(drawn, mixture, taken) if view is None else _draw_plane(drawn, mixture, view, taken)
    return drawn


def draw_points(axes: Axes, mixture: GaussianMixture, view: Projection, rows: npt.NDArray[np.floating]) -> None:
    """Draw rows in a plane in the colours of their components, mixed by responsibility.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    mixture : GaussianMixture
        The mixture.
    view : Projection
        A plane.
    rows : ndarray, shape (n, n_features)
        Rows; all values that are known count for their responsibilities, those that are not seen too.
    """
    shown = rows[view.shown(rows)]
    colours = mixture.responsibilities(shown) @ np.asarray(component_colours(mixture.n_components))
    x, y = view.points(shown).T
    axes.scatter(x, y, **(point_look(len(shown)) | {"alpha": 0.8, "c": np.clip(colours, 0.0, 1.0)}))


def _draw_plane(axes: Axes, mixture: GaussianMixture, view: Projection, rows: npt.NDArray[np.floating]) -> None:
    """Draw rows in a plane, and the outlines of components."""
    draw_points(axes, mixture, view, thinned(rows))
    ellipses = component_ellipses(mixture, view, OUTLINE)
    for ellipse in ellipses:
        axes.add_patch(ellipse).set(facecolor="none", linewidth=1.0)
    axes.autoscale_view()
    name_axes(axes, view.axis_names)
    if mixture.n_components <= MAX_NAMED:
        colours = component_colours(mixture.n_components)
        marks = [axes.plot([], [], linestyle="none", marker="o", color=colour)[0] for colour in colours]
        add_legend(axes, marks, [f"component {k}" for k in range(len(marks))])


def _draw_areas(axes: Axes, mixture: GaussianMixture, view: Projection, rows: npt.NDArray[np.floating] | None) -> None:
    """Draw responsibilities over a feature as stacked areas, and rows as strokes below them."""
    points = np.zeros(0) if rows is None else view.points(rows)[:, 0]
    seen = view.marginal(mixture)
    at = curve_places(seen, points)
    _stack(axes, at, seen.responsibilities(at[:, None]), None)
    if len(points):
        strokes = thinned(points[:, None])[:, 0]
        axes.plot(strokes, np.full(len(strokes), -0.05), linestyle="none", marker="|", color=PAPER.ink, alpha=0.5)
    axes.set(xlim=(at[0], at[-1]), ylim=(-0.1 if len(points) else 0.0, 1.0))
    name_axes(axes, (*view.axis_names, "responsibility"))


def _draw_bars(axes: Axes, mixture: GaussianMixture, rows: npt.NDArray[np.floating]) -> None:
    """Draw the responsibilities of rows as bars beside each other."""
    shares = mixture.responsibilities(thinned(rows, MAX_STACKED))
    surest = shares.argmax(axis=1)
    shares = shares[np.lexsort((-shares.max(axis=1), surest))]
    # a step at each end, so that the first and the last bar are as wide as the others
    edges = np.arange(len(shares) + 1)
    _stack(axes, edges, np.concatenate([shares, shares[-1:]]), "post")
    axes.set(xlim=(0, len(shares)), ylim=(0, 1), xlabel="rows, by component", ylabel="responsibility")


def _stack(axes: Axes, at: npt.NDArray[np.generic], shares: Array, step: str | None) -> None:
    """Draw shares as stacked areas, and name them where they are few."""
    colours = component_colours(shares.shape[1])
    stacks = axes.stackplot(at, shares.T, colors=colours, linewidth=0, step=step)
    axes.grid(visible=False)
    if len(stacks) <= MAX_NAMED:
        # as they lie above one another
        add_legend(axes, stacks[::-1], [f"component {k}" for k in range(len(stacks))][::-1], upward=True)
