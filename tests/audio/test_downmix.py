"""Mixing of channels to mono: equal to the mean where channels agree, and never a loss of the sound."""

import numpy as np
import pytest

from gmmaudio.audio import read_audio
from gmmaudio.audio.downmix import Downmix, _low_band
from gmmaudio.audio.downmix import mix_block as mix_block_at
from tests.audio.conftest import SR, encode, encode_media, keep

RNG = np.random.default_rng(0)
SOUND = (0.2 * RNG.normal(size=(2 * SR, 6))).astype(np.float32)
LEFT, RIGHT = SOUND[:, 0], SOUND[:, 1]
# noise as music has it, most of it at low frequencies; what codecs join to one signal is above
PINK = np.convolve(RNG.normal(size=2 * SR), 0.9 ** np.arange(80), "same").astype(np.float32) * np.float32(0.05)


def stack(*channels):
    return np.stack(channels, axis=1).astype(np.float32)


def mix_block(block, lfe_channels=()):
    return mix_block_at(block, SR, lfe_channels)


def read(path):
    """Return the samples of a file and the codes of its notes."""
    notes = []
    samples = read_audio(path, SR, on_note=notes.append)
    return samples, {note.code: note.seconds for note in notes}


# --- the mean -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 2, 3, 6])
def test_independent_channels_give_their_mean(n_channels):
    mono, code = mix_block(SOUND[:, :n_channels])
    assert code is None
    assert np.array_equal(mono, SOUND[:, :n_channels].mean(axis=1, dtype=np.float64).astype(np.float32))


@pytest.mark.parametrize("scale", [1e-30, 1e-5, 1.0, 1e29])
def test_two_channels_have_the_bits_of_the_mean_in_float64(scale):
    # exponents that differ by up to 60 bits, where a sum in float64 rounds as well
    exponents = RNG.integers(-30, 31, size=(200_000, 2))
    block = (RNG.normal(size=(200_000, 2)) * np.exp2(exponents) * min(scale, 1e20)).astype(np.float32)
    mono, code = mix_block(block)
    assert code is None
    assert np.array_equal(mono, block.mean(axis=1, dtype=np.float64).astype(np.float32))


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.02, -0.2, -0.5])
def test_channels_of_one_sound_that_do_not_cancel_give_their_mean(ratio):
    block = stack(LEFT, np.float32(ratio) * LEFT)
    mono, code = mix_block(block)
    assert code is None
    assert np.array_equal(mono, block.mean(axis=1, dtype=np.float64).astype(np.float32))


# --- channels that cancel -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [-1.0, -0.97, -1.03, -0.7])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_channels_of_opposite_sign_give_the_louder(ratio, offset):
    block = stack(LEFT + offset, np.float32(ratio) * LEFT - offset)
    mono, code = mix_block(block)
    assert code == "channels_cancel"
    assert np.array_equal(mono, block[:, 0 if abs(ratio) <= 1 else 1])


@pytest.mark.parametrize("scale", [1e-6, 1e25])
def test_whether_channels_cancel_does_not_depend_on_the_level(scale):
    assert mix_block(stack(LEFT, -LEFT) * np.float32(scale))[1] == "channels_cancel"
    assert mix_block(stack(LEFT, RIGHT) * np.float32(scale))[1] is None


def test_a_difference_of_noise_does_not_hide_that_channels_cancel():
    # what a lossy codec at 20 dB below the sound leaves in the mean
    mono, code = mix_block(stack(LEFT + 0.1 * RIGHT, -LEFT + 0.1 * SOUND[:, 2]))
    assert code == "channels_cancel"
    assert abs(np.corrcoef(mono, LEFT)[0, 1]) > 0.99


def test_pairs_that_cancel_are_found_among_many_channels():
    assert mix_block(stack(LEFT, -LEFT, RIGHT, -RIGHT))[1] == "channels_cancel"
    assert mix_block(stack(LEFT, -LEFT, 0 * LEFT))[1] == "channels_cancel"
    assert mix_block(stack(LEFT, -LEFT, RIGHT))[1] is None


