"""Spectral descriptors of frames: a function for each, and one table that names them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.features.normalise import Frames

# edges of the bands of spectral contrast: octaves from 200 Hz, and what lies below
CONTRAST_EDGES_HZ = (0, 200, 400, 800, 1600, 3200, 6400, 12_800)
# share of a band's bins that its peak and its valley are the means of; share of the magnitude below the rolloff
CONTRAST_QUANTILE = 0.02
ROLLOFF = 0.85
# bins summed before they are compared with the rolloff
RUN_BINS = 32
# librosa's floor of magnitudes and samples
FLOOR = 1e-10


class Framing(Protocol):
    """Settings by which samples are cut into frames; :class:`gmmaudio.features.FrameSettings` has them."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples, hertz."""

    @property
    def window_s(self) -> float:
        """Length of a frame, seconds."""

    @property
    def n_fft(self) -> int:
        """Length of the FFT, samples."""

    @property
    def hop_length(self) -> int:
        """Step between frames, samples."""


@dataclass(frozen=True, eq=False)
class Spectra:
    """One run of consecutive frames, of which descriptors are computed.

    Parameters
    ----------
    samples : ndarray, shape (n_fft + (n - 1) * hop_length or more,), float32
        What the frames cover: frame t begins at sample ``t * hop_length``.
    magnitude : ndarray, shape (n, n_fft // 2 + 1), float32
        Magnitudes of the short-time Fourier transform.
    power : ndarray, shape (n, n_fft // 2 + 1), float32
        Their squares.
    log_bands : ndarray, shape (n, n_bands), float32
        Power in the bands of the front end, decibel.
    previous_log_bands : ndarray, shape (1, n_bands), float32
        That of the frame before these; at the start of a clip that of its first frame.
    framing : Framing
        Rate, length and step of the frames.

    Examples
    --------
    >>> from gmmaudio.features import FrameSettings
    >>> magnitude = np.zeros((3, 1025), dtype=np.float32)
    >>> bands = np.zeros((3, 128), dtype=np.float32)
    >>> spectra = Spectra(np.zeros(3072, dtype=np.float32), magnitude, magnitude**2, bands, bands[:1], FrameSettings())
    >>> len(spectra), round(float(spectra.bins_khz[-1]), 3)
    (3, 11.025)
    """

    samples: npt.NDArray[np.float32]
    magnitude: Frames
    power: Frames
    log_bands: Frames
    previous_log_bands: Frames
    framing: Framing

    def __len__(self) -> int:
        return len(self.magnitude)

    @property
    def bins_khz(self) -> Frames:
        """Frequency of every bin, shape (n_fft // 2 + 1,), kilohertz."""
        return _bins_khz(self.framing.n_fft, self.framing.sample_rate_hz)


@lru_cache(maxsize=16)
def _bins_khz(n_fft: int, sample_rate_hz: int) -> Frames:
    """Return the frequency of every bin, kilohertz."""
    bins = np.fft.rfftfreq(n_fft, 1000 / sample_rate_hz).astype(np.float32)
    bins.setflags(write=False)
    return bins


@dataclass(frozen=True)
class Descriptor:
    """One row of :data:`DESCRIPTORS`.

    Parameters
    ----------
    n_columns : int
        Columns that it has in a frame.
    unit : str
        Of its values.
    explanation : str
        What it measures, in one line.
    compute : callable
        Spectra of n frames to an array of shape (n,) or (n, n_columns). A frame must not depend on others than itself
        and the one before it, so that frames are the same however the samples arrive.
    check : callable or None
        Takes the framing, and raises SettingError where the descriptor does not exist for it.
    names : tuple of str
        Each column in plain words; empty takes the name of the row.

    Raises
    ------
    SettingError
        If there are names, and not one for each column.

    Examples
    --------
    >>> DESCRIPTORS["centroid"].n_columns, DESCRIPTORS["centroid"].unit
    (1, 'kHz')
    >>> level = Descriptor(1, "1", "mean magnitude", lambda spectra: spectra.magnitude.mean(axis=1))
    """

    n_columns: int
    unit: str
    explanation: str
    compute: Callable[[Spectra], npt.NDArray[Any]]
    check: Callable[[Framing], None] | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.names and len(self.names) != self.n_columns:
            raise SettingError(f"names are {', '.join(self.names)}; expected one for each of {self.n_columns} columns")


