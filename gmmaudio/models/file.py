"""The model file: safetensors with a JSON header and a checksum, never pickle.

The tensors of the first head are named by the label's index (``0.weights``, ``0.means``, ``0.covariances``, ...) or by
their parameter; those of the transform, of a second head, of the tables of the front end and of a head on vectors have
the prefixes ``transform.``, ``1:``, ``front_end.`` and ``vectors:``. Everything else is JSON in the one metadata entry
``gmmaudio``: format version, front end, settings of transform and heads, calibration, open-set threshold, labels,
training summary, and the SHA-256 of header and tensors. There is no time stamp: the same input gives the same bytes.
The file is written under another name, flushed to disk, and renamed.

A damaged file is refused by its checksum (:mod:`gmmaudio.sealed_file`). Files of the formats 1.0 to 1.4 are read
too (:mod:`gmmaudio.models.old_formats`); they have no tables.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from gmmaudio import sealed_file
from gmmaudio.corpus import check_names
from gmmaudio.errors import GmmaudioError, ModelFileError, ReadError, SettingError
from gmmaudio.features import FeatureSettings, FrameSettings, FrontEndTables, GivenFrames, table_sizes, tensor_table
from gmmaudio.files import MODEL_BYTES, STATISTICS_BYTES, in_units, open_limited, read_limited
from gmmaudio.models.calibration import Calibration
from gmmaudio.models.familiarity import Familiarity
from gmmaudio.models.heads import Head
from gmmaudio.models.kind_settings import MAX_COMPONENTS, KindSettings
from gmmaudio.models.kinds import find_kind, settings_from_dict
from gmmaudio.models.model import Model, TrainingSummary
from gmmaudio.models.old_formats import upgrade_header
from gmmaudio.models.open_set import OpenSetThreshold
from gmmaudio.models.scorer import Scorer, Transform
from gmmaudio.models.ubm import UBM
from gmmaudio.models.vector_head import VectorHead
from gmmaudio.outputs import write_together
from gmmaudio.sealed_file import (
    MAX_HEADER_BYTES,
    MIXTURE_KEY,
    MODEL_KEY,
    STATISTICS_KEY,
    FileKind,
    check_start,
    columns_of,
    header_size,
    read_described,
    read_header,
    read_tensors,
    refuse_damaged,
    rows_of,
)
from gmmaudio.tensor_table import TensorLayout, Tensors, check_tensors, divided
from gmmaudio.values import checked, convert, convert_mapping, shown

FORMAT_VERSION = "2.1"
MODEL_FILE = FileKind(
    MODEL_KEY,
    ModelFileError,
    "model",
    "gmmaudio train",
    "train again",
    ("1", "2"),
    {
        STATISTICS_KEY: "holds statistics of clips, of which merge makes a model; expected a model",
        MIXTURE_KEY: "holds one Gaussian mixture, which gmmaudio mixture describe prints and "
        "gmmaudio.mixture.load_mixture reads; expected a model",
    },
)
HEAD_PREFIXES = ("", "1:")
TRANSFORM_PREFIX, TABLES_PREFIX, VECTORS_PREFIX = "transform.", "front_end.", "vectors:"
VECTOR_HEAD_KEY = "vector_head"
VECTOR_HEAD_TYPES = {
    "vectors_name": str,
    "n_columns": int,
    "kind_settings": dict[str, Any],
    "calibration": dict[str, Any],
    "scorer": dict[str, Any],
}
ANY_FILE = replace(MODEL_FILE, others={})
# fields of the clips of a training summary, and the one that is left out where no clip has a value, as before 2.1
CLIP_COLUMNS = ("path", "label", "group", "sha256", "fingerprint")
OPTIONAL_CLIP_COLUMN = "source"
CLIP_TABLES = ("clips", "ubm_clips")
# number of rows that every model must be able to score, and their sizes
N_PROBES, PROBE_SIZES = 16, (0.0, 1.0, 1000.0)


@checked
def save_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model to a file, whole or not at all.

    Parameters
    ----------
    model : Model
        The model.
    path : path-like
        The file; one that is there is replaced.

    Raises
    ------
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> gmmaudio.save_model(model, "music.safetensors")
    """
    write_together([(path, to_bytes(model))])


