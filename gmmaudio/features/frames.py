"""Samples -> frames: MFCC, descriptors, deltas, shifted delta cepstra, a gate, normalisation, and blocks of them.

Frames are rows. Raw frames are computed block by block, so that hours of audio fit in memory, and are the same
numbers however the samples arrive; the gate and the normalisation are a second pass over the frames of a whole trial.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import FeatureError, SettingError
from gmmaudio.features.blocks import block_features
from gmmaudio.features.config import CONTRAST_EDGES_HZ, FeatureConfig
from gmmaudio.features.normalise import Frames, normalised, rasta
from gmmaudio.features.speech import SpeechMeter

# Frames computed at once. Fixed, and counted from the clip's start, so that block and whole give the same bits.
BLOCK_FRAMES = 1024
# share of a band's bins that its peak and its valley are the means of; share of the magnitude below the rolloff
CONTRAST_QUANTILE = 0.02
ROLLOFF = 0.85
# of frame levels: what a clip's steady noise is as loud as
QUIET_PERCENTILE = 10
# librosa's floor of magnitudes and samples
LEAST = 1e-10
NOT_FINITE = "the samples give frames that are not finite; check the file for NaN or infinite values"


@dataclass(frozen=True, eq=False)
class RawFrames:
    """What needs the sound: frames before differences, gate and normalisation.

    Parameters
    ----------
    values : ndarray, shape (n_clip, n_views * n_mfcc + n_descriptors), float32
        Decibel-like cepstra, one view after the other, and descriptors; of the whole clip, for the differences at an
        end of a part look beyond it.
    level_db : ndarray, shape (n,), float32
        Power in the mel bands, decibel.
    time_s : ndarray, shape (n,), float32
        Centre of every frame, seconds from the start of its clip.
    speech : ndarray, shape (n,), float32, or None
        Probability of speech, 0..1; None without a speech gate.
    n_before : int
        Frames of the clip before the first of this part.
    """

    values: Frames
    level_db: Frames
    time_s: Frames
    speech: Frames | None = None
    n_before: int = 0

    def __len__(self) -> int:
        return len(self.level_db)

    def slice(self, first: int, last: int | None) -> RawFrames:
        """Return the frames ``first`` to ``last``, counted from the first of these, 0 or more."""
        part = slice(first, last)
        speech = None if self.speech is None else self.speech[part]
        return RawFrames(self.values, self.level_db[part], self.time_s[part], speech, self.n_before + first)


@dataclass(frozen=True, eq=False)
class Rows:
    """What a classifier sees of a clip or trial.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        One row for each frame or block, finite.
    time_s : ndarray, shape (n,), float32
        Centre of each, seconds from the start of its clip.
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
    meter = SpeechMeter() if config.speech_gate is not None else None
    parts = list(_analysed(_chunks(blocks if meter is None else meter.listen(blocks), config), config))
    if not parts:
        raise FeatureError("no samples; at least one is needed")
    cepstra, described, levels = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not (np.isfinite(cepstra).all() and np.isfinite(described).all()):
        raise FeatureError(NOT_FINITE)
    time_s = (np.arange(len(cepstra)) * (config.hop_length / config.sample_rate_hz)).astype(np.float32)
    speech = None if meter is None else meter.probability(len(cepstra), config.hop_length)
    values = np.concatenate([rasta(cepstra) if config.rasta else cepstra, described], axis=1)
    return RawFrames(values, levels, time_s, speech)


