"""Checks of training and test clips: groups, sources, and the same or nearly the same audio on both sides."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from gmmaudio.corpus import (
    Clip,
    Fingerprint,
    Fold,
    check_file_groups,
    check_same_audio,
    check_shared_audio,
    from_hex,
    near_duplicates,
    near_duplicates_within,
    straddling_groups,
)
from gmmaudio.corpus.checks import check_similar_values
from gmmaudio.evaluation.warnings import check_groups, check_sources, check_split_groups, one_group
from gmmaudio.findings import Finding, at_level, first_of, some_names
from gmmaudio.models import TrainingSummary
from gmmaudio.names import normal, respell
from gmmaudio.trials import Extracted, Trial, clips_of

MAX_LABELS = 3
TRAINING_CLIP = "a clip that was trained on"
CLIP_ON_OTHER_SIDE = "a clip on the other side"


def check_crossval(
    trials: Sequence[Trial],
    divisions: Sequence[Sequence[Fold]],
    scored: Sequence[str],
    group_by: str | None,
    *,
    sources_left_out: bool = False,
) -> tuple[Finding, ...]:
    """Return the findings on a cross-validation.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    divisions : sequence of sequence of Fold
        The folds of every repeat.
    scored : sequence of str
        Labels in the metrics.
    group_by : str or None
        Column by which the clips are held out, if not by group.
    sources_left_out : bool
        Whether the same run leaves sources out as well.

    Returns
    -------
    tuple of Finding
        Findings on groups, sources and copies.

    Examples
    --------
    >>> from gmmaudio.corpus import Clip
    >>> from gmmaudio.features import RawFrames, make_features
    >>> from gmmaudio.trials import TrialSettings, make_trials
    >>> import numpy as np
    >>> raw = RawFrames(np.zeros((80, 13)), np.zeros(80), np.arange(80) / 43)
    >>> singers = {"1.wav": "ann", "2.wav": "bob"}
    >>> clips = [Extracted(Clip(path, "en", name, held_out_by=name), raw, 1.9, path) for path, name in singers.items()]
    >>> trials, _, _ = make_trials(clips, TrialSettings(make_features()))
    >>> findings = check_crossval(trials, [[Fold("1", (0,), (1,))]], ["en"], None)
    >>> [finding.code for finding in findings if finding.level == "passed"][:2]
    ['groups_known', 'labels_have_two_groups']
    """
    clips = clips_of(trials)
    folds = list(chain.from_iterable(divisions))
    # where sources are held out, labels of one source are in no metric
    kept = [trial for trial in trials if group_by != "source" or trial.label in scored]
    findings = check_groups([trial.label for trial in kept], [trial.held_out_by for trial in kept])
    sources = [trial.source for trial in kept]
    findings += check_sources([trial.label for trial in kept], sources, left_out=sources_left_out)
    groups = [trial.held_out_by if group_by is None else trial.group for trial in trials]
    findings += check_split_groups(_groups_of_sides(groups, folds), "" if group_by is None else " of the corpus")
    findings += check_file_groups([c.clip.path for c in clips], [c.clip.group for c in clips])
    return findings + _check_copies_on_sides(trials, folds)


def check_sides(trials: Sequence[Trial], folds: Sequence[Fold]) -> tuple[Finding, ...]:
    """Return the alarms on what is on both sides of folds: groups of the corpus, and the same or nearly the same audio.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    folds : sequence of Fold
        Folds of the trials.

    Examples
    --------
    >>> check_sides([], [])
    ()
    """
    groups = [trial.group for trial in trials]
    findings = check_split_groups(_groups_of_sides(groups, folds), " of the corpus")
    return at_level(findings + _check_copies_on_sides(trials, folds), "alarm")


def check_fold_column(values: Sequence[str | None], units: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding on groups that a fold column divides.

    Parameters
    ----------
    values : sequence of str or None
        Value of the fold column for every trial.
    units : sequence of str
        Group of every trial.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(*check_fold_column(["1", "2", "2"], ["ann", "ann", "bob"]))
    group 'ann' is in several folds: its clips are left out of training where others of it are scored
    """
    divided = straddling_groups(values, units)
    if not divided:
        return ()
    subject, possessive = (
        (f"group {divided[0]!r} is", "its") if len(divided) == 1 else (f"groups {some_names(divided)} are", "their")
    )
    return (
        Finding(
            "fold_column_divides_group",
            "information",
            f"{subject} in several folds: {possessive} clips are left out of training where others of "
            f"{'it' if len(divided) == 1 else 'the same group'} are scored",
        ),
    )


