"""The record of a run in a report, checked before anything is done that it asks for: anybody may have written it.

Values have the types of the parameters they are passed to, numbers stay within bounds, and files lie below one folder.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from gmmaudio.corpus import Clip, Corpus
from gmmaudio.corpus.source_division import MAX_SOURCE_FOLDS
from gmmaudio.errors import CorpusError, ReadError, SettingError
from gmmaudio.evaluation.report_file import EXPECTED
from gmmaudio.files import check_regular
from gmmaudio.findings import Finding
from gmmaudio.models import Recipe
from gmmaudio.pipeline.arguments import read_corpus
from gmmaudio.pipeline.crossval_options import CrossvalOptions
from gmmaudio.pipeline.evaluation_run import evaluate
from gmmaudio.values import convert, shown

EVALUATE_OPTIONS = ("split", "trial_s", "min_duration_s", "group_by", "durations_s", "robustness")
EVALUATE = get_type_hints(evaluate)
PLACE = {"path": str, "start_s": float, "end_s": float | None, "sha256": str | None}
CLIP = {name: hint for name, hint in get_type_hints(Clip).items() if name not in ("held_out_by", "fold")}
RUN = {
    "kind": str,
    "root": str,
    "manifest": Sequence[object],
    "findings": Sequence[object],
    "options": Mapping[str, object],
}
DIVISION = get_type_hints(CrossvalOptions)
RECIPE = {name: hint for name, hint in get_type_hints(Recipe).items() if name not in ("features", "kind_settings")}
PARTS = ("recipe", "division")
FINDING = {"code": str, "level": str, "text": str, "remedy": str}
# the most that is run for somebody else's file; what is not named here has MAX_NUMBER
MAX_NUMBERS = {
    "repeats": 1_000,
    "folds": 10_000,
    "n_components": 4_096,
    "n_init": 1_000,
    "max_iter": 10_000,
    "n_ubm_rows": 10_000_000,
    "seed": 2**64,
}
MAX_NUMBER = 1_000_000
MAX_ENTRIES = 100
MAX_FITS = 100_000
RUN_YOURSELF = "run the evaluation yourself where so much is meant"
# what the kernel shows of itself is no recording
SYSTEM_FOLDERS = ("/dev", "/proc", "/sys")
# of plain values of another type than is expected
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)

Input = tuple[str, float, float | None, str | None]


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """A recorded run whose values can be used.

    Parameters
    ----------
    kind : {"crossval", "evaluate", "predictions"}
        Kind of run.
    corpus : Corpus
        The clips, below the folder; for predictions, the table as ``root`` and no clips.
    inputs : tuple of (str, float, float or None, str or None)
        Path, start, end and SHA-256 of all that was read.
    options : mapping
        Arguments of :func:`gmmaudio.evaluate`.
    model_sha256 : object
        SHA-256 of the model's file, as it is recorded.
    recipe : Recipe or None
        Settings of the models of a cross-validation.
    division : CrossvalOptions or None
        Its other settings.
    is_of_rows : bool
        Whether rows of another program were given in place of sound.
    has_vectors : bool
        Whether vectors of another program were given beside sound.
    """

    kind: str
    corpus: Corpus
    inputs: tuple[Input, ...]
    options: Mapping[str, Any]
    model_sha256: object = None
    recipe: Recipe | None = None
    division: CrossvalOptions | None = None
    is_of_rows: bool = False
    has_vectors: bool = False


def read_run(run: Any, root: str | os.PathLike[str] | None = None) -> RecordedRun:
    """Return the run that plain values record.

    Parameters
    ----------
    run : mapping
        The value ``run`` in the JSON of a report.
    root : path-like or None
        Folder of the clips, a manifest in it, or the table of predictions; None takes the recorded one.

    Raises
    ------
    CorpusError
        If a value is missing, of another type or out of bounds, or a path leads out of the folder.

    Examples
    --------
    >>> row = {"path": "../secret.wav", "label": "jazz", "start_s": 0.0, "end_s": None, "extra": {}, "sha256": None}
    >>> read_run({"kind": "evaluate", "root": "my_music", "manifest": [row], "options": {}, "findings": []})
    Traceback (most recent call last):
    gmmaudio.errors.CorpusError: run.manifest[0].path is '../secret.wav', which is not below my_music; name a manifest \
