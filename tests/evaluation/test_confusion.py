"""Metrics of classification against scikit-learn and by hand: confusion, accuracies, F1, top-k, log-loss; refusals."""

import numpy as np
import pytest
import sklearn.metrics as reference

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    log_loss,
    macro_f1,
    per_label,
    top_k_accuracy,
)
from gmmaudio.evaluation.confusion import as_columns, as_log_likelihoods, as_probabilities, as_scores, as_weights

LABELS = ["a", "b", "c", "d"]


def random_weighted_labels(seed, n=80, n_true=4):
    """Return true labels, of the first ``n_true`` only, and predictions of all labels, half of them right."""
    rng = np.random.default_rng(seed)
    true = np.append(LABELS[:n_true], rng.choice(LABELS[:n_true], n - n_true))
    return true.tolist(), np.where(rng.random(n) < 0.5, true, rng.choice(LABELS, n)).tolist()


# --- confusion with weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_weighted_confusion_equals_scikit_learn(seed):
    true, predicted = random_weighted_labels(seed)
    weights = np.random.default_rng(seed).random(len(true))
    expected = reference.confusion_matrix(true, predicted, labels=LABELS, sample_weight=weights)
    # the same sums in the same order, or nearly: rounding only
    np.testing.assert_allclose(confusion_matrix(true, predicted, LABELS, weights=weights), expected, rtol=1e-12)


def test_whole_weights_are_repetition():
    true, predicted = random_weighted_labels(1, n=30)
    times = np.random.default_rng(1).integers(0, 4, 30)
    again = confusion_matrix(np.repeat(true, times).tolist(), np.repeat(predicted, times).tolist(), LABELS)
    np.testing.assert_array_equal(confusion_matrix(true, predicted, LABELS, weights=times), again)


def test_confusion_is_of_whole_numbers_without_weights_and_of_floats_with_them():
    assert confusion_matrix(["a"], ["b"], ["a", "b"]).dtype == np.int64
    weighted = confusion_matrix(["a"], ["b"], ["a", "b"], weights=[0.25])
    assert weighted.dtype == np.float64
    assert weighted.tolist() == [[0.0, 0.25], [0.0, 0.0]]


@pytest.mark.parametrize("metric", [accuracy, balanced_accuracy, macro_f1])
def test_shares_do_not_depend_on_the_unit_of_the_weights(metric):
    true, predicted = random_weighted_labels(5)
    weights = np.random.default_rng(5).random(len(true))
    whole = float(metric(confusion_matrix(true, predicted, LABELS, weights=weights)))
    # so small that every row sums to less than 1
    small = float(metric(confusion_matrix(true, predicted, LABELS, weights=weights / 1000)))
    assert small == pytest.approx(whole, rel=1e-12)
    assert 0.3 < whole < 0.9


def test_weighted_balanced_accuracy_equals_scikit_learn():
    true, predicted = random_weighted_labels(6)
    weights = np.random.default_rng(6).random(len(true)) / 100
    expected = reference.balanced_accuracy_score(true, predicted, sample_weight=weights)
    found = balanced_accuracy(confusion_matrix(true, predicted, LABELS, weights=weights))
    assert float(found) == pytest.approx(expected, rel=1e-12)


# --- macro F1 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_true", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_macro_f1_equals_scikit_learn_over_the_labels_that_have_clips(seed, n_true):
    true, predicted = random_weighted_labels(seed, n_true=n_true)
    expected = reference.f1_score(true, predicted, labels=LABELS[:n_true], average="macro")
    assert float(macro_f1(confusion_matrix(true, predicted, LABELS))) == pytest.approx(expected, rel=1e-12)


def test_macro_f1_worked_by_hand():
    # F1 2 * 2 / (3 + 3), 2 * 1 / (2 + 1) and 0 / (1 + 2)
    counts = [[2, 0, 1], [0, 1, 1], [1, 0, 0]]
    assert float(macro_f1(counts)) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_a_label_that_is_called_and_never_true_is_in_no_mean_but_costs_the_others():
    # recall 3/4, precision 1: F1 6/7; the other label has no clips
    assert float(macro_f1([[3, 1], [0, 0]])) == pytest.approx(6 / 7)


