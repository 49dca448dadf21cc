"""Settings and model headers as older versions wrote them -> as this version writes them.

Model files of the formats 1.0 to 1.3, and the JSON of reports of the same age, hold one flat dictionary of settings for
all kinds of models, in which most fields mean something for one kind only. From 1.4 on, each kind has its own fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gmmaudio.models.kinds import find_kind, settings_from_dict

# old name -> today's
RENAMED_SETTINGS = {
    "z_limit": "soft_clip",
    "n_directions": "n_nuisance",
    "pair_lag": "bigram_lag",
    "n_background_rows": "n_ubm_rows",
}
RENAMED_TRANSFORM_SETTINGS = {"z_limit": "soft_clip", "pair_lag": "bigram_lag", "n_views": "n_warps"}
# all fields of the flat settings, with today's names
FLAT_SETTINGS = (
    *("kind", "n_components", "covariance_type", "init", "n_init", "max_iter", "tol", "variance_floor", "relevance"),
    *("n_pca", "soft_clip", "shrinkage", "n_nuisance", "bigram_lag", "back_end", "penalty", "n_ubm_rows"),
)
# values of settings that came later, in files that do not have them
BEFORE = {"bigram_lag": 0}
# "own" was the back end that is not logistic regression
OWN_BACK_ENDS = {"blocks": "gaussian", "supervector": "cosine"}


def upgrade_kind_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a kind of model as this version writes them; those that are so already are left as they are.

    Parameters
    ----------
    values : mapping
        Plain values: flat settings, or what :meth:`gmmaudio.models.kind_settings.KindSettings.to_dict` gave.

    Raises
    ------
    SettingError
        If there is no such kind.

    Examples
    --------
    >>> upgrade_kind_settings({"kind": "supervector", "n_components": 8, "z_limit": None, "pair_lag": 2})
    {'kind': 'supervector', 'n_components': 8, 'bigram_lag': 2}
    >>> upgrade_kind_settings({"n_components": 8})
    {'kind': 'frames', 'n_components': 8}
    """
    if "kind" in values and "z_limit" not in values:
        return dict(values)
    renamed = {RENAMED_SETTINGS.get(name, name): value for name, value in values.items()}
    kind = renamed.get("kind", "frames")
    names = {field.name for field in fields(find_kind(kind).settings)}
    # a name that was never a setting stays, and is refused with all others that are unknown
    kept = {name: value for name, value in renamed.items() if name in names or name not in FLAT_SETTINGS}
    added = {name: value for name, value in BEFORE.items() if name in names and name not in kept}
    if kept.get("back_end") == "own":
        kept["back_end"] = OWN_BACK_ENDS[kind]
    return {"kind": kind, **kept, **added}


def upgrade_recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training run as this version writes them.

    Parameters
    ----------
    values : mapping
        Plain values that hold settings under ``classifier`` or ``kind_settings``; all else is left as it is.

    Examples
    --------
    >>> upgrade_recipe({"seed": 0, "classifier": {"n_components": 8}})
    {'seed': 0, 'kind_settings': {'kind': 'frames', 'n_components': 8}}
    """
    upgraded = {"kind_settings" if name == "classifier" else name: value for name, value in values.items()}
    if isinstance(upgraded.get("kind_settings"), Mapping):
        upgraded["kind_settings"] = upgrade_kind_settings(upgraded["kind_settings"])
    return upgraded


def upgrade_tuning(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of tuning as this version writes it.

    Parameters
    ----------
    values : mapping
        Plain values with the settings that were chosen and a table of candidates.

    Examples
    --------
    >>> upgrade_tuning({"chosen": {"n_components": 8}, "table": [], "reason": ""})["chosen"]
    {'kind': 'frames', 'n_components': 8}
    """
    upgraded = dict(values)
    if isinstance(upgraded.get("chosen"), Mapping):
        upgraded["chosen"] = upgrade_kind_settings(upgraded["chosen"])
    upgraded["table"] = [_upgrade_candidate(row) for row in upgraded.get("table", ())]
    return upgraded


