"""Clips joined and cut into trials: their clips and lengths, and no frame lost without a finding."""

import math
import re
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio import pipeline
from gmmaudio.audio import NOTES, AudioNote
from gmmaudio.corpus import Clip
from gmmaudio.errors import SettingError
from gmmaudio.features import RawFrames, make_features, make_rows
from gmmaudio.trials import Extracted, TrialSettings, cut_trial, make_trials
from gmmaudio.trials.building import check_notes
from tests.conftest import trials_of

# 100 frames a second, so that a number of frames reads as hundredths of a second
FEATURES = make_features(sample_rate_hz=8000, hop_s=0.01, window_s=0.032, fmax_hz=4000.0, n_mels=4, n_mfcc=2)
CLASSIC = pipeline.make_recipe(n_components=2)
FIXED = settings(derandomize=True, deadline=None, database=None, max_examples=150)


def clip_of(path, n_frames, label="jazz", group="bob", *, first=0, level_db=0.0, values=None, **known):
    """Return a clip of frames numbered from ``first`` in column 0, level_db a number or one for each frame."""
    number = np.arange(first, first + n_frames, dtype=np.float32)
    raw = RawFrames(
        values=np.stack([number, -number], axis=1) if values is None else np.asarray(values, dtype=np.float32),
        level_db=np.broadcast_to(np.asarray(level_db, dtype=np.float32), n_frames),
        time_s=np.arange(n_frames, dtype=np.float32) / 100,
    )
    return Extracted(Clip(path, label, group, held_out_by=group, **known), raw, n_frames / 100, sha256=path)


def make(clips, trial_s, *, min_duration_s=0.0, fold_column=None, features=FEATURES):
    if fold_column:
        clips = [replace(item, clip=replace(item.clip, fold=item.clip.column(fold_column))) for item in clips]
    return make_trials(clips, TrialSettings(features, trial_s, min_duration_s))


def lengths(clips, trial_s, **settings):
    """Return the number of frames of every trial."""
    return [len(trial.rows) for trial in make(clips, trial_s, **settings)[0]]


def numbers(trial):
    return trial.rows.values[:, 0].astype(int).tolist()


# --- clips as they are -------------------------------------------------------------------------------------------


def test_without_a_length_every_clip_is_a_trial_in_order():
    clips = [clip_of("a.wav", 300), clip_of("b.wav", 5, group=None), clip_of("c.wav", 7000, "rock")]
    trials, failed, findings = make(clips, None)
    assert [(trial.name, trial.parts, len(trial.rows), trial.duration_s) for trial in trials] == [
        ("a.wav", (clips[0],), 300, 3.0),
        ("b.wav", (clips[1],), 5, 0.05),
        ("c.wav", (clips[2],), 7000, 70.0),
    ]
    assert (failed, findings) == ([], ())


def test_a_trial_has_the_fields_of_its_clip():
    clip = clip_of("a.wav", 300, "jazz", "bob", source="studio", split="train", extra={"fold": "3"})
    (trial,), _, _ = make([clip], None, fold_column="fold")
    assert (trial.label, trial.group, trial.source, trial.fold) == ("jazz", "bob", "studio", "3")
    assert trial.paths == ("a.wav",)


def test_without_a_fold_column_a_trial_has_no_fold():
    (trial,), _, _ = make([clip_of("a.wav", 300, extra={"fold": "3"})], None)
    assert trial.fold is None


def test_nothing_gives_nothing():
    assert make([], None) == ([], [], ())
    assert make([], 3.0) == ([], [], ())


def test_segments_of_one_file_have_names_of_their_own():
    clips = [clip_of("a.wav", 100, start_s=s, end_s=e) for s, e in ((0.0, None), (0.0, 2.5), (2.5, 5.0), (5.0, None))]
    trials, _, _ = make(clips, None)
    assert [trial.name for trial in trials] == ["a.wav", "a.wav@0-2.5s", "a.wav@2.5-5s", "a.wav@5-s"]


# --- joining -----------------------------------------------------------------------------------------------------


