"""Pictures of clips, timelines and reports, drawn by matplotlib on Axes that are passed and returned.

Those of mixtures are in :mod:`gmmaudio.mixture.plot`.
"""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.pictures.figure_files import save_figure
    from gmmaudio.pictures.report_pictures import (
        plot_confusion,
        plot_det,
        plot_learning_curve,
        plot_reliability,
        plot_risk_coverage,
        plot_similarity,
    )
    from gmmaudio.pictures.sound_pictures import plot_clip, timeline_figure
    from gmmaudio.pictures.timeline_page import render_timeline
    from gmmaudio.pictures.timeline_pictures import plot_label_track, plot_posteriors, plot_scores, plot_timeline
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.pictures.figure_files": "save_figure",
            "gmmaudio.pictures.report_pictures": "plot_confusion plot_det plot_learning_curve plot_reliability "
            "plot_risk_coverage plot_similarity",
            "gmmaudio.pictures.sound_pictures": "plot_clip timeline_figure",
            "gmmaudio.pictures.timeline_page": "render_timeline",
            "gmmaudio.pictures.timeline_pictures": "plot_label_track plot_posteriors plot_scores plot_timeline",
        },
    )

__all__ = [
    "plot_clip",
    "plot_confusion",
    "plot_det",
    "plot_label_track",
    "plot_learning_curve",
    "plot_posteriors",
    "plot_reliability",
    "plot_risk_coverage",
    "plot_scores",
    "plot_similarity",
    "plot_timeline",
    "render_timeline",
    "save_figure",
    "timeline_figure",
]
