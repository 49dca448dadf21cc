"""Sound that arrives -> the label of its latest window, at every hop, in memory that does not grow."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.audio import Samples, check_duration
from gmmaudio.audio.decode import SILENCE_PEAK_TO_PEAK
from gmmaudio.compute import one_thread
from gmmaudio.errors import SettingError
from gmmaudio.features import RawFrames, make_rows, raw_frames
from gmmaudio.models import Model
from gmmaudio.models.segmenter import probability_unknown
from gmmaudio.models.silence import FLOOR_DB, LEVEL_PERCENTILE, PAST_S, RANGE_DB, SHORTEST_S
from gmmaudio.models.windows import WindowSettings, calibrated_window_s
from gmmaudio.timelines import TimelineSegment
from gmmaudio.values import checked, convert_fields

# from one answer to the next, seconds, where the user names none
LIVE_HOP_S = 1.0
# least sound that is answered, as for files, seconds
LEAST_S = 0.5
# what is left at the end is answered if it is at least this share of a hop
LEAST_REST = 0.1


@dataclass(frozen=True)
class ListenSettings:
    """Settings of listening.

    Parameters
    ----------
    window_s : float or None
        Length of the window, seconds, 0.2 to 3600; None takes the length that the model was calibrated on.
    hop_s : float or None
        From one answer to the next, seconds, 0.02 to the window's; None takes 1 s, or the window's where it is shorter.
    priors : mapping of str to float or None
        Class priors, as for :meth:`gmmaudio.models.Recogniser.predict`.
    seconds : float or None
        Sound to listen to, seconds; None takes all that there is.

    Raises
    ------
    SettingError
        If a length is outside its bounds.

    Examples
    --------
    >>> ListenSettings(window_s=6.0).seconds is None
    True
    """

    window_s: float | None = None
    hop_s: float | None = None
    priors: Mapping[str, float] | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        convert_fields(self, skip=("priors",), mark="`")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise SettingError(f"`seconds` is {self.seconds:g}; expected more than 0 s")
        if self.window_s is not None:
            WindowSettings(self.window_s, self.window_s if self.hop_s is None else self.hop_s)

    def of(self, model: Model) -> WindowSettings:
        """Return the windows of a model.

        Parameters
        ----------
        model : Model
            The model.

        Raises
        ------
        SettingError
            If the hop is longer than the window.
        """
        window_s = calibrated_window_s(model.training) if self.window_s is None else self.window_s
        return WindowSettings(window_s, min(LIVE_HOP_S, window_s) if self.hop_s is None else self.hop_s)


@checked
def listen(
    model: Model, blocks: Iterable[Samples], settings: ListenSettings | None = None
) -> Iterator[TimelineSegment]:
    """Return an iterator over the answers of a model for sound that arrives: one at every hop, of the latest window.

    An answer is that of :func:`gmmaudio.classify` for a file with the last ``window_s`` seconds of the sound: gated,
    normalised over the window, with the model's calibration and open-set threshold, and not divided. At the
    start the window has what there is, from 0.5 s on. What is left at the end is answered too, unless it is shorter
    than a tenth of a hop.

    **Silence** is said where the last two seconds of the window are silent, as a timeline has it: every frame is 50 dB
    or more below the loudest second of the last minute, or below -99 dB, or not speech if the model has a speech gate;
    or where they are digital silence, which the decoders refuse in files: peak to peak below 3 steps of 16 bits.

    Parameters
    ----------
    model : Model
        The model.
    blocks : iterable of ndarray, shape (n,), float32
        Consecutive mono samples at the front end's rate, full scale -1 to 1, such as from
        :func:`gmmaudio.audio.read_raw_blocks`.
    settings : ListenSettings or None
        Window and hop; None takes the defaults.

    Returns
    -------
    iterator of TimelineSegment
        Start and end of each window, and its label, or ``unknown`` or ``silence`` as the status. The probability is
        that of the label, None for a model that is not calibrated; for ``unknown`` it is that of an unknown label, as
        in a timeline.

    Raises
    ------
    SettingError
        If priors do not match the labels of the model, or a length is outside its bounds.
    AudioError
        ``too_short`` where the sound ends before there is enough for one answer.

    Examples
    --------
    >>> import gmmaudio
    >>> from gmmaudio.audio import read_blocks
    >>> model = gmmaudio.train("my_music", preset="genre", group_by="parent").model
    >>> sound = read_blocks("song.wav", model.features.sound_frames.sample_rate_hz)
    >>> for answer in listen(model, sound, ListenSettings(window_s=3.0, hop_s=2.0)):
    ...     print(f"{answer.start_s:.1f} {answer.end_s:.1f} {answer.name}")
    0.0 2.0 metal
    1.0 4.0 metal
    3.0 6.0 metal
    3.5 6.5 metal
    """
    settings = ListenSettings() if settings is None else settings
    if settings.priors is not None:
        model.recogniser.prior_of(settings.priors)
    return _answers(_Listener(model, settings), blocks)


def _answers(listener: _Listener, blocks: Iterable[Samples]) -> Iterator[TimelineSegment]:
    """Yield the answers for blocks, each as soon as its samples are there."""
    for block in blocks:
        rest = block[: listener.n_wanted]
        while len(rest):
            part, rest = rest[: listener.n_missing], rest[listener.n_missing :]
            listener.hold(part)
            if listener.n_missing == 0:
                answer = listener.answer()
                if answer is not None:
                    yield answer
        if listener.n_wanted == 0:
            break
    last = listener.finish()
    if last is not None:
        yield last


class _Listener:
    """The last samples that were heard, and the levels of the last minute."""

    def __init__(self, model: Model, settings: ListenSettings) -> None:
        model.check_of_sound()
        windows = settings.of(model)
        self._model, self._priors, self._tables = model, settings.priors, model.front_end_tables()
        self._hop_s, self._sr = windows.hop_s, model.features.sound_frames.sample_rate_hz
        self._n_window, self._least_s = round(windows.window_s * self._sr), min(LEAST_S, windows.window_s)
        self._n_limit = None if settings.seconds is None else round(settings.seconds * self._sr)
        self._held = np.zeros(0, dtype=np.float32)
        self._n_heard = self._n_answered = self._n_hops = 0
        # loudest second of each hop
        self._levels: deque[float] = deque(maxlen=max(1, round(PAST_S / self._hop_s)))
        self._unknown = probability_unknown(model.open_set, len(model.scorer.labels))[1]

    @property
    def n_missing(self) -> int:
        """Samples to the next hop."""
        return round((self._n_hops + 1) * self._hop_s * self._sr) - self._n_heard

    @property
    def n_wanted(self) -> int | None:
        """Samples that are left to hear; None for all."""
        return None if self._n_limit is None else self._n_limit - self._n_heard

    def hold(self, samples: Samples) -> None:
        """Append samples, and drop those before the window."""
        self._held = np.concatenate([self._held, samples])[-self._n_window :]
        self._n_heard += len(samples)

    def answer(self) -> TimelineSegment | None:
        """Return the answer at a hop; None where there is too little sound yet."""
        self._n_hops += 1
        return self._said() if self._n_heard >= self._least_s * self._sr else None

    def finish(self) -> TimelineSegment | None:
        """Return the answer at the end of the sound; None where a hop is hardly past."""
        check_duration(self._n_heard / self._sr, self._least_s)
        rest = self._n_heard - self._n_answered
        return self._said() if self._n_answered == 0 or rest > LEAST_REST * self._hop_s * self._sr else None

    def _said(self) -> TimelineSegment:
        """Return the answer for the samples that are held."""
        self._n_answered = self._n_heard
        start_s, end_s = (n / self._sr for n in (self._n_heard - len(self._held), self._n_heard))
        # one thread, so that a score is the same bits on any machine with the same libraries
        with one_thread():
            raw = raw_frames([self._held], self._model.features.sound_frames, self._tables)
            self._levels.append(_loudest_db(raw.level_db, self._model.features.frames.frames_per_s, self._hop_s))
            if self._is_silent(raw):
                return TimelineSegment(start_s, end_s, None, "silence", 1.0)
            prediction = self._model.predict(make_rows([raw], self._model.features), self._priors)
        if prediction.status == "unknown":
            return TimelineSegment(start_s, end_s, None, "unknown", self._unknown)
        label, probability = prediction.label, prediction.probability
        return TimelineSegment(
            start_s, end_s, label, "ok", None if probability is None or label is None else min(probability[label], 1.0)
        )

    def _is_silent(self, raw: RawFrames) -> bool:
        """Return whether the end of the window is silent."""
        if np.ptp(self._held[-round(SHORTEST_S * self._sr) :]) < SILENCE_PEAK_TO_PEAK:
            return True
        frames = self._model.features.sound_frames
        # those that have nothing of what was before
        end = slice(-max(1, (round(SHORTEST_S * self._sr) - frames.n_fft // 2) // frames.hop_length), None)
        silent = raw.level_db[end] < max(max(self._levels) - RANGE_DB, FLOOR_DB)
        gate = self._model.features.rows.speech_gate
        if gate is not None and raw.speech is not None:
            silent |= raw.speech[end] < gate
        return bool(silent.all())


def _loudest_db(level_db: npt.NDArray[np.float32], frames_per_s: float, hop_s: float) -> float:
    """Return the level of the loudest second of the latest hop, decibel."""
    second = max(1, round(frames_per_s))
    ends = range(len(level_db), max(0, len(level_db) - round(hop_s * frames_per_s)), -second)
    return max(float(np.percentile(level_db[max(0, end - second) : end], LEVEL_PERCENTILE)) for end in ends)
