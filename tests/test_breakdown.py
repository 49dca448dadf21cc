"""Parts of a test set, how alike labels are, what a clip says of its scores: small tables worked by hand."""

import math

import numpy as np
import pytest

from gmmaudio.evaluation import ScoredClip, cavg, compute_metrics, detection_llrs, interval_of, make_slice
from gmmaudio.evaluation.report import confusion_similarity, spread_of
from gmmaudio.evaluation.slices import by_duration, by_source


def clip(i, label="a", predicted="a", **changed):
    known = {"source": None, "duration_s": None, "scores": {}, "probability": None, "repeat": 0, "unit": f"g{i}"}
    given = known | changed
    return ScoredClip(f"{i}", (f"{i}.wav",), label, None, fold="", predicted=predicted, **given)


def test_a_condition_counts_predictions_groups_and_what_is_right():
    clips = [clip(0), clip(1), clip(2, "b", "a"), clip(3, unit="g0")]
    found = make_slice("some", clips, hours=0.5)
    assert (found.name, found.n, found.n_groups, found.accuracy, found.hours) == ("some", 4, 3, 0.75, 0.5)
    assert found.balanced_accuracy == 0.5
    low, high = found.interval
    assert 0 < low < 0.75 < high < 1
    assert (found.difference, found.difference_interval) == (None, None)


def test_sources_are_parts_and_unknown_is_one():
    clips = [clip(0, source="x"), clip(1, "b", "a", source="x"), clip(2), clip(3, source="y")]
    assert [(part.name, part.n, part.accuracy) for part in by_source(clips)] == [
        ("unknown", 1, 1.0),
        ("x", 2, 0.5),
        ("y", 1, 1.0),
    ]
    assert by_source(clips[:2]) == ()


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (0.0, "below 3 s"),
        (2.9, "below 3 s"),
        # a frame less than 3 s is 3 s
        (2.95, "3 to 10 s"),
        (9.7, "3 to 10 s"),
        (9.9, "10 to 30 s"),
        (29.5, "30 s and more"),
        (9999.0, "30 s and more"),
        (None, "unknown"),
    ],
)
def test_lengths_fall_into_the_classes_of_language_recognition(seconds, name):
    other = 12.0 if name != "10 to 30 s" else 1.0
    assert name in [part.name for part in by_duration([clip(0, duration_s=seconds), clip(1, duration_s=other)])]


def test_classes_of_length_come_shortest_first():
    clips = [clip(i, duration_s=seconds) for i, seconds in enumerate([40.0, None, 1.0, 20.0, 5.0])]
    names = ["below 3 s", "3 to 10 s", "10 to 30 s", "30 s and more", "unknown"]
    assert [part.name for part in by_duration(clips)] == names


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
