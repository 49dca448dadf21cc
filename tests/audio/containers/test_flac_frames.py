"""FLAC streams without a length, joined, cut and damaged."""

import io

import numpy as np
import pytest

from gmmaudio.audio import read_audio, read_info
from gmmaudio.audio.containers import flac_frames
from gmmaudio.audio.splice import Span
from tests.audio.conftest import (
    NO_SAMPLES,
    SR,
    chirp,
    content_of,
    encode,
    frame_starts,
    keep,
    read_with_notes,
    refusal,
    streamed_flac,
)

BLOCK = 4_096
# a block of samples of a FLAC by libsndfile
BLOCK_S = BLOCK / SR


def as_float(pcm):
    mono = pcm if pcm.ndim == 1 else pcm.mean(axis=1)
    return (mono / 32768).astype(np.float32)


# --- whole files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flac", "flac24"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_whole_file_is_left_as_it_is(name, n_channels):
    content = content_of(name, 3.0, n_channels)
    found = flac_frames.find_flac(io.BytesIO(content), 0, len(content))
    assert [(recording.parts, recording.notes) for recording in found.recordings] == [((Span(0, len(content)),), ())]
    assert found.end == len(content)


@pytest.mark.parametrize("read_size", [997, 50_000])
def test_frames_are_found_however_the_file_is_read(monkeypatch, read_size):
    content = content_of("flac", 12.0)
    monkeypatch.setattr(flac_frames, "READ_SIZE", read_size)
    info, sound = flac_frames._read_metadata(io.BytesIO(content), 0, len(content))
    frames = list(flac_frames._iterate_frames(io.BytesIO(content), sound, len(content), info))
    if read_size == 997:  # shorter than a frame: only that it ends and stays in the file
        assert all(0 <= frame.start < frame.stop <= len(content) for frame in frames)
        return
    assert [frame.start for frame in frames] == frame_starts(content)
    assert all(frame.is_whole for frame in frames)


def found_in(content):
    return flac_frames.find_flac(io.BytesIO(content), 0, len(content))


def plainly(monkeypatch, content):
    """Return what is found frame by frame."""
    with monkeypatch.context() as patch:
        patch.setattr(flac_frames, "_is_whole", lambda *_args: False)
        return found_in(content)


@pytest.mark.parametrize("read_size", [20_000, 50_000, 1 << 22])
@pytest.mark.parametrize("n_samples", [100, BLOCK, BLOCK + 1, 12 * SR])
def test_a_whole_stream_is_the_same_all_at_once_as_frame_by_frame(monkeypatch, read_size, n_samples):
    monkeypatch.setattr(flac_frames, "READ_SIZE", read_size)
    content = encode(chirp(12.0)[:n_samples], container="FLAC")
    info, sound = flac_frames._read_metadata(io.BytesIO(content), 0, len(content))
    assert flac_frames._is_whole(io.BytesIO(content), sound, len(content), info)
    assert found_in(content) == plainly(monkeypatch, content)


@pytest.mark.parametrize("ending", [b"TAG" + bytes(125), b"\1", content_of("flac", 1.0), content_of("wav", 1.0)])
def test_what_follows_the_frames_is_found_frame_by_frame(monkeypatch, ending):
    content = content_of("flac", 3.0)
    found = found_in(content + ending)
    assert found == plainly(monkeypatch, content + ending)
    assert found.end == len(content)


def test_a_header_within_a_frame_is_no_damage():
    # noise is stored as it is, and so are these samples: the header of another frame
    content = content_of("flac", 2.0)
    header = content[frame_starts(content)[5] :][:6]
    assert flac_frames.HEADER.match(header)
    noise = np.random.default_rng(0).integers(-32768, 32767, 3 * BLOCK, dtype=np.int16)
    noise[BLOCK + 101 : BLOCK + 104] = np.frombuffer(header, dtype=">i2")
    content = encode(noise, container="FLAC")
    assert content.count(header) == 1
    assert [(recording.parts, recording.notes) for recording in found_in(content).recordings] == [
        ((Span(0, len(content)),), ())
    ]


# --- streams without a length ---------------------------------------------------------------------------------------


def test_a_stream_without_a_length_is_read_and_sought_without_the_media_extra(tmp_path, no_media):
    pcm = chirp(12.0)
    path = keep(tmp_path / "clip.flac", streamed_flac(pcm))
    samples, notes = read_with_notes(path)
    assert np.array_equal(samples, as_float(pcm))
    assert notes["length_wrong"].text == "its header declares no length; 12.00 s are there"
    assert read_info(path).duration_s == 12.0
    assert np.array_equal(read_audio(path, SR, start_s=9.0, end_s=10.0), as_float(pcm)[9 * SR : 10 * SR])


def test_a_stream_without_a_length_that_ends_within_a_frame_is_cut_off(tmp_path):
    pcm = chirp(12.0)
    content = streamed_flac(pcm)
    starts = frame_starts(content)
    samples, notes = read_with_notes(keep(tmp_path / "clip", content[: starts[20] + 300]))
    assert np.array_equal(samples, as_float(pcm)[: 20 * BLOCK])
    assert notes["cut_off"].text == f"ends within a frame, after {20 * BLOCK_S:.2f} s"


