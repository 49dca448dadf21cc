"""Frames of a trial -> frames with what the recording adds taken out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]

# a column that does not move is left at zero
LEAST_DEVIATION = 1e-6
# numerator and denominator of the filter, and its frames of looking ahead
RASTA = ((0.2, 0.1, 0.0, -0.1, -0.2), (1.0, -0.98))
RASTA_AHEAD = 4


def normalised(values: Frames, how: str, width: int) -> Frames:
    """Return the frames of a trial with its mean (and deviation, or distribution) taken out, shape (n, d).

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        Frames, at least one.
    how : str
        As ``normalise`` of :class:`gmmaudio.features.RowSettings`.
    width : int
        Frames of the window of ``sliding`` and ``warp``, odd.
    """
    if how == "none":
        return values
    if how == "sliding":
        return sliding_cmvn(values, width)
    if how == "warp":
        return warp(values, width)
    mean = values.mean(axis=0, dtype=np.float64)
    if how == "c0":
        mean[1:] = 0.0
    result = values - mean
    if how == "mean_variance":
        result /= np.maximum(values.std(axis=0, dtype=np.float64), LEAST_DEVIATION)
    return np.asarray(result, dtype=np.float32)


def sliding_cmvn(values: Frames, width: int) -> Frames:
    """Return every frame less the mean, over the deviation, of the window around it, shape (n, d), float32.

    Near an end the window is the first or last whole one; a trial shorter than it is one window.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        Frames, at least one.
    width : int
        Frames of the window, odd.

    Examples
    --------
    >>> sliding_cmvn(np.array([[1.0], [3.0]], dtype=np.float32), 301).ravel()
    array([-1.,  1.], dtype=float32)
    """
    first, size = _windows(len(values), width)
    # sums are of what is left without the overall mean: a large one would cost digits
    centred = values - values.mean(axis=0, dtype=np.float64)
    zero = np.zeros((1, values.shape[1]))
    total = np.concatenate([zero, np.cumsum(centred, axis=0)])
    square = np.concatenate([zero, np.cumsum(centred**2, axis=0)])
    mean = (total[first + size] - total[first]) / size
    variance = (square[first + size] - square[first]) / size - mean**2
    deviation = np.sqrt(np.maximum(variance, LEAST_DEVIATION**2))
    return np.asarray((centred - mean) / deviation, dtype=np.float32)


def warp(values: Frames, width: int) -> Frames:
    """Return feature warping: each value's rank in the window around it as a standard normal quantile, shape (n, d).

    The quantile is of ``(rank - 1/2) / n``; equal values share the middle of their ranks. The windows are those of
    :func:`sliding_cmvn`.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        Frames, at least one.
    width : int
        Frames of the window, odd.

    References
    ----------
    Pelecanos, Sridharan, "Feature warping for robust speaker verification", Odyssey 2001.

    Examples
    --------
    >>> warp(np.array([[5.0], [7.0], [6.0]], dtype=np.float32), 301).ravel().round(2)
    array([-0.97,  0.97,  0.  ], dtype=float32)
    """
    from scipy.special import ndtri

    first, size = _windows(len(values), width)
    # how many are less, and how many are no more: their sum is twice the middle rank, less one
    twice = np.zeros(values.shape, dtype=np.int16)
    for k in range(size):
        other = values[first + k]
        twice += other < values
        twice += other <= values
    return np.asarray(ndtri(twice / (2 * size)), dtype=np.float32)


def _windows(n: int, width: int) -> tuple[npt.NDArray[np.intp], int]:
    """Return the first frame of every frame's window (n,), and the windows' size."""
    size = min(width, n)
    return np.clip(np.arange(n) - size // 2, 0, n - size), size


def rasta(cepstra: Frames) -> Frames:
    """Return cepstra band-passed along time, about 1 to 12 Hz at 100 frames a second, shape (n, d), float32.

    ``H(z) = 0.1 z^4 (2 + z^-1 - z^-3 - 2 z^-4) / (1 - 0.98 z^-1)``, with the paper's four frames of looking ahead and
    its pole, whose memory of 50 frames outlasts a syllable; 0.94 is also in use. Beyond an end the end frame stands for
    ever, so that a constant gives zero. Both steps are linear: filtered cepstra are the cepstra of filtered log mel
    spectra.

    Parameters
    ----------
    cepstra : ndarray, shape (n, d), float32
        Of one clip, at least one frame.

    References
    ----------
    Hermansky, Morgan, "RASTA processing of speech", IEEE Trans. Speech and Audio Processing 2(4) (1994).

    Examples
    --------
    >>> rasta(np.array([[0.0], [0.0], [1.0], [1.0]], dtype=np.float32)).ravel().round(3)
    array([0.786, 0.97 , 0.951, 0.932], dtype=float32)
    """
    from scipy.signal import lfilter

    # less the first frame: the filter then begins at rest
    moved = cepstra - cepstra[:1].astype(np.float64)
    ahead = np.concatenate([moved, np.repeat(moved[-1:], RASTA_AHEAD, axis=0)])
    return np.asarray(lfilter(*RASTA, ahead, axis=0)[RASTA_AHEAD:], dtype=np.float32)
