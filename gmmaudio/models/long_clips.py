"""Clips much longer than a model was calibrated on: their label, or the shares of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmmaudio.errors import SettingError
from gmmaudio.features import Frames, RawFrames, join_frames, make_rows
from gmmaudio.models.calibration import softmax
from gmmaudio.models.familiarity import Familiarity
from gmmaudio.models.linear_algebra import Array
from gmmaudio.models.model import NO_LABEL, Model, Prediction
from gmmaudio.models.segmenter import Piece, Segmenter, SegmenterSettings
from gmmaudio.models.windows import HOP_S, WindowSettings, calibrated_window_s
from gmmaudio.timelines import Timeline, TimelineSegment, join_neighbours

# windows up to which a clip is scored as one
FEW_WINDOWS = 3
# steps in a window: coarser than for a timeline, whose changes are to be found to the tenth of a second
N_STEPS = 5
# intraclass correlation of the evidence of windows of one speaker, measured (docs/decisions/0022-timelines.md)
CORRELATION = 0.37
# probability that a long clip has several labels, before it is heard
PRIOR_MIXED = 0.1
# share of the sound, of no known label, from which a clip is mixed, and from which it is unknown
MIXED_UNKNOWN, MOSTLY_UNKNOWN = 0.35, 0.5
# a clip of unknown length, and a probability of 0, still count a little
SHORTEST_CLIP_S, LEAST = 0.01, 1e-12
NO_SOUND = (
    "no sound that stands out for long enough, or no speech; check the recording, or score it as one (`trial_s` 0)"
)


@dataclass(frozen=True, eq=False)
class Mixedness:
    """The weight of one label for a long clip, and of a label for each of its pieces.

    Parameters
    ----------
    mixed : float
        Probability that the clip has several labels, 0..1.
    one_label : ndarray, shape (n_labels,)
        Probability of every label, if the clip has one.
    """

    mixed: float
    one_label: Array


def weigh_pieces(pieces: Iterable[Piece], window_s: float, priors: Array | None = None) -> Mixedness:
    """Return the weight of one label for a clip, and of a label for each of its pieces.

    The evidence of n windows counts as that of ``n / (1 + (n - 1) r)`` independent ones: all are correlated by r, for
    they share a voice or a band, a room and a channel. However long a clip is, it counts as ``1 / r`` windows at most.
    The clip has one label throughout, or in each piece the label that is most likely there.

    Parameters
    ----------
    pieces : iterable of Piece
        At least one, with sound.
    window_s : float
        Length that the model was calibrated on, seconds.
    priors : ndarray, shape (n_labels,), or None
        Class priors, summing to 1; None takes all as equal.

    References
    ----------
    Kish, "Survey sampling", Wiley (1965), on the effective size of correlated samples.

    Examples
    --------
    >>> sure = [Piece(20.0, np.log([0.98, 0.02]), np.zeros(2)), Piece(20.0, np.log([0.03, 0.97]), np.zeros(2))]
    >>> weigh_pieces(sure, 6.0).mixed > 0.5, weigh_pieces(sure[:1] * 2, 6.0).one_label.round(3)
    (True, array([1., 0.]))
    """
    listed = list(pieces)
    seconds = np.array([piece.seconds for piece in listed])
    logs = np.array([piece.log_probability for piece in listed])
    with np.errstate(divide="ignore"):
        log_prior = np.zeros(logs.shape[1]) if priors is None else np.log(priors)
    # against the likeliest label, so that equal priors say nothing
    log_prior -= log_prior.max()
    mean = seconds @ logs / seconds.sum()
    own = float(seconds @ (logs + log_prior).max(axis=1) / seconds.sum())
    n = max(1.0, float(seconds.sum()) / window_s)
    n_effective = n / (1 + (n - 1) * CORRELATION)
    gain = n_effective * own - float((n_effective * mean + log_prior).max())
    log_odds = max(gain, 0.0) + math.log(PRIOR_MIXED / (1 - PRIOR_MIXED))
    return Mixedness(1 / (1 + math.exp(-min(log_odds, 700.0))), softmax(n_effective * mean + log_prior))


def predict_chunks(
    model: Model,
    chunks: Iterable[RawFrames],
    priors: Mapping[str, float] | None = None,
    *,
    window_s: float | None = None,
    vectors: Frames | None = None,
) -> Prediction:
    """Return the prediction for a clip of any length, in memory that does not grow with it.

    A clip of up to three windows is scored as one. A longer one is divided as a timeline is, and its pieces are
    weighed: it has one label, or it is mixed, with the share of each. The probability of a label is that the clip has
    it throughout, plus its share if the clip is mixed.

    Parameters
    ----------
    model : Model
        The model. Without calibration clips of any length are scored as one, and so are rows that are given.
    chunks : iterable of RawFrames
        Of the clip, as :func:`gmmaudio.features.frame_chunks` yields them; or all of it as one.
    priors : mapping of str to float or None
        Class priors, as for :meth:`gmmaudio.models.Recogniser.predict`.
    window_s : float or None
        Length of the windows, seconds; 0 scores every clip as one; None takes the length that the model was calibrated
        on.
    vectors : ndarray, shape (n_vectors, n_columns), or None
        Vectors of the whole clip, for a model with a second head: :meth:`gmmaudio.models.Recogniser.join_vectors`.

    Raises
    ------
    SettingError
        If the priors are not of the model's labels, or the length is outside its bounds; or the model has a second head
        and there are no vectors.

    Examples
    --------
    >>> import gmmaudio
    >>> from gmmaudio.audio import read_audio
    >>> from gmmaudio.features import raw_frames
    >>> model = gmmaudio.train("my_music", preset="genre", group_by="parent").model
    >>> frames = raw_frames([read_audio("song.wav", 22050)], model.features.frames)
    >>> predict_chunks(model, [frames]).label
    'metal'
    """
    of_sound = _predict_sound(model.of_sound, chunks, priors, window_s)
    return model.recogniser.join_vectors(of_sound, vectors, priors)


def _predict_sound(
    model: Model, chunks: Iterable[RawFrames], priors: Mapping[str, float] | None, window_s: float | None
) -> Prediction:
    """Return the prediction for a clip of any length by its sound."""
    length_s = calibrated_window_s(model.training) if window_s is None else window_s
    # silence and changes are found in sound
    if model.calibration is None or length_s == 0 or model.features.is_given:
        return model.predict(make_rows([join_frames(list(chunks))], model.features), priors)
    windows = WindowSettings(length_s, min(max(HOP_S, length_s / N_STEPS), length_s))
    few = FEW_WINDOWS * length_s * model.features.frames.frames_per_s
    held: list[RawFrames] = []
    segmenter: Segmenter | None = None
    segments = []
    for chunk in chunks:
        held.append(chunk)
        # one frame more than its length is rounding
        if segmenter is None and sum(map(len, held)) > few + 1:
            segmenter = Segmenter(model, SegmenterSettings(windows), priors)
        if segmenter is not None:
            segments += [segment for each in held for segment in segmenter.add(each)]
            held = []
    if segmenter is None:
        return model.predict(make_rows([join_frames(held)], model.features), priors)
    segments += list(segmenter.finish())
    if not segmenter.pieces:
        return Prediction(status="unknown", code="silent", message=NO_SOUND)
    line = Timeline(tuple(join_neighbours(segments)))
    prior = None if priors is None else model.recogniser.prior_of(priors)
    weighed = weigh_pieces(segmenter.pieces, segmenter.window_s, prior)
    answer = _answer(segmenter.labels, segmenter.pieces, line, weighed)
    given = model.calibration.named_for_new_source(answer.probability or {}, prior)
    answer = replace(answer, probability=given, caveats=model.recogniser.caveats)
    return answer if model.familiarity is None else _with_familiarity(answer, model, model.familiarity, segmenter)


def _with_familiarity(answer: Prediction, model: Model, familiarity: Familiarity, segmenter: Segmenter) -> Prediction:
    """Return the answer for a long clip with its familiarity, and a caveat where it scores lower than it should."""
    trained_s = calibrated_window_s(model.training)
    found = familiarity.of_pieces(segmenter.scored_pieces, trained_s)
    finding = familiarity.finding_on(segmenter.scored_pieces, trained_s)
    caveats = () if finding is None else (finding,)
    return replace(answer, familiarity=None if found is None else found[0], caveats=(*answer.caveats, *caveats))


def join_predictions(predictions: Sequence[Prediction]) -> Prediction:
    """Return one prediction for clips that belong together, such as the tracks of an album.

    The clips are weighed as the pieces of one long recording are (:func:`weigh_pieces`), where each clip counts as one
    piece: the logs of their probabilities are averaged, weighted by their lengths, and correlated. The clips have one
    label, or they are mixed, with the share of each.

    Parameters
    ----------
    predictions : sequence of Prediction
        Of one calibrated model, under equal class priors. Clips that were not scored are left out.

    Returns
    -------
    Prediction
        Without a path. That of a single clip is the clip's own; where none was scored, its status is ``unknown``.

    Raises
    ------
    SettingError
        If there are no probabilities: the model is not calibrated.

    Examples
    --------
    >>> tracks = [Prediction("1.wav", "ok", "jazz", {"jazz": -1.0, "rock": -3.0}, {"jazz": 0.9, "rock": 0.1}, 30.0)] * 3
    >>> album = join_predictions(tracks)
    >>> album.label, round(album.probability["jazz"], 3)
    ('jazz', 0.98)
    """
    scored = [each for each in predictions if each.scores]
    if not scored:
        return Prediction(status="unknown", code="silent", message=NO_SOUND)
    if any(each.probability is None for each in scored):
        raise SettingError(
            "clips are joined by their probabilities, and this model is not calibrated; label each by itself"
        )
    if len(scored) == 1:
        return replace(scored[0], path="", notes=())
    labels = tuple(scored[0].scores)
    pieces, segments, end_s = [], [], 0.0
    for each in scored:
        seconds = max(each.duration_s or 0.0, SHORTEST_CLIP_S)
        known = np.array([each.probability[label] for label in labels]) if each.probability else np.ones(len(labels))
        pieces.append(Piece(seconds, np.log(np.maximum(known, LEAST)), np.array([each.scores[x] for x in labels])))
        status = ("unknown", None) if each.status == "unknown" else ("ok", each.best_label)
        segments.append(TimelineSegment(end_s, end_s + seconds, status[1], status[0]))
        end_s += seconds
    line = Timeline(tuple(join_neighbours(segments)))
    joined = _answer(labels, pieces, line, weigh_pieces(pieces, end_s / len(pieces)))
    return replace(joined, duration_s=end_s, caveats=scored[0].caveats)


def _answer(labels: tuple[str, ...], pieces: Sequence[Piece], line: Timeline, weighed: Mixedness) -> Prediction:
    """Return the prediction for a long clip of which the timeline is known."""
    shares = line.shares()
    seconds = line.label_durations()
    total_s = sum(seconds.values())
    share_of = np.array([seconds.get(label, 0.0) / total_s if total_s else 1 / len(labels) for label in labels])
    probability = (1 - weighed.mixed) * weighed.one_label + weighed.mixed * share_of
    length = np.array([piece.seconds for piece in pieces])
    scores = length @ np.array([piece.scores for piece in pieces]) / length.sum()
    unknown = sum(part.duration_s for part in line.segments if part.status == "unknown")
    share_unknown = unknown / (unknown + total_s) if unknown else 0.0
    known = Prediction(
        scores=dict(zip(labels, scores.tolist(), strict=True)),
        probability=dict(zip(labels, probability.tolist(), strict=True)),
        shares=shares,
    )
    described = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    if share_unknown > MOSTLY_UNKNOWN:
        return replace(known, status="unknown", code=NO_LABEL, message=f"most of it is of no known label: {described}")
    if (weighed.mixed > 0.5 and len(seconds) > 1) or share_unknown > MIXED_UNKNOWN:
        return replace(known, status="mixed", code="mixed", message=described)
    return replace(known, label=known.best_label)
