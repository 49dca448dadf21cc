"""The training group that a mistake resembles most."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.evaluation import ScoredClip
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import fit_trials, gmm_scorer
from gmmaudio.models.nearest import MIN_SHARED, Centres, overall_distances
from gmmaudio.pipeline import nearest_groups
from gmmaudio.pipeline.nearest_groups import add_nearest_groups
from gmmaudio.pipeline.scoring import score_trials
from tests.conftest import trials_of

KINDS = {
    "frames": {"n_components": 3},
    "blocks": {"preset": "genre", "n_components": 1},
    "supervector": {"kind": "supervector", "n_components": 2},
}


@pytest.fixture(params=KINDS)
def fitted(request, clips):
    """Trials, and a scorer that was fitted to all of them."""
    recipe = pipeline.make_recipe(**KINDS[request.param])
    trials = trials_of(clips, recipe)
    return trials, fit_trials(trials, recipe, QUIET, calibrated=False).recogniser


def test_a_clip_that_is_a_training_clip_is_nearest_to_its_group(fitted):
    trials, recogniser = fitted
    # every group is held by one clip, and the clip is taken for a mistake
    some = [trial for trial in trials if trial.name.endswith("0.wav")]
    wrong = [replace(clip, label="another") for clip in score_trials(some, recogniser)]
    found = add_nearest_groups(wrong, some, some, recogniser.scorer)
    assert [clip.nearest_group for clip in found] == [trial.group for trial in some]
    assert [replace(clip, nearest_group=None) for clip in found] == wrong


def test_only_mistakes_have_a_nearest_group_and_only_of_known_groups_of_the_predicted_label(fitted):
    trials, recogniser = fitted
    scored = score_trials(trials, recogniser)
    assert all(clip.correct for clip in scored)
    assert add_nearest_groups(scored, trials, trials, recogniser.scorer) == scored
    wrong = [replace(clip, label="another") for clip in scored]
    others = [trial for trial in trials if trial.label != "low"]
    for clip in add_nearest_groups(wrong, trials, others, recogniser.scorer):
        group = clip.nearest_group
        assert group is None if clip.predicted == "low" else group.startswith(clip.predicted)
    # a label that the scorer does not have
    unknown = [replace(clip, predicted="nothing") for clip in wrong]
    assert {c.nearest_group for c in add_nearest_groups(unknown, trials, trials, recogniser.scorer)} == {None}


def test_at_most_five_trials_spread_over_a_group_stand_for_it(clips, monkeypatch):
    recipe = pipeline.make_recipe(n_components=1)
    trials = trials_of(clips, recipe)
    recogniser = fit_trials(trials, recipe, QUIET, calibrated=False).recogniser
    low = [trial for trial in trials if trial.label == "low"]
    one_group = [_with_group(trial, "all") for trial in low]
    wrong = [replace(score_trials(low[:1], recogniser)[0], label="mid")]
    asked = []
    monkeypatch.setattr(nearest_groups, "TRIALS_OF_GROUP", 2)
    monkeypatch.setattr(
        nearest_groups, "centres_of", lambda answers: asked.append(answers) or Centres(np.ones(1), answers.rows[:1])
    )
    add_nearest_groups(wrong, low[:1], one_group, recogniser.scorer)
    # of six trials the first and the fourth, and the mistake itself
    assert [len(each.rows) for each in asked] == [low[i].n_rows for i in (0, 3, 0)]
    assert np.array_equal(asked[1].rows, low[3].rows.values)


def _with_group(trial, group):
    """Return a trial that is held out by another group."""
    (segment,) = trial.segments
    extracted = replace(segment.extracted, clip=replace(segment.extracted.clip, held_out_by=group))
    return replace(trial, segments=(replace(segment, extracted=extracted),))


def test_the_distance_is_the_weighted_mean_of_squares_over_components_of_both():
    mixture = GaussianMixture([0.5, 0.3, 0.2], [[0.0], [9.0], [20.0]], [[4.0], [1.0], [9.0]])
    here = Centres(np.array([3.0, 1.0, 0.2]), np.array([[1.0], [9.0], [50.0]]))
    there = Centres(np.array([2.0, 2.0, 5.0]), np.array([[3.0], [11.0], [20.0]]))
    # by hand: (3 * (2 / 2)^2 + 1 * (2 / 1)^2) / 4; the third has too few rows of the first
    assert overall_distances(mixture, here, {"a": there})["a"] == pytest.approx(np.sqrt(7 / 4))
    assert overall_distances(mixture, here, {"a": here}) == {"a": 0.0}
    assert overall_distances(mixture, here, {}) == {}


@pytest.mark.parametrize(("shared", "is_known"), [(MIN_SHARED, True), (MIN_SHARED - 0.01, False)])
def test_clips_are_compared_where_components_of_both_hold_half_of_the_rows(shared, is_known):
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [9.0]], [[1.0], [1.0]])
    here = Centres(100 * np.array([shared, 1 - shared]), np.array([[0.0], [9.0]]))
    other = Centres(np.array([9.0, 0.0]), np.array([[1.0], [0.0]]))
    assert bool(overall_distances(mixture, here, {"a": other})) is is_known


def test_of_groups_as_near_the_first_by_name_is_taken():
    mixtures = [GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (0.0, 9.0)]
    scorer = gmm_scorer(("high", "low"), mixtures)
    clip = ScoredClip("1", ("1",), "low", None, "1", None, "", 0, "high", {})
    centres = {"high": {name: Centres(np.ones(1), np.array([[2.0]])) for name in ("bob", "ann")}}

    class Trial:
        class rows:  # noqa: N801 - as a trial has it
            values = np.zeros((3, 1), dtype=np.float32)

    assert nearest_groups._nearest_group(clip, Trial, scorer, centres) == "ann"
