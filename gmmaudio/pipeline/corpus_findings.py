"""Findings on the clips of a corpus that groups, splits and the heads of files tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gmmaudio.audio.file_tags import read_tags
from gmmaudio.audio.head_facts import HeadFacts
from gmmaudio.corpus import Clip, check_file_groups
from gmmaudio.corpus.checks import check_similar_values
from gmmaudio.corpus.confounding import check_bit_rates, check_formats, check_rates
from gmmaudio.errors import AudioError
from gmmaudio.evaluation.warnings import check_split_groups
from gmmaudio.findings import Finding, at_level, first_of, some_names

# where neither folders nor tags are there that may tell groups
UNKNOWN_REMEDY = "add a column group to a manifest, or name the tag or the folder that tells them (`group_by`)"
# a label is learned from one group and scored on another: with fewer than this, from one or two voices or albums
MIN_GROUPS = 3
# a model of a label that has more of its sound from one group is about that group
MAX_SHARE = 0.6
# files whose tags are read to suggest them as groups, and the share of them that must have one
N_TAGGED, MIN_TAGGED = 100, 0.8


def check_clips(
    root: Path, clips: Sequence[Clip], guessed: Sequence[Clip], heads: Mapping[str, HeadFacts], group_by: str | None
) -> tuple[Finding, ...]:
    """Return the findings on the groups, the splits and the formats of clips.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : sequence of Clip
        Clips whose groups are in ``held_out_by``.
    guessed : sequence of Clip
        The same with their folders as groups, where groups are unknown and folders may tell them; else empty.
    heads : mapping of str to HeadFacts
        Facts of their files.
    group_by : str or None
        Source of the groups; of ``none`` there are no findings.

    Examples
    --------
    >>> clips = [Clip("1.wav", "a", held_out_by="x"), Clip("2.wav", "b", held_out_by="y")]
    >>> print(*check_clips(Path(), clips, (), {}, None))
    labels with fewer than 3 groups: 'a' (1); 'b' (1): what is learned of them may be that artist, speaker or album; \
