"""Kinds of models, calibration, unknown clips: against scikit-learn and hand-written formulas, and by the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from gmmaudio import pipeline
from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import plan_split
from gmmaudio.errors import GmmaudioError, SettingError
from gmmaudio.features import (
    FeatureSettings,
    extract,
)
from gmmaudio.mixture import fit_gmm
from gmmaudio.models import (
    BlockGaussianSettings,
    Calibration,
    FrameGmmSettings,
    Model,
    OutOfFold,
    SupervectorSettings,
    TrainingSummary,
    find_kind,
    fit_calibration,
    fit_open_set_threshold,
    fit_scorer,
    fitting,
    from_bytes,
    inner_folds,
    preset_of,
    settings_from_dict,
    to_bytes,
    tuning,
)
from gmmaudio.models.calibration import clip_weights
from gmmaudio.models.fusion import equal_mean, trained_weights
from gmmaudio.models.kinds.supervector import select_warp, supervector
from gmmaudio.models.old_formats import upgrade_header
from gmmaudio.models.open_set import auroc
from gmmaudio.trials import build_trial_set

BLOCKS = BlockGaussianSettings(n_pca=None, soft_clip=None, shrinkage=None)
VECTORS = SupervectorSettings(n_components=4, n_nuisance=2, tol=1e-4, variance_floor=1e-3, bigram_lag=0)


def clips_of(seed=0, n_labels=3, n_clips=8, n_rows=30, d=5):
    """Return rows of clips in correlated columns, their labels and groups of two clips."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d))
    rows, labels, groups = [], [], []
    for k in range(n_labels):
        centre = rng.normal(scale=1.5, size=d)
        for i in range(n_clips):
            rows.append(((centre + rng.normal(size=d) + rng.normal(size=(n_rows, d))) @ mixing).astype(np.float32))
            labels.append("abcdef"[k])
            groups.append(f"{k}-{i // 2}")
    return rows, labels, groups


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(scale=0.1, size=n).astype(np.float32)


# --- kinds ---------------------------------------------------------------------------------------------------------


def test_blocks_with_a_shared_covariance_are_linear_discriminant_analysis():
    rows, labels, groups = clips_of()
    classifier, _ = fit_scorer(rows, labels, BLOCKS, groups=groups)
    X = np.concatenate(rows).astype(np.float64)
    y = np.repeat(labels, [len(r) for r in rows])
    mean = np.stack([X[y == label].mean(axis=0) for label in "abc"])
    scaled = (X - mean[np.searchsorted(list("abc"), y)]) / X.std(axis=0)
    covariance, _ = ledoit_wolf(scaled, assume_centered=True)
    # the shrinkage is towards a multiple of the identity, which a rotation leaves alone
    precision = np.linalg.inv(covariance)
    centres = (mean - X.mean(axis=0)) / X.std(axis=0)
    for clip in (0, 9, 23):
        z = (rows[clip].astype(np.float64) - X.mean(axis=0)) / X.std(axis=0)
        expected = [-0.5 * np.einsum("nd,de,ne->n", z - c, precision, z - c).mean() for c in centres]
        found = classifier.score(rows[clip])
        np.testing.assert_allclose(found - found[0], np.array(expected) - expected[0], rtol=1e-6, atol=1e-8)
    plain = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    given = [classifier.labels[classifier.score_rows(r[None]).argmax()] for r in X]
    assert np.mean(plain.predict(X) == np.array(given)) > 0.97  # it shrinks, and weighs labels by their number


def test_a_supervector_is_reynolds_map_means():
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


def one_or_the_other(order, n=240, seed=0):
    """Return rows near -3 and 3, in the order given over and over."""
    centres = np.resize(np.array(order, dtype=float), n)
    return (centres + np.random.default_rng(seed).normal(scale=0.3, size=n))[:, None]


def test_pairs_are_the_root_of_the_share_of_what_follows_what():
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


def test_labels_of_the_same_sounds_in_another_order_are_told_apart_by_pairs_alone():
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


