"""Trials and a recogniser -> scored clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gmmaudio.compute import one_thread
from gmmaudio.corpus import Place
from gmmaudio.evaluation import ScoredClip
from gmmaudio.evaluation.report import FEW_GROUPS
from gmmaudio.models import Recogniser
from gmmaudio.trials import Trial, units_of


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
            said = recogniser.predict(trial.rows.values)
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


def interval_units(
    trials: list[Trial], groups: Mapping[Place, str | None], group_by: str | None
) -> tuple[list[Trial], tuple[str, ...]]:
    """Return the trials with what intervals are drawn over, and what should be said of it.

    Where clips are split by source and there are few, an interval over sources would be from nothing to everything; it
    is then drawn over the corpus's own groups inside them. (By another column it stays over its values: albums inside
    artists would make an interval that is too narrow.)

    Parameters
    ----------
    trials : list of Trial
        All trials.
    groups : mapping
        The corpus's own groups of all clips.
    group_by : str or None
        What the clips are split by instead.
    """
    own = [groups[trial.parts[0].clip.place] for trial in trials]
    n_split, n_own = len(set(units_of(trials))), len(set(own))
    if group_by != "source" or n_split >= FEW_GROUPS or n_own <= n_split or None in own:
        return trials, ()
    note = (
        f"intervals are over the {n_own} groups of the corpus inside the {n_split} of --group-by {group_by}: "
        "they say nothing of what another would give"
    )
    return [replace(trial, unit=unit) for trial, unit in zip(trials, own, strict=True)], (note,)
