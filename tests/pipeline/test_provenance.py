"""The record of a run: clips with hashes, trials, folds and options; versions, machine and time."""

import importlib.metadata
import json
import platform
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from gmmaudio.corpus import Clip, Corpus, Fold
from gmmaudio.features import RawFrames, make_features
from gmmaudio.findings import Finding
from gmmaudio.pipeline.provenance import Clock, machine, run_record, versions
from gmmaudio.trials import Extracted, TrialSet, TrialSettings, make_trials


def trial_set_of(n):
    """Return trials of n clips, and a clip that could not be decoded."""
    raw = RawFrames(np.zeros((50, 13)), np.zeros(50), np.arange(50) / 43)
    clips = [Clip(f"{i}.wav", "en", f"speaker {i}", held_out_by="set by a split", fold="1") for i in range(n)]
    trials, failed, findings = make_trials(
        [Extracted(clip, raw, 1.2, f"hash {i}") for i, clip in enumerate(clips)], TrialSettings(make_features())
    )
    lost = Clip("lost.wav", "en", extra={"age": "31"})
    return TrialSet(trials, failed, findings, (*clips, lost), (*(f"hash {i}" for i in range(n)), None))


def test_a_record_holds_clips_hashes_folds_and_options_as_plain_values():
    corpus = Corpus(Path("speech"), (), (Finding("empty_folder", "warning", "a folder is empty"),))
    options = {"split": None, "durations_s": [3.0]}
    record = run_record(
        "crossval", corpus, trial_set_of(3), options, [[Fold("1", (0,), (2,))], [Fold("x", (0, 1), (2,))]]
    )
    assert json.loads(json.dumps(record)) == record
    assert (record["kind"], record["root"], record["options"]) == ("crossval", "speech", options)
    assert record["trials"] == ["0.wav", "1.wav", "2.wav"]
    assert [row["sha256"] for row in record["manifest"]] == ["hash 0", "hash 1", "hash 2", None]
    assert record["manifest"][3]["extra"] == {"age": "31"}
    assert record["folds"] == [
        {"repeat": 0, "name": "1", "test": [2], "left_out": [1]},
        {"repeat": 1, "name": "x", "test": [2], "left_out": []},
    ]
    assert record["findings"] == [
        {"code": "empty_folder", "level": "warning", "text": "a folder is empty", "remedy": ""}
    ]


def test_a_record_has_no_field_that_a_split_sets():
    record = run_record("evaluate", Corpus(Path("speech"), ()), trial_set_of(1), {})
    assert not any({"held_out_by", "fold"} & set(row) for row in record["manifest"])
    assert record["folds"] == []


def test_versions_name_python_and_this_package_among_the_libraries():
    assert versions()["gmmaudio"] == importlib.metadata.version("gmmaudio")
    assert versions()["python"] == platform.python_version()
    assert versions()["numpy"] == np.__version__


def test_the_machine_is_named_with_the_kernels_of_numeric_libraries():
    assert machine().startswith(f"{platform.system()}, {platform.machine()}")
    assert machine() == machine()


def test_a_clock_counts_seconds_from_its_start(monkeypatch):
    clock = Clock.start()
    assert datetime.fromisoformat(clock.began).utcoffset().total_seconds() == 0
    monkeypatch.setattr(time, "monotonic", lambda: clock.ticks + 12.34)
    assert clock.seconds == 12.3
