"""Runs within a bound of memory: the same model and the same report, and a peak that does not grow with the audio."""

import gc
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.audio import AudioInfo
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureStore, RawFrames, make_features
from gmmaudio.models import BlockGaussianSettings, FrameGmmSettings, Recipe, SupervectorSettings, make_recipe, to_bytes
from gmmaudio.trials import extraction
from gmmaudio.trials.clip_cache import ClipFrames

BLOCKS = make_features(block_s=0.3, block_step_s=0.1)
RECIPES = {
    "frames": make_recipe(n_components=2),
    "frames adapted from a UBM": Recipe(kind_settings=FrameGmmSettings(n_components=2, relevance=8.0)),
    "blocks": Recipe(features=BLOCKS, kind_settings=BlockGaussianSettings()),
    "blocks of mixtures": Recipe(features=BLOCKS, kind_settings=BlockGaussianSettings(covariance_type="diag")),
    "supervectors": Recipe(kind_settings=SupervectorSettings(n_components=2, n_nuisance=2)),
    "genre": make_recipe("genre"),
    "language": make_recipe("language", trial_s=2.0),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_model_is_the_same_bytes_with_any_bound_and_any_number_of_jobs(name, clips, tmp_path):
    few = Corpus(clips.root, clips.clips[::2])
    expected = to_bytes(pipeline.train(few, RECIPES[name], n_jobs=1).model)
    for memory_bytes, n_jobs, cache in ((0, 1, None), (0, 2, tmp_path / "cache"), (60_000, None, None)):
        result = pipeline.train(few, RECIPES[name], n_jobs=n_jobs, cache=cache, memory_bytes=memory_bytes)
        assert to_bytes(result.model) == expected, (memory_bytes, n_jobs)
    # beside the entries of the cache nothing is left
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.name.startswith(".gmmaudio")] == []


def plain(report):
    """Return a report as text, without what differs between runs: times."""
    return json.dumps(replace(report, protocol=replace(report.protocol, began="", seconds=0.0)).to_dict())


@pytest.mark.parametrize("tune", [False, True])
def test_a_cross_validation_is_the_same_report_with_any_bound(tune, clips, few_candidates, two_degradations):
    few = Corpus(clips.root, clips.clips[::2])
    options = {"folds": 2, "tune": tune, "robustness": True, "durations_s": [0.3, 0.5], "n_jobs": 1}
    reports = [
        plain(pipeline.crossval(few, make_recipe(n_components=2), **options, memory_bytes=memory_bytes))
        for memory_bytes in (10**9, 0, 60_000)
    ]
    assert reports[0] == reports[1] == reports[2]


def test_an_evaluation_is_the_same_report_with_any_bound(model, clips, two_degradations):
    options = {"robustness": True, "durations_s": [0.3, 0.5], "n_jobs": 1}
    reports = [
        plain(pipeline.evaluate(model, clips, **options, memory_bytes=memory_bytes)) for memory_bytes in (10**9, 0)
    ]
    assert reports[0] == reports[1]


def test_a_run_goes_on_where_its_cache_removes_entries(clips, tmp_path):
    recipe = make_recipe(n_components=2)
    expected = to_bytes(pipeline.train(clips, recipe, n_jobs=1).model)
    # room for two clips of 18
    store = FeatureStore(tmp_path, limit_bytes=25_000)
    assert to_bytes(pipeline.train(clips, recipe, n_jobs=2, cache=store, memory_bytes=0).model) == expected


def test_a_negative_bound_is_refused(clips):
    with pytest.raises(SettingError, match="`memory_bytes` is -1; expected 0 or more"):
        pipeline.train(clips, memory_bytes=-1)


# --- the peak of memory ----------------------------------------------------------------------------------------------


def peak_of_training(n_clips, memory_bytes, monkeypatch):
    """Return the most memory that Python has asked for in a training run on clips of 1,000 random frames, bytes."""

    def frames_of(_extraction, clip):
        values = np.random.default_rng(int(clip.path)).normal(size=(1000, 20)).astype(np.float32)
        raw = RawFrames(values, values[:, 0], np.arange(1000, dtype=np.float32))
        info = AudioInfo(22050, 1, 23.0, "WAV")
        return ClipFrames(raw, info, 23.0, f"{int(clip.path):064x}", np.zeros(0, dtype=np.uint64), ())

    monkeypatch.setattr(extraction, "_compute", frames_of)
    # two groups of each label, for two inner folds
    clips = tuple(Clip(str(i), "ab"[i % 2], str(i % 4)) for i in range(n_clips))
    settings = FrameGmmSettings(n_components=2, max_iter=2, init="random")
    recipe = Recipe(features=make_features(n_deltas=1), kind_settings=settings)
    gc.collect()
    tracemalloc.start()
    try:
        pipeline.train(Corpus(Path(), clips), recipe, n_jobs=1, memory_bytes=memory_bytes)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_peak_of_training_does_not_grow_with_the_clips(monkeypatch):
    # modules are imported, and tables are made
    peak_of_training(4, 2_000_000, monkeypatch)
    # frames and rows of a clip take 256 kB; more than 20,000 rows of a label fill the sample that EM starts from
    small, large = (peak_of_training(n, 2_000_000, monkeypatch) for n in (50, 120))
    unbounded = peak_of_training(120, 10**9, monkeypatch)
    # some kB for each clip stay in memory: its name, its trial and the places of its rows
    assert large - small < 70 * 12_000
    assert unbounded - large > 120 * 150_000
