"""Windows of a recording, scored one after another as its frames arrive, in memory that does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureSettings, RawFrames, join_frames
from gmmaudio.models.model import TrainingSummary
from gmmaudio.values import convert_fields

# about the time from one window to the next, seconds, where the user names none
HOP_S = 0.5
BOUNDS_S = (0.2, 3600.0)
# a window shorter than this share of the model's own is remarked on
MUCH_SHORTER = 0.9


@dataclass(frozen=True)
class WindowSettings:
    """Length and step of the windows in which a recording is scored.

    Parameters
    ----------
    window_s : float
        Length of a window, seconds, 0.2 to 3600.
    hop_s : float
        From the start of one window to that of the next, seconds, 0.02 or more and at most ``window_s``.

    Raises
    ------
    SettingError
        If a length is outside its bounds.

    Examples
    --------
    >>> WindowSettings(6.0, 0.5).in_frames(100.0)
    (598, 46)
    """

    window_s: float
    hop_s: float = HOP_S

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        low, high = BOUNDS_S
        if not low <= self.window_s <= high:
            raise SettingError(f"`window_s` is {self.window_s:g}; expected {low:g} to {high:g} s")
        if not 0.02 <= self.hop_s <= self.window_s:
            raise SettingError(f"`hop_s` is {self.hop_s:g}; expected 0.02 s to the window's {self.window_s:g} s")

    def in_frames(self, frames_per_s: float) -> tuple[int, int]:
        """Return length and step in frames; the length is an odd multiple of the step, so each window has a middle.

        Parameters
        ----------
        frames_per_s : float
            Frames in a second.
        """
        length = max(1, round(self.window_s * frames_per_s))
        step = max(1, round(length / _odd(self.window_s / self.hop_s)))
        return step * _odd(length / step), step


def _odd(number: float) -> int:
    """Return an odd whole number about as great, 1 or more."""
    whole = max(1, round(number))
    return whole + 1 - whole % 2


def calibrated_window_s(training: TrainingSummary) -> float:
    """Return the length of the trials that a model was calibrated on, seconds: their own, or the mean of the clips.

    Parameters
    ----------
    training : TrainingSummary
        Summary of its training.

    Examples
    --------
    >>> import gmmaudio
    >>> round(calibrated_window_s(gmmaudio.train("my_music").model.training), 2)
    6.5
    """
    own_s = training.trial_s or sum(training.seconds.values()) / max(1, len(training.clips))
    low, high = BOUNDS_S
    return min(max(own_s, low), high)


class FrameBuffer:
    """The latest raw frames of a recording; a part of them is what it is in the whole recording, deltas included.

    Parameters
    ----------
    features : FeatureSettings
        The front end.

    Examples
    --------
    >>> import numpy as np
    >>> from gmmaudio.features import make_features
    >>> values = np.arange(4, dtype=np.float32)
    >>> buffer = FrameBuffer(make_features(n_mfcc=5))
    >>> buffer.add(RawFrames(np.zeros((4, 5)), values, values))
    >>> buffer.forget(3)
    >>> buffer.n_frames, buffer.part(3, 4).time_s
    (4, array([3.], dtype=float32))
    """

    def __init__(self, features: FeatureSettings) -> None:
        self._reach = features.rows.delta_reach
        self._pieces: list[RawFrames] = []
        # index of the first frame that is held
        self._first = 0
        self.n_frames = 0

    def add(self, chunk: RawFrames) -> None:
        """Append the next frames of the recording.

        Parameters
        ----------
        chunk : RawFrames
            As :func:`gmmaudio.features.frame_chunks` yields it.
        """
        self._pieces.append(chunk)
        self.n_frames += len(chunk)

    def part(self, first: int, last: int) -> RawFrames:
        """Return frames, which depend on those beyond their ends as far as deltas reach.

        Parameters
        ----------
        first, last : int
            Index in the recording of the first frame, and of the frame after the last; of those that are held.
        """
        low, high = max(self._first, first - self._reach), min(self.n_frames, last + self._reach)
        start, pieces = self._first, []
        for piece in self._pieces:
            end = start + len(piece)
            if start < high and low < end:
                pieces.append(_own_part(piece, max(low - start, 0), min(high, end) - start))
            start = end
        return join_frames(pieces).slice(first - low, last - low)

    def forget(self, first: int) -> None:
        """Drop the frames that no part from frame ``first`` on needs.

        Parameters
        ----------
        first : int
            Index in the recording.
        """
        while self._pieces and self._first + len(self._pieces[0]) <= first - self._reach:
            self._first += len(self._pieces.pop(0))


def _own_part(piece: RawFrames, first: int, last: int) -> RawFrames:
    """Return a part of frames with the values of its own frames alone."""
    part = piece.slice(first, last)
    return replace(part, values=piece.values[first:last], n_before=0)
