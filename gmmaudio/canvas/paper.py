"""Axes to draw on: those that are passed, or new ones that look the same whatever the user's settings of matplotlib."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gmmaudio.canvas.look import Palette, style_of
from gmmaudio.errors import SettingError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAPER = Palette(ink="#000000", soft="#555555", line="#dddddd", accent="#146e5a")


def can_plot() -> bool:
    """Return True where matplotlib is installed.

    Examples
    --------
    >>> can_plot() in (True, False)
    True
    """
    return importlib.util.find_spec("matplotlib") is not None


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


@contextlib.contextmanager
def axes_grid(axes: Any, shape: tuple[int, ...], size: tuple[float, float]) -> Iterator[npt.NDArray[np.object_]]:
    """Return a context manager that gives the array of Axes that was passed, or that of a new figure.

    Parameters
    ----------
    axes : array_like of Axes or None
        As a public function got them.
    shape : (int,) or (int, int)
        Number of Axes beside each other; or of rows and of columns.
    size : (float, float)
        Width and height of a new figure, inches.

    Returns
    -------
    context manager of ndarray of Axes
        Of that shape. What is drawn in it on new Axes has this package's style.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or an array of another shape was passed.
    """
    require_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    if axes is not None:
        given = np.asarray(axes, dtype=np.object_)
        if given.shape != shape:
            raise SettingError(f"`axes` has shape {given.shape}; expected {shape}")
        yield given
        return
    with style.context(["default", style_of(PAPER)]):
        n_rows, n_columns = shape if len(shape) == 2 else (1, *shape)
        made = Figure(figsize=size, layout="constrained").subplots(n_rows, n_columns, squeeze=False)
        yield np.asarray(made).reshape(shape)
