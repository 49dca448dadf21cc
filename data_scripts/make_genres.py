"""Make a small corpus of synthetic music: six styles, six bands each, rendered with numpy.

**The music is synthetic.** It serves to try the toolkit without a download. A style is a few rhythms, chord
sequences and sounds, so results do not transfer to recordings of music.

What it is
    Ambient, reggae, rock, swing, techno and waltz. Six bands play each style, four clips of 8 s each: 144 clips,
    19 minutes, 22.05 kHz mono FLAC, 33 MB. Tempo, rhythm, harmony, sounds and mix vary within a style, tempo
    and sounds overlap between styles, and the level of every clip is drawn at random.
Columns
    ``label`` is the style, ``group`` the band, ``source`` is ``numpy-synth``. Each band has its own sounds, tempi,
    keys, rhythms, room and mix, as the albums of a band have. Clips of a band in the training set make its other
    clips easy to classify, so all clips of a band must be on one side of a split. Four bands of each style have
    ``split=train``, two have ``split=test``.
Licence
    CC0-1.0; the script uses no other material.
Citation
    gmmaudio, data_scripts/make_genres.py.
Time
    10 s on one core.

The same seed gives the same bytes with the same versions of the libraries.
"""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
from numpy.typing import NDArray

if not __package__:  # run as a file: its folder is on the import path, the package above it is not
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_scripts.manifest import Entry, at_level, check_manifest_source, write_flac, write_manifest
from data_scripts.styles import STYLES, Style, Timbre

SOURCE = "numpy-synth"
SR = 22_050
N_BANDS = 6
# One period of each partial; a note is a weighted sum of them, read at the note's frequency.
N_PERIOD, N_PARTIALS = 2048, 48
PARTIALS = np.sin(2 * np.pi / N_PERIOD * np.outer(np.arange(1, N_PARTIALS + 1), np.arange(N_PERIOD)))

Samples = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Band:
    """A band: its choices from a style, the same in all of its clips.

    Parameters
    ----------
    style : Style
        The style, restricted to the band's rhythms and chord sequences.
    name : str
        The group of its clips.
    bpm : tuple of float
        Lowest and highest tempo, beats per minute.
    keys : tuple of int
        Keys, semitones above C.
    timbres : tuple of Timbre
        Sounds of bass, chords and melody.
    levels_db : tuple of float
        Levels of drums, bass, chords and melody, decibels.
    drums : tuple of ndarray
        One stroke each of kick, snare and hat.
    room : ndarray
        Impulse response of the room.
    wet : float
        Share of the reverberation in the mix.
    tilt_db : float
        Slope of the spectrum, decibels per octave.
    hiss_db : float
        Level of the noise relative to the mix, decibels.
    sloppiness_s : float
        Scale of the half-normal delay of a stroke, seconds.
    n_chord_notes : int
        Notes of a chord.
    """

    style: Style
    name: str
    bpm: tuple[float, float]
    keys: tuple[int, ...]
    timbres: tuple[Timbre, Timbre, Timbre]
    levels_db: tuple[float, float, float, float]
    drums: tuple[Samples, Samples, Samples]
    room: Samples
    wet: float
    tilt_db: float
    hiss_db: float
    sloppiness_s: float
    n_chord_notes: int


@dataclass(frozen=True)
class Song:
    """The score of a clip.

    Parameters
    ----------
    scale : tuple of int
        Semitones above the key.
    key : int
        Semitones above C.
    roots : tuple of int
        Root of the chord of each bar, in steps of the scale.
    step_s : float
        Duration of a step, seconds.
    sloppiness_s : float
        Scale of the half-normal delay of a stroke, seconds.
    """

    scale: tuple[int, ...]
    key: int
    roots: tuple[int, ...]
    step_s: float
    sloppiness_s: float

    def pitch(self, degree: int) -> int:
        """Return the pitch of a step of the scale in semitones above C; step 7 begins the next octave."""
        octave, step = divmod(degree, len(self.scale))
        return self.key + 12 * octave + self.scale[step]


