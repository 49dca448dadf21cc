"""mp3 and mp2 files without a length, with a wrong one, joined, cut and damaged."""

import io
import os
import struct

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import read_audio, read_info
from gmmaudio.audio.containers import mpeg_frames
from gmmaudio.audio.layout import find_recordings
from gmmaudio.audio.splice import Span
from gmmaudio.audio.stderr_lines import decoder_lines
from tests.audio.conftest import SR, encode, keep, mp3, read_with_notes, refusal

FRAME = 1_152
RATE = 44_100
FRAME_S = FRAME / RATE
ID3 = b"ID3\x04\0\0\0\0\x0f\x50" + bytes(2_000)


def tagged(seconds=6.0, seed=0, quiet_s=0.0):
    """Return an mp3 with a length tag, and its frames."""
    return mp3(seconds, RATE, 2, seed, quiet_s)


def tagless(*args, **kwargs):
    """Return an mp3 without a length tag."""
    content, starts = tagged(*args, **kwargs)
    return content[starts[1] :]


def with_count(content, n_frames):
    """Return a tagged mp3 that declares another number of frames."""
    at = next(at for at in (content.find(b"Xing"), content.find(b"Info")) if at >= 0)
    return content[: at + 8] + struct.pack(">I", n_frames) + content[at + 12 :]


def reference(content):
    """Return the samples of a whole tagged mp3 by libsndfile, mono."""
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return samples.mean(axis=1)


def assert_slices(path, samples, *segments):
    for start_s, end_s in segments:
        part = read_audio(path, RATE, start_s=start_s, end_s=end_s)
        whole = samples[round(start_s * RATE) : None if end_s is None else round(end_s * RATE)]
        np.testing.assert_allclose(part, whole, rtol=0, atol=1e-6)


# --- lengths --------------------------------------------------------------------------------------------------------


def test_a_tagged_file_is_left_as_it_is(tmp_path):
    content, _ = tagged()
    path = keep(tmp_path / "clip", content)
    with path.open("rb") as handle:
        assert [recording.parts for recording in find_recordings(handle)] == [(Span(0, len(content)),)]
    samples, notes = read_with_notes(path, RATE)
    assert np.array_equal(samples, reference(content))
    assert notes == {}


@pytest.mark.parametrize("quiet_s", [0.0, 5.0])
def test_a_variable_rate_without_a_tag_is_read_to_the_end(tmp_path, media_or_not, quiet_s):
    content, starts = tagged(20.0, quiet_s=quiet_s)
    path = keep(tmp_path / "clip", content[starts[1] :])
    n_frames = len(starts) - 2
    samples, notes = read_with_notes(path, RATE)
    assert len(samples) == n_frames * FRAME
    assert read_info(path).duration_s == n_frames * FRAME / RATE
    # the tag cuts off the encoder's and the decoder's delay of 1,105 samples: LAME's own, and 529
    whole = reference(content)
    np.testing.assert_allclose(samples[1_105:][: len(whole)], whole, rtol=0, atol=2e-7)
    assert notes == {}
    assert_slices(path, samples, (0.0, 1.0), (7.3, 9.1), (19.0, None))


def test_a_file_without_a_tag_has_the_samples_of_ffmpeg(tmp_path):
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    path = keep(tmp_path / "clip.mp3", tagless(6.0))
    with av.open(str(path)) as container:
        expected = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)])
    np.testing.assert_allclose(read_audio(path, RATE), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("declared", [0, 50])
def test_a_tag_that_declares_too_few_frames_is_read_beyond(tmp_path, media_or_not, declared):
    content, starts = tagged()
    samples, notes = read_with_notes(keep(tmp_path / "clip", with_count(content, declared)), RATE)
    whole = reference(content)
    np.testing.assert_allclose(samples[: len(whole)], whole, rtol=0, atol=2e-7)
    assert set(notes) == ({"length_wrong"} if declared else set())
    assert len(samples) <= (len(starts) - 2) * FRAME


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.2])
def test_a_file_that_holds_less_than_its_tag_declares_is_truncated(tmp_path, media_or_not, kept):
    content, starts = tagged()
    stop = starts[round(kept * len(starts))]
    path = keep(tmp_path / "clip", content[: stop + 20])
    code, message = refusal(path, RATE)
    n_frames = round(kept * len(starts)) - 1
    declared_s = (len(starts) - 2) * FRAME_S
    assert (code, message) == (
        "truncated",
        f"only {n_frames * FRAME_S:.2f} s are left of {declared_s:.2f} s declared; copy or export the file again",
    )
    assert len(read_audio(path, RATE, start_s=0.2, end_s=1.0)) == round(0.8 * RATE)


def test_a_tag_that_declares_too_many_frames_is_truncated(tmp_path):
    content, starts = tagged()
    assert refusal(keep(tmp_path / "clip", with_count(content, 2 * len(starts))), RATE)[0] == "truncated"


