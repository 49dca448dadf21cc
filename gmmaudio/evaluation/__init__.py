"""Evaluation: labels and scores of any system, and the protocol under which they were made -> a report."""

from typing import TYPE_CHECKING

from gmmaudio.lazy_names import import_on_use

if TYPE_CHECKING:
    from gmmaudio.evaluation.comparison import Comparison, compare
    from gmmaudio.evaluation.confusion import (
        accuracy,
        balanced_accuracy,
        confusion_matrix,
        log_loss,
        macro_f1,
        per_label,
        top_k_accuracy,
    )
    from gmmaudio.evaluation.detection import (
        DetCurve,
        det_curve,
        detection_llrs,
        eer,
        label_trials,
        pooled_trials,
    )
    from gmmaudio.evaluation.detection_cost import cavg, min_cavg, min_dcf
    from gmmaudio.evaluation.intervals import bootstrap_intervals, weighted_interval
    from gmmaudio.evaluation.metric_set import MetricSet, compute_metrics
    from gmmaudio.evaluation.metrics import METRICS, Metric, MetricInput
    from gmmaudio.evaluation.page import render_html
    from gmmaudio.evaluation.records import FailedInput, Protocol, ScoredClip
    from gmmaudio.evaluation.reliability import (
        Reliability,
        binary_cllr,
        cllr,
        min_binary_cllr,
        min_cllr,
        reliability_curve,
    )
    from gmmaudio.evaluation.report import Report, Similarity, make_report, percent
    from gmmaudio.evaluation.risk_coverage import RiskCoverage, aurc, risk_coverage_curve
    from gmmaudio.evaluation.segmentation import (
        SEGMENT_METRICS,
        SegmentCounts,
        SegmentMetrics,
        compare_segments,
        segment_metrics,
    )
    from gmmaudio.evaluation.slices import Slice, make_slice
else:
    __getattr__, __dir__ = import_on_use(
        __name__,
        {
            "gmmaudio.evaluation.comparison": "Comparison compare",
            "gmmaudio.evaluation.confusion": "accuracy balanced_accuracy confusion_matrix log_loss macro_f1 "
            "per_label top_k_accuracy",
            "gmmaudio.evaluation.detection": "DetCurve det_curve detection_llrs eer label_trials pooled_trials",
            "gmmaudio.evaluation.detection_cost": "cavg min_cavg min_dcf",
            "gmmaudio.evaluation.intervals": "bootstrap_intervals weighted_interval",
            "gmmaudio.evaluation.metric_set": "MetricSet compute_metrics",
            "gmmaudio.evaluation.metrics": "METRICS Metric MetricInput",
            "gmmaudio.evaluation.page": "render_html",
            "gmmaudio.evaluation.records": "FailedInput Protocol ScoredClip",
            "gmmaudio.evaluation.reliability": "Reliability binary_cllr cllr min_binary_cllr min_cllr "
            "reliability_curve",
            "gmmaudio.evaluation.report": "Report Similarity make_report percent",
            "gmmaudio.evaluation.risk_coverage": "RiskCoverage aurc risk_coverage_curve",
            "gmmaudio.evaluation.segmentation": "SEGMENT_METRICS SegmentCounts SegmentMetrics compare_segments "
            "segment_metrics",
            "gmmaudio.evaluation.slices": "Slice make_slice",
        },
    )

__all__ = [
    "METRICS",
    "SEGMENT_METRICS",
    "Comparison",
    "DetCurve",
    "FailedInput",
    "Metric",
    "MetricInput",
    "MetricSet",
    "Protocol",
    "Reliability",
    "Report",
    "RiskCoverage",
    "ScoredClip",
    "SegmentCounts",
    "SegmentMetrics",
    "Similarity",
    "Slice",
    "accuracy",
    "aurc",
    "balanced_accuracy",
    "binary_cllr",
    "bootstrap_intervals",
    "cavg",
    "cllr",
    "compare",
    "compare_segments",
    "compute_metrics",
    "confusion_matrix",
    "det_curve",
    "detection_llrs",
    "eer",
    "label_trials",
    "log_loss",
    "macro_f1",
    "make_report",
    "make_slice",
    "min_binary_cllr",
    "min_cavg",
    "min_cllr",
    "min_dcf",
    "per_label",
    "percent",
    "pooled_trials",
    "reliability_curve",
    "render_html",
    "risk_coverage_curve",
    "segment_metrics",
    "top_k_accuracy",
    "weighted_interval",
]
