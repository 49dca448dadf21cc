"""The benchmark of rows of other programs: its folds, and the frames that it hands in."""

import numpy as np
import pytest

from benchmarks import own_rows
from gmmaudio.corpus import Clip, Corpus


def test_folds_keep_speakers_whole_and_hold_every_clip_once():
    clips = tuple(Clip(f"{i}.wav", "ab"[i % 2], group=f"{'ab'[i % 2]}{i % 7}", extra={"age": "3"}) for i in range(140))
    divided = own_rows.with_folds(Corpus(".", clips)).clips
    folds = {}
    for clip in divided:
        folds.setdefault(clip.group, set()).add(clip.extra["fold"])
    assert {len(each) for each in folds.values()} == {1}
    assert len(set().union(*folds.values())) == own_rows.N_FOLDS
    assert {clip.extra["age"] for clip in divided} == {"3"}


def test_frames_have_mean_0_and_deviation_1_over_the_clip():
    frames = own_rows.normalised(np.random.default_rng(0).normal(3, 5, size=(50, 4)) * [1, 1, 1, 0])
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(frames.std(axis=0), [1, 1, 1, 0], atol=1e-12)


def test_kaldi_gives_a_frame_for_every_step():
    pytest.importorskip("kaldi_native_fbank")
    samples = np.random.default_rng(0).normal(size=16_000).astype(np.float32) / 10
    assert own_rows.kaldi_mfcc(samples).shape == (100, 13)
