"""Spectral descriptors of frames: contrast, centroid, rolloff, flatness, zero crossings, onset strength."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.features.normalise import Frames
from gmmaudio.features.settings import CONTRAST_EDGES_HZ, FrameSettings

# share of a band's bins that its peak and its valley are the means of; share of the magnitude below the rolloff
CONTRAST_QUANTILE = 0.02
ROLLOFF = 0.85
# librosa's floor of magnitudes and samples
LEAST = 1e-10


def compute_descriptors(
    samples: npt.NDArray[np.float32], magnitude: Frames, log_mel: Frames, before: Frames, settings: FrameSettings
) -> Frames:
    """Return the descriptors of frames, shape (n, d); ``before`` is the log mel spectrum of the frame before them."""
    from librosa.feature import spectral_flatness
    from librosa.onset import onset_strength

    rows = magnitude.T
    khz = np.fft.rfftfreq(settings.n_fft, 1000 / settings.sample_rate_hz).astype(np.float32)
    # by name, so that only those asked for are computed
    found: dict[str, Any] = {
        "contrast": lambda: _contrast(rows, settings),
        "centroid": lambda: (rows @ khz) / np.maximum(rows.sum(axis=1), np.finfo(np.float32).tiny),
        "rolloff": lambda: khz[_rolloff(rows)],
        "flatness": lambda: np.log10(spectral_flatness(S=magnitude)[0]),
        "zero_crossings": lambda: _zero_crossings(samples, len(rows), settings),
        "onset": lambda: onset_strength(S=np.concatenate([before, log_mel], axis=1), center=False)[1:],
    }
    columns = [np.asarray(found[name](), dtype=np.float32).reshape(len(rows), -1) for name in settings.descriptors]
    return np.concatenate(columns, axis=1) if columns else np.zeros((len(rows), 0), dtype=np.float32)


def _contrast(rows: Frames, settings: FrameSettings) -> npt.NDArray[np.float64]:
    """Return how far peaks stand above valleys in each octave band (n, 7), in decibel of magnitude as in librosa.

    librosa also lifts what lies 80 dB below the loudest moment, by which a frame would depend on its neighbours.

    References
    ----------
    Jiang et al., "Music type classification by spectral contrast feature", ICME 2002.
    """
    hz = np.fft.rfftfreq(settings.n_fft, 1 / settings.sample_rate_hz)
    bands = list(itertools.pairwise(CONTRAST_EDGES_HZ))
    contrast = np.empty((len(rows), len(bands)))
    for k, (low, high) in enumerate(bands):
        inside = np.flatnonzero((hz >= low) & (hz <= high))
        # librosa's bands begin one bin early and end one bin early; the last takes all that is left
        first, end = inside[0] - (k > 0), inside[-1]
        if k == len(bands) - 1:
            end = len(hz)
        n = max(1, round(CONTRAST_QUANTILE * (end - first + (k < len(bands) - 1))))
        ordered = np.sort(rows[:, first:end], axis=1)
        peak, valley = ordered[:, -n:].mean(axis=1), ordered[:, :n].mean(axis=1)
        contrast[:, k] = 10 * np.log10(np.maximum(peak, LEAST) / np.maximum(valley, LEAST))
    return contrast


def _rolloff(rows: Frames) -> npt.NDArray[np.intp]:
    """Return the bin of each frame (n,) up to which 85 % of its magnitude lies; 0 in digital silence."""
    total = np.cumsum(rows, axis=1)
    return np.asarray(np.count_nonzero(total < ROLLOFF * total[:, -1:], axis=1))


def _zero_crossings(
    samples: npt.NDArray[np.float32], n_frames: int, settings: FrameSettings
) -> npt.NDArray[np.float64]:
    """Return the share of the samples of each frame (n,) that lie across zero from the one before."""
    below = samples < -LEAST
    crossed = np.concatenate([[0], np.cumsum(below[1:] != below[:-1])])
    first = np.arange(n_frames) * settings.hop_length
    return np.asarray((crossed[first + settings.n_fft - 1] - crossed[first]) / settings.n_fft)
