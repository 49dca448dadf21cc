"""Tell the genre of music and the language of speech with Gaussian mixture models.

The names below are the library's front door; they are imported when first used.

>>> import gmmaudio
>>> gmmaudio.make_recipe("genre").features.n_features
352
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOMES = {
    "classify": "pipeline",
    "crossval": "pipeline",
    "evaluate": "pipeline",
    "evaluate_predictions": "pipeline",
    "reproduce": "pipeline",
    "make_recipe": "pipeline",
    "read_corpus": "pipeline",
    "train": "pipeline",
    "load_model": "models",
    "save_model": "models",
    "render_html": "evaluation",
    "fit_gmm": "mixture",
    "read_audio": "audio",
}

if TYPE_CHECKING:
    from gmmaudio.audio import read_audio
    from gmmaudio.evaluation import render_html
    from gmmaudio.mixture import fit_gmm
    from gmmaudio.models import load_model, make_recipe, save_model
    from gmmaudio.pipeline.arguments import read_corpus
    from gmmaudio.pipeline.classification import classify
    from gmmaudio.pipeline.crossvalidation import crossval
    from gmmaudio.pipeline.evaluation_run import evaluate
    from gmmaudio.pipeline.external_predictions import evaluate_predictions
    from gmmaudio.pipeline.reproduction import reproduce
    from gmmaudio.pipeline.training import train

__all__ = [
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
    if name not in _HOMES:
        raise AttributeError(f"module 'gmmaudio' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gmmaudio.{_HOMES[name]}"), name)
