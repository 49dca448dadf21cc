"""The gate: frames of a clip that are too quiet, or not speech, are dropped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.features.frames import RawFrames
from gmmaudio.features.normalise import Frames, check_frames
from gmmaudio.features.settings import RowSettings

# percentile of frame levels: the level of a clip's steady noise
NOISE_PERCENTILE = 10


def passing_frames(raw: RawFrames, rows: RowSettings) -> npt.NDArray[np.bool_]:
    """Return a mask of the frames of a clip (n,) that pass the gates, at least one.

    Parameters
    ----------
    raw : RawFrames
        Frames of one clip, or of a part of one, at least one: their levels are judged against each other.
    rows : RowSettings
        Settings of the gates: ``gate_range_db``, ``gate_percentile``, ``gate_floor_db``, ``gate_margin``,
        ``speech_gate``.

    Raises
    ------
    FeatureError
        If there are no frames.
    SettingError
        If there is a speech gate, and the frames hold no probability of speech.

    Examples
    --------
    >>> level_db = np.array([-90, -20, -25, -20], dtype=np.float32)
    >>> raw = RawFrames(np.zeros((4, 1), dtype=np.float32), level_db, np.arange(4, dtype=np.float32))
    >>> passing_frames(raw, RowSettings(gate_range_db=30.0)).tolist()
    [False, True, True, True]
    """
    check_frames(raw.level_db)
    passed = np.ones(len(raw), dtype=bool)
    if rows.gate_range_db is not None or rows.gate_floor_db is not None:
        loud = raw.level_db >= _threshold_db(raw.level_db, rows)
        inner = ~_widen(~loud, rows.gate_margin)
        # a clip of hits hardly longer than the margins would lose most of its sound: it keeps what is loud
        passed &= inner if 2 * inner.sum() >= loud.sum() else loud
    if rows.speech_gate is not None:
        if raw.speech is None:
            raise SettingError("the frames hold no probability of speech; make them with `measure_speech`")
        # where nothing is speech, the most speech-like frames are kept
        passed &= raw.speech >= min(rows.speech_gate, float(raw.speech[passed].max()))
    return passed


def _threshold_db(level_db: Frames, rows: RowSettings) -> float:
    """Return the level below which frames of a clip are dropped, decibel; the loudest frame always passes."""
    levels = np.sort(level_db)
    reference = _percentile(levels, rows.gate_percentile)
    lowest = -np.inf if rows.gate_range_db is None else reference - rows.gate_range_db
    if rows.gate_floor_db is None:
        return lowest
    # a cut or a muted part, far below even a quiet room, is not the noise of the recording
    audible = levels[np.searchsorted(levels, np.float32(2 * lowest - reference)) :]
    noise = _percentile(audible, NOISE_PERCENTILE)
    return max(lowest, min(noise + rows.gate_floor_db, reference - 2 * rows.gate_floor_db))


def _percentile(levels: Frames, percent: float) -> float:
    """Return a percentile of sorted levels, between two of them if need be: numpy's, without sorting them again."""
    place = (len(levels) - 1) * (percent / 100)
    below = int(place)
    low, high = levels[below], levels[min(below + 1, len(levels) - 1)]
    share = place - below
    # from the nearer of the two, as numpy rounds it
    if share < 0.5:
        return float(low + (high - low) * np.float32(share))
    return float(high - (high - low) * np.float32(1 - share))


def _widen(gaps: npt.NDArray[np.bool_], n: int) -> npt.NDArray[np.bool_]:
    """Return a mask of gaps (n_frames,) made longer by ``n`` frames on each side."""
    wide = gaps.copy()
    for shift in range(1, min(n, len(gaps) - 1) + 1):
        wide[shift:] |= gaps[:-shift]
        wide[:-shift] |= gaps[shift:]
    return wide
