"""The reports that a model card quotes: whether they belong to the model, and their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.findings import some_names
from gmmaudio.models import Model, Recipe
from gmmaudio.models.file import model_sha256
from gmmaudio.names import normal

# settings that decide what is trained; a preset is only their name
SETTINGS = ("features", "kind_settings", "min_duration_s", "trial_s", "augment", "seed")


@dataclass(frozen=True, eq=False)
class CardReport:
    """A report that belongs to a model.

    Parameters
    ----------
    name : str
        Name of its file.
    values : mapping
        Its JSON, as plain values.
    is_of_file : bool
        Whether the model's own file was evaluated; otherwise models of the same settings were.
    n_known : int
        Of the clips that the model was trained on, those that the report scores, by the hash of their samples.
    unchecked : tuple of str
        What could not be checked, in words.
    """

    name: str
    values: Mapping[str, Any]
    is_of_file: bool
    n_known: int
    unchecked: tuple[str, ...] = ()

    @property
    def protocol(self) -> Mapping[str, Any]:
        """How the predictions were made."""
        return mapping_of(self.values.get("protocol"))

    @property
    def corpus(self) -> str:
        """Name of the folder of the corpus, without where it is; empty where it is not recorded."""
        root = mapping_of(self.values.get("run")).get("root")
        return PurePath(root).name if isinstance(root, str) else ""

    def number(self, name: str) -> float | None:
        """Return a metric; None where there is none.

        Parameters
        ----------
        name : str
            Its key.
        """
        return number_of(self.values.get(name))

    def interval(self, name: str) -> tuple[float, float] | None:
        """Return the 95 % interval of a metric; None where there is none.

        Parameters
        ----------
        name : str
            Its key.
        """
        return interval_of(mapping_of(self.values.get("intervals")).get(name))

    def per_label(self) -> dict[str, Mapping[str, Any]]:
        """Return the row of each label: precision, recall, n."""
        rows = mapping_of(self.values.get("per_label"))
        return {str(label): mapping_of(row) for label, row in rows.items()}

    def left_out(self) -> CardReport | None:
        """Return the part of the report with sources left out, as a report; None where there is none."""
        values = mapping_of(self.values.get("sources_left_out"))
        return replace(self, values={**values, "protocol": {"scheme": values.get("scheme")}}) if values else None

    def slices(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the rows of a table of parts or conditions.

        Parameters
        ----------
        kind : str
            Such as ``durations`` or ``robustness``.
        """
        rows = mapping_of(self.values.get("slices")).get(kind)
        return [mapping_of(row) for row in rows] if isinstance(rows, list) else []

    def texts(self, *levels: str) -> list[str]:
        """Return the texts of findings.

        Parameters
        ----------
        *levels : str
            Levels of findings.
        """
        rows = self.values.get("findings")
        found = [mapping_of(row) for row in rows] if isinstance(rows, list) else []
        return [str(row.get("text", "")) for row in found if row.get("level") in levels]


def match_report(model: Model, values: Mapping[str, Any], name: str) -> CardReport:
    """Return a report that belongs to a model.

    Parameters
    ----------
    model : Model
        The model.
    values : mapping
        The JSON of a report, as :func:`gmmaudio.evaluation.report_file.read_report` gives it.
    name : str
        Name of its file, for messages.

    Raises
    ------
    CorpusError
        If it is of another model, of other settings or labels, or of predictions that name no model.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> report = gmmaudio.crossval("my_music", gmmaudio.make_recipe(n_components=2), durations_s=())
    >>> match_report(model, report.to_dict(), "report.json")
    Traceback (most recent call last):
    gmmaudio.errors.CorpusError: report.json: is of models with other settings (kind_settings); run crossval with ...
    """
    run = mapping_of(values.get("run"))
    kind = run.get("kind")
    if kind == "evaluate":
        unchecked = _check_hash(model, values, name)
    elif kind == "crossval":
        unchecked = _check_settings(model, mapping_of(run.get("options")), name)
    else:
        raise CorpusError(
            f"{name}: is no report of evaluate or crossval that names a model; evaluate the model itself (`json_path`)"
        )
    _check_labels(model, values, name)
    rows = run.get("manifest")
    scored = {mapping_of(row).get("sha256") for row in rows} - {None} if isinstance(rows, list) else set()
    n_known = sum(clip.sha256 in scored for clip in model.training.clips)
    if kind == "crossval" and not scored:
        unchecked += ("whether the clips are those of the model: the report has no hashes of them",)
    elif kind == "crossval" and not n_known:
        raise CorpusError(
            f"{name}: is of other clips: the model was trained on none of them; run crossval on its own corpus"
        )
    return CardReport(name, values, kind == "evaluate", n_known, unchecked)


