"""CPU time of the front ends for a minute of audio, by stage, of other checkouts and of this one in turn.

``python -m benchmarks.front_end FOLDER`` compares the checkout in a folder with this one, on the corpora of
``GMMAUDIO_DATA``.

Decoding is left out. Every checkout has a process of its own at one thread, which reads the sounds once; then all
measure one round after the other, and the least of the rounds is printed, in milliseconds for each minute. Rows are
made of trials of 6 s where the preset has trials, and of whole clips elsewhere.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# name of a cell -> folder of the corpus, preset, kind
CELLS = {
    "classic": ("genre", None, "frames"),
    "genre": ("genre", "genre", "blocks"),
    "language, supervectors": ("language", "language", "supervector"),
    "language, frames": ("language", "language", "frames"),
    "language in domain, supervectors": ("language-indomain", "language", "supervector"),
}
STAGES = ("raw frames", "rows", "of these, normalisation")
SECONDS = 60.0


def main(checkouts: list[Path], n_rounds: int) -> None:
    """Print the least times of all checkouts, and the ratios of the first to the others."""
    workers = [start_worker(path) for path in checkouts]
    rounds = [[ask(worker) for worker in workers] for _ in range(n_rounds)]
    for worker in workers:
        worker.communicate()
    for cell in CELLS:
        for stage in (*STAGES, "all"):
            times = [min(one[k][cell][stage] for one in rounds) for k in range(len(workers))]
            ratios = ", ".join(f"{times[0] / each:.1f}" for each in times[1:] if each > 0)
            print(f"{cell} | {stage} | " + " | ".join(f"{each:.1f}" for each in times) + f" | {ratios}")


def start_worker(checkout: Path) -> subprocess.Popen[str]:
    """Return a process that measures the package of a checkout."""
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, str(Path(__file__).resolve()), "--measure"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(worker: subprocess.Popen[str]) -> dict[str, dict[str, float]]:
    """Return the times of one round, by cell and stage."""
    if worker.stdin is None or worker.stdout is None:
        raise ValueError("the worker has no pipes")
    print("go", file=worker.stdin, flush=True)
    times: dict[str, dict[str, float]] = json.loads(worker.stdout.readline())
    return times


def measure() -> None:
    """Measure all cells for each line of the standard input."""
    cells = {cell: prepare(*place) for cell, place in CELLS.items()}
    for _ in sys.stdin:
        print(json.dumps({cell: time_stages(*inputs) for cell, inputs in cells.items()}), flush=True)


def prepare(corpus: str, preset: str | None, kind: str) -> tuple[list[Any], Any, float]:
    """Return about a minute of trials, each a list of the samples of its clips; the front end; and the seconds."""
    from gmmaudio.audio import read_audio
    from gmmaudio.models.presets import preset_of

    settings = preset_of(preset, kind)
    rate = settings.features.sound_frames.sample_rate_hz
    folder = Path(os.environ["GMMAUDIO_DATA"], corpus)
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        paths = [folder / row["path"] for row in csv.DictReader(handle)]
    random.Random(0).shuffle(paths)
    trials: list[list[Any]] = [[]]
    total_s = 0.0
    while total_s < SECONDS:
        clip = read_audio(paths.pop(), rate)
        if trials[-1] and sum(map(len, trials[-1])) >= (getattr(settings, "trial_s", None) or 0) * rate:
            trials.append([])
        trials[-1].append(clip)
        total_s += len(clip) / rate
    return trials, settings.features, total_s


def time_stages(trials: list[list[Any]], features: Any, total_s: float) -> dict[str, float]:
    """Return the milliseconds of CPU for each minute, by stage."""
    from gmmaudio.features import make_rows, normalise_values, raw_frames

    plain = features.replace(normalise="none")
    raw, raw_s = timed(lambda: [[raw_frames([clip], features.frames) for clip in trial] for trial in trials])
    _, rows_s = timed(lambda: [make_rows(clips, features) for clips in raw])
    values = [make_rows(clips, plain.replace(block_s=None)).values for clips in raw]
    rows = features.rows
    _, normalise_s = timed(lambda: [normalise_values(v, rows.normalise, rows.normalise_frames) for v in values])
    per_minute = 60_000 / total_s
    times = dict(zip(STAGES, (per_minute * each for each in (raw_s, rows_s, normalise_s)), strict=True))
    return times | {"all": per_minute * (raw_s + rows_s)}


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a function and the CPU seconds that it took."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        measure()
    else:
        main([*map(Path, sys.argv[1:]), ROOT], n_rounds=7)
