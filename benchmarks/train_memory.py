"""Memory and time of ``gmmaudio train`` on more and more hours of audio.

Clips of 30 s of *genre* again and again: hard links of a copy, in a temporary folder. Their frames are read from a
cache, which a run that is not measured has filled: decoding takes the same time for each clip, and would hide the rest.
Each run has the same bound of memory, ``--memory``, and worker processes; ``/proc`` tells the memory of all of them.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.processes import ONE_THREAD, run_python
from results.corpora import data_folder, manifest_of
from results.record import ROOT, make_record, write_record
from results.views import VIEWS

CORPUS, CLIP_S = "genre", 30.0
HOURS = (1, 4, 16, 64)
KINDS = {"classic": (), "genre": ("--preset", "genre"), "language": ("--preset", "language")}
INTERVAL_S = 0.05
PROTOCOL = (
    "`gmmaudio train` within {memory} of memory for features (`--memory`), {jobs} worker processes: 30 s clips of "
    "*genre* again and again, each copy of an artist as another group, music also for the preset language. Raw frames "
    "come from a filled cache. Peaks are of resident memory, which counts pages of mapped files, and of anonymous "
    "memory, which does not: of the main process, of the largest worker, and of all at once. CPU time is that of all."
)


class Peaks(NamedTuple):
    """Peaks of memory of a process and its workers, MiB, and their CPU time, seconds."""

    main_mib: float
    main_anon_mib: float
    worker_mib: float
    total_anon_mib: float
    cpu_s: float
    wall_s: float


def copy_clips(folder: Path) -> list[dict[str, str]]:
    """Return the clips of the corpus with paths of copies in a new folder; labels take turns."""
    source = data_folder() / CORPUS
    with manifest_of(CORPUS).open(encoding="utf-8", newline="") as handle:
        clips = list(csv.DictReader(handle))
    folder.mkdir()
    n_of_label: Counter[str] = Counter()
    turns = []
    for i, clip in enumerate(clips):
        path = folder / f"{i}{Path(clip['path']).suffix}"
        shutil.copyfile(source / clip["path"], path)
        turns.append((n_of_label[clip["label"]], clip | {"path": str(path)}))
        n_of_label[clip["label"]] += 1
    return [clip for _, clip in sorted(turns, key=lambda turn: turn[0])]


def link_clips(folder: Path, clips: Sequence[Mapping[str, str]], hours: float) -> Path:
    """Return a manifest of clips that last some hours, in a new folder: hard links of clips, again and again."""
    folder.mkdir()
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["path", "label", "group"])
        for i in range(round(hours * 3600 / CLIP_S)):
            clip, copy = clips[i % len(clips)], i // len(clips)
            name = f"{i:06d}{Path(clip['path']).suffix}"
            os.link(clip["path"], folder / name)
            writer.writerow([name, clip["label"], f"{clip['group']}-{copy}"])
    return folder / "clips.csv"


def memory_of(pid: str) -> dict[str, float]:
    """Return the resident memory of a process, its peak and its anonymous part, MiB; none of one that has ended."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        fields = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
        names = ("VmHWM", "VmRSS", "RssAnon")
        return {name: int(fields[name][0]) / 1024 for name in names if name in fields}
    return {}


def descendants(pid: int) -> Iterator[str]:
    """Yield the processes that a process has started, and those that they have."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="utf-8").split():
                yield child
                yield from descendants(int(child))


def measure(words: Sequence[str]) -> Peaks:
    """Return what a command of this interpreter took, of which each numeric library has one thread."""
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(sys.executable, [sys.executable, "-P", *words], environment, file_actions=actions)
    main = anon = worker = total = 0.0
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        now = memory_of(str(pid))
        children = [memory_of(child) for child in descendants(pid)]
        main, anon = max(main, now.get("VmHWM", 0.0)), max(anon, now.get("RssAnon", 0.0))
        worker = max([worker, *(each.get("VmHWM", 0.0) for each in children)])
        total = max(total, sum(each.get("RssAnon", 0.0) for each in (now, *children)))
        time.sleep(INTERVAL_S)
    # 1: some clips failed, and the model is written
    if status and os.waitstatus_to_exitcode(status) != 1:
        raise click.ClickException(f"{' '.join(words)} failed")
    return Peaks(main, anon, worker, total, usage.ru_utime + usage.ru_stime, time.perf_counter() - start)


@click.command()
@click.option("--hours", multiple=True, type=float, default=HOURS, show_default=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), default=tuple(KINDS))
@click.option("--memory", default="100MB", show_default=True, help="Bound of memory for features.")
@click.option("-j", "--jobs", default=2, show_default=True, help="Worker processes of training.")
def main(hours: tuple[float, ...], kinds: tuple[str, ...], memory: str, jobs: int) -> None:
    """Measure training on some hours of audio, print the table and write it to results/train_memory.json."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = copy_clips(folder / "clips")
        manifests = {n: link_clips(folder / f"{n:g} h", clips, n) for n in hours}
        first = link_clips(folder / "all clips", clips, len(clips) * CLIP_S / 3600)
        for kind in kinds:
            words = ["-m", "gmmaudio", "train", "-o", str(folder / "model"), *KINDS[kind], "-j", str(jobs)]
            words += ["--memory", memory, "--cache", str(folder / "cache"), "--quiet"]
            run_python([[*words, str(first)]])
            for n_hours, manifest in manifests.items():
                peaks = measure([*words, str(manifest)])
                rows.append({"kind": kind, "hours": n_hours, **peaks._asdict()})
                click.echo(f"{kind}, {n_hours:g} h: {peaks.cpu_s:.0f} CPU s, {peaks.main_mib:.0f} MiB")
    protocol = PROTOCOL.format(memory=memory, jobs=jobs)
    record = make_record("train_memory", "Memory and time of training", protocol, rows)
    click.echo(VIEWS[record.name](record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
