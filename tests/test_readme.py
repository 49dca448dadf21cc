"""The code blocks of the README and of the guides run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
GUIDES = [ROOT / "docs" / name for name in ("evaluation.md", "mixture.md", "models.md")]


def blocks(page, language):
    """Return the fenced blocks of a language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_programs_of_the_guides_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for program in blocks(page, "python"):
        exec(compile(program, str(page), "exec"), {})  # noqa: S102 (our own documents)


def test_the_targets_of_make_that_the_readme_names_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([\w-]+)", README.read_text(), re.MULTILINE)) <= targets


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


FIGURE = re.compile(r"\d+\.\d+ ?%|\b\d+ %|\b\d+(\.\d+)? (times|MiB|MB|GB)\b")
# what a number in prose may be: a convention that was chosen, not a result that was measured
CONVENTIONS = {"95 %", "5 %", "10 %"}


@pytest.mark.parametrize("page", [ROOT / "recipes" / "README.md", *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_measured_numbers_stand_in_generated_blocks_only(page):
    outside = re.sub(r"<!-- results.*?<!-- end -->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert {match[0] for match in FIGURE.finditer(outside)} <= CONVENTIONS
