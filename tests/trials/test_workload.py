"""The work of an extraction: by the sizes of files, segments and what is kept."""

from pathlib import Path

import pytest

from gmmaudio.corpus import Clip
from gmmaudio.trials import workload
from gmmaudio.trials.workload import CLIP_S, KEPT_CLIP_S, SOUND_S, estimate_work


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
