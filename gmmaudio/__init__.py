"""Recognise the genre of music and the language of speech with Gaussian mixture models.

The names below are the public interface; they are imported when they are first used.

>>> import gmmaudio
>>> gmmaudio.make_recipe("genre").features.n_features
352
"""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

__version__ = "0.2.0"

if TYPE_CHECKING:
    from gmmaudio.audio import read_audio
    from gmmaudio.corpus import Corpus
    from gmmaudio.evaluation import Report, render_html
    from gmmaudio.mixture import fit_gmm
    from gmmaudio.models import (
        Explanation,
        Model,
        Prediction,
        Recipe,
        load_model,
        load_statistics,
        make_recipe,
        save_model,
        save_statistics,
    )
    from gmmaudio.pipeline import (
        check_corpus,
        classify,
        crossval,
        evaluate,
        evaluate_predictions,
        explain,
        merge,
        read_corpus,
        reproduce,
        stats,
        timeline,
        train,
    )
    from gmmaudio.timelines import Timeline, TimelineSegment
    from gmmaudio.trials import GivenRows, GivenVectors
else:
    __getattr__ = import_on_use(
        __name__,
        {
            "gmmaudio.audio": "read_audio",
            "gmmaudio.corpus": "Corpus",
            "gmmaudio.evaluation": "Report render_html",
            "gmmaudio.mixture": "fit_gmm",
            "gmmaudio.models": "Explanation Model Prediction Recipe load_model load_statistics make_recipe save_model "
            "save_statistics",
            "gmmaudio.pipeline": "check_corpus classify crossval evaluate evaluate_predictions explain merge "
            "read_corpus reproduce stats timeline train",
            "gmmaudio.timelines": "Timeline TimelineSegment",
            "gmmaudio.trials": "GivenRows GivenVectors",
        },
    )[0]

__all__ = [
    "Corpus",
    "Explanation",
    "GivenRows",
    "GivenVectors",
    "Model",
    "Prediction",
    "Recipe",
    "Report",
    "Timeline",
    "TimelineSegment",
    "check_corpus",
    "classify",
    "crossval",
    "evaluate",
    "evaluate_predictions",
    "explain",
    "fit_gmm",
    "load_model",
    "load_statistics",
    "make_recipe",
    "merge",
    "read_audio",
    "read_corpus",
    "render_html",
    "reproduce",
    "save_model",
    "save_statistics",
    "stats",
    "timeline",
    "train",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
