"""``gmmaudio mixture assign``: a mixture and a table -> the rows with their clusters."""

from __future__ import annotations

from pathlib import Path

import click

from gmmaudio.cli import options


@click.command(name="assign")
@click.argument("mixture", type=options.FILE)
@click.argument("table", type=options.FILE)
@options.table_output
def command(mixture: Path, table: Path, output: Path | None, overwrite: bool) -> None:
    """Write the rows of TABLE with their cluster, their membership in each, and their log density under MIXTURE.

    TABLE, CSV or parquet (- is stdin), has the columns that MIXTURE was fitted to, in any order; others are kept.
    Clusters are counted from 0, the heaviest first, as describe lists them.
    """
    from gmmaudio.cli.console import say_findings
    from gmmaudio.cli.table_input import open_table
    from gmmaudio.cli.table_output import TableOutput
    from gmmaudio.mixture import load_mixture
    from gmmaudio.pipeline.table_scoring import assign_table

    target = TableOutput(output, overwrite)
    target.check(mixture, table)
    answer = assign_table(load_mixture(mixture), open_table(table))
    target.write(answer.table)
    say_findings(answer.findings)
