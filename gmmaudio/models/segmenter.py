"""Raw frames of a recording -> its segments, as they settle, and the posteriors of its windows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from gmmaudio.features import RawFrames, make_rows
from gmmaudio.models.change_points import SIDE_S, STEP_S, change_scores
from gmmaudio.models.linear_algebra import Array
from gmmaudio.models.model import Model, Prediction
from gmmaudio.models.open_set import OpenSetThreshold
from gmmaudio.models.silence import SHORTEST_S, SilenceDetector
from gmmaudio.models.state_path import PathDecoder, TurnPrior
from gmmaudio.models.windows import FrameBuffer, WindowSettings
from gmmaudio.timelines import TimelineSegment

# Chosen on spliced recordings of other speakers than those reported: docs/decisions/0022-timelines.md.
# mean length of a turn, and the shortest, seconds
MEAN_TURN_S, MIN_TURN_S = 20.0, 2.0
# how often the evidence of a window counts in the path: neighbours overlap, and are calibrated to be cautious
EVIDENCE = 6.0
# weight of an acoustic change in the log prior of a change of label; how many times the usual change has none
CHANGE_WEIGHT, USUAL_CHANGES = 6.0, 1.5
# more is no more certain, nats
MAX_CHANGE = 12.0
# the usual change is the median of the last two minutes; of fewer steps than these none is known
HISTORY_S, FEWEST_STEPS = 120.0, 10
# a change of label lies at the greatest acoustic change this near, seconds
REFINE_S = 2.0
# share of a change's log likelihood ratio that counts in its tolerance: frames of sound depend on each other
TOLERANCE_WEIGHT = 0.01
TOLERANCE_MASS = 0.9
# less sound beside silence is its edge, seconds
SHORTEST_SOUND_S = 0.25
# longest stretch that is scored as one, seconds
LONGEST_PIECE_S = 60.0
# probability of the best label of a model without probabilities, in the path only
UNCALIBRATED = 0.8


@dataclass(frozen=True)
class SegmenterSettings:
    """Settings of a segmenter.

    Parameters
    ----------
    windows : WindowSettings
        Windows in which the recording is scored.
    min_turn_s : float
        Shortest turn of a label, seconds.
    mean_turn_s : float
        Mean length of a turn that is expected, seconds.
    """

    windows: WindowSettings
    min_turn_s: float = MIN_TURN_S
    mean_turn_s: float = MEAN_TURN_S


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of a recording that was scored as one.

    Parameters
    ----------
    seconds : float
        Its sound, silence apart.
    log_probability : ndarray, shape (n_labels,)
        Log of the probability of every label, under equal class priors.
    scores : ndarray, shape (n_labels,)
        Score of every label.
    """

    seconds: float
    log_probability: Array
    scores: Array


@dataclass
class _Run:
    """Consecutive steps of one label that are decided, from a frame on to another one, which is not included."""

    label: int
    first: int
    last: int
    tolerance_s: float | None = None


