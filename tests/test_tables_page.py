"""The commands of docs/tables.md, one after another: each prints what the page shows below it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "tables.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
# versions of numpy and scikit-learn differ in the last digits, which EM on other processors magnifies
TOLERANCE = 2e-3


def shown_commands():
    """Return the commands of the page, each with the lines that are shown below it."""
    blocks = re.findall(r"^```\n(\$ .*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    parts = [part.split("\n") for block in blocks for part in block.removeprefix("$ ").split("\n$ ")]
    return [(command, lines) for command, *lines in parts]


def words_and_numbers(line):
    """Return the words of a line without numbers, rules and spaces, and its numbers."""
    words = NUMBER.sub("#", line.replace("*", "").replace("─", ""))
    return " ".join(words.split()), [float(number) for number in NUMBER.findall(line)]


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    commands = shown_commands()
    assert len(commands) >= 7
    for command, shown in commands:
        line = command.replace("gmmaudio ", f"{sys.executable} -m gmmaudio ")
        done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        printed = [words_and_numbers(each) for each in done.stdout.splitlines()]
        expected = [words_and_numbers(each) for each in shown]
        assert [words for words, _ in printed] == [words for words, _ in expected], command
        for (words, numbers), (_, numbers_shown) in zip(printed, expected, strict=True):
            assert numbers == pytest.approx(numbers_shown, rel=TOLERANCE, abs=TOLERANCE), words
