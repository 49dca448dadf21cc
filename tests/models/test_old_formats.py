"""Model files and settings of every older format, read as they were."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from gmmaudio import pipeline
from gmmaudio.errors import ModelFileError, SettingError
from gmmaudio.features import (
    FeatureSettings,
    Rows,
    extract,
)
from gmmaudio.models import (
    BlockGaussianSettings,
    EmSettings,
    FrameGmmSettings,
    SupervectorSettings,
    from_bytes,
    load_model,
    settings_from_dict,
    to_bytes,
)
from gmmaudio.models.file import FORMAT_VERSION
from gmmaudio.models.old_formats import upgrade_header, upgrade_kind_settings, upgrade_tuning
from tests.models.conftest import GOLDEN_LABELS, assert_same, checksum, golden_model, header_and_tensors, noise

GOLDEN = Path(__file__).parents[1] / "golden" / "model-1.0.safetensors"


GOLDEN_SHA256 = "14cbe074bed25a04e7efbe734fc00c0d754740b2b07b497429bb0d5bffe34679"


GOLDEN_ROWS = (np.arange(35).reshape(5, 7) * 3 % 11 - 5) / 2


def test_golden_file_is_the_one_first_written():
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == GOLDEN_SHA256
    assert GOLDEN.stat().st_size < 20_000


def test_golden_file_holds_the_golden_model():
    assert_same(load_model(GOLDEN), golden_model())


def test_golden_file_scores_fixed_rows_to_fixed_numbers():
    scores = load_model(GOLDEN).scorer.score(GOLDEN_ROWS)
    # a mean of five sums of a few hundred products, each to 1e-16
    np.testing.assert_allclose(scores, [-17.507337109905688, -21.022931927900554, -18.34306083867868], rtol=1e-12)


def test_golden_numbers_are_those_of_scipy():
    for label, score in load_model(GOLDEN).predict(Rows(GOLDEN_ROWS, np.arange(5.0))).scores.items():
        mixture = golden_model().scorer.mixtures[GOLDEN_LABELS.index(label)]
        each = norm.logpdf(GOLDEN_ROWS[:, None], mixture.means, np.sqrt(mixture.covariances)).sum(axis=2)
        rows = logsumexp(each + np.log(mixture.weights), axis=1)
        # the same formula in another order of sums
        assert score == pytest.approx(rows.mean(), rel=1e-12)


def test_golden_file_needs_nothing_of_ours_to_be_read_and_verified():
    header, tensors = header_and_tensors(GOLDEN.read_bytes())
    assert header["format_version"] == "1.0"
    assert header["labels"] == list(GOLDEN_LABELS)
    assert header["sha256"] == checksum(header, tensors)
    assert sorted(tensors) == sorted(f"{i}.{part}" for i in range(3) for part in ("weights", "means", "covariances"))
    assert all(tensor.dtype == np.float64 for tensor in tensors.values())


def test_a_file_from_before_there_were_warps_is_read(corpus):
    trained = pipeline.train(pipeline.read_corpus(corpus.plain), pipeline.make_recipe(None, kind="supervector"))
    model, data = trained.model, to_bytes(trained.model)
    size = int.from_bytes(data[:8], "little")
    assert b"n_warps" in data[: 8 + size]
    transform = model.scorer.transform
    settings = {name: value for name, value in transform.settings().items() if name != "n_warps"}
    header = upgrade_header({"transform": {"kind": "supervector", **settings}}, None)
    assert header["transform"].pop("kind") == "supervector"
    again = type(transform).from_tensors(header["transform"], transform.tensors())
    rows = extract(noise(30_000), model.features).values
    assert np.array_equal(again.apply(rows), transform.apply(rows))
    settings = model.features.to_dict()
    before = {**settings["frames"], **settings["rows"]}
    for name in ("vtln", "gate_floor_db", "measure_speech"):
        del before[name]
    assert FeatureSettings.from_dict(before) == model.features


# Files of every format and kind, with what the code of their time said of fixed rows.

FOLDER = GOLDEN.parent
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
OLD_NAMES = {
    "soft_clip": "z_limit",
    "n_nuisance": "n_directions",
    "bigram_lag": "pair_lag",
    "n_ubm_rows": "n_background_rows",
}


def test_every_file_has_its_expected_scores():
    assert {path.name for path in FOLDER.glob("model-*-*.safetensors")} == set(EXPECTED)
    formats = {each["format_version"] for each in EXPECTED.values()}
    assert formats == {"1.0", "1.1", "1.2", "1.3", "1.4", "2.0", FORMAT_VERSION}


def in_float32(scores):
    """Return the tolerance of scores: products in float32 are summed in an order that the processor chooses."""
    return 2**-17 * np.abs(scores).max()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_of_any_format_gives_the_scores_of_its_time(name):
    expected = EXPECTED[name]
    model = load_model(FOLDER / name)
    header, _ = header_and_tensors((FOLDER / name).read_bytes())
    assert header["format_version"] == expected["format_version"]
    assert list(model.scorer.labels) == expected["labels"]
    assert list(model.scorer.weights) == expected["weights"]
    values = np.random.default_rng(7).normal(size=(40, expected["n_features"])).astype(np.float32)
    np.testing.assert_allclose(
        model.scorer.score_heads(values), expected["head_scores"], rtol=0, atol=in_float32(expected["head_scores"])
    )
    for case, times in (("rows", 1), ("rows_times_4", 4)):
        prediction = model.predict(Rows((times * values).astype(np.float32), np.arange(40, dtype=np.float32)))
        assert prediction.best_label == expected[case]["label"]
        assert prediction.message == expected[case]["unknown"]
        scores = expected[case]["scores"]
        assert prediction.scores == pytest.approx(scores, rel=0, abs=in_float32([*scores.values()]))
        if expected[case]["probability"] is None:
            assert prediction.probability is None
        else:
            # of a few scores that differ in their last bits
            assert prediction.probability == pytest.approx(expected[case]["probability"], abs=1e-5)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_of_any_format_keeps_its_settings_and_training(name):
    expected, model = EXPECTED[name], load_model(FOLDER / name)
    settings = model.training.kind_settings.to_dict()
    if expected["format_version"] in ("1.0", "1.1", "1.2", "1.3"):
        # all kinds had the fields of all kinds, under other names
        renamed = {OLD_NAMES.get(field, field): value for field, value in settings.items()}
        if renamed.get("back_end") in ("gaussian", "cosine"):
            renamed["back_end"] = "own"
        settings = expected["settings"] | renamed
    # a share of a label's own covariance came with 2.1: before it there was none
    came_later = {name: 0.0 for name in ("own_covariance",) if name in settings}
    assert settings == came_later | expected["settings"]
    training = expected["training"]
    for field in ("preset", "seed", "trial_s"):
        assert getattr(model.training, field) == training[field]
    assert list(model.training.augment) == training["augment"]
    assert len(model.training.clips) == training["n_clips"]
    # sources came with 2.1
    assert dataclasses.asdict(model.training.clips[0]) == {"source": None, **training["first_clip"]}
    assert (None if model.calibration is None else model.calibration.to_dict()) == expected["calibration"]
    assert (None if model.open_set is None else dataclasses.asdict(model.open_set)) == expected["open_set"]
    assert set(model.training.log_likelihood) <= {*model.scorer.labels, "ubm"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_of_any_format_is_saved_as_one_of_today(name):
    model = load_model(FOLDER / name)
    again = from_bytes(to_bytes(model))
    assert to_bytes(again) == to_bytes(model)
    old, new = (header_and_tensors(data)[1] for data in ((FOLDER / name).read_bytes(), to_bytes(model)))
    # formats before 2.0 have no tables
    tables = {f"front_end.{table}" for table in model.front_end_tables().tensors()}
    assert old.keys() | tables == new.keys()
    assert all(np.array_equal(old[tensor], new[tensor]) for tensor in old)


def test_supervectors_of_before_bigrams_are_refused():
    (path,) = (FOLDER / "unreadable").glob("*.safetensors")
    with pytest.raises(ModelFileError, match="holds no usable model"):
        load_model(path)


# Settings in the JSON of old reports.


def test_flat_settings_of_every_kind_are_upgraded():
    flat = {
        "n_components": 8,
        "covariance_type": "diag",
        "init": "kmeans",
        "n_init": 1,
        "max_iter": 8,
        "tol": 0.0,
        "variance_floor": 0.02,
        "relevance": 8.0,
        "n_pca": None,
        "z_limit": None,
        "shrinkage": None,
        "n_directions": 3,
        "back_end": "own",
        "penalty": 0.01,
        "n_background_rows": 1000,
    }
    em = EmSettings(n_components=8, max_iter=8, tol=0.0, variance_floor=0.02).em_settings()
    # pair_lag came later: before it there were no bigrams
    assert settings_from_dict(upgrade_kind_settings(flat | {"kind": "supervector"})) == SupervectorSettings(
        **em, relevance=8.0, n_nuisance=3, bigram_lag=0, n_ubm_rows=1000
    )
    assert settings_from_dict(upgrade_kind_settings(flat | {"kind": "frames"})) == FrameGmmSettings(
        **em, relevance=8.0, n_ubm_rows=1000
    )
    assert settings_from_dict(upgrade_kind_settings(flat | {"kind": "blocks"})) == BlockGaussianSettings(
        **em, n_pca=None, soft_clip=None, shrinkage=None
    )
    with pytest.raises(SettingError, match="unknown settings of frames: mood"):
        settings_from_dict(upgrade_kind_settings(flat | {"kind": "frames", "mood": 1}))
    with pytest.raises(SettingError, match="kind is 'chords'"):
        upgrade_kind_settings(flat | {"kind": "chords"})


def test_tables_of_tuning_keep_the_settings_of_their_kind():
    metrics = {"balanced_accuracy": 0.5, "accuracy": 0.5, "n": 4}
    rows = [
        {"kind": kind, "covariance_type": "diag", "n_components": 1, "n_pca": n_pca, "back_end": "own", **metrics}
        for kind, n_pca in (("frames", None), ("blocks", 20), ("supervector", None))
    ]
    assert upgrade_tuning({"table": rows})["table"] == [
        {"kind": "frames", "covariance_type": "diag", "n_components": 1, **metrics},
        {
            "kind": "blocks",
            "covariance_type": "diag",
            "n_components": 1,
            "n_pca": 20,
            "back_end": "gaussian",
            **metrics,
        },
        {"kind": "supervector", "covariance_type": "diag", "n_components": 1, "back_end": "cosine", **metrics},
    ]
