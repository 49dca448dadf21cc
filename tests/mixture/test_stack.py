"""Mixtures scored together, and the coefficients that mixtures and stacks keep."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp

from gmmaudio.errors import MixtureError
from gmmaudio.mixture import (
    COVARIANCE_TYPES,
    GaussianMixture,
    MixtureStack,
    common_whitening,
    divergences,
    stacked_log_density,
)
from gmmaudio.mixture.product import MAX_DISTANCE
from tests.mixture.conftest import random_mixture, scipy_log_joint

TYPES = COVARIANCE_TYPES
COPIES = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),  # noqa: S301 our own bytes
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def make_stack(covariance_type):
    return MixtureStack(tuple(random_mixture(covariance_type, k, 3, seed=k, offset=2.0 * k) for k in (3, 1, 5)))


def make_clips(stack, dtype, seed=0):
    """Return clips of many lengths; one has no rows, one a missing value, one a row far from all others."""
    rng = np.random.default_rng(seed)
    clips = [stack.mixtures[i % 3].sample(n, rng).astype(dtype) for i, n in enumerate((700, 1, 0, 513, 40, 512, 1300))]
    clips[3][7, 1] = np.nan
    clips[4][5] += 50 * MAX_DISTANCE
    return clips


@pytest.fixture
def count_joints(monkeypatch):
    """Return a list that grows by an entry for each set of coefficients that is made."""
    made = []
    original = common_whitening.log_joint_of

    def counted(*arguments):
        made.append(arguments[0])
        return original(*arguments)

    monkeypatch.setattr(common_whitening, "log_joint_of", counted)
    return made


# --- densities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
def test_log_densities_equal_scipy(covariance_type):
    together = make_stack(covariance_type)
    X = np.concatenate([mixture.sample(100, np.random.default_rng(1)) for mixture in together.mixtures])
    expected = [logsumexp(scipy_log_joint(mixture, X), axis=0) for mixture in together.mixtures]
    # float64 rounding of a few dozen products
    np.testing.assert_allclose(together.log_density(X), np.transpose(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clips_of_a_list_have_the_bits_of_each_clip_alone(covariance_type, dtype):
    together = make_stack(covariance_type)
    clips = make_clips(together, dtype)
    each = [stacked_log_density(together.mixtures, clip) for clip in clips]
    for order in (range(7), range(6, -1, -1)):
        densities = together.log_densities(clips[i] for i in order)
        for i, of_clip in zip(order, densities, strict=True):
            np.testing.assert_array_equal(of_clip, each[i], strict=True)


def test_clips_of_both_precisions_may_be_in_one_list():
    together = make_stack("full")
    X = together.mixtures[0].sample(600, np.random.default_rng(0))
    single, double, again = together.log_densities([X.astype(np.float32), X, X.astype(np.float32)])
    np.testing.assert_array_equal(single, together.log_density(X.astype(np.float32)))
    np.testing.assert_array_equal(double, together.log_density(X))
    np.testing.assert_array_equal(again, single)
    assert (single != double).any()


def test_no_clips_have_no_densities():
    assert make_stack("diag").log_densities([]) == []


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kept_coefficients_give_the_bits_of_new_ones(covariance_type, dtype):
    together = make_stack(covariance_type)
    for clip in make_clips(together, dtype):
        for mixture in together.mixtures:
            new = replace(mixture)
            np.testing.assert_array_equal(mixture.log_density(clip), new.log_density(clip))
            np.testing.assert_array_equal(mixture.responsibilities(clip), replace(mixture).responsibilities(clip))
        np.testing.assert_array_equal(together.log_density(clip), MixtureStack(together.mixtures).log_density(clip))


def test_coefficients_are_made_once_for_each_precision(count_joints):
    together = make_stack("full")
    mixture = together.mixtures[0]
    for clip in make_clips(together, np.float32) * 2:
        for rows in (clip, clip.astype(np.float64)):
            together.log_density(rows)
            mixture.log_density(rows)
            mixture.responsibilities(rows)
            together.log_densities([rows, rows])
    assert count_joints == ["full"] * 4


def test_divergences_make_coefficients_once_for_all_mixtures(count_joints):
    divergences(make_stack("diag").mixtures, n_samples=10)
    assert count_joints == ["diag"]


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_has_parameters_only_and_they_are_read_only(copied, count_joints):
    together = make_stack("full")
    X = together.mixtures[0].sample(50, np.random.default_rng(0))
    expected = together.log_density(X)
    alone = together.mixtures[0].log_density(X)
    count_joints.clear()
    other = copied(together)
    size = len(pickle.dumps(make_stack("full")))
    assert len(pickle.dumps(other)) == len(pickle.dumps(together)) == size
    assert count_joints == []
    for mixture in other.mixtures:
        for array in (mixture.weights, mixture.means, mixture.covariances):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0.5
    np.testing.assert_array_equal(other.log_density(X), expected)
    np.testing.assert_array_equal(copied(together.mixtures[0]).log_density(X), alone)


def test_a_mixture_does_not_change_with_the_arrays_it_was_made_of():
    weights, means, variances = np.ones(1), np.zeros((1, 2)), np.ones((1, 2))
    mixture = GaussianMixture(weights, means, variances)
    X = np.zeros((1, 2))
    before = mixture.log_density(X)
    means += 5.0
    variances *= 9.0
    np.testing.assert_array_equal(mixture.log_density(X), before)
    with pytest.raises(AttributeError):
        mixture.means = means
    # another mixture of changed parameters has coefficients of its own
    assert replace(mixture, means=means).log_density(X) != before


# --- hard input ------------------------------------------------------------------------------------------------------


def test_mixtures_of_two_types_are_refused():
    with pytest.raises(MixtureError) as caught:
        MixtureStack((random_mixture("diag"), random_mixture("full")))
    assert str(caught.value) == (
        "mixtures to be scored together must share features and covariance type; got [(3, 'diag'), (3, 'full')]"
    )


def test_no_mixtures_are_refused():
    with pytest.raises(MixtureError) as caught:
        MixtureStack(())
    assert str(caught.value) == "mixtures to be scored together must share features and covariance type; got []"


def test_a_clip_of_another_width_is_refused():
    with pytest.raises(MixtureError) as caught:
        make_stack("diag").log_densities([np.zeros((2, 3)), np.zeros((2, 4))])
    assert str(caught.value) == "rows have 4 features; the mixture was made for 3"
