"""The pipeline on the workers of a Dask cluster: the same answers as on this computer, also where a worker is lost."""

import os
import signal

import numpy as np
import pytest

import gmmaudio
from gmmaudio.features import FeatureStore, make_features
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
