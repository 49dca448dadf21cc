"""Media files that are joined, cut or without a length: all of the sound, or a reason."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest

from gmmaudio.audio import read_audio, read_info
from gmmaudio.audio.containers import boxes, ebml
from gmmaudio.audio.layout import FINDERS, find_recordings
from gmmaudio.audio.splice import Span, SplicedFile
from tests.audio.conftest import SR, chirp, content_of, encode, encode_media, keep, refusal

# name -> codec, container, options; those of a lossless codec are compared exactly
MEDIA = {
    "m4a": ("aac", "ipod", {}),
    "fragmented": ("aac", "mp4", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}),
    "dash": ("aac", "mp4", {"movflags": "dash", "frag_duration": "200000"}),
    "mov": ("pcm_s16le", "mov", {}),
    "mkv": ("flac", "matroska", {}),
    "live_mkv": ("flac", "matroska", {"live": "1"}),
    "webm": ("libopus", "webm", {}),
    "avi": ("pcm_s16le", "avi", {}),
    "asf": ("pcm_s16le", "asf", {}),
    "flv": ("pcm_s16le", "flv", {}),
    "wavpack": ("wavpack", "wv", {}),
    "tta": ("tta", "tta", {}),
    "adts": ("aac", "adts", {}),
}
# FFmpeg encodes WavPack and True Audio with 8 bits by default
LOSSLESS = {"mov", "mkv", "live_mkv", "avi", "asf", "flv"}
RATE = {"flv": 44_100, "webm": 48_000}


def media(tmp_path, name, seconds=2.0, seed=0):
    """Return the bytes of a chirp in one of MEDIA."""
    codec, container, options = MEDIA[name]
    rate = RATE.get(name, SR)
    return encode_media(tmp_path / "made", pcm_of(seconds, rate, seed), codec, container, rate, **options).read_bytes()


def pcm_of(seconds, rate, seed=0):
    return chirp(seconds * rate / SR, 1, seed)


def sound_of(path, rate=SR, **kwargs):
    notes = []
    return read_audio(path, rate, on_note=notes.append, **kwargs), [note.code for note in notes]


# --- joined files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEDIA)
def test_joined_media_files_are_read_whole(tmp_path, name):
    rate = RATE.get(name, SR)
    pieces = [media(tmp_path, name, seconds, seed) for seconds, seed in ((2.0, 0), (1.0, 1), (1.5, 2))]
    separate = [sound_of(keep(tmp_path / "clip", piece), rate)[0] for piece in pieces]
    path = keep(tmp_path / "clip", b"".join(pieces))
    samples, codes = sound_of(path, rate)
    if name == "adts":  # frames have no beginning of a file: one decoder reads all
        assert len(samples) == sum(map(len, separate))
        return
    assert np.array_equal(samples, np.concatenate(separate))
    assert codes == ["joined"]
    if name in LOSSLESS:
        expected = np.concatenate([pcm_of(s, rate, seed) for s, seed in ((2.0, 0), (1.0, 1), (1.5, 2))])
        assert np.array_equal(samples, expected / np.float32(32768))
    start, end = round(1.7 * rate), round(3.2 * rate)
    assert np.array_equal(read_audio(path, rate, start_s=1.7, end_s=3.2), samples[start:end])


@pytest.mark.parametrize("name", [name for name in MEDIA if name not in RATE])
def test_joined_media_files_of_different_rates_are_refused(tmp_path, name):
    codec, container, options = MEDIA[name]
    second = encode_media(tmp_path / "other", chirp(1.0), codec, container, 32_000, **options).read_bytes()
    assert refusal(keep(tmp_path / "clip", media(tmp_path, name) + second))[0] == "mixed_rates"


def test_files_of_different_containers_may_be_joined(tmp_path):
    names = ["mkv", "avi", "mov", "asf"]
    content = b"".join(media(tmp_path, name, 1.0, seed) for seed, name in enumerate(names))
    content = encode(chirp(0.5)) + content + encode(chirp(0.5)) + content_of("flac")
    expected = [chirp(0.5), *(chirp(1.0, 1, seed) for seed in range(4)), chirp(0.5), chirp(1.0)]
    samples, codes = sound_of(keep(tmp_path / "clip", content))
    assert np.array_equal(samples, np.concatenate(expected) / np.float32(32768))
    assert codes == ["joined"]


# --- cut files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.95, 0.5])
@pytest.mark.parametrize("name", ["mkv", "webm", "avi", "asf", "tta", "wavpack"])
def test_a_cut_media_file_with_a_length_is_truncated(tmp_path, name, kept):
    content = media(tmp_path, name, 3.0)
    path = keep(tmp_path / "clip", content[: round(kept * len(content))])
    code, message = refusal(path, RATE.get(name, SR))
    assert code == "truncated"
    assert message.endswith("left of a longer file; copy or export the file again")
    if name not in ("wavpack", "tta"):  # their blocks are long
        # what is there can be used by a segment
        assert len(read_audio(path, SR, start_s=0.2, end_s=0.9)) == round(0.7 * SR)


def test_a_segment_of_declared_size_that_is_cut_is_truncated_without_a_duration(tmp_path):
    content = bytearray(media(tmp_path, "mkv", 3.0))
    duration = content.find(b"\x44\x89\x88")
    content[duration : duration + 11] = b"\xec\x89" + bytes(9)
    assert read_info(keep(tmp_path / "clip", bytes(content))).duration_s is None
    assert refusal(keep(tmp_path / "clip", bytes(content[:-3_000])))[0] == "truncated"


@pytest.mark.parametrize("kept", [0.95, 0.5])
@pytest.mark.parametrize("name", ["live_mkv", "adts", "fragmented", "dash"])
def test_a_cut_media_file_without_a_length_is_cut_off(tmp_path, name, kept):
    content = media(tmp_path, name, 3.0)
    samples, codes = sound_of(keep(tmp_path / "clip", content[: round(kept * len(content))]))
    assert codes == ["cut_off"]
    assert 0.4 * kept < len(samples) / SR / 3.0 < 1.6 * kept


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.02])
def test_an_mp4_without_its_index_is_damaged(tmp_path, kept):
    content = media(tmp_path, "m4a")
    code, message = refusal(keep(tmp_path / "clip", content[: round(kept * len(content))]))
    assert (code, "no whole moov box" in message) == ("damaged", True)


def test_the_index_of_an_avi_may_be_cut(tmp_path):
    content = media(tmp_path, "avi")
    assert content.rfind(b"idx1") > len(content) - 2_000
    samples, codes = sound_of(keep(tmp_path / "clip", content[: content.rfind(b"idx1") + 20]))
    assert np.array_equal(samples, chirp(2.0) / np.float32(32768))
    assert codes == []


# --- lengths that are no lengths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_an_avi_of_undeclared_length_is_read(tmp_path, value):
    content = bytearray(media(tmp_path, "avi", 2.0))
    struct.pack_into("<I", content, 4, value)
    struct.pack_into("<I", content, content.find(b"movi") - 4, value)
    path = keep(tmp_path / "clip", bytes(content[: content.rfind(b"idx1")]))
    assert read_info(path).duration_s is None
    samples, _ = sound_of(path)
    assert np.array_equal(samples, chirp(2.0) / np.float32(32768))
    both = bytes(content) + bytes(content)
    samples, codes = sound_of(keep(tmp_path / "clip", both))
    assert np.array_equal(samples, np.tile(chirp(2.0), 2) / np.float32(32768))
    assert codes == ["joined"]


def test_a_broadcast_asf_has_no_length(tmp_path):
    content = bytearray(media(tmp_path, "asf"))
    properties = content.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    content[properties + 88] |= 1
    path = keep(tmp_path / "clip", bytes(content))
    assert read_info(path).duration_s is None
    assert np.array_equal(sound_of(path)[0], chirp(2.0) / np.float32(32768))
    assert np.array_equal(sound_of(keep(path, bytes(content) * 2))[0], np.tile(chirp(2.0), 2) / np.float32(32768))


# --- frames of speech -----------------------------------------------------------------------------------------------


def amr(n_frames, seed=0, magic=b"#!AMR\n", mode=7, size=31):
    """Return an AMR file of random frames; each is 20 ms long."""
    rng = np.random.default_rng(seed)
    return magic + b"".join(bytes([mode << 3 | 4]) + rng.bytes(size) for _ in range(n_frames))


@pytest.mark.parametrize(
    ("rate", "kind"), [(8_000, {}), (16_000, {"magic": b"#!AMR-WB\n", "mode": 2, "size": 32})], ids=["narrow", "wide"]
)
def test_joined_and_cut_amr_files(tmp_path, rate, kind):
    pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    first, second = amr(100, 0, **kind), amr(50, 1, **kind)
    separate = [sound_of(keep(tmp_path / "clip", piece), rate)[0] for piece in (first, second)]
    assert [len(piece) / rate for piece in separate] == [2.0, 1.0]
    samples, codes = sound_of(keep(tmp_path / "clip", first + second), rate)
    assert np.array_equal(samples, np.concatenate(separate))
    assert codes == ["joined"]
    samples, codes = sound_of(keep(tmp_path / "clip", first[:-5]), rate)
    assert np.array_equal(samples, separate[0][: -rate // 50])
    assert codes == ["cut_off"]


@pytest.mark.parametrize("between", [b"ID3\4\0\0\0\0\x0f\x50" + bytes(2_000), b"TAG" + b"x" * 125, bytes(300)])
def test_tags_between_joined_aac_files_are_no_sound(tmp_path, between):
    pieces = [media(tmp_path, "adts", 2.0, 0), media(tmp_path, "adts", 1.0, 1)]
    expected, _ = sound_of(keep(tmp_path / "clip", b"".join(pieces)))
    samples, codes = sound_of(keep(tmp_path / "clip", between + between.join(pieces) + between))
    assert np.array_equal(samples, expected)
    assert codes == []


def test_bytes_in_damage_that_look_like_another_frame_are_no_recording(tmp_path):
    content = bytearray(media(tmp_path, "adts", 3.0))
    middle = len(content) // 2
    # a frame of 44.1 kHz, which none follows
    content[middle : middle + 400] = b"\xff\xf1\x50\x80\x20\x1f\xfc" + b"\x55" * 393
    samples, codes = sound_of(keep(tmp_path / "clip", bytes(content)))
    assert codes == ["lost"]
    assert 2.7 < len(samples) / SR < 3.2


# --- elements longer than the file ----------------------------------------------------------------------------------


def with_size(content, name, offset, layout, value=2**31 - 5):
    content = bytearray(content)
    struct.pack_into(layout, content, content.find(name) + offset, value)
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "element", "offset", "layout"),
    [("m4a", box, -4, ">I") for box in (b"moov", b"trak", b"stbl", b"stsz", b"stsd", b"udta")]
    + [("m4a", table, offset, ">I") for table, offset in ((b"stsz", 12), (b"stts", 8), (b"stsc", 8))]
    + [("mkv", element, 2, ">Q") for element in (b"\x63\xa2",)]
    + [("avi", b"LIST", 4, "<I")]
    + [("asf", bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), 16, "<Q")],
)
def test_an_element_longer_than_what_is_around_it_is_damaged(tmp_path, name, element, offset, layout):
    content = media(tmp_path, name)
    value = 2**31 - 5 if name != "mkv" else 0x01000000 << 32 | 2**31 - 5
    path = keep(tmp_path / "clip", with_size(content, element, offset, layout, value))
    code, message = refusal(path)
    assert code == "damaged"
    assert "declares 2147483643" in message or "no whole moov" in message or "2147483643 entries" in message


def test_hostile_sizes_take_bounded_memory(tmp_path):
    pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    pytest.importorskip("resource", reason="there is no count of memory")
    mp3_in_wav = bytearray(encode(chirp()))
    mp3_in_wav[20] = 0x55
    sources = [
        mp3_in_wav[:12] + b"LIST" + struct.pack("<I", 2**31 - 5) + b"INFO" + mp3_in_wav[12:],
        with_size(media(tmp_path, "avi"), b"INFO", -4, "<I"),
        with_size(media(tmp_path, "m4a"), b"stsz", 12, ">I", 2**27),
        with_size(media(tmp_path, "mkv"), b"\x63\xa2", 2, ">Q", 0x01000000 << 32 | 2**31 - 5),
    ]
    paths = [keep(tmp_path / f"hostile{number}", bytes(content)) for number, content in enumerate(sources)]
    good = keep(tmp_path / "good", media(tmp_path, "m4a"))
    program = (
        "import resource, sys\nfrom gmmaudio.audio import read_audio\nfrom gmmaudio.errors import AudioError\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "read_audio(sys.argv[1], 16_000)\nbefore = peak()\n"
        "for path in sys.argv[2:]:\n    try: read_audio(path, 16_000)\n    except AudioError: pass\n"
        "print(peak() - before)"
    )
    out = subprocess.run([sys.executable, "-c", program, good, *paths], check=True, capture_output=True, text=True)
    unit = 1 if sys.platform == "darwin" else 1_024
    assert int(out.stdout) * unit < 50 * 2**20


@pytest.mark.parametrize(("name", "kind"), [("m4a", b"udta"), ("mkv", b"\x12\x54\xc3\x67")])
def test_long_metadata_is_not_given_to_the_decoder(tmp_path, monkeypatch, name, kind):
    content = media(tmp_path, name)
    expected, _ = sound_of(keep(tmp_path / "clip", content))
    monkeypatch.setattr(boxes, "MAX_METADATA_BYTES", 10)
    monkeypatch.setattr(ebml, "MAX_METADATA_BYTES", 10)
    (recording,) = find_recordings(io.BytesIO(content))
    spliced = SplicedFile(io.BytesIO(content), recording.parts)
    assert len(spliced) == len(content)
    # the table at the start of an mkv names the element too
    assert spliced.read().count(kind) == content.count(kind) - 1
    assert np.array_equal(sound_of(keep(tmp_path / "clip", content))[0], expected)


@pytest.mark.parametrize("n_head", range(5, 13))
def test_the_head_of_a_void_element_is_as_long_as_the_one_it_replaces(n_head):
    head = ebml._void_head(ebml.Element(0x1254C367, 100, 100 + n_head, 100 + n_head + 20_000_000))
    assert len(head) == n_head
    content = io.BytesIO(head + b"...")
    elements, position = [], 0
    while position < n_head:
        element = ebml._element_at(content, position, 30_000_000)
        elements.append(element)
        position = element.stop
    assert {element.code for element in elements} == {0xEC}
    assert position == n_head + 20_000_000


def test_the_parts_of_a_long_avi_are_one_recording(tmp_path):
    content = media(tmp_path, "avi")
    movi = b"LIST" + struct.pack("<I", 4) + b"movi"
    content += b"RIFF" + struct.pack("<I", 4 + len(movi)) + b"AVIX" + movi
    (recording,) = find_recordings(io.BytesIO(content))
    assert recording.parts == (Span(0, len(content)),)


def test_an_mkv_of_a_killed_recorder_is_read(tmp_path):
    content = bytearray(media(tmp_path, "live_mkv"))
    segment = content.find(b"\x18\x53\x80\x67")
    content[segment + 4 : segment + 12] = b"\x01" + bytes(7)
    samples, _ = sound_of(keep(tmp_path / "clip", bytes(content)))
    assert np.array_equal(samples, chirp(2.0) / np.float32(32768))


# --- every format ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEDIA)
def test_a_clean_media_file_is_one_recording_as_it_is(tmp_path, name):
    content = media(tmp_path, name)
    (recording,) = find_recordings(io.BytesIO(content))
    # WavPack and True Audio have a tag at the end
    assert recording.parts == (Span(0, content.find(b"APETAGEX") if b"APETAGEX" in content else len(content)),)
    assert (recording.notes, recording.truncated) == ((), None)


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize("content", [b"", b"x", bytes(100), b"\xff" * 100, np.random.default_rng(0).bytes(5_000)])
def test_no_format_is_found_in_other_bytes(finder, content):
    assert finder(io.BytesIO(content), 0, len(content)) is None