@checked
def load_model(path: str | os.PathLike[str]) -> Model:
    """Return the model that a file holds.

    Parameters
    ----------
    path : path-like
        A model file of any format 1.x or 2.x that was released.

    Raises
    ------
    ModelFileError
        If it cannot be read, is damaged, cut short, of another kind, or made by a newer major version.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> gmmaudio.save_model(model, "music.safetensors")
    >>> gmmaudio.load_model("music.safetensors").scorer.labels
    ('jazz', 'metal')
    """
    try:
        return from_bytes(read_limited(path, MODEL_BYTES, check_start=partial(check_start, kind=MODEL_FILE)))
    except ReadError as error:
        raise ModelFileError(f"{error}; expected a model made by train") from error
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def holds_statistics(path: str | os.PathLike[str]) -> bool:
    """Return whether a file says that it holds statistics of clips, not a model; it may still be damaged.

    Parameters
    ----------
    path : path-like
        Any file.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(kind="supervector", n_components=2)).model
    >>> gmmaudio.save_statistics(gmmaudio.stats("my_music", model), "my_music.stats")
    >>> holds_statistics("my_music.stats")
    True
    """
    try:
        with open_limited(path, STATISTICS_BYTES) as handle:
            start = handle.read(16)
            described = read_described(start + handle.read(max(header_size(start, ANY_FILE) - 8, 0)), ANY_FILE)
    except (ReadError, ModelFileError):
        return False
    return STATISTICS_KEY in described["__metadata__"] and MODEL_KEY not in described["__metadata__"]


def model_sha256(model: Model) -> str:
    """Return the SHA-256 of the file that a model was read from, or else of the one that it would be saved to.

    A file of an older format would be saved with other bytes: it is still the same file.

    Parameters
    ----------
    model : Model
        Any model.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> model_sha256(model) == hashlib.sha256(to_bytes(model)).hexdigest()
    True
    """
    return model.file_sha256 or hashlib.sha256(to_bytes(model)).hexdigest()


def to_bytes(model: Model) -> bytes:
    """Return the bytes of a model file; the same model gives the same bytes.

    Parameters
    ----------
    model : Model
        The model.

    Raises
    ------
    ModelFileError
        If it does not fit the file format.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> gmmaudio.save_model(model, "music.safetensors")
    >>> from pathlib import Path
    >>> to_bytes(model) == Path("music.safetensors").read_bytes()
    True
    """
    described, tensors = describe_scorer(model.scorer)
    of_front_end = {} if model.features.is_given else model.front_end_tables().tensors()
    tensors = {TABLES_PREFIX + name: tensor for name, tensor in of_front_end.items()} | tensors
    if model.vector_head is not None:
        # without one, the file is that of an older version
        of_vectors, more = describe_vector_head(model.vector_head)
        described, tensors = described | of_vectors, tensors | more
    header: dict[str, Any] = described | {
        "format_version": FORMAT_VERSION,
        "features": model.features.to_dict(),
        "calibration": None if model.calibration is None else model.calibration.to_dict(),
        "open_set": None if model.open_set is None else asdict(model.open_set),
        "familiarity": None if model.familiarity is None else asdict(model.familiarity),
        "training": _as_columns(model.training.to_dict()),
    }
    if sum(tensor.nbytes for tensor in tensors.values()) > MODEL_BYTES - MAX_HEADER_BYTES:
        raise ModelFileError(
            f"a model of more than {in_units(MODEL_BYTES)} could not be read again; take fewer components"
        )
    try:
        return sealed_file.to_bytes(header, tensors, MODEL_FILE)
    except SettingError as error:
        raise ModelFileError(
            f"a model of {len(model.training.clips)} clips does not fit the file format ({error}); train on fewer files"
        ) from error


