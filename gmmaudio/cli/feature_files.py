"""``gmmaudio features``: files -> feature frames as NumPy arrays."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.cli.folder_runs import FolderRun
    from gmmaudio.cli.inputs import Input
    from gmmaudio.cli.output_paths import Identity
    from gmmaudio.cli.resuming import RunOptions
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline.classification import FileRows


@click.command(name="features")
@click.argument("paths", nargs=-1, required=True, type=options.WRITTEN, metavar="PATH...")
@click.option("-o", "--output", required=True, type=options.FILE, metavar="DIR", help="Folder to write into.")
@options.preset
@options.min_duration
@options.resume
@options.jobs
@options.limits
@options.cluster
@options.cache
@options.quiet
def command(
    paths: tuple[str, ...],
    output: Path,
    preset: str | None,
    min_duration_s: float,
    n_jobs: int | None,
    time_limit_s: float | None,
    memory_limit: int | None,
    scheduler: str | None,
    n_dask: int | None,
    cache: Path | None,
    cache_limit: int,
    is_quiet: bool,
    **run_options: Any,
) -> None:
    """Write the frames of each PATH to DIR as .npy: one row for each frame (its VTLN warps side by side), float32.

    The name of an array is the file's path below the folder that was named, with .npy appended. features.journal in
    DIR says what is done.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console, inputs
    from gmmaudio.cli.folder_runs import open_folder
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.resuming import RunOptions, closed, make_settings
    from gmmaudio.outputs import check_folder

    going = RunOptions(**run_options)
    going.check(has_output=True, is_quiet=is_quiet)
    opening = options.open_cluster(scheduler, n_dask, n_jobs)
    store = options.open_store(cache, cache_limit)
    features = pipeline.make_recipe(preset).features
    settings = make_settings("features", going, preset=preset, min_duration_s=min_duration_s)
    check_folder(output, parents=True)
    with inputs.resolve(paths) as files:
        failed, chosen = _plan(files, output, going)
        with (
            open_folder(output, going, settings, files) as run,
            opening as cluster,
            show_progress(is_quiet=is_quiet, line_every_s=going.log_every_s) as progress,
        ):
            todo = list(run.waiting((file, [target]) for file, target in chosen))
            results = pipeline.read_rows(
                features,
                [file.path for file, _ in todo],
                min_duration_s=min_duration_s,
                n_jobs=going.choose_jobs(n_jobs),
                progress=progress,
                time_limit_s=time_limit_s,
                memory_limit=memory_limit,
                cache=store,
                cluster=cluster,
            )
            with closed(results):
                failed += _write_arrays(run, todo, results)
    console.say_failed(failed)
    run.say_earlier()
    n_failed = len(failed) + run.n_failed_before
    if n_failed:
        click.get_current_context().exit(EXIT_NOTHING if n_failed == len(going.part_of(files)) else EXIT_SOME_FAILED)


def _write_arrays(
    run: FolderRun, chosen: Iterable[tuple[Input, Sequence[Path]]], results: Iterable[FileRows | FailedInput]
) -> list[FailedInput]:
    """Write the arrays of files, and return the files that failed."""
    from gmmaudio.cli import console
    from gmmaudio.cli.output_paths import identify
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.names import printable

    failed: list[FailedInput] = []
    written: dict[Identity | None, Path] = {identify(path): path for path in run.kept}
    run.begin()
    for (file, targets), result in zip(chosen, results, strict=True):
        (target,) = targets
        if isinstance(result, FailedInput):
            failure: FailedInput | None = result
        else:
            run.announce(file, targets)
            failure = _write(target, result, written)
        if failure is None:
            run.add(file, None, targets)
            click.echo(printable(str(target)))
            console.say_notes(file.shown, () if isinstance(result, FailedInput) else result.notes)
        else:
            run.add(file, failure.code)
            failed.append(FailedInput(file.shown, failure.code, failure.message))
    run.finish()
    return failed


def _plan(
    files: Sequence[Input], output: Path, going: RunOptions
) -> tuple[list[FailedInput], list[tuple[Input, Path]]]:
    """Return the files whose array cannot be named, and the others, each with its array, which can be written."""
    from gmmaudio.cli.output_paths import keep_inputs
    from gmmaudio.outputs import longest_name

    # names of all files, so that those of a shard are the same
    targets = {file: output / name for file, name in zip(files, _names(files), strict=True)}
    longest = longest_name(output)
    too_long = {f for f, path in targets.items() if any(len(os.fsencode(part)) > longest for part in path.parts)}
    keep_inputs(
        ((f"-o {output} would overwrite", path) for file, path in targets.items() if file not in too_long),
        (file.path for file in files),
    )
    part = going.part_of(files)
    chosen = [(file, targets[file]) for file in part if file not in too_long]
    _check_targets(output, dict.fromkeys(path for _, path in chosen))
    return [_too_long(file.shown, targets[file].name) for file in part if file in too_long], chosen


def _check_targets(output: Path, targets: Collection[Path]) -> None:
    """Raise where an array could not be written later."""
    from gmmaudio.errors import SettingError
    from gmmaudio.outputs import check_folder, check_target
    from gmmaudio.temporary_files import remove_left_over

    for folder in dict.fromkeys(path.parent for path in targets):
        inside = next((parent for parent in (folder, *folder.parents) if parent in targets), None)
        if inside is not None:
            raise SettingError(f"-o {output}: {inside} would be a file and a folder; name another folder for one input")
        check_folder(folder, parents=True)
        remove_left_over(folder)
    for path in targets:
        check_target(path)


def _too_long(shown: str, name: str) -> FailedInput:
    """Return the failure of a file whose array has a name that the file system does not take."""
    from gmmaudio.evaluation import FailedInput

    n_bytes = len(os.fsencode(name))
    message = f"File name too long: that of its array would have {n_bytes} bytes; shorten the file's name"
    return FailedInput(shown, "name_too_long", message)


def _write(path: Path, file_rows: FileRows, written: dict[Identity | None, Path]) -> FailedInput | None:
    """Write the rows of a file, in a folder that is made where it does not exist, and return the failure, if any.

    ``written`` maps the arrays of this run: none is overwritten by another, whatever link its name leads through.
    """
    import numpy as np

    from gmmaudio.cli.output_paths import identify
    from gmmaudio.errors import WriteError
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.outputs import new_folder, write_beside

    other = written.get(identify(path), path)
    if other != path:
        message = f"its array would overwrite {other}, which is the same file; name another folder for one of them"
        return FailedInput(file_rows.path, "name_taken", message)
    try:
        with new_folder(path.parent), write_beside(path) as handle:
            # to a file itself, numpy writes in a way that tells no reason for an error
            np.save(SimpleNamespace(write=handle.write), file_rows.rows.values, allow_pickle=False)
    except WriteError as error:
        # a path may also be too long as a whole
        if getattr(error.__cause__, "errno", None) != errno.ENAMETOOLONG:
            raise
        return _too_long(file_rows.path, path.name)
    written[identify(path)] = path
    return None


def _names(files: Sequence[Input]) -> list[str]:
    """Return a relative name for each file: below the folder that was named, or below the one that all share."""
    names = [file.below for file in files]
    if len(set(names)) < len({file.path for file in files}):
        absolute = [os.path.abspath(file.shown) for file in files]  # noqa: PTH100 - links are kept as they are named
        names = [os.path.relpath(name, os.path.commonpath(absolute)) for name in absolute]
    return [f"{name}.npy" for name in names]
