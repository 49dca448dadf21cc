"""Hours of clips as hard links, the memory of processes, and how time grows."""

import csv
import os
from pathlib import Path

import pytest

from benchmarks import train_memory
from results.memory_views import growth_exponent, train_memory_text

ROW = {"kind": "classic", "main_mib": 200.4, "main_anon_mib": 100.0, "worker_mib": 60.0, "total_anon_mib": 150.0}


def test_clips_are_linked_until_the_hours_are_full(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.flac").write_bytes(name.encode())
    clips = [{"path": str(tmp_path / f"{name}.flac"), "label": name, "group": name} for name in "ab"]
    manifest = train_memory.link_clips(tmp_path / "hour", clips, 5 * 30 / 3600)
    with manifest.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["group"] for row in rows] == ["a-0", "b-0", "a-1", "b-1", "a-2"]
    assert [(manifest.parent / row["path"]).read_text() for row in rows] == list("ababa")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the memory of a process")
def test_memory_and_children_of_a_process_are_found():
    here = train_memory.memory_of(str(os.getpid()))
    assert 1 < here["RssAnon"] <= here["VmRSS"] <= here["VmHWM"] < 100_000
    assert train_memory.memory_of("no_such_process") == {}
    peaks = train_memory.measure(["-c", "import time; held = b'x' * 50_000_000; time.sleep(0.5)"])
    assert 0.0 < peaks.cpu_s < peaks.wall_s + 5
    assert peaks.main_mib > 40


def test_time_grows_with_a_power_of_the_hours():
    rows = [{"hours": n, "cpu_s": 2.0 * n**1.5} for n in (1, 4, 16)]
    assert growth_exponent(rows) == pytest.approx(1.5)
    text = train_memory_text([ROW | {"hours": n, "cpu_s": 6.0 * n} for n in (1, 4)])
    assert "| classic | 4 | 200 | 100 | 60 | 150 | 24 | 6.0 |" in text
    assert text.endswith("to the power of: classic 1.00 (least squares).\n")
    assert "power" not in train_memory_text([ROW | {"hours": 1, "cpu_s": 6.0}])
