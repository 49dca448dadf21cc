"""``python -m results``: the documents of this repository agree with its files of results, and a change is seen."""

import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from results import __main__ as command
from results.record import write_record

PAGE = "# Speed\n\n<!-- results: speed -->\n<!-- end -->\n"


@pytest.fixture
def repository(tmp_path, monkeypatch, record):
    """A root with one page and one file of results."""
    folder = tmp_path / "results"
    write_record(record, folder)
    (tmp_path / "README.md").write_text(PAGE)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "FOLDER", folder)
    return tmp_path


def run(*words):
    return CliRunner().invoke(command.main, words)


def test_the_documents_show_what_the_files_of_results_hold():
    done = run("check")
    assert (done.exit_code, done.output) == (0, "")


def test_an_empty_block_fails_until_it_is_filled_and_again_when_it_is_changed_by_hand(repository):
    page = repository / "README.md"
    assert run("check").exit_code == 1
    assert run("fill").output == "filled README.md\n"
    assert run("check").exit_code == 0
    assert run("fill").output == ""
    page.write_text(page.read_text().replace("28.15", "18.15"))
    done = run("check")
    assert done.exit_code == 1
    assert f"{page}:3: block 'speed' differs from its file of results" in done.output


def test_new_results_are_seen_as_a_difference(repository, record):
    run("fill")
    write_record(replace(record, date="2026-02-01"), repository / "results")
    assert run("check").exit_code == 1


def test_a_block_without_a_file_of_results_fails_by_name(repository):
    (repository / "docs").mkdir()
    (repository / "docs" / "a.md").write_text("<!-- results: demo -->\n<!-- end -->\n")
    done = run("check")
    assert done.exit_code == 1 and "block 'demo' cannot be made: demo.json is missing" in done.output
    done = run("fill")
    assert done.exit_code == 1 and "docs/a.md: demo.json is missing" in done.output


def test_the_list_says_what_makes_each_file_and_what_shows_it(repository, record):
    write_record(replace(record, name="other"), repository / "results")
    text = run("list").output
    assert "results/speed.json  Training and classifying, end to end" in text
    assert "python -m benchmarks.speed --rounds 1" in text
    assert "shown in README.md" in text and "shown in no document" in text


def test_remake_runs_the_command_of_each_file_and_fills_the_blocks(repository, monkeypatch):
    ran = []
    monkeypatch.setattr(command.subprocess, "run", lambda words, **_: ran.append(words))
    done = run("remake", "speed")
    assert done.exit_code == 0, done.output
    assert ran == [[sys.executable, "-m", "benchmarks.speed", "--rounds", "1"]]
    assert "filled README.md" in done.output
    run("remake", "all")
    assert len(ran) == 2


def test_a_command_that_is_no_module_of_python_is_not_run(record):
    with pytest.raises(ValueError, match="speed: expected a command that begins with 'python -m', got 'rm -r x'"):
        command.command_words(replace(record, command="rm -r x"))
