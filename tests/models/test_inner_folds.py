"""Out-of-fold scores of a training set."""

import numpy as np

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.models import (
    OutOfFold,
    fitting,
    inner_folds,
)
from tests.conftest import trials_of
from tests.models.conftest import fitted_recogniser


def test_a_label_that_a_fold_was_not_trained_on_stays_impossible_under_any_weight():
    scores = np.array([[[1.0, -np.inf], [3.0, -np.inf]], [[1.0, 2.0], [3.0, 4.0]]])
    found = OutOfFold(np.arange(2), scores, ("a", "b"))
    np.testing.assert_array_equal(found.fused((0.0, 2.0)), [[6.0, -np.inf], [6.0, 8.0]])


def test_inner_folds_have_as_many_components_as_the_model(corpus, monkeypatch):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    n_rows = sum(len(trial.rows) for trial in trials)
    sized = fitting.cap_components(trials, recipe)
    assert sized.kind_settings.n_pca == n_rows // 4 == fitted.recogniser.scorer.transform.matrix.shape[1]
    sizes = []
    fit = inner_folds.TrialFits.fit

    def watched(*given):
        found = fit(*given)
        sizes.append(found.transform.matrix.shape[1])
        return found

    # tuning asks for nested scores alone
    with monkeypatch.context() as patched:
        patched.setattr(inner_folds.TrialFits, "fit", watched)
        inner_folds.out_of_fold_scores(trials, recipe, QUIET)
    assert sizes == [n_rows // 4] * 5
    frames = pipeline.make_recipe(None)
    assert fitting.cap_components(trials, frames) is frames


def test_inner_folds_keep_groups_whole(clips):
    trials = trials_of(clips, pipeline.make_recipe(n_components=2))
    folds = fitting.make_inner_folds(trials, 0)
    assert len(folds) == 5
    for fold in folds:
        assert {trials[i].group for i in fold.train}.isdisjoint(trials[i].group for i in fold.test)
