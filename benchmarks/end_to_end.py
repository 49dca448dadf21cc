"""Train and classify a corpus end to end, beside a straight librosa + scikit-learn script.

Each side runs in processes of its own, one worker and one numeric thread, rounds interleaved; printed are the medians
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

DATA = Path(os.environ.get("GMMAUDIO_DATA", "../shared/data"))
HERE = Path(__file__).resolve().parent
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """CPU seconds and peak memory in MiB."""

    cpu_s: float
    peak_mib: float


@click.command()
@click.option("--manifest", type=click.Path(path_type=Path), default=DATA / "genre" / "manifest.csv")
@click.option("--components", default=32, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(manifest: Path, components: int, rounds: int) -> None:
    """Print the table for MANIFEST."""
    if not manifest.exists():
        raise click.ClickException(f"{manifest} is not there; set GMMAUDIO_DATA")
    costs: dict[str, list[Cost]] = {"librosa + scikit-learn": [], "gmmaudio": []}
    for _ in range(rounds):
        costs["librosa + scikit-learn"].append(run([[str(HERE / "peer.py"), str(manifest), str(components)]]))
        costs["gmmaudio"].append(ours(manifest, components))
    click.echo(f"train + classify {manifest.parent.name}, diagonal K={components}, median of {rounds} rounds\n")
    click.echo("| | CPU s | peak MiB |\n|---|---|---|")
    for name, own in costs.items():
        cpu, peak = (statistics.median(getattr(c, f) for c in own) for f in ("cpu_s", "peak_mib"))
        click.echo(f"| {name} | {cpu:.1f} | {peak:.0f} |")


def ours(manifest: Path, components: int) -> Cost:
    """Return the cost of our two commands."""
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder, "m.safetensors"))
        train = ["-m", "gmmaudio", "train", str(manifest), "-o", model, "--components", str(components)]
        return run([train, ["-m", "gmmaudio", "classify", model, str(manifest.parent)]])


def run(commands: list[list[str]]) -> Cost:
    """Return what Python commands cost together."""
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
