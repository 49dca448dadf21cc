"""A map over threads: results in order, exceptions, and threads that end with it."""

import threading

import pytest

from gmmaudio.compute import thread_map


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(n_threads):
    first_waits = threading.Event()

    def function(item):
        # the first item ends last, where there are threads
        if item == 0 and n_threads > 1:
            first_waits.wait()
        elif item == 3:
            first_waits.set()
        return -item

    assert list(thread_map(function, range(30), n_threads, 4)) == [-item for item in range(30)]


@pytest.mark.parametrize(("n_threads", "n_ahead"), [(2, 2), (2, 5), (3, 4)])
def test_no_more_items_are_taken_than_may_be_ahead(n_threads, n_ahead):
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = thread_map(abs, items(), n_threads, n_ahead)
    for n_results in range(1, 10):
        next(results)
        assert len(taken) == n_threads * n_ahead + n_results - 1
    results.close()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_exception_of_the_function_passes_through_the_map(n_threads):
    done = []
    with pytest.raises(ZeroDivisionError):
        for result in thread_map(lambda item: 1 / item, iter([1, 2, 0, 4]), n_threads):
            done.append(result)
    assert done == [1.0, 0.5]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_exception_of_the_items_passes_through_the_map(n_threads):
    def items():
        yield from (1, 2, 3)
        raise KeyboardInterrupt

    threads = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        list(thread_map(abs, items(), n_threads))
    assert set(threading.enumerate()) == threads


def test_closing_the_map_drops_waiting_items_and_ends_its_threads():
    threads, seen, release = set(threading.enumerate()), [], threading.Event()

    def slow(item):
        seen.append(item)
        if item:
            release.wait()
        return item

    results = thread_map(slow, range(100), 2)
    assert next(results) == 0
    # one thread waits at 1, the other at 2, and 3 is in reserve
    timer = threading.Timer(0.2, release.set)
    timer.start()
    results.close()
    timer.join()
    assert set(seen) <= {0, 1, 2, 3}
    assert set(threading.enumerate()) == threads