class Segmenter:
    """The segments of a recording whose frames arrive chunk by chunk.

    Parameters
    ----------
    model : Model
        The model.
    settings : SegmenterSettings
        Windows and turns.
    priors : mapping of str to float or None
        Class priors, as for :meth:`gmmaudio.models.Recogniser.predict`.
    """

    def __init__(self, model: Model, settings: SegmenterSettings, priors: Mapping[str, float] | None = None) -> None:
        model.check_of_sound()
        # what is decided by probabilities does not depend on how far they hold for a new source
        self._recogniser, self._features, self._priors = model.recogniser.in_domain(), model.features, priors
        self._shifted, self._prior = model.calibration, None if priors is None else model.recogniser.prior_of(priors)
        frames = model.features.frames
        self._frames_per_s, self._n_coefficients = frames.frames_per_s, frames.n_coefficients
        self._length, self._step = settings.windows.in_frames(frames.frames_per_s)
        self._side, self._moment = (max(1, round(s * frames.frames_per_s)) for s in (SIDE_S, STEP_S))
        steps_per_s = frames.frames_per_s / self._step
        prior = TurnPrior(
            max(settings.mean_turn_s * steps_per_s, 1.5), max(1, round(settings.min_turn_s * steps_per_s))
        )
        self._min_turn = max(1, round(settings.min_turn_s * frames.frames_per_s))
        self._path = PathDecoder(len(model.scorer.labels), prior)
        self._buffer, self._silence = FrameBuffer(model.features), SilenceDetector(model.features)
        self._unknown = probability_unknown(model.open_set, len(model.scorer.labels))
        # one row for each step, and whether the open-set threshold rejects its window
        self.posteriors: list[Array] = []
        self._rejected: list[bool] = []
        # what the segments were made of
        self.pieces: list[Piece] = []
        self._n_windows = self._n_steps = self._n_decided = 0
        self._window: Array | None = None
        self._is_rejected = False
        # acoustic changes at moments that are not settled: frame -> score
        self._changes: dict[int, float] = {}
        self._usual_changes: deque[float] = deque(maxlen=max(FEWEST_STEPS, round(HISTORY_S * steps_per_s)))
        self._runs: list[_Run] = []

    def given_posteriors(self) -> Array:
        """Return the posteriors as they are given, for recordings of a source that is not known to be trained on."""
        posteriors = np.array(self.posteriors).reshape(-1, len(self.labels) + 2)
        if self._shifted is None or self._shifted.source_shift is None:
            return posteriors
        known = posteriors[:, :-2].sum(axis=1, keepdims=True)
        share = posteriors[:, :-2] / np.where(known > 0, known, 1.0)
        given = known * self._shifted.for_new_source(share, self._prior)
        return np.concatenate([given, posteriors[:, -2:]], axis=1)

    @property
    def scored_pieces(self) -> list[tuple[Array, float]]:
        """Scores of each piece, and its length, seconds."""
        return [(piece.scores, piece.seconds) for piece in self.pieces]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the posteriors' first columns; unknown and silence follow."""
        return self._recogniser.scorer.labels

    @property
    def times(self) -> Array:
        """Middle of every step, seconds from the start of the recording, shape (n,)."""
        return np.asarray((np.arange(self._n_steps) + 0.5) * self._step / self._frames_per_s, dtype=np.float64)

    @property
    def step_s(self) -> float:
        """From one step to the next, seconds."""
        return self._step / self._frames_per_s

    @property
    def window_s(self) -> float:
        """Length of a window, seconds."""
        return self._length / self._frames_per_s

    def add(self, chunk: RawFrames) -> Iterator[TimelineSegment]:
        """Yield the segments that the next frames settle.

        Parameters
        ----------
        chunk : RawFrames
            As :func:`gmmaudio.features.frame_chunks` yields it.
        """
        self._buffer.add(chunk)
        self._silence.add(chunk)
        half = (self._length // self._step) // 2
        while self._is_known(self._n_windows * self._step + self._length, self._n_windows + half):
            self._score_window(self._n_windows * self._step, self._n_windows * self._step + self._length)
            # the first window also stands for what comes before its middle
            for _ in range(half + 1 if self._n_windows == 1 else 1):
                self._push()
        yield from self._settled()

    def finish(self) -> Iterator[TimelineSegment]:
        """Yield the segments that are left: the recording has ended."""
        n_frames = self._buffer.n_frames
        self._silence.finish()
        if self._n_windows == 0 and n_frames:
            self._score_window(0, n_frames)
        while self._n_windows * self._step + self._length <= n_frames:
            self._score_window(self._n_windows * self._step, self._n_windows * self._step + self._length)
            self._push()
        # what lies beyond the middle of the last window
        while self._n_steps == 0 or self._n_steps * self._step < n_frames:
            self._push()
        self._decide(self._path.finish())
        if self._runs:
            self._runs[-1].last = n_frames
        yield from self._settled(at_end=True)

    def _is_known(self, window_end: int, step: int) -> bool:
        """Return whether a window has ended, and all that its step depends on is known."""
        step_end = (step + 1) * self._step
        shortest = math.ceil(SHORTEST_S * self._frames_per_s)
        return (
            self._buffer.n_frames >= max(window_end, step_end + self._side)
            and self._silence.n_known >= step_end + shortest
        )

    def _score_window(self, first: int, last: int) -> None:
        """Score a window: the posteriors of the labels, and of an unknown one."""
        rows = make_rows([self._buffer.part(first, last)], self._features)
        prediction = self._recogniser.predict(rows.values, self._priors)
        self._is_rejected = prediction.status == "unknown"
        unknown = self._unknown[self._is_rejected]
        self._window = np.append((1 - unknown) * self._label_probability(prediction), unknown)
        self._n_windows += 1

    def _label_probability(self, prediction: Prediction) -> Array:
        """Return the probability of every label; without calibration the best has a fixed one."""
        if prediction.probability is not None:
            return np.array([prediction.probability[label] for label in self.labels])
        share = np.full(len(self.labels), (1 - UNCALIBRATED) / (len(self.labels) - 1))
        share[int(np.argmax([prediction.scores[label] for label in self.labels]))] = UNCALIBRATED
        return share

    def _push(self) -> None:
        """Pass the evidence of the latest window on, as that of the next step."""
        assert self._window is not None  # noqa: S101 - a window was scored before
        first = self._n_steps * self._step
        silent = self._silence.share(first, min(first + self._step, self._buffer.n_frames))
        self.posteriors.append(np.append((1 - silent) * self._window, silent))
        self._rejected.append(self._is_rejected)
        labels = self._window[:-1]
        evidence = np.log(np.maximum(labels / labels.sum(), 1e-12))
        change = self._log_change_prior(self._change_at(first)) if first else 0.0
        self._n_steps += 1
        self._decide(self._path.push(EVIDENCE * (1 - silent) * self._step / self._length * evidence, change))

    def _log_change_prior(self, change: float) -> float:
        """Return the part of an acoustic change in the log prior of a change of label, beside what is usual."""
        if not change:
            return 0.0
        self._usual_changes.append(change)
        if len(self._usual_changes) < FEWEST_STEPS:
            return 0.0
        ratio = change / max(float(np.median(self._usual_changes)), 1e-3)
        return min(CHANGE_WEIGHT * (ratio - USUAL_CHANGES), MAX_CHANGE)

    def _change_at(self, frame: int) -> float:
        """Return the greatest acoustic change within half a step of a frame; the changes there are kept."""
        half = self._step // 2
        low = -(-(frame - half) // self._moment)
        moments = np.arange(max(low, 1), (frame + self._step - half - 1) // self._moment + 1) * self._moment
        moments = moments[moments < self._buffer.n_frames]
        if not len(moments):
            return 0.0
        first = max(0, int(moments[0]) - self._side)
        last = min(self._buffer.n_frames, int(moments[-1]) + self._side)
        cepstra = self._buffer.part(first, last)
        own = cepstra.values[cepstra.n_before : cepstra.n_before + len(cepstra), : self._n_coefficients]
        scores = change_scores(own, moments - first, self._side)
        self._changes.update(zip(moments.tolist(), scores.tolist(), strict=True))
        return float(scores.max())

    def _decide(self, labels: list[int]) -> None:
        """Append decided steps to the runs."""
        for label in labels:
            first = self._n_decided * self._step
            self._n_decided += 1
            if self._runs and self._runs[-1].label == label:
                self._runs[-1].last = first + self._step
            else:
                self._runs.append(_Run(label, first, first + self._step))

    def _settled(self, at_end: bool = False) -> Iterator[TimelineSegment]:
        """Yield the segments of the runs that nothing can change any more."""
        reach = round(REFINE_S * self._frames_per_s)
        piece = round(LONGEST_PIECE_S * self._frames_per_s)
        while self._runs:
            run, following = self._runs[0], self._runs[1] if len(self._runs) > 1 else None
            if run.last - run.first > piece + 2 * reach:
                # a long turn is settled piece by piece
                yield from self._segments_of(replace(run, last=run.first + piece))
                run.first, run.tolerance_s = run.first + piece, None
                continue
            if following is None and not at_end:
                break
            if following is not None:
                # what follows must be long enough that its end does not matter
                shortest = max(2 * reach, reach + 2 * self._min_turn)
                if len(self._runs) == 2 and following.last - following.first <= shortest and not at_end:
                    break
                self._refine(run, following, reach)
            self._runs.pop(0)
            yield from self._segments_of(run)
        kept = self._runs[0].first if self._runs else self._n_decided * self._step
        ahead = min(kept, self._n_windows * self._step, max(0, self._n_steps * self._step - self._side - self._step))
        self._buffer.forget(ahead)
        self._silence.forget(ahead)
        self._changes = {moment: score for moment, score in self._changes.items() if moment >= kept}

    def _refine(self, run: _Run, following: _Run, reach: int) -> None:
        """Move the change between two runs to the greatest acoustic change near it."""
        low = max(run.last - reach, run.first + min(self._min_turn, run.last - run.first))
        high = min(run.last + reach, following.last - min(self._min_turn, following.last - following.first))
        moments = np.array([moment for moment in self._changes if low <= moment <= high])
        if not len(moments):
            following.tolerance_s = self.step_s
            return
        scores = np.array([self._changes[moment] for moment in moments.tolist()])
        best = int(scores.argmax())
        weights = np.exp(TOLERANCE_WEIGHT * 2 * self._side * (scores - scores[best]))
        distance = np.abs(moments - moments[best])
        order = np.argsort(distance, kind="stable")
        inside = np.searchsorted(np.cumsum(weights[order]), TOLERANCE_MASS * weights.sum() * (1 - 1e-12))
        width = max(int(distance[order][min(inside, len(order) - 1)]), self._moment / 2)
        run.last = following.first = int(moments[best])
        following.tolerance_s = width / self._frames_per_s

    def _segments_of(self, run: _Run) -> Iterator[TimelineSegment]:
        """Yield the segments of a run: scored anew as one, silence apart."""
        silent, sounding = self._divided(run)
        label, status, probability = self._answer(run.label, sounding) if sounding else (None, "silence", None)
        tolerance_s = run.tolerance_s
        for first, end in sorted(sounding + silent):
            start_s, end_s = first / self._frames_per_s, end / self._frames_per_s
            if (first, end) in silent:
                yield TimelineSegment(start_s, end_s, None, "silence", 1.0, tolerance_s)
            else:
                yield TimelineSegment(start_s, end_s, label, status, probability, tolerance_s)
            # an edge of silence is where it is
            tolerance_s = None

    def _divided(self, run: _Run) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the silent stretches of a run and those with sound, of which a moment beside silence is silent too."""
        edges = [run.first, *(edge for pair in self._silence.stretches(run.first, run.last) for edge in pair), run.last]
        shortest = SHORTEST_SOUND_S * self._frames_per_s if len(edges) > 2 else 0
        silent: list[tuple[int, int]] = []
        sounding: list[tuple[int, int]] = []
        for i, (first, end) in enumerate(pairwise(edges)):
            if i % 2 == 0 and end - first > shortest:
                sounding.append((first, end))
            elif silent and silent[-1][1] == first:
                silent[-1] = (silent[-1][0], end)
            elif end > first:
                silent.append((first, end))
        return silent, sounding

    def _answer(self, path_label: int, sounding: list[tuple[int, int]]) -> tuple[str | None, str, float | None]:
        """Return the label, the status and the probability of stretches that are scored as one trial."""
        rows = make_rows([self._buffer.part(first, last) for first, last in sounding], self._features)
        prediction = self._recogniser.predict(rows.values, self._priors)
        self._keep_piece(prediction, sounding)
        if prediction.status == "unknown" and self._are_rejected(sounding):
            return None, "unknown", self._unknown[True]
        label = prediction.best_label or self.labels[path_label]
        probability = prediction.probability
        if probability is not None and self._shifted is not None:
            probability = self._shifted.named_for_new_source(probability, self._prior)
        return label, "ok", None if probability is None else min(probability[label], 1.0)

    def _keep_piece(self, prediction: Prediction, sounding: list[tuple[int, int]]) -> None:
        """Keep what a piece says of every label, whatever the priors of the recording are."""
        scores = np.array([prediction.scores[label] for label in self.labels])
        calibration = self._recogniser.calibration
        equal = self._label_probability(prediction) if calibration is None else calibration.probability(scores)
        seconds = sum(last - first for first, last in sounding) / self._frames_per_s
        self.pieces.append(Piece(seconds, np.log(np.maximum(equal, 1e-12)), scores))

    def _are_rejected(self, sounding: list[tuple[int, int]]) -> bool:
        """Return whether most windows of stretches are rejected too: a short stretch alone has little to be sure by."""
        steps = [self._rejected[first // self._step : -(-last // self._step)] for first, last in sounding]
        rejected = [each for part in steps for each in part]
        return 2 * sum(rejected) > len(rejected)


def probability_unknown(open_set: OpenSetThreshold | None, n_labels: int) -> tuple[float, float]:
    """Return the probability that a window is of no known label: of those accepted, and of those rejected.

    An unknown label is as likely beforehand as any known one. The share of unknown clips that is rejected follows from
    the area under the ROC curve, if both distributions are normal with one variance.

    Parameters
    ----------
    open_set : OpenSetThreshold or None
        The threshold of a model; without one, both are 0.
    n_labels : int
        Known labels.

    Examples
    --------
    >>> probability_unknown(None, 3)
    (0.0, 0.0)
    """
    if open_set is None or open_set.threshold is None:
        return 0.0, 0.0
    normal, prior, false = NormalDist(), 1 / (n_labels + 1), open_set.false_rejection
    area = min(max(open_set.auroc or 0.5, 0.5), 0.999)
    hit = normal.cdf(math.sqrt(2) * normal.inv_cdf(area) - normal.inv_cdf(1 - false))
    accepted = prior * (1 - hit) / (prior * (1 - hit) + (1 - prior) * (1 - false))
    return accepted, prior * hit / (prior * hit + (1 - prior) * false)
