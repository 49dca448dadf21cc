"""One fold: what is trained on, what is scored, and with which settings."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.corpus import Fold
from gmmaudio.pipeline import fold_runs
from tests.conftest import trials_of
from tests.pipeline.conftest import SMALL


@pytest.fixture
def trials(clips):
    return trials_of(clips, SMALL)


@pytest.fixture
def fold(trials):
    """The singer cy of each label held out."""
    held_out = [trial.group.endswith("cy") for trial in trials]
    return Fold("cy", tuple(np.flatnonzero(np.invert(held_out))), tuple(np.flatnonzero(held_out)))


def test_a_fold_has_the_scores_of_a_model_trained_on_its_training_side(clips, trials, fold):
    result = fold_runs.run_fold(trials, fold, SMALL, 0, QUIET)
    training = tuple(clip for clip in clips.clips if not clip.group.endswith("cy"))
    model = pipeline.train(replace(clips, clips=training), SMALL).model
    assert [clip.name for clip in result.scored] == [trials[i].name for i in fold.test]
    for clip, i in zip(result.scored, fold.test, strict=True):
        # clips of the sources that were trained on
        prediction = model.in_domain().predict(trials[i].rows)
        assert clip.scores == prediction.scores
        assert clip.probability == prediction.probability
    assert result.tuned is None
    assert result.features == SMALL.features


def test_the_repeat_is_added_to_the_seed(trials, fold):
    recipe = pipeline.make_recipe(n_components=4, init="random", seed=3)
    second = fold_runs.run_fold(trials, fold, recipe, 1, QUIET).scored
    other_seed = fold_runs.run_fold(trials, fold, replace(recipe, seed=4), 0, QUIET).scored
    assert second != other_seed
    assert [replace(clip, repeat=0) for clip in second] == other_seed
    assert second[0].scores != fold_runs.run_fold(trials, fold, recipe, 0, QUIET).scored[0].scores


def test_predictions_of_score_fold_are_those_of_run_fold_without_probabilities(trials, fold):
    whole = fold_runs.run_fold(trials, fold, SMALL, 0, QUIET).scored
    plain = fold_runs.score_fold(trials, fold, SMALL, QUIET)
    assert [clip.scores for clip in plain] == [clip.scores for clip in whole]
    assert {clip.probability for clip in plain} == {None}
    assert all(clip.probability for clip in whole)


@pytest.mark.parametrize("open_set", [False, True])
def test_a_threshold_is_learned_where_one_is_asked_for(trials, fold, open_set):
    result = fold_runs.run_fold(trials, fold, SMALL, 0, QUIET, open_set=open_set)
    assert (result.recogniser.open_set is not None) == open_set
    # a threshold that is off answers no clip with unknown, and is not measured
    assert {clip.rejected is not None for clip in result.scored} == {result.recogniser.is_open_set}


def test_held_out_trials_are_cut_to_each_duration(trials, fold):
    result = fold_runs.run_fold(trials, fold, SMALL, 0, QUIET, durations_s=(0.4, 5.0))
    # two pieces of 0.4 s of each clip of 1 s
    assert {seconds: len(clips) for seconds, clips in result.durations.items()} == {0.4: 12, 5.0: 0}
    assert {clip.fold for clip in result.durations[0.4]} == {"cy"}


def test_a_tuned_fold_has_rows_of_the_front_end_that_was_chosen(trials, fold, few_candidates):
    fitted = fold_runs.fit_fold(trials, fold, SMALL, QUIET, tuned=True, calibrated=False)
    assert fitted.tuned is not None
    assert fitted.features == fitted.tuned.recipe.features
    assert fitted.recogniser.calibration is None
    assert [trial.name for trial in fitted.test] == [trials[i].name for i in fold.test]


def test_where_one_source_is_left_a_fold_is_calibrated_on_its_own_groups(clips):
    report = pipeline.crossval(clips, SMALL, folds="loo", group_by="source", durations_s=())
    assert len(report.clips) == 18
    assert all(clip.probability is not None for clip in report.clips)
    assert "not_calibrated" not in {finding.code for finding in report.findings}