def _upgrade_candidate(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one line of a table of candidates, with the fields of its kind only."""
    if "description" in row:
        return dict(row)
    tuned = {"kind", *(name for candidate in find_kind(row["kind"]).candidates for name in candidate.changes)}
    kept = {name: value for name, value in row.items() if name in tuned or name not in FLAT_SETTINGS}
    if kept.get("back_end") == "own":
        kept["back_end"] = OWN_BACK_ENDS[row["kind"]]
    return kept


def upgrade_report_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in the protocol of a report as this version writes them, with all fields of the kind.

    Parameters
    ----------
    values : mapping
        Plain values of ``crossval`` (a recipe, and how it was tuned) or of ``evaluate`` (a model's training).

    Raises
    ------
    SettingError
        If settings cannot be read any more.

    Examples
    --------
    >>> upgrade_report_settings({"training": {"classifier": {"n_components": 8}}})["training"]["kind_settings"]["kind"]
    'frames'
    """
    upgraded = _with_all_settings(values)
    if isinstance(upgraded.get("training"), Mapping):
        upgraded["training"] = _with_all_settings(upgraded["training"])
    if "tuning" in upgraded:
        upgraded["tuning"] = [_without_descriptions(upgrade_tuning(fold)) for fold in upgraded["tuning"]]
    return upgraded


def _with_all_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe as this version writes it, with the defaults of settings that it does not have."""
    upgraded = upgrade_recipe(values)
    if isinstance(upgraded.get("kind_settings"), Mapping):
        upgraded["kind_settings"] = settings_from_dict(upgraded["kind_settings"]).to_dict()
    return upgraded


def _without_descriptions(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of tuning without the texts on candidates and on the choice, which differ between versions."""
    table = [{name: value for name, value in row.items() if name != "description"} for row in tuning["table"]]
    return {**{name: value for name, value in tuning.items() if name != "reason"}, "table": table}


def upgrade_header(header: Mapping[str, Any], first_mean_shape: tuple[int, ...] | None) -> dict[str, Any]:
    """Return the header of a model file of the formats 1.0 to 1.3 as that of 1.4; a newer one is left as it is.

    Parameters
    ----------
    header : mapping
        Header of a model file.
    first_mean_shape : tuple of int or None
        Shape of the means of the first label's mixture, which gives the number of features of 1.0 and 1.1.

    Examples
    --------
    >>> header = {"labels": ["a", "b"], "covariance_type": "diag", "training": {"classifier": {"n_components": 8}}}
    >>> upgrade_header(header, (8, 20))["transform"]
    {'kind': 'identity', 'n_features': 20}
    """
    upgraded = {"open_set" if name == "rejection" else name: value for name, value in header.items()}
    if "heads" not in upgraded and "covariance_type" in upgraded and first_mean_shape is not None:
        # one mixture for each label on rows as they are
        mixtures = {"covariance_type": upgraded["covariance_type"], "n_labels": len(upgraded["labels"])}
        upgraded |= {"heads": [{"kind": "mixtures", **mixtures}], "weights": [1.0]}
        upgraded["transform"] = {"kind": "identity", "n_features": first_mean_shape[-1]}
    if isinstance(upgraded.get("transform"), Mapping):
        upgraded["transform"] = _upgrade_transform(upgraded["transform"])
    if isinstance(upgraded.get("training"), Mapping):
        upgraded["training"] = _upgrade_training(upgraded["training"])
    return upgraded


def _upgrade_transform(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a transform with today's names."""
    renamed = {RENAMED_TRANSFORM_SETTINGS.get(name, name): value for name, value in values.items()}
    return {"n_warps": 1, **renamed} if renamed.get("kind") == "supervector" else renamed


def _upgrade_training(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training summary with settings of one kind, and the UBM and findings by their names of today."""
    upgraded = {"group_by": "", **upgrade_recipe(values)}
    likelihoods = upgraded.get("log_likelihood")
    rows = upgraded.get("rows")
    labels = rows if isinstance(rows, Mapping) else ()
    if isinstance(likelihoods, Mapping) and "classifier" in values and "background" not in labels:
        upgraded["log_likelihood"] = {"ubm" if k == "background" else k: v for k, v in likelihoods.items()}
    if isinstance(upgraded.get("tuning"), Mapping):
        upgraded["tuning"] = upgrade_tuning(upgraded["tuning"])
    if "notes" in upgraded:
        # texts, which the summary takes as they are
        upgraded["findings"] = upgraded.pop("notes")
    return upgraded
