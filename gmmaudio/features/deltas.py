"""Deltas and shifted delta cepstra of raw frames."""

from __future__ import annotations

import numpy as np

from gmmaudio.features.frames import RawFrames
from gmmaudio.features.normalise import Frames, check_frames
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
    deltas = [derivatives(cepstra, rows.delta_frames, order) for order in range(1, rows.n_deltas + 1)]
    return [*deltas, shifted_deltas(cepstra, *rows.sdc)] if rows.sdc else deltas


def derivatives(cepstra: Frames, width: int, order: int) -> Frames:
    """Return derivatives of polynomials of degree ``order`` fitted to the window around each frame, (n, d), float32.

    The fits are by least squares, as in librosa. Beyond an edge the edge frame is repeated, so that a clip shorter than
    the window has deltas too.

    Parameters
    ----------
    cepstra : ndarray, shape (n, d), float32
        At least one frame.
    width : int
        Frames of the window, odd, at least 3.
    order : {1, 2}
        1 gives slopes for each frame, 2 the second derivative.

    Raises
    ------
    FeatureError
        If there are no frames, or a value is masked.

    References
    ----------
    Savitzky, Golay, "Smoothing and differentiation of data by simplified least squares procedures", Analytical
    Chemistry 36(8) (1964).

    Examples
    --------
    >>> derivatives(np.arange(5, dtype=np.float32)[:, None], 3, 1).ravel()
    array([0.5, 1. , 1. , 1. , 0.5], dtype=float32)
    """
    check_frames(cepstra)
    n, half = len(cepstra), width // 2
    offset = np.arange(-half, half + 1)
    # what lower powers do not explain of the highest one
    basis = offset if order == 1 else offset**2 - np.mean(offset**2)
    weights = order * basis / (basis @ offset**order)
    ends = np.repeat(cepstra[[0, -1]], half, axis=0).astype(np.float64)
    padded = np.concatenate([ends[:half], cepstra, ends[half:]])
    result = weights[half] * padded[half : half + n]
    for step in range(half, 0, -1):
        ahead, back = padded[half + step : half + step + n], padded[half - step : half - step + n]
        result += weights[half + step] * (ahead - back if order == 1 else ahead + back)
    return np.asarray(result, dtype=np.float32)


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
        If there are no frames, or a value is masked.

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
    check_frames(cepstra)
    part, reach = cepstra[:, :n], d + p * (k - 1)
    padded = np.concatenate([np.repeat(part[:1], d, axis=0), part, np.repeat(part[-1:], reach, axis=0)])
    # every block has the same differences, some frames later
    differences = padded[2 * d :] - padded[: len(padded) - 2 * d]
    return np.concatenate([differences[i * p : i * p + len(cepstra)] for i in range(k)], axis=1)
