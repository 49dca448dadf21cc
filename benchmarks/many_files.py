"""``gmmaudio classify -o`` on many files: throughput, memory, and the time to go on after a kill.

The files are hard links of the clips of a recorded corpus in a temporary folder, so that nothing but names differs.
Features are not kept. The command runs in a process of its own, which this one watches.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.processes import ONE_THREAD, run_python
from results.corpora import manifest_of
from results.record import ROOT, make_record, write_record
from results.views import VIEWS

PROTOCOL = (
    "`gmmaudio classify -o`, two workers or none (`-j 1`), no cache; the files are hard links of clips of a corpus. "
    "The rates hold the start of the command and of its workers. Peak memory is the largest of a process. The run that "
    "goes on is `--resume` after SIGKILL of the main process at half-way: seconds until the first new row."
)
LOOK_S = 0.02
# a killed process of the system may take so long to vanish
GONE_S = 5.0


@dataclass
class Watched:
    """A command and its workers, as they are seen from outside.

    Parameters
    ----------
    words : sequence of str
        What follows ``python -m gmmaudio``.
    """

    words: list[str]
    peaks_mib: dict[int, float] = field(default_factory=dict)
    cpu_s: float = 0.0

    def __post_init__(self) -> None:
        self.began_s = time.perf_counter()
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gmmaudio", *self.words],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def workers(self) -> list[int]:
        """The processes that were seen beside the main one."""
        return [pid for pid in self.peaks_mib if pid != self.process.pid]

    def look(self) -> bool:
        """Read the peak memory of the processes; return whether the main one runs."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid:
            self.process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_s = usage.ru_utime + usage.ru_stime
            return False
        for one in (self.process.pid, *children_of(self.process.pid)):
            self.peaks_mib[one] = max(self.peaks_mib.get(one, 0.0), peak_mib(one))
        return True

    def finish(self) -> float:
        """Return the wall clock of the whole command, seconds."""
        while self.look():
            time.sleep(LOOK_S)
        wall_s = time.perf_counter() - self.began_s
        if self.process.returncode:
            raise click.ClickException(f"{' '.join(self.words)} failed")
        return wall_s


def children_of(process: int) -> list[int]:
    """Return the child processes of a process."""
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def peak_mib(process: int) -> float:
    """Return the peak memory of a process, MiB; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def link_files(corpus: str, folder: Path, n: int) -> None:
    """Make hard links of the clips of a corpus, again and again.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    folder : Path
        Folder of the links.
    n : int
        Number of links.
    """
    manifest = manifest_of(corpus)
    with manifest.open(encoding="utf-8") as handle:
        clips = [(manifest.parent / row["path"]).resolve() for row in csv.DictReader(handle)]
    folder.mkdir()
    for i, clip in enumerate(itertools.islice(itertools.cycle(clips), n)):
        link = folder / f"{i:06d}{clip.suffix}"
        try:
            os.link(clip, link)
        except OSError:  # another file system
            link.symlink_to(clip)


def n_rows(path: Path) -> int:
    """Return the number of whole rows of an output, without its head."""
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def measure(base: list[str], out: Path, jobs: int, n: int) -> dict[str, Any]:
    """Return throughput and memory of a whole run."""
    watched = Watched([*base, "-o", str(out), "-j", str(jobs)])
    wall_s = watched.finish()
    workers = [watched.peaks_mib[pid] for pid in watched.workers]
    row = {
        "jobs": jobs,
        "n": n,
        "wall_s": wall_s,
        "cpu_s": watched.cpu_s,
        "files_per_s": n / wall_s,
        "parent_mib": watched.peaks_mib[watched.process.pid],
        "worker_mib": max(workers, default=None),
    }
    click.echo(f"-j {jobs}: {n / wall_s:.1f} files/s, {watched.cpu_s:.1f} CPU s")
    if n_rows(out) != n:
        raise click.ClickException(f"{n_rows(out)} rows for {n} files")
    return row


def measure_resume(base: list[str], out: Path, whole: Path, n: int) -> dict[str, Any]:
    """Return how long a run takes to go on that was killed at half-way, and whether it ends as an unbroken one."""
    words = [*base, "-o", str(out), "-j", "2"]
    killed = Watched(words)
    while n_rows(out) < n // 2:
        if not killed.look():
            raise click.ClickException("the command ended before it was killed")
        time.sleep(LOOK_S)
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    deadline_s = time.perf_counter() + GONE_S
    while any(map(is_running, killed.workers)) and time.perf_counter() < deadline_s:
        time.sleep(LOOK_S)
    n_kept = n_rows(out)
    resumed = Watched([*words, "--resume"])
    while n_rows(out) <= n_kept and resumed.look():
        time.sleep(LOOK_S)
    first_new_s = time.perf_counter() - resumed.began_s
    resumed.finish()
    row = {
        "kept": n_kept,
        "n": n,
        "first_new_s": first_new_s,
        "orphans": sum(map(is_running, killed.workers)),
        "identical": out.read_bytes() == whole.read_bytes(),
    }
    click.echo(f"--resume of {n_kept} files: first new row after {first_new_s:.2f} s, {row}")
    return row


def is_running(process: int) -> bool:
    """Return whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@click.command()
@click.option("--corpus", default="language", show_default=True, help="Folder of GMMAUDIO_DATA.")
@click.option("--preset", default="language", show_default=True, help="Preset of the model.")
@click.option("--n", "n_files", default=20_000, show_default=True, help="Number of files.")
@click.option("--rounds", default=1, show_default=True, help="Runs with each number of workers; the fastest counts.")
def main(corpus: str, preset: str, n_files: int, rounds: int) -> None:
    """Measure one and two workers and a run that goes on, and write results/many_files.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, whole, rows = folder / "model.gmm", folder / "1.csv", list[dict[str, Any]]()
        run_python([["-m", "gmmaudio", "train", str(manifest_of(corpus)), "--preset", preset, "-o", str(model), "-q"]])
        link_files(corpus, folder / "files", n_files)
        base = ["classify", str(model), str(folder / "files"), "--format", "csv", "--cache", "none", "-q"]
        for jobs in [1, 2] * rounds:
            out = folder / f"{jobs}.csv"
            rows.append(measure([*base, "--overwrite"], out, jobs, n_files))
            if out.read_bytes() != whole.read_bytes():
                raise click.ClickException("answers depend on the number of workers")
        rows = [
            max((row for row in rows if row["jobs"] == jobs), key=lambda row: row["files_per_s"]) for jobs in (1, 2)
        ]
        for row in rows:
            row["efficiency"] = row["files_per_s"] / rows[0]["files_per_s"] / row["jobs"]
        rows.append(measure_resume(base, folder / "resumed.csv", whole, n_files))
    about = {"corpus": corpus, "preset": preset}
    record = make_record("many_files", "Many files", PROTOCOL, [about | row for row in rows])
    click.echo(VIEWS["many_files"](record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
