"""A model (front end, scorer, calibration, open-set threshold, familiarity), its training, and its predictions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.audio import AudioNote
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureSettings, FrontEndTables, Rows, check_designed, design_tables
from gmmaudio.findings import Finding
from gmmaudio.models.calibration import Calibration
from gmmaudio.models.familiarity import Familiarity
from gmmaudio.models.kind_settings import KindSettings, check_whole
from gmmaudio.models.kinds import settings_from_dict
from gmmaudio.models.open_set import OpenSetThreshold
from gmmaudio.models.scorer import Scorer
from gmmaudio.models.vector_head import LEAST, VectorHead, mean_probability, needs_vectors
from gmmaudio.names import respell
from gmmaudio.trials import check_lengths
from gmmaudio.values import MAX_WHOLE, convert, convert_fields, shown

# reason code of a clip of no known label
NO_LABEL = "no_label"

# a mapping each, whose own types are those of the clip; dict[str, Any] would check every name twice
CLIP_ROWS: Any = tuple[dict, ...]  # type: ignore[type-arg]


@dataclass(frozen=True)
class TrainingClip:
    """One clip that a model was trained on.

    Parameters
    ----------
    path : str
        Relative to the corpus.
    label : str
        Its label.
    group : str or None
        Value that it was held out by: see ``TrainingSummary.group_by``.
    sha256 : str
        Hash of its decoded samples.
    fingerprint : str
        Fingerprint by which near-duplicates are found, in hexadecimal; empty where there is none.
    source : str or None
        Recording condition or corpus; None where it is unknown, as in files before format 2.1.

    Examples
    --------
    >>> TrainingClip("jazz/1.wav", "jazz", None, 64 * "0").fingerprint
    ''
    """

    path: str
    label: str
    group: str | None
    sha256: str
    fingerprint: str = ""
    source: str | None = None

    def __post_init__(self) -> None:
        convert_fields(self)
        for name, hexadecimal in (("sha256", self.sha256), ("fingerprint", self.fingerprint)):
            if len(hexadecimal) % 2 or not re.fullmatch("[0-9a-f]*", hexadecimal):
                raise SettingError(f"{name} is {shown(hexadecimal)}; expected hexadecimal digits")


@dataclass(frozen=True)
class TrainingSummary:
    """The corpus that a model was trained on, and the settings of the training.

    Parameters
    ----------
    preset : str or None
        Name of the preset, None for the classic model.
    kind_settings : KindSettings
        Settings of the kind of model.
    seed : int
        Seed of the fit.
    trial_s : float or None
        Length that clips were joined or cut to, seconds.
    min_duration_s : float
        Minimum length of a clip, seconds.
    seconds : mapping of str to float
        Sound for each label, seconds.
    rows : mapping of str to int
        Rows for each label: frames after the gate, or blocks.
    log_likelihood : mapping of str to float
        Mean log density of a label's rows under its mixture, nats; of ``ubm`` where one was fitted.
    clips : tuple of TrainingClip
        All clips.
    findings : tuple of Finding
        Findings on the corpus and on the fit.
    versions : mapping of str to str
        Versions of this package and of the numeric libraries.
    augment : tuple of str
        Degradations whose copies were trained on too.
    tuning : mapping or None
        Settings that were compared on inner folds, and why these were chosen.
    group_by : str or None
        Column that gave the groups of the clips; None, the groups of the corpus; empty, not recorded (old files).
    ubm_clips : tuple of TrainingClip
        Clips that the UBM was fitted to, where statistics of other clips were taken under it.
    """

    preset: str | None
    kind_settings: KindSettings
    seed: int
    trial_s: float | None
    min_duration_s: float
    seconds: dict[str, float]
    rows: dict[str, int]
    log_likelihood: dict[str, float]
    clips: tuple[TrainingClip, ...]
    findings: tuple[Finding, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    augment: tuple[str, ...] = ()
    tuning: dict[str, Any] | None = None
    group_by: str | None = None
    ubm_clips: tuple[TrainingClip, ...] = ()

    def __post_init__(self) -> None:
        convert_fields(self, skip=("log_likelihood",))
        check_lengths(self.min_duration_s, self.trial_s)
        check_whole("`seed`", self.seed, 0)
        for name, by_label in (("seconds", self.seconds), ("rows", self.rows)):
            if not all(0 <= value <= MAX_WHOLE for value in by_label.values()):
                raise SettingError(f"{name} are {shown(by_label)}; expected 0 or more of each label, below 2**63")

    def count_groups(self) -> dict[str, int]:
        """Return the number of groups that each label was learned from; 0 where none of its groups is known."""
        return _count_values((clip.label, clip.group) for clip in self.clips)

    def count_sources(self) -> dict[str, int]:
        """Return the number of sources that each label was learned from; 0 where none of its sources is known."""
        return _count_values((clip.label, clip.source) for clip in self.clips)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; without the clips of the UBM where there are none."""
        values = asdict(self) | {"kind_settings": self.kind_settings.to_dict()}
        return values if self.ubm_clips else {name: value for name, value in values.items() if name != "ubm_clips"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingSummary:
        """Return the summary that plain values describe.

        Parameters
        ----------
        values : mapping
            Result of :meth:`to_dict`; names that are unknown, as of a newer version, are refused.

        Raises
        ------
        SettingError
            If a setting is unknown or outside its bounds.
        """
        if not isinstance(values, Mapping):
            raise SettingError(f"the training summary is {shown(values)}; expected names and values")
        summary = dict(values)
        unknown = sorted(set(map(str, summary)) - {field.name for field in fields(cls)})
        if unknown:
            raise SettingError(
                f"unknown fields of the training summary: {', '.join(unknown)}; made by a newer version?"
            )
        summary["kind_settings"] = settings_from_dict(summary["kind_settings"])
        for name in ("clips", "ubm_clips"):
            clips = convert(name, summary.get(name, ()) if name != "clips" else summary[name], CLIP_ROWS)
            summary[name] = tuple(TrainingClip(**clip) for clip in clips)
        findings = convert("findings", summary.get("findings", ()), tuple[str | dict[str, Any], ...])
        summary["findings"] = tuple(map(Finding.of, findings))
        summary["log_likelihood"] = convert("log_likelihood", summary["log_likelihood"], dict[str, float])
        return cls(**summary)


def _count_values(pairs: Iterable[tuple[str, str | None]]) -> dict[str, int]:
    """Return the number of known values of each label, labels sorted."""
    values: dict[str, set[str]] = {}
    for label, value in pairs:
        values.setdefault(label, set()).update([value] if value else [])
    return {label: len(values[label]) for label in sorted(values)}


@dataclass(frozen=True)
class Prediction:
    """The answer of a model for one clip.

    Parameters
    ----------
    path : str
        The clip, as it was named; empty where rows were given.
    status : {"ok", "mixed", "unknown", "error"}
        ``ok``: the clip has a label. ``mixed``: it is long and has several, whose shares are given. ``unknown``: it is
        of no known label, or holds too little sound to tell. ``error``: it could not be used.
    label : str or None
        The label with the highest probability, or the highest score where the model is not calibrated; None unless the
        status is ``ok``.
    scores : mapping of str to float
        Score of each label; higher is more likely, and scores of two models do not compare. Not a probability. Empty
        where the clip was not scored.
    probability : mapping of str to float or None
        Probability of each label, 0..1, if the clip is of one of them; None where the model is not calibrated. Of a
        long clip: that it has the label throughout, plus the label's share if it is mixed.
    duration_s : float or None
        Decoded length, seconds; None where the clip was not decoded.
    code : str or None
        Reason code where the status is not ``ok``: ``no_label`` for a clip of no known label, ``mixed``, or one of
        :data:`gmmaudio.audio.REASONS` or of the feature stage.
    message : str or None
        The reason in words.
    notes : tuple of AudioNote
        What is to be said of the file: damaged places, joined recordings, channels that cancel.
    shares : mapping of str to float or None
        Of a long clip, the share of each label, and of ``unknown``, in the sound that is not silent, 0..1, the greatest
        first; None for a clip that was scored as one.
    familiarity : float or None
        How the clip scores beside clips of groups that were held out in training: deviations from their mean, below 0
        where it scores lower. For batches (:class:`gmmaudio.models.Familiarity`); one clip tells little.
    caveats : tuple of Finding
        What is to be said of the probabilities of every clip: that labels and recording sources were confounded in
        training, or that there was one source.

    Examples
    --------
    >>> Prediction("a.wav", "ok", "jazz", {"jazz": -1.0, "rock": -2.0}).top(1)
    [('jazz', -1.0)]
    """

    path: str = ""
    status: str = "ok"
    label: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    probability: Mapping[str, float] | None = None
    duration_s: float | None = None
    code: str | None = None
    message: str | None = None
    notes: tuple[AudioNote, ...] = ()
    shares: Mapping[str, float] | None = None
    familiarity: float | None = None
    caveats: tuple[Finding, ...] = ()

    def to_dict(self, n: int | None = None) -> dict[str, Any]:
        """Return plain values for JSON, with the length in whole milliseconds.

        Parameters
        ----------
        n : int or None
            Number of labels whose scores are given, best first; None gives all.
        """
        duration_s = None if self.duration_s is None else round(self.duration_s, 3)
        return {
            "path": self.path,
            "status": self.status,
            "label": self.label,
            "scores": dict(self.top(len(self.scores) if n is None else n)) or None,
            "probability": None if self.probability is None else dict(self.probability),
            "duration_s": duration_s,
            **({} if self.shares is None else {"shares": dict(self.shares)}),
            **({} if self.familiarity is None else {"familiarity": self.familiarity}),
            **({} if self.code is None else {"code": self.code, "message": self.message}),
            **({"notes": [asdict(note) for note in self.notes]} if self.notes else {}),
            **({"caveats": [asdict(caveat) for caveat in self.caveats]} if self.caveats else {}),
        }

    @property
    def best_label(self) -> str | None:
        """The most likely label, whatever the status; None where the clip was not scored."""
        ranked = self._ranked
        return ranked[0] if ranked else None

    def top(self, n: int) -> list[tuple[str, float]]:
        """Return the ``n`` most likely labels with their scores, best first.

        Parameters
        ----------
        n : int
            Number of labels.
        """
        return [(label, self.scores[label]) for label in self._ranked[:n]]

    @property
    def _ranked(self) -> list[str]:
        """Labels, best first: by probability, then by score, then by name."""
        best = self.scores if self.probability is None else self.probability
        return sorted(best, key=lambda label: (-best[label], -self.scores[label], label))


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A scorer with its calibration, its open-set threshold and its familiarity, and perhaps a second head on vectors.

    Parameters
    ----------
    scorer : Scorer
        Gives scores.
    calibration : Calibration or None
        Makes them probabilities; None where it could not be learned.
    open_set : OpenSetThreshold or None
        When a clip is of no known label; None where it was not learned.
    familiarity : Familiarity or None
        How held-out groups score; None where it was not learned.
    vector_head : VectorHead or None
        Second head, on vectors that are given beside the sound.

    Raises
    ------
    SettingError
        If there is a second head, and it has other labels or the first is not calibrated.

    Examples
    --------
    >>> from gmmaudio.mixture import GaussianMixture
    >>> from gmmaudio.models import gmm_scorer
    >>> low, high = (GaussianMixture(np.ones(1), np.full((1, 1), mean), np.ones((1, 1))) for mean in (-1.0, 1.0))
    >>> Recogniser(gmm_scorer(("high", "low"), (high, low))).predict(np.full((3, 1), 0.8)).label
    'high'
    """

    scorer: Scorer
    calibration: Calibration | None = None
    open_set: OpenSetThreshold | None = None
    familiarity: Familiarity | None = None
    vector_head: VectorHead | None = None

    def __post_init__(self) -> None:
        if self.vector_head is None:
            return
        if self.calibration is None:
            raise SettingError("there is a second head on vectors, and the scores of sound are not calibrated")
        if self.vector_head.scorer.labels != self.scorer.labels:
            raise SettingError("the second head, on vectors, has other labels than that on sound")

    @property
    def caveats(self) -> tuple[Finding, ...]:
        """What is to be said with every answer, of probabilities for recordings of sources that were not trained on."""
        shift = None if self.calibration is None else self.calibration.source_shift
        return () if shift is None else shift.caveats

    def in_domain(self) -> Recogniser:
        """Return the recogniser for recordings of the very sources that it was trained on, as clips of other groups."""
        return self if self.calibration is None else replace(self, calibration=self.calibration.in_domain())

    @property
    def is_open_set(self) -> bool:
        """Whether a clip may be classified as unknown: an open-set threshold was learned, and is not off."""
        return self.open_set is not None and self.open_set.threshold is not None

    def predict(
        self,
        values: npt.NDArray[np.floating],
        priors: Mapping[str, float] | None = None,
        vectors: npt.NDArray[np.floating] | None = None,
    ) -> Prediction:
        """Return the prediction for a clip.

        Parameters
        ----------
        values : ndarray, shape (n, n_features)
            Finite rows of the clip, at least one.
        priors : mapping of str to float or None
            Class priors: probability of each label before the clip is seen; None takes all as equal.
        vectors : ndarray, shape (n_vectors, n_columns), or None
            Vectors of the clip, for the second head.

        Raises
        ------
        SettingError
            If priors are given and the scores are no probabilities, or they are not of the labels; or there is a second
            head and no vectors.
        """
        labels, scores = self.scorer.labels, self.scorer.score(values)
        prior = None if priors is None else self.prior_of(priors)
        equal = None if self.calibration is None else self.calibration.probability(scores)
        posterior = None if self.calibration is None else self.calibration.for_scores_of_new_source(scores, prior)
        # whether a clip is of any label does not depend on the class priors
        reason = None if self.open_set is None else self.open_set.explain(scores, equal)
        of_sound = Prediction(
            status="ok" if reason is None else "unknown",
            label=labels[_best(scores, posterior)] if reason is None else None,
            scores=_named(labels, scores),
            probability=None if posterior is None else _named(labels, posterior),
            code=None if reason is None else NO_LABEL,
            message=reason,
            familiarity=None if self.familiarity is None else self.familiarity.value(scores),
            caveats=self.caveats,
        )
        return self.join_vectors(of_sound, vectors, priors)

    def join_vectors(
        self,
        of_sound: Prediction,
        vectors: npt.NDArray[np.floating] | None,
        priors: Mapping[str, float] | None = None,
    ) -> Prediction:
        """Return the prediction for a clip's sound joined with that of its vectors; without a second head as it is.

        Probabilities are the equal mean of those of the two heads, each under the class priors; scores are their
        natural logarithms. Status and shares are those of the sound.

        Parameters
        ----------
        of_sound : Prediction
            The prediction for the sound. One that was not scored stays as it is.
        vectors : ndarray, shape (n_vectors, n_columns), or None
            Vectors of the clip.
        priors : mapping of str to float or None
            The class priors of ``of_sound``.

        Raises
        ------
        SettingError
            If there is a second head and no vectors.
        RowsError
            If the vectors have another number of columns.
        """
        head = self.vector_head
        if head is None:
            return of_sound
        if vectors is None:
            raise SettingError(needs_vectors(head))
        if of_sound.probability is None:
            return of_sound
        prior = None if priors is None else self.prior_of(priors)
        second = head.probability(vectors, prior)
        # what was measured of the sound holds for the mean
        second = second if self.calibration is None else self.calibration.for_new_source(second, prior)
        means = mean_probability(of_sound.probability, second)
        scores = {label: float(np.log(max(mean, LEAST))) for label, mean in means.items()}
        joined = replace(of_sound, scores=scores, probability=means)
        return joined if of_sound.label is None else replace(joined, label=joined.best_label)

    def prior_of(self, priors: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """Return class priors in the order of the labels, summing to 1, shape (n_labels,).

        Parameters
        ----------
        priors : mapping of str to float
            Prior of each label, 0 or more.

        Raises
        ------
        SettingError
            If the model is not calibrated, or they are not of its labels.
        """
        labels = self.scorer.labels
        if self.calibration is None:
            raise SettingError("priors go with probabilities, and this model is not calibrated; leave them out")
        priors = convert("`priors`", priors, dict[str, float])
        by_label = dict(zip(respell(priors, labels), priors.values(), strict=True))
        if len(by_label) < len(priors) or set(by_label) != set(labels):
            raise SettingError(f"priors are of {', '.join(priors)}; expected one for each of {', '.join(labels)}")
        prior = np.array([by_label[label] for label in labels])
        if not (prior >= 0).all() or not 0 < prior.sum() < np.inf:
            raise SettingError(
                f"priors are {', '.join(f'{p:g}' for p in prior)}; expected numbers of 0 or more, not all 0"
            )
        shares: npt.NDArray[np.float64] = prior / prior.sum()
        return shares


def _best(scores: npt.NDArray[np.float64], probability: npt.NDArray[np.float64] | None) -> int:
    """Return the index of the best label: by probability, then by score; the first in order where two are equal."""
    ranked = scores if probability is None else probability
    return int(np.where(ranked == ranked.max(), scores, -np.inf).argmax())


def _named(labels: Sequence[str], values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return values by label."""
    return {label: float(value) for label, value in zip(labels, values, strict=True)}


@dataclass(frozen=True, eq=False)
class Model:
    """A front end and a trained scorer, with calibration and open-set threshold.

    Parameters
    ----------
    features : FeatureSettings
        The front end.
    scorer : Scorer
        Gives scores.
    training : TrainingSummary
        Summary of its training.
    calibration : Calibration or None
        Makes scores probabilities.
    open_set : OpenSetThreshold or None
        When a clip is of no known label.
    tables : FrontEndTables or None
        Tables of the front end; None, as in older files, leaves them to be designed. Frames that are given have none.
    familiarity : Familiarity or None
        How held-out groups score, by which batches are checked; None, as in files before 2.1, checks none.
    vector_head : VectorHead or None
        Second head, on vectors that are given beside the sound.

    Attributes
    ----------
    file_sha256 : str or None
        SHA-256 of the file that it was read from; None for a model that was not read from one.

    Raises
    ------
    SettingError
        If the scorer or the tables were not made for these features.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> model.scorer.labels, model.features.n_features
    (('jazz', 'metal'), 20)
    """

    features: FeatureSettings
    scorer: Scorer
    training: TrainingSummary
    calibration: Calibration | None = None
    open_set: OpenSetThreshold | None = None
    tables: FrontEndTables | None = None
    familiarity: Familiarity | None = None
    vector_head: VectorHead | None = None
    # not copied by dataclasses.replace: a changed model is not that of the file
    file_sha256: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        convert_fields(self, skip=("file_sha256",))
        if self.tables is not None:
            check_designed(self.tables, self.features.sound_frames)
        n_warps, labels = self.scorer.transform.n_warps, self.scorer.labels
        if n_warps != self.features.frames.n_warps:
            raise SettingError(
                f"the scorer takes {n_warps} VTLN warps and the front end makes {self.features.frames.n_warps}"
            )
        if self.scorer.n_features != self.features.n_features:
            raise SettingError(
                f"the scorer takes {self.scorer.n_features} features and the front end makes {self.features.n_features}"
            )
        if self.open_set is not None and self.open_set.statistic == "probability" and self.calibration is None:
            raise SettingError("the open-set threshold is on probabilities, and the model is not calibrated")
        if self.calibration is not None and len(self.calibration.offsets) != len(labels):
            raise SettingError(f"the calibration is of {len(self.calibration.offsets)} labels; expected {len(labels)}")
        self.recogniser  # noqa: B018 - raises where the second head does not fit

    @property
    def of_sound(self) -> Model:
        """The model without its second head: it takes sound alone."""
        return self if self.vector_head is None else replace(self, vector_head=None)

    def check_of_sound(self) -> None:
        """Raise SettingError where the model has a second head, for what takes no vectors."""
        if self.vector_head is not None:
            frames = self.vector_head.frames
            raise SettingError(
                f"the model has a second head on vectors of {frames.rows_name!r} ({frames.n_columns} columns), which "
                "only classify and evaluate take; use these, or a model that was trained without vectors"
            )

    def in_domain(self) -> Model:
        """Return the model for recordings of the very sources that it was trained on: without the share of the priors.

        Its probabilities are those of the calibration alone, and its answers have no caveats.
        """
        is_changed = self.calibration is not None and self.calibration.source_shift is not None
        return replace(self, calibration=self.recogniser.in_domain().calibration) if is_changed else self

    def front_end_tables(self) -> FrontEndTables:
        """Return the tables of the front end; those of a model that has none are designed, which imports librosa.

        SettingError is raised where the model takes rows that are given, and no sound.
        """
        return design_tables(self.features.sound_frames) if self.tables is None else self.tables

    @property
    def recogniser(self) -> Recogniser:
        """The scorer with its calibration, open-set threshold, familiarity and second head."""
        return Recogniser(self.scorer, self.calibration, self.open_set, self.familiarity, self.vector_head)

    def predict(
        self,
        rows: Rows,
        priors: Mapping[str, float] | None = None,
        vectors: npt.NDArray[np.floating] | None = None,
    ) -> Prediction:
        """Return the prediction for a clip's rows.

        Parameters
        ----------
        rows : Rows
            Of the clip, by the model's front end.
        priors, vectors
            As for :meth:`Recogniser.predict`.
        """
        return self.recogniser.predict(rows.values, priors, vectors)
