"""The code blocks of the manual's pages run as they stand; one that cannot has its reason above it.

Programs run here, as do the templates of docs/contributing.md in the tests of what they extend. Commands are parsed, so
that their options exist and take such values; `make test-slow` runs them.
"""

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "generated" not in page.parts]
# decisions are records: their programs and commands are those of their day
MANUAL = [page for page in PAGES if page.parent.name != "decisions"]
# for each word in capitals that a page writes for a name of the reader
NAMES = {"MODEL": "music.gmm", "CORPUS": "my_music", "SAMPLE": "my_music", "FOLDER": "archive", "NAME|N": "0"}


# the commands of how-to pages are run by tests/recipes/test_how_to.py, in their order
RUN_ELSEWHERE = "output: python -m recipes.how_to"


class Block(NamedTuple):
    """A block of code in a page."""

    page: Path
    line: int
    mark: str
    language: str
    text: str

    @property
    def name(self):
        """The page and the line of the block."""
        return f"{self.page.name}:{self.line}"


def blocks_of(page):
    """Return the blocks of a page, each with the mark in the line above it, if there is one."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(page, text.count("\n", 0, m.start()) + 1, m[1] or "", m[2], m[3]) for m in found]


BLOCKS = [block for page in MANUAL for block in blocks_of(page)]
PROGRAMS = [block for block in BLOCKS if block.language == "python" and not block.mark]
COMMANDS = [
    block
    for block in BLOCKS
    if block.mark in ("", RUN_ELSEWHERE)
    and (block.language in ("sh", "bash") or re.search(r"^(\$ )?gmmaudio ", block.text, re.MULTILINE))
]


def test_a_block_that_is_not_run_has_a_reason():
    marks = [(block.name, block.mark) for block in BLOCKS if block.mark and block.language in ("python", "sh", "bash")]
    known = r"not run: \w.{10,}|template: .+|results: .+"
    assert [each for each in marks if not re.fullmatch(known, each[1])] == []
    assert len([each for each in marks if each[1].startswith("not run")]) <= 14
    assert {block.language for block in BLOCKS} <= {"", "python", "sh", "bash", "text", "json", "toctree", "glossary"}


def put_corpora(root):
    """Put the same music into a folder as corpora of toolkits, and an embedding of each song."""
    songs = [path.relative_to(root) for path in sorted((root / "my_music").rglob("*.wav"))]
    labels, albums = [song.parts[1] for song in songs], ["-".join(song.parts[1:3]) for song in songs]
    ids = [f"{album}-{song.stem}" for song, album in zip(songs, albums, strict=True)]
    for name in ("egs/lid/data/train", "manifests", "embeddings", "new_embeddings"):
        (root / name).mkdir(parents=True)
    for name, values in (("wav.scp", map(root.joinpath, songs)), ("utt2lang", labels), ("utt2spk", albums)):
        lines = [f"{each} {value}\n" for each, value in zip(ids, values, strict=True)]
        (root / "egs/lid/data/train" / name).write_text("".join(lines))
    recordings, supervisions = [], []
    for each, song, label, album in zip(ids, songs, labels, albums, strict=True):
        sources = [{"type": "file", "channels": [0], "source": f"../{song}"}]
        recordings.append({"id": each, "sources": sources, "duration": 6.5})
        whole = {"id": each, "recording_id": each, "start": 0, "duration": 6.5, "channel": 0}
        supervisions.append(whole | {"language": label, "speaker": album})
    for name, values in (("recordings", recordings), ("supervisions", supervisions)):
        (root / "manifests" / f"{name}.jsonl").write_text("".join(f"{json.dumps(value)}\n" for value in values))
    rows, rng = ["path,label,group"], np.random.default_rng(0)
    for each, label, album in zip(ids, labels, albums, strict=True):
        rows.append(f"{each}.wav,{label},{album}")
        for folder in ("embeddings", "new_embeddings"):
            np.save(root / folder / f"{each}.npy", rng.normal(size=6) + 3 * (label == "jazz"))
    below = {song.relative_to("my_music").as_posix(): rng.normal(size=6) for song in songs}
    np.savez(root / "musicnn.npz", **below)
    np.savez(root / "musicnn_new.npz", **{"a.flac": rng.normal(size=6), "b.flac": rng.normal(size=6)})
    for name in ("corpus.csv", "test.csv"):
        (root / name).write_text("\n".join(rows))
    for split in ("train", "test"):
        shutil.copytree(root / "my_music", root / "my_dataset" / split)


@pytest.fixture(scope="module")
def world(tmp_path_factory, music_folder):
    """A folder with the files that pages name: two genres of music, recordings, and models of them."""
    from gmmaudio import make_recipe, save_model, train

    root = tmp_path_factory.mktemp("world")
    shutil.copytree(music_folder / "my_music", root / "my_music")
    model = train(root / "my_music", make_recipe(n_components=2), group_by="parent").model
    for name in ("music.gmm", "language.safetensors", "genre.gmm"):
        save_model(model, root / name)
    samples, sr = soundfile.read(music_folder / "song.wav", dtype="float32")
    for name in ("interview.mp3", "song.flac", "archive/a.flac", "archive/b.flac", "radio/c.flac"):
        (root / name).parent.mkdir(exist_ok=True)
        soundfile.write(root / name, samples, sr)
    put_corpora(root)
    (table,) = (block for block in PROGRAMS if block.page.name == "tables.md")
    with contextlib.chdir(root):
        exec(compile(table.text, table.name, "exec"), {})  # noqa: S102 (our own page)
    # which the page makes by printf
    (root / "mm.csv").write_text("petal_width,petal_length,sepal_length,sepal_width\n14,47,,\n")
    return root


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
def test_programs_run(block, tmp_path, monkeypatch, request):
    if "plot" in block.text:
        pytest.importorskip("matplotlib").use("Agg")
    needs_files = "load_model(" in block.text or "my_music" in block.text
    monkeypatch.chdir(request.getfixturevalue("world") if needs_files else tmp_path)
    exec(compile(block.text, block.name, "exec"), {})  # noqa: S102 (our own pages)


def command_lines(block):
    """Return the words of each command of this package in a block, with names for those of the reader."""
    lines = [re.sub(r"\s#.*", "", line).strip().removeprefix("$ ") for line in block.text.split("\n")]
    parts = [part.strip() for line in lines for part in line.split("|") if part.strip().startswith("gmmaudio ")]
    parts = [re.split(r" (?:2?>|;)", part)[0].replace("$i/4", "1/4").replace("$i", "1") for part in parts]
    return [[NAMES.get(word, word) for word in shlex.split(part)][1:] for part in parts]


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.name)
def test_commands_have_options_that_exist_and_values_that_they_take(block, tmp_path, monkeypatch):
    from gmmaudio.cli import cli

    monkeypatch.chdir(tmp_path)
    lines = command_lines(block)
    assert lines
    for words in lines:
        context = click.Context(cli, info_name="gmmaudio")
        name, command, rest = cli.resolve_command(context, words)
        while isinstance(command, click.Group):
            context = click.Context(command, parent=context, info_name=name)
            name, command, rest = command.resolve_command(context, rest)
        for word in rest:
            path = Path(word.rstrip("/"))
            if not word.startswith("-") and not path.is_absolute() and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch() if path.suffix and path.suffix != ".gmm/" else path.mkdir()
        try:
            command.make_context(name, rest, parent=context)
        except click.UsageError as error:
            pytest.fail(f"{block.name}: {' '.join(words)}: {error.format_message()}")


# needs more than a folder of sound (a microphone, a network, a cluster, a truth, a report, other models), or never ends
NEEDS = re.compile(
    r"listen|serve|--scheduler| - |--timeline|--scores|reproduce|compare|\.stats|--from-file|--cache /|--window"
)


class Outputs:
    """What the commands of a page wrote, which those of the next must not find there."""

    def __init__(self, folder):
        self.folder, self.page, self.before = folder, None, set(folder.iterdir())

    def forget_those_of_other_pages(self, page):
        if page != self.page:
            for path in set(self.folder.iterdir()) - self.before:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        self.page = page


@pytest.fixture(scope="module")
def outputs(world):
    return Outputs(world)


@pytest.mark.slow
@pytest.mark.parametrize("block", [each for each in COMMANDS if not each.mark], ids=lambda block: block.name)
def test_commands_run(block, world, outputs):
    outputs.forget_those_of_other_pages(block.page)
    lines = [words for words in command_lines(block) if not NEEDS.search(" ".join(words))]
    if not lines:
        pytest.skip("needs more than a folder of sound")
    for words in lines:
        done = subprocess.run(
            [sys.executable, "-m", "gmmaudio", *words], cwd=world, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr}"
