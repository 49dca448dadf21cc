"""The JSON file of a report: written with a format version, and read whatever version wrote it.

A file of format 1 is what :meth:`gmmaudio.evaluation.Report.to_dict` gives. Files without a version come from before
there was one; :func:`upgrade` is the only place that knows their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from gmmaudio import json_text
from gmmaudio.errors import CorpusError, ReadError
from gmmaudio.evaluation.report import FORMAT, Report
from gmmaudio.files import REPORT_BYTES, read_limited
from gmmaudio.findings import Finding, Level

EXPECTED = "expected the JSON of a report, as evaluate and crossval write it"
# key of what was another format
UPGRADED_FROM = "upgraded_from"
# old name -> new one, of files without a version
_SLICES = {"cut": "durations", "stress": "robustness", "inflation": "random_split"}
_OPTIONS = {"show_inflation": "compare_random_split", "stress": "robustness", "tuned": "tune"}
_KEYS = {"breakdowns": "slices", "figures_from": "computed_from"}
_SPREAD = {"deviation": "std"}


def to_json(report: Report) -> str:
    """Return a report as JSON text, ASCII only; :func:`upgrade` reads it back as plain values.

    Parameters
    ----------
    report : Report
        What to write.

    Examples
    --------
    >>> from gmmaudio.evaluation import Protocol, ScoredClip, make_report
    >>> clip = ScoredClip("a.wav", ("a.wav",), "jazz", "ann", "ann", None, "1", 0, "jazz", {})
    >>> report = make_report([clip], ["jazz"], Protocol("by hand", "group", 0, ("1",), 1, ("jazz",), ()))
    >>> json_text.from_json(to_json(report))["accuracy"]
    1.0
    """
    return json_text.to_json(report.to_dict(), indent=1)


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of a report's JSON file as plain values, in the present format.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    CorpusError
        If it cannot be read, is no JSON object, or has a newer format.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "report.json")
    ...     _ = path.write_text('{"accuracy": 0.5, "figures_from": "score"}')
    ...     read_report(path)["computed_from"]
    'score'
    """
    try:
        data = read_limited(path, REPORT_BYTES, may_be_pipe=True)
        document = json_text.from_json(data)
    except ReadError as error:
        raise CorpusError(f"{error}; {EXPECTED}") from error
    except ValueError as error:
        raise CorpusError(f"{path}: cannot be read as JSON ({error}); {EXPECTED}") from error
    if not isinstance(document, dict):
        raise CorpusError(f"{path}: is not the JSON of a report; {EXPECTED}")
    try:
        return upgrade(document)
    except CorpusError as error:
        raise CorpusError(f"{path}: {error}") from error


def upgrade(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of a report in the present format; those of the present format stay as they are.

    The key ``upgraded_from`` tells what they were made from: None for a file without a version.

    What a damaged file lacks, or holds in another type, is left as it is found: whoever needs it checks it.

    Parameters
    ----------
    document : mapping
        The content of a report's JSON file, of any format.

    Raises
    ------
    CorpusError
        If its format is no version number, or its major number is newer than this one's.

    Examples
    --------
    >>> report = upgrade({"breakdowns": {"cut": []}, "figures_from": "score"})
    >>> report["format"] == FORMAT, report["upgraded_from"], report["slices"], report["computed_from"]
    (True, None, {'durations': []}, 'score')
    """
    if "format" not in document:
        return {"format": FORMAT, UPGRADED_FROM: None} | _from_unversioned(document)
    version = document["format"]
    if not (isinstance(version, str) and re.fullmatch(r"[1-9][0-9]{0,8}\.(0|[1-9][0-9]{0,8})", version)):
        raise CorpusError(f"has format {version!r}; expected a version such as {FORMAT}")
    if int(version.split(".")[0]) > int(FORMAT.split(".")[0]):
        raise CorpusError(f"has format {version}, and this version reads up to {FORMAT}; update gmmaudio")
    return dict(document)


def _from_unversioned(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file without a version under the names of format 1."""
    report: dict[str, Any] = _renamed(document, _KEYS)
    report |= {"slices": _renamed(report["slices"], _SLICES)} if "slices" in report else {}
    if isinstance(report.get("spread"), Mapping):
        report["spread"] = {name: _renamed(row, _SPREAD) for name, row in report["spread"].items()}
    texts: dict[Level, Any] = {"warning": report.pop("guards", None), "passed": report.pop("passed", None)}
    if any(isinstance(value, list) for value in texts.values()):
        report["findings"] = [row for level, value in texts.items() for row in _as_findings(value, level)]
    run = report.get("run")
    if isinstance(run, Mapping):
        report["run"] = _run_from_unversioned(run)
    return report


def _run_from_unversioned(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a run in a file without a version under the names of format 1."""
    run = dict(run)
    if isinstance(run.get("options"), Mapping):
        options = _renamed(run["options"], _OPTIONS)
        options |= {"division": _renamed(options["division"], _OPTIONS)} if "division" in options else {}
        run["options"] = options
    if "notes" in run:
        run["findings"] = _as_findings(run.pop("notes"), "information")
    return run


def _as_findings(texts: Any, level: Level) -> list[dict[str, str]]:
    """Return texts as findings of a level; nothing where there is no list."""
    texts = texts if isinstance(texts, list) else []
    return [asdict(replace(Finding.of(str(text)), level=level)) for text in texts]


def _renamed(values: Any, names: Mapping[str, str]) -> Any:
    """Return a mapping with some keys renamed, in its order; anything else as it is."""
    return {names.get(key, key): value for key, value in values.items()} if isinstance(values, Mapping) else values