def test_macro_f1_keeps_leading_axes_and_is_not_a_number_without_clips():
    stack = np.array([[[1, 1], [0, 2]], [[0, 0], [0, 0]], [[0, 1], [1, 0]]])
    np.testing.assert_allclose(macro_f1(stack), [(2 / 3 + 4 / 5) / 2, np.nan, 0.0])
    assert np.isnan(macro_f1(np.zeros((0, 0))))


# --- top k -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_top_k_accuracy_equals_scikit_learn_without_ties(k):
    rng = np.random.default_rng(k)
    scores, true = rng.normal(size=(200, 5)), rng.integers(5, size=200)
    expected = reference.top_k_accuracy_score(true, scores, k=k, labels=range(5))
    assert top_k_accuracy(scores, true, k) == pytest.approx(expected, rel=1e-12)
    assert 0 < expected < 1


def test_top_k_accuracy_worked_by_hand():
    scores = [[5.0, 4.0, 3.0], [5.0, 4.0, 3.0], [5.0, 4.0, 3.0], [1.0, 2.0, 3.0]]
    assert [top_k_accuracy(scores, [0, 1, 2, 2], k) for k in (1, 2, 3, 9)] == [0.5, 0.75, 1.0, 1.0]


def test_top_1_is_accuracy_and_top_k_never_falls():
    rng = np.random.default_rng(0)
    scores, true = rng.normal(size=(50, 6)), rng.integers(6, size=50)
    assert top_k_accuracy(scores, true, 1) == (scores.argmax(axis=1) == true).mean()
    shares = [top_k_accuracy(scores, true, k) for k in range(1, 7)]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_true_label_comes_after_all_of_equal_score():
    flat = np.zeros((3, 3))
    assert [top_k_accuracy(flat, [0, 1, 2], k) for k in (1, 2, 3)] == [0.0, 0.0, 1.0]
    assert [top_k_accuracy([[2.0, 1.0, 1.0]], [1], k) for k in (1, 2, 3)] == [0.0, 0.0, 1.0]


def test_a_true_label_that_was_no_candidate_is_never_among_the_k():
    scores = [[1.0, -np.inf, -np.inf], [1.0, 0.0, -np.inf]]
    # the second clip has two candidates, and its label is one
    assert [top_k_accuracy(scores, [1, 1], k) for k in (1, 2, 3)] == [0.0, 0.5, 0.5]


def test_top_k_accuracy_of_nothing_is_not_a_number():
    assert np.isnan(top_k_accuracy([], [], 1))
    assert np.isnan(top_k_accuracy(np.empty((0, 3)), [], 1))


@pytest.mark.parametrize("k", [0, -1, 1.0, "2", True, None])
def test_a_k_that_is_no_number_of_labels_is_refused(k):
    with pytest.raises(SettingError, match=r"k is .*; expected a number of labels, 1 or more"):
        top_k_accuracy([[1.0]], [0], k)


# --- log loss ----------------------------------------------------------------------------------------------------


def test_weighted_log_loss_equals_scikit_learn():
    rng = np.random.default_rng(0)
    rows, true, weights = rng.dirichlet(np.ones(4), 60), rng.integers(4, size=60), rng.random(60)
    expected = reference.log_loss(true, rows, labels=range(4), sample_weight=weights)
    assert log_loss(rows, true, weights=weights) == pytest.approx(expected, rel=1e-9)
    assert log_loss(rows, true) != pytest.approx(expected, rel=1e-3)


def test_log_loss_of_whole_weights_is_that_of_repetition():
    rng = np.random.default_rng(1)
    rows, true, times = rng.dirichlet(np.ones(3), 20), rng.integers(3, size=20), rng.integers(0, 3, 20)
    again = log_loss(np.repeat(rows, times, axis=0), np.repeat(true, times))
    assert log_loss(rows, true, weights=times) == pytest.approx(again, rel=1e-12)


def test_log_loss_of_no_weight_is_not_a_number():
    assert np.isnan(log_loss([[1.0, 0.0]], [0], weights=[0.0]))
    assert np.isnan(log_loss(np.empty((0, 3)), []))


def test_an_impossible_truth_counts_as_the_least_normal_number():
    assert log_loss([[0.0, 1.0], [0.0, 1.0]], [0, 1]) == pytest.approx(-np.log(2.2250738585072014e-308) / 2)


