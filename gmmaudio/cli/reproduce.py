"""``gmmaudio reproduce``: the JSON of a report -> the differences of a new run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options, rows_options, vectors_options
from gmmaudio.errors import CorpusError, SettingError

if TYPE_CHECKING:
    from gmmaudio.pipeline import Reproduction

N_SHOWN = 20


@click.command(name="reproduce")
@click.argument("report", type=options.FILE)
@click.option(
    "--corpus",
    "root",
    type=options.FILE,
    metavar="PATH",
    help="Folder of the clips, a manifest in it, or the table of predictions. [default: as recorded]",
)
@click.option("--model", type=options.FILE, metavar="FILE", help="Model file, where a model was evaluated.")
@click.option("--json", "json_path", type=options.FILE, metavar="FILE", help="Write the new report as JSON.")
@rows_options.rows
@vectors_options.vectors
@vectors_options.column
@options.jobs
@options.quiet
def command(
    report: Path,
    root: Path | None,
    model: Path | None,
    json_path: Path | None,
    n_jobs: int | None,
    is_quiet: bool,
    **of_others: Any,
) -> None:
    """Run the evaluation in REPORT (a JSON file) again, with its clips, folds, settings and seed.

    Exit code 0: the numbers are the same. 1: audio or numbers differ; each difference is listed. With other versions
    or on another machine, numbers may differ by 1e-5.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.evaluation.report_file import read_report, to_json
    from gmmaudio.models import load_model
    from gmmaudio.names import printable
    from gmmaudio.outputs import write_together
    from gmmaudio.pipeline.recorded_run import read_run

    given, vectors = rows_options.take_rows(of_others), vectors_options.take_vectors(of_others)
    outputs = OutputPaths({"--json": json_path})
    places = (*rows_options.places_of(given), *vectors_options.places_of(vectors))
    outputs.check(*filter(None, (report, root, model)), *places)
    recorded = read_report(report)
    _check_root(recorded, root, model)
    try:
        run = read_run(recorded.get("run"), root)
        outputs.keep([run.corpus.root])
        outputs.keep_clips(run.corpus)
        trained = None if model is None else load_model(model)
        with show_progress(is_quiet=is_quiet) as progress:
            reproduction = pipeline.reproduce(
                recorded, root=root, model=trained, rows=given, vectors=vectors, n_jobs=n_jobs, progress=progress
            )
    except CorpusError as error:
        raise CorpusError(f"{report}: {error}") from error
    if json_path is not None:
        write_together([(json_path, to_json(reproduction.report).encode())])
    for line in _lines(reproduction):
        click.echo(printable(line))
    click.get_current_context().exit(0 if reproduction.identical else EXIT_SOME_FAILED)


def _check_root(recorded: dict[str, Any], root: Path | None, model: Path | None) -> None:
    """Raise where the folder of the clips does not exist, or a model is named for a run without one."""
    run = recorded.get("run")
    recorded_root = run.get("root") if isinstance(run, dict) else None
    if root is None and isinstance(recorded_root, str) and not os.path.exists(recorded_root):  # noqa: PTH110 - any name
        raise CorpusError(f"{recorded_root}: is not there; name where the clips are now (--corpus)")
    if model is not None and isinstance(run, dict) and run.get("kind") != "evaluate":
        raise SettingError("--model has no effect: this is not the report of a model")


def _lines(reproduction: Reproduction) -> list[str]:
    """Return the differences and the conclusion, line by line."""
    inputs, values = reproduction.changed_inputs, reproduction.changed_values
    lines = [f"other now: {change}" for change in reproduction.changed_environment]
    lines += _first("audio", inputs) + _first("number", values)
    if reproduction.identical:
        within = ", within 1e-5 (other versions or machine)" if reproduction.changed_environment else ", bit for bit"
        return [*lines, f"reproduced{within}: {reproduction.report.headline}"]
    return [*lines, f"not reproduced: {len(inputs)} files and {len(values)} numbers differ"]


def _first(kind: str, cases: tuple[str, ...]) -> list[str]:
    """Return the first differences of a kind, and how many more there are."""
    more = [f"{kind}: and {len(cases) - N_SHOWN} more"] if len(cases) > N_SHOWN else []
    return [f"{kind}: {case}" for case in cases[:N_SHOWN]] + more
