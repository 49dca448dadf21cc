"""``gmmaudio timeline``: a model and recordings -> labels over time, in the formats of other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.cli.inputs import Input
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.models import Model
    from gmmaudio.pipeline import TimelineSettings
    from gmmaudio.timelines import Timeline, TimelineSegment

FORMATS = ("text", "csv", "jsonl", "audacity", "textgrid", "eaf", "rttm", "srt", "html")
# of which standard output takes segments one by one
STREAMED = ("text", "csv", "jsonl", "rttm")
# a longer recording is drawn without its sound
LONGEST_DRAWN_S = 3600.0
DRAWN_RATE_HZ = 16_000


@click.command(name="timeline")
@click.argument("model", type=options.FILE)
@click.argument("paths", nargs=-1, required=True, type=options.WRITTEN, metavar="PATH...")
@click.option("-o", "--output", type=options.FILE, metavar="DIR", help="Write files into this folder.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Format of the output; several with -o. [default: text; with -o: csv]",
)
@options.windows
@click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="LABEL=P",
    help="Class prior of a label; labels not named share the rest equally.",
)
@click.option("--figure", type=options.FILE, metavar="FILE", help="Draw the recording: FILE.pdf, .svg or .png.")
@options.min_duration
@options.jobs
@options.limits
@options.quiet
def command(
    model: Path,
    paths: tuple[str, ...],
    output: Path | None,
    formats: tuple[str, ...],
    window_s: float | None,
    hop_s: float | None,
    min_turn_s: float | None,
    priors: tuple[str, ...],
    figure: Path | None,
    min_duration_s: float,
    n_jobs: int | None,
    time_limit_s: float | None,
    memory_limit: int | None,
    is_quiet: bool,
) -> None:
    """Label each PATH over time: a recording, a folder of them, or - for sound on standard input as it arrives.

    A segment has a label, is unknown, or is silent. With -o, the file of a recording has its name below the folder that
    was named, with the suffix of the format appended.
    """
    from gmmaudio.cli import inputs
    from gmmaudio.cli.classify import label_priors
    from gmmaudio.models import load_model
    from gmmaudio.pipeline import TimelineSettings

    loaded = load_model(model)
    prior = label_priors(priors, loaded.scorer.labels)
    turns = {} if min_turn_s is None else {"min_turn_s": min_turn_s}
    settings = TimelineSettings(window_s, hop_s, priors=prior, min_duration_s=min_duration_s, **turns)
    chosen = tuple(dict.fromkeys(formats)) or ("text" if output is None else "csv",)
    _check_choice(chosen, paths, output, figure)
    if paths == ("-",):
        _follow_stdin(loaded, settings, chosen[0])
        return
    with inputs.resolve(paths) as files:
        if figure is not None and len(files) > 1:
            raise click.UsageError(f"--figure is of one recording, and there are {len(files)}; name one PATH.")
        if output is None and len(files) > 1:
            _check_joins(chosen[0])
        targets = {} if output is None else _targets(files, output, chosen)
        _check_outputs([model, *(file.path for file in files)], [*targets.values(), *filter(None, [figure])])
        failed = _run(
            loaded, settings, files, chosen, targets, figure, (n_jobs, time_limit_s, memory_limit), is_quiet=is_quiet
        )
    if failed:
        click.get_current_context().exit(EXIT_NOTHING if failed == len(files) else EXIT_SOME_FAILED)


def _check_choice(formats: tuple[str, ...], paths: tuple[str, ...], output: Path | None, figure: Path | None) -> None:
    """Raise where the formats need files, or standard input cannot be followed."""
    if output is None and len(formats) > 1:
        raise click.UsageError("Standard output takes one --format; name a folder with -o for several.")
    if "-" in paths and (len(paths) > 1 or output is not None or figure is not None or formats[0] not in STREAMED):
        raise click.UsageError(
            "Standard input is followed by itself, and written as it arrives: name - alone, without -o and --figure, "
            f"and one of the formats {', '.join(STREAMED)}."
        )
    if figure is not None:
        from gmmaudio.pictures.figure_files import figure_format
        from gmmaudio.pictures.paper import require_matplotlib

        figure_format(figure)
        require_matplotlib()


def _check_joins(name: str) -> None:
    """Raise where a format holds one recording only."""
    from gmmaudio.timelines import FORMATS as ANNOTATIONS

    if name == "html" or not ANNOTATIONS[name].joins:
        raise click.UsageError(f"--format {name} holds one recording; name a folder with -o for several.")


def _targets(files: Sequence[Input], output: Path, formats: Sequence[str]) -> dict[tuple[Input, str], Path]:
    """Return the file of every recording in every format."""
    from gmmaudio.errors import SettingError
    from gmmaudio.timelines import FORMATS as ANNOTATIONS

    suffixes = {name: ".html" if name == "html" else ANNOTATIONS[name].suffix for name in formats}
    targets = {(file, name): output / f"{file.below}{suffix}" for file in files for name, suffix in suffixes.items()}
    seen: dict[Path, Input] = {}
    for (file, _), path in targets.items():
        if seen.setdefault(path, file) is not file:
            raise SettingError(f"{file.shown} and {seen[path].shown} would be written to {path}; name them apart")
    return targets


def _check_outputs(read: Sequence[str | os.PathLike[str]], written: Sequence[Path]) -> None:
    """Raise where a file cannot be written, or would replace one that is read."""
    from gmmaudio.cli.output_paths import keep_inputs
    from gmmaudio.outputs import check_folder, check_target

    keep_inputs(((f"{path} would overwrite", path) for path in written), read)
    for folder in dict.fromkeys(path.parent for path in written):
        check_folder(folder, parents=True)
    for path in written:
        check_target(path)


def _run(
    model: Model,
    settings: TimelineSettings,
    files: Sequence[Input],
    formats: Sequence[str],
    targets: dict[tuple[Input, str], Path],
    figure: Path | None,
    run: tuple[int | None, float | None, int | None],
    *,
    is_quiet: bool,
) -> int:
    """Write the timelines of files, and return how many failed."""
    from gmmaudio.cli import console
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.names import printable
    from gmmaudio.outputs import write_together
    from gmmaudio.pipeline import timelines

    failed: list[FailedInput] = []
    n_jobs, time_limit_s, memory_limit = run
    with show_progress(is_quiet=is_quiet) as progress:
        found = timelines(
            model,
            [file.path for file in files],
            settings,
            n_jobs=n_jobs,
            progress=progress,
            time_limit_s=time_limit_s,
            memory_limit=memory_limit,
        )
        is_first = True
        for file, line in zip(files, found, strict=True):
            if isinstance(line, FailedInput):
                failed.append(FailedInput(file.shown, line.code, line.message))
                continue
            for note in line.notes:
                console.say(f"note {file.shown}: {note}")
            if figure is not None:
                _draw(line, file, figure)
            if not targets:
                click.echo(_text(line, file, formats[0], None, is_first=is_first), nl=False)
                is_first = False
                continue
            paths = {targets[file, name]: name for name in formats}
            for folder in dict.fromkeys(path.parent for path in paths):
                folder.mkdir(parents=True, exist_ok=True)
            texts = [(path, _text(line, file, name, path.parent)) for path, name in paths.items()]
            write_together([(path, text.encode("utf-8", "backslashreplace")) for path, text in texts])
            for path in paths:
                click.echo(printable(str(path)))
    console.say_failed(failed)
    return len(failed)


def _text(line: Timeline, file: Input, name: str, folder: Path | None, *, is_first: bool = True) -> str:
    """Return a timeline in a format; links to the recording lead there from a folder."""
    from dataclasses import replace

    from gmmaudio.timelines import FORMATS as ANNOTATIONS
    from gmmaudio.timelines import to_csv, to_eaf

    shown = replace(line, path=file.shown)
    if name == "html":
        from gmmaudio.pictures import render_timeline

        source = os.path.relpath(file.path, folder or Path.cwd())
        return render_timeline(shown, None if file.path == "-" else source, title=file.shown)
    if name == "csv":
        return to_csv(shown, header=is_first)
    if name == "eaf":
        return to_eaf(shown, folder)
    return ANNOTATIONS[name].write(shown)


def _draw(line: Timeline, file: Input, figure: Path) -> None:
    """Write the figure of a recording."""
    from gmmaudio.audio import read_audio
    from gmmaudio.pictures import save_figure, timeline_figure

    is_drawn = line.duration_s <= LONGEST_DRAWN_S
    samples = read_audio(file.path, DRAWN_RATE_HZ) if is_drawn and line.shares() else None
    save_figure(timeline_figure(line, samples, None if samples is None else DRAWN_RATE_HZ), figure)


def _follow_stdin(model: Model, settings: TimelineSettings, name: str) -> None:
    """Write the segments of what arrives on standard input as soon as they are settled."""
    from gmmaudio.audio import AudioNote, check_duration, read_stream_blocks
    from gmmaudio.cli import console
    from gmmaudio.cli.inputs import stdin_bytes
    from gmmaudio.errors import AudioError
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.pipeline import Scan

    scan, said = Scan(model, settings), list[AudioNote]()
    write = _segment_writer(name)
    try:
        sr = model.features.frames.sample_rate_hz
        for segment in scan.follow(read_stream_blocks(stdin_bytes(), sr, on_note=said.append)):
            write(segment)
        check_duration(scan.n_samples / sr, settings.min_duration_s)
    except AudioError as error:
        console.say_failed([FailedInput("-", error.code, error.message)])
        click.get_current_context().exit(EXIT_SOME_FAILED if scan.segments else EXIT_NOTHING)
    console.say_notes("-", said)
    for note in scan.notes:
        console.say(f"note -: {note}")


def _segment_writer(name: str) -> Callable[[TimelineSegment], None]:
    """Return the function that writes one segment to standard output."""
    from gmmaudio.timelines import FORMATS as ANNOTATIONS
    from gmmaudio.timelines import Timeline, to_csv

    is_first = True

    def write(segment: TimelineSegment) -> None:
        nonlocal is_first
        line = Timeline((segment,), path="-")
        text = to_csv(line, header=is_first) if name == "csv" else ANNOTATIONS[name].write(line)
        if name == "text":
            rows = text.splitlines(keepends=True)
            text = "".join(rows[1 if is_first else 2 :])
        is_first = False
        click.echo(text, nl=False)
        sys.stdout.flush()

    return write
