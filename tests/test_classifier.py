"""The classifier against scipy's densities and closed forms; the engine in one process and in several."""

import dataclasses
import os
import sys

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from threadpoolctl import threadpool_info, threadpool_limits

from gmmaudio.compute import RunContext, count_jobs, ordered_map, threads
from gmmaudio.errors import MixtureError, SettingError, WorkerError
from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.models import FrameGmmSettings, fit_scorer, gmm_scorer


def random_mixture(rng, k, d, covariance_type):
    """Return a mixture far from the origin, with correlated features where they can be."""
    if covariance_type == "diag":
        covariances = rng.uniform(0.3, 3.0, size=(k, d))
    else:
        roots = rng.normal(size=(k, d, d))
        covariances = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(d)
    return GaussianMixture(
        rng.dirichlet(np.full(k, 3.0)), rng.normal(-20, 3, size=(k, d)), covariances, covariance_type
    )


def random_classifier(covariance_type="diag", seed=0):
    """Return a classifier of three labels with unlike numbers of components, and rows near them."""
    rng = np.random.default_rng(seed)
    mixtures = tuple(random_mixture(rng, k, 4, covariance_type) for k in (1, 3, 5))
    rows = np.concatenate([m.sample(700, rng) for m in mixtures])  # more than one block of 1,024
    return gmm_scorer(("a", "b", "c"), mixtures), rows


def scipy_scores(classifier, rows):
    """Return the log density of every row under every label, by scipy."""
    columns = []
    for mixture in classifier.mixtures:
        covariances = [np.diag(c) if c.ndim == 1 else c for c in mixture.covariances]
        each = [
            np.log(w) + multivariate_normal(m, c).logpdf(rows)
            for w, m, c in zip(mixture.weights, mixture.means, covariances, strict=True)
        ]
        columns.append(logsumexp(each, axis=0))
    return np.stack(columns, axis=1)


def labelled_clips(seed=0, n_clips=6, n_rows=60, d=3, labels=("a", "b", "c")):
    """Return rows of clips, label after label, each label in two clusters of its own."""
    rng = np.random.default_rng(seed)
    clips, names = [], []
    for label in labels:
        centres = rng.normal(scale=4.0, size=(2, d))
        for _ in range(n_clips):
            which = rng.integers(2, size=n_rows)
            clips.append((centres[which] + rng.normal(size=(n_rows, d))).astype(np.float32))
            names.append(label)
    return clips, names


def parameters(classifier):
    """Return all numbers of a classifier as one string of bytes."""
    parts = [(m.weights, m.means, m.covariances) for m in classifier.mixtures]
    return b"".join(array.tobytes() for part in parts for array in part)


