"""``gmmaudio mixture impute``: a mixture and a table -> the table without missing values."""

from __future__ import annotations

from pathlib import Path

import click

from gmmaudio.cli import options


@click.command(name="impute")
@click.argument("mixture", type=options.FILE)
@click.argument("table", type=options.FILE)
@options.table_output
@click.option(
    "--draws",
    "n_draws",
    type=int,
    metavar="M",
    help="Write M copies of the table, in which missing values are drawn at random given the others. [default: one "
    "table with their means]",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the draws.")
def command(mixture: Path, table: Path, output: Path | None, overwrite: bool, n_draws: int | None, seed: int) -> None:
    """Fill in the missing values of TABLE in the columns that MIXTURE was fitted to, by their means given the others.

    TABLE is CSV or parquet; - is stdin. Means are the best guess of each value, and vary less than true values would:
    for standard errors, use several draws (multiple imputation), which are numbered in a column imputation.
    """
    from gmmaudio.cli.console import say, say_findings
    from gmmaudio.cli.table_input import open_table
    from gmmaudio.cli.table_output import TableOutput
    from gmmaudio.mixture import load_mixture
    from gmmaudio.pipeline.table_scoring import impute_table

    target = TableOutput(output, overwrite)
    target.check(mixture, table)
    answer = impute_table(load_mixture(mixture), open_table(table), n_draws=n_draws, seed=seed)
    target.write(answer.table)
    say_findings(answer.findings)
    say(f"filled in {answer.n_filled} missing value{'s' * (answer.n_filled != 1)}")
