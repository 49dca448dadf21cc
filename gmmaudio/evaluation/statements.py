"""Statements of advice, each with its evidence, and the words that their texts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gmmaudio.findings import some_names

Part = Literal["expectation", "unsafe", "remedy"]
PARTS: tuple[Part, ...] = ("expectation", "unsafe", "remedy")
# labels, pairs or conditions that a sentence names; the evidence has all
N_NAMED = 3


@dataclass(frozen=True)
class Advice:
    """A statement on what results mean for new clips, or on what would make them better.

    Parameters
    ----------
    code : str
        Lower-case words joined by underscores, one for each rule; the same in all versions.
    part : {"expectation", "unsafe", "remedy"}
        What to expect of new clips, a label that is not safe, or what to add.
    text : str
        The statement, without a full stop. It names parameters of Python in single backticks.
    evidence : str
        The numbers that it rests on.
    labels : tuple of str
        The labels that it is about; none where it is about all.

    Examples
    --------
    >>> advice = Advice("label_missed", "unsafe", "'jazz': 1 of 9 clips is recognised", "recall 11.1 %", ("jazz",))
    >>> print(advice)
    'jazz': 1 of 9 clips is recognised (recall 11.1 %)
    """

    code: str
    part: Part
    text: str
    evidence: str
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} ({self.evidence})"


def share_text(value: float) -> str:
    """Return a share in per cent.

    Parameters
    ----------
    value : float
        The share, 0..1.

    Examples
    --------
    >>> share_text(0.123)
    '12.3 %'
    """
    return f"{100 * value:.1f} %"


def plural(n: int, noun: str) -> str:
    """Return a number with its noun.

    Parameters
    ----------
    n : int
        The number.
    noun : str
        The noun for one.

    Examples
    --------
    >>> plural(1, "clip"), plural(2, "clip")
    ('1 clip', '2 clips')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def label_names(labels: Sequence[str]) -> str:
    """Return the first labels, quoted, and the number of the others.

    Parameters
    ----------
    labels : sequence of str
        The labels.

    Examples
    --------
    >>> label_names(["de", "en", "es", "fr"])
    "'de', 'en', 'es' and 1 more"
    """
    return some_names(labels, N_NAMED)


def interval_texts(pair: tuple[float, float] | None) -> list[str]:
    """Return an interval of shares in per cent, nothing where there is none.

    Parameters
    ----------
    pair : (float, float) or None
        Ends, 0..1.

    Examples
    --------
    >>> interval_texts((0.25, 0.5)), interval_texts(None)
    (['95 % interval 25.0 to 50.0 %'], [])
    """
    return [] if pair is None else [f"95 % interval {100 * pair[0]:.1f} to {share_text(pair[1])}"]
