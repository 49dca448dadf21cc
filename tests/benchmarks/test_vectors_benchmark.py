"""The benchmark of a second head: the prediction of the vectors alone, from those of the sound and of both."""

import numpy as np
import pytest

from benchmarks import vectors
from gmmaudio.evaluation import Protocol, ScoredClip, make_report

PROTOCOL = Protocol("by hand", "group", 0, ("1",), 1, ("a", "b"), ())


def clip(probability, name="1.wav"):
    scores = {label: float(np.log(p)) for label, p in probability.items()}
    best = max(probability, key=probability.get)
    return ScoredClip(name, (name,), "a", "ann", "ann", None, "1", 0, best, scores, probability)


def test_the_vectors_alone_are_what_the_mean_leaves_of_the_sound():
    sound, second = {"a": 0.9, "b": 0.1}, {"a": 0.2, "b": 0.8}
    both = {label: (sound[label] + second[label]) / 2 for label in sound}
    found = vectors.of_vectors(clip(both), clip(sound))
    assert found.probability == pytest.approx(second)
    assert found.predicted == "b"
    report = vectors.alone(
        make_report([clip(both)], ("a", "b"), PROTOCOL), make_report([clip(sound)], ("a", "b"), PROTOCOL)
    )
    assert (report.accuracy, report.n) == (0.0, 1)
    assert report.metrics.values["log_loss"] == pytest.approx(-np.log(0.2))


def test_a_row_holds_every_metric_that_is_shown():
    report = make_report([clip({"a": 0.75, "b": 0.25})], ("a", "b"), PROTOCOL)
    row = vectors.row_of(vectors.DIVISIONS[1], "none", "preset", report)
    assert (row["division"], row["n"], row["accuracy"]["value"]) == ("five folds, 5 times", 1, 1.0)
    assert row["log_loss"]["value"] == pytest.approx(-np.log(0.75))
    assert row["ece"]["value"] == pytest.approx(0.25)
