"""Mutated audio files through ``gmmaudio classify``: crashes, hangs, wrong answers and memory.

Files of every format that the tests can write are mutated (``tests/fuzz/mutations.py``, by seed) and classified in
batches, each by a command of its own with two worker processes. Batches take turns: the formats of libsndfile, those
of the media extra, and all of them in an installation without the media extra; every second one keeps features in a
cache. What a command answers is compared with the contract of ``classify``.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from benchmarks.processes import ONE_THREAD
from results.record import ROOT, make_record, write_record
from results.views import fuzz_audio_table

BATCH_FILES = 500
# names of the turns: which formats, and whether the media extra is there
LIBSNDFILE, MEDIA, WITHOUT_MEDIA = "libsndfile", "FFmpeg", "without the media extra"
TURNS = (LIBSNDFILE, MEDIA, LIBSNDFILE, MEDIA, WITHOUT_MEDIA)
HANG_S = 10.0
# the command and its workers start, and load a model
START_S = 120.0
# of address space for each process: what asks for more fails there, and not on the machine
MEMORY_BYTES = 8 * 2**30
LABELS = ("high", "low", "mid")
# reason codes of the stages after the decoder: docs/architecture.md
LATER_CODES = ("no_frames", "no_label", "crashed", "timeout", "memory")
# what the command writes to standard error; a line of anything else was written by a library
SAID = re.compile(r"(note|skipped) \[[a-z_]+\] |\d+ inputs? failed$|classifying")
PROTOCOL = (
    f"Sound of 0.8 s in every format that the tests can write, mutated by seed, {BATCH_FILES} files to a command "
    "`gmmaudio classify MODEL FOLDER -j 2 --format jsonl`. A file counts as longer than 10 s where no answer came for "
    "10 s. An answer is wrong where it is missing, doubled, has no documented status or reason code, scores that are "
    "not finite or probabilities that are none, or the exit code is another than the answers ask for. Peak memory is "
    "that of the largest process."
)


@dataclass
class Tally:
    """What the files of one turn came to.

    Parameters
    ----------
    n : int
        Files that were classified.
    answered : int
        Those with scores.
    codes : Counter of str
        Reason codes of the others.
    crashed, hung, tracebacks, wrong : int
        Faults, see the protocol.
    slowest_s : float
        The longest time between two answers, seconds.
    peak_mib : float
        Peak memory of the largest process, MiB.
    cpu_s : float
        User and system time, seconds.
    """

    n: int = 0
    answered: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    crashed: int = 0
    hung: int = 0
    tracebacks: int = 0
    wrong: int = 0
    slowest_s: float = 0.0
    peak_mib: float = 0.0
    cpu_s: float = 0.0

    @property
    def faults(self) -> int:
        """Return the number of all faults."""
        return self.crashed + self.hung + self.tracebacks + self.wrong

    def as_row(self, turn: str) -> dict[str, Any]:
        """Return the row of the record."""
        plain = {name: value for name, value in vars(self).items() if name != "codes"}
        return {"turn": turn, **plain, "codes": dict(sorted(self.codes.items()))}


@dataclass(frozen=True)
class Run:
    """What a command wrote, and took.

    Parameters
    ----------
    lines : list of str
        Of standard output.
    said : str
        Standard error.
    code : int
        Exit code; negative for a signal.
    is_hung : bool
        Whether it was killed because no answer came.
    slowest_s, peak_mib, cpu_s : float
        As in :class:`Tally`.
    """

    lines: list[str]
    said: str
    code: int
    is_hung: bool
    slowest_s: float
    peak_mib: float
    cpu_s: float


def write_model(path: Path) -> None:
    """Write a model of three labels of noise, calibrated."""
    import numpy as np
    import soundfile

    from gmmaudio import make_recipe, save_model, train

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for k, label in enumerate(LABELS):
            for i in range(4):
                folder = Path(name, label, f"group{i}")
                folder.mkdir(parents=True)
                sound = np.convolve(rng.normal(size=16_000), np.ones(1 + 3 * k) / (2 + 3 * k), "same")
                soundfile.write(folder / "clip.wav", 0.1 * sound, 16_000)
        trained = train(name, make_recipe(n_components=1), group_by="parent")
    save_model(trained.model, path)


def write_batch(folder: Path, turn: str, seed: int, n: int) -> list[str]:
    """Return the names of mutated files that were written into a folder, in their order."""
    import numpy as np

    from tests.fuzz.mutations import mutate_container
    from tests.fuzz.sounds import sounds_of_libsndfile, sounds_of_media

    good: dict[str, bytes] = {} if turn == MEDIA else sounds_of_libsndfile(0.8)
    if turn != LIBSNDFILE:
        with tempfile.TemporaryDirectory() as other:
            good |= sounds_of_media(Path(other), 0.8)
    rng, names = np.random.default_rng(seed), []
    for i, kind in enumerate(islice(cycle(good), n)):
        names.append(f"{i:05d}-{kind}.wav")
        (folder / names[-1]).write_bytes(mutate_container(good[kind], rng))
    return names


def classify(words: Sequence[str], environment: Mapping[str, str], said: Path) -> Run:
    """Return what a command wrote and took; one that stays without an answer for too long is killed."""
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gmmaudio", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    pipe, text, slowest_s = process.stdout.fileno(), bytearray(), 0.0
    last, is_hung = None, False
    while True:
        wait_s = START_S if last is None else HANG_S
        if not select.select([pipe], [], [], wait_s)[0]:
            is_hung = True
            os.killpg(process.pid, 9)
            break
        piece, now = os.read(pipe, 2**16), time.perf_counter()
        if last is not None and piece:
            slowest_s = max(slowest_s, now - last)
        if not piece:
            break
        last = now
        text += piece
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    cpu_s = usage.ru_utime + usage.ru_stime
    lines = text.decode(errors="replace").splitlines()
    return Run(lines, said.read_text(errors="replace"), code, is_hung, slowest_s, usage.ru_maxrss / 1024, cpu_s)


def complaints(run: Run, names: Sequence[str], codes: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the answers of a command, as a kind of fault and its words; count reason codes."""
    known = _known_codes()
    answers = []
    for line in run.lines:
        try:
            answers.append(json.loads(line, parse_constant=_refuse))
        except ValueError:
            yield "wrong", f"no JSON: {line[:200]}"
    shown = [Path(answer["path"]).name for answer in answers]
    if run.is_hung:
        yield "hung", f"no answer for {HANG_S:g} s after {shown[-1] if shown else 'the start'}"
        return
    if shown != list(names):
        yield "wrong", f"{len(shown)} answers to {len(names)} files: {sorted(set(names) ^ set(shown))[:5]}"
    for name, answer in zip(shown, answers, strict=True):
        code = answer.get("code")
        if not answer["scores"]:
            codes[code] += 1
        if code in ("crashed", "timeout", "memory"):
            yield "crashed", f"{name}: {code}: {answer['message']}"
        elif fault := _fault(answer, known):
            yield "wrong", f"{name}: {fault}"
    n_bad = sum(not answer["scores"] for answer in answers)
    n_errors = sum(answer["status"] == "error" for answer in answers)
    expected = 0 if not n_bad else 3 if n_errors == len(names) else 1
    if run.code != expected:
        yield "wrong", f"exit code {run.code}; expected {expected}"
    for line in run.said.splitlines():
        if not SAID.match(line):
            yield "tracebacks", line[:300]
            return


