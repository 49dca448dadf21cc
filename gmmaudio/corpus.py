"""Which clips there are, what they are called, and who may stand on which side of a split.

A corpus is a folder with one sub-folder for each class, or a CSV manifest. Splits never cut through a group (an
artist, a speaker, an album), and never score a label that a model could not have learned from another group. Nothing
here decodes sound: content hashes come in as arguments.
"""

from __future__ import annotations

import csv
import io
import math
import os
import posixpath
import stat
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gmmaudio.errors import CorpusError, SettingError

# path, start and end of a clip
Place = tuple[str, float, float | None]

COLUMNS = ("path", "label", "group", "source", "split", "start", "end")
NOTHING_SCORED = (
    "no label can be scored: each needs clips of two groups or more; record another speaker or artist, "
    "or --group-by none for an optimistic figure"
)


@dataclass(frozen=True)
class Clip:
    """One piece of sound and what is known of it.

    Parameters
    ----------
    path : str
        Relative to the corpus where it can be.
    label : str
        The class name.
    group : str or None
        What must not straddle a split: artist, speaker, album.
    source : str or None
        Recording condition or corpus.
    split : str or None
        ``train``, ``test`` or another name; None or empty where the corpus does not say.
    start_s, end_s : float
        The segment of the file, seconds; default all of it.
    extra : mapping of str to str
        The manifest's other columns.
    """

    path: str
    label: str
    group: str | None = None
    source: str | None = None
    split: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """What tells it from every other clip of its corpus: path, start and end."""
        return self.path, self.start_s, self.end_s

    def column(self, name: str) -> str | None:
        """Return the value of a manifest column, None where the clip has none."""
        if name in COLUMNS:
            value = getattr(self, {"start": "start_s", "end": "end_s"}.get(name, name))
            return None if value is None else str(value)
        return self.extra.get(name)


@dataclass(frozen=True)
class Corpus:
    """Clips, where their paths start, and what should be said of them.

    Parameters
    ----------
    root : Path
        Folder that the clips' paths are relative to.
    clips : tuple of Clip
        In a fixed order.
    notes : tuple of str
        What a reader of the results should know, each with its cure.
    n_skipped : int
        Files passed over because their suffix is not one of audio.
    """

    root: Path
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()
    n_skipped: int = 0


@dataclass(frozen=True)
class Fold:
    """One division of a corpus; indices into its items.

    Parameters
    ----------
    name : str
        Number of the fold, value of the fold column, or the group left out.
    train, test : tuple of int
        Items to train on and to score; what is in neither is left out of this fold.
    """

    name: str
    train: tuple[int, ...]
    test: tuple[int, ...]


def read_corpus(path: str | os.PathLike[str], suffixes: Collection[str]) -> Corpus:
    """Return the corpus at ``path``: a folder with a sub-folder for each class, or a CSV manifest.

    Parameters
    ----------
    path : path-like
        Folder or manifest.
    suffixes : collection of str
        Lower-case suffixes, with the dot, that count as audio in a folder.

    Raises
    ------
    CorpusError
        If nothing usable is there.
    """
    place = Path(path)
    try:
        is_folder = stat.S_ISDIR(place.stat().st_mode)
    except FileNotFoundError as error:
        raise CorpusError(
            f"{place}: is not there; expected a folder with a sub-folder for each class, or a manifest"
        ) from error
    except OSError as error:
        raise CorpusError(f"{place}: cannot be read ({error.strerror})") from error
    return scan_folder(place, suffixes) if is_folder else read_manifest(place)


