"""Samples -> frames: MFCC, deltas, shifted delta cepstra, a gate, and normalisation.

Frames are rows. Raw frames are computed block by block, so that hours of audio fit in memory, and are the same
numbers however the samples arrive; the gate and the normalisation are a second pass over the frames of a whole trial.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import FeatureError, SettingError

Frames = npt.NDArray[np.float32]

NORMALISATIONS = ("none", "c0", "mean", "mean_variance")
WINDOWS = ("hann", "hamming")
WHOLE_NUMBERS = ("sample_rate_hz", "n_mels", "n_mfcc", "n_deltas", "delta_frames")

# Frames computed at once. Fixed, and counted from the clip's start, so that block and whole give the same bits.
BLOCK_FRAMES = 1024
NOT_FINITE = "the samples give frames that are not finite; check the file for NaN or infinite values"


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """How samples become frames: fixed settings only, which travel in the model file.

    Parameters
    ----------
    sample_rate_hz : int
        Rate that sound is resampled to, hertz.
    window_s, hop_s : float
        Length of a frame and step between frames, seconds. The FFT is the next power of two.
    window : {"hann", "hamming"}
        Shape of the frame.
    preemphasis : float
        Coefficient of the first-order high pass ``y[n] - a y[n-1]``, 0..1; 0 is none.
    n_mels : int
        Mel bands (Slaney's scale and area, librosa's default).
    fmin_hz, fmax_hz : float
        Edges of the bands, hertz.
    n_mfcc : int
        Cepstral coefficients kept, c0 included.
    n_deltas : {0, 1, 2}
        Derivatives appended: none, deltas, deltas and delta-deltas.
    delta_frames : int
        Width of the derivative's window, odd, frames.
    sdc : (int, int, int, int) or None
        Shifted delta cepstra N-d-P-k appended: for each of k steps of P frames, the difference of the first N
        coefficients d frames ahead and d frames back.
    gate_range_db : float or None
        Frames more than this far below the reference level are dropped; None drops nothing.
    gate_percentile : float
        The reference level: this percentile of the frame levels, 0..100 (100 is the loudest frame).
    normalise : {"none", "c0", "mean", "mean_variance"}
        Subtract the trial's mean from c0 (cures gain), from every column, or also divide by the deviation (CMVN).

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Davis and Mermelstein (1980), MFCC. Torres-Carrasquillo et al., "Approaches to language identification using
    Gaussian mixture models and shifted delta cepstral features", ICSLP 2002, N-d-P-k.

    Examples
    --------
    >>> FeatureConfig(n_mfcc=7, sdc=(7, 1, 3, 7)).n_features
    56
    """

    sample_rate_hz: int = 22050
    window_s: float = 2048 / 22050
    hop_s: float = 512 / 22050
    window: str = "hann"
    preemphasis: float = 0.0
    n_mels: int = 128
    fmin_hz: float = 0.0
    fmax_hz: float = 11025.0
    n_mfcc: int = 20
    n_deltas: int = 0
    delta_frames: int = 9
    sdc: tuple[int, int, int, int] | None = None
    gate_range_db: float | None = None
    gate_percentile: float = 100.0
    normalise: str = "none"

    def __post_init__(self) -> None:
        if self.sdc is not None:
            object.__setattr__(self, "sdc", tuple(self.sdc))
        whole = [(name, getattr(self, name)) for name in WHOLE_NUMBERS]
        for name, value in [*whole, *(("sdc", value) for value in self.sdc or ())]:
            if not isinstance(value, int):
                raise SettingError(f"{name} is {value!r}; expected a whole number")
        for name, value, low, high in self._bounds():
            if not low <= value <= high:
                raise SettingError(f"{name} is {value:g}; expected {low:g} to {high:g}")
        if self.window not in WINDOWS:
            raise SettingError(f"window is {self.window!r}; expected one of {', '.join(WINDOWS)}")
        if self.normalise not in NORMALISATIONS:
            raise SettingError(f"normalise is {self.normalise!r}; expected one of {', '.join(NORMALISATIONS)}")
        if self.delta_frames % 2 == 0:
            raise SettingError(f"delta_frames is {self.delta_frames}; expected an odd number")
        if self.sdc is not None and (len(self.sdc) != 4 or min(self.sdc) < 1 or self.sdc[0] > self.n_mfcc):
            raise SettingError(f"sdc is {self.sdc}; expected (N, d, P, k), each 1 or more, N at most {self.n_mfcc}")

    def _bounds(self) -> list[tuple[str, float, float, float]]:
        """Name, value, least and largest of every number."""
        nyquist = self.sample_rate_hz / 2
        return [
            ("sample_rate_hz", self.sample_rate_hz, 4000, 384_000),
            ("window_s", self.window_s, 0.002, 1.0),
            ("hop_s", self.hop_s, 0.001, 1.0),
            ("preemphasis", self.preemphasis, 0.0, 1.0),
            ("n_mels", self.n_mels, 2, 512),
            ("fmin_hz", self.fmin_hz, 0.0, self.fmax_hz - 1.0),
            ("fmax_hz", self.fmax_hz, 1.0, nyquist),
            ("n_mfcc", self.n_mfcc, 1, self.n_mels),
            ("n_deltas", self.n_deltas, 0, 2),
            ("delta_frames", self.delta_frames, 3, 101),
            ("gate_range_db", 1.0 if self.gate_range_db is None else self.gate_range_db, 0.1, 200.0),
            ("gate_percentile", self.gate_percentile, 0.0, 100.0),
        ]

    @property
    def hop_length(self) -> int:
        """Step between frames, samples."""
        return round(self.hop_s * self.sample_rate_hz)

    @property
    def win_length(self) -> int:
        """Length of a frame, samples."""
        return round(self.window_s * self.sample_rate_hz)

    @property
    def n_fft(self) -> int:
        """Length of the FFT, samples: the next power of two."""
        return 1 << (self.win_length - 1).bit_length()

    @property
    def frames_per_s(self) -> float:
        """Frames in a second."""
        return self.sample_rate_hz / self.hop_length

    @property
    def n_features(self) -> int:
        """Columns of a frame."""
        shifted = self.sdc[0] * self.sdc[3] if self.sdc else 0
        return self.n_mfcc * (1 + self.n_deltas) + shifted

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureConfig:
        """Return the settings that :meth:`to_dict` gave.

        Raises
        ------
        SettingError
            If a name is unknown, or a value is of the wrong kind or outside its bounds.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise SettingError(f"unknown feature settings {', '.join(unknown)}; made by a newer version?")
        try:
            return cls(**values)
        except TypeError as error:
            raise SettingError(f"feature settings of the wrong kind: {error}") from error


