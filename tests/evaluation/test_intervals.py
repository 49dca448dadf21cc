"""Intervals by bootstrap over groups: coverage, draws, Student's t and exact intervals."""

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy import stats

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    bootstrap_intervals,
    intervals,
    weighted_interval,
)
from gmmaudio.evaluation.intervals import draw_weights, effective_groups, exact_interval, t_interval

LABELS = ["a", "b", "c"]
SHARES = ("accuracy", "balanced_accuracy", "macro_f1")


def rng(seed=0):
    return np.random.default_rng(seed)


def uneven_clips(seed=0):
    """Return true and predicted labels and groups: 15 groups of 1 to 9 clips, three of them of two labels."""
    random = rng(seed)
    true, predicted, units = [], [], []
    for group, own in enumerate([["a"]] * 5 + [["b"]] * 4 + [["c"]] * 3 + [["a", "b"], ["a", "b"], ["b", "c"]]):
        for i in range(int(random.integers(len(own), 10))):
            label = own[i % len(own)]
            true.append(label)
            predicted.append(label if random.random() < 0.7 else LABELS[random.integers(3)])
            units.append(f"g{group}")
    return true, predicted, units


# --- the promise -------------------------------------------------------------------------------------------------

# Chance of a right call, for each label. Every group has its own, from a beta distribution whose correlation within a
# group is 1 / (1 + 3) = 0.25.
CHANCES = {"a": 0.9, "b": 0.75, "c": 0.6}
PLACES = (np.arange(1000) + 0.5) / 1000
QUANTILES = {label: stats.beta.ppf(PLACES, 3 * mean, 3 * (1 - mean)) for label, mean in CHANCES.items()}


def drawn_corpus(random):
    """Return labels right or not, and groups: 7 groups for each label and 3 of two labels, of 2 to 10 clips.

    Every label has the same number of clips on average, so accuracy and balanced accuracy are both 0.75 in truth.
    """
    true, predicted, units = [], [], []
    for group, own in enumerate([*"aaaaaaabbbbbbbccccccc", "ab", "bc", "ca"]):
        place = random.integers(len(PLACES))
        for i in range(int(random.integers(2, 11))):
            label = own[i % len(own)]
            true.append(label)
            predicted.append(label if random.random() < QUANTILES[label][place] else LABELS[LABELS.index(label) - 1])
            units.append(f"g{group}")
    return true, predicted, units


@pytest.fixture(scope="module")
def coverage():
    """Share of corpora whose interval holds the truth, in per cent: 1000 drawn by group, 200 of them by clip."""
    random, n = rng(8), {"group": 1000, "clip": 200}
    held = dict.fromkeys([(unit, metric) for unit in n for metric in SHARES[:2]], 0)
    with pytest.MonkeyPatch.context() as patch:
        # a deviation from 300 draws is within 4 %, which moves coverage by less than 1 %
        patch.setattr(intervals, "N_DRAWS", 300)
        for i in range(n["group"]):
            true, predicted, units = drawn_corpus(random)
            for unit, drawn in (("group", units), ("clip", [f"c{i}" for i in range(len(units))])):
                if i >= n[unit]:
                    continue
                found = bootstrap_intervals(true, predicted, drawn, LABELS, random)
                for metric in SHARES[:2]:
                    held[unit, metric] += found[metric][0] <= 0.75 <= found[metric][1]
    return {(unit, metric): 100 * count / n[unit] for (unit, metric), count in held.items()}


@pytest.mark.parametrize("metric", SHARES[:2])
def test_95_of_100_intervals_hold_the_truth(coverage, metric):
    # The standard error of a share of 0.95 in 1000 corpora is 0.7 %: 93 to 97 is three of them each way.
    assert 93 <= coverage["group", metric] <= 97


@pytest.mark.parametrize("metric", SHARES[:2])
def test_intervals_that_draw_clips_do_not_keep_the_promise(coverage, metric):
    assert coverage["clip", metric] < 90


# --- draws -------------------------------------------------------------------------------------------------------


def weights_of(draws):
    return np.array(list(draws.clip_weights()))


def test_every_draw_weighs_as_much_as_the_groups_of_a_stratum():
    true, units = [*"aaaabbbbbb"], [*"0123456789"]
    weights = weights_of(draw_weights(true, units, rng(), 50))
    # m - 1 of m groups, each m / (m - 1)
    assert weights[:, :4].sum(axis=1) == pytest.approx(4)
    assert weights[:, 4:].sum(axis=1) == pytest.approx(6)
    assert set(np.unique(np.round(weights[:, :4] * 3 / 4, 9))) <= {0, 1, 2, 3}


