"""Settings of feature extraction: of frames, which need the sound, and of rows, which are made of frames.

They are fixed, not learned, and travel in the model file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gmmaudio.errors import SettingError
from gmmaudio.features.descriptors import DESCRIPTORS
from gmmaudio.features.front_ends import FRONT_ENDS
from gmmaudio.features.given_frames import GIVEN_NAMES, GivenFrames
from gmmaudio.values import convert, convert_fields, shown

NORMALISATIONS = ("none", "c0", "mean", "mean_variance", "sliding", "warp")
WINDOWS = ("hann", "hamming")
# each warp costs as much as the unwarped cepstra
MAX_WARPS = 9
# a model file must not ask for more memory or time than this
MAX_WINDOW = 2**16
MAX_COLUMNS, MAX_FEATURES = 4096, 2**16
MAX_BLOCK_OVERLAP = 1000
MAX_SHIFT = 100
# silero's network takes samples at this rate only
SPEECH_RATE_HZ = 16000
# name, value, lower and upper bound
Bound = tuple[str, float, float, float]


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """Settings of raw frames: everything that needs the sound.

    Parameters
    ----------
    front_end : str
        One of :data:`FRONT_ENDS`: how spectra become coefficients.
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
    descriptors : tuple of str
        Any of :data:`DESCRIPTORS`, which has their units; appended as the last columns, in the order of the table
        whatever order they are given in.
    rasta : bool
        Band-pass every coefficient along time (RASTA), before deltas.
    vtln : tuple of float
        Factors of vocal tract length normalisation. The edges of the mel bands are multiplied by each, as a longer or
        shorter vocal tract moves formants: a row holds the unwarped cepstra, then those of each factor, and the
        classifier selects one warp for each clip. Cepstra and their deltas only.
    measure_speech : bool
        Measure the probability of speech of every frame by silero's network (the ``vad`` extra, 16 kHz), which a
        ``speech_gate`` of :class:`RowSettings` needs.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    References
    ----------
    Davis and Mermelstein (1980), MFCC. Lee, Rose, "A frequency warping approach to speaker normalization", IEEE
    Transactions on Speech and Audio Processing 6 (1998), ``vtln``.

    Examples
    --------
    >>> FrameSettings(sample_rate_hz=16000, fmax_hz=8000.0, window_s=0.025, hop_s=0.010).hop_length
    160
    """

    front_end: str = "mfcc"
    sample_rate_hz: int = 22050
    window_s: float = 2048 / 22050
    hop_s: float = 512 / 22050
    window: str = "hann"
    preemphasis: float = 0.0
    n_mels: int = 128
    fmin_hz: float = 0.0
    fmax_hz: float = 11025.0
    n_mfcc: int = 20
    descriptors: tuple[str, ...] = ()
    rasta: bool = False
    vtln: tuple[float, ...] = ()
    measure_speech: bool = False

    def __post_init__(self) -> None:
        convert_fields(self, skip=("front_end", "window", "vtln", "descriptors"))
        _check_choice("front_end", self.front_end, tuple(FRONT_ENDS))
        object.__setattr__(self, "vtln", _warp_factors(self.vtln))
        _check_bounds(self._bounds())
        _check_choice("window", self.window, WINDOWS)
        object.__setattr__(self, "descriptors", _in_table_order(self.descriptors))
        self._check_together()

    def _bounds(self) -> list[Bound]:
        """Return name, value, lower and upper bound of every number."""
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
        ]

    def _check_together(self) -> None:
        """Raise where settings do not go together."""
        if self.win_length > MAX_WINDOW:
            raise SettingError(
                f"window_s is {self.window_s:g}; expected at most {MAX_WINDOW / self.sample_rate_hz:g} at "
                f"{self.sample_rate_hz} Hz"
            )
        front_end = FRONT_ENDS[self.front_end]
        for check in (front_end.check, *(DESCRIPTORS[name].check for name in self.descriptors)):
            if check is not None:
                check(self)
        if self.measure_speech and self.sample_rate_hz != SPEECH_RATE_HZ:
            raise SettingError(f"sample_rate_hz is {self.sample_rate_hz}; the speech gate needs {SPEECH_RATE_HZ}")
        if self.vtln and not front_end.has_warps:
            raise SettingError(f"front_end is {self.front_end!r}, which has no warps; leave out `vtln`")
        if self.vtln and self.descriptors:
            raise SettingError("vtln warps cepstra only; leave out `vtln` or `descriptors`")

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
    def n_warps(self) -> int:
        """VTLN warps of the cepstra that a row holds side by side, the unwarped included."""
        return 1 + len(self.vtln)

    @property
    def n_coefficients(self) -> int:
        """Coefficients of a frame, of one warp: ``n_mfcc``, or what another front end makes."""
        return FRONT_ENDS[self.front_end].n_coefficients(self)

    @property
    def n_descriptor_columns(self) -> int:
        """Columns of all descriptors."""
        return sum(DESCRIPTORS[name].n_columns for name in self.descriptors)


@dataclass(frozen=True, kw_only=True)
class RowSettings:
    """Settings of what is made of raw frames: deltas, gate, normalisation and blocks.

    Parameters
    ----------
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
    speech_gate : float or None
        Frames whose probability of speech is below this are dropped, 0..1; it needs ``measure_speech`` of
        :class:`FrameSettings`. Of a clip that holds no speech, the most speech-like frames are kept.
    normalise : {"none", "c0", "mean", "mean_variance", "sliding", "warp"}
        Subtract the trial's mean from c0 (removes gain), from every column (CMN), or also divide by the standard
        deviation (CMVN); CMVN over a sliding window; or feature warping, a frame's rank in the window to a normal
        quantile.
    normalise_frames : int
        Width of that window, odd, frames.
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
    Torres-Carrasquillo et al., "Approaches to language identification using Gaussian mixture models and shifted delta
    cepstral features", ICSLP 2002, N-d-P-k.

    Examples
    --------
    >>> RowSettings(sdc=(7, 1, 3, 7)).delta_reach
    19
    """

    n_deltas: int = 0
    delta_frames: int = 9
    sdc: tuple[int, int, int, int] | None = None
    gate_range_db: float | None = None
    gate_percentile: float = 100.0
    gate_floor_db: float | None = None
    gate_margin: int = 0
    speech_gate: float | None = None
    normalise: str = "none"
    normalise_frames: int = 301
    block_s: float | None = None
    block_step_s: float = 3.0
    n_modulation: int = 8

    def __post_init__(self) -> None:
        convert_fields(self, skip=("normalise",))
        _check_bounds(self._bounds())
        _check_choice("normalise", self.normalise, NORMALISATIONS)
        for name in ("delta_frames", "normalise_frames"):
            if getattr(self, name) % 2 == 0:
                raise SettingError(f"{name} is {getattr(self, name)}; expected an odd number")
        if self.sdc is not None and not 1 <= min(self.sdc) <= max(self.sdc) <= MAX_SHIFT:
            raise SettingError(f"sdc is {self.sdc}; expected (N, d, P, k), each 1 to {MAX_SHIFT}")
        if self.block_s is not None and self.block_s > MAX_BLOCK_OVERLAP * self.block_step_s:
            raise SettingError(
                f"block_s is {self.block_s:g} and block_step_s {self.block_step_s:g}; expected at most "
                f"{MAX_BLOCK_OVERLAP} steps to a block"
            )

    def _bounds(self) -> list[Bound]:
        """Return name, value, lower and upper bound of every number."""
        return [
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
    def delta_reach(self) -> int:
        """Frames to either side that the deltas of a frame depend on."""
        shifted = self.sdc[1] + self.sdc[2] * (self.sdc[3] - 1) if self.sdc else 0
        return max(shifted, self.delta_frames // 2 if self.n_deltas else 0)


FRAME_NAMES = tuple(f.name for f in fields(FrameSettings))
ROW_NAMES = tuple(f.name for f in fields(RowSettings))


@dataclass(frozen=True)
class FeatureSettings:
    """Settings of a front end: of its frames and of the rows made of them.

    Parameters
    ----------
    frames : FrameSettings or GivenFrames
        What needs the sound; or the frames of another program, which are taken as they are.
    rows : RowSettings
        What is made of the frames. Of frames that are given there are no gates, and blocks only where their rate is
        known.

    Raises
    ------
    SettingError
        If the two do not go together.

    Examples
    --------
    >>> FeatureSettings(FrameSettings(n_mfcc=7), RowSettings(sdc=(7, 1, 3, 7))).n_features
    56
    """

    frames: FrameSettings | GivenFrames = field(default_factory=FrameSettings)
    rows: RowSettings = field(default_factory=RowSettings)

    def __post_init__(self) -> None:
        convert_fields(self)
        sdc, n = self.rows.sdc, self.frames.n_coefficients
        if sdc is not None and sdc[0] > n:
            raise SettingError(f"sdc is {sdc}; expected (N, d, P, k), each 1 or more, N at most {n}")
        if self.rows.speech_gate is not None and not self.frames.measure_speech:
            raise SettingError(f"speech_gate is {self.rows.speech_gate:g}; it needs `measure_speech`")
        if self.frames.vtln and self.rows.block_s is not None:
            raise SettingError("vtln warps cepstra only; leave out `vtln` or `block_s`")
        if isinstance(self.frames, GivenFrames):
            _check_given(self.frames, self.rows)
        # of given frames a row may be one vector for a clip
        most = MAX_FEATURES if self.is_given else MAX_COLUMNS
        if self.n_columns > most or self.n_features > MAX_FEATURES:
            raise SettingError(
                f"a frame has {self.n_columns} columns and a row {self.n_features}; expected at most {most} and "
                f"{MAX_FEATURES}: keep fewer coefficients, deltas or bands"
            )

    @property
    def is_given(self) -> bool:
        """Whether frames are given, and not made of sound."""
        return isinstance(self.frames, GivenFrames)

    @property
    def sound_frames(self) -> FrameSettings:
        """Settings of frames that are made of sound; SettingError where frames are given."""
        if isinstance(self.frames, GivenFrames):
            raise SettingError(
                f"the model takes rows of {self.frames.rows_name!r} ({self.frames.n_columns} columns), not sound; make "
                "such rows of the files, and name those (`rows`)"
            )
        return self.frames

    @property
    def n_columns(self) -> int:
        """Columns of a frame, of one warp."""
        shifted = self.rows.sdc[0] * self.rows.sdc[3] if self.rows.sdc else 0
        return self.frames.n_coefficients * (1 + self.rows.n_deltas) + shifted + self.frames.n_descriptor_columns

    @property
    def n_features(self) -> int:
        """Columns of a row: of all warps of a frame, or of a block."""
        return self.n_columns * (self.frames.n_warps if self.rows.block_s is None else 3 + self.rows.n_modulation)

    @property
    def block_frames(self) -> int:
        """Frames of a block, 2 or more; 1 where rows are frames."""
        return 1 if self.rows.block_s is None else max(2, round(self.rows.block_s * self.frames.frames_per_s))

    @property
    def block_step(self) -> int:
        """Step between blocks, frames; 1 where rows are frames."""
        return 1 if self.rows.block_s is None else max(1, round(self.rows.block_step_s * self.frames.frames_per_s))

    def replace(self, **changes: Any) -> FeatureSettings:
        """Return the settings with some of them changed, each named without its owner.

        Parameters
        ----------
        **changes
            Any parameter of :class:`FrameSettings` or :class:`RowSettings`. A ``speech_gate`` also sets
            ``measure_speech``, unless that is given.

        Raises
        ------
        SettingError
            If a name is unknown, or a value outside its bounds.

        Examples
        --------
        >>> FeatureSettings().replace(n_mfcc=13, n_deltas=1).n_features
        26
        """
        names = GIVEN_NAMES if self.is_given else FRAME_NAMES
        unknown = sorted(set(changes).difference(names, ROW_NAMES))
        if unknown:
            known = ", ".join((*names, *ROW_NAMES))
            raise SettingError(f"unknown feature settings {', '.join(unknown)}; expected any of {known}")
        if "speech_gate" in changes and not self.is_given:
            changes.setdefault("measure_speech", changes["speech_gate"] is not None)
        rows = dataclasses.replace(self.rows, **{name: changes[name] for name in ROW_NAMES if name in changes})
        frames = dataclasses.replace(self.frames, **{name: changes[name] for name in names if name in changes})
        return FeatureSettings(frames, rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON: ``{"frames": {...}, "rows": {...}}``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureSettings:
        """Return the settings that :meth:`to_dict` gave.

        Parameters
        ----------
        values : dict
            ``{"frames": {...}, "rows": {...}}``, where ``frames`` with a ``rows_name`` are given; or all settings in
            one flat dictionary, as model files before format 1.4 and their reports have them. Settings that are left
            out have their defaults.

        Raises
        ------
        SettingError
            If a name is unknown, or a value is of the wrong kind or outside its bounds.

        Examples
        --------
        >>> FeatureSettings.from_dict({"n_mfcc": 13, "n_deltas": 1}) == make_features(n_mfcc=13, n_deltas=1)
        True
        """
        nested = isinstance(values, Mapping) and set(values) & {"frames", "rows"}
        _check_known(values, ("frames", "rows") if nested else (*FRAME_NAMES, *ROW_NAMES))
        if not nested:
            return cls().replace(**values)
        frames, rows = values.get("frames", {}), values.get("rows", {})
        _check_known(rows, ROW_NAMES)
        if isinstance(frames, Mapping) and "rows_name" in frames:
            _check_known(frames, GIVEN_NAMES)
            return cls(GivenFrames(**frames), RowSettings(**rows))
        _check_known(frames, FRAME_NAMES)
        return cls(FrameSettings(**frames), RowSettings(**rows))


def make_features(**settings: Any) -> FeatureSettings:
    """Return the settings of a front end, each named without its owner; the defaults are those of tutorials: 20 MFCC.

    Parameters
    ----------
    **settings
        Any parameter of :class:`FrameSettings` or :class:`RowSettings`. A ``speech_gate`` also sets
        ``measure_speech``, unless that is given.

    Raises
    ------
    SettingError
        If a name is unknown, or a value outside its bounds.

    Examples
    --------
    >>> features = make_features(n_mfcc=7, sdc=(7, 1, 3, 7))
    >>> features.frames.n_mfcc, features.rows.sdc, features.n_features
    (7, (7, 1, 3, 7), 56)
    """
    return FeatureSettings().replace(**settings)


def same_frames(one: FrameSettings | GivenFrames, other: FrameSettings | GivenFrames) -> bool:
    """Return whether the raw frames of ``other`` serve ``one``: all settings are equal, or ``one`` leaves out warps.

    Parameters
    ----------
    one : FrameSettings or GivenFrames
        Settings that frames are needed for.
    other : FrameSettings or GivenFrames
        Settings that frames were made with.

    Examples
    --------
    >>> warped = FrameSettings(fmax_hz=8000.0, vtln=(0.9, 1.1))
    >>> same_frames(FrameSettings(fmax_hz=8000.0), warped), same_frames(warped, FrameSettings(fmax_hz=8000.0))
    (True, False)
    """
    if isinstance(one, GivenFrames) or isinstance(other, GivenFrames):
        return one == other
    return one.vtln in ((), other.vtln) and one == dataclasses.replace(other, vtln=one.vtln)


def describe(features: FeatureSettings) -> str:
    """Return a front end in one line.

    Parameters
    ----------
    features : FeatureSettings
        The front end.

    Examples
    --------
    >>> describe(make_features(n_mfcc=7, sdc=(7, 1, 3, 7)))
    '7 MFCC + SDC 7-1-3-7 = 56 numbers a frame, 22050 Hz, frames of 92.9 ms every 23.2 ms, normalise none'
    >>> describe(make_features(descriptors=("onset",), block_s=6.0)).split(", ")[:2]
    ['20 MFCC + onset = 21 numbers a frame', 'blocks of 6 s every 3 s = 231 numbers a block']
    """
    frames, rows = features.frames, features.rows
    columns = [_describe_coefficients(frames)]
    columns += [f"{rows.n_deltas} orders of deltas"] if rows.n_deltas else []
    columns += ["SDC " + "-".join(map(str, rows.sdc))] if rows.sdc else []
    columns += [name.replace("_", " ") for name in frames.descriptors]
    parts = [f"{' + '.join(columns)} = {features.n_columns} numbers a frame"]
    if rows.block_s is not None:
        parts.append(
            f"blocks of {rows.block_s:g} s every {rows.block_step_s:g} s = {features.n_features} numbers a block"
        )
    if isinstance(frames, GivenFrames):
        parts.append(f"{frames.rows_rate_hz:g} rows a second" if frames.rows_rate_hz else "rows without a rate")
    else:
        parts.append(f"{frames.sample_rate_hz} Hz")
        parts.append(f"frames of {1000 * frames.window_s:.1f} ms every {1000 * frames.hop_s:.1f} ms")
    if frames.vtln:
        parts.append(f"{frames.n_warps} VTLN warps ({', '.join(f'{f:g}' for f in (1.0, *frames.vtln))})")
    parts += [] if rows.gate_range_db is None else [f"gate {rows.gate_range_db:g} dB"]
    parts += [] if rows.gate_floor_db is None else [f"floor {rows.gate_floor_db:g} dB"]
    parts += [] if rows.speech_gate is None else [f"speech gate {rows.speech_gate:g}"]
    window = f" over {rows.normalise_frames} frames" if rows.normalise in ("sliding", "warp") else ""
    return ", ".join([*parts, f"normalise {rows.normalise}{window}"])


def _describe_coefficients(frames: FrameSettings | GivenFrames) -> str:
    """Return the coefficients of a frame in words."""
    if isinstance(frames, GivenFrames):
        return f"{frames.n_columns} columns of {frames.rows_name!r}, as they are given"
    return f"{frames.n_coefficients} {FRONT_ENDS[frames.front_end].unit}" + (" (RASTA)" if frames.rasta else "")


def _check_given(frames: GivenFrames, rows: RowSettings) -> None:
    """Raise SettingError where rows of given frames ask for what only the sound tells."""
    gates = [name for name in ("gate_range_db", "gate_floor_db") if getattr(rows, name) is not None]
    if gates:
        raise SettingError(f"{gates[0]} needs the level of the sound, which given frames do not have; leave it out")
    if rows.block_s is not None and not frames.is_rated:
        raise SettingError(f"`block_s` is {rows.block_s:g}, and the rate of the rows is not known; name `rows_rate_hz`")


def _check_bounds(bounds: Iterable[Bound]) -> None:
    """Raise SettingError where a value is outside its bounds."""
    for name, value, low, high in bounds:
        if not low <= value <= high:
            raise SettingError(f"{name} is {value:g}; expected {low:g} to {high:g}")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise SettingError where a value is none of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise SettingError(f"{name} is {shown(value)}; expected one of {', '.join(choices)}")


def _check_known(values: Any, names: tuple[str, ...]) -> None:
    """Raise SettingError where recorded settings are no mapping, or one has none of the names."""
    if not isinstance(values, Mapping):
        raise SettingError(f"feature settings of the wrong kind: {shown(values)}; expected names and values")
    unknown = sorted(set(values).difference(names))
    if unknown:
        raise SettingError(f"unknown feature settings {', '.join(unknown)}; made by a newer version?")


def _in_table_order(descriptors: Iterable[str]) -> tuple[str, ...]:
    """Return descriptors, each once, in the order of their table; raise SettingError where one is unknown."""
    # the table itself is a list of all
    listed = tuple(descriptors) if isinstance(descriptors, Mapping) else descriptors
    names: tuple[str, ...] = convert("descriptors", listed, tuple[str, ...])
    unknown = [name for name in names if name not in DESCRIPTORS]
    if unknown:
        raise SettingError(f"descriptors holds {shown(unknown[0])}; expected any of {', '.join(DESCRIPTORS)}")
    return tuple(name for name in DESCRIPTORS if name in names)


def _warp_factors(values: Any) -> tuple[float, ...]:
    """Return VTLN factors as floats; raise SettingError unless they differ from each other and from 1."""
    try:
        factors: tuple[float, ...] = tuple(float(factor) for factor in convert("vtln", values, tuple[float, ...]))
    except SettingError:
        factors = (1.0,)
    if 1.0 in factors or len(set(factors)) < len(factors) or len(factors) > MAX_WARPS - 1:
        raise SettingError(
            f"vtln is {shown(values)}; expected at most {MAX_WARPS - 1} different factors, none of them 1, "
            "such as (0.92, 1.08)"
        )
    return factors
