"""Groups of clips by the tags of their files: ``tag:artist`` and ``tag:album`` as columns of a corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gmmaudio.audio.file_tags import TAGS, read_tags
from gmmaudio.compute import Progress, quiet
from gmmaudio.compute.thread_pool import thread_map
from gmmaudio.corpus import Corpus
from gmmaudio.errors import AudioError, CorpusError, SettingError
from gmmaudio.findings import some_names

# of a name of a column that is a tag of the files
PREFIX = "tag:"
# files on a network answer one after another
N_THREADS = 8


def with_tags(corpus: Corpus, group_by: str | None, *, needs_all: bool = True, progress: Progress = quiet) -> Corpus:
    """Return a corpus whose clips have the tag that they are grouped by as a column of that name.

    A file that cannot be read has a value of its own: it fails later, where its sound is read. Where all clips have
    such a column, it is taken.

    Parameters
    ----------
    corpus : Corpus
        Labelled clips.
    group_by : str or None
        ``tag:artist`` or ``tag:album``; for another source of groups the corpus is returned as it is.
    needs_all : bool
        Whether files without the tag are refused; otherwise their clips have no such column.
    progress : Progress
        Shows progress.

    Raises
    ------
    CorpusError
        If all are needed, and some files have no such tag.
    SettingError
        If there is no such tag.

    Examples
    --------
    >>> from gmmaudio.pipeline.arguments import read_corpus
    >>> with_tags(read_corpus("my_music"), "tag:artist")
    Traceback (most recent call last):
    gmmaudio.errors.CorpusError: 12 of 12 files have no tag 'artist' ('jazz/album0/01.wav', 'jazz/album0/02.wav', \
'jazz/album1/01.wav' and 9 more); fill it, or name another source of groups (`group_by`)
    """
    if group_by is None or not group_by.startswith(PREFIX):
        return corpus
    name = group_by.removeprefix(PREFIX)
    if name not in TAGS:
        raise SettingError(f"`group_by` is {group_by!r}; expected one of {', '.join(PREFIX + tag for tag in TAGS)}")
    if all(clip.column(group_by) for clip in corpus.clips):
        return corpus
    paths = list(dict.fromkeys(clip.path for clip in corpus.clips))

    def value(path: str) -> str | None:
        try:
            return read_tags(Path(corpus.root, path)).get(name)
        except AudioError:
            return f"file {path}"

    values = dict(zip(paths, progress(thread_map(value, paths, N_THREADS), len(paths), "reading tags"), strict=True))
    missing = [path for path in paths if values[path] is None]
    if missing and needs_all:
        raise CorpusError(
            f"{len(missing)} of {len(paths)} files have no tag {name!r} ({some_names(missing)}); fill it, or name "
            "another source of groups (`group_by`)"
        )
    return replace(
        corpus,
        clips=tuple(
            clip if (tag := values[clip.path]) is None else replace(clip, extra={**clip.extra, group_by: tag})
            for clip in corpus.clips
        ),
    )