def speakers_of(label, tracts, seed=0):
    """Return clips of one label by speakers whose tract moves all they say, in three views that move it back."""
    rng, clips = np.random.default_rng((seed, label)), []
    for tract in tracts:
        # the labels share one of two sounds; the other lies a little further off
        said = rng.choice([-6.0, 6.0 + label], size=200)
        plain = said + tract + rng.normal(scale=0.5, size=200)
        clips.append(np.stack([plain, plain - 3.0, plain + 3.0], axis=1))
    return clips


def test_the_view_is_the_one_that_the_background_holds_most_likely():
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


def test_speakers_of_other_tracts_are_told_apart_by_views():
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


def test_what_is_trained_on_is_what_a_clip_is_heard_as():
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


def test_the_background_is_of_views_brought_together():
    rows = [clip for label, sign in ((0, 1), (1, -1)) for clip in speakers_of(label, [0.0, 3.0 * sign] * 6)]
    labels, config = list("a" * 12 + "b" * 12), replace(VECTORS, n_components=2, n_nuisance=0)
    backgrounds = [
        fit_scorer(clips, labels, config, n_warps=n)[0].transform.ubm
        for clips, n in ((rows, 3), ([clip[:, :1] for clip in rows], 1))
    ]
    # plain views lie three to either side
    assert backgrounds[0].covariances.max() < 0.5 * backgrounds[1].covariances.max()


def test_a_view_is_chosen_by_all_of_a_clip():
    background, _ = fit_gmm(np.array([[-6.0], [-5.0], [5.0], [6.0]]), 2, rng=np.random.default_rng(0))
    # one frame lies at a centre, all others far from any
    once, always = np.r_[5.5, np.full(20, 30.0)], np.full(21, 7.0)
    assert np.array_equal(select_warp(background, np.stack([once, always], axis=1), 2)[:, 0], always)


def test_views_that_are_the_same_change_nothing():
    rows, labels, groups = clips_of()
    config = replace(VECTORS, bigram_lag=2)
    one, _ = fit_scorer(rows, labels, config, groups=groups)
    two, _ = fit_scorer([np.concatenate([r, r], axis=1) for r in rows], labels, config, groups=groups, n_warps=2)
    for r in rows[:5]:
        assert np.array_equal(one.score(r), two.score(np.concatenate([r, r], axis=1)))


@pytest.mark.parametrize(
    ("config", "n_views", "words"),
    [
        (VECTORS, 2, "rows of 5 features cannot hold 2 VTLN warps"),
        (VECTORS, 0, "rows of 5 features cannot hold 0 VTLN warps"),
        (FrameGmmSettings(), 5, "rows hold 5 VTLN warps; frames take one, any number only supervector"),
        (BLOCKS, 5, "rows hold 5 VTLN warps; blocks take one, any number only supervector"),
    ],
)
def test_views_that_do_not_go_with_the_rows_are_refused(config, n_views, words):
    rows, labels, _ = clips_of()
    with pytest.raises(GmmaudioError, match=words):
        fit_scorer(rows, labels, config, n_warps=n_views)


def test_candidates_of_a_front_end_of_ones_own_have_views_where_their_kind_takes_them():
    recipe = pipeline.make_recipe("language")
    for own in (recipe, replace(recipe, features=recipe.features.replace(n_mels=24))):
        kinds = {}
        for candidate in tuning._candidates(own, None):
            kinds.setdefault(candidate.kind_settings.kind, set()).add(candidate.features.frames.n_warps)
        assert kinds == {"supervector": {3}, "blocks": {1}, "frames": {1}}


def test_a_model_of_other_views_than_its_front_end_is_refused():
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


def test_a_file_from_before_there_were_views_is_read(corpus):
    trained = pipeline.train(pipeline.read_corpus(corpus.plain), pipeline.make_recipe(None, kind="supervector"))
    model, data = trained.model, to_bytes(trained.model)
    size = int.from_bytes(data[:8], "little")
    assert b"n_warps" in data[: 8 + size]
    transform = model.scorer.transform
    settings = {name: value for name, value in transform.settings().items() if name != "n_warps"}
    header = upgrade_header({"transform": {"kind": "supervector", **settings}}, None)
    again = type(transform).from_tensors(header["transform"], transform.tensors())
    rows = extract(noise(30_000), model.features).values
    assert np.array_equal(again.apply(rows), transform.apply(rows))
    settings = model.features.to_dict()
    before = {**settings["frames"], **settings["rows"]}
    for name in ("vtln", "gate_floor_db", "measure_speech"):
        del before[name]
    assert FeatureSettings.from_dict(before) == model.features


