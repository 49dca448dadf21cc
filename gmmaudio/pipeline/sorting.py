"""Music files in a folder for each label: as links, as copies, or moved. Nothing that is there is ever replaced."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gmmaudio.pipeline.label_decisions import LabelDecision
from gmmaudio.pipeline.label_folders import folder_names, name_key, numbered

LINK, COPY, MOVE = "link", "copy", "move"
WAYS = (LINK, COPY, MOVE)
# what becomes of a file
PLACE, THERE, NOWHERE, FAILED = "place", "there", "none", "failed"


class Placement(NamedTuple):
    """The place of a file.

    Parameters
    ----------
    path : str
        The file.
    action : {"place", "there", "none", "failed"}
        ``there``: it is in its place already. ``none``: it has no label. ``failed``: it cannot be used.
    label : str or None
        Its label.
    probability : float or None
        Probability of the label, 0..1.
    target : str or None
        Its place; None where files are only listed, or it has none.
    code : str or None
        Reason code where there is no place.
    message : str
        The reason in words.
    duration_s : float or None
        Length of its sound, seconds.
    """

    path: str
    action: str
    label: str | None = None
    probability: float | None = None
    target: str | None = None
    code: str | None = None
    message: str = ""
    duration_s: float | None = None


@dataclass(frozen=True)
class SortedFolder:
    """A folder with a folder for each label.

    Parameters
    ----------
    path : Path
        The folder, which need not exist.
    way : {"link", "copy", "move"}
        How files come into it.
    labels : sequence of str
        All labels of the model.
    """

    path: Path
    way: str
    labels: Sequence[str]


def is_below(path: str, folder: Path) -> bool:
    """Return whether a file lies in a folder or in one of its folders, links followed but for the file's own.

    Parameters
    ----------
    path : str
        A file.
    folder : Path
        A folder, which need not exist.

    Examples
    --------
    >>> is_below("sorted/jazz/1.mp3", Path("sorted")), is_below("jazz/1.mp3", Path("sorted"))
    (True, False)
    """
    parent = os.path.realpath(os.path.dirname(path) or ".")  # noqa: PTH120 - there may be many
    return Path(parent).is_relative_to(os.path.realpath(folder))


def plan_places(
    paths: Sequence[str], decisions: Sequence[LabelDecision], folder: SortedFolder | None
) -> list[Placement]:
    """Return the place of every file; nothing is written.

    A file keeps its name. Where another file has it, a number is added: the first name that is free, or under which the
    file is already.

    Parameters
    ----------
    paths : sequence of str
        The files.
    decisions : sequence of LabelDecision
        The label of each.
    folder : SortedFolder or None
        Where they come to; None where they are only listed.

    Examples
    --------
    >>> decided = [LabelDecision("jazz", "jazz", 0.9)] * 2
    >>> folder = SortedFolder(Path("x"), "link", ["jazz"])
    >>> [place.target for place in plan_places(["a/1.mp3", "b/1.mp3"], decided, folder)]
    ['x/jazz/1.mp3', 'x/jazz/1 (2).mp3']
    """
    names = {} if folder is None else folder_names(folder.labels)
    taken: set[tuple[str, str]] = set()
    seen: set[str] = set()
    places = []
    for path, decision in zip(paths, decisions, strict=True):
        place = Placement(path, PLACE, decision.label, decision.probability)
        real = os.path.realpath(path)
        if decision.label is None:
            action = FAILED if decision.is_failure else NOWHERE
            message = decision.message if decision.is_failure else decision.reason()
            place = Placement(path, action, code=decision.code, message=message)
        elif real in seen:
            place = place._replace(action=NOWHERE, code="twice", message="is named twice")
        elif folder is not None:
            place = _find_place(place, folder.path / names[decision.label], folder.way, taken)
        seen.add(real)
        places.append(place)
    return places


def _find_place(place: Placement, folder: Path, way: str, taken: set[tuple[str, str]]) -> Placement:
    """Return the placement of a file in a folder, under the first name that is free or its own already."""
    if way == MOVE and os.path.islink(place.path):  # noqa: PTH114 - there may be many
        words = "is a symbolic link, which may lead nowhere from another folder; link or copy it"
        return place._replace(action=FAILED, code="is_link", message=words)
    source = Path(place.path)
    for name in numbered(source.stem, source.suffix):
        target, key = folder / name, (str(folder), name_key(name))
        if key in taken:
            continue
        is_there = os.path.lexists(target)
        if is_there and not _is_placed(source, target, way):
            continue
        taken.add(key)
        # a move that was stopped between two names is brought to its end
        return place._replace(action=THERE if is_there and way != MOVE else PLACE, target=str(target))
    raise AssertionError  # names do not end


def _is_placed(source: Path, target: Path, way: str) -> bool:
    """Return whether a target is the file already."""
    try:
        if way == LINK:
            return target.is_symlink() and target.samefile(source)
        if target.is_symlink() or not target.is_file():
            return False
        if way == MOVE:
            return target.samefile(source)
        is_same_size = target.stat().st_size == source.stat().st_size
        return not target.samefile(source) and is_same_size and filecmp.cmp(source, target, shallow=False)
    except OSError:
        return False
