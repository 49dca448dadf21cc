"""The command ``gmmaudio``, run as a user runs it, and the metrics of the reports that it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

SOME_FAILED = 1


def run(*words: str | Path, folder: Path | None = None) -> str:
    """Return the standard output of ``gmmaudio WORDS...``, which is printed before it runs.

    Its progress and warnings go to standard error.

    Parameters
    ----------
    *words : str or Path
        Sub-command, arguments and options.
    folder : Path or None
        Where it runs; None is the current folder.

    Raises
    ------
    click.ClickException
        If the command fails; inputs that cannot be read are no failure.
    """
    arguments = [str(word) for word in words]
    click.echo(f"\n$ gmmaudio {' '.join(arguments)}")
    command = [sys.executable, "-m", "gmmaudio", *arguments]
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own command)
    if done.returncode not in (0, SOME_FAILED):
        raise click.ClickException(f"gmmaudio {arguments[0]} ended with exit code {done.returncode}")
    return done.stdout


def read_report(path: Path) -> dict[str, Any]:
    """Return the report that ``--json`` wrote to a file."""
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def metric(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the value of a metric of a report and its 95 % interval.

    Parameters
    ----------
    report : mapping
        A report's JSON.
    name : str
        Name of the metric, such as ``accuracy``.
    """
    return {"value": report[name], "interval": report["intervals"].get(name)}


def n_groups(report: Mapping[str, Any]) -> int:
    """Return the number of groups that a report's intervals are drawn over."""
    return len({clip["unit"] for clip in report["clips"]})


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the accuracy and the balanced accuracy of a report with what they rest on.

    Parameters
    ----------
    report : mapping
        A report's JSON.
    """
    return {
        "n": report["n"],
        "n_groups": n_groups(report),
        "n_labels": len(report["labels"]),
        "n_failed": len(report["failed"]),
        "scheme": report["protocol"]["scheme"],
        "accuracy": metric(report, "accuracy"),
        "balanced_accuracy": metric(report, "balanced_accuracy"),
    }


def slices(report: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the rows of a slice table of a report, each with its paired difference to the first.

    Parameters
    ----------
    report : mapping
        A report's JSON.
    name : str
        Name of the table, such as ``source``.
    """
    return [
        {
            "name": row["name"],
            "n": row["n"],
            "accuracy": {"value": row["accuracy"], "interval": row["interval"]},
            "difference": {"value": row["difference"], "interval": row["difference_interval"]},
        }
        for row in report["slices"].get(name, [])
    ]