def test_clips_are_joined_in_order_until_a_trial_is_as_near_as_it_gets():
    # of 3 s each: three are 9 s, four would be 12 s and farther from 10 s
    clips = [clip_of(f"{i}.wav", 300, first=300 * i) for i in range(6)]
    trials, _, findings = make(clips, 10.0)
    assert [trial.paths for trial in trials] == [("0.wav", "1.wav", "2.wav"), ("3.wav", "4.wav", "5.wav")]
    assert [numbers(trial) for trial in trials] == [list(range(900)), list(range(900, 1800))]
    assert [trial.duration_s for trial in trials] == pytest.approx([9.0, 9.0])  # sums of three floats
    assert findings == ()


def test_one_clip_more_is_taken_where_that_is_nearer():
    # of 3.4 s each: three are 10.2 s, and nearer to 10 s than two, 6.8 s
    assert lengths([clip_of(f"{i}.wav", 340) for i in range(6)], 10.0) == [1020, 1020]


def test_a_remainder_of_half_the_length_is_kept():
    assert lengths([clip_of(f"{i}.wav", 500) for i in range(3)], 10.0) == [1000, 500]


def test_a_remainder_below_half_the_length_is_left_out_and_stated():
    trials, failed, findings = make([clip_of("a.wav", 1000), clip_of("b.wav", 499)], 10.0)
    assert [trial.paths for trial in trials] == [("a.wav",)]
    assert failed == []
    assert [str(finding) for finding in findings] == [
        "4.99 s of remainders shorter than half of `trial_s` are left out"
    ]


def test_remainders_of_all_labels_and_groups_are_stated_in_one_sum():
    clips = [clip_of("a.wav", 120), clip_of("b.wav", 130, "rock"), clip_of("c.wav", 150, "rock", None)]
    trials, _, findings = make(clips, 10.0)
    assert trials == []
    assert [str(finding) for finding in findings] == [
        "4.00 s of remainders shorter than half of `trial_s` are left out"
    ]


@pytest.mark.parametrize(
    "other",
    [{"label": "rock"}, {"group": "eve"}, {"source": "radio"}, {"split": "test"}, {"extra": {"fold": "1"}}],
    ids=lambda other: next(iter(other)),
)
def test_clips_that_differ_in_a_field_are_never_joined(other):
    first = {"source": "studio", "split": "train", "extra": {"fold": "0"}}
    clips = [clip_of(f"{i}.wav", 250, **(first | (other if i % 2 else {}))) for i in range(8)]
    trials, _, _ = make(clips, 10.0, fold_column="fold")
    assert [trial.paths for trial in trials] == [
        ("0.wav", "2.wav", "4.wav", "6.wav"),
        ("1.wav", "3.wav", "5.wav", "7.wav"),
    ]


def test_a_column_that_is_not_the_fold_column_keeps_no_clips_apart():
    clips = [clip_of(f"{i}.wav", 250, extra={"fold": str(i)}) for i in range(4)]
    assert lengths(clips, 10.0) == [1000]


def test_clips_whose_group_is_unknown_are_never_joined():
    clips = [clip_of(f"{i}.wav", 600, group=None) for i in range(3)]
    trials, _, _ = make(clips, 10.0)
    assert [trial.paths for trial in trials] == [("0.wav",), ("1.wav",), ("2.wav",)]


def test_segments_of_one_file_whose_group_is_unknown_are_never_joined():
    clips = [clip_of("a.wav", 600, group=None, start_s=s, end_s=s + 6) for s in (0.0, 6.0)]
    assert lengths(clips, 10.0) == [600, 600]


# --- cutting -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["bob", None])
@pytest.mark.parametrize(
    ("n_frames", "expected"),
    [(1000, [1000]), (3000, [1000] * 3), (3500, [1000, 1000, 1000, 500]), (3499, [1000] * 3), (499, [])],
)
def test_a_longer_clip_is_cut_whether_or_not_its_group_is_known(group, n_frames, expected):
    clip = clip_of("a.wav", n_frames, group=group)
    trials, _, _ = make([clip], 10.0)
    assert [len(trial.rows) for trial in trials] == expected
    assert [i for trial in trials for i in numbers(trial)] == list(range(sum(expected)))
    assert all(trial.parts == (clip,) for trial in trials)


