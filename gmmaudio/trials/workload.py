"""The work and the frames of an extraction, and the limits of a file, from the sizes of files alone."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gmmaudio.compute import ItemLimits, machine_memory
from gmmaudio.corpus import Clip
from gmmaudio.features import FrameSettings
from gmmaudio.files import find_path

# clips that are looked at, evenly spaced
MAX_LOOKED_AT = 100
# docs/decisions/0014-jobs.md: seconds for each clip, for one whose frames are kept, and for each second of sound
CLIP_S, KEPT_CLIP_S, SOUND_S = 2.5e-3, 0.2e-3, 1.5e-3
# bytes for each second of sound: of lossy formats at common rates, of PCM, and of the others, most of them FLAC
LOSSY = (".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".webm", ".mkv", ".mka", ".wma", ".amr", ".3gp")
PCM = (".wav", ".aif", ".aiff", ".au", ".snd", ".caf", ".w64", ".rf64")
BYTES_PER_S = {**dict.fromkeys(LOSSY, 16_000), **dict.fromkeys(PCM, 88_000)}
OTHER_BYTES_PER_S = 32_000
# beside the columns of a frame: level, time, and the probability of speech
LEVEL_COLUMNS = 3

# docs/reliability.md: a machine may be ten times as slow, and sound take an eighth of the bytes
LEAST_TIME_S, TIMES_WORK = 60.0, 80.0
LEAST_MEMORY, MEMORY_SHARE = 2**30, 0.5


def estimate_work(root: Path, clips: Sequence[Clip], is_kept: Callable[[Clip], bool]) -> float:
    """Return about how long it takes to extract features in one thread, seconds, within a factor of three or so.

    Parameters
    ----------
    root : Path
        Folder that paths of clips are relative to.
    clips : sequence of Clip
        Clips, of which at most 100 are looked at.
    is_kept : callable
        Returns whether the frames of a clip are kept from an earlier run.

    Returns
    -------
    float
        Seconds, 0 or more.

    Examples
    --------
    >>> clips = [Clip("tape.mp3", "jazz", start_s=60.0, end_s=90.0), Clip("kept.mp3", "jazz")]
    >>> round(estimate_work(Path(), clips, lambda clip: clip.path == "kept.mp3"), 4)
    0.0477
    """
    return _estimate(clips, lambda clip: _clip_work(root, clip, is_kept))


def estimate_frames(root: Path, clips: Sequence[Clip], settings: FrameSettings) -> float:
    """Return about how many bytes the raw frames of clips take, within a factor of three or so.

    Parameters
    ----------
    root : Path
        Folder that paths of clips are relative to.
    clips : sequence of Clip
        Clips, of which at most 100 are looked at.
    settings : FrameSettings
        Settings of the frames.

    Examples
    --------
    >>> clips = [Clip("tape.mp3", "jazz", start_s=60.0, end_s=90.0)]
    >>> round(estimate_frames(Path(), clips, FrameSettings()) / 1e6, 2)
    0.12
    """
    n_columns = settings.n_warps * settings.n_coefficients + settings.n_descriptor_columns
    seconds = _estimate(clips, lambda clip: sound_s(root / clip.path, clip))
    return seconds * settings.frames_per_s * (n_columns + LEVEL_COLUMNS) * np.dtype(np.float32).itemsize


def _estimate(clips: Sequence[Clip], measure: Callable[[Clip], float]) -> float:
    """Return about the sum of a measure over all clips, from some of them."""
    looked_at = clips[:: max(1, -(-len(clips) // MAX_LOOKED_AT))]
    return sum(map(measure, looked_at)) * len(clips) / max(1, len(looked_at))


def _clip_work(root: Path, clip: Clip, is_kept: Callable[[Clip], bool]) -> float:
    """Return about how long one clip takes, seconds."""
    return KEPT_CLIP_S if is_kept(clip) else CLIP_S + SOUND_S * sound_s(root / clip.path, clip)


def sound_s(path: Path, clip: Clip) -> float:
    """Return about how many seconds of sound a clip has: those of its segment, or by the size of its file.

    Parameters
    ----------
    path : Path
        The file.
    clip : Clip
        The clip.

    Examples
    --------
    >>> sound_s(Path("no_such_file.wav"), Clip("no_such_file.wav", "jazz"))
    0.0
    """
    return max(0.0, _end_s(path, clip) - clip.start_s)


def _end_s(path: Path, clip: Clip) -> float:
    """Return the end of a clip in its file, or about how long the file is, seconds."""
    if clip.end_s is not None:
        return clip.end_s
    try:
        status = find_path(path).stat()
    except (OSError, ValueError):
        return 0.0
    n_bytes = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return n_bytes / BYTES_PER_S.get(path.suffix.lower(), OTHER_BYTES_PER_S)


def file_limits(root: Path, clip: Clip) -> ItemLimits:
    """Return the time and the memory that one clip may take: much more than it needs on a slow machine.

    Parameters
    ----------
    root : Path
        Folder that paths of clips are relative to.
    clip : Clip
        The clip. What comes before it in its file may have to be decoded too.

    Examples
    --------
    >>> file_limits(Path(), Clip("tape.mp3", "jazz", start_s=60.0, end_s=90.0)).time_s
    71.0
    """
    time_s = LEAST_TIME_S + TIMES_WORK * (CLIP_S + SOUND_S * _end_s(root / clip.path, clip))
    memory = machine_memory()
    return ItemLimits(time_s, max(LEAST_MEMORY, round(MEMORY_SHARE * memory)) if memory else None)
