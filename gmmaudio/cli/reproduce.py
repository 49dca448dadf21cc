"""``gmmaudio reproduce``: the JSON of a report -> whether the same run gives the same numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options
from gmmaudio.errors import CorpusError, SettingError

if TYPE_CHECKING:
    from gmmaudio.pipeline import Reproduction

N_SHOWN = 20


@click.command(name="reproduce")
@click.argument("report", type=options.FILE)
@click.option(
    "--corpus",
    type=options.FILE,
    metavar="PATH",
    help="The folder (or a manifest in it, or the table) that the clips are in now. [default: as recorded]",
)
@click.option("--model", type=options.FILE, metavar="FILE", help="The model that was evaluated.")
@click.option("--json", "json_path", type=options.FILE, metavar="FILE", help="Write the new report as JSON.")
@options.jobs
def command(report: Path, corpus: Path | None, model: Path | None, json_path: Path | None, n_jobs: int) -> None:
    """Run the evaluation in REPORT (a JSON file) again, with its clips, folds, settings and seed.

    Exit code 0: the same numbers. 1: the audio or the numbers differ, each named. With other versions or on another
    machine numbers may differ by 1e-6, and that is said.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console
    from gmmaudio.cli.report_files import check_places
    from gmmaudio.evaluation import printable
    from gmmaudio.evaluation.report_file import read_report, to_json
    from gmmaudio.files import check_writable, write_beside
    from gmmaudio.models import load_model

    check_places([report], {"--json": json_path})
    if json_path is not None:
        check_writable(json_path)
    recorded = read_report(report)
    place = corpus.parent if corpus is not None and _is_manifest(corpus, recorded) else corpus
    _check_place(recorded, place, model)
    loaded = None if model is None else load_model(model)
    try:
        found = pipeline.reproduce(recorded, root=place, model=loaded, n_jobs=n_jobs, progress=console.progress)
    except CorpusError as error:
        raise CorpusError(f"{report}: {error}") from error
    if json_path is not None:
        with write_beside(json_path) as handle:
            handle.write(to_json(found.report).encode())
    for line in _lines(found):
        click.echo(printable(line))
    click.get_current_context().exit(0 if found.identical else EXIT_SOME_FAILED)


def _check_place(recorded: dict[str, Any], place: Path | None, model: Path | None) -> None:
    """Raise where the clips are not to be found, or a model is named that is not asked."""
    run = recorded.get("run")
    root = run.get("root") if isinstance(run, dict) else None
    if place is None and isinstance(root, str) and not os.path.exists(root):  # noqa: PTH110 - a name of any kind
        raise CorpusError(f"{root}: is not there; name where the clips are now (--corpus)")
    if model is not None and isinstance(run, dict) and run.get("kind") != "evaluate":
        raise SettingError("--model would be without effect: this is no report of a model")


def _is_manifest(corpus: Path, recorded: dict[str, Any]) -> bool:
    """Return whether ``corpus`` is a manifest, beside which the clips are."""
    return corpus.is_file() and (recorded.get("run") or {}).get("kind") != "predictions"


def _lines(found: Reproduction) -> list[str]:
    """Return what came of it, line by line."""
    lines = [f"other now: {what}" for what in found.elsewhere]
    lines += _first("audio", found.audio) + _first("number", found.numbers)
    if found.identical:
        within = ", within 1e-6 (other versions or machine)" if found.elsewhere else ", bit for bit"
        return [*lines, f"reproduced{within}: {found.report.headline}"]
    return [*lines, f"not reproduced: {len(found.audio)} files and {len(found.numbers)} numbers differ"]


def _first(kind: str, cases: tuple[str, ...]) -> list[str]:
    """Return the first differences of a kind, and how many more there are."""
    more = [f"{kind}: and {len(cases) - N_SHOWN} more"] if len(cases) > N_SHOWN else []
    return [f"{kind}: {case}" for case in cases[:N_SHOWN]] + more
