"""Samples -> raw frames: MFCC, descriptors and levels, block by block.

Frames are rows. They are computed block by block, so that hours of audio fit in memory, and are the same numbers
however the samples arrive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import FeatureError
from gmmaudio.features.descriptors import compute_descriptors
from gmmaudio.features.normalise import Frames, rasta
from gmmaudio.features.settings import FrameSettings
from gmmaudio.features.speech import SpeechMeter

# Frames computed at once. Fixed, and counted from the clip's start, so that block and whole give the same bits.
BLOCK_FRAMES = 1024
NOT_FINITE = "the samples give frames that are not finite; check the file for NaN or infinite values"


@dataclass(frozen=True, eq=False)
class RawFrames:
    """What needs the sound: frames before deltas, gate and normalisation.

    Parameters
    ----------
    values : ndarray, shape (n_clip, n_warps * n_mfcc + n_descriptors), float32
        Decibel-like cepstra, one VTLN warp after the other, and descriptors; of the whole clip, for the deltas at an
        end of a part look beyond it.
    level_db : ndarray, shape (n,), float32
        Power in the mel bands, decibel.
    time_s : ndarray, shape (n,), float32
        Centre of every frame, seconds from the start of its clip.
    speech : ndarray, shape (n,), float32, or None
        Probability of speech, 0..1; None where it is not measured.
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


def raw_frames(blocks: Iterable[npt.NDArray[np.float32]], settings: FrameSettings) -> RawFrames:
    """Return the frames of samples that arrive in blocks; the same numbers however they are cut.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n,), float32
        Consecutive mono samples at ``settings.sample_rate_hz``.
    settings : FrameSettings
        The front end.

    Raises
    ------
    FeatureError
        If there are no samples, or frames that are not finite.
    """
    meter = SpeechMeter() if settings.measure_speech else None
    parts = list(_analysed(_chunks(blocks if meter is None else meter.listen(blocks), settings), settings))
    if not parts:
        raise FeatureError("no samples; at least one is needed")
    cepstra, described, levels = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not (np.isfinite(cepstra).all() and np.isfinite(described).all()):
        raise FeatureError(NOT_FINITE)
    time_s = (np.arange(len(cepstra)) * (settings.hop_length / settings.sample_rate_hz)).astype(np.float32)
    speech = None if meter is None else meter.probability(len(cepstra), settings.hop_length)
    values = np.concatenate([rasta(cepstra) if settings.rasta else cepstra, described], axis=1)
    return RawFrames(values, levels, time_s, speech)


def _chunks(blocks: Iterable[npt.NDArray[np.float32]], settings: FrameSettings) -> Iterable[npt.NDArray[np.float32]]:
    """Yield the samples that each run of BLOCK_FRAMES frames covers, frame centres starting at the first sample.

    Half an FFT of zeros stands before the first sample and after the last, as in librosa's ``center=True``.
    """
    half, hop = settings.n_fft // 2, settings.hop_length
    span = (BLOCK_FRAMES - 1) * hop + settings.n_fft
    held = np.zeros(half, dtype=np.float32)
    n_samples, last = 0, np.float32(0.0)
    for block in blocks:
        if len(block) == 0:
            continue
        if not np.isfinite(block).all():
            raise FeatureError(NOT_FINITE)
        n_samples += len(block)
        if settings.preemphasis:
            shifted = np.concatenate([[last], block[:-1]])
            last = block[-1]
            block = (block - np.float32(settings.preemphasis) * shifted).astype(np.float32)  # noqa: PLW2901
        held = np.concatenate([held, block])
        while len(held) >= max(span, BLOCK_FRAMES * hop):
            yield held[:span]
            held = held[BLOCK_FRAMES * hop :]
    if n_samples:
        held = np.concatenate([held, np.zeros(half, dtype=np.float32)])
        # frames may lie further apart than they are long: the zeros can complete a block
        while len(held) >= settings.n_fft:
            yield held[:span]
            held = held[BLOCK_FRAMES * hop :]


def _analysed(
    chunks: Iterable[npt.NDArray[np.float32]], settings: FrameSettings
) -> Iterable[tuple[Frames, Frames, Frames]]:
    """Yield cepstra (n, n_warps * n_mfcc), descriptors (n, d) and levels in decibel (n,) of padded samples."""
    import librosa

    before: Frames | None = None
    for samples in chunks:
        spectrum = librosa.stft(
            samples,
            n_fft=settings.n_fft,
            hop_length=settings.hop_length,
            win_length=settings.win_length,
            window=settings.window,
            center=False,
        )
        magnitude = np.abs(spectrum)
        power, factors = magnitude**2, (1.0, *settings.vtln)
        mels = [librosa.feature.melspectrogram(S=power, **_mel_settings(settings, factor)) for factor in factors]
        # top_db would make a frame depend on the clip's loudest moment, and a block differ from the whole
        log_mels = [librosa.power_to_db(mel, top_db=None) for mel in mels]
        mfcc = np.concatenate([librosa.feature.mfcc(S=log_mel, n_mfcc=settings.n_mfcc) for log_mel in log_mels])
        level = librosa.power_to_db(mels[0].sum(axis=0), top_db=None)
        plain = log_mels[0]
        described = compute_descriptors(samples, magnitude, plain, plain[:, :1] if before is None else before, settings)
        before = plain[:, -1:]
        yield mfcc.T.astype(np.float32), described, level.astype(np.float32)


def _mel_settings(settings: FrameSettings, factor: float) -> dict[str, Any]:
    """Return librosa's settings of the mel bands, their edges moved by a factor."""
    return {
        "sr": settings.sample_rate_hz,
        "n_fft": settings.n_fft,
        "n_mels": settings.n_mels,
        "fmin": factor * settings.fmin_hz,
        "fmax": factor * settings.fmax_hz,
    }
