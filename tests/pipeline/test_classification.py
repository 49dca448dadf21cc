"""Classification of files: the order of the answers, and the rows that are scored."""

import os
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gmmaudio import pipeline
from gmmaudio.audio import read_audio
from gmmaudio.errors import SettingError
from gmmaudio.features import extract
from gmmaudio.models import PRESETS, Prediction


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_classify_keeps_the_order_of_the_paths(model, corpus, n_jobs):
    paths = [str(corpus.root / row["path"]) for row in corpus.rows[::-2]]
    paths.insert(3, "gone.wav")
    predictions = list(pipeline.classify(model, paths, n_jobs=n_jobs))
    assert [item.path for item in predictions] == paths
    reason = {"code": "vanished", "message": "is not there; check the path"}
    assert predictions[3] == Prediction("gone.wav", "error", **reason)
    del predictions[3]
    assert [item.label for item in predictions] == [row["label"] for row in corpus.rows[::-2]]
    assert {item.duration_s for item in predictions} == {1.0}


@pytest.mark.parametrize("n_jobs", [2, None])
def test_classify_scores_are_the_same_bits_for_workers_and_threads(model, corpus, monkeypatch, n_jobs):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2}, raising=False)
    paths = [str(corpus.root / row["path"]) for row in corpus.rows]
    assert list(pipeline.classify(model, paths, n_jobs=n_jobs)) == list(pipeline.classify(model, paths, n_jobs=1))


@pytest.mark.parametrize("path", ["song.mp3", b"song.mp3", Path("song.mp3")])
def test_one_path_in_place_of_several_is_refused(model, path):
    with pytest.raises(SettingError, match="expected a list of paths"):
        list(pipeline.classify(model, path))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_sees_how_much_sound_a_file_has(model, corpus, n_jobs):
    paths = [str(corpus.root / corpus.rows[0]["path"]), "gone.wav"]
    seen = []

    def watch(items, total, stage):
        for item in items:
            seen.append((stage, total, item.duration_s))
            yield item

    settings = {"n_jobs": n_jobs, "progress": watch}
    list(pipeline.classify(model, paths, **settings))
    list(pipeline.read_rows(model.features, paths, **settings))
    stages = ("classifying", "extracting features")
    assert seen == [(stage, 2, duration_s) for stage in stages for duration_s in (1.0, None)]


def test_classify_is_lazy(model, corpus):
    path = str(corpus.root / corpus.rows[0]["path"])
    predictions = pipeline.classify(model, [path] * 1000)
    assert next(predictions).label == "low"


def test_rows_are_those_of_extract(corpus):
    features = PRESETS["genre"]["frames"].features
    path = str(corpus.root / corpus.rows[7]["path"])
    file_rows = next(pipeline.read_rows(features, [path]))
    with threadpool_limits(limits=1):  # as worker processes do
        expected = extract(read_audio(path, features.frames.sample_rate_hz), features)
    np.testing.assert_array_equal(file_rows.rows.values, expected.values)
    np.testing.assert_array_equal(file_rows.rows.time_s, expected.time_s)
    assert file_rows.duration_s == 1.0