@pytest.mark.parametrize("group", ["bob", None])
def test_a_clip_of_the_length_asked_is_one_trial_with_all_its_frames(group):
    # frames are centred on both ends of the sound, so there is one more than 100 a second
    clip = replace(clip_of("a.wav", 1001, group=group), duration_s=10.0)
    (trial,), _, findings = make([clip], 10.0)
    assert numbers(trial) == list(range(1001))
    assert trial.parts == (clip,)
    assert trial.duration_s == pytest.approx(10.0)
    assert findings == ()


def test_a_remainder_of_one_clip_is_joined_to_the_next_of_its_group():
    clips = [clip_of("a.wav", 1400), clip_of("b.wav", 600, first=1400)]
    trials, _, _ = make(clips, 10.0)
    assert [trial.paths for trial in trials] == [("a.wav",), ("a.wav", "b.wav")]
    assert numbers(trials[1]) == list(range(1000, 2000))


def test_frames_of_a_cut_clip_keep_their_times():
    trials, _, _ = make([clip_of("a.wav", 2000)], 10.0)
    np.testing.assert_array_equal(trials[1].rows.time_s, np.arange(1000, 2000, dtype=np.float32) / 100)


@pytest.mark.parametrize("trial_s", [0.099, -3.0, 3600.5, float("nan"), float("inf")])
def test_a_length_outside_its_bounds_is_refused(trial_s):
    with pytest.raises(SettingError) as caught:
        make([clip_of("a.wav", 300)], trial_s)
    words = "0.1 to 3600 s, or 0 to take clips as they are" if math.isfinite(trial_s) else "a finite number, or None"
    assert str(caught.value) == f"`trial_s` is {trial_s:g}; expected {words}"


def test_a_length_of_zero_takes_clips_as_they_are():
    assert TrialSettings(make_features(), 0.0) == TrialSettings(make_features(), None)


# --- too short ---------------------------------------------------------------------------------------------------


def test_a_clip_below_the_least_length_fails_and_the_others_do_not():
    trials, (failed,), findings = make([clip_of("a.wav", 45), clip_of("b.wav", 50)], None, min_duration_s=0.5)
    assert [trial.name for trial in trials] == ["b.wav"]
    assert (failed.path, failed.code) == ("a.wav", "too_short")
    assert "0.45 s" in failed.message
    assert "at least 0.5 s is needed (`min_duration_s`)" in failed.message
    assert findings == ()


def test_the_least_length_is_of_the_whole_trial_where_clips_are_joined():
    clips = [clip_of(f"{i}.wav", 30) for i in range(10)]
    trials, failed, _ = make(clips, 3.0, min_duration_s=2.0)
    assert ([len(trial.rows) for trial in trials], failed) == ([300], [])
    trials, failed, _ = make(clips, None, min_duration_s=2.0)
    assert (trials, {item.code for item in failed}, len(failed)) == ([], {"too_short"}, 10)


def test_a_joined_trial_below_the_least_length_fails():
    trials, (failed,), _ = make([clip_of("a.wav", 30), clip_of("b.wav", 30)], 1.0, min_duration_s=0.7)
    assert (trials, failed.path, failed.code) == ([], "a.wav", "too_short")
    assert "0.6 s" in failed.message


# --- gate and normalisation --------------------------------------------------------------------------------------


def test_rows_are_normalised_over_the_trial_and_not_over_the_clip():
    rng = np.random.default_rng(0)
    low, high = rng.normal(-5, 1, (500, 2)), rng.normal(5, 3, (500, 2))
    clips = [clip_of("a.wav", 500, values=low), clip_of("b.wav", 500, values=high)]
    (trial,), _, _ = make(clips, 10.0, features=FEATURES.replace(normalise="mean_variance"))
    both = np.concatenate([low, high])
    # float32 frames of size about 1
    np.testing.assert_allclose(trial.rows.values, (both - both.mean(axis=0)) / both.std(axis=0), atol=1e-5)
    assert trial.rows.values[:500].mean() < -0.5


