"""Trials and a recogniser -> scored clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gmmaudio.compute import one_thread
from gmmaudio.evaluation import ScoredClip
from gmmaudio.evaluation.warnings import FEW_GROUPS
from gmmaudio.features import FeatureSettings
from gmmaudio.findings import Finding
from gmmaudio.models import Recogniser
from gmmaudio.trials import Trial, cut_trial, units_of


def score_trials(
    trials: Sequence[Trial], recogniser: Recogniser, *, fold: str = "", repeat: int = 0
) -> list[ScoredClip]:
    """Return every trial with its prediction.

    Parameters
    ----------
    trials : sequence of Trial
        What to score.
    recogniser : Recogniser
        Scores them.
    fold : str
        The fold in which they were held out.
    repeat : int
        The repeat, from 0.
    """
    units = units_of(trials)
    scored = []
    # one thread, so that a score is the same bits on any machine with the same libraries
    with one_thread():
        for trial, unit in zip(trials, units, strict=True):
            prediction = recogniser.predict(trial.rows.values)
            scored.append(
                ScoredClip(
                    name=trial.name,
                    paths=trial.paths,
                    label=trial.label,
                    group=trial.held_out_by,
                    unit=trial.unit or unit,
                    source=trial.source,
                    fold=fold,
                    repeat=repeat,
                    predicted=prediction.best_label or "",
                    scores=prediction.scores,
                    probability=prediction.probability,
                    duration_s=trial.duration_s,
                    rejected=prediction.status == "unknown" if recogniser.is_open_set else None,
                )
            )
    return scored


def score_durations(
    trials: Sequence[Trial],
    recogniser: Recogniser,
    durations_s: Sequence[float],
    features: FeatureSettings,
    *,
    fold: str = "",
    repeat: int = 0,
) -> dict[float, list[ScoredClip]]:
    """Return the predictions for trials cut to each length; a trial shorter than it gives none.

    Parameters
    ----------
    trials : sequence of Trial
        What to cut and score.
    recogniser : Recogniser
        Scores them.
    durations_s : sequence of float
        Lengths, seconds.
    features : FeatureSettings
        The front end.
    fold, repeat
        As for :func:`score_trials`.
    """
    return {
        seconds: score_trials(
            [cut for trial in trials for cut in cut_trial(trial, seconds, features)],
            recogniser,
            fold=fold,
            repeat=repeat,
        )
        for seconds in durations_s
    }


def interval_units(trials: list[Trial], group_by: str | None) -> tuple[list[Trial], tuple[Finding, ...]]:
    """Return the trials with the units that intervals are drawn over, and the finding that these are not the groups.

    Where clips are held out by source and there are few, an interval over sources would be from nothing to everything;
    it is then drawn over the corpus's own groups inside them. (By another column it stays over its values: albums
    inside artists would make an interval that is too narrow.)

    Parameters
    ----------
    trials : list of Trial
        All trials.
    group_by : str or None
        What the clips are held out by, where that is not the group.
    """
    groups = [trial.group for trial in trials]
    n_held_out, n_groups = len(set(units_of(trials))), len(set(groups))
    if group_by != "source" or n_held_out >= FEW_GROUPS or n_groups <= n_held_out or None in groups:
        return trials, ()
    finding = Finding(
        "interval_inside_groups",
        "information",
        f"intervals are over the {n_groups} groups of the corpus inside the {n_held_out} values of {group_by!r} "
        "(`group_by`): they do not cover what another value would give",
    )
    return [replace(trial, unit=unit) for trial, unit in zip(trials, groups, strict=True)], (finding,)
