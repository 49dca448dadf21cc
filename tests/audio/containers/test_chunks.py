"""Files made of chunks: lengths that are no lengths, joined and cut files, chunks longer than the file."""

import struct

import numpy as np
import pytest

from gmmaudio.audio import read_audio, read_blocks, read_info
from gmmaudio.audio.containers import chunks
from gmmaudio.audio.layout import find_recordings
from gmmaudio.audio.splice import Span, SplicedFile
from gmmaudio.errors import AudioError
from tests.audio.conftest import NO_SAMPLES, SR, chirp, encode, keep, mp3, patched, printed, refusal

CONTAINERS = ["WAV", "AIFF", "CAF", "AU", "W64", "RF64"]
# where the size of the sound stands: the name of its chunk, bytes behind it, layout
SIZE_FIELDS = {
    "WAV": (b"data", 4, "<I"),
    "AIFF": (b"SSND", 4, ">I"),
    "CAF": (b"data", 4, ">q"),
    "AU": (b".snd", 8, ">I"),
    "W64": (b"data", 16, "<q"),
    "RF64": (b"ds64", 16, "<q"),
}
PLACEHOLDERS = {
    "32 bits": [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000, 0x7FFF0000, 0x7F000000, 0xFFFFFFDB],
    "64 bits": [0, -1, 2**63 - 1, 0x7FFFFFFF00000000],
}
# the format's own values for a length that is not known
DEFINED = {("CAF", -1), ("AU", 0xFFFFFFFF)}
ID3 = b"ID3\4\0\0\0\0\x0f\x50" + bytes(2_000)
ID3V1 = b"TAG" + b"x" * 125
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf59.27.100\0"
PCM = chirp(2.0, 2)
OTHER = chirp(1.0, 1, seed=3)


def mono(pcm):
    """Return the mean of the channels, full scale -1 to 1."""
    return np.asarray(pcm.reshape(len(pcm), -1).mean(axis=1) / 32768, dtype=np.float32)


def declaring(container, value, content=None):
    """Return a file whose header declares another length of the sound."""
    content = encode(PCM, SR, container) if content is None else content
    name, offset, layout = SIZE_FIELDS[container]
    return patched(content, content.find(name) + offset, layout, value)


def read_with_notes(path, **kwargs):
    notes = []
    samples = read_audio(path, SR, on_note=notes.append, **kwargs)
    return samples, [note.code for note in notes]


def assert_equal_sound(samples, expected):
    # as for channels in general
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1.2e-7)


# --- lengths that are no lengths ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "value"),
    [
        (container, value)
        for container in CONTAINERS
        for value in PLACEHOLDERS["64 bits" if SIZE_FIELDS[container][2][1] == "q" else "32 bits"]
    ],
)
def test_sound_of_undeclared_length_is_read_to_the_end(tmp_path, container, value):
    path = keep(tmp_path / "clip", declaring(container, value))
    samples, codes = read_with_notes(path)
    assert_equal_sound(samples, mono(PCM))
    assert codes == ([] if (container, value) in DEFINED else ["length_wrong"])
    assert read_info(path).duration_s == 2.0
    assert np.array_equal(read_audio(path, SR, start_s=0.7, end_s=1.9), samples[round(0.7 * SR) : round(1.9 * SR)])