def test_draws_vary_as_the_textbook_variance_of_a_stratified_mean():
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 1.0])
    weights = weights_of(draw_weights([*"aaaabbb"], [*"0123456"], rng(), 20_000))
    assert (weights @ values).mean() == pytest.approx(values.sum(), abs=0.15)
    expected = 4 * values[:4].var(ddof=1) + 3 * values[4:].var(ddof=1)
    # the standard error of a variance from 20,000 draws is about 1 %
    assert (weights @ values).var() == pytest.approx(expected, rel=0.04)


def test_clips_of_a_group_have_the_same_weight():
    true, _, units = uneven_clips()
    weights = weights_of(draw_weights(true, units, rng(), 20))
    for unit in set(units):
        own = weights[:, [u == unit for u in units]]
        assert (own == own[:, :1]).all()


@pytest.mark.parametrize(
    ("true", "units", "degrees"),
    [
        ("aabb", "0123", 2),  # two strata of two
        ("aaaa", "0011", 1),  # two groups
        ("abcd", "0123", 3),  # four that are alone: one stratum
        ("aabbc", "01234", 3),  # one that is alone joins another
        ("aaab", "0122", 2),  # 2 holds both labels and is alone: with 0 and 1
        ("ab", "00", 0),
        ("", "", 0),
    ],
)
def test_degrees_of_freedom_are_groups_minus_strata(true, units, degrees):
    assert draw_weights([*true], [*units], rng(), 5).degrees == degrees


def test_a_group_that_is_alone_joins_the_smallest_stratum():
    true, units = [*"aaabbc"], [*"012345"]
    weights = weights_of(draw_weights(true, units, rng(), 50))
    assert weights[:, :3].sum(axis=1) == pytest.approx(3)
    assert weights[:, 3:].sum(axis=1) == pytest.approx(3)
    assert len(np.unique(weights[:, 5])) > 1


def test_no_draw_lacks_a_label_where_every_label_has_two_groups():
    true, units = [*"aabbcc"], [*"012345"]
    weights = weights_of(draw_weights(true, units, rng(), 200))
    for label in "abc":
        assert weights[:, [t == label for t in true]].sum(axis=1).min() > 0


def test_one_group_is_never_drawn_away():
    assert (weights_of(draw_weights(["a", "b"], ["g", "g"], rng(), 3)) == 1).all()


