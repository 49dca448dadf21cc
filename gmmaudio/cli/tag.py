"""``gmmaudio tag``: a model and music files -> one field of their tags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import labelling, options
from gmmaudio.names import file_text, printable

if TYPE_CHECKING:
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline.tagging import TagProposal, TagSettings

EMPTY = "(none)"


@click.command(name="tag")
@click.argument("model", type=options.FILE, required=False)
@click.argument("paths", nargs=-1, type=options.WRITTEN, metavar="PATH...")
@click.option(
    "--field",
    callback=options.name_text,
    default="genre",
    show_default=True,
    metavar="NAME",
    help="Field that is written: genre, language, or a name of your own.",
)
@click.option("--overwrite", is_flag=True, help="Replace values that are there.")
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="LABEL=TEXT",
    help="Text that is written for a label, such as hiphop=Hip-Hop. [default: the label]",
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
    field: str,
    overwrite: bool,
    values: tuple[str, ...],
    is_write: bool,
    journal_path: Path | None,
    undo_path: Path | None,
    **classifying: Any,
) -> None:
    """Write the label of each PATH, an audio file or a folder of them, into one field of its tags.

    Without --write nothing is changed: each line has the file, the values that are there, the one that is proposed with
    its probability, and what would be done. What undoes a run is on disk before the first file is touched.
    """
    from gmmaudio.cli.undoing import undo_run
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.music_tags import require_mutagen
    from gmmaudio.pipeline.tag_writing import undo_change
    from gmmaudio.pipeline.tagging import FAILED, TagSettings, propose_tags

    if undo_path is not None:
        undo_run(undo_path, "tag", undo_change, is_write=is_write)
        return
    require_mutagen()
    settings = TagSettings(field, overwrite, _texts(values))
    labelled = labelling.label_files(model, paths, **classifying)
    proposals = propose_tags(labelled.paths, labelled.decisions, settings.check_labels(labelled.labels))
    named = list(zip(labelled.shown, proposals, strict=True))
    failed = [FailedInput(name, each.code or "", each.message) for name, each in named if each.action == FAILED]
    _write_or_show(named, settings, journal_path, failed, is_write=is_write, is_quiet=classifying["is_quiet"])
    labelling.end_with(failed, len(named))


def _texts(arguments: Sequence[str]) -> dict[str, str]:
    """Return the text of each label that --value names."""
    texts: dict[str, str] = {}
    for argument in arguments:
        label, is_pair, text = file_text(argument).partition("=")
        if not is_pair or not label or label in texts:
            raise click.BadParameter(f"{argument!r} is not one LABEL=TEXT for each label.", param_hint="--value")
        texts[label] = text
    return texts


def _write_or_show(
    named: Sequence[tuple[str, TagProposal]],
    settings: TagSettings,
    journal_path: Path | None,
    failed: list[FailedInput],
    *,
    is_write: bool,
    is_quiet: bool,
) -> None:
    """Show every proposal, and write those that are to be written, where that is asked for."""
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.undoing import open_undo, say_dry_run
    from gmmaudio.compute import RunContext
    from gmmaudio.errors import GmmaudioError, WriteError
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline.tag_writing import FileChange, write_change
    from gmmaudio.pipeline.tagging import FAILED, WRITE

    todo = [(name, each) for name, each in named if each.action == WRITE]
    for name, each in named:
        if each.action != FAILED and not (is_write and each.action == WRITE):
            click.echo(_line(name, each))
    if not is_write or not todo:
        if not is_write:
            say_dry_run(len(todo), "tagged")
        return
    with open_undo(journal_path, "tag") as journal, show_progress(is_quiet=is_quiet) as progress:
        journal.plan([{"path": name, "existing": each.existing, "value": each.value} for name, each in todo])
        for name, each in RunContext(progress=progress).track(todo, "writing tags"):
            change = FileChange(each.path, settings.field, each.existing, str(each.value))
            try:
                write_change(change, journal)
            except WriteError:
                raise
            except GmmaudioError as error:
                failed.append(FailedInput(name, getattr(error, "code", "failed"), str(error)))
                continue
            click.echo(_line(name, each._replace(action="written")))


def _line(name: str, proposal: TagProposal) -> str:
    """Return the line of a file: its name, existing -> proposed (p), and what is done."""
    from gmmaudio.cli.flags import with_flags

    existing = "; ".join(proposal.existing) or EMPTY
    change = f"{existing} -> {proposal.value or EMPTY}{labelling.probability_text(proposal.probability)}"
    action = f"{proposal.action}: {with_flags(proposal.message)}" if proposal.message else proposal.action
    return "\t".join(map(printable, (name, change, action)))
