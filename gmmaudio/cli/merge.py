"""``gmmaudio merge``: files of statistics -> a model file."""

from __future__ import annotations

from pathlib import Path

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options


@click.command(name="merge")
@click.argument("statistics", nargs=-1, required=True, type=options.FILE, metavar="S...")
@click.option("-o", "--output", required=True, type=options.FILE, metavar="MODEL", help="Model file to write.")
@options.quiet
def command(statistics: tuple[Path, ...], output: Path, is_quiet: bool) -> None:
    """Train a model on the statistics S of clips, files that stats wrote with one model.

    The model has calibration, open-set threshold and findings as if it were trained on all clips at once. It is the
    same bytes for any order of the files.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.models import save_model

    OutputPaths({"-o": output}).check(*statistics)
    with show_progress(is_quiet=is_quiet) as progress:
        result = pipeline.merge(statistics, progress=progress)
    model = result.model
    save_model(model, output)
    console.say_failed(result.failed)
    console.say_findings(model.training.findings)
    console.say(f"wrote {output}: {len(model.scorer.labels)} labels from {len(model.training.clips)} clips")
    click.get_current_context().exit(EXIT_SOME_FAILED if result.failed else 0)
