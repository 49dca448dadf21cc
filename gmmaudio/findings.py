"""Findings: facts about data and results that a reader should know, each with a stable code, a level and a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gmmaudio.errors import SettingError
from gmmaudio.values import convert_fields, shown

Level = Literal["alarm", "warning", "information", "passed"]
LEVELS: tuple[Level, ...] = ("alarm", "warning", "information", "passed")


@dataclass(frozen=True)
class Finding:
    """A fact about data or results, and what to do about it.

    Parameters
    ----------
    code : str
        Lower-case words joined by underscores, as stable as the reason codes of :data:`gmmaudio.audio.REASONS`.
    level : {"alarm", "warning", "information", "passed"}
        ``alarm``: a metric may be wrong or optimistic. ``warning``: data or a model may be worse than they look.
        ``information``: nothing is wrong, but it should be known. ``passed``: a check that found nothing.
    text : str
        What was found, and what follows from it.
    remedy : str
        What to do about it; empty where there is nothing to do. It names parameters of Python in single backticks.

    Raises
    ------
    SettingError
        If the code or the level is of another form.

    Examples
    --------
    >>> print(Finding("single_clip_label", "warning", "label 'jazz' has one clip", "add more"))
    label 'jazz' has one clip; add more
    """

    code: str
    level: Level
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        convert_fields(self, skip=("level",))
        if self.level not in LEVELS:
            raise SettingError(f"the level of a finding is {shown(self.level)}; expected one of {', '.join(LEVELS)}")
        if not re.fullmatch(r"[a-z]+(_[a-z]+)*", self.code):
            raise SettingError(f"the code of a finding is {shown(self.code)}; expected words such as groups_unknown")

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}" if self.remedy else self.text

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Finding:
        """Return the finding that a file holds: its fields, or a note as older files hold it.

        Parameters
        ----------
        value : str or mapping
            The text of a note, or the fields of a finding.

        Raises
        ------
        SettingError
            If the code or the level is of another form.

        Examples
        --------
        >>> Finding.of("labels 'a', 'A' differ by case only").code
        'note'
        """
        if isinstance(value, str):
            return Finding("note", "information", value)
        return cls(**value)


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by level: alarms, warnings, information, checks passed; in their order within a level.

    Parameters
    ----------
    findings : iterable of Finding
        In any order.

    Examples
    --------
    >>> passed, alarm = Finding("one_source", "passed", "a"), Finding("groups_unknown", "alarm", "b")
    >>> [finding.level for finding in sort_findings([passed, alarm])]
    ['alarm', 'passed']
    """
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def at_level(findings: Iterable[Finding], *levels: Level) -> tuple[Finding, ...]:
    """Return the findings of some levels.

    Parameters
    ----------
    findings : iterable of Finding
        In any order, which is kept.
    *levels : {"alarm", "warning", "information", "passed"}
        The levels wanted.

    Examples
    --------
    >>> at_level([Finding("one_source", "passed", "a")], "alarm", "warning")
    ()
    """
    return tuple(finding for finding in findings if finding.level in levels)


def first_of(cases: Sequence[str], most: int = 3) -> str:
    """Return the first cases, joined by semicolons, and the number of the others.

    Parameters
    ----------
    cases : sequence of str
        What to list.
    most : int
        Number of cases that are listed.

    Examples
    --------
    >>> first_of(["a = b", "c = d", "e = f", "g = h"])
    'a = b; c = d; e = f and 1 more'
    """
    shown = "; ".join(cases[:most])
    return shown if len(cases) <= most else f"{shown} and {len(cases) - most} more"


def some_names(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, quoted, and the number of the others.

    Parameters
    ----------
    names : sequence of str
        What to list.
    most : int
        Number of names that are listed.

    Examples
    --------
    >>> some_names(["jazz", "rock", "folk", "fado"])
    "'jazz', 'rock', 'folk' and 1 more"
    """
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
