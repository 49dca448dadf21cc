"""Samples -> raw frames: MFCC, descriptors and levels, block by block.

Frames are rows. They are computed block by block, so that hours of audio fit in memory, and are the same numbers
however the samples arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import refuse_masked
from gmmaudio.errors import FeatureError
from gmmaudio.features.descriptors import Spectra, compute_descriptors
from gmmaudio.features.front_ends import FRONT_ENDS
from gmmaudio.features.normalise import Frames, RastaFilter
from gmmaudio.features.settings import FrameSettings
from gmmaudio.features.spectrum import ShortTimeSpectrum
from gmmaudio.features.speech import SpeechDetector
from gmmaudio.features.tables import FrontEndTables, check_designed, design_tables

# Samples of the frames computed at once, overlaps counted again: few enough that memory is used again.
CHUNK_SAMPLES, MAX_CHUNK = 2**18, 256
# samples emphasised at once
PIECE = 2**15
NOT_FINITE = "the samples give frames that are not finite; check the file for NaN or infinite values"


@dataclass(frozen=True, eq=False)
class RawFrames:
    """Frames before deltas, gate and normalisation: all that needs the sound.

    Parameters
    ----------
    values : ndarray, shape (n_clip, n_warps * n_coefficients + n_descriptor_columns), float32
        Coefficients, one VTLN warp after the other, and descriptors; of the whole clip, for the deltas at an end of a
        part depend on frames beyond it.
    level_db : ndarray, shape (n,), float32
        Power in all bands of the front end, decibel.
    time_s : ndarray, shape (n,), float32
        Centre of every frame, seconds from the start of its clip.
    speech : ndarray, shape (n,), float32, or None
        Probability of speech, 0..1; None where it is not measured.
    n_before : int
        Frames of the clip before the first of this part.

    Raises
    ------
    FeatureError
        If a number is masked.

    Examples
    --------
    >>> values = np.arange(5, dtype=np.float32)
    >>> part = RawFrames(values[:, None], values, values).slice(2, 4)
    >>> len(part), part.time_s.tolist(), part.n_before
    (2, [2.0, 3.0], 2)
    """

    values: Frames
    level_db: Frames
    time_s: Frames
    speech: Frames | None = None
    n_before: int = 0

    def __post_init__(self) -> None:
        for numbers in (self.values, self.level_db, self.time_s, self.speech):
            refuse_masked(numbers, "frames must be real numbers", FeatureError)

    def __len__(self) -> int:
        return len(self.level_db)

    def slice(self, first: int, last: int | None) -> RawFrames:
        """Return a part of the frames, whose deltas still depend on those around it.

        Parameters
        ----------
        first : int
            First frame of the part, counted from the first of these, 0 or more.
        last : int or None
            End of the part, not included; None takes all that follow.
        """
        part = slice(first, last)
        speech = None if self.speech is None else self.speech[part]
        return RawFrames(self.values, self.level_db[part], self.time_s[part], speech, self.n_before + first)


def raw_frames(
    blocks: Iterable[npt.NDArray[np.float32]], settings: FrameSettings, tables: FrontEndTables | None = None
) -> RawFrames:
    """Return the raw frames of samples that arrive in blocks; the same numbers however they are divided.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n,), float32
        Consecutive mono samples at ``settings.sample_rate_hz``, full scale -1..1.
    settings : FrameSettings
        Settings of the frames.
    tables : FrontEndTables or None
        What :func:`design_tables` gave for these settings, such as those of a model; None designs them.

    Raises
    ------
    FeatureError
        If there are no samples, some are masked, or frames are not finite; or speech is to be measured without the
        ``vad`` extra.
    SettingError
        If the tables were designed for other settings.

    Examples
    --------
    >>> samples = np.random.default_rng(0).normal(size=22050).astype(np.float32)
    >>> whole, divided = (raw_frames(blocks, FrameSettings()) for blocks in ([samples], np.split(samples, [100, 9000])))
    >>> whole.values.shape, bool((whole.values == divided.values).all())
    ((44, 20), True)
    """
    return join_frames(list(frame_chunks(blocks, settings, tables)))


def frame_chunks(
    blocks: Iterable[npt.NDArray[np.float32]], settings: FrameSettings, tables: FrontEndTables | None = None
) -> Iterator[RawFrames]:
    """Yield the raw frames of samples that arrive in blocks, as soon as they are known, some hundred at a time.

    Memory does not grow with the samples. Joined by :func:`join_frames`, they are those of :func:`raw_frames`.

    Parameters
    ----------
    blocks, settings, tables
        As for :func:`raw_frames`.

    Raises
    ------
    FeatureError
        If there are no samples, some are masked, or frames are not finite; or speech is to be measured without the
        ``vad`` extra.
    SettingError
        If the tables were designed for other settings.

    Examples
    --------
    >>> samples = np.random.default_rng(0).normal(size=220500).astype(np.float32)
    >>> chunks = list(frame_chunks([samples], FrameSettings()))
    >>> [len(chunk) for chunk in chunks], [round(float(chunk.time_s[0]), 2) for chunk in chunks]
    ([128, 128, 128, 47], [0.0, 2.97, 5.94, 8.92])
    """
    detector = SpeechDetector() if settings.measure_speech else None
    observed = blocks if detector is None else detector.observe(blocks)
    if tables is None:
        tables = design_tables(settings)
    check_designed(tables, settings)
    analysed: Iterable[tuple[Frames, ...]] = _analyse(
        _chunks(_emphasised(observed, settings.preemphasis), settings), settings, tables
    )
    if settings.rasta:
        analysed = _with_rasta(analysed)
    if detector is not None:
        analysed = _with_speech(analysed, detector, settings.hop_length)
    n = 0
    for coefficients, descriptors, level_db, *measured in analysed:
        if not (np.isfinite(coefficients).all() and np.isfinite(descriptors).all()):
            raise FeatureError(NOT_FINITE)
        first, n = n, n + len(coefficients)
        time_s = (np.arange(first, n) * (settings.hop_length / settings.sample_rate_hz)).astype(np.float32)
        speech = measured[0] if measured else None
        yield RawFrames(np.concatenate([coefficients, descriptors], axis=1), level_db, time_s, speech)
    if not n:
        raise FeatureError("no samples; at least one is needed")


def join_frames(parts: Sequence[RawFrames]) -> RawFrames:
    """Return consecutive frames of one clip, each part with the values of its own frames alone, as one.

    Parameters
    ----------
    parts : sequence of RawFrames
        At least one, as :func:`frame_chunks` yields them.

    Examples
    --------
    >>> values = np.arange(3, dtype=np.float32)
    >>> len(join_frames([RawFrames(values[:, None], values, values)] * 2))
    6
    """
    if len(parts) == 1:
        return parts[0]
    return RawFrames(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.level_db for part in parts]),
        np.concatenate([part.time_s for part in parts]),
        None if parts[0].speech is None else np.concatenate([part.speech for part in parts if part.speech is not None]),
    )


def _with_rasta(analysed: Iterable[tuple[Frames, ...]]) -> Iterator[tuple[Frames, ...]]:
    """Yield analysed frames with their coefficients filtered, which are known some frames later than the others."""
    band_pass, waiting = RastaFilter(), list[tuple[Frames, ...]]()
    for coefficients, *others in analysed:
        waiting.append(tuple(others))
        filtered = band_pass.filter(coefficients)
        yield filtered, *_take(waiting, len(filtered))
    if waiting:
        filtered = band_pass.finish()
        yield filtered, *_take(waiting, len(filtered))


def _with_speech(
    analysed: Iterable[tuple[Frames, ...]], detector: SpeechDetector, hop_length: int
) -> Iterator[tuple[Frames, ...]]:
    """Yield analysed frames with their probability of speech, which may be known some frames later."""
    waiting, n = list[tuple[Frames, ...]](), 0
    for frames in analysed:
        waiting.append(frames)
        n_waiting = sum(len(piece[0]) for piece in waiting)
        known = detector.probability(n, n + n_waiting, hop_length)
        n += len(known)
        yield *_take(waiting, len(known)), known
    if waiting:
        detector.finish()
        last = detector.probability(n, n + len(waiting[0][0]), hop_length)
        yield *_take(waiting, len(last)), last


def _take(waiting: list[tuple[Frames, ...]], n: int) -> tuple[Frames, ...]:
    """Return the first ``n`` rows of columns that are held in pieces; the others are left."""
    columns = [np.concatenate(pieces) for pieces in zip(*waiting, strict=True)]
    waiting[:] = [tuple(column[n:] for column in columns)]
    return tuple(column[:n] for column in columns)


def chunk_frames(n_fft: int) -> int:
    """Return the number of frames computed at once, 16 to 256.

    It is fixed, and counted from the clip's start, so that blocks and the whole give the same bits.

    Parameters
    ----------
    n_fft : int
        Length of the FFT, samples.

    Examples
    --------
    >>> chunk_frames(2048), chunk_frames(512)
    (128, 256)
    """
    return min(max(CHUNK_SAMPLES // n_fft, 16), MAX_CHUNK)


def _emphasised(blocks: Iterable[npt.NDArray[np.float32]], preemphasis: float) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the samples in short blocks, high passed: ``y[n] - preemphasis * y[n-1]``."""
    last = np.float32(0.0)
    pieces = (block[start : start + PIECE] for block in blocks for start in range(0, len(block), PIECE))
    for block in pieces:
        refuse_masked(block, "samples must be real numbers", FeatureError)
        # their sum is quicker than to look at each, and overflows where they are not far from it
        with np.errstate(over="ignore", invalid="ignore"):
            total = block.sum()
        if not np.isfinite(total) and not np.isfinite(block).all():
            raise FeatureError(NOT_FINITE)
        if preemphasis:
            emphasised = np.empty(len(block), dtype=np.float32)
            emphasised[0] = last
            emphasised[1:] = block[:-1]
            last = block[-1]
            emphasised *= np.float32(preemphasis)
            yield np.subtract(block, emphasised, out=emphasised, casting="same_kind")
        else:
            yield block


