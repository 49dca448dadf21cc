"""Predictions of a model: the best label, ties, unknown clips, priors."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.errors import SettingError
from gmmaudio.features import (
    Rows,
    make_features,
)
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import (
    Model,
    Prediction,
    Recogniser,
    TrainingSummary,
    fit_scorer,
    gmm_scorer,
)
from tests.models.conftest import VECTORS, small_model, speakers_of


def test_a_model_names_the_label_with_the_highest_mean_score():
    model = small_model(("a", "b"))
    for i, label in enumerate(("a", "b")):
        rows = np.tile(model.scorer.mixtures[i].means[1], (4, 1)).astype(np.float32)
        said = model.predict(Rows(rows, np.zeros(4, np.float32)))
        assert said.label == label == max(said.scores, key=said.scores.get)
        assert list(said.scores.values()) == model.scorer.score(rows).tolist()
        assert said.probability is None


def test_of_equal_scores_the_first_label_wins_everywhere():
    one = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    other = dataclasses.replace(one, means=np.full((1, 1), 2.0))
    said = Recogniser(gmm_scorer(("a", "b", "c"), (other, one, one))).predict(np.zeros((1, 1)))
    assert said.label == "b"
    assert [label for label, _ in said.top(3)] == ["b", "c", "a"]


def test_the_best_labels_come_first_and_are_as_many_as_asked():
    said = Prediction(label="b", scores={"a": -3.0, "b": -1.0, "c": -2.0})
    assert said.top(1) == [("b", -1.0)]
    assert [label for label, _ in said.top(9)] == ["b", "c", "a"]


def test_a_scorer_of_another_front_end_is_refused():
    small = small_model()
    with pytest.raises(SettingError, match="the scorer takes 3 features and the front end makes 4"):
        Model(make_features(n_mfcc=4), small.scorer, small.training)


def test_a_model_of_other_warps_than_its_front_end_is_refused():
    recipe = pipeline.make_recipe("language")
    features = recipe.features.replace(sdc=None, n_mfcc=1)
    rows = [clip for label in (0, 1) for clip in speakers_of(label, [0.0, 3.0, -3.0])]
    classifier, _ = fit_scorer(rows, list("aaabbb"), replace(VECTORS, n_components=2), n_warps=3)
    training = TrainingSummary(None, VECTORS, 0, None, 0.5, {}, {}, {}, ())
    assert Model(features, classifier, training).scorer is classifier
    one = fit_scorer(rows, list("aaabbb"), replace(VECTORS, n_components=2))[0]
    assert one.n_features == classifier.n_features
    with pytest.raises(SettingError, match="the scorer takes 1 VTLN warps and the front end makes 3"):
        Model(features, one, training)