def _known_codes() -> set[str]:
    """Return the reason codes that the documents list."""
    from gmmaudio.audio import REASONS

    return {*REASONS, *LATER_CODES}


def _refuse(word: str) -> None:
    raise ValueError(word)


def _fault(answer: Mapping[str, Any], known: set[str]) -> str | None:
    """Return what is wrong with an answer, or None."""
    status, scores, probability = answer["status"], answer["scores"], answer["probability"]
    if status in ("error", "unknown") and not scores:
        is_said = answer.get("code") in known and (answer.get("message") or "").strip()
        return None if is_said else f"{status}, {answer.get('code')}: {answer.get('message')}"
    if status not in ("ok", "unknown", "mixed") or set(scores) != set(LABELS):
        return f"status {status}, scores {scores}"
    if not all(map(math.isfinite, scores.values())) or not answer["duration_s"] > 0:
        return f"scores {scores}, {answer['duration_s']} s"
    if not math.isclose(sum(probability.values()), 1.0, rel_tol=1e-6):
        return f"probabilities {probability}"
    return None


def run_batch(folder: Path, model: Path, names: list[str], turn: str, tally: Tally, *, is_cached: bool) -> list[str]:
    """Classify the files of a folder, add what they came to, and return the words of faults."""
    said: list[str] = []
    package = f"{folder.parent / 'blocked'}:{ROOT}" if turn == WITHOUT_MEDIA else str(ROOT)
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": package}
    cache = str(folder.parent / "cache") if is_cached else "none"
    words = [
        *("classify", str(model), str(folder), "-j", "2", "--format", "jsonl", "--quiet"),
        *("--min-duration", "0.1", "--cache", cache),
    ]
    run = classify(words, environment, folder.parent / "said")
    shutil.rmtree(folder.parent / "cache", ignore_errors=True)
    tally.n += len(names)
    before = tally.codes.total()
    for kind, text in complaints(run, names, tally.codes):
        setattr(tally, kind, getattr(tally, kind) + 1)
        said.append(f"{kind}: {text}")
    tally.answered += len(run.lines) - (tally.codes.total() - before)
    tally.slowest_s = max(tally.slowest_s, run.slowest_s)
    tally.peak_mib = max(tally.peak_mib, run.peak_mib)
    tally.cpu_s += run.cpu_s
    return said


