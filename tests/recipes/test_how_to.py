"""The how-to pages: what their commands print is what stands in them."""

import re
from difflib import unified_diff

import pytest

from recipes.how_to import BLOCK, FOLDER, MARK, PAGES, make_environment, run_block, run_pages

# numbers differ between processors and versions of libraries
NUMBER = re.compile(r"[+-]?\d[\d.,:]*")


def lines_without_numbers(text):
    return [" ".join(NUMBER.sub("#", line).split()) for line in text.splitlines()]


def test_every_page_is_run_and_answers_one_question():
    assert {path.stem for path in FOLDER.glob("*.md")} == set(PAGES)
    for name in PAGES:
        text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        title, *others = re.findall(r"^#+ .*$", text, re.MULTILINE)
        assert title.startswith("# How do I ") and title.endswith("?")
        assert not [heading for heading in others if heading.startswith("# ")]
        assert len(BLOCK.findall(text)) == text.count(MARK) >= 1


def test_a_block_gets_both_streams_of_each_command_and_loses_what_stood_there(tmp_path):
    block = "$ echo one; echo two >&2\nold\n$ false\n"
    environment = make_environment(tmp_path / "bin")
    assert run_block(block, tmp_path, environment) == "$ echo one; echo two >&2\none\ntwo\n$ false\n"


def test_the_command_is_this_package_with_caches_of_its_own(tmp_path):
    environment = make_environment(tmp_path / "bin")
    shown = run_block("$ gmmaudio --version\n$ echo $XDG_CACHE_HOME\n", tmp_path, environment).splitlines()
    assert shown[1].startswith("gmmaudio")
    assert shown[-1] == str(tmp_path / "bin" / "caches")


@pytest.mark.slow
def test_the_commands_print_what_stands_in_the_pages_but_for_numbers(tmp_path):
    for name, text in run_pages(tmp_path):
        shown = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
        difference = unified_diff(lines_without_numbers(shown), lines_without_numbers(text), lineterm="")
        assert not "\n".join(difference), f"docs/how-to/{name}.md: run `python -m recipes.how_to`"
