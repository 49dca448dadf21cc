"""Corpora as other toolkits write them: which reader a folder or a file has."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from gmmaudio.corpus.audio_folder import (
    data_folder,
    holds_metadata,
    holds_splits,
    read_audio_folder,
    read_metadata,
    read_splits,
)
from gmmaudio.corpus.clip import Corpus
from gmmaudio.corpus.kaldi_directory import WAVES, read_kaldi
from gmmaudio.corpus.lhotse_manifests import find_supervisions, is_lhotse, read_lhotse

Reader = Callable[[Path, Collection[str]], Corpus]
JSON_LINES = (".jsonl", ".jsonl.gz", ".ndjson")


def find_reader(path: Path, *, is_folder: bool) -> Reader | None:
    """Return the function that reads the corpus of a toolkit; None where it is none.

    Parameters
    ----------
    path : Path
        A folder or a file.
    is_folder : bool
        Whether it is a folder.

    Examples
    --------
    >>> find_reader(Path("my_music"), is_folder=True) is None
    True
    >>> find_reader(Path("supervisions.jsonl.gz"), is_folder=False).__name__
    'read_lhotse'
    """
    if not is_folder:
        if not path.name.lower().endswith(JSON_LINES):
            return None
        return read_lhotse if is_lhotse(path) else read_metadata
    if (path / WAVES).is_file():
        return read_kaldi
    if find_supervisions(path):
        return read_lhotse
    if holds_metadata(path):
        return read_audio_folder
    return read_splits if holds_splits(data_folder(path)) else None
