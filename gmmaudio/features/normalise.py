"""Normalisation of the frames of a trial: mean, variance, sliding CMVN, feature warping; RASTA of those of a clip."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import refuse_masked
from gmmaudio.errors import FeatureError
from gmmaudio.features.window_ranks import twice_middle_ranks

Frames = npt.NDArray[np.float32]

# a lower bound of standard deviations: a constant column becomes zero
MIN_STD = 1e-6
# numerator and denominator of the filter, and its lookahead, frames
RASTA = ((0.2, 0.1, 0.0, -0.1, -0.2), (1.0, -0.98))
RASTA_LOOKAHEAD = 4
# of a past frame in the filter's memory: less lies below the rounding of float64
MIN_WEIGHT = 1e-18


def check_frames(values: Frames) -> None:
    """Raise an error where there are no frames, or some of their values are masked.

    Parameters
    ----------
    values : ndarray, shape (n, d) or (n,)
        One row, or one number, for each frame.

    Raises
    ------
    FeatureError
        If n is 0, or a value is masked.

    Examples
    --------
    >>> check_frames(np.zeros((0, 20), dtype=np.float32))
    Traceback (most recent call last):
    gmmaudio.errors.FeatureError: no frames; at least one is needed
    """
    refuse_masked(values, "frames must be real numbers", FeatureError)
    if not len(values):
        raise FeatureError("no frames; at least one is needed")


def normalise_values(values: Frames, method: str, width: int) -> Frames:
    """Return the frames of a trial without its mean (and variance, or distribution), shape (n, d), float32.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        Frames, at least one.
    method : {"none", "c0", "mean", "mean_variance", "sliding", "warp"}
        As ``normalise`` of :class:`gmmaudio.features.RowSettings`.
    width : int
        Frames of the window of ``sliding`` and ``warp``, odd.

    Raises
    ------
    FeatureError
        If there are no frames, or a value is masked.

    Examples
    --------
    >>> normalise_values(np.array([[1.0, 5.0], [3.0, 9.0]], dtype=np.float32), "mean_variance", 301).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    check_frames(values)
    if method == "none":
        return values
    if method == "sliding":
        return sliding_cmvn(values, width)
    if method == "warp":
        return feature_warping(values, width)
    mean = values.mean(axis=0, dtype=np.float64)
    if method == "c0":
        mean[1:] = 0.0
    result = values - mean
    if method == "mean_variance":
        result /= np.maximum(values.std(axis=0, dtype=np.float64), MIN_STD)
    return np.asarray(result, dtype=np.float32)


def sliding_cmvn(values: Frames, width: int) -> Frames:
    """Return frames minus the mean and over the standard deviation of the window around each, shape (n, d), float32.

    Near an end the window is the first or last whole one; a trial shorter than it is one window.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        Frames, at least one.
    width : int
        Frames of the window, odd.

    Raises
    ------
    FeatureError
        If there are no frames, or a value is masked.

    Examples
    --------
    >>> sliding_cmvn(np.array([[1.0], [3.0]], dtype=np.float32), 301).ravel()
    array([-1.,  1.], dtype=float32)
    """
    check_frames(values)
    first, size = _windows(len(values), width)
    # sums are of what is left without the overall mean: a large one would cost digits
    centred = values - values.mean(axis=0, dtype=np.float64)
    zero = np.zeros((1, values.shape[1]))
    total = np.concatenate([zero, np.cumsum(centred, axis=0)])
    square = np.concatenate([zero, np.cumsum(centred**2, axis=0)])
    mean = (total[first + size] - total[first]) / size
    variance = (square[first + size] - square[first]) / size - mean**2
    std = np.sqrt(np.maximum(variance, MIN_STD**2))
    return np.asarray((centred - mean) / std, dtype=np.float32)


def feature_warping(values: Frames, width: int) -> Frames:
    """Return the standard normal quantile of each value's rank in the window around it, shape (n, d), float32.

    The quantile is of ``(rank - 1/2) / n``; equal values share the middle of their ranks. The windows are those of
    :func:`sliding_cmvn`.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        Frames, at least one.
    width : int
        Frames of the window, odd.

    Raises
    ------
    FeatureError
        If there are no frames, a value is masked or not a number, or the window has no frames.

    References
    ----------
    Pelecanos, Sridharan, "Feature warping for robust speaker verification", Odyssey 2001.

    Examples
    --------
    >>> feature_warping(np.array([[5.0], [7.0], [6.0]], dtype=np.float32), 301).ravel().round(2)
    array([-0.97,  0.97,  0.  ], dtype=float32)
    """
    check_frames(values)
    if np.isnan(values).any():
        raise FeatureError("frames must be numbers; one that is not has no rank")
    if width < 1:
        raise FeatureError(f"the window has {width} frames; expected 1 or more")
    size = min(width, len(values))
    return _normal_quantiles(size).take(twice_middle_ranks(np.asarray(values, dtype=np.float32), size))


