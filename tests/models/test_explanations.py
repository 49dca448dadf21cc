"""Explanations of predictions: sums of their parts for every kind, and each part against a plain way."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.features import Rows, make_features
from gmmaudio.json_text import to_json
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture
from gmmaudio.models import (
    KINDS,
    BlockGaussianSettings,
    Calibration,
    FrameGmmSettings,
    Linear,
    Mixtures,
    OpenSetThreshold,
    Projection,
    Scorer,
    SupervectorSettings,
    fit_scorer,
    gmm_scorer,
    load_model,
)
from gmmaudio.models.explanations import answers_of, explain_rows, with_neighbours
from gmmaudio.models.nearest import KnownClip, centres_of
from gmmaudio.models.score_parts import OTHER_PARTS
from tests.models.conftest import random_mixture

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("model-*.safetensors"))
# of the sum of many parts, relative to the size of the scores
EXACT = 1e-9


def rows_of(values):
    return Rows(values, np.arange(len(values), dtype=np.float32))


def fitted(settings, n_features=6, n_warps=1, n_labels=3):
    """Return a scorer fitted to clips of labels that differ in their means, and the rows of a clip."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 2, size=(n_labels, n_features * n_warps))
    labels = [f"label{i % n_labels}" for i in range(12)]
    clips = [
        centres[i % n_labels] + rng.normal(0, 1 + i % n_labels, size=(40, n_features * n_warps)) for i in range(12)
    ]
    return fit_scorer(clips, labels, settings, n_warps=n_warps)[0], clips[4]


