"""The explanation of a prediction: the lead of the winner over the runner-up, and its exact parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gmmaudio.features import Column, Rows, describe_columns
from gmmaudio.models.calibration import Calibration
from gmmaudio.models.linear_algebra import Array
from gmmaudio.models.model import Model, Prediction
from gmmaudio.models.nearest import Centres, KnownClip, Neighbour, centres_of, nearest, pool
from gmmaudio.models.open_set import OpenSetThreshold, score_statistics
from gmmaudio.models.score_parts import OTHER_PARTS, Answers, ScoreParts
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.ubm import UBM


@dataclass(frozen=True)
class Part:
    """A part of the lead that belongs to one column of the rows, or to none.

    Parameters
    ----------
    name : str
        The column in plain words, or what else the part is of.
    quantity : str
        Coefficient or descriptor that the column is made of; the name where there is no column.
    aspect : str
        What of it: "value", a derivative, or a statistic over a block; empty where there is no column.
    lead : float
        The part, in units of the scores: above 0 it speaks for the winner.
    """

    name: str
    quantity: str
    aspect: str
    lead: float


@dataclass(frozen=True)
class HeadPart:
    """The part of a head in the lead.

    Parameters
    ----------
    kind : str
        ``mixtures`` or ``linear``.
    weight : float
        Its weight.
    lead : float
        The part: the weighted difference of its scores.
    """

    kind: str
    weight: float
    lead: float


@dataclass(frozen=True)
class RowPart:
    """The lead in one row, where single rows have scores; the mean over rows is the lead of the clip.

    Parameters
    ----------
    time_s : float
        Centre of the row, seconds.
    lead : float
        Score of the winner less that of the runner-up.
    """

    time_s: float
    lead: float


@dataclass(frozen=True)
class WindowLead:
    """The lead in one window of the file.

    Parameters
    ----------
    start_s, end_s : float
        The window, seconds.
    lead : float or None
        Score of the file's winner less that of its runner-up; None where the window holds no sound.
    label : str or None
        Label with the highest probability (or score) in the window by itself.
    """

    start_s: float
    end_s: float
    lead: float | None
    label: str | None


@dataclass(frozen=True)
class ComponentPart:
    """A component that answered for rows of the clip.

    Parameters
    ----------
    owner : str
        Label of its mixture, or ``UBM``.
    index : int
        Index of the component.
    share : float
        Share of the rows that it answered for: mean responsibility, 0..1.
    lead : float
        Part of the lead that these rows, or the shift of its mean, are responsible for.
    clips, groups : tuple of Neighbour
        Training clips and groups that are nearest where it answers, nearest first; empty where they were not looked
        for.
    """

    owner: str
    index: int
    share: float
    lead: float
    clips: tuple[Neighbour, ...] = ()
    groups: tuple[Neighbour, ...] = ()


@dataclass(frozen=True)
class BigramPart:
    """The part of the lead that belongs to one component being followed by another.

    Parameters
    ----------
    first, second : int
        Indices of components of the UBM.
    lead : float
        The part.
    """

    first: int
    second: int
    lead: float


@dataclass(frozen=True)
class ThresholdDistance:
    """How far a prediction is from being unknown.

    Parameters
    ----------
    statistic : {"score", "margin", "probability"}
        Statistic that the threshold is on.
    value : float
        Its value for the clip.
    threshold : float or None
        Below it a clip is unknown; None where the threshold is off.
    reason : str
        How the threshold was chosen, or why it is off.
    """

    statistic: str
    value: float
    threshold: float | None
    reason: str

    @property
    def distance(self) -> float | None:
        """Value less threshold: below 0 the clip is unknown; None where the threshold is off."""
        return None if self.threshold is None else self.value - self.threshold


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model prefers one label to the next: the lead in their scores, as sums that are exact.

    The lead is the score of the winner less that of the runner-up. ``parts`` sum to it, within 1e-9 of the size of the
    scores, as do ``heads``, the mean of ``rows``, and the components of each label. Those of a UBM sum to it together
    with the parts that belong to no column, of which ``bigrams`` divide one further.

    Parameters
    ----------
    prediction : Prediction
        The prediction that is explained.
    winner, runner_up : str or None
        The two most likely labels, whatever the status; None where the clip was not scored.
    lead : float or None
        Score of the winner less that of the runner-up, in double precision.
    log_odds : float or None
        Log of the ratio of their probabilities at equal priors, nats: ``scale * lead + offset``; None where the model
        is not calibrated. It is that of the calibration alone (:meth:`gmmaudio.models.Model.in_domain`); the priors may
        have a share in the probabilities of the prediction, which are nearer to one another then.
    scale, offset : float or None
        Of the calibration.
    parts : tuple of Part
        The lead by column, then what belongs to no column.
    rounding : float
        Lead by the scores of the prediction, which may be computed in single precision, less that in double.
    heads : tuple of HeadPart
        The lead by head.
    rows : tuple of RowPart
        The lead by row; empty where single rows have no scores.
    windows : tuple of WindowLead
        The lead in windows of the file, each scored by itself.
    components : tuple of ComponentPart
        Components that answered, of both labels or of the UBM; empty where the model has none.
    bigrams : tuple of BigramPart
        The lead by token bigram; empty where there are none.
    open_set : ThresholdDistance or None
        Distance to the threshold of unknown; None where none was learned.
    n_known : int or None
        Training clips that the components' neighbours were looked for among; None where they were not looked for.
    window_s : float or None
        Length of the windows, seconds; None where there are none.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre", group_by="parent").model
    >>> explanation = gmmaudio.explain(model, "song.wav")
    >>> isinstance(explanation, gmmaudio.Explanation), explanation.winner, explanation.runner_up
    (True, 'metal', 'jazz')
    """

    prediction: Prediction
    winner: str | None = None
    runner_up: str | None = None
    lead: float | None = None
    log_odds: float | None = None
    scale: float | None = None
    offset: float | None = None
    parts: tuple[Part, ...] = ()
    rounding: float = 0.0
    heads: tuple[HeadPart, ...] = ()
    rows: tuple[RowPart, ...] = ()
    windows: tuple[WindowLead, ...] = ()
    components: tuple[ComponentPart, ...] = ()
    bigrams: tuple[BigramPart, ...] = ()
    open_set: ThresholdDistance | None = None
    n_known: int | None = None
    window_s: float | None = None

    @property
    def quantities(self) -> dict[str, float]:
        """The lead by coefficient or descriptor, and what belongs to none; greatest first by size."""
        return _sums([(part.quantity, part.lead) for part in self.parts])

    @property
    def aspects(self) -> dict[str, float]:
        """The lead by aspect of the columns, such as means, and what belongs to none; greatest first by size."""
        return _sums([(part.aspect or part.name, part.lead) for part in self.parts])

    @property
    def n_aspects(self) -> int:
        """Number of aspects of the columns; where there is one, :attr:`aspects` tells nothing."""
        return len({part.aspect for part in self.parts if part.aspect})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plain = asdict(self)
        if self.open_set is not None:
            plain["open_set"]["distance"] = self.open_set.distance
        return plain


