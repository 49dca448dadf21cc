"""Cross-validation on recorded audio: every row of the table is one ``gmmaudio crossval`` command.

The corpora are folders of ``GMMAUDIO_DATA``, each with a ``manifest.csv``. Takes about half an hour on two cores.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from recipes.command import metric, read_report, run, slices, summary
from results.corpora import manifest_of
from results.record import FOLDER, ROOT, make_record, write_record
from results.views import real_audio_genre, real_audio_language

PAGES = ROOT / "docs" / "reports"
PROTOCOL = (
    "Each row is `gmmaudio crossval data/CORPUS/manifest.csv OPTIONS`, with `data` for the folder `GMMAUDIO_DATA`. No "
    "artist or speaker is on both sides of a fold; intervals are 95 % bootstraps over artists or speakers."
)


@dataclass(frozen=True)
class Model:
    """A model, and what else is asked of its report.

    Parameters
    ----------
    options : str
        Options of ``gmmaudio crossval``.
    more : str
        Further options, which add to the report and leave its accuracy as it is.
    page : str
        Name of the page in ``docs/reports`` that the report becomes; empty for none.
    chosen_on : str
        What the settings were chosen on.
    """

    options: str
    more: str = ""
    page: str = ""
    chosen_on: str = "inner folds of these clips"


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
    models : tuple of Model
        What is trained.
    left_out_task : str
        What is measured where sources are left out, with the numbers ``{labels}`` and ``{sources}``.
    """

    corpus: str
    task: str
    division: str
    models: tuple[Model, ...]
    left_out_task: str = "a source that was not trained on: {labels} labels of {sources} known sources"


CLASSIC = Model("--components 16", chosen_on="nothing: as in tutorials")
GENRE, LANGUAGE = "--preset genre", "--preset language"
GENRE_FRAMES, LANGUAGE_FRAMES = (
    Model(f"{preset} --kind frames", chosen_on="other clips") for preset in (GENRE, LANGUAGE)
)
SUITES = (
    Suite(
        "genre",
        "genre of music, artists kept apart",
        "--fold-column fold",
        (
            CLASSIC,
            GENRE_FRAMES,
            Model(GENRE, "--compare-random-split --learning-curve --robustness", page="genre"),
            Model(f"{GENRE} --augment none", "--robustness"),
        ),
    ),
    Suite("genre", "the same, five random divisions", "--folds 4 --repeats 5", (Model(GENRE),)),
    Suite(
        "language-indomain",
        "language, many speakers, one recording project for each language",
        "--trial-seconds 6 --folds 5 --repeats 3",
        (CLASSIC, LANGUAGE_FRAMES, Model(LANGUAGE)),
    ),
    Suite(
        "language",
        "language, few speakers, kept apart",
        "--trial-seconds 6 --folds 5",
        (CLASSIC, LANGUAGE_FRAMES, Model(LANGUAGE, "--compare-random-split", page="language")),
        "language, a recording project that was not trained on: {labels} languages of {sources} known projects",
    ),
)


@click.command()
@click.option(
    "--only",
    metavar="CORPUS",
    help="Measure this corpus only, and write no file of results.",
)
@click.option("-j", "--jobs", default=2, show_default=True)
def main(only: str | None, jobs: int) -> None:
    """Measure the table, print it, and write it to results/real_audio.json and two reports to docs/reports."""
    suites = [suite for suite in SUITES if only in (None, suite.corpus)]
    rows = [row for suite in suites for model in suite.models for row in measure(suite, model, jobs)]
    record = make_record("real_audio", "Cross-validation on recorded audio", PROTOCOL, rows)
    click.echo(real_audio_genre(record) + real_audio_language(record))
    if only is None:
        click.echo(f"wrote {write_record(record, FOLDER).name}")


def measure(suite: Suite, model: Model, jobs: int) -> list[dict[str, Any]]:
    """Return a row of the table, after one with sources left out where the report has that; a page where it has one.

    Parameters
    ----------
    suite : Suite
        Corpus and division.
    model : Model
        What is trained.
    jobs : int
        Worker processes.
    """
    corpus = manifest_of(suite.corpus).parent
    options = f"{suite.division} {model.options}"
    words = shlex.split(f"data/{suite.corpus}/manifest.csv {options} {model.more} -j {jobs} --json report.json")
    page = ("--report", f"{model.page}.html") if model.page else ()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data").symlink_to(corpus.resolve().parent)
        run("crossval", *words, *page, folder=Path(folder))
        report = read_report(Path(folder, "report.json"))
        if model.page:
            shutil.copy(Path(folder, f"{model.page}.html"), PAGES)
    wall_s = round(time.monotonic() - began, 1)
    of_all = {"corpus": suite.corpus, "options": options, "model": model.options, "wall_s": wall_s}
    of_all |= {"chosen_on": model.chosen_on}
    left_out = report.get("sources_left_out")
    rows = [] if left_out is None else [of_all | left_out_row(suite, left_out)]
    sliced = {name: slices(report, name) for name in ("random_split", "robustness")}
    return [*rows, of_all | {"task": suite.task, **summary(report), "log_loss": report["log_loss"], **sliced}]


def left_out_row(suite: Suite, left_out: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table has of the clips whose source was left out.

    Parameters
    ----------
    suite : Suite
        Corpus and task.
    left_out : mapping
        The value ``sources_left_out`` of a report's JSON.
    """
    labels, sources = len(left_out["scored_labels"]), len(left_out["sources"])
    return {
        "task": suite.left_out_task.format(labels=labels, sources=sources),
        "part": "sources left out",
        "n": left_out["n"],
        "n_groups": left_out["n_groups"],
        "n_labels": left_out["n_candidates"][1],
        "fewest_labels": left_out["n_candidates"][0],
        # of a clip that is classified at random
        "chance": sum(1 / len(clip["scores"]) for clip in left_out["clips"]) / left_out["n"],
        "n_failed": 0,
        "scheme": left_out["scheme"],
        "accuracy": metric(left_out, "accuracy"),
        "balanced_accuracy": metric(left_out, "balanced_accuracy"),
        "log_loss": left_out["log_loss"],
        "random_split": [],
        "robustness": [],
    }


if __name__ == "__main__":
    main()