def test_pieces_of_one_clip_are_each_normalised():
    values = np.repeat([[0.0, 1.0], [10.0, -4.0]], 1000, axis=0) + np.random.default_rng(0).normal(size=(2000, 2))
    trials, _, _ = make([clip_of("a.wav", 2000, values=values)], 10.0, features=FEATURES.replace(normalise="mean"))
    for trial, part in zip(trials, (values[:1000], values[1000:]), strict=True):
        # float32 frames of size about 10
        np.testing.assert_allclose(trial.rows.values, part - part.mean(axis=0), atol=1e-5)


def test_the_gate_judges_each_clip_by_its_own_level():
    # the second clip is 60 dB softer, and its own loud half passes a gate of 40 dB
    level = np.repeat([0.0, -50.0], 250)
    clips = [clip_of("a.wav", 500, level_db=level), clip_of("b.wav", 500, first=500, level_db=level - 60)]
    (trial,), _, _ = make(clips, 10.0, features=FEATURES.replace(gate_range_db=40.0))
    assert numbers(trial) == [*range(250), *range(500, 750)]


def test_the_length_of_a_trial_is_that_before_the_gate():
    clip = clip_of("a.wav", 500, level_db=np.repeat([0.0, -50.0], 250))
    (trial,), failed, _ = make([clip], None, min_duration_s=4.0, features=FEATURES.replace(gate_range_db=40.0))
    assert (trial.duration_s, len(trial.rows), failed) == (5.0, 250, [])


# --- whatever the clips ------------------------------------------------------------------------------------------

CLIPS = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.sampled_from(["jazz", "rock"]),
        st.sampled_from([None, "bob", "eve"]),
        st.sampled_from([None, "studio"]),
        st.sampled_from([None, "train", "test"]),
        st.sampled_from(["", "0", "1"]),
    ),
    max_size=20,
)


def numbered(drawn):
    """Return clips whose frames are numbered through, and the fields that two must share to be joined."""
    clips, keys, first = [], [], 0
    for i, (n_frames, label, group, source, split, fold) in enumerate(drawn):
        clips.append(
            clip_of(f"{i}.wav", n_frames, label, group, first=first, source=source, split=split, extra={"fold": fold})
        )
        keys.append((label, group, source, split, fold, i if group is None else None))
        first += n_frames
    return clips, keys


@FIXED
@given(drawn=CLIPS, trial_s=st.floats(0.1, 3.0))
def test_no_frame_is_lost_or_doubled_but_the_stated_remainders(drawn, trial_s):
    clips, keys = numbered(drawn)
    trials, failed, findings = make(clips, trial_s, fold_column="fold")
    assert failed == []
    key_of = {clip.sha256: key for clip, key in zip(clips, keys, strict=True)}
    given_frames, used = defaultdict(list), defaultdict(list)
    for clip, key in zip(clips, keys, strict=True):
        given_frames[key] += clip.raw.values[:, 0].astype(int).tolist()
    for trial in trials:
        joined = {key_of[part.sha256] for part in trial.parts}
        assert len(joined) == 1, "clips that differ were joined"
        used[joined.pop()] += numbers(trial)
    left_s = 0.0
    for key, frames in given_frames.items():
        assert used[key] == frames[: len(used[key])], "frames out of order"
        rest_s = (len(frames) - len(used[key])) / 100
        assert rest_s < trial_s / 2 + 1e-9  # sums of floats
        left_s += rest_s
    stated = re.fullmatch(r"([\d.]+) s of remainders .* are left out", findings[0].text) if findings else None
    assert (stated is not None) == (left_s > 0)
    # stated to one decimal
    assert float(stated[1] if stated else 0) == pytest.approx(left_s, abs=0.05 + 1e-9)


@FIXED
@given(drawn=CLIPS, trial_s=st.floats(0.1, 3.0))
def test_every_trial_is_about_as_long_as_asked(drawn, trial_s):
    clips, _ = numbered(drawn)
    for trial in make(clips, trial_s)[0]:
        # A piece is never longer than S, and is added to a run t only where |t + piece - S| < |t - S|: more than 1.5 S
        # cannot come of that. 1e-9: sums of floats.
        assert trial_s / 2 - 1e-9 <= trial.duration_s <= 1.5 * trial_s + 1e-9
        assert trial.duration_s == pytest.approx(len(trial.rows) / 100)


