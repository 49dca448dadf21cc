"""All that decodes or trains over many clips."""

from gmmaudio.pipeline.classify import Classified, FileRows, classify, read_rows
from gmmaudio.pipeline.crossval import Division, crossval
from gmmaudio.pipeline.evaluate import evaluate
from gmmaudio.pipeline.extraction import read_corpus
from gmmaudio.pipeline.predictions import evaluate_predictions
from gmmaudio.pipeline.recipe import Recipe, make_recipe
from gmmaudio.pipeline.reproduce import Reproduction, reproduce
from gmmaudio.pipeline.train import TrainResult, train

__all__ = [
    "Classified",
    "Division",
    "FileRows",
    "Recipe",
    "Reproduction",
    "TrainResult",
    "classify",
    "crossval",
    "evaluate",
    "evaluate_predictions",
    "make_recipe",
    "read_corpus",
    "read_rows",
    "reproduce",
    "train",
]
