"""Make a small corpus of synthetic speech: eight languages, six voices, spoken by eSpeak NG.

**The speech is synthetic.** It serves to try the toolkit without a download. The languages differ in sounds,
rhythm and melody as eSpeak NG's rules render them, so results do not transfer to recordings of people.

What it is
    English, Finnish, Hindi, Italian, Polish, Swahili, Turkish and Vietnamese: eight branches of five language
    families. Six voices (variants of eSpeak, the same six in every language) with four clips each of about
    3.6 s: 192 clips, 11 minutes, 16 kHz mono FLAC, 13 MB. Level, rate, pitch and pitch range are drawn for
    every clip, the last three around those of the voice.
Columns
    ``label`` is the language, ``group`` the voice, ``source`` is ``espeak-ng``. A voice speaks every language, so it
    is held out of all of them or of none. Four voices have ``split=train``, two have ``split=test``.
Text
    Passages of the Universal Declaration of Human Rights. A sentence is used in one split only. With the
    default settings no passage is read twice; with more clips than passages, the voices of a split read the same
    ones.
Licence
    The text is that of the United Nations, free to reproduce, as sampled by ``gflanguages`` (Apache-2.0).
    eSpeak NG is GPL-3.0-or-later; ``espeakng-loader`` bundles it, this script loads it when it runs, and it
    is not part of gmmaudio. The clips contain no recording of a person.
Citation
    eSpeak NG, https://github.com/espeak-ng/espeak-ng.
    United Nations, Universal Declaration of Human Rights, General Assembly resolution 217 A, 1948.
Needs
    ``pip install 'gmmaudio[demo]'``
Time
    3 s on two cores.

The same seed gives the same bytes with the same versions of the libraries.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import re
import sys
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, product
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import soxr
from numpy.typing import NDArray

if not __package__:  # run as a file: its folder is on the import path, the package above it is not
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_scripts.manifest import Entry, at_level, check_manifest_source, write_flac, write_manifest

SOURCE = "espeak-ng"
SR = 16_000
SPLITS = ("train", "test")

# From eSpeak NG's speak_lib.h
SYNCHRONOUS_OUTPUT, DONT_EXIT = 2, 0x8000
RATE, PITCH, PITCH_RANGE = 1, 3, 4
CHARS_UTF8 = 1
SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Language:
    """A language.

    Parameters
    ----------
    label : str
        The class.
    espeak_name : str
        Name in eSpeak.
    text_id : str
        Name of the text in gflanguages.
    chars_per_s : float
        Reading rate, characters per second, mean of the six voices. It differs by half between languages; with it,
        clips of all languages have about the same duration.
    """

    label: str
    espeak_name: str
    text_id: str
    chars_per_s: float


@dataclass(frozen=True)
class Voice:
    """A voice.

    Parameters
    ----------
    variant : str
        Name of a voice variant of eSpeak.
    rate : int
        Words per minute.
    pitch, pitch_range : int
        On eSpeak's scale of 0 to 99, where 50 is the variant's default.
    split : str
        ``train`` or ``test``.
    """

    variant: str
    rate: int
    pitch: int
    pitch_range: int
    split: str


@dataclass(frozen=True)
class Utterance:
    """A clip to synthesise.

    Parameters
    ----------
    entry : Entry
        Its row of the manifest.
    text : str
        The passage.
    espeak_voice : str
        Language and variant, as eSpeak names them.
    rate, pitch, pitch_range : int
        As of :class:`Voice`.
    level_db : float
        RMS level, decibels relative to full scale.
    """

    entry: Entry
    text: str
    espeak_voice: str
    rate: int
    pitch: int
    pitch_range: int
    level_db: float


@dataclass(frozen=True)
class _Espeak:
    """A running eSpeak NG: the callback, which must not be garbage-collected, appends samples to `chunks`."""

    library: ctypes.CDLL
    data_path: Path
    sr: int
    chunks: list[bytes]
    callback: object


LANGUAGES = (
    Language("english", "en", "en_Latn", 14.6),
    Language("finnish", "fi", "fi_Latn", 12.5),
    Language("hindi", "hi", "hi_Deva", 12.5),
    Language("italian", "it", "it_Latn", 14.6),
    Language("polish", "pl", "pl_Latn", 11.5),
    Language("swahili", "sw", "sw_Latn", 10.5),
    Language("turkish", "tr", "tr_Latn", 11.0),
    Language("vietnamese", "vi", "vi_Latn", 15.1),
)
VOICES = (
    Voice("m1", rate=135, pitch=45, pitch_range=50, split="train"),
    Voice("m3", rate=150, pitch=55, pitch_range=60, split="train"),
    Voice("f1", rate=130, pitch=50, pitch_range=45, split="train"),
    Voice("f4", rate=145, pitch=45, pitch_range=60, split="train"),
    Voice("m7", rate=140, pitch=50, pitch_range=55, split="test"),
    Voice("f2", rate=135, pitch=55, pitch_range=50, split="test"),
)


def make_languages(
    out_dir: Path,
    *,
    seed: int = 0,
    seconds: float = 3.6,
    n_clips: int = 4,
    languages: Sequence[Language] = LANGUAGES,
    n_jobs: int = 2,
) -> Path:
    """Make a corpus of synthetic speech, and return the path of its manifest.

    Parameters
    ----------
    out_dir : Path
        The folder to write to: ``<label>/<file>.flac`` and ``manifest.csv``.
    seed : int
        Seed of the test sentences, the assignment of passages to voices, their delivery, and eSpeak's breath noise.
    seconds : float
        Approximate duration of a clip, seconds; whole words are read, at the voice's rate.
    n_clips : int
        Clips of each voice in each language.
    languages : sequence of Language
        The languages; the clips of a language do not depend on the others.
    n_jobs : int
        Number of processes. It does not change the result.

    Returns
    -------
    Path
        ``out_dir / "manifest.csv"``.

    Raises
    ------
    ModuleNotFoundError
        If the extra ``demo`` is not installed.
    FileExistsError
        If `out_dir` contains the manifest of another corpus.
    ValueError
        If a setting is out of range, or the text is too short for `seconds`.

    Notes
    -----
    Each language is synthesised in a new process, so a script must call this function under
    ``if __name__ == "__main__":``.
    """
    if not (seed >= 0 and seconds >= 1 and n_clips >= 1 and n_jobs >= 1):
        raise ValueError(
            "expected seed >= 0, seconds >= 1, n_clips >= 1 and n_jobs >= 1,"
            f" got {seed}, {seconds}, {n_clips} and {n_jobs}"
        )
    out_dir = Path(out_dir)
    _import_espeak()
    check_manifest_source(out_dir, SOURCE)
    plans = [plan_language(language, seed=seed, seconds=seconds, n_clips=n_clips) for language in languages]
    with ThreadPoolExecutor(n_jobs) as threads:
        list(threads.map(lambda plan: _speak_in_new_process(out_dir, plan, seed), plans))
    return write_manifest(out_dir, (utterance.entry for plan in plans for utterance in plan))


def plan_language(
    language: Language, *, seed: int = 0, seconds: float = 3.6, n_clips: int = 4
) -> tuple[Utterance, ...]:
    """Return the utterances of all voices in a language.

    Parameters
    ----------
    language : Language
        The language.
    seed, seconds, n_clips
        As for :func:`make_languages`.

    Returns
    -------
    tuple of Utterance
        `n_clips` for each voice; the splits share no sentence.

    Raises
    ------
    ModuleNotFoundError
        If the extra ``demo`` is not installed.
    ValueError
        If the text is too short for `seconds`.
    """
    rng = np.random.default_rng([seed, zlib.crc32(language.label.encode())])
    passages = split_passages(read_sentences(language.text_id), language.chars_per_s * seconds, rng)
    utterances = []
    for split in SPLITS:
        voices = [voice for voice in VOICES if voice.split == split]
        texts = cycle(passages[split])
        for voice, i_clip in product(voices, range(n_clips)):
            utterances.append(_utterance(language, voice, next(texts), i_clip, rng))
    return tuple(utterances)


def read_sentences(text_id: str) -> tuple[str, ...]:
    """Return the sentences of the Universal Declaration that gflanguages has in a language.

    Its samples of different sizes repeat one another: a sentence that is part of another one is left out.

    Parameters
    ----------
    text_id : str
        Name of the text in gflanguages, such as ``en_Latn``.

    Returns
    -------
    tuple of str
        The sentences, longest first, without final punctuation.

    Raises
    ------
    ModuleNotFoundError
        If gflanguages is not installed.
    """
    spec = importlib.util.find_spec("gflanguages")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the texts come from gflanguages: pip install 'gmmaudio[demo]'")
    # Read as text: the library's loader parses 1,700 files to return one, and the class that parses a single file
    # moved within version 0.7.
    content = Path(spec.origin).with_name("data").joinpath("languages", f"{text_id}.textproto")
    samples = re.findall(r'^ *specimen_\d+: "(.*)"$', content.read_text(encoding="utf-8"), re.MULTILINE)
    text = re.sub(r"\\(.)", lambda escape: "." if escape[1] == "n" else escape[1], ".".join(samples))
    parts = {part.strip(" ,") for part in re.split("[.;:?!।]", text)}
    sentences: list[str] = []
    for part in sorted(parts, key=lambda part: (-len(part), part)):
        if not any(part.casefold() in longer.casefold() for longer in sentences):
            sentences.append(part)
    return tuple(sentences)


def split_passages(sentences: Iterable[str], n_chars: float, rng: np.random.Generator) -> dict[str, tuple[str, ...]]:
    """Return the passages of each split: a third of them in the test set, no sentence in both.

    Parameters
    ----------
    sentences : iterable of str
        The text.
    n_chars : float
        Approximate length of a passage, characters; sentences of less than half of it are not used.
    rng : numpy.random.Generator
        Draws the sentences of the test set and the order of the passages.

    Returns
    -------
    dict of str to tuple of str
        The passages of ``train`` and of ``test``.

    Raises
    ------
    ValueError
        If there are too few sentences of that length for two splits.
    """
    by_sentence = [cut_passages(sentence, n_chars) for sentence in sentences if len(sentence) >= n_chars / 2]
    n_test = math.ceil(sum(map(len, by_sentence)) / 3)
    by_split: dict[str, list[str]] = {split: [] for split in SPLITS}
    for i in rng.permutation(len(by_sentence)):
        fits = len(by_split["test"]) + len(by_sentence[i]) <= n_test
        by_split["test" if fits else "train"].extend(by_sentence[i])
    if not all(by_split.values()):
        raise ValueError(
            f"{len(by_sentence)} sentences cannot be split at {n_chars:.0f} characters per passage; use fewer seconds"
        )
    return {split: tuple(passages[i] for i in rng.permutation(len(passages))) for split, passages in by_split.items()}


def cut_passages(sentence: str, n_chars: float) -> tuple[str, ...]:
    """Return a sentence cut between words into passages of about equal length.

    Parameters
    ----------
    sentence : str
        The sentence.
    n_chars : float
        Approximate length of a passage, characters.

    Returns
    -------
    tuple of str
        The passages, in order, at least one.

    Examples
    --------
    >>> cut_passages("All human beings are born free and equal", 20)
    ('All human beings are', 'born free and equal')
    """
    n_passages = max(1, round(len(sentence) / n_chars))
    words = sentence.split()
    middles = np.cumsum([len(word) + 1 for word in words]) - [len(word) / 2 for word in words]
    index = np.minimum(middles / (len(sentence) + 1) * n_passages, n_passages - 1).astype(int)
    return tuple(" ".join(word for word, j in zip(words, index, strict=True) if j == i) for i in np.unique(index))


def _utterance(language: Language, voice: Voice, text: str, i_clip: int, rng: np.random.Generator) -> Utterance:
    """Return an utterance, with rate, pitch and pitch range drawn around those of the voice."""
    name = f"voice-{voice.variant}"
    path = f"{language.label}/{name}-{i_clip + 1:02d}.flac"
    return Utterance(
        entry=Entry(path, language.label, name, SOURCE, voice.split),
        text=text,
        espeak_voice=f"{language.espeak_name}+{voice.variant}",
        rate=round(voice.rate * rng.uniform(0.92, 1.08)),
        pitch=round(voice.pitch + rng.uniform(-6, 6)),
        pitch_range=round(voice.pitch_range + rng.uniform(-10, 10)),
        level_db=rng.uniform(-27, -19),
    )


def _speak_in_new_process(out_dir: Path, plan: Sequence[Utterance], seed: int) -> None:
    """Synthesise the utterances of a language in a new process.

    eSpeak carries the phase of its pitch flutter from one utterance to the next, even through
    ``espeak_Terminate``: its samples depend on all utterances of the process before.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(speak_all, out_dir, plan, seed).result()


