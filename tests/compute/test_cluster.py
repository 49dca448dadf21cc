"""A map over the workers of a real Dask cluster: order, bounded memory, lost workers, addresses that lead nowhere."""

import gc
import itertools
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.compute import Cluster, ItemLimits, RunContext
from gmmaudio.compute import cluster as module
from gmmaudio.compute.feeding import N_AHEAD
from gmmaudio.errors import SettingError, WorkerError

pytest.importorskip("distributed", reason="needs the dask extra")


def where(item):
    """Return an item, and the process that has it."""
    return item, os.getpid()


def die_at(deadly, item):
    if item in deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def die_once(folder, item):
    """Return the square of an item; the first worker that takes item 5 dies."""
    mine = Path(folder) / str(item)
    if item == 5 and not mine.exists():
        mine.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def test_an_outcome_that_is_given_up_leaves_nothing_that_asyncio_complains_of(dask_cluster, caplog, tmp_path):
    client = dask_cluster.client
    future = client.submit(wait_the_second_time, tmp_path, pure=False)
    process = future.result()
    # the result is lost, and computed again for longer than anybody waits
    os.kill(process, signal.SIGKILL)
    with pytest.raises(TimeoutError), caplog.at_level("ERROR", "asyncio"):
        module._fetch(client, future, 2.0)
    future.cancel()
    (tmp_path / "end").touch()
    # the loop of the client has seen the end by now
    assert client.run_on_scheduler(abs, -1) == 1
    del future
    with caplog.at_level("ERROR", "asyncio"):
        gc.collect()
    assert caplog.messages == []


def wait_the_second_time(folder):
    """Return the process, at once; the second time when there is a file that says so."""
    if (folder / "first").exists():
        while not (folder / "end").exists():
            time.sleep(0.01)
    (folder / "first").touch()
    return os.getpid()


def test_results_come_in_order_from_both_workers(dask_cluster):
    got = list(dask_cluster.map(where, range(100)))
    assert [item for item, _ in got] == list(range(100))
    processes = {process for _, process in got}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_items_are_read_a_bounded_number_ahead(dask_cluster, monkeypatch):
    monkeypatch.setattr(module, "ITEMS_PER_THREAD", 8)
    n_read = itertools.count()
    results = dask_cluster.map(abs, (next(n_read) for _ in range(1000)))
    assert next(results) == 0
    # those of two threads, and those that the feed reads before they are asked for
    assert next(n_read) <= module.ITEMS_PER_THREAD * 2 + N_AHEAD
    results.close()
    assert list(dask_cluster.map(abs, [-1])) == [1]


def test_a_large_function_and_arrays_that_can_be_written_to(dask_cluster):
    # 12 MB, of which Dask would warn
    table = np.arange(1_500_000.0)

    def add(x):
        x += table[1]
        return x

    (got,) = dask_cluster.map(add, [np.zeros(3)])
    got += 1
    assert got.tolist() == [2.0, 2.0, 2.0]


