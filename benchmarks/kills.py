"""Runs that are killed at random moments and started again: whole files, no process left, the same bytes.

A corpus of synthetic sound is trained on, cross-validated and classified. Each run is killed by SIGKILL once, at a
moment that is drawn by seed over the time of an unbroken one, and then run again to its end, in folders of its own.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile

from gmmaudio.features import FeatureStore
from gmmaudio.temporary_files import PREFIX
from results.kill_views import kills_text
from results.record import FOLDER, ROOT, Record, make_record, read_record, write_record

NAME = "kills"
SR = 16_000
# processes that a killed run left must be gone by then, seconds
GONE_S = 2.0
END_S = 600.0
FAULTS = ("corrupt", "orphans", "left_over", "different", "failed")
# with and without worker processes, keeping everything and only what took long
N_VARIANTS = 4
# of the report of a cross-validation, what tells of the run: its start, its seconds, and its options
OF_THE_RUN = ("began", "seconds", "command")
# as installed, results that take less than 0.2 s, and sums of EM that take less than 1 s, are not kept
KEEP_ALL = "from gmmaudio.compute import checkpoints; from gmmaudio.mixture import replay; "
KEEP_ALL += "checkpoints.LEAST_S = replay.PASS_S = 0.0; "
RUN = "import sys; from gmmaudio.cli import main; main(sys.argv[1:])"
PROTOCOL = (
    "Synthetic sound (three labels, four groups each, 24 clips of 2 s; 120 files to classify). Every run has a cache "
    "and an output of its own, is killed by SIGKILL once, at a moment drawn by seed uniformly over the seconds of an "
    "unbroken run, and started again by the same command (classify with --resume). Every second run has two worker "
    "processes, every other pair keeps all results however little time they took, as runs of hours do with theirs. "
    "Corrupt: an output that is neither absent nor whole after the kill (of classify, rows that are not those of an "
    "unbroken run), or a damaged entry of the cache. Orphan: a process of the killed run 2 s later. Left over: a "
    "temporary file after the run that went on. Different: bytes that are not those of an unbroken run; of the report "
    "of crossval all but protocol.began, protocol.seconds and protocol.command. Several runs go on at a time, so that "
    "seconds are those of a loaded machine."
)


@dataclass(frozen=True)
class Case:
    """A command that is killed.

    Parameters
    ----------
    name : str
        The sub-command.
    words : tuple of str
        Its arguments; outputs are relative to the folder of the run.
    output : str
        The file that it writes.
    more : tuple of str
        Options of the run that goes on.
    """

    name: str
    words: tuple[str, ...]
    output: str
    more: tuple[str, ...] = ()

    def content(self, folder: Path) -> bytes:
        """Return what must be the same of the output."""
        data = (folder / self.output).read_bytes()
        if self.name != "crossval":
            return data
        report = json.loads(data)
        report["protocol"] = {key: value for key, value in report["protocol"].items() if key not in OF_THE_RUN}
        return json.dumps(report).encode()

    def is_whole(self, folder: Path, unbroken: bytes) -> bool:
        """Return whether the output of a killed run is absent, or as it must be."""
        path = folder / self.output
        if not path.exists():
            return True
        if self.name == "classify":
            # rows are added to a file beside, or at its end; the last one may be torn
            return unbroken.startswith(path.read_bytes())
        try:
            return self.content(folder) == unbroken
        except ValueError:
            return False


@dataclass(frozen=True)
class Outcome:
    """What one kill came to.

    Parameters
    ----------
    faults : dict of str to int
        The number of each of ``FAULTS``.
    again_s : float
        Seconds of the run that went on.
    gone_s : float
        Seconds until the processes of the killed run were gone.
    """

    faults: dict[str, int]
    again_s: float
    gone_s: float


def make_corpus(folder: Path, n_clips: int, n_files: int) -> None:
    """Write a corpus of noise in bands, and files to classify.

    Parameters
    ----------
    folder : Path
        Where ``corpus`` and ``files`` are made.
    n_clips : int
        Clips of each of four groups of each of three labels.
    n_files : int
        Files to classify.
    """
    rng = np.random.default_rng(0)

    def write(path: Path, label: int, group: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.fft.rfft(rng.normal(size=2 * SR))
        hz = np.fft.rfftfreq(2 * SR, 1 / SR)
        low, high = 200 * 3**label * (1 + group / 9), 1500 * 1.7**label
        shape = np.where((hz > low) & (hz < high), 1.0, 0.05)
        sound = np.fft.irfft(noise * shape)
        soundfile.write(path, 0.3 * sound / np.abs(sound).max(), SR)

    for label, name in enumerate(("low", "mid", "high")):
        for group in range(4):
            for clip in range(n_clips):
                write(folder / "corpus" / name / f"g{group}" / f"{clip}.wav", label, group)
    for i in range(n_files):
        write(folder / "files" / f"{i:04d}.wav", i % 3, i % 5)


def make_cases(folder: Path) -> list[Case]:
    """Return the commands that are killed.

    Parameters
    ----------
    folder : Path
        With the corpus, the files and a model.
    """
    settings = ("--kind", "supervector", "--components", "8", "--group-by", "parent", "-q")
    corpus = str(folder / "corpus")
    return [
        Case("train", ("train", corpus, "-o", "model.gmm", *settings), "model.gmm"),
        Case(
            "crossval",
            ("crossval", corpus, "--folds", "4", "--open-set", "--json", "report.json", *settings),
            "report.json",
        ),
        Case(
            "classify",
            ("classify", str(folder / "model.gmm"), str(folder / "files"), "-q", "-o", "night.csv", "--format", "csv"),
            "night.csv",
            ("--resume",),
        ),
    ]


def start(case: Case, folder: Path, variant: int, more: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Return a process in a session of its own that runs a case.

    Parameters
    ----------
    case : Case
        The case.
    folder : Path
        Its folder.
    variant : int
        0 to 3: with worker processes where it is odd; keeping everything from 2 on.
    more : sequence of str
        Further options.
    """
    (folder / "tmp").mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}
    options = ["--cache", "cache", *(["-j", "2"] if variant % 2 else ["-j", "1"]), *more]
    with (folder / "stderr.txt").open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", (KEEP_ALL if variant > 1 else "") + RUN, *case.words, *options],
            cwd=folder,
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )


