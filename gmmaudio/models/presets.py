"""The presets, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureSettings, make_features
from gmmaudio.models.kind_settings import KindSettings
from gmmaudio.models.kinds import find_kind
from gmmaudio.models.kinds.block_gaussian import BlockGaussianSettings
from gmmaudio.models.kinds.frame_gmm import FrameGmmSettings
from gmmaudio.models.kinds.supervector import SupervectorSettings


@dataclass(frozen=True)
class Preset:
    """A front end and the settings of a kind of model that go with it.

    Parameters
    ----------
    features : FeatureSettings
        The front end.
    kind_settings : KindSettings
        Settings of the kind of model.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; None takes clips as they are.
    short_s : float
        Clips shorter than this carry less information than those on which the settings were measured, seconds.
    augment : tuple of str
        Names of :data:`gmmaudio.audio.AUGMENTATIONS`: degradations whose copies are trained on too.

    Examples
    --------
    >>> preset_of("genre").features.rows.block_s
    6.0
    """

    features: FeatureSettings
    kind_settings: KindSettings
    trial_s: float | None = None
    short_s: float = 0.5
    augment: tuple[str, ...] = ()


# 20 MFCC of 93 ms frames, nothing else, as in tutorials.
_TUTORIAL = make_features()
# Frames 60 dB below the loudest dropped with two on each side (digital silence and its edges: a frame is four steps
# long), mean of c0 taken out (cures gain).
_MUSIC = _TUTORIAL.replace(gate_range_db=60.0, gate_margin=2, normalise="c0")
# A fixed list: a descriptor that is added to the package does not change the preset.
_SPECTRAL = ("contrast", "centroid", "rolloff", "flatness", "zero_crossings", "onset")
# The telephone band; deltas and shifted deltas (the language recogniser's classic front end); an energy gate, and one
# against steady noise in pauses.
_SPEECH = make_features(
    sample_rate_hz=16000,
    window_s=0.025,
    hop_s=0.010,
    window="hamming",
    preemphasis=0.97,
    n_mels=23,
    fmin_hz=200.0,
    fmax_hz=3700.0,
    n_mfcc=7,
    sdc=(7, 1, 3, 7),
    gate_range_db=32.0,
    gate_percentile=98.0,
    gate_floor_db=2.0,
    normalise="mean_variance",
)
_SPEECH_BLOCKS = _SPEECH.replace(block_s=3.0, block_step_s=1.5)
# For supervectors: feature warping, and VTLN.
_SPEECH_WARPED = _SPEECH.replace(normalise="warp", vtln=(0.92, 1.08))
# A floor of the gate alone does not make languages stand noise; frames lose clean sound by copies:
# docs/decisions/0039-language-in-noise.md.
_NOISY = ("noise",)
# Name of the preset (None: the classic model) and kind -> settings; the first kind of each is its default, and a kind
# that is not listed takes the front end of frames. Measured in docs/decisions/0002-presets.md, 0008-recognition.md and
# 0038-genre-through-codecs.md.
PRESETS: dict[str | None, dict[str, Preset]] = {
    None: {
        "frames": Preset(_TUTORIAL, FrameGmmSettings()),
        "blocks": Preset(_TUTORIAL.replace(block_s=6.0), BlockGaussianSettings(), short_s=6.0),
        "supervector": Preset(_TUTORIAL, SupervectorSettings(), short_s=3.0),
    },
    "genre": {
        "blocks": Preset(
            _MUSIC.replace(descriptors=_SPECTRAL, block_s=6.0),
            BlockGaussianSettings(own_covariance=0.3),
            short_s=6.0,
            augment=("codec", "band", "noise"),
        ),
        "frames": Preset(_MUSIC.replace(n_deltas=1), FrameGmmSettings(variance_floor=1e-2), short_s=3.0),
        "supervector": Preset(_MUSIC.replace(n_deltas=1), SupervectorSettings(), short_s=3.0),
    },
    "language": {
        "supervector": Preset(_SPEECH_WARPED, SupervectorSettings(), trial_s=6.0, short_s=3.0, augment=_NOISY),
        "frames": Preset(_SPEECH, FrameGmmSettings(n_components=64, variance_floor=2e-2), trial_s=6.0, short_s=3.0),
        "blocks": Preset(_SPEECH_BLOCKS, BlockGaussianSettings(), trial_s=6.0, short_s=3.0, augment=_NOISY),
    },
}


def preset_of(name: str | None, kind: str | None = None) -> Preset:
    """Return the settings of a preset for a kind of model.

    Parameters
    ----------
    name : {"genre", "language"} or None
        None is the classic model.
    kind : str or None
        A key of :data:`gmmaudio.models.KINDS`; None is the preset's default. A kind that the preset has no settings for
        takes the defaults of its settings, on the front end of frames.

    Raises
    ------
    SettingError
        If there is none of that name or kind.

    Examples
    --------
    >>> preset_of("language", "frames").kind_settings.n_components
    64
    """
    if name not in PRESETS:
        raise SettingError(f"preset is {name!r}; expected one of {', '.join(filter(None, PRESETS))}")
    kinds = PRESETS[name]
    if kind is None:
        return next(iter(kinds.values()))
    settings = find_kind(kind).settings
    return kinds[kind] if kind in kinds else replace(kinds["frames"], kind_settings=settings())
