"""Reproduction of a report: the recorded run once more, and every difference."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gmmaudio.compute import Progress, RunContext, quiet
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import Report
from gmmaudio.evaluation.report_file import EXPECTED, UPGRADED_FROM, upgrade
from gmmaudio.features import FeatureSettings
from gmmaudio.json_text import MAX_DEPTH, depth_of
from gmmaudio.models import Model
from gmmaudio.models.old_formats import upgrade_report_settings
from gmmaudio.pipeline.crossvalidation import run_crossval
from gmmaudio.pipeline.evaluation_run import evaluate
from gmmaudio.pipeline.external_predictions import evaluate_predictions
from gmmaudio.pipeline.provenance import machine, versions
from gmmaudio.pipeline.recorded_run import UNREADABLE, Input, RecordedRun, read_run
from gmmaudio.trials import GivenRows, GivenVectors
from gmmaudio.values import checked, shown

# rounding stays within this on other processors and by other versions, absolutely or relatively: products in float32
# (5e-7 of the largest coefficient) move scores by up to 2e-6
TOLERANCE = 1e-5
# keys whose text changes between versions
TEXT_KEYS = ("format", UPGRADED_FROM, "findings")
# keys of the protocol that older versions filled otherwise
UNSTABLE = ("scheme", "unscored_labels")
# place, command, time and environment of a run
NOT_COMPARED = {
    "protocol": ("versions", "machine", "command", "began", "seconds"),
    "run": ("kind", "root", "findings", "options", "manifest"),
}
# characters of a value
MAX_SHOWN = 1_000


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The result of running a recorded evaluation again.

    Parameters
    ----------
    report : Report
        The new report.
    changed_inputs : tuple of str
        Files, or the model, whose content has changed.
    changed_values : tuple of str
        Numbers and names that differ.
    changed_environment : tuple of str
        Versions and machine that differ; numbers may then differ by ``TOLERANCE``.
    """

    report: Report
    changed_inputs: tuple[str, ...]
    changed_values: tuple[str, ...]
    changed_environment: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether inputs and values are unchanged."""
        return not (self.changed_inputs or self.changed_values)


@checked
def reproduce(
    recorded: Mapping[str, Any],
    *,
    root: str | os.PathLike[str] | None = None,
    model: Model | None = None,
    rows: GivenRows | None = None,
    vectors: GivenVectors | None = None,
    n_jobs: int | None = None,
    progress: Progress = quiet,
) -> Reproduction:
    """Return the report of a recorded evaluation that is run again, and its differences to the record.

    Parameters
    ----------
    recorded : mapping
        JSON of a report, of any format.
    root : path-like or None
        Folder that the clips' paths are relative to, a manifest in it, or the table of predictions; None takes the
        recorded one. Files outside the folder are not read, unless the manifest lists them; links that lead out of it
        are followed only where it is named here.
    model : Model or None
        The model, for a report of :func:`gmmaudio.evaluate`.
    rows : GivenRows or None
        The rows, for a report on rows of another program.
    vectors : GivenVectors or None
        The vectors, for a report on vectors of another program beside sound.
    n_jobs : int or None
        Worker processes, 1 or more, or -1 for one each core; None takes threads for little work, and worker processes
        for much. The numbers do not depend on it.
    progress : Progress
        Shows progress.

    Returns
    -------
    Reproduction
        The new report and the differences.

    Raises
    ------
    CorpusError
        If the report holds no run that can be made again, asks for more than is done for a report, or names files
        outside the folder; if it has a newer format, or no clip can be used.
    SettingError
        If ``n_jobs`` is out of bounds.

    Examples
    --------
    >>> import gmmaudio
    >>> report = gmmaudio.crossval("my_music", gmmaudio.make_recipe(n_components=1), folds=3, group_by="parent")
    >>> gmmaudio.reproduce(report.to_dict()).identical
    True
    """
    run_context = RunContext(n_jobs, progress)
    if depth_of(recorded) > MAX_DEPTH:
        raise CorpusError(f"is nested more than {MAX_DEPTH} levels deep; {EXPECTED}")
    document = upgrade(recorded)
    run = _decoded(read_run(document.get("run"), root), document, model)
    environment = _changed_environment(document)
    vectors = _named_as_recorded(vectors, document)
    report = _run_again(run, model, rows, vectors, run_context, is_root_recorded=root is None)
    inputs = tuple(_changed_audio(run.inputs, report.run["manifest"]))
    if _recorded_vectors(document).get("sha256") != report.run["options"].get("vectors", {}).get("sha256"):
        inputs = ("the vectors: are others", *inputs)
    if run.model_sha256 != report.run["options"].get("model_sha256"):
        inputs = ("the model: is another one", *inputs)
    new = report.to_dict()
    older = UPGRADED_FROM in document or document["format"] != new["format"]
    if older:
        document, new = _without_text(document), _without_text(new)
    values = differences(document, new, TOLERANCE if environment else 0.0, known_only=older)
    return Reproduction(report, inputs, tuple(values), environment)


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float, *, known_only: bool = False
) -> list[str]:
    """Return every number and name in which two reports differ.

    Parameters
    ----------
    old, new : mapping
        Plain values of :meth:`gmmaudio.evaluation.Report.to_dict`.
    tolerance : float
        Largest difference of numbers, absolute or relative; with 0 they must be the same bits.
    known_only : bool
        Leave out keys that only the new report has, for an old one of an earlier format.

    Returns
    -------
    list of str
        The key, the old value and the new value of each difference.

    Examples
    --------
    >>> differences({"n": 3, "labels": ["a"]}, {"n": 4, "labels": ["a"]}, 0.0)
    ['n: 3 -> 4']
    """
    before, now = _compared(old), _compared(new)
    return list(_walk("", before, _known_keys(now, before) if known_only else now, tolerance))


def _decoded(run: RecordedRun, document: Mapping[str, Any], model: Model | None) -> RecordedRun:
    """Return a run; older versions did not decode clips of labels that the model does not have."""
    if UPGRADED_FROM not in document or model is None or run.kind != "evaluate":
        return run
    kept = [i for i, clip in enumerate(run.corpus.clips) if clip.label in model.scorer.labels]
    corpus = replace(run.corpus, clips=tuple(run.corpus.clips[i] for i in kept))
    return replace(run, corpus=corpus, inputs=tuple(run.inputs[i] for i in kept))


def _without_text(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report without what versions word differently: findings, the scheme and the labels that it left out."""
    kept = {key: value for key, value in report.items() if key not in TEXT_KEYS}
    kept["protocol"] = {key: value for key, value in report["protocol"].items() if key not in UNSTABLE}
    return kept


