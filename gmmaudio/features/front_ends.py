"""Front ends: how the spectra of frames become coefficients. A function for each, and one table that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.features.normalise import Frames

if TYPE_CHECKING:
    # the settings name a front end of this table, and check themselves by it
    from gmmaudio.features.settings import FrameSettings


@dataclass(frozen=True, eq=False)
class Analysis:
    """Output of a front end for one run of n consecutive frames.

    Parameters
    ----------
    coefficients : ndarray, shape (n, n_warps * n_coefficients), float32
        One VTLN warp after the other, the unwarped first.
    log_bands : ndarray, shape (n_bands, n), float32
        Power in frequency bands, decibel: onset strength is their rise.
    level_db : ndarray, shape (n,), float32
        Level by which the gate judges a frame, decibel.

    Examples
    --------
    >>> bands = np.zeros((40, 3), dtype=np.float32)
    >>> Analysis(bands.T, bands, bands.sum(axis=0)).coefficients.shape
    (3, 40)
    """

    coefficients: Frames
    log_bands: Frames
    level_db: Frames


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
        Takes samples, shape (n_samples,), the magnitudes of their spectra, shape (n_fft // 2 + 1, n), and the
        settings. A frame must not depend on others, so that frames are the same however the samples arrive.
    check : callable or None
        Takes the settings, and raises SettingError where one of them is outside its bounds.
    has_warps : bool
        Whether it can warp frequencies by the factors ``vtln``.

    Examples
    --------
    >>> from gmmaudio.features import FrameSettings
    >>> FRONT_ENDS["mfcc"].n_coefficients(FrameSettings(n_mfcc=13))
    13
    """

    unit: str
    explanation: str
    n_coefficients: Callable[[FrameSettings], int]
    analyse: Callable[[npt.NDArray[np.float32], Frames, FrameSettings], Analysis]
    check: Callable[[FrameSettings], None] | None = None
    has_warps: bool = False


def analyse_mfcc(_samples: npt.NDArray[np.float32], magnitude: Frames, settings: FrameSettings) -> Analysis:
    """Return mel-frequency cepstral coefficients: the DCT-II of the decibels of mel bands, orthonormal, as in librosa.

    Parameters
    ----------
    _samples : ndarray, shape (n_samples,), float32
        Not used: all is in the spectra.
    magnitude : ndarray, shape (n_fft // 2 + 1, n), float32
        Magnitudes of the short-time Fourier transform.
    settings : FrameSettings
        ``n_mels`` bands from ``fmin_hz`` to ``fmax_hz``, their edges multiplied by each of ``vtln``; ``n_mfcc``.

    References
    ----------
    Davis, Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously
    spoken sentences", IEEE Trans. Acoustics, Speech, and Signal Processing 28(4) (1980).
    """
    import librosa

    power, factors = magnitude**2, (1.0, *settings.vtln)
    mels = [librosa.feature.melspectrogram(S=power, **_mel_settings(settings, factor)) for factor in factors]
    # top_db would make a frame depend on the clip's loudest moment, and a block differ from the whole
    log_mels = [librosa.power_to_db(mel, top_db=None) for mel in mels]
    mfcc = np.concatenate([librosa.feature.mfcc(S=log_mel, n_mfcc=settings.n_mfcc) for log_mel in log_mels])
    level = librosa.power_to_db(mels[0].sum(axis=0), top_db=None)
    return Analysis(mfcc.T.astype(np.float32), log_mels[0], level.astype(np.float32))


def check_mfcc(settings: FrameSettings) -> None:
    """Raise SettingError where there would be more coefficients than mel bands.

    Parameters
    ----------
    settings : FrameSettings
        ``n_mfcc`` and ``n_mels`` are checked.
    """
    if not 1 <= settings.n_mfcc <= settings.n_mels:
        raise SettingError(f"n_mfcc is {settings.n_mfcc:g}; expected 1 to {settings.n_mels:g}")


def _mel_settings(settings: FrameSettings, factor: float) -> dict[str, Any]:
    """Return librosa's settings of the mel bands, their edges multiplied by a factor."""
    return {
        "sr": settings.sample_rate_hz,
        "n_fft": settings.n_fft,
        "n_mels": settings.n_mels,
        "fmin": factor * settings.fmin_hz,
        "fmax": factor * settings.fmax_hz,
    }


FRONT_ENDS: dict[str, FrontEnd] = {
    "mfcc": FrontEnd(
        "MFCC",
        "mel-frequency cepstral coefficients",
        lambda settings: settings.n_mfcc,
        analyse_mfcc,
        check_mfcc,
        has_warps=True,
    ),
}
