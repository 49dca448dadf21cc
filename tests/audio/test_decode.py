"""Decoding of any file: channels, resampling, blocks, segments, silence, duration, names and paths."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from gmmaudio import audio
from gmmaudio.audio import AudioInfo, read_audio, read_blocks, read_info
from gmmaudio.errors import AudioError, SettingError
from tests.audio.conftest import (
    FORMATS,
    LOSSLESS,
    MEDIA,
    NO_SAMPLES,
    NON_FINITE,
    NOT_A_FILE,
    NOT_AUDIO,
    SEGMENT_REMEDY,
    SEGMENTS,
    SR,
    VANISHED,
    chirp,
    content_of,
    encode,
    encode_media,
    keep,
    media_tone,
    refusal,
    spoiled,
    streamed_flac,
    wav,
)
from tests.fuzz.mutations import damage

# --- samples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_are_decoded_exactly(tmp_path, name):
    pcm = chirp(12.0)  # more than one block
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    samples = read_audio(path, SR)
    assert samples.dtype == np.float32
    assert np.array_equal(samples, pcm / np.float32(32768))


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 48_000])
def test_resampled_samples_equal_those_of_soxr_over_block_edges(tmp_path, rate):
    pcm = chirp(23.0)  # two block edges
    path = wav(tmp_path / "clip.wav", pcm)
    samples = read_audio(path, rate)
    expected = soxr.resample(pcm / np.float32(32768), SR, rate, quality="HQ")
    assert samples.dtype == np.float32
    # equal with soxr 1.1; a few units of float32 are left for a version that adds in another order
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [(44_100, 16_000), (16_000, 22_050), (8_000, 16_000), (48_000, 8_000)]
)
def test_resampling_keeps_the_level_frequency_and_length_of_a_tone(tmp_path, rate_in, rate_out):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate_in) / rate_in + 0.3)
    samples = read_audio(wav(tmp_path / "tone.wav", tone, rate_in, "FLOAT"), rate_out)
    assert len(samples) == 2 * rate_out
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate_out) / rate_out + 0.3)
    middle = slice(rate_out // 5, -rate_out // 5)  # away from the edges, where the filter runs in and out
    # soxr's HQ filter ripples by less than 0.01 dB, 0.0006 of 0.5; 1 Hz off would be apart by the whole amplitude
    np.testing.assert_allclose(samples[middle], expected[middle], rtol=0, atol=6e-4)


def test_resampling_removes_a_tone_above_the_new_nyquist_frequency(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 7_000 * np.arange(2 * 48_000) / 48_000)
    samples = read_audio(wav(tmp_path / "tone.wav", tone, 48_000, "FLOAT"), 8_000)
    # HQ rejects by 100 dB, 5e-6 of 0.5; the tone's start and end are steps, and left out
    assert np.abs(samples[1_600:-1_600]).max() < 1e-5


@pytest.mark.parametrize("sr", [0, -1, 10**9])
def test_an_output_rate_out_of_bounds_is_refused(tmp_path, sr):
    with pytest.raises(SettingError, match=f"sr is {sr}; expected 4000 to 384000 Hz"):
        read_audio(wav(tmp_path / "clip.wav"), sr)


@pytest.mark.parametrize("n_channels", [2, 3, 6])
def test_channels_are_averaged(tmp_path, n_channels):
    pcm = chirp(1.0, n_channels)
    samples = read_audio(wav(tmp_path / "clip.wav", pcm), SR)
    # the mean of 16-bit numbers, rounded once more: a unit of float32 at full scale
    np.testing.assert_allclose(samples, pcm.mean(axis=1) / 32768, rtol=0, atol=1.2e-7)


def test_64_channels_are_read(tmp_path):
    pcm = chirp(0.1, 64)
    samples = read_audio(wav(tmp_path / "clip.wav", pcm), SR)
    # as above
    np.testing.assert_allclose(samples, pcm.mean(axis=1) / 32768, rtol=0, atol=1.2e-7)


@pytest.mark.parametrize("rate", [SR, 11_025])
@pytest.mark.parametrize("name", FORMATS)
def test_joined_blocks_equal_the_whole(tmp_path, name, rate):
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    blocks = list(read_blocks(path, rate))
    assert len(blocks) > 1
    assert all(block.ndim == 1 and block.dtype == np.float32 for block in blocks)
    assert np.array_equal(np.concatenate(blocks), read_audio(path, rate))


# --- what the header declares ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_read_info_returns_rate_channels_and_duration(tmp_path, name):
    info = read_info(keep(tmp_path / "clip", content_of(name, 1.5, 2)))
    assert (info.sample_rate_hz, info.n_channels, info.format) == (SR, 2, FORMATS[name][0])
    # ADPCM comes in blocks of 1,012 samples, the others declare the exact length
    assert info.duration_s == pytest.approx(1.5, abs=1_012 / SR if name == "adpcm" else 0)


def test_read_info_does_not_decode(tmp_path, monkeypatch):
    path = wav(tmp_path / "clip.wav")
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_args, **_kwargs: pytest.fail("decoded"))
    assert read_info(path) == AudioInfo(SR, 1, 1.0, "WAV")


# --- content, not names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("container", "name"),
    [
        ("FLAC", "a.mp3"),
        ("FLAC", "a.wav"),
        ("WAV", "a.raw"),
        ("WAV", "a"),
        ("WAV", "a.txt"),
        ("WAV", "a.flac"),
        ("AIFF", "a.au"),
        ("AU", "a.ogg"),
        ("CAF", "a.mat"),
    ],
)
def test_content_beats_extension(tmp_path, container, name):
    pcm = chirp()
    path = keep(tmp_path / name, encode(pcm, SR, container))
    assert np.array_equal(read_audio(path, SR), pcm / np.float32(32768))
    assert read_info(path).format == container


def test_raw_samples_without_a_header_are_not_audio_whatever_their_name(tmp_path, no_media):
    path = keep(tmp_path / "a.raw", chirp().tobytes())
    assert refusal(path) == ("not_audio", NOT_AUDIO)


@pytest.mark.parametrize(
    "name",
    [
        "ünï ç 中文 🎵.wav",
        "new\nline.wav",
        "-x.wav",
        "--help",
        " ",
        "%s%d{0}.wav",
        "*?[a].wav",
        "'\";$(x).wav",
        "http:a.wav",
        os.fsdecode(b"\xff\xfe\xe9.wav"),
        "a" * 240 + ".wav",
    ],
    ids=ascii,
)
def test_any_file_name_is_read(tmp_path, name):
    pcm = chirp(0.1)
    try:
        path = wav(tmp_path / name, pcm)
    except (OSError, UnicodeError) as error:
        pytest.skip(f"this file system refuses the name: {error}")
    for argument in (path, str(path)):
        assert np.array_equal(read_audio(argument, SR), pcm / np.float32(32768))


@pytest.mark.parametrize("name", ["-x.wav", "file:x.wav", "0"])
def test_a_relative_name_is_no_option_url_or_descriptor(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    wav(Path(name), chirp(0.1))
    assert len(read_audio(name, SR)) == SR // 10


def test_a_link_to_a_file_is_read(tmp_path):
    target = wav(tmp_path / "clip.wav")
    link = tmp_path / "link"
    try:
        link.symlink_to(target)
    except OSError as error:
        pytest.skip(f"this file system has no symbolic links: {error}")
    assert len(read_audio(link, SR)) == SR


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed by Linux only")
def test_files_are_closed_after_success_failure_and_abandonment(tmp_path):
    good, bad = wav(tmp_path / "good.wav", chirp(25.0)), keep(tmp_path / "bad.wav", b"RIFF")
    empty, silent = keep(tmp_path / "empty.wav", b""), wav(tmp_path / "silent.wav", np.zeros(SR))
    read_audio(good, SR)
    read_info(good)
    for path in (bad, empty, silent):
        refusal(path)
    abandoned = read_blocks(good, SR)
    next(abandoned)
    abandoned.close()
    still_open = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor of the listing itself
            still_open.append(link.readlink().parent)
    assert tmp_path not in still_open


# --- segments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start_s", "end_s"), SEGMENTS)
@pytest.mark.parametrize("name", LOSSLESS)
def test_a_segment_is_a_slice(tmp_path, name, start_s, end_s):
    pcm = chirp(12.0)
    path = keep(tmp_path / "clip", content_of(name, 12.0))
    expected = pcm[round(start_s * SR) : None if end_s is None else round(end_s * SR)] / np.float32(32768)
    assert np.array_equal(read_audio(path, SR, start_s=start_s, end_s=end_s), expected)


def test_a_segment_is_cut_before_it_is_resampled(tmp_path):
    pcm = chirp(3.0)
    path = wav(tmp_path / "clip.wav", pcm)
    samples = read_audio(path, 8_000, start_s=0.5, end_s=2.25)
    assert len(samples) == 14_000
    # as for the whole
    expected = soxr.resample(pcm[8_000:36_000] / np.float32(32768), SR, 8_000)
    np.testing.assert_allclose(samples, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("end_s", [1.0, 1.05, 1.1])
def test_an_end_within_the_tolerance_is_the_end_of_the_file(tmp_path, end_s):
    # manifests round, and lossy encoders pad: 0.1 s is let pass
    assert len(read_audio(wav(tmp_path / "clip.wav"), SR, end_s=end_s)) == SR


@pytest.mark.parametrize(
    ("start_s", "end_s", "segment"),
    [
        (1.0, None, "1-"),
        (1.05, None, "1.05-"),
        (1.5, 2.5, "1.5-2.5"),
        (0.0, 1.11, "0-1.11"),
        (0.5, 1.25, "0.5-1.25"),
        (1e9, 2e9, "1e+09-2e+09"),
        (0.5, 0.5, "0.5-0.5"),
        (0.75, 0.25, "0.75-0.25"),
    ],
)
def test_a_segment_outside_the_file_is_bad_segment(tmp_path, start_s, end_s, segment):
    path = wav(tmp_path / "clip.wav")
    assert refusal(path, start_s=start_s, end_s=end_s) == (
        "bad_segment",
        f"the segment {segment} s lies outside the file, which has 1.00 s; {SEGMENT_REMEDY}",
    )


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [(-1.0, None), (-0.5, 0.5), (0.0, 0.0), (0.0, -1.0)],
)
def test_an_impossible_segment_is_bad_segment(tmp_path, start_s, end_s):
    assert refusal(wav(tmp_path / "clip.wav"), start_s=start_s, end_s=end_s)[0] == "bad_segment"


@pytest.mark.parametrize(
    ("start_s", "end_s", "name"),
    [(np.nan, None, "start_s"), (np.inf, None, "start_s"), (0.0, np.nan, "end_s"), (0.0, np.inf, "end_s")],
)
def test_a_segment_that_is_no_number_is_refused_by_name(tmp_path, start_s, end_s, name):
    with pytest.raises(SettingError, match=f"`{name}` is (nan|inf); expected a finite number"):
        read_audio(wav(tmp_path / "clip.wav"), SR, start_s=start_s, end_s=end_s)


# --- files that cannot be opened ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none.wav", "none/none.wav", "clip.wav/none.wav", "nul\0.wav", "dangling"])
def test_a_path_without_a_file_is_vanished(tmp_path, name):
    wav(tmp_path / "clip.wav")
    with contextlib.suppress(OSError):
        (tmp_path / "dangling").symlink_to(tmp_path / "gone.wav")
    assert refusal(tmp_path / name) == ("vanished", VANISHED)


def test_a_file_deleted_between_stat_and_open_is_vanished(tmp_path, monkeypatch):
    path = wav(tmp_path / "clip.wav")
    look = Path.stat

    def stat(self, **kwargs):
        result = look(self, **kwargs)
        self.unlink()
        return result

    monkeypatch.setattr(Path, "stat", stat)
    assert refusal(path) == ("vanished", VANISHED)


@pytest.mark.parametrize("path", ["", ".", os.devnull])
def test_a_folder_or_device_is_not_a_file(path):
    assert refusal(path) == ("not_a_file", NOT_A_FILE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert refusal(tmp_path / "pipe.wav") == ("not_a_file", NOT_A_FILE)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_unreadable(tmp_path):
    path = wav(tmp_path / "clip.wav")
    path.chmod(0)
    assert refusal(path) == ("unreadable", "cannot be read (Permission denied); check its permissions")


def test_links_in_a_circle_are_unreadable(tmp_path):
    path = tmp_path / "clip.wav"
    try:
        path.symlink_to(path)
    except OSError as error:
        pytest.skip(f"this file system has no symbolic links: {error}")
    assert refusal(path)[0] == "unreadable"


# --- sound that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wav", "aiff", "au", "w64", "rf64", "caf", "ogg"])
def test_a_header_without_samples_is_no_samples(tmp_path, name):
    path = keep(tmp_path / "clip", content_of(name, 0.0))
    assert refusal(path) == ("no_samples", NO_SAMPLES)
    assert read_info(path).duration_s == 0.0


@pytest.mark.parametrize("rate", [SR, 8_000])
@pytest.mark.parametrize("index", [0, 100, -1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_not_finite_is_refused(tmp_path, value, index, rate):
    path = wav(tmp_path / "clip.wav", spoiled(index, value), encoding="FLOAT")
    assert refusal(path, rate) == ("non_finite", NON_FINITE)


def test_one_channel_that_is_not_finite_is_refused(tmp_path):
    samples = np.stack([spoiled(5, np.nan), chirp() / np.float32(32768)], axis=1)
    assert refusal(wav(tmp_path / "clip.wav", samples, encoding="FLOAT")) == ("non_finite", NON_FINITE)


def test_a_double_beyond_float32_is_refused(tmp_path):
    samples = spoiled(5, 0.0).astype(np.float64)
    samples[5] = 1e300
    assert refusal(wav(tmp_path / "clip.wav", samples, encoding="DOUBLE")) == ("non_finite", NON_FINITE)


@pytest.mark.parametrize("rate", [SR, 8_000, 48_000])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_magnitudes_near_the_maximum_of_float32_are_refused(tmp_path, n_channels, rate):
    samples = np.full((SR, n_channels), 3.4e38, np.float32)
    samples[::7] *= -1
    assert refusal(wav(tmp_path / "clip.wav", samples.squeeze(), encoding="FLOAT"), rate)[0] == "non_finite"


def test_samples_that_are_not_finite_outside_the_segment_are_ignored(tmp_path):
    path = wav(tmp_path / "clip.wav", spoiled(100, np.nan), encoding="FLOAT")
    assert len(read_audio(path, SR, start_s=0.5)) == SR // 2


@pytest.mark.parametrize("rate", [SR, 8_000])
@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(SR),
        np.full(SR, 0.5),
        np.full(SR, -1.0),
        # the last bits of a 16-bit converter: 3 steps peak to peak
        np.random.default_rng(0).integers(-2, 2, SR).astype(np.int16),
        0.25 + np.random.default_rng(0).integers(0, 4, SR) / 32768,
        np.tile([0.5, -0.25], (SR, 1)),
    ],
    ids=["zeros", "offset", "full_scale_offset", "last_bits", "last_bits_on_an_offset", "two_offsets"],
)
def test_silence_is_refused_whatever_its_offset(tmp_path, samples, rate):
    path = wav(tmp_path / "clip.wav", samples)
    assert refusal(path, rate) == ("silent", "1.00 s of silence; check the recording, or leave it out")


def test_four_steps_of_a_16_bit_converter_are_not_silence(tmp_path):
    samples = np.random.default_rng(0).integers(-2, 3, SR).astype(np.int16)  # 4 steps peak to peak
    assert np.array_equal(read_audio(wav(tmp_path / "clip.wav", samples), SR), samples / np.float32(32768))


def test_silence_is_measured_over_all_blocks(tmp_path):
    # each block is constant; only together do they move
    samples = np.concatenate([np.full(10 * SR, 0.0), np.full(10 * SR, 0.5)])
    assert len(read_audio(wav(tmp_path / "clip.wav", samples), SR)) == 20 * SR


def test_silence_is_measured_within_the_segment(tmp_path):
    path = wav(tmp_path / "clip.wav", np.concatenate([chirp(), np.zeros(SR, dtype=np.int16)]))
    assert len(read_audio(path, SR)) == 2 * SR
    assert refusal(path, start_s=1.0)[0] == "silent"
    assert len(read_audio(path, SR, end_s=1.0)) == SR


@pytest.mark.parametrize("rate", [8_000, SR, 48_000])
def test_the_minimum_duration_is_of_the_decoded_sound(tmp_path, rate):
    path = wav(tmp_path / "clip.wav", chirp(0.5))
    assert len(read_audio(path, rate, min_duration_s=0.5)) == rate // 2
    assert refusal(path, rate, min_duration_s=0.75) == (
        "too_short",
        "0.5 s of sound; at least 0.75 s is needed (`min_duration_s`)",
    )


def test_the_minimum_duration_is_of_the_segment(tmp_path):
    path = wav(tmp_path / "clip.wav", chirp(2.0))
    assert refusal(path, start_s=0.5, end_s=1.0, min_duration_s=1.0) == (
        "too_short",
        "0.5 s of sound; at least 1 s is needed (`min_duration_s`)",
    )


def test_one_sample_below_the_minimum_duration_is_too_short(tmp_path):
    path = wav(tmp_path / "clip.wav", chirp()[:-1])
    assert refusal(path, min_duration_s=1.0)[0] == "too_short"


# --- damage at random -----------------------------------------------------------------------------------------------


def outcome(path, rng):
    """Return the reason code for which a file is refused, or "read" where it gives finite samples."""
    try:
        samples = read_audio(path, int(rng.choice([8_000, SR, 22_050])))
    except AudioError as error:
        assert error.code in audio.REASONS
        assert error.message
        return error.code
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) > 0
    assert np.isfinite(samples).all()
    return "read"


def outcomes(folder, names, n, seed):
    rng = np.random.default_rng(seed)
    whole = [content_of(name, 0.5) for name in names]
    return [outcome(keep(folder / "clip", damage(whole[i % len(whole)], rng)), rng) for i in range(n)]


def test_damaged_files_give_finite_samples_or_a_reason(tmp_path, media_or_not):
    results = outcomes(tmp_path, ["wav", "flac", "ogg", "mp3"], 300, seed=0)
    # the damage reaches samples, headers and lengths
    assert {"read", "damaged", "truncated"} <= set(results)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "wav_float"])
def test_many_damaged_files_give_finite_samples_or_a_reason(tmp_path, no_media, name):
    results = set(outcomes(tmp_path, [name], 1_500, seed=1))
    assert "read" in results
    assert len(results) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FORMATS, "m4a", "aac", "webm", "mkv", "streamed_flac"])
def test_many_damaged_segments_give_finite_samples_or_a_reason(tmp_path, media_or_not, name):
    rng = np.random.default_rng(3)
    if name in MEDIA:
        content = (
            encode_media(tmp_path / "whole", media_tone(0.5), *MEDIA[name], sr=48_000).read_bytes()
            if media_or_not == "with_media"
            else pytest.skip("the media extra encodes these files")
        )
    else:
        content = streamed_flac(chirp(0.5)) if name == "streamed_flac" else content_of(name, 0.5)
    for _ in range(600):
        path = keep(tmp_path / "clip", damage(content, rng))
        segment = [{}, {"start_s": 0.3}, {"end_s": 0.4}, {"start_s": 0.2, "end_s": 0.45}][rng.integers(4)]
        try:
            samples = read_audio(path, int(rng.choice([8_000, SR, 22_050])), **segment)
        except AudioError as error:
            assert error.code in audio.REASONS
        else:
            assert np.isfinite(samples).all()
