"""The code blocks of the README and of the guides run as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from data_scripts.make_genres import make_genres
from data_scripts.manifest import read_manifest
from data_scripts.styles import STYLES

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def blocks(page, language):
    """Return the fenced blocks of a language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder with ``my_music``, one folder for each genre and one below it for each album, and ``song.mp3``."""
    root = tmp_path_factory.mktemp("readme")
    manifest = make_genres(root / "corpus", seconds=6.0, n_clips=2, n_bands=5, styles=STYLES[:3])
    for clip in read_manifest(manifest):
        path = root / "my_music" / clip.label / clip.group / Path(clip.path).name
        path.parent.mkdir(parents=True, exist_ok=True)
        (manifest.parent / clip.path).rename(path)
    samples, sr = soundfile.read(next(root.glob("my_music/*/*/*.flac")))
    soundfile.write(root / "song.mp3", samples, sr)
    return root


def test_the_commands_of_the_readme_run_in_their_order(music):
    lines = [line for block in blocks(README, "sh") for line in block.splitlines()]
    assert [shlex.split(line)[:2] for line in lines] == [
        ["gmmaudio", "check"],
        ["gmmaudio", "crossval"],
        ["gmmaudio", "train"],
        ["gmmaudio", "classify"],
        ["gmmaudio", "timeline"],
        ["gmmaudio", "explain"],
        ["gmmaudio", "tag"],
        ["gmmaudio", "sort"],
        ["gmmaudio", "classify"],
        ["gmmaudio", "review"],
    ]
    shown = []
    for line in lines:
        words = [sys.executable, "-m", *shlex.split(line, comments=True)]
        done = subprocess.run(words, cwd=music, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        shown.append(done.stdout)
    assert shown[3].startswith("song.mp3\t")
    assert shown[4].split() == ["annotated/song.mp3.html", "annotated/song.mp3.TextGrid"]
    assert shown[5].startswith("song.mp3: ")
    assert "(none) -> " in shown[6]
    assert "by_genre" in shown[7]
    assert {path.name for path in music.iterdir()} >= {"report.html", "genre.safetensors"}


def test_the_program_of_the_readme_prints_a_path_and_a_label(music, monkeypatch, capsys):
    (program,) = blocks(README, "python")
    monkeypatch.chdir(music)
    exec(compile(program, str(README), "exec"), {})  # noqa: S102 (our own documents)
    path, label = capsys.readouterr().out.split()
    assert path == "song.mp3"
    assert label in {style.label for style in STYLES[:3]}


def test_the_targets_of_make_that_the_readme_names_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([\w-]+)", README.read_text(), re.MULTILINE)) <= targets


def source_of(page):
    """Return what the build of the manual makes a page of; the page itself where it is written by hand."""
    generated = ROOT / "docs" / "generated"
    if not page.is_relative_to(generated):
        return page
    folder, name = page.relative_to(generated).parts
    scripts = {"learn": ROOT / "docs" / "learn", "applications": ROOT / "examples", "reference": ROOT / "gmmaudio"}[
        folder
    ]
    return scripts if name.startswith("index.") or folder == "reference" else scripts / f"{Path(name).stem}.py"


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]:
        if "generated" in page.parts:
            continue
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            target = (page.parent / link).resolve()
            assert source_of(target).exists(), f"{page.relative_to(ROOT)}: {link}"


def test_the_readme_is_short():
    outside = re.sub(r"<!-- results.*?<!-- end -->|```.*?```", "", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(outside.split()) <= 600


FIGURE = re.compile(r"\d+\.\d+ ?%|\b\d+ %|\b\d+(\.\d+)? (times|MiB|MB|GB)\b")
# what a number in prose may be: a convention that was chosen, not a result that was measured
CONVENTIONS = {"95 %", "5 %", "10 %"}


@pytest.mark.parametrize(
    "page", [README, ROOT / "recipes" / "README.md", *ROOT.glob("docs/*.md")], ids=lambda page: page.name
)
def test_measured_numbers_stand_in_generated_blocks_only(page):
    # what a command printed stands below the command; what others published has its source beside it
    outside = re.sub(
        r"<!-- results.*?<!-- end -->|<!-- published.*?<!-- end published -->|```\n\$ .*?```",
        "",
        page.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    assert {match[0] for match in FIGURE.finditer(outside)} <= CONVENTIONS


def known_options():
    """Return every option of every sub-command."""
    from gmmaudio.cli import cli
    from gmmaudio.cli.flags import all_commands

    commands = (cli, *all_commands().values())
    parameters = [parameter for command in commands for parameter in command.params]
    return {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", [README, *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_options_that_documents_name_are_options_of_the_command(page):
    text = page.read_text(encoding="utf-8")
    # those of other programs
    text = re.sub(r"<!--.*?-->|`python -m .*?`|^(srun )?dask (scheduler|worker) .*$", "", text, flags=re.MULTILINE)
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code)) <= known_options()
