"""Commands and front ends beside peers, and beside an earlier version of gmmaudio: CPU seconds, wall clock, memory.

Every measurement has a process of its own with one numeric thread; rounds are interleaved, and medians are reported.
Peers that are not installed are left out. Audio is the recorded corpora of GMMAUDIO_DATA.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.per_minute import SYSTEMS
from benchmarks.processes import Cost, checkout, run_python
from results.corpora import manifest_of
from results.record import ROOT, make_record, write_record
from results.views import OURS, speed_tables

PEER, NOW, BEFORE = "librosa + scikit-learn", OURS, "gmmaudio before"
CACHED, TWO_JOBS = "gmmaudio, features in the cache", "gmmaudio, -j 2"
PEERS = ("torch", "torchaudio", "kaldi-native-fbank", "essentia", "python_speech_features", "pyAudioAnalysis")
MINUTE_CLIPS = 9
PROTOCOL = (
    "Every measurement is a process of its own (one for each command) with one numeric thread, one worker and no cache "
    "where nothing else is said. Medians of interleaved rounds: {rounds}, and {corpus_rounds} of the language corpora. "
    "Milliseconds for a minute are the least of five passes over {clips} clips of 30 s of *genre*, "
    "decoded before; peers and classic compute 20 MFCC of the same samples, pyAudioAnalysis its 34 features. The "
    "script and gmmaudio train on the 90 clips of *genre* and classify them, K=32; gmmaudio also learns probabilities "
    "and whether an unknown label can be recognised."
)


class Case(NamedTuple):
    """What is measured: commands, of one system, in one table."""

    part: str
    name: str
    system: str
    commands: Sequence[Sequence[str]]
    package: Path


@click.command()
@click.option("--before", metavar="REVISION", help="Earlier version of this repository to measure beside.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--corpus-rounds", default=1, show_default=True, help="Rounds of commands that take minutes; 0: none.")
def main(before: str | None, rounds: int, corpus_rounds: int) -> None:
    """Measure, print the tables and write results/speed.json."""
    with checkout(before) if before else nullcontext() as earlier, tempfile.TemporaryDirectory() as folder:
        versions = [(NOW, ROOT)] + ([(BEFORE, earlier)] if earlier else [])
        rows = minute_rows(versions, rounds)
        rows += cost_rows(list(short_cases(versions, Path(folder))), rounds)
        if corpus_rounds:
            rows += cost_rows(list(long_cases(versions, Path(folder))), corpus_rounds)
    protocol = PROTOCOL.format(rounds=rounds, corpus_rounds=corpus_rounds, clips=MINUTE_CLIPS)
    record = make_record("speed", "Commands and front ends beside peers", protocol, rows, PEERS)
    click.echo(speed_tables(record))
    click.echo(f"wrote {write_record(record).name}")


def minute_rows(versions: Sequence[tuple[str, Path]], rounds: int) -> list[dict[str, Any]]:
    """Return CPU milliseconds for a minute of audio of every system, and of our front ends in every version."""
    folder = manifest_of("genre").parent
    clips = [str(path) for path in sorted(folder.glob("*/*.flac"))[:: 90 // MINUTE_CLIPS][:MINUTE_CLIPS]]
    systems = [
        (name, label, root)
        for name in ("decode", *SYSTEMS)
        for label, root in (versions if ours(name) else versions[:1])
    ]
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, label, root in systems:
            text = printed([str(ROOT / "benchmarks" / "per_minute.py"), name, *clips], root)
            if text:
                times.setdefault((name, label), []).append(float(text))
    return [
        {"part": "minute", "name": name, "system": label, "ms": statistics.median(each)}
        for (name, label), each in times.items()
    ]


def ours(name: str) -> bool:
    """Return whether a front end is of gmmaudio, and so has an earlier version."""
    return name == "decode" or name.startswith("gmmaudio")


def printed(command: Sequence[str], package: Path) -> str:
    """Return what a command of this interpreter prints."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        run_python([command], package, out)
        return out.read_text(encoding="utf-8").strip()


def short_cases(versions: Sequence[tuple[str, Path]], folder: Path) -> Iterator[Case]:
    """Yield commands of seconds: what a person waits for, and a corpus beside the script."""
    manifest = manifest_of("genre")
    clip = str(sorted(manifest.parent.glob("*/*.flac"))[0])
    for system, package in versions:
        more = no_cache(system)
        model = str(folder / f"{system}.model")
        run_python([gmmaudio("train", str(manifest), "-o", model, "--components", "16", *more)], package)
        yield Case("command", "--help", system, [gmmaudio("--help")], package)
        yield Case("command", "info MODEL", system, [gmmaudio("info", model)], package)
        yield Case("command", "classify MODEL CLIP, 30 s", system, [gmmaudio("classify", model, clip, *more)], package)
    task = "train and classify 90 clips of 30 s"
    yield Case("corpus", task, PEER, [["-m", "benchmarks.peer", str(manifest), "32"]], ROOT)
    for system, package in versions:
        yield Case("corpus", task, system, train_and_classify(folder, no_cache(system)), package)
    kept = ["--cache", str(folder / "cache")]
    cached = train_and_classify(folder, kept)
    run_python(cached)
    yield Case("corpus", task, CACHED, cached, ROOT)


def long_cases(versions: Sequence[tuple[str, Path]], folder: Path) -> Iterator[Case]:
    """Yield commands on the language corpora, and extraction by one and two workers."""
    language, domain = manifest_of("language"), manifest_of("language-indomain")
    trials = ["--preset", "language", "--trial-seconds", "6", "-j", "1"]
    for system, package in versions:
        more = no_cache(system)
        train = gmmaudio("train", str(language), "-o", str(folder / "m.language"), *trials, *more)
        yield Case("corpus", "train, preset language, 11 languages", system, [train], package)
        crossval = gmmaudio("crossval", str(domain), "--folds", "5", *trials, *more)
        yield Case("corpus", "crossval, preset language, 4 languages", system, [crossval], package)
    for system, jobs in ((NOW, "1"), (TWO_JOBS, "2")):
        extract = gmmaudio(
            "features", str(language.parent), "-o", str(folder / "arrays"), "-j", jobs, "--cache", "none"
        )
        yield Case("corpus", "features of 1,600 clips of *language*", system, [extract], ROOT)


def no_cache(system: str) -> list[str]:
    """Return the options without a cache; earlier versions have none."""
    return ["--cache", "none"] if system == NOW else []


def gmmaudio(*words: str) -> list[str]:
    """Return a command of gmmaudio, with one worker where it is not said otherwise."""
    return ["-m", "gmmaudio", *words]


def train_and_classify(folder: Path, more: Sequence[str]) -> list[list[str]]:
    """Return the two commands that do what the script does."""
    manifest, model = manifest_of("genre"), str(folder / "m.genre")
    train = gmmaudio("train", str(manifest), "-o", model, "--components", "32", "-j", "1", *more)
    return [train, gmmaudio("classify", model, str(manifest.parent), "-j", "1", *more)]


def cost_rows(cases: Sequence[Case], rounds: int) -> list[dict[str, Any]]:
    """Return the medians of every case."""
    costs: dict[int, list[Cost]] = {i: [] for i in range(len(cases))}
    for _ in range(rounds):
        for i, case in enumerate(cases):
            costs[i].append(run_python(case.commands, case.package))
    fields = ("cpu_s", "wall_s", "peak_mib")
    return [
        {"part": case.part, "name": case.name, "system": case.system}
        | {field: statistics.median(getattr(cost, field) for cost in costs[i]) for field in fields}
        for i, case in enumerate(cases)
    ]


if __name__ == "__main__":
    main()
