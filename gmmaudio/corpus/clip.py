"""Clips with their labels and groups, and a corpus of clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gmmaudio.findings import Finding
from gmmaudio.names import normal, respell
from gmmaudio.values import convert_fields

# the columns of a manifest that have a meaning
COLUMNS = ("path", "label", "group", "source", "split", "start", "end")


@dataclass(frozen=True)
class Clip:
    """A labelled segment of an audio file.

    Parameters
    ----------
    path : str
        Path of the file, relative to the corpus where possible.
    label : str
        Name of the class.
    group : str or None
        Artist, speaker or album, which must not be on both sides of a split; None where it is unknown.
    source : str or None
        Recording condition or corpus.
    split : str or None
        ``train``, ``test`` or another name; None or empty where the corpus has no value.
    start_s, end_s : float
        Start and end of the segment in the file, seconds; by default the whole file.
    extra : mapping of str to str
        Other columns of the manifest.
    held_out_by : str or None
        Value that a split keeps on one side, set by :func:`gmmaudio.corpus.plan_split`: the group, or the value of
        another column; None where it is unknown.
    fold : str or None
        Value of the fold column, set by the same function.

    Examples
    --------
    >>> clip = Clip("ann/1.wav", "en", group="ann", extra={"age": "31"})
    >>> clip.column("group"), clip.column("age"), clip.column("start")
    ('ann', '31', '0.0')
    """

    path: str
    label: str
    group: str | None = None
    source: str | None = None
    split: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    held_out_by: str | None = None
    fold: str | None = None

    def column(self, name: str) -> str | None:
        """Return the value of a column of the manifest as text.

        Parameters
        ----------
        name : str
            Name of the column.

        Returns
        -------
        str or None
            None where the clip has no value.
        """
        if name in COLUMNS:
            value = getattr(self, {"start": "start_s", "end": "end_s"}.get(name, name))
            return None if value is None else str(value)
        if name in self.extra:
            return self.extra[name]
        return next((value for key, value in self.extra.items() if normal(key) == normal(name)), None)


@dataclass(frozen=True)
class Corpus:
    """Labelled clips, and the findings on the folder or manifest that they were read from.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : tuple of Clip
        Clips in a fixed order.
    findings : tuple of Finding
        Findings on the folder or manifest.
    n_skipped : int
        Number of files that were skipped because their suffix is not one of audio.

    Raises
    ------
    SettingError
        If a value is of another type.

    Examples
    --------
    >>> corpus = Corpus(Path("recordings"), (Clip("ann/1.wav", "en"), Clip("bob/1.wav", "fr")))
    >>> sorted({clip.label for clip in corpus.clips})
    ['en', 'fr']
    """

    root: Path
    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...] = ()
    n_skipped: int = 0

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")


def respell_clips(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    r"""Return clips whose labels, groups, sources and splits have one spelling for each NFC form: the first.

    Parameters
    ----------
    clips : sequence of Clip
        Clips in a fixed order.

    Returns
    -------
    tuple of Clip
        The same clips where nothing changes.

    Examples
    --------
    >>> clips = [Clip("1.wav", "a", "Zo\u00e9"), Clip("2.wav", "b", "Zoe\u0301")]
    >>> len({clip.group for clip in respell_clips(clips)})
    1
    """
    columns = {name: [getattr(clip, name) for clip in clips] for name in ("label", "group", "source", "split")}
    changed = {name: values for name, column in columns.items() if (values := respell(column)) != column}
    if not changed:
        return tuple(clips)
    return tuple(replace(clip, **{name: changed[name][i] for name in changed}) for i, clip in enumerate(clips))
