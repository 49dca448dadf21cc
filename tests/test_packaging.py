"""The metadata of the package: versions, lowest dependencies, changelog and citation agree."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import gmmaudio

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# extras that `make test-lowest` installs; the others are tools, the manual, a browser, and sound cards
TESTED_EXTRAS = ("plot", "media", "vad", "annotate", "dask", "demo", "serve", "tags", "test")
RELEASES = re.findall(
    r"^## \[(\S+?)\](?: - (\S+))?$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
)


def lowest_declared():
    """Return the lowest declared version of each dependency, by its normalised name."""
    extras = PROJECT["optional-dependencies"]
    requirements = map(Requirement, sum((extras[name] for name in TESTED_EXTRAS), PROJECT["dependencies"]))
    return {
        canonicalize_name(requirement.name): [
            Version(clause.version) for clause in requirement.specifier if clause.operator == ">="
        ]
        for requirement in requirements
    }


def pinned():
    """Return the version of each line of the constraints, by its normalised name."""
    text = (ROOT / ".ci" / "constraints-lowest.txt").read_text(encoding="utf-8")
    lines = [line.split("==") for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): [Version(version)] for name, version in lines}


def test_the_constraints_pin_every_dependency_at_its_lowest_declared_version():
    assert pinned() == lowest_declared()


def test_the_extras_that_are_not_tested_at_their_lowest_versions_are_known():
    others = {"browser", "dev", "docs", "live", "parquet", "service-test"}
    assert set(PROJECT["optional-dependencies"]) - set(TESTED_EXTRAS) == others


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
