"""Predictions of a recogniser for trials, as records of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from gmmaudio.compute import QUIET, RunContext, one_thread
from gmmaudio.evaluation import ScoredClip, cllr
from gmmaudio.evaluation.warnings import FEW_GROUPS
from gmmaudio.features import FeatureSettings
from gmmaudio.findings import Finding
from gmmaudio.models import Model, Recogniser, SourceShift
from gmmaudio.models.long_clips import predict_chunks
from gmmaudio.names import normal
from gmmaudio.trials import Trial, cut_trial, units_of


def score_trials(
    trials: Sequence[Trial],
    recogniser: Recogniser,
    *,
    fold: str = "",
    repeat: int = 0,
    run: RunContext = QUIET,
    model: Model | None = None,
    in_domain: Sequence[bool] | None = None,
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
    in_domain : sequence of bool or None
        Result of :func:`are_in_domain`; None takes every trial as of a new source.

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
    whole = None if model is None else model.of_sound
    given, known = (recogniser, whole), (recogniser.in_domain(), None if whole is None else whole.in_domain())
    scored = []
    # one thread, so that a score is the same bits on any machine with the same libraries
    with one_thread():
        for i, (trial, unit) in enumerate(zip(run.track(trials, "scoring"), units, strict=True)):
            recogniser, whole = known if in_domain is not None and in_domain[i] else given
            lengths = [segment.last - segment.first for segment in trial.segments]
            is_clip = lengths == [trial.parts[0].n_frames]
            of_sound = predict_chunks(whole, [trial.parts[0].raw]) if whole is not None and is_clip else None
            # a long clip without sound that stands out is scored as one, too
            if of_sound is None or not of_sound.scores:
                of_sound = replace(recogniser, vector_head=None).predict(trial.rows.values)
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


def are_in_domain(
    recogniser: Recogniser, trained: Iterable[tuple[str, str | None]], trials: Sequence[Trial]
) -> list[bool]:
    """Return whether each trial is of the sources that a recogniser was trained on, where it knows sources.

    The probabilities of these trials are those of the calibration alone; all others are taken as of a new source. Where
    half of the labels or more are confounded with sources, or nothing could be measured, a known source is not enough:
    no trial of the test set may have a label with which its source did not come in training, or labels would be
    answered by sources.

    Parameters
    ----------
    recogniser : Recogniser
        The recogniser.
    trained : iterable of tuple
        Label and source of every clip that it was trained on.
    trials : sequence of Trial
        The test set.

    Examples
    --------
    >>> from gmmaudio.pipeline.training import train
    >>> model = train("my_music").model
    >>> are_in_domain(model.recogniser, [("jazz", None), ("metal", None)], [])
    []
    """
    shift = None if recogniser.calibration is None else recogniser.calibration.source_shift
    if shift is None:
        return [False] * len(trials)
    pairs = {(label, _name_of(source)) for label, source in trained}
    sources = {source for _, source in pairs}
    if not shift.is_measured or 2 * len(shift.confounded) >= len(recogniser.scorer.labels):
        return [all((trial.label, _name_of(trial.source)) in pairs for trial in trials)] * len(trials)
    return [_name_of(trial.source) in sources for trial in trials]


def _name_of(source: str | None) -> str | None:
    """Return a source as it is compared with those of training; None where it is unknown."""
    return normal(source) if source else None


def check_in_domain(known: Sequence[tuple[ScoredClip, SourceShift]]) -> tuple[Finding, ...]:
    """Return the finding that probabilities are those for sources trained on, and what they are for new sources.

    Parameters
    ----------
    known : sequence of tuple
        Predictions for clips of sources that were trained on, each with the shift of its recogniser.

    Returns
    -------
    tuple of Finding
        One, or none where the probabilities are the same for new sources.

    Examples
    --------
    >>> from gmmaudio.models import SourceShift
    >>> clip = ScoredClip("1.wav", ("1.wav",), "en", None, "1.wav", "radio", "", 0, "en", {}, {"en": 0.9, "fr": 0.1})
    >>> print(check_in_domain([(clip, SourceShift(0.5, 2, 2))])[0].text)
    probabilities of 1 clips are those for recordings of the sources trained on: Cllr 0.152 bits; those for recordings \
of other sources, as classify gives them, have the class priors at a share of 50.0 %: Cllr 0.515 bits
    """
    changed = [(clip, shift) for clip, shift in known if shift.prior_share and clip.probability]
    if not changed:
        return ()
    labels = sorted({label for clip, _ in changed for label in clip.probability or ()})
    rows = np.array([[(clip.probability or {}).get(label, np.nan) for label in labels] for clip, _ in changed])
    shares = np.array([shift.prior_share for _, shift in changed])
    mixed = (1 - shares[:, None]) * rows + (shares / np.isfinite(rows).sum(axis=1))[:, None]
    true = [labels.index(clip.label) for clip, _ in changed]
    with np.errstate(divide="ignore"):
        here, abroad = (cllr(np.nan_to_num(np.log(each), nan=-np.inf), true) for each in (rows, mixed))
    is_confounded = any(shift.is_confounded for _, shift in changed)
    confounded = "labels and sources cannot be told apart in training: " if is_confounded else ""
    return (
        Finding(
            "in_domain_probabilities",
            "information",
            f"{confounded}probabilities of {len(changed)} clips are those for recordings of the sources trained on: "
            f"Cllr {here:.3f} bits; those for recordings of other sources, as classify gives them, have the class "
            f"priors at a share of {100 * float(np.median(shares)):.1f} %: Cllr {abroad:.3f} bits",
            "cross-validate with sources left out to see what new sources get (`leave_sources_out`)",
        ),
    )


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
    in_domain: Sequence[bool] | None = None,
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
    fold, repeat, run, in_domain
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
            for i, trial in enumerate(run.track(trials, "scoring")):
                chosen = recogniser.in_domain() if in_domain is not None and in_domain[i] else recogniser
                scored += score_trials(cut_trial(trial, seconds, features), chosen, fold=fold, repeat=repeat)
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