def test_n_draws_and_the_seed_change_the_draws():
    true, _, units = uneven_clips()
    assert len(draw_weights(true, units, rng(), 7).times) == 7
    first, again, other = (draw_weights(true, units, rng(seed), 20).times for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("least", [1, intervals.LEAST_ROWS])
def test_sums_are_those_of_the_weights_also_in_small_blocks(monkeypatch, least):
    true, _, units = uneven_clips()
    draws = draw_weights(true, units, rng(), 30)
    cell = np.arange(len(true)) % 4
    expected = np.stack([weights_of(draws)[:, cell == c].sum(axis=1) for c in range(4)], axis=1)
    (whole,) = draws.sums(cell, 4)
    monkeypatch.setattr(intervals, "BLOCK", 1)
    monkeypatch.setattr(intervals, "LEAST_ROWS", least)
    blocks = list(draws.sums(cell, 4))
    # however many groups there are, their cells are read once for eight draws
    assert len(blocks) == draws.n_blocks(4) == -(-30 // least)
    assert np.concatenate(blocks) == pytest.approx(expected)
    assert np.array_equal(np.concatenate(blocks), whole)


def test_small_blocks_of_draws_are_draws_too(monkeypatch):
    monkeypatch.setattr(intervals, "BLOCK", 100)
    draws = draw_weights(["a"] * 40, [str(i) for i in range(40)], rng(), 2000)
    assert (draws.times.sum(axis=1) == 39).all()
    # a group is drawn 39/40 times on average; the mean of 2000 has a deviation of 0.022, and 40 of them four at most
    assert draws.times.mean(axis=0) == pytest.approx(39 / 40, abs=0.09)


def test_draws_of_bad_arguments_are_refused():
    with pytest.raises(SettingError, match="2 labels and 1 groups; expected one each for every clip"):
        draw_weights(["a", "b"], ["g"], rng())
    with pytest.raises(SettingError, match="n_draws is 0; expected at least 1"):
        draw_weights(["a"], ["g"], rng(), 0)


# --- Student's t and exact intervals -----------------------------------------------------------------------------


def test_the_linear_interval_is_scipys():
    found = t_interval(2.0, np.array([1.0, 3.0, 1.0, 3.0]), 7)
    assert found == pytest.approx(stats.t.interval(0.95, 7, loc=2.0, scale=1.0))


def test_the_deviation_counts_the_distance_of_the_draws_from_the_value():
    # draws that are all one above the value are off by one, though they do not vary
    assert t_interval(2.0, np.array([3.0, 3.0]), 7) == pytest.approx(stats.t.interval(0.95, 7, loc=2.0, scale=1.0))


def test_the_log_and_logit_intervals_by_hand():
    t = stats.t.ppf(0.975, 9)
    drawn = np.array([0.7, 0.9])
    low, high = t_interval(0.8, drawn, 9, "log")
    assert (low, high) == pytest.approx((0.8 * np.exp(-t * 0.1 / 0.8), 0.8 * np.exp(t * 0.1 / 0.8)))
    low, high = t_interval(0.8, drawn, 9, "logit")
    half = t * 0.1 / (0.8 * 0.2)
    assert (low, high) == pytest.approx((1 / (1 + np.exp(half) / 4), 1 / (1 + np.exp(-half) / 4)))


@pytest.mark.parametrize("scale", ["linear", "log", "logit"])
def test_an_interval_holds_its_value_also_where_draws_do_not_vary(scale):
    for value in np.arange(1, 100) / 100:
        assert t_interval(value, np.full(3, value), 4, scale) == pytest.approx((value, value), abs=1e-12)
        low, high = t_interval(value, np.full(3, value), 4, scale)
        assert low <= value <= high


@pytest.mark.parametrize(
    ("value", "drawn", "scale"),
    [
        (np.nan, [1.0, 2.0], "linear"),
        (1.0, [1.0, np.nan], "linear"),
        (1.0, [1.0, np.inf], "log"),
        (0.0, [0.1, 0.2], "log"),
        (0.0, [0.1, 0.2], "logit"),
        (1.0, [0.9, 0.8], "logit"),
    ],
)
def test_what_is_not_finite_or_on_the_edge_has_no_interval(value, drawn, scale):
    assert t_interval(value, np.array(drawn), 5, scale) is None


def test_a_wide_log_interval_is_finite():
    low, high = t_interval(1e-9, np.array([0.0, 5.0]), 1, "log")
    assert low == 0
    assert np.isfinite(high)


@pytest.mark.parametrize("n", [1, 2, 10, 57])
def test_the_exact_interval_is_scipys(n):
    for share, hits in ((0.0, 0), (1.0, n)):
        expected = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
        assert exact_interval(share, n) == pytest.approx((expected.low, expected.high))


def test_the_exact_interval_of_nothing_is_none():
    assert exact_interval(float("nan"), 3) is None


def test_effective_groups_by_hand():
    true, unit = [*"aaaabb"], np.array([0, 0, 1, 2, 3, 3])
    # shares of the clips 1/3, 1/6, 1/6, 1/3
    assert effective_groups(true, unit, balanced=False) == pytest.approx(1 / (2 / 9 + 2 / 36))
    # a counts one half, over 2, 1 and 1 clips; b one half, in one group
    assert effective_groups(true, unit, balanced=True) == pytest.approx(1 / (1 / 16 + 2 / 64 + 1 / 4))


def test_groups_of_one_size_count_one_each():
    for balanced in (False, True):
        assert effective_groups([*"aabbcc"], np.arange(6), balanced=balanced) == pytest.approx(6)


# --- intervals of accuracy, balanced accuracy and macro-F1 -------------------------------------------------------


def test_intervals_are_those_of_scikit_learn_with_the_weights_of_the_draws(monkeypatch):
    monkeypatch.setattr(intervals, "N_DRAWS", 60)
    true, predicted, units = uneven_clips()
    found = bootstrap_intervals(true, predicted, units, LABELS, rng(3))
    draws = draw_weights(true, units, rng(3), 60)
    rows = [
        (
            reference.accuracy_score(true, predicted, sample_weight=weights),
            reference.recall_score(true, predicted, average="macro", sample_weight=weights, zero_division=0),
            reference.f1_score(true, predicted, average="macro", sample_weight=weights, zero_division=0),
        )
        for weights in (np.ones(len(true)), *draws.clip_weights())
    ]
    for i, metric in enumerate(SHARES):
        column = np.array([row[i] for row in rows])
        assert found[metric] == pytest.approx(t_interval(column[0], column[1:], draws.degrees, "logit"))


def test_one_clip_in_each_group_gives_about_wilsons_interval():
    right = np.arange(200) < 160
    predicted = ["a" if r else "b" for r in right]
    found = bootstrap_intervals(["a"] * 200, predicted, [str(i) for i in range(200)], LABELS, rng())["accuracy"]
    expected = stats.binomtest(160, 200).proportion_ci(0.95, method="wilson")
    # a deviation from 2000 draws is within 3 %, 0.002 of the half width; logit and Wilson agree to 0.003 here
    assert found == pytest.approx((expected.low, expected.high), abs=0.006)


def test_few_groups_of_every_label_do_not_push_the_interval_off_its_metric():
    # 4 labels of 3 groups, one in three wrong throughout: a label lost in a draw moves the mean of the recalls
    true = [label for label in "abcd" for _ in range(9)]
    units = [f"{label}{i // 3}" for label in "abcd" for i in range(9)]
    predicted = ["a" if unit in ("b0", "c0", "d0") else label for label, unit in zip(true, units, strict=True)]
    low, high = bootstrap_intervals(true, predicted, units, [*"abcd"], rng())["balanced_accuracy"]
    middle = 1 / (1 + np.exp(-(np.log(low / (1 - low)) + np.log(high / (1 - high))) / 2))
    assert middle == pytest.approx(0.75)
    # by hand: each of three labels has recalls 0, 1, 1, so the mean of four a variance of 3 * (1/3) / 3 / 16
    half = stats.t.ppf(0.975, 8) * np.sqrt(1 / 48) / (0.75 * 0.25)
    found = np.log(high / (1 - high)) - np.log(3)
    # 2000 draws: 1.6 % standard error
    assert found == pytest.approx(half, rel=0.05)


def test_fewer_groups_with_the_same_clips_have_a_wider_interval():
    right = np.repeat([1, 1, 1, 1, 0, 0], 20)
    predicted = ["a" if r else "b" for r in right]
    widths = []
    for size in (20, 1):
        low, high = bootstrap_intervals(["a"] * 120, predicted, [str(i // size) for i in range(120)], LABELS, rng())[
            "accuracy"
        ]
        widths.append(high - low)
    # 20 clips that are one: the deviation grows by sqrt(20) = 4.5, and the scale bends the ends by a part of that
    assert widths[0] > 3 * widths[1]


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_has_the_exact_interval_of_as_many_coins_as_groups(right):
    # 8 groups of 5 clips
    true = ["a"] * 20 + ["b"] * 20
    predicted = true if right else ["b"] * 20 + ["a"] * 20
    found = bootstrap_intervals(true, predicted, [str(i // 5) for i in range(40)], LABELS, rng())
    expected = stats.binomtest(8 * right, 8).proportion_ci(0.95, method="exact")
    for metric in SHARES:
        assert found[metric] == pytest.approx((expected.low, expected.high))


def test_all_right_counts_uneven_groups_and_labels_for_less():
    # label a has 9 groups of one clip, b one group of one
    true, units = [*"aaaaaaaaab"], [*"0123456789"]
    even = bootstrap_intervals(true, true, units, LABELS, rng())
    assert even["accuracy"] == exact_interval(1.0, 10)
    assert even["balanced_accuracy"] == pytest.approx(exact_interval(1.0, 4 / (1 / 9 + 1)))
    assert even["macro_f1"] == even["balanced_accuracy"]
    # one group of 91 clips and 9 of one are little more than one group
    heavy = bootstrap_intervals(["a"] * 100, ["a"] * 100, [str(max(0, i - 90)) for i in range(100)], LABELS, rng())
    assert heavy["accuracy"][0] < 0.1


@pytest.mark.parametrize(("true", "units"), [("", ""), ("aab", "ggg")])
def test_fewer_than_two_groups_have_no_interval(true, units):
    assert bootstrap_intervals([*true], [*true], [*units], LABELS, rng()) == dict.fromkeys(SHARES)


def test_two_groups_have_a_wide_interval():
    # the t of one degree of freedom is 12.7: two groups tell next to nothing
    low, high = bootstrap_intervals([*"aaaa"], [*"aaab"], [*"0011"], LABELS, rng())["accuracy"]
    assert low < 0.05
    assert high > 0.95


def test_intervals_are_the_same_bits_for_any_order_of_clips_and_differ_by_seed():
    true, predicted, units = uneven_clips()
    first = bootstrap_intervals(true, predicted, units, LABELS, rng())
    for seed in range(3):
        order = rng(seed).permutation(len(true))
        shuffled = ([column[i] for i in order] for column in (true, predicted, units))
        assert bootstrap_intervals(*shuffled, LABELS, rng()) == first
    assert bootstrap_intervals(true, predicted, units, LABELS, rng(1)) != first


def test_a_clip_in_several_repeats_does_not_narrow_the_interval():
    true, predicted, units = uneven_clips()
    once = bootstrap_intervals(true, predicted, units, LABELS, rng())
    often = bootstrap_intervals(true * 5, predicted * 5, units * 5, LABELS, rng())
    for metric in SHARES:
        assert often[metric] == pytest.approx(once[metric])


def test_labels_without_clips_change_nothing():
    true, predicted, units = uneven_clips()
    few, many = (bootstrap_intervals(true, predicted, units, labels, rng()) for labels in (LABELS, [*"xaybzc"]))
    for metric in SHARES:
        assert many[metric] == pytest.approx(few[metric])


def test_intervals_of_bad_arguments_are_refused():
    with pytest.raises(SettingError, match="2 true and 1 predicted labels"):
        bootstrap_intervals(["a", "a"], ["a"], ["g", "h"], LABELS, rng())
    with pytest.raises(SettingError, match="label 'q' is not among a, b, c"):
        bootstrap_intervals(["a", "a"], ["a", "q"], ["g", "h"], LABELS, rng())


# --- intervals of any statistic ----------------------------------------------------------------------------------


def test_the_interval_of_weighted_accuracy_is_that_of_accuracy(monkeypatch):
    monkeypatch.setattr(intervals, "N_DRAWS", 300)
    true, predicted, units = uneven_clips()
    right = np.array(true) == np.array(predicted)
    found = weighted_interval(lambda w: w @ right / w.sum(), true, units, rng(), n_draws=300, scale="logit")
    assert found == pytest.approx(bootstrap_intervals(true, predicted, units, LABELS, rng())["accuracy"])


def test_n_draws_and_scale_change_the_interval():
    true, _, units = uneven_clips()
    loss = rng(1).exponential(size=len(true))

    def mean(weights):
        return weights @ loss / weights.sum()

    found = [
        weighted_interval(mean, true, units, rng(), **settings)
        for settings in ({}, {"n_draws": 500}, {"n_draws": 60}, {"scale": "log"})
    ]
    assert found[0] == found[1]
    assert found[2] != found[0]
    # the same deviation on both: ends on the log scale lie higher
    assert found[3][0] > found[0][0]
    assert found[3][1] > found[0][1]
    assert np.log(found[3][0] * found[3][1]) / 2 == pytest.approx(np.log(mean(np.ones(len(true)))))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_statistic_that_fails_in_a_draw_has_no_interval(bad):
    true, _, units = uneven_clips()
    assert weighted_interval(lambda w: bad if (w == 0).any() else 1.0, true, units, rng()) is None
    assert weighted_interval(lambda w: 1.0 if (w == 0).any() else bad, true, units, rng()) is None


def test_one_group_has_no_interval_of_any_statistic():
    assert weighted_interval(np.sum, ["a", "a"], ["g", "g"], rng()) is None


def test_an_unknown_scale_is_refused():
    with pytest.raises(SettingError, match="scale is 'cubic'; expected one of linear, log, logit"):
        weighted_interval(np.sum, ["a"], ["g"], rng(), scale="cubic")


def test_a_draw_takes_a_byte_for_each_group_unless_one_is_drawn_very_often(monkeypatch):
    true, units = ["a"] * 4 + ["b"] * 4, list("11223344")
    plain = draw_weights(true, units, np.random.default_rng(0), 5)
    assert plain.times.dtype == np.uint8
    real = intervals._times

    def often(n, n_draws, rng):
        for rows, drawn in real(n, n_draws, rng):
            drawn[0] = [300, 0]
            yield rows, drawn

    monkeypatch.setattr(intervals, "_times", often)
    found = draw_weights(true, units, np.random.default_rng(0), 5)
    assert found.times[0].tolist() == [300, 0, 300, 0]
    np.testing.assert_array_equal(found.times[1:], plain.times[1:])