@lru_cache(maxsize=512)
def _normal_quantiles(size: int) -> Frames:
    """Return the normal quantiles of ``i / (2 size)``, i from 0 to ``2 size - 1``; that of 0 is not used."""
    # the same in float32 as those of scipy.special, whose import takes twenty times as long
    from statistics import NormalDist

    quantile = NormalDist().inv_cdf
    table = np.array([0.0, *(quantile(i / (2 * size)) for i in range(1, 2 * size))], dtype=np.float32)
    table.setflags(write=False)
    return table


def _windows(n: int, width: int) -> tuple[npt.NDArray[np.intp], int]:
    """Return the first frame of the window of every frame (n,), and the size of all windows."""
    size = min(width, n)
    return np.clip(np.arange(n) - size // 2, 0, n - size), size


def rasta(cepstra: Frames) -> Frames:
    """Return cepstra band-passed along time, about 1 to 12 Hz at 100 frames a second, shape (n, d), float32.

    ``H(z) = 0.1 z^4 (2 + z^-1 - z^-3 - 2 z^-4) / (1 - 0.98 z^-1)``, with the paper's lookahead of four frames and its
    pole, whose time constant of 50 frames is longer than a syllable; 0.94 is also in use. Beyond an end the end frame
    is repeated without end, so that a constant gives zero. Both steps are linear: filtered cepstra are the cepstra of
    filtered log mel spectra.

    Parameters
    ----------
    cepstra : ndarray, shape (n, d), float32
        Of one clip, at least one frame.

    Raises
    ------
    FeatureError
        If there are no frames, or a value is masked.

    References
    ----------
    Hermansky, Morgan, "RASTA processing of speech", IEEE Trans. Speech and Audio Processing 2(4) (1994).

    Examples
    --------
    >>> rasta(np.array([[0.0], [0.0], [1.0], [1.0]], dtype=np.float32)).ravel().round(3)
    array([0.786, 0.97 , 0.951, 0.932], dtype=float32)
    """
    check_frames(cepstra)
    rasta_filter = RastaFilter()
    return np.concatenate([rasta_filter.filter(cepstra), rasta_filter.finish()])


class RastaFilter:
    """The filter of :func:`rasta` for cepstra that arrive in parts; it lags four frames behind them.

    Other parts change the last bits of the result only.

    Examples
    --------
    >>> cepstra = np.array([[0.0], [0.0], [1.0], [1.0]], dtype=np.float32)
    >>> parts = RastaFilter()
    >>> np.concatenate([parts.filter(cepstra[:3]), parts.filter(cepstra[3:]), parts.finish()]).ravel().round(3)
    array([0.786, 0.97 , 0.951, 0.932], dtype=float32)
    """

    def __init__(self) -> None:
        # what the frames are taken from, so that the filter begins at rest
        self._first: Frames | None = None
        self._past = np.zeros((0, 0))
        self._last = np.zeros(0)
        self._n_skipped = RASTA_LOOKAHEAD

    def filter(self, cepstra: Frames) -> Frames:
        """Return the frames that the next frames complete, shape (m, d), float32.

        Parameters
        ----------
        cepstra : ndarray, shape (n, d), float32
            The next frames.
        """
        if not len(cepstra):
            return np.asarray(cepstra, dtype=np.float32)
        if self._first is None:
            self._first = np.array(cepstra[:1])
            self._past = np.zeros((RASTA_LOOKAHEAD, cepstra.shape[1]))
            self._last = np.zeros(cepstra.shape[1])
        return self._advance(np.asarray(cepstra - self._first.astype(np.float64)))

    def finish(self) -> Frames:
        """Return the last frames, for which the end frame is repeated, shape (m, d), float32."""
        return self._advance(np.repeat(self._past[-1:], RASTA_LOOKAHEAD, axis=0))

    def _advance(self, centred: npt.NDArray[np.float64]) -> Frames:
        """Return the output for the next centred input, less what lies before the first frame."""
        numerator, (_, pole) = RASTA
        padded, n = np.concatenate([self._past, centred]), len(centred)
        result = np.zeros(centred.shape)
        for delay, weight in enumerate(numerator):
            result += weight * padded[RASTA_LOOKAHEAD - delay :][:n]
        # the memory of the filter doubles with each step, until what is older has no weight
        result[:1] -= pole * self._last
        reach, decay = 1, -pole
        while reach < n and decay > MIN_WEIGHT:
            result[reach:] += decay * result[:-reach]
            reach, decay = 2 * reach, decay**2
        self._past, self._last = padded[n:], result[-1] if n else self._last
        n_skipped = min(self._n_skipped, n)
        self._n_skipped -= n_skipped
        return np.asarray(result[n_skipped:], dtype=np.float32)