def describe_scorer(scorer: Scorer) -> tuple[dict[str, Any], Tensors]:
    """Return the part of a header that describes a scorer, and its tensors, as :func:`read_scorer` takes them.

    Parameters
    ----------
    scorer : Scorer
        Any scorer.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> from gmmaudio.models import gmm_scorer
    >>> low, high = (GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (-1.0, 1.0))
    >>> header, tensors = describe_scorer(gmm_scorer(("high", "low"), (high, low)))
    >>> header["labels"], sorted(tensors)[:2]
    (['high', 'low'], ['0.covariances', '0.means'])
    """
    stages: list[tuple[str, Transform | Head]] = [
        (TRANSFORM_PREFIX, scorer.transform),
        *zip(HEAD_PREFIXES, scorer.heads, strict=False),
    ]
    tensors = {prefix + name: tensor for prefix, stage in stages for name, tensor in stage.tensors().items()}
    header = {
        "labels": list(scorer.labels),
        "transform": {"kind": scorer.transform.kind, **scorer.transform.settings()},
        "heads": [{"kind": head.kind, **head.settings()} for head in scorer.heads],
        "weights": list(scorer.weights),
    }
    return header, tensors


def describe_vector_head(head: VectorHead) -> tuple[dict[str, Any], Tensors]:
    """Return the part of a header that describes a head on vectors, and its tensors, for :func:`read_vector_head`.

    Parameters
    ----------
    head : VectorHead
        The head.
    """
    described, tensors = describe_scorer(head.scorer)
    values = head.to_dict() | {"scorer": described}
    return {VECTOR_HEAD_KEY: values}, {VECTORS_PREFIX + name: tensor for name, tensor in tensors.items()}


def read_vector_head(header: Mapping[str, Any], tensors: Tensors) -> VectorHead | None:
    """Return the head on vectors that a header and tensors describe; None where there is none.

    Parameters
    ----------
    header : mapping
        The part that :func:`describe_vector_head` gave, among others.
    tensors : dict of str to ndarray
        The tensors that it gave, among others.

    Raises
    ------
    SettingError
        If they are not those of such a head.
    """
    described = header.get(VECTOR_HEAD_KEY)
    of_head, _ = divided(tensors, VECTORS_PREFIX)
    if described is None:
        if of_head:
            raise SettingError("there are tensors of a head on vectors, and no such head")
        return None
    values = convert_mapping(VECTOR_HEAD_KEY, described, VECTOR_HEAD_TYPES)
    frames = GivenFrames(rows_name=values["vectors_name"], n_columns=values["n_columns"])
    settings = settings_from_dict(values["kind_settings"])
    scorer = read_scorer(values["scorer"], of_head, settings, frames.n_columns)
    _check_scores(scorer)
    return VectorHead(frames, settings, scorer, Calibration.from_dict(values["calibration"]))


def from_bytes(data: bytes) -> Model:
    """Return the model in the bytes of a file.

    Parameters
    ----------
    data : bytes
        Content of a model file.

    Raises
    ------
    ModelFileError
        If they are damaged, cut short, of another kind, or made by a newer major version.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> from_bytes(to_bytes(model)).scorer.labels
    ('jazz', 'metal')
    """
    described = read_described(data, MODEL_FILE)
    header = read_header(described, MODEL_FILE)
    tensors = read_tensors(data, described, MODEL_FILE)
    refuse_damaged(header, tensors, MODEL_FILE)
    try:
        model = _model(header, tensors)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, GmmaudioError) as error:
        raise ModelFileError(f"holds no usable model ({error}); train again") from error
    object.__setattr__(model, "file_sha256", hashlib.sha256(data).hexdigest())
    return model


def _as_columns(training: dict[str, Any]) -> dict[str, Any]:
    """Return a training summary with one list for each field of the clips: shorter, and read in less time."""
    return training | {name: clip_columns(training[name]) for name in CLIP_TABLES if name in training}


