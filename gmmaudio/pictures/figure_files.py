"""Figures as files for a paper: the same bytes for the same figure, with their fonts inside."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from gmmaudio.canvas.look import style_of
from gmmaudio.canvas.paper import PAPER
from gmmaudio.errors import SettingError
from gmmaudio.outputs import PathLike, write_together

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# what would differ from run to run, or from version to version
METADATA = {
    "pdf": ("CreationDate", "Creator", "Producer"),
    "svg": ("Date", "Creator", "Format", "Type"),
    "png": ("Software",),
}
FORMATS = tuple(METADATA)
# fonts of type 42 can be searched and edited, and are taken by publishers
_STYLE = {"pdf.fonttype": 42, "svg.fonttype": "path"}
DPI = 300


def save_figure(figure: Figure, path: PathLike) -> None:
    """Write a figure as PDF, SVG or PNG, whole or not at all; a file that is there is replaced.

    Parameters
    ----------
    figure : Figure
        Such as that of the Axes that a function of this package returns, ``axes.figure``.
    path : path-like
        File to write; its suffix ``.pdf``, ``.svg`` or ``.png`` is the format.

    Raises
    ------
    SettingError
        If the suffix is another one.
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from gmmaudio.mixture import fit_gmm
    >>> from gmmaudio.mixture.plot import plot_trace
    >>> axes = plot_trace(fit_gmm([[-1.0], [1.0], [1.5]], 1)[1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(axes.figure, f"{folder}/likelihood.pdf")
    ...     [path.name for path in Path(folder).iterdir()]
    ['likelihood.pdf']
    """
    write_together([(path, figure_bytes(figure, figure_format(path)))])


def figure_format(path: PathLike) -> str:
    """Return the format that the suffix of a path names, one of :data:`FORMATS`.

    Parameters
    ----------
    path : path-like
        File to write.

    Raises
    ------
    SettingError
        If it is another one.

    Examples
    --------
    >>> figure_format("plots/DET.PDF")
    'pdf'
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise SettingError(f"{path}: is no name of a figure; expected one that ends in .{', .'.join(FORMATS)}")
    return suffix


def figure_bytes(figure: Figure, file_format: str) -> bytes:
    """Return a figure as a file: the same bytes in every run, whatever the user's settings of matplotlib.

    Parameters
    ----------
    figure : Figure
        The figure.
    file_format : {"pdf", "svg", "png"}
        Format of the file; a PNG has 300 dots to the inch.
    """
    from matplotlib import style

    drawn = io.BytesIO()
    _forget_layout(figure)
    with style.context(["default", style_of(PAPER) | _STYLE]):
        metadata = dict.fromkeys(METADATA[file_format])
        figure.savefig(drawn, format=file_format, dpi=DPI, metadata=metadata)
    return drawn.getvalue()


def _forget_layout(figure: Figure) -> None:
    """Put Axes where they were before constrained layout moved them: it would go on from there, and end elsewhere."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        for axes in figure.axes:
            place = axes.get_subplotspec()
            if place is not None and axes.get_in_layout():
                axes.set_subplotspec(place)
