"""What the arguments of the verbs mean."""

from __future__ import annotations

import os

from gmmaudio.audio import SUFFIXES
from gmmaudio.corpus import Corpus, reading


def read_corpus(path: str | os.PathLike[str]) -> Corpus:
    """Return the corpus at ``path``: a folder with a sub-folder for each class, or a CSV manifest.

    Raises
    ------
    CorpusError
        If nothing usable is there.
    """
    return reading.read_corpus(path, SUFFIXES)
