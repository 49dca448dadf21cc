"""Degradations of sound, as by telephones, recorders, rooms and codecs: for tests of robustness and for augmentation.

Each function takes mono samples, full scale -1 to 1, and returns new ones, float32 and finite; its input is not
modified. Empty sound stays empty, and silence stays silent. Randomness comes only from the generator passed as ``rng``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gmmaudio.audio.formats import Samples
from gmmaudio.audio.lossy_codecs import mp3, opus, vorbis
from gmmaudio.audio.sample_checks import checked_samples
from gmmaudio.errors import SettingError

MAX_DB = 100.0
MIN_CUTOFF_HZ = 20.0
STOP_BAND_DB = 65.0
# half the transition band, as a share of the cut-off
TRANSITION = 0.1
# shortest and longest gap
GAP_S = (0.1, 0.5)


def band_limit(samples: Samples, sr: int, cutoff_hz: float) -> Samples:
    """Return the sound after a low-pass filter, as by a telephone.

    The filter has linear phase (windowed sinc, Kaiser window): within 0.1 dB up to 0.9 of the cut-off, attenuation of
    at least 60 dB from 1.1 of it. The sound is not delayed, and is taken as silent before its start and after its end.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1.
    sr : int
        Sample rate, hertz, 4,000 to 384,000.
    cutoff_hz : float
        Cut-off frequency, at least 20 Hz. At or above ``sr / 2`` nothing changes.

    Returns
    -------
    ndarray, shape (n,), float32
        The filtered sound.

    Raises
    ------
    SettingError
        If an argument is out of bounds, or the samples are not mono, floating and finite.

    References
    ----------
    Oppenheim & Schafer, "Discrete-Time Signal Processing", 3rd ed., section 7.5 (Kaiser window).

    Examples
    --------
    >>> t = np.arange(8_000) / 8_000
    >>> high = band_limit(np.sin(2 * np.pi * 3_000 * t), 8_000, 1_000)
    >>> bool(np.abs(high[1_000:7_000]).max() < 1e-3)
    True
    """
    sound = checked_samples(samples, sr)
    if not cutoff_hz >= MIN_CUTOFF_HZ:
        raise SettingError(f"cutoff_hz is {cutoff_hz}; expected {MIN_CUTOFF_HZ:g} Hz or more")
    if cutoff_hz >= sr / 2:
        return sound
    from scipy.signal import firwin, kaiserord, oaconvolve

    n_taps, beta = kaiserord(STOP_BAND_DB, 2 * TRANSITION * cutoff_hz / (sr / 2))
    # an odd number of taps delays by whole samples, which "same" takes back
    taps = firwin(n_taps | 1, cutoff_hz, window=("kaiser", beta), fs=sr).astype(np.float32)
    limited: Samples = oaconvolve(sound, taps, mode="same").astype(np.float32, copy=False)
    return limited


def gain(samples: Samples, db: float) -> Samples:
    """Return the sound amplified or attenuated by a number of decibels, not clipped at full scale.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1.
    db : float
        -100 to 100; 20 decibels are a factor of 10.

    Returns
    -------
    ndarray, shape (n,), float32
        The scaled sound.

    Raises
    ------
    SettingError
        If ``db`` is out of bounds, or the samples are not mono, floating and finite.

    Examples
    --------
    >>> gain(np.array([0.5, -1.0]), -20.0)
    array([ 0.05, -0.1 ], dtype=float32)
    """
    sound = checked_samples(samples)
    _check_db("db", db)
    return sound * np.float32(10 ** (db / 20))


def clip(samples: Samples, share: float) -> Samples:
    """Return the sound with its loudest samples clipped at one level, as by an overdriven recorder.

    The level is the one that ``share`` of the samples exceed; with a share of 0.1 it is 2.5 to 4.9 dB above the RMS of
    music (90 clips of nine genres). The other samples keep their values; no gain restores the peak.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1.
    share : float
        Share of the samples to clip, 0 (none) to below 1, rounded down to whole samples. Exact zeros do not count, so
        that gaps do not lower the level. Fewer are clipped where samples tie at the level: in a square wave, none.

    Returns
    -------
    ndarray, shape (n,), float32
        The clipped sound.

    Raises
    ------
    SettingError
        If ``share`` is out of bounds, or the samples are not mono, floating and finite.

    Examples
    --------
    >>> clip(np.array([0.1, -0.2, 0.3, -0.4]), 0.5)
    array([ 0.1, -0.2,  0.2, -0.2], dtype=float32)
    """
    sound = checked_samples(samples)
    if not 0 <= share < 1:
        raise SettingError(f"share is {share}; expected 0 to below 1")
    magnitudes = np.sort(np.abs(sound[sound != 0]))
    if len(magnitudes) == 0:
        return sound
    level = magnitudes[len(magnitudes) - 1 - math.floor(share * len(magnitudes))]
    return np.clip(sound, -level, level)


def insert_silence(samples: Samples, sr: int, share: float, rng: np.random.Generator) -> Samples:
    """Return the sound with gaps of exact zeros at random positions, as after lost packets.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1.
    sr : int
        Sample rate, hertz, 4,000 to 384,000.
    share : float
        Share of the duration to silence, 0 to 1; exact up to rounding to whole samples. The gaps are 0.1 to 0.5 s
        long, one of them shorter if needed for the share. They do not overlap; two may touch.
    rng : numpy.random.Generator
        Draws lengths and positions.

    Returns
    -------
    ndarray, shape (n,), float32
        The sound with gaps.

    Raises
    ------
    SettingError
        If an argument is out of bounds, or the samples are not mono, floating and finite.

    Examples
    --------
    >>> with_gaps = insert_silence(np.ones(80_000), 8_000, 0.1, np.random.default_rng(0))
    >>> int((with_gaps == 0).sum())
    8000
    """
    sound = checked_samples(samples, sr)
    if not 0 <= share <= 1:
        raise SettingError(f"share is {share}; expected 0 to 1")
    n_silent = round(share * len(sound))
    shortest, longest = (round(seconds * sr) for seconds in GAP_S)
    drawn = rng.integers(shortest, longest, size=math.ceil(n_silent / shortest), endpoint=True)
    lengths = rng.permutation(np.diff(np.minimum(np.cumsum(drawn), n_silent), prepend=0))
    # the start of a gap is the number of samples kept before it, plus the lengths of the gaps before it
    n_kept = np.sort(rng.integers(0, len(sound) - n_silent, size=len(lengths), endpoint=True))
    for start, length in zip(n_kept + np.cumsum(lengths) - lengths, lengths, strict=True):
        sound[start : start + length] = 0.0
    return sound


def add_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Return the sound with white Gaussian noise added, not clipped at full scale.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1. Silence has no power to scale the noise by, and stays silent.
    snr_db : float
        Signal-to-noise ratio, decibels, -100 to 100: mean square of the sound, pauses and any offset included, over
        that of the noise. The noise is scaled to it exactly.
    rng : numpy.random.Generator
        Draws the noise.

    Returns
    -------
    ndarray, shape (n,), float32
        The noisy sound.

    Raises
    ------
    SettingError
        If ``snr_db`` is out of bounds, or the samples are not mono, floating and finite.

    Examples
    --------
    >>> sound = np.sin(np.arange(1_000))
    >>> noise = add_noise(sound, 20.0, np.random.default_rng(0)) - sound
    >>> round(float(10 * np.log10(np.mean(sound**2) / np.mean(noise**2))), 3)
    20.0
    """
    sound = checked_samples(samples)
    _check_db("snr_db", snr_db)
    power = _power(sound)
    if power == 0:
        return sound
    noise = rng.standard_normal(len(sound), dtype=np.float32)
    return sound + noise * np.float32(math.sqrt(power / _power(noise)) * 10 ** (-snr_db / 20))


