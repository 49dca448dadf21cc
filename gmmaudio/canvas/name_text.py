"""Names on pictures: never read as mathematics, and in a font that has their letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from gmmaudio.canvas.look import N_LETTERS, shorten
from gmmaudio.names import named

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.text import Text

# has a box for every letter there is, and no letter
LAST_RESORT = "Last Resort"


def write_name(text: Text, name: str | None, n_letters: int = N_LETTERS) -> None:
    """Write a name into a text of a picture: shortened, and letters that no font has as their numbers.

    Parameters
    ----------
    text : Text
        Changed.
    name : str or None
        Any name.
    n_letters : int
        The most that are written.
    """
    from matplotlib import font_manager

    shown = named(name)
    own = font_manager.findfont(text.get_fontproperties())
    lacking = {letter for letter in shown if ord(letter) not in _letters_of(own)}
    fonts: list[str] = []
    for letter in sorted(lacking):
        family = _family_with(letter)
        if family is None:
            shown = shown.replace(letter, letter.encode("unicode_escape").decode("ascii"))
        elif family not in fonts:
            fonts.append(family)
    if fonts:
        text.set_fontfamily([*text.get_fontfamily(), *fonts])
    text.set_usetex(False)
    text.set_parse_math(False)
    text.set_text(shorten(shown, n_letters))


def write_names(texts: Iterable[Text], names: Iterable[str | None]) -> None:
    """Write names into texts of a picture, see :func:`write_name`.

    Parameters
    ----------
    texts : iterable of Text
        Changed.
    names : iterable of str or None
        One for each text.
    """
    for text, name in zip(texts, names, strict=True):
        write_name(text, name)


def write_ticks(axis: Axis, names: Sequence[str | None], **look: Any) -> None:
    """Put ticks with names at 0, 1, 2, ... on an axis.

    Parameters
    ----------
    axis : Axis
        Changed.
    names : sequence of str or None
        One for each tick.
    **look : Any
        Properties of the texts.
    """
    axis.set_ticks(range(len(names)), labels=[""] * len(names), **look)
    labels = axis.get_ticklabels()
    write_names(labels, names)
    # a tick asks its axis for its text whenever it is drawn, and keeps the fonts and that it is no mathematics
    axis.set_ticks(range(len(names)), labels=[label.get_text() for label in labels])


def add_legend(axes: Axes, artists: Sequence[Artist], names: Sequence[str | None], *, upward: bool = False) -> None:
    """Add a legend right of Axes, where it covers nothing.

    Parameters
    ----------
    axes : Axes
        Drawn on.
    artists : sequence of Artist
        What the names are of.
    names : sequence of str or None
        One for each.
    upward : bool
        From the lower end of the Axes, where others are above; else from the upper end.
    """
    # an artist whose label begins with _ has no place in a legend
    legend = axes.legend(
        list(artists),
        ["n"] * len(artists),
        loc="lower left" if upward else "upper left",
        bbox_to_anchor=(1.0, 0.0 if upward else 1.0),
        fontsize="small",
        frameon=False,
        handlelength=2.4,
    )
    write_names(legend.get_texts(), names)


@cache
def _letters_of(path: str) -> frozenset[int]:
    """Return the code points that the font in a file has; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@cache
def _family_with(letter: str) -> str | None:
    """Return the first family of upright fonts on this machine that has a letter; None where there is none."""
    from matplotlib.font_manager import fontManager

    upright = {font.name: font.fname for font in fontManager.ttflist if font.style == "normal"}
    for family in sorted(upright):
        if not family.startswith(LAST_RESORT) and ord(letter) in _letters_of(upright[family]):
            return family
    return None
