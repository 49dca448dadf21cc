"""One field of the tags of music files: read, written, and nothing else changed, in every container."""

import struct

import numpy as np
import pytest
import soundfile

from gmmaudio.audio.sample_digest import hash_samples
from gmmaudio.errors import MusicFileError, SettingError
from gmmaudio.music_tags import check_field, read_field, write_field
from gmmaudio.riff_info import read_info_text, replace_info_text

mutagen = pytest.importorskip("mutagen", reason="needs the tags extra")
id3 = pytest.importorskip("mutagen.id3")

SR = 48_000
RIFF_INFO = {"genre": b"IGNR", "title": b"INAM"}


@pytest.fixture(scope="module")
def sound():
    """Half a second of a tone in noise, two channels."""
    tone = 0.3 * np.sin(2 * np.pi * 330 * np.arange(SR // 2) / SR)
    return (tone[:, None] * [1, 0.5] + 0.02 * np.random.default_rng(0).normal(size=(SR // 2, 2))).astype(np.float32)


@pytest.fixture(scope="module")
def m4a(sound, tmp_path_factory):
    """The same in AAC, in an MP4 file."""
    av = pytest.importorskip("av", reason="needs the media extra")
    path = tmp_path_factory.mktemp("m4a") / "a.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=SR)
        stream.layout = "stereo"
        for start in range(0, len(sound), 1024):
            part = np.ascontiguousarray(sound[start : start + 1024].T)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = SR, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def make(sound, m4a, tmp_path):
    """A function that makes a file of a suffix."""
    kinds = {"opus": {"format": "OGG", "subtype": "OPUS"}, "ogg": {"format": "OGG", "subtype": "VORBIS"}}

    def made(suffix, name="a"):
        path = tmp_path / f"{name}.{suffix}"
        if suffix == "m4a":
            path.write_bytes(m4a.read_bytes())
        else:
            soundfile.write(path, sound, SR, **kinds.get(suffix, {}))
        return path

    return made


def with_id3(path, version, **frames):
    """Write an ID3 tag of a version."""
    tags = id3.ID3()
    for name, text in frames.items():
        tags.add(getattr(id3, name)(encoding=1, text=text))
    tags.save(path, v2_version=version, v1=0, v23_sep=None)


def with_v1(path, genre, title=b"A title"):
    """Append an ID3v1 tag."""
    tag = b"TAG" + title.ljust(30, b"\0") + b"Someone".ljust(30, b"\0") + bytes(30) + b"1999" + bytes(30)
    path.write_bytes(path.read_bytes() + tag + bytes([genre]))


def with_ape(path, **fields):
    """Append an APEv2 tag."""
    from mutagen.apev2 import APEv2

    tags = APEv2()
    for name, value in fields.items():
        tags[name] = value
    tags.save(path)


def with_info(path, **texts):
    """Put an INFO list before the samples of a WAV file."""
    body = b"INFO"
    for name, text in texts.items():
        data = text.encode() + b"\0"
        body += RIFF_INFO[name] + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    whole = path.read_bytes()
    chunk = b"LIST" + struct.pack("<I", len(body)) + body
    size = struct.pack("<I", len(whole) - 8 + len(chunk))
    path.write_bytes(whole[:4] + size + whole[8:12] + chunk + whole[12:])


def id3_version(path):
    """Return the version of the ID3 tag at the head of a file."""
    head = path.read_bytes()[:10]
    return head[3] if head[:3] == b"ID3" else None


# --- every container ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "flac", "ogg", "opus", "wav", "aiff"])
@pytest.mark.parametrize(("field", "value"), [("genre", "Jäzz & Söul"), ("language", "deu"), ("my_field", "x / y")])
def test_a_field_is_written_and_read_and_the_samples_stay(make, suffix, field, value):
    path = make(suffix)
    before = hash_samples(path)
    assert read_field(path, field) == ()
    write_field(path, field, "old") if field != "language" else write_field(path, field, "eng")
    write_field(path, field, value)
    assert read_field(path, field) == (value,)
    assert hash_samples(path) == before


# names by which other programs know the fields: Picard's table of tags
@pytest.mark.parametrize(
    ("suffix", "field", "name"),
    [
        ("mp3", "genre", "TCON"),
        ("mp3", "language", "TLAN"),
        ("mp3", "mood", "TXXX:MOOD"),
        ("aiff", "genre", "TCON"),
        ("wav", "language", "TLAN"),
        ("m4a", "genre", "\xa9gen"),
        ("m4a", "language", "----:com.apple.iTunes:LANGUAGE"),
        ("flac", "genre", "genre"),
        ("ogg", "language", "language"),
        ("opus", "mood", "mood"),
    ],
)
def test_other_programs_find_the_field(make, suffix, field, name):
    path = make(suffix)
    write_field(path, field, "deu")
    assert list(mutagen.File(path).tags.keys()).count(name) == 1


@pytest.mark.parametrize("suffix", ["mp3", "m4a", "flac", "ogg", "opus"])
def test_all_other_fields_stay_as_they_are(make, suffix):
    path = make(suffix)
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    file["title"], file["artist"], file["genre"] = ["A title"], ["Ann", "Bob"], ["Rock", "Pop"]
    file.save()
    before = dict(mutagen.File(path, easy=True).tags)
    assert read_field(path, "genre") == ("Rock", "Pop")
    write_field(path, "genre", "jazz")
    assert dict(mutagen.File(path, easy=True).tags) == before | {"genre": ["jazz"]}


def test_a_format_without_tags_is_refused(tmp_path, sound):
    path = tmp_path / "a.au"
    soundfile.write(path, sound, SR)
    with pytest.raises(MusicFileError, match="is of a format without tags that can be written") as caught:
        read_field(path, "genre")
    assert caught.value.code == "no_tags"


@pytest.mark.parametrize("content", [b"", b"fLaC" + bytes(9), b"ID3\x04\x00\x00\x00\x00\x7f\x7f" + b"\xff" * 50])
def test_damaged_tags_are_an_error_with_a_code(tmp_path, content):
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(MusicFileError) as caught:
        read_field(path, "genre")
    assert caught.value.code in ("tags_unreadable", "no_tags")


def test_a_copy_without_a_suffix_is_written_as_the_file_that_it_is_of(make, tmp_path):
    path = make("aiff")
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    write_field(copy, "genre", "jazz", like=path)
    assert mutagen.aiff.AIFF(copy).tags["TCON"].text == ["jazz"]


# --- ID3 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "dates"), [(3, {"TYER": "1999", "TDAT": "0105"}), (4, {"TDRC": "1999-05-01"})])
def test_an_id3_tag_keeps_its_version_and_its_other_frames(make, version, dates):
    path = make("mp3")
    with_id3(path, version, TIT2="Früh", TPE1=["Ann", "Bob"], TCON="Rock", TXXX="kept", **dates)
    write_field(path, "genre", "Jäzz")
    assert id3_version(path) == version
    tags = id3.ID3(path, translate=False)
    assert {name: list(map(str, frame.text)) for name, frame in tags.items()} == {
        "TIT2": ["Früh"],
        "TPE1": ["Ann", "Bob"],
        "TCON": ["Jäzz"],
        "TXXX:": ["kept"],
        **{name: [text] for name, text in dates.items()},
    }


def test_a_new_id3_tag_is_of_version_2_3(make):
    path = make("mp3")
    assert id3_version(path) is None
    write_field(path, "genre", "jazz")
    assert id3_version(path) == 3


def test_a_tag_of_version_2_2_becomes_2_3(make):
    path = make("mp3")
    frames = b"TT2\x00\x00\x06\x00Title" + b"TCO\x00\x00\x05\x00(17)"
    path.write_bytes(b"ID3\x02\x00\x00\x00\x00\x00" + bytes([len(frames)]) + frames + path.read_bytes())
    assert read_field(path, "genre") == ("Rock",)
    write_field(path, "genre", "jazz")
    assert (id3_version(path), read_field(path, "genre"), str(id3.ID3(path)["TIT2"])) == (3, ("jazz",), "Title")


@pytest.mark.parametrize(("written", "names"), [("(17)", ("Rock",)), ("17", ("Rock",)), ("(4)(17)", ("Disco", "Rock"))])
def test_numbers_of_genres_are_read_as_their_names(make, written, names):
    path = make("mp3")
    with_id3(path, 3, TCON=written)
    assert read_field(path, "genre") == names


@pytest.mark.parametrize("value", ["17", "(4)"])
def test_a_genre_that_would_be_read_as_a_number_is_refused(make, value):
    path = make("mp3")
    with pytest.raises(MusicFileError, match="its tags cannot hold") as caught:
        write_field(path, "genre", value)
    assert caught.value.code == "no_such_value"


def test_a_language_in_id3_is_a_code_of_three_letters(make):
    with pytest.raises(MusicFileError, match="codes of three letters") as caught:
        write_field(make("mp3"), "language", "german")
    assert caught.value.code == "no_such_value"
    path = make("ogg")
    write_field(path, "language", "german")
    assert read_field(path, "language") == ("german",)


@pytest.mark.parametrize(("value", "number"), [("Jazz", 8), ("shoegaze revival", 255)])
def test_of_an_id3v1_tag_only_the_number_of_the_genre_changes(make, value, number):
    path = make("mp3")
    with_id3(path, 4, TIT2="A longer title", TCON="Rock")
    with_v1(path, 17)
    before = path.read_bytes()[-128:]
    write_field(path, "genre", value)
    assert path.read_bytes()[-128:] == before[:-1] + bytes([number])


def test_a_language_leaves_the_genre_of_an_id3v1_tag(make):
    path = make("mp3")
    with_v1(path, 17)
    before = path.read_bytes()[-128:]
    write_field(path, "language", "deu")
    assert path.read_bytes()[-128:] == before


def test_the_texts_of_an_id3v1_tag_alone_are_copied_into_the_new_tag(make):
    path = make("mp3")
    with_v1(path, 17)
    assert read_field(path, "genre") == ("Rock",)
    write_field(path, "genre", "jazz")
    tags = id3.ID3(path, load_v1=False)
    assert (str(tags["TIT2"]), str(tags["TPE1"]), str(tags["TCON"])) == ("A title", "Someone", "jazz")


def test_an_id3v1_tag_adds_nothing_to_a_tag_of_version_2(make):
    path = make("mp3")
    with_id3(path, 3, TIT2="A longer title")
    with_v1(path, 255)
    write_field(path, "genre", "jazz")
    assert set(id3.ID3(path, load_v1=False)) == {"TIT2", "TCON"}


# --- two places in one file --------------------------------------------------------------------------------------


def test_an_ape_tag_behind_an_mp3_is_read_and_changed_where_it_has_the_field(make):
    from mutagen.apev2 import APEv2

    path = make("mp3")
    with_ape(path, Genre="Rock", Title="A title")
    before = hash_samples(path)
    assert read_field(path, "genre") == ("Rock",)
    write_field(path, "genre", "jazz")
    assert {name: str(value) for name, value in APEv2(path).items()} == {"Genre": "jazz", "Title": "A title"}
    assert (str(id3.ID3(path)["TCON"]), hash_samples(path)) == ("jazz", before)
    write_field(path, "language", "deu")
    assert "Language" not in APEv2(path)


def test_the_info_list_of_a_wav_file_is_read_and_changed_where_it_has_the_field(make):
    path = make("wav")
    with_info(path, title="A title", genre="Rock")
    before = hash_samples(path)
    assert read_field(path, "genre") == ("Rock",)
    write_field(path, "genre", "Jäzz")
    assert (read_info_text(path, b"IGNR"), read_info_text(path, b"INAM")) == ("Jäzz", "A title")
    assert str(mutagen.wave.WAVE(path).tags["TCON"]) == "Jäzz"
    assert hash_samples(path) == before
    assert struct.unpack("<I", path.read_bytes()[4:8])[0] == path.stat().st_size - 8


def test_a_wav_file_without_an_info_list_gets_none(make):
    path = make("wav")
    write_field(path, "genre", "jazz")
    assert read_info_text(path, b"IGNR") is None


@pytest.mark.parametrize("text", ["", "a", "ab", "a much longer text than before"])
def test_a_text_of_an_info_list_may_have_any_length(make, text):
    path = make("wav")
    with_info(path, genre="Rock", title="odd")
    before = path.read_bytes()
    replace_info_text(path, b"IGNR", text)
    assert (read_info_text(path, b"IGNR"), read_info_text(path, b"INAM")) == (text, "odd")
    assert struct.unpack("<I", path.read_bytes()[4:8])[0] == path.stat().st_size - 8
    replace_info_text(path, b"IGNR", "Rock")
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", [3, 9, 13, 20, 30])
def test_an_info_list_that_is_cut_off_is_none(make, cut):
    path = make("wav")
    with_info(path, genre="Rock")
    path.write_bytes(path.read_bytes()[:cut])
    assert read_info_text(path, b"IGNR") is None


# --- names of fields ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["title", "Artist", "track number", "comment", "a=b", "é", "a", "x" * 40, ""])
def test_a_field_that_is_no_label_is_refused(name):
    with pytest.raises(SettingError, match="`field` is"):
        check_field(name)


def test_a_full_disk_is_an_error_of_the_system(make, monkeypatch):
    path = make("flac")

    def full(*_args, **_options):
        raise mutagen.MutagenError(OSError(28, "No space left on device"))

    monkeypatch.setattr("mutagen.flac.FLAC.save", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_field(path, "genre", "jazz")
    assert not isinstance(caught.value, MusicFileError)
