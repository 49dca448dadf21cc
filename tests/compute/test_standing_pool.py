"""A standing pool: results from any thread, limits, workers that die, a full queue, an end without orphans."""

import os
import signal
import threading
import time

import pytest

from gmmaudio.compute import ItemLimits
from gmmaudio.compute.standing_pool import FullQueueError, StandingPool
from gmmaudio.errors import SettingError, WorkerError


def work(item):
    """Do what an item says."""
    if isinstance(item, BaseException):
        raise item
    if item == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "die once":
        # its place is taken by a fresh process, whose first item it is
        if getattr(time, "has_worked", False):
            os._exit(3)
        return "lived"
    time.has_worked = True
    if item == "sleep":
        time.sleep(60)
    if item == "much":
        return len(bytearray(2**31))
    return os.getpid(), item


@pytest.fixture(scope="module")
def pool():
    with StandingPool(work, 2, 3, "warm") as pool:
        pool.warm_results()
        yield pool


def wait_until(condition):
    end_s = time.monotonic() + 20
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.02)
    assert condition()


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_all_workers_are_warm_before_the_first_item(pool):
    assert len({process for process, _ in pool.warm_results()}) == 2
    assert pool.n_busy == pool.n_queued == 0


def test_results_and_errors_come_back_to_the_thread_that_asks(pool):
    answers = {}

    def ask(i):
        answers[i] = pool.submit(i).result()[1]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == {0: 0, 1: 1, 2: 2}
    with pytest.raises(KeyError, match="no such"):
        pool.submit(KeyError("no such")).result(20)


@pytest.mark.parametrize(
    ("item", "code", "words"),
    [
        ("sleep", "timeout", "took longer than 0.3 s"),
        ("much", "memory", "took more memory than 512 MiB"),
        ("die", "crashed", "the worker process died twice, the second time in a fresh process .SIGSEGV"),
    ],
)
def test_an_item_that_passes_a_limit_fails_and_its_worker_is_replaced(pool, item, code, words):
    before = pool.n_replaced
    with pytest.raises(WorkerError, match=words) as error:
        pool.submit(item, ItemLimits(0.3 if item == "sleep" else 30.0, 2**29)).result(30)
    assert error.value.code == code
    # a MemoryError leaves its process, which another takes the place of
    wait_until(lambda: pool.n_replaced > before and pool.n_busy == 0)
    assert pool.submit(5).result(20)[1] == 5


def test_an_item_whose_worker_dies_of_another_cause_is_tried_again(pool):
    assert pool.submit("die once").result(20) == "lived"


def test_a_worker_that_was_killed_while_idle_is_replaced_and_no_item_is_lost(pool):
    for process, _ in [pool.submit(i).result(20) for i in range(2)]:
        if is_alive(process):
            os.kill(process, signal.SIGKILL)
    time.sleep(0.1)
    assert [pool.submit(i).result(20)[1] for i in range(3)] == [0, 1, 2]


def test_a_full_queue_takes_no_item_and_one_that_is_cancelled_leaves_it(pool):
    wait_until(lambda: pool.n_busy == 0)
    limits = ItemLimits(1.5)
    running = [pool.submit("sleep", limits) for _ in range(2)]
    wait_until(lambda: pool.n_queued == 0)
    waiting = [pool.submit(i) for i in range(3)]
    with pytest.raises(FullQueueError, match="3 items wait already"):
        pool.submit(3)
    assert waiting[1].cancel()
    last = pool.submit(4)
    assert (waiting[0].result(20)[1], waiting[2].result(20)[1], last.result(20)[1]) == (0, 2, 4)
    for future in running:
        assert isinstance(future.exception(20), WorkerError)


def test_the_end_kills_workers_and_refuses_what_waits():
    with StandingPool(work, 1, 3, "warm") as pool:
        (process, _), *_ = pool.warm_results()
        running = pool.submit("sleep")
        wait_until(lambda: pool.n_queued == 0)
        waiting = pool.submit(1)
    assert not is_alive(process)
    assert not pool.is_open
    for future in (running, waiting):
        with pytest.raises(FullQueueError, match="closed"):
            future.result(0)
    with pytest.raises(FullQueueError, match="closed"):
        pool.submit(1)
    pool.close()


def test_workers_that_cannot_start_are_an_error_of_each_item(monkeypatch):
    from gmmaudio.compute import worker_process

    monkeypatch.setattr(worker_process.sys, "executable", "/no/such/python")
    with StandingPool(work, 1, 3, "warm") as pool:
        with pytest.raises(WorkerError, match="cannot be started"):
            pool.warm_results()
        with pytest.raises(WorkerError, match="cannot be started"):
            pool.submit(1).result(20)


@pytest.mark.parametrize("numbers", [(0, 1), (1, -1)])
def test_numbers_outside_their_bounds_are_refused(numbers):
    with pytest.raises(SettingError, match="expected 1 or more"):
        StandingPool(work, *numbers, "warm")
