"""Items as they arrive: none is waited for, none is lost, and errors and ends come at their turn."""

import os
import threading

import pytest

from gmmaudio.compute import RunContext, ordered_map
from gmmaudio.compute.feeding import N_AHEAD, NotThereYet, open_feed


class Gate:
    """An iterable whose items are let through one by one, and which says how many it was asked for."""

    def __init__(self, n):
        self.n = n
        self.n_asked = 0
        self.opened = threading.Semaphore(0)

    def __iter__(self):
        for i in range(self.n):
            self.n_asked += 1
            assert self.opened.acquire(timeout=60)
            yield i

    def let_through(self, n=1):
        for _ in range(n):
            self.opened.release()


def take_when_there(feed, arrived):
    """Return the next item of a feed, which says when it is there."""
    while True:
        try:
            return feed.take()
        except NotThereYet:
            assert arrived.acquire(timeout=60)


def test_items_with_a_length_are_read_when_they_are_asked_for_in_the_calling_thread():
    class Listed(list):
        def __iter__(self):
            for item in super().__iter__():
                read.append(threading.current_thread())
                yield item

    read = []
    feed = open_feed(Listed("ab"), pytest.fail)
    assert (feed.take(), read) == ("a", [threading.current_thread()])
    assert feed.take() == "b"
    with pytest.raises(StopIteration):
        feed.take()


def test_an_item_that_has_not_arrived_is_not_waited_for_and_is_announced_once():
    gate, arrived = Gate(2), threading.Semaphore(0)
    feed = open_feed(iter(gate), arrived.release)
    for i in range(2):
        with pytest.raises(NotThereYet):
            feed.take()
        with pytest.raises(NotThereYet):
            feed.take()
        gate.let_through()
        assert arrived.acquire(timeout=60)
        assert feed.take() == i
    with pytest.raises(StopIteration):
        take_when_there(feed, arrived)
    assert not arrived.acquire(blocking=False)


def test_few_items_are_read_ahead():
    gate, arrived = Gate(100), threading.Semaphore(0)
    gate.let_through(100)
    feed = open_feed(iter(gate), arrived.release)
    for i in range(50):
        assert take_when_there(feed, arrived) == i
        assert gate.n_asked <= i + 1 + N_AHEAD + 1
    feed.close()


def test_an_error_of_the_items_comes_behind_the_items_before_it():
    def broken():
        yield from "ab"
        raise KeyError("c")

    arrived = threading.Semaphore(0)
    feed = open_feed(broken(), arrived.release)
    assert [take_when_there(feed, arrived) for _ in range(2)] == ["a", "b"]
    with pytest.raises(KeyError, match="c"):
        take_when_there(feed, arrived)


def test_a_closed_feed_reads_and_says_nothing_more():
    gate, n_said, ended = Gate(100), [], threading.Event()

    def items():
        try:
            yield from gate
        finally:
            ended.set()

    feed = open_feed(items(), lambda: n_said.append(1))
    with pytest.raises(NotThereYet):
        feed.take()
    feed.close()
    gate.let_through(100)
    assert ended.wait(timeout=60)
    assert (gate.n_asked, n_said) == (1, [])


# --- maps over items that arrive -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2, None])
@pytest.mark.parametrize("estimate", [None, lambda: pytest.fail("no work can be estimated")])
def test_results_come_while_the_items_are_still_being_written(n_jobs, estimate):
    gate, totals = Gate(5), []

    def progress(items, total, stage):
        totals.append((total, stage))
        return items

    results = RunContext(n_jobs, progress).map(abs, iter(gate), "reading", estimate=estimate)
    for i in range(5):
        # the next item comes when the result of this one was read
        gate.let_through()
        assert next(results) == i
    assert list(results) == []
    assert totals == [(None, "reading")]


def test_items_that_arrive_are_much_work(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)
    places = set(RunContext().map(lambda _: os.getpid(), iter(range(3)), "asking", estimate=lambda: 0.0))
    assert os.getpid() not in places
    assert set(RunContext().map(lambda _: os.getpid(), iter(range(3)), "asking")) == {os.getpid()}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_of_the_items_comes_at_its_turn(n_jobs):
    def broken():
        yield from range(30)
        raise KeyboardInterrupt

    read = []
    with pytest.raises(KeyboardInterrupt):
        for result in ordered_map(abs, broken(), n_jobs):
            read.append(result)
    assert read == list(range(30))
    assert list(ordered_map(abs, [-1], n_jobs)) == [1]


def test_a_map_ends_while_its_items_are_waited_for():
    gate = Gate(100)
    gate.let_through()
    results = ordered_map(abs, iter(gate), 2)
    assert next(results) == 0
    results.close()
    gate.let_through()
