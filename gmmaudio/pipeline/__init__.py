"""All that decodes or trains over many clips."""

from gmmaudio.pipeline.classify import Classified, FileRows, classify, read_rows
from gmmaudio.pipeline.crossval import crossval
from gmmaudio.pipeline.evaluate import evaluate
from gmmaudio.pipeline.extraction import read_corpus
from gmmaudio.pipeline.recipe import Recipe, make_recipe
from gmmaudio.pipeline.train import TrainResult, train

__all__ = [
    "Classified",
    "FileRows",
    "Recipe",
    "TrainResult",
    "classify",
    "crossval",
    "evaluate",
    "make_recipe",
    "read_corpus",
    "read_rows",
    "train",
]