@FIXED
@given(drawn=CLIPS, trial_s=st.none() | st.floats(0.1, 3.0))
def test_no_two_trials_have_one_name(drawn, trial_s):
    clips, _ = numbered(drawn)
    # every other clip is a segment of the file before it
    clips = [
        replace(clip, clip=replace(clip.clip, path=f"{i - i % 2}.wav", start_s=float(i % 2)))
        for i, clip in enumerate(clips)
    ]
    names = [trial.name for trial in make(clips, trial_s)[0]]
    assert len(set(names)) == len(names)


@FIXED
@given(drawn=CLIPS, trial_s=st.none() | st.floats(0.1, 3.0), least_s=st.floats(0.0, 2.0))
def test_every_trial_is_long_enough_or_a_named_failure(drawn, trial_s, least_s):
    clips, _ = numbered(drawn)
    everything, _, findings = make(clips, trial_s)
    trials, failed, same_findings = make(clips, trial_s, min_duration_s=least_s)
    assert len(trials) + len(failed) == len(everything)
    # names count from the trials that are kept, so a trial is known by its first frame
    kept = {numbers(trial)[0] for trial in trials}
    for trial in everything:
        if numbers(trial)[0] in kept:
            # a frame, 0.01 s, may be lost by rounding where clips are cut, and may be forgiven; 1e-9: sums of floats
            assert trial.duration_s >= least_s - 0.01 - 1e-9
        else:
            assert trial.duration_s < least_s
    assert [item.path for item in failed] == [t.paths[0] for t in everything if numbers(t)[0] not in kept]
    assert {item.code for item in failed} <= {"too_short"}
    assert findings == same_findings


# --- trials cut to a length ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [None, "language"])
def test_a_cut_has_the_rows_of_its_frames_alone(clips, preset):
    recipe = pipeline.make_recipe(preset, n_components=2, trial_s=0)
    trial = trials_of(clips, recipe)[0]
    features = recipe.features
    step = int(0.3 * features.frames.frames_per_s)
    cuts = cut_trial(trial, 0.3, features)
    assert len(cuts) == len(trial.parts[0].raw) // step == 3
    for k, cut in enumerate(cuts):
        alone = make_rows([trial.parts[0].raw.slice(k * step, (k + 1) * step)], features)
        np.testing.assert_array_equal(cut.rows.values, alone.values)
    assert len({cut.name for cut in cuts}) == 3


def test_a_cut_runs_over_the_edges_of_joined_clips(clips):
    joined = replace(clips, clips=tuple(replace(clip, source=None) for clip in clips.clips))
    trial = trials_of(joined, replace(CLASSIC, trial_s=2.0))[0]
    features = CLASSIC.features
    assert len(trial.parts) == 2
    (cut,) = cut_trial(trial, 1.5, features)
    step = int(1.5 * features.frames.frames_per_s)
    first = len(trial.parts[0].raw)
    assert [len(segment.raw) for segment in cut.segments] == [first, step - first]
    whole = np.concatenate([part.raw.values for part in trial.parts])[:step]
    np.testing.assert_array_equal(cut.rows.values, whole)


def test_a_trial_shorter_than_the_cut_gives_none(clips):
    assert cut_trial(trials_of(clips, CLASSIC)[0], 1.2, CLASSIC.features) == []


# --- notes of files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", NOTES)
def test_every_note_becomes_a_finding_with_its_first_clip(code):
    raw = RawFrames(np.zeros((0, 13), dtype=np.float32), np.zeros(0), np.zeros(0))
    note = AudioNote(code, "something to say", 1.0)
    clips = [
        Extracted(Clip(f"{index}.wav", "jazz"), raw, 1.0, "", notes=(note,) if index in (1, 2) else ())
        for index in range(4)
    ]
    (finding,) = check_notes(clips)
    assert finding.text == f"in 2 of 4 clips: {NOTES[code]}; first 1.wav: something to say"
    lossy = code in ("lost", "cut_off", "channels_cancel")
    assert (finding.code, finding.level) == (("sound_lost", "warning") if lossy else ("sound_as_read", "information"))
    assert check_notes(clips[:1]) == ()
