"""Every reader gives a result or a reason, whatever is in a file: nothing else is raised or said, and nothing waits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.evaluation import comparison, intervals
from tests.audio.conftest import printed
from tests.fuzz.readers import READERS, outcome

ROOT = Path(__file__).parents[2]


@pytest.fixture
def few_draws(monkeypatch):
    """Intervals are tested elsewhere, and are most of the time that a report takes."""
    for module in (intervals, comparison):
        monkeypatch.setattr(module, "N_DRAWS", 50)


@pytest.mark.parametrize("name", READERS)
def test_good_files_are_read(name, tmp_path, few_draws):
    reader = READERS[name]
    for good, content in reader.seeds(tmp_path).items():
        (tmp_path / "file").write_bytes(content)
        assert outcome(reader, tmp_path / "file") in ("read", "code 0") or name == "report", good


@pytest.mark.parametrize("name", READERS)
def test_some_mutations_give_a_result_or_a_reason(name, tmp_path, few_draws, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reader, rng, found = READERS[name], np.random.default_rng(0), set()
    for content in reader.seeds(tmp_path).values():
        for _ in range(reader.few):
            (tmp_path / "file").write_bytes(reader.mutate(content, rng))
            found.add(outcome(reader, tmp_path / "file"))
    # a list of paths may hold any bytes
    assert len(found) > 1 or name == "list"
    # not even by a library written in C
    assert printed(capfd) == ("", "")


def test_sound_is_read_without_the_media_extra_too(tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    reader, rng = READERS["sound"], np.random.default_rng(1)
    for content in reader.seeds(tmp_path).values():
        for _ in range(6):
            (tmp_path / "file").write_bytes(reader.mutate(content, rng))
            outcome(reader, tmp_path / "file")
    # not even by a library written in C
    assert printed(capfd) == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", [*READERS, "sound without av"])
def test_many_mutations_in_little_memory_give_a_result_or_a_reason(name, seed, tmp_path):
    if name == "media":
        pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    n = READERS[name.split()[0]].many
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.child", name, tmp_path, str(seed), str(n)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()[-3_000:]) == (0, "")
    assert sum(json.loads(done.stdout).values()) >= n
