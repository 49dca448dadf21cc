"""The store: entries by key, verified, bounded, and shared by processes that may be killed."""

import errno
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.errors import SettingError, WriteError
from gmmaudio.features import store as store_module
from gmmaudio.features.entry_file import DamagedEntryError, Entry
from gmmaudio.features.store import BLOCK_BYTES, LEFT_OVER_S, WRITES_BETWEEN_COUNTS, FeatureStore
from gmmaudio.files import CACHE_TAG, CACHE_TAG_FILE
from gmmaudio.temporary_files import HOST, PREFIX


def frames_of(number, n=100):
    """Return the frames that belong to a key, and to no other."""
    return np.random.default_rng(number).normal(size=(n, 3)).astype("f4")


def fill(store, numbers, n=100):
    for number in numbers:
        store.write({"n": number}, Entry({"frames": frames_of(number, n)}, {"number": number}))


def is_right(entry, number):
    return entry.record == {"number": number} and np.array_equal(entry.arrays["frames"], frames_of(number))


def found(store, numbers):
    """Return the numbers whose entries are there; each that is there must be right."""
    entries = {number: store.read({"n": number}) for number in numbers}
    assert all(is_right(entry, number) for number, entry in entries.items() if entry is not None)
    return {number for number, entry in entries.items() if entry is not None}


def all_files(folder):
    return {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "cache")


def test_an_entry_comes_back_under_its_key_alone(store):
    fill(store, [1, 2])
    assert found(store, [1, 2, 3]) == {1, 2}
    assert [store.holds({"n": number}) for number in (1, 2, 3)] == [True, True, False]


def test_a_key_is_the_same_in_any_order_and_another_with_other_values(store):
    store.write({"a": 1, "b": 0.1}, Entry(record={"n": 1}))
    assert store.read({"b": 0.1, "a": 1}).record == {"n": 1}
    assert store.read({"a": 1, "b": np.nextafter(0.1, 1)}) is None
    assert store.read({"a": True, "b": 0.1}) is None


def test_a_second_write_takes_the_place_of_the_first(store):
    for n in (1, 2):
        store.write({"k": 0}, Entry(record={"n": n}))
    assert store.read({"k": 0}).record == {"n": 2}
    assert len(list(store.files())) == 1


def test_nothing_is_made_before_the_first_write(store):
    assert store.read({"n": 1}) is None
    assert (list(store.files()), list(store.verify()), store.clear()) == ([], [], 0)
    assert not store.folder.exists()


def test_the_folder_is_tagged(store):
    fill(store, [1])
    assert (store.folder / CACHE_TAG_FILE).read_bytes() == CACHE_TAG
    assert CACHE_TAG.startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


def test_mapped_arrays_are_the_same_and_read_only(store):
    fill(store, [1])
    array = store.read({"n": 1}, is_mapped=True).arrays["frames"]
    store.clear()
    assert np.array_equal(array, frames_of(1))
    assert not array.flags.writeable
    assert store.read({"n": 1}) is None


@pytest.mark.parametrize("is_mapped", [False, True])
def test_damage_anywhere_is_found_and_the_entry_removed(store, is_mapped):
    fill(store, [1])
    (file,) = store.files()
    whole = file.path.read_bytes()
    places = [*range(0, len(whole), 37), len(whole) - 1]
    damaged = [whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in places]
    for data in (*damaged, b"", whole[:100], whole + b"\0", bytes(len(whole))):
        file.path.write_bytes(data)
        with pytest.raises(DamagedEntryError):
            store.read({"n": 1}, is_mapped=is_mapped)
        assert not file.path.exists()
        assert store.read({"n": 1}, is_mapped=is_mapped) is None
    fill(store, [1])
    assert found(store, [1]) == {1}


def test_an_entry_under_the_name_of_another_is_damaged(store):
    fill(store, [1])
    (first,) = store.files()
    fill(store, [2])
    (second,) = (file for file in store.files() if file.path != first.path)
    second.path.write_bytes(first.path.read_bytes())
    assert [path for path, _ in store.verify()] == [second.path]
    second.path.write_bytes(first.path.read_bytes())
    with pytest.raises(DamagedEntryError, match="another key"):
        store.read({"n": 2})


def test_verify_names_and_removes_what_is_damaged_and_nothing_else(store):
    fill(store, range(5))
    spoiled = sorted(file.path for file in store.files())[:2]
    for path in spoiled:
        path.write_bytes(b"damaged")
    assert sorted(path for path, _ in store.verify()) == spoiled
    assert len(list(store.files())) == 3
    assert list(store.verify()) == []


