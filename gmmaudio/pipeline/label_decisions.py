"""The label that is written or sorted by: of each file by itself, or of all files of a folder; or why there is none."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gmmaudio.errors import SettingError
from gmmaudio.models import Model, Prediction
from gmmaudio.models.long_clips import join_predictions
from gmmaudio.pipeline.classified_rows import ClassifiedClip

LOW_PROBABILITY = "low_probability"


class LabelDecision(NamedTuple):
    """The label of a file, or the reason why it has none.

    Parameters
    ----------
    label : str or None
        The label.
    best_label : str or None
        The most likely label, whether it was decided for or not.
    probability : float or None
        Its probability, 0..1; None where there is none.
    code : str or None
        Reason code where there is no label.
    message : str
        The reason in words.
    is_failure : bool
        Whether the file could not be used.
    """

    label: str | None
    best_label: str | None = None
    probability: float | None = None
    code: str | None = None
    message: str = ""
    is_failure: bool = False

    def reason(self) -> str:
        """Return the reason with the most likely label."""
        if self.best_label is None or self.probability is None:
            return self.message
        return f"{self.message}; most likely {self.best_label} ({self.probability:.2f})"


def check_probability(model: Model, min_probability: float) -> None:
    """Raise where a probability is asked for that the model does not give.

    Parameters
    ----------
    model : Model
        The model.
    min_probability : float
        The least probability, 0..1.

    Raises
    ------
    SettingError
        If it is outside its bounds, or the model is not calibrated.

    Examples
    --------
    >>> import gmmaudio
    >>> check_probability(gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model, 60)
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `min_probability` is 60; expected 0 to 1
    """
    if not 0 <= min_probability <= 1:
        raise SettingError(f"`min_probability` is {min_probability:g}; expected 0 to 1")
    if model.calibration is None and min_probability > 0:
        raise SettingError(
            "this model is not calibrated and gives no probabilities; train it on a corpus whose groups are known "
            "(`group_by`), or take every label (`min_probability=0`)"
        )


def decide(prediction: Prediction, min_probability: float) -> LabelDecision:
    """Return the label of a prediction, or the reason why there is none.

    Parameters
    ----------
    prediction : Prediction
        Of a file, or of a folder.
    min_probability : float
        The least probability, 0..1.

    Examples
    --------
    >>> likely = Prediction("a.wav", "ok", "jazz", {"jazz": -1.0, "rock": -2.0}, {"jazz": 0.7, "rock": 0.3})
    >>> decide(likely, 0.6).label, decide(likely, 0.8).code
    ('jazz', 'low_probability')
    """
    best = prediction.best_label
    p = None if prediction.probability is None or best is None else float(prediction.probability[best])
    if prediction.label is None:
        code, message = prediction.code or "failed", prediction.message or ""
        return LabelDecision(None, best, p, code, message, is_failure=not prediction.scores)
    if p is not None and p < min_probability:
        words = f"the probability is below {min_probability:g} (`min_probability`)"
        return LabelDecision(None, best, p, LOW_PROBABILITY, words)
    return LabelDecision(prediction.label, best, p)


def decide_classified(clip: ClassifiedClip, path: str, min_probability: float) -> LabelDecision:
    """Return the label of a line of the output of ``classify``, or the reason why there is none.

    Parameters
    ----------
    clip : ClassifiedClip
        The line.
    path : str
        Its file.
    min_probability : float
        The least probability, 0..1.

    Raises
    ------
    SettingError
        If the probability is outside its bounds, or the line has a label without one.

    Examples
    --------
    >>> decide_classified(ClassifiedClip("a.wav", "ok", "jazz", {"jazz": 0.7}, "jazz"), "a.wav", 0.6).code
    'vanished'
    """
    if not 0 <= min_probability <= 1:
        raise SettingError(f"`min_probability` is {min_probability:g}; expected 0 to 1")
    p = clip.best_probability
    if clip.label is not None and p is None and min_probability > 0:
        words = "has a label without a probability; take every label (`min_probability=0`)"
        raise SettingError(f"{clip.path}: {words}")
    if clip.best_label is None:
        message = clip.message or "has no label in the results"
        return LabelDecision(None, code=clip.code or "no_label", message=message, is_failure=True)
    if not os.path.isfile(path):  # noqa: PTH113 - there may be many
        words = "is not there; run the command in the folder where classify ran"
        return LabelDecision(None, code="vanished", message=words, is_failure=True)
    scores = clip.probability or {clip.best_label: 0.0}
    known = Prediction(clip.path, clip.status, clip.label, scores, clip.probability or None)
    return decide(replace(known, code=clip.status, message=f"is {clip.status}"), min_probability)


def decide_all(
    paths: Sequence[str], predictions: Sequence[Prediction], min_probability: float, *, by_folder: bool = False
) -> list[LabelDecision]:
    """Return the label of every file, or the reason why it has none.

    Parameters
    ----------
    paths : sequence of str
        The files.
    predictions : sequence of Prediction
        One for each file.
    min_probability : float
        The least probability, 0..1.
    by_folder : bool
        All files of a folder have one label (:func:`gmmaudio.models.long_clips.join_predictions`); a file that could
        not be used has none.

    Examples
    --------
    >>> known = [Prediction("", "ok", x, {"jazz": 0.0, "rock": 0.0}, {"jazz": p, "rock": 1 - p}, 60.0)
    ...          for x, p in (("jazz", 0.9), ("rock", 0.4), ("jazz", 0.8))]
    >>> [each.label for each in decide_all(["a/1", "a/2", "a/3"], known, 0.5, by_folder=True)]
    ['jazz', 'jazz', 'jazz']
    """
    alone = [decide(prediction, min_probability) for prediction in predictions]
    if not by_folder:
        return alone
    folders: dict[str, list[int]] = defaultdict(list)
    for i, path in enumerate(paths):
        folders[os.path.dirname(os.path.realpath(path))].append(i)  # noqa: PTH120 - may be many
    for members in folders.values():
        joined = decide(join_predictions([predictions[i] for i in members]), min_probability)
        for i in members:
            if not alone[i].is_failure:
                alone[i] = joined
    return alone
