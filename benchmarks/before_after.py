"""Recognition of an earlier version and of this one: the same cross-validations, compared clip by clip.

Each version runs in processes of its own, one worker, without a cache; ``gmmaudio compare`` gives the paired
difference and its interval. Takes about ten minutes.
"""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.processes import checkout, run_python
from recipes.command import n_groups, read_report
from results.corpora import manifest_of
from results.record import ROOT, make_record, write_record
from results.views import before_after_table

RUNS = (
    ("genre", "--fold-column fold --components 32"),
    ("genre", "--fold-column fold --preset genre"),
    ("language-indomain", "--trial-seconds 6 --folds 5 --components 32"),
    ("language-indomain", "--trial-seconds 6 --folds 5 --preset language"),
    ("language", "--trial-seconds 6 --folds 5 --components 32"),
    ("language", "--trial-seconds 6 --folds 5 --preset language"),
)
PROTOCOL = (
    "Before is revision {revision}. Each row is `gmmaudio crossval data/CORPUS/manifest.csv OPTIONS -j 1` in both "
    "versions, with `data` for the folder `GMMAUDIO_DATA`: the same clips, folds and seed. No artist or speaker is on "
    "both sides of a fold; the 95 % interval of the difference is a paired bootstrap over artists or speakers. CPU "
    "seconds are of one run each."
)


@click.command()
@click.argument("revision")
def main(revision: str) -> None:
    """Compare this version with REVISION, print the table and write results/before_after.json."""
    with checkout(revision) as earlier:
        rows = [compared(corpus, options, earlier) for corpus, options in RUNS]
    record = make_record("before_after", "Recognition before and after", PROTOCOL.format(revision=revision), rows)
    click.echo(before_after_table(record))
    click.echo(f"wrote {write_record(record).name}")


def compared(corpus: str, options: str, earlier: Path) -> dict[str, Any]:
    """Return the accuracies, their difference and the CPU seconds of one cross-validation in two versions."""
    command = ["-m", "gmmaudio", "crossval", str(manifest_of(corpus)), *shlex.split(options), "-j", "1", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        before, now, difference = (Path(folder, name) for name in ("before.json", "now.json", "difference.json"))
        cost_before = run_python([[*command, str(before)]], earlier)
        cost_now = run_python([[*command, str(now), "--cache", "none"]], ROOT)
        run_python([["-m", "gmmaudio", "compare", str(before), str(now), "--json", str(difference)]], ROOT)
        report, found = read_report(now), read_report(difference)
    return {
        "corpus": corpus,
        "options": options,
        "n": found["n"],
        "n_groups": n_groups(report),
        "accuracy_before": found["accuracy_a"],
        "accuracy_now": found["accuracy_b"],
        "difference": {"value": found["difference"], "interval": found["interval"]},
        "n_changed": len(found["changed"]),
        "cpu_before_s": cost_before.cpu_s,
        "cpu_now_s": cost_now.cpu_s,
    }


if __name__ == "__main__":
    main()
