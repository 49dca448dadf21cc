"""The check of a corpus before anything is learned: its labels, groups and formats, from the heads of its files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from statistics import median
from typing import Any, TypeVar

from gmmaudio.audio.head_facts import HeadFacts
from gmmaudio.compute import Progress, RunContext, quiet
from gmmaudio.corpus import Clip, Corpus, check_labels, plan_split
from gmmaudio.corpus.confounding import check_bands, check_levels
from gmmaudio.corpus.folder_checks import check_single_folder
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.findings import Finding, at_level, sort_findings
from gmmaudio.names import respell, split_of_folder
from gmmaudio.pipeline.arguments import as_corpus
from gmmaudio.pipeline.corpus_findings import UNKNOWN_REMEDY, check_clips, sound_by_group
from gmmaudio.pipeline.head_survey import SoundFacts, check_extra, choose_sample, read_heads, read_sample
from gmmaudio.pipeline.tag_groups import with_tags
from gmmaudio.values import checked

Value = TypeVar("Value", str, int)
# sources of groups that are no columns
NO_COLUMNS = (None, "none", "parent")
# clips of each label whose sound is decoded
N_SAMPLE = 8


@dataclass(frozen=True)
class LabelFacts:
    """Facts of the clips of one label.

    Parameters
    ----------
    label : str
        The label.
    n_clips, n_files : int
        Clips, and the files that they are segments of, those included whose head cannot be read.
    n_groups : int or None
        Groups; None where some are unknown.
    largest_group : str or None
        The group with most of the sound.
    largest_share : float or None
        Its share of the sound of the label, 0..1.
    duration_s : float
        Sound by the heads of the files, seconds; files that declare no length add none.
    formats : dict of str to int
        Name of a format -> files.
    sample_rates_hz : dict of int to int
        Sample rate, hertz -> files.
    bit_rate : float or None
        Median of its lossy files, bits per second; None where it has none.
    splits : dict of str to int
        Name of a split, empty where a clip has none -> clips.
    level_db, band_hz : float or None
        Medians of the files that were decoded: level, decibels below full scale, and band limit, hertz.
    """

    label: str
    n_clips: int
    n_files: int
    n_groups: int | None
    largest_group: str | None
    largest_share: float | None
    duration_s: float
    formats: dict[str, int]
    sample_rates_hz: dict[int, int]
    bit_rate: float | None
    splits: dict[str, int]
    level_db: float | None = None
    band_hz: float | None = None


@dataclass(frozen=True)
class CorpusCheck:
    """A corpus as it is before anything is learned.

    Parameters
    ----------
    group_by : str or None
        Source of the groups, as for :func:`gmmaudio.train`.
    grouping : str
        The groups in words, such as ``"groups of the corpus"``.
    labels : tuple of LabelFacts
        One for each label, sorted.
    findings : tuple of Finding
        What a reader should know, alarms first.
    failed : tuple of FailedInput
        Files whose head cannot be read.
    refusal : str
        Why no model can be trained on the corpus; empty where one can.
    n_skipped : int
        Files in folders without an audio suffix.
    n_decoded : int
        Files whose sound was decoded.
    """

    group_by: str | None
    grouping: str
    labels: tuple[LabelFacts, ...]
    findings: tuple[Finding, ...]
    failed: tuple[FailedInput, ...]
    refusal: str = ""
    n_skipped: int = 0
    n_decoded: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {"format": 1, **asdict(self)}


@checked
def check_corpus(
    corpus: str | Path | Corpus,
    *,
    split: str | None = None,
    group_by: str | None = None,
    n_decoded: int = N_SAMPLE,
    progress: Progress = quiet,
) -> CorpusCheck:
    """Return the facts of a corpus that decide what a model of it is worth, from the heads of its files.

    Parameters
    ----------
    corpus : path-like or Corpus
        Folder with a sub-folder for each class, manifest, or a corpus (:func:`gmmaudio.read_corpus`).
    split : str or None
        Look at the clips of this split only; None looks at all.
    group_by : str or None
        Source of groups, as for :func:`gmmaudio.train`.
    n_decoded : int
        Clips of each label whose sound is decoded, ten seconds of each, for level and band limit; 0 decodes nothing.
    progress : Progress
        Shows progress.

    Raises
    ------
    CorpusError
        If there is no corpus at the path, or no clip in the split.
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> import gmmaudio
    >>> check = gmmaudio.check_corpus("my_music", group_by="parent")
    >>> [(facts.label, facts.n_groups, facts.formats) for facts in check.labels], check.findings
    ([('jazz', 3, {'WAV': 6}), ('metal', 3, {'WAV': 6})], ())
    """
    if n_decoded < 0:
        raise SettingError(f"`n_decoded` is {n_decoded}; expected 0 or more")
    corpus = with_tags(as_corpus(corpus), group_by, needs_all=False, progress=progress)
    clips = _chosen(corpus, split, group_by)
    heads, failed = read_heads(corpus.root, clips, progress)
    guessed = _with_folders(clips, group_by)
    sample = read_sample(corpus.root, choose_sample(guessed or clips, n_decoded), heads, RunContext(None, progress))
    findings = [
        *corpus.findings,
        *check_extra(failed, len(heads) + len(failed)),
        *check_clips(corpus.root, clips, guessed, heads, group_by),
        *check_levels([each.label for each in sample], [each.level_db for each in sample]),
        *check_bands([each.label for each in sample], [each.band_hz for each in sample]),
    ]
    refusal = ""
    try:
        findings += check_labels([clip.label for clip in clips])
    except CorpusError as error:
        refusal = str(error)
        findings += check_single_folder(clip.path for clip in clips)
    return CorpusCheck(
        group_by,
        _grouping(group_by, is_guess=bool(guessed)),
        tuple(_label_facts(guessed or clips, heads, sample)),
        sort_findings(findings),
        failed,
        refusal,
        corpus.n_skipped,
        len(sample),
    )


def check_before_run(
    corpus: Corpus, *, split: str | None = None, group_by: str | None = None, fold_column: str | None = None
) -> tuple[Finding, ...]:
    """Return the alarms and warnings on a corpus that can be known before a run, from the heads of its files.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips.
    split, group_by, fold_column : str or None
        As for :func:`gmmaudio.corpus.plan_split`, by which the clips are chosen.

    Raises
    ------
    CorpusError
        If more than a tenth of the files need the ``media`` extra, which is not installed, no clip is in the split, or
        labels cannot be those of a model.

    Examples
    --------
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> check_before_run(read_corpus("my_music"), group_by="parent")
    ()
    """
    corpus = with_tags(corpus, group_by)
    clips = plan_split(corpus.clips, split=split, group_by=group_by, fold_column=fold_column)
    if len({clip.label for clip in clips}) == 1:
        # which the run refuses
        return check_single_folder(clip.path for clip in clips)
    # raises what the run would
    check_labels([clip.label for clip in clips])
    heads, failed = read_heads(corpus.root, clips)
    check_extra(failed, len(heads) + len(failed), stops=True)
    findings = [*corpus.findings, *check_clips(corpus.root, clips, _with_folders(clips, group_by), heads, group_by)]
    # that groups are unknown is said by the run itself, and only a way to name them by the corpus
    told = (finding for finding in findings if finding.remedy != UNKNOWN_REMEDY)
    return at_level(sort_findings(told), "alarm", "warning")


def _chosen(corpus: Corpus, split: str | None, group_by: str | None) -> tuple[Clip, ...]:
    """Return the clips of a split, or of all, with their groups; None where one has no value to group by."""
    is_column = group_by not in NO_COLUMNS
    # with a column of folds clips of all splits are chosen
    clips = plan_split(corpus.clips, split=split, group_by="none" if is_column else group_by, fold_column="split")
    if not is_column:
        return clips
    groups = [clip.column(str(group_by)) or None for clip in clips]
    if not any(groups):
        raise CorpusError(f"no clip has a value of {group_by!r}; name another source of groups (`group_by`)")
    return tuple(replace(clip, held_out_by=group) for clip, group in zip(clips, respell(groups), strict=True))


def _with_folders(clips: Sequence[Clip], group_by: str | None) -> tuple[Clip, ...]:
    """Return clips with their folders as groups, where groups are unknown and all lie in folders of a label."""
    if group_by is not None or any(clip.held_out_by is not None for clip in clips):
        return ()
    folders = [PurePosixPath(clip.path).parts[:-1] for clip in clips]
    for folder, clip in zip(folders, clips, strict=True):
        if clip.label not in folder[:-1] or split_of_folder(folder[-1]):
            return ()
    return tuple(replace(clip, held_out_by="/".join(folder)) for folder, clip in zip(folders, clips, strict=True))


def _grouping(group_by: str | None, *, is_guess: bool) -> str:
    """Return the source of groups in words."""
    if is_guess:
        return "folders, as no groups are named"
    return {None: "groups of the corpus", "none": "none", "parent": "folders"}.get(group_by, str(group_by))


def _label_facts(
    clips: Sequence[Clip], heads: Mapping[str, HeadFacts], sample: Sequence[SoundFacts]
) -> list[LabelFacts]:
    """Return the facts of every label, sorted."""
    by_label: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_label[clip.label].append(clip)
    facts = []
    for label, groups in sound_by_group(clips, heads).items():
        paths = list(dict.fromkeys(clip.path for clip in by_label[label]))
        known = [heads[path] for path in paths if path in heads]
        total_s, is_known = sum(groups.values()), None not in groups
        largest, most_s = max(groups.items(), key=lambda item: item[1])
        rates = [head.bit_rate for head in known if head.bit_rate is not None]
        decoded = [each for each in sample if each.label == label]
        facts.append(
            LabelFacts(
                label=label,
                n_clips=len(by_label[label]),
                n_files=len(paths),
                n_groups=len(groups) if is_known else None,
                largest_group=largest if is_known else None,
                largest_share=most_s / total_s if is_known and total_s else None,
                duration_s=total_s,
                formats=_counts(head.format for head in known),
                sample_rates_hz=_counts(head.sample_rate_hz for head in known),
                bit_rate=median(rates) if rates else None,
                splits=_counts(clip.split or "" for clip in by_label[label]),
                level_db=median(each.level_db for each in decoded) if decoded else None,
                band_hz=median(each.band_hz for each in decoded) if decoded else None,
            )
        )
    return facts


def _counts(values: Iterable[Value]) -> dict[Value, int]:
    """Return the number of each value, the most frequent first."""
    return dict(Counter(values).most_common())
