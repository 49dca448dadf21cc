"""Functions over items, in one process and in several."""

import os
import signal
import threading

import pytest

from gmmaudio.compute import count_jobs, libraries, ordered_map
from gmmaudio.compute.workers import count_workers, map_by_work
from gmmaudio.errors import SettingError, WorkerError


@pytest.mark.parametrize("n_jobs", [1, 2, 3, -1])
def test_results_come_in_the_order_of_the_items(n_jobs):
    def slow_for_the_first(item):
        import time

        time.sleep(0.05 if item == 0 else 0.0)
        return item, os.getpid()

    results = list(ordered_map(slow_for_the_first, range(30), n_jobs))
    assert [item for item, _ in results] == list(range(30))
    in_this_process = {pid == os.getpid() for _, pid in results}
    assert in_this_process == {n_jobs == 1 or (n_jobs == -1 and count_jobs(-1) == 1)}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_no_items_give_no_results(n_jobs):
    assert list(ordered_map(abs, [], n_jobs)) == []


def test_one_process_takes_an_item_only_when_its_result_is_asked_for():
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = ordered_map(abs, items(), 1)
    assert taken == []
    assert [next(results), next(results)] == [0, 1]
    assert taken == [0, 1]


@pytest.mark.parametrize("n_jobs", [0, -2, -100])
def test_an_invalid_number_of_workers_is_refused(n_jobs):
    with pytest.raises(SettingError) as caught:
        list(ordered_map(abs, [1], n_jobs))
    assert str(caught.value) == f"`n_jobs` is {n_jobs}; expected 1 or more worker processes, or -1 for one each core"


@pytest.mark.parametrize("n_jobs", [-1, None])
def test_minus_one_and_none_mean_each_core_that_may_be_used(monkeypatch, n_jobs):
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {2, 3, 5}, raising=False)
    assert count_jobs(n_jobs) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert count_jobs(n_jobs) == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_jobs(n_jobs) == 1


# --- by the work -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cores(monkeypatch):
    """A function that sets the number of cores."""

    def set_cores(n):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(n)), raising=False)

    return set_cores


@pytest.mark.parametrize(
    ("n_cores", "work_s", "n_workers"),
    [(2, 0.0, 1), (2, 9.9, 1), (2, 10.0, 2), (2, 1000.0, 2), (16, 10.0, 2), (16, 54.0, 10), (1, 1000.0, 1)],
)
def test_workers_have_five_seconds_of_work_each(cores, n_cores, work_s, n_workers):
    cores(n_cores)
    assert count_workers(None, work_s) == n_workers
    assert [count_workers(n_jobs, work_s) for n_jobs in (1, 3, -1)] == [1, 3, n_cores]


def place(_item):
    """Return where an item is worked on: process, thread, and numbers of threads of matrix products."""
    pools = {pool["num_threads"] for pool in libraries().info() if pool["user_api"] == "blas"}
    return os.getpid(), threading.get_ident(), pools


def test_one_item_is_worked_on_in_the_calling_thread(cores):
    cores(4)
    assert {item[:2] for item in map_by_work(place, ["a"], 0.0)} == {(os.getpid(), threading.get_ident())}


@pytest.mark.parametrize(("n_cores", "n_items", "n_threads"), [(3, 40, 3), (100, 40, 8), (100, 5, 5)])
def test_little_work_is_done_in_threads_each_with_its_libraries_at_one(cores, n_cores, n_items, n_threads):
    cores(n_cores)
    all_there = threading.Barrier(n_threads)

    def together(item):
        # only as many threads as there should be can pass
        all_there.wait(timeout=60)
        return place(item)

    places = list(map_by_work(together, range(n_items - n_items % n_threads), 4.9))
    assert {process for process, _, _ in places} == {os.getpid()}
    assert len({thread for _, thread, _ in places} - {threading.get_ident()}) == n_threads
    assert {n for _, _, pools in places for n in pools} <= {1}


@pytest.mark.skipif(os.name != "posix", reason="there are no workers")
def test_much_work_is_done_in_worker_processes_which_may_die(cores):
    cores(2)

    def die(item):
        if item == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    found = list(map_by_work(die, range(6), 10.0, on_crash=lambda item, error: item))
    assert found[3] == 3
    assert os.getpid() not in found


def test_a_system_without_workers_has_threads_for_much_work(cores, monkeypatch):
    cores(2)
    monkeypatch.setattr(os, "name", "nt")
    assert list(map_by_work(lambda _: os.getpid(), range(6), 1000.0)) == [os.getpid()] * 6


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_of_the_function_passes_as_it_is(n_jobs):
    def fails_at_two(item):
        if item == 2:
            raise KeyError("two")
        return item

    with pytest.raises(KeyError, match="two"):
        list(ordered_map(fails_at_two, range(4), n_jobs))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_comes_at_its_item_and_not_before(n_jobs):
    def fails_at_two(item):
        if item == 2:
            raise KeyError("two")
        return item

    results = ordered_map(fails_at_two, range(20), n_jobs)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError, match="two"):
        next(results)


@pytest.mark.parametrize("n_items", [1, 30])
def test_a_worker_that_dies_twice_is_an_error_and_not_a_hang(n_items):
    def dies_at_the_first(item):
        import os

        if item == 0:
            os._exit(3)
        return item

    with pytest.raises(WorkerError) as caught:
        list(ordered_map(dies_at_the_first, range(n_items), 2))
    assert str(caught.value) == "the worker process died twice, the second time in a fresh process (exit status 3)"
    # the next run has workers again
    assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2]


def test_what_takes_the_place_of_a_lost_result_is_not_asked_for_in_one_process():
    assert list(ordered_map(abs, [-1], 1, on_crash=None)) == [1]
    assert list(ordered_map(abs, [-1], 2, on_crash=lambda item, error: 5)) == [1]


def test_workers_take_few_items_ahead_of_the_reader():
    taken = []

    def items():
        for i in range(200):
            taken.append(i)
            yield i

    results = ordered_map(abs, items(), 2)
    next(results)
    n = len(taken)
    assert list(results) == list(range(1, 200))
    assert n <= 20


def test_a_reader_may_stop_early():
    results = ordered_map(abs, range(50), 2)
    next(results)
    results.close()
    assert list(ordered_map(abs, [-1], 2)) == [1]


def test_the_environment_of_workers_is_not_that_of_the_caller():
    before = dict(os.environ)
    results = ordered_map(lambda _: dict(os.environ), [1, 2], 2)
    inside = next(results)
    assert os.environ == before
    assert inside["OMP_NUM_THREADS"] == "1"
    assert inside["PATH"] == before["PATH"]
    assert len(list(results)) == 1


def test_a_system_without_posix_has_no_workers(monkeypatch):
    pid = os.getpid()
    monkeypatch.setattr(os, "name", "nt")
    assert list(ordered_map(lambda _: os.getpid(), [1], 2)) == [pid]
