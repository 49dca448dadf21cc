"""Predictions of a recogniser for trials, as records of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gmmaudio.compute import QUIET, RunContext, one_thread
from gmmaudio.evaluation import ScoredClip
from gmmaudio.evaluation.warnings import FEW_GROUPS
from gmmaudio.features import FeatureSettings
from gmmaudio.findings import Finding
from gmmaudio.models import Model, Recogniser
from gmmaudio.models.long_clips import predict_chunks
from gmmaudio.trials import Trial, cut_trial, units_of


def score_trials(
    trials: Sequence[Trial],
    recogniser: Recogniser,
    *,
    fold: str = "",
    repeat: int = 0,
    run: RunContext = QUIET,
    model: Model | None = None,
) -> list[ScoredClip]:
    """Return the predictions for trials, with labels, groups and units of the trials.

    Parameters
    ----------
    trials : sequence of Trial
        Trials to score.
    recogniser : Recogniser
        The recogniser.
    fold : str
        Name of the fold in which the trials were held out.
    repeat : int
        The repeat, from 0.
    run : RunContext
        Shows progress.
    model : Model or None
        The model of the recogniser: clips much longer than it was calibrated on are then divided as classification
        does it (:func:`gmmaudio.models.long_clips.predict_chunks`). None scores every trial as one.

    Returns
    -------
    list of ScoredClip
        One for each trial.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gmmaudio.corpus import Clip
    >>> from gmmaudio.pipeline.training import train
    >>> from gmmaudio.trials import TrialSettings, build_trial_set
    >>> model = train("my_music").model
    >>> trials = build_trial_set(Path(), [Clip("song.wav", "metal")], TrialSettings(model.features)).trials
    >>> [(clip.name, clip.label, clip.predicted) for clip in score_trials(trials, model.recogniser)]
    [('song.wav', 'metal', 'metal')]
    """
    units = units_of(trials)
    first_head, whole = replace(recogniser, vector_head=None), None if model is None else model.of_sound
    scored = []
    # one thread, so that a score is the same bits on any machine with the same libraries
    with one_thread():
        for trial, unit in zip(run.track(trials, "scoring"), units, strict=True):
            lengths = [segment.last - segment.first for segment in trial.segments]
            is_clip = lengths == [trial.parts[0].n_frames]
            of_sound = predict_chunks(whole, [trial.parts[0].raw]) if whole is not None and is_clip else None
            # a long clip without sound that stands out is scored as one, too
            if of_sound is None or not of_sound.scores:
                of_sound = first_head.predict(trial.rows.values)
            prediction = recogniser.join_vectors(of_sound, None if trial.vectors is None else trial.vectors.values)
            place = _place_of(trial)
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
                    duration_s=trial.known_duration_s,
                    rejected=prediction.status == "unknown" if recogniser.is_open_set else None,
                    start_s=place[0],
                    end_s=place[1],
                )
            )
    return scored


def _place_of(trial: Trial) -> tuple[float, float] | tuple[None, None]:
    """Return the start and the end of a trial's first segment in its file, seconds; None where times are unknown."""
    first = trial.segments[0]
    part = first.extracted
    if not part.is_timed:
        return None, None
    start_s = part.clip.start_s + part.duration_s * first.first / max(1, part.n_frames)
    return round(start_s, 3), round(start_s + first.duration_s, 3)


def score_durations(
    trials: Sequence[Trial],
    recogniser: Recogniser,
    durations_s: Sequence[float],
    features: FeatureSettings,
    *,
    fold: str = "",
    repeat: int = 0,
    run: RunContext = QUIET,
) -> dict[float, list[ScoredClip]]:
    """Return the predictions for trials cut to each length; a trial that is shorter has none.

    Parameters
    ----------
    trials : sequence of Trial
        Trials to cut and score.
    recogniser : Recogniser
        The recogniser.
    durations_s : sequence of float
        Lengths, seconds.
    features : FeatureSettings
        The front end of the recogniser.
    fold, repeat, run
        As for :func:`score_trials`.

    Returns
    -------
    dict of float to list of ScoredClip
        Predictions for each length.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gmmaudio.corpus import Clip
    >>> from gmmaudio.pipeline.training import train
    >>> from gmmaudio.trials import TrialSettings, build_trial_set
    >>> model = train("my_music").model
    >>> trials = build_trial_set(Path(), [Clip("song.wav", "metal")], TrialSettings(model.features)).trials
    >>> predictions = score_durations(trials, model.recogniser, [3.0], model.features)
    >>> [clip.name for clip in predictions[3.0]]
    ['song.wav 0.0 s', 'song.wav 3.0 s']
    """
    predictions: dict[float, list[ScoredClip]] = {}
    for seconds in durations_s:
        scored: list[ScoredClip] = []
        # the rows of one trial's cuts at a time
        with one_thread():
            for trial in run.track(trials, "scoring"):
                scored += score_trials(cut_trial(trial, seconds, features), recogniser, fold=fold, repeat=repeat)
        predictions[seconds] = scored
    return predictions


def interval_units(trials: list[Trial], group_by: str | None) -> tuple[list[Trial], tuple[Finding, ...]]:
    """Return the trials with the units that confidence intervals resample, and the finding where these are other units.

    Where clips are held out by source and there are few sources, an interval over sources would be too wide to be of
    use. It then resamples the groups of the corpus within the sources. Where clips are held out by another column, the
    interval resamples the values of that column: albums within artists would make it too narrow.

    Parameters
    ----------
    trials : list of Trial
        All trials.
    group_by : str or None
        Column by which the clips are held out, if not by group.

    Returns
    -------
    trials : list of Trial
        Trials with their ``unit`` set where that is needed.
    findings : tuple of Finding
        One or none.

    Examples
    --------
    >>> interval_units([], "source")
    ([], ())
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