def test_a_damaged_sum_of_sizes_is_counted_anew(store):
    usage = store.folder / "v1" / "usage"
    for spoiled in (None, b"", b"nonsense", b"9" * 100, bytes(28)):
        fill(store, [1, 2])
        if spoiled is not None:
            usage.write_bytes(spoiled)
        fill(store, [3])
        assert int(usage.read_bytes().split()[0]) >= sum(file.n_bytes for file in store.files())
        assert len(usage.read_bytes()) == 28


def test_the_least_recently_used_are_removed_first(tmp_path):
    store = FeatureStore(tmp_path, 10 * BLOCK_BYTES)
    fill(store, range(10))
    for age, number in enumerate(range(9, -1, -1)):
        (path,) = [f.path for f in store.files() if store_module._read_entry(f.path)[1].record == {"number": number}]
        os.utime(path, (1e9 - age, 1e9 - age))
    # reading is use
    assert found(store, [0, 3]) == {0, 3}
    fill(store, [10])
    assert {0, 3, 10} <= found(store, range(11))
    assert not {1, 2} & found(store, range(11))


def test_the_time_of_a_use_may_be_given(store):
    fill(store, [1])
    store.write({"n": 2}, Entry(), used_at=1e9)
    assert sorted(file.used_at for file in store.files())[0] == 1e9
    store.read({"n": 1}, used_at=2e9)
    assert sorted(file.used_at for file in store.files()) == [1e9, 2e9]
    # now, where it is not
    store.read({"n": 2})
    assert min(file.used_at for file in store.files()) > 1.5e9


def test_the_limit_holds_at_any_time(tmp_path):
    limit = 20 * BLOCK_BYTES
    store = FeatureStore(tmp_path, limit)
    for number in range(100):
        fill(store, [number], n=200 * (1 + number % 3))
        assert sum(file.n_bytes for file in store.files()) <= limit
    assert len(list(store.files())) > 5


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path):
    store = FeatureStore(tmp_path, 2 * BLOCK_BYTES)
    fill(store, [1])
    fill(store, [2], n=10_000)
    assert found(store, [1]) == {1}
    assert store.read({"n": 2}) is None


def test_an_entry_that_would_be_removed_at_once_removes_no_others(tmp_path):
    fill(FeatureStore(tmp_path), [1])
    fill(FeatureStore(tmp_path), [2], n=1000)
    size = max(file.n_bytes for file in FeatureStore(tmp_path).files())
    store = FeatureStore(tmp_path / "small", int(size / 0.95))
    fill(store, [1])
    fill(store, [2], n=1000)
    assert found(store, [1, 2]) == {1}


def test_a_smaller_limit_is_met_at_the_next_write(tmp_path):
    fill(FeatureStore(tmp_path), range(50))
    fill(FeatureStore(tmp_path, 10 * BLOCK_BYTES), [99])
    assert sum(file.n_bytes for file in FeatureStore(tmp_path).files()) <= 10 * BLOCK_BYTES


def test_sizes_that_killed_runs_did_not_add_are_counted_in_the_end(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path, 20 * BLOCK_BYTES)
    fill(store, [300])
    with monkeypatch.context() as patch:
        patch.setattr(FeatureStore, "_count", lambda *_: None)
        fill(store, range(100))
    monkeypatch.setattr(store_module, "WRITES_BETWEEN_COUNTS", 5)
    fill(store, range(200, 207))
    assert sum(file.n_bytes for file in store.files()) <= 20 * BLOCK_BYTES
    assert WRITES_BETWEEN_COUNTS > 5


def test_clear_removes_entries_and_left_overs_alone(store):
    fill(store, range(5))
    kept = ["CACHEDIR.TAG", "notes.txt", "v1/notes.txt", "v1/ab/song.wav", "v2/ab/entry", "v1/.gmmaudio-mine"]
    for name in kept[1:]:
        path = store.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (store.folder / "v1" / "new" / f"{PREFIX}{HOST}-abcd1234").write_text("half")
    (store.folder / "v1" / "ff" / ("0" * 62 + ".safetensors")).parent.mkdir(exist_ok=True)
    (store.folder / "v1" / "ff" / ("0" * 62 + ".safetensors")).symlink_to(store.folder / "notes.txt")
    assert store.clear() == 5
    assert all_files(store.folder) == {*kept, "v1/ff/" + "0" * 62 + ".safetensors"}
    fill(store, [1])
    assert found(store, [1]) == {1}