def explain_rows(model: Model, rows: Rows) -> Explanation:
    """Return the explanation of the prediction for a clip's rows.

    Parameters
    ----------
    model : Model
        The model.
    rows : Rows
        Of the clip, by the model's front end, at least one.

    Raises
    ------
    MixtureError
        If there are no rows, or they do not fit.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> explanation = explain_rows(model, Rows(np.zeros((3, 20), dtype=np.float32), np.arange(3, dtype=np.float32)))
    >>> len(explanation.parts), bool(np.isclose(sum(part.lead for part in explanation.parts), explanation.lead))
    (20, True)
    """
    model.check_of_sound()
    prediction, scorer = model.predict(rows), model.scorer
    winner, runner_up = (label for label, _ in prediction.top(2))
    pair = scorer.labels.index(winner), scorer.labels.index(runner_up)
    # predictions may be computed in single precision, which no sum of parts would meet to nine digits
    double = Rows(rows.values.astype(np.float64), rows.time_s)
    heads = _heads(scorer, double, pair)
    lead = math.fsum(head.lead for head in heads)
    split = scorer.split_lead(double.values, *pair)
    return Explanation(
        prediction,
        winner,
        runner_up,
        lead,
        *_odds(model.calibration, lead, pair),
        parts=_parts(describe_columns(model.features), split),
        rounding=prediction.scores[winner] - prediction.scores[runner_up] - lead,
        heads=heads,
        rows=_rows(double, split) if scorer.scores_rows else (),
        components=_components(scorer, double, pair, split),
        bigrams=() if split.bigrams is None else _bigrams(split.bigrams),
        open_set=None if model.open_set is None else _threshold_distance(model.open_set, prediction),
    )


