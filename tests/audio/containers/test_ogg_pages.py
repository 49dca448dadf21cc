"""Ogg streams that are chained, cut and damaged, against libsndfile on each stream by itself."""

import io
import struct

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import read_audio, read_info
from gmmaudio.audio.containers.ogg_pages import find_ogg, iterate_pages, page_checksum
from gmmaudio.audio.splice import Span
from tests.audio.conftest import (
    SR,
    chirp,
    content_of,
    encode,
    keep,
    ogg_flac,
    read_with_notes,
    refusal,
    split_ogg,
    with_checksum,
)


def ogg(name, seconds, seed=0, n_channels=1):
    """Return the bytes of a chirp in Ogg: Vorbis, Opus or FLAC."""
    pcm = chirp(seconds, n_channels, seed)
    if name == "flac":
        return ogg_flac(encode(pcm, SR, "FLAC"))
    return encode(pcm, SR, "OGG", name.upper())


def reference(content):
    """Return the samples of one stream by libsndfile, mono."""
    if b"fLaC" in content[:80]:
        raise AssertionError("libsndfile does not read FLAC in Ogg")
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return samples.mean(axis=1)


def expected_of(name, seconds, seed=0, n_channels=1):
    if name == "flac":
        pcm = chirp(seconds, n_channels, seed)
        return (pcm if pcm.ndim == 1 else pcm.mean(axis=1)) / np.float32(32768)
    return reference(ogg(name, seconds, seed, n_channels))


def with_granule(page, shift):
    granule = struct.unpack_from("<q", page, 6)[0]
    return with_checksum(page[:6] + struct.pack("<q", granule + shift) + page[14:])


CODECS = ["vorbis", "opus", "flac"]


@pytest.mark.parametrize("name", ["ogg", "opus"])
def test_checksums_equal_those_of_the_definition_and_of_libogg(name):
    for page in split_ogg(content_of(name, 1.0)):
        assert with_checksum(page) == page
        assert page_checksum(page[:22] + bytes(4) + page[26:]) == struct.unpack_from("<I", page, 22)[0]


@pytest.mark.parametrize("name", ["ogg", "opus"])
def test_a_whole_file_is_left_as_it_is(name):
    content = content_of(name, 3.0, 2)
    found = find_ogg(io.BytesIO(content), 0, len(content))
    assert [(recording.parts, recording.notes) for recording in found.recordings] == [((Span(0, len(content)),), ())]


def test_pages_are_found_between_other_bytes():
    pages = split_ogg(content_of("ogg", 3.0))
    junk = b"OggS\0junk" + bytes(70_000) + b"Ogg"
    content = junk + junk.join(pages) + b"OggS" * 50
    found = list(iterate_pages(io.BytesIO(content), 0, len(content)))
    assert [content[page.start : page.stop] for page in found] == pages
    assert [page.sequence for page in found] == list(range(len(pages)))


# --- chained streams ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codecs", [("vorbis",) * 3, ("opus",) * 3, ("flac",) * 3, ("vorbis", "opus", "flac")])
def test_chained_streams_are_read_one_after_another(tmp_path, media_or_not, codecs):
    seconds, channels = (3.0, 0.5, 4.0), (1, 2, 1)
    pieces = [ogg(*piece) for piece in zip(codecs, seconds, (1, 2, 1), channels, strict=True)]
    expected = np.concatenate([expected_of(*piece) for piece in zip(codecs, seconds, (1, 2, 1), channels, strict=True)])
    path = keep(tmp_path / "clip.ogg", b"".join(pieces))
    samples, notes = read_with_notes(path)
    np.testing.assert_allclose(samples, expected, rtol=0, atol=2e-7)
    assert set(notes) == {"joined"}
    assert notes["joined"].text == "holds 3 recordings, joined"
    assert read_info(path).duration_s == pytest.approx(len(samples) / SR)
    for start_s, end_s in [(0.0, 2.0), (2.9, 3.6), (3.2, 3.4), (5.0, 7.0), (7.0, None)]:
        part = read_audio(path, SR, start_s=start_s, end_s=end_s)
        whole = samples[round(start_s * SR) : None if end_s is None else round(end_s * SR)]
        # as for a segment of a single Opus stream
        np.testing.assert_allclose(part, whole, rtol=0, atol=5e-3 if "opus" in codecs else 0)
    assert refusal(path, start_s=7.0, end_s=8.0)[0] == "bad_segment"