def finish(clips: Sequence[RawFrames], config: FeatureConfig) -> Rows:
    """Return the rows of a trial: frames of each clip that pass its gate, joined, normalised; or blocks of those.

    Differences are taken inside each clip before its gate, so that frames that are dropped stand between no others.

    The gate's reference is that of each clip (or piece of one), for level belongs to a recording; the normalisation
    is the trial's, for one clip may be too short to estimate a mean.

    Parameters
    ----------
    clips : sequence of RawFrames
        Of the clips that the trial is made of, at least one.
    config : FeatureConfig
        The front end, or another with the same raw frames (:func:`same_frames`).

    Raises
    ------
    SettingError
        If there is a speech gate, and frames without their probability of speech; or fewer views than asked for.
    """
    if config.vtln and clips[0].values.shape[1] < config.n_views * config.n_mfcc:
        raise SettingError("the frames hold fewer views than vtln asks for; make them with it too")
    kept = [_passed(raw, config) for raw in clips]
    values = np.concatenate([_with_differences(raw, config)[passed] for raw, passed in zip(clips, kept, strict=True)])
    time_s = np.concatenate([raw.time_s[passed] for raw, passed in zip(clips, kept, strict=True)])
    values = normalised(values, config.normalise, config.normalise_frames)
    if config.block_s is None:
        return Rows(values, time_s)
    blocks = block_features(
        values,
        time_s,
        size=config.block_frames,
        step=config.block_step,
        n_modulation=config.n_modulation,
        frames_per_s=config.frames_per_s,
    )
    return Rows(*blocks)


def _passed(raw: RawFrames, config: FeatureConfig) -> npt.NDArray[np.bool_]:
    """Return which frames of a clip (n,) pass the gates, at least one."""
    passed = np.ones(len(raw), dtype=bool)
    if config.gate_range_db is not None or config.gate_floor_db is not None:
        loud = raw.level_db >= _gate_level(raw.level_db, config)
        inner = ~_widened(~loud, config.gate_margin)
        # a clip of hits hardly longer than the margins would lose most of its sound: it keeps what is loud
        passed &= inner if 2 * inner.sum() >= loud.sum() else loud
    if config.speech_gate is not None:
        if raw.speech is None:
            raise SettingError("the frames hold no probability of speech; make them with a speech_gate too")
        # where nothing is speech, what is most like it must do
        passed &= raw.speech >= min(config.speech_gate, float(raw.speech[passed].max()))
    return passed


def _gate_level(level_db: Frames, config: FeatureConfig) -> float:
    """Return the level below which frames of a clip are dropped, decibel; the loudest always passes."""
    reference = float(np.percentile(level_db, config.gate_percentile))
    least = -np.inf if config.gate_range_db is None else reference - config.gate_range_db
    if config.gate_floor_db is None:
        return least
    # a cut or a muted part, far below even a quiet room, is nobody's noise
    heard = level_db[level_db >= 2 * least - reference]
    quiet = float(np.percentile(heard, QUIET_PERCENTILE))
    return max(least, min(quiet + config.gate_floor_db, reference - 2 * config.gate_floor_db))


def _widened(gaps: npt.NDArray[np.bool_], n: int) -> npt.NDArray[np.bool_]:
    """Return gaps (n_frames,) made longer by ``n`` frames on each side."""
    wide = gaps.copy()
    for shift in range(1, min(n, len(gaps) - 1) + 1):
        wide[shift:] |= gaps[:-shift]
        wide[:-shift] |= gaps[shift:]
    return wide


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


def _analysed(
    chunks: Iterable[npt.NDArray[np.float32]], config: FeatureConfig
) -> Iterable[tuple[Frames, Frames, Frames]]:
    """Yield cepstra (n, n_views * n_mfcc), descriptors (n, d) and levels in decibel (n,) of padded samples."""
    import librosa

    before: Frames | None = None
    for samples in chunks:
        spectrum = librosa.stft(
            samples,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            win_length=config.win_length,
            window=config.window,
            center=False,
        )
        magnitude = np.abs(spectrum)
        power, factors = magnitude**2, (1.0, *config.vtln)
        mels = [librosa.feature.melspectrogram(S=power, **_mel_settings(config, factor)) for factor in factors]
        # top_db would make a frame depend on the clip's loudest moment, and a block differ from the whole
        log_mels = [librosa.power_to_db(mel, top_db=None) for mel in mels]
        mfcc = np.concatenate([librosa.feature.mfcc(S=log_mel, n_mfcc=config.n_mfcc) for log_mel in log_mels])
        level = librosa.power_to_db(mels[0].sum(axis=0), top_db=None)
        plain = log_mels[0]
        described = _described(samples, magnitude, plain, plain[:, :1] if before is None else before, config)
        before = plain[:, -1:]
        yield mfcc.T.astype(np.float32), described, level.astype(np.float32)


