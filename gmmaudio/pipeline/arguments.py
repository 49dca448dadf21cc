"""What the verbs take for a corpus and for settings."""

from __future__ import annotations

import os

from gmmaudio.audio import SUFFIXES
from gmmaudio.corpus import Corpus, reading
from gmmaudio.models import Recipe, make_recipe


def read_corpus(path: str | os.PathLike[str]) -> Corpus:
    """Return the corpus at ``path``: a folder with a sub-folder for each class, or a CSV manifest.

    Parameters
    ----------
    path : path-like
        Folder or manifest.

    Raises
    ------
    CorpusError
        If nothing usable is there.

    Examples
    --------
    >>> import gmmaudio
    >>> corpus = gmmaudio.read_corpus("my_music")
    >>> len(corpus.clips), corpus.clips[0].path, corpus.clips[0].label
    (12, 'jazz/album0/01.wav', 'jazz')
    """
    return reading.read_corpus(path, SUFFIXES)


def as_corpus(corpus: str | os.PathLike[str] | Corpus) -> Corpus:
    """Return a corpus, read from its path where a path is given.

    Parameters
    ----------
    corpus : path-like or Corpus
        Folder, manifest, or a corpus.

    Raises
    ------
    CorpusError
        If nothing usable is at the path.
    """
    return corpus if isinstance(corpus, Corpus) else read_corpus(corpus)


def as_recipe(preset: str | Recipe | None) -> Recipe:
    """Return all settings of a training run, those of a preset where its name is given.

    Parameters
    ----------
    preset : str, Recipe or None
        Name of a preset, or all settings; None takes the classic model.

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
