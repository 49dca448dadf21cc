"""``gmmaudio features``: files -> feature frames as NumPy arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.cli.inputs import Input
    from gmmaudio.pipeline.classification import FileRows


@click.command(name="features")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("-o", "--output", required=True, type=options.FILE, metavar="DIR", help="Folder to write into.")
@options.preset
@options.min_duration
@options.jobs
@options.quiet
def command(
    paths: tuple[str, ...],
    output: Path,
    preset: str | None,
    min_duration_s: float,
    n_jobs: int,
    is_quiet: bool,
) -> None:
    """Write the frames of each PATH to DIR as .npy: one row for each frame (its VTLN warps side by side), float32.

    The name of an array is the file's path below the folder that was named, with .npy appended.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console, inputs
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.evaluation import FailedInput, printable

    features = pipeline.make_recipe(preset).features
    failed: list[FailedInput] = []
    with inputs.resolve(paths) as files, show_progress(is_quiet=is_quiet) as progress:
        names = _names(files)
        results = pipeline.read_rows(
            features,
            [file.path for file in files],
            min_duration_s=min_duration_s,
            n_jobs=n_jobs,
            progress=progress,
        )
        for file, name, result in zip(files, names, results, strict=True):
            if isinstance(result, FailedInput):
                failed.append(FailedInput(file.shown, result.code, result.message))
                continue
            _write(output / name, result)
            click.echo(printable(str(output / name)))
    console.say_failed(failed)
    if failed:
        click.get_current_context().exit(EXIT_NOTHING if len(failed) == len(files) else EXIT_SOME_FAILED)


def _write(path: Path, file_rows: FileRows) -> None:
    """Write the rows of a file, in a folder that is made where it does not exist."""
    import numpy as np

    from gmmaudio.errors import WriteError
    from gmmaudio.files import write_beside

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path.parent}: cannot be made ({error.strerror}); choose another path") from error
    with write_beside(path) as handle:
        np.save(handle, file_rows.rows.values, allow_pickle=False)


def _names(files: Sequence[Input]) -> list[str]:
    """Return a relative name for each file: below the folder that was named, or below the one that all share."""
    names = [file.below for file in files]
    if len(set(names)) < len({file.path for file in files}):
        absolute = [os.path.abspath(file.shown) for file in files]  # noqa: PTH100 - links are kept as they are named
        names = [os.path.relpath(name, os.path.commonpath(absolute)) for name in absolute]
    return [f"{name}.npy" for name in names]
