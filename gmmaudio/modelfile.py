"""Save and load a model: safetensors with a header of our own and a checksum, never pickle.

A model file is a safetensors file. Its tensors are named by the label's place (``0.weights``, ``0.means``,
``0.covariances``, ...); everything else is JSON in the one metadata entry ``gmmaudio``: format version, front end,
labels, training summary, and the SHA-256 of header and tensors. There is no time stamp: the same input gives the same
bytes. The file is written beside its place, flushed to disk, and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.classifier import ClassifierConfig, GMMClassifier
from gmmaudio.errors import GmmaudioError, ModelFileError
from gmmaudio.features import FeatureConfig
from gmmaudio.files import write_beside
from gmmaudio.mixture import GaussianMixture
from gmmaudio.model import Model, TrainingClip, TrainingSummary

FORMAT_VERSION = "1.1"
KEY = "gmmaudio"
PARTS = ("weights", "means", "covariances")

Tensors = dict[str, npt.NDArray[np.float64]]


def save_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Write ``model`` to ``path``, whole or not at all.

    Raises
    ------
    WriteError
        If the place cannot be written.
    """
    with write_beside(path) as handle:
        handle.write(to_bytes(model))


def load_model(path: str | os.PathLike[str]) -> Model:
    """Return the model that ``path`` holds.

    Raises
    ------
    ModelFileError
        If it cannot be read, is damaged, cut short, of another kind, or made by a newer major version.
    """
    try:
        # a pipe would be waited for
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - any path-like
            raise ModelFileError(f"{path}: is not a regular file; expected a model made by train")
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{path}: cannot be read ({reason}); expected a model made by train") from error
    try:
        return from_bytes(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def to_bytes(model: Model) -> bytes:
    """Return the bytes of a model file; the same model gives the same bytes."""
    from safetensors import SafetensorError
    from safetensors.numpy import save

    tensors: Tensors = {}
    for i, mixture in enumerate(model.classifier.mixtures):
        for part in PARTS:
            tensors[f"{i}.{part}"] = np.ascontiguousarray(getattr(mixture, part))
    header: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "features": model.features.to_dict(),
        "labels": list(model.classifier.labels),
        "covariance_type": model.classifier.mixtures[0].covariance_type,
        "training": asdict(model.training),
    }
    header["sha256"] = _digest(header, tensors)
    try:
        return bytes(save(tensors, metadata={KEY: json.dumps(header, sort_keys=True)}))
    except SafetensorError as error:
        raise ModelFileError(
            f"a model of {len(model.training.clips)} clips does not fit the file format ({error}); train on fewer files"
        ) from error


def from_bytes(data: bytes) -> Model:
    """Return the model in the bytes of a file.

    Raises
    ------
    ModelFileError
        If they are damaged, cut short, of another kind, or made by a newer major version.
    """
    header = _header(data)
    major = str(header.get("format_version", "")).split(".")[0]
    if major != FORMAT_VERSION.split(".", maxsplit=1)[0]:
        raise ModelFileError(
            f"has model format {header.get('format_version')!r}; this version reads "
            f"{FORMAT_VERSION.split('.', maxsplit=1)[0]}.x: upgrade gmmaudio, or train again"
        )
    tensors = _tensors(data)
    said = header.pop("sha256", None)
    if said != _digest(header, tensors):
        raise ModelFileError("is damaged (the checksum differs); copy it again, or train again")
    try:
        return _model(header, tensors)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, GmmaudioError) as error:
        raise ModelFileError(f"holds no usable model ({error}); train again") from error


def _header(data: bytes) -> dict[str, Any]:
    """Return our header, or say what kind of file this is instead."""
    # a safetensors header may well be 128 bytes long: only what follows tells it from a pickle
    if data[8:9] != b"{" and (data[:1] == b"\x80" or data[:4] == b"PK\x03\x04"):
        raise ModelFileError("is a pickle or a zip archive, which is never loaded: it could run code; train again")
    size = int.from_bytes(data[:8], "little")
    if len(data) < 16 or data[8:9] != b"{" or size > 100_000_000:
        raise ModelFileError("is not a model file; expected one made by gmmaudio train")
    if len(data) < 8 + size:
        raise ModelFileError("is cut short; copy it again, or train again")
    try:
        header = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            "is a safetensors file without a readable gmmaudio header: another program's, or damaged; train again"
        ) from error
    if not isinstance(header, dict):
        raise ModelFileError("has a damaged gmmaudio header; copy it again, or train again")
    return header


def _tensors(data: bytes) -> Tensors:
    """Return the tensors in the bytes of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"is cut short or damaged ({error}); copy it again, or train again") from error


def _digest(header: dict[str, Any], tensors: Tensors) -> str:
    """Return the SHA-256 of the header and of every tensor's name, kind, shape and bytes."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype.str}\0{tensor.shape}\0".encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()


def _model(header: dict[str, Any], tensors: Tensors) -> Model:
    """Return the model that a verified header and tensors describe."""
    training = dict(header["training"])
    training["classifier"] = ClassifierConfig(**training["classifier"])
    training["clips"] = tuple(TrainingClip(**clip) for clip in training["clips"])
    training["notes"] = tuple(training["notes"])
    for name in ("seconds", "rows", "log_likelihood"):
        if set(training[name]) != set(header["labels"]):
            raise ModelFileError(f"its {name} are not those of its labels")
    training["versions"] = {str(name): str(number) for name, number in training["versions"].items()}
    mixtures = tuple(
        GaussianMixture(
            tensors[f"{i}.weights"], tensors[f"{i}.means"], tensors[f"{i}.covariances"], header["covariance_type"]
        )
        for i in range(len(header["labels"]))
    )
    return Model(
        FeatureConfig.from_dict(header["features"]),
        GMMClassifier(tuple(header["labels"]), mixtures),
        TrainingSummary(**training),
    )
