"""Threads that are watched: results in order, and other processes where an item takes too long."""

import os
import threading
import time
from functools import partial

import pytest

from gmmaudio.compute import RunContext, watched_threads
from gmmaudio.compute.limits import ItemLimits
from gmmaudio.compute.watched_threads import watched_thread_map


def never(items):
    pytest.fail(f"no other map was needed for {items}")


def in_threads(function, items, n_threads=2, n_ahead=4, time_s=None, go_on=never):
    return watched_thread_map(function, items, n_threads, n_ahead, lambda _item: ItemLimits(time_s), go_on)


@pytest.fixture
def threads_end():
    """Threads that a test starts end with it."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.usefixtures("threads_end")
@pytest.mark.parametrize("n_threads", [2, 5])
@pytest.mark.parametrize("time_s", [None, 60.0])
def test_results_come_in_the_order_of_the_items(n_threads, time_s):
    first_waits = threading.Event()

    def function(item):
        if item == 0:
            assert first_waits.wait(timeout=60)
        elif item == 3:
            first_waits.set()
        return -item

    assert list(in_threads(function, range(30), n_threads, time_s=time_s)) == [-item for item in range(30)]


@pytest.mark.usefixtures("threads_end")
def test_no_items_give_no_results():
    assert list(in_threads(abs, [])) == []


@pytest.mark.usefixtures("threads_end")
@pytest.mark.parametrize(("n_threads", "n_ahead"), [(2, 2), (2, 5), (3, 4)])
def test_no_more_items_are_taken_than_may_be_ahead(n_threads, n_ahead):
    class Items(list):
        def __iter__(self):
            for item in super().__iter__():
                taken.append(item)
                yield item

    taken = []
    results = in_threads(abs, Items(range(100)), n_threads, n_ahead)
    for n_results in range(1, 10):
        next(results)
        assert len(taken) == n_threads * n_ahead + n_results - 1
    results.close()


@pytest.mark.usefixtures("threads_end")
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_an_exception_of_the_function_comes_at_its_turn(error):
    def function(item):
        if item == 2:
            raise error
        return item

    read = []
    with pytest.raises(error):
        for result in in_threads(function, range(10)):
            read.append(result)
    assert read == [0, 1]


@pytest.mark.usefixtures("threads_end")
def test_a_map_that_is_left_drops_what_waits_and_lets_threads_finish():
    seen, first_read, finished = [], threading.Event(), []

    def function(item):
        seen.append(item)
        if item:
            assert first_read.wait(timeout=60)
        finished.append(item)
        return item

    results = in_threads(function, range(100), n_ahead=8)
    assert next(results) == 0
    threading.Timer(0.2, first_read.set).start()
    results.close()
    # each thread had one item, and no more were begun
    assert sorted(seen) == sorted(finished)
    assert len(seen) <= 3


def test_a_map_that_is_left_waits_for_no_thread_that_hangs(monkeypatch):
    monkeypatch.setattr(watched_threads, "CLOSE_S", 0.1)
    release = threading.Event()
    results = in_threads(lambda item: release.wait() if item == 1 else item, range(10))
    assert next(results) == 0
    results.close()
    release.set()


def test_all_that_is_not_done_is_left_to_another_map_where_an_item_takes_too_long():
    release, last_done, given = threading.Event(), threading.Event(), []

    def function(item):
        if item == 2:
            release.wait()
        if item == 6:
            last_done.set()
        return item

    def go_on(items):
        assert last_done.wait(timeout=60)
        given.extend(items)
        return (f"{item} by others" for item in items)

    results = in_threads(function, range(10), n_ahead=3, time_s=0.3, go_on=go_on)
    read = list(results)
    release.set()
    assert read[:2] == [0, 1]
    assert given[0] == 2
    # six are in the window: those in it that were done are not done again, and those behind it are
    assert {8, 9} <= set(given)
    assert set(given).isdisjoint({0, 1, 3})
    assert read == [f"{item} by others" if item in given else item for item in range(10)]


def hang(folder, process, everywhere, item):
    """Return the number of this process; item 3 hangs in one process until a file is there, or in all for good."""
    if item == 3:
        while os.getpid() == process and not (folder / "released").exists():
            time.sleep(0.01)
        if everywhere:
            time.sleep(1000)
    return os.getpid()


def run(function, limits):
    context = RunContext()
    lost = context.map(
        function,
        range(12),
        "asking",
        on_crash=lambda item, error: f"{item} {error.code}: {error}",
        estimate=lambda: 0.0,
        limits=limits,
    )
    return list(lost)


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("everywhere", [False, True])
def test_worker_processes_go_on_where_an_item_hangs_in_a_thread(tmp_path, everywhere):
    me = os.getpid()
    function = partial(hang, tmp_path, me, everywhere)
    got = run(function, lambda item: ItemLimits(time_s=0.5 if item == 3 else 60.0))
    assert got[:3] == [me] * 3
    if everywhere:
        assert got[3] == "3 timeout: took longer than 0.5 s twice, the second time in a fresh process"
        assert all(isinstance(place, int) for place in got[:3] + got[4:])
    else:
        assert isinstance(got[3], int)
        assert got[3] != me
    (tmp_path / "released").touch()
