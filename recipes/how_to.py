"""The commands of docs/how-to, run on synthetic music; what they print is written below them.

A block of commands has the line ``<!-- output: python -m recipes.how_to -->`` above it. Its commands, after ``$ ``, are
given to a shell, page after page and block after block, all in one folder. It holds SYNTHETIC music: the numbers show
what the output looks like, not how accurate a model of recordings is.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import soundfile

from data_scripts.make_genres import make_genres
from data_scripts.manifest import read_manifest
from data_scripts.styles import STYLES

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "how-to"
# in the order in which their commands follow one another
PAGES = ("train", "classify", "long-recordings", "unknown", "read-a-report", "compare", "share")
MARK = "<!-- output: python -m recipes.how_to -->"
BLOCK = re.compile(rf"(?<=^{re.escape(MARK)}\n```text\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
GENRES = ("ambient", "reggae", "rock", "swing")
UNKNOWN = "techno"
OTHERS = ("techno", "waltz")
# the text of a file that is no sound
NO_SOUND = "a shopping list\n"


@click.command()
@click.argument("pages", nargs=-1, type=click.Choice(PAGES))
def main(pages: tuple[str, ...]) -> None:
    """Run the commands of all pages, and write their output into PAGES (default: all)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in run_pages(Path(folder)):
            if not pages or name in pages:
                (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
                click.echo(f"wrote docs/how-to/{name}.md")


def run_pages(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each page, and its text with the output of its commands.

    Parameters
    ----------
    folder : Path
        Empty; the commands run in ``world`` below it.
    """
    world = make_world(folder / "world")
    environment = make_environment(folder / "bin")
    for name in PAGES:
        text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        yield name, BLOCK.sub(lambda block: run_block(block[0], world, environment), text)


def run_block(block: str, world: Path, environment: dict[str, str]) -> str:
    """Return a block with the commands in it, each with what it prints below it.

    Parameters
    ----------
    block : str
        Lines; those of commands begin with ``$ ``, and all others are replaced.
    world : Path
        Where the commands run.
    environment : dict of str
        Environment variables.
    """
    lines: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            # a terminal shows both streams
            done = subprocess.run(  # noqa: S602 (our own pages)
                line.removeprefix("$ "),
                shell=True,
                cwd=world,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            lines += [line, *(printed.rstrip() for printed in done.stdout.splitlines())]
    return "".join(f"{line}\n" for line in lines)


def make_environment(folder: Path) -> dict[str, str]:
    """Return environment variables in which ``gmmaudio`` is this package, whatever is installed.

    Parameters
    ----------
    folder : Path
        Where the command and the cache of features go.
    """
    folder.mkdir()
    command = folder / "gmmaudio"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gmmaudio "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    own = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "caches"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    return {**os.environ, **own}


def make_world(world: Path) -> Path:
    """Return a folder with the files that the pages name.

    ``my_music`` has four genres with six bands each, ``other`` bands of none of them, ``archive`` files of other bands
    and one that is no sound, ``show.flac`` three of those one after another.

    Parameters
    ----------
    world : Path
        A folder that is made.
    """
    move_clips(world, GENRES, "my_music", seed=0)
    move_clips(world, OTHERS, "", seed=2)
    (world / "other").mkdir()
    for label in OTHERS:
        for band in sorted((world / label).iterdir()):
            shutil.move(band, world / "other")
        (world / label).rmdir()
    make_archive(world)
    write_answers(world)
    return world


def move_clips(world: Path, labels: tuple[str, ...], folder: str, seed: int) -> None:
    """Make bands of some styles, and move their clips to ``folder/label/band/clip``.

    Parameters
    ----------
    world : Path
        Where the folder is.
    labels : tuple of str
        The styles.
    folder : str
        Its name below ``world``.
    seed : int
        Other bands for every seed.
    """
    styles = [style for style in STYLES if style.label in labels]
    manifest = make_genres(world / "made", seed=seed, seconds=10.0, n_clips=3, n_bands=6, styles=styles)
    for clip in read_manifest(manifest):
        target = world / folder / clip.label / clip.group / Path(clip.path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(manifest.parent / clip.path, target)
    shutil.rmtree(world / "made")


def write_answers(world: Path) -> None:
    """Write what another system answers to the clips of ``my_music``: one in four is the next genre in the alphabet.

    Parameters
    ----------
    world : Path
        Where ``theirs.csv`` goes.
    """
    lines = ["path,label,group,predicted"]
    for i, clip in enumerate(sorted((world / "my_music").rglob("*.flac"))):
        label, band = clip.parts[-3], clip.parts[-2]
        shift = 1 if i % 4 == 3 else 0
        answer = GENRES[(GENRES.index(label) + shift) % len(GENRES)]
        lines.append(f"{label}/{band}/{clip.name},{label},{label}/{band},{answer}")
    (world / "theirs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_archive(world: Path) -> None:
    """Make the files to classify, of bands that are in no training data.

    Parameters
    ----------
    world : Path
        Where they go.
    """
    styles = [style for style in STYLES if style.label in (*GENRES, UNKNOWN)]
    manifest = make_genres(world / "made", seed=1, seconds=24.0, n_clips=1, n_bands=2, styles=styles)
    archive = world / "archive"
    archive.mkdir()
    for clip in read_manifest(manifest):
        shutil.move(manifest.parent / clip.path, archive / f"{clip.group.replace('-band-', '')}.flac")
    shutil.rmtree(world / "made")
    (archive / "notes.mp3").write_text(NO_SOUND, encoding="utf-8")
    sr = soundfile.info(archive / "rock1.flac").samplerate
    silence = np.zeros(4 * sr, np.float32)
    soundfile.write(archive / "pause.flac", silence, sr)
    parts = [soundfile.read(archive / f"{name}.flac", dtype="float32")[0] for name in ("ambient1", "rock1", "swing1")]
    soundfile.write(world / "show.flac", np.concatenate([parts[0], parts[1], silence, parts[2]]), sr)
    shutil.copy(archive / "rock1.flac", world / "song.flac")


if __name__ == "__main__":
    main()