def finish(case: Case, folder: Path, variant: int, more: Sequence[str] = ()) -> float | None:
    """Return the seconds of a run to its end; None where it fails.

    Parameters
    ----------
    case, folder, variant, more
        As for :func:`start`.
    """
    began_s = time.monotonic()
    process = start(case, folder, variant, more)
    try:
        code = process.wait(END_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return time.monotonic() - began_s if code == 0 else None


def processes_of(session: int) -> list[int]:
    """Return the processes of a session that run, by their numbers.

    Parameters
    ----------
    session : int
        Its number: that of its first process.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # the name may hold spaces and brackets
            state, _, _, of_session, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def wait_until_gone(session: int) -> tuple[float, int]:
    """Return the seconds until the processes of a session are gone, and how many are still there after two.

    Parameters
    ----------
    session : int
        Its number.
    """
    began_s = time.monotonic()
    while left := processes_of(session):
        if time.monotonic() - began_s > GONE_S:
            os.killpg(session, signal.SIGKILL)
            return GONE_S, len(left)
        time.sleep(0.02)
    return time.monotonic() - began_s, 0


def left_over(folder: Path) -> list[Path]:
    """Return the temporary files in a folder, at any depth, and all files in its folder of temporary files.

    Parameters
    ----------
    folder : Path
        Folder of a run.
    """
    return [path for path in folder.rglob("*") if path.name.startswith(PREFIX) or path.parent.name == "tmp"]


def kill_once(case: Case, after_s: float, variant: int, unbroken: bytes) -> Outcome | None:
    """Return what a run came to that was killed at a moment and run again; None where it ended before.

    Parameters
    ----------
    case : Case
        What is run.
    after_s : float
        The moment, seconds after its start.
    variant : int
        As for :func:`start`.
    unbroken : bytes
        Content of the output of an unbroken run.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process = start(case, folder, variant)
        time.sleep(after_s)
        if process.poll() is not None:
            return None
        process.kill()
        process.wait()
        gone_s, n_orphans = wait_until_gone(process.pid)
        damaged = list(FeatureStore(folder / "cache").verify())
        n_corrupt = len(damaged) + (not case.is_whole(folder, unbroken))
        again_s = finish(case, folder, variant, case.more)
        is_done = again_s is not None
        faults = {
            "corrupt": n_corrupt,
            "orphans": n_orphans,
            "left_over": len(left_over(folder)),
            "different": int(is_done and case.content(folder) != unbroken),
            "failed": int(not is_done),
        }
        if any(faults.values()):
            click.echo(f"{case.name}, variant {variant}, {after_s:.3f} s: {faults}, {damaged}", err=True)
            click.echo((folder / "stderr.txt").read_text(), err=True)
        return Outcome(faults, again_s or END_S, gone_s)


def run_unbroken(case: Case, variant: int) -> tuple[bytes, float]:
    """Return the content of the output of an unbroken run, and its seconds.

    Parameters
    ----------
    case, variant
        As for :func:`start`.

    Raises
    ------
    click.ClickException
        If the run fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took_s = finish(case, folder, variant)
        if took_s is None:
            raise click.ClickException(f"{case.name} failed: {(folder / 'stderr.txt').read_text()}")
        return case.content(folder), took_s


def kill_case(case: Case, n: int, seed: int, n_at_once: int) -> dict[str, Any]:
    """Return the row of the record of one command.

    Parameters
    ----------
    case : Case
        What is run.
    n : int
        Number of kills.
    seed : int
        Seed of the moments.
    n_at_once : int
        Runs at a time.

    Raises
    ------
    click.ClickException
        If unbroken runs fail, or differ.
    """
    rng, n_finished = np.random.default_rng((seed, len(case.words))), 0
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(n_at_once) as pool:
        unbroken = list(pool.map(lambda i: run_unbroken(case, i % N_VARIANTS), range(2 * N_VARIANTS)))
        if len({content for content, _ in unbroken}) > 1:
            raise click.ClickException(f"unbroken runs of {case.name} differ")
        content, seconds = unbroken[0][0], [took_s for _, took_s in unbroken]
        while len(outcomes) < n:
            variants = [i % N_VARIANTS for i in range(n - len(outcomes))]
            moments = [float(rng.uniform(0.0, np.mean(seconds[each::N_VARIANTS]))) for each in variants]
            for outcome in pool.map(lambda s, i: kill_once(case, s, i, content), moments, variants):
                outcomes += [] if outcome is None else [outcome]
                n_finished += outcome is None
    return {
        "command": case.name,
        "n": len(outcomes),
        **{fault: sum(each.faults[fault] for each in outcomes) for fault in FAULTS},
        "finished_before": n_finished,
        "unbroken_s": float(np.median(seconds)),
        "again_s": float(np.median([each.again_s for each in outcomes])),
        "gone_s": max(each.gone_s for each in outcomes),
    }


def record_of(rows: Sequence[Mapping[str, Any]], options: Sequence[str]) -> Record:
    """Return the record of all commands.

    Parameters
    ----------
    rows : sequence of mapping
        Row of each command.
    options : sequence of str
        Options that measure all of them.
    """
    title = f"{sum(row['n'] for row in rows)} runs killed by SIGKILL at random moments and started again"
    command = shlex.join(["python", "-m", f"benchmarks.{NAME}", *options])
    return replace(make_record(NAME, title, PROTOCOL, rows), command=command)


@click.command()
@click.option("--n", default=210, show_default=True, help="Kills, over the three commands.")
@click.option("--seed", default=0, show_default=True, help="Seed of the moments.")
@click.option("--at-once", default=2, show_default=True, help="Runs at a time.")
@click.option("--only", multiple=True, help="This command only; the rows of the others stay as they were recorded.")
def main(n: int, seed: int, at_once: int, only: tuple[str, ...]) -> None:
    """Kill train, crossval and classify at random moments; write results/kills.json."""
    path = FOLDER / f"{NAME}.json"
    rows = {row["command"]: row for row in read_record(path).rows} if only else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder, 2, 120)
        cases = make_cases(folder)
        # the model that classifies
        finish(cases[0], folder, 0)
        for i, case in enumerate(cases):
            if not only or case.name in only:
                rows[case.name] = kill_case(case, n // len(cases) + (i < n % len(cases)), seed, at_once)
                click.echo(json.dumps(rows[case.name]), err=True)
    in_order = [rows[case.name] for case in cases if case.name in rows]
    record = record_of(in_order, ["--n", str(n), "--seed", str(seed), "--at-once", str(at_once)])
    write_record(record)
    click.echo(kills_text(record.rows))
    if any(row[fault] for row in in_order for fault in FAULTS):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
