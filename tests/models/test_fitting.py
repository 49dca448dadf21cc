"""A scorer with calibration and open-set threshold, learned from the training set alone."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.errors import SettingError
from gmmaudio.models import fitting, inner_folds
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
    (said,) = pipeline.classify(model.in_domain(), [str(clips.root / held.path)])
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
    with pytest.raises(SettingError, match="`augment` is hiss; expected any of codec,mp3,opus,band,noise,gain"):
        replace(recipe, augment=("hiss",))


def test_labels_that_are_fitted_separately_are_left_out_without_new_fits(corpus, monkeypatch):
    trials, recipe, fitted = fitted_recogniser(corpus, None, n_components=1)
    of_trials = fitting.labels_and_groups(trials, fitted.out_of_fold)
    rounds = list(fitting._leave_columns_out(fitted.out_of_fold.fused((1.0,)), *of_trials, range(3)))
    # the same by hand, fold by fold: with one component EM has no start that could differ
    fits = inner_folds.fresh_trial_fits(trials, recipe, QUIET)
    expected = [([], []) for _ in fitted.out_of_fold.labels]
    for fold in fitting.make_inner_folds(trials, recipe.seed):
        for k, label in enumerate(fitted.out_of_fold.labels):
            scorer = fits.fit([i for i in fold.train if trials[i].label != label])
            for i in fold.test:
                expected[k][trials[i].label == label].append(scorer.score(trials[i].rows.values))
    assert len(rounds) == len(expected) == 3
    for found, by_hand in zip(rounds, expected, strict=True):
        for side, other in zip(found[:2], by_hand, strict=True):
            np.testing.assert_allclose(np.sort(side, axis=0), np.sort(other, axis=0), rtol=1e-6)
    monkeypatch.setattr(inner_folds.TrialFits, "fit", None)
    found = fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
    assert "each of 3 labels left out in turn, AUROC 1.00" in found.reason
    assert (found.n_known, found.n_unknown) == (18, 18)


def replace_group(trial, group):
    """Return a trial whose clips are of another group."""
    segments = tuple(
        replace(s, extracted=replace(s.extracted, clip=replace(s.extracted.clip, held_out_by=group)))
        for s in trial.segments
    )
    return replace(trial, segments=segments)


def test_no_label_that_is_left_out_is_trained_on_and_all_of_its_clips_are_scored(corpus, monkeypatch):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    folds = fitting.make_inner_folds(trials, recipe.seed)
    calls = []
    fit, score = inner_folds.TrialFits.fit, inner_folds.TrialFits.score
    monkeypatch.setattr(inner_folds.TrialFits, "fit", lambda self, part: calls.append(list(part)) or fit(self, part))
    monkeypatch.setattr(
        inner_folds.TrialFits,
        "score",
        lambda self, scorer, part, labels: (
            calls.append((scorer.labels, list(part))) or score(self, scorer, part, labels)
        ),
    )
    labels, score_sides = fitted.out_of_fold.labels, partial(fitting._score_sides, fitted.fits)
    for label in labels:
        calls.clear()
        rounds = fitting._leave_labels_out(fitted.fits, folds, labels, [{label}], score_sides, (1.0,))
        ((inside, outside, *groups),) = rounds
        others = tuple(name for name in labels if name != label)
        trained = [call for call in calls if isinstance(call, list)]
        scored = [call for call in calls if isinstance(call, tuple)]
        # of three labels each takes six folds, as far as there are
        assert len(trained) == len(folds) - sum({trials[i].label for i in fold.test} == {label} for fold in folds)
        assert all(trials[i].label != label for part in trained for i in part)
        assert all(known == others for known, _ in scored)
        unknown = [i for _, part in scored for i in part if trials[i].label == label]
        assert sorted(unknown) == [i for i, trial in enumerate(trials) if trial.label == label]
        assert len(outside) == len(unknown) == 6
        known_trials = [i for _, part in scored for i in part if trials[i].label != label]
        assert len(inside) == len(known_trials) == len(set(known_trials))
        assert inside.shape[1] == outside.shape[1] == 2
        units = [[fitted.fits.units[i] for i in part] for part in (known_trials, unknown)]
        assert [sorted(names) for names in groups] == [sorted(names) for names in units]
    assert fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET).n_unknown == 18


def test_a_clip_of_a_group_that_is_trained_on_is_no_unknown_one(corpus):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    folds = fitting.make_inner_folds(trials, recipe.seed)
    label = trials[0].label
    # one of the label's groups sings another label too
    shared = trials[0].held_out_by
    other = next(i for i, trial in enumerate(trials) if trial.label != label)
    mixed = [replace_group(trial, shared) if i == other else trial for i, trial in enumerate(trials)]
    fits = inner_folds.TrialFits(mixed, fitted.fits.partial)
    for fold in folds:
        sides = fitting._sides(fits, fold, {label})
        if sides is not None:
            train, _, outside = sides
            units = {fits.units[i] for i in train}
            assert units.isdisjoint(fits.units[i] for i in outside)
            assert len(outside) == 6 - 2 * (shared in units)


def test_of_many_labels_some_are_left_out_by_the_seed(monkeypatch, corpus):
    assert fitting.draw_labels(20, 0) == list(range(20))
    drawn = fitting.draw_labels(21, 0)
    assert len(set(drawn)) == 20
    assert drawn == sorted(drawn)
    assert max(drawn) < 21
    assert fitting.draw_labels(200, 1) == fitting.draw_labels(200, 1) != fitting.draw_labels(200, 2)
    for preset in (None, "genre"):
        trials, recipe, fitted = fitted_recogniser(corpus, preset, n_components=1)
        everything = fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
        assert "each of 3 labels left out in turn" in everything.reason
        with monkeypatch.context() as patched:
            patched.setattr(fitting, "MAX_LEFT_OUT", 2)
            found = fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
        assert "2 of 3 labels, drawn by the seed, left out in turn, AUROC" in found.reason
        assert (found.n_unknown, everything.n_unknown) == (12, 18)


def test_of_very_many_labels_several_are_left_out_at_once(monkeypatch, corpus):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    monkeypatch.setattr(fitting, "MAX_LEFT_OUT", 2)
    rounds = []
    leave = fitting._leave_labels_out

    def watched(fits, folds, labels, left_out, score, weights):
        rounds.extend(left_out)
        return leave(fits, folds, labels, rounds, score, weights)

    monkeypatch.setattr(fitting, "_leave_labels_out", watched)
    alone = fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
    assert [len(unknown) for unknown in rounds] == [1, 1]
    assert set.union(*rounds) == {fitted.out_of_fold.labels[i] for i in fitting.draw_labels(3, recipe.seed)}
    # of three labels without two one is left, and nothing to tell it from
    monkeypatch.setattr(fitting, "LABELS_FOR_EACH_LEFT_OUT", 1)
    rounds.clear()
    together = fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
    assert [len(unknown) for unknown in rounds] == [2]
    assert (alone.n_unknown, together.n_unknown) == (12, 0)


def test_labels_that_are_left_out_at_once_are_all_unknown(corpus):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    first, second, third = fitted.out_of_fold.labels
    for fold in fitting.make_inner_folds(trials, recipe.seed):
        assert fitting._sides(fitted.fits, fold, {first, second}) is None
        sides = fitting._sides(fitted.fits, fold, {third})
        if sides is not None:
            assert {trials[i].label for i in sides[0]} == {first, second}
            assert {trials[i].label for i in sides[2]} == {third}


def test_the_open_set_threshold_is_checked_on_the_training_clips(corpus, monkeypatch):
    trials, recipe, fitted = fitted_recogniser(corpus, "genre")
    seen = {}
    monkeypatch.setattr(fitting, "fit_open_set_threshold", lambda *_, in_sample, **__: seen.update(in_sample))
    fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
    best = [max(fitted.recogniser.predict(trial.rows.values).scores.values()) for trial in trials]
    # the number of BLAS threads moves the last bits
    np.testing.assert_allclose(seen["score"], best, rtol=1e-9)


def test_clips_of_sources_left_out_hold_the_threshold_and_measure_the_check(corpus, monkeypatch):
    plain, recipe, _ = fitted_recogniser(corpus, None, n_components=1)
    assert fitting.fit_trials([replace_source(t, None) for t in plain], recipe, QUIET).sources_left_out == ()
    trials = [replace_source(t, "phone" if t.held_out_by.endswith("ann") else "studio") for t in plain]
    fitted = fitting.fit_trials(trials, recipe, QUIET)
    # the same by hand: with one component EM has no start that could differ
    fits, expected = inner_folds.fresh_trial_fits(trials, recipe, QUIET), []
    for left_out in ("phone", "studio"):
        scorer = fits.fit([i for i, trial in enumerate(trials) if trial.source != left_out])
        expected += [scorer.score(trial.rows.values).max() for trial in trials if trial.source == left_out]
    assert sorted(i for one in fitted.sources_left_out for i in one.trials) == list(range(18))
    seen = {}
    monkeypatch.setattr(fitting, "fit_open_set_threshold", lambda *_, other_sources, **__: seen.update(other_sources))
    familiarity = fitting.learn_limits(trials, recipe, fitted, QUIET)[1]
    np.testing.assert_allclose(np.sort(seen["score"]), np.sort(expected), rtol=1e-6)
    assert set(familiarity.auroc) == {"sources"}


def replace_source(trial, source):
    """Return a trial whose clips are of another source."""
    segments = tuple(
        replace(s, extracted=replace(s.extracted, clip=replace(s.extracted.clip, source=source)))
        for s in trial.segments
    )
    return replace(trial, segments=segments)