def _as_rows(training: Any) -> Any:
    """Return a training summary with one mapping for each clip; what is no summary is left as it is."""
    if not isinstance(training, Mapping) or "clips" not in training:
        return training
    return {**training, **{name: clip_rows(name, training[name]) for name in CLIP_TABLES if name in training}}


def clip_columns(clips: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return training clips as one list for each field; without sources where no clip has one.

    Parameters
    ----------
    clips : sequence of mapping
        Fields of every :class:`gmmaudio.models.TrainingClip`.

    Examples
    --------
    >>> from gmmaudio.models import TrainingClip
    >>> clip = TrainingClip("jazz/1.wav", "jazz", None, 64 * "0")
    >>> "source" in clip_columns([asdict(clip)]), clip_columns([asdict(replace(clip, source="radio"))])["source"]
    (False, ['radio'])
    """
    has_source = any(clip[OPTIONAL_CLIP_COLUMN] for clip in clips)
    return columns_of(clips, (*CLIP_COLUMNS, OPTIONAL_CLIP_COLUMN) if has_source else CLIP_COLUMNS)


def clip_rows(what: str, columns: object) -> list[dict[str, Any]]:
    """Return the fields of training clips of which :func:`clip_columns` made columns.

    Parameters
    ----------
    what : str
        The table, for the error.
    columns : object
        The columns, as they were read.

    Raises
    ------
    SettingError
        If there are other columns, or they are of unlike lengths.

    Examples
    --------
    >>> clip_rows("clips", {"path": ["a"], "label": ["b"], "group": [None], "sha256": [""], "fingerprint": [""]})
    [{'path': 'a', 'label': 'b', 'group': None, 'sha256': '', 'fingerprint': ''}]
    """
    has_source = isinstance(columns, Mapping) and OPTIONAL_CLIP_COLUMN in columns
    names = (*CLIP_COLUMNS, OPTIONAL_CLIP_COLUMN) if has_source else CLIP_COLUMNS
    return rows_of(what, columns, dict.fromkeys(names, list))


def _model(header: dict[str, Any], tensors: Tensors) -> Model:
    """Return the model that a verified header and tensors describe."""
    first_mean, has_tables = tensors.get("0.means"), not header["format_version"].startswith("1.")
    header = upgrade_header(header, None if first_mean is None else first_mean.shape)
    missing = sorted({"labels", "features", "transform", "heads", "weights", "training"} - set(header))
    if missing:
        raise SettingError(f"its header lacks {', '.join(missing)}")
    # before 2.0 each clip is a mapping
    training = TrainingSummary.from_dict(_as_rows(header["training"]) if has_tables else header["training"])
    features = FeatureSettings.from_dict(header["features"])
    calibration, open_set, familiarity = (header.get(name) for name in ("calibration", "open_set", "familiarity"))
    tables, tensors = divided(tensors, TABLES_PREFIX) if has_tables else ({}, tensors)
    vector_head = read_vector_head(header, tensors)
    _, tensors = divided(tensors, VECTORS_PREFIX)
    model = Model(
        features,
        read_scorer(header, tensors, training.kind_settings, features.n_features),
        training,
        None if calibration is None else Calibration.from_dict(calibration),
        None if open_set is None else OpenSetThreshold.from_dict(open_set),
        read_tables(features.sound_frames, tables) if has_tables and not (features.is_given and not tables) else None,
        None if familiarity is None else Familiarity.from_dict(familiarity),
        vector_head,
    )
    labels = set(model.scorer.labels)
    for name, by_label in (("seconds", training.seconds), ("rows", training.rows)):
        if set(by_label) != labels:
            raise SettingError(f"its {name} are not those of its labels")
    unknown = {clip.label for clip in training.clips} - labels
    if unknown:
        raise SettingError(f"its training clips have other labels than it: {shown(sorted(unknown))}")
    if not set(training.log_likelihood) <= {*labels, UBM}:
        raise SettingError("its log_likelihood is not that of its labels")
    _check_scores(model.scorer)
    return model


def read_scorer(header: Mapping[str, Any], tensors: Tensors, settings: KindSettings, n_features: int) -> Scorer:
    """Return the scorer that a header of this format and tensors describe.

    Parameters
    ----------
    header : mapping
        With ``labels``, ``transform``, ``heads`` and ``weights``.
    tensors : dict of str to ndarray
        Tensors of transform and heads.
    settings : KindSettings
        Settings of the kind of model.
    n_features : int
        Columns of the rows that it scores.

    Raises
    ------
    SettingError
        If they are not those of a scorer of this kind.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> from gmmaudio.models import FrameGmmSettings, gmm_scorer
    >>> low, high = (GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (-1.0, 1.0))
    >>> described = describe_scorer(gmm_scorer(("high", "low"), (high, low)))
    >>> read_scorer(*described, FrameGmmSettings(n_components=1), 1).labels
    ('high', 'low')
    """
    labels = convert("labels", header["labels"], tuple[str, ...])
    check_names(labels)
    heads = convert("heads", header["heads"], tuple[dict[str, Any], ...])
    if not 0 < len(heads) <= len(HEAD_PREFIXES):
        raise SettingError(f"there are {len(heads)} heads; expected 1 to {len(HEAD_PREFIXES)}")
    kind, sizes = find_kind(settings.kind), {"n_labels": len(labels), "n_features": n_features}
    read = partial(_stage, sizes=sizes, most_components=getattr(settings, "n_components", MAX_COMPONENTS))
    of_transform, rest = divided(tensors, TRANSFORM_PREFIX)
    second, first = divided(rest, HEAD_PREFIXES[1]) if len(heads) > 1 else ({}, rest)
    transform = read([kind.transform], "transform", header["transform"], of_transform)
    # what the transform makes is what the heads score
    sizes["d"] = transform.n_outputs
    stages = [
        read(kind.heads, "a head", described, own) for described, own in zip(heads, (first, second), strict=False)
    ]
    return Scorer(labels, transform, tuple(stages), header["weights"])


def _stage(
    classes: Sequence[type[Any]],
    name: str,
    described: object,
    tensors: Tensors,
    *,
    sizes: dict[str, int],
    most_components: int,
) -> Any:
    """Return the transform or head that a header describes, its settings and tensors checked by its class's tables."""
    values = convert(name, described, dict[str, Any])
    kinds = {each.kind: each for each in classes}
    stage = kinds.get(convert(f"kind of {name}", values.pop("kind", None), str))
    if stage is None:
        raise SettingError(f"the kind of {name} is none of {', '.join(kinds)}")
    settings = convert_mapping(name, values, stage.setting_types)
    table = stage.tensor_table(settings, sizes["n_labels"])
    check_tensors(tensors, table, sizes, {"n_components": most_components})
    return stage.from_tensors(settings, tensors)


def read_tables(settings: FrameSettings, tensors: Tensors) -> FrontEndTables:
    """Return the tables of the front end, checked by the settings that they were designed for.

    Parameters
    ----------
    settings : FrameSettings
        Settings of the frames.
    tensors : dict of str to ndarray
        The tables by name.

    Raises
    ------
    SettingError
        If they are not those of the settings.
    """
    layouts = {name: TensorLayout(**asdict(layout)) for name, layout in tensor_table(settings).items()}
    sizes, bounds = table_sizes(settings)
    check_tensors(tensors, layouts, sizes, bounds)
    return FrontEndTables.from_tensors(tensors, settings)


def _check_scores(scorer: Scorer) -> None:
    """Raise SettingError where rows of usual sizes have scores that are no numbers: of no use, whatever the reason."""
    rows = np.cos(np.outer(np.arange(N_PROBES), 1 + np.arange(scorer.n_features))).astype(np.float32)
    with np.errstate(all="ignore"):
        scores = np.stack([scorer.score(np.float32(size) * rows) for size in PROBE_SIZES])
    if not np.isfinite(scores).all():
        raise SettingError("its scores of rows of usual sizes are not finite")
