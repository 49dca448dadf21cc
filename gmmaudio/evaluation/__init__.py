"""Labels and scores, anybody's, and the protocol they were made under -> a report that can be trusted."""

from gmmaudio.evaluation.html import render_html
from gmmaudio.evaluation.intervals import bootstrap_intervals
from gmmaudio.evaluation.metrics import accuracy, balanced_accuracy, confusion_matrix, log_loss, per_label
from gmmaudio.evaluation.report import FailedInput, Protocol, Report, ScoredClip, make_report, percent

__all__ = [
    "FailedInput",
    "Protocol",
    "Report",
    "ScoredClip",
    "accuracy",
    "balanced_accuracy",
    "bootstrap_intervals",
    "confusion_matrix",
    "log_loss",
    "make_report",
    "per_label",
    "percent",
    "render_html",
]
