"""Silence in a recording: stretches far below the sound around them, found as the frames arrive."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gmmaudio.features import FeatureSettings, Frames, RawFrames

# below the second loudest second around a frame, decibel: far more than between words
RANGE_DB = 50.0
# level of digital silence, and what lies as low, decibel
FLOOR_DB = -99.0
# seconds before and after a second, of which the second loudest is its reference
PAST_S, AHEAD_S = 60, 3
# percentile of the frames of a second that is its level
LEVEL_PERCENTILE = 95
# shorter pauses belong to the sound around them, seconds
SHORTEST_S = 2.0


class SilenceDetector:
    """Frames that are silent: 50 dB below the second loudest second around them, or without speech; for 2 s or longer.

    The minute before and the three seconds after count. With a speech gate, frames without speech are
    silent too.

    Parameters
    ----------
    features : FeatureSettings
        The front end: its rate of frames, and its speech gate.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> level_db = np.repeat(np.float32([-20.0, -95.0, -20.0]), 200)
    >>> detector = SilenceDetector(make_features(hop_s=0.01))
    >>> detector.add(RawFrames(np.zeros((600, 20)), level_db, level_db))
    >>> detector.finish()
    >>> detector.n_known, detector.stretches(0, 600)
    (600, [(200, 400)])
    """

    def __init__(self, features: FeatureSettings) -> None:
        self._second = max(1, round(features.frames.frames_per_s))
        self._shortest = max(1, round(SHORTEST_S * features.frames.frames_per_s))
        self._speech_gate = features.rows.speech_gate
        self._levels: list[float] = []
        self._waiting = np.zeros((2, 0), dtype=np.float32)
        self._n_decided = 0
        self._silent: npt.NDArray[np.bool_] = np.zeros(0, dtype=bool)
        # index of the first frame of the mask
        self._first = 0

    @property
    def n_known(self) -> int:
        """Frames of the recording so far of which it is known whether they are silent."""
        return self._first + len(self._silent)

    def add(self, chunk: RawFrames) -> None:
        """Look at the next frames of the recording.

        Parameters
        ----------
        chunk : RawFrames
            As :func:`gmmaudio.features.frame_chunks` yields it.
        """
        speech = np.ones(len(chunk), dtype=np.float32) if chunk.speech is None else chunk.speech
        self._waiting = np.concatenate([self._waiting, np.stack([chunk.level_db, speech])], axis=1)
        n_new = self._waiting.shape[1] // self._second - (len(self._levels) - self._n_decided)
        for _ in range(n_new):
            start = (len(self._levels) - self._n_decided) * self._second
            self._levels.append(_level_of(self._waiting[0, start : start + self._second]))
            if len(self._levels) > self._n_decided + AHEAD_S:
                self._decide()

    def finish(self) -> None:
        """Decide on all frames that are left: the recording has ended."""
        rest = self._waiting.shape[1] - (len(self._levels) - self._n_decided) * self._second
        if rest > 0:
            self._levels.append(_level_of(self._waiting[0, -rest:]))
        while self._waiting.shape[1]:
            self._decide()

    def share(self, first: int, last: int) -> float:
        """Return the share of frames in silence of the shortest length or more, 0..1.

        Parameters
        ----------
        first, last : int
            Index of the first frame, and of the frame after the last.
        """
        silent = sum(end - start for start, end in self.stretches(first, last))
        return silent / max(1, min(last, self.n_known) - first)

    def stretches(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the parts of silent stretches that lie between two frames; shorter pauses are left out.

        Parameters
        ----------
        first, last : int
            Index of the first frame, and of the frame after the last.
        """
        changes = np.flatnonzero(np.diff(np.concatenate([[False], self._silent, [False]]).astype(np.int8)))
        found = []
        for start, end in (changes.reshape(-1, 2) + self._first).tolist():
            if end - start >= self._shortest and start < last and first < end:
                found.append((max(start, first), min(end, last)))
        return found

    def forget(self, first: int) -> None:
        """Drop what is known of the frames before ``first``, but for a stretch that reaches over it.

        Parameters
        ----------
        first : int
            Index in the recording.
        """
        n = min(max(0, first - self._shortest - self._first), len(self._silent))
        self._silent, self._first = self._silent[n:], self._first + n

    def _decide(self) -> None:
        """Compare the oldest second that is not decided with those around it."""
        j = self._n_decided
        # the second loudest: a bang in one of them is no reference
        around = sorted(self._levels[max(0, j - PAST_S) : j + AHEAD_S + 1])
        reference = around[-min(2, len(around))]
        levels, speech = self._waiting[:, : self._second]
        silent = levels < max(reference - RANGE_DB, FLOOR_DB)
        if self._speech_gate is not None:
            silent |= speech < self._speech_gate
        self._silent = np.concatenate([self._silent, silent])
        self._waiting = self._waiting[:, self._second :]
        self._n_decided += 1


def _level_of(levels: Frames) -> float:
    """Return the level of a second."""
    return float(np.percentile(levels, LEVEL_PERCENTILE))