@pytest.mark.parametrize("name", ["song.wav", CACHE_TAG_FILE, "v1"])
def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(SettingError, match="holds other files and is no cache of this program; name an empty folder"):
        FeatureStore(tmp_path)
    assert all_files(tmp_path) == {name}


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_in_place_of_the_entries_is_refused_and_left_alone(store, is_link):
    fill(store, [1])
    (store.folder / "v1").rename(store.folder / "v0")
    version = store.folder / "v1"
    if is_link:
        version.symlink_to("gone")
    else:
        version.write_text("mine")
    with pytest.raises(SettingError) as caught:
        FeatureStore(store.folder)
    assert str(caught.value) == (
        f"{store.folder}: v1 in it is no folder, and entries cannot be kept there; remove it, or name another folder "
        "(`cache`)"
    )
    assert version.is_symlink() if is_link else version.read_text() == "mine"
    version.unlink()
    (store.folder / "v0").rename(version)
    assert found(FeatureStore(store.folder), [1]) == {1}


def test_a_folder_that_was_filled_meanwhile_is_left_alone(tmp_path):
    store = FeatureStore(tmp_path / "music")
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.wav").write_text("mine")
    with pytest.raises(WriteError, match="holds other files"):
        fill(store, [1])
    assert all_files(tmp_path / "music") == {"song.wav"}


def test_a_file_and_a_limit_that_is_none_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"file: is a file, or lies below one; name a folder \(`cache`\)"):
        FeatureStore(tmp_path / "file")
    for limit in (0, -1):
        with pytest.raises(SettingError, match=f"limit_bytes is {limit}; expected 1 or more"):
            FeatureStore(tmp_path / "new", limit)
    with pytest.raises(SettingError, match="limit_bytes is 'many'; expected a whole number"):
        FeatureStore(tmp_path / "new", "many")


def test_another_version_of_the_format_is_left_alone(store):
    fill(store, [1])
    other = store.folder / "v2" / "ab" / ("0" * 62 + ".safetensors")
    other.parent.mkdir(parents=True)
    other.write_bytes(b"of the future")
    assert list(store.verify()) == []
    assert store.clear() == 1
    assert other.read_bytes() == b"of the future"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_cannot_be_written_is_one_error_and_leaves_nothing(store, monkeypatch, code):
    fill(store, [1])
    before = all_files(store.folder)

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(store_module.os, "replace", fail)
    with pytest.raises(WriteError, match=f"cannot be written \\({os.strerror(code)}\\)"):
        fill(store, [2])
    assert all_files(store.folder) == before
    assert found(store, [1, 2]) == {1}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes")
def test_a_file_that_may_not_grow_is_an_error_of_writing(store):
    import resource

    fill(store, [1])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(WriteError, match="File too large"):
            fill(store, [2], n=5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert found(store, [1, 2]) == {1}
    assert not any("new/" in name for name in all_files(store.folder))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_still_read(store):
    fill(store, [1])
    for folder in (store.folder / "v1" / "new", store.folder / "v1", store.folder):
        folder.chmod(0o555)
    try:
        assert found(store, [1]) == {1}
        with pytest.raises(WriteError, match="Permission denied"):
            fill(store, [2])
    finally:
        for folder in (store.folder, store.folder / "v1", store.folder / "v1" / "new"):
            folder.chmod(0o755)


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="is a file"):
        FeatureStore(tmp_path / "file" / "cache")
    store = FeatureStore("/proc/no_such_folder/cache")
    with pytest.raises(WriteError, match="cannot be written"):
        fill(store, [1])


def test_folders_that_were_removed_are_made_again(store):
    import shutil

    fill(store, [1])
    for folder in ("v1/new", "v1", ""):
        shutil.rmtree(store.folder / folder)
        fill(store, [2])
        assert found(store, [2]) == {2}


def test_temporary_files_of_other_computers_are_left_over_after_a_day(store):
    fill(store, [1])
    new = store.folder / "v1" / "new"
    old, young, foreign = new / f"{PREFIX}elsewhere-1", new / f"{PREFIX}elsewhere-2", new / "foreign"
    for path, age_s in ((old, 2 * LEFT_OVER_S), (young, 0.0), (foreign, 2 * LEFT_OVER_S)):
        path.write_text("half")
        changed_at = path.stat().st_mtime - age_s
        os.utime(path, (changed_at, changed_at))
    store.remove_left_over()
    assert {path.name for path in new.iterdir()} == {young.name, foreign.name}