add clips of others
    """
    # a file may hold segments of several labels
    files = dict.fromkeys((clip.path, clip.label) for clip in clips if clip.path in heads)
    labels, facts = [label for _, label in files], [heads[path] for path, _ in files]
    findings = (
        *check_formats(labels, [each.format for each in facts]),
        *check_rates(labels, [each.sample_rate_hz for each in facts]),
        *check_bit_rates(labels, [each.bit_rate for each in facts]),
        *_check_splits(clips),
        *check_file_groups([clip.path for clip in clips], [clip.group for clip in clips]),
        *check_similar_values("group", [clip.held_out_by for clip in clips]),
    )
    if group_by == "none":
        return findings
    return (
        *findings,
        *_check_known(root, clips, guessed, group_by),
        *_check_groups(guessed or clips, heads, "folder" if guessed else "group"),
    )


def _check_known(
    root: Path, clips: Sequence[Clip], guessed: Sequence[Clip], group_by: str | None
) -> tuple[Finding, ...]:
    """Return the finding that groups are unknown."""
    unknown = [clip.path for clip in clips if clip.held_out_by is None]
    if not unknown:
        return ()
    n_folders = len({clip.held_out_by for clip in guessed})
    remedy = UNKNOWN_REMEDY
    if guessed:
        remedy = 'if these are artists, speakers or albums, name them as groups (`group_by="parent"`)'
    elif group_by is not None:
        remedy = f"fill {group_by!r} for them, or name another source of groups (`group_by`)"
    elif _are_tagged(root, unknown):
        remedy = 'the files have tags of their artists: name them as groups (`group_by="tag:artist"`)'
    return (
        Finding(
            "groups_not_named",
            "warning",
            f"the groups of {len(unknown)} of {len(clips)} clips are unknown"
            f"{f'; they lie in {n_folders} folders' if guessed else ''}: clips of one artist, speaker or album may be "
            "trained on and scored",
            remedy,
        ),
    )


def _are_tagged(root: Path, paths: Sequence[str]) -> bool:
    """Return whether most of the files, of which some are looked at, have a tag of the artist."""
    files = list(dict.fromkeys(paths))
    # from all over the corpus
    looked_at = files[:: max(1, len(files) // N_TAGGED)]
    n_tagged = 0
    for path in looked_at:
        with suppress(AudioError):
            n_tagged += "artist" in read_tags(Path(root, path))
    return n_tagged >= MIN_TAGGED * len(looked_at)


def _check_groups(clips: Sequence[Clip], heads: Mapping[str, HeadFacts], noun: str) -> tuple[Finding, ...]:
    """Return the findings on labels of few groups, and on those with most of their sound from one."""
    seconds = sound_by_group(clips, heads)
    known = {label: groups for label, groups in seconds.items() if None not in groups}
    few = [f"{label!r} ({len(groups)})" for label, groups in known.items() if len(groups) < MIN_GROUPS]
    large = []
    for label, groups in known.items():
        group, most = max(groups.items(), key=lambda item: item[1])
        if len(groups) >= MIN_GROUPS and most > MAX_SHARE * sum(groups.values()):
            large.append(f"{label!r} ({100 * most / sum(groups.values()):.0f} % from {group!r})")
    findings: tuple[Finding, ...] = ()
    if few:
        findings += (
            Finding(
                "few_groups_of_label",
                "warning",
                f"labels with fewer than {MIN_GROUPS} {noun}s: {first_of(few)}: what is learned of them may be that "
                "artist, speaker or album",
                "add clips of others",
            ),
        )
    if large:
        findings += (
            Finding(
                "most_sound_of_one_group",
                "warning",
                f"labels with more than {100 * MAX_SHARE:.0f} % of their sound from one {noun}: {first_of(large)}: "
                "what is learned of them may be that one",
                "add clips of others, or leave some of it out",
            ),
        )
    return findings


def _check_splits(clips: Sequence[Clip]) -> tuple[Finding, ...]:
    """Return the findings on splits: groups in several, and labels that the split train does not have."""
    by_split: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_split[clip.split or "train"].append(clip)
    train = by_split.pop("train", [])
    if not train or not by_split:
        return ()
    others = [clip for of_split in by_split.values() for clip in of_split]
    sides = [([clip.held_out_by for clip in train], [clip.held_out_by for clip in others])]
    lost = sorted({clip.label for clip in others} - {clip.label for clip in train})
    on_sides = at_level(check_split_groups(sides), "alarm")
    if not lost:
        return on_sides
    return (
        *on_sides,
        Finding(
            "label_not_in_train",
            "warning",
            f"labels of {some_names(sorted(by_split))} that the split 'train' does not have: {some_names(lost)}",
            "move clips of them into train, or leave them out",
        ),
    )


def sound_by_group(clips: Sequence[Clip], heads: Mapping[str, HeadFacts]) -> dict[str, dict[str | None, float]]:
    """Return the sound of every group of each label, seconds, labels sorted.

    Parameters
    ----------
    clips : sequence of Clip
        Clips whose groups are in ``held_out_by``.
    heads : mapping of str to HeadFacts
        Facts of their files; a file that is not there, or declares no length, adds none.

    Examples
    --------
    >>> {label: dict(groups) for label, groups in sound_by_group([Clip("1.wav", "a", end_s=2.0)], {}).items()}
    {'a': {None: 2.0}}
    """
    seconds: dict[str, dict[str | None, float]] = defaultdict(lambda: defaultdict(float))
    for clip in clips:
        seconds[clip.label][clip.held_out_by] += _clip_seconds(clip, heads)
    return dict(sorted(seconds.items()))


def _clip_seconds(clip: Clip, heads: Mapping[str, HeadFacts]) -> float:
    """Return the declared duration of a clip, seconds; 0 where it is unknown."""
    end_s = clip.end_s
    if end_s is None and clip.path in heads:
        end_s = heads[clip.path].duration_s
    return max(0.0, (end_s or 0.0) - clip.start_s)
