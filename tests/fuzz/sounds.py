"""Good files of every format that the tests can write: what the mutations of sound start from."""

import functools

import pytest

from tests.audio.conftest import FORMATS, MEDIA, SR, chirp, content_of, encode, encode_media, ogg_flac, streamed_flac

# beside FORMATS: encodings and containers of libsndfile that few people have, and that its readers try on any file
RARE = {
    "voc": ("VOC", "PCM_16"),
    "svx": ("SVX", "PCM_S8"),
    "gsm": ("WAV", "GSM610"),
    "ima": ("WAV", "IMA_ADPCM"),
    "g721": ("WAV", "G721_32"),
    "nms": ("WAV", "NMS_ADPCM_32"),
    "double": ("WAV", "DOUBLE"),
    "w64_ima": ("W64", "IMA_ADPCM"),
    "aiff_ima": ("AIFF", "IMA_ADPCM"),
    "g723": ("AU", "G723_24"),
    "alac24": ("CAF", "ALAC_24"),
    "avr": ("AVR", "PCM_16"),
    "htk": ("HTK", "PCM_16"),
    "ircam": ("IRCAM", "PCM_16"),
    "mat4": ("MAT4", "PCM_16"),
    "mat5": ("MAT5", "PCM_16"),
    "mpc2k": ("MPC2K", "PCM_16"),
    "nist": ("NIST", "PCM_16"),
    "paf": ("PAF", "PCM_24"),
    "pvf": ("PVF", "PCM_16"),
    "wve": ("WVE", "ALAW"),
    "xi": ("XI", "DPCM_16"),
}
# beside MEDIA: name -> codec, container, rate, options
RARE_MEDIA = {
    "fragmented": ("aac", "mp4", 48_000, {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}),
    "m4a_alac": ("alac", "ipod", 48_000, {}),
    "mov": ("pcm_s16le", "mov", SR, {}),
    "live_mkv": ("libopus", "matroska", 48_000, {"live": "1"}),
    "avi": ("pcm_s16le", "avi", SR, {}),
    "avi_mp3": ("libmp3lame", "avi", 44_100, {}),
    "wma": ("wmav2", "asf", 44_100, {"bit_rate": 64_000}),
    "flv": ("adpcm_swf", "flv", 22_050, {}),
    "wavpack": ("wavpack", "wv", SR, {}),
    "tta": ("tta", "tta", SR, {}),
    "ac3": ("ac3", "ac3", 48_000, {}),
    "eac3": ("eac3", "eac3", 48_000, {}),
    "mp2": ("mp2", "mp2", 44_100, {}),
    "mpegts": ("mp2", "mpegts", 44_100, {}),
    "amr": ("libopencore_amrnb", "amr", 8_000, {}),
}


@functools.cache
def chirp_in(container, encoding, seconds):
    """Return the bytes of a chirp as libsndfile writes it."""
    return encode(chirp(seconds), SR, container, encoding)


def sounds_of_libsndfile(seconds=0.5):
    """Return some sound in every format that libsndfile writes: name -> bytes."""
    common = {name: content_of(name, seconds) for name in FORMATS} | {"stereo": content_of("wav", seconds, 2)}
    # XI knows one rate, 44.1 kHz
    rare = {name: chirp_in(*RARE[name], 3 * seconds if name == "xi" else seconds) for name in RARE}
    flac = content_of("flac", seconds)
    return common | rare | {"streamed_flac": streamed_flac(chirp(seconds)), "ogg_flac": ogg_flac(flac)}


def sounds_of_media(folder, seconds=0.5):
    """Return some sound in the formats that only the media extra reads and writes: name -> bytes."""
    av = pytest.importorskip("av", reason="PyAV, the media extra, is not installed")
    common = {name: (*MEDIA[name], 48_000, {}) for name in MEDIA}
    files = {}
    for name, (codec, container, rate, options) in (common | RARE_MEDIA).items():
        try:
            av.Codec(codec, "w")
        except av.codec.codec.UnknownCodecError:  # not every build has them all
            continue
        sound = chirp(seconds * rate / SR)
        files[name] = encode_media(folder / "whole", sound, codec, container, rate, **options).read_bytes()
    return files
