"""``gmmaudio mixture fit``: a table -> the file of a mixture."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import click

from gmmaudio.cli import options
from gmmaudio.names import did_you_mean

COVARIANCE_TYPES = ("diag", "full", "tied", "spherical")
CRITERIA = ("bic", "aic", "icl", "held-out")
COUNTS = re.compile("([0-9]{1,6})(?:-([0-9]{1,6}))?", re.ASCII)
# mixtures that are fitted for one range
MOST_COUNTS = 1000


def _names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str] | None:
    """Return names from a list with commas, in which a name with a comma is quoted as in CSV."""
    if value is None:
        return None
    try:
        (names,) = csv.reader([value], skipinitialspace=True)
    except csv.Error as error:
        raise click.BadParameter(f"{value!r} is no line of CSV; quote names with line ends in them.") from error
    return [name.strip() for name in names]


def _counts(_ctx: click.Context, _param: click.Parameter, value: str) -> list[int]:
    """Return whole numbers from a list of numbers and ranges."""
    counts: list[int] = []
    for part in value.split(","):
        match = COUNTS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last or last - first >= MOST_COUNTS:
            raise click.BadParameter(f"{value!r} is no list of numbers above 0 such as 3, 1-10 or 2,4,8.")
        counts += range(first, last + 1)
    return list(dict.fromkeys(counts))


def _types(_ctx: click.Context, _param: click.Parameter, value: str) -> list[str]:
    """Return covariance types from a list with commas."""
    types = [part.strip() for part in value.split(",")]
    wrong = next((each for each in types if each not in COVARIANCE_TYPES), None)
    if wrong is not None:
        raise click.BadParameter(
            f"{wrong!r} is not one of {', '.join(map(repr, COVARIANCE_TYPES))}.{did_you_mean(wrong, COVARIANCE_TYPES)}"
        )
    return list(dict.fromkeys(types))


@click.command(name="fit")
@click.argument("table", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.FILE, metavar="MIXTURE", help="File to write.")
@click.option(
    "--columns", callback=_names, metavar="A,B,..", help="Columns to use. [default: all columns of numbers that vary]"
)
@click.option(
    "--components",
    "n_components",
    callback=_counts,
    default="1-10",
    show_default=True,
    metavar="K|K-L|K,L,..",
    help="Numbers of components to try.",
)
@click.option(
    "--covariance",
    "covariance_types",
    callback=_types,
    default=",".join(COVARIANCE_TYPES),
    show_default=True,
    metavar="TYPE,..",
    help="Covariance types to try.",
)
@click.option(
    "--criterion",
    type=options.Choice(CRITERIA),
    default="bic",
    show_default=True,
    help="What decides between mixtures.",
)
@click.option(
    "--held-out",
    "held_out",
    type=float,
    default=0.2,
    show_default=True,
    metavar="SHARE",
    help="Share of the rows (or groups) that is held out to measure the likelihood of new rows; 0: none.",
)
@click.option(
    "--group-by",
    callback=options.name_text,
    metavar="COLUMN",
    help="Column of groups, such as a customer, whose rows are held out together.",
)
@click.option(
    "--init", type=options.Choice(options.INIT_NAMES), default="kmeans", show_default=True, help="Initialisation of EM."
)
@click.option(
    "--starts",
    "n_starts",
    type=int,
    default=3,
    show_default=True,
    metavar="N",
    help="Starts of EM for each mixture; the best is kept.",
)
@click.option(
    "--restarts",
    "n_restarts",
    type=int,
    default=10,
    show_default=True,
    metavar="N",
    help="Other starts by which the stability of the clusters is measured; 0: none.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of starts and of the held-out rows.")
@click.option("-j", "--jobs", "n_jobs", type=int, default=1, show_default=True, help="Threads; -1: one for each core.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
@options.quiet
def command(table: Path, output: Path, criterion: str, as_json: bool, is_quiet: bool, **settings: Any) -> None:
    """Fit Gaussian mixtures to the rows of TABLE, save the best, and print how it was chosen and how stable it is.

    TABLE is CSV or parquet; - is stdin. Mixtures of all numbers of components and covariance types that are named are
    fitted to all rows. BIC and ICL (lower is better) are of these fits. The held-out log likelihood (higher is better)
    is that of new rows, under second fits without them. The file is the same bytes for any number of threads.
    """
    from gmmaudio.cli import mixture_text
    from gmmaudio.cli.console import say, say_findings
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.table_input import open_table
    from gmmaudio.json_text import to_json
    from gmmaudio.mixture import save_mixture
    from gmmaudio.pipeline.table_fit import fit_table

    OutputPaths({"-o": output}).check(table)
    with show_progress(is_quiet=is_quiet) as progress:
        fit = fit_table(open_table(table), criterion=criterion.replace("-", "_"), progress=progress, **settings)
    save_mixture(output, fit.mixture, names=fit.names, details=fit.details)
    if as_json:
        click.echo(to_json(fit.details, indent=1))
    elif not is_quiet:
        mixture_text.show_training(fit.details)
    say_findings(fit.findings)
    say(
        f"wrote {output}: {fit.mixture.n_components} components, {fit.mixture.covariance_type}, "
        f"{len(fit.names)} columns"
    )
