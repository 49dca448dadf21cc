"""Shards of a corpus: every clip once, groups whole, about as many clips in each."""

from collections import Counter

import numpy as np
import pytest

from gmmaudio.corpus import Clip, digest_clips, select_shard


def clips_of_groups(sizes, seed=0):
    """Return clips of groups of these sizes, in random order; of size 1 those without a group."""
    clips = [
        Clip(f"{group}/{i}.wav", "en", held_out_by=None if size == 1 else str(group))
        for group, size in enumerate(sizes)
        for i in range(size)
    ]
    return [clips[i] for i in np.random.default_rng(seed).permutation(len(clips))]


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_shards_hold_every_clip_once_in_its_order(n):
    clips = clips_of_groups([5, 3, 1, 1, 8, 2, 1, 4])
    shards = [select_shard(clips, i, n) for i in range(1, n + 1)]
    assert Counter(clip.path for shard in shards for clip in shard) == Counter(clip.path for clip in clips)
    for shard in shards:
        assert [clip for clip in clips if clip in shard] == list(shard)


def test_a_group_is_in_one_shard_and_the_sizes_differ_by_less_than_the_largest_group():
    sizes = np.random.default_rng(1).integers(1, 20, size=60).tolist()
    clips = clips_of_groups(sizes)
    shards = [select_shard(clips, i, 4) for i in (1, 2, 3, 4)]
    groups = [{clip.held_out_by for clip in shard} - {None} for shard in shards]
    assert sum(map(len, groups)) == len(set().union(*groups))
    n_clips = [len(shard) for shard in shards]
    assert max(n_clips) - min(n_clips) < max(sizes)


def test_the_order_of_the_clips_does_not_matter():
    sizes = [5, 3, 1, 1, 8, 2]
    (one, other) = (select_shard(clips_of_groups(sizes, seed), 1, 3) for seed in (0, 1))
    assert {clip.path for clip in one} == {clip.path for clip in other}


def test_segments_of_a_file_without_a_group_stay_together():
    clips = [Clip("a.wav", "en", start_s=float(i), end_s=i + 1.0) for i in range(4)] + [Clip("b.wav", "en")]
    assert sorted(len(select_shard(clips, i, 2)) for i in (1, 2)) == [1, 4]


def test_with_fewer_groups_than_shards_the_last_are_empty():
    clips = clips_of_groups([2, 2])
    assert [len(select_shard(clips, i, 3)) for i in (1, 2, 3)] == [2, 2, 0]


@pytest.mark.parametrize(
    "change", [{"path": "x"}, {"label": "x"}, {"held_out_by": "x"}, {"start_s": 1.0}, {"end_s": 9.0}]
)
def test_the_digest_of_clips_tells_every_name_and_segment(change):
    clip = {"path": "a.wav", "label": "en", "held_out_by": "ann", "start_s": 0.0, "end_s": None}
    assert digest_clips([Clip(**clip)]) == digest_clips([Clip(**clip, split="train")])
    assert digest_clips([Clip(**clip)]) != digest_clips([Clip(**clip | change)])
