"""The files that a report is written to: a page, a JSON file, folders of CSV tables and of figures; and stdout."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from gmmaudio.canvas.paper import require_matplotlib
from gmmaudio.cli import EXIT_SOME_FAILED
from gmmaudio.cli.console import say, say_failed
from gmmaudio.cli.flags import report_with_flags
from gmmaudio.cli.output_paths import OutputFolder, OutputPaths
from gmmaudio.cli.report_tables import show_report
from gmmaudio.corpus import Corpus
from gmmaudio.evaluation import Report, render_html
from gmmaudio.evaluation.csv_tables import TABLES, Row, tables
from gmmaudio.evaluation.report_file import to_json
from gmmaudio.outputs import PathLike, new_folder, write_together
from gmmaudio.pictures.figure_files import FORMATS
from gmmaudio.pictures.report_pictures import REPORT_FIGURES, report_figure_files
from gmmaudio.pictures.timeline_page import audio_url
from gmmaudio.pipeline.mistake_sounds import MistakeSounds, sound_names, write_mistake_sounds
from gmmaudio.text_tables import csv_text


@dataclass(frozen=True)
class ReportPaths:
    """The files that a report is written to; None for those that are not wanted.

    Parameters
    ----------
    report_path : Path or None
        The HTML page.
    json_path : Path or None
        Everything as JSON; ``-`` is stdout.
    csv_folder : Path or None
        Every table as CSV.
    figures_folder : Path or None
        Every figure as PDF, SVG and PNG.
    listen_folder : Path or None
        Sounds of the mistakes, which the page plays.
    """

    report_path: Path | None = None
    json_path: Path | None = None
    csv_folder: Path | None = None
    figures_folder: Path | None = None
    listen_folder: Path | None = None

    @property
    def json_file(self) -> Path | None:
        """The JSON file; None where that is stdout."""
        return None if str(self.json_path) == "-" else self.json_path

    def check(self, *inputs: Path) -> None:
        """Raise now where a report could not be written later, or would overwrite an input.

        Parameters
        ----------
        *inputs : sequence of Path
            Files and folders that the command line names.

        Raises
        ------
        SettingError
            If a file would be overwritten, or figures are wanted and matplotlib is not installed.
        WriteError
            If a file cannot be written.
        click.UsageError
            If sounds are wanted without a page that plays them.
        """
        if self.listen_folder is not None and self.report_path is None:
            raise click.UsageError("--listen has an effect with --report only.")
        if self.figures_folder is not None:
            require_matplotlib()
        self._outputs().check(*inputs)

    def keep_clips(self, corpus: Corpus) -> None:
        """Raise now where a clip of a corpus would be overwritten.

        Parameters
        ----------
        corpus : Corpus
            The clips.

        Raises
        ------
        SettingError
            If there is one.
        """
        self._outputs().keep_clips(corpus)

    def keep_scored(self, report: Report, table: Path) -> None:
        """Raise now where a clip would be overwritten that a table of predictions names.

        Parameters
        ----------
        report : Report
            The report of the table.
        table : Path
            The table; its paths may be relative to its folder, or to the current one.

        Raises
        ------
        SettingError
            If there is one.
        """
        clips = (*report.clips, *report.out_of_set)
        self._outputs().keep_named((path for clip in clips for path in clip.paths), "", table.parent)

    def _outputs(self) -> OutputPaths:
        """Return the paths with the options that name them."""
        folders = []
        if self.csv_folder is not None:
            folders.append(OutputFolder("--csv", self.csv_folder, [f"{name}.csv" for name in TABLES]))
        if self.figures_folder is not None:
            folders.append(OutputFolder("--figures", self.figures_folder, figure_names()))
        if self.listen_folder is not None:
            folders.append(OutputFolder("--listen", self.listen_folder, sound_names()))
        return OutputPaths({"--report": self.report_path, "--json": self.json_file}, folders)


def figure_names() -> list[str]:
    """Return the names of the files that ``--figures`` may write.

    Examples
    --------
    >>> figure_names()[:3]
    ['confusion.pdf', 'confusion.svg', 'confusion.png']
    """
    return [f"{name}.{suffix}" for name in REPORT_FIGURES for suffix in FORMATS]


def deliver(report: Report, title: str, paths: ReportPaths) -> int:
    """Write a report to its files, all of them or none, and to stdout, and return the exit code.

    Parameters
    ----------
    report : Report
        What to write.
    title : str
        Heading of the page.
    paths : ReportPaths
        Files to write.
    """
    # made only where it is asked for: it holds every score of every clip
    text = "" if paths.json_path is None else to_json(report)
    by_name = {} if paths.csv_folder is None else tables(report)
    figures = {} if paths.figures_folder is None else report_figure_files(report)
    sounds = MistakeSounds({}, ())
    # files first: a reader of stdout may close it early
    with contextlib.ExitStack() as made:
        if paths.figures_folder is not None:
            made.enter_context(new_folder(paths.figures_folder))
        if paths.listen_folder is not None:
            made.enter_context(new_folder(paths.listen_folder))
            sounds = write_mistake_sounds(report, paths.listen_folder)
        write_together(_files(report, text, by_name, figures, title, paths, sounds.names), folder=paths.csv_folder)
    if paths.report_path is not None:
        say(f"wrote {paths.report_path}")
    if paths.listen_folder is not None:
        _say_sounds(sounds, paths.listen_folder)
    if paths.csv_folder is not None:
        say(f"wrote the tables in {paths.csv_folder}")
        _say_older("tables", [f"{name}.csv" for name in TABLES if name not in by_name], paths.csv_folder)
    if paths.figures_folder is not None:
        say(f"wrote the figures in {paths.figures_folder}")
        _say_older("figures", [name for name in figure_names() if name not in figures], paths.figures_folder)
    if str(paths.json_path) == "-":
        click.echo(text)
    else:
        if paths.json_file is not None:
            say(f"wrote {paths.json_file}")
        show_report(report)
    say_failed(report.failed)
    return EXIT_SOME_FAILED if report.failed else 0


def _files(
    report: Report,
    text: str,
    by_name: Mapping[str, list[Row]],
    figures: Mapping[str, bytes],
    title: str,
    paths: ReportPaths,
    sounds: Mapping[str, str],
) -> Iterator[tuple[PathLike, bytes]]:
    """Yield the files of a report, each with its content."""
    if paths.report_path is not None:
        listen = {} if paths.listen_folder is None else _addresses(sounds, paths.listen_folder, paths.report_path)
        yield paths.report_path, _encoded(render_html(report_with_flags(report), title, listen=listen))
    if paths.csv_folder is not None:
        for name, rows in by_name.items():
            yield paths.csv_folder / f"{name}.csv", _encoded(csv_text(rows))
    if paths.figures_folder is not None:
        for name, content in figures.items():
            yield paths.figures_folder / name, content
    if paths.json_file is not None:
        yield paths.json_file, _encoded(text)


def _addresses(sounds: Mapping[str, str], folder: Path, page: Path) -> dict[str, str]:
    """Return the addresses of sounds from a page by clip: relative, or absolute where they are on another drive."""
    try:
        way = Path(os.path.relpath(folder.resolve(), page.resolve().parent))
    except ValueError:
        way = folder.resolve()
    return {clip: audio_url(way / name) for clip, name in sounds.items()}


def _say_sounds(sounds: MistakeSounds, folder: Path) -> None:
    """Write to stderr how many sounds were written, and why others were not."""
    say(f"wrote {len(sounds.names)} sound{'s' * (len(sounds.names) != 1)} in {folder}")
    for item in sounds.failed:
        say(f"note: no sound of {item.path}: {item.message}")
    _say_older("sounds", [name for name in sound_names() if name not in set(sounds.names.values())], folder)


def _say_older(kind: str, names: Sequence[str], folder: Path) -> None:
    """Write to stderr which files in a folder are of an earlier run: this one has none of their names."""
    older = [name for name in names if (folder / name).exists()]
    if older:
        say(f"note: {folder} also holds {kind} of an earlier run: {', '.join(older)}")


def corpus_name(corpus: Path) -> str:
    """Return the name of a corpus for a heading; that of a manifest includes its folder.

    Parameters
    ----------
    corpus : Path
        Folder or manifest.

    Examples
    --------
    >>> corpus_name(Path("music"))
    'music'
    """
    return "/".join(corpus.resolve().parts[-2:]) if corpus.is_file() else corpus.name


def _encoded(text: str) -> bytes:
    """Return the bytes of a text; parts of names that are no text are escaped."""
    return text.encode("utf-8", "backslashreplace")