def excerpt(samples: Samples, sr: int, seconds: float) -> Samples:
    """Return the middle of the sound, or all of it if it is shorter than the excerpt.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        Mono sound, full scale -1 to 1.
    sr : int
        Sample rate, hertz, 4,000 to 384,000.
    seconds : float
        Duration of the excerpt, more than 0, rounded to whole samples and to at least one.

    Returns
    -------
    ndarray, shape (min(n, seconds * sr),), float32
        The excerpt.

    Raises
    ------
    SettingError
        If an argument is out of bounds, or the samples are not mono, floating and finite.

    Examples
    --------
    >>> excerpt(np.arange(6.0), 4_000, 0.0005)
    array([2., 3.], dtype=float32)
    """
    sound = checked_samples(samples, sr)
    if not 0 < seconds < math.inf:
        raise SettingError(f"seconds is {seconds}; expected more than 0")
    length = min(len(sound), max(1, round(seconds * sr)))
    start = (len(sound) - length) // 2
    # a view would keep the whole sound in memory
    return sound[start : start + length].copy()


def _check_db(name: str, db: float) -> None:
    """Raise SettingError if a level in decibels is out of bounds."""
    if not -MAX_DB <= db <= MAX_DB:
        raise SettingError(f"{name} is {db}; expected {-MAX_DB:g} to {MAX_DB:g} dB")


def _power(sound: Samples) -> float:
    """Return the mean square of the sound; 0 if it is empty."""
    return float(np.mean(np.square(sound, dtype=np.float64))) if len(sound) else 0.0


# samples, sample rate, source of randomness -> degraded samples
Degrade: TypeAlias = "Callable[[Samples, int, np.random.Generator], Samples]"


