"""Train and classify a corpus end to end, beside a straight librosa + scikit-learn script.

Each side runs in processes of its own, one worker and one numeric thread, rounds interleaved; reported are the medians
of CPU seconds (all processes of a side) and of the largest peak memory.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from results.corpora import manifest_of
from results.record import make_record, write_record
from results.views import end_to_end_table

PEER, OURS = "librosa + scikit-learn", "gmmaudio"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PROTOCOL = (
    "Trained on all {n} clips of {corpus!r} and classified them again, diagonal K={k}, one worker and one thread; "
    "medians of {rounds} rounds. gmmaudio is two commands, each of which imports librosa, and also learns "
    "probabilities and whether an unknown label can be recognised, which the script does not."
)


@dataclass(frozen=True)
class Cost:
    """CPU seconds and peak memory in MiB."""

    cpu_s: float
    peak_mib: float


@click.command()
@click.option("--corpus", default="genre", show_default=True, help="Folder of GMMAUDIO_DATA.")
@click.option("--components", default=32, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(corpus: str, components: int, rounds: int) -> None:
    """Measure both, print the table and write it to results/end_to_end.json."""
    manifest = manifest_of(corpus)
    costs: dict[str, list[Cost]] = {PEER: [], OURS: []}
    for _ in range(rounds):
        costs[PEER].append(run([["-m", "benchmarks.peer", str(manifest), str(components)]]))
        costs[OURS].append(ours(manifest, components))
    rows = [
        {"system": name}
        | {field: statistics.median(getattr(c, field) for c in each) for field in ("cpu_s", "peak_mib")}
        for name, each in costs.items()
    ]
    n_clips = len(manifest.read_text(encoding="utf-8").splitlines()) - 1
    protocol = PROTOCOL.format(n=n_clips, corpus=corpus, k=components, rounds=rounds)
    record = make_record("end_to_end", "Training and classifying, end to end", protocol, rows)
    click.echo(end_to_end_table(record))
    click.echo(f"wrote {write_record(record).name}")


def ours(manifest: Path, components: int) -> Cost:
    """Return the cost of our two commands."""
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder, "m.safetensors"))
        train = ["-m", "gmmaudio", "train", str(manifest), "-o", model, "--components", str(components)]
        classify = ["-m", "gmmaudio", "classify", model, str(manifest.parent)]
        return run([[*train, "-j", "1"], [*classify, "-j", "1"]])


def run(commands: list[list[str]]) -> Cost:
    """Return the total cost of Python commands."""
    cpu = peak = 0.0
    for command in commands:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, *command],
            os.environ | ONE_THREAD,
            file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)],
        )
        _, status, usage = os.wait4(pid, 0)
        if status:
            raise click.ClickException(f"{' '.join(command)} failed")
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return Cost(cpu, peak)


if __name__ == "__main__":
    main()
