"""``gmmaudio mixture``: mixtures of tables of numbers; its commands are imported when they are run."""

from __future__ import annotations

import click

from gmmaudio.cli import LazyGroup

COMMANDS = {
    "fit": "Fit mixtures to a table, and save the best.",
    "assign": "Write the rows of a table with their clusters.",
    "impute": "Fill in the missing values of a table.",
    "describe": "Describe a mixture and its training.",
}


@click.group(name="mixture", cls=LazyGroup, table=COMMANDS, modules={name: f"mixture_{name}" for name in COMMANDS})
def command() -> None:
    """Fit a Gaussian mixture to a table of numbers, CSV or parquet, and use it for the rows of others.

    Missing values (empty cells, NA, NaN, null) are welcome in all of them.
    """
