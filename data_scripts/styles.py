"""The six styles of `make_genres` as plain values: the choices open to the bands of a style."""

from __future__ import annotations

from dataclasses import dataclass, replace

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)

Span = tuple[float, float]


@dataclass(frozen=True)
class Timbre:
    """The sound of a note: its partials and its envelope.

    Parameters
    ----------
    tilt : float
        The h-th partial has amplitude ``h ** -tilt``.
    even : float
        Factor of the even partials.
    attack_s : float
        Time in which a note reaches its level, seconds.
    decay_s : float
        Time in which a held note loses 20 dB, seconds.
    drive : float
        Gain before the saturation of an amplifier; 0 for none.
    """

    tilt: float
    even: float
    attack_s: float
    decay_s: float
    drive: float = 0.0


SAW = Timbre(1.0, 1.0, 0.005, 1.5)
SQUARE = Timbre(1.0, 0.05, 0.005, 1.5)
ORGAN = Timbre(1.6, 1.0, 0.02, 9.0)
PIANO = Timbre(1.5, 0.8, 0.003, 0.7)
PLUCK = Timbre(1.2, 0.9, 0.002, 0.35)
BELL = Timbre(2.2, 0.2, 0.002, 1.2)
PAD = Timbre(1.8, 0.9, 0.35, 9.0)
STRINGS = Timbre(1.3, 1.0, 0.12, 9.0)
ACCORDION = Timbre(0.9, 0.7, 0.03, 9.0)
BRASS = Timbre(1.1, 1.0, 0.04, 2.5)
REED = Timbre(1.2, 0.15, 0.03, 4.0)
GUITAR = Timbre(1.1, 0.9, 0.003, 0.9, drive=4.0)
DEEP = Timbre(2.4, 0.6, 0.006, 0.9)


@dataclass(frozen=True)
class Style:
    """The choices open to the bands of a style.

    A rhythm is a string of ``n_steps`` characters per beat, one bar long. In rhythms of drums and chords, ``x`` is a
    short stroke, ``o`` a stroke held until the next, ``.`` a rest; in rhythms of the bass, a digit is a step of the
    scale. A span is the lowest and the highest value.

    Parameters
    ----------
    label : str
        The class.
    bpm : Span
        Tempo, beats per minute.
    n_steps : int
        Steps per beat.
    kick, snare, hat, bass, chords : tuple of str
        Rhythms.
    sequences : tuple of tuple of int
        Chord sequences: steps of the scale, one per bar.
    scales : tuple of tuple of int
        Scales, semitones above the key.
    bass_timbres, chord_timbres, lead_timbres : tuple of Timbre
        Sounds of the bass, the chords and the melody.
    lead_density : Span
        Probability that a step begins a note of the melody.
    levels_db : tuple of Span
        Levels of the drums, the bass, the chords and the melody, decibels.
    drum_decays_s : tuple of Span
        Decay times of kick, snare and hat, seconds.
    sevenths : float
        Probability that a band plays four-note chords.
    room_s : Span
        Reverberation time, seconds.
    wet : Span
        Share of the reverberation in the mix.
    """

    label: str
    bpm: Span
    n_steps: int
    kick: tuple[str, ...]
    snare: tuple[str, ...]
    hat: tuple[str, ...]
    bass: tuple[str, ...]
    chords: tuple[str, ...]
    sequences: tuple[tuple[int, ...], ...]
    scales: tuple[tuple[int, ...], ...]
    bass_timbres: tuple[Timbre, ...]
    chord_timbres: tuple[Timbre, ...]
    lead_timbres: tuple[Timbre, ...]
    lead_density: Span
    levels_db: tuple[Span, Span, Span, Span]
    drum_decays_s: tuple[Span, Span, Span]
    sevenths: float
    room_s: Span
    wet: Span