# --- what goes in ------------------------------------------------------------------------------------------------


def test_tables_that_are_no_scores_are_refused():
    with pytest.raises(SettingError, match=r"scores have shape \(2,\); expected \(n, n_labels\)"):
        as_scores([1.0, 2.0])
    with pytest.raises(SettingError, match="row 1 of the scores has NaN; expected numbers, -inf where"):
        as_scores([[1.0], [np.nan]])
    with pytest.raises(SettingError, match=r"row 1 of the log-likelihoods has \+inf; expected finite numbers"):
        as_log_likelihoods([[1.0], [np.inf]])
    with pytest.raises(SettingError, match="sum to 1 in every row; these are scores"):
        as_probabilities([[0.6, 0.6]])
    with pytest.raises(SettingError, match=r"scores have shape \(1,\)"):
        as_probabilities([1.0])


def test_infinite_scores_are_scores():
    assert as_scores([[np.inf, -np.inf]]).tolist() == [[np.inf, -np.inf]]
    assert as_log_likelihoods([[0.0, -np.inf]]).tolist() == [[0.0, -np.inf]]


@pytest.mark.parametrize(
    ("true", "message"),
    [
        ([0], r"true labels have shape \(1,\); expected \(2,\), one for each row"),
        ([[0], [1]], r"true labels have shape \(2, 1\); expected \(2,\)"),
        ([0.0, 1.0], "true labels are of type float64; expected whole numbers"),
        ([True, False], "true labels are of type bool"),
        (["a", "b"], "true labels are of type <U1"),
        ([0, 3], "true label 3 is no column of the scores; expected 0 to 2"),
        ([0, -1], "true label -1 is no column of the scores; expected 0 to 2"),
    ],
)
def test_true_labels_that_are_no_columns_are_refused(true, message):
    with pytest.raises(SettingError, match=message):
        as_columns(true, np.zeros((2, 3)))


