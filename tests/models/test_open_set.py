"""The open-set threshold: statistics by hand, AUROC by scikit-learn, guarantees for finite samples."""

import tracemalloc
import weakref

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gmmaudio.errors import SettingError
from gmmaudio.models import (
    OpenSetThreshold,
    fit_open_set_threshold,
)
from gmmaudio.models.fitting import _leave_columns_out
from gmmaudio.models.open_set import STATISTICS, area_of_choice, auroc, score_statistics
from tests.models.conftest import INF


def test_statistics_by_hand():
    found = score_statistics(
        np.array([[1.0, 4.0, 2.0], [3.0, 3.0, 0.0]]), np.array([[0.1, 0.7, 0.2], [0.45, 0.45, 0.1]])
    )
    assert {name: values.tolist() for name, values in found.items()} == {
        "score": [4.0, 3.0],
        "margin": [2.0, 0.0],
        "probability": [0.7, 0.45],
    }
    assert set(score_statistics(np.zeros((1, 2)), None)) == {"score", "margin"}


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_auroc_is_that_of_scikit_learn(decimals):
    rng = np.random.default_rng(decimals)
    known, unknown = rng.normal(1, 1, 40).round(decimals), rng.normal(0, 2, 70).round(decimals)
    expected = roc_auc_score(np.repeat([1, 0], [40, 70]), np.concatenate([known, unknown]))
    assert auroc(known, unknown) == pytest.approx(expected, rel=1e-12)
    assert auroc(unknown, known) == pytest.approx(1 - expected, rel=1e-12)


def test_auroc_at_its_ends():
    assert auroc(np.array([2.0, INF]), np.array([-INF, 1.0])) == 1.0
    assert auroc(np.ones(3), np.ones(5)) == 0.5
    assert np.isnan(auroc(np.ones(3), np.empty(0)))
    assert np.isnan(auroc(np.empty(0), np.ones(3)))


def values(mean, n, seed, name="margin"):
    return {name: np.random.default_rng(seed).normal(mean, 1, n)}


def test_the_statistic_that_tells_best_is_taken():
    known = values(3, 50, 0, "score") | values(3, 50, 1, "margin")
    rounds = [(known, values(2, 50, 2, "score") | values(0, 50, 3, "margin"))]
    assert fit_open_set_threshold(known, rounds).statistic == "margin"
    rounds = [(known, values(0, 50, 2, "score") | values(2, 50, 3, "margin"))]
    assert fit_open_set_threshold(known, rounds).statistic == "score"


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_no_more_than_the_share_of_known_clips_is_rejected(share):
    known = values(3, 57, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 57, 1))], false_rejection=share)
    assert found.threshold is not None
    assert share - 2 / 57 <= (known["margin"] < found.threshold).mean() <= share
    assert found.false_rejection == share


def test_fresh_known_clips_are_rejected_at_the_rate_asked_for():
    known = values(3, 2000, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 100, 1))], false_rejection=0.1)
    fresh = values(3, 20000, 2)["margin"]
    # three standard errors of a quantile of 2000: 0.02
    assert (fresh < found.threshold).mean() == pytest.approx(0.1, abs=0.02)


def test_clips_of_other_sources_lower_the_threshold_where_they_score_lower():
    known, unknown = values(3, 200, 0), values(0, 200, 1)
    plain = fit_open_set_threshold(known, [(known, unknown)])
    lower, higher = (values(mean, 200, 2) for mean in (2, 5))
    found = fit_open_set_threshold(known, [(known, unknown)], other_sources=lower)
    assert found.threshold < plain.threshold
    # five of a hundred of these, and no more
    assert (lower["margin"] < found.threshold).mean() == pytest.approx(0.05, abs=0.006)
    assert found.reason.endswith("at most 5 % of known clips and of those of sources left out were below the threshold")
    assert fit_open_set_threshold(known, [(known, unknown)], other_sources=higher).threshold == plain.threshold
    # too few of them to know five in a hundred of
    few = fit_open_set_threshold(known, [(known, unknown)], other_sources={"margin": np.ones(9)})
    assert few.threshold is None


def test_the_area_that_is_stated_is_not_chosen_by_the_rounds_that_it_is_of():
    rng, stated, best = np.random.default_rng(0), [], []
    for _ in range(50):
        # statistics that tell nothing: the best of three is above a half by chance
        rounds = [[{name: rng.normal(size=12) for name in STATISTICS} for _ in range(2)] for _ in range(4)]
        areas = [[auroc(a[name], b[name]) for a, b in rounds] for name in STATISTICS]
        stated.append(area_of_choice(areas))
        best.append(np.mean(areas, axis=1).max())
    # three standard errors of a mean of 50 areas of 4 rounds of 12 clips are about 0.03
    assert np.mean(stated) == pytest.approx(0.5, abs=0.03)
    assert np.mean(best) > 0.53
    assert area_of_choice([[0.9], [0.7]]) == 0.9


def test_equal_values_are_not_rejected():
    known = {"margin": np.repeat([1.0, 2.0], 20)}
    found = fit_open_set_threshold(known, [(known, {"margin": np.zeros(20)})], false_rejection=0.3)
    assert found.threshold == 1.0


def test_every_label_left_out_counts_the_same():
    known = values(0, 200, 0)
    far, near = values(-9, 10, 1), values(0, 300, 2)
    expected = np.mean([auroc(known["margin"], unknown["margin"]) for unknown in (far, near)])
    found = fit_open_set_threshold(known, [(known, far), (known, near)])
    assert found.auroc == pytest.approx(expected)
    assert found.threshold is not None
    assert (found.n_known, found.n_unknown) == (200, 310)