# --- channels without sound -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [0.0, 0.3, 0.002])
def test_a_channel_without_sound_does_not_lower_the_level(rest):
    quiet = np.full_like(LEFT, rest) if rest != 0.002 else np.float32(rest) * RIGHT
    mono, code = mix_block(stack(LEFT, quiet))
    assert (code, np.array_equal(mono, LEFT)) == ("silent_channels", True)


def test_silent_channels_of_many_are_left_out():
    mono, code = mix_block(stack(LEFT, RIGHT, 0 * LEFT, 0 * LEFT, 0 * LEFT, 0 * LEFT))
    assert code == "silent_channels"
    assert np.array_equal(mono, mix_block(stack(LEFT, RIGHT))[0])


def test_silence_in_all_channels_is_silence():
    mono, code = mix_block(np.zeros((100, 3), dtype=np.float32))
    assert (code, mono.any()) == (None, False)


def test_an_empty_block_is_mixed():
    assert mix_block(np.zeros((0, 2), dtype=np.float32))[0].shape == (0,)


def test_low_frequency_effects_are_left_out_beside_other_channels():
    mono, code = mix_block(SOUND, lfe_channels=(3,))
    assert code is None
    assert np.array_equal(mono, SOUND[:, [0, 1, 2, 4, 5]].mean(axis=1, dtype=np.float64).astype(np.float32))
    assert np.array_equal(mix_block(stack(LEFT), lfe_channels=(0,))[0], LEFT)


def test_seconds_are_counted_for_each_code():
    downmix = Downmix(SR)
    list(downmix.mix([stack(LEFT, -LEFT), stack(LEFT, RIGHT), stack(LEFT, 0 * LEFT), stack(LEFT, -LEFT)]))
    assert {note.code: note.seconds for note in downmix.notes()} == {"channels_cancel": 4.0, "silent_channels": 2.0}
    assert downmix.notes()[0].text == "the channels cancel in 4.00 s: the loudest is used there, not their mean"


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")])
@pytest.mark.parametrize("ratio", [-1.0, -0.97])
def test_a_file_with_one_channel_inverted_gives_its_sound(tmp_path, name, ratio):
    inverted, codes = read(keep(tmp_path / "inverted", encode(stack(PINK, ratio * PINK), SR, *name)))
    in_phase, _ = read(keep(tmp_path / "in_phase", encode(stack(PINK, abs(ratio) * PINK), SR, *name)))
    assert codes.keys() == {"channels_cancel"}
    assert codes["channels_cancel"] == pytest.approx(len(inverted) / SR)
    n = min(len(inverted), len(in_phase))
    assert abs(np.corrcoef(inverted[:n], in_phase[:n])[0, 1]) > (0.999 if name[1] == "PCM_16" else 0.85)
    assert inverted.std() == pytest.approx(PINK.std(), rel=0.05)


def test_a_mean_that_lacks_the_low_frequencies_only_is_not_used():
    high = 0.05 * np.diff(RIGHT, n=4, prepend=np.zeros(4, dtype=np.float32))
    assert high.var() > 0.3 * PINK.var()
    mono, code = mix_block(stack(PINK + high, -PINK + high))
    assert code == "channels_cancel"
    assert abs(np.corrcoef(mono, PINK)[0, 1]) > 0.5


@pytest.mark.parametrize("name", [("aac", "ipod"), ("libopus", "webm"), ("flac", "matroska")])
def test_a_media_file_with_one_channel_inverted_gives_its_sound(tmp_path, name):
    pcm = np.round(stack(LEFT, -LEFT) * 20_000).astype(np.int16)
    sr = 48_000 if "libopus" in name else SR
    notes = []
    samples = read_audio(encode_media(tmp_path / "clip", pcm, *name, sr=sr), sr, on_note=notes.append)
    assert [note.code for note in notes] == ["channels_cancel"]
    assert samples.std() > 0.3 * pcm.std() / 32768


