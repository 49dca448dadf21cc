"""Supervectors: MAP means by hand, token bigrams, VTLN warps, nuisance directions."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.compute import RunContext
from gmmaudio.errors import SettingError
from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.models import fit_scorer
from gmmaudio.models.clip_vectors import select_warp, supervector, warped_supervector
from gmmaudio.models.kinds import fit_kind
from gmmaudio.models.kinds import supervector as supervectors
from tests.models.conftest import (
    VECTORS,
    clips_of,
    speakers_of,
    training_of,
)


def test_a_supervector_holds_reynolds_map_means():
    rows, labels, groups = clips_of()
    classifier, traces = fit_scorer(rows, labels, VECTORS, groups=groups)
    transform = classifier.transform
    ubm = transform.ubm
    r = ubm.responsibilities(rows[3])
    n, first = r.sum(axis=0)[:, None], (r.T @ rows[3]) / r.sum(axis=0)[:, None]
    adapted = (n / (n + 8)) * first + (8 / (n + 8)) * ubm.means
    v = (np.sqrt(ubm.weights)[:, None] * (adapted - ubm.means) / np.sqrt(ubm.covariances)).ravel()
    v = v / np.linalg.norm(v) - transform.mean
    v /= np.linalg.norm(v)
    v = v - transform.nuisance_directions.T @ (transform.nuisance_directions @ v)
    # the parts are float32
    np.testing.assert_allclose(transform.apply(rows[3])[0], v / np.linalg.norm(v), atol=1e-5)
    np.testing.assert_allclose(transform.nuisance_directions @ transform.nuisance_directions.T, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(transform.apply(rows[3]) @ transform.nuisance_directions.T, 0, atol=1e-5)
    assert list(traces) == ["ubm"]
    assert abs(classifier.score(rows[3])).max() <= 1 + 1e-6
    with pytest.raises(SettingError, match="single rows have no scores"):
        classifier.score_rows(rows[3])


def test_the_ubm_is_that_of_the_clips_without_their_degraded_copies():
    rows, labels, groups = clips_of()
    plain = training_of(rows, labels, groups)
    rng = np.random.default_rng(0)
    both = [clip for row in rows for clip in (row, row + rng.normal(scale=2.0, size=row.shape))]
    doubled = training_of(both, list(np.repeat(labels, 2)), list(np.repeat(groups, 2)))
    is_copy = np.tile([False, True], len(rows))
    alone, copied, equals = (
        fit_kind(each, VECTORS).scorer for each in (plain, replace(doubled, is_copy=is_copy), doubled)
    )
    np.testing.assert_array_equal(copied.transform.ubm.means, alone.transform.ubm.means)
    assert not np.array_equal(equals.transform.ubm.means, alone.transform.ubm.means)
    # what copies change is a nuisance, and labels are learned from both
    assert not np.array_equal(copied.transform.nuisance_directions, alone.transform.nuisance_directions)
    assert not np.array_equal(copied.transform.mean, alone.transform.mean)


def one_or_the_other(order, n=240, seed=0):
    """Return rows near -3 and 3, in the order given over and over."""
    centres = np.resize(np.array(order, dtype=float), n)
    return (centres + np.random.default_rng(seed).normal(scale=0.3, size=n))[:, None]


def test_bigrams_are_the_root_of_the_share_of_expected_counts():
    rows = one_or_the_other((-3, -3, 3))
    background, _ = fit_gmm(rows, 2, rng=np.random.default_rng(0))
    shares = background.responsibilities(rows)
    counts = np.zeros((2, 2))
    for t in range(len(rows) - 5):
        counts += np.outer(shares[t], shares[t + 5])
    plain, found = supervector(background, rows, 8.0), supervector(background, rows, 8.0, 5)
    np.testing.assert_array_equal(found[:2], plain)
    # the vector is float32
    np.testing.assert_allclose(found[2:] ** 2, counts.ravel() / counts.sum(), atol=1e-6)
    backwards = supervector(background, rows[::-1], 8.0, 5)
    np.testing.assert_allclose(backwards[2:].reshape(2, 2), found[2:].reshape(2, 2).T, atol=1e-6)
    np.testing.assert_array_equal(supervector(background, rows[:5], 8.0, 5)[2:], 0)


def test_labels_of_the_same_sounds_in_another_order_need_bigrams():
    orders = {"a": (-3, 3), "b": (-3, -3, 3, 3)}
    rows = [one_or_the_other(orders[label], seed=i) for i, label in enumerate("ab" * 10)]
    config = replace(VECTORS, n_components=2, n_nuisance=0)
    right = {}
    for lag in (0, 2):
        classifier, _ = fit_scorer(rows[:10], list("ab" * 5), replace(config, bigram_lag=lag))
        given = [classifier.labels[classifier.score(clip).argmax()] for clip in rows[10:]]
        right[lag] = np.mean(np.array(given) == np.array(list("ab" * 5)))
    assert right[2] == 1.0
    assert right[0] < 0.9


def test_the_warp_selected_is_the_most_likely_under_the_ubm():
    background, _ = fit_gmm(np.array([[-6.0], [-5.0], [5.0], [6.0]]), 2, rng=np.random.default_rng(0))
    for place, tract in enumerate((0.0, 3.0, -3.0)):
        (clip,) = speakers_of(0, [tract])
        found = select_warp(background, clip, 3)
        assert np.array_equal(found, clip[:, [place]])
        density = [background.log_density(clip[:, [k]]).mean() for k in range(3)]
        assert np.argmax(density) == place
    # of the same views the first, and of one that one as it is
    assert select_warp(background, clip[:, [1, 1]], 2).tolist() == clip[:, [1]].tolist()
    assert select_warp(background, clip, 1) is clip


def test_warps_separate_labels_spoken_by_other_vocal_tracts():
    # in training one label is spoken by long tracts, the other by short ones; then the other way round
    rows = [clip for label, sign in ((0, 1), (1, -1)) for clip in speakers_of(label, [0.0, 3.0 * sign] * 6)]
    asked = [clip for label, sign in ((0, -1), (1, 1)) for clip in speakers_of(label, [3.0 * sign] * 12, seed=1)]
    labels, config = list("a" * 12 + "b" * 12), replace(VECTORS, n_components=2, n_nuisance=0, bigram_lag=2)
    viewed, _ = fit_scorer(rows, labels, config, n_warps=3)
    plain, _ = fit_scorer([clip[:, :1] for clip in rows], labels, config)

    def share_right(classifier, clips):
        given = [classifier.labels[classifier.score(clip).argmax()] for clip in clips]
        return np.mean(np.array(given) == np.array(labels))

    assert share_right(viewed, asked) == 1.0
    assert share_right(plain, [clip[:, :1] for clip in asked]) < 0.6
    assert (viewed.n_features, plain.n_features, viewed.transform.ubm.n_features) == (3, 1, 1)
    again, _ = fit_scorer(rows, labels, config, n_warps=3, run=RunContext(2))
    assert np.array_equal(viewed.score(asked[0]), again.score(asked[0]))


def test_training_and_scoring_select_the_same_warps():
    rows, labels, groups = clips_of()
    shifts = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    viewed = [np.concatenate([clip, clip + shifts[0], clip + shifts[1]], axis=1) for clip in rows]
    transform = fit_scorer(viewed, labels, VECTORS, groups=groups, n_warps=3)[0].transform
    first = fit_scorer(rows, labels, VECTORS, groups=groups)[0].transform.ubm
    means = {}
    for name, background in (("first", first), ("own", transform.ubm)):
        heard = [select_warp(background, clip, 3) for clip in viewed]
        means[name] = np.mean([supervector(transform.ubm, clip, 8.0) for clip in heard], axis=0)
    # the mean that is taken out is that of the training vectors: of the views that this background chooses, and not of
    # those that the one of plain views would
    np.testing.assert_allclose(transform.mean, means["own"], atol=1e-6)  # float32
    assert abs(means["first"] - means["own"]).max() > 0.01


def test_the_ubm_is_fitted_to_selected_warps():
    rows = [clip for label, sign in ((0, 1), (1, -1)) for clip in speakers_of(label, [0.0, 3.0 * sign] * 6)]
    labels, config = list("a" * 12 + "b" * 12), replace(VECTORS, n_components=2, n_nuisance=0)
    backgrounds = [
        fit_scorer(clips, labels, config, n_warps=n)[0].transform.ubm
        for clips, n in ((rows, 3), ([clip[:, :1] for clip in rows], 1))
    ]
    # plain views lie three to either side
    assert backgrounds[0].covariances.max() < 0.5 * backgrounds[1].covariances.max()


def test_a_warp_is_selected_by_all_rows_of_a_clip():
    background, _ = fit_gmm(np.array([[-6.0], [-5.0], [5.0], [6.0]]), 2, rng=np.random.default_rng(0))
    # one frame lies at a centre, all others far from any
    once, always = np.r_[5.5, np.full(20, 30.0)], np.full(21, 7.0)
    assert np.array_equal(select_warp(background, np.stack([once, always], axis=1), 2)[:, 0], always)


def test_equal_warps_change_nothing():
    rows, labels, groups = clips_of()
    config = replace(VECTORS, bigram_lag=2)
    one, _ = fit_scorer(rows, labels, config, groups=groups)
    two, _ = fit_scorer([np.concatenate([r, r], axis=1) for r in rows], labels, config, groups=groups, n_warps=2)
    for r in rows[:5]:
        assert np.array_equal(one.score(r), two.score(np.concatenate([r, r], axis=1)))


def test_few_bigrams_weigh_less_and_none_nothing():
    rows = [one_or_the_other((-3, 3), n, seed=i) for i, n in enumerate((60, 60, 60, 60, 3))]
    classifier, _ = fit_scorer(rows, list("ababa"), replace(VECTORS, n_components=2, n_nuisance=0, bigram_lag=4))
    transform = classifier.transform
    whole, short = (transform.apply(rows[i])[0][2:] for i in (0, 4))
    assert np.linalg.norm(whole) > 0.5
    # no pairs say nothing: what all clips have in common must not stand for them
    np.testing.assert_array_equal(short, 0.0)


def test_equal_clips_score_the_same_for_every_label():
    rows = [one_or_the_other((-3, 3))] * 6
    classifier, _ = fit_scorer(rows, list("ababab"), replace(VECTORS, n_components=2, bigram_lag=2))
    # rounding must not be taken for a direction
    np.testing.assert_array_equal(classifier.score(rows[0]), 0.0)


@pytest.mark.parametrize("n_warps", [1, 3])
@pytest.mark.parametrize("back_end", ["cosine", "mean"])
def test_parts_of_a_training_set_are_fitted_as_by_themselves_but_for_the_ubm(n_warps, back_end, monkeypatch):
    rows, labels, groups = clips_of(n_labels=3)
    rows = [np.concatenate([clip + shift for shift in (0.0, 0.5, -0.5)[:n_warps]], axis=1) for clip in rows]
    training = training_of(rows, labels, groups, n_warps)
    settings = replace(VECTORS, back_end=back_end, bigram_lag=2)
    fitted = supervectors.fit(training, settings)
    ubm = fitted.scorer.transform.ubm
    # without the last label, and without one group of each other
    clips = np.array([i for i in range(16) if i % 8 > 1])
    part = fitted.partial.fit(clips)
    assert part.labels == ("a", "b")
    assert part.transform.ubm is ubm
    # the plain way: the rows of the part, with a UBM that is given
    monkeypatch.setattr(supervectors, "fit_ubm", lambda *_: (ubm, None))
    plain = supervectors.fit(training.part(clips), settings).scorer
    held_out = np.array([0, 1, 8, 20])
    found = fitted.partial.score(part, held_out)
    assert found.shape == (4, len(plain.heads), 2)
    # products of one clip and of several differ in the last bits of single precision
    np.testing.assert_allclose(found, [plain.score_heads(rows[i]) for i in held_out], atol=2e-6)
    # a part has a mean and directions of its own
    assert abs(found - fitted.partial.score(fitted.scorer, held_out)[:, :, :2]).max() > 1e-3


def test_the_scores_of_training_clips_need_no_rows():
    rows, labels, groups = clips_of(n_labels=3)
    fitted = fit_kind(training_of(rows, labels, groups), VECTORS)
    found = fitted.partial.score(fitted.scorer, np.arange(len(rows)))
    np.testing.assert_allclose(found, [fitted.scorer.score_heads(clip) for clip in rows], atol=2e-6)
    whole = fitted.partial.fit(np.arange(len(rows)))
    np.testing.assert_array_equal(whole.transform.mean, fitted.scorer.transform.mean)
    np.testing.assert_array_equal(whole.heads[0].coefficients, fitted.scorer.heads[0].coefficients)


def test_the_vector_of_the_selected_warp_has_the_bits_of_selecting_it_first():
    rng = np.random.default_rng(0)
    ubm = GaussianMixture(rng.dirichlet(np.ones(4)), rng.normal(size=(4, 3)), rng.uniform(0.5, 2.0, size=(4, 3)))
    selected = set()
    for n in (1, 3, 700):
        for kind in (np.float32, np.float64):
            values = rng.normal(scale=1.5, size=(n, 9)).astype(kind)
            warp = select_warp(ubm, values, 3)
            selected.add(next(i for i in range(3) if np.array_equal(warp, values[:, 3 * i : 3 * i + 3])))
            expected = supervector(ubm, warp, 8.0, 2)
            np.testing.assert_array_equal(warped_supervector(ubm, values, 3, 8.0, 2), expected)
    assert len(selected) > 1
