"""Blocks of documents that are generated from files of results.

A block stands between two lines, each alone on its line::

    <!-- results: NAME -->
    ...
    <!-- end -->

where NAME is a key of `VIEWS` or `CODE_VIEWS` in `results.views`. Marks inside a fenced code block are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

START = re.compile(r"<!-- results: (\S+) -->\s*")
END = "<!-- end -->"


@dataclass(frozen=True)
class Block:
    """A generated block.

    Parameters
    ----------
    name : str
        What it shows.
    line : int
        Line of its first mark, from 1.
    text : str
        What stands between the marks.
    """

    name: str
    line: int
    text: str


@dataclass(frozen=True)
class Difference:
    """A block that is not what its file of results gives.

    Parameters
    ----------
    path : Path
        The document.
    block : Block
        The block, as it is.
    reason : str
        What is wrong with it.
    """

    path: Path
    block: Block
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.block.line}: block {self.block.name!r} {self.reason}"


def documents(root: Path) -> list[Path]:
    """Return the documents that may hold blocks: the pages of the root, ``docs``, and the READMEs of its folders.

    Parameters
    ----------
    root : Path
        Root of the repository.
    """
    pages = {*root.glob("*.md"), *root.glob("*/README.md"), *root.glob("docs/**/*.md")}
    return sorted(page for page in pages if not page.relative_to(root).parts[0].startswith("."))


def split_blocks(text: str) -> Iterator[str | Block]:
    """Yield the text between blocks, with their marks, and the blocks, in order.

    Parameters
    ----------
    text : str
        A document.

    Raises
    ------
    ValueError
        If a block has no end, or another begins inside it.
    """
    outside: list[str] = []
    inside: list[str] = []
    name, first, fenced = "", 0, False
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        fenced ^= not name and line.lstrip().startswith("```")
        start = None if fenced else START.fullmatch(line)
        if name and start:
            raise ValueError(f"line {number}: a block begins inside block {name!r}, which has no {END!r}")
        if name and line.strip() == END:
            yield from ("".join(outside), Block(name, first, "".join(inside)))
            outside, inside, name = [], [], ""
        elif start:
            name, first = start[1], number
            outside.append(line)
            continue
        (inside if name else outside).append(line)
    if name:
        raise ValueError(f"line {first}: block {name!r} has no {END!r}")
    yield "".join(outside)


def fill(text: str, render: Callable[[str], str]) -> str:
    r"""Return a document with its blocks filled.

    Parameters
    ----------
    text : str
        The document.
    render : callable
        Text of a block by its name.

    Examples
    --------
    >>> print(fill("<!-- results: a -->\nold\n<!-- end -->\n", lambda name: f"new {name}\n"), end="")
    <!-- results: a -->
    new a
    <!-- end -->
    """
    return "".join(render(part.name) if isinstance(part, Block) else part for part in split_blocks(text))


def differences(path: Path, render: Callable[[str], str]) -> list[Difference]:
    """Return the blocks of a document that are not what their results give.

    Parameters
    ----------
    path : Path
        The document.
    render : callable
        Text of a block by its name; raises ValueError where there is none.
    """
    wrong = []
    for block in blocks_of(path):
        try:
            reason = "" if render(block.name) == block.text else "differs from its file of results"
        except ValueError as error:
            reason = f"cannot be made: {error}"
        if reason:
            wrong.append(Difference(path, block, reason))
    return wrong


def blocks_of(path: Path) -> list[Block]:
    """Return the blocks of a document.

    Parameters
    ----------
    path : Path
        The document.

    Raises
    ------
    ValueError
        If a block has no end.
    """
    try:
        return [part for part in split_blocks(path.read_text(encoding="utf-8")) if isinstance(part, Block)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
