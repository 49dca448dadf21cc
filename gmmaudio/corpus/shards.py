"""Shards: parts of a corpus for several machines, with groups kept whole."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Sequence

from gmmaudio.corpus.clip import Clip
from gmmaudio.corpus.split import group_keys


def select_shard(clips: Sequence[Clip], index: int, n: int) -> tuple[Clip, ...]:
    """Return the clips of one of several shards, which together hold every clip once.

    Clips that are held out together are in one shard, since they may be joined to one trial. The largest groups are
    dealt first, each to the shard with the fewest clips.

    Parameters
    ----------
    clips : sequence of Clip
        Clips of a corpus, each with the value that it is held out by.
    index : int
        Which shard, 1 to ``n``.
    n : int
        Number of shards.

    Returns
    -------
    tuple of Clip
        Clips in their order; none where there are fewer groups than shards.

    Examples
    --------
    >>> clips = [Clip(f"{name}.wav", "en", held_out_by=name[:3]) for name in ("ann1", "ann2", "bob1", "bob2", "cy_1")]
    >>> [[clip.path for clip in select_shard(clips, i, 2)] for i in (1, 2)]
    [['ann1.wav', 'ann2.wav', 'cy_1.wav'], ['bob1.wav', 'bob2.wav']]
    """
    units = group_keys([clip.held_out_by for clip in clips], [clip.path for clip in clips])
    sizes = Counter(units)
    filled = [(0, shard) for shard in range(1, n + 1)]
    shard_of: dict[str, int] = {}
    for unit in sorted(sizes, key=lambda unit: (-sizes[unit], unit)):
        n_clips, shard = heapq.heappop(filled)
        shard_of[unit] = shard
        heapq.heappush(filled, (n_clips + sizes[unit], shard))
    return tuple(clip for clip, unit in zip(clips, units, strict=True) if shard_of[unit] == index)


def digest_clips(clips: Sequence[Clip]) -> str:
    """Return the SHA-256 of the names of clips, by which shards of one corpus are recognised.

    Parameters
    ----------
    clips : sequence of Clip
        Clips of a corpus, each with the value that it is held out by.

    Examples
    --------
    >>> digest_clips([Clip("1.wav", "en")]) == digest_clips([Clip("1.wav", "fr")])
    False
    """
    names = [(clip.path, clip.label, clip.held_out_by, clip.start_s, clip.end_s) for clip in clips]
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
