"""Messages that the commands share, on stderr, with names safe for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from gmmaudio.cli.flags import with_flags
from gmmaudio.findings import Finding, sort_findings
from gmmaudio.names import printable

if TYPE_CHECKING:
    from gmmaudio.audio import AudioNote
    from gmmaudio.evaluation import FailedInput

LEVEL_WORDS = {"alarm": "alarm", "warning": "warning", "information": "note", "passed": "ok"}


def say(text: str) -> None:
    """Write a line to stderr.

    Parameters
    ----------
    text : str
        The line; what could drive a terminal is shown escaped.
    """
    click.echo(printable(text), err=True)


def finding_line(finding: Finding) -> str:
    """Return the line of a finding: a word for its level, its text and its remedy, options by their flags.

    Parameters
    ----------
    finding : Finding
        What to show.

    Examples
    --------
    >>> finding_line(Finding("groups_unknown", "alarm", "groups unknown", "name them (`group_by`)"))
    'alarm: groups unknown; name them (--group-by)'
    """
    return f"{LEVEL_WORDS[finding.level]}: {with_flags(str(finding))}"


def say_findings(findings: Iterable[Finding]) -> None:
    """Write findings to stderr, alarms first.

    Parameters
    ----------
    findings : iterable of Finding
        What to write.
    """
    for finding in sort_findings(findings):
        say(finding_line(finding))


def say_skipped(n_skipped: int) -> None:
    """Write to stderr how many files in folders were skipped, if any were.

    Parameters
    ----------
    n_skipped : int
        Files whose suffix is not that of audio.
    """
    if n_skipped:
        say(f"skipped {n_skipped} file{'s' * (n_skipped != 1)} without an audio suffix")


def say_failed(failed: Sequence[FailedInput]) -> None:
    """Write each input that failed to stderr, and their number.

    Parameters
    ----------
    failed : sequence of FailedInput
        What to write.
    """
    for item in failed:
        say(f"skipped [{item.code}] {item.path}: {with_flags(item.message)}")
    if failed:
        say(f"{len(failed)} input{'s' * (len(failed) != 1)} failed")


def say_notes(path: str, notes: Iterable[AudioNote | Finding]) -> None:
    """Write to stderr what is to be said of a file that was used.

    Parameters
    ----------
    path : str
        The file, as it was named.
    notes : iterable of AudioNote or Finding
        What to write.
    """
    for note in notes:
        say(f"note [{note.code}] {path}: {note.text}")
