"""Colours of components, the same in every drawing of a mixture."""

from __future__ import annotations

from gmmaudio.canvas.look import SERIES


def component_colours(n_components: int) -> list[tuple[float, float, float]]:
    """Return a colour for each component: six fixed ones, or hues at equal distances where there are more.

    Parameters
    ----------
    n_components : int
        Number of components, >= 0.

    Returns
    -------
    list of (float, float, float)
        Red, green and blue, 0..1.

    Examples
    --------
    >>> len(set(component_colours(40)))
    40
    """
    from matplotlib.colors import hsv_to_rgb, to_rgb

    if n_components <= len(SERIES):
        return [to_rgb(colour) for colour in SERIES[:n_components]]
    hues = [(i / n_components, 0.6, 0.75 if i % 2 else 0.6) for i in range(n_components)]
    return [(float(r), float(g), float(b)) for r, g, b in map(hsv_to_rgb, hues)]
