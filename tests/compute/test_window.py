"""The window between reader and workers: results in order, and bounds on what waits."""

from functools import partial

import pytest

from gmmaudio.compute import window as module
from gmmaudio.compute.feeding import open_feed
from gmmaudio.compute.limits import ItemLimits
from gmmaudio.compute.window import Loss, Window, settle


def make_window(items, n_tasks=2, **settings):
    return Window(open_feed(items, lambda: None), n_tasks, **settings)


def put(window, task, value, n_bytes=0):
    window.put(task, partial(settle, True, value), n_bytes)


def test_results_come_in_the_order_of_the_items_whichever_is_first():
    window = make_window("ab")
    first, second = window.take(), window.take()
    assert (first.item, second.item) == ("a", "b")
    put(window, second, "B")
    assert not window.is_ready()
    put(window, first, "A")
    assert [window.pop() for _ in range(2) if window.is_ready()] == ["A", "B"]
    assert (window.take(), window.is_at_end()) == (None, True)


def test_tasks_have_the_limits_of_their_items():
    window = make_window([1.0, 2.0], limits=lambda item: ItemLimits(time_s=item))
    assert [window.take().limits.time_s for _ in range(2)] == [1.0, 2.0]


def test_an_error_of_the_limits_comes_at_the_turn_of_its_item():
    window = make_window([1.0, -1.0, 2.0], limits=lambda item: ItemLimits(time_s=item))
    put(window, window.take(), "A")
    assert window.take() is None
    assert window.pop() == "A"
    with pytest.raises(ValueError, match="`time_s` is -1; expected more than 0"):
        window.pop()
    assert window.is_at_end()


@pytest.mark.parametrize(("n_bytes", "n_taken"), [(0, 5), (3, 4), (5, 3), (10, 2), (100, 2)])
def test_small_results_may_be_many_and_large_ones_few(monkeypatch, n_bytes, n_taken):
    monkeypatch.setattr(module, "MAX_TASKS", 5)
    monkeypatch.setattr(module, "MAX_BYTES", 9)
    window = make_window(range(100))
    head, n = window.take(), 1
    while (task := window.take()) is not None:
        put(window, task, 0, n_bytes)
        n += 1
    # two at least, and three of 3 bytes each or two of 5 reach the 9 bytes
    assert n == n_taken
    # what is read makes room
    put(window, head, 0)
    while window.is_ready():
        window.pop()
    assert window.take() is not None


@pytest.mark.parametrize(
    ("first", "again", "words"),
    [
        (
            Loss("crashed", "died", " (A)"),
            Loss("crashed", "died", " (B)"),
            "died twice, the second time in a fresh process (B)",
        ),
        (
            Loss("crashed", "died", " (A)", True),
            Loss("crashed", "died", " (B)"),
            "died twice, the second time alone (B)",
        ),
        (
            Loss("timeout", "took 1 s"),
            Loss("crashed", "died", " (B)"),
            "took 1 s, and then, in a fresh process, died (B)",
        ),
        (Loss("memory", "took 1 GB", "", True), Loss("timeout", "took 1 s"), "took 1 GB, and then, alone, took 1 s"),
    ],
)
def test_the_error_of_an_item_says_how_it_was_lost_each_time(first, again, words):
    error = first.then(again)
    assert (str(error), error.code) == (words, again.code)
