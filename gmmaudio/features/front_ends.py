"""Front ends: how the spectra of frames become coefficients. A function for each, and one table that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.features.normalise import Frames

if TYPE_CHECKING:
    # the settings name a front end of this table, and check themselves by it
    from gmmaudio.features.settings import FrameSettings

# librosa's floor of power
POWER_FLOOR = 1e-10
Tables = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Analysis:
    """Output of a front end for one run of n consecutive frames.

    Parameters
    ----------
    coefficients : ndarray, shape (n, n_warps * n_coefficients), float32
        One VTLN warp after the other, the unwarped first.
    log_bands : ndarray, shape (n, n_bands), float32
        Power in frequency bands, decibel: onset strength is their rise.
    level_db : ndarray, shape (n,), float32
        Level by which the gate judges a frame, decibel.

    Examples
    --------
    >>> bands = np.zeros((3, 40), dtype=np.float32)
    >>> Analysis(bands, bands, bands.sum(axis=1)).coefficients.shape
    (3, 40)
    """

    coefficients: Frames
    log_bands: Frames
    level_db: Frames


@dataclass(frozen=True)
class TableLayout:
    """Type, shape and bounds of one table of a front end.

    Parameters
    ----------
    dtype : str
        Type of its numbers, as numpy names it.
    shape : tuple of str
        Name of each axis.
    low, high : float
        Bounds of its numbers.

    Examples
    --------
    >>> FRONT_ENDS["mfcc"].layouts["dct"].shape
    ('n_coefficients', 'n_mels')
    """

    dtype: str
    shape: tuple[str, ...]
    low: float
    high: float


@dataclass(frozen=True)
class FrontEnd:
    """One row of :data:`FRONT_ENDS`.

    Parameters
    ----------
    unit : str
        What its coefficients are called: "MFCC".
    explanation : str
        What it computes, in one line.
    n_coefficients : callable
        Takes the settings, and returns the number of coefficients of a frame, of one warp.
    analyse : callable
        Takes samples, shape (n_samples,), the power of their spectra, shape (n, n_fft // 2 + 1), the front end's tables
        by name, and the settings. A frame must not depend on others, so that frames are the same however the samples
        arrive.
    check : callable or None
        Takes the settings, and raises SettingError where one of them is outside its bounds.
    has_warps : bool
        Whether it can warp frequencies by the factors ``vtln``.
    design : callable
        Takes the settings, and returns the tables that ``analyse`` needs, by name. They travel in the model file: what
        takes a library that is slow to import belongs here.
    layouts : mapping of str to TableLayout
        Type, shape and bounds of each of these tables.
    check_tables : callable or None
        Takes such tables and the settings, and raises SettingError where they do not go together.

    Examples
    --------
    >>> from gmmaudio.features import FrameSettings
    >>> FRONT_ENDS["mfcc"].n_coefficients(FrameSettings(n_mfcc=13))
    13
    """

    unit: str
    explanation: str
    n_coefficients: Callable[[FrameSettings], int]
    analyse: Callable[[npt.NDArray[np.float32], Frames, Tables, FrameSettings], Analysis]
    check: Callable[[FrameSettings], None] | None = None
    has_warps: bool = False
    design: Callable[[FrameSettings], dict[str, npt.NDArray[Any]]] = lambda _settings: {}
    layouts: Mapping[str, TableLayout] = field(default_factory=dict)
    check_tables: Callable[[Tables, FrameSettings], None] | None = None


def analyse_mfcc(_samples: npt.NDArray[np.float32], power: Frames, tables: Tables, settings: FrameSettings) -> Analysis:
    """Return mel-frequency cepstral coefficients: the DCT-II of the decibels of mel bands, orthonormal, as in librosa.

    Parameters
    ----------
    _samples : ndarray, shape (n_samples,), float32
        Not used: all is in the spectra.
    power : ndarray, shape (n, n_fft // 2 + 1), float32
        Power of the short-time Fourier transform.
    tables : mapping of str to ndarray
        What :func:`design_mfcc` gave.
    settings : FrameSettings
        Its settings.

    References
    ----------
    Davis, Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously
    spoken sentences", IEEE Trans. Acoustics, Speech, and Signal Processing 28(4) (1980).
    """
    mel = power @ _dense(tables, power.shape[1])
    # no top_db: it would make a frame depend on the clip's loudest moment, and a block differ from the whole
    log_mel = _decibels(mel)
    n_mels = settings.n_mels
    warps = [log_mel[:, k : k + n_mels] @ tables["dct"].T for k in range(0, mel.shape[1], n_mels)]
    level = _decibels(mel[:, :n_mels].sum(axis=1))
    return Analysis(np.concatenate(warps, axis=1).astype(np.float32), log_mel[:, :n_mels], level)


def _decibels(power: Frames) -> Frames:
    """Return powers in decibel, at least -100."""
    decibels: Frames = np.float32(10) * np.log10(np.maximum(power, np.float32(POWER_FLOOR)))
    return decibels


def _dense(tables: Tables, n_bins: int) -> Frames:
    """Return the mel banks of all warps side by side, shape (n_bins, n_warps * n_mels)."""
    first, weights = tables["mel_first"], tables["mel_weights"]
    bank = np.zeros((first.size, n_bins), dtype=np.float32)
    columns = first.reshape(-1, 1) + np.arange(weights.shape[2])
    np.put_along_axis(bank, columns, weights.reshape(first.size, -1), axis=1)
    return bank.T


def design_mfcc(settings: FrameSettings) -> dict[str, npt.NDArray[Any]]:
    """Return the mel banks of all VTLN warps and the cosine transform, designed by librosa and scipy.

    Parameters
    ----------
    settings : FrameSettings
        ``n_mels`` bands from ``fmin_hz`` to ``fmax_hz``, their edges multiplied by each of ``vtln``; ``n_mfcc``.

    Returns
    -------
    dict of str to ndarray
        ``mel_weights``, shape (n_warps, n_mels, mel_width), the weights of consecutive bins, whose first is in
        ``mel_first``, shape (n_warps, n_mels); ``dct``, shape (n_mfcc, n_mels).
    """
    from librosa.filters import mel
    from scipy.fft import dct

    options: dict[str, Any] = {"sr": settings.sample_rate_hz, "n_fft": settings.n_fft, "n_mels": settings.n_mels}
    edges = [(factor * settings.fmin_hz, factor * settings.fmax_hz) for factor in (1.0, *settings.vtln)]
    banks = np.array([mel(fmin=low, fmax=high, **options) for low, high in edges])
    n_bins = banks.shape[2]
    holds = banks > 0
    begin, end = holds.argmax(axis=2), n_bins - holds[:, :, ::-1].argmax(axis=2)
    # a band without a bin has no weights
    width = int(np.where(holds.any(axis=2), end - begin, 1).max())
    first = np.minimum(begin, n_bins - width)
    weights = np.take_along_axis(banks, first[:, :, None] + np.arange(width), axis=2)
    transform = dct(np.eye(settings.n_mels), axis=0, norm="ortho")[: settings.n_mfcc]
    return {"mel_first": first.astype(np.int32), "mel_weights": weights, "dct": np.ascontiguousarray(transform)}


def check_mfcc_tables(tables: Tables, settings: FrameSettings) -> None:
    """Raise SettingError where a band holds bins that the spectrum has not.

    Parameters
    ----------
    tables : mapping of str to ndarray
        Tables as :func:`design_mfcc` makes them.
    settings : FrameSettings
        Settings of the frames.
    """
    last = int(tables["mel_first"].max()) + tables["mel_weights"].shape[2]
    if last > settings.n_fft // 2 + 1:
        raise SettingError(f"a mel band ends at bin {last}; expected at most {settings.n_fft // 2 + 1}")


def check_mfcc(settings: FrameSettings) -> None:
    """Raise SettingError where there would be more coefficients than mel bands.

    Parameters
    ----------
    settings : FrameSettings
        ``n_mfcc`` and ``n_mels`` are checked.
    """
    if not 1 <= settings.n_mfcc <= settings.n_mels:
        raise SettingError(f"n_mfcc is {settings.n_mfcc:g}; expected 1 to {settings.n_mels:g}")


FRONT_ENDS: dict[str, FrontEnd] = {
    "mfcc": FrontEnd(
        "MFCC",
        "mel-frequency cepstral coefficients",
        lambda settings: settings.n_mfcc,
        analyse_mfcc,
        check_mfcc,
        has_warps=True,
        design=design_mfcc,
        layouts={
            "mel_first": TableLayout("int32", ("n_warps", "n_mels"), 0, 2**16),
            "mel_weights": TableLayout("float32", ("n_warps", "n_mels", "mel_width"), 0.0, 2.0),
            "dct": TableLayout("float64", ("n_coefficients", "n_mels"), -1.0, 1.0),
        },
        check_tables=check_mfcc_tables,
    ),
}
