"""Heads of files in every format: the same facts as a look through the whole file finds."""

import io
import sys

import numpy as np
import pytest
import soundfile

from gmmaudio.audio import read_info
from gmmaudio.audio.head_facts import read_head
from gmmaudio.errors import AudioError
from tests.audio.conftest import FORMATS, LOSSY, MEDIA, NEEDS_MEDIA, chirp, encode, encode_media

SR = 44_100
NAMES = {"wav": "WAV", "wav24": "WAV", "wavex": "WAV", "flac": "FLAC", "mp3": "MP3", "ogg": "Vorbis", "opus": "Opus"}


def put(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_the_head_declares_what_the_whole_file_does(tmp_path, name):
    rate = 48_000 if name == "opus" else SR
    path = put(tmp_path / "a", encode(chirp(3.0, 2), rate, *FORMATS[name]))
    facts, info = read_head(path), read_info(path)
    assert (facts.sample_rate_hz, facts.n_channels) == (info.sample_rate_hz, info.n_channels)
    # an mp3 has a delay and padding that its decoder cuts off: two frames and a half
    assert facts.duration_s == pytest.approx(info.duration_s, abs=3 * 1_152 / SR if name == "mp3" else 0.03)
    assert facts.format == NAMES.get(name, facts.format)
    assert (facts.bit_rate is not None) == (name in LOSSY)
    if facts.bit_rate is not None:
        assert facts.bit_rate == pytest.approx(path.stat().st_size * 8 / info.duration_s, rel=0.05)


@pytest.mark.parametrize("name", MEDIA)
def test_so_do_the_heads_of_media_files(tmp_path, name):
    pytest.importorskip("av", reason="needs the media extra")
    codec, container = MEDIA[name]
    path = tmp_path / "a"
    encode_media(path, chirp(9.0), codec, container, sr=48_000)
    facts, info = read_head(path), read_info(path)
    assert (facts.sample_rate_hz, facts.n_channels) == (info.sample_rate_hz, info.n_channels)
    if name == "m4a":
        assert (facts.format, facts.duration_s) == ("AAC", pytest.approx(info.duration_s, abs=0.05))
        assert facts.bit_rate == pytest.approx(path.stat().st_size * 8 / 3, rel=0.1)


def mp3_of(kbit, mode):
    """Return an mp3 of 20 s by LAME, with or without the tag that tells its length."""
    av = pytest.importorskip("av", reason="needs the media extra")
    out = io.BytesIO()
    with av.open(out, "w", format="mp3", options={} if mode == "tag" else {"write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=SR)
        stream.layout, stream.bit_rate = "mono", kbit * 1_000
        sound = np.random.default_rng(0).normal(scale=0.1, size=(1, 20 * SR)).astype(np.float32)
        for start in range(0, sound.shape[1], 1_152):
            part = np.ascontiguousarray(sound[:, start : start + 1_152])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = SR, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize("mode", ["tag", "none"])
@pytest.mark.parametrize("kbit", [64, 128])
def test_an_mp3_tells_its_bit_rate_with_a_length_tag_and_without(tmp_path, kbit, mode):
    facts = read_head(put(tmp_path / "a.mp3", mp3_of(kbit, mode)))
    assert (facts.format, facts.bit_rate) == ("MP3", pytest.approx(kbit * 1_000, rel=0.01))
    assert facts.duration_s == pytest.approx(20.0, abs=0.1)


def test_sound_beyond_the_head_is_not_read(tmp_path):
    for name in ("wav", "mp3"):
        content = encode(chirp(2.0), SR, *FORMATS[name])
        whole, cut = put(tmp_path / "a", content), put(tmp_path / "b", content[:5_000] + bytes(len(content) - 5_000))
        assert read_head(cut) == read_head(whole)


def test_an_ogg_file_whose_end_is_of_another_stream_is_looked_through(tmp_path):
    one, other = (encode(chirp(2.0, seed=seed), SR, *FORMATS["ogg"]) for seed in (1, 2))
    path = put(tmp_path / "a.ogg", one + other)
    assert read_head(path).duration_s == pytest.approx(read_info(path).duration_s)


@pytest.mark.parametrize("head", [b"\x00\x00\x00\x18ftypM4A ", b"\x1aE\xdf\xa3", b"0&\xb2u", b"wvpk"])
def test_a_format_that_needs_the_extra_says_so_without_it(tmp_path, monkeypatch, head):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError) as refused:
        read_head(put(tmp_path / "a", head + bytes(400)))
    assert (refused.value.code, str(refused.value)) == ("needs_media", NEEDS_MEDIA)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"these are words, and no sound\n" * 9, "not_audio"), (b"fLaC" + bytes(90), "damaged")],
)
def test_a_file_that_is_no_sound_has_the_reason_of_decoding(tmp_path, content, code):
    with pytest.raises(AudioError) as refused:
        read_head(put(tmp_path / "a.wav", content))
    assert refused.value.code == code


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_read(tmp_path):
    path = tmp_path / "caf\udce9.wav"
    path.write_bytes(encode(chirp(1.0), SR, *FORMATS["wav"]))
    assert read_head(path).format == "WAV"


def test_an_implausible_rate_is_refused_as_in_decoding(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(900), 1_000)
    with pytest.raises(AudioError) as refused:
        read_head(tmp_path / "a.wav")
    assert refused.value.code == "bad_header"
