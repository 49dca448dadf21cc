"""Cross-validation on recorded audio: every row of the table is one ``gmmaudio crossval`` command.

The corpora are folders of ``GMMAUDIO_DATA``, each with a ``manifest.csv``. Takes about half an hour on two cores.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from recipes.command import read_report, run, slices, summary
from results.corpora import manifest_of
from results.record import FOLDER, make_record, write_record
from results.views import real_audio_table

CLASSIC = "--components 16"
GENRE, GENRE_FRAMES = "--preset genre", "--preset genre --model frames"
LANGUAGE, LANGUAGE_FRAMES = "--preset language", "--preset language --model frames"
SPEAKERS = "--trial-seconds 6 --folds 5"
SOURCES = "--trial-seconds 6 --folds loo --group-by source"
IN_DOMAIN = "--trial-seconds 6 --folds 5 --repeats 3"
PROTOCOL = (
    "Each row is `gmmaudio crossval $GMMAUDIO_DATA/CORPUS/manifest.csv OPTIONS`. No artist or speaker is on both sides "
    "of a fold; intervals are 95 % bootstraps over artists or speakers."
)


@dataclass(frozen=True)
class Suite:
    """A corpus, how it is divided, and the models that are compared on it.

    Parameters
    ----------
    corpus : str
        Its folder.
    task : str
        What is measured, in a few words.
    division : str
        Options that divide it.
    models : tuple of str
        Options of each model.
    more : mapping of str to str
        Further options of a model: they add to its report and leave its accuracy as it is.
    """

    corpus: str
    task: str
    division: str
    models: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()


SUITES = (
    Suite(
        "genre",
        "genre of music, artists kept apart",
        "--fold-column fold",
        (CLASSIC, GENRE_FRAMES, GENRE, f"{GENRE} --augment codec,band,noise,gain"),
        (
            (GENRE, "--show-inflation --stress"),
            (f"{GENRE} --augment codec,band,noise,gain", "--stress"),
        ),
    ),
    Suite("genre", "the same, five random divisions", "--folds 4 --repeats 5", (GENRE,)),
    Suite(
        "language-indomain",
        "language, many speakers, one recording project for each language",
        IN_DOMAIN,
        (CLASSIC, LANGUAGE_FRAMES, LANGUAGE),
    ),
    Suite(
        "language",
        "language, few speakers, kept apart",
        SPEAKERS,
        (CLASSIC, LANGUAGE_FRAMES, LANGUAGE),
        ((LANGUAGE, "--show-inflation"),),
    ),
    Suite(
        "language",
        "language, one of two recording projects left out",
        SOURCES,
        (CLASSIC, LANGUAGE_FRAMES, LANGUAGE),
    ),
)


@click.command()
@click.option("--only", metavar="CORPUS", help="Measure the suites of this corpus only, and write no file.")
@click.option("-j", "--jobs", default=2, show_default=True)
def main(only: str | None, jobs: int) -> None:
    """Measure the table, print it and write it to results/real_audio.json."""
    suites = [suite for suite in SUITES if only in (None, suite.corpus)]
    rows = [measure(suite, model, jobs) for suite in suites for model in suite.models]
    record = make_record("real_audio", "Cross-validation on recorded audio", PROTOCOL, rows)
    click.echo(real_audio_table(record))
    if only is None:
        click.echo(f"wrote {write_record(record, FOLDER).name}")


def measure(suite: Suite, model: str, jobs: int) -> dict[str, Any]:
    """Return one row of the table.

    Parameters
    ----------
    suite : Suite
        Corpus and division.
    model : str
        Options of the model.
    jobs : int
        Worker processes.
    """
    options = f"{suite.division} {model}"
    more = dict(suite.more).get(model, "")
    manifest = manifest_of(suite.corpus)
    click.echo(f"{suite.corpus}: {options} {more}", err=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        run("crossval", manifest, *shlex.split(f"{options} {more} -j {jobs}"), "--json", path, show=False)
        report = read_report(path)
    return {
        "corpus": suite.corpus,
        "task": suite.task,
        "options": options,
        "model": model,
        **summary(report),
        "random_split": slices(report, "random_split"),
        "robustness": slices(report, "robustness"),
        "wall_s": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    main()
