"""Extraction in one thread, in two threads and in two worker processes: CPU seconds, and seconds from start to end.

The machine may be shared: from the time between start and end, each thread's time of waiting for a core is taken off,
which Linux counts, and the longest of the threads that work is what counts. What is left is work, and waiting for
locks and pipes. Rounds are interleaved, and minima and medians printed. Features are not kept.
"""

from __future__ import annotations

import csv
import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

import gmmaudio
from gmmaudio.compute import one_thread, ordered_map, worker_process
from gmmaudio.corpus import Clip
from gmmaudio.features import design_tables
from gmmaudio.trials import Extraction, extract_clip
from results.corpora import manifest_of

Work = Callable[[Clip], object]
# seconds from start to end less waiting for a core, and CPU seconds
Cost = tuple[float, float]


@click.command()
@click.option("--corpus", default="language", show_default=True, help="Folder of GMMAUDIO_DATA.")
@click.option(
    "--preset", type=click.Choice(["genre", "language"]), help="Front end. [default: that of the classic model]"
)
@click.option("--clips", "n_clips", default=400, show_default=True, help="Clips, evenly spaced or repeated.")
@click.option("--rounds", default=5, show_default=True)
def main(corpus: str, preset: str | None, n_clips: int, rounds: int) -> None:
    """Measure and print a table."""
    manifest = manifest_of(corpus)
    with manifest.open(encoding="utf-8") as handle:
        paths = [row["path"] for row in csv.DictReader(handle)]
    paths = paths[:: max(1, len(paths) // n_clips)]
    clips = [Clip(path, "") for path in itertools.islice(itertools.cycle(paths), n_clips)]
    features = gmmaudio.make_recipe(preset).features
    extraction = Extraction(manifest.parent, features, 0.0, tables=design_tables(features.frames))
    work = partial(extract_clip, extraction)
    work(clips[0])
    ways: dict[str, Callable[[Work, list[Clip]], Cost]] = {
        "one thread": partial(in_threads, 1),
        "two threads": partial(in_threads, 2),
        "two workers": in_workers,
    }
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            costs[name].append(way(work, clips))
    click.echo(f"{n_clips} clips of {corpus}, estimated at {extraction.estimate_work(clips):.1f} s in one thread")
    click.echo("way          wall, s  (median)   CPU, s  (median)")
    for name, each in costs.items():
        walls, cpus = zip(*each, strict=True)
        click.echo(
            f"{name:12} {min(walls):7.2f}  ({statistics.median(walls):.2f})"
            f"   {min(cpus):7.2f}  ({statistics.median(cpus):.2f})"
        )


def in_threads(n_threads: int, work: Work, clips: list[Clip]) -> Cost:
    """Return the cost of work on clips in threads, each of which takes the next clip.

    Parameters
    ----------
    n_threads : int
        Threads.
    work : callable
        Function of a clip.
    clips : list of Clip
        Clips.
    """
    unread, lock, costs = iter(clips), threading.Lock(), list[Cost]()

    def take() -> Iterator[Clip]:
        while True:
            with lock:
                clip = next(unread, None)
            if clip is None:
                return
            yield clip

    def run() -> None:
        with one_thread(), measured(costs):
            for clip in take():
                work(clip)

    threads = [threading.Thread(target=run) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(wall for wall, _ in costs), sum(cpu for _, cpu in costs)


def in_workers(work: Work, clips: list[Clip]) -> Cost:
    """Return the cost of work on clips in two worker processes, their start included.

    Parameters
    ----------
    work : callable
        Function of a clip.
    clips : list of Clip
        Clips.
    """
    costs, began = list[Cost](), time.perf_counter()
    with measured(costs):
        for _ in ordered_map(work, clips, 2):
            pass
        pids = [worker._process.pid for worker in worker_process._IDLE]
        walls = [time.perf_counter() - began - waited_s(pid, pid) for pid in pids]
        cpu = sum(ran_s(pid, pid) for pid in pids)
    worker_process._end_idle_workers()
    return max(walls), costs[0][1] + cpu


@contextmanager
def measured(costs: list[Cost]) -> Iterator[None]:
    """Add the cost of a block in this thread to a list.

    Parameters
    ----------
    costs : list of tuple
        The list.
    """
    place = os.getpid(), threading.get_native_id()
    ran, waited, began = ran_s(*place), waited_s(*place), time.perf_counter()
    yield
    wall = time.perf_counter() - began - (waited_s(*place) - waited)
    costs.append((wall, ran_s(*place) - ran))


def ran_s(process: int, thread: int) -> float:
    """Return how long a thread has run, seconds."""
    return int(Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()[0]) / 1e9


def waited_s(process: int, thread: int) -> float:
    """Return how long a thread has waited for a core, seconds."""
    return int(Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()[1]) / 1e9


if __name__ == "__main__":
    main()