@dataclass(frozen=True, eq=False)
class RawFrames:
    """Frames before the gate and the normalisation.

    Parameters
    ----------
    values : ndarray, shape (n, n_features), float32
        Decibel-like cepstra and their differences.
    level_db : ndarray, shape (n,), float32
        Power in the mel bands, decibel.
    time_s : ndarray, shape (n,), float32
        Centre of every frame, seconds from the start of its clip.
    """

    values: Frames
    level_db: Frames
    time_s: Frames

    def __len__(self) -> int:
        return len(self.values)

    def slice(self, first: int, last: int | None) -> RawFrames:
        """Return the frames ``first`` to ``last``."""
        part = slice(first, last)
        return RawFrames(self.values[part], self.level_db[part], self.time_s[part])


@dataclass(frozen=True, eq=False)
class Rows:
    """What a classifier sees of a clip or trial.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        One row for each frame, finite.
    time_s : ndarray, shape (n,), float32
        Centre of every frame, seconds from the start of its clip.
    """

    values: Frames
    time_s: Frames

    def __len__(self) -> int:
        return len(self.values)


def extract(samples: npt.NDArray[np.float32], config: FeatureConfig) -> Rows:
    """Return the frames of mono samples: raw frames, gated and normalised.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono, at ``config.sample_rate_hz``, full scale -1..1.
    config : FeatureConfig
        The front end.

    Raises
    ------
    FeatureError
        If there are no samples, or frames that are not finite.

    Examples
    --------
    >>> rows = extract(np.random.default_rng(0).normal(size=22050).astype(np.float32), FeatureConfig())
    >>> rows.values.shape
    (44, 20)
    """
    return finish([raw_frames([samples], config)], config)


def raw_frames(blocks: Iterable[npt.NDArray[np.float32]], config: FeatureConfig) -> RawFrames:
    """Return the frames of samples that arrive in blocks; the same numbers however they are cut.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n,), float32
        Consecutive mono samples at ``config.sample_rate_hz``.
    config : FeatureConfig
        The front end.

    Raises
    ------
    FeatureError
        If there are no samples, or frames that are not finite.
    """
    cepstra, levels = [], []
    for chunk in _chunks(blocks, config):
        mfcc, level = _mfcc(chunk, config)
        cepstra.append(mfcc)
        levels.append(level)
    if not cepstra:
        raise FeatureError("no samples; at least one is needed")
    values = np.concatenate(cepstra)
    if not np.isfinite(values).all():
        raise FeatureError(NOT_FINITE)
    time_s = (np.arange(len(values)) * (config.hop_length / config.sample_rate_hz)).astype(np.float32)
    return RawFrames(_with_differences(values, config), np.concatenate(levels), time_s)


