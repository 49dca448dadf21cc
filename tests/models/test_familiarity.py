"""Familiarity: its estimates by scipy's analysis of variance, its rates by simulation, and its refusals."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from gmmaudio import pipeline
from gmmaudio.errors import SettingError
from gmmaudio.models import Familiarity, fit_familiarity, from_bytes, to_bytes
from gmmaudio.models.familiarity import GroupMeans, LeftOutMeans, group_means

EXAMPLE = Familiarity("margin", 10.0, 2.0, 0.25, -1.6, 0.05, 0.04, {"labels": 0.9}, 300, 60)


def draw(rng, n_groups, n_each, between=1.0, within=2.0, mean=5.0):
    """Return values and groups of a one-way layout with random groups."""
    sizes = np.broadcast_to(n_each, n_groups)
    values = mean + np.repeat(rng.normal(0, between, n_groups), sizes) + rng.normal(0, within, sizes.sum())
    return values, np.repeat(np.arange(n_groups), sizes).astype(str)


def test_the_layout_is_that_of_the_analysis_of_variance():
    values, groups = draw(np.random.default_rng(0), 40, 6)
    found = fit_familiarity(group_means({"score": values}, groups))
    table = values.reshape(40, 6)
    # scipy gives F, the ratio of the two mean squares; the limit of the correlation is that of its exact interval
    within, ratio = table.var(axis=1, ddof=1).mean(), stats.f_oneway(*table).statistic
    between = (ratio - 1) * within / 6
    limit = ratio / stats.f.ppf(0.25, 39, 200)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(np.sqrt(between + within), rel=1e-12)
    assert found.correlation == pytest.approx((limit - 1) / (limit + 5), rel=1e-12)
    assert (found.n, found.n_groups, found.false_alarm) == (240, 40, 0.05)


def test_groups_of_different_sizes_give_estimates_around_the_truth():
    rng, sizes = np.random.default_rng(1), np.tile([1, 2, 5, 12], 500)
    values, groups = draw(rng, 2000, sizes)
    found = fit_familiarity(group_means({"score": values}, groups))
    # of 2,000 groups each estimate is within 6 % of the truth, about three standard errors
    assert found.deviation**2 == pytest.approx(5.0, rel=0.06)
    assert found.correlation == pytest.approx(0.21, abs=0.03)


@pytest.mark.parametrize("n_each", [1, 3, 10])
def test_the_spread_of_a_batch_is_that_of_simulated_batches(n_each):
    rng = np.random.default_rng(2)
    sizes = np.array([n_each, 2 * n_each])
    means = np.array([draw(rng, 2, sizes)[0].mean() for _ in range(20000)])
    spread = replace(EXAMPLE, correlation=0.2).spread(3 * n_each, 9 / 5)
    # the standard error of a deviation of 20,000 draws is 0.5 %
    assert spread * np.sqrt(5) == pytest.approx(means.std(), rel=0.02)


@pytest.mark.parametrize("n_groups", [19, 60, 300])
@pytest.mark.parametrize("n", [5, 40])
def test_new_groups_are_below_the_threshold_at_the_rate_that_is_stated(n_groups, n):
    rng, alarms = np.random.default_rng(3), []
    for _ in range(100):
        values, groups = draw(rng, n_groups, 4)
        familiarity = fit_familiarity(group_means({"score": values}, groups))
        new = draw(rng, 100, n)[0].reshape(100, n).mean(axis=1)
        deviations = (new - familiarity.mean) / familiarity.deviation
        alarms += [familiarity.is_unfamiliar(value, n) for value in deviations]
    # of 19 groups a threshold is above the wanted one as often as below: over 100 of them two points are three errors
    assert 0.03 < np.mean(alarms) < 0.07


def test_the_rate_of_false_alarms_moves_the_threshold():
    values, groups = draw(np.random.default_rng(4), 200, 3)
    means = group_means({"score": values}, groups)
    strict, loose = (fit_familiarity(means, false_alarm=rate) for rate in (0.01, 0.2))
    assert strict.threshold < loose.threshold < 0
    assert strict.measured_false_alarm < 0.05 < loose.measured_false_alarm
    own = (GroupMeans.of(values, groups).means - strict.mean) / strict.deviation
    assert np.mean([strict.is_unfamiliar(mean, 3) for mean in own]) <= 0.01
    with pytest.raises(SettingError, match="the rate of false alarms is 1; expected above 0 and below 1"):
        fit_familiarity(means, false_alarm=1.0)


def test_the_statistic_that_tells_best_what_was_left_out_is_taken():
    rng = np.random.default_rng(5)
    values, groups = draw(rng, 50, 3)
    held_out = group_means({"score": values, "margin": values}, groups)
    away = group_means({"score": values - 0.5, "margin": values - 4}, groups)
    rounds = [LeftOutMeans(held_out, away)]
    assert fit_familiarity(held_out).statistic == fit_familiarity(held_out, {"labels": []}).statistic == "score"
    assert fit_familiarity(held_out).auroc == {}
    found = fit_familiarity(held_out, {"labels": rounds, "sources": rounds})
    assert found.statistic == "margin"
    # equal sizes: the area is that of the plain means
    mine, others = held_out["margin"].means, away["margin"].means
    assert found.auroc["labels"] == found.auroc["sources"] == np.mean(mine[:, None] > others[None, :])


def test_few_groups_give_no_claim():
    values, groups = draw(np.random.default_rng(6), 18, 4)
    found = fit_familiarity(group_means({"score": values}, groups))
    assert (found.threshold, found.measured_false_alarm) == (None, None)
    assert found.description.startswith("not checked: 72 held-out clips of 18 groups; 19 groups are needed for 5 %")
    assert not found.is_unfamiliar(-99.0, 1000)
    assert found.value([1.0, 2.0]) is None
    assert fit_familiarity(group_means({"score": values[:4]}, groups[:4])) is None
    assert fit_familiarity(group_means({"score": np.ones(4)}, ["a", "a", "b", "b"])) is None
    assert fit_familiarity(group_means({"score": np.full(3, np.inf)}, ["a", "b", "c"])) is None


def test_single_clips_of_groups_vary_between_groups():
    values, groups = draw(np.random.default_rng(7), 60, 1)
    found = fit_familiarity(group_means({"score": values}, groups))
    assert found.correlation == 1.0
    assert found.spread(50) == found.spread(1) == 1.0


def test_values_that_are_not_finite_are_left_out():
    values, groups = draw(np.random.default_rng(8), 30, 3)
    with_holes = np.concatenate([values, [np.inf, -np.inf]])
    assert fit_familiarity(group_means({"score": with_holes}, [*groups, "0", "x"])) == fit_familiarity(
        group_means({"score": values}, groups)
    )


def test_the_value_of_a_clip_by_hand():
    assert EXAMPLE.value([1.0, 4.0, 2.0]) == (2.0 - 10.0) / 2.0
    assert replace(EXAMPLE, statistic="score").value(np.array([1.0, 4.0, -np.inf])) == (4.0 - 10.0) / 2.0
    assert EXAMPLE.value([1.0]) is None
    assert EXAMPLE.value([1.0, -np.inf]) is None


def test_pieces_of_a_recording_count_by_their_lengths():
    pieces = [(np.array([0.0, 6.0]), 12.0), (np.array([0.0, 4.0]), 6.0), (np.array([0.0, 99.0]), 4.4)]
    # the last is shorter than three quarters of a clip
    assert EXAMPLE.of_pieces(pieces, 6.0) == (pytest.approx((12 * -2.0 + 6 * -3.0) / 18, rel=1e-12), 3)
    assert EXAMPLE.of_pieces(pieces[2:], 6.0) is None
    assert EXAMPLE.finding_on(pieces, 6.0) is None
    assert "as long as 5 clips" in EXAMPLE.finding_on([(np.array([0.0, 4.0]), 30.0)], 6.0).text
    assert EXAMPLE.finding_on([(np.array([0.0, 9.0]), 30.0)], 6.0) is None
    assert replace(EXAMPLE, threshold=None).finding_on([(np.array([0.0, 4.0]), 30.0)], 6.0) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"statistic": "density"}, "statistic is 'density'; expected one of score, margin"),
        ({"correlation": 1.5}, "correlation is 1.5; expected a share, 0 to 1"),
        ({"auroc": {"labels": 2.0}}, "labels is 2; expected a share"),
        ({"measured_false_alarm": -1.0}, "measured_false_alarm is -1; expected a share"),
        ({"deviation": 0.0}, "mean is 10 and deviation 0; expected numbers, the second above 0"),
        ({"mean": float("nan")}, "mean is"),
        ({"n_groups": -1}, "n is 300 and n_groups -1; expected counts"),
    ],
)
def test_fields_outside_their_bounds_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        replace(EXAMPLE, **changes)
    with pytest.raises(SettingError):
        Familiarity.from_dict(asdict(EXAMPLE) | changes)


def test_a_model_file_holds_it_and_one_without_it_says_nothing(model):
    with_it = replace(model, familiarity=EXAMPLE)
    read = from_bytes(to_bytes(with_it))
    assert read.familiarity == EXAMPLE
    rows = np.zeros((5, model.scorer.n_features), dtype=np.float32)
    scores = read.recogniser.predict(rows)
    best, second = sorted(scores.scores.values())[:-3:-1]
    assert scores.familiarity == pytest.approx((best - second - 10.0) / 2.0, rel=1e-12)
    without = from_bytes(to_bytes(replace(model, familiarity=None)))
    assert without.familiarity is None
    assert without.recogniser.predict(rows).familiarity is None


def test_training_learns_it_from_out_of_fold_scores(corpus):
    model = pipeline.train(corpus.split, pipeline.make_recipe(n_components=1)).model
    assert model.familiarity.n == 12
    assert model.familiarity.n_groups == 6
    assert model.familiarity.auroc["labels"] == 1.0
    # clips of the two sources left out are there too
    assert set(model.familiarity.auroc) == {"labels", "sources"}
    assert model.familiarity.threshold is None
