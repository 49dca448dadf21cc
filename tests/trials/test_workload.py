"""The work of an extraction: by the sizes of files, segments and what is kept."""

from pathlib import Path

import pytest

from gmmaudio.corpus import Clip
from gmmaudio.trials import workload
from gmmaudio.trials.workload import CLIP_S, KEPT_CLIP_S, SOUND_S, estimate_work, file_limits


def nothing_kept(_clip):
    return False


@pytest.mark.parametrize(
    ("name", "seconds"), [("a.mp3", 10.0), ("a.MP3", 10.0), ("a.wav", 160 / 88), ("a.flac", 5.0), ("a", 5.0)]
)
def test_a_file_has_as_much_sound_as_its_size_and_format_suggest(tmp_path, name, seconds):
    (tmp_path / name).write_bytes(bytes(160_000))
    assert estimate_work(tmp_path, [Clip(name, "a")], nothing_kept) == pytest.approx(CLIP_S + SOUND_S * seconds)


@pytest.mark.parametrize(("start_s", "end_s", "seconds"), [(4.0, 7.0, 3.0), (4.0, None, 6.0), (70.0, None, 0.0)])
def test_a_segment_has_its_own_length(tmp_path, start_s, end_s, seconds):
    (tmp_path / "a.mp3").write_bytes(bytes(160_000))
    clip = Clip("a.mp3", "a", start_s=start_s, end_s=end_s)
    assert estimate_work(tmp_path, [clip], nothing_kept) == pytest.approx(CLIP_S + SOUND_S * seconds)


@pytest.mark.parametrize("name", ["gone.mp3", "folder", "nul\0.mp3"])
def test_what_is_no_file_is_hardly_any_work(tmp_path, name):
    (tmp_path / "folder").mkdir()
    assert estimate_work(tmp_path, [Clip(name, "a")], nothing_kept) == CLIP_S


def test_no_clips_are_no_work():
    assert estimate_work(Path(), [], nothing_kept) == 0.0


def test_kept_frames_are_hardly_any_work():
    clips = [Clip(f"{i}.mp3", "a", end_s=30.0) for i in range(4)]
    work_s = estimate_work(Path(), clips, lambda clip: clip.path == "2.mp3")
    assert work_s == pytest.approx(3 * (CLIP_S + 30 * SOUND_S) + KEPT_CLIP_S)


@pytest.mark.parametrize("n", [1, 99, 100, 101, 5000])
def test_at_most_a_hundred_of_many_clips_are_looked_at(n):
    looked_at = []
    clips = [Clip(f"{i}.mp3", "a", end_s=30.0) for i in range(n)]
    work_s = estimate_work(Path(), clips, lambda clip: looked_at.append(clip) or False)
    assert work_s == pytest.approx(n * (CLIP_S + 30 * SOUND_S))
    assert len(looked_at) <= workload.MAX_LOOKED_AT
    # from both ends of the list
    assert looked_at[0] == clips[0]
    assert clips.index(looked_at[-1]) >= n - -(-n // workload.MAX_LOOKED_AT)


@pytest.mark.parametrize(
    ("name", "n_bytes", "end_s", "time_s"),
    [
        ("a.mp3", 1_000_000, None, 60.2 + 7.5),
        ("a.wav", 1_000_000, None, 60.2 + 1.364),
        ("a.flac", 1_000_000, None, 60.2 + 3.75),
        # what is before the segment may have to be decoded, what is behind it not
        ("a.flac", 1_000_000, 20.0, 60.2 + 2.4),
        ("a.flac", 0, None, 60.2),
    ],
)
def test_a_file_may_take_eighty_times_as_long_as_is_estimated(tmp_path, name, n_bytes, end_s, time_s):
    (tmp_path / name).write_bytes(bytes(n_bytes))
    clip = Clip(name, "a", start_s=10.0, end_s=end_s)
    assert file_limits(tmp_path, clip).time_s == pytest.approx(time_s, abs=1e-3)


def test_ten_hours_of_sound_at_the_lowest_rates_have_ten_times_the_estimate(monkeypatch):
    # 16 kbit/s of speech; 8 kHz of 16 bits: 36,000 s of sound at 1.5 ms each
    for n_bytes, suffix in ((36_000 * 2_000, ".opus"), (36_000 * 16_000, ".wav")):
        monkeypatch.setattr(workload, "_end_s", lambda path, clip, n=n_bytes: n / workload.BYTES_PER_S[path.suffix])
        assert file_limits(Path(), Clip(f"tape{suffix}", "a")).time_s > 10 * 36_000 * SOUND_S


@pytest.mark.parametrize(
    ("machine", "limit"), [(2**30, 2**30), (2**31, 2**30), (2**34, 2**33), (0, None), (3 * 2**30 + 1, 1610612736)]
)
def test_a_file_may_take_half_of_the_memory_and_a_gibibyte_at_least(monkeypatch, machine, limit):
    monkeypatch.setattr(workload, "machine_memory", lambda: machine)
    assert file_limits(Path(), Clip("a.wav", "a")).memory_bytes == limit