def test_columns_of_any_whole_type_are_taken():
    assert as_columns(np.array([2, 0], dtype=np.uint8), np.zeros((2, 3))).dtype == np.int64
    assert as_columns([], np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"weights have shape \(1,\); expected \(2,\), one for each clip"),
        ([1.0, -0.5], "a weight is negative or not finite"),
        ([1.0, np.nan], "a weight is negative or not finite"),
        ([1.0, np.inf], "a weight is negative or not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(SettingError, match=message):
        as_weights(weights, 2)
    with pytest.raises(SettingError, match=message):
        confusion_matrix(["a", "a"], ["a", "a"], ["a"], weights=weights)
    with pytest.raises(SettingError, match=message):
        log_loss([[1.0], [1.0]], [0, 0], weights=weights)


def random_labels(n, labels, seed):
    """Return true labels and predictions that are right about half the time; every label occurs in both."""
    rng = np.random.default_rng(seed)
    true = np.concatenate([labels, rng.choice(labels, n - len(labels))])
    predicted = np.where(rng.random(n) < 0.4, true, rng.choice(labels, n))
    predicted[: len(labels)] = labels
    return true.tolist(), predicted.tolist()


# --- metrics of counts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_labels", [2, 3, 9])
def test_metrics_equal_scikit_learn(n_labels, seed):
    labels = [f"l{i}" for i in range(n_labels)]
    true, predicted = random_labels(60, labels, seed)
    counts = confusion_matrix(true, predicted, labels)
    np.testing.assert_array_equal(counts, reference.confusion_matrix(true, predicted, labels=labels))
    # ratios of small whole numbers: only the last bits may differ
    assert float(accuracy(counts)) == pytest.approx(reference.accuracy_score(true, predicted), rel=1e-12)
    assert float(balanced_accuracy(counts)) == pytest.approx(
        reference.balanced_accuracy_score(true, predicted), rel=1e-12
    )
    columns = reference.precision_recall_fscore_support(true, predicted, labels=labels)
    for label, row in zip(labels, zip(*columns, strict=True), strict=True):
        assert tuple(per_label(counts, labels)[label].values()) == pytest.approx(row, rel=1e-12)


def test_metrics_of_a_table_worked_by_hand():
    counts = np.array([[8, 2, 0], [1, 3, 0], [1, 0, 5]])
    assert float(accuracy(counts)) == 16 / 20
    assert float(balanced_accuracy(counts)) == pytest.approx((8 / 10 + 3 / 4 + 5 / 6) / 3)
    assert per_label(counts, ["a", "b", "c"]) == {
        "a": {"precision": 8 / 10, "recall": 8 / 10, "f1": 16 / 20, "n": 10},
        "b": {"precision": 3 / 5, "recall": 3 / 4, "f1": 6 / 9, "n": 4},
        "c": {"precision": 1.0, "recall": 5 / 6, "f1": 10 / 11, "n": 6},
    }


def test_confusion_has_true_rows_and_predicted_columns_in_the_order_asked():
    counts = confusion_matrix(["a", "a", "b"], ["b", "b", "c"], ["c", "b", "a"])
    assert counts.tolist() == [[0, 0, 0], [1, 0, 0], [0, 2, 0]]
    assert counts.dtype == np.int64


def test_balanced_accuracy_is_not_moved_by_how_many_clips_a_label_has():
    few, many = np.array([[4, 1], [1, 1]]), np.array([[400, 100], [1, 1]])
    assert float(balanced_accuracy(few)) == pytest.approx(float(balanced_accuracy(many)))
    assert float(accuracy(few)) != pytest.approx(float(accuracy(many)), abs=0.05)


def test_a_label_never_predicted_has_no_precision():
    row = per_label(np.array([[3, 0], [2, 0]]), ["a", "b"])["b"]
    assert row == {"precision": None, "recall": 0.0, "f1": 0.0, "n": 2}


def test_a_label_that_is_never_true_has_no_recall_and_is_not_in_the_mean():
    counts = np.array([[3, 1], [0, 0]])
    assert per_label(counts, ["a", "b"])["b"] == {"precision": 0.0, "recall": None, "f1": None, "n": 0}
    assert float(balanced_accuracy(counts)) == 0.75


def test_nothing_scored_is_not_a_number_and_not_an_error():
    for n_labels in (0, 1, 3):
        counts = confusion_matrix([], [], [str(i) for i in range(n_labels)])
        assert counts.shape == (n_labels, n_labels)
        assert np.isnan(accuracy(counts))
        assert np.isnan(balanced_accuracy(counts))
    assert np.isnan(log_loss([], []))


def test_metrics_keep_leading_axes():
    stack = np.array([[[1, 1], [0, 2]], [[0, 0], [0, 0]], [[0, 1], [0, 0]]])
    np.testing.assert_array_equal(accuracy(stack), [0.75, np.nan, 0.0])
    np.testing.assert_array_equal(balanced_accuracy(stack), [0.75, np.nan, 0.0])


@pytest.mark.parametrize(("true", "predicted"), [(["z"], ["a"]), (["a"], ["z"])])
def test_an_unknown_label_is_refused_by_name(true, predicted):
    with pytest.raises(SettingError, match="label 'z' is not among a, b"):
        confusion_matrix(true, predicted, ["a", "b"])


def test_different_numbers_of_true_and_predicted_labels_are_refused():
    with pytest.raises(SettingError, match="2 true and 1 predicted labels"):
        confusion_matrix(["a", "a"], ["a"], ["a"])


@pytest.mark.parametrize("seed", range(5))
def test_log_loss_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(4, 0.5), size=50)
    true = rng.integers(4, size=50)
    expected = reference.log_loss(true, probabilities, labels=range(4))
    # scikit-learn clips probabilities at 2.2e-16, and none of these is as small; the rest is rounding
    assert log_loss(probabilities, true) == pytest.approx(expected, rel=1e-9)


def test_log_loss_by_hand():
    assert log_loss([[0.5, 0.5], [0.1, 0.9]], [0, 1]) == pytest.approx((np.log(2) - np.log(0.9)) / 2)
    assert log_loss([[0.0, 1.0]], [1]) == 0.0


def test_log_loss_of_an_impossible_truth_is_large_and_finite():
    assert 36 < log_loss([[0.0, 1.0]], [0]) < 1000


@pytest.mark.parametrize("rows", [[[0.5, 0.6]], [[-0.5, 1.5]], [[-3.0, -5.0]], [[np.nan, 1.0]]])
def test_log_loss_refuses_what_is_no_probability(rows):
    with pytest.raises(SettingError, match="sum to 1 in every row; these are scores"):
        log_loss(rows, [0])