@pytest.mark.parametrize(
    ("name", "lfe"),
    [
        (("WAVEX", "PCM_16"), 3),
        (("RF64", "PCM_16"), 3),
        (("FLAC", "PCM_16"), 3),
        (("OGG", "VORBIS"), 5),
        (("WAV", "PCM_16"), None),
        (("AIFF", "PCM_16"), None),
    ],
)
def test_the_channel_for_low_frequency_effects_is_that_of_the_format(tmp_path, name, lfe):
    time = np.arange(2 * SR) / SR
    tones = np.stack([0.3 * np.sin(2 * np.pi * 500 * (index + 1) * time) for index in range(6)], axis=1)
    samples, _ = read(keep(tmp_path / "clip", encode(tones, SR, *name)))
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    level = np.array([spectrum[round(500 * (index + 1) * len(samples) / SR)] for index in range(6)])
    assert [index for index in range(6) if level[index] < 0.01 * level.max()] == ([] if lfe is None else [lfe])


def test_a_file_whose_channels_cancel_in_a_part_is_mixed_there_only(tmp_path):
    sound = (0.2 * RNG.normal(size=(25 * SR, 2))).astype(np.float32)
    sound[10 * SR : 20 * SR, 1] = -sound[10 * SR : 20 * SR, 0]
    samples, codes = read(keep(tmp_path / "clip.wav", encode(sound, SR, "WAV", "FLOAT")))
    assert codes == {"channels_cancel": 10.0}
    assert np.array_equal(samples[: 10 * SR], sound[: 10 * SR].mean(axis=1, dtype=np.float64).astype(np.float32))
    assert np.array_equal(samples[10 * SR : 20 * SR], sound[10 * SR : 20 * SR, 0])


@pytest.mark.parametrize(("start_s", "end_s"), [(0, 5), (3, 5), (7, 10), (4, 5)])
def test_channels_that_cancel_in_a_part_of_a_block_are_measured_there(start_s, end_s):
    sound = np.random.default_rng(0).normal(scale=0.1, size=10 * 8_000).astype(np.float32)
    stereo = np.stack([sound, sound], axis=1)
    stereo[start_s * 8_000 : end_s * 8_000, 1] *= -0.99
    downmix = Downmix(8_000)
    assert np.array_equal(np.concatenate(list(downmix.mix([stereo]))), sound)
    assert [(note.code, note.seconds) for note in downmix.notes()] == [("channels_cancel", end_s - start_s)]


def test_faint_seconds_of_opposite_sign_do_not_matter():
    rng = np.random.default_rng(0)
    stereo = rng.normal(scale=0.1, size=(10 * 8_000, 2)).astype(np.float32)
    stereo[8_000:16_000, 0] *= 1e-4
    stereo[8_000:16_000, 1] = -stereo[8_000:16_000, 0]
    downmix = Downmix(8_000)
    (mono,) = downmix.mix([stereo])
    assert np.array_equal(mono, (stereo[:, 0] + stereo[:, 1]) * np.float32(0.5))
    assert downmix.notes() == []


@pytest.mark.parametrize(("n_channels", "sample_rate_hz", "n_joined"), [(2, 44_100, 22), (6, 8_000, 4), (3, 1_000, 1)])
def test_the_low_band_is_the_sum_of_consecutive_samples(n_channels, sample_rate_hz, n_joined):
    block = SOUND[:1_001, :n_channels]
    n = len(block) // n_joined
    expected = block[: n * n_joined].astype(np.float64).reshape(n, n_joined, n_channels).sum(axis=1)
    # float32 sums of 22 numbers about 0.2
    np.testing.assert_allclose(_low_band(block, sample_rate_hz), expected, rtol=0, atol=1e-6)