@dataclass(frozen=True)
class DegradationSpec:
    """One way of degrading sound: a row of the table of degradations.

    Parameters
    ----------
    name : str
        The key in reports and recipes; unique in the table.
    title : str
        The name written out, with its strength.
    explanation : str
        What the degradation imitates.
    function : callable
        ``function(samples, sr, rng)`` returns the degraded samples, as the functions of this module do.
    changes_duration : bool
        Whether the result may be shorter than the samples.
    augmentation : bool
        True: makes copies to train on, each at a strength that ``rng`` draws. False: a condition of robustness, at a
        fixed strength.

    Examples
    --------
    >>> DEGRADATIONS["gain -20 dB"].function(np.array([1.0]), 8_000, np.random.default_rng(0))
    array([0.1], dtype=float32)
    """

    name: str
    title: str
    explanation: str
    function: Degrade
    changes_duration: bool = False
    augmentation: bool = False


# To add a degradation, add a row. The order is that of the rows in reports.
_TABLE = (
    DegradationSpec(
        "band limit 4 kHz",
        "low-pass filter at 4 kHz",
        "narrow-band telephony, or a recording at a low sample rate",
        lambda samples, sr, _rng: band_limit(samples, sr, 4_000.0),
    ),
    DegradationSpec(
        "gain -20 dB",
        "attenuation by 20 dB",
        "a recording at a low level",
        lambda samples, _sr, _rng: gain(samples, -20.0),
    ),
    DegradationSpec(
        "clipping",
        "clipping of the loudest 10 % of the samples",
        "an overdriven recorder",
        lambda samples, _sr, _rng: clip(samples, 0.1),
    ),
    DegradationSpec(
        "10 % digital silence",
        "10 % of the duration replaced by zeros",
        "lost packets",
        lambda samples, sr, rng: insert_silence(samples, sr, 0.1, rng),
    ),
    DegradationSpec(
        "noise 20 dB",
        "white noise at a signal-to-noise ratio of 20 dB",
        "a quiet room",
        lambda samples, _sr, rng: add_noise(samples, 20.0, rng),
    ),
    DegradationSpec(
        "noise 10 dB",
        "white noise at a signal-to-noise ratio of 10 dB",
        "a noisy room",
        lambda samples, _sr, rng: add_noise(samples, 10.0, rng),
    ),
    DegradationSpec(
        "Vorbis",
        "Ogg Vorbis at quality 0",
        "lossy coding at the lowest bit rate",
        lambda samples, sr, _rng: vorbis(samples, sr),
    ),
    DegradationSpec(
        "MP3",
        "MP3 at 24 kb/s for a channel",
        "lossy coding by an old encoder at a low bit rate",
        lambda samples, sr, _rng: mp3(samples, sr),
    ),
    DegradationSpec(
        "Opus",
        "Opus at 12 kb/s for a channel",
        "calls and voice messages",
        lambda samples, sr, _rng: opus(samples, sr),
    ),
    DegradationSpec(
        "5 s excerpt",
        "the middle 5 s",
        "a short recording",
        lambda samples, sr, _rng: excerpt(samples, sr, 5.0),
        changes_duration=True,
    ),
    DegradationSpec(
        "codec",
        "Ogg Vorbis at a random quality of 0 to 0.3",
        "lossy coding at low bit rates",
        lambda samples, sr, rng: vorbis(samples, sr, quality=float(rng.uniform(0.0, 0.3))),
        augmentation=True,
    ),
    DegradationSpec(
        "mp3",
        "MP3 at a random 16 to 48 kb/s for a channel",
        "old lossy coding at low bit rates",
        lambda samples, sr, rng: mp3(samples, sr, float(rng.uniform(16.0, 48.0))),
        augmentation=True,
    ),
    DegradationSpec(
        "opus",
        "Opus at a random 8 to 24 kb/s for a channel",
        "calls and voice messages",
        lambda samples, sr, rng: opus(samples, sr, float(rng.uniform(8.0, 24.0))),
        augmentation=True,
    ),
    DegradationSpec(
        "band",
        "low-pass filter at a random frequency of 3 to 5.5 kHz",
        "telephony, or recordings at low sample rates",
        lambda samples, sr, rng: band_limit(samples, sr, float(rng.uniform(3_000.0, 5_500.0))),
        augmentation=True,
    ),
    DegradationSpec(
        "noise",
        "white noise at a random signal-to-noise ratio of 10 to 25 dB",
        "rooms",
        lambda samples, _sr, rng: add_noise(samples, float(rng.uniform(10.0, 25.0)), rng),
        augmentation=True,
    ),
    DegradationSpec(
        "gain",
        "attenuation by a random 0 to 20 dB",
        "recordings at different levels",
        lambda samples, _sr, rng: gain(samples, float(rng.uniform(-20.0, 0.0))),
        augmentation=True,
    ),
)

# conditions of robustness: the same for every clip, applied to test clips
DEGRADATIONS: Mapping[str, DegradationSpec] = {spec.name: spec for spec in _TABLE if not spec.augmentation}
# copies to train on, each at its own strength
AUGMENTATIONS: Mapping[str, DegradationSpec] = {spec.name: spec for spec in _TABLE if spec.augmentation}
