"""Raw frames of many clips: degradations, failures, and bounds of lengths."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.audio import read_audio
from gmmaudio.compute import RunContext, one_thread
from gmmaudio.corpus import Clip
from gmmaudio.errors import SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import make_features, raw_frames
from gmmaudio.trials import Degradation, Extracted, Extraction, check_lengths, extract_clip, extract_clips, extraction


def test_random_numbers_of_a_degradation_depend_on_seed_and_path_only():
    y = np.zeros(1000, dtype=np.float32) + np.float32(0.1)
    one, same, other_seed, other_path = (
        Degradation("noise 20 dB", seed).apply(y, 22050, path)
        for seed, path in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other_seed)
    assert not np.array_equal(one, other_path)


# --- clips -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def features():
    return make_features(n_mfcc=5)


def test_a_clip_has_the_frames_the_length_and_the_hash_of_its_samples(corpus, features):
    path = corpus.rows[0]["path"]
    clip = extract_clip(Extraction(corpus.root, features, 0.5), Clip(path, "low")).result
    y = read_audio(corpus.root / path, 22050)
    assert clip.duration_s == len(y) / 22050 == 1.0
    assert clip.sha256 == hashlib.sha256(y.tobytes()).hexdigest()
    with one_thread():
        np.testing.assert_allclose(clip.raw.values, raw_frames([y], features.frames).values, rtol=1e-5)


def test_a_degraded_clip_has_other_frames_and_the_hash_of_the_original(corpus, features):
    clip, plain = Clip(corpus.rows[0]["path"], "low"), Extraction(corpus.root, features, 0.5)
    noisy = replace(plain, degradation=Degradation("noise 10 dB"))
    clean, degraded = extract_clip(plain, clip).result, extract_clip(noisy, clip).result
    assert degraded.sha256 == clean.sha256
    assert degraded.duration_s == clean.duration_s
    assert not np.array_equal(degraded.raw.values, clean.raw.values)


def test_a_degradation_that_shortens_the_sound_shortens_the_clip(tmp_path, tools, features):
    tools.write(tmp_path / "long.wav", tools.band_noise("low", 0, seconds=7.0), tools.sr)
    extraction = Extraction(tmp_path, features, 0.5, Degradation("5 s excerpt"))
    assert extract_clip(extraction, Clip("long.wav", "low")).result.duration_s == 5.0


@pytest.mark.parametrize("n_jobs", [1, 2, None])
def test_bad_files_become_failures_in_the_order_of_the_clips(corpus, tmp_path, tools, features, n_jobs):
    codes = tools.make_bad_files(tmp_path, corpus.root / corpus.rows[0]["path"])
    good = [str(corpus.root / row["path"]) for row in corpus.rows[:2]]
    clips = [Clip(path, "low") for path in (good[0], *codes, good[1])]
    stages = []

    def watch(items, total, stage):
        stages.append((stage, total))
        return items

    results = extract_clips(tmp_path, clips, features, min_duration_s=0.5, run=RunContext(n_jobs, watch))
    assert [item.clip.path for item in results if isinstance(item, Extracted)] == good
    # silence is found by the gate, after extraction
    failures = {item.path: item.code for item in results if isinstance(item, FailedInput)}
    assert failures == {path: code for path, code in codes.items() if path in failures}
    assert set(codes) - set(failures) <= {"silent.wav"}
    assert [item.clip.path if isinstance(item, Extracted) else item.path for item in results] == [
        clip.path for clip in clips
    ]
    assert stages == [("extracting features", len(clips))]


@pytest.mark.parametrize("n_jobs", [1, None])
def test_a_file_at_which_python_runs_out_of_memory_has_a_code_of_its_own(corpus, features, monkeypatch, n_jobs):
    def compute(settings, clip):
        if clip.path == bad:
            raise MemoryError
        return plain(settings, clip)

    plain, bad = extraction._compute, corpus.rows[1]["path"]
    monkeypatch.setattr(extraction, "_compute", compute)
    clips = [Clip(row["path"], "low") for row in corpus.rows[:3]]
    first, failed, last = extract_clips(corpus.root, clips, features, min_duration_s=0.5, run=RunContext(n_jobs))
    assert [item.clip.path for item in (first, last)] == [corpus.rows[i]["path"] for i in (0, 2)]
    assert (failed.path, failed.code) == (bad, "memory")
    assert failed.message == (
        "took more memory than there is; raise `memory_limit`, run fewer worker processes (`n_jobs`), or cut the file "
        "into parts"
    )


def test_the_stage_of_degraded_clips_names_the_degradation(corpus, features):
    stages = []

    def watch(items, _total, stage):
        stages.append(stage)
        return items

    clips, noise = [Clip(corpus.rows[0]["path"], "low")], Degradation("noise 10 dB")
    extract_clips(corpus.root, clips, features, min_duration_s=0.5, degradation=noise, run=RunContext(1, watch))
    assert stages == ["extracting features, noise 10 dB"]


def test_a_front_end_too_coarse_for_fingerprints_gives_none(corpus):
    extraction = Extraction(corpus.root, make_features(hop_s=0.08), 0.5)
    assert len(extract_clip(extraction, Clip(corpus.rows[0]["path"], "low")).result.fingerprint) == 0


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(0.0,), (3600.0,), (0.5, 0.1), (0.5, 3600.0), (0.5, None)])
def test_lengths_within_their_bounds_pass(lengths):
    check_lengths(*lengths)


@pytest.mark.parametrize(
    ("lengths", "name"),
    [
        ((-0.1,), "min_duration_s"),
        ((3600.1,), "min_duration_s"),
        ((math.nan,), "min_duration_s"),
        ((0.5, 0.09), "trial_s"),
        ((0.5, 3601.0), "trial_s"),
        ((0.5, math.nan), "trial_s"),
    ],
)
def test_lengths_outside_their_bounds_are_refused_by_name(lengths, name):
    with pytest.raises(SettingError, match=f"`{name}` is "):
        check_lengths(*lengths)