def finish(clips: Sequence[RawFrames], config: FeatureConfig) -> Rows:
    """Return the frames of a trial: those of each clip that pass its gate, joined, normalised over the trial.

    The gate's reference is that of each clip (or piece of one), for level belongs to a recording; the normalisation
    is the trial's, for one clip may be too short to estimate a mean.

    Parameters
    ----------
    clips : sequence of RawFrames
        Of the clips that the trial is made of, at least one.
    config : FeatureConfig
        The front end.
    """
    kept = [_loud(raw, config) for raw in clips]
    values = np.concatenate([raw.values[loud] for raw, loud in zip(clips, kept, strict=True)])
    time_s = np.concatenate([raw.time_s[loud] for raw, loud in zip(clips, kept, strict=True)])
    return Rows(_normalised(values, config.normalise), time_s)


def _loud(raw: RawFrames, config: FeatureConfig) -> npt.NDArray[np.bool_]:
    """Return which frames of a clip (n,) pass the gate."""
    if config.gate_range_db is None:
        return np.ones(len(raw), dtype=bool)
    passed: npt.NDArray[np.bool_] = (
        raw.level_db >= np.percentile(raw.level_db, config.gate_percentile) - config.gate_range_db
    )
    return passed


def _normalised(values: Frames, how: str) -> Frames:
    """Return the frames with the trial's mean (and deviation) taken out."""
    if how == "none":
        return values
    mean = values.mean(axis=0, dtype=np.float64)
    if how == "c0":
        mean[1:] = 0.0
    result = values - mean
    if how == "mean_variance":
        # a column that does not move is left at zero
        result /= np.maximum(values.std(axis=0, dtype=np.float64), 1e-6)
    normalised: Frames = result.astype(np.float32)
    return normalised


def _chunks(blocks: Iterable[npt.NDArray[np.float32]], config: FeatureConfig) -> Iterable[npt.NDArray[np.float32]]:
    """Yield the samples that each run of BLOCK_FRAMES frames covers, frame centres starting at the first sample.

    Half an FFT of zeros stands before the first sample and after the last, as in librosa's ``center=True``.
    """
    half, hop = config.n_fft // 2, config.hop_length
    span = (BLOCK_FRAMES - 1) * hop + config.n_fft
    held = np.zeros(half, dtype=np.float32)
    n_samples, last = 0, np.float32(0.0)
    for block in blocks:
        if len(block) == 0:
            continue
        if not np.isfinite(block).all():
            raise FeatureError(NOT_FINITE)
        n_samples += len(block)
        if config.preemphasis:
            shifted = np.concatenate([[last], block[:-1]])
            last = block[-1]
            block = (block - np.float32(config.preemphasis) * shifted).astype(np.float32)  # noqa: PLW2901
        held = np.concatenate([held, block])
        while len(held) >= max(span, BLOCK_FRAMES * hop):
            yield held[:span]
            held = held[BLOCK_FRAMES * hop :]
    if n_samples:
        held = np.concatenate([held, np.zeros(half, dtype=np.float32)])
        # frames may lie further apart than they are long: the zeros can complete a block
        while len(held) >= config.n_fft:
            yield held[:span]
            held = held[BLOCK_FRAMES * hop :]


def _mfcc(samples: npt.NDArray[np.float32], config: FeatureConfig) -> tuple[Frames, Frames]:
    """Return cepstra (n, n_mfcc) and levels in decibel (n,) of samples that are padded already."""
    import librosa

    spectrum = librosa.stft(
        samples,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        win_length=config.win_length,
        window=config.window,
        center=False,
    )
    mel = librosa.feature.melspectrogram(S=np.abs(spectrum) ** 2, **_mel_settings(config))
    # top_db would make a frame depend on the clip's loudest moment, and a block differ from the whole
    log_mel = librosa.power_to_db(mel, top_db=None)
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=config.n_mfcc)
    level = librosa.power_to_db(mel.sum(axis=0), top_db=None)
    return mfcc.T.astype(np.float32), level.astype(np.float32)


def _mel_settings(config: FeatureConfig) -> dict[str, Any]:
    return {
        "sr": config.sample_rate_hz,
        "n_fft": config.n_fft,
        "n_mels": config.n_mels,
        "fmin": config.fmin_hz,
        "fmax": config.fmax_hz,
    }


def _with_differences(mfcc: Frames, config: FeatureConfig) -> Frames:
    """Return cepstra with deltas and shifted deltas appended, shape (n, n_features)."""
    import librosa

    parts = [mfcc]
    for order in range(1, config.n_deltas + 1):
        # "nearest" repeats the edge frames, so that a clip shorter than the window has deltas too
        parts.append(librosa.feature.delta(mfcc, width=config.delta_frames, order=order, axis=0, mode="nearest"))
    if config.sdc:
        parts.append(shifted_deltas(mfcc, *config.sdc))
    return np.concatenate(parts, axis=1).astype(np.float32)


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
