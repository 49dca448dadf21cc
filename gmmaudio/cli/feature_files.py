"""``gmmaudio features``: files -> feature frames as NumPy arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.cli.inputs import Input


@click.command(name="features")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("-o", "--output", required=True, type=options.FILE, metavar="DIR", help="Folder to write into.")
@options.preset
@options.min_duration
@options.jobs
def command(
    paths: tuple[str, ...],
    output: Path,
    preset: str | None,
    min_duration_s: float,
    n_jobs: int,
) -> None:
    """Write the frames of each PATH to DIR as .npy: one row for each frame (its VTLN warps side by side), float32.

    The name is the file's path below what was named, with .npy appended.
    """
    import numpy as np

    from gmmaudio import pipeline
    from gmmaudio.cli import console, inputs
    from gmmaudio.errors import WriteError
    from gmmaudio.evaluation import FailedInput, printable
    from gmmaudio.files import write_beside

    config = pipeline.make_recipe(preset).features
    failed: list[FailedInput] = []
    with inputs.resolve(paths) as found:
        names = _names(found)
        results = pipeline.read_rows(
            config,
            [item.path for item in found],
            min_duration_s=min_duration_s,
            n_jobs=n_jobs,
            progress=console.progress,
        )
        for item, name, result in zip(found, names, results, strict=True):
            if isinstance(result, FailedInput):
                failed.append(FailedInput(item.shown, result.code, result.message))
                continue
            place = output / name
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise WriteError(f"{place.parent}: cannot be made ({error.strerror}); choose another place") from error
            with write_beside(place) as handle:
                np.save(handle, result.rows.values, allow_pickle=False)
            click.echo(printable(str(place)))
    console.say_failed(failed)
    if failed:
        click.get_current_context().exit(EXIT_NOTHING if len(failed) == len(found) else EXIT_SOME_FAILED)


def _names(found: list[Input]) -> list[str]:
    """Return a relative name for each file: below what was named, or below the folder that all share."""
    names = [item.below for item in found]
    if len(set(names)) < len({item.path for item in found}):
        absolute = [os.path.abspath(item.shown) for item in found]  # noqa: PTH100 - links are kept as they are named
        names = [os.path.relpath(name, os.path.commonpath(absolute)) for name in absolute]
    return [f"{name}.npy" for name in names]
