"""Training, classification, cross-validation, evaluation and reproduction over many clips."""

from gmmaudio.models import Recipe, make_recipe
from gmmaudio.pipeline.arguments import read_corpus
from gmmaudio.pipeline.classification import FileRows, classify, read_rows
from gmmaudio.pipeline.crossvalidation import CrossvalOptions, crossval, run_crossval
from gmmaudio.pipeline.evaluation_run import evaluate
from gmmaudio.pipeline.external_predictions import evaluate_predictions
from gmmaudio.pipeline.reproduction import Reproduction, reproduce
from gmmaudio.pipeline.training import TrainResult, train

__all__ = [
    "CrossvalOptions",
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
    "run_crossval",
    "train",
]
