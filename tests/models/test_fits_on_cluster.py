"""Mixtures fitted on the workers of a Dask cluster: the same bits, from rows in files that only workers read."""

import itertools

import numpy as np
import pytest

from gmmaudio.compute import RunContext
from gmmaudio.mixture import sources, statistics
from gmmaudio.mixture.file_rows import in_file
from gmmaudio.models.kind_settings import EmSettings
from gmmaudio.models.kinds import frame_gmm
from gmmaudio.models.training_rows import ClipRows, TrainingRows

pytest.importorskip("distributed", reason="needs the dask extra")

LENGTHS = (90, 70, 20, 60)
CODES = np.array([0, 1, 2, 0])


@pytest.fixture
def training(tmp_path):
    """Four clips of three labels, in files."""
    pieces = []
    for i, n in enumerate(LENGTHS):
        path = tmp_path / f"{i}.npy"
        np.save(path, np.random.default_rng(i).normal(i, 1.0, (n, 2)).astype(np.float32))
        pieces.append(in_file(np.load(path, mmap_mode="r")))
    return TrainingRows(ClipRows(pieces), ("a", "b", "c"), CODES, tuple("1234"), 0)


def fit(training, run):
    """Return the mixtures of all labels as bytes, and their traces."""
    training = TrainingRows(training.rows, training.labels, training.codes, training.groups, training.seed, run)
    rows = (training.of_label(i) for i in range(3))
    mixtures, traces = frame_gmm.fit_mixtures(rows, training, EmSettings(n_components=2, max_iter=5))
    return [(m.weights.tobytes(), m.means.tobytes(), m.covariances.tobytes()) for m in mixtures], traces


@pytest.fixture
def noted(dask_cluster, monkeypatch):
    """The name of the function, and the items, of every map of the cluster."""
    maps, plain = [], dask_cluster.map

    def note(function, items, **settings):
        name = getattr(function, "func", function).__name__
        items = list(items)
        maps.append((name, items))
        return plain(function, items, **settings)

    monkeypatch.setattr(dask_cluster, "map", note)
    return maps


def test_labels_are_fitted_by_workers_which_open_the_files(dask_cluster, training, noted):
    assert fit(training, RunContext(cluster=dask_cluster)) == fit(training, RunContext(n_jobs=1))
    ((name, tasks),) = noted
    assert name == "_fit_label"
    assert [len(task.rows) for task in tasks] == [2, 1, 1]
    assert not any(isinstance(piece, np.ndarray) for task in tasks for piece in task.rows)


def test_a_label_with_very_many_rows_is_fitted_by_all_workers_in_groups(dask_cluster, training, noted, monkeypatch):
    # chunks of 16 rows in groups of 3: 150 rows are 10 chunks, 4 groups
    monkeypatch.setattr(sources, "CHUNK_ROWS", 16)
    monkeypatch.setattr(statistics, "GROUP_CHUNKS", 3)
    here = fit(training, RunContext(n_jobs=1))
    monkeypatch.setattr(frame_gmm, "ROWS_OF_ONE_WORKER", 0)
    assert fit(training, RunContext(cluster=dask_cluster)) == here
    sizes = [list(map(len, groups)) for name, groups in noted if name == "_group_statistics"]
    # of the start, and after each iteration
    a, b, c = (trace.n_iter + 1 for trace in here[1].values())
    assert sizes == [[3, 3, 3, 1]] * a + [[3, 2]] * b + [[2]] * c
    pieces = itertools.chain.from_iterable(
        chunk.__reduce__()[1][1] for name, groups in noted if name == "_group_statistics" for g in groups for chunk in g
    )
    assert not any(isinstance(piece, np.ndarray) for piece in pieces)
