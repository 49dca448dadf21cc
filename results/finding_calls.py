"""Every finding that the package can report, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmmaudio.findings import LEVELS
from results.markdown import table
from results.record import ROOT

# what stands for a value that only a run knows
ANY = "…"


@dataclass(frozen=True)
class FindingCall:
    """A call of ``Finding`` in the source.

    Parameters
    ----------
    path : Path
        The module.
    line : int
        Line of the call, from 1.
    code, level : str or None
        None where they are no literals.
    text, remedy : str
        With ``ANY`` for each value that only a run knows.
    """

    path: Path
    line: int
    code: str | None
    level: str | None
    text: str
    remedy: str


def collect_findings(package: Path = ROOT / "gmmaudio") -> list[FindingCall]:
    """Return every call of ``Finding`` in a package, by level, then by code.

    Parameters
    ----------
    package : Path
        Folder of the package.
    """
    calls = [
        call
        for path in sorted(package.rglob("*.py"))
        for call in _calls_of(path.relative_to(package.parent), path.read_text(encoding="utf-8"))
    ]
    levels: list[str | None] = [*LEVELS, None]
    return sorted(calls, key=lambda call: (levels.index(call.level), call.code or "", str(call.path)))


def findings_markdown(package: Path = ROOT / "gmmaudio") -> str:
    """Return the table of findings: code, level, text and remedy.

    Parameters
    ----------
    package : Path
        Folder of the package.
    """
    rows = [
        [f"`{call.code}`", str(call.level), _cell(call.text), _cell(call.remedy)] for call in collect_findings(package)
    ]
    return table(["code", "level", "text", "remedy"], rows)


def _calls_of(path: Path, source: str) -> Iterator[FindingCall]:
    """Yield the calls of ``Finding`` in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
            parts = [*node.args, *[ast.Constant("")] * (4 - len(node.args))]
            code, level = (str(part.value) if isinstance(part, ast.Constant) else None for part in parts[:2])
            yield FindingCall(path, node.lineno, code, level, _words(parts[2]), _words(parts[3]))


def _words(node: ast.expr) -> str:
    """Return a text with ``ANY`` for each value that only a run knows."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(part) for part in node.values)
    return ANY


def _cell(text: str) -> str:
    """Return text for a cell of a table, without what Markdown would take for marks."""
    return text.replace("|", "\\|").replace("*", "\\*")