def scan_folder(root: str | os.PathLike[str], suffixes: Collection[str]) -> Corpus:
    """Return the clips below ``root``: the first folder names the label, at any depth below it.

    Hidden files and folders are ignored, links are followed and loops of links survived; files whose suffix is not in
    ``suffixes`` are counted.

    Raises
    ------
    CorpusError
        If there is no class folder with audio.
    """
    root = Path(root)
    clips: list[Clip] = []
    notes: list[str] = []
    n_skipped = 0
    for folder in _visible(root):
        if not folder.is_dir():
            n_skipped += 1
            if folder.suffix.lower() in suffixes:
                notes.append(f"{folder.name} lies outside the class folders and is left out; move it into one")
            continue
        files, passed = list_audio(folder, suffixes)
        n_skipped += passed
        clips += [Clip(file.relative_to(root).as_posix(), folder.name) for file in files]
        if not files:
            notes.append(f"class folder {folder.name!r} holds no audio and is left out; fill it or remove it")
    if not clips:
        raise CorpusError(
            f"{root}: no audio in any sub-folder; expected one folder for each class, such as {root.name}/jazz/01.wav"
        )
    return Corpus(root, tuple(clips), tuple(notes), n_skipped)


def list_audio(folder: Path, suffixes: Collection[str]) -> tuple[list[Path], int]:
    """Return the audio files at any depth below ``folder``, sorted, and how many other files there are."""
    files: list[Path] = []
    n_skipped = 0
    # a link back to where we came from would give this folder the files of its sisters
    seen = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in suffixes:
                files.append(Path(here, name))
            else:
                n_skipped += 1
    return sorted(files), n_skipped


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def read_manifest(path: str | os.PathLike[str]) -> Corpus:
    """Return the clips that a CSV manifest names; paths are relative to the manifest.

    Columns ``path`` (or Hugging Face's ``file_name``) and ``label`` are needed; ``group, source, split, start, end``
    are known, all others are kept in ``extra``. Comma, semicolon or tab separate.

    Raises
    ------
    CorpusError
        If it cannot be read, lacks a column or a row is wrong; the line is named.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            # a pipe cannot go back to the header
            handle = io.StringIO(opened.read(), newline="")
            header = handle.readline()
            handle.seek(0)
            delimiter = max(",;\t", key=header.count)
            reader = csv.DictReader(handle, delimiter=delimiter, restval="", strict=True)
            name = _path_column(path, reader.fieldnames)
            clips = tuple(_clip_of(path, reader.line_num, row, name) for row in reader)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not a UTF-8 text; save the manifest as CSV in UTF-8") from error
    except csv.Error as error:
        raise CorpusError(f"{path}: is not a CSV manifest ({error}); expected columns {','.join(COLUMNS)}") from error
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from error
    if not clips:
        raise CorpusError(f"{path}: has a header and no rows; add one row for each clip")
    places = Counter((posixpath.normpath(clip.path), clip.start_s, clip.end_s) for clip in clips)
    twice = [place[0] for place, n in places.items() if n > 1]
    if twice:
        raise CorpusError(f"{path}: {_some(twice)} named twice; remove the second row, or give each its own segment")
    return Corpus(path.parent, clips)


def _path_column(path: Path, columns: Sequence[str] | None) -> str:
    """Return the column that holds paths."""
    columns = [] if columns is None else columns
    twice = sorted(name for name, n in Counter(columns).items() if n > 1)
    if twice:
        raise CorpusError(f"{path}: column {twice[0]!r} stands twice; rename or remove one")
    name = next((c for c in ("path", "file_name") if c in columns), None)
    if name is None or "label" not in columns:
        raise CorpusError(
            f"{path}: has columns {', '.join(map(repr, columns)) or 'none'}; a manifest needs 'path' and 'label' "
            "(and may have group, source, split, start, end)"
        )
    return name


def _clip_of(manifest: Path, line: int, row: Mapping[str | None, str], path_column: str) -> Clip:
    """Return the clip that one row names."""
    if None in row:
        raise CorpusError(f"{manifest}, line {line}: more values than columns; quote values that hold the separator")
    values = {key: value.strip() for key, value in row.items() if key}
    for needed in (path_column, "label"):
        if not values[needed]:
            raise CorpusError(f"{manifest}, line {line}: no {needed}; every clip needs one")
    start_s = _seconds(manifest, line, "start", values.get("start", ""))
    end_s = _seconds(manifest, line, "end", values.get("end", ""))
    if end_s is not None and end_s <= (start_s or 0.0):
        raise CorpusError(f"{manifest}, line {line}: end {end_s:g} s is not after start {start_s or 0.0:g} s")
    return Clip(
        path=values[path_column],
        label=values["label"],
        group=values.get("group") or None,
        source=values.get("source") or None,
        split=values.get("split"),
        start_s=start_s or 0.0,
        end_s=end_s,
        extra={key: value for key, value in values.items() if key not in (*COLUMNS, path_column)},
    )


def _seconds(manifest: Path, line: int, name: str, text: str) -> float | None:
    """Return a time in seconds, None where the cell is empty."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise CorpusError(f"{manifest}, line {line}: {name} is {text!r}; expected seconds, 0 or more")
    return value


