"""Checkpoints in a store: to the bit, under all that they depend on, and never dearer than their computation."""

import copy
import os
import warnings

import numpy as np
import pytest

from gmmaudio.errors import CacheWarning
from gmmaudio.features import FeatureStore
from gmmaudio.features import store as store_module
from gmmaudio.features.entry_file import Entry
from gmmaudio.features.store import BLOCK_BYTES
from gmmaudio.pipeline import stored_checkpoints
from gmmaudio.pipeline.stored_checkpoints import StoredCheckpoints, checkpoints_of

ARRAYS = {"a": np.array([[1 / 3, -np.inf], [np.nan, 5e-324]]), "b": np.asfortranarray(np.arange(6.0).reshape(2, 3))}


@pytest.fixture
def checkpoints(tmp_path):
    return StoredCheckpoints.of(tmp_path / "cache")


def test_arrays_and_records_come_back_to_the_bit(checkpoints):
    checkpoints.write({"n": 1}, ARRAYS, {"x": 1 / 3, "name": "b\udc80"})
    arrays, record = checkpoints.read({"n": 1})
    assert {name: array.tobytes() for name, array in arrays.items()} == {k: a.tobytes() for k, a in ARRAYS.items()}
    assert arrays["b"].flags.f_contiguous
    assert record == {"x": 1 / 3, "name": "b\udc80"}
    assert checkpoints.read({"n": 2}) is None


def test_another_version_machine_or_source_finds_nothing(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path)
    StoredCheckpoints.of(store).write({"n": 1}, {}, {})
    assert StoredCheckpoints.of(store).read({"n": 1}) == ({}, {})
    for name, other in (
        ("versions", lambda: {"numpy": "99"}),
        ("machine", lambda: "abacus"),
        ("installed_versions", lambda: ("numpy 99",)),
        ("_hash_computing_sources", lambda: "other"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(stored_checkpoints, name, other)
            assert StoredCheckpoints.of(store).read({"n": 1}) is None, name


def test_every_module_that_numbers_come_from_is_hashed(monkeypatch):
    hashed = []
    monkeypatch.setattr(stored_checkpoints, "hash_sources", lambda sources: hashed.extend(sources) or "")
    stored_checkpoints._hash_computing_sources.__wrapped__()
    assert {"audio", "evaluation", "features", "mixture", "models", "pipeline", "trials", "arrays.py"} <= set(hashed)
    assert not {"canvas", "cli", "pictures", "timelines", "__pycache__"} & set(hashed)


def test_a_damaged_checkpoint_is_gone_and_said_once(checkpoints):
    for n in (1, 2):
        checkpoints.write({"n": n}, ARRAYS, {})
    for file in checkpoints.store.files():
        data = bytearray(file.path.read_bytes())
        data[len(data) // 2] ^= 1
        file.path.write_bytes(data)
    with pytest.warns(CacheWarning, match="damaged entries of the cache were dropped") as said:
        assert [checkpoints.read({"n": n}) for n in (1, 2)] == [None, None]
    assert len(said) == 1
    assert list(checkpoints.store.files()) == []


def test_a_store_that_cannot_be_written_is_said_once_and_by_no_worker(checkpoints, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "replace", fail)
    with pytest.warns(CacheWarning, match=r"No space left on device.*without keeping all of them") as said:
        for n in (1, 2):
            checkpoints.write({"n": n}, ARRAYS, {})
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.copy(checkpoints).write({"n": 1}, ARRAYS, {})


def test_a_copy_of_a_worker_reads_and_writes_the_same_entries(checkpoints):
    worker = copy.copy(checkpoints)
    worker.write({"n": 1}, ARRAYS, {"n": 1})
    assert checkpoints.read({"n": 1})[1] == {"n": 1}
    assert (worker.context, worker.used_at) == (checkpoints.context, checkpoints.used_at)


def test_older_features_go_first_then_checkpoints_then_the_features_of_the_run(tmp_path):
    store = FeatureStore(tmp_path, 10 * BLOCK_BYTES)
    for number in range(8):
        store.write({"features": number}, Entry(record={}))
    checkpoints = StoredCheckpoints.of(store)
    for file in store.files():
        os.utime(file.path, (checkpoints.used_at - 9, checkpoints.used_at - 9))
    # the features of this run
    for number in range(4):
        store.read({"features": number})

    def there():
        return [store.holds({"features": number}) for number in range(8)]

    for number in range(4):
        checkpoints.write({"n": number}, {}, {})
    assert there() == [True] * 4 + [False] * 4 or sum(there()[4:]) < 4
    assert all(there()[:4])
    # read or written, they never outlast the features of the run
    for number in range(4, 20):
        checkpoints.write({"n": number}, {}, {})
        checkpoints.read({"n": number})
    assert there() == [True] * 4 + [False] * 4


def test_without_a_store_there_are_no_checkpoints(tmp_path):
    assert checkpoints_of(None) is None
    assert checkpoints_of(FeatureStore(tmp_path)).store.folder == tmp_path
