"""Parameters of Python, as messages name them, shown as the options of the command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gmmaudio.evaluation import FailedInput, Report
    from gmmaudio.findings import Finding
    from gmmaudio.pipeline import CorpusCheck

# `name`, or `name="value"`
PARAMETER = re.compile(r"""(?<!`)`([a-z_]+)(?:=(["']?)([^`"']+)\2)?`(?!`)""")


def all_commands() -> dict[str, click.Command]:
    """Return every sub-command by its words, those of groups of commands after the group.

    Examples
    --------
    >>> [words for words in all_commands() if words.startswith("mixture")]
    ['mixture', 'mixture fit', 'mixture assign', 'mixture impute', 'mixture describe']
    """
    from gmmaudio.cli import cli

    return dict(_commands_of(cli, ""))


def _commands_of(group: click.Group, before: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the commands of a group and of the groups in it, with their words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield before + name, command
        if isinstance(command, click.Group):
            yield from _commands_of(command, f"{before}{name} ")


@cache
def flags() -> Mapping[str, str]:
    """Return the flag of every parameter that an option of some sub-command sets.

    Examples
    --------
    >>> flags()["min_duration_s"]
    '--min-duration'
    """
    return {
        str(parameter.name): next(flag for flag in parameter.opts if flag.startswith("--"))
        for command in all_commands().values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }


def with_flags(text: str) -> str:
    """Return a message with the parameters that it names in backticks shown as flags; others stay as they are.

    Parameters
    ----------
    text : str
        A message from below this package.

    Examples
    --------
    >>> with_flags('name the groups (`group_by="parent"`), or shorten `trial_s`')
    'name the groups (--group-by parent), or shorten --trial-seconds'
    >>> with_flags("`open_set=True` learns one")
    '--open-set learns one'
    """

    def flag(match: re.Match[str]) -> str:
        name, _, value = match.groups()
        if name not in flags():
            return match.group()
        # an option that is set by its presence takes no value
        return flags()[name] + (f" {value}" if value and value != "True" else "")

    return PARAMETER.sub(flag, text)


def report_with_flags(report: Report) -> Report:
    """Return a report whose advice, findings and failures name flags: for readers of a page, not of data.

    Parameters
    ----------
    report : Report
        As :func:`gmmaudio.evaluation.make_report` gives it.
    """
    return replace(
        report,
        advice=tuple(
            replace(each, text=with_flags(each.text), evidence=with_flags(each.evidence)) for each in report.advice
        ),
        findings=_findings(report.findings),
        failed=_failed(report.failed),
    )


def check_with_flags(check: CorpusCheck) -> CorpusCheck:
    """Return the check of a corpus whose texts name flags: for readers of a page, not of data.

    Parameters
    ----------
    check : CorpusCheck
        As :func:`gmmaudio.check_corpus` gives it.
    """
    return replace(
        check,
        findings=_findings(check.findings),
        failed=_failed(check.failed),
        refusal=with_flags(check.refusal),
    )


def _findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings that name flags."""
    return tuple(replace(each, text=with_flags(each.text), remedy=with_flags(each.remedy)) for each in findings)


def _failed(failed: Iterable[FailedInput]) -> tuple[FailedInput, ...]:
    """Return failures that name flags."""
    return tuple(replace(item, message=with_flags(item.message)) for item in failed)