def select_split(clips: Sequence[Clip], wanted: str | None, default: str) -> tuple[Clip, ...]:
    """Return the clips of a split.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    wanted : str or None
        Name of the split asked for; None for the default.
    default : {"train", "test"}
        ``train`` takes clips whose split is empty or ``train``; ``test`` takes ``test`` where the corpus has a split
        column, and everything where it has none.

    Raises
    ------
    CorpusError
        If the split asked for has no clips.
    """
    if wanted is not None:
        chosen = tuple(clip for clip in clips if (clip.split or "") == wanted)
    elif default == "train":
        chosen = tuple(clip for clip in clips if clip.split in (None, "", "train"))
    else:
        known = any(clip.split for clip in clips)
        chosen = tuple(clip for clip in clips if not known or clip.split == "test")
    if not chosen:
        names = sorted({clip.split or "(empty)" for clip in clips})
        raise CorpusError(f"no clip has split {wanted or default!r}; the corpus has {', '.join(names)} (--split)")
    return chosen


def regroup(clips: Sequence[Clip], group_by: str | None) -> tuple[Clip, ...]:
    """Return the clips with their groups taken from elsewhere.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    group_by : str or None
        A column of the manifest; ``parent``, the folder a file is in; ``none``; or None to leave groups as they are.

    Raises
    ------
    CorpusError
        If no clip, or only some, have a value in that column.
    """
    if group_by is None:
        return tuple(clips)
    if group_by == "none":
        return tuple(replace(clip, group=None) for clip in clips)
    if group_by == "parent":
        return tuple(replace(clip, group=Path(clip.path).parent.as_posix()) for clip in clips)
    values = [clip.column(group_by) for clip in clips]
    lacking = [clip.path for clip, value in zip(clips, values, strict=True) if not value]
    if lacking:
        raise CorpusError(
            f"--group-by {group_by}: {_some(lacking)} without a value in that column; fill it, or group by another"
        )
    return tuple(replace(clip, group=value) for clip, value in zip(clips, values, strict=True))


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return what should be said of the labels of clips: near-doubles and classes of one.

    Raises
    ------
    CorpusError
        If there are fewer than two classes.

    Examples
    --------
    >>> check_labels(["Jazz", "jazz", "rock", "rock"])[0]
    "labels 'Jazz' (1), 'jazz' (1) differ only by case or spaces; give them one name"
    """
    counts = Counter(labels)
    if not counts:
        raise CorpusError("no clip is left to use; see the failures and notes above")
    if len(counts) < 2:
        raise CorpusError(
            f"only one class, {next(iter(counts), 'none')!r}; at least two are needed to tell apart: "
            "add a folder or a label for another"
        )
    alike: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        alike[" ".join(label.casefold().split())].append(label)
    notes = [
        f"labels {', '.join(f'{name!r} ({counts[name]})' for name in names)} differ only by case or spaces; "
        "give them one name"
        for names in alike.values()
        if len(names) > 1
    ]
    single = sorted(label for label, n in counts.items() if n == 1)
    if single:
        notes.append(f"one clip only for {_some(single)}; add more, or what is learned is that recording")
    return tuple(notes)


def group_keys(groups: Sequence[str | None], paths: Sequence[str]) -> tuple[str, ...]:
    """Return a group for every item; where it is unknown, all pieces of one file are a group.

    Examples
    --------
    >>> group_keys(["bob", None], ["a.wav", "b.wav"])
    ('bob', 'file b.wav')
    """
    return tuple(
        f"file {posixpath.normpath(path)}" if group is None else group
        for group, path in zip(groups, paths, strict=True)
    )


def scored_labels(labels: Sequence[str], groups: Sequence[str]) -> frozenset[str]:
    """Return the labels with two groups or more: only those can be learned from one and tested on another."""
    seen: dict[str, set[str]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        seen[label].add(group)
    return frozenset(label for label, members in seen.items() if len(members) > 1)


def random_folds(labels: Sequence[str], groups: Sequence[str], n_folds: int, rng: np.random.Generator) -> list[Fold]:
    """Return a random division into folds that keeps groups whole and labels balanced.

    Groups come in random order, each to the fold where it adds least to the sum of squared label shares. (Dealing them
    out largest first balances a little better, and gives the same division for every seed.)

    Parameters
    ----------
    labels, groups : sequence of str
        Of every item.
    n_folds : int
        At least 2.
    rng : numpy.random.Generator
        Decides the order and breaks ties.

    Raises
    ------
    SettingError
        If there are more folds than groups to fill them.
    CorpusError
        If no label can be scored.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> folds = random_folds(["a", "a", "b", "b"], ["1", "2", "3", "4"], 2, rng)
    >>> [len(fold.test) for fold in folds]
    [2, 2]
    """
    scored = scored_labels(labels, groups)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        if label in scored:
            counts[group][label] += 1
    if not counts:
        raise CorpusError(NOTHING_SCORED)
    if not 2 <= n_folds <= len(counts):
        raise SettingError(
            f"--folds is {n_folds}; expected 2 to {len(counts)}, the number of groups with labels that can be scored"
        )
    names = sorted(scored)
    totals = np.array([sum(c[label] for c in counts.values()) for label in names], dtype=float)
    filled = np.zeros((n_folds, len(names)))
    fold_of: dict[str, str] = {}
    order = sorted(counts)
    # groups of several labels bind most, and come first; otherwise the order is random
    for i in sorted(rng.permutation(len(order)), key=lambda i: -len(counts[order[i]])):
        share = np.array([counts[order[i]][label] for label in names]) / totals
        cost = (2 * filled * share + share * share).sum(axis=1)
        best = np.flatnonzero(cost <= cost.min() + 1e-12)
        # of equal folds the emptiest, or some would stay empty
        load = filled[best].sum(axis=1)
        fold = int(rng.choice(best[load <= load.min() + 1e-12]))
        filled[fold] += share
        fold_of[order[i]] = str(fold)
    return _folds([fold_of.get(group) for group in groups], labels, groups)


def leave_one_group_out(labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return one fold for each group, in which that group alone is scored.

    Raises
    ------
    CorpusError
        If no label has two groups.
    """
    return _folds(list(groups), labels, groups)


