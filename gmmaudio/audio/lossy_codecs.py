"""Sound after a lossy codec: encoded by libsndfile at a low bit rate, and decoded again.

Each function takes mono samples, full scale -1 to 1, and returns as many, float32 and not delayed; its input is not
modified.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from gmmaudio.audio.formats import Samples
from gmmaudio.audio.sample_checks import checked_samples
from gmmaudio.errors import SettingError

# above 200 kHz libvorbis has no mode, and libsndfile crashes
VORBIS_MAX_RATE_HZ = 192_000
# samples per write; libsndfile puts a whole block on the stack, and one of a minute overflows it
BLOCK = 4_000
MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# highest sample rate of MPEG-2.5, MPEG-2 and MPEG-1, and the bit rates of a channel, kb/s
MPEG_KBPS = ((12_000, 8.0, 64.0), (24_000, 8.0, 160.0), (48_000, 32.0, 320.0))
# samples by which LAME and a decoder delay the sound, where a frame is too small for the tag that says so
MP3_DELAY = 576 + 529
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
# bit rates of a channel as libsndfile takes them, kb/s
OPUS_KBPS = (6.0, 256.0)


def vorbis(samples: Samples, sr: int, quality: float = 0.0) -> Samples:
    """Return the sound after encoding as Ogg Vorbis and decoding, of the same length and not delayed.

    At quality 0, the lowest, music takes 33 kb/s at 22,050 Hz and 28 kb/s at 16,000 Hz (means over 90 clips of 10 s, of
    nine genres). The encoder drops what it takes to be inaudible: all of a sound with a level of about 1e-6.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1. A higher peak is scaled to full scale for the encoder, and back after it.
    sr : int
        Sample rate, hertz, 4,000 to 192,000.
    quality : float
        0 (smallest file) to 1 (best), a tenth of the encoder's usual -q. libsndfile's default is 0.4.

    Returns
    -------
    ndarray, shape (n,), float32
        The decoded sound.

    Raises
    ------
    SettingError
        If an argument is out of bounds, or the samples are not mono, floating and finite.

    Examples
    --------
    >>> sound = np.sin(np.arange(8_000) / 4)
    >>> bool(np.corrcoef(sound, vorbis(sound, 8_000))[0, 1] > 0.98)
    True
    """
    sound = checked_samples(samples, sr)
    if sr > VORBIS_MAX_RATE_HZ:
        raise SettingError(f"sr is {sr}; Vorbis takes up to {VORBIS_MAX_RATE_HZ} Hz: resample first")
    if not 0 <= quality <= 1:
        raise SettingError(f"quality is {quality}; expected 0 to 1")
    return _coded(sound, sr, format="OGG", subtype="VORBIS", compression_level=1.0 - quality)


def mp3(samples: Samples, sr: int, kbps: float = 24.0) -> Samples:
    """Return the sound after encoding as MP3 (LAME, constant rate) and decoding, of the same length and not delayed.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1. A higher peak is scaled to full scale for the encoder, and back after it.
    sr : int
        Sample rate, hertz, 4,000 to 384,000. Sound at a rate that MP3 lacks is resampled to the next higher one, or to
        48,000 Hz, and back.
    kbps : float
        Bit rate of the channel, kilobits a second; the encoder takes the nearest of its own. 8 to 64 up to 12,000 Hz, 8
        to 160 up to 24,000 Hz, 32 to 320 above; a number outside of a rate's bounds is moved to them.

    Returns
    -------
    ndarray, shape (n,), float32
        The decoded sound.

    Raises
    ------
    SettingError
        If an argument is out of bounds, or the samples are not mono, floating and finite.

    References
    ----------
    ISO/IEC 11172-3 and 13818-3, tables of bit rates; the LAME encoder's technical FAQ for its delay.

    Examples
    --------
    >>> sound = np.sin(np.arange(8_000) / 4)
    >>> bool(np.corrcoef(sound, mp3(sound, 8_000))[0, 1] > 0.98)
    True
    """
    sound = checked_samples(samples, sr)
    _check_kbps(kbps, 8.0, 320.0)
    rate = _rate_for(sr, MP3_RATES_HZ)
    lowest, highest = next((low, high) for last, low, high in MPEG_KBPS if rate <= last)
    # at the very end of the scale LAME refuses to start
    level = min(0.995, (highest - min(max(kbps, lowest), highest)) / (highest - lowest))
    settings = {"bitrate_mode": "CONSTANT", "compression_level": level}
    return _coded(sound, sr, rate, format="MP3", subtype="MPEG_LAYER_III", **settings)


def opus(samples: Samples, sr: int, kbps: float = 12.0) -> Samples:
    """Return the sound after encoding as Opus and decoding, of the same length and not delayed.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1. A higher peak is scaled to full scale for the encoder, and back after it.
    sr : int
        Sample rate, hertz, 4,000 to 384,000. Sound at a rate that Opus lacks is resampled to the next higher one, or to
        48,000 Hz, and back.
    kbps : float
        Bit rate of the channel, kilobits a second, 6 to 256; the encoder varies it around this mean.

    Returns
    -------
    ndarray, shape (n,), float32
        The decoded sound.

    Raises
    ------
    SettingError
        If an argument is out of bounds, or the samples are not mono, floating and finite.

    References
    ----------
    RFC 6716.

    Examples
    --------
    >>> sound = np.sin(np.arange(8_000) / 4)
    >>> bool(np.corrcoef(sound, opus(sound, 8_000))[0, 1] > 0.9)
    True
    """
    sound = checked_samples(samples, sr)
    lowest, highest = OPUS_KBPS
    _check_kbps(kbps, lowest, highest)
    level = (highest - kbps) / (highest - lowest)
    return _coded(sound, sr, _rate_for(sr, OPUS_RATES_HZ), format="OGG", subtype="OPUS", compression_level=level)


def _check_kbps(kbps: float, lowest: float, highest: float) -> None:
    """Raise SettingError if a bit rate is out of bounds."""
    if not lowest <= kbps <= highest:
        raise SettingError(f"kbps is {kbps}; expected {lowest:g} to {highest:g} kb/s")


def _rate_for(sr: int, rates_hz: tuple[int, ...]) -> int:
    """Return the lowest rate of a codec that keeps the whole band of the sound, or its highest."""
    return next((rate for rate in rates_hz if rate >= sr), rates_hz[-1])


def _coded(sound: Samples, sr: int, rate: int | None = None, **settings: Any) -> Samples:
    """Return sound after a codec, by way of a rate that it takes, of the same length."""
    # Opus gives silence a hum of its own
    if not sound.any():
        return sound
    import soundfile
    import soxr

    rate = rate or sr
    resampled = soxr.resample(sound, sr, rate)
    peak = np.float32(max(1.0, np.abs(resampled).max(initial=0.0)))
    encoded = io.BytesIO()
    with soundfile.SoundFile(encoded, "w", rate, 1, **settings) as file:
        for start in range(0, len(resampled), BLOCK):
            file.write(resampled[start : start + BLOCK] / peak)
    encoded.seek(0)
    decoded, _ = soundfile.read(encoded, dtype="float32")
    # without its tag the file says neither the delay nor the length
    first = MP3_DELAY if settings["format"] == "MP3" and len(decoded) >= len(resampled) + MP3_DELAY else 0
    returned = soxr.resample(decoded[first : first + len(resampled)], rate, sr)[: len(sound)]
    return np.concatenate([returned, np.zeros(len(sound) - len(returned), dtype=np.float32)]) * peak
