"""The criteria of a selection by number of components and covariance type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmmaudio.canvas.look import line_look
from gmmaudio.canvas.name_text import add_legend
from gmmaudio.canvas.paper import PAPER, axes_for
from gmmaudio.mixture.selection import Selection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORDS = {
    "bic": "BIC (lower is better)",
    "aic": "AIC (lower is better)",
    "icl": "ICL (lower is better)",
    "held_out": "log density of a held-out row, nats (higher is better)",
}


def plot_selection(selection: Selection, criterion: str | None = None, *, axes: Axes | None = None) -> Axes:
    """Return the Axes with a criterion by number of components: a line for each covariance type.

    A ring is around the best candidate. A point is hollow where EM stopped before it converged. A held-out likelihood
    has its 95 % interval.

    Parameters
    ----------
    selection : Selection
        Of :func:`gmmaudio.mixture.select_gmm`.
    criterion : {"bic", "aic", "icl", "held_out"}, optional
        Default: that of the selection.
    axes : Axes or None
        Drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, it is not a criterion, or is ``"held_out"`` and no rows were held out.

    Examples
    --------
    >>> from gmmaudio.mixture import select_gmm
    >>> selection = select_gmm([[-1.0], [-1.1], [0.0], [1.0], [1.2]], [1, 2], held_out=0)
    >>> line = plot_selection(selection).lines[0]
    >>> line.get_ydata().tolist() == [candidate.bic for candidate in selection.rows]
    True
    """
    name = selection.criterion if criterion is None else criterion
    best = selection.best(name)
    with axes_for(axes, (5.8, 3.6)) as drawn:
        lines = []
        types = list(dict.fromkeys(row.covariance_type for row in selection.rows))
        for i, covariance_type in enumerate(types):
            rows = [row for row in selection.rows if row.covariance_type == covariance_type]
            rows.sort(key=lambda row: row.n_components_asked)
            at, values = [row.n_components_asked for row in rows], [getattr(row, name) for row in rows]
            look = line_look(i + 1, PAPER)
            lines += drawn.plot(at, values, **look)
            for x, y, row in zip(at, values, rows, strict=True):
                inside = look["color"] if row.converged else "white"
                if name == "held_out" and row.held_out_interval is not None:
                    drawn.vlines(x, *row.held_out_interval, color=look["color"], linewidth=0.8, alpha=0.6)
                drawn.plot(x, y, marker="o", markersize=4.5, color=look["color"], markerfacecolor=inside)
        at_best = (best.n_components_asked, getattr(best, name))
        drawn.plot(*at_best, marker="o", markersize=11, markerfacecolor="none", color=PAPER.ink)
        _name_criterion(drawn, WORDS[name])
        add_legend(drawn, lines, types)
    return drawn


def _name_criterion(axes: Axes, words: str) -> None:
    """Name the axes; ticks at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="number of components", ylabel=words)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
