"""The pipeline on the workers of a Dask cluster: the same answers as on this computer, also where a worker is lost."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

import gmmaudio
from gmmaudio.features import FeatureStore, make_features
from gmmaudio.models import FrameGmmSettings
from gmmaudio.pipeline import read_rows

pytest.importorskip("distributed", reason="needs the dask extra")


@pytest.fixture
def paths(corpus, monkeypatch):
    """Files by paths from the current folder, which that of the workers is not; one is not there."""
    monkeypatch.chdir(corpus.root)
    files = sorted(str(path.relative_to(corpus.root)) for path in corpus.root.rglob("?.*") if path.is_file())
    return [*files[:5], "gone.wav", *files[5:]]


def kill_a_worker(cluster):
    """Kill the process of one worker."""
    (process,) = cluster.client.run(os.getpid, workers=list(cluster.client.nthreads())[:1]).values()
    os.kill(process, signal.SIGKILL)


def test_answers_are_those_of_this_computer_also_where_a_worker_is_lost(dask_cluster, model_file, paths):
    model = gmmaudio.load_model(model_file)
    expected = list(gmmaudio.classify(model, paths, n_jobs=1))
    answers = gmmaudio.classify(model, paths, cluster=dask_cluster)
    first = next(answers)
    kill_a_worker(dask_cluster)
    assert [first, *answers] == expected
    assert [answer.code for answer in expected if answer.code] == ["vanished"]


def test_rows_are_the_same_bits_and_kept_where_the_workers_are(dask_cluster, paths, tmp_path):
    features, store = make_features(), FeatureStore(tmp_path / "store")
    expected = read_rows(features, paths, n_jobs=1)
    got = list(read_rows(features, paths, cluster=dask_cluster, cache=store))
    for ours, theirs in zip(expected, got, strict=True):
        assert ours.path == theirs.path
        if ours.path != "gone.wav":
            np.testing.assert_array_equal(ours.rows.values, theirs.rows.values)
    assert sum(file.n_bytes > 4096 for file in store.files()) == len(paths) - 1


def bytes_of(result, folder):
    """Return the bytes of the model file of a training run."""
    gmmaudio.save_model(result.model, folder / "m.gmm")
    return (folder / "m.gmm").read_bytes()


class Killer:
    """Progress that kills a worker when the first item of a stage is there."""

    def __init__(self, cluster, stage):
        self.cluster, self.stage, self.n_killed = cluster, stage, 0

    def __call__(self, items, total, stage):
        for item in items:
            if stage.startswith(self.stage) and not self.n_killed:
                self.n_killed += 1
                kill_a_worker(self.cluster)
            yield item


RECIPES = {
    "frames": gmmaudio.make_recipe(n_components=2),
    "UBM": replace(gmmaudio.make_recipe(), kind_settings=FrameGmmSettings(n_components=2, relevance=16.0)),
    "blocks": gmmaudio.make_recipe("genre"),
    "supervector": gmmaudio.make_recipe(kind="supervector", n_components=4),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_model_is_the_same_bytes_as_on_this_computer(dask_cluster, corpus, tmp_path, name):
    here = gmmaudio.train(corpus.plain, RECIPES[name], n_jobs=1)
    there = gmmaudio.train(corpus.plain, RECIPES[name], cluster=dask_cluster)
    assert bytes_of(there, tmp_path) == bytes_of(here, tmp_path)


@pytest.mark.parametrize("stage", ["extracting features", "fitting mixtures"])
def test_a_worker_that_is_lost_in_training_changes_no_byte(dask_cluster, corpus, tmp_path, stage):
    recipe, killer = gmmaudio.make_recipe(n_components=2), Killer(dask_cluster, stage)
    here = gmmaudio.train(corpus.plain, recipe, n_jobs=1)
    there = gmmaudio.train(corpus.plain, recipe, cluster=dask_cluster, progress=killer)
    assert killer.n_killed == 1
    assert bytes_of(there, tmp_path) == bytes_of(here, tmp_path)


def test_frames_are_in_files_that_workers_write(dask_cluster, corpus, tmp_path, monkeypatch):
    seen = []
    plain = dask_cluster.map

    def noted(function, items, **settings):
        for result in plain(function, items, **settings):
            seen.append(getattr(result, "result", None))
            yield result

    monkeypatch.setattr(dask_cluster, "map", noted)
    store = FeatureStore(tmp_path / "store")
    gmmaudio.train(corpus.plain, RECIPES["frames"], cluster=dask_cluster, cache=store)
    frames = [item.frames for item in seen if item is not None]
    assert {type(item).__name__ for item in frames} == {"StoredFrames"}
    assert all(item.path.startswith(str(store.folder)) for item in frames)


def test_the_report_of_a_cross_validation_is_the_same_but_for_its_time(dask_cluster, corpus):
    recipe = gmmaudio.make_recipe(n_components=2)

    def of(**workers):
        report = gmmaudio.crossval(corpus.plain, recipe, folds=2, durations_s=(), **workers)
        return report.clips, report.findings, report.slices

    assert of(cluster=dask_cluster) == of(n_jobs=1)