def test_threads_read_write_and_remove_at_once(tmp_path):
    store, wrong = FeatureStore(tmp_path, 12 * BLOCK_BYTES), []

    def work(seed):
        rng = random.Random(seed)
        for _ in range(60):
            number = rng.randrange(20)
            entry = store.read({"n": number})
            if entry is None:
                fill(store, [number])
            elif not is_right(entry, number):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(file.n_bytes for file in store.files()) <= 12 * BLOCK_BYTES
    assert list(store.verify()) == []


WORK = """
import random, sys
import numpy as np
from gmmaudio.features.entry_file import Entry
from gmmaudio.features.store import FeatureStore

store, rng = FeatureStore(sys.argv[1], int(sys.argv[2])), random.Random(int(sys.argv[3]))
store.remove_left_over()
print("ready", flush=True)
for _ in range(int(sys.argv[4])):
    number = rng.randrange(20)
    right = np.random.default_rng(number).normal(size=(100, 3)).astype("f4")
    entry = store.read({"n": number})
    if entry is None:
        store.write({"n": number}, Entry({"frames": right}, {"number": number}))
    else:
        assert np.array_equal(entry.arrays["frames"], right)
"""


def start_writer(folder, seed, n_steps, limit=12 * BLOCK_BYTES):
    words = [sys.executable, "-c", WORK, str(folder), str(limit), str(seed), str(n_steps)]
    return subprocess.Popen(words, stdout=subprocess.PIPE)


def test_processes_share_a_folder(tmp_path):
    writers = [start_writer(tmp_path, seed, 200) for seed in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    for writer in writers:
        writer.stdout.close()
    store = FeatureStore(tmp_path)
    assert list(store.verify()) == []
    found(store, range(20))
    assert list((tmp_path / "v1" / "new").iterdir()) == []


def check_after_kills(folder, n_kills):
    """Kill writers at random moments; then every entry is right, and nothing else is left."""
    rng = random.Random(0)
    for seed in range(n_kills):
        with start_writer(folder, seed, 1_000_000) as writer:
            writer.stdout.readline()
            # a moment of the writer's own clock, not of ours
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(rng.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
        assert len(list((Path(folder) / "v1" / "new").glob("*")) if (Path(folder) / "v1").exists() else []) <= 1
    store = FeatureStore(folder, 12 * BLOCK_BYTES)
    store.remove_left_over()
    assert list(store.verify()) == []
    fill(store, range(30, 40))
    found(store, range(40))
    assert sum(file.n_bytes for file in store.files()) <= 12 * BLOCK_BYTES
    names = all_files(folder) - {file.path.relative_to(folder).as_posix() for file in store.files()}
    assert names == {CACHE_TAG_FILE, "v1/usage"}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_writer_leaves_no_wrong_entry(tmp_path):
    check_after_kills(tmp_path, 3)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_many_killed_writers_leave_no_wrong_entry_and_no_growing_litter(tmp_path):
    check_after_kills(tmp_path, 150)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
# Python 3.12 warns of threads of numeric libraries, which the child does not use
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_writer_that_is_killed_at_any_call_leaves_whole_entries(tmp_path, monkeypatch):
    """Every call of the system by which a write changes the folder is made the last one of a process."""
    fork = multiprocessing.get_context("fork")
    names = ("replace", "utime", "unlink", "open")
    for name in names:
        for nth in range(4):
            folder = tmp_path / f"{name}-{nth}"
            store = FeatureStore(folder, 3 * BLOCK_BYTES)

            def work(store=store, name=name, nth=nth):
                counter, real = iter(range(100)), getattr(os, name)

                def last(*words, **more):
                    if next(counter) == nth:
                        os._exit(9)
                    return real(*words, **more)

                setattr(os, name, last)
                fill(store, range(8))
                found(store, range(8))

            child = fork.Process(target=work)
            child.start()
            child.join()
            store.remove_left_over()
            assert list(store.verify()) == []
            found(store, range(8))
            fill(store, range(8))
            assert sum(file.n_bytes for file in store.files()) <= 3 * BLOCK_BYTES
            left = all_files(folder) - {file.path.relative_to(folder).as_posix() for file in store.files()}
            assert left == {CACHE_TAG_FILE, "v1/usage"}