def speak_all(out_dir: Path, plan: Sequence[Utterance], seed: int) -> None:
    """Synthesise utterances into their files.

    The samples are reproducible only if these are the first utterances of the process.

    Parameters
    ----------
    out_dir : Path
        The folder of the corpus.
    plan : sequence of Utterance
        The utterances.
    seed : int
        Seed of eSpeak's breath noise.

    Raises
    ------
    RuntimeError
        If eSpeak fails, or returns less than half a second or silence.
    """
    espeak = _start_espeak(seed)
    for utterance in plan:
        y = _speak(espeak, utterance)
        if len(y) < espeak.sr / 2 or not np.any(y):
            raise RuntimeError(f"eSpeak NG returned no speech for {utterance.espeak_voice}: {utterance.text!r}")
        y = at_level(soxr.resample(y, espeak.sr, SR), utterance.level_db)
        write_flac(out_dir / utterance.entry.path, y, SR)


def _import_espeak() -> ModuleType:
    """Return the package that bundles eSpeak NG, or raise ModuleNotFoundError with the command that installs it."""
    try:
        import espeakng_loader  # an optional extra
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the voices come from eSpeak NG: pip install 'gmmaudio[demo]'") from error
    module: ModuleType = espeakng_loader
    return module


def _start_espeak(seed: int) -> _Espeak:
    """Start eSpeak NG, at most once in a process."""
    bundle = _import_espeak()
    library, data_path = ctypes.CDLL(bundle.get_library_path()), Path(bundle.get_data_path())
    sr: int = library.espeak_Initialize(SYNCHRONOUS_OUTPUT, 0, str(data_path).encode(), DONT_EXIT)
    if sr <= 0:
        raise RuntimeError(f"eSpeak NG did not start with the data in {data_path} (status {sr})")
    # Breathy variants draw noise from a generator that is otherwise seeded by the clock.
    library.espeak_ng_SetRandSeed(ctypes.c_long(seed % 2**31))
    chunks: list[bytes] = []

    def collect(samples: int | None, n_samples: int, _events: int | None) -> int:
        if samples and n_samples > 0:
            chunks.append(ctypes.string_at(samples, 2 * n_samples))
        return 0

    callback = SynthCallback(collect)
    library.espeak_SetSynthCallback(callback)
    return _Espeak(library, data_path, sr, chunks, callback)


