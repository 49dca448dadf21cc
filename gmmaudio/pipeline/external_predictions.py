"""A table of predictions, anybody's -> a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from gmmaudio.evaluation import Findings, Protocol, Report, ScoredClip, make_report
from gmmaudio.evaluation.predictions import read_predictions
from gmmaudio.evaluation.warnings import (
    UNKNOWN_GROUPS,
    decision_findings,
    fold_findings,
    group_findings,
    source_findings,
)
from gmmaudio.pipeline.provenance import Clock, machine, versions


def evaluate_predictions(path: str | os.PathLike[str], *, command: str = "") -> Report:
    """Return the report of the predictions in a CSV table.

    Parameters
    ----------
    path : path-like
        As for :func:`gmmaudio.evaluation.predictions.read_predictions`.
    command : str
        What was typed, for the report.

    Raises
    ------
    CorpusError
        If it cannot be read, lacks a column, or a row is wrong.
    """
    clock = Clock.start()
    clips, sha256 = read_predictions(path)
    found = _findings(clips)
    true = {clip.label for clip in clips}
    labels = sorted(
        true | {name for clip in clips for name in (clip.predicted, *clip.scores, *(clip.probability or {}))}
    )
    folds = tuple(sorted({clip.fold for clip in clips if clip.fold}))
    repeats = len({clip.repeat for clip in clips})
    protocol = Protocol(
        scheme="predictions from a table" + (f", {len(folds)} folds" if len(folds) > 1 else ""),
        group_by="group",
        seed=0,
        folds=folds,
        repeats=repeats,
        scored_labels=tuple(sorted(true)),
        unscored_labels=tuple(label for label in labels if label not in true),
        versions=versions(),
        command=command,
        machine=machine(),
        began=clock.began,
        seconds=clock.seconds,
    )
    # where they came from is told by their content, wherever the table lies
    row: dict[str, Any] = {"path": "table of predictions", "start_s": 0.0, "end_s": None, "sha256": sha256}
    run = {"kind": "predictions", "root": str(path), "options": {}, "manifest": [row]}
    return make_report(clips, labels, protocol, found.guards, passed=found.passed, run=run)


def _findings(clips: Sequence[ScoredClip]) -> Findings:
    """Return what the table says of itself; how the predictions were made it cannot say."""
    labels, groups = [clip.label for clip in clips], [clip.group for clip in clips]
    found = group_findings(labels, groups)
    if UNKNOWN_GROUPS in found.guards:
        # a table has no folders
        found = Findings((UNKNOWN_GROUPS.replace(", or --group-by parent", ""),))
    found += source_findings(labels, [clip.source for clip in clips])
    found += fold_findings(groups, [(clip.repeat, clip.fold) for clip in clips])
    found += decision_findings(clips)
    how = "how these predictions were made is not known here: whether clips, artists or speakers were trained on"
    return Findings((how,)) + found
