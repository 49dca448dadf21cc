"""Limits of time and memory: the item that passes one is named with its code, and the others go on."""

import os
import signal
import time
from functools import partial

import numpy as np
import pytest

from gmmaudio.compute import RunContext, limits, ordered_map, worker_pool
from gmmaudio.compute.limits import ItemLimits, memory_limited, resident_bytes
from gmmaudio.compute.window import Loss, Task
from gmmaudio.compute.worker_pool import LOOK_S, Run
from gmmaudio.errors import SettingError, WorkerError

MIB = 2**20
# what never ends, so that a test which fails does
LONG_S = 60
# well above what a worker takes by itself with numpy
SOME = ItemLimits(memory_bytes=300 * MIB)
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no table of memory")  # noqa: PTH110


def until(is_true):
    """Wait until something is true, at most as long as what never ends here takes: it is an error then."""
    deadline_s = time.monotonic() + LONG_S
    while not is_true():
        if time.monotonic() > deadline_s:
            raise TimeoutError


def sleep(_item):
    time.sleep(LONG_S)


def spin(_item):
    until(lambda: False)


def sleep_holding_the_lock(_item):
    import ctypes

    ctypes.PyDLL(None).sleep(LONG_S)


def eat(_item):
    """Take memory and use it, little by little."""
    held = []
    while True:
        held.append(np.ones(MIB))
        time.sleep(0.001)


def eat_at_once(_item):
    return float(np.ones(60 * MIB)[-1])


def eat_for_good(_item):
    """Take memory beyond the limit, and hide the error."""
    held = []
    while True:
        try:
            held.append(np.ones(MIB))
        except MemoryError:
            time.sleep(LONG_S)


def at(bad, function, item):
    """Return the negative of an item; a bad one is passed to a function."""
    return function(item) if item in bad else -item


def name_lost(item, error):
    return f"{item} {error.code}: {error}"


def run(function, bad, item_limits, n_jobs=2, n=12):
    return list(
        ordered_map(partial(at, bad, function), range(n), n_jobs, on_crash=name_lost, limits=lambda _item: item_limits)
    )


@pytest.mark.parametrize("function", [sleep, spin, sleep_holding_the_lock])
def test_an_item_that_never_ends_is_a_timeout_and_all_others_come(function):
    got = run(function, {3}, ItemLimits(time_s=0.5))
    assert got[3] == "3 timeout: took longer than 0.5 s twice, the second time in a fresh process"
    assert got[:3] + got[4:] == [-i for i in range(12) if i != 3]


def test_several_items_that_never_end_are_each_a_timeout():
    got = run(sleep, {0, 1, 2, 11}, ItemLimits(time_s=0.3))
    assert [i for i in range(12) if got[i] != -i] == [0, 1, 2, 11]
    assert {got[i].split(":")[0] for i in (0, 1, 2, 11)} == {"0 timeout", "1 timeout", "2 timeout", "11 timeout"}


