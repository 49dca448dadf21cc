"""Statistics of clips: fitted to them is the scorer that a fit to the rows gives under the same UBM."""

import numpy as np
import pytest

from gmmaudio.compute import QUIET
from gmmaudio.errors import SettingError
from gmmaudio.features import design_tables
from gmmaudio.models import (
    Background,
    ClipStatistics,
    Shard,
    fit_statistics,
    fit_trials,
    learn_open_set_threshold,
    make_recipe,
    without_rows,
)
from gmmaudio.models.chunked_rows import RowTable
from gmmaudio.models.clip_statistics import digest_of
from gmmaudio.trials import clips_of
from tests.conftest import trials_of
from tests.models.conftest import small_model, small_statistics


def all_tensors(scorer):
    """Return the tensors of a scorer."""
    heads = {f"{i}.{name}": each for i, head in enumerate(scorer.heads) for name, each in head.tensors().items()}
    return scorer.transform.tensors() | heads


@pytest.mark.parametrize("changes", [{}, {"augment": ("gain",)}, {"trial_s": 2.0}])
@pytest.mark.parametrize("back_end", ["cosine", "trained"])
def test_of_vectors_the_same_recogniser_is_fitted_as_of_rows(clips, changes, back_end):
    recipe = make_recipe("language", n_components=4, **{"trial_s": 0.0} | changes)
    settings = type(recipe.kind_settings)(n_components=4, back_end=back_end, n_nuisance=2)
    recipe = type(recipe)(**{**vars(recipe), "kind_settings": settings})
    trials = trials_of(clips, recipe)
    fitted = fit_trials(trials, recipe, QUIET)
    ubm = fitted.recogniser.scorer.transform.ubm
    background = Background(recipe, ubm, design_tables(recipe.features.frames), None, ())
    rows_of_clips = [rows.values for trial in trials for rows in trial.training_rows]
    vectors = RowTable((len(rows_of_clips), background.n_outputs), np.dtype(np.float32))
    for rows in rows_of_clips:
        vectors.append(background.vector(rows)[None])
    counted = without_rows(trials)
    merged = fit_trials(counted, recipe, QUIET, fit=fit_statistics(counted, vectors, background, QUIET))
    expected, found = all_tensors(fitted.recogniser.scorer), all_tensors(merged.recogniser.scorer)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, strict=True)
    assert merged.recogniser.scorer.weights == fitted.recogniser.scorer.weights
    np.testing.assert_array_equal(merged.out_of_fold.scores, fitted.out_of_fold.scores)
    assert merged.recogniser.calibration.to_dict() == fitted.recogniser.calibration.to_dict()
    thresholds = [
        learn_open_set_threshold(each, recipe, fit, QUIET) for each, fit in ((trials, fitted), (counted, merged))
    ]
    assert thresholds[0] == thresholds[1]


def test_trials_without_rows_keep_all_but_the_frames(clips):
    recipe = make_recipe(trial_s=0.4, min_duration_s=0.1, augment=["gain"])
    trials = trials_of(clips, recipe)
    counted = without_rows(trials)
    assert [len(rows) for trial in counted for rows in trial.training_rows] == [
        len(rows) for trial in trials for rows in trial.training_rows
    ]
    for name in ("name", "label", "group", "held_out_by", "source", "fold", "paths", "duration_s"):
        assert [getattr(trial, name) for trial in counted] == [getattr(trial, name) for trial in trials]
    # a clip that was cut to several trials is still one
    assert len(clips_of(counted)) == len(clips_of(trials)) < len(trials)
    assert [clip.sha256 for clip in clips_of(counted)] == [clip.sha256 for clip in clips_of(trials)]
    assert {clip.raw.values.size for clip in clips_of(counted)} == {0}


def test_a_model_without_a_ubm_is_refused():
    with pytest.raises(SettingError) as caught:
        Background.of_model(small_model())
    assert str(caught.value) == (
        "the model is of the kind frames, which keeps no UBM; expected one of supervectors: train a sample with the "
        "preset language, or with `kind` supervector"
    )


def test_a_ubm_of_other_features_is_refused():
    background = small_statistics().background
    with pytest.raises(SettingError, match="the UBM takes 3 features, and the front end makes 20"):
        Background(make_recipe(kind="supervector"), background.ubm, background.tables, None, ())


def test_vectors_of_another_number_are_refused():
    statistics = small_statistics()
    with pytest.raises(SettingError, match=r"the vectors have shape \(5, 10\); expected \(6, 10\)"):
        ClipStatistics(statistics.background, statistics.trial_set, statistics.vectors[:5], ("a", "b"))


@pytest.mark.parametrize(("index", "n"), [(0, 1), (2, 1), (-1, 3)])
def test_a_shard_that_there_is_not_is_refused(index, n):
    with pytest.raises(SettingError, match=f"the shard is {index}/{n}; expected 1/{n} to {n}/{n}"):
        Shard(index, n, "")


def test_settings_and_arrays_are_told_apart():
    settings = small_statistics().described()
    assert settings == small_statistics(labels=("c", "d"), folder="x").described()
    for changes in ({"seed": 1}, {"trial_s": 3.0}, {"augment": ("gain",)}, {"min_duration_s": 0.6}):
        other = small_statistics(**changes).described()
        (name,) = changes
        assert {key for key in settings if settings[key] != other[key]} == {name}
    background = small_statistics().background
    tables = [vars(background.recipe), vars(background.recipe.features.frames)]
    tables += [vars(background.recipe.features.rows), background.settings.to_dict()]
    # less features and kind_settings, which are tables themselves; three digests and the groups more
    assert len(settings) == sum(map(len, tables)) - 2 + 4
    ones = np.ones(3)
    assert digest_of({"a": ones}) not in {digest_of({"b": ones}), digest_of({"a": ones + 1e-15})}