NONE_12, NONE_16 = "." * 12, "." * 16
STYLES = (
    Style(
        label="ambient",
        bpm=(56, 100),
        n_steps=4,
        kick=(NONE_16, NONE_16, "x...............", "x.........x....."),
        snare=(NONE_16, NONE_16, "........x......."),
        hat=(NONE_16, "....x.......x...", "..x...x...x...x."),
        bass=("1...............", "1.......5.......", NONE_16),
        chords=("o...............", "o.......o.......", "o.....o........."),
        sequences=((0, 5, 3, 4), (0, 3), (5, 3, 0, 4), (0, 0, 3, 3)),
        scales=(MAJOR, MINOR),
        bass_timbres=(DEEP, PAD, ORGAN),
        chord_timbres=(PAD, STRINGS, ORGAN),
        lead_timbres=(BELL, PIANO, PAD, REED),
        lead_density=(0.05, 0.2),
        levels_db=((-22, -10), (-10, -3), (-3, 0), (-12, -3)),
        drum_decays_s=((0.2, 0.4), (0.1, 0.3), (0.05, 0.2)),
        sevenths=0.7,
        room_s=(1.2, 2.5),
        wet=(0.15, 0.5),
    ),
    Style(
        label="reggae",
        bpm=(62, 92),
        n_steps=4,
        kick=("........x.......", "x.......x.......", "x...x...x...x..."),
        snare=("........x.......", "....x.......x...", "........x.....x."),
        hat=("..x...x...x...x.", "x.x.x.x.x.x.x.x.", "x.xxx.x.x.xxx.x."),
        bass=("1..3..5...1.....", "..1.1...5.3.....", "1.....1.5...3...", "1..1......5.3.1."),
        chords=("....x.......x...", "..x...x...x...x.", "....x.x.....x.x."),
        sequences=((0, 3), (0, 4, 3, 3), (0, 5, 3, 4), (1, 0)),
        scales=(MAJOR, MINOR),
        bass_timbres=(DEEP, SQUARE),
        chord_timbres=(PLUCK, ORGAN, PIANO),
        lead_timbres=(REED, BRASS, ORGAN, PLUCK),
        lead_density=(0.1, 0.35),
        levels_db=((-7, -1), (-3, 1), (-8, -3), (-12, -5)),
        drum_decays_s=((0.12, 0.25), (0.02, 0.06), (0.01, 0.05)),
        sevenths=0.2,
        room_s=(0.3, 1.2),
        wet=(0.05, 0.35),
    ),
    Style(
        label="rock",
        bpm=(92, 160),
        n_steps=4,
        kick=("x.......x.x.....", "x..x....x.x.....", "x.....x.x......."),
        snare=("....x.......x...", "....x.......x..x", "........x......."),
        hat=("x.x.x.x.x.x.x.x.", "x...x...x...x...", "xxxxxxxxxxxxxxxx"),
        bass=("1.1.1.1.1.1.1.1.", "1...1.1.1...1.1.", "1.....1.1...5..."),
        chords=("x.x.x.x.x.x.x.x.", "o.......o.......", "o.....o.x.x.o...", "x..x..x.x..x..x."),
        sequences=((0, 4, 5, 3), (0, 3, 4, 3), (0, 6, 3, 0), (5, 3, 0, 4)),
        scales=(MAJOR, MINOR),
        bass_timbres=(SAW, DEEP, PLUCK),
        chord_timbres=(GUITAR, replace(GUITAR, drive=9.0), replace(PLUCK, drive=1.5)),
        lead_timbres=(replace(GUITAR, decay_s=3.0), ORGAN, PIANO),
        lead_density=(0.1, 0.45),
        levels_db=((-4, 1), (-7, -3), (-5, 0), (-11, -5)),
        drum_decays_s=((0.1, 0.2), (0.08, 0.18), (0.03, 0.12)),
        sevenths=0.0,
        room_s=(0.2, 0.9),
        wet=(0.05, 0.35),
    ),
    Style(
        label="swing",
        bpm=(110, 210),
        n_steps=3,
        kick=("x..x..x..x..", NONE_12, "x.....x....."),
        snare=("...x.....x..", NONE_12, "..x........x"),
        hat=("x..x.xx..x.x", "x..x..x..x..", "x.xx.xx.xx.x"),
        bass=("1..3..5..6..", "1..5..3..2..", "1.....5.....", "1..2..3..5.3"),
        chords=("...x.....x..", "x....x......", "..x.....x...", "x..x..x..x.."),
        sequences=((1, 4, 0, 5), (0, 5, 1, 4), (0, 3, 0, 4), (2, 5, 1, 4)),
        scales=(MAJOR, MAJOR, MINOR),
        bass_timbres=(DEEP, PLUCK),
        chord_timbres=(PIANO, PLUCK, BRASS),
        lead_timbres=(BRASS, REED, PIANO, BELL),
        lead_density=(0.3, 0.6),
        levels_db=((-11, -4), (-6, -1), (-8, -3), (-6, 0)),
        drum_decays_s=((0.08, 0.15), (0.06, 0.2), (0.12, 0.35)),
        sevenths=1.0,
        room_s=(0.2, 1.0),
        wet=(0.05, 0.35),
    ),
    Style(
        label="techno",
        bpm=(116, 142),
        n_steps=4,
        kick=("x...x...x...x...", "x...x...x..xx...", "x.....x...x....."),
        snare=("....x.......x...", NONE_16, "....x..x....x..."),
        hat=("..x...x...x...x.", "x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx"),
        bass=("..1...1...1...1.", "1.11.1.11.1.1.1.", "1..1..1.1..1..1.", "1..............."),
        chords=("x..x..x.....x...", NONE_16, "..x..x..x..x..x.", "o..............."),
        sequences=((0,), (0, 0, 5, 5), (0, 3), (0, 0, 0, 6)),
        scales=(MINOR,),
        bass_timbres=(SAW, SQUARE, DEEP),
        chord_timbres=(SAW, SQUARE, STRINGS, PAD),
        lead_timbres=(SQUARE, SAW, BELL, PLUCK),
        lead_density=(0.05, 0.5),
        levels_db=((-2, 2), (-6, -1), (-10, -4), (-14, -6)),
        drum_decays_s=((0.18, 0.35), (0.05, 0.15), (0.01, 0.08)),
        sevenths=0.4,
        room_s=(0.3, 1.5),
        wet=(0.05, 0.35),
    ),
    Style(
        label="waltz",
        bpm=(84, 190),
        n_steps=4,
        kick=("x...........", NONE_12, NONE_12),
        snare=("....x...x...", NONE_12, "........x..."),
        hat=("....x...x...", NONE_12, "x...x...x..."),
        bass=("1...........", "1.......5...", "1...5...5..."),
        chords=("....x...x...", "....x...x.x.", "o...........", "....o......."),
        sequences=((0, 4, 4, 0), (0, 0, 3, 4), (0, 5, 1, 4), (0, 3, 4, 0)),
        scales=(MAJOR, MAJOR, MINOR),
        bass_timbres=(DEEP, PLUCK, BRASS),
        chord_timbres=(STRINGS, ACCORDION, PIANO),
        lead_timbres=(ACCORDION, STRINGS, REED, PIANO),
        lead_density=(0.2, 0.45),
        levels_db=((-20, -8), (-8, -3), (-7, -2), (-5, 0)),
        drum_decays_s=((0.1, 0.2), (0.02, 0.1), (0.04, 0.2)),
        sevenths=0.2,
        room_s=(0.6, 1.8),
        wet=(0.05, 0.35),
    ),
)
