"""Names of labels, groups, sources, splits and files, compared as a reader would compare them.

One name can be written with several sequences of code points: macOS writes an accented letter as two of them, most
other systems as one. Names are therefore compared in Unicode's normal form NFC, and shown as they are spelt where they
first occur.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar

Name = TypeVar("Name", str, str | None)

# Unicode's default-ignorable characters that are not of the category Cf: fillers and variation selectors
IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
DASHES = re.compile("[\u2010-\u2015\u2043\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d]")
QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bc\u2032\u0060\u00b4", "'") | dict.fromkeys("\u201c\u201d\u201f\u2033", '"')
)
# categories of punctuation and signs, of which many look alike
SIGNS = ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sk", "Sm")
# 1, 01 and 1.0: what a spreadsheet or a table of floats makes of a whole number
WHOLE_NUMBER = re.compile(r"([+-]?)0*([0-9]+)(?:\.0*)?")
# what parts of a corpus are called, and the words that may follow
SPLIT_WORDS = (
    "train|training|trn|test|testing|tst|dev|devel|development|val|valid|validate|validation|eval|evaluate|evaluation|"
    "holdout|heldout"
)
SPLIT_NAME = re.compile(
    rf"(?:[0-9]+ )?(?:(?:{SPLIT_WORDS}|hold out|held out|(?:cv )?fold|split)(?: ?(?:set|data|split|clean|other))*"
    r"(?: ?[0-9]+| [a-z])?|cv ?[0-9]+)",
    re.ASCII,
)

# the folders that Hugging Face's datasets takes for splits -> the split
SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
}

# what pandas calls an index without a name in a parquet file
INDEX_NAME = re.compile("__index_level_[0-9]+__")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the question whether another name was meant, with a space before it; nothing where none is near.

    Parameters
    ----------
    name : str
        A name that nothing has.
    known : iterable of str
        The names that there are.

    References
    ----------
    J. W. Ratcliff and D. Metzener, "Pattern matching: the gestalt approach", Dr. Dobb's Journal 13 (1988), as
    :func:`difflib.get_close_matches` has it.

    Examples
    --------
    >>> did_you_mean("clasify", ["train", "classify"]), did_you_mean("Jazz", ["jazz"]), did_you_mean("x", ["train"])
    (" Did you mean 'classify'?", " Did you mean 'jazz'?", '')
    """
    from difflib import get_close_matches

    shapes = {normal(each).casefold(): each for each in known}
    found = get_close_matches(normal(name).casefold(), shapes, n=1)
    return f" Did you mean {quoted(shapes[found[0]])}?" if found else ""


def is_index_name(name: str) -> bool:
    """Return whether a column of a table is the index of a data frame, which counts rows.

    Parameters
    ----------
    name : str
        Name of the column.

    Examples
    --------
    >>> is_index_name("__index_level_0__"), is_index_name("index")
    (True, False)
    """
    return INDEX_NAME.fullmatch(name) is not None


def normal(name: str) -> str:
    r"""Return a name in the normal form NFC, by which names are compared.

    Parameters
    ----------
    name : str
        Any name.

    Examples
    --------
    >>> normal("Beyonce\u0301") == "Beyonc\u00e9"
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def respell(names: Iterable[Name], known: Iterable[str] = ()) -> list[Name]:
    r"""Return names in one spelling each: that of the known name with the same NFC form, or the first that occurs.

    A name that is among the known ones exactly stays as it is.

    Parameters
    ----------
    names : iterable of str or None
        Names; None stays None.
    known : iterable of str
        Names whose spelling goes before.

    Returns
    -------
    list of str or None
        One for each name.

    Examples
    --------
    >>> composed, decomposed = "Zo\u00e9", "Zoe\u0301"
    >>> respell([composed, None, decomposed]) == [composed, None, composed]
    True
    >>> respell([composed, "Bob"], known=[decomposed]) == [decomposed, "Bob"]
    True
    """
    exact = tuple(known)
    kept, first = frozenset(exact), dict[str, str]()
    for name in exact:
        first.setdefault(normal(name), name)
    return [name if name is None or name in kept else first.setdefault(normal(name), name) for name in names]


def skeleton(name: str) -> str:
    r"""Return the form of a name without case, invisible characters, the kind of its dashes and spaces at its ends.

    Names with one skeleton look alike, and are often meant to be one.

    Parameters
    ----------
    name : str
        Any name.

    References
    ----------
    The Unicode Standard, sections 3.13 (caseless matching) and 5.21 (ignorable characters).

    Examples
    --------
    >>> skeleton("Hip\u2011\u200bHop "), skeleton("01"), skeleton("1.0")
    ('hip-hop', '1', '1')
    """
    if not name.isascii():
        # NBSP becomes a space, and full-width letters plain ones
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.translate(QUOTES)).casefold())
        name = DASHES.sub("-", IGNORABLE.sub("", name)).translate(QUOTES)
    seen = (c for c in name.casefold() if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    plain = " ".join("".join(seen).split())
    number = WHOLE_NUMBER.fullmatch(plain)
    return plain if number is None else f"{number[1].strip('+')}{number[2]}"


def similar_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    r"""Return the sets of different names that look alike, each sorted.

    Parameters
    ----------
    names : iterable of str
        Names, each once or several times.

    Examples
    --------
    >>> similar_names(["Jazz", "rock", "jazz", "rock"])
    [('Jazz', 'jazz')]
    """
    alike: dict[str, set[str]] = defaultdict(set)
    for name in respell(sorted(set(names))):
        alike[skeleton(name)].add(name)
    return [tuple(sorted(members)) for members in alike.values() if len(members) > 1]


def difference(names: Iterable[str]) -> str:
    r"""Return the description of the difference between names that look alike.

    Parameters
    ----------
    names : iterable of str
        Names of one set of :func:`similar_names`, or of several.

    Examples
    --------
    >>> difference(["Jazz", "jazz"]), difference(["a\u200bb", "ab"]), difference(["1", "1.0"])
    ('case or spaces', 'characters that look alike or are invisible', 'how a number is written')
    """
    by_skeleton: dict[str, set[str]] = defaultdict(set)
    for name in names:
        by_skeleton[skeleton(name)].add(" ".join(name.casefold().split()))
    if all(len(members) == 1 for members in by_skeleton.values()):
        return "case or spaces"
    if all(WHOLE_NUMBER.fullmatch(name) for members in by_skeleton.values() for name in members):
        return "how a number is written"
    return "characters that look alike or are invisible"


def printable(text: str) -> str:
    r"""Return text with control, bidirectional and other invisible characters, and lone surrogates, as escapes.

    Parameters
    ----------
    text : str
        Any text.

    Examples
    --------
    >>> print(printable("a\tb\u202ec"))
    a\tb\u202ec
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def named(name: str | None) -> str:
    """Return a name as it is shown: printable, a dash for None, in quotes where it is blank.

    Parameters
    ----------
    name : str or None
        Any name.

    Examples
    --------
    >>> named("jazz"), named(None), named("")
    ('jazz', '–', '""')
    """
    if name is None:
        return "–"
    return printable(name) if name.strip() else f'"{printable(name)}"'


