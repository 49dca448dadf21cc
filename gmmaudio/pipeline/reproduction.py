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

# other versions and machines round differently; what is right stays within this
TOLERANCE = 1e-6
# text for people
WORDS = ("format", UPGRADED_FROM, "findings")
# where, how and when, not what
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
        The new one.
    audio : tuple of str
        Files whose content is not what it was.
    numbers : tuple of str
        Numbers and names that differ.
    elsewhere : tuple of str
        What is another version or machine; then numbers may differ by ``TOLERANCE``.
    """

    report: Report
    audio: tuple[str, ...]
    numbers: tuple[str, ...]
    elsewhere: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether audio and numbers are unchanged."""
        return not (self.audio or self.numbers)


def reproduce(
    recorded: Mapping[str, Any],
    *,
    root: Path | None = None,
    model: Model | None = None,
    n_jobs: int = 1,
    progress: Progress = quiet,
) -> Reproduction:
    """Return the differences between a recorded evaluation and the same run once more.

    Parameters
    ----------
    recorded : mapping
        The JSON of a report, of any format.
    root : Path or None
        Folder that the clips' paths are relative to, or the table of predictions; None takes the recorded one.
    model : Model or None
        For a report of ``evaluate``: its model.
    n_jobs : int
        Worker processes; the numbers do not depend on it.
    progress : callable
        Shows progress.

    Raises
    ------
    CorpusError
        If it holds no run, or has a newer format.

    Examples
    --------
    >>> import gmmaudio
    >>> report = gmmaudio.crossval("my_music", gmmaudio.make_recipe(n_components=1), folds=3, group_by="parent")
    >>> gmmaudio.reproduce(report.to_dict()).identical
    True
    """
    document = upgrade(recorded)
    try:
        run = document["run"]
        again = _prepared(run, root, model)
        elsewhere = _elsewhere(document["protocol"])
        old = [(row["path"], row["start_s"], row["end_s"], row["sha256"]) for row in run["manifest"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"holds no run ({type(error).__name__}: {error}); {EXPECTED}") from error
    report = again(n_jobs, progress)
    audio = tuple(_changed_audio(old, report.run["manifest"]))
    if run["options"].get("model_sha256") != report.run["options"].get("model_sha256"):
        audio = ("the model: is another one", *audio)
    now = report.to_dict()
    older = UPGRADED_FROM in document or document["format"] != now["format"]
    if older:
        document, now = _without_words(document), _without_words(now)
    numbers = differences(document, now, TOLERANCE if elsewhere else 0.0, known_only=older)
    return Reproduction(report, audio, tuple(numbers), elsewhere)


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float, *, known_only: bool = False
) -> list[str]:
    """Return every number and name in which two reports differ.

    Parameters
    ----------
    old, new : mapping
        What :meth:`gmmaudio.evaluation.Report.to_dict` gave.
    tolerance : float
        Numbers may differ by this much, absolutely or as a share; 0 asks for the same bits.
    known_only : bool
        Whether keys that only the new report has are left out, for an old one of an earlier format.

    Examples
    --------
    >>> differences({"n": 3, "labels": ["a"]}, {"n": 4, "labels": ["a"]}, 0.0)
    ['n: 3 -> 4']
    """
    before, now = _compared(old), _compared(new)
    return list(_walk("", before, _known_keys(now, before) if known_only else now, tolerance))


def _without_words(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report without its findings, which may be worded anew in every version."""
    return {key: value for key, value in report.items() if key not in WORDS}


def _known_keys(new: Any, old: Any) -> Any:
    """Return plain values without the keys that were not there when the old ones were recorded."""
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
        # their words change with versions, their codes do not
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


def _walk(where: str, old: Any, new: Any, tolerance: float) -> Iterator[str]:
    """Yield the places in which two plain values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            path = f"{where}.{key}" if where else str(key)
            if key in old and key in new:
                yield from _walk(path, old[key], new[key], tolerance)
            else:
                yield f"{path}: {'only before' if key in old else 'only now'}"
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple):
        if len(old) != len(new):
            yield f"{where}: {len(old)} entries -> {len(new)}"
        for i, (a, b) in enumerate(zip(old, new, strict=False)):
            name = a.get("name") if isinstance(a, Mapping) else None
            yield from _walk(f"{where}[{i if name is None else name}]", a, b, tolerance)
    elif not _equal(old, new, tolerance):
        yield f"{where}: {old} -> {new}"


def _equal(old: Any, new: Any, tolerance: float) -> bool:
    """Return whether two plain values are the same, numbers within a tolerance."""
    numbers = all(isinstance(value, float | int) and not isinstance(value, bool) for value in (old, new))
    if numbers and tolerance and max(abs(old), abs(new)) < 1e300:
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
    return bool(old == new)


def _prepared(run: Mapping[str, Any], root: Path | None, model: Model | None) -> Callable[[int, Progress], Report]:
    """Return a function that runs the recorded clips and options again, all of it read and checked."""
    kind, options = run["kind"], dict(run["options"])
    place = Path(run["root"]) if root is None else root
    if kind == "predictions":
        return lambda _jobs, progress: evaluate_predictions(place, progress=progress)
    if kind not in ("crossval", "evaluate"):
        raise CorpusError(f"holds a run of kind {kind!r}, which cannot be run again; {EXPECTED}")
    corpus = Corpus(place, tuple(_clip(row) for row in run["manifest"]), tuple(map(Finding.of, run["findings"])))
    if kind == "crossval":
        recipe, crossval_options = Recipe.from_dict(options["recipe"]), CrossvalOptions(**options["division"])
        return lambda jobs, progress: run_crossval(corpus, recipe, crossval_options, RunContext(jobs, progress))
    if model is None:
        raise CorpusError("is the report of a model; name its file (`model`)")
    settings = {name: options[name] for name in EVALUATE_OPTIONS}
    # a record without a length took clips as they are
    settings["trial_s"] = settings["trial_s"] or 0.0
    return lambda jobs, progress: evaluate(model, corpus, n_jobs=jobs, progress=progress, **settings)


def _clip(row: Mapping[str, Any]) -> Clip:
    """Return the clip that a row of the recorded manifest describes."""
    known = {name: value for name, value in row.items() if name != "sha256"}
    return Clip(**known | {"extra": {str(key): str(value) for key, value in row["extra"].items()}})


def _changed_audio(old: Sequence[tuple[str, float, float | None, str | None]], new: Any) -> Iterator[str]:
    """Yield the files whose content is not what it was."""
    now = {(row["path"], row["start_s"], row["end_s"]): row["sha256"] for row in new}
    for path, start_s, end_s, sha256 in old:
        current = now.get((path, start_s, end_s))
        if current != sha256:
            state = "could be read, and cannot now" if current is None else "has other content now"
            yield f"{path}: {'could not be read, and can now' if sha256 is None else state}"


def _elsewhere(protocol: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the versions and the machine that are not those of the record."""
    then, now = dict(protocol["versions"]), versions()
    changed = [f"{name} {then.get(name)} then, {now.get(name)} now" for name in now if then.get(name) != now.get(name)]
    if protocol["machine"] != machine():
        changed.append(f"machine {protocol['machine']} then, {machine()} now")
    return tuple(changed)
