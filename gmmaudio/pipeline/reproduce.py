"""The JSON of a report -> the same run again, and every difference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError
from gmmaudio.evaluation import FailedInput, Report
from gmmaudio.model import Model
from gmmaudio.pipeline.crossval import Division, crossval
from gmmaudio.pipeline.evaluate import evaluate
from gmmaudio.pipeline.extraction import Extracted, Progress, quiet
from gmmaudio.pipeline.predictions import evaluate_predictions
from gmmaudio.pipeline.provenance import machine, versions
from gmmaudio.pipeline.recipe import Recipe

# other versions and machines round differently; what is right stays within this
TOLERANCE = 1e-6
# how and when, not what
NOT_COMPARED = ("protocol", "run")
NOT_A_RUN = "expected the JSON that gmmaudio evaluate or crossval wrote (--json)"


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What came of running an evaluation again.

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
        """Whether audio and numbers are what they were."""
        return not (self.audio or self.numbers)


def reproduce(
    recorded: Mapping[str, Any],
    *,
    root: Path | None = None,
    model: Model | None = None,
    n_jobs: int = 1,
    progress: Progress[Extracted | FailedInput] = quiet,
) -> Reproduction:
    """Return what came of running a recorded evaluation again.

    Parameters
    ----------
    recorded : mapping
        The JSON of a report.
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
        If it holds no run.
    """
    try:
        run = recorded["run"]
        if run["kind"] == "predictions":
            report = evaluate_predictions(run["root"] if root is None else root)
        else:
            place = Path(run["root"]) if root is None else root
            corpus = Corpus(place, tuple(_clip(row) for row in run["manifest"]), tuple(run["notes"]))
            report = _run_again(run["kind"], corpus, run["options"], model, n_jobs, progress)
        elsewhere = _elsewhere(recorded["protocol"])
        audio = tuple(_changed_audio(run["manifest"], report.run["manifest"]))
        if run["options"].get("model_sha256") != report.run["options"].get("model_sha256"):
            audio = ("the model: is another one", *audio)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorpusError(f"holds no run ({type(error).__name__}: {error}); {NOT_A_RUN}") from error
    numbers = differences(recorded, report.to_dict(), TOLERANCE if elsewhere else 0.0)
    return Reproduction(report, audio, tuple(numbers), elsewhere)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float) -> list[str]:
    """Return every number and name in which two reports differ.

    Parameters
    ----------
    old, new : mapping
        What :meth:`gmmaudio.evaluation.Report.to_dict` gave.
    tolerance : float
        Numbers may differ by this much, absolutely or as a share; 0 asks for the same bits.

    Examples
    --------
    >>> differences({"n": 3, "labels": ["a"]}, {"n": 4, "labels": ["a"]}, 0.0)
    ['n: 3 -> 4']
    """
    kept = [{key: value for key, value in report.items() if key not in NOT_COMPARED} for report in (old, new)]
    return list(_walk("", kept[0], kept[1], tolerance))


def _walk(where: str, old: Any, new: Any, tolerance: float) -> Iterator[str]:
    """Yield the places in which two plain values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            place = f"{where}.{key}" if where else str(key)
            if key in old and key in new:
                yield from _walk(place, old[key], new[key], tolerance)
            else:
                yield f"{place}: {'only before' if key in old else 'only now'}"
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
    if numbers and tolerance:
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
    return bool(old == new)


def _run_again(
    kind: str,
    corpus: Corpus,
    options: Mapping[str, Any],
    model: Model | None,
    n_jobs: int,
    progress: Progress[Extracted | FailedInput],
) -> Report:
    """Return the report of the recorded clips and options."""
    if kind == "crossval":
        division = Division(**options["division"])
        return crossval(corpus, Recipe.from_dict(options["recipe"]), division, n_jobs=n_jobs, progress=progress)
    if kind != "evaluate":
        raise CorpusError(f"holds a run of kind {kind!r}, which cannot be run again; {NOT_A_RUN}")
    if model is None:
        raise CorpusError("is the report of a model; name its file (--model)")
    given = {name: value for name, value in options.items() if name != "model_sha256"}
    return evaluate(model, corpus, n_jobs=n_jobs, progress=progress, **given)


def _clip(row: Mapping[str, Any]) -> Clip:
    """Return the clip that a row of the recorded manifest describes."""
    return Clip(**{name: value for name, value in row.items() if name != "sha256"})


def _changed_audio(old: Any, new: Any) -> Iterator[str]:
    """Yield the files whose content is not what it was."""
    now = {(row["path"], row["start_s"], row["end_s"]): row["sha256"] for row in new}
    for row in old:
        found = now.get((row["path"], row["start_s"], row["end_s"]))
        if found != row["sha256"]:
            state = "could be read, and cannot now" if found is None else "has other content now"
            if row["sha256"] is None:
                state = "could not be read, and can now"
            yield f"{row['path']}: {state}"


def _elsewhere(protocol: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what versions and machine are not those of the record."""
    then, now = dict(protocol["versions"]), versions()
    found = [f"{name} {then.get(name)} then, {now.get(name)} now" for name in now if then.get(name) != now.get(name)]
    if protocol["machine"] != machine():
        found.append(f"machine {protocol['machine']} then, {machine()} now")
    return tuple(found)
