"""What the clips on the two sides of a split say of a figure: groups, sources, the same or nearly the same sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from gmmaudio.audio import read_info
from gmmaudio.corpus import (
    Fingerprint,
    Fold,
    file_notes,
    from_hex,
    leak_notes,
    near_duplicates,
    near_duplicates_within,
    same_audio_notes,
    straddling_groups,
)
from gmmaudio.errors import AudioError
from gmmaudio.evaluation import Findings
from gmmaudio.evaluation.warnings import group_findings, side_findings, source_findings
from gmmaudio.findings import first_of
from gmmaudio.models import TrainingSummary
from gmmaudio.trials import Extracted, Trial, clips_of

N_NAMED = 3


def crossval_findings(
    trials: Sequence[Trial],
    divisions: Sequence[Sequence[Fold]],
    scored: Sequence[str],
    group_by: str | None,
) -> Findings:
    """Return what is to be said of a cross-validation.

    Parameters
    ----------
    trials : sequence of Trial
        All trials.
    divisions : sequence of sequence of Fold
        The folds of every repeat.
    scored : sequence of str
        Labels in the figures.
    group_by : str or None
        What the clips are held out by, where that is not the group.
    """
    clips = clips_of(trials)
    folds = list(chain.from_iterable(divisions))
    # where sources are held out, labels of one source are in no figure
    kept = [trial for trial in trials if group_by != "source" or trial.label in scored]
    found = group_findings([trial.label for trial in kept], [trial.held_out_by for trial in kept])
    found += source_findings([trial.label for trial in kept], [trial.source for trial in kept])
    sides = [([trials[i] for i in fold.train], [trials[i] for i in fold.test]) for fold in folds]
    if group_by is None:
        held_out_by = [[[trial.held_out_by for trial in side] for side in pair] for pair in sides]
        found += side_findings((train, test) for train, test in held_out_by)
    else:
        groups = [[[item.clip.group for item in clips_of(side)] for side in pair] for pair in sides]
        found += side_findings(((train, test) for train, test in groups), " of the corpus")
    found += Findings(file_notes([c.clip.path for c in clips], [c.clip.group for c in clips]))
    return found + _copies(clips, sides)


def fold_column_findings(values: Sequence[str | None], units: Sequence[str]) -> Findings:
    """Return which groups a fold column cuts through."""
    cut = straddling_groups(values, units)
    named = [
        f"group {group!r} is in several folds; its clips are left out of training where others of it are scored"
        for group in cut[:N_NAMED]
    ]
    return Findings((*named, *([f"and so are {len(cut) - N_NAMED} other groups"] if len(cut) > N_NAMED else [])))


def copies_of(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Return what should be said of clips whose sound stands twice, and of files that stand in several groups."""
    clips = clips_of(trials)
    paths, labels = [item.clip.path for item in clips], [item.clip.label for item in clips]
    return same_audio_notes(paths, labels, [item.sha256 for item in clips]) + file_notes(
        paths, [item.clip.held_out_by for item in clips]
    )


def model_findings(training: TrainingSummary, trials: Sequence[Trial], group_by: str | None = None) -> Findings:
    """Return what is to be said of a model's figures on trials: clips and groups that it was trained on.

    Parameters
    ----------
    training : TrainingSummary
        What the model was trained on.
    trials : sequence of Trial
        What it is scored on.
    group_by : str or None
        Where the trials' groups come from; those of training come from the group column.
    """
    tested = clips_of(trials)
    found = _heard(training, tested)
    trained = [clip.group for clip in training.clips]
    groups = set(trained) - {None}
    shared = sorted({str(trial.held_out_by) for trial in trials if trial.held_out_by in groups})
    if shared:
        some = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
        found += Findings((f"{len(shared)} groups were trained on too ({some}): this figure may be optimistic",))
    labels, own = [trial.label for trial in trials], [trial.held_out_by for trial in trials]
    if None in trained or None in own:
        own = [None] * len(own)
    elif group_by is not None:
        told = f"groups are from --group-by {group_by} here and from the group column in training"
        found += Findings((f"{told}: whether one was trained on cannot be told",))
    elif not shared:
        found += Findings((), ("no group was trained on",))
    return found + group_findings(labels, own, trained) + source_findings(labels, [trial.source for trial in trials])


def _heard(training: TrainingSummary, tested: Sequence[Extracted]) -> Findings:
    """Return which clips, or nearly the same sound, a model was trained on."""
    heard = {clip.sha256 for clip in training.clips}
    fresh = [item for item in tested if item.sha256 not in heard]
    found = Findings()
    if len(fresh) < len(tested):
        found += Findings(
            (
                f"{len(tested) - len(fresh)} of {len(tested)} clips were trained on: their figure measures memory; "
                "evaluate on other clips (--split)",
            )
        )
    pairs = near_duplicates(
        [from_hex(clip.fingerprint) for clip in training.clips], [item.fingerprint for item in fresh]
    )
    found += _near([(training.clips[i].path, fresh[j].clip.path) for i, j, _ in pairs], "a clip that was trained on")
    found += _unseen([clip.fingerprint for clip in tested])
    if found.guards:
        return found
    return Findings((), (f"no sound was trained on: {_looked([clip.fingerprint for clip in tested])}",))


