"""The table of the labels of a checked corpus, as text for terminal and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmmaudio.pipeline.corpus_check import CorpusCheck, LabelFacts

# values of a cell that are named
N_VALUES = 3


def tabulate_labels(labels: Sequence[LabelFacts]) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the rows of the table of labels; columns without any value are left out.

    Parameters
    ----------
    labels : sequence of LabelFacts
        Facts of every label.

    Returns
    -------
    heads : list of str
        Names of the columns, with their units.
    rows : list of list of str
        Cells, one row for each label.

    Examples
    --------
    >>> from gmmaudio.pipeline.corpus_check import check_corpus
    >>> heads, rows = tabulate_labels(check_corpus("my_music", group_by="parent", n_decoded=0).labels)
    >>> heads
    ['label', 'clips', 'groups', 'largest group', 'minutes', 'formats', 'kHz']
    >>> rows[0]
    ['jazz', '6', '3', '33 %', '0.7', 'WAV', '22.05']
    """
    columns: dict[str, list[str]] = {
        "label": [facts.label for facts in labels],
        "clips": [str(facts.n_clips) for facts in labels],
        "files": [str(facts.n_files) for facts in labels],
        "splits": ["" if set(facts.splits) == {""} else _counts(facts.splits, "none") for facts in labels],
        "groups": ["" if facts.n_groups is None else str(facts.n_groups) for facts in labels],
        "largest group": [
            "" if facts.largest_share is None else f"{100 * facts.largest_share:.0f} %" for facts in labels
        ],
        "minutes": [f"{facts.duration_s / 60:.1f}" for facts in labels],
        "formats": [_counts(facts.formats) for facts in labels],
        "kHz": [_counts({f"{rate / 1000:g}": n for rate, n in facts.sample_rates_hz.items()}) for facts in labels],
        "kbit/s": ["" if facts.bit_rate is None else f"{facts.bit_rate / 1000:.0f}" for facts in labels],
        "level, dB": ["" if facts.level_db is None else f"{facts.level_db:.0f}" for facts in labels],
        "band, kHz": ["" if facts.band_hz is None else f"{facts.band_hz / 1000:.1f}" for facts in labels],
    }
    if columns["files"] == columns["clips"]:
        del columns["files"]
    shown = {head: cells for head, cells in columns.items() if any(cells)}
    rows = [[cell or "–" for cell in row] for row in zip(*shown.values(), strict=True)]
    return list(shown), rows


def describe_check(check: CorpusCheck) -> list[str]:
    """Return an account of a check in words: how many clips, and what was read of them.

    Parameters
    ----------
    check : CorpusCheck
        The check.

    Returns
    -------
    list of str
        Sentences.

    Examples
    --------
    >>> from gmmaudio.pipeline.corpus_check import check_corpus
    >>> for line in describe_check(check_corpus("my_music", group_by="parent", n_decoded=0)):
    ...     print(line)
    12 clips of 2 labels, 1.3 minutes; groups: folders
    """
    n_clips, seconds = sum(facts.n_clips for facts in check.labels), sum(facts.duration_s for facts in check.labels)
    lines = [
        f"{n_clips} clips of {len(check.labels)} label{'s' * (len(check.labels) != 1)}, {seconds / 60:.1f} minutes; "
        f"groups: {check.grouping}"
    ]
    if check.n_decoded:
        lines.append(f"Level and band limit are of ten seconds of each of {check.n_decoded} files, all else of heads.")
    if check.n_skipped:
        lines.append(f"Files without an audio suffix: {check.n_skipped}, skipped.")
    return lines


def _counts(counts: Mapping[str, int], empty: str = "") -> str:
    """Return values with their numbers, the number left out where there is one value."""
    if len(counts) == 1:
        return next(iter(counts)) or empty
    named = [f"{value or empty} {n}" for value, n in list(counts.items())[:N_VALUES]]
    return ", ".join(named) + (f" and {len(counts) - N_VALUES} more" if len(counts) > N_VALUES else "")