def test_a_declared_length_that_is_too_short_is_read_beyond(tmp_path):
    pcm = chirp(12.0)
    content = bytearray(encode(pcm, container="FLAC"))
    content[22:26] = (3 * SR).to_bytes(4, "big")
    samples, notes = read_with_notes(keep(tmp_path / "clip", bytes(content)))
    assert np.array_equal(samples, as_float(pcm))
    assert notes["length_wrong"].text == "its header declares 3.00 s; 12.00 s are there"


def test_a_header_without_frames_has_no_samples(tmp_path):
    content = streamed_flac(chirp())
    assert refusal(keep(tmp_path / "clip", content[: frame_starts(content)[0]])) == ("no_samples", NO_SAMPLES)


# --- joined streams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_joined_streams_are_read_one_after_another(tmp_path, media_or_not, streamed):
    pieces = [chirp(3.0, seed=1), chirp(0.1, seed=2), chirp(3.0, 2, seed=3), chirp(3.0, seed=1)]
    encoded = [streamed_flac(pcm) if streamed else encode(pcm, container="FLAC") for pcm in pieces]
    path = keep(tmp_path / "clip", b"".join(encoded))
    samples, notes = read_with_notes(path)
    expected = np.concatenate([as_float(pcm) for pcm in pieces])
    np.testing.assert_allclose(samples, expected, rtol=0, atol=6e-8)
    assert notes["joined"].text == "holds 4 recordings, joined"
    for start_s, end_s in [(0.0, 1.0), (2.5, 3.5), (3.05, 6.0), (7.0, 9.0), (8.5, None)]:
        part = read_audio(path, SR, start_s=start_s, end_s=end_s)
        assert np.array_equal(part, samples[round(start_s * SR) : None if end_s is None else round(end_s * SR)])
    assert refusal(path, start_s=9.0, end_s=10.0)[0] == "bad_segment"


def test_joined_streams_of_different_rates_are_refused(tmp_path):
    content = encode(chirp(), 16_000, "FLAC") + encode(chirp(), 22_050, "FLAC")
    assert refusal(keep(tmp_path / "clip", content)) == (
        "mixed_rates",
        "holds joined recordings with sample rates of 16000 and 22050 Hz; expected one rate: split it, or export it "
        "at one rate",
    )


# --- damage ---------------------------------------------------------------------------------------------------------

PCM = chirp(12.0)


def damaged(kind, number, rng):
    """Return a FLAC of PCM with damage in a frame, and the samples that are left."""
    content = bytearray(content_of("flac", 12.0))
    start, stop = frame_starts(bytes(content))[number : number + 2]
    at = int(rng.integers(start + 20, stop - 20))
    if kind == "bit":
        content[at] ^= 1 << int(rng.integers(8))
    elif kind == "header":
        content[start + 2] ^= 0x10
    elif kind == "bytes lost":
        del content[at : at + 10]
    elif kind == "bytes added":
        content[at:at] = rng.bytes(3_000)
    elif kind == "frame lost":
        del content[start:stop]
    else:
        content[start:stop] = bytes(stop - start)
    left = as_float(PCM)
    return bytes(content), np.delete(left, slice(number * BLOCK, (number + 1) * BLOCK))


@pytest.mark.parametrize("kind", ["bit", "header", "bytes lost", "bytes added", "frame lost", "zeros"])
@pytest.mark.parametrize("number", [0, 1, 30])
def test_a_damaged_frame_is_left_out_and_counted(tmp_path, monkeypatch, kind, number):
    content, left = damaged(kind, number, np.random.default_rng(number))
    if number == 0 and kind in ("header", "frame lost", "zeros"):
        pytest.skip("the first frame that is seen is the second")
    assert found_in(content) == plainly(monkeypatch, content)
    path = keep(tmp_path / "clip", content)
    samples, notes = read_with_notes(path)
    # a frame whose header is damaged belongs to the one before
    n_lost = 2 if kind == "header" else 1
    assert len(samples) == len(PCM) - n_lost * BLOCK
    assert notes["lost"].seconds == pytest.approx(n_lost * BLOCK_S)
    assert set(notes) == {"lost"}
    if n_lost == 1:
        assert np.array_equal(samples, left)
    for start_s, end_s in [(0.0, 2.0), (9.0, 10.0), (10.5, None)]:
        part = read_audio(path, SR, start_s=start_s, end_s=end_s)
        assert np.array_equal(part, samples[round(start_s * SR) : None if end_s is None else round(end_s * SR)])


def test_too_much_damage_is_refused(tmp_path):
    content = bytearray(content_of("flac", 12.0))
    for start in frame_starts(bytes(content))[10:16]:
        content[start + 200] ^= 1
    code, message = refusal(keep(tmp_path / "clip", bytes(content)))
    assert code == "damaged"
    assert message.startswith("1.54 s lost in 1 damaged place, at 2.56 s, of 12.00 s; at most 10% may be lost")