def test_a_recipe_of_views_needs_supervectors():
    recipe = pipeline.make_recipe("language")
    assert recipe.features.frames.n_warps == 3
    with pytest.raises(SettingError, match="vtln makes 3 warps of a frame; frames take one"):
        replace(recipe, kind_settings=FrameGmmSettings())


@pytest.mark.parametrize(
    "config",
    [
        BLOCKS,
        replace(BLOCKS, covariance_type="diag", n_components=2),
        replace(BLOCKS, back_end="mean"),
        replace(BLOCKS, back_end="logistic", n_pca=3, soft_clip=3.0),
        VECTORS,
        replace(VECTORS, bigram_lag=3),
        replace(VECTORS, back_end="trained"),
        FrameGmmSettings(n_components=2, relevance=16.0),
    ],
)
def test_every_kind_tells_labels_apart_the_same_for_any_number_of_jobs(config):
    rows, labels, groups = clips_of()
    classifier, _ = fit_scorer(rows, labels, config, groups=groups, seed=1)
    again, _ = fit_scorer(rows, labels, config, groups=groups, seed=1, run=RunContext(2))
    scores = np.stack([classifier.score(r) for r in rows])
    assert np.array_equal(scores, np.stack([again.score(r) for r in rows]))
    assert np.mean([classifier.labels[k] for k in scores.argmax(axis=1)] == np.array(labels)) > 0.8
    assert classifier.score_heads(rows[0]).shape == (config.n_heads, 3)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (BLOCKS, {"n_pca": 2}),
        (BLOCKS, {"soft_clip": 1.0}),
        (BLOCKS, {"shrinkage": 0.9}),
        (BLOCKS, {"back_end": "logistic"}),
        (BLOCKS, {"covariance_type": "diag"}),
        (replace(BLOCKS, back_end="logistic"), {"penalty": 1.0}),
        (VECTORS, {"n_nuisance": 0}),
        (VECTORS, {"relevance": 2.0}),
        (VECTORS, {"bigram_lag": 1}),
        (replace(VECTORS, bigram_lag=1), {"bigram_lag": 2}),
        (VECTORS, {"n_ubm_rows": 100}),
        (VECTORS, {"back_end": "mean"}),
        (FrameGmmSettings(n_components=2), {"relevance": 4.0}),
    ],
)
def test_every_setting_of_a_kind_changes_the_scores(base, change):
    rows, labels, groups = clips_of()
    one, _ = fit_scorer(rows, labels, base, groups=groups)
    other, _ = fit_scorer(rows, labels, replace(base, **change), groups=groups)
    assert not np.allclose(one.score(rows[5]), other.score(rows[5]))


def test_the_kind_changes_the_scores():
    rows, labels, groups = clips_of()
    one, _ = fit_scorer(rows, labels, FrameGmmSettings(n_components=1), groups=groups)
    other, _ = fit_scorer(rows, labels, replace(BLOCKS, covariance_type="diag"), groups=groups)
    assert not np.allclose(one.score(rows[5]), other.score(rows[5]))


def test_no_group_weighs_more_for_having_more_clips():
    rows, labels, groups = clips_of()
    config = replace(VECTORS, n_nuisance=0)
    classifier, _ = fit_scorer(rows, labels, config, groups=groups)
    merged, _ = fit_scorer(rows, labels, config, groups=[f"{i % 8 > 0}" for i in range(len(rows))])
    assert not np.allclose(classifier.score(rows[0]), merged.score(rows[0]))


