"""The file of one Gaussian mixture: safetensors with a JSON header and a checksum, never pickle.

The tensors are ``weights``, ``means`` and ``covariances``, float64. The header holds the format version, the type of
the covariances, the names of the columns and details of the caller. There is no time stamp: the same input gives the
same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gmmaudio import sealed_file
from gmmaudio.errors import GmmaudioError, MixtureFileError, ReadError, SettingError
from gmmaudio.files import MODEL_BYTES, in_units, read_limited
from gmmaudio.json_text import from_json
from gmmaudio.mixture.gaussian import GaussianMixture
from gmmaudio.outputs import write_together
from gmmaudio.sealed_file import (
    MAX_HEADER_BYTES,
    MIXTURE_KEY,
    MODEL_KEY,
    STATISTICS_KEY,
    FileKind,
    check_start,
    read_described,
    read_header,
    read_tensors,
    refuse_damaged,
)
from gmmaudio.tensor_table import TensorLayout, check_tensors
from gmmaudio.values import checked, convert, shown

FORMAT_VERSION = "1.0"
MIXTURE_FILE = FileKind(
    MIXTURE_KEY,
    MixtureFileError,
    "mixture",
    "gmmaudio.mixture.save_mixture",
    "fit it again",
    ("1",),
    {
        MODEL_KEY: "is a model of several labels, which gmmaudio.load_model reads; expected one mixture",
        STATISTICS_KEY: "holds statistics of clips, which gmmaudio.load_statistics reads; expected one mixture",
    },
)
MIXTURE_TENSORS = ("weights", "means", "covariances")
# by which a mixture's weights may miss a sum of 1
WEIGHT_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class SavedMixture:
    """A Gaussian mixture with what was saved beside it.

    Parameters
    ----------
    mixture : GaussianMixture
        The mixture.
    names : tuple of str or None
        Name of each column of its rows, where they were saved.
    details : dict
        Plain values of the caller, such as the settings of the fit.

    Examples
    --------
    >>> SavedMixture(GaussianMixture([1.0], [[0.0]], [[1.0]]), ("age",)).names
    ('age',)
    """

    mixture: GaussianMixture
    names: tuple[str, ...] | None = None
    details: dict[str, Any] = field(default_factory=dict)


@checked
def save_mixture(
    path: str | os.PathLike[str],
    mixture: GaussianMixture,
    *,
    names: Sequence[str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write a mixture to a file, whole or not at all; the same input gives the same bytes.

    Parameters
    ----------
    path : path-like
        The file, conventionally ``.safetensors``; one that is there is replaced.
    mixture : GaussianMixture
        The mixture.
    names : sequence of str or None
        Name of each column of its rows, all different.
    details : mapping of str to object or None
        What is saved beside it: dictionaries, lists, strings, finite numbers, bools and None, as JSON has them.

    Raises
    ------
    SettingError
        If the names are not one for each column, or the details are not plain values.
    MixtureFileError
        If the mixture does not fit the file format.
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> line = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]], "full")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_mixture(f"{folder}/line.safetensors", line, names=["age", "income"], details={"rows": 100})
    ...     saved = load_mixture(f"{folder}/line.safetensors")
    >>> saved.names, saved.details, saved.mixture.n_components
    (('age', 'income'), {'rows': 100}, 1)
    """
    header = {
        "format_version": FORMAT_VERSION,
        "covariance_type": mixture.covariance_type,
        "names": _checked_names(names, mixture.n_features),
        "details": _plain_details(details or {}),
    }
    tensors = {name: getattr(mixture, name) for name in MIXTURE_TENSORS}
    n_bytes = sum(tensor.nbytes for tensor in tensors.values())
    if n_bytes > MODEL_BYTES - MAX_HEADER_BYTES:
        raise MixtureFileError(
            f"a mixture of {in_units(n_bytes)} could not be read again; expected at most "
            f"{in_units(MODEL_BYTES - MAX_HEADER_BYTES)}: take fewer components"
        )
    try:
        check_tensors(tensors, mixture_table(mixture.covariance_type, "n_components", "n_features"), {}, {})
        data = sealed_file.to_bytes(header, tensors, MIXTURE_FILE)
    except SettingError as error:
        raise MixtureFileError(f"the mixture does not fit the file format: {error}") from error
    write_together([(path, data)])


