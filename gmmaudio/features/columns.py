"""The columns of rows in plain words: the quantity of each, and what of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from gmmaudio.features.blocks import modulation_edges_hz
from gmmaudio.features.descriptors import DESCRIPTORS
from gmmaudio.features.front_ends import FRONT_ENDS
from gmmaudio.features.given_frames import GivenFrames
from gmmaudio.features.settings import FeatureSettings, FrameSettings

# of a derivative of each order
DERIVATIVES = ("slope", "curvature")


@dataclass(frozen=True)
class Column:
    """A column of rows.

    Parameters
    ----------
    quantity : str
        Coefficient or descriptor of a frame, such as "MFCC 3".
    aspect : str
        What of it: empty for its value; a derivative, or a statistic over a block.
    warp : float or None
        VTLN factor; None where frequencies are not warped.

    Examples
    --------
    >>> Column("MFCC 3", "mean of the slope").name
    'mean of the slope of MFCC 3'
    """

    quantity: str
    aspect: str = ""
    warp: float | None = None

    @property
    def name(self) -> str:
        """The column in plain words."""
        warped = "" if self.warp is None else f", band edges times {self.warp:g}"
        return (f"{self.aspect} of {self.quantity}" if self.aspect else self.quantity) + warped


def describe_columns(features: FeatureSettings) -> tuple[Column, ...]:
    """Return the columns of the rows that :func:`gmmaudio.features.make_rows` makes, in their order.

    Parameters
    ----------
    features : FeatureSettings
        The front end.

    Returns
    -------
    tuple of Column
        ``features.n_features`` of them.

    Examples
    --------
    >>> features = FeatureSettings().replace(n_mfcc=2, n_deltas=1)
    >>> [column.name for column in describe_columns(features)][1:3]
    ['MFCC 1 (low against high frequencies)', 'slope of MFCC 0 (level)']
    """
    frames, rows = features.frames, features.rows
    warps = (None, *frames.vtln)
    columns = [column for warp in warps for column in _coefficients(features, warp)]
    columns += [Column(name) for key in frames.descriptors for name in _descriptor_names(key)]
    if rows.block_s is None:
        return tuple(columns)
    return tuple(
        Column(column.quantity, f"{statistic} of the {column.aspect}" if column.aspect else statistic)
        for statistic in _block_statistics(rows.n_modulation, frames.frames_per_s)
        for column in columns
    )


def _coefficients(features: FeatureSettings, warp: float | None) -> Iterator[Column]:
    """Yield the columns of one warp: coefficients, their derivatives, shifted deltas."""
    rows, names = features.rows, coefficient_names(features.frames)
    for aspect in ("", *DERIVATIVES[: rows.n_deltas]):
        yield from (Column(name, aspect, warp) for name in names)
    if rows.sdc is not None:
        n, _, step, n_blocks = rows.sdc
        for block in range(n_blocks):
            later_ms = 1000 * block * step / features.frames.frames_per_s
            yield from (Column(name, f"change {later_ms:.0f} ms later", warp) for name in names[:n])


def coefficient_names(frames: FrameSettings | GivenFrames) -> tuple[str, ...]:
    """Return the names of the coefficients of a frame, of one warp: those of the front end, or unit and number.

    Parameters
    ----------
    frames : FrameSettings or GivenFrames
        Settings of the frames.

    Examples
    --------
    >>> coefficient_names(FrameSettings(n_mfcc=3))[2]
    'MFCC 2'
    """
    if isinstance(frames, GivenFrames):
        return tuple(f"{frames.rows_name} {i}" for i in range(frames.n_columns))
    front_end = FRONT_ENDS[frames.front_end]
    names = [f"{front_end.unit} {i}" for i in range(frames.n_coefficients)]
    return tuple(
        f"{name} ({hint})" if hint else name
        for name, hint in itertools.zip_longest(names, front_end.hints[: len(names)])
    )


def _descriptor_names(key: str) -> tuple[str, ...]:
    """Return the names of the columns of a descriptor: its own, or its key and a number."""
    descriptor, words = DESCRIPTORS[key], key.replace("_", " ")
    if descriptor.names:
        return descriptor.names
    return (words,) if descriptor.n_columns == 1 else tuple(f"{words} {i}" for i in range(descriptor.n_columns))


def _block_statistics(n_modulation: int, frames_per_s: float) -> list[str]:
    """Return the statistics of a block in the order of its columns."""
    edges = modulation_edges_hz(n_modulation, frames_per_s)
    bands = [f"modulation at {low:.2g} to {high:.2g} Hz" for low, high in itertools.pairwise(edges)]
    return ["mean", "standard deviation", "mean change from frame to frame", *bands]
