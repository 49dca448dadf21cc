"""Runs that are killed and started again: a few of many; ``benchmarks.kills`` has the numbers."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from benchmarks import kills
from gmmaudio.temporary_files import PREFIX

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    kills.make_corpus(folder, 1, 9)
    cases = kills.make_cases(folder)
    # the model that classifies
    kills.finish(cases[0], folder, 0)
    return cases


@pytest.mark.parametrize("i", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_bytes(cases, i):
    # with worker processes, everything is kept
    content, took_s = kills.run_unbroken(cases[i], 3)
    outcome = kills.kill_once(cases[i], 0.6 * took_s, 3, content)
    assert outcome is None or outcome.faults == dict.fromkeys(kills.FAULTS, 0)


def test_a_run_that_ended_before_its_moment_is_not_counted(cases, monkeypatch):
    nothing = replace(cases[0], words=("--version",))
    slept = time.sleep
    monkeypatch.setattr(kills.time, "sleep", lambda _s: slept(0.01))
    process = kills.subprocess.Popen
    monkeypatch.setattr(kills.subprocess, "Popen", lambda *a, **k: ended(process(*a, **k)))
    assert kills.kill_once(nothing, 0.0, 0, b"") is None


def ended(process):
    """Return a process that has ended."""
    process.wait()
    return process


def test_what_is_wrong_is_seen(cases, tmp_path):
    train, crossval, classify = cases
    assert all(case.is_whole(tmp_path, b"abc") for case in cases)
    for case, part, is_whole in ((train, b"ab", False), (train, b"abc", True), (classify, b"ab", True)):
        (tmp_path / case.output).write_bytes(part)
        assert case.is_whole(tmp_path, b"abc") == is_whole
    (tmp_path / classify.output).write_bytes(b"b")
    assert not classify.is_whole(tmp_path, b"abc")
    (tmp_path / crossval.output).write_bytes(b'{"protocol": {"began"')
    assert not crossval.is_whole(tmp_path, b"")
    for name in (f"{PREFIX}x", "cache/v1/.new", "tmp/anything", f"cache/v1/new/{PREFIX}y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert len(kills.left_over(tmp_path)) == 3


def test_the_times_of_a_report_are_not_compared_and_all_else_is(cases, tmp_path):
    crossval, seen = cases[1], set()
    for text in (
        '{"protocol": {"began": "a", "seconds": 1, "seed": 0}}',
        '{"protocol": {"began": "b", "seconds": 2, "seed": 0}}',
        '{"protocol": {"began": "b", "seconds": 2, "seed": 1}}',
    ):
        (tmp_path / crossval.output).write_text(text)
        seen.add(crossval.content(tmp_path))
    assert len(seen) == 2


def test_processes_of_a_session_are_found_and_must_end(monkeypatch):
    monkeypatch.setattr(kills, "GONE_S", 0.1)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    assert kills.processes_of(process.pid) == [process.pid]
    assert os.getpid() not in kills.processes_of(process.pid)
    assert kills.wait_until_gone(process.pid) == (0.1, 1)
    process.wait()
    assert kills.wait_until_gone(process.pid)[1] == 0
