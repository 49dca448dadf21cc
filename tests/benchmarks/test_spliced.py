"""Spliced recordings: what their turns say is what their samples hold."""

import csv
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from benchmarks import spliced

SR = 1000
LABELS = ("de", "en", "fr", "it")
# every clip is a tone of its speaker: samples tell whom they are of
TONES_HZ = {f"{label}-{k}": 50.0 + 60 * i + 20 * k for i, label in enumerate(LABELS) for k in range(2)}


def tone(speaker, seconds):
    return np.sin(2 * np.pi * TONES_HZ[speaker] * np.arange(round(seconds * SR)) / SR + seconds).astype(np.float32)


@pytest.fixture(scope="module")
def material():
    """Two speakers of every label, each with clips of 1, 2 and 4 s, one speaker ten times as loud."""
    return {
        label: {f"{label}-{k}": [10**k * tone(f"{label}-{k}", s) for s in (1, 2, 4)] for k in range(2)}
        for label in LABELS
    }


def heard(samples):
    """Return the speaker of the strongest tone."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    peak = np.fft.rfftfreq(len(samples), 1 / SR)[spectrum.argmax()]
    return min(TONES_HZ, key=lambda speaker: abs(TONES_HZ[speaker] - peak))


@pytest.fixture(scope="module")
def made(material):
    return {each.name: each for each in spliced.recordings(material, SR, (0,), n_turns=3, mixture=True)}


def test_every_part_of_a_turn_is_of_its_label(made):
    for recording in made.values():
        for turn in recording.turns:
            first, last = round(turn.start_s * SR), round(turn.end_s * SR)
            for at in (first, (first + last) // 2, last - 500):
                assert heard(recording.samples[at : at + 500])[:2] == turn.label
        assert recording.turns[0].start_s == 0
        assert recording.turns[-1].end_s == recording.duration_s


def test_turns_are_of_the_lengths_and_pauses_that_are_said(made):
    for kind, gap in zip(("turns-00", "turns-01", "turns-02"), spliced.GAPS, strict=True):
        recording = made[kind]
        assert 180 <= sum(turn.end_s - turn.start_s for turn in recording.turns) <= 600.001
        assert all(2.999 <= turn.end_s - turn.start_s <= 63.001 for turn in recording.turns)
        for before, after in pairwise(recording.turns):
            assert before.label != after.label
            between = recording.samples[round(before.end_s * SR) : round(after.start_s * SR)]
            if gap == "none":
                assert len(between) == 0
                continue
            assert 300 <= len(between) <= 2000
            level = np.sqrt(np.mean(np.square(between)))
            assert level == (0 if gap == "digital" else pytest.approx(spliced.NOISE_LEVEL, rel=1e-5))


def test_a_mixture_has_the_shares_that_are_said_and_touching_turns_of_one_label_are_one(made):
    recording = made["mixture"]
    seconds = dict.fromkeys(LABELS, 0.0)
    for turn in recording.turns:
        seconds[turn.label] += turn.end_s - turn.start_s
    # each turn is rounded to samples
    expected = pytest.approx(sorted(35 * 60 * share for share in spliced.SHARES), abs=0.2)
    assert sorted(seconds.values()) == expected
    assert all(before.label != after.label for before, after in pairwise(recording.turns))


def test_recordings_of_one_label_have_both_its_speakers_and_those_of_one_group_one(made):
    for i, label in enumerate(LABELS):
        for kind, n_speakers in (("label", 2), ("group", 1)):
            recording = made[f"one-{kind}-{i:02}"]
            assert [turn.label for turn in recording.turns] == [label]
            assert 180 <= recording.duration_s <= 300
            seconds = np.split(recording.samples[: 30 * SR], 30)
            speakers = {heard(second) for second in seconds}
            assert len(speakers) == n_speakers
            assert {speaker[:2] for speaker in speakers} == {label}


def test_speakers_are_brought_to_one_level(material):
    rng = np.random.default_rng(0)
    for speaker in material["en"].values():
        sound = spliced.join_clips([speaker], 7 * SR, SR, rng)
        assert np.sqrt(np.mean(np.square(sound))) == pytest.approx(spliced.LEVEL, rel=0.02)


def test_clips_recur_only_when_all_have_been_heard():
    groups = [[np.full(100, value, np.float32) for value in values] for values in ((1, 2), (3, 6))]
    sound = spliced.join_clips(groups, 800, SR, np.random.default_rng(3))
    # what is left of a clip in the middle of its fades, and its speaker's gain
    middles = sound[50::100]
    ratios = {round(float(value), 6) for value in middles}
    assert len(ratios) == 2
    assert sorted(middles[:4]) == sorted(middles[4:])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(material, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        spliced.write_recordings(tmp_path / name, spliced.recordings(material, SR, (seed,), n_turns=2, uniform=False))
    a, b, c = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in "abc")
    assert a == b
    assert set(a) == set(c) == {"recordings.csv", "truth.csv", "truth.rttm", "turns-00.flac", "turns-01.flac"}
    assert all(a[name] != c[name] for name in a)


def test_files_say_what_the_recordings_are(material, tmp_path):
    (recording,) = spliced.recordings(material, SR, (5,), n_turns=1, uniform=False)
    spliced.write_recordings(tmp_path, iter([recording]))
    samples, sr = soundfile.read(tmp_path / "turns-00.flac")
    assert sr == SR
    # 16 bits
    assert np.abs(samples - recording.samples).max() <= 2**-15
    with (tmp_path / "truth.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["path"], float(row["start"]), float(row["end"]), row["label"]) for row in rows] == [
        ("turns-00.flac", turn.start_s, turn.end_s, turn.label) for turn in recording.turns
    ]
    lines = [line.split() for line in (tmp_path / "truth.rttm").read_text().splitlines()]
    for line, turn in zip(lines, recording.turns, strict=True):
        assert (line[0], line[1], line[7]) == ("SPEAKER", "turns-00", turn.label)
        assert float(line[3]) == pytest.approx(turn.start_s, abs=1e-4)
        assert float(line[4]) == pytest.approx(turn.end_s - turn.start_s, abs=1e-4)


def test_no_fold_is_in_both_splits():
    for corpus, folds in spliced.SPLITS["dev"].items():
        assert not set(folds) & set(spliced.SPLITS["test"][corpus])