def check_copies(trials: Sequence[Trial]) -> tuple[Finding, ...]:
    """Return the findings on audio that several trials contain, and on files that belong to several groups.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.

    Returns
    -------
    tuple of Finding
        Findings on copies and files.

    Examples
    --------
    >>> check_copies([])
    ()
    """
    clips = clips_of(trials)
    paths, labels = [item.clip.path for item in clips], [item.clip.label for item in clips]
    return check_same_audio(paths, labels, [item.sha256 for item in clips]) + check_file_groups(
        paths, [item.clip.held_out_by for item in clips]
    )


def check_model(training: TrainingSummary, trials: Sequence[Trial], group_by: str | None = None) -> tuple[Finding, ...]:
    """Return the findings on clips and groups that a model was trained on and is scored on.

    Parameters
    ----------
    training : TrainingSummary
        The model's training set.
    trials : sequence of Trial
        Trials that the model is scored on.
    group_by : str or None
        Column that gave the groups of the trials, as for :func:`gmmaudio.corpus.plan_split`.

    Returns
    -------
    tuple of Finding
        Findings on audio, groups and sources.

    Examples
    --------
    >>> from pathlib import Path
    >>> from gmmaudio.pipeline.training import train
    >>> from gmmaudio.trials import TrialSettings, build_trial_set
    >>> from gmmaudio.corpus import Clip
    >>> model = train("my_music").model
    >>> trials = build_trial_set(Path(), [Clip("song.wav", "metal")], TrialSettings(model.features)).trials
    >>> [finding.code for finding in check_model(model.training, trials)][:2]
    ['no_audio_trained_on', 'groups_unknown']
    """
    trained_by, group_by = ("group" if column is None else column for column in (training.group_by, group_by))
    comparable = normal(trained_by) == normal(group_by)
    trained = respell(clip.group for clip in training.clips) if comparable else []
    labels = [trial.label for trial in trials]
    groups = respell((trial.held_out_by for trial in trials), [group for group in trained if group is not None])
    findings = _check_trained_on(training, clips_of(trials))
    findings += _check_trained_groups(trained, groups) if comparable else (_not_comparable(trained_by, group_by),)
    if None in trained or None in groups:
        groups = [None] * len(groups)
    sources = [trial.source for trial in trials]
    findings += check_groups(labels, groups, trained) + check_sources(labels, sources)
    return findings + _check_model_sources(training, sources)


def find_new_sources(training: TrainingSummary, sources: Sequence[str | None]) -> frozenset[str] | None:
    """Return the sources that a model was not trained on; None where one is unknown, of training or among these.

    Parameters
    ----------
    training : TrainingSummary
        The model's training set.
    sources : sequence of str or None
        Source of every trial that is scored.

    Examples
    --------
    >>> from gmmaudio.pipeline.training import train
    >>> find_new_sources(train("my_music").model.training, ["tape"]) is None
    True
    """
    known = {clip.source and normal(clip.source) for clip in training.clips}
    if None in known or None in sources:
        return None
    return frozenset(source for source in sources if source and normal(source) not in known)


def _check_model_sources(training: TrainingSummary, sources: Sequence[str | None]) -> tuple[Finding, ...]:
    """Return the finding on whether a model was trained on the sources of the trials that it is scored on."""
    new = find_new_sources(training, sources)
    if new is None or not sources:
        return ()
    if not new:
        return (
            Finding(
                "sources_trained_on",
                "information",
                f"all clips are of sources that were trained on ({some_names(sorted(set(filter(None, sources))))}): "
                "this metric does not hold for recordings of a new source",
            ),
        )
    n_new = sum(source in new for source in sources)
    return (
        Finding(
            "sources_not_trained_on",
            "information",
            f"{n_new} of {len(sources)} clips are of sources that were not trained on ({some_names(sorted(new))}): "
            "their accuracy holds for recordings of a new source",
        ),
    )


