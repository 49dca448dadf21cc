"""Growth of cost with the number of clips and of labels: CPU seconds at several sizes, and the exponent fitted to them.

Every stage beside decoding and fitting is measured: those that compare clips, groups, labels or folds with each other,
and would be quadratic if written plainly. Each stage has a fresh process, its inputs made before the clock starts. The
exponent is the slope of a least-squares line through log CPU over log size: 1 is linear. The slope between the two
largest sizes is given beside it, as what is constant weighs little there.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.growth_inputs import DURATION_S, SyntheticCorpus, synthetic_prints
from gmmaudio.compute import one_thread
from gmmaudio.corpus import (
    check_file_groups,
    check_labels,
    check_same_audio,
    column_folds,
    leave_one_group_out,
    near_duplicates_within,
    plan_split,
    random_folds,
)
from gmmaudio.corpus.checks import check_similar_values
from gmmaudio.evaluation import compare, compute_metrics, make_report, render_html
from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.pipeline.leakage import check_crossval, check_training_set
from results.record import make_record, write_record
from results.views import growth_table

Work = Callable[[], Any]

CLIPS = (1_000, 3_000, 10_000, 30_000, 100_000)
LABELS = (2, 5, 20, 100, 500)
# of a sweep over the other
SIZES = {"clips": CLIPS, "labels": LABELS}
N_CLIPS, N_LABELS = 10_000, 10
# what is quicker is repeated, and what is slower is not measured in a second round
MIN_S, LONG_S = 0.2, 1.5
PROTOCOL = (
    "Synthetic corpora of groups of 10 clips, without sound: {n_labels} labels where clips grow, {n_clips:,} clips "
    "where labels grow; every hundredth fingerprint is a copy, and the others collide about as often as those of "
    "recorded music and speech. CPU seconds (user and system) of one thread, a process for each stage, the least of "
    "{rounds} rounds where one takes less than {long:g} s. The exponent is the slope of log CPU over log size by least "
    "squares, at {clips} clips or {labels} labels; the last column has that between the two largest. Memory is the "
    "peak at the largest size beside the inputs."
)


@dataclass(frozen=True)
class Stage:
    """A stage, and what it grows with.

    Parameters
    ----------
    name : str
        What is done.
    grows_with : {"clips", "labels"}
        What the sizes count.
    prepare : callable
        From a corpus to the work that is timed.
    """

    name: str
    grows_with: str
    prepare: Callable[[SyntheticCorpus], Work]

    def corpus(self, size: int) -> SyntheticCorpus:
        """Return the corpus of a size."""
        return SyntheticCorpus(size, N_LABELS) if self.grows_with == "clips" else SyntheticCorpus(N_CLIPS, size)


def one_pass(corpus: SyntheticCorpus) -> Work:
    """Return the work of counting labels and groups once: what a plain pass grows with, as caches are left behind."""
    clips = corpus.clips
    return lambda: Counter((clip.label, clip.group) for clip in clips)


def splitting(corpus: SyntheticCorpus) -> Work:
    """Return the work of selecting a split and its groups."""
    clips = corpus.clips
    return lambda: plan_split(clips, group_by="group", fold_column="fold")


def division(divide: Callable[..., Any]) -> Callable[[SyntheticCorpus], Work]:
    """Return the stage of a function from labels and groups to folds."""

    def prepare(corpus: SyntheticCorpus) -> Work:
        labels, groups = [clip.label for clip in corpus.clips], [str(clip.group) for clip in corpus.clips]
        return lambda: divide(labels, groups)

    return prepare


def five_folds(labels: Sequence[str], groups: Sequence[str]) -> Any:
    """Return five random folds."""
    return random_folds(labels, groups, 5, np.random.default_rng(0))


def folds_by_column(labels: Sequence[str], groups: Sequence[str]) -> Any:
    """Return five folds of a column."""
    return column_folds([str(hash(group) % 5) for group in groups], labels, groups)


def corpus_checks(corpus: SyntheticCorpus) -> Work:
    """Return the work of the checks of labels, groups, files and hashes."""
    paths, labels = [clip.path for clip in corpus.clips], [clip.label for clip in corpus.clips]
    groups = [clip.group for clip in corpus.clips]
    hashes = [f"{i - (i % 100 == 99):064x}" for i in range(corpus.n_clips)]

    def work() -> None:
        check_labels(labels)
        check_similar_values("group", groups)
        check_same_audio(paths, labels, hashes)
        check_file_groups(paths, groups)

    return work


def duplicates(corpus: SyntheticCorpus) -> Work:
    """Return the work of the search for near-duplicates among all clips."""
    prints = synthetic_prints(corpus.n_clips)
    return lambda: near_duplicates_within(prints)


def guards(divide: Callable[..., Any]) -> Callable[[SyntheticCorpus], Work]:
    """Return the stage of the guards of a cross-validation by a function from labels and groups to folds."""

    def prepare(corpus: SyntheticCorpus) -> Work:
        trials = corpus.trials()
        folds = divide([trial.label for trial in trials], [str(trial.group) for trial in trials])
        return lambda: check_crossval(trials, [folds], corpus.labels, None)

    return prepare


def training_guards(corpus: SyntheticCorpus) -> Work:
    """Return the work of the guards of a training set."""
    trials = corpus.trials()
    return lambda: check_training_set(trials, DURATION_S)


def metrics(corpus: SyntheticCorpus) -> Work:
    """Return the work of all metrics of probabilities, with their bootstraps."""
    scored = corpus.scored()
    return lambda: compute_metrics(scored, corpus.labels)


def report(corpus: SyntheticCorpus) -> Work:
    """Return the work of a report of decisions, with its JSON and tables."""
    scored = corpus.scored(probabilities=False)

    def work() -> None:
        made = make_report(scored, corpus.labels, corpus.protocol)
        json.dumps(made.to_dict())
        tables(made)

    return work


def page(corpus: SyntheticCorpus) -> Work:
    """Return the work of the page of a report, with the plots of probabilities."""
    made = make_report(corpus.scored(), corpus.labels, corpus.protocol)
    return lambda: render_html(made, "growth")


def comparison(corpus: SyntheticCorpus) -> Work:
    """Return the work of comparing two systems on the same clips, each clip a group."""
    names, true = [clip.path for clip in corpus.clips], [clip.label for clip in corpus.clips]
    other = SyntheticCorpus(corpus.n_clips, corpus.n_labels, seed=5)
    return lambda: compare(names, true, names, corpus.predicted, other.predicted)


STAGES = (
    Stage("one pass, for comparison", "clips", one_pass),
    Stage("split and groups", "clips", splitting),
    Stage("five random folds", "clips", division(five_folds)),
    Stage("folds of a column", "clips", division(folds_by_column)),
    Stage("leave one group out", "clips", division(leave_one_group_out)),
    Stage("checks of a corpus", "clips", corpus_checks),
    Stage("near-duplicates", "clips", duplicates),
    Stage("guards, five folds", "clips", guards(five_folds)),
    Stage("guards, one group left out", "clips", guards(leave_one_group_out)),
    Stage("guards of a training set", "clips", training_guards),
    Stage("metrics and bootstraps", "clips", metrics),
    Stage("report, JSON and tables", "clips", report),
    Stage("report page", "clips", page),
    Stage("comparison of two systems", "clips", comparison),
    Stage("five random folds", "labels", division(five_folds)),
    Stage("leave one group out", "labels", division(leave_one_group_out)),
    Stage("checks of a corpus", "labels", corpus_checks),
    Stage("guards, five folds", "labels", guards(five_folds)),
    Stage("guards of a training set", "labels", training_guards),
    Stage("metrics and bootstraps", "labels", metrics),
    Stage("report, JSON and tables", "labels", report),
    Stage("report page", "labels", page),
    Stage("comparison of two systems", "labels", comparison),
)


@dataclass(frozen=True)
class Cost:
    """CPU seconds, and the peak of memory beside the inputs in MiB, None where the system does not tell it."""

    cpu_s: float
    peak_mib: float | None


def measure(index: int, rounds: int) -> list[Cost]:
    """Return the cost of a stage at each size; runs in a fresh process."""
    stage, costs = STAGES[index], []
    sizes = SIZES[stage.grows_with]
    with one_thread():
        # what is imported and set up when it is first used
        stage.prepare(stage.corpus(sizes[0]))()
        for size in sizes:
            work = stage.prepare(stage.corpus(size))
            gc.collect()
            before = reset_peak()
            best = cpu_of(work)
            peak = None if before is None else peak_mib() - before
            for _ in range(rounds - 1):
                # a disturbance hardly moves what takes long
                best = min(best, cpu_of(work)) if best < LONG_S else best
            costs.append(Cost(best, peak))
    return costs


def cpu_of(work: Work) -> float:
    """Return CPU seconds of some work, done as often as makes the clock precise."""
    times, start = 0, time.process_time()
    while True:
        work()
        times += 1
        spent = time.process_time() - start
        if spent > MIN_S:
            return spent / times


def reset_peak() -> float | None:
    """Return the resident memory in MiB, from which the peak counts anew; None where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return peak_mib()
    except OSError:
        return None