@click.command()
@click.option("--files", default=50_000, show_default=True, help="Number of mutated files.")
@click.option("--seed", default=0, show_default=True, help="Seed of the first batch.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the batches in which something is wrong.")
def main(files: int, seed: int, keep: Path | None) -> None:
    """Classify mutated files, print the table and write it to results/fuzz_audio.json."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    tallies = {turn: Tally() for turn in dict.fromkeys(TURNS)}
    # the peak memory of a command starts from its parent's: what needs numpy is done in another process
    maker = ProcessPoolExecutor(1, get_context("spawn"))
    with tempfile.TemporaryDirectory() as name, maker:
        model, blocked = Path(name, "model.safetensors"), Path(name, "blocked")
        maker.submit(write_model, model).result()
        blocked.mkdir()
        (blocked / "av.py").write_text("raise ImportError\n")
        n_batches = -(-files // BATCH_FILES)
        for i in range(n_batches):
            folder, turn = Path(name, f"batch{seed + i}"), TURNS[i % len(TURNS)]
            folder.mkdir()
            n = min(BATCH_FILES, files - i * BATCH_FILES)
            names = maker.submit(write_batch, folder, turn, seed + i, n).result()
            said = run_batch(folder, model, names, turn, tallies[turn], is_cached=i % 2 == 1)
            if said and keep is not None:
                shutil.copytree(folder, keep / folder.name)
            shutil.rmtree(folder)
            tally = tallies[turn]
            click.echo(f"batch {i + 1} of {n_batches}, {turn}: {tally.slowest_s:.1f} s, {tally.peak_mib:.0f} MiB")
            for text in said:
                click.echo(f"  {text}")
    record = make_record(
        "fuzz_audio",
        "Mutated audio files through classify",
        PROTOCOL,
        [tally.as_row(turn) for turn, tally in tallies.items()],
        ("soundfile", "av"),
    )
    click.echo(fuzz_audio_table(record))
    click.echo(f"wrote {write_record(record).name}")
    if any(tally.faults for tally in tallies.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
