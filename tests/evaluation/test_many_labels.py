"""Thousands of labels: no table of all pairs for each draw, nothing computed again in each, and the same numbers."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.evaluation import (
    MetricInput,
    ScoredClip,
    cavg,
    cllr,
    intervals,
    label_trials,
    log_loss,
    metrics,
)
from gmmaudio.evaluation.confusion import Margins, accuracy, balanced_accuracy, confusion_matrix, macro_f1
from gmmaudio.evaluation.intervals import COUNT_STATISTICS, bootstrap_intervals, confusion_cells, draw_weights
from gmmaudio.evaluation.metric_set import compute_metrics
from gmmaudio.evaluation.page import _confusion


def table_of(n_labels, n_clips, seed=0):
    """Return true labels, predicted labels, groups, and all labels, of which some may have no clip."""
    rng = np.random.default_rng(seed)
    labels = [f"l{i:04d}" for i in range(n_labels)]
    true = rng.integers(n_labels, size=n_clips)
    predicted = np.where(rng.random(n_clips) < 0.5, true, rng.integers(n_labels, size=n_clips))
    return [labels[i] for i in true], [labels[i] for i in predicted], [str(i // 3) for i in range(n_clips)], labels


def scored(n_labels=5, n_clips=40, calibrated=True):
    """Return predictions with scores and, where wanted, probabilities."""
    true, _, groups, labels = table_of(n_labels, n_clips)
    rng = np.random.default_rng(1)
    clips = []
    for i, (label, group) in enumerate(zip(true, groups, strict=True)):
        shares = rng.dirichlet(np.ones(n_labels))
        probability = dict(zip(labels, shares.tolist(), strict=True))
        scores = {name: float(np.log(share)) for name, share in probability.items()}
        best = max(scores, key=scores.get)
        given = probability if calibrated else None
        clips.append(ScoredClip(f"{i}.wav", (f"{i}.wav",), label, group, group, None, "", 0, best, scores, given))
    return clips, labels


def test_margins_give_what_the_matrices_give():
    true, predicted, _, labels = table_of(7, 30)
    weights = np.random.default_rng(2).random((4, 30)) * (np.arange(30) % 5 > 0)
    draws = np.stack([confusion_matrix(true, predicted, labels, weights=each) for each in weights])
    margins = Margins.of(draws)
    np.testing.assert_array_equal(margins.balanced_accuracy(), balanced_accuracy(draws))
    np.testing.assert_array_equal(margins.macro_f1(), macro_f1(draws))
    np.testing.assert_allclose(margins.accuracy(), accuracy(draws), rtol=1e-14)
    empty = Margins.of(np.zeros((3, 3)))
    assert np.isnan([empty.accuracy(), empty.balanced_accuracy(), empty.macro_f1()]).all()


def test_draws_of_margins_are_those_of_matrices():
    true, predicted, groups, labels = table_of(9, 60)
    draws = draw_weights(true, groups, np.random.default_rng(0), 50)
    cell = confusion_cells(true, predicted, labels)
    by_matrices = intervals._drawn(COUNT_STATISTICS, draws, cell, len(labels), intervals.silent)
    for name, statistic in COUNT_STATISTICS.items():
        values = [statistic.of_margins(margins) for margins in intervals.margins_of_draws(draws, cell, len(labels))]
        np.testing.assert_allclose(np.concatenate(values), by_matrices[name], rtol=1e-12)


@pytest.mark.parametrize(("n_labels", "is_large"), [(20, False), (500, True)])
def test_no_draw_of_many_labels_makes_a_matrix(n_labels, is_large):
    true, predicted, groups, labels = table_of(n_labels, 600)
    matrices = []

    def watched(confusion):
        matrices.append(confusion.shape)
        return accuracy(confusion)

    statistics = {"accuracy": replace(COUNT_STATISTICS["accuracy"], function=watched)}
    stages = []

    def progress(items, total, doing):
        stages.append((total, doing))
        return items

    found = bootstrap_intervals(true, predicted, groups, labels, np.random.default_rng(0), statistics, progress)
    low, high = found["accuracy"]
    assert 0 < low < 0.5 < high < 1
    assert (len(matrices) == 1) == is_large
    assert [doing for _, doing in stages] == ["bootstrap"]


def test_a_statistic_without_margins_is_drawn_from_matrices(monkeypatch):
    true, predicted, groups, labels = table_of(6, 60)
    plain = {name: replace(each, of_margins=None) for name, each in COUNT_STATISTICS.items()}
    expected = bootstrap_intervals(true, predicted, groups, labels, np.random.default_rng(0))
    assert bootstrap_intervals(true, predicted, groups, labels, np.random.default_rng(0), plain) == expected


@pytest.mark.parametrize("zeros", [False, True])
def test_cavg_is_that_of_a_table_of_all_pairs(zeros):
    rng = np.random.default_rng(3)
    llrs, true, weights = rng.normal(size=(50, 8)), rng.integers(7, size=50), rng.random(50)
    if zeros:
        weights[true == 2] = 0.0
        weights[:5] = 0.0
    labels = [k for k in range(8) if weights[true == k].sum() > 0]
    for p_target in (0.5, 0.1):
        accepted = llrs >= np.log((1 - p_target) / p_target)
        shares = [[np.average(accepted[true == s, t], weights=weights[true == s]) for s in labels] for t in labels]
        of_others = [np.mean([row[j] for j in range(len(labels)) if j != i]) for i, row in enumerate(shares)]
        misses = [1 - row[i] for i, row in enumerate(shares)]
        expected = p_target * np.mean(misses) + (1 - p_target) * np.mean(of_others)
        assert cavg(llrs, true, p_target=p_target, weights=weights) == pytest.approx(expected, rel=1e-13)


def test_what_does_not_depend_on_weights_is_computed_once(monkeypatch):
    calls = []
    for name in ("true_label_losses", "true_log_probabilities"):
        whole = getattr(metrics, name)
        monkeypatch.setattr(metrics, name, lambda *given, name=name, whole=whole: calls.append(name) or whole(*given))
    found = compute_metrics(*scored())
    assert sorted(calls) == ["true_label_losses", "true_log_probabilities"]
    assert None not in (found.intervals["cllr"], found.intervals["log_loss"], found.intervals["cavg"])


def test_weights_change_the_metrics_as_the_functions_say():
    data = MetricInput.of(*scored())
    weights = np.random.default_rng(4).random(40)
    by_name = {metric.name: metric.function for metric in metrics.METRICS}
    for weighted in (data.with_weights(weights), data.with_weights(np.ones(40)).with_weights(weights)):
        assert by_name["cllr"](weighted) == cllr(data.log_likelihoods, data.columns, weights)
        assert by_name["log_loss"](weighted) == log_loss(data.probabilities, data.columns, weights)
        assert by_name["cavg"](weighted) == cavg(data.llrs, data.columns, weights=weights)


def test_the_trials_of_each_label_are_those_by_label():
    data = MetricInput.of(*scored(n_labels=6, n_clips=9))
    expected = {label: label_trials(data.llrs, data.columns, i) for i, label in enumerate(data.labels)}
    expected = {label: sides for label, sides in expected.items() if len(sides[0]) and len(sides[1])}
    assert [label for label, _ in data.trials()] == list(expected)
    for label, sides in data.trials():
        for found, by_hand in zip(sides, expected[label], strict=True):
            np.testing.assert_array_equal(found, by_hand)


def test_a_page_of_many_labels_has_the_pairs_and_no_matrix(monkeypatch):
    from gmmaudio.evaluation import page

    labels, confusion = ["a", "b", "c"], np.array([[1, 2, 0], [0, 0, 0], [1, 0, 4]])
    whole = _confusion(confusion, labels)
    assert [(pair["true"], pair["label"], pair["count"]) for pair in whole["pairs"]] == [("a", "b", 2), ("c", "a", 1)]
    monkeypatch.setattr(page, "MATRIX_LABELS", 2)
    without = _confusion(confusion, labels)
    assert without == whole | {"rows": [], "has_matrix": False}