that lists it (`root`)
    """
    try:
        record = _entries("run", run, RUN, ("kind", "root", "manifest"))
        rows = record["manifest"]
        inputs = tuple(_input(f"run.manifest[{i}]", row) for i, row in enumerate(rows))
        if record["kind"] == "predictions":
            return RecordedRun("predictions", Corpus(_table(record["root"], root), ()), inputs, {})
        if record["kind"] not in ("crossval", "evaluate"):
            raise CorpusError(f"holds a run of kind {shown(record['kind'])}, which cannot be run again; {EXPECTED}")
        _entries("run", run, RUN, RUN)
        clips = tuple(_clip(f"run.manifest[{i}]", row) for i, row in enumerate(rows))
        findings = tuple(map(_finding, record["findings"]))
        # numbers of the vectors are not taken from the record
        _check_numbers("run.options", {key: value for key, value in record["options"].items() if key != "vectors"})
        has_vectors = "vectors" in record["options"]
        corpus = Corpus(_folder(record["root"], root, clips), clips, findings)
        if record["kind"] == "evaluate":
            options = _evaluate_options(record["options"])
            sha256, is_of_rows = record["options"].get("model_sha256"), "rows" in record["options"]
            return RecordedRun(
                "evaluate", corpus, inputs, options, sha256, is_of_rows=is_of_rows, has_vectors=has_vectors
            )
        recipe, division = _crossval_options(record["options"], len(clips))
        is_of_rows = recipe.features.is_given
        return RecordedRun("crossval", corpus, inputs, {}, None, recipe, division, is_of_rows, has_vectors)
    except UNREADABLE as error:
        if isinstance(error, CorpusError):
            raise
        reason = error if isinstance(error, SettingError) else f"{type(error).__name__}: {error!s:.100}"
        raise CorpusError(f"holds no run that can be made again ({reason}); {EXPECTED}") from error


def _evaluate_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the evaluation of a model."""
    hints = {name: EVALUATE[name] for name in EVALUATE_OPTIONS}
    arguments = _entries("run.options", options, hints, EVALUATE_OPTIONS)
    # in a record without a length every clip was a trial
    return arguments | {"trial_s": arguments["trial_s"] or 0.0}


def _crossval_options(options: Mapping[str, Any], n_clips: int) -> tuple[Recipe, CrossvalOptions]:
    """Return the settings of a cross-validation."""
    parts = _entries("run.options", options, {"recipe": dict[str, object], "division": dict[str, object]}, PARTS)
    _entries("run.options.recipe", parts["recipe"], RECIPE)
    recipe, values = Recipe.from_dict(parts["recipe"]), parts["division"]
    # older versions left no sources out
    values = {"leave_sources_out": False, **values}
    division = CrossvalOptions(**{**values, **_entries("run.options.division", values, DIVISION)})
    n_folds = n_clips if division.fold_column is not None or division.folds == "loo" else int(division.folds)
    n_source_folds = MAX_SOURCE_FOLDS * division.leave_sources_out
    n_fits = (division.repeats * n_folds + n_source_folds) * getattr(recipe.kind_settings, "n_init", 1)
    if n_fits > MAX_FITS:
        raise SettingError(
            f"folds, repeats and starts make {n_fits:,} fits; at most {MAX_FITS:,} are accepted in a report: "
            f"{RUN_YOURSELF}"
        )
    return recipe, division


