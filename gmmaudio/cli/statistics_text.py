"""The description of statistics of clips, for ``gmmaudio info``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmmaudio.models import ClipStatistics
    from gmmaudio.trials import Trial


def everything(statistics: ClipStatistics) -> dict[str, Any]:
    """Return the description of statistics as plain values, without their tensors.

    Parameters
    ----------
    statistics : ClipStatistics
        Statistics of clips.
    """
    from gmmaudio.trials import clips_of

    background = statistics.background
    return {
        "labels": list(statistics.labels),
        "settings": statistics.described(),
        "recipe": background.recipe.to_dict(),
        "group_by": statistics.group_by,
        "shard": None if statistics.shard is None else asdict(statistics.shard),
        "by_label": {label: _amounts(trials) for label, trials in _by_label(statistics)},
        "clips": [
            {"path": clip.clip.path, "label": clip.clip.label, "group": clip.clip.held_out_by, "sha256": clip.sha256}
            for clip in clips_of(statistics.trials)
        ],
        "failed": [asdict(failure) for failure in statistics.trial_set.failed],
        "findings": [asdict(finding) for finding in statistics.findings],
        "ubm_clips": [asdict(clip) for clip in background.clips],
        "versions": dict(statistics.versions),
    }


def lines(statistics: ClipStatistics) -> list[str]:
    """Return the description of statistics, line by line.

    Parameters
    ----------
    statistics : ClipStatistics
        Statistics of clips.
    """
    from gmmaudio.cli.console import finding_line
    from gmmaudio.features import describe
    from gmmaudio.findings import sort_findings
    from gmmaudio.models import find_kind

    background, shard = statistics.background, statistics.shard
    recipe, failed = background.recipe, statistics.trial_set.failed
    of_all = _amounts(statistics.trials)
    part = "" if shard is None else f", shard {shard.index}/{shard.n}"
    text = [
        f"statistics of: {_words(of_all)} of sound, {len(failed)} clips failed{part}",
        f"labels: {', '.join(statistics.labels)}",
        f"for: {find_kind(recipe.kind_settings.kind).describe(background.settings)}, preset "
        f"{recipe.preset or 'none (classic)'}, seed {recipe.seed}",
        f"UBM: {background.described()['UBM'][:12]}, fitted to {len(background.clips)} clips",
        f"front end: {describe(recipe.features)}",
        "",
    ]
    text += [f"{label}: {_words(_amounts(trials))}" for label, trials in _by_label(statistics)]
    text += map(finding_line, sort_findings(statistics.findings))
    return [*text, "versions: " + ", ".join(f"{name} {number}" for name, number in statistics.versions.items())]


def _by_label(statistics: ClipStatistics) -> Iterator[tuple[str, list[Trial]]]:
    """Yield the labels, each with its trials."""
    for label in statistics.labels:
        yield label, [trial for trial in statistics.trials if trial.label == label]


def _amounts(trials: list[Trial]) -> dict[str, Any]:
    """Return the numbers of clips, groups, trials and rows, and the seconds of sound."""
    from gmmaudio.trials import clips_of

    return {
        "clips": len(clips_of(trials)),
        "groups": len({trial.held_out_by for trial in trials} - {None}),
        "trials": len(trials),
        "rows": sum(len(trial.rows) for trial in trials),
        "seconds": sum(trial.duration_s for trial in trials),
    }


def _words(amounts: dict[str, Any]) -> str:
    """Return amounts in words."""
    return (
        f"{amounts['clips']} clips, {amounts['groups'] or 'unknown'} groups, {amounts['trials']} trials, "
        f"{amounts['seconds']:.1f} s"
    )
