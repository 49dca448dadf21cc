"""Recognise the genre of music and the language of speech with Gaussian mixture models.

The names below are the public interface; they are imported when they are first used.

>>> import gmmaudio
>>> gmmaudio.make_recipe("genre").features.n_features
352
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# name -> the package that has it
_PACKAGES = {
    "Corpus": "corpus",
    "Model": "models",
    "Prediction": "models",
    "Recipe": "models",
    "Report": "evaluation",
    "classify": "pipeline",
    "crossval": "pipeline",
    "evaluate": "pipeline",
    "evaluate_predictions": "pipeline",
    "fit_gmm": "mixture",
    "load_model": "models",
    "make_recipe": "models",
    "read_audio": "audio",
    "read_corpus": "pipeline",
    "render_html": "evaluation",
    "reproduce": "pipeline",
    "save_model": "models",
    "train": "pipeline",
}

if TYPE_CHECKING:
    from gmmaudio.audio import read_audio
    from gmmaudio.corpus import Corpus
    from gmmaudio.evaluation import Report, render_html
    from gmmaudio.mixture import fit_gmm
    from gmmaudio.models import Model, Prediction, Recipe, load_model, make_recipe, save_model
    from gmmaudio.pipeline import (
        classify,
        crossval,
        evaluate,
        evaluate_predictions,
        read_corpus,
        reproduce,
        train,
    )

__all__ = [
    "Corpus",
    "Model",
    "Prediction",
    "Recipe",
    "Report",
    "classify",
    "crossval",
    "evaluate",
    "evaluate_predictions",
    "fit_gmm",
    "load_model",
    "make_recipe",
    "read_audio",
    "read_corpus",
    "render_html",
    "reproduce",
    "save_model",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PACKAGES:
        raise AttributeError(f"module 'gmmaudio' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gmmaudio.{_PACKAGES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
