"""Records of an evaluation: predictions, made by any system, and the protocol under which they were made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gmmaudio.errors import SettingError
from gmmaudio.names import respell


@dataclass(frozen=True)
class Protocol:
    """Protocol of predictions: how they were made, without which no metric can be interpreted.

    Parameters
    ----------
    scheme : str
        In words: ``4 folds by group``, ``leave one group out``, ``held-out split``.
    group_by : str
        Where groups come from: ``group``, another column, ``parent`` or ``none``.
    seed : int
        Seed of the first repeat.
    folds : tuple of str
        Names of the folds.
    repeats : int
        Number of repeats, each with another division and seed.
    scored_labels, unscored_labels : tuple of str
        Labels whose clips are in the metrics, and the others: only trained on, or not known to the model.
    trial_s : float or None
        Duration that clips were joined or cut to, seconds.
    settings : mapping
        Front end and classifier.
    versions : mapping of str to str
        Of this package and the libraries below it.
    command : str
        The command line.
    machine : str
        Processor and system that the numbers were made on.
    model_sha256 : str or None
        Hash of the model file that was evaluated; None where models were trained on the way.
    began : str
        Start, ISO 8601, UTC; empty where unknown.
    seconds : float or None
        Duration of the run; None where unknown.
    """

    scheme: str
    group_by: str
    seed: int
    folds: tuple[str, ...]
    repeats: int
    scored_labels: tuple[str, ...]
    unscored_labels: tuple[str, ...]
    trial_s: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    machine: str = ""
    model_sha256: str | None = None
    began: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class ScoredClip:
    """The prediction for a clip (or trial), and what is known of it.

    Parameters
    ----------
    name : str
        Unique name; the same in every repeat.
    paths : tuple of str
        One path, or those of the clips that were joined.
    label : str
        True label.
    group : str or None
        Its group; None where unknown.
    unit : str
        What bootstrap intervals draw: the group, or the file where the group is unknown.
    source : str or None
        Its source.
    fold : str
        The fold in which it was held out.
    repeat : int
        The repeat, from 0.
    predicted : str
        Predicted label.
    scores : mapping of str to float
        Of every candidate label; higher is likelier. Empty where only decisions are known.
    probability : mapping of str to float or None
        Of every candidate label, where the model is calibrated.
    duration_s : float or None
        Duration, seconds; None where unknown.
    rejected : bool or None
        Whether the open-set threshold calls the clip unknown; None where there is no threshold.
    start_s, end_s : float or None
        The part of the first path that was scored, seconds from the start of its file; None where unknown.
    nearest_group : str or None
        Of a wrong prediction, the training group of the predicted label that the clip is nearest to; None where that
        was not looked for.
    """

    name: str
    paths: tuple[str, ...]
    label: str
    group: str | None
    unit: str
    source: str | None
    fold: str
    repeat: int
    predicted: str
    scores: Mapping[str, float]
    probability: Mapping[str, float] | None = None
    duration_s: float | None = None
    rejected: bool | None = None
    start_s: float | None = None
    end_s: float | None = None
    nearest_group: str | None = None

    @property
    def correct(self) -> bool:
        """Whether the predicted label is the true one."""
        return self.predicted == self.label

    @property
    def _ranked(self) -> Mapping[str, float]:
        """Scores, or log probabilities where there are none."""
        if self.scores or not self.probability:
            return self.scores
        return {label: math.log(p) if p > 0 else -math.inf for label, p in self.probability.items()}

    @property
    def margin(self) -> float:
        """Score of the predicted label minus that of the true one; infinite where the true one was no candidate.

        In log probability where there are no scores, NaN where there is neither.
        """
        if not self._ranked:
            return math.nan
        predicted, true = (self._ranked.get(label, -math.inf) for label in (self.predicted, self.label))
        return math.nan if predicted == true == -math.inf else predicted - true

    @property
    def runner_up(self) -> str | None:
        """The best label other than the predicted one; None where there are no scores."""
        others = {label: score for label, score in self._ranked.items() if label != self.predicted}
        return max(sorted(others), key=lambda label: others[label]) if others else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        paths = {"path": self.paths[0]} if len(self.paths) == 1 else {"paths": list(self.paths)}
        kept = (
            *("name", "label", "group", "unit", "source", "fold", "repeat", "predicted", "duration_s", "rejected"),
            *("start_s", "end_s", "nearest_group"),
        )
        probability = None if self.probability is None else {label: float(p) for label, p in self.probability.items()}
        scores = {label: float(s) if math.isfinite(s) else None for label, s in self.scores.items()}
        return paths | {name: getattr(self, name) for name in kept} | {"scores": scores, "probability": probability}


@dataclass(frozen=True)
class FailedInput:
    """An input that could not be used: not in any metric, but counted in the headline.

    Parameters
    ----------
    path : str
        The file.
    code : str
        Reason code, such as ``empty``.
    message : str
        The reason in words, with a cure.
    """

    path: str
    code: str
    message: str


def respell_scored(clips: Sequence[ScoredClip], labels: Sequence[str] = ()) -> tuple[ScoredClip, ...]:
    r"""Return predictions whose labels, groups, units and sources have one spelling for each NFC form.

    Parameters
    ----------
    clips : sequence of ScoredClip
        Predictions of any system.
    labels : sequence of str
        Labels whose spelling goes before; otherwise it is the first that occurs.

    Returns
    -------
    tuple of ScoredClip
        The same predictions where nothing changes.

    Raises
    ------
    SettingError
        If a prediction has two scores for one label.

    Examples
    --------
    >>> clip = ScoredClip("1", ("1",), "Zo\u00e9", None, "1", None, "", 0, "Zoe\u0301", {})
    >>> respell_scored([clip])[0].correct
    True
    """
    names: set[str | None] = set()
    for clip in clips:
        names.update((clip.label, clip.predicted, clip.group, clip.unit, clip.source), clip.scores)
        names.update(clip.probability or {})
    if all(name is None or name.isascii() for name in names):
        return tuple(clips)
    in_order = [
        name for clip in clips for name in (clip.label, clip.predicted, *clip.scores, *(clip.probability or {}))
    ]
    spelt = dict(zip(in_order, respell(in_order, labels), strict=True))
    columns = {name: respell([getattr(clip, name) for clip in clips]) for name in ("group", "unit", "source")}
    return tuple(
        replace(
            clip,
            label=spelt[clip.label],
            predicted=spelt[clip.predicted],
            scores=_respelt(clip.name, clip.scores, spelt),
            probability=None if clip.probability is None else _respelt(clip.name, clip.probability, spelt),
            **{name: values[i] for name, values in columns.items()},
        )
        for i, clip in enumerate(clips)
    )


def _respelt(clip: str, values: Mapping[str, float], spelt: Mapping[str, str]) -> dict[str, float]:
    """Return the scores of a clip by labels in one spelling each."""
    by_label = {spelt[label]: value for label, value in values.items()}
    if len(by_label) < len(values):
        raise SettingError(f"{clip}: two scores for one label, in two normal forms of Unicode; keep one")
    return by_label
