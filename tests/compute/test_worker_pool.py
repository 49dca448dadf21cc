"""Workers that die at some items: everything else comes, in order, and each item is tried once more, alone."""

import os
import signal
import subprocess
import sys
import weakref
from functools import partial

import numpy as np
import pytest

from gmmaudio.compute import ordered_map
from gmmaudio.compute.feeding import N_AHEAD
from gmmaudio.compute.worker_pool import explain_end
from gmmaudio.errors import WorkerError


def square_or_die(deadly, how, item):
    """Return the square of an item; at a deadly one this process ends."""
    if item in deadly:
        if how > 0:
            os.kill(os.getpid(), how)
        os._exit(-how)
    return item * item


def name_lost(item, error):
    """Return what takes the place of a lost result."""
    return f"{item} lost: {error}"


def lost(item, how):
    where = "alone" if how.startswith("SIGKILL") else "in a fresh process"
    return f"{item} lost: the worker process died twice, the second time {where} ({how})"


@pytest.mark.parametrize("n_jobs", [2, 3])
@pytest.mark.parametrize("deadly", [{0}, {39}, {7, 8, 9}, {0, 20, 39}], ids=str)
def test_only_the_items_that_kill_their_workers_are_lost(deadly, n_jobs):
    function = partial(square_or_die, deadly, signal.SIGKILL)
    got = list(ordered_map(function, range(40), n_jobs, on_crash=name_lost))
    why = "SIGKILL: the system does so when memory runs out"
    assert got == [lost(i, why) if i in deadly else i * i for i in range(40)]


def test_all_items_may_be_lost():
    function = partial(square_or_die, {0, 1, 2}, signal.SIGKILL)
    assert [text[:6] for text in ordered_map(function, range(3), 2, on_crash=name_lost)] == [
        "0 lost",
        "1 lost",
        "2 lost",
    ]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (signal.SIGSEGV, "SIGSEGV: a fault in a decoder or another library"),
        (signal.SIGABRT, "SIGABRT: a fault in a decoder or another library"),
        (signal.SIGTERM, "SIGTERM"),
        (-3, "exit status 3"),
        (0, "exit status 0"),
    ],
)
def test_the_end_of_a_worker_is_told_in_words(how, words):
    function = partial(square_or_die, {1}, how)
    assert list(ordered_map(function, [1, 2], 2, on_crash=name_lost)) == [lost(1, words), 4]


@pytest.mark.parametrize("how", ["SIGHUP", "exit status 137"])
def test_an_end_without_a_common_cause_is_told_as_it_is(how):
    assert explain_end(how) == how


def die_once(folder, item):
    """Return the square of an item; the first worker that takes item 5 dies, and the second must be alone.

    Item 6 runs when item 5 dies, and goes on for long enough that a second try beside it would be seen.
    """
    mine = folder / f"running {item}"
    mine.touch()
    if item == 6:
        while not (folder / "died").exists():
            pass
        for _ in range(50_000):
            (folder / "died").exists()
    if item == 5:
        if (folder / "died").exists():
            assert [path.name for path in folder.glob("running *")] == ["running 5"]
        else:
            while not (folder / "running 6").exists():
                pass
            mine.unlink()
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    mine.unlink()
    return item * item, os.getpid()


def test_an_item_is_tried_again_alone_in_a_fresh_worker(tmp_path):
    got = list(ordered_map(partial(die_once, tmp_path), range(30), 2))
    assert [square for square, _ in got] == [i * i for i in range(30)]
    assert got[5][1] not in {pid for _, pid in [*got[:5], got[6]]}
    assert (tmp_path / "died").exists()


def test_an_error_at_a_lost_item_comes_at_its_turn():
    read = []
    with pytest.raises(WorkerError, match="died twice"):
        for square in ordered_map(partial(square_or_die, {12}, signal.SIGKILL), range(40), 2):
            read.append(square)
    assert read == [i * i for i in range(12)]


def test_what_the_caller_raises_at_a_lost_item_is_raised():
    def refuse(item, error):
        raise LookupError(item) from error

    with pytest.raises(LookupError, match="3"):
        list(ordered_map(partial(square_or_die, {3}, signal.SIGKILL), range(5), 2, on_crash=refuse))


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_results_and_items_larger_than_a_pipe_come_whole(n_jobs):
    items = [np.full(1_000_000, i, dtype="f4") for i in range(8)]
    for item, got in zip(items, ordered_map(np.negative, items, n_jobs), strict=True):
        np.testing.assert_array_equal(got, -item)


def test_a_worker_that_dies_while_its_item_is_sent_is_another_that_died(monkeypatch):
    from gmmaudio.compute.worker_process import WorkerProcess

    give_item = WorkerProcess.give_item
    n_given = iter(range(100))

    def give_to_the_dead(worker, payload):
        if next(n_given) == 2:
            worker._process.kill()
            worker._process.wait()
        give_item(worker, payload)

    monkeypatch.setattr(WorkerProcess, "give_item", give_to_the_dead)
    items = [np.full(1_000_000, i, dtype="f4") for i in range(6)]
    assert [got[0] for got in ordered_map(np.negative, items, 2)] == [0, -1, -2, -3, -4, -5]


def test_an_item_is_not_held_once_its_result_is_there():
    class Item:
        pass

    items, alive = (Item() for _ in range(40)), []

    def watched():
        for item in items:
            alive.append(weakref.ref(item))
            yield item
            del item

    results = ordered_map(type, watched(), 2)
    next(results)
    # results wait for their reader; items are those read ahead, those of busy workers and the last that was sent
    assert sum(item() is not None for item in alive) <= N_AHEAD + 4
    assert len(list(results)) == 39


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\nexit 7\n", "worker processes end as they start (exit status 7); run in one process (`n_jobs=1`)"),
        (None, "a worker process cannot be started (No such file or directory); run in one process (`n_jobs=1`)"),
    ],
)
def test_workers_that_cannot_be_started_are_an_error_and_no_fault_of_an_item(
    no_idle, tmp_path, monkeypatch, script, words
):
    fake = tmp_path / "python"
    if script is not None:
        fake.write_text(script)
        fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(WorkerError) as caught:
        list(ordered_map(abs, [1, 2, 3], 2, on_crash=lambda item, error: None))
    assert str(caught.value) == words


def test_functions_and_classes_of_a_script_reach_workers_and_come_back(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from dataclasses import dataclass\n"
        "from gmmaudio.compute import ordered_map\n"
        "@dataclass\n"
        "class Number:\n"
        "    value: int\n"
        "def double(number):\n"
        "    return Number(2 * number.value)\n"
        "if True:  # without the usual condition on __name__\n"
        "    print(list(ordered_map(double, [Number(1), Number(2)], 2)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, env=path_of_tests())
    assert (done.stdout, done.stderr) == ("[Number(value=2), Number(value=4)]\n", "")


def path_of_tests():
    """Return the environment in which a script finds the modules that this process finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