# a recorder that was killed: what it had written of the sizes by then
@pytest.mark.parametrize("outer", [0, 36, 4_088, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize(
    "filler", [b"", b"FLLR" + struct.pack("<I", 4_044) + bytes(4_044), b"JUNK\x1c\0\0\0" + bytes(28)]
)
def test_the_wav_of_a_killed_recorder_is_read(tmp_path, outer, filler):
    content = encode(PCM)
    content = content[:36] + filler + content[36:]
    content = patched(patched(content, 4, "<I", outer), 40 + len(filler), "<I", 0)
    samples, codes = read_with_notes(keep(tmp_path / "clip.wav", content[:-3]))
    # the last frame is not whole
    assert_equal_sound(samples, mono(PCM)[:-1])
    assert codes == ["length_wrong"]


@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_the_number_of_frames_of_an_aiff_is_a_claim(tmp_path, value):
    content = encode(PCM, SR, "AIFF")
    frames = content.find(b"COMM") + 10
    assert_equal_sound(read_audio(keep(tmp_path / "clip", patched(content, frames, ">I", value)), SR), mono(PCM))
    content = declaring("AIFF", value, patched(content, frames, ">I", value)) if value != 1 else content
    assert_equal_sound(read_audio(keep(tmp_path / "clip", content), SR), mono(PCM))


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_length_that_was_not_renewed_is_not_the_end(tmp_path, container):
    # recorders that write the header every few seconds, and are killed
    whole = SIZE_FIELDS[container]
    (declared,) = struct.unpack_from(whole[2], content := encode(PCM, SR, container), content.find(whole[0]) + whole[1])
    samples, codes = read_with_notes(keep(tmp_path / "clip", declaring(container, declared - 16_000)))
    assert_equal_sound(samples, mono(PCM))
    assert codes == ["length_wrong"]


@pytest.mark.parametrize("tail", [LIST, LIST + LIST, LIST + ID3V1, ID3V1, b"id3 " + struct.pack("<I", len(ID3)) + ID3])
def test_chunks_and_tags_after_sound_of_undeclared_length_are_no_sound(tmp_path, tail):
    samples, codes = read_with_notes(keep(tmp_path / "clip.wav", declaring("WAV", 0) + tail))
    assert_equal_sound(samples, mono(PCM))
    assert codes == ["length_wrong"]


def test_names_of_chunks_in_the_sound_are_sound(tmp_path):
    content = bytearray(encode(PCM))
    content[5_000:5_008] = LIST[:8]
    expected = np.frombuffer(content[44:], "<i2").reshape(-1, 2)
    assert_equal_sound(read_audio(keep(tmp_path / "clip.wav", declaring("WAV", 0, bytes(content))), SR), mono(expected))


def test_a_caf_of_undeclared_length_keeps_the_chunks_after_its_sound(tmp_path):
    info = b"info" + struct.pack(">qI", 12, 1) + b"tit\0foo\0"
    samples, codes = read_with_notes(keep(tmp_path / "clip.caf", declaring("CAF", -1) + info))
    assert_equal_sound(samples, mono(PCM))
    assert codes == []


@pytest.mark.parametrize("tail", [b"", LIST])
def test_a_wav_whose_sound_is_empty_has_no_samples(tmp_path, tail):
    assert refusal(keep(tmp_path / "clip.wav", encode(PCM[:0]) + tail)) == ("no_samples", NO_SAMPLES)


def test_a_big_endian_wav_of_undeclared_length_is_read(tmp_path):
    head = b"RIFX\0\0\0\0WAVEfmt " + struct.pack(">IHHIIHH", 16, 1, 2, SR, 4 * SR, 4, 16) + b"data\0\0\0\0"
    assert_equal_sound(read_audio(keep(tmp_path / "clip.wav", head + PCM.astype(">i2").tobytes()), SR), mono(PCM))


def test_a_bw64_is_read(tmp_path):
    assert_equal_sound(read_audio(keep(tmp_path / "clip", b"BW64" + encode(PCM, SR, "RF64")[4:]), SR), mono(PCM))


def test_an_8svx_of_undeclared_length_is_read(tmp_path):
    sound = (PCM[:, 0] >> 8).astype(np.int8)
    voice = struct.pack(">IIIHBBI", len(sound), 0, 0, SR, 1, 0, 65_536)
    content = b"FORM\0\0\0\0008SVXVHDR" + struct.pack(">I", len(voice)) + voice + b"BODY\0\0\0\0" + sound.tobytes()
    samples, codes = read_with_notes(keep(tmp_path / "clip", content))
    assert_equal_sound(samples, sound / np.float32(128))
    assert codes == ["length_wrong"]


def test_sound_beyond_4_gib_is_found_behind_a_size_that_wrapped(tmp_path):
    # a sparse file; the header declares the lower 32 bits
    path, n_bytes = tmp_path / "clip.wav", 2**32 + 64_000
    head = bytearray(encode(PCM)[:44])
    struct.pack_into("<I", head, 40, n_bytes % 2**32)
    with path.open("wb") as out:
        out.write(head)
        out.seek(44 + n_bytes - PCM.nbytes)
        out.write(PCM.tobytes())
    if path.stat().st_blocks * 512 > 10_000_000:
        pytest.skip("the file system has no sparse files")
    assert read_info(path).duration_s == n_bytes / 4 / SR
    end_s = n_bytes / 4 / SR
    assert_equal_sound(read_audio(path, SR, start_s=end_s - 2, end_s=end_s), mono(PCM))


# --- joined files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [b"", ID3V1, ID3, bytes(3_001)], ids=["nothing", "id3v1", "id3v2", "zeros"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_joined_files_are_read_whole(tmp_path, container, between):
    pieces = [encode(PCM, SR, container), encode(OTHER, SR, container), encode(PCM, SR, container)]
    path = keep(tmp_path / "clip", between.join(pieces))
    expected = np.concatenate([mono(PCM), mono(OTHER), mono(PCM)])
    samples, codes = read_with_notes(path)
    assert_equal_sound(samples, expected)
    assert codes == ["joined"]
    assert read_info(path).duration_s == 5.0
    for start_s, end_s in [(0.5, 1.0), (1.5, 4.5), (2.2, 2.8), (3.0, 5.0), (4.9, None)]:
        segment = read_audio(path, SR, start_s=start_s, end_s=end_s)
        assert np.array_equal(segment, samples[round(start_s * SR) : None if end_s is None else round(end_s * SR)])


@pytest.mark.parametrize("first", CONTAINERS)
def test_files_of_different_formats_and_encodings_may_be_joined(tmp_path, first):
    for second in CONTAINERS:
        content = encode(PCM, SR, first) + encode(OTHER, SR, second, "PCM_24")
        samples, _ = read_with_notes(keep(tmp_path / "clip", content))
        assert_equal_sound(samples, np.concatenate([mono(PCM), mono(OTHER)]))


@pytest.mark.parametrize("container", ["WAV", "AIFF", "CAF", "AU", "W64"])
def test_joined_files_of_undeclared_length_are_separated_at_their_headers(tmp_path, container):
    pieces = [declaring(container, 0), declaring(container, 0, encode(OTHER, SR, container))]
    samples, codes = read_with_notes(keep(tmp_path / "clip", b"".join(pieces)))
    assert_equal_sound(samples, np.concatenate([mono(PCM), mono(OTHER)]))
    assert sorted(codes) == ["joined", "length_wrong", "length_wrong"]


def test_joined_files_of_different_rates_are_refused(tmp_path):
    path = keep(tmp_path / "clip", encode(PCM) + encode(OTHER, 8_000))
    assert refusal(path)[0] == "mixed_rates"


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_cut_file_before_another_is_truncated(tmp_path, container):
    content = encode(PCM, SR, container)[:-1_000] + encode(OTHER, SR, container)
    code, message = refusal(keep(tmp_path / "clip", content))
    assert (code, message[:29]) == ("truncated", "only 1.98 s are left of a lon")
    content = encode(PCM, SR, container) + encode(OTHER, SR, container)[:-1_000]
    assert refusal(keep(tmp_path / "clip", content))[0] == "truncated"


def test_a_header_without_sound_beside_others_is_left_out(tmp_path):
    # libsndfile writes its header again and again to a pipe
    path = keep(tmp_path / "clip", encode(PCM[:0]) + encode(PCM) + encode(PCM[:0]))
    assert_equal_sound(read_audio(path, SR), mono(PCM))


@pytest.mark.parametrize("container", ["WAV", "AIFF", "CAF", "W64"])
def test_a_second_chunk_of_sound_is_read(tmp_path, container):
    first, second = encode(PCM, SR, container), encode(OTHER[:, None].repeat(2, axis=1), SR, container)
    name = SIZE_FIELDS[container][0]
    samples, codes = read_with_notes(keep(tmp_path / "clip", first + second[second.find(name) :]))
    assert_equal_sound(samples, np.concatenate([mono(PCM), mono(OTHER)]))
    assert codes == ["joined"]


@pytest.mark.parametrize("padding", [b"\0", b""], ids=["padded", "forgotten"])
def test_an_odd_number_of_bytes_is_padded_or_not(tmp_path, padding):
    quiet = OTHER[:-1] // 256 / np.float32(128)
    first = encode(quiet, SR, "WAV", "PCM_U8")[: 44 + len(quiet)] + padding + LIST
    samples, codes = read_with_notes(keep(tmp_path / "clip", first + encode(OTHER)))
    assert_equal_sound(samples, np.concatenate([quiet, mono(OTHER)]))
    assert codes == ["joined"]
    with (tmp_path / "clip").open("rb") as handle:
        assert next(recording.parts for recording in find_recordings(handle)) == (Span(0, len(first)),)


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_long_chunk_without_sound_is_not_given_to_the_decoder(tmp_path, monkeypatch, place):
    monkeypatch.setattr(chunks, "MAX_METADATA_BYTES", 1_000)
    content, long = encode(PCM), b"id3 " + struct.pack("<I", 3_000) + bytes(3_000)
    path = keep(tmp_path / "clip.wav", content + long if place == "after" else content[:12] + long + content[12:])
    with path.open("rb") as handle:
        (recording,) = find_recordings(handle)
        assert len(SplicedFile(handle, recording.parts)) < len(content) + (1_000 if place == "after" else 5_000)
    assert_equal_sound(read_audio(path, SR), mono(PCM))


def test_bytes_of_no_known_kind_are_left_out_with_a_note(tmp_path):
    content = encode(PCM) + LIST + b"??" * 5_000
    samples, codes = read_with_notes(keep(tmp_path / "clip", content))
    assert_equal_sound(samples, mono(PCM))
    assert codes == ["left_out"]
    samples, codes = read_with_notes(keep(tmp_path / "clip", content + encode(OTHER)))
    assert_equal_sound(samples, np.concatenate([mono(PCM), mono(OTHER)]))
    assert codes == ["joined", "left_out"]


# --- tags and padding -----------------------------------------------------------------------------------------------


APE = b"APETAGEX" + struct.pack("<IIII", 2_000, 32 + 1_968, 0, 0xA0000000) + bytes(8) + b"y" * 2_000


@pytest.mark.parametrize("tag", [ID3, ID3 + ID3, APE, bytes(512)], ids=["id3", "two", "ape", "zeros"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_tags_before_and_after_a_file_are_no_sound(tmp_path, container, tag):
    content = encode(PCM, SR, container)
    expected = read_audio(keep(tmp_path / "clip", content), SR)
    assert np.array_equal(read_audio(keep(tmp_path / "clip", tag + content), SR), expected)
    samples, codes = read_with_notes(keep(tmp_path / "clip", tag + content + tag))
    assert np.array_equal(samples, expected)
    assert codes == []


# --- chunks longer than the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "at", "name", "size"),
    [("WAV", 12, name, struct.pack("<I", 2**31 - 5)) for name in (b"LIST", b"bext", b"id3 ", b"JUNK", b"XXXX")]
    + [("AIFF", 12, name, struct.pack(">I", 2**31 - 5)) for name in (b"APPL", b"ID3 ", b"NAME")]
    + [("CAF", 52, name, struct.pack(">q", 2**31 - 5)) for name in (b"kuki", b"info", b"pakt")],
)
def test_a_chunk_before_the_sound_longer_than_the_file_is_damaged(tmp_path, media_or_not, container, at, name, size):
    content = encode(PCM, SR, container)
    path = keep(tmp_path / "clip", content[:at] + name + size + b"INFO" + content[at:])
    n_left = path.stat().st_size - at - len(name + size)
    assert refusal(path) == (
        "damaged",
        f"starts like an audio file but cannot be decoded ({container}: the chunk {name.decode().strip()!r} declares "
        f"{2**31 - 5} bytes where {n_left} are left); copy it again",
    )


@pytest.mark.parametrize("name", [b"LIST", b"id3 "])
def test_a_cut_chunk_after_the_sound_takes_no_sound_away(tmp_path, media_or_not, name):
    path = keep(tmp_path / "clip.wav", encode(PCM) + name + struct.pack("<I", 2**31 - 5) + b"INFO" + bytes(40))
    samples, codes = read_with_notes(path)
    assert_equal_sound(samples, mono(PCM))
    assert codes == []


@pytest.mark.parametrize(
    ("table", "is_whole"),
    [
        (b"\x81\x00\x05\x00\xff\xff\xff\xff\xff\xff", True),  # nothing is read behind a size of 0
        (b"\x81\x80\x80\x80\x01", True),
        (b"\x05\xff\xff\xff\xff\xff\x01", False),
        (b"\x05\x81", False),
    ],
)
def test_a_table_of_packets_that_holds_no_numbers_is_refused_before_libsndfile_prints_it(
    tmp_path, capfd, media_or_not, table, is_whole
):
    content = encode(chirp(1.0), SR, "CAF", "ALAC_16")
    at = content.find(b"pakt") + 4
    (size,) = struct.unpack_from(">q", content, at)
    spoiled = content[:at] + struct.pack(">q", 24 + len(table)) + content[at + 8 : at + 32] + table
    path = keep(tmp_path / "clip", spoiled + content[at + 8 + size :])
    try:
        read_audio(path, SR)
        code = None
    except AudioError as error:
        code = error.code
    assert (code == "damaged") is not is_whole
    assert printed(capfd) == ("", "")


@pytest.mark.parametrize("size", [0, 23, 2**31])
def test_an_au_whose_header_has_no_such_length_is_damaged(tmp_path, media_or_not, size):
    content = patched(encode(PCM, SR, "AU"), 4, ">I", size)
    assert refusal(keep(tmp_path / "clip.au", content))[0] == "damaged"


# --- clean files ----------------------------------------------------------------------------------------------------


class CountingFile:
    """A file that counts the bytes read from it."""

    def __init__(self, handle):
        self.handle, self.n_read = handle, 0

    def seek(self, *args):
        return self.handle.seek(*args)

    def read(self, size=-1):
        content = self.handle.read(size)
        self.n_read += len(content)
        return content


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_clean_file_is_one_recording_found_without_reading_it(tmp_path, container):
    path = keep(tmp_path / "clip", encode(np.tile(PCM, (10, 1)), SR, container))
    with path.open("rb") as handle:
        counting = CountingFile(handle)
        (recording,) = find_recordings(counting)
    assert recording.parts == (Span(0, path.stat().st_size),)
    assert (recording.notes, recording.truncated) == ((), None)
    assert counting.n_read < 5_000


def test_a_repaired_file_is_read_in_blocks(tmp_path):
    path = keep(tmp_path / "clip.wav", declaring("WAV", 0, encode(np.tile(PCM, (6, 1)))))
    assert [len(block) / SR for block in read_blocks(path, SR)] == [10.0, 2.0]


# --- Creative Voice files -------------------------------------------------------------------------------------------


def voc(sound, block_bytes, bits=16, channels=2):
    """Return a Creative Voice file of blocks."""
    content = b"Creative Voice File\x1a" + struct.pack("<HHH", 26, 0x114, 0x111F)
    for place in range(0, len(sound), block_bytes):
        head = struct.pack("<IBBHI", SR, bits, channels, 4 if bits == 16 else 0, 0) if place == 0 else b""
        block = head + sound[place : place + block_bytes]
        content += bytes([9 if place == 0 else 2]) + len(block).to_bytes(3, "little") + block
    return content + b"\0"


@pytest.mark.parametrize("block_bytes", [4_096, 16_000, 1_000_000])
def test_the_heads_of_blocks_are_no_sound(tmp_path, block_bytes):
    samples, codes = read_with_notes(keep(tmp_path / "clip.voc", voc(PCM.tobytes(), block_bytes)))
    assert_equal_sound(samples, mono(PCM))
    assert codes == []


@pytest.mark.parametrize("block_bytes", [4_096, 1_000_000])
def test_joined_creative_voice_files_are_read_whole(tmp_path, block_bytes):
    content = voc(PCM.tobytes(), block_bytes) + voc(OTHER.tobytes(), block_bytes, channels=1)
    samples, codes = read_with_notes(keep(tmp_path / "clip.voc", content))
    assert_equal_sound(samples, np.concatenate([mono(PCM), mono(OTHER)]))
    assert codes == ["joined"]


@pytest.mark.parametrize("block_bytes", [4_096, 1_000_000])
def test_a_cut_creative_voice_file_is_truncated(tmp_path, block_bytes):
    content = voc(PCM.tobytes(), block_bytes)
    path = keep(tmp_path / "clip.voc", content[: len(content) // 2 + 1_000])
    assert refusal(path)[0] == "truncated"
    assert_equal_sound(read_audio(path, SR, end_s=0.5), mono(PCM)[: SR // 2])


def test_the_block_before_a_block_of_stereo_declares_its_format(tmp_path):
    sound = (PCM >> 8).astype(np.int8).view(np.uint8) ^ 0x80
    divisor = 65_536 - 256_000_000 // (2 * SR)
    content = b"Creative Voice File\x1a" + struct.pack("<HHH", 26, 0x114, 0x111F)
    content += b"\x05\x06\0\0text.\0" + b"\x08\x04\0\0" + struct.pack("<HBB", divisor, 0, 1)
    content += b"\x01" + (sound.size + 2).to_bytes(3, "little") + bytes([200, 0]) + sound.tobytes() + b"\0"
    samples, codes = read_with_notes(keep(tmp_path / "clip.voc", content))
    assert_equal_sound(samples, mono(PCM >> 8) * 256)
    assert codes == []


def test_a_block_without_sound_that_is_longer_than_the_file_is_damaged(tmp_path):
    content = voc(PCM.tobytes(), 4_096)[:-1] + b"\x05\xff\xff\xff"
    assert refusal(keep(tmp_path / "clip.voc", content))[0] == "damaged"


# --- MPEG audio in WAV files ----------------------------------------------------------------------------------------


def test_damage_of_mpeg_audio_in_a_wav_is_counted(tmp_path, capfd, media_or_not):
    frames = mp3(10.0, 44_100, 2)[0]
    form = struct.pack("<HHIIHHH", 0x55, 2, 44_100, 16_000, 1, 0, 12) + struct.pack("<HIHHH", 1, 2, 417, 1, 0)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(frames)) + frames
    content = bytearray(b"RIFF" + struct.pack("<I", len(body)) + body)
    whole, codes = read_with_notes(keep(tmp_path / "clip.wav", bytes(content)))
    assert codes == []
    content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    samples, codes = read_with_notes(keep(tmp_path / "clip.wav", bytes(content)))
    assert codes == ["lost"]
    assert len(samples) > 0.9 * len(whole)
    assert capfd.readouterr().err == ""
