"""The tensors that a part of a file is stored in: their names, types, shapes and bounds, and the check of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.values import shown

# arrays by name, as a file holds them
Tensors = dict[str, npt.NDArray[Any]]
# sums of squares of products of such numbers are finite in double precision
LARGEST, SMALLEST = 1e50, 1e-50


@dataclass(frozen=True)
class TensorLayout:
    """What one tensor of a file must be.

    Parameters
    ----------
    dtype : str
        Type of its numbers, as numpy names it.
    shape : tuple of str
        Name of each axis; axes of one name are equally long in all tensors of a model, whichever part they belong to.
        ``n_labels`` is known; ``d`` is the number of columns that the transform makes and the heads score. What follows
        a dot tells axes apart that share a bound.
    low, high : float
        Bounds of its numbers.
    may_be_infinite : bool
        Whether +inf stands beside these.

    Examples
    --------
    >>> TensorLayout("float64", ("n_labels",)).low
    -1e+50
    """

    dtype: str
    shape: tuple[str, ...]
    low: float = -LARGEST
    high: float = LARGEST
    may_be_infinite: bool = False

    @classmethod
    def positive(cls, *shape: str, may_be_infinite: bool = False) -> TensorLayout:
        """Return the layout of variances or standard deviations, float64.

        Parameters
        ----------
        *shape : str
            Name of each axis.
        may_be_infinite : bool
            Whether +inf stands beside positive numbers.
        """
        return cls("float64", shape, SMALLEST, LARGEST, may_be_infinite)


def check_tensors(
    tensors: Tensors, table: Mapping[str, TensorLayout], sizes: dict[str, int], bounds: Mapping[str, int]
) -> None:
    """Raise SettingError where tensors are not those of a table.

    Parameters
    ----------
    tensors : dict of str to ndarray
        Tensors of a part of a model.
    table : mapping of str to TensorLayout
        What they must be.
    sizes : dict of str to int
        Length of every axis that is known; those of this part are added.
    bounds : mapping of str to int
        Largest length of some axes.

    Examples
    --------
    >>> table = {"intercepts": TensorLayout("float64", ("n_labels",))}
    >>> check_tensors({"intercepts": np.zeros(3)}, table, {"n_labels": 2}, {})
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: the tensor intercepts has shape (3,); expected (n_labels,), with n_labels 2
    """
    if set(tensors) != set(table):
        missing, unknown = sorted(set(table) - set(tensors)), sorted(set(tensors) - set(table))
        raise SettingError(f"the tensors {shown(missing or unknown)} are {'missing' if missing else 'unknown'}")
    for name, layout in table.items():
        _check_shape(name, tensors[name].shape, layout.shape, sizes, bounds)
        if tensors[name].dtype != layout.dtype:
            raise SettingError(f"the tensor {name} holds {tensors[name].dtype}; expected {layout.dtype}")
        _check_numbers(name, tensors[name], layout)


def divided(tensors: Tensors, prefix: str) -> tuple[Tensors, Tensors]:
    """Return the tensors whose names have a prefix, without it, and the others.

    Parameters
    ----------
    tensors : dict of str to ndarray
        Tensors by name.
    prefix : str
        The prefix.

    Examples
    --------
    >>> own, others = divided({"ubm.weights": np.ones(1), "vectors": np.ones(2)}, "ubm.")
    >>> list(own), list(others)
    (['weights'], ['vectors'])
    """
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return own, {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


def _check_shape(
    name: str, shape: tuple[int, ...], axes: tuple[str, ...], sizes: dict[str, int], bounds: Mapping[str, int]
) -> None:
    """Raise where the shape of a tensor does not fit the axes that are known; add those that are not."""
    fits = len(shape) == len(axes) and all(sizes.setdefault(axis, n) == n for axis, n in zip(axes, shape, strict=True))
    if not fits:
        known = ", ".join(f"{axis} {sizes[axis]}" for axis in dict.fromkeys(axes) if axis in sizes)
        described = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
        raise SettingError(f"the tensor {name} has shape {shape}; expected {described}, with {known}")
    for axis in axes:
        most = bounds.get(axis.split(".")[0], sizes[axis])
        if sizes[axis] > most:
            raise SettingError(f"the tensor {name} has shape {shape}; expected at most {most} for {axis}")


def _check_numbers(name: str, tensor: npt.NDArray[Any], layout: TensorLayout) -> None:
    """Raise where numbers of a tensor are outside their bounds, NaN included."""
    # bounds beyond single precision, or beyond whole numbers of its size, are those of its numbers
    largest = float((np.finfo if tensor.dtype.kind == "f" else np.iinfo)(tensor.dtype).max)
    inside = (tensor >= max(layout.low, -largest)) & (tensor <= min(layout.high, largest))
    if layout.may_be_infinite:
        inside |= tensor == np.inf
    if not inside.all():
        first = tensor[~inside].flat[0]
        raise SettingError(f"the tensor {name} holds {first:g}; expected numbers of {layout.low:g} to {layout.high:g}")
