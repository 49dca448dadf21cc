"""Trials and a classifier -> scored clips."""

from __future__ import annotations

from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from gmmaudio.classifier import GMMClassifier
from gmmaudio.corpus import group_keys
from gmmaudio.evaluation import ScoredClip
from gmmaudio.model import prediction
from gmmaudio.pipeline.trials import Trial


def score_trials(
    trials: Sequence[Trial], classifier: GMMClassifier, *, fold: str = "", repeat: int = 0
) -> list[ScoredClip]:
    """Return every trial with its prediction.

    Parameters
    ----------
    trials : sequence of Trial
        What to score.
    classifier : GMMClassifier
        Scores them.
    fold : str
        The fold in which they were held out.
    repeat : int
        The repeat, from 0.
    """
    units = units_of(trials)
    scored = []
    # one thread, so that a score is the same bits on any machine with the same libraries
    with threadpool_limits(limits=1):
        for trial, unit in zip(trials, units, strict=True):
            said = prediction(classifier.labels, classifier.score(trial.rows.values))
            scored.append(
                ScoredClip(
                    name=trial.name,
                    paths=trial.paths,
                    label=trial.label,
                    group=trial.group,
                    unit=trial.unit or unit,
                    source=trial.source,
                    fold=fold,
                    repeat=repeat,
                    predicted=said.label,
                    scores=said.scores,
                    probability=said.probability,
                    duration_s=trial.duration_s,
                )
            )
    return scored


def units_of(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return what must stay whole in a split: the group, or the file where it is unknown."""
    return group_keys([trial.group for trial in trials], [trial.paths[0] for trial in trials])
