"""Reproduction of a report: the recorded run once more, and every difference."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gmmaudio.compute import Progress, RunContext, quiet
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import Report
from gmmaudio.evaluation.report_file import EXPECTED, UPGRADED_FROM, upgrade
from gmmaudio.features import FeatureSettings
from gmmaudio.findings import Finding
from gmmaudio.models import Model, Recipe
from gmmaudio.models.old_formats import upgrade_report_settings
from gmmaudio.pipeline.crossvalidation import CrossvalOptions, run_crossval
from gmmaudio.pipeline.evaluation_run import evaluate
from gmmaudio.pipeline.external_predictions import evaluate_predictions
from gmmaudio.pipeline.provenance import machine, versions

# rounding on other machines and by other versions stays within this, absolutely or relatively
TOLERANCE = 1e-6
# keys whose text changes between versions
TEXT_KEYS = ("format", UPGRADED_FROM, "findings")
# keys of the protocol that older versions filled otherwise
UNSTABLE = ("scheme", "unscored_labels")
# place, command, time and environment of a run
NOT_COMPARED = {
    "protocol": ("versions", "machine", "command", "began", "seconds"),
    "run": ("kind", "root", "findings", "options", "manifest"),
}
EVALUATE_OPTIONS = ("split", "trial_s", "min_duration_s", "group_by", "durations_s", "robustness")


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


def reproduce(
    recorded: Mapping[str, Any],
    *,
    root: Path | None = None,
    model: Model | None = None,
    n_jobs: int = 1,
    progress: Progress = quiet,
) -> Reproduction:
    """Return the report of a recorded evaluation that is run again, and its differences to the record.

    Parameters
    ----------
    recorded : mapping
        JSON of a report, of any format.
    root : Path or None
        Folder that the clips' paths are relative to, or the table of predictions; None takes the recorded one.
    model : Model or None
        The model, for a report of :func:`gmmaudio.evaluate`.
    n_jobs : int
        Worker processes; the numbers do not depend on it.
    progress : Progress
        Shows progress.

    Returns
    -------
    Reproduction
        The new report and the differences.

    Raises
    ------
    CorpusError
        If the report holds no run, or has a newer format.

    Examples
    --------
    >>> import gmmaudio
    >>> report = gmmaudio.crossval("my_music", gmmaudio.make_recipe(n_components=1), folds=3, group_by="parent")
    >>> gmmaudio.reproduce(report.to_dict()).identical
    True
    """
    document = upgrade(recorded)
    try:
        run = _decoded(document, model)
        run_again = _prepare(run, root, model)
        environment = _changed_environment(document["protocol"])
        old = [(row["path"], row["start_s"], row["end_s"], row["sha256"]) for row in run["manifest"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"holds no run ({type(error).__name__}: {error}); {EXPECTED}") from error
    report = run_again(n_jobs, progress)
    inputs = tuple(_changed_audio(old, report.run["manifest"]))
    if run["options"].get("model_sha256") != report.run["options"].get("model_sha256"):
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


def _decoded(document: Mapping[str, Any], model: Model | None) -> Mapping[str, Any]:
    """Return the record of a run; older versions did not decode clips of labels that the model does not have."""
    run: Mapping[str, Any] = document["run"]
    if UPGRADED_FROM not in document or model is None or run["kind"] != "evaluate":
        return run
    return {**run, "manifest": [row for row in run["manifest"] if row["label"] in model.scorer.labels]}


def _without_text(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report without what versions word differently: findings, the scheme and the labels that it left out."""
    kept = {key: value for key, value in report.items() if key not in TEXT_KEYS}
    kept["protocol"] = {key: value for key, value in report["protocol"].items() if key not in UNSTABLE}
    return kept


def _known_keys(new: Any, old: Any) -> Any:
    """Return plain values without the keys that did not exist when the old ones were recorded."""
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {key: _known_keys(value, old[key]) for key, value in new.items() if key in old}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_known_keys(a, b) for a, b in zip(new, old, strict=True)]
    return new


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
        kept["findings"] = [finding["code"] for finding in report["findings"]]
    return {**report, **kept}


def _completed(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return recorded settings with defaults for those that did not exist then."""
    completed = dict(settings)
    # settings that cannot be read any more are compared as they are
    with contextlib.suppress(SettingError, KeyError, TypeError):
        completed = upgrade_report_settings(settings)
    if isinstance(completed.get("features"), Mapping):
        with contextlib.suppress(SettingError, TypeError):
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
        yield f"{path}: {old} -> {new}"


def _equal(old: Any, new: Any, tolerance: float) -> bool:
    """Return whether two plain values are the same, numbers within a tolerance."""
    numbers = all(isinstance(value, float | int) and not isinstance(value, bool) for value in (old, new))
    if numbers and tolerance and max(abs(old), abs(new)) < 1e300:
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
    return bool(old == new)


def _prepare(run: Mapping[str, Any], root: Path | None, model: Model | None) -> Callable[[int, Progress], Report]:
    """Return a function that runs the evaluation of a record again; the record is checked first."""
    kind, options = run["kind"], dict(run["options"])
    path = Path(run["root"]) if root is None else root
    if kind == "predictions":
        return lambda _jobs, progress: evaluate_predictions(path, progress=progress)
    if kind not in ("crossval", "evaluate"):
        raise CorpusError(f"holds a run of kind {kind!r}, which cannot be run again; {EXPECTED}")
    corpus = Corpus(path, tuple(_clip(row) for row in run["manifest"]), tuple(map(Finding.of, run["findings"])))
    if kind == "crossval":
        recipe, crossval_options = Recipe.from_dict(options["recipe"]), CrossvalOptions(**options["division"])
        return lambda jobs, progress: run_crossval(corpus, recipe, crossval_options, RunContext(jobs, progress))
    if model is None:
        raise CorpusError("is the report of a model; name its file (`model`)")
    settings = {name: options[name] for name in EVALUATE_OPTIONS}
    # in a record without a length every clip was a trial
    settings["trial_s"] = settings["trial_s"] or 0.0
    return lambda jobs, progress: evaluate(model, corpus, n_jobs=jobs, progress=progress, **settings)


def _clip(row: Mapping[str, Any]) -> Clip:
    """Return the clip that a row of the recorded manifest describes."""
    known = {name: value for name, value in row.items() if name != "sha256"}
    return Clip(**known | {"extra": {str(key): str(value) for key, value in row["extra"].items()}})


def _changed_audio(old: Sequence[tuple[str, float, float | None, str | None]], new: Any) -> Iterator[str]:
    """Yield the files whose content has changed."""
    now = {(row["path"], row["start_s"], row["end_s"]): row["sha256"] for row in new}
    for path, start_s, end_s, sha256 in old:
        current = now.get((path, start_s, end_s))
        if current != sha256:
            state = "could be read, and cannot now" if current is None else "has other content now"
            yield f"{path}: {'could not be read, and can now' if sha256 is None else state}"


def _changed_environment(protocol: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the versions and the machine that differ from those of the record."""
    then, now = dict(protocol["versions"]), versions()
    changed = [f"{name} {then.get(name)} then, {now.get(name)} now" for name in now if then.get(name) != now.get(name)]
    if protocol["machine"] != machine():
        changed.append(f"machine {protocol['machine']} then, {machine()} now")
    return tuple(changed)
