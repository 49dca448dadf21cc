"""The README's table of results on real audio: every row is one ``gmmaudio crossval`` command, printed beside it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

import gmmaudio
from gmmaudio.evaluation import percent

DATA = Path(os.environ.get("GMMAUDIO_DATA", "../shared/data"))
CLASSIC = "--components 16"
INDOMAIN = "--trial-seconds 6 --folds 5 --repeats 3"
SPEAKERS = "--trial-seconds 6 --folds 5"
GENRE = ("--preset genre --model frames", "--preset genre")
LANGUAGE = ("--preset language --model frames", "--preset language")
SOURCES = "--trial-seconds 6 --folds loo --group-by source"

# corpus, how it is divided, the models
SUITES = (
    ("genre", "--fold-column fold", (CLASSIC, *GENRE)),
    ("genre", "--folds 4 --repeats 5", ("--preset genre",)),
    ("language-indomain", INDOMAIN, (CLASSIC, *LANGUAGE)),
    ("language", SPEAKERS, (CLASSIC, *LANGUAGE)),
    ("language", SOURCES, (CLASSIC, *LANGUAGE)),
)


@click.command()
@click.option("--only", help="Run the suites of this corpus only.")
@click.option("-j", "--jobs", default=-1, show_default=True)
def main(only: str | None, jobs: int) -> None:
    """Print the table, a row at a time."""
    click.echo(
        "| corpus | options of `gmmaudio crossval` | n | accuracy, 95 % interval | balanced accuracy, 95 % interval |"
    )
    click.echo("|---|---|---|---|---|")
    for corpus, division, models in SUITES:
        if only in (None, corpus):
            for model in models:
                click.echo(row(corpus, f"{division} {model}", jobs))


def row(corpus: str, options: str, jobs: int) -> str:
    """Return one row of the table."""
    given = dict(zip(shlex.split(options)[::2], shlex.split(options)[1::2], strict=True))
    number = {name: int(given[name]) for name in ("--components", "--repeats") if name in given}
    folds = given.get("--folds", "5")
    recipe = gmmaudio.make_recipe(
        given.get("--preset"),
        kind=given.get("--model"),
        n_components=number.get("--components"),
        covariance_type=given.get("--covariance"),
        trial_s=float(given["--trial-seconds"]) if "--trial-seconds" in given else None,
    )
    report = gmmaudio.crossval(
        gmmaudio.read_corpus(DATA / corpus / "manifest.csv"),
        recipe,
        folds="loo" if folds == "loo" else int(folds),
        fold_column=given.get("--fold-column"),
        repeats=number.get("--repeats", 1),
        group_by=given.get("--group-by"),
        n_jobs=jobs,
    )
    cells = [
        f"{100 * value:.1f} % ({percent(interval) if interval else 'no interval'})"
        for value, interval in (
            (report.accuracy, report.intervals["accuracy"]),
            (report.balanced_accuracy, report.intervals["balanced_accuracy"]),
        )
    ]
    return f"| {corpus} | `{options}` | {report.n} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
