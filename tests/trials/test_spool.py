"""Frames and rows beyond a bound of memory: in files, the same numbers, and no file that is left."""

import gc
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.compute import RunContext
from gmmaudio.corpus import Clip
from gmmaudio.errors import ReadError, WriteError
from gmmaudio.features import FeatureStore, RawFrames, Rows, make_features
from gmmaudio.trials import Degradation, TrialSettings, build_trial_set, spool, with_features
from gmmaudio.trials.spool import Spool, StoredFrames, StoredRows
from gmmaudio.trials.trial import FrameReader


def rows_of(n, seed=0, order="C"):
    values = np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)
    return Rows(np.asarray(values, order=order), np.arange(n, dtype=np.float32))


def frames_of(n, seed=0, speech=None, n_before=0):
    values = np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)
    return RawFrames(values, values[:, 0] * 3, np.arange(n, dtype=np.float32), speech, n_before)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# --- what is held where ----------------------------------------------------------------------------------------------


def test_rows_are_in_memory_up_to_the_bound(tmp_path):
    # 100 rows of 5 columns and a time: 2,400 bytes
    with Spool(5_000, tmp_path) as some:
        held = [some.hold_rows(rows_of(100, seed)) for seed in range(4)]
        assert [type(each) for each in held] == [Rows, Rows, StoredRows, StoredRows]
        # what is dropped makes room
        del held[0]
        gc.collect()
        held.append(some.hold_rows(rows_of(100)))
        assert type(held[-1]) is Rows
        assert type(some.hold_frames(frames_of(100))) is StoredFrames


def test_below_the_bound_there_are_no_files(tmp_path):
    with Spool(10_000, tmp_path / "new") as some:
        held = [some.hold_rows(rows_of(100)), some.hold_frames(frames_of(100)), some.folder_for(5_200)]
        assert [type(each) for each in held] == [Rows, RawFrames, type(None)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_in_a_file_are_the_same_numbers_in_the_same_order_in_memory(order, tmp_path):
    with Spool(0, tmp_path) as some:
        given = [rows_of(n, n, order) for n in (7, 1, 300)]
        held = [some.hold_rows(rows) for rows in given]
        for stored, rows in zip(held, given, strict=True):
            opened = stored.open()
            np.testing.assert_array_equal(opened.values, rows.values)
            np.testing.assert_array_equal(opened.time_s, rows.time_s)
            assert opened.values.dtype == np.float32
            assert opened.values.flags.c_contiguous == rows.values.flags.c_contiguous
            assert len(stored) == len(rows)
        # neighbours are read as one, in the common order
        joined = held[0].values.followed_by(held[1].values)
        assert (joined is not None) == (order == "C")


@pytest.mark.parametrize("speech", [None, np.linspace(0, 1, 30, dtype=np.float32)], ids=["no speech", "speech"])
def test_frames_in_a_file_are_the_same_numbers(speech, tmp_path):
    frames = frames_of(30, speech=speech, n_before=7)
    with Spool(0, tmp_path) as some:
        read = some.hold_frames(frames).read()
        for name in ("values", "level_db", "time_s", "speech"):
            np.testing.assert_array_equal(getattr(read, name), getattr(frames, name))
        assert (read.n_before, len(read)) == (7, 30)


def test_a_file_goes_when_nothing_refers_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "VOLUME_BYTES", 1_000)
    with Spool(0, tmp_path) as some:
        frames = some.hold_frames(frames_of(10))
        # 2,000 bytes fill a file; the next rows begin another
        first, second = some.hold_rows(rows_of(100)), some.hold_rows(rows_of(100))
        assert len([name for name in files_in(tmp_path) if name.startswith("rows-")]) == 3
        kept = first.values
        del first, frames
        gc.collect()
        left = [name for name in files_in(tmp_path) if not name.startswith(".gmmaudio")]
        assert [name.partition("-")[0] for name in left] == ["rows", "rows"]
        assert not os.path.exists(kept.path)  # noqa: PTH110
        np.testing.assert_array_equal(second.open().values, rows_of(100).values)


