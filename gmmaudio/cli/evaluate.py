"""``gmmaudio evaluate``: a model and labelled clips -> a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gmmaudio.cli import options


@click.command(name="evaluate")
@click.argument("model", type=options.FILE)
@click.argument("corpus", type=options.FILE)
@options.split
@options.trial_seconds
@options.min_duration
@options.group_by
@options.outputs
@options.jobs
def command(model: Path, corpus: Path, report_path: Path | None, json_path: Path | None, **settings: Any) -> None:
    """Score MODEL on the labelled clips of CORPUS (its split ``test`` where it has one)."""
    from gmmaudio import pipeline
    from gmmaudio.cli import console, report_files
    from gmmaudio.modelfile import load_model

    report_files.check(report_path, json_path)
    loaded = load_model(model)
    report = pipeline.evaluate(
        loaded,
        pipeline.read_corpus(corpus),
        progress=console.progress,
        command=options.typed_command(),
        **settings,
    )
    click.get_current_context().exit(
        report_files.deliver(report, f"{model.name} on {report_files.corpus_name(corpus)}", report_path, json_path)
    )