def _known_keys(new: Any, old: Any) -> Any:
    """Return plain values without the keys that did not exist when the old ones were recorded."""
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {key: _known_keys(value, old[key]) for key, value in new.items() if key in old}
    if _are_named(new) and _are_named(old):
        # such as conditions of robustness, of which there may be more now
        by_name = {row["name"]: row for row in new}
        return [_known_keys(by_name[row["name"]], row) for row in old if row["name"] in by_name]
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_known_keys(a, b) for a, b in zip(new, old, strict=True)]
    return new


def _are_named(rows: Any) -> bool:
    """Return whether plain values are a list of records with names that differ."""
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
        return False
    names = [row.get("name") for row in rows]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names) > 0


def _compared(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report without the place, the command and the time, and with the codes of its findings only."""
    parts = {key: dict(report[key]) for key in NOT_COMPARED if isinstance(report.get(key), Mapping)}
    kept: dict[str, Any] = {
        key: {k: v for k, v in part.items() if k not in NOT_COMPARED[key]} for key, part in parts.items()
    }
    if isinstance(kept.get("protocol", {}).get("settings"), Mapping):
        kept["protocol"]["settings"] = _completed(kept["protocol"]["settings"])
    if "findings" in report:
        # their text changes between versions, their codes do not
        rows = report["findings"]
        kept["findings"] = (
            [row.get("code") if isinstance(row, Mapping) else row for row in rows]
            if isinstance(rows, list | tuple)
            else rows
        )
    # advice is words on the rest
    return {key: value for key, value in {**report, **kept}.items() if key != "advice"}


def _completed(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return recorded settings with defaults for those that did not exist then."""
    completed = dict(settings)
    # settings that cannot be read any more are compared as they are
    with contextlib.suppress(*UNREADABLE):
        completed = upgrade_report_settings(settings)
    if isinstance(completed.get("features"), Mapping):
        with contextlib.suppress(*UNREADABLE):
            completed["features"] = asdict(FeatureSettings.from_dict(completed["features"]))
    return completed


def _walk(path: str, old: Any, new: Any, tolerance: float) -> Iterator[str]:
    """Yield the differences of two plain values at a path of keys."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{path}.{key}" if path else str(key)
            if key in old and key in new:
                yield from _walk(inner, old[key], new[key], tolerance)
            else:
                yield f"{inner}: {'only before' if key in old else 'only now'}"
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        if len(old) != len(new):
            yield f"{path}: {len(old)} entries -> {len(new)}"
        for i, (a, b) in enumerate(zip(old, new, strict=False)):
            name = a.get("name") if isinstance(a, Mapping) else None
            yield from _walk(f"{path}[{i if name is None else name}]", a, b, tolerance)
    elif not _equal(old, new, tolerance):
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _equal(old: Any, new: Any, tolerance: float) -> bool:
    """Return whether two plain values are the same, numbers within a tolerance."""
    numbers = all(isinstance(value, float | int) and not isinstance(value, bool) for value in (old, new))
    if numbers and tolerance and max(abs(old), abs(new)) < 1e300:
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
    return bool(old == new)


def _run_again(
    run: RecordedRun,
    model: Model | None,
    rows: GivenRows | None,
    vectors: GivenVectors | None,
    context: RunContext,
    *,
    is_root_recorded: bool,
) -> Report:
    """Return the report of a run that is made once more."""
    if run.is_of_rows and rows is None:
        raise CorpusError("is the report of rows that were given; name these (`rows`)")
    if run.has_vectors and vectors is None:
        raise CorpusError("is the report of vectors that were given beside sound; name these (`vectors`)")
    try:
        if run.kind == "predictions":
            return evaluate_predictions(run.corpus.root, progress=context.progress)
        if run.recipe is not None and run.division is not None:
            return run_crossval(run.corpus, run.recipe, run.division, context, rows=rows, vectors=vectors)
        if model is None:
            raise CorpusError("is the report of a model; name its file (`model`)")
        given: dict[str, Any] = {"rows": rows, "vectors": vectors, **run.options}
        return evaluate(model, run.corpus, n_jobs=context.n_jobs, progress=context.progress, **given)
    except SettingError as error:
        raise CorpusError(f"holds settings that cannot be used ({error}); {EXPECTED}") from error
    except CorpusError as error:
        if run.kind != "predictions" or not is_root_recorded:
            raise
        # the message may hold the first line of any file that a report names
        raise CorpusError(f"names {run.corpus.root}, which is no table of predictions; name it (`root`)") from error


def _recorded_vectors(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the record of the vectors that were given beside sound, in a report; empty where there were none."""
    options = document["run"].get("options")
    recorded = options.get("vectors") if isinstance(options, Mapping) else None
    return recorded if isinstance(recorded, Mapping) else {}


def _named_as_recorded(vectors: GivenVectors | None, document: Mapping[str, Any]) -> GivenVectors | None:
    """Return vectors with the name that a report records, where they are given without one: files are renamed."""
    if vectors is None or vectors.vectors_name is not None:
        return vectors
    try:
        return replace(vectors, vectors_name=_recorded_vectors(document).get("vectors_name"))
    except SettingError as error:
        raise CorpusError(f"holds settings that cannot be used ({error}); {EXPECTED}") from error


def _changed_audio(old: Sequence[Input], new: Any) -> Iterator[str]:
    """Yield the files whose content has changed."""
    now = {(row["path"], row["start_s"], row["end_s"]): row["sha256"] for row in new}
    for path, start_s, end_s, sha256 in old:
        current = now.get((path, start_s, end_s))
        if current != sha256:
            state = "could be read, and cannot now" if current is None else "has other content now"
            yield f"{path}: {'could not be read, and can now' if sha256 is None else state}"


def _changed_environment(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the versions and the machine that differ from those of the record."""
    protocol = document.get("protocol")
    if not isinstance(protocol, Mapping) or not isinstance(protocol.get("versions"), Mapping):
        raise CorpusError(f"holds no protocol with the versions of libraries; {EXPECTED}")
    then, now = protocol["versions"], versions()
    changed = [
        f"{name} {_short(then.get(name))} then, {now.get(name)} now" for name in now if then.get(name) != now.get(name)
    ]
    if protocol.get("machine") != machine():
        changed.append(f"machine {_short(protocol.get('machine'))} then, {machine()} now")
    return tuple(changed)


def _short(value: Any) -> str:
    """Return a value as text, the middle left out where it is long."""
    text = shown(value) if isinstance(value, int) and value.bit_length() > MAX_SHOWN * 4 else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2]} ... {text[-MAX_SHOWN // 2 :]}"
