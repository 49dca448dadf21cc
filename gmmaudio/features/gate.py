"""The gate: which frames of a clip are kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.features.frames import RawFrames
from gmmaudio.features.normalise import Frames
from gmmaudio.features.settings import RowSettings

# of frame levels: what a clip's steady noise is as loud as
QUIET_PERCENTILE = 10


def passing_frames(raw: RawFrames, rows: RowSettings) -> npt.NDArray[np.bool_]:
    """Return which frames of a clip (n,) pass the gates, at least one."""
    passed = np.ones(len(raw), dtype=bool)
    if rows.gate_range_db is not None or rows.gate_floor_db is not None:
        loud = raw.level_db >= _gate_level(raw.level_db, rows)
        inner = ~_widened(~loud, rows.gate_margin)
        # a clip of hits hardly longer than the margins would lose most of its sound: it keeps what is loud
        passed &= inner if 2 * inner.sum() >= loud.sum() else loud
    if rows.speech_gate is not None:
        if raw.speech is None:
            raise SettingError("the frames hold no probability of speech; make them with a speech_gate too")
        # where nothing is speech, what is most like it must do
        passed &= raw.speech >= min(rows.speech_gate, float(raw.speech[passed].max()))
    return passed


def _gate_level(level_db: Frames, rows: RowSettings) -> float:
    """Return the level below which frames of a clip are dropped, decibel; the loudest always passes."""
    reference = float(np.percentile(level_db, rows.gate_percentile))
    least = -np.inf if rows.gate_range_db is None else reference - rows.gate_range_db
    if rows.gate_floor_db is None:
        return least
    # a cut or a muted part, far below even a quiet room, is nobody's noise
    heard = level_db[level_db >= 2 * least - reference]
    quiet = float(np.percentile(heard, QUIET_PERCENTILE))
    return max(least, min(quiet + rows.gate_floor_db, reference - 2 * rows.gate_floor_db))


def _widened(gaps: npt.NDArray[np.bool_], n: int) -> npt.NDArray[np.bool_]:
    """Return gaps (n_frames,) made longer by ``n`` frames on each side."""
    wide = gaps.copy()
    for shift in range(1, min(n, len(gaps) - 1) + 1):
        wide[shift:] |= gaps[:-shift]
        wide[:-shift] |= gaps[shift:]
    return wide
