"""Checks of the folders of a corpus: whether what is taken as a class may be a split, or a corpus of its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from pathlib import PurePosixPath

from gmmaudio.findings import Finding, some_names
from gmmaudio.names import split_names


def check_folders(paths: Iterable[str]) -> tuple[Finding, ...]:
    """Return the findings on the shape of a tree of folders, of which the outermost are the classes.

    Parameters
    ----------
    paths : iterable of str
        Path of every audio file, relative to the folder that holds the classes.

    Returns
    -------
    tuple of Finding
        Findings on sub-folders that may be the classes, or splits.

    Examples
    --------
    >>> print(*check_folders(["my_music/jazz/1.wav", "my_music/metal/1.wav", "new_songs/1.wav"]))
    class folder 'my_music' holds folders only ('jazz', 'metal') and 'new_songs' files only: the folders in it may be \
the classes; did you mean my_music/? If so, name it as the corpus
    """
    inner: dict[str, set[str]] = defaultdict(set)
    with_files: set[str] = set()
    for path in paths:
        label, *below = PurePosixPath(path).parts[:-1]
        inner[label].update(below[:1])
        with_files.update([label] * (not below))
    return (*_check_depth(inner, with_files), *_check_shared_folders(inner, with_files), *_check_inner_splits(inner))


def _check_depth(inner: Mapping[str, Set[str]], with_files: Set[str]) -> tuple[Finding, ...]:
    """Return the finding on a class folder of folders beside one of files: the first may be a whole corpus."""
    deep = sorted(label for label in inner if label not in with_files and len(inner[label]) > 1)
    flat = sorted(label for label in inner if label in with_files and not inner[label])
    if len(deep) != 1 or not flat:
        return ()
    return _folder_of_folders(deep[0], inner[deep[0]], f"and {some_names(flat)} files only")


def check_single_folder(paths: Iterable[str]) -> tuple[Finding, ...]:
    """Return the finding that the only class folder holds folders only, which may be the classes.

    Parameters
    ----------
    paths : iterable of str
        As for :func:`check_folders`.

    Returns
    -------
    tuple of Finding
        One or none. It is for those who need several classes: a test set may have one.

    Examples
    --------
    >>> print(*check_single_folder(["my_music/jazz/1.wav", "my_music/metal/1.wav"]))
    class folder 'my_music' holds folders only ('jazz', 'metal') and is the only one: the folders in it may be the \
classes; did you mean my_music/? If so, name it as the corpus
    """
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    if len({each[0] for each in folders}) != 1 or any(len(each) == 1 for each in folders):
        return ()
    inner = {each[1] for each in folders}
    return _folder_of_folders(folders[0][0], inner, "and is the only one") if len(inner) > 1 else ()


def _folder_of_folders(label: str, inner: Set[str], beside: str) -> tuple[Finding, ...]:
    """Return the finding that the folders in a class folder may be the classes."""
    return (
        Finding(
            "class_folder_of_folders",
            "warning",
            f"class folder {label!r} holds folders only ({some_names(sorted(inner))}) {beside}: the folders in it may "
            "be the classes",
            f"did you mean {label}/? If so, name it as the corpus",
        ),
    )


def _check_shared_folders(inner: Mapping[str, Set[str]], with_files: Set[str]) -> tuple[Finding, ...]:
    """Return the finding that class folders hold folders of the same names, which may be the classes."""
    n_labels = Counter(name for names in inner.values() for name in names)
    # numbered folders, such as discs and albums, have the same names everywhere
    shared = sorted(name for name, n in n_labels.items() if n > 1 and not any(map(str.isdigit, name)))
    if with_files or len(shared) < max(2, len(n_labels)) or split_names(shared):
        return ()
    return (
        Finding(
            "class_folders_alike",
            "information",
            f"the class folders {some_names(sorted(inner))} hold folders of the same names ({some_names(shared)}): the "
            "labels are the outer ones",
            "if the inner ones are the classes, name the folder that holds them",
        ),
    )


def _check_inner_splits(inner: Mapping[str, Set[str]]) -> tuple[Finding, ...]:
    """Return the finding on splits inside class folders, which are all used alike."""
    splits = split_names({name for names in inner.values() for name in names})
    if len(splits) < 2:
        return ()
    return (
        Finding(
            "splits_in_class_folders",
            "warning",
            f"class folders hold folders that are called as splits ({some_names(splits)}): the clips of all are used",
            "to keep splits apart, write a manifest with a column split",
        ),
    )