def _not_comparable(trained_by: str, group_by: str) -> Finding:
    """Return the finding that the groups of training and of the trials are of different kinds."""
    there = f"those of the column {trained_by!r}" if trained_by else "not recorded"
    return Finding(
        "groups_not_comparable",
        "warning",
        f"groups are those of the column {group_by!r} here and {there} in training: whether one was trained on was not "
        "checked",
        "train and evaluate with the same `group_by`",
    )


def _check_trained_groups(trained: Sequence[str | None], groups: Sequence[str | None]) -> tuple[Finding, ...]:
    """Return the findings on the groups of trials that a model was trained on."""
    shared = sorted({group for group in groups if group is not None} & set(trained))
    if shared:
        return (
            Finding(
                "group_trained_on",
                "alarm",
                f"{len(shared)} groups were trained on too ({some_names(shared)}): this metric may be optimistic",
                "evaluate on other groups",
            ),
        )
    if None in trained or None in groups:
        return ()
    return (Finding("no_group_trained_on", "passed", "no group was trained on"),)


def _check_trained_on(training: TrainingSummary, tested: Sequence[Extracted]) -> tuple[Finding, ...]:
    """Return the findings on clips, or nearly the same audio, that a model was trained on."""
    # also clips that only the UBM was fitted to
    trained = (*training.clips, *training.ubm_clips)
    hashes = {clip.sha256 for clip in trained}
    unseen = [item for item in tested if item.sha256 not in hashes]
    fingerprints = [clip.fingerprint for clip in tested]
    findings: tuple[Finding, ...] = ()
    if len(unseen) < len(tested):
        findings += (
            Finding(
                "trained_on",
                "alarm",
                f"{len(tested) - len(unseen)} of {len(tested)} clips were trained on: their metrics measure memory",
                "evaluate on other clips (`split`)",
            ),
        )
    pairs = near_duplicates([from_hex(clip.fingerprint) for clip in trained], [item.fingerprint for item in unseen])
    findings += _near_duplicate([(trained[i].path, unseen[j].clip.path) for i, j, _ in pairs], TRAINING_CLIP)
    findings += _check_fingerprints(fingerprints)
    if findings:
        return findings
    return (Finding("no_audio_trained_on", "passed", f"no audio was trained on: {_search_text(fingerprints)}"),)