SETTINGS = {
    **{
        f"frames-{c}-{k}": FrameGmmSettings(n_components=k, covariance_type=c) for c in COVARIANCE_TYPES for k in (1, 3)
    },
    "frames-ubm": FrameGmmSettings(n_components=3, relevance=8.0),
    **{
        f"blocks-{c}-{b}": BlockGaussianSettings(covariance_type=c, back_end=b, n_pca=4)
        for c in ("shared", *COVARIANCE_TYPES)
        for b in ("gaussian", "mean")
    },
    "blocks-mixtures": BlockGaussianSettings(covariance_type="full", n_components=2, n_pca=4),
    "blocks-logistic": BlockGaussianSettings(back_end="logistic", soft_clip=None),
    **{
        f"supervector-{b}-{lag}": SupervectorSettings(n_components=3, back_end=b, bigram_lag=lag, n_nuisance=2)
        for b in ("cosine", "logistic", "mean")
        for lag in (0, 4)
    },
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_parts_of_a_score_sum_to_it(settings):
    scorer, rows = fitted(settings)
    if len(scorer.heads) == 2:
        scorer = replace(scorer, weights=(0.3, 1.7))
    scores = scorer.score(rows)
    for label, score in enumerate(scores):
        parts = scorer.split_score(rows, label)
        assert parts.columns.shape[1] == scorer.n_features
        assert set(parts.others) <= set(OTHER_PARTS)
        total = math.fsum(parts.columns.mean(axis=0)) + math.fsum(part.mean() for part in parts.others.values())
        assert abs(total - score) <= EXACT * max(1.0, abs(scores).max())
        if scorer.scores_rows:
            np.testing.assert_allclose(parts.total, scorer.score_rows(rows)[:, label], rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_explanation_of_a_model_file_sums_to_its_lead(path, dtype):
    model = load_model(path)
    values = np.random.default_rng(7).normal(size=(40, model.features.n_features)).astype(dtype)
    explanation = explain_rows(model, rows_of(values))
    scores, size = explanation.prediction.scores, max(map(abs, explanation.prediction.scores.values()))
    tolerance = EXACT * max(1.0, size)
    # rows of single precision may be scored in it
    predicted = scores[explanation.winner] - scores[explanation.runner_up]
    assert predicted == pytest.approx(explanation.lead + explanation.rounding, abs=tolerance)
    assert abs(explanation.rounding) <= (1e-5 * max(1.0, size) if dtype is np.float32 else tolerance)
    assert abs(sum(part.lead for part in explanation.parts) - explanation.lead) <= tolerance
    assert abs(sum(explanation.quantities.values()) - explanation.lead) <= tolerance
    assert abs(sum(head.lead for head in explanation.heads) - explanation.lead) <= tolerance
    if explanation.rows:
        assert abs(np.mean([row.lead for row in explanation.rows]) - explanation.lead) <= tolerance
    if explanation.bigrams:
        bigrams = sum(part.lead for part in explanation.parts if part.name == OTHER_PARTS["bigrams"])
        assert abs(sum(part.lead for part in explanation.bigrams) - bigrams) <= tolerance
    others = sum(part.lead for part in explanation.parts if not part.aspect)
    for owner in {part.owner for part in explanation.components}:
        own = [part for part in explanation.components if part.owner == owner]
        rest = others if owner == "ubm" else 0.0
        assert abs(sum(part.lead for part in own) + rest - explanation.lead) <= tolerance
        assert abs(sum(part.share for part in own) - 1) <= 1e-9
    if explanation.log_odds is not None:
        # that of the calibration, without a share of the priors for new sources
        probability = model.in_domain().predict(rows_of(values)).probability
        ratio = math.log(probability[explanation.winner] / probability[explanation.runner_up])
        assert ratio == pytest.approx(explanation.log_odds + explanation.scale * explanation.rounding, abs=1e-6)


def test_every_kind_is_among_these_model_files():
    kinds = {load_model(path).training.kind_settings.kind for path in GOLDEN if "2.0" in path.name}
    assert kinds == set(KINDS)


def test_predictions_are_those_of_the_model_in_its_own_precision():
    model = load_model(next(path for path in GOLDEN if path.stem == "model-1.4-frames-ubm"))
    values = np.random.default_rng(7).normal(size=(40, model.features.n_features)).astype(np.float32)
    explanation = explain_rows(model, rows_of(values))
    assert explanation.prediction.scores == model.predict(rows_of(values)).scores
    assert explanation.rounding != 0


def shared_scorer():
    """Return a scorer of one covariance in common and its rows, with a column that never differs."""
    rng = np.random.default_rng(0)
    scale = np.array([1.0, 2.0, np.inf, 0.5])
    projection = Projection(rng.normal(size=4), scale, rng.normal(size=(4, 3)), 2.0)
    units = tuple(GaussianMixture([1.0], rng.normal(size=(1, 3)), [1.0], "spherical") for _ in range(2))
    return Scorer(("a", "b"), projection, (Mixtures(units),)), rng.normal(size=(9, 4))


@pytest.mark.parametrize("head", ["gaussian", "linear"])
def test_the_part_of_a_column_is_the_change_of_the_lead_when_it_is_average(head):
    scorer, rows = shared_scorer()
    if head == "linear":
        rng = np.random.default_rng(3)
        linear = Linear(rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=2))
        scorer = replace(scorer, heads=(linear,))
    split = scorer.split_score(rows, 0) - scorer.split_score(rows, 1)
    lead = np.subtract(*scorer.score(rows))
    for column in range(4):
        average = rows.copy()
        average[:, column] = scorer.transform.mean[column]
        change = lead - np.subtract(*scorer.score(average))
        assert split.columns[:, column].mean() == pytest.approx(change, abs=1e-12)
    assert (split.columns[:, 2] == 0).all()


@pytest.mark.parametrize("covariance_type", ["shared", "diag"])
def test_columns_are_measured_from_halfway_between_the_labels(covariance_type):
    rng = np.random.default_rng(5)
    means = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 1.0]])
    clips = [means[i % 2] + rng.normal(size=(200, 3)) for i in range(8)]
    settings = BlockGaussianSettings(covariance_type=covariance_type, soft_clip=None, n_pca=None, shrinkage=0.0)
    scorer, _ = fit_scorer(clips, list("ab") * 4, settings)
    label_means = [np.concatenate(clips[i::2]).mean(axis=0) for i in (0, 1)]
    halfway = scorer.split_lead(np.mean(label_means, axis=0, keepdims=True), 0, 1)
    # of a covariance in common the lead is 0 there; of others it is what belongs to no column
    assert halfway.columns == pytest.approx(0, abs=1e-9)
    at_mean = scorer.split_lead(label_means[0][None], 0, 1)
    assert at_mean.columns[0].argmax() == 0
    assert at_mean.columns[0, 0] > 10 * abs(at_mean.columns[0, 1])
    assert at_mean.total.item() == pytest.approx(np.subtract(*scorer.score(label_means[0][None])), rel=1e-9)
    if covariance_type == "shared":
        assert halfway.total == pytest.approx(0, abs=1e-9)


def test_two_heads_are_measured_from_the_same_place():
    scorer, rows = fitted(SETTINGS["blocks-shared-mean"])
    parts = scorer.split_lead(rows, 0, 1)
    assert set(parts.others) == {"midpoint"}
    assert set(fitted(SETTINGS["blocks-logistic"])[0].split_lead(rows, 0, 1).others) == {"intercept"}
    assert parts.total.mean() == pytest.approx(np.subtract(*scorer.score(rows)[:2]), rel=1e-9)


