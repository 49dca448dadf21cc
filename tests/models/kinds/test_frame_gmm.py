"""One mixture for each label: closed forms, random streams, the same bits for any number of jobs."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from gmmaudio.compute import RunContext, one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import adapt_gmm, fit_gmm
from gmmaudio.models import FrameGmmSettings, fit_scorer, gmm_scorer
from gmmaudio.models.kinds import fit_kind, frame_gmm, fresh_fits
from tests.models.conftest import clips_of, labelled_clips, parameters, training_of


def test_labels_are_sorted_whatever_the_order_of_clips():
    clips, labels = labelled_clips()
    classifier, traces = fit_scorer(clips[::-1], labels[::-1], FrameGmmSettings(n_components=2))
    assert classifier.labels == ("a", "b", "c")
    assert list(traces) == ["a", "b", "c"]


def test_one_component_has_the_mean_and_variance_of_its_labels_rows():
    clips, labels = labelled_clips()
    classifier, _ = fit_scorer(clips, labels, FrameGmmSettings(n_components=1))
    for label, mixture in zip(classifier.labels, classifier.mixtures, strict=True):
        own = np.concatenate([c for c, name in zip(clips, labels, strict=True) if name == label]).astype(np.float64)
        # float32 sums of 360 numbers around 10
        np.testing.assert_allclose(mixture.means[0], own.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(mixture.covariances[0], own.var(axis=0), rtol=1e-6)


def test_a_labels_mixture_is_fit_gmm_on_its_rows_with_its_own_stream():
    clips, labels = labelled_clips()
    config = FrameGmmSettings(n_components=3, covariance_type="full", init="random", variance_floor=0.02)
    classifier, traces = fit_scorer(clips, labels, config, seed=5)
    for i, label in enumerate("abc"):
        own = np.concatenate([c for c, name in zip(clips, labels, strict=True) if name == label])
        alone, trace = fit_gmm(
            own, 3, covariance_type="full", init="random", variance_floor=0.02, rng=np.random.default_rng((5, i))
        )
        np.testing.assert_array_equal(classifier.mixtures[i].means, alone.means)
        np.testing.assert_array_equal(classifier.mixtures[i].covariances, alone.covariances)
        assert traces[label] == trace


def test_a_labels_mixture_does_not_depend_on_the_others_rows():
    clips, labels = labelled_clips()
    others = [clip if label == "b" else clip[::2] + 1 for clip, label in zip(clips, labels, strict=True)]
    config = FrameGmmSettings(n_components=3)
    one, other = fit_scorer(clips, labels, config)[0], fit_scorer(others, labels, config)[0]
    np.testing.assert_array_equal(one.mixtures[1].means, other.mixtures[1].means)
    assert (one.mixtures[0].means != other.mixtures[0].means).any()


BASE = FrameGmmSettings(n_components=4, init="random", max_iter=12, tol=1e-3)


CHANGED = {
    "n_components": 5,
    "covariance_type": "full",
    "init": "kmeans",
    "n_init": 6,
    "max_iter": 2,
    "tol": 0.1,
    "variance_floor": 0.5,
}


@pytest.mark.parametrize("name", CHANGED)
def test_every_setting_changes_what_is_fitted(name):
    clips, labels = labelled_clips()
    base = fit_scorer(clips, labels, BASE)[0]
    other = fit_scorer(clips, labels, dataclasses.replace(BASE, **{name: CHANGED[name]}))[0]
    assert parameters(base) != parameters(other)


def test_another_seed_gives_another_start():
    clips, labels = labelled_clips()
    assert parameters(fit_scorer(clips, labels, BASE, seed=0)[0]) != parameters(
        fit_scorer(clips, labels, BASE, seed=1)[0]
    )


def test_the_same_seed_gives_the_same_bits():
    clips, labels = labelled_clips()
    assert parameters(fit_scorer(clips, labels, BASE, seed=4)[0]) == parameters(
        fit_scorer(clips, labels, BASE, seed=4)[0]
    )


def test_labels_with_the_same_rows_have_streams_of_their_own():
    clips, _ = labelled_clips(labels=("a",))
    classifier, _ = fit_scorer(clips + clips, ["a"] * 6 + ["b"] * 6, BASE)
    assert (classifier.mixtures[0].means != classifier.mixtures[1].means).any()


def test_the_bits_are_the_same_for_one_two_and_three_workers():
    clips, labels = labelled_clips(n_rows=400, labels=("a", "b", "c", "d"))
    alone, traces = fit_scorer(clips, labels, BASE, seed=2, run=RunContext(1))
    for n_jobs in (2, 3):
        shared, shared_traces = fit_scorer(clips, labels, BASE, seed=2, run=RunContext(n_jobs))
        assert parameters(shared) == parameters(alone)
        assert shared_traces == traces


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_iterations_are_stages_within_that_of_the_labels_where_they_run_here(n_jobs):
    clips, labels = labelled_clips(n_rows=400)
    stages, steps = [], Counter()

    def watch(items, total, stage):
        stages.append((stage, total))
        for item in items:
            yield item
            steps[stage] += 1

    _, traces = fit_scorer(clips, labels, dataclasses.replace(BASE, max_iter=7), run=RunContext(n_jobs, watch))
    inner = [(f"EM of {label}", 7) for label in "abc"] if n_jobs == 1 else []
    assert stages == [("fitting mixtures", 3), *inner]
    assert steps["fitting mixtures"] == 3
    # the start is a step too, and the last one is still open at the end
    n_iterations = {f"EM of {label}": len(trace.log_likelihoods) - 1 for label, trace in traces.items()}
    assert {stage: steps[stage] for stage, _ in inner} == (n_iterations if inner else {})
    assert max(n_iterations.values()) > 1


def test_one_label_is_refused_by_name():
    with pytest.raises(SettingError, match="only the label a; at least two are needed to tell apart"):
        fit_scorer([np.zeros((3, 1))], ["a"], FrameGmmSettings())


def test_no_clips_are_refused():
    with pytest.raises(SettingError, match="only the label none; at least two"):
        fit_scorer([], [], FrameGmmSettings())


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_components": 0},
        {"n_components": -1},
        {"n_components": 1.5},
        {"covariance_type": "round"},
        {"init": "magic"},
        {"n_init": 0},
        {"max_iter": -1},
        {"tol": -1e-9},
        {"tol": float("nan")},
        {"variance_floor": -0.1},
        {"variance_floor": 1.1},
    ],
)
def test_a_setting_outside_its_bounds_is_refused(wrong):
    clips, labels = labelled_clips(n_clips=1)
    with pytest.raises(SettingError):
        fit_scorer(clips, labels, FrameGmmSettings(**wrong))


def test_rows_that_are_infinite_are_refused_and_missing_values_are_left_out():
    clips, labels = labelled_clips(n_clips=1)
    clips[1][5, 2] = np.inf
    with pytest.raises(MixtureError, match="clip 1: row 5, column 2 is inf"):
        fit_scorer(clips, labels, FrameGmmSettings(n_components=1))
    clips[1][5, 2] = np.nan
    scorer, _ = fit_scorer(clips, labels, FrameGmmSettings(n_components=1))
    observed = np.nanmean(clips[1], axis=0, dtype=np.float64)
    label = list(scorer.labels).index(labels[1])
    # a diagonal component has the mean of the observed values of each column
    np.testing.assert_allclose(scorer.mixtures[label].means[0], observed, rtol=1e-9)


def test_more_components_than_rows_keep_as_many_as_there_are():
    classifier, traces = fit_scorer(
        [np.array([[0.0], [1.0]]), np.array([[5.0], [6.0], [9.0]])], ["a", "b"], FrameGmmSettings()
    )
    assert [m.n_components for m in classifier.mixtures] == [2, 3]
    assert [trace.n_components_asked for trace in traces.values()] == [16, 16]


def part_of(training):
    """Return the clips of two of three labels, less one group of each, and clips that they leave out."""
    assert training.labels == ("a", "b", "c")
    return np.array([i for i in range(16) if i % 8 > 1]), np.array([0, 1, 8, 20])


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_parts_of_a_training_set_with_one_component_are_fitted_as_by_themselves(covariance_type):
    training = training_of(*clips_of(n_labels=3))
    settings = FrameGmmSettings(n_components=1, covariance_type=covariance_type)
    clips, held_out = part_of(training)
    fitted, fresh = fit_kind(training, settings).partial, fresh_fits(training, settings)
    part = fitted.fit(clips)
    assert part.labels == ("a", "b")
    # one component has one maximum, whatever the start
    np.testing.assert_allclose(fitted.score(part, held_out), fresh.score(fresh.fit(clips), held_out), rtol=1e-6)


def test_em_of_a_part_begins_with_the_mixture_of_all_and_is_brief(monkeypatch):
    training = training_of(*clips_of(n_labels=3))
    settings = FrameGmmSettings(n_components=3, tol=0.0, n_init=2)
    clips, held_out = part_of(training)
    fitted = fit_kind(training, settings)
    found = fitted.partial.score(fitted.partial.fit(clips), held_out)
    for n_iter in (10, 1):
        monkeypatch.setattr(frame_gmm, "MAX_REFITTING", n_iter)
        part, mixtures = training.part(clips), []
        for i in range(2):
            start = fitted.scorer.mixtures[i]
            with one_thread():
                mixtures.append(fit_gmm(part.of_label(i), 3, init=start, max_iter=n_iter, tol=0.0)[0])
        by_hand = gmm_scorer(("a", "b"), tuple(mixtures))
        scorer = fitted.partial.fit(clips)
        np.testing.assert_array_equal(fitted.partial.score(scorer, held_out), fitted.partial.score(by_hand, held_out))
    # iterations count
    assert abs(found - fitted.partial.score(scorer, held_out)).max() > 1e-3


@pytest.mark.parametrize(("n_rows", "n_components", "step"), [(4_000, 20, 1), (4_001, 20, 2), (4_200, 21, 1)])
def test_of_many_rows_every_second_is_fitted_in_a_part(n_rows, n_components, step):
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 2)).astype(np.float32) for n in (n_rows - 5, 5, 30, n_rows - 9, 9, 30)]
    training = training_of(rows, ["a"] * 3 + ["b"] * 3, list("123456"))
    fitted = fit_kind(training, FrameGmmSettings(n_components=n_components, max_iter=2))
    clips = np.array([0, 1, 3, 4])
    part = training.part(clips)
    found = fitted.partial.fit(clips)
    for i, mixture in enumerate(found.mixtures):
        start = fitted.scorer.mixtures[i]
        with one_thread():
            expected = fit_gmm(part.of_label(i)[::step], n_components, init=start, max_iter=2)[0]
        assert np.array_equal(mixture.means, expected.means)


def test_of_a_clip_with_many_rows_every_second_is_scored():
    rng = np.random.default_rng(0)
    rows = [rng.normal(i % 2, 1, (n, 3)).astype(np.float32) for i, n in enumerate((500, 501, 1_500, 60))]
    training = training_of(rows, ["a", "b", "a", "b"], list("1234"))
    fitted = fit_kind(training, FrameGmmSettings(n_components=2))
    found = fitted.partial.score(fitted.scorer, np.arange(4))[:, 0]
    whole = np.array([fitted.scorer.score(clip) for clip in rows])
    assert np.array_equal(found[[0, 3]], whole[[0, 3]])
    assert np.array_equal(found[1], fitted.scorer.score(rows[1][::2]))
    # a mean of 750 rows in place of 1,500: their deviation is about 1.2 nats
    np.testing.assert_allclose(found[2], whole[2], atol=0.1)
    assert not np.array_equal(found[2], whole[2])


def test_a_start_with_fewer_components_than_asked_is_gone_on_from():
    # two distinct rows of a label carry two components
    rows = [np.array([[0.0], [1.0]]), np.array([[0.0], [1.0], [1.0]])]
    rows += [np.arange(9.0)[:, None], np.arange(9.0)[:, None] + 0.5]
    training = training_of(rows, ["a", "a", "b", "b"], list("1234"))
    fitted = fit_kind(training, FrameGmmSettings(n_components=4))
    assert [m.n_components for m in fitted.scorer.mixtures] == [2, 4]
    part = fitted.partial.fit(np.array([1, 2]))
    assert [m.n_components for m in part.mixtures] == [2, 4]


def test_parts_of_a_training_set_are_adapted_from_the_ubm_of_all_of_it():
    training = training_of(*clips_of(n_labels=3))
    settings = FrameGmmSettings(n_components=2, relevance=4.0)
    clips, _ = part_of(training)
    fitted = fit_kind(training, settings)
    part = fitted.partial.fit(clips)
    rows = training.part(clips)
    for i in range(2):
        with one_thread():
            expected = adapt_gmm(fitted.partial.ubm, rows.of_label(i), relevance=4.0)
        np.testing.assert_array_equal(part.mixtures[i].means, expected.means)
    # a label that is left out takes its column and nothing else with it
    without = fitted.partial.fit(np.arange(16))
    every = np.arange(24)
    # two and three mixtures are scored in coordinates of their own: rounding of float32
    np.testing.assert_allclose(
        fitted.partial.score(without, every), fitted.partial.score(fitted.scorer, every)[:, :, :2], rtol=1e-5
    )
    assert settings.has_separate_labels