def quoted(name: str) -> str:
    r"""Return a name in quotes, with escapes for dashes, quotes and other signs that are not those of a keyboard.

    Parameters
    ----------
    name : str
        Any name.

    Examples
    --------
    >>> print(quoted("Hip\u2011Hop"), quoted("Beyonc\u00e9"))
    'Hip\u2011Hop' 'Beyoncé'
    """
    signs = (_escape(c) if unicodedata.category(c) in SIGNS and not c.isascii() else c for c in repr(name))
    return IGNORABLE.sub(lambda match: _escape(match.group()), "".join(signs))


def _escape(characters: str) -> str:
    """Return characters as escapes of Python."""
    return characters.encode("unicode_escape").decode("ascii")


def split_names(names: Iterable[str]) -> list[str]:
    """Return the names that parts of a corpus usually have, such as train, test or fold 1, sorted.

    ``audio_train`` is one beside ``audio_test``, and by itself is not.

    Parameters
    ----------
    names : iterable of str
        Names of folders or labels.

    Examples
    --------
    >>> split_names(["Train", "test_set", "train-clean-100", "fold3", "trance", "test tones", "steam train"])
    ['Train', 'fold3', 'test_set', 'train-clean-100']
    >>> split_names(["audio_train", "audio_test", "steam train"])
    ['audio_test', 'audio_train']
    """
    words_of = {name: re.split(r"[\W_]+", skeleton(name)) for name in names}
    found = {name for name, words in words_of.items() if SPLIT_NAME.fullmatch(" ".join(words).strip())}
    siblings: dict[tuple[int, tuple[str, ...]], dict[str, str]] = defaultdict(dict)
    for name in words_of.keys() - found:
        words = words_of[name]
        for end, rest in ((0, words[1:]), (-1, words[:-1])):
            if re.fullmatch(SPLIT_WORDS, words[end]):
                siblings[end, tuple(rest)][name] = words[end]
    found.update(*(members for members in siblings.values() if len(set(members.values())) > 1))
    return sorted(found)


def split_of_folder(name: str) -> str | None:
    """Return the split that a folder is called by; None where it is none that Hugging Face's ``datasets`` knows.

    Parameters
    ----------
    name : str
        Name of the folder.

    Examples
    --------
    >>> split_of_folder("Training"), split_of_folder("dev"), split_of_folder("jazz")
    ('train', 'validation', None)
    """
    return SPLIT_FOLDERS.get(name.lower())


def file_text(name: str) -> str:
    """Return the text of a file's name, which Python may have decoded by an old locale; UTF-8 is what systems write.

    Parameters
    ----------
    name : str
        Name or path as the system gave it.

    Examples
    --------
    >>> file_text("music/01.wav")
    'music/01.wav'
    """
    if name.isascii() or _encodes_utf8():
        return name
    try:
        return os.fsencode(name).decode("utf-8")
    except UnicodeError:
        return name


def spellings(name: str) -> Iterator[str]:
    r"""Yield the ways in which a file system may hold a name: as it is, in NFC, in NFD.

    A name that is no text is also read in the encodings of old playlists, Windows-1252 and Latin-1. Where Python
    encodes names by an old locale, each comes in UTF-8 too.

    Parameters
    ----------
    name : str
        Name of a file or folder, without its path.

    Yields
    ------
    str
        A spelling; some may be equal.

    Examples
    --------
    >>> [len(spelling) for spelling in spellings("Zo\u00e9")]
    [3, 3, 4]
    """
    names = [name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)]
    if any("\udc80" <= c <= "\udcff" for c in name):
        data = name.encode("utf-8", "surrogateescape")
        for read in (data.decode("cp1252", "replace"), data.decode("latin-1")):
            names += [read, unicodedata.normalize("NFD", read)]
    for each in names:
        yield each
        if not _encodes_utf8():
            yield os.fsdecode(each.encode("utf-8", "surrogateescape"))


def _encodes_utf8() -> bool:
    """Return whether Python encodes the names of files as UTF-8, as it does but in old locales."""
    return sys.getfilesystemencoding() == "utf-8"
