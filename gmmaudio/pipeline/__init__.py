"""Training, classification, cross-validation, evaluation and reproduction over many clips."""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.models import Recipe, make_recipe
    from gmmaudio.pipeline.arguments import read_corpus
    from gmmaudio.pipeline.classification import FileRows, classify, read_rows
    from gmmaudio.pipeline.corpus_check import CorpusCheck, LabelFacts, check_before_run, check_corpus
    from gmmaudio.pipeline.crossval_options import CrossvalOptions
    from gmmaudio.pipeline.crossvalidation import crossval, run_crossval
    from gmmaudio.pipeline.evaluation_run import evaluate
    from gmmaudio.pipeline.explanation_run import explain
    from gmmaudio.pipeline.external_predictions import evaluate_predictions
    from gmmaudio.pipeline.listening import ListenSettings, listen
    from gmmaudio.pipeline.merging import merge
    from gmmaudio.pipeline.reproduction import Reproduction, reproduce
    from gmmaudio.pipeline.statistics_run import stats
    from gmmaudio.pipeline.stored_checkpoints import StoredCheckpoints
    from gmmaudio.pipeline.timeline_evaluation import compare_timelines, evaluate_timelines
    from gmmaudio.pipeline.timeline_run import Scan, TimelineSettings, timeline, timelines
    from gmmaudio.pipeline.training import TrainResult, train
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.models": "Recipe make_recipe",
            "gmmaudio.pipeline.arguments": "read_corpus",
            "gmmaudio.pipeline.classification": "FileRows classify read_rows",
            "gmmaudio.pipeline.corpus_check": "CorpusCheck LabelFacts check_before_run check_corpus",
            "gmmaudio.pipeline.crossval_options": "CrossvalOptions",
            "gmmaudio.pipeline.crossvalidation": "crossval run_crossval",
            "gmmaudio.pipeline.evaluation_run": "evaluate",
            "gmmaudio.pipeline.explanation_run": "explain",
            "gmmaudio.pipeline.external_predictions": "evaluate_predictions",
            "gmmaudio.pipeline.listening": "ListenSettings listen",
            "gmmaudio.pipeline.merging": "merge",
            "gmmaudio.pipeline.reproduction": "Reproduction reproduce",
            "gmmaudio.pipeline.statistics_run": "stats",
            "gmmaudio.pipeline.stored_checkpoints": "StoredCheckpoints",
            "gmmaudio.pipeline.timeline_evaluation": "compare_timelines evaluate_timelines",
            "gmmaudio.pipeline.timeline_run": "Scan TimelineSettings timeline timelines",
            "gmmaudio.pipeline.training": "TrainResult train",
        },
    )

__all__ = [
    "CorpusCheck",
    "CrossvalOptions",
    "FileRows",
    "LabelFacts",
    "ListenSettings",
    "Recipe",
    "Reproduction",
    "Scan",
    "StoredCheckpoints",
    "TimelineSettings",
    "TrainResult",
    "check_before_run",
    "check_corpus",
    "classify",
    "compare_timelines",
    "crossval",
    "evaluate",
    "evaluate_predictions",
    "evaluate_timelines",
    "explain",
    "listen",
    "make_recipe",
    "merge",
    "read_corpus",
    "read_rows",
    "reproduce",
    "run_crossval",
    "stats",
    "timeline",
    "timelines",
    "train",
]
