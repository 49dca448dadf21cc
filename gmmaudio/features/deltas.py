"""Deltas and shifted delta cepstra of raw frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmmaudio.arrays import refuse_masked
from gmmaudio.errors import FeatureError
from gmmaudio.features.frames import RawFrames
from gmmaudio.features.normalise import Frames
from gmmaudio.features.settings import FeatureSettings, RowSettings


def append_deltas(raw: RawFrames, features: FeatureSettings) -> Frames:
    """Return frames with their deltas, shape (n, n_warps * n_columns): warp after warp, then descriptors.

    Parameters
    ----------
    raw : RawFrames
        Frames of a clip, or of a part of one: deltas at an end of a part are those of the whole clip.
    features : FeatureSettings
        The front end.
    """
    reach, n = features.rows.delta_reach, features.frames.n_coefficients
    first, last = raw.n_before, raw.n_before + len(raw)
    start = max(0, first - reach)
    context = raw.values[start : last + reach]
    inner = slice(first - start, last - start)
    parts = []
    for k in range(features.frames.n_warps):
        cepstra = context[:, k * n : (k + 1) * n]
        parts += [part[inner] for part in (cepstra, *_deltas(cepstra, features.rows))]
    if features.frames.descriptors:
        parts.append(context[inner, n:])
    return np.concatenate(parts, axis=1).astype(np.float32, copy=False)


def _deltas(cepstra: Frames, rows: RowSettings) -> list[Frames]:
    """Return deltas of each order, and shifted deltas, of coefficients (n, n_coefficients)."""
    deltas = []
    if rows.n_deltas:
        import librosa

        # "nearest" repeats the edge frames, so that a clip shorter than the window has deltas too
        settings: dict[str, Any] = {"width": rows.delta_frames, "axis": 0, "mode": "nearest"}
        deltas = [librosa.feature.delta(cepstra, order=order, **settings) for order in range(1, rows.n_deltas + 1)]
    return [*deltas, shifted_deltas(cepstra, *rows.sdc)] if rows.sdc else deltas


def shifted_deltas(cepstra: Frames, n: int, d: int, p: int, k: int) -> Frames:
    """Return shifted delta cepstra N-d-P-k, shape (n_frames, n * k).

    Column block i of row t is ``c[t + i p + d] - c[t + i p - d]`` of the first ``n`` coefficients; beyond an edge the
    edge frame is repeated.

    Parameters
    ----------
    cepstra : ndarray, shape (n_frames, n_coefficients), float32
        At least one frame.
    n, d, p, k : int
        Coefficients, spread, step and number of blocks; 7-1-3-7 is usual.

    Raises
    ------
    FeatureError
        If a value is masked.

    References
    ----------
    Torres-Carrasquillo et al., ICSLP 2002.

    Examples
    --------
    >>> shifted_deltas(np.arange(5, dtype=np.float32)[:, None], 1, 1, 1, 2)
    array([[1., 2.],
           [2., 2.],
           [2., 2.],
           [2., 1.],
           [1., 0.]], dtype=float32)
    """
    refuse_masked(cepstra, "frames must be real numbers", FeatureError)
    last = len(cepstra) - 1
    centre = np.arange(len(cepstra))[:, None] + p * np.arange(k)
    ahead = cepstra[np.clip(centre + d, 0, last), :n]
    back = cepstra[np.clip(centre - d, 0, last), :n]
    return (ahead - back).reshape(len(cepstra), n * k)
