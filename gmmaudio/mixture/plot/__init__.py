"""Drawings of mixtures by matplotlib, the extra ``plot``: every function takes Axes and returns them.

Without Axes a function makes a figure of its own, which looks the same whatever the user's settings of matplotlib; it
is the attribute ``figure`` of what is returned. Figures that pyplot should know are made first:
``figure, axes = pyplot.subplots()``, then ``plot_mixture(mixture, rows, axes=axes)``.
"""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.mixture.plot.course import animate_em, plot_trace
    from gmmaudio.mixture.plot.criteria import plot_selection
    from gmmaudio.mixture.plot.memberships import plot_responsibilities
    from gmmaudio.mixture.plot.mixture_shapes import plot_mixture
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.mixture.plot.course": "animate_em plot_trace",
            "gmmaudio.mixture.plot.criteria": "plot_selection",
            "gmmaudio.mixture.plot.memberships": "plot_responsibilities",
            "gmmaudio.mixture.plot.mixture_shapes": "plot_mixture",
        },
    )

__all__ = ["animate_em", "plot_mixture", "plot_responsibilities", "plot_selection", "plot_trace"]
