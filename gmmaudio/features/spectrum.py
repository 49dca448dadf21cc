"""Samples -> the spectra of their frames, the same bits as librosa's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.features.normalise import Frames

# numpy 1 has no place for the result
HAS_PLACE = np.lib.NumpyVersion(np.__version__) >= "2.0.0"

# samples of the frames that are transformed at once, overlaps counted again: they stay in the processor's cache
BLOCK_SAMPLES = 2**15


class ShortTimeSpectrum:
    """Short-time Fourier transform in memory that is kept: to ask for it anew takes longer than the transform.

    The transform is in double precision, as librosa's. Single precision would be no faster in numpy, and lose what lies
    140 dB below the loudest bin of a frame.

    Parameters
    ----------
    window : ndarray, shape (n_fft,), float64
        What the samples of a frame are multiplied by.
    hop_length : int
        Step between frames, samples.
    n_frames : int
        Largest number of frames computed at once.

    Examples
    --------
    >>> spectrum = ShortTimeSpectrum(np.ones(8), 4, 16)
    >>> magnitude, power = spectrum.analyse(np.ones(16, dtype=np.float32))
    >>> magnitude.shape, magnitude[0].round(6).tolist(), power[0].round(6).tolist()
    ((3, 5), [8.0, 0.0, 0.0, 0.0, 0.0], [64.0, 0.0, 0.0, 0.0, 0.0])
    """

    def __init__(self, window: npt.NDArray[np.float64], hop_length: int, n_frames: int) -> None:
        n_bins, n_rows = len(window) // 2 + 1, min(n_frames, max(1, BLOCK_SAMPLES // len(window)))
        self._hop_length = hop_length
        self._windows = np.tile(window, (n_rows, 1))
        self._windowed = np.empty((n_rows, len(window)))
        self._transform = np.empty((n_rows, n_bins), dtype=np.complex128)
        self._rounded = np.empty((n_rows, n_bins), dtype=np.complex64)
        self._magnitude = np.empty((n_frames, n_bins), dtype=np.float32)
        self._power = np.empty((n_frames, n_bins), dtype=np.float32)

    def analyse(self, samples: npt.NDArray[np.float32]) -> tuple[Frames, Frames]:
        """Return the magnitudes and the power of all whole frames, shape (n, n_bins); the next call writes over them.

        Parameters
        ----------
        samples : ndarray, shape (n_fft + (n - 1) * hop_length or more,), float32
            Consecutive samples of at most ``n_frames`` frames.
        """
        n_rows, n_fft = self._windows.shape
        n, step = 1 + (len(samples) - n_fft) // self._hop_length, samples.itemsize
        frames = np.ndarray((n, n_fft), samples.dtype, samples, strides=(self._hop_length * step, step))
        magnitude = self._magnitude[:n]
        for start in range(0, n, n_rows):
            np.abs(self._transformed(frames[start : start + n_rows]), out=magnitude[start : start + n_rows])
        return magnitude, np.multiply(magnitude, magnitude, out=self._power[:n])

    def _transformed(self, frames: Frames) -> npt.NDArray[np.complex64]:
        """Return the transforms of some frames, shape (n, n_bins)."""
        n = len(frames)
        windowed, rounded = self._windowed[:n], self._rounded[:n]
        np.copyto(windowed, frames)
        np.multiply(windowed, self._windows[:n], out=windowed)
        place: dict[str, Any] = {"out": self._transform[:n]} if HAS_PLACE else {}
        np.copyto(rounded, np.fft.rfft(windowed, **place), casting="same_kind")
        return rounded
