"""The metadata of the package: versions, changelog and citation agree."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

import gmmaudio

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RELEASES = re.findall(
    r"^## \[(\S+?)\](?: - (\S+))?$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_changelog_has_this_version_with_its_day_below_what_is_unreleased():
    assert RELEASES[0] == ("Unreleased", "")
    version, day = RELEASES[1]
    assert version == gmmaudio.__version__
    date.fromisoformat(day)


def citation_line(key):
    """Return the value of a key of the citation file."""
    (value,) = re.findall(rf"^{key}: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    return value


def test_the_citation_is_of_this_version():
    assert citation_line("version") == gmmaudio.__version__
    assert (citation_line("version"), citation_line("date-released")) == RELEASES[1]
    assert citation_line("license") == PROJECT["license"]


def test_the_citation_is_yaml_with_the_fields_that_its_format_requires():
    yaml = pytest.importorskip("yaml", reason="needs PyYAML, which the dev extra brings")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["type"] == "software"
    assert citation["authors"] == PROJECT["authors"]
    assert citation["date-released"] == date.fromisoformat(RELEASES[1][1])
