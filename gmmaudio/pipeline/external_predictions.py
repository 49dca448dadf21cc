"""Evaluation of a table of predictions of any system."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gmmaudio.compute import Progress, quiet
from gmmaudio.corpus.checks import check_similar_labels
from gmmaudio.evaluation import Protocol, Report, ScoredClip, make_report
from gmmaudio.evaluation.predictions import read_predictions
from gmmaudio.evaluation.warnings import (
    check_fold_groups,
    check_groups,
    check_labels_meet,
    check_predictions,
    check_sources,
)
from gmmaudio.findings import Finding
from gmmaudio.pipeline.provenance import Clock, machine, versions
from gmmaudio.values import checked


@checked
def evaluate_predictions(path: str | os.PathLike[str], *, progress: Progress = quiet, command: str = "") -> Report:
    r"""Return the report of the predictions in a CSV table.

    Parameters
    ----------
    path : path-like
        CSV table, as for :func:`gmmaudio.evaluation.predictions.read_predictions`.
    progress : Progress
        Shows the progress of the bootstraps.
    command : str
        The command line, for the report.

    Returns
    -------
    Report
        Metrics, predictions and findings.

    Raises
    ------
    CorpusError
        If it cannot be read, lacks a column, or a row is wrong.

    Examples
    --------
    >>> import gmmaudio
    >>> from pathlib import Path
    >>> rows = ["path,label,group,predicted", "1.wav,en,ann,en", "2.wav,en,bob,fr", "3.wav,fr,cy,fr", "4.wav,fr,dee,fr"]
    >>> _ = Path("predictions.csv").write_text("\n".join(rows))
    >>> gmmaudio.evaluate_predictions("predictions.csv").accuracy
    0.75
    """
    clock = Clock.start()
    clips, sha256, failed = read_predictions(path)
    labels = sorted({name for clip in clips for name in _labels_of(clip)})
    findings = _findings(clips, labels)
    protocol = _protocol(clips, labels, command, clock)
    # the content identifies the table, wherever the file is
    row: dict[str, Any] = {"path": "table of predictions", "start_s": 0.0, "end_s": None, "sha256": sha256}
    run = {"kind": "predictions", "root": str(path), "options": {}, "manifest": [row]}
    return make_report(clips, labels, protocol, findings, failed, run=run, progress=progress)


def _labels_of(clip: ScoredClip) -> tuple[str, ...]:
    """Return the labels that a prediction names, the true one included."""
    return (clip.label, clip.predicted, *clip.scores, *(clip.probability or {}))


def _protocol(clips: Sequence[ScoredClip], labels: Sequence[str], command: str, clock: Clock) -> Protocol:
    """Return the protocol of the report."""
    true = {clip.label for clip in clips}
    folds = tuple(sorted({clip.fold for clip in clips if clip.fold}))
    return Protocol(
        scheme="predictions from a table" + (f", {len(folds)} folds" if len(folds) > 1 else ""),
        group_by="group",
        seed=0,
        folds=folds,
        repeats=len({clip.repeat for clip in clips}),
        scored_labels=tuple(sorted(true)),
        unscored_labels=tuple(label for label in labels if label not in true),
        versions=versions(),
        command=command,
        machine=machine(),
        began=clock.began,
        seconds=clock.seconds,
    )


def _findings(clips: Sequence[ScoredClip], candidates: Sequence[str]) -> tuple[Finding, ...]:
    """Return the findings on a table of predictions."""
    labels, groups = [clip.label for clip in clips], [clip.group for clip in clips]
    return (
        Finding(
            "training_unknown",
            "warning",
            "the training set of these predictions is unknown: whether clips, artists or speakers were trained on was "
            "not checked",
        ),
        # a table has no folders from which groups could be taken
        *(
            replace(finding, remedy="add a group column") if finding.code == "groups_unknown" else finding
            for finding in check_groups(labels, groups)
        ),
        *check_labels_meet(clips),
        *check_similar_labels(dict.fromkeys(candidates, 0) | Counter(labels)),
        *check_sources(labels, [clip.source for clip in clips]),
        *check_fold_groups(groups, [(clip.repeat, clip.fold) for clip in clips]),
        *check_predictions(clips),
    )