def peak_mib() -> float:
    """Return the largest resident memory of this process since it was reset, MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the slope of log seconds over log size by least squares.

    Parameters
    ----------
    sizes : sequence of int
        At least two, different.
    seconds : sequence of float
        Cost at each size, > 0.

    Examples
    --------
    >>> exponent([10, 100, 1000], [1.0, 100.0, 10000.0])
    2.0
    """
    x, y = np.log(sizes), np.log(seconds)
    x, y = x - x.mean(), y - y.mean()
    return round(float(x @ y / (x @ x)), 6)


def run_stage(index: int, rounds: int) -> dict[str, Any]:
    """Return the row of a stage."""
    stage = STAGES[index]
    sizes = SIZES[stage.grows_with]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        costs = pool.submit(measure, index, rounds).result()
    seconds = [cost.cpu_s for cost in costs]
    row = {
        "stage": stage.name,
        "grows_with": stage.grows_with,
        "sizes": list(sizes),
        "cpu_s": [float(f"{each:.4g}") for each in seconds],
        "peak_mib": [None if cost.peak_mib is None else round(cost.peak_mib, 1) for cost in costs],
        "exponent": round(exponent(sizes, seconds), 3),
        "last_exponent": round(exponent(sizes[-2:], seconds[-2:]), 3),
    }
    click.echo(f"{stage.name}, {stage.grows_with}: {row['cpu_s']} s, exponent {row['exponent']}", err=True)
    return row


@click.command()
@click.option("--rounds", default=2, show_default=True)
@click.option("--stage", "wanted", multiple=True, help="Only stages whose name holds this; writes no file.")
def main(rounds: int, wanted: tuple[str, ...]) -> None:
    """Measure all stages, print the table and write it to results/growth.json."""
    chosen = [i for i, stage in enumerate(STAGES) if not wanted or any(text in stage.name for text in wanted)]
    rows = [run_stage(i, rounds) for i in chosen]
    protocol = PROTOCOL.format(
        n_labels=N_LABELS,
        n_clips=N_CLIPS,
        rounds=rounds,
        long=LONG_S,
        clips=", ".join(f"{size:,}" for size in CLIPS),
        labels=", ".join(map(str, LABELS)),
    )
    record = make_record("growth", "Growth of cost with clips and labels", protocol, rows)
    click.echo(growth_table(record))
    if not wanted:
        click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
