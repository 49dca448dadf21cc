"""Parts of a test set, how alike labels are, what a clip says of its scores: small tables worked by hand."""

import math

import numpy as np
import pytest

from gmmaudio.evaluation import ScoredClip, cavg, compute_metrics, detection_llrs, interval_of
from gmmaudio.evaluation.report import confusion_similarity, spread_of


def clip(i, label="a", predicted="a", **changed):
    known = {"source": None, "duration_s": None, "scores": {}, "probability": None, "repeat": 0, "unit": f"g{i}"}
    given = known | changed
    return ScoredClip(f"{i}", (f"{i}.wav",), label, None, fold="", predicted=predicted, **given)


def test_labels_are_alike_as_they_are_confused_in_both_directions():
    counts = np.array([[6, 4, 0, 0], [0, 8, 2, 0], [0, 0, 5, 0], [0, 0, 0, 0]])
    found = confusion_similarity(counts, ["a", "b", "c", "never"])
    assert found.labels == ("a", "b", "c")
    # a is called b in 4 of 10, b is never called a; b is called c in 2 of 10
    np.testing.assert_allclose(found.distance, [[0, 0.8, 1], [0.8, 0, 0.9], [1, 0.9, 0]], atol=1e-12)
    assert confusion_similarity(counts[:2, :2], ["a", "b"]) is None, "two points make no map"


def test_the_runner_up_is_the_best_of_the_others():
    scores = {"c": 0.0, "a": 3.0, "d": 1.0, "b": 1.0}
    assert clip(0, scores=scores).runner_up == "b", "of equals the first by name"
    assert clip(0, predicted="d", scores=scores).runner_up == "a"
    assert clip(0, scores={"a": 1.0}).runner_up is None
    assert clip(0, probability={"a": 0.5, "b": 0.1, "c": 0.4}).runner_up == "c"


def test_a_margin_is_in_score_or_in_log_probability():
    assert clip(0, "a", "b", scores={"a": 1.0, "b": 3.5}).margin == 2.5
    assert clip(0, "a", "b", probability={"a": 0.2, "b": 0.8}).margin == pytest.approx(math.log(4))
    assert clip(0, "z", "b", scores={"a": 1.0, "b": 3.5}).margin == math.inf
    assert clip(0, "a", "b", probability={"a": 0.0, "b": 1.0}).margin == math.inf
    assert math.isnan(clip(0).margin)


def test_the_interval_of_cavg_stays_between_0_and_1():
    rng = np.random.default_rng(3)
    scores = [{name: float(rng.normal() + 6 * (name == "ab"[i % 2])) for name in "ab"} for i in range(60)]
    scores[0] = {"a": -1.0, "b": 1.0}
    clips = [clip(i, "ab"[i % 2], max(own, key=own.get), scores=own) for i, own in enumerate(scores)]
    low, high = compute_metrics(clips, ["a", "b"]).intervals["cavg"]
    rows = np.array([[own["a"], own["b"]] for own in scores])
    llrs, true = detection_llrs(rows), np.arange(60) % 2

    def statistic(weights):
        return cavg(llrs, true, weights=weights)

    given = [c.label for c in clips], [c.unit for c in clips]
    assert (low, high) == interval_of(statistic, *given, np.random.default_rng(0), scale="logit")
    assert 0 < low < cavg(llrs, true) < high
    assert interval_of(statistic, *given, np.random.default_rng(0))[0] < 0, "on the plain scale it leaves the costs"


def test_the_spread_is_over_repeats():
    rows = [{"accuracy": a, "balanced_accuracy": b} for a, b in ((0.2, 0.5), (0.4, 0.5), (0.9, 0.5))]
    found = spread_of(rows)
    assert found["accuracy"] == {
        "low": 0.2,
        "mean": pytest.approx(0.5),
        "high": 0.9,
        "std": pytest.approx(np.std([0.2, 0.4, 0.9], ddof=1)),
    }
    assert found["balanced_accuracy"]["std"] == 0
    assert spread_of(rows[:1]) is None