def _entries(where: str, values: Any, hints: Mapping[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    """Return the entries of a mapping that have a type, converted to it; others are of a later version."""
    mapping = convert(where, values, Mapping[str, object])
    missing = [name for name in required if name not in mapping]
    if missing:
        raise SettingError(f"{where} has no {missing[0]}")
    return {name: convert(f"{where}.{name}", mapping[name], hints[name]) for name in hints if name in mapping}


def _check_numbers(where: str, value: Any, name: str = "") -> None:
    """Raise CorpusError where a setting asks for more work or memory than is spent on a report."""
    largest = MAX_NUMBERS.get(name, MAX_NUMBER)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_numbers(f"{where}.{key}", inner, str(key))
    elif isinstance(value, list | tuple):
        if len(value) > MAX_ENTRIES:
            raise SettingError(f"{where} has {len(value)} entries; at most {MAX_ENTRIES} are accepted in a report")
        for i, inner in enumerate(value):
            _check_numbers(f"{where}[{i}]", inner, name)
    elif isinstance(value, int | float) and not abs(value) <= largest:
        raise SettingError(f"{where} is {shown(value)}; at most {largest:,} is accepted in a report: {RUN_YOURSELF}")


def _input(where: str, row: Any) -> Input:
    """Return the place and the hash of what was read."""
    place = _entries(where, row, PLACE, PLACE)
    return place["path"], place["start_s"], place["end_s"], place["sha256"]


def _clip(where: str, row: Mapping[str, Any]) -> Clip:
    """Return the clip that a row of the recorded manifest describes."""
    clip = Clip(**_entries(where, row, CLIP, ("label",)))
    if not clip.label:
        raise SettingError(f"{where}.label is empty; expected the name of a class")
    if not 0 <= clip.start_s < (math.inf if clip.end_s is None else clip.end_s):
        raise SettingError(
            f"{where} is from {clip.start_s:g} to {clip.end_s} s; expected 0 or more, and an end after it"
        )
    return clip


def _finding(value: Any) -> Finding:
    """Return a finding on the corpus."""
    return Finding.of(value if isinstance(value, str) else _entries("run.findings", value, FINDING))


# --- places --------------------------------------------------------------------------------------------------------


def _table(recorded: str, root: str | os.PathLike[str] | None) -> Path:
    """Return the table of predictions; one that only a report names is a regular file."""
    if root is not None:
        return Path(root)
    try:
        check_regular(recorded)
    except ReadError as error:
        raise CorpusError(f"names a table that cannot be read: {error}, and name it (`root`)") from error
    return Path(recorded)


def _folder(recorded: str, root: str | os.PathLike[str] | None, clips: Sequence[Clip]) -> Path:
    """Return the folder of the clips, in which all of them lie."""
    folder = Path(recorded if root is None else root)
    listed: frozenset[str] = frozenset()
    if root is None and _is_of_the_system(recorded):
        raise CorpusError(f"names the folder {recorded!r:.300}, which is the system's; name that of the clips (`root`)")
    if root is not None and not folder.is_dir():
        listed = frozenset(clip.path for clip in read_corpus(folder).clips)
        folder = folder.parent
    for i, clip in enumerate(clips):
        reason = "" if clip.path in listed else _outside(folder, clip.path, links_allowed=root is not None)
        if reason:
            raise CorpusError(f"run.manifest[{i}].path is {clip.path!r:.300}, {reason}")
    return folder


def _is_of_the_system(folder: str) -> bool:
    """Return whether a folder holds all files, or what the kernel shows of itself."""
    real = os.path.realpath(folder)
    return real == os.path.dirname(real) or any(  # noqa: PTH120 - any name
        real == each or real.startswith(each + os.sep) for each in SYSTEM_FOLDERS
    )


def _outside(folder: Path, path: str, *, links_allowed: bool) -> str:
    """Return the reason why a path does not lie in a folder; empty where it does."""
    top, joined = os.path.abspath(folder), os.path.join(os.path.abspath(folder), path)  # noqa: PTH100, PTH118
    if not path or not _is_below(os.path.normpath(joined), top):
        return f"which is not below {folder}; name a manifest that lists it (`root`)"
    if links_allowed and ".." not in Path(path).parts:
        return ""
    if not _is_below(os.path.realpath(joined), os.path.realpath(folder)):
        return f"a link that leads out of {folder}; name that folder where this is meant (`root`)"
    return ""


def _is_below(path: str, top: str) -> bool:
    """Return whether a path is that of something in a folder."""
    return path.startswith(top.rstrip(os.sep) + os.sep) and path != top
