"""Rows that are given in place of sound: the settings of a run on them, what they cannot be asked for, and findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureSettings, FeatureStore, GivenFrames, RowSettings
from gmmaudio.findings import Finding
from gmmaudio.models import Model, Recipe, find_kind, preset_of
from gmmaudio.trials import (
    ClipVectors,
    Degradation,
    GivenRows,
    Spool,
    TrialSet,
    TrialSettings,
    build_trial_set,
    check_same_rows,
    trials_of_rows,
)


def recipe_of_rows(recipe: Recipe, rows: GivenRows | None, clips: Sequence[Clip]) -> Recipe:
    """Return a recipe for rows that are given: the front end's own settings do not hold for them.

    Rows are taken as they are: without deltas, gates, warps and normalisation. Models of the kind ``blocks`` make
    blocks of them where their rate is known; where it is not, each row is one. A recipe that has given frames already
    is left as it is.

    Parameters
    ----------
    recipe : Recipe
        Settings; those of the kind of model stay.
    rows : GivenRows or None
        The rows; None where there is sound.
    clips : sequence of Clip
        Clips, by which the number of columns is found.

    Raises
    ------
    CorpusError
        If no rows of the clips that are looked at can be read.
    SettingError
        If the recipe asks for what rows do not have, or takes other rows.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> rows = GivenRows({"a.wav": [[0.0, 1.0, 2.0]]}, rows_name="ours")
    >>> recipe = recipe_of_rows(make_recipe("language"), rows, [Clip("a.wav", "en")])
    >>> recipe.features.n_features, recipe.kind_settings.kind, recipe.trial_s
    (3, 'supervector', None)
    """
    if rows is None:
        if recipe.features.is_given:
            recipe.features.sound_frames  # noqa: B018 - raises, with the remedy
        return recipe
    start = preset_of(recipe.preset, recipe.kind_settings.kind)
    if recipe.augment not in ((), start.augment):
        raise SettingError("`augment` degrades sound, which rows do not have; leave it out")
    recipe = replace(recipe, augment=())
    if isinstance(recipe.features.frames, GivenFrames):
        check_same_rows(rows, recipe.features.frames)
        return recipe
    trial_s = recipe.trial_s
    if trial_s is not None and rows.rows_rate_hz is None and trial_s == start.trial_s:
        # that of the preset, and not of the user
        trial_s = None
    features = FeatureSettings(rows.frames(rows.count_columns(clips)), _row_settings(recipe, rows))
    return replace(recipe, features=features, trial_s=trial_s)


def _row_settings(recipe: Recipe, rows: GivenRows) -> RowSettings:
    """Return the settings of what is made of given rows: nothing, or blocks where the kind takes them."""
    of_preset = recipe.features.rows
    if rows.rows_rate_hz is None or of_preset.block_s is None:
        return RowSettings()
    return RowSettings(
        block_s=of_preset.block_s, block_step_s=of_preset.block_step_s, n_modulation=of_preset.n_modulation
    )


def training_trials(
    root: Path,
    clips: Sequence[Clip],
    recipe: Recipe,
    rows: GivenRows | None,
    *,
    tune: bool = False,
    store: FeatureStore | None = None,
    spool: Spool | None = None,
    run: RunContext = QUIET,
    vectors: ClipVectors | None = None,
) -> TrialSet:
    """Return the trials of clips by a recipe, of their sound or of rows that are given.

    Parameters
    ----------
    root, clips, store, spool, run
        As for :func:`gmmaudio.trials.build_trial_set`.
    recipe : Recipe
        Settings, as :func:`recipe_of_rows` gives them.
    rows : GivenRows or None
        The rows; None where there is sound.
    tune : bool
        Whether other kinds may be fitted too: missing values may be in rows where all kinds take them.
    vectors : ClipVectors or None
        As for :func:`trials_of`.

    Examples
    --------
    >>> from gmmaudio.models import make_recipe
    >>> clips = [Clip("a.wav", "en"), Clip("b.wav", "fr")]
    >>> rows = GivenRows({"a.wav": [[0.0, 1.0]], "b.wav": [[float("nan"), 1.0]]}, rows_name="ours")
    >>> recipe = recipe_of_rows(make_recipe(), rows, clips)
    >>> [len(training_trials(Path(), clips, recipe, rows, tune=tune).trials) for tune in (False, True)]
    [2, 1]
    """
    takes_missing = find_kind(recipe.kind_settings.kind).transform.takes_missing and not tune
    settings = replace(recipe.trial_settings, takes_missing=takes_missing)
    augment = recipe.degradations
    return trials_of(root, clips, settings, rows, augment=augment, store=store, spool=spool, run=run, vectors=vectors)


def trials_of(
    root: Path,
    clips: Sequence[Clip],
    settings: TrialSettings,
    rows: GivenRows | None,
    *,
    augment: Sequence[Degradation] = (),
    store: FeatureStore | None = None,
    spool: Spool | None = None,
    run: RunContext = QUIET,
    vectors: ClipVectors | None = None,
) -> TrialSet:
    """Return the trials of clips, of their sound or of rows that are given.

    Parameters
    ----------
    root, clips, settings, augment, store, spool, run
        As for :func:`gmmaudio.trials.build_trial_set`.
    rows : GivenRows or None
        The rows; None where there is sound.
    vectors : ClipVectors or None
        Vectors that are given beside sound, which the trials get; clips without any are among the failures.

    Examples
    --------
    >>> features = FeatureSettings(GivenFrames(rows_name="ours", n_columns=2))
    >>> trial_set = trials_of(Path(), [Clip("a.wav", "en")], TrialSettings(features), GivenRows({"a.wav": [0.0, 1.0]}))
    >>> trial_set.trials[0].rows.values
    array([[0., 1.]], dtype=float32)
    """
    usable = clips if vectors is None else vectors.usable(clips)
    if rows is not None:
        made = trials_of_rows(rows, usable, settings, spool=spool, run=run)
    else:
        made = build_trial_set(root, usable, settings, augment=augment, store=store, spool=spool, run=run)
    return made if vectors is None else vectors.attach(made, clips)


def model_settings(
    model: Model,
    rows: GivenRows | None,
    trial_s: float | None,
    min_duration_s: float,
    *,
    robustness: bool = False,
) -> TrialSettings:
    """Return the settings by which clips become trials of a model, of sound or of rows that are given.

    Parameters
    ----------
    model : Model
        The model.
    rows : GivenRows or None
        The rows; None where there is sound.
    trial_s : float or None
        Length that clips are joined or cut to, seconds; None takes that of the training, and 0 clips as they are.
    min_duration_s : float
        Shortest clip, seconds.
    robustness : bool
        Whether clips are degraded too.

    Raises
    ------
    SettingError
        If the model takes rows and there are none, or sound and there are rows, or other rows; or rows are to be
        degraded.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> model_settings(model, None, 6.0, 0.5).trial_s
    6.0
    """
    trial_s = (model.training.trial_s if trial_s is None else trial_s) or None
    if rows is None:
        return TrialSettings(model.features, trial_s, min_duration_s, model.front_end_tables())
    check_model_rows(model, rows)
    check_robustness(rows, robustness=robustness)
    return TrialSettings(model.features, trial_s, min_duration_s, takes_missing=model.scorer.takes_missing)


def check_model_rows(model: Model, rows: GivenRows) -> None:
    """Raise SettingError where a model takes sound, or other rows.

    Parameters
    ----------
    model : Model
        The model.
    rows : GivenRows
        The rows.
    """
    if not isinstance(model.features.frames, GivenFrames):
        raise SettingError(
            "the model takes sound, and rows are given; leave them out, or train a model of such rows (`rows`)"
        )
    check_same_rows(rows, model.features.frames)


def check_robustness(rows: GivenRows | None, *, robustness: bool) -> None:
    """Raise SettingError where given rows are to be degraded.

    Parameters
    ----------
    rows : GivenRows or None
        The rows; None where there is sound.
    robustness : bool
        Whether clips are degraded.

    Examples
    --------
    >>> check_robustness(None, robustness=True)
    """
    if rows is not None and robustness:
        raise SettingError("`robustness` degrades sound, which rows do not have; leave it out")


def known_durations(features: FeatureSettings, durations_s: Sequence[float]) -> tuple[float, ...]:
    """Return the lengths that clips are cut to and scored again, checked, seconds; none of rows without a rate.

    Parameters
    ----------
    features : FeatureSettings
        The front end.
    durations_s : sequence of float
        Lengths, seconds.

    Raises
    ------
    SettingError
        If one is outside its bounds.

    Examples
    --------
    >>> known_durations(FeatureSettings(GivenFrames(rows_name="ours", n_columns=2)), [3.0, 10.0])
    ()
    """
    # imports what draws and counts, which classification does without
    from gmmaudio.pipeline.analyses import check_durations

    check_durations(durations_s)
    frames = features.frames
    return () if isinstance(frames, GivenFrames) and not frames.is_rated else tuple(durations_s)


def rows_record(rows: GivenRows | None) -> dict[str, Any]:
    """Return the place of rows for the record of a run; empty where there is sound.

    Parameters
    ----------
    rows : GivenRows or None
        The rows.

    Examples
    --------
    >>> rows_record(GivenRows("embeddings", rows_column="id"))
    {'rows': {'place': 'embeddings', 'rows_column': 'id'}}
    """
    if rows is None:
        return {}
    return {"rows": {"place": None if rows.path is None else str(rows.path), "rows_column": rows.rows_column}}


def check_given(features: FeatureSettings) -> tuple[Finding, ...]:
    """Return the finding that rows were given; none where there is sound.

    Parameters
    ----------
    features : FeatureSettings
        The front end.

    Examples
    --------
    >>> print(*check_given(FeatureSettings(GivenFrames(rows_name="ours", n_columns=2, rows_rate_hz=50.0))))
    rows of 'ours' (2 columns) were given, not sound: whether what made them was itself trained on clips of this \
corpus, or on their speakers, is not known here; compare with a corpus that is newer than it
    """
    frames = features.frames
    if not isinstance(frames, GivenFrames):
        return ()
    seconds = "" if frames.is_rated else "; their rate is not known, so that each row counts as one second"
    return (
        Finding(
            "given_rows",
            "information",
            f"rows of {frames.rows_name!r} ({frames.n_columns} columns) were given, not sound: whether what made them "
            f"was itself trained on clips of this corpus, or on their speakers, is not known here{seconds}",
            "compare with a corpus that is newer than it",
        ),
    )
