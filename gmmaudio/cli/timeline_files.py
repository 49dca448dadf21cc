"""``gmmaudio timeline``: a model and recordings -> labels over time, in the formats of other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.cli.folder_runs import FolderRun
    from gmmaudio.cli.inputs import Input
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.findings import Finding
    from gmmaudio.models import Model
    from gmmaudio.pipeline import TimelineSettings
    from gmmaudio.timelines import Timeline, TimelineSegment

FORMATS = ("text", "csv", "jsonl", "json", "audacity", "textgrid", "eaf", "rttm", "srt", "html")
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
    type=options.Choice(FORMATS),
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
@options.same_sources
@options.min_duration
@options.resume
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
    same_sources: bool,
    min_duration_s: float,
    n_jobs: int | None,
    time_limit_s: float | None,
    memory_limit: int | None,
    is_quiet: bool,
    **run_options: Any,
) -> None:
    """Label each PATH over time: a recording, a folder of them, or - for sound on standard input as it arrives.

    A segment has a label, is unknown, or is silent. With -o, the file of a recording has its name below the folder that
    was named, with the suffix of the format appended, and timeline.journal in DIR says what is done.
    """
    from gmmaudio.cli import inputs
    from gmmaudio.cli.classify import label_priors
    from gmmaudio.cli.folder_runs import open_folder
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.cli.resuming import RunOptions, closed, make_settings
    from gmmaudio.models import load_model, model_sha256
    from gmmaudio.pipeline import TimelineSettings, timelines

    going = RunOptions(**run_options)
    going.check(has_output=output is not None, is_quiet=is_quiet)
    if figure is not None and going.goes_on:
        raise click.UsageError("--figure is drawn by a run that is not gone on with: leave --resume out.")
    loaded = load_model(model).in_domain() if same_sources else load_model(model)
    prior = label_priors(priors, loaded.scorer.labels)
    turns = {} if min_turn_s is None else {"min_turn_s": min_turn_s}
    settings = TimelineSettings(window_s, hop_s, priors=prior, min_duration_s=min_duration_s, **turns)
    chosen = tuple(dict.fromkeys(formats)) or ("text" if output is None else "csv",)
    _check_choice(chosen, paths, output, figure)
    if paths == ("-",):
        _follow_stdin(loaded, settings, chosen[0])
        return
    with inputs.resolve(paths) as files:
        targets = _plan(files, output, chosen, figure, model)
        values = {"formats": chosen, "window_s": window_s, "hop_s": hop_s, "min_turn_s": min_turn_s, "priors": prior}
        header = make_settings("timeline", going, model=model_sha256(loaded), min_duration_s=min_duration_s, **values)
        with (
            open_folder(output, going, header, files) as run,
            show_progress(is_quiet=is_quiet, line_every_s=going.log_every_s) as progress,
        ):
            todo = list(run.waiting((file, targets[file]) for file in going.part_of(files)))
            found = timelines(
                loaded,
                [file.path for file, _ in todo],
                settings,
                n_jobs=going.choose_jobs(n_jobs),
                progress=progress,
                time_limit_s=time_limit_s,
                memory_limit=memory_limit,
            )
            with closed(found):
                _run(run, todo, found, chosen, figure)
    _exit_if_failed(run)


def _exit_if_failed(run: FolderRun) -> None:
    """Exit with the code of a run where inputs failed."""
    if run.n_failed:
        click.get_current_context().exit(EXIT_NOTHING if run.n_failed == run.n_done else EXIT_SOME_FAILED)


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
        from gmmaudio.canvas.paper import require_matplotlib
        from gmmaudio.pictures.figure_files import figure_format

        figure_format(figure)
        require_matplotlib()


def _plan(
    files: Sequence[Input], output: Path | None, formats: Sequence[str], figure: Path | None, model: Path
) -> dict[Input, list[Path]]:
    """Return the files of every recording, which can be written and are none that is read."""
    if figure is not None and len(files) > 1:
        raise click.UsageError(f"--figure is of one recording, and there are {len(files)}; name one PATH.")
    if output is None and len(files) > 1:
        _check_joins(formats[0])
    targets = {file: [] for file in files} if output is None else _targets(files, output, formats)
    written = [path for paths in targets.values() for path in paths]
    _check_outputs([model, *(file.path for file in files)], [*written, *filter(None, [figure])])
    return targets


def _check_joins(name: str) -> None:
    """Raise where a format holds one recording only."""
    from gmmaudio.timelines import FORMATS as ANNOTATIONS

    if name == "html" or not ANNOTATIONS[name].joins:
        raise click.UsageError(f"--format {name} holds one recording; name a folder with -o for several.")


def _targets(files: Sequence[Input], output: Path, formats: Sequence[str]) -> dict[Input, list[Path]]:
    """Return the files of every recording, one for each format."""
    from gmmaudio.errors import SettingError
    from gmmaudio.timelines import FORMATS as ANNOTATIONS

    suffixes = [".html" if name == "html" else ANNOTATIONS[name].suffix for name in formats]
    targets = {file: [output / f"{file.below}{suffix}" for suffix in suffixes] for file in files}
    seen: dict[Path, Input] = {}
    for file, paths in targets.items():
        for path in paths:
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
    run: FolderRun,
    planned: Iterable[tuple[Input, Sequence[Path]]],
    found: Iterable[Timeline | FailedInput],
    formats: Sequence[str],
    figure: Path | None,
) -> None:
    """Write the timelines of files."""
    from gmmaudio.cli import console
    from gmmaudio.evaluation import FailedInput

    failed: list[FailedInput] = []
    caveats: dict[Finding, None] = {}
    run.begin()
    is_first = True
    for (file, targets), line in zip(planned, found, strict=True):
        if isinstance(line, FailedInput):
            failed.append(FailedInput(file.shown, line.code, line.message))
            run.add(file, line.code)
            continue
        for note in line.notes:
            console.say(f"note {file.shown}: {note}")
        caveats |= dict.fromkeys(line.caveats)
        if figure is not None:
            _draw(line, file, figure)
        if targets:
            run.announce(file, targets)
            _write_files(line, file, dict(zip(targets, formats, strict=True)))
        else:
            click.echo(_text(line, file, formats[0], None, is_first=is_first), nl=False)
            is_first = False
        run.add(file, None, targets)
    run.finish()
    console.say_failed(failed)
    console.say_findings(caveats)
    run.say_earlier()


def _write_files(line: Timeline, file: Input, formats: Mapping[Path, str]) -> None:
    """Write the timeline of a file in every format."""
    from gmmaudio.names import printable
    from gmmaudio.outputs import write_together

    for folder in dict.fromkeys(path.parent for path in formats):
        folder.mkdir(parents=True, exist_ok=True)
    texts = [(path, _text(line, file, name, path.parent)) for path, name in formats.items()]
    write_together([(path, text.encode("utf-8", "backslashreplace")) for path, text in texts])
    for path in formats:
        click.echo(printable(str(path)))


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
        sr = model.features.sound_frames.sample_rate_hz
        for segment in scan.follow(read_stream_blocks(stdin_bytes(), sr, on_note=said.append)):
            write(segment)
        check_duration(scan.n_samples / sr, settings.min_duration_s)
    except AudioError as error:
        console.say_failed([FailedInput("-", error.code, error.message)])
        click.get_current_context().exit(EXIT_SOME_FAILED if scan.segments else EXIT_NOTHING)
    console.say_notes("-", said)
    for note in (*scan.notes, *scan.notes_on_all):
        console.say(f"note -: {note}")
    console.say_findings(model.recogniser.caveats)


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
