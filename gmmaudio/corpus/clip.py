"""A clip, a corpus of clips, and the columns of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gmmaudio.findings import Finding

COLUMNS = ("path", "label", "group", "source", "split", "start", "end")


@dataclass(frozen=True)
class Clip:
    """One piece of sound and what is known of it.

    Parameters
    ----------
    path : str
        Relative to the corpus where it can be.
    label : str
        The class name.
    group : str or None
        What must not straddle a split: artist, speaker, album.
    source : str or None
        Recording condition or corpus.
    split : str or None
        ``train``, ``test`` or another name; None or empty where the corpus does not say.
    start_s, end_s : float
        The segment of the file, seconds; default all of it.
    extra : mapping of str to str
        The manifest's other columns.
    held_out_by : str or None
        What a split keeps on one side, set by :func:`gmmaudio.corpus.plan_split`: the group, or what stands for it;
        None where it is unknown.
    fold : str or None
        The fold that a column of the corpus gives, set by the same function.
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
        """Return the value of a manifest column, None where the clip has none."""
        if name in COLUMNS:
            value = getattr(self, {"start": "start_s", "end": "end_s"}.get(name, name))
            return None if value is None else str(value)
        return self.extra.get(name)


@dataclass(frozen=True)
class Corpus:
    """Clips, the folder of their paths, and the findings of reading them.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : tuple of Clip
        In a fixed order.
    findings : tuple of Finding
        Findings of reading it.
    n_skipped : int
        Files passed over because their suffix is not one of audio.

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