def test_the_start_of_a_worker_is_not_charged_to_its_item(no_idle, monkeypatch, tmp_path):
    # the module of the function takes longer to import than the item may
    (tmp_path / "slow_module.py").write_text(
        "import os, time\nif os.environ.get('SLOW'): time.sleep(1)\ndef double(item): return 2 * item\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import slow_module

    monkeypatch.setenv("SLOW", "1")
    assert list(ordered_map(slow_module.double, [1, 2], 2, limits=lambda _item: ItemLimits(time_s=0.5))) == [2, 4]


def test_a_task_is_charged_for_the_time_between_looks_and_not_for_a_stop_of_the_program(monkeypatch):
    monkeypatch.setattr(worker_pool, "waited_s", lambda _process: 0.0)
    run = Run(Task(0, ItemLimits(time_s=1.0)), last_s=10.0, spent_s=0.5)
    assert run.look(10.25, os.getpid()) is None
    assert (run.last_s, run.spent_s) == (10.25, 0.75)
    # the machine slept, or the reader of the results was slow: two looks are charged at most
    run.spent_s = 0.0
    assert run.look(5000.0, os.getpid()) is None
    assert run.spent_s == 2 * LOOK_S
    run.spent_s = 0.9
    assert run.look(5000.2, os.getpid()) == Loss("timeout", "took longer than 1 s")


def test_a_task_is_not_charged_for_the_time_that_its_process_waits_for_a_core(monkeypatch):
    waited = iter([30.0, 30.15, 33.0])
    monkeypatch.setattr(worker_pool, "waited_s", lambda _process: next(waited))
    run = Run(Task(0, ItemLimits(time_s=1.0)), last_s=10.0, spent_s=0.0)
    # a process that was kept from an earlier map has waited before
    run.look(10.2, os.getpid())
    assert run.spent_s == 0.0
    run.look(10.4, os.getpid())
    assert run.spent_s == pytest.approx(0.05)
    run.look(12.4, os.getpid())
    assert run.spent_s == pytest.approx(0.05)


@needs_proc
@pytest.mark.parametrize("function", [eat, eat_at_once, eat_for_good])
def test_an_item_that_takes_too_much_memory_is_named_and_all_others_come(function):
    got = run(function, {3}, SOME)
    assert got[3] == "3 memory: took more memory than 300 MiB twice, the second time alone"
    assert got[:3] + got[4:] == [-i for i in range(12) if i != 3]


@needs_proc
def test_the_parent_watches_memory_that_the_system_does_not_limit():
    # shared memory is in no limit of the system
    def eat_shared(_item):
        import mmap

        held = mmap.mmap(-1, 1000 * MIB)
        for start in range(0, 1000 * MIB, 4096):
            held[start] = 1
        time.sleep(LONG_S)

    got = run(eat_shared, {3}, SOME)
    assert got[3] == "3 memory: took more memory than 300 MiB twice, the second time alone"


def out_of_memory(_item):
    raise MemoryError


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_memory_error_of_the_function_is_a_loss_without_limits_too(n_jobs):
    got = list(ordered_map(partial(at, {3}, out_of_memory), range(6), n_jobs, on_crash=name_lost))
    again = " twice, the second time alone" if n_jobs > 1 else ""
    assert got == [0, -1, -2, f"3 memory: took more memory than there is{again}", -4, -5]


def test_a_memory_error_in_this_process_passes_where_nobody_takes_it():
    with pytest.raises(MemoryError):
        list(ordered_map(out_of_memory, [1]))
    with pytest.raises(WorkerError, match="took more memory than there is twice") as caught:
        list(ordered_map(out_of_memory, [1], 2))
    assert caught.value.code == "memory"


def crash_or_hang(folder, how, item):
    """Die or hang at item 5 for good, while item 6 waits until item 5 is tried again: it must not be waited for."""
    mine = folder / f"try of {item} by {os.getpid()}"
    mine.touch()
    if item == 5:
        if how == "hang":
            time.sleep(LONG_S)
        if len(list(folder.glob("try of 5 by *"))) == 1:
            # the other item is running
            until(lambda: list(folder.glob("try of 6 by *")))
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == 6:
        until(lambda: len(list(folder.glob("try of 5 by *"))) == 2)
    return item


@pytest.mark.parametrize(("how", "code"), [("crash", "crashed"), ("hang", "timeout")])
def test_an_item_that_is_tried_again_does_not_wait_for_the_others(tmp_path, how, code):
    item_limits = {5: ItemLimits(time_s=0.5)}
    got = list(
        ordered_map(
            partial(crash_or_hang, tmp_path, how),
            range(30),
            2,
            on_crash=lambda item, error: (item, error.code),
            limits=lambda item: item_limits.get(item, ItemLimits(time_s=60.0)),
        )
    )
    assert got == [*range(5), (5, code), *range(6, 30)]


def wait_for(folder, item):
    """Return an item; the first one ends when the hundredth is done."""
    if item == 0:
        until((folder / "100").exists)
    if item == 100:
        (folder / "100").touch()
    return item


def test_a_slow_item_does_not_hold_up_the_other_workers(tmp_path):
    assert list(ordered_map(partial(wait_for, tmp_path), range(150), 2)) == list(range(150))


# --- limits of a run -------------------------------------------------------------------------------------------------


def what(run_context, function, stage_limits):
    results = run_context.map(
        partial(at, {1}, function), range(3), "asking", on_crash=name_lost, estimate=lambda: 0.0, limits=stage_limits
    )
    return list(results)[1]


def long(_item):
    """Take longer than the shorter limit of the test."""
    time.sleep(1.2)
    return os.getpid()


@pytest.mark.parametrize("n_jobs", [1, 2, None])
def test_a_limit_that_a_run_names_takes_the_place_of_that_of_the_map(n_jobs):
    short, never = (lambda _item: ItemLimits(time_s=0.5)), (lambda _item: ItemLimits(time_s=60.0))
    assert what(RunContext(n_jobs, time_limit_s=0.5), sleep, never).startswith("1 timeout: took longer than 0.5 s")
    assert isinstance(what(RunContext(n_jobs, time_limit_s=60.0), long, short), int)
    assert isinstance(what(RunContext(n_jobs, time_limit_s=0), long, short), int)
    # a map without limits has none
    assert isinstance(what(RunContext(n_jobs, time_limit_s=0.5), long, None), int)


@needs_proc
@pytest.mark.parametrize("n_jobs", [1, 2, None])
def test_a_limit_of_memory_that_a_run_names_takes_the_place_of_that_of_the_map(n_jobs):
    named = RunContext(n_jobs, memory_limit=300 * MIB)
    assert what(named, eat_at_once, lambda _item: ItemLimits()).startswith("1 memory: took more memory than 300 MiB")
    assert what(RunContext(n_jobs, memory_limit=4096 * MIB), eat_at_once, lambda _item: SOME) == 1.0
    assert what(RunContext(n_jobs, memory_limit=0), eat_at_once, lambda _item: SOME) == 1.0


def test_one_job_is_this_process_unless_a_limit_is_named():
    def place(_item):
        return os.getpid()

    def limited(_item):
        return ItemLimits(time_s=60.0)

    def where(context):
        return set(context.map(place, range(3), "asking", limits=limited)) == {os.getpid()}

    assert where(RunContext(1))
    assert where(RunContext(1, time_limit_s=0, memory_limit=0))
    assert not where(RunContext(1, time_limit_s=60))
    assert not where(RunContext(1, memory_limit=2**30))
    assert not where(RunContext(2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time_limit_s": -1.0}, "`time_limit_s` is -1; expected seconds, or 0 for no limit"),
        (
            {"memory_limit": 100 * MIB},
            "`memory_limit` is 100 MiB; expected 256 MiB or more, half of which a worker process takes by itself, or 0 "
            "for no limit",
        ),
        ({"time_limit_s": "soon"}, "`time_limit_s` is 'soon'; expected a finite number, or None"),
    ],
)
def test_limits_of_a_run_outside_their_bounds_are_refused(settings, message):
    with pytest.raises(SettingError) as caught:
        RunContext(**settings)
    assert str(caught.value) == message


@pytest.mark.parametrize(("time_s", "memory_bytes", "name"), [(0, None, "time_s"), (None, -5, "memory_bytes")])
def test_limits_of_an_item_are_more_than_nothing(time_s, memory_bytes, name):
    with pytest.raises(SettingError, match=f"`{name}` is .*; expected more than 0, or None for no limit"):
        ItemLimits(time_s, memory_bytes)


# --- what a process takes --------------------------------------------------------------------------------------------


@needs_proc
def test_the_memory_of_a_process_is_what_it_uses():
    before = resident_bytes(os.getpid())
    held = np.ones(25 * MIB)
    # 8 bytes each
    assert resident_bytes(os.getpid()) - before == pytest.approx(200 * MIB, rel=0.05)
    del held
    assert resident_bytes(2**30) == 0


@pytest.mark.parametrize(("text", "seconds"), [("5000000000 2500000000 77\n", 2.5), ("", 0.0), ("none\n", 0.0)])
def test_the_time_that_a_process_waited_is_what_the_system_says(monkeypatch, tmp_path, text, seconds):
    monkeypatch.setattr(limits, "PROCESSES", tmp_path)
    write(tmp_path / "123" / "schedstat", text)
    assert limits.waited_s(123) == seconds
    assert limits.waited_s(124) == 0.0


@needs_proc
def test_the_memory_of_this_process_is_limited_and_free_again():
    with memory_limited(100 * MIB):
        np.ones(10 * MIB)
        with pytest.raises(MemoryError):
            np.ones(20 * MIB)
        with memory_limited(1000 * MIB), pytest.raises(MemoryError):
            np.ones(20 * MIB)
    np.ones(20 * MIB)
    with memory_limited(None):
        np.ones(20 * MIB)


def test_a_system_without_a_table_of_memory_has_no_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "PROCESSES", tmp_path)
    assert resident_bytes(os.getpid()) == 0
    with memory_limited(1):
        np.ones(20 * MIB)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with 8 GiB, and the folders in which it says what a process may take of them."""
    monkeypatch.setattr(limits, "PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(limits, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 2**21, "SC_PAGE_SIZE": 4096}.__getitem__)
    limits.machine_memory.cache_clear()
    yield tmp_path
    limits.machine_memory.cache_clear()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_groups_the_memory_is_that_of_the_machine(machine):
    assert limits.machine_memory() == 8 * 2**30


@pytest.mark.parametrize(
    ("line", "file", "text", "memory"),
    [
        ("0::/job/7", "job/7/memory.max", "1000\n", 1000),
        ("0::/job/7", "memory.max", "2000\n", 2000),
        ("0::/job/7", "job/7/memory.max", "max\n", 8 * 2**30),
        ("5:memory:/job/7", "memory/job/7/memory.limit_in_bytes", "3000\n", 3000),
        ("5:memory:/job/7", "memory/memory.limit_in_bytes", "9223372036854771712\n", 8 * 2**30),
        ("5:cpu:/job/7", "cpu/job/7/memory.limit_in_bytes", "3000\n", 8 * 2**30),
        ("nonsense", "memory.max", "1000\n", 8 * 2**30),
    ],
)
def test_a_container_has_its_own_memory(machine, line, file, text, memory):
    write(machine / "proc" / "self" / "cgroup", f"9:pids:/\n{line}\n")
    write(machine / "groups" / file, text)
    assert limits.machine_memory() == memory


def test_a_system_that_does_not_say_has_memory_without_bound(machine, monkeypatch):
    def unknown(_name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", unknown)
    assert limits.machine_memory() == 0
