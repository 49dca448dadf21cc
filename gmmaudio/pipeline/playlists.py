"""Playlists of sorted files, in extended M3U with UTF-8: one for each label, or one of all."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from gmmaudio.names import printable
from gmmaudio.pipeline.label_folders import folder_names
from gmmaudio.pipeline.sorting import PLACE, THERE, Placement

# stands for a label in the name of a playlist
LABEL_MARK = "{label}"


def make_playlists(pattern: str, places: Sequence[Placement], labels: Sequence[str]) -> dict[str, bytes]:
    """Return the content of every playlist by its name.

    Parameters
    ----------
    pattern : str
        Name of the file. With ``{label}`` in it there is one for each label that has files; without, one of all files,
        in the order of the labels.
    places : sequence of Placement
        The files: where they are sorted to, or where they are.
    labels : sequence of str
        All labels of the model.

    Examples
    --------
    >>> place = Placement("music/1.mp3", "place", "jazz", 0.9, duration_s=61.2)
    >>> for name, content in make_playlists("lists/{label}.m3u8", [place], ["jazz", "rock"]).items():
    ...     print(name, content.decode().splitlines())
    lists/jazz.m3u8 ['#EXTM3U', '#EXTINF:61,1', '../music/1.mp3']
    """
    by_label: dict[str, list[Placement]] = defaultdict(list)
    for place in places:
        if place.action in (PLACE, THERE) and place.label is not None:
            by_label[place.label].append(place)
    present = [label for label in labels if label in by_label]
    folder = Path(pattern).parent
    if LABEL_MARK not in pattern:
        lines = [
            line for label in present for line in (f"#EXTGRP:{printable(label)}", *_lines(by_label[label], folder))
        ]
        return {pattern: _text(lines)} if lines else {}
    names = folder_names(labels)
    lists = {pattern.replace(LABEL_MARK, names[label]): label for label in present}
    return {name: _text(_lines(by_label[label], Path(name).parent)) for name, label in lists.items()}


def _text(lines: Sequence[str]) -> bytes:
    """Return the bytes of a playlist."""
    return "".join(f"{line}\n" for line in ("#EXTM3U", *lines)).encode("utf-8")


def _lines(places: Sequence[Placement], folder: Path) -> list[str]:
    """Return the lines of files: length and title, and the path from the folder of the playlist."""
    lines = []
    for place in places:
        seconds = -1 if place.duration_s is None else round(place.duration_s)
        lines.append(f"#EXTINF:{seconds},{printable(Path(place.path).stem)}")
        lines.append(_written_path(place.target or place.path, folder))
    return lines


def _written_path(path: str, folder: Path) -> str:
    """Return a path as a playlist holds it: relative to the playlist, or as a URI where a line cannot hold it."""
    # the file itself may be a link
    parent = os.path.realpath(os.path.dirname(path) or ".")  # noqa: PTH120
    whole = os.path.join(parent, os.path.basename(path))  # noqa: PTH118, PTH119
    relative = os.path.relpath(whole, os.path.realpath(folder))
    is_plain = relative.isprintable() and relative == relative.strip() and "\\" not in relative
    if is_plain and not relative.startswith("#") and not relative.casefold().startswith("file:"):
        return relative
    return "file://" + quote(os.fsencode(whole))