def test_a_file_without_a_tag_may_end_within_a_frame(tmp_path, media_or_not):
    content, starts = tagged()
    path = keep(tmp_path / "clip", content[starts[1] : starts[101] - 30])
    samples, notes = read_with_notes(path, RATE)
    assert len(samples) == 99 * FRAME
    assert notes["cut_off"].text == f"ends within a frame, after {99 * FRAME_S:.2f} s"


def test_the_tag_of_fraunhofer_is_no_sound(tmp_path):
    content, starts = tagged()
    sound = content[starts[1] :]
    n_frames = len(starts) - 2
    vbri = bytes.fromhex("fffb9064") + bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(sound) + 417, n_frames)
    samples, notes = read_with_notes(keep(tmp_path / "clip", vbri.ljust(417, b"\0") + sound), RATE)
    expected, _ = read_with_notes(keep(tmp_path / "clip", sound), RATE)
    assert np.array_equal(samples, expected)
    assert notes == {}


APE = b"APETAGEX" + struct.pack("<IIII8x", 2_000, 2_000, 66, 0xA0000000) + b"\xff\xfb\x90\x64" * 492
APE += b"APETAGEX" + struct.pack("<IIII8x", 2_000, 2_000, 66, 0x80000000)
LYRICS = b"LYRICSBEGININD00002 00LYR00500" + b"a" * 500 + b"000530LYRICS200"
ENDS = {
    "id3v1": b"TAG" + b"x" * 125,
    "ape": APE,
    "ape and id3v1": APE + b"TAG" + b"x" * 125,
    "lyrics": LYRICS + b"TAG" + b"x" * 125,
    "zeros": bytes(5_000),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("has_tag", [True, False])
def test_tags_at_both_ends_are_no_sound(tmp_path, capfd, has_tag, end):
    content = tagged()[0] if has_tag else tagless()
    expected = read_audio(keep(tmp_path / "clip", content), RATE)
    samples, notes = read_with_notes(keep(tmp_path / "clip", ID3 + content + ENDS[end]), RATE)
    np.testing.assert_allclose(samples, expected, rtol=0, atol=2e-7)
    assert notes == {}
    assert capfd.readouterr() == ("", "")


def test_a_tag_in_the_middle_of_a_stream_costs_nothing(tmp_path):
    content, starts = tagged()
    plain = read_audio(keep(tmp_path / "clip", content[starts[1] :]), RATE)
    at = starts[100]
    samples, notes = read_with_notes(keep(tmp_path / "clip", content[starts[1] : at] + ID3 + content[at:]), RATE)
    assert np.array_equal(samples, plain)
    assert notes == {}


# --- joined files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", ["xxx", "xn", "nx", "xnx", "x3x", "n3n", "x3n3x"])
def test_joined_files_are_read_one_after_another(tmp_path, media_or_not, kinds):
    # x: with a length tag, n: without one, 3: ID3
    parts, expected = [], []
    for seed, kind in enumerate(kinds):
        content = {"x": tagged(4.0, seed)[0], "n": tagless(4.0, seed), "3": ID3}[kind]
        parts.append(content)
        if kind != "3":
            expected.append(read_audio(keep(tmp_path / "piece", content), RATE))
    path = keep(tmp_path / "clip", b"".join(parts))
    samples, notes = read_with_notes(path, RATE)
    np.testing.assert_allclose(samples, np.concatenate(expected), rtol=0, atol=2e-7)
    assert set(notes) == {"joined"}
    assert notes["joined"].text == f"holds {len(expected)} recordings, joined"
    assert_slices(path, samples, (0.5, 1.0), (3.5, 4.5), (5.0, 7.5), (7.0, None))
    assert refusal(path, RATE, start_s=13.0, end_s=14.0)[0] == "bad_segment"


def test_joined_mono_and_stereo_are_read(tmp_path):
    mono, stereo = mp3(3.0, RATE, 1)[0], mp3(3.0, RATE, 2)[0]
    samples, notes = read_with_notes(keep(tmp_path / "clip", mono + stereo + mono), RATE)
    assert len(samples) == 9 * RATE
    assert notes["joined"].text == "holds 3 recordings, joined"
    np.testing.assert_allclose(samples[: 3 * RATE], reference(mono), rtol=0, atol=2e-7)


def test_joined_files_of_different_rates_are_refused(tmp_path):
    assert refusal(keep(tmp_path / "clip", tagged()[0] + mp3(3.0, 22_050, 2)[0]), RATE)[0] == "mixed_rates"


def test_an_mp3_and_a_wav_are_joined(tmp_path):
    wav = encode(np.random.default_rng(0).normal(scale=0.1, size=2 * RATE), RATE)
    samples, notes = read_with_notes(keep(tmp_path / "clip", tagged(3.0)[0] + wav), RATE)
    assert len(samples) == 5 * RATE
    assert set(notes) == {"joined"}


# --- damage ---------------------------------------------------------------------------------------------------------


def damage_frames(content, kind, at, rng):
    """Return a file with some hundred bytes damaged at an offset."""
    content = bytearray(content)
    if kind == "bytes lost":
        del content[at : at + 777]
    elif kind == "bytes added":
        content[at:at] = rng.bytes(500)
    elif kind == "zeros":
        content[at : at + 1_000] = bytes(1_000)
    else:
        content[at : at + 1_000] = rng.bytes(1_000)
    return bytes(content)


@pytest.mark.parametrize("kind", ["bytes lost", "bytes added", "zeros", "other bytes"])
@pytest.mark.parametrize("has_tag", [True, False])
def test_damage_is_left_out_and_counted(tmp_path, media_or_not, capfd, has_tag, kind):
    content = tagged()[0] if has_tag else tagless()
    whole = read_audio(keep(tmp_path / "clip", content), RATE)
    rng, silent_s = np.random.default_rng(0), []
    for at in rng.integers(5_000, len(content) - 5_000, 5):
        path = keep(tmp_path / "clip", damage_frames(content, kind, at, rng))
        samples, notes = read_with_notes(path, RATE)
        lost_s = (len(whole) - len(samples)) / RATE
        assert 0 < lost_s < 0.3
        assert "lost" in notes
        # frames after the place that borrow lost bytes are silent, and count
        assert lost_s - 0.06 < notes["lost"].seconds < lost_s + 0.2
        silent_s.append(notes["lost"].seconds - lost_s)
        differs = np.flatnonzero(np.abs(samples - whole[: len(samples)]) > 1e-5)
        place_s = float(notes["lost"].text.split(" at ")[1].split()[0])
        assert place_s == pytest.approx((differs[0] if len(differs) else len(samples)) / RATE, abs=0.06)
        tail = len(samples) - round((place_s + 0.4) * RATE)
        if tail > 0:
            np.testing.assert_allclose(samples[-tail:], whole[-tail:], rtol=0, atol=1e-5)
        assert_slices(path, samples, (1.0, 2.0), (4.1, None))
    # the length tag tells how many frames are missing, and nearly all frames borrow
    assert not has_tag or max(silent_s) > 0.9 * FRAME_S
    assert capfd.readouterr() == ("", "")


def test_bytes_lost_refuse_no_file(tmp_path):
    # as many places as in a file that was refused at every one of them
    content, rng = tagless(), np.random.default_rng(1)
    for at in rng.integers(5_000, len(content) - 5_000, 20):
        path = keep(tmp_path / "clip", damage_frames(content, "bytes lost", at, rng))
        assert len(read_audio(path, RATE)) > 5.7 * RATE


@pytest.mark.parametrize("has_tag", [True, False])
def test_too_much_damage_is_refused(tmp_path, media_or_not, has_tag):
    content, starts = tagged()
    start, stop = starts[40] + 50, starts[90] + 50
    noise = np.random.default_rng(0).bytes(stop - start)
    damaged = content[: starts[1]] * has_tag + content[starts[1] : start] + noise + content[stop:]
    code, message = refusal(keep(tmp_path / "clip", damaged), RATE)
    assert code == "damaged"
    assert "at most 10% may be lost" in message


def test_frames_that_cannot_be_decoded_are_silent_and_counted(tmp_path, media_or_not, capfd):
    content, starts = tagged()
    whole = reference(content)
    damaged = bytearray(content)
    for index in (60, 61, 150):
        at = starts[index] + 4
        damaged[at : at + 32] = b"\xff" * 32  # more pairs of large values than a frame has
    samples, notes = read_with_notes(keep(tmp_path / "clip", bytes(damaged)), RATE)
    assert len(samples) == len(whole)
    assert notes["lost"].text == f"0.08 s lost in 2 damaged places, at {59 * FRAME_S:.2f}, {149 * FRAME_S:.2f} s"
    assert notes["lost"].seconds == pytest.approx(3 * FRAME_S)
    equal = np.abs(samples - whole) < 1e-5
    assert equal[: 57 * FRAME].all()
    assert equal[63 * FRAME : 146 * FRAME].all()
    assert equal[152 * FRAME :].all()
    assert not np.abs(samples).max() > 1.1 * np.abs(whole).max()
    assert capfd.readouterr() == ("", "")


def test_frames_that_the_decoder_gives_up_are_counted_and_write_nothing(tmp_path, media_or_not, capfd):
    content, starts = tagged()
    damaged = bytearray(content)
    for index in (60, 100, 101):
        # the length of the first granule's data, 12 bits after 20: fewer bits than its values need
        damaged[starts[index] + 6] &= 0xF0
        damaged[starts[index] + 7] = 40
    path = keep(tmp_path / "clip", bytes(damaged))
    _, notes = read_with_notes(path, RATE)
    assert notes["lost"].seconds == pytest.approx(3 * FRAME_S, abs=1.5 * FRAME_S)
    assert capfd.readouterr() == ("", "")
    # others may write to standard error at the same time
    with decoder_lines():
        os.write(2, b"a line of another thread\n")
    assert capfd.readouterr() == ("", "a line of another thread\n")


def test_a_recording_of_a_running_stream_begins_within_a_frame(tmp_path, media_or_not):
    content, starts = tagged()
    samples, notes = read_with_notes(keep(tmp_path / "clip", content[starts[50] + 100 :]), RATE)
    assert len(samples) == (len(starts) - 1 - 51) * FRAME
    whole = reference(content)
    n = 4 * RATE
    end = len(whole) + 1_105 - 50 * FRAME
    np.testing.assert_allclose(samples[end - n : end], whole[-n:], rtol=0, atol=1e-5)
    assert set(notes) <= {"lost"}


def test_bytes_that_are_made_to_look_like_headers_are_searched_only_so_far(monkeypatch):
    tried = []
    original = mpeg_frames.read_format
    monkeypatch.setattr(mpeg_frames, "read_format", lambda head: (tried.append(0), original(head))[1])
    content = tagless(60.0) + b"\xff\xfb\x90\x0f" * 15_000
    assert find_recordings(io.BytesIO(content))[0].notes[0].code == "lost"
    assert len(tried) < 10_000


@pytest.mark.parametrize("seed", range(3))
def test_other_content_has_no_frames(seed):
    content = np.random.default_rng(seed).bytes(300_000)
    assert find_recordings(io.BytesIO(content))[0].parts == (Span(0, len(content)),)


# --- layer II -------------------------------------------------------------------------------------------------------


def mp2(path, bit_rate, seconds=4.0):
    """Return a file of layer II, by PyAV."""
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    with av.open(str(path), "w", format="mp2") as out:
        stream = out.add_stream("mp2", rate=48_000, layout="stereo")
        stream.bit_rate = bit_rate
        samples = np.random.default_rng(0).normal(scale=3_000, size=(1, round(seconds * 48_000) * 2)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate = 48_000
        for part in [frame, None]:
            out.mux(stream.encode(part))
    return path.read_bytes()


def test_layer_ii_is_read_whole_joined_and_around_damage(tmp_path):
    first, second = mp2(tmp_path / "a", 192_000), mp2(tmp_path / "b", 128_000)
    n = len(first) // 576 * FRAME
    samples, notes = read_with_notes(keep(tmp_path / "clip", first), 48_000)
    assert len(samples) == n
    assert notes == {}
    path = keep(tmp_path / "clip", first + second)
    joined, notes = read_with_notes(path, 48_000)
    assert len(joined) == 2 * n
    assert np.array_equal(joined[:n], samples)
    part = read_audio(path, 48_000, start_s=4.5, end_s=6.0)
    np.testing.assert_allclose(part, joined[round(4.5 * 48_000) : 6 * 48_000], rtol=0, atol=1e-6)
    _, notes = read_with_notes(keep(tmp_path / "clip", first[:30_100] + first[30_877:]), 48_000)
    assert notes["lost"].seconds == pytest.approx(0.03, abs=0.03)


def test_a_changed_file_is_looked_at_again(tmp_path):
    content = tagless(3.0)
    path = keep(tmp_path / "clip", content)
    first = len(read_audio(path, SR))
    keep(path, content[: len(content) // 2].ljust(len(content), b"\0"))
    assert len(read_audio(path, SR)) < 0.6 * first


def test_frames_inside_a_tag_are_no_sound(tmp_path, media_or_not):
    content, _ = mp3(3.0, 44_100, 2)
    other, _ = mp3(2.0, 44_100, 2, seed=1)
    size = bytes(len(other) >> shift & 0x7F for shift in (21, 14, 7, 0))
    expected, _ = read_with_notes(keep(tmp_path / "clip", content), 44_100)
    samples, notes = read_with_notes(keep(tmp_path / "clip", b"ID3\3\0\0" + size + other + content), 44_100)
    assert np.array_equal(samples, expected)
    assert notes == {}


def test_a_copy_of_a_length_tag_near_the_end_does_not_begin_a_piece_for_ever(tmp_path):
    # found by mutation: the tag cannot be read there, and its frame was taken for the begin of yet another piece
    path = tmp_path / "a.mp3"
    soundfile.write(path, 0.3 * np.sin(np.arange(8_000) / 5.0), 8_000)
    content = path.read_bytes()
    path.write_bytes(content[:-89] + content[:326] + content[-89:])
    assert refusal(path, 8_000)[0] == "damaged"
