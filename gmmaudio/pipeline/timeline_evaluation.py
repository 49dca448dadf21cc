"""Evaluation of timelines against the true ones: those of a model, and those of a file of any system."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gmmaudio.audio import SUFFIXES
from gmmaudio.compute import Progress, quiet
from gmmaudio.errors import CorpusError
from gmmaudio.evaluation import FailedInput
from gmmaudio.evaluation.segment_report import SegmentReport, make_segment_report
from gmmaudio.evaluation.segmentation import TOLERANCE_S, compare_segments
from gmmaudio.files import find_path
from gmmaudio.findings import Finding, some_names
from gmmaudio.models import Model, model_sha256
from gmmaudio.names import normal, respell
from gmmaudio.pipeline.provenance import Clock, machine, versions
from gmmaudio.pipeline.timeline_run import TimelineSettings, timelines
from gmmaudio.timelines import STATUSES, Timeline, TimelineSegment, read_timelines
from gmmaudio.values import checked

# ends of a truth and of a recording that are as close as this are one: files pad, and truths are rounded, seconds
END_S = 0.1


@checked
def evaluate_timelines(
    model: Model,
    truth: str | os.PathLike[str],
    settings: TimelineSettings | None = None,
    *,
    tolerance_s: float = TOLERANCE_S,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    command: str = "",
) -> SegmentReport:
    r"""Return the report of the timelines of a model against the true ones in a file.

    The names of recordings in the truth are their paths, relative to its folder; a suffix of audio may be left out, as
    RTTM does. A truth whose last segment ends within 0.1 s of the end of the recording ends with it. Labels that the
    model does not have count as unknown, which a model with an open-set threshold may find.

    Parameters
    ----------
    model : Model
        The model.
    truth : path-like
        A file that :func:`gmmaudio.timelines.read_timelines` reads.
    settings : TimelineSettings or None
        Windows and turns; None takes the defaults.
    tolerance_s : float
        Farthest that a boundary lies from the true one that it is paired with, seconds.
    n_jobs : int or None
        Worker processes, as for :func:`gmmaudio.classify`. The report does not depend on it.
    progress : Progress
        Shows progress.
    time_limit_s : float or None
        Time that a worker process may take for a file, seconds; None: 60 s and more for large files; 0: no limit. With
        a limit that is named, one job is one worker process.
    memory_limit : int or None
        Memory that a worker process may take for a file, bytes, likewise; None: half of the machine's, at least 1 GiB.
    command : str
        The command line, for the report.

    Raises
    ------
    CorpusError
        If the truth cannot be read, or none of its recordings can be used.
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre").model
    >>> _ = Path("truth.csv").write_text("path,start,end,label\nsong.wav,0,6.5,metal\n")
    >>> evaluate_timelines(model, "truth.csv").headline
    'Segment error rate 0.0 %, 1 recording, 0.1 min'
    """
    clock, settings = Clock.start(), TimelineSettings() if settings is None else settings
    compare_segments(Timeline(()), Timeline(()), tolerance_s=tolerance_s)
    truths, findings = fit_to_model(read_timelines(truth), model.scorer.labels)
    files = [_recording(truth, path) for path in truths]
    found = timelines(
        model,
        files,
        settings,
        n_jobs=n_jobs,
        progress=progress,
        time_limit_s=time_limit_s,
        memory_limit=memory_limit,
    )
    pairs: list[tuple[Timeline, Timeline]] = []
    failed: list[FailedInput] = []
    for (path, true), line in zip(truths.items(), found, strict=True):
        if isinstance(line, FailedInput):
            failed.append(replace(line, path=path))
        else:
            # what the report needs of it, and not the posteriors of hours
            bare = Timeline(line.segments, duration_s=line.duration_s, notes=line.notes)
            pairs.append((with_end_of(true, line.duration_s), bare))
    if not pairs:
        raise CorpusError(f"all {len(failed)} recordings failed; first: {failed[0].path}: {failed[0].message}")
    made = {"model_sha256": model_sha256(model), "settings": asdict(settings), "features": model.features.to_dict()}
    protocol = _protocol("a trained model on long recordings", truth, made, command, clock)
    return make_segment_report(
        pairs, model.scorer.labels, tolerance_s, findings=findings, failed=failed, protocol=protocol
    )


def _recording(truth: str | os.PathLike[str], name: str) -> Path:
    """Return the path of a recording that a truth names; one that is not there stays as it is named."""
    # a pipe has no folder
    root = Path(truth).parent if Path(truth).is_file() else Path()
    named = [find_path(root / f"{name}{suffix}") for suffix in ("", *sorted(SUFFIXES))]
    return next((path for path in named if path.is_file()), named[0])


@checked
def compare_timelines(
    truth: str | os.PathLike[str],
    found: str | os.PathLike[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    command: str = "",
) -> SegmentReport:
    r"""Return the report of the timelines in a file, of any system, against the true ones in another.

    Recordings are matched by their names. One of the truth that the other file does not name is silent there, as RTTM
    has it.

    Parameters
    ----------
    truth, found : path-like
        Files that :func:`gmmaudio.timelines.read_timelines` reads.
    tolerance_s : float
        Farthest that a boundary lies from the true one that it is paired with, seconds.
    command : str
        The command line, for the report.

    Raises
    ------
    CorpusError
        If a file cannot be read, or the two have no recording in common.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gmmaudio import pipeline
    >>> _ = Path("truth.csv").write_text("path,start,end,label\n1.wav,0,6,en\n1.wav,6,10,fr\n")
    >>> _ = Path("found.csv").write_text("path,start,end,label\n1.wav,0,7,en\n1.wav,7,10,fr\n")
    >>> pipeline.compare_timelines("truth.csv", "found.csv").headline
    'Segment error rate 10.0 %, 1 recording, 0.2 min'
    """
    clock = Clock.start()
    truths, others = read_timelines(truth), read_timelines(found)
    of_name = {normal(path): line for path, line in others.items()}
    findings = _check_recordings([normal(path) for path in truths], list(of_name), os.fspath(found))
    pairs = [(true, of_name.get(normal(path), Timeline((), path=path))) for path, true in truths.items()]
    pairs, labels = _one_spelling(pairs)
    protocol = _protocol("timelines from a file", truth, {"found": os.fspath(found)}, command, clock)
    return make_segment_report(pairs, labels, tolerance_s, findings=findings, protocol=protocol)


def _protocol(
    scheme: str, truth: str | os.PathLike[str], settings: Mapping[str, Any], command: str, clock: Clock
) -> dict[str, Any]:
    """Return the protocol of timelines."""
    return {
        "scheme": scheme,
        "truth": os.fspath(truth),
        **settings,
        "versions": versions(),
        "machine": machine(),
        "command": command,
        "began": clock.began,
        "seconds": clock.seconds,
    }


def _check_recordings(true: Sequence[str], found: Sequence[str], name: str) -> tuple[Finding, ...]:
    """Return the findings on recordings that only one of two files names; raise where no recording is in both."""
    if not set(true) & set(found):
        raise CorpusError(
            f"{name}: its recordings ({some_names(found)}) are not those of the truth ({some_names(true)}); name them "
            "alike"
        )
    missing, others = ([each for each in one if each not in other] for one, other in ((true, found), (found, true)))
    findings = []
    if missing:
        findings.append(
            Finding(
                "recordings_without_segments",
                "warning",
                f"recordings of the truth without segments in {name} count as silent: {some_names(missing)}",
                "name them as the truth does, where they are not silent",
            )
        )
    if others:
        findings.append(
            Finding(
                "recordings_without_truth",
                "information",
                f"recordings in {name} that the truth does not have are left out: {some_names(others)}",
            )
        )
    return tuple(findings)


def _one_spelling(
    pairs: Sequence[tuple[Timeline, Timeline]],
) -> tuple[list[tuple[Timeline, Timeline]], tuple[str, ...]]:
    """Return timelines in which labels of one NFC form are spelt alike, and all labels, sorted."""
    found = {part.label for _, line in pairs for part in line.segments if part.label is not None}
    spelt = [(with_labels_of(true, sorted(found)), line) for true, line in pairs]
    labels = found | {part.label for true, _ in spelt for part in true.segments if part.label is not None}
    return spelt, tuple(sorted(labels))


def with_labels_of(line: Timeline, known: Sequence[str]) -> Timeline:
    r"""Return a timeline whose labels are spelt as known ones are, where they have one NFC form.

    Parameters
    ----------
    line : Timeline
        Any timeline.
    known : sequence of str
        Labels.

    Examples
    --------
    >>> line = Timeline((TimelineSegment(0, 1, "Zoe\u0301"),))
    >>> with_labels_of(line, ["Zo\u00e9"]).segments[0].label == "Zo\u00e9"
    True
    """
    spelt = respell([part.label for part in line.segments], known)
    segments = (replace(part, label=label) for part, label in zip(line.segments, spelt, strict=True))
    return replace(line, segments=tuple(segments))


def fit_to_model(
    truths: Mapping[str, Timeline], labels: Sequence[str]
) -> tuple[dict[str, Timeline], tuple[Finding, ...]]:
    """Return true timelines as a model could give them, and the findings on what it could not.

    A label that the model does not have becomes ``unknown``: a model is right to know none. Where the model has no
    label ``unknown`` or ``silence``, a truth that has it means the status.

    Parameters
    ----------
    truths : mapping of str to Timeline
        Recording -> its true timeline.
    labels : sequence of str
        Those of the model.

    Examples
    --------
    >>> true = Timeline((TimelineSegment(0, 1, "fr"), TimelineSegment(1, 3, "silence"), TimelineSegment(3, 4, "xx")))
    >>> fitted, findings = fit_to_model({"a.wav": true}, ["fr"])
    >>> [part.key for part in fitted["a.wav"].segments], [finding.code for finding in findings]
    ([('ok', 'fr'), ('silence', None), ('unknown', None)], ['truth_labels_unknown', 'truth_labels_as_statuses'])
    """
    strange_s: dict[str, float] = {}
    fitted = {}
    for path, true in truths.items():
        spelt = with_labels_of(true, labels)
        segments = []
        for part in spelt.segments:
            if part.label is None or part.label in labels:
                segments.append(part)
            else:
                segments.append(_without_label(part))
                strange_s[part.label] = strange_s.get(part.label, 0.0) + part.duration_s
        fitted[path] = replace(spelt, segments=tuple(segments))
    named = sorted(set(strange_s) & set(STATUSES[1:]))
    others = sorted(set(strange_s) - set(named))
    findings = []
    if others:
        total_s = sum(strange_s[label] for label in others)
        findings.append(
            Finding(
                "truth_labels_unknown",
                "warning",
                f"{total_s:.1f} s of the truth have labels that the model does not have, and count as unknown: "
                f"{some_names(others)}",
                "train on them, or spell them as the model does",
            )
        )
    if named:
        findings.append(
            Finding(
                "truth_labels_as_statuses",
                "information",
                f"the labels {some_names(named)} of the truth are taken for the statuses of that name: the model has "
                "no such label",
            )
        )
    return fitted, tuple(findings)


def _without_label(part: TimelineSegment) -> TimelineSegment:
    """Return a segment whose label no model has: of the status that its label names, or unknown."""
    return replace(part, label=None, status=part.name if part.name in STATUSES[1:] else "unknown")


def with_end_of(true: Timeline, duration_s: float) -> Timeline:
    """Return a timeline whose last segment ends with the recording, where it nearly does.

    Parameters
    ----------
    true : Timeline
        A true timeline, of which a file has rounded the times.
    duration_s : float
        Length of the recording, seconds.

    Examples
    --------
    >>> with_end_of(Timeline((TimelineSegment(0, 9.95, "fr"),)), 10.0).duration_s
    10.0
    """
    last = true.segments[-1] if true.segments else None
    if last is None or abs(last.end_s - duration_s) > END_S or last.start_s >= duration_s:
        return true
    segments = (*true.segments[:-1], replace(last, end_s=duration_s))
    return replace(true, segments=segments, duration_s=duration_s)