def column_folds(values: Sequence[str | None], labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return the division that a column of the corpus gives; items without a value are only trained on.

    Raises
    ------
    CorpusError
        If the column has fewer than two values, or no fold can be scored.
    """
    if len({value for value in values if value}) < 2:
        raise CorpusError("the fold column has fewer than two values; name another (--fold-column)")
    return _folds([value or None for value in values], labels, groups)


def straddling_groups(values: Sequence[str | None], groups: Sequence[str]) -> list[str]:
    """Return the groups that have more than one value, sorted: those a fold column cuts through."""
    seen: dict[str, set[str]] = defaultdict(set)
    for value, group in zip(values, groups, strict=True):
        if value:
            seen[group].add(value)
    return sorted(group for group, members in seen.items() if len(members) > 1)


def _folds(fold_of: Sequence[str | None], labels: Sequence[str], groups: Sequence[str]) -> list[Fold]:
    """Return the folds; a group that is scored in a fold is not trained on in it, whatever its other labels."""
    scored = scored_labels(labels, groups)
    items = range(len(labels))
    folds = []
    for name in sorted({f for f in fold_of if f is not None}, key=_natural):
        held = [i for i in items if fold_of[i] == name and labels[i] in scored]
        out = {groups[i] for i in held}
        train = tuple(i for i in items if groups[i] not in out and (fold_of[i] != name or labels[i] not in scored))
        known = {labels[i] for i in train}
        test = tuple(i for i in held if labels[i] in known)
        if test and len(known) > 1:
            folds.append(Fold(name, train, test))
    if not folds:
        raise CorpusError(NOTHING_SCORED)
    return folds


def _natural(name: str) -> tuple[int, float, str]:
    """Sort numbers by value before names."""
    return (0, float(name), name) if name.isdecimal() else (1, 0.0, name)


def same_audio_notes(paths: Sequence[str], labels: Sequence[str], hashes: Sequence[str]) -> tuple[str, ...]:
    """Return what should be said of clips whose decoded sound is the same.

    Parameters
    ----------
    paths, labels : sequence of str
        Of every clip.
    hashes : sequence of str
        Of the decoded samples of every clip.

    Examples
    --------
    >>> same_audio_notes(["a.wav", "b.wav"], ["jazz", "rock"], ["f3", "f3"])
    ('same audio in two classes: a.wav (jazz) = b.wav (rock); remove it from the class it is not',)
    """
    alike: dict[str, list[int]] = defaultdict(list)
    for i, content in enumerate(hashes):
        alike[content].append(i)
    across: list[str] = []
    within: list[str] = []
    for members in alike.values():
        if len(members) > 1:
            named = " = ".join(f"{paths[i]} ({labels[i]})" for i in members)
            (across if len({labels[i] for i in members}) > 1 else within).append(named)
    return (
        *first_of(across, "same audio in two classes", "remove it from the class it is not"),
        *first_of(within, "same audio twice", "keep one"),
    )


def file_notes(paths: Sequence[str], groups: Sequence[str | None]) -> tuple[str, ...]:
    """Return which files stand in several groups: their pieces may be on both sides of a split.

    Parameters
    ----------
    paths : sequence of str
        Of every clip.
    groups : sequence of str or None
        Of every clip; None where unknown.

    Examples
    --------
    >>> file_notes(["a.wav", "./a.wav", "b.wav"], ["ann", "bob", "bob"])
    ("one file in several groups: a.wav ('ann', 'bob'); give all its pieces one group",)
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for path, group in zip(paths, groups, strict=True):
        if group is not None:
            seen[posixpath.normpath(path)].add(group)
    cut = [
        f"{path} ({', '.join(map(repr, sorted(members)))})"
        for path, members in sorted(seen.items())
        if len(members) > 1
    ]
    return first_of(cut, "one file in several groups", "give all its pieces one group")


def leak_notes(splits: Iterable[tuple[Iterable[tuple[str, str]], Iterable[tuple[str, str]]]]) -> tuple[str, ...]:
    """Return which clips are on both sides of a split by their decoded sound.

    Parameters
    ----------
    splits : iterable of (train, test)
        Each side an iterable of (path, hash).

    Examples
    --------
    >>> leak_notes([([("a.wav", "f3")], [("b.wav", "f3")])])
    ('same audio on both sides of a split: a.wav = b.wav; give both one group, or keep one',)
    """
    pairs: dict[str, None] = {}
    for train, test in splits:
        trained = {content: path for path, content in train}
        for path, content in test:
            if content in trained:
                pairs[" = ".join(sorted((path, trained[content])))] = None
    return first_of(list(pairs), "same audio on both sides of a split", "give both one group, or keep one")


def first_of(cases: Sequence[str], what: str, cure: str) -> tuple[str, ...]:
    """Return one note that names the first cases and counts the others; none where there are no cases."""
    if not cases:
        return ()
    more = f" and {len(cases) - 3} more" if len(cases) > 3 else ""
    return (f"{what}: {'; '.join(cases[:3])}{more}; {cure}",)


def _some(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, quoted, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