def _chunks(blocks: Iterable[npt.NDArray[np.float32]], settings: FrameSettings) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the samples that each run of :func:`chunk_frames` covers; the next writes over them.

    Frame centres start at the first sample: half an FFT of zeros stands before it and after the last, as in librosa's
    ``center=True``.
    """
    half, hop = settings.n_fft // 2, settings.hop_length
    n_frames = chunk_frames(settings.n_fft)
    span = (n_frames - 1) * hop + settings.n_fft
    step = n_frames * hop
    # one place for all: to ask for new memory takes longer than to fill it
    held, n_held, is_empty = np.zeros(max(span, step), dtype=np.float32), half, True
    for block in blocks:
        is_empty, start = False, 0
        while start < len(block):
            n = min(len(held) - n_held, len(block) - start)
            held[n_held : n_held + n] = block[start : start + n]
            start, n_held = start + n, n_held + n
            if n_held == len(held):
                yield held[:span]
                n_held -= step
                held[:n_held] = held[step:]
    if not is_empty:
        rest = np.concatenate([held[:n_held], np.zeros(half, dtype=np.float32)])
        # frames may lie further apart than they are long: the zeros can complete a chunk
        while len(rest) >= settings.n_fft:
            yield rest[:span]
            rest = rest[step:]


@lru_cache(maxsize=4)
def _prepared(tables: FrontEndTables, settings: FrameSettings) -> Any:
    """Return the front end's own tables in the form in which they are applied, made once for many clips."""
    return FRONT_ENDS[settings.front_end].prepare(tables.own, settings)


def _analyse(
    chunks: Iterable[npt.NDArray[np.float32]], settings: FrameSettings, tables: FrontEndTables
) -> Iterator[tuple[Frames, Frames, Frames]]:
    """Yield coefficients (n, n_warps * n_coefficients), descriptors (n, d) and levels (n,), dB, of padded samples."""
    front_end = FRONT_ENDS[settings.front_end]
    prepared = _prepared(tables, settings)
    spectrum = ShortTimeSpectrum(tables.window, settings.hop_length, chunk_frames(settings.n_fft))
    previous: Frames | None = None
    for samples in chunks:
        # a power that overflows makes frames that are not finite, which are refused
        with np.errstate(over="ignore", invalid="ignore"):
            magnitude, power = spectrum.analyse(samples)
            analysis = front_end.analyse(samples, power, prepared, settings)
            bands = analysis.log_bands
            before = bands[:1] if previous is None else previous
            spectra = Spectra(samples, magnitude, power, bands, before, settings)
            previous = bands[-1:]
            descriptors = compute_descriptors(settings.descriptors, spectra)
        yield analysis.coefficients, descriptors, analysis.level_db
