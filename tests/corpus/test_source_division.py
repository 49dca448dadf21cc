"""Divisions by source: what is left out, what is scored, and the bound on the number of folds."""

import numpy as np
import pytest

from gmmaudio.corpus import leave_one_group_out, source_folds


def folds_of(rows, **settings):
    """Return the folds of rows (label, source, group) as name -> (train, test)."""
    labels, sources, groups = zip(*rows, strict=True)
    folds = source_folds(labels, sources, groups, np.random.default_rng(0), **settings)
    return {fold.name: (tuple(fold.train), fold.test) for fold in folds}


def test_with_groups_inside_sources_the_folds_are_those_of_one_source_left_out_at_a_time():
    rng = np.random.default_rng(1)
    rows = [(label, source, f"{label} {source} {g}") for label in "abcd" for source in "xyz" for g in range(2)]
    # a label of one source, and a source of one label
    rows = [row for row in rows if row[:2] not in {("a", "x"), ("a", "y"), ("b", "z"), ("c", "z"), ("d", "y")}]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    labels, sources, _ = zip(*rows, strict=True)
    by_hand = leave_one_group_out(labels, sources)
    assert folds_of(rows) == {fold.name: (tuple(fold.train), fold.test) for fold in by_hand}
    assert {labels[i] for fold in by_hand for i in fold.test} == {"b", "c", "d"}


def test_no_fold_trains_on_the_sources_or_groups_that_it_scores_or_on_unknown_sources():
    rng = np.random.default_rng(2)
    n_tested = 0
    for _ in range(50):
        n = 60
        labels, groups = rng.choice(list("abc"), n), rng.choice([f"g{i}" for i in range(25)], n)
        # most groups have one source, some several, and some items none
        sources = [["x", "y", "z", "x", "y"][int(g[1:]) % 5] if rng.random() < 0.9 else "w" for g in groups]
        sources = [s if rng.random() < 0.9 else (None, "")[int(rng.integers(2))] for s in sources]
        for fold in source_folds(labels, sources, groups, rng):
            left_out = set(range(n)) - set(fold.train)
            tested = set(fold.test)
            n_tested += len(tested)
            own = {i for i in range(n) if sources[i] == fold.name}
            same_group = {i for i in range(n) if groups[i] in {groups[j] for j in own}}
            assert tested <= own <= left_out
            assert left_out == own | same_group | {i for i in range(n) if not sources[i]}
            assert {labels[i] for i in tested} <= {labels[i] for i in fold.train}
    assert n_tested > 500


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("a", "x", "1"), ("b", "x", "2")], "one source"),
        ([("a", "x", "1"), ("b", "y", "2")], "a source of its own for each label"),
        ([("a", None, "1"), ("a", "", "2"), ("b", None, "3")], "no source known"),
        ([("a", s, "1") for s in "xy"] + [("b", s, "2") for s in "xy"], "each group in all sources"),
        ([("a", "x", "1"), ("a", "y", "2")], "one label"),
    ],
)
def test_where_nothing_can_be_scored_there_are_no_folds(rows, reason):
    assert folds_of(rows) == {}, reason


def test_a_group_of_two_sources_is_left_out_of_training_where_it_is_scored():
    rows = [(label, source, f"{label}{source}") for label in "ab" for source in "xy"] + [("a", "x", "ay")]
    # the last item is of the source x, and its group is scored in the fold y; without x and that group no a is left
    assert folds_of(rows) == {"y": ((0, 2), (1, 3))}


def test_of_many_sources_several_are_left_out_together_and_every_item_is_scored_once():
    rows = [(label, f"s{k:02}", f"{label}{k}") for label in "ab" for k in range(23)]
    folds = folds_of(rows)
    assert list(folds) == [str(k) for k in range(1, 11)]
    tested = [i for _, test in folds.values() for i in test]
    assert sorted(tested) == list(range(len(rows)))
    for train, test in folds.values():
        assert {rows[i][1] for i in train}.isdisjoint(rows[i][1] for i in test)
        assert {rows[i][0] for i in test} == {"a", "b"}
    assert len(folds_of(rows, n_folds=4)) == 4
    assert len(folds_of(rows, n_folds=23)) == 23


def test_the_random_numbers_change_the_division_of_many_sources():
    labels, sources = "ab" * 12, [f"s{k // 2:02}" for k in range(24)]
    groups = [f"g{k}" for k in range(24)]
    one, other = (source_folds(labels, sources, groups, np.random.default_rng(seed)) for seed in (0, 1))
    assert [fold.test for fold in one] != [fold.test for fold in other]


def test_of_many_sources_with_one_known_label_there_are_no_folds():
    rows = [("a", f"s{k:02}", f"a{k}") for k in range(12)] + [("b", None, "b")]
    assert folds_of(rows) == {}