def test_the_part_of_a_frame_column_is_the_likelihood_ratio_of_its_dimension():
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    mixtures = tuple(random_mixture(rng, 1, 4, "diag") for _ in range(2))
    rows = rng.normal(-20, 3, size=(30, 4))
    scorer = gmm_scorer(("a", "b"), mixtures)
    split = scorer.split_lead(rows, 0, 1)
    first, second = (norm.logpdf(rows, m.means[0], np.sqrt(m.covariances[0])) for m in mixtures)
    np.testing.assert_allclose(split.columns, first - second, rtol=1e-9, atol=1e-9)


def test_the_parts_of_a_supervector_are_products_with_the_coefficients():
    scorer, rows = fitted(SETTINGS["supervector-cosine-4"])
    vector, coefficients = scorer.transform.apply(rows)[0], scorer.heads[0].coefficients.astype(np.float64)
    parts = scorer.split_score(rows, 1) - scorer.split_score(rows, 0)
    products = vector * (coefficients[1] - coefficients[0])
    by_component = products[:18].reshape(3, 6)
    np.testing.assert_allclose(parts.columns[0], by_component.sum(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(parts.components, by_component.sum(axis=1), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(parts.bigrams, products[18:].reshape(3, 3), rtol=1e-12, atol=1e-15)
    assert parts.others["bigrams"] == pytest.approx(products[18:].sum(), abs=1e-15)


def test_only_the_selected_warp_has_parts():
    scorer, rows = fitted(SupervectorSettings(n_components=2, n_nuisance=0, bigram_lag=0), n_warps=3)
    warped = rows.copy()
    # the first warp of a clip far from all training clips is the least likely
    warped[:, :6] += 50.0
    parts = scorer.split_score(warped, 0)
    used = parts.columns.reshape(3, 6).any(axis=1)
    assert used.sum() == 1 and not used[0]
    assert parts.total.item() == pytest.approx(scorer.score(warped)[0], rel=1e-9)


def tiny_model(model, scorer, **changes):
    """Return a model of four MFCC with another scorer."""
    features = make_features(n_mfcc=scorer.n_features)
    return replace(
        model, features=features, scorer=scorer, tables=None, **{"calibration": None, "open_set": None} | changes
    )


def test_labels_of_equal_score_have_a_lead_of_zero_and_the_first_wins(model):
    unit = GaussianMixture([1.0], np.zeros((1, 4)), np.ones((1, 4)))
    twins = tiny_model(model, gmm_scorer(("b", "c"), (unit, unit)), calibration=Calibration(2.0, np.zeros(2)))
    explanation = explain_rows(twins, rows_of(np.ones((3, 4))))
    assert (explanation.winner, explanation.runner_up) == ("b", "c")
    assert explanation.prediction.label == "b"
    assert explanation.prediction.probability == {"b": 0.5, "c": 0.5}
    assert explanation.lead == explanation.log_odds == explanation.rounding == 0
    assert {part.lead for part in explanation.parts} == {0.0}


def test_the_winner_is_the_most_probable_label_also_where_its_score_is_lower(model):
    low, high = (GaussianMixture([1.0], np.full((1, 4), mean), np.ones((1, 4))) for mean in (0.0, 0.1))
    calibration = Calibration(1.0, np.array([0.0, 5.0]))
    explanation = explain_rows(
        tiny_model(model, gmm_scorer(("a", "b"), (low, high)), calibration=calibration), rows_of(np.zeros((3, 4)))
    )
    assert (explanation.winner, explanation.runner_up) == ("b", "a")
    assert explanation.lead < 0 < explanation.log_odds
    assert explanation.log_odds == explanation.lead + 5.0


def test_a_model_without_calibration_has_no_odds(model):
    scorer, _ = shared_scorer()
    explanation = explain_rows(tiny_model(model, scorer), rows_of(np.ones((3, 4))))
    assert (explanation.log_odds, explanation.scale, explanation.offset, explanation.open_set) == (None,) * 4
    assert explanation.winner in ("a", "b")


@pytest.mark.parametrize("statistic", ["score", "margin", "probability"])
def test_the_distance_to_the_threshold_is_in_its_statistic(model, statistic):
    scorer, _ = shared_scorer()
    open_set = OpenSetThreshold(statistic, 0.4, 0.05, 0.9, 50, 50, "by hand")
    changed = tiny_model(model, scorer, calibration=Calibration(1.0, np.zeros(2)), open_set=open_set)
    explanation = explain_rows(changed, rows_of(np.ones((3, 4))))
    first, second = explanation.prediction.top(2)
    value = {
        "score": first[1],
        "margin": first[1] - second[1],
        "probability": explanation.prediction.probability[first[0]],
    }[statistic]
    assert explanation.open_set.value == pytest.approx(value, rel=1e-12)
    assert explanation.open_set.distance == pytest.approx(value - 0.4, rel=1e-9)
    assert (explanation.prediction.status == "unknown") == (explanation.open_set.distance < 0)
    assert (explanation.winner, explanation.runner_up) == (first[0], second[0])


def test_a_threshold_that_is_off_has_no_distance(model):
    scorer, _ = shared_scorer()
    off = OpenSetThreshold("margin", None, 0.05, None, 0, 0, "off: too few labels")
    found = explain_rows(tiny_model(model, scorer, open_set=off), rows_of(np.ones((3, 4)))).open_set
    assert (found.distance, found.threshold, found.reason) == (None, None, "off: too few labels")


def test_quantities_and_aspects_are_sums_of_columns():
    model = load_model(next(path for path in GOLDEN if path.stem == "model-2.0-blocks-shared"))
    values = np.random.default_rng(0).normal(size=(4, model.features.n_features))
    explanation = explain_rows(model, rows_of(values))
    columns = [part for part in explanation.parts if part.aspect]
    assert len(columns) == model.features.n_features
    for name, lead in explanation.quantities.items():
        own = [part.lead for part in explanation.parts if part.quantity == name]
        assert lead == pytest.approx(sum(own), abs=1e-9)
    assert list(map(abs, explanation.quantities.values())) == sorted(
        map(abs, explanation.quantities.values()), reverse=True
    )
    assert {"mean", "standard deviation", OTHER_PARTS["midpoint"]} < set(explanation.aspects)
    assert sum(explanation.aspects.values()) == pytest.approx(explanation.lead, abs=1e-9)
    assert explanation.n_aspects == len(explanation.aspects) - 1 == 3 + model.features.rows.n_modulation


def test_an_explanation_is_plain_values():
    model = load_model(next(path for path in GOLDEN if path.stem == "model-2.0-supervector-warps"))
    values = np.random.default_rng(0).normal(size=(40, model.features.n_features))
    explanation = explain_rows(model, rows_of(values))
    again = json.loads(to_json(explanation.to_dict()))
    assert again["winner"] == explanation.winner
    assert sum(part["lead"] for part in again["parts"]) == pytest.approx(explanation.lead)
    assert again["open_set"]["distance"] == explanation.open_set.distance


def test_neighbours_are_clips_of_the_owners_label_and_their_groups():
    rng = np.random.default_rng(0)
    mixtures = tuple(GaussianMixture([0.5, 0.5], [[m, 0.0], [m, 20.0]], np.ones((2, 2))) for m in (0.0, 3.0))
    scorer = gmm_scorer(("a", "b"), mixtures)

    def known(path, label, group, x):
        values = np.array([x, 0.0]) + rng.normal(0, 0.01, size=(50, 2))
        answers = scorer.answers(values, scorer.labels.index(label))
        return KnownClip(path, label, group, centres_of(answers))

    clips = [
        known("far", "a", "g1", 4.0),
        known("near", "a", "g2", 1.0),
        known("also g2", "a", "g2", 9.0),
        known("other", "b", "g1", 0.5),
        known("alone", "a", None, -9.0),
    ]
    rows = rows_of(np.array([0.5, 0.0]) + rng.normal(0, 0.01, size=(50, 2)))
    answers = answers_of(scorer, rows, (0, 1))
    explanation = _explanation_of(scorer, rows)
    found = {(part.owner, part.index): part for part in with_neighbours(explanation, answers, clips, 2).components}
    assert [neighbour.name for neighbour in found["a", 0].clips] == ["near", "far"]
    assert [neighbour.distance for neighbour in found["a", 0].clips] == pytest.approx([0.5, 3.5], abs=0.02)
    # a group lies where its rows lie on average
    assert [(n.name, round(n.distance, 1)) for n in found["a", 0].groups] == [("g1", 3.5), ("g2", 4.5)]
    assert [neighbour.name for neighbour in found["b", 0].clips] == ["other"]
    # nothing of the clips, nor of the file, lies at the other component
    assert found["a", 1].clips == found["a", 1].groups == () if ("a", 1) in found else True


def _explanation_of(scorer, rows):
    """Return an explanation that holds components alone."""
    from gmmaudio.models import Prediction
    from gmmaudio.models.explanations import ComponentPart, Explanation

    components = [
        ComponentPart(owner, k, float(share), 0.0)
        for owner, answers in answers_of(scorer, rows, (0, 1)).items()
        for k, share in enumerate(answers.shares.mean(axis=0))
    ]
    return Explanation(Prediction(), components=tuple(components))