@pytest.mark.parametrize(
    ("settings", "changes", "words"),
    [
        (FrameGmmSettings, {"covariance_type": "shared"}, "covariance_type is 'shared'; expected one of diag, full"),
        (BlockGaussianSettings, {"n_components": 16}, "n_components is 16; expected 1 where labels share"),
        (SupervectorSettings, {"relevance": None}, "relevance is None; expected a number above 0"),
        (
            SupervectorSettings,
            {"covariance_type": "full"},
            "covariance_type is 'full'; the UBM of supervectors takes diag",
        ),
        (
            BlockGaussianSettings,
            {"back_end": "cosine"},
            "back_end is 'cosine'; expected one of gaussian, logistic, mean",
        ),
        (
            SupervectorSettings,
            {"back_end": "own"},
            "back_end is 'own'; expected one of cosine, logistic, mean, trained",
        ),
        (BlockGaussianSettings, {"n_pca": 0}, "n_pca is 0; expected a whole number, 1 or more"),
        (SupervectorSettings, {"bigram_lag": -1}, "bigram_lag is -1; expected a whole number, 0 or more"),
        (SupervectorSettings, {"n_ubm_rows": 99}, "n_ubm_rows is 99; expected a whole number, 100 or more"),
        (BlockGaussianSettings, {"shrinkage": 1.5}, "shrinkage is 1.5; expected a share, 0 to 1"),
        (BlockGaussianSettings, {"soft_clip": 0}, "soft_clip is 0; expected a number above 0"),
        (BlockGaussianSettings, {"penalty": 0.0}, "penalty is 0.0; expected a number above 0"),
        (FrameGmmSettings, {"relevance": -1.0}, "relevance is -1.0; expected a number above 0"),
    ],
)
def test_settings_outside_their_bounds_are_refused(settings, changes, words):
    with pytest.raises(SettingError, match=words):
        settings(**changes)


def test_a_kind_that_there_is_not_is_refused():
    for refuse in (find_kind, lambda name: settings_from_dict({"kind": name}), lambda name: preset_of(None, name)):
        with pytest.raises(SettingError, match="kind is 'chords'; expected one of frames, blocks, supervector"):
            refuse("chords")
    with pytest.raises(SettingError, match="unknown settings of frames: n_pca; made by a newer version"):
        settings_from_dict({"kind": "frames", "n_pca": 3})


# --- calibration ---------------------------------------------------------------------------------------------------