@dataclass(frozen=True)
class Note:
    """A note.

    Parameters
    ----------
    start_s, length_s : float
        Start and duration, seconds.
    midi : float
        Pitch, as a MIDI note number.
    gain : float
        Amplitude.
    """

    start_s: float
    length_s: float
    midi: float
    gain: float


def make_genres(
    out_dir: Path,
    *,
    seed: int = 0,
    seconds: float = 8.0,
    n_clips: int = 4,
    n_bands: int = N_BANDS,
    styles: Sequence[Style] = STYLES,
) -> Path:
    """Make a corpus of synthetic music, and return the path of its manifest.

    Parameters
    ----------
    out_dir : Path
        The folder to write to: ``<label>/<file>.flac`` and ``manifest.csv``.
    seed : int
        Seed of the bands and their clips.
    seconds : float
        Duration of each clip, seconds.
    n_clips : int
        Clips of each band.
    n_bands : int
        Bands of each style; the last third of them, at least one, is the test set.
    styles : sequence of Style
        The styles; the clips of a style do not depend on the others.

    Returns
    -------
    Path
        ``out_dir / "manifest.csv"``.

    Raises
    ------
    FileExistsError
        If `out_dir` contains the manifest of another corpus.
    ValueError
        If a setting is out of range.
    """
    if not (seed >= 0 and 1 <= seconds < math.inf and n_clips >= 1 and n_bands >= 2):
        raise ValueError(
            "expected seed >= 0, seconds >= 1, n_clips >= 1 and n_bands >= 2,"
            f" got {seed}, {seconds}, {n_clips} and {n_bands}"
        )
    out_dir = Path(out_dir)
    check_manifest_source(out_dir, SOURCE)
    entries = []
    for style in styles:
        for i_band in range(n_bands):
            rng = np.random.default_rng([seed, zlib.crc32(style.label.encode()), i_band])
            band = make_band(style, i_band, rng)
            split = "test" if i_band >= n_bands - max(1, n_bands // 3) else "train"
            for i_clip in range(n_clips):
                path = f"{style.label}/{band.name}-{i_clip + 1:02d}.flac"
                write_flac(out_dir / path, render_clip(band, seconds, rng), SR)
                entries.append(Entry(path, style.label, band.name, SOURCE, split))
    return write_manifest(out_dir, entries)


def make_band(style: Style, i_band: int, rng: np.random.Generator) -> Band:
    """Return a band of a style, with sounds, tempi, keys, rhythms, room and mix drawn at random.

    Parameters
    ----------
    style : Style
        The choices.
    i_band : int
        Index of the band within the style, from 0; its name counts from 1.
    rng : numpy.random.Generator
        Draws the choices.

    Returns
    -------
    Band
        The band, its style restricted to its rhythms and chord sequences.
    """
    low, high = np.sort(rng.uniform(*style.bpm, 2))
    timbres = (style.bass_timbres, style.chord_timbres, style.lead_timbres)
    bass, chords, lead = (_vary_timbre(_pick(choices, rng), rng) for choices in timbres)
    drums, bass_db, chords_db, lead_db = (float(rng.uniform(*span)) for span in style.levels_db)
    return Band(
        style=_restrict_style(style, rng),
        name=f"{style.label}-band-{i_band + 1}",
        bpm=(low, high),
        keys=tuple(rng.choice(12, 3, replace=False).tolist()),
        timbres=(bass, chords, lead),
        levels_db=(drums, bass_db, chords_db, lead_db),
        drums=_drum_kit(style, rng),
        room=_room(float(rng.uniform(*style.room_s)), rng),
        wet=float(rng.uniform(*style.wet)),
        tilt_db=float(rng.uniform(-2.0, 0.5)),
        hiss_db=float(rng.uniform(-70, -50)),
        sloppiness_s=float(rng.uniform(0.0, 0.012)),
        n_chord_notes=4 if rng.random() < style.sevenths else 3,
    )


def render_clip(band: Band, seconds: float, rng: np.random.Generator) -> Samples:
    """Return the samples of a clip: a passage that begins at a random point of a bar, at a random level.

    Parameters
    ----------
    band : Band
        The band that plays.
    seconds : float
        Duration of the clip, seconds.
    rng : numpy.random.Generator
        Draws the tempo, key, rhythms and melody of the clip.

    Returns
    -------
    ndarray, shape (n,)
        Samples within ±1 at 22.05 kHz.
    """
    style = band.style
    step_s = 60 / rng.uniform(*band.bpm) / style.n_steps
    n_steps = len(style.kick[0])
    n_bars = math.ceil(seconds / (n_steps * step_s)) + 1
    length_s = n_bars * n_steps * step_s
    sequence = _pick(style.sequences, rng)
    song = Song(
        scale=_pick(style.scales, rng),
        key=_pick(band.keys, rng),
        roots=tuple(sequence[i % len(sequence)] for i in range(n_bars)),
        step_s=step_s,
        sloppiness_s=band.sloppiness_s,
    )
    bass, chords, lead = band.timbres
    parts = (
        _drum_part(band, song, length_s, rng),
        _render(_bass_notes(style, song, rng), bass, length_s),
        _render(_chord_notes(style, song, band.n_chord_notes, rng), chords, length_s),
        _render(_lead_notes(style, song, rng), lead, length_s),
    )
    y = sum(10 ** (db / 20) * part for db, part in zip(band.levels_db, parts, strict=True))
    start = int(rng.uniform(0, n_steps * step_s) * SR)
    y = _produce(band, np.asarray(y), rng)[start : start + round(seconds * SR)]
    return at_level(y, rng.uniform(-26, -16))


def _pick(choices: Sequence[T], rng: np.random.Generator) -> T:
    """Return one of the choices."""
    return choices[int(rng.integers(len(choices)))]


def _pick_two(choices: tuple[T, ...], rng: np.random.Generator) -> tuple[T, ...]:
    """Return two different choices, or the only one."""
    return tuple(choices[i] for i in rng.permutation(len(choices))[:2])


def _restrict_style(style: Style, rng: np.random.Generator) -> Style:
    """Return the style restricted to at most two rhythms of each kind, two chord sequences and one scale."""
    low, high = np.sort(rng.uniform(*style.lead_density, 2))
    return replace(
        style,
        kick=_pick_two(style.kick, rng),
        snare=_pick_two(style.snare, rng),
        hat=_pick_two(style.hat, rng),
        bass=_pick_two(style.bass, rng),
        chords=_pick_two(style.chords, rng),
        sequences=_pick_two(style.sequences, rng),
        scales=(_pick(style.scales, rng),),
        lead_density=(low, high),
    )


def _vary_timbre(timbre: Timbre, rng: np.random.Generator) -> Timbre:
    """Return a variation of a timbre: brighter or darker, shorter or longer."""
    return replace(
        timbre,
        tilt=timbre.tilt * rng.uniform(0.88, 1.15),
        even=timbre.even * rng.uniform(0.6, 1.2),
        attack_s=timbre.attack_s * rng.uniform(0.7, 1.5),
        decay_s=timbre.decay_s * rng.uniform(0.6, 1.6),
        drive=timbre.drive * rng.uniform(0.6, 1.6),
    )


def _drum_kit(style: Style, rng: np.random.Generator) -> tuple[Samples, Samples, Samples]:
    """Return one stroke each of kick, snare and hat."""
    t = np.arange(SR // 2) / SR
    kick_s, snare_s, hat_s = (rng.uniform(*span) for span in style.drum_decays_s)
    # The pitch of a drum skin falls as its tension does, here within some 30 ms.
    phase = rng.uniform(42, 70) * t + rng.uniform(60, 350) * 0.03 * (1 - np.exp(-t / 0.03))
    kick = np.sin(2 * np.pi * phase) * np.exp(-t / kick_s)
    body = np.sin(2 * np.pi * rng.uniform(160, 260) * t) * np.exp(-t / 0.06)
    rattle = _band_noise(len(t), rng.uniform(300, 1500), rng.uniform(4000, 9000), rng) * np.exp(-t / snare_s)
    hat = _band_noise(len(t), rng.uniform(4000, 8000), 11_000, rng) * np.exp(-t / hat_s)
    return kick, 0.5 * (rng.uniform(0.2, 0.8) * body + rattle), 0.3 * hat


def _band_noise(n_samples: int, low_hz: float, high_hz: float, rng: np.random.Generator) -> Samples:
    """Return noise between two frequencies, with slopes of 12 dB per octave and an RMS of one half."""
    f_hz = np.clip(np.fft.rfftfreq(n_samples, 1 / SR), 1, None)
    slopes = 1 / np.sqrt((1 + (low_hz / f_hz) ** 4) * (1 + (f_hz / high_hz) ** 4))
    y = np.fft.irfft(slopes * np.fft.rfft(rng.standard_normal(n_samples)), n_samples)
    return y * (0.5 / float(np.sqrt(np.mean(y**2))))


def _room(decay_s: float, rng: np.random.Generator) -> Samples:
    """Return an impulse response of unit energy that decays by 60 dB in `decay_s`."""
    n_samples = int(decay_s * SR)
    y = rng.standard_normal(n_samples) * 10 ** (-3 * np.arange(n_samples) / n_samples)
    return y / float(np.sqrt(np.sum(y**2)))


def _onsets(rhythms: tuple[str, ...], song: Song, rng: np.random.Generator) -> list[tuple[int, float, float, str]]:
    """Return the strokes of a rhythm over all bars: bar, time, time to the next stroke, and character."""
    rhythm = _pick(rhythms, rng)
    n = len(rhythm)
    # 5 % of the strokes are left out, so that bars differ: identical bars would be the evidence of one.
    played = [i for i in range(n * len(song.roots)) if rhythm[i % n] != "." and rng.random() > 0.05]
    late_s = song.sloppiness_s * np.abs(rng.standard_normal(len(played)))
    gaps = np.diff([*played, n * len(song.roots)])
    return [
        (i // n, i * song.step_s + late, gap * song.step_s, rhythm[i % n])
        for i, late, gap in zip(played, late_s, gaps, strict=True)
    ]


def _drum_part(band: Band, song: Song, length_s: float, rng: np.random.Generator) -> Samples:
    """Return the samples of the drums."""
    y = np.zeros(int(length_s * SR) + SR)
    style = band.style
    for rhythms, stroke in zip((style.kick, style.snare, style.hat), band.drums, strict=True):
        for _, start_s, _, _ in _onsets(rhythms, song, rng):
            _add(y, start_s, rng.uniform(0.6, 1.0) * stroke)
    return y[: int(length_s * SR)]


def _bass_notes(style: Style, song: Song, rng: np.random.Generator) -> list[Note]:
    """Return the notes of the bass: steps of the scale from the root of the chord, in its rhythm."""
    return [
        Note(start_s, 0.9 * gap_s, 28 + song.pitch(song.roots[bar] + int(step) - 1), rng.uniform(0.7, 1.0))
        for bar, start_s, gap_s, step in _onsets(style.bass, song, rng)
    ]


def _chord_notes(style: Style, song: Song, n_notes: int, rng: np.random.Generator) -> list[Note]:
    """Return the notes of the chords: thirds on the root, folded into one octave."""
    notes = []
    for bar, start_s, gap_s, stroke in _onsets(style.chords, song, rng):
        length_s = gap_s if stroke == "o" else 0.8 * song.step_s
        gain = rng.uniform(0.4, 0.6)
        for i in range(n_notes):
            notes.append(Note(start_s, length_s, 52 + song.pitch(song.roots[bar] + 2 * i) % 12, gain))
    return notes


def _lead_notes(style: Style, song: Song, rng: np.random.Generator) -> list[Note]:
    """Return the notes of the melody: a random walk on the scale that is drawn back to its middle."""
    n_steps = len(style.kick[0]) * len(song.roots)
    begins = np.flatnonzero(rng.random(n_steps) < rng.uniform(*style.lead_density))
    notes, degree = [], int(rng.integers(7))
    for i, gap in zip(begins, np.diff([*begins, n_steps]), strict=True):
        degree += int(rng.integers(-3, 4)) - (degree > 10) * 3 + (degree < 0) * 3
        length_s = min(0.95 * gap * song.step_s, 2.0)
        notes.append(Note(i * song.step_s, length_s, 60 + song.pitch(degree), rng.uniform(0.5, 1.0)))
    return notes


def _render(notes: Sequence[Note], timbre: Timbre, length_s: float) -> Samples:
    """Return the samples of a part: the sum of its notes, with the saturation of an amplifier."""
    y = np.zeros(int(length_s * SR) + SR)
    for note in notes:
        _add(y, note.start_s, note.gain * _tone(timbre, 440 * 2 ** ((note.midi - 69) / 12), note.length_s))
    if timbre.drive > 0:
        y = 0.3 * np.tanh(timbre.drive * y)
    return y[: int(length_s * SR)]


def _tone(timbre: Timbre, f_hz: float, length_s: float) -> Samples:
    """Return the samples of a note, at most half full scale, with a short release after `length_s`."""
    ring_s = 0.03 + timbre.attack_s / 2
    t = np.arange(int((length_s + ring_s) * SR)) / SR
    h = np.arange(1, min(N_PARTIALS, int(0.45 * SR / f_hz)) + 1)
    period = (h**-timbre.tilt * np.where(h % 2, 1.0, timbre.even)) @ PARTIALS[: len(h)]
    shape = np.minimum(1.0, np.minimum(t / timbre.attack_s, (length_s + ring_s - t) / ring_s))
    y: Samples = period[(t * (f_hz * N_PERIOD)).astype(int) % N_PERIOD] * shape * 10 ** (-t / timbre.decay_s)
    return y * (0.5 / float(np.abs(period).max()))


def _add(y: Samples, start_s: float, sound: Samples) -> None:
    """Add a sound to the samples in place, cut at their end."""
    start = int(start_s * SR)
    target = y[start : start + len(sound)]
    target += sound[: len(target)]


def _produce(band: Band, y: Samples, rng: np.random.Generator) -> Samples:
    """Return the mix with the band's room, its balance of bass and treble, and its noise."""
    n = 1 << (len(y) + len(band.room)).bit_length()
    octaves = np.log2(np.clip(np.fft.rfftfreq(n, 1 / SR), 50, None) / 1000)
    spectrum = np.fft.rfft(y, n) * (1 - band.wet + band.wet * np.fft.rfft(band.room, n))
    y = np.fft.irfft(spectrum * 10 ** (band.tilt_db * octaves / 20), n)[: len(y)]
    hiss = 10 ** (band.hiss_db / 20) * float(np.sqrt(np.mean(y**2)))
    return y + hiss * rng.standard_normal(len(y))


@click.command()
@click.argument("out_dir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Seed of all random choices.")
@click.option("--seconds", default=8.0, show_default=True, help="Duration of each clip.")
@click.option("--clips", default=4, show_default=True, help="Clips of each band.")
@click.option("--bands", default=N_BANDS, show_default=True, help="Bands of each style.")
def main(out_dir: Path, seed: int, seconds: float, clips: int, bands: int) -> None:
    """Make a corpus of synthetic music in OUT_DIR: 6 styles, 6 bands each."""
    try:
        manifest = make_genres(out_dir, seed=seed, seconds=seconds, n_clips=clips, n_bands=bands)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(manifest)


if __name__ == "__main__":
    main()
