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
DECIBELS = np.float32(10 / np.log(10))
# mel bands made by one product: more multiply by more zeros, fewer take more calls
BLOCK_BANDS = 16
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
        as ``prepare`` gave them, and the settings. A frame must not depend on others, so that frames are the same
        however the samples arrive.
    check : callable or None
        Takes the settings, and raises SettingError where one of them is outside its bounds.
    has_warps : bool
        Whether it can warp frequencies by the factors ``vtln``.
    design : callable
        Takes the settings, and returns the tables that ``analyse`` needs, by name. They travel in the model file: what
        takes a library that is slow to import belongs here.
    layouts : mapping of str to TableLayout
        Type, shape and bounds of each of these tables.
    prepare : callable
        Takes these tables and the settings, and returns them in the form in which they are applied.
    check_tables : callable or None
        Takes such tables and the settings, and raises SettingError where they do not go together.
    hints : tuple of str
        Meaning of the first coefficients in plain words, as far as they have one.

    Examples
    --------
    >>> from gmmaudio.features import FrameSettings
    >>> FRONT_ENDS["mfcc"].n_coefficients(FrameSettings(n_mfcc=13))
    13
    """

    unit: str
    explanation: str
    n_coefficients: Callable[[FrameSettings], int]
    analyse: Callable[[npt.NDArray[np.float32], Frames, Any, FrameSettings], Analysis]
    check: Callable[[FrameSettings], None] | None = None
    has_warps: bool = False
    design: Callable[[FrameSettings], dict[str, npt.NDArray[Any]]] = lambda _settings: {}
    layouts: Mapping[str, TableLayout] = field(default_factory=dict)
    prepare: Callable[[Tables, FrameSettings], Any] = lambda tables, _settings: tables
    check_tables: Callable[[Tables, FrameSettings], None] | None = None
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class MelBlock:
    """Some neighbouring mel bands: dense where they lie, so that one small product makes them.

    Parameters
    ----------
    bands : slice
        The bands, those of all warps in one row.
    bins : slice
        Bins of the spectrum that they hold.
    weights : ndarray, shape (n_bins, n_bands), float32
        Weight of each bin in each band.
    """

    bands: slice
    bins: slice
    weights: Frames


@dataclass(frozen=True, eq=False)
class MfccTables:
    """The tables of MFCC in the form in which they are applied.

    Parameters
    ----------
    blocks : tuple of MelBlock
        The mel bands of all warps.
    transform : ndarray, shape (n_mels, n_coefficients), float64
        From natural logarithms of power to cepstra of decibels.
    """

    blocks: tuple[MelBlock, ...]
    transform: npt.NDArray[np.float64]


def analyse_mfcc(
    _samples: npt.NDArray[np.float32], power: Frames, tables: MfccTables, settings: FrameSettings
) -> Analysis:
    """Return mel-frequency cepstral coefficients: the DCT-II of the decibels of mel bands, orthonormal, as in librosa.

    Parameters
    ----------
    _samples : ndarray, shape (n_samples,), float32
        Not used: all is in the spectra.
    power : ndarray, shape (n, n_fft // 2 + 1), float32
        Power of the short-time Fourier transform.
    tables : MfccTables
        What :func:`prepare_mfcc` gave.
    settings : FrameSettings
        Its settings.

    References
    ----------
    Davis, Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously
    spoken sentences", IEEE Trans. Acoustics, Speech, and Signal Processing 28(4) (1980).
    """
    n, n_mels = len(power), settings.n_mels
    mel = np.empty((n, settings.n_warps * n_mels), dtype=np.float32)
    for block in tables.blocks:
        np.matmul(power[:, block.bins], block.weights, out=mel[:, block.bands])
    level = _log_power(mel[:, :n_mels].sum(axis=1))
    # no top_db: it would make a frame depend on the clip's loudest moment, and a block differ from the whole
    log_mel = _log_power(mel)
    # c0 is near 1,000, where a step of float32 is 6e-5: only the result is rounded to it
    cepstra = log_mel.reshape(-1, n_mels) @ tables.transform
    coefficients = cepstra.astype(np.float32).reshape(n, -1)
    return Analysis(coefficients, DECIBELS * log_mel[:, :n_mels], DECIBELS * level)


def _log_power(power: Frames) -> Frames:
    """Return natural logarithms of powers, which take a third of the time of decimal ones; a floor under them."""
    logarithm: Frames = np.log(np.maximum(power, np.float32(POWER_FLOOR)))
    return logarithm


def prepare_mfcc(tables: Tables, settings: FrameSettings) -> MfccTables:
    """Return the tables of MFCC in the form in which they are applied.

    Parameters
    ----------
    tables : mapping of str to ndarray
        What :func:`design_mfcc` gave.
    settings : FrameSettings
        Its settings.

    Examples
    --------
    >>> from gmmaudio.features import FrameSettings
    >>> tables = prepare_mfcc(design_mfcc(FrameSettings()), FrameSettings())
    >>> len(tables.blocks), tables.blocks[0].weights.shape
    (8, (40, 16))
    """
    n_mels, width = settings.n_mels, tables["mel_weights"].shape[2]
    blocks = []
    for warp, (first, weights) in enumerate(zip(tables["mel_first"], tables["mel_weights"], strict=True)):
        for start in range(0, n_mels, BLOCK_BANDS):
            begins = first[start : start + BLOCK_BANDS]
            low, n = int(begins.min()), len(begins)
            dense = np.zeros((n, int(begins.max()) - low + width), dtype=np.float32)
            places = (begins - low)[:, None] + np.arange(width)
            np.put_along_axis(dense, places, weights[start : start + n], axis=1)
            # narrow bands are as many weights long as the widest, with zeros at the end
            dense = dense[:, : 1 + int(dense.nonzero()[1].max(initial=0))]
            bands = slice(warp * n_mels + start, warp * n_mels + start + n)
            blocks.append(MelBlock(bands, slice(low, low + dense.shape[1]), np.ascontiguousarray(dense.T)))
    return MfccTables(tuple(blocks), np.ascontiguousarray(tables["dct"].T) * (10 / np.log(10)))


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
    """Raise SettingError where bands have no weights, or one holds bins that the spectrum has not.

    Parameters
    ----------
    tables : mapping of str to ndarray
        Tables as :func:`design_mfcc` makes them.
    settings : FrameSettings
        Settings of the frames.
    """
    width = tables["mel_weights"].shape[2]
    if width < 1:
        raise SettingError("the mel bands have no weights; expected at least one each")
    last = int(tables["mel_first"].max()) + width
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
        prepare=prepare_mfcc,
        check_tables=check_mfcc_tables,
        hints=("level", "low against high frequencies"),
    ),
}