def _groups_of_sides(
    groups: Sequence[str | None], folds: Sequence[Fold]
) -> Iterator[tuple[Sequence[str], Sequence[str | None]]]:
    """Yield, of every fold, those of the tested groups that are trained on too, and the tested groups."""
    members: dict[str | None, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    for fold in folds:
        tested = list(dict.fromkeys(groups[i] for i in fold.test))
        trained_on = fold.trained_on
        yield [g for g in tested if g is not None and any(i in trained_on for i in members[g])], tested


@dataclass(frozen=True)
class _ClipsOnSides:
    """Clips, and the trials that each is a part of: where they are in a fold, without a list of every training side.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    folds : sequence of Fold
        The folds of all repeats.
    """

    trials: Sequence[Trial]
    folds: Sequence[Fold]

    @cached_property
    def clips(self) -> list[Extracted]:
        """All clips, each once."""
        return clips_of(self.trials)

    @cached_property
    def trials_of(self) -> list[list[int]]:
        """The trials that each clip is a part of."""
        number = {id(clip): k for k, clip in enumerate(self.clips)}
        trials_of: list[list[int]] = [[] for _ in self.clips]
        for i, trial in enumerate(self.trials):
            for part in trial.parts:
                trials_of[number[id(part)]].append(i)
        return trials_of

    def shared_audio(self) -> Iterator[tuple[list[tuple[str, str]], list[tuple[str, str]]]]:
        """Yield, of every fold, path and hash of one training clip for each tested hash, and of the tested clips."""
        copies: dict[str, list[int]] = defaultdict(list)
        for k, clip in enumerate(self.clips):
            copies[clip.sha256].append(k)
        for fold in self.folds:
            tested, trained_on = clips_of([self.trials[i] for i in fold.test]), fold.trained_on
            # the last copy is trained on, but in its own fold: one look for almost every clip
            trained = [
                next((k for k in reversed(copies[sha256]) if any(i in trained_on for i in self.trials_of[k])), None)
                for sha256 in dict.fromkeys(clip.sha256 for clip in tested)
            ]
            yield (
                [(self.clips[k].clip.path, self.clips[k].sha256) for k in trained if k is not None],
                [(clip.clip.path, clip.sha256) for clip in tested],
            )

    def apart(self, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return those of the pairs of clips of which one is trained on where the other is tested."""
        trained_on = [fold.trained_on for fold in self.folds]
        tested_in: list[list[int]] = [[] for _ in self.trials]
        for k, fold in enumerate(self.folds):
            for i in fold.test:
                tested_in[i].append(k)

        def is_tested_without(one: int, other: int) -> bool:
            folds = {k for i in self.trials_of[one] for k in tested_in[i]}
            return any(i in trained_on[k] for k in folds for i in self.trials_of[other])

        return [(i, j) for i, j in pairs if is_tested_without(i, j) or is_tested_without(j, i)]


def _check_copies_on_sides(trials: Sequence[Trial], folds: Sequence[Fold]) -> tuple[Finding, ...]:
    """Return the findings on audio that is on both sides of a split."""
    sides = _ClipsOnSides(trials, folds)
    clips, fingerprints = sides.clips, [clip.fingerprint for clip in sides.clips]
    pairs = [(i, j) for i, j, _ in near_duplicates_within(fingerprints) if clips[i].sha256 != clips[j].sha256]
    findings = check_shared_audio(sides.shared_audio())
    near = [(clips[i].clip.path, clips[j].clip.path) for i, j in sides.apart(pairs)]
    findings += _near_duplicate(near, CLIP_ON_OTHER_SIDE)
    findings += _check_fingerprints(fingerprints)
    if findings:
        return findings
    search = _search_text(fingerprints)
    return (Finding("no_audio_on_both_sides", "passed", f"no audio is on both sides of a split: {search}"),)


def _search_text(fingerprints: Sequence[Fingerprint]) -> str:
    """Return the description of a search for copies without a result."""
    n_some = sum(len(each) > 0 for each in fingerprints)
    return (
        f"not the same samples, and no near-duplicate by fingerprint ({n_some} of {len(fingerprints)} clips have one)"
    )


def _check_fingerprints(fingerprints: Sequence[Fingerprint]) -> tuple[Finding, ...]:
    """Return the finding that most clips have no fingerprint, so that only exact copies can be detected."""
    n_none = sum(len(each) == 0 for each in fingerprints)
    if 2 * n_none <= len(fingerprints):
        return ()
    return (
        Finding(
            "no_fingerprint",
            "warning",
            f"{n_none} of {len(fingerprints)} clips have no fingerprint, which takes 1 to 2 s of sound: of them "
            "only exact copies were searched",
        ),
    )


def _near_duplicate(pairs: Sequence[tuple[str, str]], other: str) -> tuple[Finding, ...]:
    """Return the finding that names the first pairs of near-duplicates."""
    if not pairs:
        return ()
    return (
        Finding(
            "near_duplicate",
            "alarm",
            f"nearly the same audio as {other}, by fingerprint: {first_of([f'{a} ~ {b}' for a, b in pairs])}",
            "listen, and give both one group, or keep one",
        ),
    )


def check_new_groups(known: Sequence[Clip], new: Sequence[Clip]) -> tuple[Finding, ...]:
    """Return the finding on new clips that have other groups than all known clips of their folder, which have one.

    Parameters
    ----------
    known, new : sequence of Clip
        Clips with the values that they are held out by.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> known = [Clip("ann/1.wav", "en", held_out_by="ann"), Clip("bob/1.wav", "en", held_out_by="bob")]
    >>> new = [Clip("ann/2.wav", "en", held_out_by="speaker 1"), Clip("bob/2.wav", "en", held_out_by="bob")]
    >>> [(finding.code, finding.level) for finding in check_new_groups(known, new)]
    [('new_groups_in_old_folders', 'alarm')]
    """
    groups_of: dict[str, set[str | None]] = defaultdict(set)
    for clip in known:
        groups_of[posixpath.dirname(clip.path)].add(clip.held_out_by)
    renamed = []
    for clip in new:
        groups = groups_of.get(posixpath.dirname(clip.path), set())
        if len(groups) == 1 and None not in groups and clip.held_out_by not in groups:
            renamed.append(f"{clip.path}: {clip.held_out_by!r} and not {next(iter(groups))!r}")
    if not renamed:
        return ()
    return (
        Finding(
            "new_groups_in_old_folders",
            "alarm",
            f"{len(renamed)} new clips lie in a folder of clips of one group, and have another group, first "
            f"{renamed[0]}: one artist or speaker may be on both sides of a split",
            'give them the groups of the corpus, or name the groups by folder (`group_by="parent"`)',
        ),
    )


def check_training_set(trials: Sequence[Trial], short_s: float, augment: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Return the findings on a training set: groups, sources, amounts, lengths and sample rates of the labels.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    short_s : float
        Length of the clips on which the settings were measured, seconds.
    augment : sequence of str
        Degradations whose copies are trained on too: no finding advises these.

    Returns
    -------
    tuple of Finding
        Findings on the labels.

    Examples
    --------
    >>> check_training_set([], 6.0)
    ()
    """
    labels = sorted({trial.label for trial in trials})
    trials_of: dict[str, list[Trial]] = {label: [] for label in labels}
    for trial in trials:
        trials_of[trial.label].append(trial)
    findings = [*_check_training_groups(trials_of), *_check_training_sources(trials_of), *_check_amounts(trials_of)]
    findings += check_similar_values("group", [trial.held_out_by for trial in trials])
    findings += check_similar_values("source", [trial.source for trial in trials])
    short = [trial.name for trial in trials if trial.duration_s < short_s]
    if 2 * len(short) > len(trials):
        findings.append(
            Finding(
                "short_clips",
                "warning",
                f"{len(short)} of {len(trials)} clips are shorter than {short_s:g} s, on which these settings were "
                "measured",
                "join clips (`trial_s`), or take longer ones",
            )
        )
    of_rates = _check_sample_rates(trials_of)
    if "band" in augment:
        of_rates = tuple(replace(each, remedy="bring all to one rate") for each in of_rates)
    return (*findings, *of_rates)


def _check_training_groups(trials_of: Mapping[str, Sequence[Trial]]) -> tuple[Finding, ...]:
    """Return the finding on labels with one group, where all groups are known."""
    groups = {label: {trial.held_out_by for trial in trials} for label, trials in trials_of.items()}
    if None in set().union(*groups.values()):
        return ()
    return one_group([label for label, members in groups.items() if len(members) == 1])


def _check_training_sources(trials_of: Mapping[str, Sequence[Trial]]) -> tuple[Finding, ...]:
    """Return the finding on labels with one source, where there are several sources."""
    sources = {label: {trial.source for trial in trials} for label, trials in trials_of.items()}
    single = [label for label in sources if len(sources[label]) == 1]
    if not single or len(set().union(*sources.values()) - {None}) < 2:
        return ()
    return (
        Finding(
            "label_of_one_source",
            "warning",
            f"labels from one source: {some_names(single)}: a model may learn its sound instead",
            "add another source",
        ),
    )


def _check_amounts(trials_of: Mapping[str, Sequence[Trial]]) -> tuple[Finding, ...]:
    """Return the finding on labels with much less audio than the largest."""
    seconds = {label: sum(trial.duration_s for trial in trials) for label, trials in trials_of.items()}
    small = [f"{label!r} ({seconds[label]:.0f} s)" for label in seconds if 5 * seconds[label] < max(seconds.values())]
    if not small:
        return ()
    return (
        Finding(
            "little_audio",
            "warning",
            f"labels with less than a fifth of the largest's audio: {first_of(small)}",
            "add audio, or expect less of them",
        ),
    )


def _check_sample_rates(trials_of: Mapping[str, Sequence[Trial]]) -> tuple[Finding, ...]:
    """Return the finding that labels differ in sample rates, so that the frequency band reveals the label."""
    rates = {label: {clip.sample_rate_hz for clip in clips_of(trials)} for label, trials in trials_of.items()}
    all_rates = set().union(*rates.values()) - {None}
    if len(all_rates) < 2 or all(each == all_rates for each in rates.values()):
        return ()
    examples = ", ".join(
        f"{label!r} {'/'.join(str(rate) for rate in sorted(filter(None, rates[label])))}"
        for label in list(rates)[:MAX_LABELS]
    )
    more = f" and {len(rates) - MAX_LABELS} labels more" if len(rates) > MAX_LABELS else ""
    return (
        Finding(
            "sample_rates_differ",
            "warning",
            f"sample rates differ between labels ({examples}{more} Hz): a model may learn the missing band instead",
            "bring all to one rate, or train on band-limited copies too (`augment`)",
        ),
    )
