"""Clips -> frames, over many files, with every bad file named and none in the way of the others."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gmmaudio.audio import AUGMENTATIONS, DEGRADATIONS, Samples, read_blocks
from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip, Fingerprint, compute_fingerprint
from gmmaudio.errors import AudioError, FeatureError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureSettings, RawFrames, raw_frames


@dataclass(frozen=True, eq=False)
class Extracted:
    """One clip's frames.

    Parameters
    ----------
    clip : Clip
        What it is.
    raw : RawFrames
        Frames before deltas, gate and normalisation.
    duration_s : float
        Decoded length, seconds.
    sha256 : str
        Hash of the decoded mono samples at the front end's rate.
    fingerprint : ndarray, shape (k,), uint64
        What tells near-duplicates (:mod:`gmmaudio.corpus.fingerprint`); empty where there is nothing to tell.
    """

    clip: Clip
    raw: RawFrames
    duration_s: float
    sha256: str
    fingerprint: Fingerprint = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))


@dataclass(frozen=True)
class Degradation:
    """What is done to sound before its features are computed.

    Parameters
    ----------
    name : str
        One of :data:`gmmaudio.audio.DEGRADATIONS` or :data:`gmmaudio.audio.AUGMENTATIONS`.
    seed : int
        With a clip's path, seeds what is random.
    """

    name: str
    seed: int = 0

    def apply(self, samples: Samples, sr: int, path: str) -> Samples:
        """Return degraded samples; what is random depends on seed and path only."""
        return {**DEGRADATIONS, **AUGMENTATIONS}[self.name].function(
            samples, sr, np.random.default_rng([self.seed, zlib.crc32(path.encode("utf-8", "surrogatepass"))])
        )


@dataclass(frozen=True)
class ExtractionTask:
    """One clip to decode, and how.

    Parameters
    ----------
    root : Path
        Folder that the clip's path is relative to.
    clip : Clip
        What to decode.
    features : FeatureSettings
        The front end.
    min_duration_s : float
        Least decoded length, seconds.
    degradation : Degradation or None
        What is done to the sound first.
    """

    root: Path
    clip: Clip
    features: FeatureSettings
    min_duration_s: float
    degradation: Degradation | None = None


def extract_clips(
    root: Path,
    clips: Sequence[Clip],
    features: FeatureSettings,
    *,
    min_duration_s: float,
    degradation: Degradation | None = None,
    run: RunContext = QUIET,
) -> list[Extracted | FailedInput]:
    """Return the frames of every clip, or why there are none, in the order of the clips.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        What to decode.
    features : FeatureSettings
        The front end.
    min_duration_s : float
        Least decoded length, seconds.
    degradation : Degradation or None
        What is done to the sound first.
    run : RunContext
        Worker processes and progress.
    """
    tasks = [ExtractionTask(root, clip, features, min_duration_s, degradation) for clip in clips]
    stage = "extracting features" if degradation is None else f"extracting features, {degradation.name}"
    return list(run.map(extract_clip, tasks, stage))


def extract_clip(task: ExtractionTask) -> Extracted | FailedInput:
    """Return one clip's frames, or why there are none."""
    clip, sr = task.clip, task.features.frames.sample_rate_hz
    tally = _Tally()
    try:
        blocks = read_blocks(
            task.root / clip.path,
            sr,
            start_s=clip.start_s,
            end_s=clip.end_s,
            min_duration_s=task.min_duration_s,
        )
        sound = tally.count(blocks)
        if task.degradation is not None:
            degraded = task.degradation.apply(np.concatenate(list(sound)), sr, clip.path)
            tally.n_samples, sound = len(degraded), iter([degraded])
        raw = raw_frames(sound, task.features.frames)
        prints = _fingerprint(raw, task.features)
    except AudioError as error:
        return FailedInput(clip.path, error.code, error.message)
    except FeatureError as error:
        return FailedInput(clip.path, "no_frames", str(error))
    except Exception as error:  # noqa: BLE001 - a decoder's surprise at one file must not lose thousands of others
        return FailedInput(clip.path, "failed", f"cannot be used ({type(error).__name__}: {error})")
    return Extracted(clip, raw, tally.n_samples / sr, tally.digest.hexdigest(), prints)


def _fingerprint(raw: RawFrames, config: FeatureSettings) -> Fingerprint:
    """Return what tells near-duplicates; nothing from a front end too coarse for it, and the report counts that."""
    try:
        return compute_fingerprint(raw.values[:, : config.frames.n_coefficients], config.frames.frames_per_s)
    except SettingError:
        return np.zeros(0, dtype=np.uint64)


def check_lengths(min_duration_s: float, trial_s: float | None = None) -> None:
    """Raise SettingError where a length in seconds is outside its bounds.

    Examples
    --------
    >>> check_lengths(0.5, 6.0)
    """
    if not 0 <= min_duration_s <= 3600:
        raise SettingError(f"`min_duration_s` is {min_duration_s:g}; expected 0 to 3600 s")
    if trial_s is not None and not 0.1 <= trial_s <= 3600:
        raise SettingError(f"`trial_s` is {trial_s:g}; expected 0.1 to 3600 s")


class _Tally:
    """Counts and hashes samples on their way."""

    def __init__(self) -> None:
        self.n_samples = 0
        self.digest = hashlib.sha256()

    def count(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the blocks on."""
        for block in blocks:
            self.n_samples += len(block)
            self.digest.update(block.tobytes())
            yield block
