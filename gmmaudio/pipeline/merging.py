"""A model of statistics of clips: those of several shards, corpora and days are fitted to together."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from gmmaudio.compute import Progress, RunContext, quiet
from gmmaudio.corpus import Clip
from gmmaudio.errors import SettingError, StatisticsFileError
from gmmaudio.evaluation import FailedInput
from gmmaudio.findings import Finding, first_of, some_names
from gmmaudio.models import UBM, Background, ClipStatistics, fit_statistics, load_statistics, preset_of
from gmmaudio.models.chunked_rows import RowTable, keep_rows
from gmmaudio.models.statistics_file import count_vectors
from gmmaudio.pipeline.leakage import check_training_set
from gmmaudio.pipeline.training import TrainResult, check_lost_labels, check_trial_set, fit_model
from gmmaudio.trials import Extracted, Trial, TrialSet, check_made_trials, clips_of, joining_key
from gmmaudio.values import checked, shown

CHANGED = "a file of statistics changed while it was read; merge again"
# path, folder by folder, start and end of the segment, and hash of the samples
ClipKey = tuple[tuple[str, ...], float, float, str]


@checked
def merge(
    parts: Sequence[str | os.PathLike[str] | ClipStatistics],
    *,
    progress: Progress = quiet,
) -> TrainResult:
    """Return a model trained on the clips of several statistics, as if they were one corpus.

    Calibration, open-set threshold and findings are learned as by :func:`gmmaudio.train`. The model is the same bytes
    for any order of the statistics, and for any division of a corpus into them that keeps whole the groups whose
    clips are joined to trials.

    Parameters
    ----------
    parts : sequence of path-like or ClipStatistics
        Statistics made with one model (:func:`gmmaudio.stats`), or files of them; at least one.
    progress : Progress
        Shows progress.

    Returns
    -------
    TrainResult
        The model, no EM traces, and the clips that could not be used.

    Raises
    ------
    StatisticsFileError
        If statistics have other settings, another UBM or other groups than the first, or a clip of another.
    CorpusError
        If fewer than two classes have usable clips.

    Examples
    --------
    >>> import gmmaudio
    >>> ubm = gmmaudio.train("my_music", gmmaudio.make_recipe(kind="supervector", n_components=2)).model
    >>> shards = [gmmaudio.stats("my_music", ubm, shard=(i, 2), group_by="parent") for i in (1, 2)]
    >>> gmmaudio.merge(shards).model.scorer.labels
    ('jazz', 'metal')
    """
    if isinstance(parts, str | bytes | os.PathLike) or not parts:
        raise SettingError(f"`parts` is {shown(parts)}; expected a list of statistics, at least one")
    gathered = _gather(parts)
    statistics, trials, background = gathered.statistics, gathered.trials, gathered.statistics[0].background
    run, group_by = RunContext(progress=progress), statistics[0].group_by
    trial_set = _joined(statistics, trials)
    findings = _findings_of(statistics) + check_trial_set(trial_set)
    findings += check_lost_labels([Clip("", label) for each in statistics for label in each.labels], trials)
    recipe = background.recipe
    short_s = preset_of(recipe.preset, recipe.kind_settings.kind).short_s
    findings += check_training_set(trials, short_s, recipe.augment)
    findings += _check_background(background, trials)
    fit = fit_statistics(trials, gathered.vectors, background, run)
    model, _ = fit_model(trials, recipe, run, findings, group_by=group_by, fit=fit, tables=background.tables)
    known = {} if background.log_likelihood is None else {UBM: background.log_likelihood}
    summary = replace(model.training, ubm_clips=background.clips, log_likelihood=known)
    return TrainResult(replace(model, training=summary), {}, tuple(trial_set.failed))


@dataclass(frozen=True, eq=False)
class _Gathered:
    """All statistics, whose vectors are in one table; their trials and vectors in canonical order."""

    statistics: list[ClipStatistics]
    trials: list[Trial]
    vectors: RowTable


def _gather(parts: Sequence[str | os.PathLike[str] | ClipStatistics]) -> _Gathered:
    """Return statistics, read one after another: of their vectors, those of one file are in memory at a time."""
    n_vectors = sum(len(part.vectors) if isinstance(part, ClipStatistics) else count_vectors(part) for part in parts)
    gathering = _Gathering(n_vectors)
    for number, part in enumerate(parts, start=1):
        gathering.add(part, f"statistics {number}" if isinstance(part, ClipStatistics) else os.fspath(part))
    places = _canonical_places(gathering.statistics)
    order = np.concatenate([np.arange(place.begin, place.end) for place in places])
    if gathering.table is None or len(order) != n_vectors:
        raise StatisticsFileError(CHANGED)
    vectors = keep_rows(gathering.table.take(order))
    return _Gathered(gathering.statistics, [place.trial for place in places], vectors)


@dataclass(eq=False)
class _Gathering:
    """Statistics that were read so far, and their vectors, one file after another."""

    n_vectors: int
    statistics: list[ClipStatistics] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    holder: dict[ClipKey, str] = field(default_factory=dict)
    table: RowTable | None = None
    n_added: int = 0

    def add(self, part: str | os.PathLike[str] | ClipStatistics, name: str) -> None:
        """Add the statistics of a file, checked against those before."""
        loaded = part if isinstance(part, ClipStatistics) else load_statistics(part)
        if self.statistics:
            _check_settings(name, loaded, self.names[0], self.statistics[0])
        _check_clips(name, loaded, self.holder)
        self.n_added += len(loaded.vectors)
        if self.n_added > self.n_vectors:
            raise StatisticsFileError(f"{name}: {CHANGED}")
        if self.table is None:
            self.table = RowTable((self.n_vectors, loaded.background.n_outputs), loaded.vectors.dtype)
        self.table.append(loaded.vectors)
        background = self.statistics[0].background if self.statistics else loaded.background
        self.statistics.append(replace(loaded.without_vectors(), background=background))
        self.names.append(name)


def _check_settings(name: str, statistics: ClipStatistics, first_name: str, first: ClipStatistics) -> None:
    """Raise StatisticsFileError where statistics were not made with the settings of the first."""
    given, expected = statistics.described(), first.described()
    different = [key for key in {**expected, **given} if given.get(key) != expected.get(key)]
    if different:
        texts = [f"{key} is {_short(given, key)}, expected {_short(expected, key)}" for key in different]
        raise StatisticsFileError(
            f"{name}: was made with other settings than {first_name}: {first_of(texts)}; make it again with stats, the "
            "same model and the same groups"
        )


def _short(settings: Mapping[str, Any], name: str) -> str:
    """Return a setting as text, of a digest its beginning."""
    value = settings.get(name)
    return value[:12] if isinstance(value, str) and len(value) == 64 else shown(value)


def _check_clips(name: str, statistics: ClipStatistics, holder: dict[ClipKey, str]) -> None:
    """Raise StatisticsFileError where a clip is in statistics before these; add their clips to the holders."""
    keys = {_clip_key(clip) for clip in clips_of(statistics.trials)}
    twice = sorted(keys & holder.keys())
    if twice:
        raise StatisticsFileError(
            f"{name}: holds {len(twice)} clips that {holder[twice[0]]} holds too, such as {'/'.join(twice[0][0])!r}; "
            "name each file of statistics once, and take statistics of new audio only"
        )
    holder |= dict.fromkeys(keys, name)


def _clip_key(clip: Extracted) -> ClipKey:
    """Return path, segment and hash of a clip, in the order in which a corpus is read: folder by folder."""
    end_s = float("inf") if clip.clip.end_s is None else clip.clip.end_s
    return (tuple(clip.clip.path.split("/")), clip.clip.start_s, end_s, clip.sha256)


class _Place(NamedTuple):
    """A trial, what orders it among all trials, and the place of its vectors in the table of all."""

    order: tuple[ClipKey, tuple[str, ...], ClipKey, int]
    trial: Trial
    begin: int
    end: int


def _canonical_places(statistics: Sequence[ClipStatistics]) -> list[_Place]:
    """Return all trials in the order in which one corpus of their clips would give them, each with its place."""
    joining = statistics[0].background.recipe.trial_s is not None
    first: dict[tuple[str, ...], ClipKey] = {}
    for trial in (trial for each in statistics for trial in each.trials):
        key, clips = joining_key(trial.clip, joining=joining), [_clip_key(part) for part in trial.parts]
        first[key] = min(*clips, first.get(key, clips[0]))
    places: list[_Place] = []
    for each in statistics:
        for i, trial in enumerate(each.trials):
            key, begin = joining_key(trial.clip, joining=joining), places[-1].end if places else 0
            order = (first[key], key, _clip_key(trial.parts[0]), i)
            places.append(_Place(order, trial, begin, begin + len(trial.training_rows)))
    return sorted(places, key=lambda place: place.order)


def _joined(statistics: Sequence[ClipStatistics], trials: list[Trial]) -> TrialSet:
    """Return the trials of all statistics as one set, with what is missing in it."""
    sets = [each.trial_set for each in statistics]
    left_out_s = tuple(sorted(seconds for each in sets for seconds in each.left_out_s))
    lost = {
        name: _sorted(failure for each in sets for failure in each.lost_copies[name]) for name in sets[0].lost_copies
    }
    failed = _sorted(failure for each in sets for failure in each.failed)
    return TrialSet(trials, list(failed), check_made_trials(clips_of(trials), left_out_s, lost), (), ())


def _sorted(failed: Iterable[FailedInput]) -> tuple[FailedInput, ...]:
    """Return failures in the order of their paths."""
    return tuple(sorted(failed, key=lambda failure: (failure.path, failure.code, failure.message)))


def _findings_of(statistics: Sequence[ClipStatistics]) -> tuple[Finding, ...]:
    """Return the findings on the corpora, and on shards and groups that are not whole."""
    of_corpora = {finding: None for each in statistics for finding in each.findings}
    findings = tuple(sorted(of_corpora, key=lambda finding: (finding.code, finding.text)))
    return findings + _check_shards(statistics) + _check_divided(statistics)


def _check_shards(statistics: Sequence[ClipStatistics]) -> tuple[Finding, ...]:
    """Return a finding for each corpus of which shards are missing."""
    given: dict[tuple[str, int], set[int]] = defaultdict(set)
    for each in statistics:
        if each.shard is not None:
            given[each.shard.corpus, each.shard.n].add(each.shard.index)
    findings = []
    for (_, n), indices in sorted(given.items()):
        missing = [f"{i}/{n}" for i in range(1, n + 1) if i not in indices]
        if missing:
            findings.append(
                Finding(
                    "shards_missing",
                    "warning",
                    f"of a corpus in {n} shards {len(missing)} are missing: {first_of(missing)}",
                    "merge all of them",
                )
            )
    return tuple(findings)


def _check_divided(statistics: Sequence[ClipStatistics]) -> tuple[Finding, ...]:
    """Return the finding on groups whose clips would be joined to trials, and are in several statistics."""
    if statistics[0].background.recipe.trial_s is None:
        return ()
    holders: dict[tuple[str, ...], set[int]] = defaultdict(set)
    names: dict[tuple[str, ...], str] = {}
    for number, each in enumerate(statistics):
        for trial in each.trials:
            if trial.held_out_by is not None:
                key = joining_key(trial.clip, joining=True)
                holders[key].add(number)
                names[key] = trial.held_out_by
    divided = sorted({names[key] for key, members in holders.items() if len(members) > 1})
    if not divided:
        return ()
    return (
        Finding(
            "group_in_several_statistics",
            "information",
            f"groups are in several statistics: {some_names(divided)}: their clips were joined to trials in each alone",
            "keep each group in one shard (`shard`)",
        ),
    )


def _check_background(background: Background, trials: Sequence[Trial]) -> tuple[Finding, ...]:
    """Return the findings on the clips that the UBM was fitted to."""
    heard = {clip.sha256 for clip in background.clips}
    clips = clips_of(trials)
    n_heard = sum(clip.sha256 in heard for clip in clips)
    unheard = sorted({trial.label for trial in trials} - {clip.label for clip in background.clips})
    if n_heard == len(clips):
        return ()
    others = f", and to none of the labels {some_names(unheard)}" if unheard else ""
    return (
        Finding(
            "ubm_of_other_clips",
            "information",
            f"the UBM was fitted to {len(background.clips)} clips, among them {n_heard} of the {len(clips)} clips here"
            f"{others}",
        ),
    )
