"""Arguments of several types: a corpus or its path, a recipe or the name of a preset, a store or its folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from gmmaudio.audio import SUFFIXES
from gmmaudio.compute import QUIET, RunContext
from gmmaudio.corpus import Clip, Corpus, reading
from gmmaudio.errors import SettingError
from gmmaudio.features import FeatureStore
from gmmaudio.files import find_path
from gmmaudio.models import Recipe, make_recipe
from gmmaudio.trials import ROWS_SUFFIXES, GivenRows, Spool
from gmmaudio.values import checked


@checked
def read_corpus(path: str | os.PathLike[str], rows: GivenRows | None = None) -> Corpus:
    """Return the corpus at ``path``: a folder with a sub-folder for each class, or a CSV manifest.

    Parameters
    ----------
    path : path-like
        Folder or manifest.
    rows : GivenRows or None
        Rows of another program: where the path is the folder of these, its clips are the files of rows.

    Returns
    -------
    Corpus
        Labelled clips.

    Raises
    ------
    CorpusError
        If there is no usable corpus at the path.

    Examples
    --------
    >>> import gmmaudio
    >>> corpus = gmmaudio.read_corpus("my_music")
    >>> len(corpus.clips), corpus.clips[0].path, corpus.clips[0].label
    (12, 'jazz/album0/01.wav', 'jazz')
    """
    is_of_rows = rows is not None and rows.is_folder and rows.path == find_path(path)
    return reading.read_corpus(path, ROWS_SUFFIXES if is_of_rows else SUFFIXES)


@checked
def as_corpus(corpus: str | os.PathLike[str] | Corpus, rows: GivenRows | None = None) -> Corpus:
    """Return a corpus, which is read where the argument is a path.

    Parameters
    ----------
    corpus : path-like or Corpus
        Folder, manifest, or a corpus.
    rows : GivenRows or None
        As for :func:`read_corpus`.

    Returns
    -------
    Corpus
        Labelled clips.

    Raises
    ------
    CorpusError
        If there is no usable corpus at the path.

    Examples
    --------
    >>> corpus = as_corpus("my_music")
    >>> as_corpus(corpus) is corpus
    True
    """
    return corpus if isinstance(corpus, Corpus) else read_corpus(corpus, rows)


@checked
def as_recipe(preset: str | Recipe | None) -> Recipe:
    """Return all settings of a training run, those of a preset where the argument is its name.

    Parameters
    ----------
    preset : str, Recipe or None
        Name of a preset, or all settings; None selects the classic model.

    Returns
    -------
    Recipe
        All settings.

    Raises
    ------
    SettingError
        If there is no such preset.

    Examples
    --------
    >>> as_recipe("genre").preset
    'genre'
    """
    return preset if isinstance(preset, Recipe) else make_recipe(preset)


@checked
def as_store(cache: str | os.PathLike[str] | FeatureStore | None) -> FeatureStore | None:
    """Return the store of features in a folder, without what killed runs left in it.

    Parameters
    ----------
    cache : path-like, FeatureStore or None
        The folder, or a store with a limit of its own; None keeps no features.

    Returns
    -------
    FeatureStore or None
        The store.

    Raises
    ------
    SettingError
        If the path is a file, or a folder that holds other files.

    Examples
    --------
    >>> as_store("my_cache").folder.name, as_store(None)
    ('my_cache', None)
    """
    if cache is None:
        return None
    if cache in ("", "none"):
        raise SettingError(f"`cache` is {cache!r}; expected a folder, or None")
    store = cache if isinstance(cache, FeatureStore) else FeatureStore(Path(cache))
    store.remove_left_over()
    return store


@checked
def as_spool(memory_bytes: int, store: FeatureStore | None, run: RunContext = QUIET) -> Spool:
    """Return memory for the frames and rows of a run, and files for the rest, in the folder of a store if there is one.

    On a cluster all are in files, which workers write and open for themselves, where there is a folder that they share.

    Parameters
    ----------
    memory_bytes : int
        Bytes that frames and rows may take in memory, 0 or more.
    store : FeatureStore or None
        Where frames are kept for other runs; None takes the system's folder for temporary files.
    run : RunContext
        Tells where the workers are.

    Raises
    ------
    SettingError
        If the number is negative.

    Examples
    --------
    >>> with as_spool(1_000_000, None) as spool:
    ...     spool.folder_for(10) is None
    True
    """
    if memory_bytes < 0:
        raise SettingError(f"`memory_bytes` is {memory_bytes}; expected 0 or more")
    is_shared = run.cluster is not None and (store is not None or run.is_here)
    return Spool(0 if is_shared else memory_bytes, None if store is None else store.folder)


def as_clips(paths: Iterable[str | os.PathLike[str]]) -> list[Clip]:
    """Return the clip of each file: all of it, without a label.

    Parameters
    ----------
    paths : sequence of path-like
        Audio files.

    Raises
    ------
    SettingError
        If it is a single path, or holds what is no path.

    Examples
    --------
    >>> as_clips(["song.wav"])[0].path
    'song.wav'
    """
    if isinstance(paths, str | bytes | os.PathLike | Mapping) or not isinstance(paths, Iterable):
        raise SettingError(f"`paths` is {paths!r:.100}; expected a list of paths, such as ['song.wav']")
    return [as_clip(path, i) for i, path in enumerate(paths)]


def as_clip(path: str | os.PathLike[str], place: int = 0) -> Clip:
    """Return the clip of a file: all of it, without a label.

    Parameters
    ----------
    path : path-like
        An audio file.
    place : int
        Its place in the list.

    Raises
    ------
    SettingError
        If it is no path.

    Examples
    --------
    >>> as_clip("song.wav").path
    'song.wav'
    """
    try:
        return Clip(os.fspath(path), "")
    except TypeError as error:
        raise SettingError(f"`paths`[{place}] is {path!r:.100}; expected a path") from error