def simulated(scale, n=600, n_labels=4, seed=0):
    """Return scores whose softmax, times ``scale``, is the truth, and labels drawn from it."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, n_labels)) * 2 / scale
    share = np.exp(scale * scores)
    share /= share.sum(axis=1, keepdims=True)
    codes = np.array([rng.choice(n_labels, p=p) for p in share])
    return scores, codes, [str(i) for i in range(n)]


@pytest.mark.parametrize("scale", [0.02, 1.0, 300.0])
def test_the_scale_that_made_the_labels_is_found(scale):
    found = fit_calibration(*simulated(scale), method="temperature")
    # 600 clips tell a scale to about a tenth
    assert found.scale == pytest.approx(scale, rel=0.2)


def test_probabilities_do_not_depend_on_the_unit_of_scores():
    scores, codes, groups = simulated(1.0)
    one = fit_calibration(scores, codes, groups).probability(scores)
    # the search stops at a millionth of the logarithm
    other = fit_calibration(1e4 * scores + 7, codes, groups).probability(1e4 * scores + 7)
    np.testing.assert_allclose(one, other, atol=1e-4)
    np.testing.assert_allclose(one.sum(axis=1), 1.0)


def test_scores_without_a_mistake_do_not_make_certainty():
    scores = np.kron(np.eye(3), np.ones((4, 1)))
    found = fit_calibration(scores, np.repeat(np.arange(3), 4), [str(i) for i in range(12)])
    assert 0.8 < found.probability(np.array([1.0, 0.0, 0.0]))[0] < 0.95


def test_offsets_are_learned_only_where_there_is_enough():
    scores, codes, _ = simulated(1.0, n=400)
    many, few = [str(i) for i in range(400)], [str(i % 7) for i in range(400)]
    assert fit_calibration(scores + np.array([2.0, 0, 0, 0]), codes, many).method == "affine"
    assert fit_calibration(scores, codes, few).method == "temperature"
    found = fit_calibration(scores + np.array([2.0, 0, 0, 0]), codes, many)
    # what was added is taken out, within the noise of 400 clips
    assert found.offsets[0] - found.offsets[1:].mean() == pytest.approx(-2.0 * found.scale, abs=0.6)


def test_priors_are_bayes_rule():
    found = Calibration(2.0, np.zeros(2))
    scores, priors = np.array([0.3, 0.1]), np.array([0.2, 0.8])
    joint = np.exp(2 * scores) * priors
    np.testing.assert_allclose(found.probability(scores, priors), joint / joint.sum())


def test_every_group_weighs_the_same():
    scores, codes, _ = simulated(1.0, n=200)
    groups = [f"{c}-{i % 5}" for i, c in enumerate(codes)]
    twice = [i for i, g in enumerate(groups) for _ in range(3 if g.endswith("-0") else 1)]
    one = fit_calibration(scores, codes, groups, method="temperature")
    other = fit_calibration(scores[twice], codes[twice], [groups[i] for i in twice], method="temperature")
    # the smoothing of targets counts clips
    assert one.scale == pytest.approx(other.scale, rel=0.02)
    assert clip_weights(codes, groups).sum() == pytest.approx(1.0)


def test_members_are_weighed_by_what_they_are_worth():
    good, codes, groups = simulated(1.0)
    useless = np.random.default_rng(9).normal(size=good.shape)
    a, b = trained_weights(np.stack([good, useless]), codes, groups)
    assert abs(b) < 0.2 * a
    a, b = equal_mean(np.stack([good, 5 * good]), codes, groups)
    assert a == pytest.approx(5 * b, rel=1e-3)


def test_auroc_is_scikit_learns():
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(5, size=30) + 1.0, rng.integers(5, size=20) * 1.0
    expected = roc_auc_score([1] * 30 + [0] * 20, np.concatenate([known, unknown]))
    assert auroc(known, unknown) == pytest.approx(expected)


def test_a_threshold_refuses_the_stated_share_or_is_off():
    rng = np.random.default_rng(0)
    known = {"score": rng.normal(2, 1, 400)}
    told = fit_open_set_threshold(known, [(known, {"score": rng.normal(0, 1, 50)})], false_rejection=0.1)
    assert np.mean(known["score"] < told.threshold) <= 0.1
    assert np.mean(rng.normal(2, 1, 4000) < told.threshold) == pytest.approx(0.1, abs=0.04)  # of 400 clips
    assert told.explain(np.array([told.threshold - 1, -9.0]), None) == "far from every class"
    assert told.explain(np.array([told.threshold + 1, -9.0]), None) is None
    off = fit_open_set_threshold(known, [(known, {"score": rng.normal(2, 1, 50)})])
    assert off.threshold is None
    assert off.reason.startswith("off: each of 1 labels left out in turn, AUROC 0.")
    assert off.explain(np.array([-99.0, -99.0]), None) is None


# --- the whole way -------------------------------------------------------------------------------------------------


@pytest.fixture
def clips(corpus):
    return pipeline.read_corpus(corpus.plain)


@pytest.mark.parametrize("preset", [None, "genre", "language"])
@pytest.mark.parametrize("kind", ["frames", "blocks", "supervector"])
def test_every_preset_and_kind_trains_travels_and_classifies(clips, preset, kind):
    recipe = pipeline.make_recipe(preset, kind=kind, n_components=None if kind == "blocks" else 2, trial_s=0)
    model = pipeline.train(clips, recipe).model
    loaded = from_bytes(to_bytes(model))
    assert to_bytes(loaded) == to_bytes(model)
    path = str(clips.root / clips.clips[0].path)
    (one,), (other,) = pipeline.classify(model, [path]), pipeline.classify(loaded, [path])
    assert one == other
    assert one.probability is not None
    assert sum(one.probability.values()) == pytest.approx(1.0)


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


@pytest.mark.parametrize("name", ["codec", "band", "noise", "gain"])
def test_the_command_augments(command, corpus, tmp_path, name):
    words = ("crossval", corpus.plain, "--folds", "3", "--durations", "none", "--components", "2", "--json", "-")
    plain, copied = (json.loads(command(*words, *more).out) for more in ((), ("--augment", name)))
    assert [c["scores"] for c in plain["clips"]] != [c["scores"] for c in copied["clips"]]


def test_the_command_takes_a_kind_tunes_and_says_what_it_chose(command, corpus, tmp_path):
    said = command("train", corpus.plain, "-o", tmp_path / "b.gmm", "--kind", "blocks")
    assert said.code == 0, said.err
    assert "blocks" in command("info", tmp_path / "b.gmm").out
    said = command("train", corpus.plain, "-o", tmp_path / "t.gmm", "--kind", "blocks", "--tune")
    assert said.code == 0, said.err
    assert "balanced accuracy on inner folds, best first:" in said.err
    assert "chosen: the first; best balanced accuracy, " in said.err
    told = json.loads(command("info", tmp_path / "t.gmm", "--json").out)
    assert {row["kind"] for row in told["training"]["tuning"]["table"]} == {"blocks"}
    assert told["calibration"]["n"] == 18


def test_the_command_takes_priors(command, corpus, tmp_path):
    command("train", corpus.plain, "-o", tmp_path / "m.gmm", "--components", "2")
    path = corpus.root / corpus.rows[0]["path"]
    words = ("classify", tmp_path / "m.gmm", path, "--format", "jsonl")
    plain, low = (json.loads(command(*words, *more).out) for more in ((), ("--prior", "low=0.0")))
    assert plain["probability"]["low"] > low["probability"]["low"] == 0.0
    assert command(*words, "--prior", "low").code == 2
    assert command(*words, "--prior", "none=0.5").code == 2


def test_a_label_that_a_fold_never_heard_stays_impossible_under_any_weight():
    scores = np.array([[[1.0, -np.inf], [3.0, -np.inf]], [[1.0, 2.0], [3.0, 4.0]]])
    found = OutOfFold(np.arange(2), scores, ("a", "b"))
    np.testing.assert_array_equal(found.fused((0.0, 2.0)), [[6.0, -np.inf], [6.0, 8.0]])


def test_a_background_is_of_all_groups_alike():
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 1, (5000, 1)), rng.normal(50, 1, (300, 1))]
    config = replace(VECTORS, n_components=2, n_ubm_rows=600, n_nuisance=0)
    classifier, _ = fit_scorer(rows, ["a", "b"], config, groups=["1", "2"])
    np.testing.assert_allclose(sorted(classifier.transform.ubm.weights), [0.5, 0.5], atol=0.01)
    plain, _ = fit_gmm(np.concatenate(rows), 2, rng=np.random.default_rng(0))
    assert max(plain.weights) > 0.9


def rejection_setting(corpus, preset, **changes):
    """Return trials, recipe and recogniser of a small corpus."""
    clips, recipe = pipeline.read_corpus(corpus.plain), pipeline.make_recipe(preset, trial_s=0, **changes)
    trials = build_trial_set(clips.root, plan_split(clips.clips), recipe.trial_settings).trials
    return trials, recipe, fitting.fit_trials(trials, recipe, QUIET)


def test_mixtures_that_know_of_no_other_label_are_asked_without_one_and_not_fitted_again(corpus, monkeypatch):
    trials, recipe, fitted = rejection_setting(corpus, None, n_components=1)
    rounds = fitting._leave_columns_out(
        fitted.out_of_fold.fused((1.0,)), fitting.labels_and_groups(trials, fitted.out_of_fold)[0]
    )
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


def test_a_label_is_left_out_of_as_few_folds_as_hold_clips_enough(corpus, monkeypatch):
    trials, recipe, fitted = rejection_setting(corpus, "genre")
    rounds = fitting._leave_labels_out(trials, recipe, fitted.out_of_fold.labels, (1.0,), QUIET)
    # clips come two by two, a singer's; a fold that holds one label only has no other to tell it from
    assert [len(outside) for _, outside in rounds] == [4, 6, 6]
    assert all(scores.shape[1] == 2 for sides in rounds for scores in sides)
    assert fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET).n_unknown == 16
    monkeypatch.setattr(fitting, "ENOUGH_CLIPS", 1)
    fewer = fitting._leave_labels_out(trials, recipe, fitted.out_of_fold.labels, (1.0,), QUIET)
    assert [len(outside) for _, outside in fewer] == [2, 2, 2]


def test_few_pairs_are_believed_less_and_none_not_at_all():
    rows = [one_or_the_other((-3, 3), n, seed=i) for i, n in enumerate((60, 60, 60, 60, 3))]
    classifier, _ = fit_scorer(rows, list("ababa"), replace(VECTORS, n_components=2, n_nuisance=0, bigram_lag=4))
    transform = classifier.transform
    whole, short = (transform.apply(rows[i])[0][2:] for i in (0, 4))
    assert np.linalg.norm(whole) > 0.5
    # no pairs say nothing: what all clips have in common must not stand for them
    np.testing.assert_array_equal(short, 0.0)


def test_a_model_of_few_clips_does_not_call_its_own_clips_unknown():
    known = {"score": np.arange(100.0), "margin": np.arange(100.0)}
    rounds = [
        ({name: np.arange(100.0) for name in known}, {"score": np.arange(-60.0, 0), "margin": np.arange(-9.0, 51)})
    ]
    free = fit_open_set_threshold(known, rounds)
    assert (free.statistic, free.auroc) == ("score", 1.0)
    # the model of all clips gives scores on another scale: by the score eleven of a hundred would be rejected
    own = {"score": np.r_[np.full(11, -1.0), np.full(89, 50.0)], "margin": np.full(100, 50.0)}
    other = fit_open_set_threshold(known, rounds, in_sample=own)
    assert other.statistic == "margin"
    assert other.threshold is not None
    neither = fit_open_set_threshold(known, rounds, in_sample=own | {"margin": own["score"]})
    assert neither.threshold is None
    assert neither.reason.endswith("the model would call too many of the clips that it was trained on unknown")
    assert (
        fit_open_set_threshold(known, rounds, in_sample=own | {"score": np.r_[np.full(10, -1.0), np.full(90, 50.0)]})
        == free
    )


def test_unknown_is_learned_with_the_models_own_clips_in_view(corpus, monkeypatch):
    trials, recipe, fitted = rejection_setting(corpus, "genre")
    seen = {}
    monkeypatch.setattr(fitting, "fit_open_set_threshold", lambda known, rounds, in_sample: seen.update(in_sample))
    fitting.learn_open_set_threshold(trials, recipe, fitted, QUIET)
    best = [max(fitted.recogniser.predict(trial.rows.values).scores.values()) for trial in trials]
    # the number of BLAS threads moves the last bits
    np.testing.assert_allclose(seen["score"], best, rtol=1e-9)


def test_clips_that_are_all_the_same_are_of_no_label_more_than_another():
    rows = [one_or_the_other((-3, 3))] * 6
    classifier, _ = fit_scorer(rows, list("ababab"), replace(VECTORS, n_components=2, bigram_lag=2))
    # rounding must not be taken for a direction
    np.testing.assert_array_equal(classifier.score(rows[0]), 0.0)


def test_inner_folds_have_as_many_components_as_the_model(corpus, monkeypatch):
    trials, recipe, fitted = rejection_setting(corpus, "genre")
    n_rows = sum(len(trial.rows) for trial in trials)
    sized = fitting.cap_components(trials, recipe)
    assert sized.kind_settings.n_pca == n_rows // 4 == fitted.recogniser.scorer.transform.matrix.shape[1]
    sizes = []
    fit_scorer_on_trials = fitting.fit_scorer_on_trials

    def watched(*given, **settings):
        found = fit_scorer_on_trials(*given, **settings)
        sizes.append(found[0].transform.matrix.shape[1])
        return found

    # tuning asks for nested scores alone
    with monkeypatch.context() as patched:
        patched.setattr(inner_folds, "fit_scorer_on_trials", watched)
        inner_folds.out_of_fold_scores(trials, recipe, QUIET)
    assert sizes == [n_rows // 4] * 5
    frames = pipeline.make_recipe(None)
    assert fitting.cap_components(trials, frames) is frames


@pytest.mark.parametrize(("given", "n_groups"), [((), 9), (("--group-by", "singer"), 3), (("--group-by", "none"), 18)])
def test_a_model_is_calibrated_by_the_groups_that_are_asked_for(command, corpus, tmp_path, given, n_groups):
    said = command("train", corpus.plain, *given, "--components", "2", "-o", tmp_path / "m.gmm")
    assert said.code == 0
    assert json.loads(command("info", tmp_path / "m.gmm", "--json").out)["calibration"]["n_groups"] == n_groups
    assert ("as if every file were of another artist or speaker" in said.err) == (n_groups == 18)
