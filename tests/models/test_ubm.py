"""The UBM: the same number of rows of each group, drawn at random."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.mixture import fit_gmm
from gmmaudio.models import fit_scorer, ubm
from gmmaudio.models.ubm import balanced_counts, balanced_rows, draw_balanced, draw_balanced_of_many
from tests.models.conftest import VECTORS, clips_of


def test_no_group_weighs_more_for_having_more_clips():
    rows, labels, groups = clips_of()
    config = replace(VECTORS, n_nuisance=0)
    classifier, _ = fit_scorer(rows, labels, config, groups=groups)
    merged, _ = fit_scorer(rows, labels, config, groups=[f"{i % 8 > 0}" for i in range(len(rows))])
    assert not np.allclose(classifier.score(rows[0]), merged.score(rows[0]))


def test_the_ubm_has_as_many_rows_of_each_group():
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 1, (5000, 1)), rng.normal(50, 1, (300, 1))]
    config = replace(VECTORS, n_components=2, n_ubm_rows=600, n_nuisance=0)
    classifier, _ = fit_scorer(rows, ["a", "b"], config, groups=["1", "2"])
    np.testing.assert_allclose(sorted(classifier.transform.ubm.weights), [0.5, 0.5], atol=0.01)
    plain, _ = fit_gmm(np.concatenate(rows), 2, rng=np.random.default_rng(0))
    assert max(plain.weights) > 0.9


# --- the rows that are drawn -----------------------------------------------------------------------------------------


def counts_by_hand(sizes, n):
    """Return the rows of each group, given one by one in rounds as far as it has them."""
    counts = [0] * len(sizes)
    while sum(counts) < min(n, sum(sizes)):
        for i, size in enumerate(sizes):
            if counts[i] < size and sum(counts) < n:
                counts[i] += 1
    return counts


@pytest.mark.parametrize("sizes", [[5], [3, 3, 3], [1, 50, 2, 9], [0, 4, 4], [10, 1, 1, 1, 1]])
def test_rows_are_given_to_groups_in_rounds(sizes):
    for n in (0, 1, 2, 5, 7, 12, 30, 1000):
        assert balanced_counts(np.array(sizes), n).tolist() == counts_by_hand(sizes, n), n


@pytest.mark.parametrize("draw", [draw_balanced, draw_balanced_of_many])
@pytest.mark.parametrize("n", [1, 7, 40, 10_000])
def test_clips_give_distinct_rows_and_groups_the_same_number(draw, n):
    group, lengths = np.array([1, 0, 1, 2, 0, 2]), np.array([7, 30, 9, 2, 1, 1])
    places = draw(group, lengths, n, np.random.default_rng(0))
    for at, length in zip(places, lengths, strict=True):
        assert np.all(np.diff(at) > 0)
        assert len(at) == 0 or (at[0] >= 0 and at[-1] < length)
    drawn = np.bincount(group, [len(at) for at in places])
    # which groups get the rows that are left over is another matter
    assert sorted(drawn) == sorted(counts_by_hand([31, 16, 3], n))


@pytest.mark.parametrize("draw", [draw_balanced, draw_balanced_of_many])
def test_every_set_of_rows_of_a_group_is_as_likely(draw):
    # two clips of 2 and 3 rows, of which 2 are drawn: 10 sets
    rng = np.random.default_rng(0)
    seen = Counter()
    for _ in range(5_000):
        first, second = draw(np.array([0, 0]), np.array([2, 3]), 2, rng)
        seen[(*first, *(second + 2))] += 1
    assert set(seen) == set(itertools.combinations(range(5), 2))
    # chi-squared of 9 degrees of freedom: above 27.9 in one of a thousand
    assert sum((n - 500) ** 2 / 500 for n in seen.values()) < 27.9


def test_up_to_a_bound_the_rows_are_those_of_one_permutation():
    group, lengths = np.array([0, 1, 1, 0]), np.array([9, 5, 20, 3])
    places = draw_balanced(group, lengths, 12, np.random.default_rng(3))
    chosen = balanced_rows(np.repeat(group, lengths), 12, np.random.default_rng(3))
    starts = [0, 9, 14, 34]
    assert np.concatenate([at + start for at, start in zip(places, starts, strict=True)]).tolist() == chosen.tolist()


def test_a_ubm_of_very_many_rows_is_as_good(monkeypatch):
    rows, labels, groups = clips_of(n_rows=300)
    config = replace(VECTORS, n_ubm_rows=1_000, n_nuisance=0)
    plain, traces = fit_scorer(rows, labels, config, groups=groups)
    monkeypatch.setattr(ubm, "MAX_PERMUTED", 7_199)
    many, traces_of_many = fit_scorer(rows, labels, config, groups=groups)
    assert not np.array_equal(plain.transform.ubm.means, many.transform.ubm.means)
    ends = [trace["ubm"].log_likelihoods[-1] for trace in (traces, traces_of_many)]
    # two samples of 1,000 rows: their mean log densities differ by about 0.07
    assert ends[0] == pytest.approx(ends[1], abs=0.3)
    monkeypatch.setattr(ubm, "MAX_PERMUTED", 7_200)
    same, _ = fit_scorer(rows, labels, config, groups=groups)
    np.testing.assert_array_equal(plain.transform.ubm.means, same.transform.ubm.means)