def test_an_exception_is_raised_at_its_turn_with_the_place_it_came_from(dask_cluster):
    results = dask_cluster.map(lambda x: 1 // x, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError) as caught:
        next(results)
    assert "Traceback" in caught.value.__notes__[0]


class UnloadableError(Exception):
    """An exception that pickle cannot make again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_an_exception_that_cannot_be_pickled_is_told_in_words(dask_cluster):
    def fail(item):
        raise UnloadableError(item, 2)

    with pytest.raises(RuntimeError, match="UnloadableError: 1 and 2"):
        list(dask_cluster.map(fail, [1]))


def test_a_worker_that_is_killed_in_the_middle_costs_nothing(dask_cluster):
    results = dask_cluster.map(where, range(200))
    _, process = next(results)
    os.kill(process, signal.SIGKILL)
    assert [item for item, _ in results] == list(range(1, 200))
    assert process not in {process for _, process in dask_cluster.map(where, range(40))}


def test_an_item_whose_worker_dies_once_is_computed_by_another(dask_cluster, tmp_path):
    assert list(dask_cluster.map(partial(die_once, tmp_path), range(12))) == [i * i for i in range(12)]


def test_an_item_that_kills_every_worker_is_named_and_the_others_come(dask_cluster, monkeypatch):
    monkeypatch.setattr(module, "MAX_LOST", 1)

    def name(item, error):
        return f"{item}: {error.code}: {error.args[0]}"

    got = list(dask_cluster.map(partial(die_at, {3}), range(8), on_crash=name))
    lost = "3: crashed: 2 workers died at it, the last time alone"
    assert got == [lost if i == 3 else i * i for i in range(8)]


def test_with_limits_an_item_costs_a_process_of_its_worker_only(dask_cluster):
    def act(item):
        if item == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if item == 2:
            time.sleep(60)
        return item, os.getppid()

    def name(item, error):
        return item, error.code

    def limits(item):
        return ItemLimits(time_s=2.0 if item == 2 else None)

    got = list(dask_cluster.map(act, range(6), on_crash=name, limits=limits))
    assert [got[1], got[2]] == [(1, "crashed"), (2, "timeout")]
    assert [item for item, _ in got] == list(range(6))
    # of the processes of the workers, which are still there
    alive = set(dask_cluster.client.run(os.getpid).values())
    assert {parent for item, parent in got if item not in (1, 2)} <= alive


def test_without_a_function_for_lost_items_the_error_is_raised(dask_cluster):
    results = dask_cluster.map(partial(die_at, {1}), range(3), limits=lambda item: ItemLimits())
    assert next(results) == 0
    with pytest.raises(WorkerError) as caught:
        next(results)
    assert caught.value.code == "crashed"


def test_answers_come_while_items_are_still_arriving(dask_cluster):
    went_on = threading.Event()

    def items():
        yield 1
        # blocks until the first answer was taken
        assert went_on.wait(60)
        yield 2

    results = dask_cluster.map(abs, items())
    assert next(results) == 1
    went_on.set()
    assert list(results) == [2]


def test_a_worker_of_another_version_is_refused(dask_cluster, monkeypatch):
    monkeypatch.setattr(module, "environment", lambda: ("gmmaudio 99", "numpy 99"))
    with pytest.raises(WorkerError, match=r"has gmmaudio [^9].* and the client gmmaudio 99, numpy 99: results would"):
        list(dask_cluster.map(abs, [1]))


def test_what_workers_cannot_load_is_an_error_with_the_cure(dask_cluster, monkeypatch):
    monkeypatch.setattr(module, "_outcome", only_here)
    with pytest.raises(WorkerError, match=r"cannot go on .*; scheduler and workers need the versions of"):
        list(dask_cluster.map(abs, [1]))


def only_here(function, item):
    """Fail as code does that only this process has."""
    raise ImportError("no such module there")


def test_a_run_works_where_its_cluster_is(dask_cluster, tmp_path, monkeypatch):
    run = RunContext(cluster=dask_cluster)
    (got,) = run.map(where, ["a"], "placing")
    assert got[0] == "a"
    assert got[1] != os.getpid()
    monkeypatch.chdir(tmp_path)
    assert (run.locate(Path()), run.locate(Path("a"))) == (tmp_path, tmp_path / "a")
    assert RunContext().locate(Path("a")) == Path("a")


def test_a_run_takes_no_other_cluster():
    with pytest.raises(SettingError, match="`cluster` is 'tcp://here:1'"):
        RunContext(cluster="tcp://here:1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "expected the `address` of a scheduler, or `n_workers` to start, and not both"),
        ({"address": "tcp://a:1", "n_workers": 1}, "and not both"),
        ({"n_workers": 0}, "`n_workers` is 0; expected 1 to 1024"),
        ({"n_workers": 1025}, "`n_workers` is 1025"),
        ({"n_workers": True}, "`n_workers` is True"),
    ],
)
def test_settings_are_checked(arguments, words):
    with pytest.raises(SettingError, match=words):
        Cluster(**arguments)


@pytest.mark.parametrize("address", ["", "nowhere", "foo://a:1", "/etc/passwd"])
def test_what_is_no_address_is_refused(address):
    with (
        pytest.raises(SettingError, match=r"is no address of a scheduler .*; expected tcp://HOST:8786"),
        Cluster(address),
    ):
        pass


def test_an_address_where_nobody_listens_is_given_up_soon(monkeypatch):
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    began = time.monotonic()
    with pytest.raises(WorkerError, match=r"no scheduler answers at tcp://127.0.0.1:9 .*; start one"):
        Cluster("tcp://127.0.0.1:9").__enter__()
    # not of the speed: Dask would try for 30 s
    assert time.monotonic() - began < 15


def test_a_program_that_is_no_scheduler_is_refused(dask_cluster):
    (worker,) = itertools.islice(dask_cluster.client.nthreads(), 1)
    with pytest.raises(WorkerError, match="a Worker answers there"), Cluster(worker):
        pass


def test_a_scheduler_without_workers_is_an_error():
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1") as empty:
        address = empty.scheduler_address
        with pytest.raises(WorkerError, match=f"has no workers; start some .`dask worker {address}`"), Cluster(address):
            pass


def test_a_cluster_works_inside_of_its_with_statement_only(dask_address):
    with Cluster(dask_address) as cluster:
        assert list(cluster.map(abs, [-1])) == [1]
    with pytest.raises(SettingError, match="a cluster is used in a with statement"):
        list(cluster.map(abs, [-1]))


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingError, match=r"install the dask extra: pip install 'gmmaudio\[dask\]'"):
        Cluster(n_workers=1)