def _copies(clips: Sequence[Extracted], sides: Sequence[tuple[Sequence[Trial], Sequence[Trial]]]) -> Findings:
    """Return which sound is on both sides of a split."""
    prints = [clip.fingerprint for clip in clips]
    place = {id(clip): i for i, clip in enumerate(clips)}
    pairs = [(i, j) for i, j, _ in near_duplicates_within(prints) if clips[i].sha256 != clips[j].sha256]
    same, near = [], set()
    for train, test in sides:
        trained, tested = clips_of(train), clips_of(test)
        same.append(([(c.clip.path, c.sha256) for c in trained], [(c.clip.path, c.sha256) for c in tested]))
        left, right = {place[id(c)] for c in trained}, {place[id(c)] for c in tested}
        near |= {(i, j) for i, j in pairs if (i in left and j in right) or (j in left and i in right)}
    found = Findings(leak_notes(same))
    found += _near([(clips[i].clip.path, clips[j].clip.path) for i, j in sorted(near)], "a clip on the other side")
    found += _unseen(prints)
    return found if found.guards else Findings((), (f"no sound is on both sides of a split: {_looked(prints)}",))


def _looked(prints: Sequence[Fingerprint]) -> str:
    """Return how copies were looked for."""
    n_prints = sum(len(each) > 0 for each in prints)
    return f"not the same samples, and no near-duplicate by fingerprint ({n_prints} of {len(prints)} clips have one)"


def _unseen(prints: Sequence[Fingerprint]) -> Findings:
    """Return a warning where most clips have no fingerprint by which a copy would be found."""
    n_none = sum(len(each) == 0 for each in prints)
    if 2 * n_none <= len(prints):
        return Findings()
    return Findings(
        (
            f"copies were looked for by their samples only in {n_none} of {len(prints)} clips, which are too short for "
            "a fingerprint (1 to 2 s)",
        )
    )


def _near(pairs: Sequence[tuple[str, str]], what: str) -> Findings:
    """Return a warning that names the first near-duplicates."""
    cure = "listen, and give both one group, or keep one"
    return Findings(
        first_of([f"{a} ~ {b}" for a, b in pairs], f"nearly the same sound as {what}, by fingerprint", cure)
    )


def training_notes(trials: Sequence[Trial], short_s: float, root: Path) -> tuple[str, ...]:
    """Return what should be said of a training set before anyone hopes too much of it.

    Parameters
    ----------
    trials : sequence of Trial
        The training set.
    short_s : float
        Length from which clips tell as much as those the settings were measured on, seconds.
    root : Path
        Folder that the clips' paths are relative to.
    """
    labels = sorted({trial.label for trial in trials})
    own = {label: [trial for trial in trials if trial.label == label] for label in labels}
    known = all(trial.held_out_by is not None for trial in trials)
    single = [label for label in labels if known and len({trial.held_out_by for trial in own[label]}) == 1]
    notes = first_of(
        [repr(label) for label in single],
        "classes with one group, whose artist or speaker may be what is learned",
        "add another",
    )
    sources = {label: {trial.source for trial in own[label]} for label in labels}
    if len(set().union(*sources.values()) - {None}) > 1:
        alone = [repr(label) for label in labels if len(sources[label]) == 1]
        notes += first_of(alone, "classes from one source, whose sound may be what is learned", "add another source")
    seconds = {label: sum(trial.duration_s for trial in own[label]) for label in labels}
    small = [f"{label!r} ({seconds[label]:.0f} s)" for label in labels if 5 * seconds[label] < max(seconds.values())]
    notes += first_of(
        small, "classes with less than a fifth of the largest's sound", "add sound, or expect less of them"
    )
    short = [trial.name for trial in trials if trial.duration_s < short_s]
    if 2 * len(short) > len(trials):
        notes += (
            f"{len(short)} of {len(trials)} clips are shorter than {short_s:g} s, which these settings were "
            "measured on: join clips (--trial-seconds), or take longer ones",
        )
    return notes + _rate_notes(own, root)


def _rate_notes(own: Mapping[str, Sequence[Trial]], root: Path) -> tuple[str, ...]:
    """Return a warning where classes were recorded at rates of their own: the band then gives the class away."""
    rates = {label: {_rate_hz(root / clip.clip.path) for clip in clips_of(trials)} for label, trials in own.items()}
    everything = set().union(*rates.values()) - {None}
    if len(everything) < 2 or all(each == everything for each in rates.values()):
        return ()
    told = ", ".join(
        f"{label!r} {'/'.join(str(rate) for rate in sorted(filter(None, rates[label])))}"
        for label in list(rates)[:N_NAMED]
    )
    more = f" and {len(rates) - N_NAMED} classes more" if len(rates) > N_NAMED else ""
    return (
        f"sample rates differ between classes ({told}{more} Hz): the missing band may be what is learned; bring all to "
        "one rate, or train on copies too (--augment band)",
    )


def _rate_hz(path: Path) -> int | None:
    """Return the sample rate of a file that was decoded; None where its header does not tell it again."""
    try:
        return read_info(path).sample_rate_hz
    except AudioError:
        return None