def compute_descriptors(names: Sequence[str], spectra: Spectra) -> Frames:
    """Return the descriptors of frames, shape (n, n_columns of all), float32.

    Parameters
    ----------
    names : sequence of str
        Of :data:`DESCRIPTORS`, in the order of the columns.
    spectra : Spectra
        The frames.

    Examples
    --------
    >>> from gmmaudio.features import FrameSettings
    >>> magnitude, bands = np.ones((3, 1025), dtype=np.float32), np.zeros((3, 128), dtype=np.float32)
    >>> spectra = Spectra(np.zeros(3072, dtype=np.float32), magnitude, magnitude**2, bands, bands[:1], FrameSettings())
    >>> compute_descriptors(("centroid", "zero_crossings"), spectra)[0].round(1).tolist()
    [5.5, 0.0]
    """
    columns = [np.zeros((len(spectra), 0), dtype=np.float32)]
    for name in names:
        descriptor = DESCRIPTORS[name]
        values = np.asarray(descriptor.compute(spectra), dtype=np.float32)
        columns.append(values.reshape(len(spectra), descriptor.n_columns))
    return np.concatenate(columns, axis=1)


def compute_contrast(spectra: Spectra) -> Frames:
    """Return the contrast of peaks and valleys in each octave band, shape (n, 7), decibel of magnitude as in librosa.

    librosa also lifts what lies 80 dB below the loudest moment, by which a frame would depend on its neighbours.

    Parameters
    ----------
    spectra : Spectra
        The frames.

    References
    ----------
    Jiang et al., "Music type classification by spectral contrast feature", ICME 2002.
    """
    # magnitudes are not negative: their bits, taken as whole numbers, have the same order and are faster to sort
    rows, framing = spectra.magnitude.view(np.int32), spectra.framing
    bands = _contrast_bands(framing.n_fft, framing.sample_rate_hz)
    peaks, valleys = np.empty((2, len(rows), len(bands)), dtype=np.float32)
    for k, (first, end, n) in enumerate(bands):
        ordered = np.sort(rows[:, first:end], axis=1).view(np.float32)
        np.add.reduce(ordered[:, -n:], axis=1, out=peaks[:, k])
        np.add.reduce(ordered[:, :n], axis=1, out=valleys[:, k])
    sizes = np.array([n for _, _, n in bands], dtype=np.float32)
    floor = np.float32(FLOOR)
    return np.asarray(10 * np.log10(np.maximum(peaks / sizes, floor) / np.maximum(valleys / sizes, floor)))


@lru_cache(maxsize=16)
def _contrast_bands(n_fft: int, sample_rate_hz: int) -> tuple[tuple[int, int, int], ...]:
    """Return the first bin of each band, the one after its last, and the number of bins of its peak and valley."""
    hz = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    edges = list(itertools.pairwise(CONTRAST_EDGES_HZ))
    bands = []
    for k, (low, high) in enumerate(edges):
        inside, is_last = np.flatnonzero((hz >= low) & (hz <= high)), k == len(edges) - 1
        # librosa's bands begin one bin early and end one bin early; the last takes all that is left
        first, end = int(inside[0]) - (k > 0), len(hz) if is_last else int(inside[-1])
        bands.append((first, end, max(1, round(CONTRAST_QUANTILE * (end - first + (not is_last))))))
    return tuple(bands)


def check_contrast(framing: Framing) -> None:
    """Raise SettingError where a band of spectral contrast would hold no bin.

    Parameters
    ----------
    framing : Framing
        Rate and length of the frames.
    """
    if framing.sample_rate_hz <= 2 * CONTRAST_EDGES_HZ[-2]:
        raise SettingError(f"sample_rate_hz is {framing.sample_rate_hz}; spectral contrast needs more than 12,800")
    if framing.n_fft * CONTRAST_EDGES_HZ[1] < framing.sample_rate_hz:
        raise SettingError(f"window_s is {framing.window_s:g}; spectral contrast needs more than 0.005")


def compute_centroid(spectra: Spectra) -> Frames:
    """Return the mean frequency of each frame (n,), weighted by magnitude, kilohertz; 0 in digital silence.

    Parameters
    ----------
    spectra : Spectra
        The frames.
    """
    rows = spectra.magnitude
    return np.asarray((rows @ spectra.bins_khz) / np.maximum(rows.sum(axis=1), np.finfo(np.float32).tiny))