@pytest.mark.parametrize("sizes", [(10, 2), (10, 4), (60, 5), (1, 60)])
def test_a_chain_is_read_whatever_the_sizes_of_its_streams(tmp_path, sizes):
    path = keep(tmp_path / "clip.ogg", b"".join(ogg("vorbis", seconds) for seconds in sizes))
    assert len(read_audio(path, SR)) == sum(sizes) * SR


def test_chained_streams_of_different_rates_are_refused(tmp_path):
    content = encode(chirp(), SR, "OGG", "VORBIS") + encode(chirp(), 22_050, "OGG", "VORBIS")
    assert refusal(keep(tmp_path / "clip", content))[0] == "mixed_rates"


def film(sound, *, sound_first=False):
    """Return an Ogg file in which pages of video stand between those of the sound."""
    head = ogg_page(b"\x80theora" + bytes(40), flags=2, sequence=0)
    video = [ogg_page(bytes([sequence]) * 5_000, flags=0, sequence=sequence) for sequence in range(1, 1 + len(sound))]
    heads = [sound[0], head] if sound_first else [head, sound[0]]
    return b"".join([*heads, *(page for pair in zip(video, sound[1:], strict=False) for page in pair), video[-1]])


def ogg_page(body, flags, sequence):
    segments = b"\xff" * (len(body) // 255) + bytes([len(body) % 255])
    head = b"OggS\0" + struct.pack("<BqII", flags, 0, 99, sequence) + bytes(4) + bytes([len(segments)])
    return with_checksum(head + segments + body)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("sound_first", [True, False])
def test_the_sound_of_a_film_is_read(tmp_path, media_or_not, name, sound_first):
    pages = split_ogg(ogg(name, 5.0))
    path = keep(tmp_path / "clip", film(pages, sound_first=sound_first))
    samples, notes = read_with_notes(path)
    assert np.array_equal(samples, expected_of(name, 5.0))
    assert notes == {}
    samples, notes = read_with_notes(keep(tmp_path / "clip", film(pages) + film(pages)))
    assert np.array_equal(samples, np.tile(expected_of(name, 5.0), 2))
    assert set(notes) == {"joined"}
    path = keep(tmp_path / "clip", film(pages[:-2]))
    if name == "flac":  # declares its length
        assert refusal(path)[0] == "truncated"
    else:
        assert set(read_with_notes(path)[1]) == {"cut_off"}


def test_of_several_streams_of_sound_the_first_is_read(tmp_path):
    first, second = split_ogg(content_of("ogg", 1.0)), split_ogg(content_of("opus", 1.0))
    content = b"".join([first[0], second[0], *first[1:], *second[1:]])
    samples, notes = read_with_notes(keep(tmp_path / "clip", content))
    assert np.array_equal(samples, reference(content_of("ogg", 1.0)))
    assert notes == {}


def test_a_stream_of_another_codec_is_left_alone():
    pages = split_ogg(content_of("ogg", 1.0))
    pages[0] = with_checksum(pages[0].replace(b"\x01vorbis", b"\x80theora"))
    content = b"".join(pages)
    assert find_ogg(io.BytesIO(content), 0, len(content)) is None


def test_segments_in_the_last_page_are_slices(tmp_path):
    for seed in range(4):
        # libsndfile itself seeks to wrong samples there
        path = keep(tmp_path / "clip", ogg("vorbis", 3.0 + 0.1 * seed, seed))
        whole = reference(path.read_bytes())
        for start in range(len(whole) - SR // 2, len(whole), 371):
            assert np.array_equal(read_audio(path, SR, start_s=start / SR), whole[start:])


# --- streams that are cut -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_page", [True, False])
@pytest.mark.parametrize("name", CODECS)
def test_a_stream_without_its_end_mark_is_cut_off(tmp_path, media_or_not, name, at_page):
    content = ogg_flac(encode(chirp(10.0), SR, "FLAC"), length=0) if name == "flac" else ogg(name, 10.0)
    pages = split_ogg(content)
    kept = b"".join(pages[: len(pages) // 2]) + (b"" if at_page else pages[len(pages) // 2][:-5])
    samples, notes = read_with_notes(keep(tmp_path / "clip", kept))
    expected = expected_of(name, 10.0)[: len(samples)]
    assert 3.5 < len(samples) / SR < 6.0
    # the last block of Vorbis lacks the overlap of the next
    np.testing.assert_allclose(samples[: -SR // 4], expected[: -SR // 4], rtol=0, atol=2e-7)
    assert set(notes) == {"cut_off"}
    assert notes["cut_off"].seconds == pytest.approx(len(samples) / SR, abs=0.01)
    assert notes["cut_off"].text.startswith("ends without its end mark, after ")


def test_a_flac_in_ogg_that_declares_more_than_it_holds_is_truncated(tmp_path):
    pages = split_ogg(ogg("flac", 10.0))
    code, message = refusal(keep(tmp_path / "clip", b"".join(pages[:8])))
    assert code == "truncated"
    # 6 pages of 3 blocks
    assert message == "only 4.61 s are left of 10.00 s declared; copy or export the file again"
    assert len(read_audio(tmp_path / "clip", SR, start_s=1.0, end_s=4.0)) == 3 * SR


@pytest.mark.parametrize("name", CODECS)
def test_a_chain_says_where_a_stream_is_cut(tmp_path, name):
    pages = split_ogg(ogg_flac(encode(chirp(5.0), SR, "FLAC"), length=0) if name == "flac" else ogg(name, 5.0))
    path = keep(tmp_path / "clip", b"".join(pages[:-1]) + ogg(name, 5.0))
    samples, notes = read_with_notes(path)
    assert set(notes) == {"joined", "cut_off"}
    assert notes["cut_off"].seconds == pytest.approx(len(samples) / SR - 5.0, abs=0.01)


@pytest.mark.parametrize("name", ["vorbis", "opus"])
def test_a_recording_of_a_running_stream_begins_anywhere(tmp_path, name):
    pages = split_ogg(ogg(name, 20.0))
    path = keep(tmp_path / "clip", b"".join(pages[:2] + pages[len(pages) // 2 :]))
    samples, notes = read_with_notes(path)
    assert notes == {}
    whole = expected_of(name, 20.0)
    # a predictor of Opus needs some frames, and a block of Vorbis its neighbour
    np.testing.assert_allclose(
        samples[SR:], whole[-len(samples) + SR :], rtol=0, atol=1e-6 if name == "vorbis" else 0.05
    )
    part = read_audio(path, SR, start_s=3.0, end_s=4.0)
    np.testing.assert_allclose(part, samples[3 * SR : 4 * SR], rtol=0, atol=5e-3 if name == "opus" else 0)


# --- damage ---------------------------------------------------------------------------------------------------------


def damaged_ogg(content, kind, rng):
    """Return a file with damage in a page between a fifth and four fifths of it."""
    pages = split_ogg(content)
    number = int(rng.integers(len(pages) // 5, 4 * len(pages) // 5))
    page = bytearray(pages[number])
    at = int(rng.integers(60, len(page) - 20))
    if kind == "bit":
        page[at] ^= 1
    elif kind == "bytes lost":
        del page[at : at + 7]
    elif kind == "page lost":
        page = bytearray()
    elif kind == "zeros":
        page[20:] = bytes(len(page) - 20)
    else:
        page[at:at] = rng.bytes(300)
    return b"".join([*pages[:number], bytes(page), *pages[number + 1 :]])


@pytest.mark.parametrize("kind", ["bit", "bytes lost", "page lost", "zeros", "bytes added"])
@pytest.mark.parametrize("name", CODECS)
def test_a_damaged_page_is_left_out_and_counted(tmp_path, name, kind):
    seconds = 40.0 if name == "opus" else 20.0
    content = ogg(name, seconds)
    whole = expected_of(name, seconds)
    path = keep(tmp_path / "clip", damaged_ogg(content, kind, np.random.default_rng(0)))
    samples, notes = read_with_notes(path)
    lost_s = (len(whole) - len(samples)) / SR
    assert 0 < lost_s < 0.1 * seconds
    assert set(notes) == {"lost"}
    # a block of Vorbis, and the start of Opus, are lost beside the page
    assert notes["lost"].seconds == pytest.approx(lost_s, abs=0.15)
    differs = np.flatnonzero(np.abs(samples - whole[: len(samples)]) > 1e-6)
    n_equal = len(samples) if len(differs) == 0 else differs[0]
    assert n_equal / SR == pytest.approx(float(notes["lost"].text.split(" at ")[1].split()[0]), abs=0.15)
    # after the place, the sound goes on
    tail = SR * 2
    np.testing.assert_allclose(samples[-tail:], whole[-tail:], rtol=0, atol=0.05 if name == "opus" else 1e-6)
    for start_s, end_s in [(1.0, 2.0), (seconds - 5, seconds - 4), (2.0, seconds - 3)]:
        part = read_audio(path, SR, start_s=start_s, end_s=end_s)
        expected = samples[round(start_s * SR) : round(end_s * SR)]
        np.testing.assert_allclose(part, expected, rtol=0, atol=5e-3 if name == "opus" else 0)


def test_junk_between_pages_costs_nothing(tmp_path):
    pages = split_ogg(content_of("ogg", 5.0))
    path = keep(tmp_path / "clip", b"".join([*pages[:5], b"junk" * 100, *pages[5:]]))
    samples, notes = read_with_notes(path)
    assert np.array_equal(samples, reference(content_of("ogg", 5.0)))
    assert notes == {}


@pytest.mark.parametrize("name", CODECS)
def test_too_much_damage_is_refused(tmp_path, name):
    pages = split_ogg(ogg(name, 20.0))
    n_damaged = len(pages) // 4
    path = keep(tmp_path / "clip", b"".join(pages[:3] + pages[3 + n_damaged :]))
    code, message = refusal(path)
    assert code == "damaged"
    assert "at most 10% may be lost" in message


def test_a_stream_whose_header_is_damaged_is_lost(tmp_path):
    pages = split_ogg(ogg("vorbis", 1.0))
    broken = b"".join([pages[0][:-1] + b"\0", *pages[1:]])
    samples, notes = read_with_notes(keep(tmp_path / "clip", ogg("vorbis", 20.0) + broken + ogg("vorbis", 3.0)))
    assert len(samples) == 23 * SR
    assert notes["lost"].seconds == pytest.approx(1.0, abs=0.05)
    assert refusal(keep(tmp_path / "clip", broken))[0] == "damaged"


def test_very_many_broken_pages_are_refused_soon(tmp_path):
    for fake in (b"OggS\0\0" + bytes(8) + bytes(12) + b"\x02\xff\xff", b"OggS"):
        path = keep(tmp_path / "clip", content_of("ogg", 1.0) + fake * 20_000)
        assert refusal(path) == ("damaged", "has more than 10000 broken pages; copy or record it again")


def test_granules_that_are_out_of_all_bounds_give_a_reason(tmp_path):
    pages = split_ogg(content_of("ogg", 5.0))
    pages[-2:] = [with_granule(page, 2**61) for page in pages[-2:]]
    del pages[-3]
    assert refusal(keep(tmp_path / "clip", b"".join(pages)))[0] == "damaged"