def test_at_the_end_nothing_is_left_and_what_was_written_says_that_it_is_gone(tmp_path):
    with Spool(0, tmp_path) as some:
        frames = some.hold_frames(frames_of(10))
        some.hold_rows(rows_of(100))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ReadError, match=r"frames-.*: cannot be read .*; this run had written it"):
        frames.read()


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    script = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from gmmaudio.features import Rows\n"
        "from gmmaudio.trials import Spool\n"
        "spool = Spool(0, Path(sys.argv[1]))\n"
        "held = spool.hold_rows(Rows(np.ones((10, 2), np.float32), np.ones(10, np.float32)))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert len(files_in(tmp_path)) == 3
    with Spool(0, tmp_path) as first, Spool(0, tmp_path) as second:
        held = first.hold_rows(rows_of(3)), second.hold_rows(rows_of(4))
        # those of a run that goes on stay
        assert len(list(tmp_path.iterdir())) == 4
        assert [len(each.open()) for each in held] == [3, 4]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named_with_the_cure(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    with Spool(0, file) as some, pytest.raises(WriteError) as caught:
        some.hold_rows(rows_of(3))
    assert str(caught.value) == (
        f"{file}: features that do not fit into memory cannot be written (File exists); choose another folder "
        "(`cache`, or the environment variable TMPDIR), or allow more memory (`memory_bytes`)"
    )


# --- trials ----------------------------------------------------------------------------------------------------------


def numbers_of(trial_set):
    """Return all numbers of the rows and frames of trials and their copies, as bytes."""
    return [
        (each.name, each.n_rows, each.rows.values.tobytes(), each.rows.time_s.tobytes(), part.raw.values.tobytes())
        for trial in trial_set.trials
        for each in (trial, *trial.copies)
        for part in each.parts
    ]


@pytest.mark.parametrize("n_jobs", [1, 2, None])
@pytest.mark.parametrize("trial_s", [None, 0.4, 2.5])
def test_trials_are_the_same_with_any_bound(n_jobs, trial_s, corpus, tmp_path):
    clips = [Clip(row["path"], row["label"], held_out_by=row["label"]) for row in corpus.rows[::2]]
    clips.append(Clip("no_such_file.wav", "low"))
    settings = TrialSettings(make_features(n_deltas=1, normalise="mean"), trial_s, 0.1)

    def build(memory_bytes, store=None):
        with Spool(memory_bytes, tmp_path) as some:
            options = {"augment": [Degradation("noise 20 dB")], "spool": some, "store": store}
            made = build_trial_set(corpus.root, clips, settings, run=RunContext(n_jobs=n_jobs), **options)
            other = with_features(made.trials, make_features(normalise="none"))
            assert {type(trial.held_rows) for trial in other} <= {Rows, StoredRows}
            stored = sum(isinstance(trial.held_rows, StoredRows) for trial in (*made.trials, *other))
            return numbers_of(made), numbers_of(replace(made, trials=other)), made.failed, made.findings, stored

    *expected, none_stored = build(1_000_000_000)
    *found, all_stored = build(0)
    *between, some_stored = build(150_000)
    assert found == expected
    assert between == expected
    assert none_stored == 0 < some_stored < all_stored == 2 * len({name for name, *_ in found[0]})
    *cached, _ = build(0, FeatureStore(tmp_path / "cache"))
    assert cached == expected


def test_workers_send_the_places_of_frames_that_do_not_fit(corpus, tmp_path):
    from gmmaudio.trials import Extraction, extract_clip

    clip = Clip(corpus.rows[0]["path"], "low")
    inside = extract_clip(Extraction(corpus.root, make_features(), 0.5), clip)
    outside = extract_clip(Extraction(corpus.root, make_features(), 0.5, frames_folder=str(tmp_path)), clip)
    assert len(pickle.dumps(inside)) > 3_500
    assert len(pickle.dumps(outside)) < 2_000
    np.testing.assert_array_equal(outside.result.raw.values, inside.result.raw.values)
    assert outside.result.n_frames == inside.result.n_frames == 44


def test_a_clip_of_many_segments_is_read_once(corpus, tmp_path, monkeypatch):
    reads = []
    read = StoredFrames.read
    monkeypatch.setattr(StoredFrames, "read", lambda self: reads.append(self.path) or read(self))
    clips = [Clip(row["path"], "low") for row in corpus.rows[:3]]
    with Spool(0, tmp_path) as some:
        made = build_trial_set(corpus.root, clips, TrialSettings(make_features(), 0.2, 0.1), spool=some)
        assert len(made.trials) == 15
        assert len(reads) == len(set(reads)) == 3
        reader = FrameReader()
        parts = [reader.read(trial.segments[0]) for trial in made.trials]
        assert len(reads) == 6
        assert sum(map(len, parts)) == sum(segment.last - segment.first for t in made.trials for segment in t.segments)