def _speak(espeak: _Espeak, utterance: Utterance) -> NDArray[np.float64]:
    """Return the samples of an utterance, within ±1, at eSpeak's sample rate."""
    library = espeak.library
    # eSpeak reports an unknown language, but silently replaces an unknown variant by its default voice.
    variant = espeak.data_path / "voices" / "!v" / utterance.espeak_voice.partition("+")[2]
    status = library.espeak_SetVoiceByName(utterance.espeak_voice.encode())
    if status != 0 or not variant.is_file():
        raise RuntimeError(f"this eSpeak NG has no voice {utterance.espeak_voice!r} (status {status})")
    library.espeak_SetParameter(RATE, utterance.rate, 0)
    library.espeak_SetParameter(PITCH, utterance.pitch, 0)
    library.espeak_SetParameter(PITCH_RANGE, utterance.pitch_range, 0)
    espeak.chunks.clear()
    text = utterance.text.encode() + b"\0"
    status = library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, CHARS_UTF8, None, None)
    if status != 0:
        raise RuntimeError(f"eSpeak NG could not synthesise {utterance.text!r} (status {status})")
    return np.frombuffer(b"".join(espeak.chunks), np.int16) / 32768


@click.command()
@click.argument("out_dir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=0, show_default=True, help="Seed of all random choices.")
@click.option("--seconds", default=3.6, show_default=True, help="Approximate duration of a clip.")
@click.option("--clips", default=4, show_default=True, help="Clips of each voice in each language.")
@click.option("--jobs", "-j", default=2, show_default=True, help="Number of processes.")
def main(out_dir: Path, seed: int, seconds: float, clips: int, jobs: int) -> None:
    """Make a corpus of synthetic speech in OUT_DIR: 8 languages, 6 voices."""
    try:
        manifest = make_languages(out_dir, seed=seed, seconds=seconds, n_clips=clips, n_jobs=jobs)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(manifest)


if __name__ == "__main__":
    main()