def compute_rolloff(spectra: Spectra) -> Frames:
    """Return the frequency below which 85 % of a frame's magnitude lies (n,), kilohertz; 0 in digital silence.

    Parameters
    ----------
    spectra : Spectra
        The frames.
    """
    rows = spectra.magnitude
    n_bins, frame = rows.shape[1], np.arange(len(rows))
    # sums of runs of bins first, then of the bins of one run: sums over all bins take four times as long
    ends = np.cumsum(np.add.reduceat(rows, np.arange(0, n_bins, RUN_BINS), axis=1), axis=1)
    below = ROLLOFF * ends[:, -1]
    run = (ends >= below[:, None]).argmax(axis=1)
    rest = below - np.where(run > 0, ends[frame, run - 1], np.float32(0))
    places = np.minimum(run[:, None] * RUN_BINS + np.arange(RUN_BINS), n_bins - 1)
    inside = np.cumsum(rows[frame[:, None], places], axis=1)
    n_below = np.add.reduce(inside < rest[:, None], axis=1)
    return np.asarray(spectra.bins_khz[np.minimum(run * RUN_BINS + n_below, n_bins - 1)])


def compute_flatness(spectra: Spectra) -> npt.NDArray[Any]:
    """Return the geometric over the arithmetic mean of each frame's power (n,), log10: 0 for noise, less for tones.

    Parameters
    ----------
    spectra : Spectra
        The frames.
    """
    power = np.maximum(spectra.power, np.float32(FLOOR))
    n_bins = np.float32(power.shape[1])
    arithmetic = np.log(np.add.reduce(power, axis=1) / n_bins)
    # the logarithm of a geometric mean is the mean of logarithms
    geometric = np.add.reduce(np.log(power, out=power), axis=1) / n_bins
    return np.asarray((geometric - arithmetic) / np.float32(np.log(10)))


def compute_zero_crossings(spectra: Spectra) -> npt.NDArray[np.float64]:
    """Return the share of the samples of each frame (n,) that lie across zero from the one before.

    Parameters
    ----------
    spectra : Spectra
        The frames.
    """
    n_fft = spectra.framing.n_fft
    below = spectra.samples < -FLOOR
    crossings = np.flatnonzero(below[1:] != below[:-1])
    first = np.arange(len(spectra)) * spectra.framing.hop_length
    n_before, n_until = np.searchsorted(crossings, first), np.searchsorted(crossings, first + n_fft - 1)
    return np.asarray((n_until - n_before) / n_fft)


def compute_onset(spectra: Spectra) -> npt.NDArray[Any]:
    """Return the mean rise of the bands since the frame before (n,), falls counted as 0, decibel.

    Parameters
    ----------
    spectra : Spectra
        The frames.
    """
    bands = np.concatenate([spectra.previous_log_bands, spectra.log_bands])
    return np.asarray(np.maximum(np.diff(bands, axis=0), 0).mean(axis=1))


# In the order of their columns: a new one goes last, so that the columns of others keep their order.
DESCRIPTORS: dict[str, Descriptor] = {
    "contrast": Descriptor(
        len(CONTRAST_EDGES_HZ) - 1,
        "dB",
        "spectral contrast: peaks above valleys in seven octave bands",
        compute_contrast,
        check_contrast,
        (
            f"spectral contrast below {CONTRAST_EDGES_HZ[1]} Hz",
            *(f"spectral contrast {low} to {high} Hz" for low, high in itertools.pairwise(CONTRAST_EDGES_HZ[1:-1])),
            f"spectral contrast above {CONTRAST_EDGES_HZ[-2]} Hz",
        ),
    ),
    "centroid": Descriptor(
        1, "kHz", "mean frequency, weighted by magnitude", compute_centroid, names=("spectral centroid",)
    ),
    "rolloff": Descriptor(
        1, "kHz", "frequency below which 85 % of the magnitude lies", compute_rolloff, names=("spectral rolloff",)
    ),
    "flatness": Descriptor(
        1, "log10", "geometric over arithmetic mean of the power", compute_flatness, names=("spectral flatness",)
    ),
    "zero_crossings": Descriptor(1, "0..1", "share of samples across zero from the one before", compute_zero_crossings),
    "onset": Descriptor(
        1,
        "dB",
        "onset strength: mean rise of the bands since the frame before",
        compute_onset,
        names=("onset strength",),
    ),
}
