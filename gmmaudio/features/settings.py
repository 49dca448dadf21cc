"""How samples become frames: fixed settings, which travel in the model file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from gmmaudio.errors import SettingError

NORMALISATIONS = ("none", "c0", "mean", "mean_variance", "sliding", "warp")
WINDOWS = ("hann", "hamming")
WHOLE_NUMBERS = (
    "sample_rate_hz",
    "n_mels",
    "n_mfcc",
    "n_deltas",
    "delta_frames",
    "gate_margin",
    "normalise_frames",
    "n_modulation",
)
DESCRIPTORS = ("contrast", "centroid", "rolloff", "flatness", "zero_crossings", "onset")
# of the bands of spectral contrast: octaves from 200 Hz, and what lies below
CONTRAST_EDGES_HZ = (0, 200, 400, 800, 1600, 3200, 6400, 12_800)
# of a frame: each costs as much as the plain one
MAX_VIEWS = 9
# what is done after the raw frames: other values need no other frames
LATER = (
    "n_deltas",
    "delta_frames",
    "sdc",
    "gate_range_db",
    "gate_percentile",
    "gate_floor_db",
    "gate_margin",
    "speech_gate",
    "vtln",
    "normalise",
    "normalise_frames",
    "block_s",
    "block_step_s",
    "n_modulation",
)


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
    gate_floor_db : float or None
        Frames less than this far above the clip's quiet tenth are dropped too: pauses filled by steady noise lie within
        the range of the gate. The quiet tenth is the 10th percentile of frame levels, of those no further below the
        reference level than twice the range. Where the reference is not even twice this far above it, frames twice
        this far below the reference are dropped instead. Of steady sound that is fainter for most of a clip only the
        loud part is left. None drops none.
    gate_margin : int
        Frames dropped on each side of a gap that these gates leave too: those that straddle its edge. Where that would
        be more than half of what is left, none are.
    normalise : {"none", "c0", "mean", "mean_variance", "sliding", "warp"}
        Subtract the trial's mean from c0 (cures gain), from every column (CMN), or also divide by the deviation
        (CMVN); CMVN over a sliding window; or feature warping, a frame's rank in the window to a normal quantile.
    normalise_frames : int
        Width of that window, odd, frames.
    descriptors : tuple of str
        Any of :data:`DESCRIPTORS`, appended as the last columns, in that order whatever order they are given in:
        spectral contrast (7 bands, decibel), centroid and rolloff (kHz), flatness (log10), zero crossings (share of
        samples, 0..1), onset strength (decibel, mean rise of the mel bands).
    rasta : bool
        Band-pass every cepstral coefficient along time (RASTA), before differences.
    vtln : tuple of float
        Factors by which the edges of the mel bands are moved for further views of every frame, as a longer or shorter
        vocal tract moves formants: a row holds the plain view, then one for each factor, and the classifier hears each
        clip in the one that suits it best (vocal tract length normalisation). Cepstra and their differences only.
    speech_gate : float or None
        Frames whose probability of speech by silero is below this are dropped, 0..1 (the ``vad`` extra, 16 kHz). Of
        a clip that holds no speech, the most speech-like frames are kept.
    block_s : float or None
        Length of a block, seconds: rows are then blocks of frames (:func:`block_features`); None keeps frames.
    block_step_s : float
        Step between blocks, seconds.
    n_modulation : int
        Bands of the modulation spectrum of a block.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Davis and Mermelstein (1980), MFCC. Torres-Carrasquillo et al., "Approaches to language identification using
    Gaussian mixture models and shifted delta cepstral features", ICSLP 2002, N-d-P-k. Lee, Rose, "A frequency warping
    approach to speaker normalization", IEEE Transactions on Speech and Audio Processing 6 (1998), ``vtln``.

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
    gate_floor_db: float | None = None
    gate_margin: int = 0
    normalise: str = "none"
    normalise_frames: int = 301
    descriptors: tuple[str, ...] = ()
    rasta: bool = False
    vtln: tuple[float, ...] = ()
    speech_gate: float | None = None
    block_s: float | None = None
    block_step_s: float = 3.0
    n_modulation: int = 8

    def __post_init__(self) -> None:
        if self.sdc is not None:
            object.__setattr__(self, "sdc", tuple(self.sdc))
        object.__setattr__(self, "vtln", _factors(self.vtln))
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
        if not isinstance(self.rasta, bool):
            raise SettingError(f"rasta is {self.rasta!r}; expected True or False")
        self._check_lists()

    def _check_lists(self) -> None:
        """Raise where what is chosen does not exist, or does not go together."""
        object.__setattr__(self, "descriptors", tuple(name for name in DESCRIPTORS if name in self._asked()))
        if "contrast" in self.descriptors and self.sample_rate_hz <= 2 * CONTRAST_EDGES_HZ[-2]:
            raise SettingError(f"sample_rate_hz is {self.sample_rate_hz}; spectral contrast needs more than 12,800")
        if "contrast" in self.descriptors and self.n_fft * CONTRAST_EDGES_HZ[1] < self.sample_rate_hz:
            # the lowest band would hold no bin
            raise SettingError(f"window_s is {self.window_s:g}; spectral contrast needs more than 0.005")
        if self.normalise_frames % 2 == 0:
            raise SettingError(f"normalise_frames is {self.normalise_frames}; expected an odd number")
        if self.speech_gate is not None and self.sample_rate_hz != 16000:
            raise SettingError(f"sample_rate_hz is {self.sample_rate_hz}; the speech gate needs 16000")
        if self.sdc is not None and (len(self.sdc) != 4 or min(self.sdc) < 1 or self.sdc[0] > self.n_mfcc):
            raise SettingError(f"sdc is {self.sdc}; expected (N, d, P, k), each 1 or more, N at most {self.n_mfcc}")
        if self.vtln and (self.descriptors or self.block_s is not None):
            raise SettingError("vtln makes views of cepstra; descriptors and blocks have none: leave one or the other")

    def _asked(self) -> tuple[str, ...]:
        """Return the descriptors asked for, all of them known."""
        asked = tuple(self.descriptors)
        unknown = [name for name in asked if name not in DESCRIPTORS]
        if unknown:
            raise SettingError(f"descriptors holds {unknown[0]!r}; expected any of {', '.join(DESCRIPTORS)}")
        return asked

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
            *(("vtln", factor, 0.5, min(2.0, nyquist / max(1.0, self.fmax_hz))) for factor in self.vtln),
            ("n_mfcc", self.n_mfcc, 1, self.n_mels),
            ("n_deltas", self.n_deltas, 0, 2),
            ("delta_frames", self.delta_frames, 3, 101),
            ("gate_range_db", 1.0 if self.gate_range_db is None else self.gate_range_db, 0.1, 200.0),
            ("gate_percentile", self.gate_percentile, 0.0, 100.0),
            ("gate_floor_db", 1.0 if self.gate_floor_db is None else self.gate_floor_db, 0.1, 60.0),
            ("gate_margin", self.gate_margin, 0, 100),
            ("normalise_frames", self.normalise_frames, 3, 3001),
            ("speech_gate", self.speech_gate or 0.0, 0.0, 1.0),
            ("block_s", 1.0 if self.block_s is None else self.block_s, 0.1, 600.0),
            ("block_step_s", self.block_step_s, 0.05, 600.0),
            ("n_modulation", self.n_modulation, 1, 64),
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
    def n_views(self) -> int:
        """Views of every frame that a row holds side by side."""
        return 1 + len(self.vtln)

    @property
    def n_columns(self) -> int:
        """Columns of a frame, of one view."""
        shifted = self.sdc[0] * self.sdc[3] if self.sdc else 0
        described = sum(len(CONTRAST_EDGES_HZ) - 1 if name == "contrast" else 1 for name in self.descriptors)
        return self.n_mfcc * (1 + self.n_deltas) + shifted + described

    @property
    def reach(self) -> int:
        """How far the differences of a frame look, frames to either side."""
        shifted = self.sdc[1] + self.sdc[2] * (self.sdc[3] - 1) if self.sdc else 0
        return max(shifted, self.delta_frames // 2 if self.n_deltas else 0)

    @property
    def n_features(self) -> int:
        """Columns of a row: of the views of a frame, or of a block."""
        return self.n_columns * (self.n_views if self.block_s is None else 3 + self.n_modulation)

    @property
    def block_frames(self) -> int:
        """Frames of a block, 2 or more; 1 where rows are frames."""
        return 1 if self.block_s is None else max(2, round(self.block_s * self.frames_per_s))

    @property
    def block_step(self) -> int:
        """Step between blocks, frames; 1 where rows are frames."""
        return 1 if self.block_s is None else max(1, round(self.block_step_s * self.frames_per_s))

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


def _factors(given: Any) -> tuple[float, ...]:
    """Return the factors of further views, each another one and none of them 1."""
    try:
        factors = tuple(float(factor) for factor in given)
    except (TypeError, ValueError):
        factors = (1.0,)
    if isinstance(given, str) or 1.0 in factors or len(set(factors)) < len(factors) or len(factors) > MAX_VIEWS - 1:
        raise SettingError(
            f"vtln is {given!r}; expected at most {MAX_VIEWS - 1} different factors, none of them 1, "
            "such as (0.92, 1.08)"
        )
    return factors


def same_frames(one: FeatureConfig, other: FeatureConfig) -> bool:
    """Return whether the raw frames of ``other`` serve ``one``: they differ in what is done later at most.

    Raw frames are what needs the sound. Differences, gates, normalisation and blocks are made of them later.

    What ``other`` has in further views, ``one`` may leave out.

    Examples
    --------
    >>> same_frames(FeatureConfig(), FeatureConfig(block_s=6.0)), same_frames(FeatureConfig(), FeatureConfig(n_mfcc=13))
    (True, False)
    """
    if (one.speech_gate is None) != (other.speech_gate is None):
        return False
    if one.vtln not in ((), other.vtln):
        return False
    return all(getattr(one, f.name) == getattr(other, f.name) for f in fields(one) if f.name not in LATER)


def describe(config: FeatureConfig) -> str:
    """Return a front end in one line.

    Examples
    --------
    >>> describe(FeatureConfig(n_mfcc=7, sdc=(7, 1, 3, 7)))
    '7 MFCC + SDC 7-1-3-7 = 56 numbers a frame, 22050 Hz, frames of 92.9 ms every 23.2 ms, normalise none'
    >>> describe(FeatureConfig(descriptors=("onset",), block_s=6.0)).split(", ")[:2]
    ['20 MFCC + onset = 21 numbers a frame', 'blocks of 6 s every 3 s = 231 numbers a block']
    """
    parts = [f"{config.n_mfcc} MFCC" + (" (RASTA)" if config.rasta else "")]
    parts += [f"{config.n_deltas} orders of deltas"] if config.n_deltas else []
    parts += ["SDC " + "-".join(map(str, config.sdc))] if config.sdc else []
    parts += [name.replace("_", " ") for name in config.descriptors]
    said = [f"{' + '.join(parts)} = {config.n_columns} numbers a frame"]
    if config.block_s is not None:
        said.append(
            f"blocks of {config.block_s:g} s every {config.block_step_s:g} s = {config.n_features} numbers a block"
        )
    said.append(f"{config.sample_rate_hz} Hz")
    said.append(f"frames of {1000 * config.window_s:.1f} ms every {1000 * config.hop_s:.1f} ms")
    said += [f"{config.n_views} views (VTLN {', '.join(f'{f:g}' for f in (1.0, *config.vtln))})"] if config.vtln else []
    said += [] if config.gate_range_db is None else [f"gate {config.gate_range_db:g} dB"]
    said += [] if config.gate_floor_db is None else [f"floor {config.gate_floor_db:g} dB"]
    said += [] if config.speech_gate is None else [f"speech gate {config.speech_gate:g}"]
    window = f" over {config.normalise_frames} frames" if config.normalise in ("sliding", "warp") else ""
    return ", ".join([*said, f"normalise {config.normalise}{window}"])
