"""Axes to draw on: those that are passed, or new ones that look the same whatever the user's settings of matplotlib."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gmmaudio.errors import SettingError
from gmmaudio.evaluation.drawing import Palette, style_of
from gmmaudio.evaluation.plots import can_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER = Palette(ink="#000000", soft="#555555", line="#dddddd", accent="#146e5a")


def require_matplotlib() -> None:
    """Raise where matplotlib is not installed.

    Raises
    ------
    SettingError
        If it is not.
    """
    if not can_plot():
        raise SettingError("pictures need matplotlib; install the plot extra: pip install 'gmmaudio[plot]'")


@contextlib.contextmanager
def axes_for(axes: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """Return a context manager that gives the Axes that were passed, or those of a new figure.

    Parameters
    ----------
    axes : Axes or None
        As a public function got them.
    size : (float, float)
        Width and height of a new figure, inches.

    Returns
    -------
    context manager of Axes
        What is drawn in it on new Axes has this package's style.

    Raises
    ------
    SettingError
        If matplotlib is not installed.
    """
    with several_axes(None if axes is None else (axes,), (1.0,), size) as (one,):
        yield one


@contextlib.contextmanager
def several_axes(
    axes: Sequence[Axes] | None, heights: Sequence[float], size: tuple[float, float]
) -> Iterator[tuple[Axes, ...]]:
    """Return a context manager that gives the Axes that were passed, or new ones below each other, with one x axis.

    Parameters
    ----------
    axes : sequence of Axes or None
        As a public function got them.
    heights : sequence of float
        Height of each new Axes beside the others.
    size : (float, float)
        Width and height of a new figure, inches.

    Returns
    -------
    context manager of tuple of Axes
        As many as heights.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or another number of Axes was passed.
    """
    require_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    if axes is not None:
        given = tuple(axes)
        if len(given) != len(heights):
            raise SettingError(f"`axes` has {len(given)} Axes; expected {len(heights)}")
        yield given
        return
    with style.context(["default", style_of(PAPER)]):
        figure = Figure(figsize=size, layout="constrained")
        made = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=list(heights))
        yield tuple(made[:, 0])
