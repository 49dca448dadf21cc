"""Raw frames of many clips; a file that cannot be used becomes a failure with a reason code and stops no other."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from gmmaudio.audio import AUGMENTATIONS, DEGRADATIONS, AudioInfo, AudioNote, Samples, check_duration, read_blocks
from gmmaudio.compute import QUIET, ItemLimits, RunContext
from gmmaudio.corpus import Clip, Fingerprint, compute_fingerprint
from gmmaudio.errors import AudioError, FeatureError, SettingError, WorkerError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureSettings, FeatureStore, FrontEndTables, RawFrames, design_tables, raw_frames
from gmmaudio.trials.clip_cache import ClipCache, ClipFrames, warn_of
from gmmaudio.trials.spool import Spool, StoredFrames
from gmmaudio.trials.workload import estimate_frames, estimate_work, file_limits
from gmmaudio.values import convert

T_co = TypeVar("T_co", covariant=True)
NO_FINGERPRINT: Fingerprint = np.zeros(0, dtype=np.uint64)
# what to do about a file at which a worker process was lost twice, by its reason code
CURES = {
    "crashed": "leave the file out, or convert it with another program",
    "timeout": "raise `time_limit_s`, leave the file out, or convert it with another program",
    "memory": "raise `memory_limit`, run fewer worker processes (`n_jobs`), or cut the file into parts",
}


@dataclass(frozen=True, eq=False)
class Extracted:
    """The raw frames of one clip.

    Parameters
    ----------
    clip : Clip
        The clip.
    frames : RawFrames or StoredFrames
        Frames before deltas, gate and normalisation, in memory or in a file.
    duration_s : float
        Decoded length, seconds.
    sha256 : str
        Hash of the decoded mono samples at the front end's rate.
    fingerprint : ndarray, shape (k,), uint64
        Sub-fingerprints, by which near-duplicates are recognised (:mod:`gmmaudio.corpus.fingerprint`); k = 0 for clips
        that are too short, silent or steady, and where they were not asked for.
    notes : tuple of AudioNote
        What is to be said of the file: damaged places, joined recordings, channels that cancel.
    sample_rate_hz : int or None
        Rate of the sound in the file; None where that is not known.
    is_timed : bool
        Whether the length is in seconds; of frames that are given without a rate it is a number of frames.
    """

    clip: Clip
    frames: RawFrames | StoredFrames
    duration_s: float
    sha256: str
    fingerprint: Fingerprint = field(default_factory=lambda: NO_FINGERPRINT)
    notes: tuple[AudioNote, ...] = ()
    sample_rate_hz: int | None = None
    is_timed: bool = True

    @property
    def raw(self) -> RawFrames:
        """The frames; those in a file are read, so keep them for as long as they are needed."""
        return self.frames if isinstance(self.frames, RawFrames) else self.frames.read()

    @property
    def n_frames(self) -> int:
        """Number of frames, which are not read for it."""
        return len(self.frames)


class Answer(NamedTuple, Generic[T_co]):
    """What is known of one clip or file, and what is to be said of the cache.

    Parameters
    ----------
    result : object
        What is known of it: frames or rows, a prediction, a failure.
    cache_notes : tuple of str
        What is to be said of the cache, also of a file that failed: entries that were damaged, a disk that is full.
    """

    result: T_co
    cache_notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float | None:
        """Decoded length, seconds, for progress; None of a failure."""
        return getattr(self.result, "duration_s", None)


@dataclass(frozen=True)
class Degradation:
    """A degradation of the sound of clips, before features are computed.

    Parameters
    ----------
    name : str
        One of :data:`gmmaudio.audio.DEGRADATIONS` or :data:`gmmaudio.audio.AUGMENTATIONS`.
    seed : int
        Seed of the random numbers, together with a clip's path.

    Examples
    --------
    >>> Degradation("noise 20 dB", seed=1).apply(np.zeros(3, dtype=np.float32), 22050, "a.wav").shape
    (3,)
    """

    name: str
    seed: int = 0

    def apply(self, samples: Samples, sr: int, path: str) -> Samples:
        """Return degraded samples; random numbers depend on the seed and the path only.

        Parameters
        ----------
        samples : ndarray, shape (n,), float32
            Mono samples.
        sr : int
            Sample rate, hertz.
        path : str
            Path of the clip.

        Returns
        -------
        ndarray, shape (m,), float32
            m is n, except where the degradation changes the duration.
        """
        rng = np.random.default_rng(self.random_key(path))
        return {**DEGRADATIONS, **AUGMENTATIONS}[self.name].function(samples, sr, rng)

    def random_key(self, path: str) -> list[int]:
        """Return the seed of the random numbers of one clip.

        Parameters
        ----------
        path : str
            Path of the clip.
        """
        return [self.seed, zlib.crc32(path.encode("utf-8", "surrogatepass"))]


@dataclass(frozen=True)
class Extraction:
    """The settings under which clips are decoded. A worker process receives them once.

    Parameters
    ----------
    root : Path
        Folder that paths of clips are relative to.
    features : FeatureSettings
        The front end.
    min_duration_s : float
        Shortest decoded length, seconds.
    degradation : Degradation or None
        Degradation of the sound before features are computed.
    tables : FrontEndTables or None
        Tables of the front end, designed once for all clips; None designs them where they are applied.
    cache : ClipCache or None
        Where frames are kept; None computes them.
    fingerprints : bool
        Compute the fingerprint, by which copies of a recording are recognised.
    frames_folder : str or None
        Folder of files that frames are written to; None returns them.
    max_duration_s : float
        Longest decoded length, seconds; what is longer is a failure with the code ``too_long``.
    """

    root: Path
    features: FeatureSettings
    min_duration_s: float
    degradation: Degradation | None = None
    tables: FrontEndTables | None = None
    cache: ClipCache | None = None
    fingerprints: bool = True
    frames_folder: str | None = None
    max_duration_s: float = math.inf

    def part_of(self, clip: Clip) -> dict[str, Any]:
        """Return segment of the file and degradation, as plain values: the file and these give the frames.

        Parameters
        ----------
        clip : Clip
            The clip.
        """
        degradation = self.degradation
        random_key = None if degradation is None else [degradation.name, *degradation.random_key(clip.path)]
        return {"start_s": clip.start_s, "end_s": clip.end_s, "degradation": random_key}

    def estimate_work(self, clips: Sequence[Clip]) -> float:
        """Return about how long it takes to extract clips in one thread, seconds.

        Parameters
        ----------
        clips : sequence of Clip
            Clips.
        """
        return estimate_work(self.root, clips, self._is_kept)

    def limits_of(self, clip: Clip) -> ItemLimits:
        """Return the time and the memory that a clip may take.

        Parameters
        ----------
        clip : Clip
            The clip.
        """
        return file_limits(self.root, clip)

    def _is_kept(self, clip: Clip) -> bool:
        """Return whether the frames of a clip are in the cache."""
        return self.cache is not None and self.cache.holds(self.root / clip.path, self.part_of(clip))


def extract_clips(
    root: Path,
    clips: Sequence[Clip],
    features: FeatureSettings,
    *,
    min_duration_s: float,
    degradation: Degradation | None = None,
    tables: FrontEndTables | None = None,
    store: FeatureStore | None = None,
    spool: Spool | None = None,
    run: RunContext = QUIET,
) -> list[Extracted | FailedInput]:
    """Return the frames of every clip, or its failure, in the order of the clips.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        Clips to decode.
    features : FeatureSettings
        The front end.
    min_duration_s : float
        Shortest decoded length, seconds.
    degradation : Degradation or None
        Degradation of the sound before features are computed.
    tables : FrontEndTables or None
        Tables of the front end, such as those of a model; None designs them.
    store : FeatureStore or None
        Where frames are kept; they are the same bits with it and without.
    spool : Spool or None
        Where frames go beyond a bound of memory; None holds all in memory.
    run : RunContext
        Worker processes and progress.

    Returns
    -------
    list of Extracted or FailedInput
        One for each clip.

    Raises
    ------
    SettingError
        If the front end takes frames that are given, and no sound.
    WorkerError
        If worker processes cannot be started.

    Warns
    -----
    CacheWarning
        Once for each kind of trouble with the store.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> clips = [Clip("no_such_file.wav", "jazz")]
    >>> [item.code for item in extract_clips(Path(), clips, make_features(), min_duration_s=0.5)]
    ['vanished']
    """
    frames = features.sound_frames
    # by the caller's process: workers need not import what designs them
    tables = design_tables(frames) if tables is None else tables
    cache = None if store is None else ClipCache.of(store, frames, tables)
    root, folder = run.locate(root), None
    # frames that many workers make need not pass through this process, where both reach the files
    if spool is not None and (run.is_here or store is not None):
        folder = spool.folder_for(estimate_frames(root, clips, frames))
    extraction = Extraction(root, features, min_duration_s, degradation, tables, cache, frames_folder=folder)
    stage = "extracting features" if degradation is None else f"extracting features, {degradation.name}"
    function, estimate = partial(extract_clip, extraction), partial(extraction.estimate_work, clips)
    results: list[Extracted | FailedInput] = []
    cache_notes: dict[str, None] = {}
    limits = extraction.limits_of
    for answer in run.map(function, clips, stage, on_crash=fail_crashed, estimate=estimate, limits=limits):
        results.append(answer.result if spool is None else _held(answer.result, spool))
        cache_notes |= dict.fromkeys(answer.cache_notes)
    warn_of(cache_notes)
    return results


def _held(result: Extracted | FailedInput, spool: Spool) -> Extracted | FailedInput:
    """Return a clip whose frames are in memory, or in a file where they do not fit."""
    if isinstance(result, FailedInput):
        return result
    frames = spool.hold_frames(result.frames)
    return result if frames is result.frames else replace(result, frames=frames)


def extract_clip(extraction: Extraction, clip: Clip) -> Answer[Extracted | FailedInput]:
    """Return the frames of one clip, or its failure.

    Parameters
    ----------
    extraction : Extraction
        Settings.
    clip : Clip
        Clip to decode.

    Returns
    -------
    Answer
        Frames, or a reason code and a message.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> extract_clip(Extraction(Path(), make_features(), 0.5), Clip("no_such_file.wav", "jazz")).result.message
    'is not there; check the path'
    """
    cache_notes: list[str] = []
    result = _extracted(extraction, clip, cache_notes.append)
    # a folder that cannot be written is no fault of the file
    if extraction.frames_folder is not None and isinstance(result, Extracted):
        result = replace(result, frames=StoredFrames.write(extraction.frames_folder, result.raw))
    return Answer(result, tuple(cache_notes))


def _extracted(extraction: Extraction, clip: Clip, note: Callable[[str], None]) -> Extracted | FailedInput:
    """Return the frames of one clip, or its failure; ``note`` is called with what is to be said of the cache."""
    try:
        frames = _frames_of(extraction, clip, note)
        check_duration(frames.source.duration_s or 0.0, extraction.min_duration_s)
        prints = _fingerprint_of(frames, extraction)
    except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop the others
        return as_failure(clip.path, error)
    return Extracted(
        clip=clip,
        frames=frames.raw,
        duration_s=frames.duration_s,
        sha256=frames.sha256,
        fingerprint=prints,
        notes=frames.notes,
        sample_rate_hz=frames.source.sample_rate_hz,
    )


def _frames_of(extraction: Extraction, clip: Clip, note: Callable[[str], None]) -> ClipFrames:
    """Return the frames of a clip, kept or computed."""
    if extraction.cache is None:
        return _compute(extraction, clip)
    path, part = extraction.root / clip.path, extraction.part_of(clip)
    return extraction.cache.frames_of(path, part, lambda: _compute(extraction, clip), note)


def _compute(extraction: Extraction, clip: Clip) -> ClipFrames:
    """Return the frames of a clip, also of one that is too short: the minimum is of the run, not of the file."""
    sr = extraction.features.sound_frames.sample_rate_hz
    tally, notes, decoded = _Tally(), list[AudioNote](), list[AudioInfo]()
    try:
        blocks = read_blocks(
            extraction.root / clip.path,
            sr,
            start_s=clip.start_s,
            end_s=clip.end_s,
            max_duration_s=extraction.max_duration_s,
            on_note=notes.append,
            on_decoded=decoded.append,
        )
        sound = tally.count(blocks)
        if extraction.degradation is not None:
            degraded = extraction.degradation.apply(np.concatenate(list(sound)), sr, clip.path)
            tally.n_samples, sound = len(degraded), iter([degraded])
        raw = raw_frames(sound, extraction.features.sound_frames, extraction.tables)
        prints = _fingerprint(raw, extraction.features) if extraction.fingerprints else None
    except Exception:
        # whatever else is wrong with a short clip follows from that
        for info in decoded:
            check_duration(info.duration_s or 0.0, extraction.min_duration_s)
        raise
    return ClipFrames(raw, decoded[0], tally.n_samples / sr, tally.digest.hexdigest(), prints, tuple(notes))


def as_failure(path: str, error: Exception) -> FailedInput:
    """Return the failure of a file at which an error was raised.

    Parameters
    ----------
    path : str
        The file.
    error : Exception
        Its code is that of an AudioError, ``no_frames`` for a FeatureError, and ``failed`` for any other.

    Raises
    ------
    MemoryError
        If that is the error: :meth:`gmmaudio.compute.RunContext.map` tries the file again, or names it.

    Examples
    --------
    >>> as_failure("a.wav", ZeroDivisionError("division by zero")).message
    'cannot be used (ZeroDivisionError: division by zero)'
    """
    if isinstance(error, MemoryError):
        raise error
    if isinstance(error, AudioError):
        return FailedInput(path, error.code, error.message)
    if isinstance(error, FeatureError):
        return FailedInput(path, "no_frames", str(error))
    return FailedInput(path, "failed", f"cannot be used ({type(error).__name__}: {error})")


def fail_crashed(clip: Clip, error: WorkerError) -> Answer[FailedInput]:
    """Return the failure of a clip whose worker process died, or was ended because the clip passed a limit.

    Parameters
    ----------
    clip : Clip
        The clip.
    error : WorkerError
        What happened.

    Returns
    -------
    Answer
        With the code ``crashed``, ``timeout`` or ``memory``.

    Examples
    --------
    >>> fail_crashed(Clip("a.mp3", "jazz"), WorkerError("the worker process died twice (SIGSEGV)")).result.message
    'the worker process died twice (SIGSEGV); leave the file out, or convert it with another program'
    """
    return Answer(FailedInput(clip.path, error.code, f"{error}; {CURES[error.code]}"))


def _fingerprint_of(frames: ClipFrames, extraction: Extraction) -> Fingerprint:
    """Return the fingerprint of a clip; an empty one where it is not asked for."""
    if not extraction.fingerprints:
        return NO_FINGERPRINT
    # a run that needs none, as classification, keeps frames without one
    return _fingerprint(frames.raw, extraction.features) if frames.fingerprint is None else frames.fingerprint


def _fingerprint(raw: RawFrames, features: FeatureSettings) -> Fingerprint:
    """Return the fingerprint of a clip; an empty one from a front end too coarse for it, which the report counts."""
    try:
        return compute_fingerprint(raw.values[:, : features.frames.n_coefficients], features.frames.frames_per_s)
    except SettingError:
        return NO_FINGERPRINT


def check_lengths(min_duration_s: float, trial_s: float | None = None) -> None:
    """Raise an error where a length is outside its bounds.

    Parameters
    ----------
    min_duration_s : float
        Shortest clip or trial, seconds.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; 0 or None takes clips as they are.

    Raises
    ------
    SettingError
        If ``min_duration_s`` is not within 0 to 3600, or ``trial_s`` neither 0 nor within 0.1 to 3600.

    Examples
    --------
    >>> check_lengths(0.5, 6.0)
    """
    min_duration_s = convert("`min_duration_s`", min_duration_s, float)
    trial_s = convert("`trial_s`", trial_s, float | None)
    if not 0 <= min_duration_s <= 3600:
        raise SettingError(f"`min_duration_s` is {min_duration_s:g}; expected 0 to 3600 s")
    if trial_s and not 0.1 <= trial_s <= 3600:
        raise SettingError(f"`trial_s` is {trial_s:g}; expected 0.1 to 3600 s, or 0 to take clips as they are")


class _Tally:
    """The number and the hash of the samples of a clip, updated block by block."""

    def __init__(self) -> None:
        self.n_samples = 0
        self.digest = hashlib.sha256()

    def count(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the blocks unchanged, each counted and hashed."""
        for block in blocks:
            self.n_samples += len(block)
            self.digest.update(block.tobytes())
            yield block
