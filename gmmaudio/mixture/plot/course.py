"""The course of EM: the likelihood by iteration, and the mixture as it moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gmmaudio.canvas.look import line_look
from gmmaudio.canvas.name_text import add_legend
from gmmaudio.canvas.paper import PAPER, axes_for, axes_grid, require_matplotlib
from gmmaudio.errors import SettingError
from gmmaudio.mixture.em import EMStep, fit_gmm
from gmmaudio.mixture.em_trace import EMTrace
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.mixture.plot.memberships import draw_points
from gmmaudio.mixture.plot.mixture_shapes import component_ellipses, draw_density, name_axes
from gmmaudio.mixture.plot.projection import Features, Projection, finite_rows, seen_in, thinned

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# around the rows, as a share of their range
MARGIN = 0.15
# standard deviations of the ellipses
SIZES = (1.0, 2.0)


def plot_trace(trace: EMTrace | Mapping[str, EMTrace], *, axes: Axes | None = None) -> Axes:
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
    >>> _, trace = fit_gmm([[-1.0], [1.0], [1.5]], 1)
    >>> plot_trace(trace).lines[0].get_ydata().tolist() == list(trace.log_likelihoods)
    True
    """
    traces: dict[str, EMTrace] = {"": trace} if isinstance(trace, EMTrace) else dict(trace)
    if not traces:
        raise SettingError("there is no trace of a fit; expected one or more")
    with axes_for(axes, (4.6, 3.2) if len(traces) == 1 else (5.8, 3.6)) as drawn:
        lines = [_draw_trace(drawn, i, one) for i, one in enumerate(traces.values())]
        _name_iterations(drawn)
        if not isinstance(trace, EMTrace):
            add_legend(drawn, lines, list(traces))
    return drawn


def animate_em(
    rows: npt.ArrayLike,
    steps: Sequence[EMStep] | GaussianMixture,
    features: Features = None,
    *,
    names: Sequence[str] | None = None,
    interval_ms: int = 500,
    axes: Sequence[Axes] | None = None,
) -> FuncAnimation:
    """Return an animation of EM: the mixture over the rows, and the likelihood as it rises; a frame for each iteration.

    The rows of a plane have the colours of their components, mixed by responsibility.

    Parameters
    ----------
    rows : array_like, shape (n, n_features)
        What was fitted; in a plane 20,000 rows are drawn at most, evenly taken.
    steps : sequence of EMStep, or GaussianMixture
        What :func:`gmmaudio.mixture.fit_gmm` passed to its callback, such as ``callback=steps.append``; or a mixture,
        from which EM is run to its end.
    features : int, sequence of int, "principal" or None
        One or two columns of the rows, counted from 0, or the principal axes of the last mixture. None, all.
    names : sequence of str or None
        Name of every feature, for the axes.
    interval_ms : int
        Time for a frame, milliseconds.
    axes : sequence of two Axes, or None
        Drawn on: the mixture, and its likelihood, in one figure. None, those of a new one.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep it as long as it is shown; ``save("em.gif")`` writes it, ``to_jshtml()`` makes an element of a page.

    Raises
    ------
    SettingError
        If matplotlib is not installed, there are no steps, or features, names or axes do not fit.
    MixtureError
        If the rows do not fit the mixtures.

    Examples
    --------
    >>> import tempfile
    >>> rows, steps = [[-1.0], [0.0], [4.0], [5.0]], []
    >>> _ = fit_gmm(rows, 2, callback=steps.append)
    >>> animation = animate_em(rows, steps)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animation.save(f"{folder}/em.gif", writer="pillow")
    """
    require_matplotlib()
    from matplotlib.animation import FuncAnimation

    taken = list(_steps_from(rows, steps) if isinstance(steps, GaussianMixture) else steps)
    if not taken:
        raise SettingError("there are no steps of EM; collect them with `callback=steps.append`, or pass a mixture")
    if isinstance(interval_ms, bool) or not isinstance(interval_ms, int | np.integer) or interval_ms < 1:
        raise SettingError(f"`interval_ms` is {interval_ms!r}; expected a number of milliseconds above 0")
    view = seen_in(taken[-1].mixture, features, names)
    if view.basis.shape[1] > 2:
        raise SettingError("the mixture has more than two features; name one or two by `features`, or principal")
    fitted = finite_rows(rows, view.basis.shape[0])
    with axes_grid(axes, (2,), (8.4, 3.8)) as (picture, likelihood):
        frames = _Frames(taken, view, fitted, picture, likelihood)
    figure = picture.get_figure()
    return FuncAnimation(figure, frames.draw, frames=len(taken), interval=interval_ms, init_func=list)


