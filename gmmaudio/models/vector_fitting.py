"""Trials with vectors -> a recogniser of sound with a second head on the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gmmaudio.compute import RunContext
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureSettings, Rows, RowSettings
from gmmaudio.findings import Finding
from gmmaudio.models.calibration import clip_weights
from gmmaudio.models.fitting import Fitted, fit_trials
from gmmaudio.models.inner_folds import labels_and_groups
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.vector_head import VECTOR_SETTINGS, VectorHead
from gmmaudio.trials import Trial


def fit_vector_head(trials: Sequence[Trial], seed: int, run: RunContext) -> VectorHead | None:
    """Return a head on the vectors of a training set, calibrated on the same inner folds as sound; None without any.

    Parameters
    ----------
    trials : sequence of Trial
        The training set. Degraded copies are left out: vectors are of the clips as they are.
    seed : int
        Divides the inner folds.
    run : RunContext
        Worker processes and progress.

    Raises
    ------
    SettingError
        If no label has two groups, so that there are no probabilities.

    Examples
    --------
    >>> from gmmaudio.corpus import Clip, plan_split
    >>> from gmmaudio.features import GivenFrames
    >>> from gmmaudio.trials import GivenRows, GivenVectors, TrialSettings, read_vectors, trials_of_rows
    >>> rng = np.random.default_rng(0)
    >>> paths = [f"{label}/{i}" for label in "ab" for i in range(6)]
    >>> clips = [Clip(path, path[0], held_out_by=path) for path in paths]
    >>> arrays = {path: rng.normal(size=3) + 4 * path.startswith("b") for path in paths}
    >>> features = FeatureSettings(GivenFrames(rows_name="sound", n_columns=3))
    >>> trial_set = trials_of_rows(GivenRows(arrays), clips, TrialSettings(features))
    >>> vectors = read_vectors(GivenVectors(arrays, vectors_name="ours"), clips)
    >>> head = fit_vector_head(vectors.attach(trial_set, clips).trials, 0, RunContext())
    >>> head.scorer.labels[head.probability(arrays["b/1"][None]).argmax()]
    'b'
    """
    fitted = _fit_vectors(trials, seed, run)
    return None if fitted is None else _head_of(trials, fitted)


def fit_checked_head(
    trials: Sequence[Trial], seed: int, run: RunContext, of_sound: Fitted
) -> tuple[VectorHead | None, tuple[Finding, ...]]:
    """Return a head on the vectors of a training set, and a finding where the mean with it is worse than sound alone.

    Parameters
    ----------
    trials, seed, run
        As for :func:`fit_vector_head`.
    of_sound : Fitted
        Result of :func:`gmmaudio.models.fit_trials` for the sound of the trials.

    Examples
    --------
    >>> fit_checked_head([], 0, RunContext(), None)
    (None, ())
    """
    fitted = _fit_vectors(trials, seed, run)
    if fitted is None:
        return None, ()
    head = _head_of(trials, fitted)
    known = inner_losses(trials, of_sound, fitted)
    if known is None or known[2] <= known[0]:
        return head, ()
    sound, vectors, mean = known
    return head, (
        Finding(
            "vectors_lose",
            "warning",
            f"on inner folds the log-loss of the sound is {sound:.3f} nats, that of the vectors {vectors:.3f}, and "
            f"that of the mean of both {mean:.3f}: the vectors make probabilities worse",
            "compare with and without them by crossval, or train without `vectors`",
        ),
    )


def inner_losses(trials: Sequence[Trial], of_sound: Fitted, of_vectors: Fitted) -> tuple[float, float, float] | None:
    """Return the log-loss of sound, of vectors and of their mean on the same inner folds, nats; None without these.

    Labels weigh the same, and groups within a label. Clips whose label a fold did not know are left out.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    of_sound, of_vectors : Fitted
        Its recognisers, with their out-of-fold scores.
    """
    probabilities = []
    for fitted in (of_sound, of_vectors):
        scores, calibration = fitted.out_of_fold, fitted.recogniser.calibration
        if scores is None or calibration is None:
            return None
        codes, groups = labels_and_groups(trials, scores)
        each = calibration.probability(scores.fused(fitted.recogniser.scorer.weights))
        probabilities.append(each[np.arange(len(codes)), codes])
    sound, vectors = probabilities
    usable = np.flatnonzero((sound > 0) & (vectors > 0))
    weights = clip_weights(codes[usable], [groups[i] for i in usable])
    losses = [float(-weights @ np.log(p[usable])) for p in (sound, vectors, (sound + vectors) / 2)]
    return losses[0], losses[1], losses[2]


def _fit_vectors(trials: Sequence[Trial], seed: int, run: RunContext) -> Fitted | None:
    """Return the recogniser of the vectors of a training set; None where it has none."""
    if not trials or trials[0].vectors is None:
        return None
    features = FeatureSettings(trials[0].vectors.frames, RowSettings())
    recipe = Recipe(features=features, kind_settings=VECTOR_SETTINGS, min_duration_s=0.0, seed=seed)
    fitted = fit_trials([_trial_of_vectors(trial) for trial in trials], recipe, run)
    if fitted.recogniser.calibration is None:
        raise SettingError(
            "`vectors` are joined with sound by probabilities, and no label has two groups to learn these from; name "
            "artists or speakers as groups (`group_by`), or leave the vectors out"
        )
    return fitted


def _head_of(trials: Sequence[Trial], fitted: Fitted) -> VectorHead:
    """Return the head that a recogniser of vectors is."""
    given, calibration = trials[0].vectors, fitted.recogniser.calibration
    assert given is not None and calibration is not None  # noqa: S101 - checked where it was fitted
    return VectorHead(given.frames, VECTOR_SETTINGS, fitted.recogniser.scorer, calibration)


def _trial_of_vectors(trial: Trial) -> Trial:
    """Return a trial whose rows are its vectors."""
    assert trial.vectors is not None  # noqa: S101 - all trials of a corpus have some, or none has
    values = trial.vectors.values
    return replace(trial, held_rows=Rows(values, np.arange(len(values), dtype=np.float32)), copies=())