def _described(
    samples: npt.NDArray[np.float32], magnitude: Frames, log_mel: Frames, before: Frames, config: FeatureConfig
) -> Frames:
    """Return the descriptors of frames, shape (n, d); ``before`` is the log mel spectrum of the frame before them."""
    from librosa.feature import spectral_flatness
    from librosa.onset import onset_strength

    rows = magnitude.T
    khz = np.fft.rfftfreq(config.n_fft, 1000 / config.sample_rate_hz).astype(np.float32)
    # by name, so that only those asked for are computed
    found: dict[str, Any] = {
        "contrast": lambda: _contrast(rows, config),
        "centroid": lambda: (rows @ khz) / np.maximum(rows.sum(axis=1), np.finfo(np.float32).tiny),
        "rolloff": lambda: khz[_rolloff(rows)],
        "flatness": lambda: np.log10(spectral_flatness(S=magnitude)[0]),
        "zero_crossings": lambda: _zero_crossings(samples, len(rows), config),
        "onset": lambda: onset_strength(S=np.concatenate([before, log_mel], axis=1), center=False)[1:],
    }
    columns = [np.asarray(found[name](), dtype=np.float32).reshape(len(rows), -1) for name in config.descriptors]
    return np.concatenate(columns, axis=1) if columns else np.zeros((len(rows), 0), dtype=np.float32)


def _contrast(rows: Frames, config: FeatureConfig) -> npt.NDArray[np.float64]:
    """Return how far peaks stand above valleys in each octave band (n, 7), in decibel of magnitude as in librosa.

    librosa also lifts what lies 80 dB below the loudest moment, by which a frame would depend on its neighbours.

    References
    ----------
    Jiang et al., "Music type classification by spectral contrast feature", ICME 2002.
    """
    hz = np.fft.rfftfreq(config.n_fft, 1 / config.sample_rate_hz)
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


def _zero_crossings(samples: npt.NDArray[np.float32], n_frames: int, config: FeatureConfig) -> npt.NDArray[np.float64]:
    """Return the share of the samples of each frame (n,) that lie across zero from the one before."""
    below = samples < -LEAST
    crossed = np.concatenate([[0], np.cumsum(below[1:] != below[:-1])])
    first = np.arange(n_frames) * config.hop_length
    return np.asarray((crossed[first + config.n_fft - 1] - crossed[first]) / config.n_fft)


def _mel_settings(config: FeatureConfig, factor: float) -> dict[str, Any]:
    """Return librosa's settings of the mel bands, their edges moved by a factor."""
    return {
        "sr": config.sample_rate_hz,
        "n_fft": config.n_fft,
        "n_mels": config.n_mels,
        "fmin": factor * config.fmin_hz,
        "fmax": factor * config.fmax_hz,
    }


def _with_differences(raw: RawFrames, config: FeatureConfig) -> Frames:
    """Return frames with their differences, shape (n, n_views * n_columns): view after view, then descriptors."""
    first, last = raw.n_before, raw.n_before + len(raw)
    start = max(0, first - config.reach)
    near = raw.values[start : last + config.reach]
    own = slice(first - start, last - start)
    n = config.n_mfcc
    parts = []
    for k in range(config.n_views):
        view = near[:, k * n : (k + 1) * n]
        parts += [part[own] for part in (view, *_differences(view, config))]
    if config.descriptors:
        parts.append(near[own, n:])
    return np.concatenate(parts, axis=1).astype(np.float32, copy=False)


def _differences(mfcc: Frames, config: FeatureConfig) -> list[Frames]:
    """Return deltas of each order, and shifted deltas, of cepstra (n, n_mfcc)."""
    found = []
    if config.n_deltas:
        import librosa

        # "nearest" repeats the edge frames, so that a clip shorter than the window has deltas too
        settings: dict[str, Any] = {"width": config.delta_frames, "axis": 0, "mode": "nearest"}
        found = [librosa.feature.delta(mfcc, order=order, **settings) for order in range(1, config.n_deltas + 1)]
    return [*found, shifted_deltas(mfcc, *config.sdc)] if config.sdc else found


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
