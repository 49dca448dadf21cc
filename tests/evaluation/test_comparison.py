"""Two systems on the same clips: against scipy and a listing of all swaps, and by theory."""

import itertools

import numpy as np
import pytest
from scipy import stats

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import (
    compare,
    comparison,
)
from gmmaudio.evaluation.comparison import mcnemar_p, permutation_p
from gmmaudio.evaluation.intervals import draw_weights, exact_interval, silent, t_interval


def two_systems(seed=0, n_groups=12, gain=0.15):
    """Return names, true labels, groups of 1 to 7 clips, and the predictions of two systems, three labels."""
    rng = np.random.default_rng(seed)
    true, units = [], []
    for group in range(n_groups):
        for _ in range(rng.integers(1, 8)):
            true.append("abc"[group % 3])
            units.append(f"g{group}")
    predicted = [[t if rng.random() < chance else "abc"[rng.integers(3)] for t in true] for chance in (0.6, 0.6 + gain)]
    return [f"clip{i:03}" for i in range(len(true))], true, units, *predicted


# --- p-values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("only_a", [0, 1, 4, 30])
@pytest.mark.parametrize("only_b", [0, 2, 4, 41])
def test_mcnemar_is_scipys_binomial_test(only_a, only_b):
    n = only_a + only_b
    expected = stats.binomtest(only_a, n).pvalue if n else 1.0
    assert mcnemar_p(only_a, only_b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_permutation_test_is_a_listing_of_all_swaps(seed):
    found = np.random.default_rng(seed).integers(-4, 6, size=9)
    sums = [abs(np.dot(signs, found)) for signs in itertools.product((-1, 1), repeat=9)]
    expected = np.mean([s >= abs(found.sum()) for s in sums])
    assert permutation_p(found) == pytest.approx(expected, rel=1e-12)


def test_the_permutation_test_is_scipys_permutation_test():
    found = [3, 1, -1, 4, 2, 0, 5]
    expected = stats.permutation_test(
        (found, np.zeros(7)), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert permutation_p(found) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("only_a", "only_b"), [(3, 9), (0, 6), (200, 260)])
def test_groups_of_one_clip_make_the_permutation_test_mcnemars(only_a, only_b):
    # rounding of some hundred halvings
    assert permutation_p([-1] * only_a + [1] * only_b + [0] * 50) == pytest.approx(mcnemar_p(only_a, only_b), rel=1e-9)


@pytest.mark.parametrize("lean", [0.0, 0.05, 0.2, 0.4, 0.49])
@pytest.mark.parametrize("largest", [1, 2, 9])
def test_the_transform_gives_the_distribution_that_is_built_group_by_group(largest, lean):
    rng = np.random.default_rng(largest)
    signed = rng.integers(1, largest + 1, 700) * np.where(rng.random(700) < 0.5 + lean, 1, -1)
    steps, observed = np.sort(np.abs(signed)), abs(int(signed.sum()))
    by_adding = comparison._p_by_adding(steps, observed, silent)
    # 700 halvings round the one, as many powers of the other
    assert comparison._p_by_transform(steps, observed, silent) == pytest.approx(by_adding, rel=1e-9)
    assert lean < 0.4 or by_adding < 1e-60


def test_many_groups_of_one_clip_have_the_p_of_the_binomial_distribution():
    for only_a, only_b in ((9_900, 10_100), (8_000, 12_000), (0, 900)):
        found = permutation_p([-1] * only_a + [1] * only_b)
        # 20,000 steps: the logarithm of the binomial's probabilities has as many digits less
        assert found == pytest.approx(mcnemar_p(only_a, only_b), rel=1e-8)
    assert found > 0


def test_the_tests_of_few_and_of_many_groups_meet(monkeypatch):
    found = np.random.default_rng(3).integers(-3, 5, 200)
    plain = permutation_p(found)
    monkeypatch.setattr(comparison, "PLAIN_ADDITIONS", 0)
    assert permutation_p(found) == pytest.approx(plain, rel=1e-10)
    assert permutation_p(found) != plain, "one way for both"


@pytest.mark.parametrize("none", [[], [0, 0, 0], [2, -2]])
def test_no_difference_has_p_1(none):
    assert permutation_p(none) == 1


def test_clips_that_are_one_do_not_make_a_group_tell_more():
    # 4 groups that all favour B: 2 of 16 swaps are as far, whether a group has one clip or fifty
    assert permutation_p([1, 1, 1, 1]) == permutation_p([50, 50, 50, 50]) == 0.125
    assert mcnemar_p(0, 200) < 1e-50


# --- the comparison ----------------------------------------------------------------------------------------------


def test_a_comparison_by_hand():
    names, true, units = [*"pqrstu"], [*"xxxxyy"], [*"112233"]
    found = compare(names, true, units, [*"xxyyyy"], [*"xyxzyx"])
    assert (found.n, found.n_groups, found.n_repeats) == (6, 3, 1)
    assert (found.accuracy_a, found.accuracy_b) == pytest.approx((4 / 6, 3 / 6))
    assert (found.balanced_accuracy_a, found.balanced_accuracy_b) == pytest.approx((3 / 4, 2 / 4))
    assert found.difference == pytest.approx(-1 / 6)
    assert found.balanced_difference == pytest.approx(-1 / 4)
    # only A: q, u; only B: r
    assert (found.only_a_right, found.only_b_right, found.mcnemar_p) == (2, 1, 1.0)
    # by group -1, 1, -1: every swap has a sum of 1 or 3
    assert found.permutation_p == 1
    rows = [(c.became, c.name, c.label, c.predicted_a, c.predicted_b) for c in found.changed]
    assert rows == [
        ("wrong", "q", "x", "x", "y"),
        ("wrong", "u", "y", "y", "x"),
        ("right", "r", "x", "y", "x"),
        ("wrong otherwise", "s", "x", "y", "z"),
    ]


def test_the_paired_interval_is_that_of_the_differences_of_the_same_draws(monkeypatch):
    monkeypatch.setattr(comparison, "N_DRAWS", 200)
    names, true, units, a, b = two_systems()
    found = compare(names, true, units, a, b)
    draws = draw_weights(true, units, np.random.default_rng(0), 200)
    step = np.array([(q == t) - (p == t) for t, p, q in zip(true, a, b, strict=True)], dtype=float)
    labels = np.array(true)
    for interval, parts in (
        (found.interval, [labels == labels]),
        (found.balanced_interval, [labels == x for x in "abc"]),
    ):
        rows = np.array(
            [np.mean([w[p] @ step[p] / w[p].sum() for p in parts]) for w in (np.ones(len(true)), *draws.clip_weights())]
        )
        assert interval == pytest.approx(t_interval(rows[0], rows[1:], draws.degrees))


def test_the_paired_interval_is_narrower_than_systems_that_erred_apart():
    # B errs where A does, and on one clip in ten more
    rng = np.random.default_rng(0)
    names, units = [f"{i}" for i in range(200)], [f"{i}" for i in range(200)]
    a = np.where(rng.random(200) < 0.6, "a", "b")
    b = np.where(rng.random(200) < 0.1, "b", a)
    together = compare(names, ["a"] * 200, units, a.tolist(), b.tolist()).interval
    apart = compare(names, ["a"] * 200, units, a.tolist(), rng.permutation(b).tolist()).interval
    assert together[1] - together[0] < 0.5 * (apart[1] - apart[0])


def gain():
    """Return the mean of min(1, p + u) - p by a fine sum over p of Beta(6, 3) and u of -0.1..0.3."""
    p = stats.beta.ppf((np.arange(2000) + 0.5) / 2000, 6, 3)[:, None]
    u = -0.1 + 0.4 * (np.arange(400) + 0.5) / 400
    return float((np.clip(p + u, 0, 1) - p).mean())


def test_the_interval_of_the_difference_keeps_its_promise(monkeypatch):
    monkeypatch.setattr(comparison, "N_DRAWS", 200)
    rng, held, n, truth = np.random.default_rng(5), 0, 400, gain()
    names = [f"{i}" for i in range(100)]
    units = [f"g{i // 4}" for i in range(100)]
    for _ in range(n):
        chance_a = np.repeat(rng.beta(6, 3, 25), 4)
        chance_b = np.clip(chance_a + np.repeat(rng.uniform(-0.1, 0.3, 25), 4), 0, 1)
        luck = rng.random(100)
        a, b = (np.where(luck < chance, "a", "b").tolist() for chance in (chance_a, chance_b))
        low, high = compare(names, ["a"] * 100, units, a, b).interval
        held += low <= truth <= high
    # the standard error of a share of 0.95 in 400 is 1.1 %
    assert 0.92 <= held / n <= 0.98


def test_swapping_the_systems_turns_every_sign():
    names, true, units, a, b = two_systems()
    one, other = compare(names, true, units, a, b), compare(names, true, units, b, a)
    assert other.difference == -one.difference
    assert other.interval == pytest.approx(tuple(-end for end in reversed(one.interval)))
    assert other.balanced_interval == pytest.approx(tuple(-end for end in reversed(one.balanced_interval)))
    assert (other.mcnemar_p, other.permutation_p) == (one.mcnemar_p, one.permutation_p)
    assert (other.only_a_right, other.only_b_right) == (one.only_b_right, one.only_a_right)
    swap = {"wrong": "right", "right": "wrong", "wrong otherwise": "wrong otherwise"}
    assert {(c.name, swap[c.became]) for c in other.changed} == {(c.name, c.became) for c in one.changed}
    assert other.headline.replace("A is better", "B is better") == one.headline


def test_the_order_of_the_clips_changes_nothing():
    columns = two_systems()
    order = np.random.default_rng(1).permutation(len(columns[0]))
    assert compare(*([column[i] for i in order] for column in columns)) == compare(*columns)


def test_a_system_against_itself_is_bounded_by_the_number_of_groups():
    # 12 groups of one clip: at most a share q of other groups differs
    names, true = [f"{i}" for i in range(12)], [*"ab" * 6]
    found = compare(names, true, names, ["a"] * 12, ["a"] * 12)
    q = exact_interval(0.0, 12)[1]
    assert (found.difference, found.permutation_p, found.mcnemar_p, found.changed) == (0, 1, 1, ())
    assert found.interval == pytest.approx((-q, q))
    assert found.balanced_interval == pytest.approx((-q, q))
    assert found.headline == (
        "A and B are equally accurate (95 % interval -26.5 to 26.5): the interval holds 0, so these clips do not tell "
        "which is better"
    )


def test_wrong_throughout_against_right_throughout():
    names = [f"{i}" for i in range(12)]
    found = compare(names, ["a"] * 12, names, ["b"] * 12, ["a"] * 12)
    q = exact_interval(0.0, 12)[1]
    assert found.interval == pytest.approx((1 - 2 * q, 1))
    assert (
        found.headline
        == "B is better by 100.0 percentage points (95 % interval 47.1 to 100.0): the interval does not hold 0"
    )
    back = compare(names, ["a"] * 12, names, ["a"] * 12, ["b"] * 12)
    assert back.interval == pytest.approx((-1, 2 * q - 1))
    assert back.headline == found.headline.replace("B is", "A is")


def test_an_interval_stays_within_1():
    # two groups have a t of 12.7
    found = compare([*"pqrs"], [*"xxxx"], [*"1122"], [*"xyyy"], [*"xxxx"])
    assert found.interval == (-1.0, 1.0)


def test_one_group_has_no_interval_and_says_so():
    found = compare([*"pq"], [*"xx"], [*"gg"], [*"xy"], [*"xx"])
    assert (found.interval, found.balanced_interval) == (None, None)
    assert found.headline == (
        "B is better by 50.0 percentage points (no interval: one group only): these clips do not tell which is better"
    )


def test_mcnemar_is_of_the_first_repeat_and_the_rest_of_all():
    names, true, units = [*"pqrs"] * 2, [*"xxxx"] * 2, [*"1234"] * 2
    # B mends p in repeat 3; in repeat 7 it mends p, q and r and breaks s
    a, b = [*"yyyy", *"yyyx"], [*"xyyy", *"xxxy"]
    found = compare(names, true, units, a, b, [3] * 4 + [7] * 4)
    assert (found.n, found.n_repeats) == (4, 2)
    assert (found.only_a_right, found.only_b_right) == (0, 1)
    assert found.difference == pytest.approx(3 / 8)
    # by group 2, 1, 1, -1: 8 of the 16 swaps make 3 or 5 either way
    assert found.permutation_p == 0.5
    assert [(c.name, c.repeat) for c in found.changed] == [("s", 7), ("p", 3), ("p", 7), ("q", 7), ("r", 7)]


def test_groups_decide_what_the_clips_tell():
    names, true, _, a, b = two_systems()
    by_clip, by_pair = (compare(names, true, [str(i // k) for i in range(len(names))], a, b) for k in (1, 9))
    assert by_clip.mcnemar_p == by_pair.mcnemar_p
    assert by_clip.permutation_p != by_pair.permutation_p
    assert by_clip.interval != by_pair.interval


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], [], [], []), "no clips; there is nothing to compare"),
        ((["p"], ["x"], ["g"], ["x"], []), "sequences of 0 to 1 items; expected one each for every clip"),
        ((["p"], ["x"], ["g"], ["x"], ["x"], [0, 1]), "sequences of 1 to 2 items"),
        ((["p", "p"], ["x"] * 2, ["g"] * 2, ["x"] * 2, ["x"] * 2), "clip 'p' occurs twice in repeat 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(SettingError, match=message):
        compare(*arguments)


def test_progress_covers_bootstrap_and_permutation_test_and_changes_no_number():
    stages = []

    def progress(items, total, doing):
        n_seen = 0
        for item in items:
            n_seen += 1
            yield item
        stages.append((doing, total, n_seen))

    arguments = two_systems()
    assert compare(*arguments, progress=progress) == compare(*arguments)
    assert [doing for doing, *_ in stages] == ["bootstrap", "permutation test"]
    assert all(total == n_seen for _, total, n_seen in stages)
    assert stages[1][1] > 1


@pytest.mark.parametrize("stage", ["bootstrap", "permutation test"])
def test_an_exception_in_progress_stops_the_comparison(stage):
    def progress(items, _total, doing):
        if doing == stage:
            raise KeyboardInterrupt
        yield from items

    with pytest.raises(KeyboardInterrupt):
        compare(*two_systems(), progress=progress)