def _check_hash(model: Model, values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Raise where a report is of another file; return what could not be checked."""
    recorded = mapping_of(mapping_of(values.get("run")).get("options")).get("model_sha256")
    recorded = recorded or mapping_of(values.get("protocol")).get("model_sha256")
    if not isinstance(recorded, str):
        return ("the report does not record the hash of the model that it evaluated",)
    if recorded != model_sha256(model):
        raise CorpusError(
            f"{name}: is of another model (SHA-256 {recorded[:12]}..., and not {model_sha256(model)[:12]}...); "
            "evaluate this one"
        )
    return ()


def _check_settings(model: Model, options: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Raise where a cross-validation is of other settings; return what could not be checked."""
    try:
        recipe = Recipe.from_dict(dict(mapping_of(options.get("recipe"))))
    except (SettingError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise CorpusError(f"{name}: holds no settings that can be compared ({error}); run crossval again") from error
    training, division = model.training, mapping_of(options.get("division"))
    of_model = {each: model.features if each == "features" else getattr(training, each) for each in SETTINGS}
    is_tuned = training.tuning is not None
    if bool(division.get("tune")) != is_tuned:
        tuned, other = ("was", "were not") if is_tuned else ("was not", "were")
        raise CorpusError(
            f"{name}: the model {tuned} tuned, and those of the report {other}; run crossval as train ran"
        )
    # settings that were tuned may differ from fold to fold
    compared = [each for each in SETTINGS if not (is_tuned and each in ("features", "kind_settings"))]
    different = [each for each in compared if getattr(recipe, each) != of_model[each]]
    if different:
        raise CorpusError(
            f"{name}: is of models with other settings ({', '.join(different)}); run crossval with the options of train"
        )
    return ("the kind of model and its settings, which were chosen in each fold",) if is_tuned else ()


def _check_labels(model: Model, values: Mapping[str, Any], name: str) -> None:
    """Raise where a report has labels that the model does not know."""
    labels = values.get("labels")
    known = {normal(label) for label in model.scorer.labels}
    others = [str(label) for label in labels if normal(str(label)) not in known] if isinstance(labels, list) else None
    if others is None:
        raise CorpusError(f"{name}: has no labels; expected the JSON of a report, as evaluate and crossval write it")
    if others:
        raise CorpusError(
            f"{name}: has labels that the model does not know: {some_names(others)}; evaluate it on its own labels"
        )


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return a mapping; an empty one in the place of anything else.

    Parameters
    ----------
    value : object
        A value of a file that anybody may have written.

    Examples
    --------
    >>> mapping_of([1]), mapping_of({"a": 1})
    ({}, {'a': 1})
    """
    return value if isinstance(value, Mapping) else {}


def number_of(value: object) -> float | None:
    """Return a finite number; None in the place of anything else.

    Parameters
    ----------
    value : object
        A value of a file that anybody may have written.

    Examples
    --------
    >>> number_of(1), number_of("1"), number_of(True)
    (1.0, None, None)
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def interval_of(value: object) -> tuple[float, float] | None:
    """Return the two ends of an interval; None in the place of anything else.

    Parameters
    ----------
    value : object
        A value of a file that anybody may have written.

    Examples
    --------
    >>> interval_of([0.5, 1]), interval_of(None)
    ((0.5, 1.0), None)
    """
    ends = [number_of(end) for end in value] if isinstance(value, Sequence) and not isinstance(value, str) else []
    low, high = ends if len(ends) == 2 else (None, None)
    return None if low is None or high is None else (low, high)
