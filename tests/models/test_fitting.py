"""A scorer with calibration and open-set threshold, learned from the training set alone."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.errors import SettingError
from gmmaudio.models import (
    fitting,
)
from tests.models.conftest import fitted_recogniser


@pytest.fixture
def clips(corpus):
    return pipeline.read_corpus(corpus.plain)


def test_probabilities_of_a_fold_are_learned_without_it(clips):
    recipe = pipeline.make_recipe(n_components=2)
    report = pipeline.crossval(clips, recipe, fold_column="fold", durations_s=())
    others = tuple(c for c in clips.clips if c.column("fold") != "1")
    model = pipeline.train(replace(clips, clips=others), recipe).model
    held = next(c for c in clips.clips if c.column("fold") == "1")
    (said,) = pipeline.classify(model, [str(clips.root / held.path)])
    (row,) = [c for c in report.clips if c.name == held.path]
    assert row.probability == said.probability


def test_without_two_groups_there_is_no_probability_and_a_reason(clips):
    alone = replace(clips, clips=tuple(c for c in clips.clips if c.group.endswith("ann")))
    model = pipeline.train(alone, pipeline.make_recipe(n_components=2)).model
    assert model.calibration is None and model.open_set is None
    assert "not_calibrated" in {finding.code for finding in model.training.findings}
    with pytest.raises(SettingError, match="this model is not calibrated"):
        list(pipeline.classify(model, [], priors={}))


def test_degraded_copies_are_trained_on_by_seed_and_never_scored(clips):
    recipe = pipeline.make_recipe(n_components=2)
    plain, noisy, again = (
        pipeline.crossval(clips, replace(recipe, augment=names), fold_column="fold", durations_s=())
        for names in ((), ("noise", "gain"), ("noise", "gain"))
    )
    assert [c.name for c in plain.clips] == [c.name for c in noisy.clips]
    assert [c.scores for c in plain.clips] != [c.scores for c in noisy.clips]
    assert [c.scores for c in noisy.clips] == [c.scores for c in again.clips]
    with pytest.raises(SettingError, match="`augment` is hiss; expected any of codec,band,noise,gain"):
        replace(recipe, augment=("hiss",))


def test_labels_that_are_fitted_separately_are_left_out_without_new_fits(corpus, monkeypatch):
    trials, recipe, fitted = fitted_recogniser(corpus, None, n_components=1)
    codes, _ = fitting.labels_and_groups(trials, fitted.out_of_fold)
    rounds = list(fitting._leave_columns_out(fitted.out_of_fold.fused((1.0,)), codes))
    # the same by hand, fold by fold: with one component EM has no start that could differ
    expected = [([], []) for _ in fitted.out_of_fold.labels]
    for fold in fitting.make_inner_folds(trials, recipe.seed):
        for k, label in enumerate(fitted.out_of_fold.labels):
            train = [trials[i] for i in fold.train if trials[i].label != label]
            fit, _ = fitting.fit_scorer_on_trials(train, recipe, QUIET)
            for i in fold.test:
                expected[k][trials[i].label == label].append(fit.score(trials[i].rows.values))
    assert len(rounds) == len(expected) == 3
    for found, by_hand in zip(rounds, expected, strict=True):
        for side, other in zip(found, by_hand, strict=True):
            np.testing.assert_allclose(np.sort(side, axis=0), np.sort(other, axis=0), rtol=1e-6)
    monkeypatch.setattr(fitting, "fit_scorer_on_trials", None)
    found = fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
    assert "each of 3 labels left out in turn, AUROC 1.00" in found.reason
    assert (found.n_known, found.n_unknown) == (18, 18)


def test_a_label_is_left_out_of_as_few_folds_as_hold_enough_clips(corpus, monkeypatch):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    rounds = list(fitting._leave_labels_out(trials, recipe, fitted.out_of_fold.labels, (1.0,), QUIET))
    # clips come two by two, a singer's; a fold that holds one label only has no other to tell it from
    assert [len(outside) for _, outside in rounds] == [4, 6, 6]
    assert all(scores.shape[1] == 2 for sides in rounds for scores in sides)
    assert fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET).n_unknown == 16
    monkeypatch.setattr(fitting, "ENOUGH_CLIPS", 1)
    fewer = list(fitting._leave_labels_out(trials, recipe, fitted.out_of_fold.labels, (1.0,), QUIET))
    assert [len(outside) for _, outside in fewer] == [2, 2, 2]


def test_the_open_set_threshold_is_checked_on_the_training_clips(corpus, monkeypatch):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    seen = {}
    monkeypatch.setattr(fitting, "fit_open_set_threshold", lambda known, rounds, in_sample: seen.update(in_sample))
    fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
    best = [max(fitted.recogniser.predict(trial.rows.values).scores.values()) for trial in trials]
    # the number of BLAS threads moves the last bits
    np.testing.assert_allclose(seen["score"], best, rtol=1e-9)
