"""Deltas and shifted delta cepstra of raw frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmmaudio.features.frames import RawFrames
from gmmaudio.features.normalise import Frames
from gmmaudio.features.settings import FeatureConfig


def append_deltas(raw: RawFrames, config: FeatureConfig) -> Frames:
    """Return frames with their differences, shape (n, n_views * n_columns): view after view, then descriptors."""
    first, last = raw.n_before, raw.n_before + len(raw)
    start = max(0, first - config.reach)
    near = raw.values[start : last + config.reach]
    own = slice(first - start, last - start)
    n = config.n_mfcc
    parts = []
    for k in range(config.n_views):
        view = near[:, k * n : (k + 1) * n]
        parts += [part[own] for part in (view, *_differences(view, config))]
    if config.descriptors:
        parts.append(near[own, n:])
    return np.concatenate(parts, axis=1).astype(np.float32, copy=False)


def _differences(mfcc: Frames, config: FeatureConfig) -> list[Frames]:
    """Return deltas of each order, and shifted deltas, of cepstra (n, n_mfcc)."""
    found = []
    if config.n_deltas:
        import librosa

        # "nearest" repeats the edge frames, so that a clip shorter than the window has deltas too
        settings: dict[str, Any] = {"width": config.delta_frames, "axis": 0, "mode": "nearest"}
        found = [librosa.feature.delta(mfcc, order=order, **settings) for order in range(1, config.n_deltas + 1)]
    return [*found, shifted_deltas(mfcc, *config.sdc)] if config.sdc else found


def shifted_deltas(cepstra: Frames, n: int, d: int, p: int, k: int) -> Frames:
    """Return shifted delta cepstra N-d-P-k, shape (n_frames, n * k).

    Column block i of row t is ``c[t + i p + d] - c[t + i p - d]`` of the first ``n`` coefficients; beyond an edge the
    edge frame stands.

    Parameters
    ----------
    cepstra : ndarray, shape (n_frames, n_coefficients), float32
        At least one frame.
    n, d, p, k : int
        Coefficients, spread, step and number of blocks; 7-1-3-7 is usual.

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
    last = len(cepstra) - 1
    centre = np.arange(len(cepstra))[:, None] + p * np.arange(k)
    ahead = cepstra[np.clip(centre + d, 0, last), :n]
    back = cepstra[np.clip(centre - d, 0, last), :n]
    return (ahead - back).reshape(len(cepstra), n * k)
