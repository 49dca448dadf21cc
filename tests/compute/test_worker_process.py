"""Worker processes: kept while idle, and gone when their parent is gone, however it went."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from gmmaudio.compute import ordered_map
from gmmaudio.compute.worker_process import WorkerProcess, keep_worker, take_worker

# a worker is busy for good, and each of the ways of being it
BUSY = {
    "sleeping": "import time; time.sleep(1000)",
    "in Python": "\n        while True: pass",
    "in a library that holds the lock": "ctypes.PyDLL(None).sleep(1000)",
    "in numpy": "a = numpy.ones((3000, 3000))\n        while True: a @ a",
    "deaf to signals": (
        "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})\n"
        "        time.sleep(1000)"
    ),
}
SCRIPT = """
import os, signal, sys
from gmmaudio.compute import ordered_map
def work(item):
    if item:
        import ctypes, numpy
        print("at work", flush=True)
        {busy}
    return item
results = ordered_map(work, [0, 1, 1], 2)
next(results)
print("busy", flush=True)
sys.stdin.readline()
{end}
"""
ENDS = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "hung up": "os.kill(os.getpid(), signal.SIGHUP)",
    "at its end": "sys.exit()",
    "without clean-up": "os._exit(0)",
    "by an error": "raise SystemExit('an error')",
    # another child holds what the parent held open, but the pipes of the test
    "with a fork": (
        "pid = os.fork()\n"
        "if not pid:\n"
        "    os.close(1); os.close(2); os.read(0, 1); os._exit(0)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    ),
}


def assert_all_end(script, n_workers=1):
    """Run a script until its workers are at work, let it end, and wait until nobody holds its standard error."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        # a worker that lives on is ended with its session, so that the test fails rather than hangs
        killer = threading.Timer(60, os.killpg, [process.pid, signal.SIGKILL])
        killer.start()
        try:
            assert process.stdout.readline() == b"busy\n"
            for _ in range(n_workers):
                assert process.stderr.readline() == b"at work\n"
            # the script may have ended itself
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"\n")
                process.stdin.flush()
            said = process.stderr.read()
            assert killer.is_alive()
        finally:
            killer.cancel()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
    return said


@pytest.mark.parametrize("busy", BUSY)
def test_a_busy_worker_ends_when_its_parent_is_killed(busy):
    assert assert_all_end(SCRIPT.format(busy=BUSY[busy], end=ENDS["killed"])) == b""


@pytest.mark.parametrize("end", ENDS)
def test_busy_workers_end_with_their_parent_however_it_ends(end):
    said = assert_all_end(SCRIPT.format(busy=BUSY["sleeping"], end=ENDS[end]))
    assert said == (b"an error\n" if end == "by an error" else b"")


# what a worker does whose parent watches it
WATCHED = {
    "hanging": "say(); time.sleep(1000)",
    "taking memory": "say()\n    while True: held = [b'.' * 10**6 for _ in range(200)]",
    "tried again": "die_first(signal.SIGTERM); say(); time.sleep(1000)",
    "tried again, alone": "die_first(signal.SIGKILL); say(); time.sleep(1000)",
}
WATCHED_SCRIPT = """
import os, signal, sys, threading, time
from gmmaudio.compute import ItemLimits, ordered_map
def say():
    print("at work", flush=True)
def die_first(how):
    try:
        os.mkdir({mark!r})
    except FileExistsError:
        return
    os.kill(os.getpid(), how)
def work(item):
    {does}
def be_killed():
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=be_killed, daemon=True).start()
print("busy", flush=True)
list(ordered_map(work, [0], 2, limits=lambda item: ItemLimits(time_s=500.0, memory_bytes=2**30)))
"""


@pytest.mark.parametrize("does", WATCHED)
def test_a_worker_ends_whose_parent_is_killed_while_it_watches(does, tmp_path):
    assert assert_all_end(WATCHED_SCRIPT.format(does=WATCHED[does], mark=str(tmp_path / "tried"))) == b""


def test_a_worker_ends_whose_parent_is_killed_before_it_has_started():
    script = (
        "import os, signal\n"
        "from gmmaudio.compute.worker_process import WorkerProcess\n"
        "workers = [WorkerProcess() for _ in range(3)]\n"
        "print('busy', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert assert_all_end(script, n_workers=0) == b""


@pytest.mark.parametrize("closed", [(), (0,), (2,), (0, 1, 2)], ids=str)
def test_workers_work_where_standard_streams_are_closed(closed, tmp_path):
    script = (
        "import os, sys\n"
        f"for descriptor in {closed}: os.close(descriptor)\n"
        "from gmmaudio.compute import ordered_map\n"
        "got = list(ordered_map(abs, [-1, -2, -3], 2))\n"
        f"open({str(tmp_path / 'got')!r}, 'w').write(str(got))\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=60)
    assert done.returncode == 0
    assert (tmp_path / "got").read_text() == "[1, 2, 3]"


def test_an_interrupt_of_the_keyboard_goes_to_the_parent_alone(no_idle):
    def blocked(_):
        return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())

    assert list(ordered_map(blocked, [1, 2], 2)) == [True, True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_workers_are_kept_for_the_next_map(no_idle):
    first = set(ordered_map(lambda _: os.getpid(), range(10), 2))
    assert len(no_idle) == len(first) <= 2
    assert set(ordered_map(lambda _: os.getpid(), range(10), 2)) <= first | {worker._process.pid for worker in no_idle}


def test_an_idle_worker_that_died_is_replaced(no_idle):
    list(ordered_map(abs, [1], 2))
    (idle,) = no_idle
    idle._process.kill()
    idle._process.wait()
    assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2]
    assert idle not in no_idle


def test_workers_look_where_the_caller_looks(no_idle, tmp_path, monkeypatch):
    list(ordered_map(abs, [1], 2))
    (tmp_path / "here.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert list(ordered_map(os.path.exists, ["here.txt"], 2)) == [True]
    (tmp_path / "new_module.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import new_module

    assert list(ordered_map(new_module.double, [1], 2)) == [2]
    assert len(no_idle) == 1


def test_workers_start_in_a_folder_that_was_removed(no_idle, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2]


def test_an_idle_worker_of_the_parent_is_not_that_of_its_fork(no_idle):
    list(ordered_map(abs, [1], 2))
    (idle,) = no_idle
    idle.parent = os.getppid()
    other = take_worker()
    assert other is not idle
    assert (other.parent, idle.is_alive()) == (os.getpid(), True)
    idle.parent = os.getpid()
    keep_worker(idle)
    keep_worker(other)


def test_a_map_that_is_left_early_ends_the_workers_that_are_busy(no_idle):
    results = ordered_map(lambda item: item or __import__("time").sleep(1000), [1, 0], 2)
    assert next(results) == 1
    results.close()
    assert len(no_idle) == 1


def test_a_worker_ends_once_and_says_how():
    assert WorkerProcess().end() == "SIGKILL"
