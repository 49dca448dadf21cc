"""``gmmaudio train``: a corpus -> a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options


@click.command(name="train")
@click.argument("corpus", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.FILE, metavar="MODEL", help="The model file to write.")
@options.recipe
def command(corpus: Path, output: Path, split: str | None, n_jobs: int, **settings: Any) -> None:
    """Train a model on CORPUS: a folder with one sub-folder for each class, or a CSV manifest.

    The model is the same bytes for any number of worker processes.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console
    from gmmaudio.files import check_writable
    from gmmaudio.modelfile import save_model

    recipe = pipeline.make_recipe(**settings)
    check_writable(output)
    found = pipeline.read_corpus(corpus)
    if found.n_skipped:
        console.say(f"{found.n_skipped} files that are not audio by their suffix were passed over")
    result = pipeline.train(found, recipe, split=split, n_jobs=n_jobs, progress=console.progress)
    save_model(result.model, output)
    console.say_failed(result.failed)
    console.say_notes(result.model.training.notes)
    training = result.model.training
    for label in result.model.classifier.labels:
        trace = result.traces[label]
        console.say(
            f"{label}: {training.seconds[label]:.1f} s, {training.rows[label]} frames, "
            f"{trace.n_components} components, "
            f"{trace.n_iter} iterations, log-likelihood {training.log_likelihood[label]:.3f} a frame"
        )
    console.say(f"wrote {output}: {len(result.model.classifier.labels)} labels from {len(training.clips)} clips")
    click.get_current_context().exit(EXIT_SOME_FAILED if result.failed else 0)
