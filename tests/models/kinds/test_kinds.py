"""What holds for every kind of model: bounds of settings, the same bits for any number of jobs."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.compute import RunContext
from gmmaudio.errors import GmmaudioError, MixtureError, SettingError
from gmmaudio.models import (
    BlockGaussianSettings,
    FrameGmmSettings,
    SupervectorSettings,
    find_kind,
    fit_scorer,
    preset_of,
    settings_from_dict,
)
from tests.models.conftest import BLOCKS, VECTORS, clips_of


@pytest.mark.parametrize(
    ("config", "n_views", "words"),
    [
        (VECTORS, 2, "rows of 5 features cannot hold 2 VTLN warps"),
        (VECTORS, 0, "rows of 5 features cannot hold 0 VTLN warps"),
        (FrameGmmSettings(), 5, "rows hold 5 VTLN warps; frames take one, any number only supervector"),
        (BLOCKS, 5, "rows hold 5 VTLN warps; blocks take one, any number only supervector"),
    ],
)
def test_warps_that_do_not_fit_the_rows_are_refused(config, n_views, words):
    rows, labels, _ = clips_of()
    with pytest.raises(GmmaudioError, match=words):
        fit_scorer(rows, labels, config, n_warps=n_views)


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
def test_every_kind_separates_labels_with_the_same_bits_for_any_number_of_jobs(config):
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
        (BLOCKS, {"own_covariance": 0.5}),
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


@pytest.mark.parametrize(
    ("settings", "changes", "words"),
    [
        (FrameGmmSettings, {"covariance_type": "shared"}, "covariance_type is 'shared'; expected one of diag, full"),
        (BlockGaussianSettings, {"n_components": 16}, "n_components is 16; expected 1 where labels share"),
        (SupervectorSettings, {"relevance": None}, "relevance is None; expected a finite number"),
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
        (BlockGaussianSettings, {"own_covariance": -0.1}, "own_covariance is -0.1; expected a share, 0 to 1"),
        (BlockGaussianSettings, {"soft_clip": 0}, "soft_clip is 0; expected a number above 0"),
        (BlockGaussianSettings, {"penalty": 0.0}, "penalty is 0.0; expected a number above 0"),
        (FrameGmmSettings, {"relevance": -1.0}, "relevance is -1.0; expected a number above 0"),
    ],
)
def test_settings_outside_their_bounds_are_refused(settings, changes, words):
    with pytest.raises(SettingError, match=words):
        settings(**changes)


def test_an_unknown_kind_is_refused():
    for refuse in (find_kind, lambda name: settings_from_dict({"kind": name}), lambda name: preset_of(None, name)):
        with pytest.raises(SettingError, match="kind is 'chords'; expected one of frames, blocks, supervector"):
            refuse("chords")
    with pytest.raises(SettingError, match="unknown settings of frames: n_pca; made by a newer version"):
        settings_from_dict({"kind": "frames", "n_pca": 3})


@pytest.mark.parametrize(
    "rows", [[np.zeros((9, 2)), np.ones((9, 3)), np.ones((9, 2))], [np.zeros((9, 2)), np.ones((9, 2)), np.ones((9, 3))]]
)
def test_rows_of_two_widths_are_a_mixture_error(rows):
    with pytest.raises(MixtureError):
        fit_scorer(rows, ["a", "a", "b"], FrameGmmSettings(n_components=1))