# Scores.


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_scores_of_rows_are_scipys_log_densities(covariance_type):
    classifier, rows = random_classifier(covariance_type)
    # densities here are up to some hundred nats, summed in another order and in whitened coordinates
    np.testing.assert_allclose(classifier.score_rows(rows), scipy_scores(classifier, rows), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_score_is_the_mean_of_scipys_log_densities(covariance_type):
    classifier, rows = random_classifier(covariance_type)
    expected = scipy_scores(classifier, rows).mean(axis=0)
    # as above
    np.testing.assert_allclose(classifier.score(rows), expected, rtol=1e-9)


def test_rows_said_twice_score_the_same():
    classifier, rows = random_classifier()
    once = classifier.score(rows)
    # the same mean up to the order of a sum of 2,100 and 6,300 numbers
    np.testing.assert_allclose(classifier.score(np.tile(rows, (3, 1))), once, rtol=1e-12)
    np.testing.assert_allclose(classifier.score(np.repeat(rows, 3, axis=0)), once, rtol=1e-12)


def test_the_order_of_rows_does_not_matter():
    classifier, rows = random_classifier()
    # the order of a sum
    np.testing.assert_allclose(classifier.score(rows[::-1]), classifier.score(rows), rtol=1e-12)


def test_every_row_weighs_the_same():
    classifier, rows = random_classifier()
    one, other = classifier.score(rows[:300]), classifier.score(rows[300:])
    # the order of a sum
    np.testing.assert_allclose(classifier.score(rows), (300 * one + 1800 * other) / 2100, rtol=1e-12)


def test_one_row_scores_its_log_density():
    classifier, rows = random_classifier()
    # the same operations, on blocks of other sizes
    np.testing.assert_allclose(classifier.score(rows[:1]), classifier.score_rows(rows)[0], rtol=1e-12)


def test_float32_rows_score_as_their_float64_copies():
    classifier, rows = random_classifier()
    rows = rows.astype(np.float32)
    # what a float32 product may cost a row, and does not cost a mean of 2,100
    np.testing.assert_allclose(classifier.score_rows(rows), classifier.score_rows(rows.astype(np.float64)), atol=1e-4)
    np.testing.assert_allclose(classifier.score(rows), classifier.score(rows.astype(np.float64)), atol=1e-5)


def test_rows_drawn_from_a_label_score_highest_under_it():
    classifier, rows = random_classifier()
    assert [int(classifier.score(part).argmax()) for part in np.split(rows, 3)] == [0, 1, 2]


def test_no_rows_cannot_be_scored():
    classifier, _ = random_classifier()
    with pytest.raises(MixtureError, match="there are no rows to score; at least one is needed"):
        classifier.score(np.empty((0, 4)))


@pytest.mark.parametrize("bad", [np.zeros((3, 5)), np.full((3, 4), np.nan), np.zeros(4), np.full((1, 4), np.inf)])
def test_rows_that_do_not_fit_are_refused(bad):
    classifier, _ = random_classifier()
    with pytest.raises(MixtureError):
        classifier.score(bad)


def test_a_classifier_needs_a_mixture_for_each_of_two_labels_or_more():
    one = random_classifier()[0].mixtures[0]
    for labels, mixtures in [((), ()), (("a",), (one,)), (("a", "b"), (one,)), (("a",), (one, one))]:
        with pytest.raises(SettingError, match=rf"{len(labels)} labels and {len(mixtures)} mixtures"):
            gmm_scorer(labels, mixtures)
    with pytest.raises(SettingError):
        gmm_scorer(("a", "a"), (one, one))
    assert gmm_scorer(("a", "b"), (one, one)).n_features == 4


# Fitting.


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


# What is fitted when one setting differs. Every start is random and the rows many, so that each setting matters.
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


def test_rows_that_are_not_finite_are_refused():
    clips, labels = labelled_clips(n_clips=1)
    clips[1][5, 2] = np.nan
    with pytest.raises(MixtureError, match="clip 1: row 5, column 2 is nan"):
        fit_scorer(clips, labels, FrameGmmSettings(n_components=1))


def test_more_components_than_rows_keep_as_many_as_there_are():
    classifier, traces = fit_scorer(
        [np.array([[0.0], [1.0]]), np.array([[5.0], [6.0], [9.0]])], ["a", "b"], FrameGmmSettings()
    )
    assert [m.n_components for m in classifier.mixtures] == [2, 3]
    assert [trace.n_components_asked for trace in traces.values()] == [16, 16]


# The engine. Functions are defined inside the tests, so that workers get them whole.


@pytest.mark.parametrize("n_jobs", [1, 2, 3, -1])
def test_results_come_in_the_order_of_the_items(n_jobs):
    def slow_for_the_first(item):
        import time

        time.sleep(0.05 if item == 0 else 0.0)
        return item, os.getpid()

    results = list(ordered_map(slow_for_the_first, range(30), n_jobs))
    assert [item for item, _ in results] == list(range(30))
    here = {pid == os.getpid() for _, pid in results}
    assert here == {n_jobs == 1 or (n_jobs == -1 and os.cpu_count() == 1)}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_no_items_give_no_results(n_jobs):
    assert list(ordered_map(abs, [], n_jobs)) == []


def test_one_process_takes_an_item_only_when_its_result_is_asked_for():
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = ordered_map(abs, items(), 1)
    assert taken == []
    assert [next(results), next(results)] == [0, 1]
    assert taken == [0, 1]


def threads_in_use():
    """Return the threads of every BLAS of this process."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_work_is_at_one_thread_and_what_the_caller_does_between_is_not():
    with threadpool_limits(limits=2, user_api="blas"):
        results = ordered_map(lambda _: threads_in_use(), range(3), 1)
        before = threads_in_use()
        assert set(next(results)) == {1}
        assert threads_in_use() == before != next(results)


def test_what_is_imported_inside_is_limited_by_the_next_caller(monkeypatch):
    said = []

    class Libraries:
        def __init__(self, n):
            self.n = n

        def limit(self, limits):
            said.append(("limit", self.n, limits))
            return self

        def restore_original_limits(self):
            said.append(("restore", self.n))

    made = {}
    monkeypatch.setattr(threads, "_libraries", lambda n: made.setdefault(n, Libraries(len(made))))
    with threads.one_thread(), threads.one_thread():
        monkeypatch.setitem(sys.modules, "a module that brings a library", sys)
        with threads.one_thread():
            pass
    # the last limit goes first: it found the first library limited already
    assert said == [("limit", 0, 1), ("limit", 1, 1), ("restore", 1), ("restore", 0)]


def test_a_limit_that_could_not_be_set_leaves_none_behind(monkeypatch):
    def refuse(_n):
        raise KeyboardInterrupt

    with threadpool_limits(limits=2, user_api="blas"):
        before = threads_in_use()
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(threads, "_libraries", refuse)
            with threads.one_thread():
                pass
        with threads.one_thread():
            assert set(threads_in_use()) == {1}
        assert threads_in_use() == before


@pytest.mark.parametrize("n_jobs", [0, -2, -100])
def test_a_number_of_workers_that_means_nothing_is_refused(n_jobs):
    with pytest.raises(SettingError) as caught:
        list(ordered_map(abs, [1], n_jobs))
    assert str(caught.value) == f"`n_jobs` is {n_jobs}; expected 1 or more worker processes, or -1 for one each core"


def test_minus_one_means_a_worker_for_each_core(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert count_jobs(-1) == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_jobs(-1) == 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_numeric_libraries_run_on_one_thread(n_jobs):
    def threads(_):
        import numpy  # noqa: F401 - loads the BLAS that is asked about
        from threadpoolctl import threadpool_info

        return [pool["num_threads"] for pool in threadpool_info()]

    with threadpool_limits(limits=2):
        before = [pool["num_threads"] for pool in threadpool_info()]
        for found in ordered_map(threads, range(3), n_jobs):
            assert found
            assert set(found) == {1}
        assert [pool["num_threads"] for pool in threadpool_info()] == before


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_of_the_function_passes_as_it_is(n_jobs):
    def fails_at_two(item):
        if item == 2:
            raise KeyError("two")
        return item

    with pytest.raises(KeyError, match="two"):
        list(ordered_map(fails_at_two, range(4), n_jobs))


@pytest.mark.parametrize("n_items", [1, 30])
def test_a_worker_that_dies_is_an_error_and_not_a_hang(n_items):
    def dies_at_the_first(item):
        import os

        if item == 0:
            os._exit(3)
        return item

    with pytest.raises(WorkerError) as caught:
        list(ordered_map(dies_at_the_first, range(n_items), 2))
    assert str(caught.value) == (
        "a worker process died, for want of memory or in a decoder; run with -j 1 to see at which file"
    )
    # and the next run has workers again
    assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2]