def test_it_is_off_where_known_and_unknown_look_alike():
    known = values(0, 100, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 100, 1))])
    assert found.threshold is None
    assert found.auroc == pytest.approx(0.5, abs=0.1)
    assert found.reason.startswith("off: each of 1 labels left out in turn, AUROC 0.")
    assert found.reason.endswith("more than 0.6 is needed")


@pytest.mark.parametrize(("n_known", "n_unknown"), [(9, 50), (50, 9), (0, 50), (50, 0)])
def test_it_is_off_where_clips_are_few(n_known, n_unknown):
    known, unknown = values(9, n_known, 0), values(0, n_unknown, 1)
    found = fit_open_set_threshold(known, [(known, unknown)])
    assert (found.threshold, found.auroc, found.n_known, found.n_unknown) == (None, None, n_known, n_unknown)
    assert found.reason.startswith("off: too few")
    assert fit_open_set_threshold(known, []).threshold is None


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_outside_its_bounds_is_refused(share):
    with pytest.raises(SettingError, match="expected above 0 and below 1"):
        fit_open_set_threshold(values(0, 50, 0), [], false_rejection=share)


def test_an_unknown_statistic_is_refused():
    with pytest.raises(SettingError, match="statistic is 'entropy'; expected one of score, margin, probability"):
        OpenSetThreshold("entropy", None, 0.05, None, 0, 0, "")


@pytest.mark.parametrize(
    ("statistic", "below", "above", "why"),
    [
        ("score", 4.5, 3.5, "far from every class"),
        ("margin", 3.5, 2.5, "margin between the best two too small"),
        ("probability", 0.9, 0.7, "no class is likely enough"),
    ],
)
def test_a_clip_is_unknown_below_the_threshold(statistic, below, above, why):
    scores, chances = np.array([1.0, 4.0]), np.array([0.2, 0.8])

    def told(threshold, probability=chances):
        return OpenSetThreshold(statistic, threshold, 0.05, 0.9, 50, 50, "").explain(scores, probability)

    assert told(below) == why
    assert told(above) is None
    assert told({"score": 4.0, "margin": 3.0, "probability": 0.8}[statistic]) is None
    assert told(None) is None


def test_without_probabilities_none_is_too_low():
    assert OpenSetThreshold("probability", 0.9, 0.05, 0.9, 50, 50, "").explain(np.array([1.0, 4.0]), None) is None
    assert OpenSetThreshold("margin", 9.0, 0.05, 0.9, 50, 50, "").explain(np.array([1.0, 4.0]), None) is not None


@pytest.mark.parametrize("n", [19, 20, 60])
def test_the_share_holds_for_fresh_clips_of_few_known_ones(n):
    rng = np.random.default_rng(n)
    missed = []
    for _ in range(2000):
        known = {"margin": rng.random(n)}
        # of a uniform variable the chance to be below the threshold is the threshold
        missed.append(fit_open_set_threshold(known, [(known, {"margin": np.full(20, -1.0)})]).threshold)
    # three standard errors of 2000 draws: 0.004
    assert np.mean(missed) == pytest.approx(np.floor(0.05 * (n + 1)) / (n + 1), abs=0.004)


def test_too_few_known_clips_for_the_share_turn_it_off():
    known = values(9, 18, 0)
    found = fit_open_set_threshold(known, [(known, values(0, 50, 1))])
    assert found.threshold is None
    assert found.reason.endswith("but the 18 known clips give no threshold for 5 % of them")
    assert fit_open_set_threshold(known, [(known, values(0, 50, 1))], false_rejection=0.06).threshold is not None


def test_an_infinite_threshold_turns_it_off_and_nan_is_refused():
    known = {"margin": np.full(30, INF)}
    assert fit_open_set_threshold(known, [(known, {"margin": np.zeros(30)})]).threshold is None
    with pytest.raises(SettingError, match="NaN"):
        fit_open_set_threshold({"margin": np.full(30, np.nan)}, [(values(3, 30, 0), values(0, 30, 1))])
    with pytest.raises(SettingError, match="threshold is inf; expected a finite number, or None"):
        OpenSetThreshold("margin", INF, 0.05, 0.9, 50, 50, "")


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


def test_a_statistic_that_rejects_the_training_clips_is_passed_over():
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
    assert neither.reason.endswith("the model would classify too many of the clips that it was trained on as unknown")
    assert (
        fit_open_set_threshold(known, rounds, in_sample=own | {"score": np.r_[np.full(10, -1.0), np.full(90, 50.0)]})
        == free
    )


def test_no_more_than_the_last_round_is_held():
    known = values(3, 50, 0)
    held = []

    def rounds():
        for k in range(5):
            assert sum(each() is not None for each in held) <= 1
            inside, outside = values(3, 50, k), values(0, 50, k + 10)
            held.append(weakref.ref(inside["margin"]))
            yield inside, outside
            del inside, outside

    found = fit_open_set_threshold(known, rounds())
    assert "each of 5 labels left out in turn" in found.reason
    assert found == fit_open_set_threshold(known, [(values(3, 50, k), values(0, 50, k + 10)) for k in range(5)])


def test_memory_grows_no_faster_than_the_scores_of_all_clips_for_all_labels():
    n_labels = 120
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(n_labels), 2)
    fused = rng.normal(size=(len(codes), n_labels)) + 3 * (codes[:, None] == np.arange(n_labels))
    tracemalloc.start()
    rounds = (
        (score_statistics(one.inside, None), score_statistics(one.outside, None))
        for one in _leave_columns_out(fused, codes, codes.astype(str), range(120))
    )
    found = fit_open_set_threshold(score_statistics(fused, None), rounds)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "each of 120 labels left out in turn" in found.reason
    # all rounds at once take 120 times the scores
    assert peak < 12 * fused.nbytes