@checked
def load_mixture(path: str | os.PathLike[str]) -> SavedMixture:
    """Return the mixture that a file holds, and what was saved beside it.

    Parameters
    ----------
    path : path-like
        A file that :func:`save_mixture` wrote.

    Raises
    ------
    MixtureFileError
        If it cannot be read, is damaged, cut short, of another kind, or made by a newer major version.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_mixture(f"{folder}/one.safetensors", GaussianMixture([1.0], [[3.0]], [[4.0]]))
    ...     load_mixture(f"{folder}/one.safetensors").mixture.means
    array([[3.]])
    """
    try:
        data = read_limited(path, MODEL_BYTES, check_start=partial(check_start, kind=MIXTURE_FILE))
        described = read_described(data, MIXTURE_FILE)
        header = read_header(described, MIXTURE_FILE)
        tensors = read_tensors(data, described, MIXTURE_FILE)
        refuse_damaged(header, tensors, MIXTURE_FILE)
    except ReadError as error:
        raise MixtureFileError(f"{error}; expected a file that save_mixture wrote") from error
    except MixtureFileError as error:
        raise MixtureFileError(f"{path}: {error}") from error
    try:
        covariance_type = convert("covariance_type", header["covariance_type"], str)
        check_tensors(tensors, mixture_table(covariance_type, "n_components", "n_features"), {}, {})
        mixture = GaussianMixture(tensors["weights"], tensors["means"], tensors["covariances"], covariance_type)
        names = convert("names", header["names"], tuple[str, ...] | None)
        details = convert("details", header["details"], dict[str, Any])
        return SavedMixture(mixture, _checked_names(names, mixture.n_features), details)
    except (LookupError, TypeError, ValueError, ArithmeticError, GmmaudioError) as error:
        raise MixtureFileError(f"{path}: holds no usable mixture ({error}); fit it again") from error


def mixture_table(covariance_type: str, n_components: str, n_features: str) -> dict[str, TensorLayout]:
    """Return the tensors that a mixture is stored in.

    Parameters
    ----------
    covariance_type : {"diag", "full", "tied", "spherical"}
        Type of its covariances.
    n_components, n_features : str
        Names of the axes.

    Raises
    ------
    SettingError
        If there is no such type.

    Examples
    --------
    >>> mixture_table("tied", "K", "D")["covariances"].shape
    ('D', 'D')
    """
    shapes = {
        "diag": (n_components, n_features),
        "full": (n_components, n_features, n_features),
        "tied": (n_features, n_features),
        "spherical": (n_components,),
    }
    if covariance_type not in shapes:
        raise SettingError(f"covariance_type is {shown(covariance_type)}; expected one of {', '.join(shapes)}")
    shape = shapes[covariance_type]
    # off the diagonal of a matrix there may be any number
    is_matrix = covariance_type in ("full", "tied")
    return {
        "weights": TensorLayout("float64", (n_components,), 0.0, 1.0 + WEIGHT_TOLERANCE),
        "means": TensorLayout("float64", (n_components, n_features)),
        "covariances": TensorLayout("float64", shape) if is_matrix else TensorLayout.positive(*shape),
    }


def _checked_names(names: Sequence[str] | None, n_features: int) -> tuple[str, ...] | None:
    """Return the names of columns; raise SettingError where they are not one for each column, all different."""
    if names is None:
        return None
    if len(names) != n_features or len(set(names)) != n_features:
        raise SettingError(
            f"`names` is {shown(list(names))}; expected {n_features} different names, one for each column"
        )
    return tuple(names)


def _plain_details(details: Mapping[str, Any]) -> Any:
    """Return plain values as the file will give them back, or raise SettingError."""
    try:
        return from_json(json.dumps(convert("`details`", details, dict[str, Any]), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingError(
            f"`details` are {shown(details)}, which JSON does not have ({error}); expected dictionaries, lists, "
            "strings, finite numbers, bools and None"
        ) from error
