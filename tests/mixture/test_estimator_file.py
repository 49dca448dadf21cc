"""Estimators saved and loaded: the same predictions, settings and trace, and no file of another kind."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.errors import MixtureFileError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, GMMEstimator, load_mixture, save_mixture
from tests.mixture.conftest import table

X, _ = table()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "estimator.safetensors"


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_loaded_estimator_is_the_one_that_was_saved(path, covariance_type):
    model = GMMEstimator(np.int64(3), covariance_type=covariance_type, random_state=4, tol=np.float64(1e-3)).fit(X)
    model.save(path)
    loaded = GMMEstimator.load(path)
    assert loaded.get_params() == model.get_params()
    assert loaded.trace_ == model.trace_
    np.testing.assert_array_equal(loaded.score_samples(X), model.score_samples(X))
    np.testing.assert_array_equal(loaded.sample(5)[0], model.sample(5)[0])
    public = {name for name in vars(model) if name.endswith("_")}
    assert {name for name in vars(loaded) if name.endswith("_")} == public
    for name in public - {"mixture_"}:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    saved_again = path.with_suffix(".again")
    loaded.save(saved_again)
    assert saved_again.read_bytes() == path.read_bytes()


def test_the_mixture_is_read_without_the_estimator(path):
    model = GMMEstimator(2, random_state=0).fit(X)
    model.save(path)
    saved = load_mixture(path)
    np.testing.assert_array_equal(saved.mixture.means, model.means_)
    assert (saved.names, saved.details["estimator"]) == (None, "GMMEstimator")


def test_starts_come_back_and_generators_do_not(path):
    start = GaussianMixture([0.5, 0.5], X[:2], np.ones((2, 3)))
    GMMEstimator(2, init=start, means_init=X[:2], random_state=np.random.default_rng(0)).fit(X).save(path)
    loaded = GMMEstimator.load(path)
    np.testing.assert_array_equal(loaded.init.means, start.means)
    np.testing.assert_array_equal(loaded.means_init, X[:2])
    assert loaded.random_state is None
    loaded.fit(X)


def test_a_loaded_estimator_goes_on_from_where_it_was(path):
    model = GMMEstimator(3, max_iter=2, tol=0.0, random_state=0, warm_start=True).fit(X)
    model.save(path)
    np.testing.assert_array_equal(GMMEstimator.load(path).fit(X).means_, model.fit(X).means_)


def test_names_of_columns_are_kept(path):
    model = GMMEstimator(1).fit(X)
    model.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    model.save(path)
    assert load_mixture(path).names == ("a", "b", "c")
    assert GMMEstimator.load(path).feature_names_in_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({}, "was not saved by GMMEstimator.save; load_mixture reads its mixture"),
        ({"estimator": "GMMEstimator"}, "holds no usable estimator ('settings'); fit it again"),
        ({"estimator": "GMMEstimator", "settings": {"n_parts": 2}, "trace": {}}, "unexpected keyword argument"),
        ({"estimator": "GMMEstimator", "settings": {}, "trace": {}}, "holds no usable estimator (trace has"),
        ({"estimator": "GMMEstimator", "settings": {"init": {"weights": [1]}}, "trace": {}}, "no usable estimator"),
    ],
)
def test_files_without_an_estimator_are_refused(path, details, message):
    save_mixture(path, GaussianMixture([1.0], [[0.0]], [[1.0]]), details=details)
    with pytest.raises(MixtureFileError) as caught:
        GMMEstimator.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_trace_without_likelihoods_is_refused(path):
    model = GMMEstimator(1).fit(X)
    model.trace_ = replace(model.trace_, log_likelihoods=())
    model.save(path)
    with pytest.raises(MixtureFileError, match="its trace has no likelihoods"):
        GMMEstimator.load(path)