class _Frames:
    """The frames of an animation; each takes away the artists of the one before."""

    def __init__(
        self,
        steps: Sequence[EMStep],
        view: Projection,
        rows: npt.NDArray[np.floating],
        picture: Axes,
        likelihood: Axes,
    ) -> None:
        self.steps, self.view, self.rows = steps, view, thinned(rows)
        self.all_rows = rows
        self.picture, self.likelihood = picture, likelihood
        self.drawn: list[Artist] = []
        self._set_limits()
        _name_iterations(likelihood)
        name_axes(picture, view.axis_names if view.basis.shape[1] == 2 else (*view.axis_names, "density"))
        self.draw(0)

    def _set_limits(self) -> None:
        """Set limits that hold all frames."""
        points = self.view.points(self.all_rows)
        low, high = points.min(axis=0), points.max(axis=0)
        margin = MARGIN * np.where(high > low, high - low, 1.0)
        self.picture.set_xlim(low[0] - margin[0], high[0] + margin[0])
        if points.shape[1] == 2:
            self.picture.set_ylim(low[1] - margin[1], high[1] + margin[1])
        values = [step.log_likelihood for step in self.steps]
        room = 0.05 * (max(values) - min(values) or 1.0)
        self.likelihood.set_ylim(min(values) - room, max(values) + room)
        last = max(step.iteration for step in self.steps)
        self.likelihood.set_xlim(-0.05 * max(last, 1), 1.05 * max(last, 1))

    def draw(self, i: int) -> list[Artist]:
        """Return the artists of the i-th frame, which are drawn."""
        for artist in self.drawn:
            artist.remove()
        before = {id(artist) for axes in (self.picture, self.likelihood) for artist in axes.get_children()}
        step = self.steps[i]
        if self.view.basis.shape[1] == 1:
            draw_density(self.picture, step.mixture, self.view, self.all_rows)
        else:
            draw_points(self.picture, step.mixture, self.view, self.rows)
            for ellipse in component_ellipses(step.mixture, self.view, SIZES):
                self.picture.add_patch(ellipse)
        self._draw_course(i)
        self.picture.set_title(f"start {step.start}, iteration {step.iteration}", fontsize="medium")
        children = [artist for axes in (self.picture, self.likelihood) for artist in axes.get_children()]
        self.drawn = [artist for artist in children if id(artist) not in before]
        return self.drawn

    def _draw_course(self, i: int) -> None:
        """Draw the likelihood up to the i-th step, a line for each start."""
        for start in sorted({step.start for step in self.steps[: i + 1]}):
            course = [(step.iteration, step.log_likelihood) for step in self.steps[: i + 1] if step.start == start]
            self.likelihood.plot(*zip(*course, strict=True), **line_look(start + 1, PAPER))
        step = self.steps[i]
        self.likelihood.plot(step.iteration, step.log_likelihood, marker="o", color=PAPER.ink)


def _steps_from(rows: npt.ArrayLike, start: GaussianMixture) -> list[EMStep]:
    """Return the steps of EM from a mixture."""
    steps: list[EMStep] = []
    k, covariance_type = start.n_components, start.covariance_type
    fit_gmm(np.asarray(rows), k, covariance_type=covariance_type, init=start, callback=steps.append)
    return steps


def _name_iterations(axes: Axes) -> None:
    """Name the axes of a likelihood by iteration; ticks at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="iteration", ylabel="log density of a row, nats")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


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
