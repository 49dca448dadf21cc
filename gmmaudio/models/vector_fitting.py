"""Trials with vectors -> a recogniser of sound with a second head on the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gmmaudio.compute import RunContext
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureSettings, Rows, RowSettings
from gmmaudio.models.fitting import fit_trials
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
    given = [trial.vectors for trial in trials]
    if not trials or given[0] is None:
        return None
    frames = given[0].frames
    recipe = Recipe(
        features=FeatureSettings(frames, RowSettings()), kind_settings=VECTOR_SETTINGS, min_duration_s=0.0, seed=seed
    )
    fitted = fit_trials([_trial_of_vectors(trial) for trial in trials], recipe, run)
    calibration = fitted.recogniser.calibration
    if calibration is None:
        raise SettingError(
            "`vectors` are joined with sound by probabilities, and no label has two groups to learn these from; name "
            "artists or speakers as groups (`group_by`), or leave the vectors out"
        )
    return VectorHead(frames, VECTOR_SETTINGS, fitted.recogniser.scorer, calibration)


def _trial_of_vectors(trial: Trial) -> Trial:
    """Return a trial whose rows are its vectors."""
    assert trial.vectors is not None  # noqa: S101 - all trials of a corpus have some, or none has
    values = trial.vectors.values
    return replace(trial, held_rows=Rows(values, np.arange(len(values), dtype=np.float32)), copies=())
