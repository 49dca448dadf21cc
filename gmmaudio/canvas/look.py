"""Colours, lines and sizes of drawings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# 3:1 or more on the page's card in light and in dark; with two dashes each there are twelve lines to tell apart
SERIES = ("#3a80c2", "#c2671f", "#2b9163", "#c25285", "#8a6fd0", "#877f1c")
DASHES = ("solid", (0, (4, 1.5)))
# the longest name in a plot; tables have the whole
N_LETTERS = 18
FONT_SIZE = 10.0


@dataclass(frozen=True)
class Palette:
    """The colours of a plot that are not those of its lines.

    Parameters
    ----------
    ink : str
        Text, and the line that counts most.
    soft : str
        Frame, ticks and lines of reference.
    line : str
        Grid.
    accent : str
        What is shown, where there is one line.
    """

    ink: str
    soft: str
    line: str
    accent: str


def style_of(palette: Palette) -> dict[str, Any]:
    """Return matplotlib's settings for a plot.

    Parameters
    ----------
    palette : Palette
        Its colours.

    Examples
    --------
    >>> style_of(Palette("black", "grey", "silver", "green"))["axes.labelcolor"]
    'black'
    """
    return {
        "svg.hashsalt": "gmmaudio",
        "font.size": FONT_SIZE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": palette.soft,
        "axes.labelcolor": palette.ink,
        "text.color": palette.ink,
        "xtick.color": palette.soft,
        "ytick.color": palette.soft,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": palette.line,
        "legend.frameon": False,
    }


def line_look(i: int, palette: Palette) -> dict[str, Any]:
    """Return the look of the i-th line: the first bold, the others thin, no two of the first twelve alike.

    Parameters
    ----------
    i : int
        Counted from 0.
    palette : Palette
        Colours.

    Examples
    --------
    >>> line_look(0, Palette("black", "grey", "silver", "green"))
    {'color': 'black', 'linewidth': 2.4}
    """
    if i == 0:
        return {"color": palette.ink, "linewidth": 2.4}
    n = len(SERIES)
    return {"color": SERIES[(i - 1) % n], "linewidth": 1.1, "linestyle": DASHES[(i - 1) // n % len(DASHES)]}


def shorten(name: str, n_letters: int = N_LETTERS) -> str:
    """Return a name of at most some letters.

    Parameters
    ----------
    name : str
        Any name.
    n_letters : int
        The most that are kept.

    Examples
    --------
    >>> shorten("a name that goes on and on")
    'a name that goes …'
    """
    return name if len(name) <= n_letters else f"{name[: n_letters - 1]}…"
