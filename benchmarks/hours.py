"""Memory and time of ``gmmaudio timeline`` and ``gmmaudio classify`` on hours of sound.

A spliced recording of *language-indomain* (``benchmarks/spliced.py``) again and again, FLAC at 16 kHz, in a temporary
folder; each command runs in a process of its own with one thread. The environment variable ``GMMAUDIO_SPLICED`` names
a folder where model and recording are kept for another run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from benchmarks.processes import run_python, work_folder
from results.record import make_record, write_record
from results.views import hours_table

CORPUS = "language-indomain"
HOURS = (1, 2, 4, 10)
COMMANDS: Mapping[str, tuple[str, ...]] = {"timeline": (), "classify": ("--cache", "none")}
PROTOCOL = (
    "`gmmaudio timeline` and `gmmaudio classify` with a model of the preset language, their defaults, one thread: a "
    "spliced recording of *language-indomain* again and again, FLAC at 16 kHz. Peak memory is that of the process."
)


def prepare(folder: Path, jobs: int) -> tuple[Path, Path]:
    """Return the paths of a model and of a recording that it was not trained on."""
    from benchmarks.spliced import SPLITS
    from benchmarks.timeline import fold_folder, make_split

    make_split(folder, "test", CORPUS, [], jobs)
    fold = fold_folder(folder, "test", CORPUS, SPLITS["test"][CORPUS][0])
    return fold / "model.safetensors", fold / "turns-00.flac"


def write_hours(path: Path, recording: Path, n_hours: int) -> None:
    """Write a recording again and again, until it lasts some hours."""
    import soundfile

    samples, sr = soundfile.read(recording, dtype="int16")
    n_left = n_hours * 3600 * sr
    with soundfile.SoundFile(path, "w", sr, 1, subtype="PCM_16") as file:
        while n_left > 0:
            file.write(samples[:n_left])
            n_left -= len(samples)


@click.command()
@click.option("--hours", multiple=True, type=int, default=HOURS, show_default=True)
@click.option("-j", "--jobs", default=2, show_default=True, help="Worker processes of training.")
def main(hours: tuple[int, ...], jobs: int) -> None:
    """Measure files of some lengths, print the table and write it to results/hours.json."""
    rows: list[dict[str, Any]] = []
    # the peak memory of a command starts from its parent's: what needs numpy is done in other processes
    maker = ProcessPoolExecutor(1, get_context("spawn"))
    with work_folder() as folder, tempfile.TemporaryDirectory() as name, maker:
        model, recording = maker.submit(prepare, folder, jobs).result()
        path = Path(name, "long.flac")
        for n_hours in hours:
            maker.submit(write_hours, path, recording, n_hours).result()
            for command, more in COMMANDS.items():
                cost = run_python([["-m", "gmmaudio", command, str(model), str(path), *more]])
                rows.append({"hours": n_hours, "command": command, "cpu_s": cost.cpu_s, "peak_mib": cost.peak_mib})
                click.echo(f"{n_hours} h, {command}: {cost.cpu_s:.0f} CPU s, {cost.peak_mib:.0f} MiB")
    record = make_record("hours", "Timelines and labels of hours of sound", PROTOCOL, rows)
    click.echo(hours_table(record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
