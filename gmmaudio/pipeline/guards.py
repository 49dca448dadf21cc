"""What the clips on the two sides of a split say of a figure: groups, sources, the same or nearly the same sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from gmmaudio.corpus import Fold, Place, file_notes, first_of, leak_notes, same_audio_notes, straddling_groups
from gmmaudio.evaluation.guards import Findings, group_findings, side_findings, source_findings
from gmmaudio.fingerprint import Fingerprint, from_hex, near_duplicates, near_duplicates_within
from gmmaudio.model import TrainingSummary
from gmmaudio.pipeline.extraction import Extracted
from gmmaudio.pipeline.trials import Trial, clips_of

N_NAMED = 3

# Place of a clip -> its group before --group-by
Groups = Mapping[Place, str | None]


def crossval_findings(
    trials: Sequence[Trial],
    divisions: Sequence[Sequence[Fold]],
    scored: Sequence[str],
    groups: Groups,
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
    groups : mapping
        The corpus's own groups of all clips.
    group_by : str or None
        Where the groups that were split by come from.
    """
    clips = clips_of(trials)
    folds = list(chain.from_iterable(divisions))
    # where sources are held out, labels of one source are in no figure
    kept = [trial for trial in trials if group_by != "source" or trial.label in scored]
    found = group_findings([trial.label for trial in kept], [trial.group for trial in kept])
    found += source_findings([trial.label for trial in kept], [trial.source for trial in kept])
    sides = [([trials[i] for i in fold.train], [trials[i] for i in fold.test]) for fold in folds]
    if group_by is None:
        found += side_findings([([t.group for t in train], [t.group for t in test]) for train, test in sides])
    else:
        own = {id(clip): groups.get(clip.clip.place) for clip in clips}
        found += side_findings(
            [([own[id(c)] for c in clips_of(train)], [own[id(c)] for c in clips_of(test)]) for train, test in sides],
            " of the corpus",
        )
    found += Findings(file_notes([c.clip.path for c in clips], [groups.get(c.clip.place) for c in clips]))
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
        paths, [item.clip.group for item in clips]
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
    shared = sorted({str(trial.group) for trial in trials if trial.group in groups})
    if shared:
        some = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
        found += Findings((f"{len(shared)} groups were trained on too ({some}): this figure may be optimistic",))
    labels, own = [trial.label for trial in trials], [trial.group for trial in trials]
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