def _sums(named: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the sum of the numbers of each name, greatest first by size."""
    by_name: dict[str, list[float]] = {}
    for name, number in named:
        by_name.setdefault(name, []).append(number)
    sums = {name: math.fsum(numbers) for name, numbers in by_name.items()}
    return dict(sorted(sums.items(), key=lambda item: -abs(item[1])))


def _parts(columns: Sequence[Column], split: ScoreParts) -> tuple[Part, ...]:
    """Return the parts of the lead: one for each column, then those that belong to none and are not zero."""
    leads = split.columns.mean(axis=0).tolist()
    parts = [
        Part(column.name, column.quantity, column.aspect or "value", lead)
        for column, lead in zip(columns, leads, strict=True)
    ]
    others = {key: float(split.others[key].mean()) for key in OTHER_PARTS if key in split.others}
    return (*parts, *(Part(OTHER_PARTS[key], OTHER_PARTS[key], "", lead) for key, lead in others.items() if lead))


def _odds(
    calibration: Calibration | None, lead: float, pair: tuple[int, int]
) -> tuple[float | None, float | None, float | None]:
    """Return the log odds of the pair, and the scale and offset by which they follow from the lead."""
    if calibration is None:
        return None, None, None
    offset = float(calibration.offsets[pair[0]] - calibration.offsets[pair[1]])
    return calibration.scale * lead + offset, calibration.scale, offset


def _heads(scorer: Scorer, rows: Rows, pair: tuple[int, int]) -> tuple[HeadPart, ...]:
    """Return the parts of the lead by head."""
    by_head = scorer.score_heads(rows.values)
    leads = (by_head[:, pair[0]] - by_head[:, pair[1]]).tolist()
    return tuple(
        HeadPart(head.kind, weight, weight * lead)
        for head, weight, lead in zip(scorer.heads, scorer.weights, leads, strict=True)
    )


def _rows(rows: Rows, split: ScoreParts) -> tuple[RowPart, ...]:
    """Return the lead of every row."""
    return tuple(map(RowPart, rows.time_s.tolist(), split.total.tolist()))


def _components(scorer: Scorer, rows: Rows, pair: tuple[int, int], split: ScoreParts) -> tuple[ComponentPart, ...]:
    """Return the components that answered, those of each owner by their share."""
    parts: list[ComponentPart] = []
    for owner, answers in answers_of(scorer, rows, pair).items():
        # a row's lead belongs to the components that answer for it
        leads = answers.shares.T @ split.total / len(answers.shares) if split.components is None else split.components
        shares = answers.shares.mean(axis=0)
        order = np.argsort(-shares, kind="stable")
        parts += [ComponentPart(owner, int(k), float(shares[k]), float(leads[k])) for k in order if shares[k]]
    return tuple(parts)


def answers_of(scorer: Scorer, rows: Rows, labels: Sequence[int]) -> dict[str, Answers]:
    """Return the components that answer for a clip, by their owner: each label, or the UBM.

    Parameters
    ----------
    scorer : Scorer
        The scorer.
    rows : Rows
        Of the clip.
    labels : sequence of int
        Indices of labels.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> from gmmaudio.models import gmm_scorer
    >>> unit = GaussianMixture([1.0], [[0.0]], [[1.0]])
    >>> rows = Rows(np.zeros((2, 1), dtype=np.float32), np.zeros(2, dtype=np.float32))
    >>> answers_of(gmm_scorer(("high", "low"), (unit, unit)), rows, (1,))["low"].shares.ravel()
    array([1., 1.])
    """
    found: dict[str, Answers] = {}
    for label in labels:
        answers = scorer.answers(rows.values, label)
        if answers is not None and answers.is_shared:
            return {UBM: answers}
        if answers is not None:
            found[scorer.labels[label]] = answers
    return found


def _bigrams(leads: Array) -> tuple[BigramPart, ...]:
    """Return the parts of the token bigrams, greatest first by size."""
    order = np.argsort(-abs(leads), axis=None, kind="stable")
    first, second = np.unravel_index(order, leads.shape)
    return tuple(map(BigramPart, first.tolist(), second.tolist(), leads.ravel()[order].tolist()))


def _threshold_distance(open_set: OpenSetThreshold, prediction: Prediction) -> ThresholdDistance | None:
    """Return the distance of a prediction to the threshold."""
    scores = np.array([list(prediction.scores.values())])
    probability = None if prediction.probability is None else np.array([list(prediction.probability.values())])
    values = score_statistics(scores, probability)
    value = float(values[open_set.statistic][0])
    return ThresholdDistance(open_set.statistic, value, open_set.threshold, open_set.reason)


def with_neighbours(
    explanation: Explanation, answers: Mapping[str, Answers], known: Sequence[KnownClip], n: int
) -> Explanation:
    """Return an explanation whose components name the training clips and groups nearest to them.

    Parameters
    ----------
    explanation : Explanation
        Of a clip.
    answers : mapping of str to Answers
        Result of :func:`answers_of` for its rows.
    known : sequence of KnownClip
        Training clips.
    n : int
        Neighbours of each component at most.

    Examples
    --------
    >>> with_neighbours(Explanation(Prediction()), {}, [], 3).components
    ()
    """
    tables = {owner: _known_centres(owner, each, known) for owner, each in answers.items()}
    centres = {owner: centres_of(each) for owner, each in answers.items()}
    components = []
    for part in explanation.components:
        clips, groups = (
            nearest(answers[part.owner].mixture, part.index, centres[part.owner], table, n)
            for table in tables[part.owner]
        )
        components.append(replace(part, clips=clips, groups=groups))
    return replace(explanation, components=tuple(components), n_known=len(known))


def _known_centres(
    owner: str, answers: Answers, known: Sequence[KnownClip]
) -> tuple[dict[str, Centres], dict[str, Centres]]:
    """Return the centres of an owner's training clips by path, and those of their groups."""
    own = [clip for clip in known if answers.is_shared or clip.label == owner]
    groups: dict[str, list[Centres]] = {}
    for clip in own:
        if clip.group is not None:
            groups.setdefault(clip.group, []).append(clip.centres)
    return {clip.path: clip.centres for clip in own}, {group: pool(members) for group, members in groups.items()}
