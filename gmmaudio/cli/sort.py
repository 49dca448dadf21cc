"""``gmmaudio sort``: a model and music files -> a folder for each label, or playlists."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import labelling, options
from gmmaudio.names import printable, quoted

if TYPE_CHECKING:
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline.sorting import Placement, SortedFolder
    from gmmaudio.pipeline.undo_journal import UndoJournal


@click.command(name="sort")
@click.argument("model", type=options.FILE, required=False)
@click.argument("paths", nargs=-1, type=options.WRITTEN, metavar="PATH...")
@click.option("--into", "into", type=options.FILE, metavar="DIR", help="Folder that gets a folder for each label.")
@click.option("--link", is_flag=True, help="Put symbolic links into it.")
@click.option("--copy", is_flag=True, help="Put copies into it.")
@click.option("--move", is_flag=True, help="Move the files into it.")
@click.option(
    "--playlist",
    type=options.WRITTEN,
    metavar="FILE.m3u8",
    help="Write a playlist of all labels; with {label} in its name, one for each label.",
)
@labelling.DECIDING
@labelling.DOING
@options.jobs
@options.limits
@options.cache
@options.quiet
def command(
    model: Path | None,
    paths: tuple[str, ...],
    into: Path | None,
    link: bool,
    copy: bool,
    move: bool,
    playlist: str | None,
    is_write: bool,
    journal_path: Path | None,
    undo_path: Path | None,
    **classifying: Any,
) -> None:
    """Sort each PATH, an audio file or a folder of them, by its label: into folders, playlists or both.

    Without --write nothing is changed, and each line has the file, its label and its place. No file is ever replaced:
    where a name is taken, a number is added. A second run leaves alone what is in its place.
    """
    from gmmaudio.cli.undoing import undo_run
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline.file_placing import undo_placement
    from gmmaudio.pipeline.sorting import FAILED, SortedFolder, plan_places

    if undo_path is not None:
        undo_run(undo_path, "sort", undo_placement, is_write=is_write)
        return
    way = _way({"link": link, "copy": copy, "move": move}, into, playlist)
    labelled = labelling.label_files(model, paths, into, **classifying)
    labels = labelled.labels
    folder = None if into is None or way is None else SortedFolder(into, way, labels)
    planned = plan_places(labelled.paths, labelled.decisions, folder)
    places = [place._replace(duration_s=seconds) for place, seconds in zip(planned, labelled.durations_s, strict=True)]
    named = list(zip(labelled.shown, places, strict=True))
    failed = [FailedInput(name, each.code or "", each.message) for name, each in named if each.action == FAILED]
    lists = _playlists(playlist, places, labels)
    run = SortRun(folder, journal_path, is_write, classifying["is_quiet"])
    run.show_or_do(named, lists, failed)
    labelling.end_with(failed, len(named))


@dataclass(frozen=True)
class SortRun:
    """What is done with files that have their places.

    Parameters
    ----------
    folder : SortedFolder or None
        Where they come to; None where they are only listed.
    journal_path : Path or None
        The undo journal.
    is_write : bool
        Whether anything is done.
    is_quiet : bool
        Whether no progress is shown.
    """

    folder: SortedFolder | None
    journal_path: Path | None
    is_write: bool
    is_quiet: bool

    def show_or_do(
        self, named: Sequence[tuple[str, Placement]], lists: Mapping[str, bytes], failed: list[FailedInput]
    ) -> None:
        """Show every place, and bring files there and write playlists, where that is asked for.

        Parameters
        ----------
        named : sequence of (str, Placement)
            Files as they were named, and their places.
        lists : mapping of str to bytes
            Playlists that are to be written.
        failed : list of FailedInput
            Gets the files that cannot be placed.
        """
        from gmmaudio.cli.undoing import open_undo, say_dry_run
        from gmmaudio.pipeline.sorting import FAILED, PLACE

        way = "list" if self.folder is None else self.folder.way
        todo = [(name, each) for name, each in named if each.action == PLACE and each.target is not None]
        for name, each in named:
            if each.action != FAILED and not (self.is_write and each.action == PLACE and each.target is not None):
                click.echo(_line(name, each, way))
        if not self.is_write:
            for path in lists:
                click.echo(f"{printable(path)}\twrite")
            say_dry_run(len(todo) + len(lists), "written" if self.folder is None else "sorted or written")
        elif todo or lists:
            with open_undo(self.journal_path, "sort") as journal:
                journal.plan([{"path": name, "target": each.target} for name, each in todo])
                self._do(todo, journal, failed)
                _write_lists(lists, journal)

    def _do(self, todo: Sequence[tuple[str, Placement]], journal: UndoJournal, failed: list[FailedInput]) -> None:
        """Bring files to their places."""
        from gmmaudio.cli.progress_display import show_progress
        from gmmaudio.compute import RunContext
        from gmmaudio.errors import MusicFileError
        from gmmaudio.evaluation import FailedInput
        from gmmaudio.pipeline.file_placing import place_file

        way = "" if self.folder is None else self.folder.way
        with show_progress(is_quiet=self.is_quiet) as progress:
            for name, each in RunContext(progress=progress).track(todo, "sorting files"):
                try:
                    place_file(each.path, str(each.target), way, journal)
                except MusicFileError as error:
                    failed.append(FailedInput(name, error.code, error.message))
                    continue
                click.echo(_line(name, each, "done"))


def _way(ways: Mapping[str, bool], into: Path | None, playlist: str | None) -> str | None:
    """Return the way in which files come into the folder; None where there is none."""
    chosen = [way for way, is_set in ways.items() if is_set]
    if into is None and chosen:
        raise click.UsageError(f"--{chosen[0]} puts files into a folder: name it with --into.")
    if into is None and playlist is None:
        raise click.UsageError("Name a folder with --into, or a --playlist.")
    if into is not None and len(chosen) != 1:
        raise click.UsageError("--into takes one of --link, --copy and --move.")
    there = next((path for path in (into, *into.parents) if os.path.lexists(path)), None) if into is not None else None
    if there is not None and not there.is_dir():
        raise click.UsageError(f"--into: {quoted(str(there))} is there and is no folder; name another.")
    return chosen[0] if chosen else None


def _playlists(pattern: str | None, places: Sequence[Placement], labels: Sequence[str]) -> dict[str, bytes]:
    """Return the playlists that are to be written; those that are there as they would be are left out."""
    from gmmaudio.errors import SettingError
    from gmmaudio.outputs import check_writable
    from gmmaudio.pipeline.playlists import make_playlists

    if pattern is None:
        return {}
    if Path(pattern).suffix.lower() != ".m3u8":
        raise click.BadParameter(f"{pattern!r} is no name of a playlist, such as mix.m3u8.", param_hint="--playlist")
    lists = make_playlists(pattern, places, labels)
    for path, content in list(lists.items()):
        check_writable(path)
        if os.path.lexists(path):
            if not Path(path).is_file() or Path(path).read_bytes() != content:
                raise SettingError(f"{path}: is there already, and is never replaced; name another `playlist`")
            del lists[path]
    return lists


def _write_lists(lists: Mapping[str, bytes], journal: UndoJournal) -> None:
    """Write playlists."""
    from gmmaudio.errors import MusicFileError, WriteError
    from gmmaudio.pipeline.file_placing import write_list

    for path, content in lists.items():
        try:
            write_list(path, content, journal)
        except MusicFileError as error:
            raise WriteError(f"{path}: {error.message}") from error
        click.echo(f"{printable(path)}\tdone")


def _line(name: str, place: Placement, action: str) -> str:
    """Return the line of a file: its name, its label, its place, and what is done."""
    from gmmaudio.cli.flags import with_flags
    from gmmaudio.pipeline.sorting import PLACE

    done = action if place.action == PLACE else place.action
    words = f"{done}: {with_flags(place.message)}" if place.message else done
    label = f"{place.label or '(none)'}{labelling.probability_text(place.probability)}"
    goal = label if place.target is None else f"{label} -> {place.target}"
    return "\t".join(map(printable, (name, goal, words)))
