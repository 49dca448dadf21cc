"""One field of the tags of a music file, such as its genre: read and written by mutagen, in whichever container.

Every container has its own name for a field, and some have several places for it. A field is read from the main place,
or from the first other one that has it. It is written to the main place and to the others that have it, so that no two
of them disagree. mutagen is licensed under the GPL, version 2 or later; it is imported where tags are read or written.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gmmaudio.errors import MusicFileError, SettingError
from gmmaudio.riff_info import read_info_text, replace_info_text

PathLike = str | os.PathLike[str]

GENRE, LANGUAGE = "genre", "language"
# fields that say something else than a label, by the names of tag editors
TAKEN = frozenset(
    """
    album albumartist arranger artist artists author barcode bpm catalognumber comment comments compilation
    composer conductor copyright cover coverart date description discnumber disctotal encodedby encoder grouping
    isrc key label lyricist lyrics media metadata_block_picture organization originaldate performer publisher
    remixer replaygain_album_gain replaygain_album_peak replaygain_track_gain replaygain_track_peak title track
    tracknumber tracktotal website work year
    """.split()  # noqa: SIM905 - a list of 60 words
)
FIELD_NAME = re.compile("[A-Za-z][A-Za-z0-9_ ]{1,30}[A-Za-z0-9]", re.ASCII)
# the code of a language in ID3, by ISO 639-2
LANGUAGE_CODE = re.compile("[A-Za-z]{3}", re.ASCII)
LONGEST_VALUE = 200

V1_BYTES, V1_GENRE_BYTE, V1_NO_GENRE = 128, 127, 255
V1_MARK = b"TAG"
INFO_NAMES = {GENRE: b"IGNR", LANGUAGE: b"ILNG"}
APE_NAMES = {GENRE: "Genre", LANGUAGE: "Language"}
ASF_NAMES = {GENRE: "WM/Genre", LANGUAGE: "WM/Language"}
MP4_GENRE, MP4_OTHER = "\xa9gen", "----:com.apple.iTunes:"

#: Reason codes of music files that cannot be tagged, sorted or restored.
FILE_REASONS: Mapping[str, str] = {
    "no_tags": "the container has no tags that can be written",
    "tags_unreadable": "the tags are damaged, or of a version that is not known",
    "no_such_value": "the container cannot hold the value",
    "read_only": "the file or its folder may not be written",
    "hard_linked": "the file has several names (hard links)",
    "other_owner": "the file belongs to another user, who would lose it",
    "samples_changed": "the decoded samples would not be the same",
    "changed": "the file changed since",
    "gone": "the file is not there any more",
    "taken": "there is another file in the place of the file",
    "is_link": "the file is a symbolic link, which would lead nowhere from another folder",
    "damaged": "the line of the undo journal is damaged",
}


@dataclass(frozen=True)
class Layout:
    """How the tags of one family of containers hold a field.

    Parameters
    ----------
    read : function
        Tags and a field -> its values.
    write : function
        Tags, a field and a value: the field then has that value alone.
    """

    read: Callable[[Any, str], list[str]]
    write: Callable[[Any, str, str], None]


def check_field(name: str) -> str:
    """Return the name of a field in lower case, if it may be written.

    Parameters
    ----------
    name : str
        ``genre``, ``language``, or a name of one's own.

    Raises
    ------
    SettingError
        If it is no name that every container can hold, or the name of a field that is no label.

    Examples
    --------
    >>> check_field("Genre"), check_field("gmm_genre")
    ('genre', 'gmm_genre')
    >>> check_field("title")
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `field` is 'title', which says something else than a label; expected genre, ...
    """
    if not FIELD_NAME.fullmatch(name):
        raise SettingError(
            f"`field` is {name!r}; expected genre, language or a name of 3 to 32 letters, digits, spaces and "
            "underscores"
        )
    if name.lower().replace(" ", "") in TAKEN:
        raise SettingError(
            f"`field` is {name!r}, which says something else than a label; expected genre, language or a name of "
            "your own"
        )
    return name.lower()


def require_mutagen() -> None:
    """Raise an error where mutagen is not installed.

    Raises
    ------
    SettingError
        Which names the command that installs it.

    Examples
    --------
    >>> require_mutagen()
    """
    try:
        import mutagen  # noqa: F401
    except ImportError as error:
        raise SettingError(
            'tags need mutagen (GPL-2.0-or-later), which is not installed; run: pip install "gmmaudio[tags]"'
        ) from error


def read_field(path: PathLike, field: str) -> tuple[str, ...]:
    """Return the values of a field of a music file, as they are written; none where it has no such field.

    Parameters
    ----------
    path : path-like
        A music file.
    field : str
        From :func:`check_field`.

    Raises
    ------
    MusicFileError
        If the file has no tags that can be written, or they cannot be read.

    Examples
    --------
    >>> read_field(os.devnull, "genre")
    Traceback (most recent call last):
    gmmaudio.errors.MusicFileError: is of a format without tags that can be written; leave it out, or convert it
    """
    require_mutagen()
    with _tag_errors():
        file = _open(path)
        values = [] if file.tags is None else _layout_of(file).read(file.tags, field)
        return tuple(filter(None, values or _values_elsewhere(path, file, field)))


def write_field(path: PathLike, field: str, value: str, *, like: PathLike | None = None) -> None:
    """Write one value to a field of a music file, in place; other fields stay as they are.

    ID3 tags keep their version; v2.2, which mutagen cannot write, becomes v2.3, and so does a new tag. Where an MP3
    file has an ID3v1 tag alone, its texts are copied into the new tag. Of an ID3v1 tag only the number of the genre
    changes.

    Parameters
    ----------
    path : path-like
        A file of which there is a copy: after an error it may be incomplete.
    field : str
        From :func:`check_field`.
    value : str
        The value, which replaces all others of the field.
    like : path-like or None
        The file that `path` is a copy of, whose name tells its format; None where it has that name itself.

    Raises
    ------
    MusicFileError
        If the file has no tags that can be written, or they cannot hold the value.

    Examples
    --------
    >>> write_field(os.devnull, "genre", "jazz")
    Traceback (most recent call last):
    gmmaudio.errors.MusicFileError: is of a format without tags that can be written; leave it out, or convert it
    """
    require_mutagen()
    with _tag_errors():
        kind = type(_open(path if like is None else like))
        file = _open(path, kind)
        v1 = _v1_of(path, file)
        _write_elsewhere(path, file, field, value)
        if file.tags is None:
            file.add_tags()
        _layout_of(file).write(file.tags, field, value)
        _save(path, file)
        if v1 is not None:
            _write_v1(path, v1, field, value)
        written = _layout_of(file).read(_open(path, kind).tags, field)
    if written != [value]:
        raise MusicFileError(
            "no_such_value", f"its tags cannot hold {value!r}; write the label in another way (`values`)"
        )


# --- containers --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _tag_errors() -> Iterator[None]:
    """Raise errors of mutagen in the block as a MusicFileError, and those of the system as they are."""
    try:
        yield
    except OSError:
        # those of the system, and those of this package
        raise
    except Exception as error:
        for cause in (*error.args, error.__cause__, error.__context__):
            if isinstance(cause, OSError) and cause.errno is not None:
                raise cause from error
        said = str(error) or type(error).__name__
        raise MusicFileError(
            "tags_unreadable", f"its tags cannot be read or written ({said}); repair them, or correct the suffix"
        ) from error


def _open(path: PathLike, kind: type[Any] | None = None) -> Any:
    """Return a music file as mutagen has it, its ID3 frames as they are in the file."""
    import mutagen
    from mutagen.id3 import ID3, ID3FileType

    file = mutagen.File(path) if kind is None else kind(path)
    if file is None or not _has_tags(file):
        raise MusicFileError("no_tags", "is of a format without tags that can be written; leave it out, or convert it")
    if isinstance(file.tags, ID3):
        version = file.tags.version
        options: dict[str, Any] = {"v2_version": 3, "load_v1": isinstance(file, ID3FileType) and version[0] == 1}
        return type(file)(path, translate=version < (2, 3), **options)
    return file


def _has_tags(file: Any) -> bool:
    """Return whether the format of a file has tags that can be written."""
    from mutagen.aac import AAC
    from mutagen.ac3 import AC3
    from mutagen.smf import SMF

    return not isinstance(file, AAC | AC3 | SMF)


def _layout_of(file: Any) -> Layout:
    """Return the layout of the tags of a file, which has some."""
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASF
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4

    if isinstance(file, MP4):
        return MP4_LAYOUT
    if isinstance(file, ASF):
        return ASF_LAYOUT
    if isinstance(file.tags, APEv2):
        return APE_LAYOUT
    if isinstance(file.tags, ID3):
        return ID3_LAYOUT
    return VORBIS_LAYOUT


def _save(path: PathLike, file: Any) -> None:
    """Write the tags of a file: ID3 in the version that it has."""
    from mutagen.id3 import ID3

    if isinstance(file.tags, ID3):
        # values of other fields stay apart as they are
        file.tags.save(path, v2_version=4 if _id3_version(file.tags) == 4 else 3, v23_sep=None)
    else:
        file.save(path)


def _id3_version(tags: Any) -> int:
    """Return the version that an ID3 tag is written in: 4, or 3 for all others and for a new one."""
    # a new tag says 2.4.0, and has no header
    return 4 if tags.version[:2] == (2, 4) and tags._header is not None else 3


# --- the main place ----------------------------------------------------------------------------------------------


def _read_id3(tags: Any, field: str) -> list[str]:
    if field == GENRE:
        return [value for frame in tags.getall("TCON") for value in frame.genres]
    if field == LANGUAGE:
        return [str(value) for frame in tags.getall("TLAN") for value in frame.text]
    return [str(value) for frame in _own_frames(tags, field) for value in frame.text]


def _own_frames(tags: Any, field: str) -> list[Any]:
    """Return the frames of a field that ID3 has no frame for."""
    return [frame for frame in tags.getall("TXXX") if frame.desc.lower() == field]


def _write_id3(tags: Any, field: str, value: str) -> None:
    from mutagen.id3 import TCON, TLAN, TXXX

    if field == LANGUAGE and not LANGUAGE_CODE.fullmatch(value):
        raise MusicFileError(
            "no_such_value",
            f"its ID3 tag has languages as codes of three letters (ISO 639-2), and {value!r} is none; name the code of "
            "the label, such as deu (`values`)",
        )
    # plain letters are the same in every encoding; v2.3 has no UTF-8
    encoding = 0 if value.isascii() else 3 if _id3_version(tags) == 4 else 1
    if field == GENRE:
        tags.setall("TCON", [TCON(encoding=encoding, text=[value])])
    elif field == LANGUAGE:
        tags.setall("TLAN", [TLAN(encoding=encoding, text=[value])])
    else:
        for frame in _own_frames(tags, field):
            del tags[frame.HashKey]
        tags.add(TXXX(encoding=encoding, desc=field.upper(), text=[value]))


def _read_vorbis(tags: Any, field: str) -> list[str]:
    return list(tags.get(field, []))


def _write_vorbis(tags: Any, field: str, value: str) -> None:
    tags[field.upper()] = [value]


def _mp4_names(tags: Any, field: str) -> list[str]:
    """Return the names under which an MP4 file has a field; genre and others are in different places."""
    if field == GENRE:
        return [MP4_GENRE] if MP4_GENRE in tags else []
    return [name for name in tags if name.lower() == f"{MP4_OTHER}{field}".lower()]


def _read_mp4(tags: Any, field: str) -> list[str]:
    values = [value for name in _mp4_names(tags, field) for value in tags[name]]
    return [value if isinstance(value, str) else bytes(value).decode("utf-8", "replace") for value in values]


def _write_mp4(tags: Any, field: str, value: str) -> None:
    from mutagen.mp4 import AtomDataType, MP4FreeForm

    for name in _mp4_names(tags, field):
        del tags[name]
    if field == GENRE:
        tags[MP4_GENRE] = [value]
    else:
        tags[MP4_OTHER + field.upper()] = [MP4FreeForm(value.encode("utf-8"), AtomDataType.UTF8)]


def _read_asf(tags: Any, field: str) -> list[str]:
    return [str(value) for value in tags.get(ASF_NAMES.get(field, field.upper()), [])]


def _write_asf(tags: Any, field: str, value: str) -> None:
    tags[ASF_NAMES.get(field, field.upper())] = [value]


def _read_ape(tags: Any, field: str) -> list[str]:
    name = APE_NAMES.get(field, field.upper())
    return str(tags[name]).split("\0") if name in tags else []


def _write_ape(tags: Any, field: str, value: str) -> None:
    tags[APE_NAMES.get(field, field.upper())] = value


ID3_LAYOUT = Layout(_read_id3, _write_id3)
VORBIS_LAYOUT = Layout(_read_vorbis, _write_vorbis)
MP4_LAYOUT = Layout(_read_mp4, _write_mp4)
ASF_LAYOUT = Layout(_read_asf, _write_asf)
APE_LAYOUT = Layout(_read_ape, _write_ape)


# --- other places ------------------------------------------------------------------------------------------------


def _values_elsewhere(path: PathLike, file: Any, field: str) -> list[str]:
    """Return the values in the first other place of a file that has some."""
    ape, info = _second_ape(path, file), _info_text(path, file, field)
    if ape is not None and _read_ape(ape, field):
        return _read_ape(ape, field)
    if info is not None:
        return [info]
    genre = _v1_genre(_v1_of(path, file)) if field == GENRE else None
    return [] if genre is None else [genre]


def _write_elsewhere(path: PathLike, file: Any, field: str, value: str) -> None:
    """Write the value to the other places of a file that have one."""
    ape = _second_ape(path, file)
    if ape is not None and _read_ape(ape, field):
        _write_ape(ape, field, value)
        ape.save(path)
    if _info_text(path, file, field) is not None:
        try:
            replace_info_text(path, INFO_NAMES[field], value)
        except ValueError as error:
            raise MusicFileError("no_such_value", f"its INFO list cannot be written ({error}); leave it out") from error


def _second_ape(path: PathLike, file: Any) -> Any:
    """Return the APEv2 tag of a file whose main tag is ID3; None where there is none."""
    from mutagen.apev2 import APENoHeaderError, APEv2
    from mutagen.id3 import ID3FileType

    if not isinstance(file, ID3FileType):
        return None
    try:
        return APEv2(path)
    except APENoHeaderError:
        return None


def _info_text(path: PathLike, file: Any, field: str) -> str | None:
    """Return the text of a field in the INFO list of a WAV file; None where there is none."""
    from mutagen.wave import WAVE

    return read_info_text(path, INFO_NAMES[field]) if isinstance(file, WAVE) and field in INFO_NAMES else None


def _v1_of(path: PathLike, file: Any) -> bytes | None:
    """Return the ID3v1 tag of a file whose main tag is ID3; None where there is none."""
    from mutagen.id3 import ID3FileType

    if not isinstance(file, ID3FileType):
        return None
    with open(path, "rb") as handle:  # noqa: PTH123 - any path-like
        handle.seek(max(0, handle.seek(0, os.SEEK_END) - V1_BYTES))
        tag = handle.read(V1_BYTES)
    return tag if len(tag) == V1_BYTES and tag.startswith(V1_MARK) else None


def _v1_genre(tag: bytes | None) -> str | None:
    """Return the name of the genre in an ID3v1 tag; None where it has none."""
    from mutagen.id3 import TCON

    number = V1_NO_GENRE if tag is None else tag[V1_GENRE_BYTE]
    return TCON.GENRES[number] if number < len(TCON.GENRES) else None


def _write_v1(path: PathLike, tag: bytes, field: str, value: str) -> None:
    """Put back the ID3v1 tag that mutagen made anew, with the number of the genre where there is one for it."""
    from mutagen.id3 import TCON

    number = tag[V1_GENRE_BYTE]
    if field == GENRE:
        numbers = {name.lower(): i for i, name in enumerate(TCON.GENRES)}
        number = numbers.get(value.lower(), V1_NO_GENRE)
    with open(path, "r+b") as handle:  # noqa: PTH123
        handle.seek(-V1_BYTES, os.SEEK_END)
        if handle.read(len(V1_MARK)) != V1_MARK:
            raise MusicFileError("tags_unreadable", "its ID3v1 tag is not where it belongs; repair the tags first")
        handle.seek(-V1_BYTES, os.SEEK_END)
        handle.write(tag[:V1_GENRE_BYTE] + bytes([number]))
