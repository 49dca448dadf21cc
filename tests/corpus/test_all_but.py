"""All indices but a few: the same as a tuple of them, in the memory of the few."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio.corpus import leave_one_group_out
from gmmaudio.corpus.all_but import AllBut


@given(st.integers(0, 30).flatmap(lambda n: st.tuples(st.just(n), st.frozensets(st.integers(0, max(0, n - 1))))))
def test_it_is_the_tuple_of_what_is_not_left_out(case):
    n, left_out = case[0], frozenset(i for i in case[1] if i < case[0])
    kept, plain = AllBut(n, left_out), tuple(i for i in range(n) if i not in left_out)
    assert (tuple(kept), len(kept), kept[:2], repr(kept), hash(kept)) == (
        plain,
        len(plain),
        plain[:2],
        repr(plain),
        hash(plain),
    )
    assert kept == plain
    assert plain == kept
    assert kept == AllBut(n + 1, left_out | {n})
    assert kept != (*plain, n)
    assert [i in kept for i in range(-1, n + 2)] == [i in plain for i in range(-1, n + 2)]
    assert [np.int64(i) in kept for i in range(n)] == [i in plain for i in range(n)]
    assert kept != list(plain)


def test_positions_are_those_of_the_tuple():
    kept = AllBut(5, frozenset({1}))
    assert (kept[0], kept[1], kept[-1]) == (0, 2, 4)
    with pytest.raises(IndexError):
        kept[4]
    assert "2" not in kept


def test_leaving_groups_out_holds_every_index_once_and_not_for_every_fold():
    n = 4_000
    groups = [f"{i // 4:04d}" for i in range(n)]
    folds = leave_one_group_out(["ab"[i // 4 % 2] for i in range(n)], groups)
    assert len(folds) == 1_000
    assert sum(len(fold.test) + len(fold.left_out(n)) for fold in folds) == n
    assert sum(len(fold.train.left_out) for fold in folds) == n
    # a frozenset of a few; tuples of the training sides would take 32 MB
    assert sum(sys.getsizeof(fold.train.left_out) for fold in folds) < 1e6
