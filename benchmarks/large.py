"""Cost of what follows the features, at 50,000 clips of 200 labels and at half as many: CPU seconds and memory.

The stages of :mod:`benchmarks.growth` that grow with clips and labels at once, and the fits whose rows do not stay in
memory. Each stage has a fresh process, its inputs made before the clock starts.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, overload

import click
import numpy as np

from benchmarks.growth import (
    Work,
    comparison,
    cpu_of,
    duplicates,
    exponent,
    five_folds,
    guards,
    metrics,
    page,
    peak_mib,
    report,
    reset_peak,
    training_guards,
)
from benchmarks.growth_inputs import SyntheticCorpus
from gmmaudio.compute import one_thread
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import BlockGaussianSettings, SupervectorSettings, TrainingRows, fit_calibration
from gmmaudio.models.chunked_rows import RowTable
from gmmaudio.models.kinds import fit_kind
from gmmaudio.models.kinds.supervector import VectorFits
from gmmaudio.models.linear_algebra import Matrix
from results.record import make_record, write_record
from results.views import large_table

N_CLIPS, N_LABELS, FIRST = (25_000, 50_000), 200, 1_000
# blocks of 30 s of music with the genre preset; a UBM and vectors of the language preset
N_BLOCKS, N_COLUMNS = 9, 130
N_COMPONENTS, N_FEATURES = 64, 56
PROTOCOL = (
    "Synthetic inputs without sound, {n_labels} labels in groups of 10 clips. CPU seconds (user and system) of one "
    "thread, a process for each stage, one round. The exponent is that of CPU seconds between both sizes. Memory is "
    "the peak beside the inputs, at each size. Blocks: {n_blocks} rows of {n_columns} columns for each clip, made "
    "anew at every reading; vectors: {size:,} numbers for each clip, in a temporary file; the part is 80 % of the "
    "clips, and the others are scored, as in an inner fold."
)


@dataclass(frozen=True)
class MadeRows(Sequence[Matrix]):
    """Rows of clips that are made when they are asked for, as those of files are read."""

    n_clips: int
    n_labels: int

    def __len__(self) -> int:
        return self.n_clips

    @overload
    def __getitem__(self, i: int) -> Matrix: ...

    @overload
    def __getitem__(self, i: slice) -> Sequence[Matrix]: ...

    def __getitem__(self, i: int | slice) -> Matrix | Sequence[Matrix]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(self.n_clips))]
        if not 0 <= i < self.n_clips:
            raise IndexError(i)
        rng = np.random.default_rng(i)
        shift = np.sin(np.arange(N_COLUMNS) * (i // 10 % self.n_labels + 1))
        return (rng.standard_normal((N_BLOCKS, N_COLUMNS), dtype=np.float32) + shift).astype(np.float32)


def training_of(corpus: SyntheticCorpus) -> TrainingRows:
    """Return the rows of blocks of a corpus."""
    codes = np.array([corpus.labels.index(clip.label) for clip in corpus.clips])
    groups = tuple(str(clip.group) for clip in corpus.clips)
    return TrainingRows(MadeRows(corpus.n_clips, corpus.n_labels), corpus.labels, codes, groups, 0)


def blocks(corpus: SyntheticCorpus) -> Work:
    """Return the work of a fit of blocks."""
    training = training_of(corpus)
    return lambda: fit_kind(training, BlockGaussianSettings())


def vectors(corpus: SyntheticCorpus) -> Work:
    """Return the work of mean, nuisance directions and cosines of a part of the clips, and the scores of the others."""
    training, rng = training_of(corpus), np.random.default_rng(0)
    settings = SupervectorSettings(n_components=N_COMPONENTS)
    ones = np.ones((N_COMPONENTS, N_FEATURES))
    ubm = GaussianMixture(np.full(N_COMPONENTS, 1 / N_COMPONENTS), rng.normal(size=ones.shape), ones)
    table = RowTable((corpus.n_clips, ones.size + N_COMPONENTS**2), np.dtype(np.float32))
    for start in range(0, corpus.n_clips, FIRST):
        n = min(FIRST, corpus.n_clips - start)
        table.append(rng.standard_normal((n, table.shape[1]), dtype=np.float32) / np.float32(np.sqrt(table.shape[1])))
    fits = VectorFits(training, table, np.full(corpus.n_clips, 600), ubm, settings)
    is_part = np.arange(corpus.n_clips) % 5 > 0

    def work() -> None:
        fits.score(fits.fit(np.flatnonzero(is_part)), np.flatnonzero(~is_part))

    return work


def calibration(method: str) -> Callable[[SyntheticCorpus], Work]:
    """Return the stage of a calibration of scores."""

    def prepare(corpus: SyntheticCorpus) -> Work:
        codes, rng = training_of(corpus).codes, np.random.default_rng(0)
        scores = rng.normal(size=(corpus.n_clips, corpus.n_labels))
        scores[np.arange(corpus.n_clips), codes] += 2.0
        groups = [str(clip.group) for clip in corpus.clips]
        return lambda: fit_calibration(scores, codes, groups, method=method)

    return prepare


STAGES: tuple[tuple[str, Callable[[SyntheticCorpus], Work]], ...] = (
    ("fit of blocks", blocks),
    ("fit to a part of the vectors of clips, and scores", vectors),
    ("calibration by temperature", calibration("temperature")),
    ("calibration by scale and offsets", calibration("affine")),
    ("near-duplicates", duplicates),
    ("guards, five folds", guards(five_folds)),
    ("guards of a training set", training_guards),
    ("metrics and bootstraps", metrics),
    ("report, JSON and tables", report),
    ("report page", page),
    ("comparison of two systems, each clip a group", comparison),
)


def measure(index: int) -> list[tuple[float, float | None]]:
    """Return CPU seconds and peak memory beside the inputs, MiB, at each size; runs in a fresh process."""
    prepare, costs = STAGES[index][1], []
    with one_thread():
        # what is imported and set up when it is first used
        prepare(SyntheticCorpus(FIRST, 10))()
        for n_clips in N_CLIPS:
            work = prepare(SyntheticCorpus(n_clips, N_LABELS))
            gc.collect()
            before = reset_peak()
            cpu_s = cpu_of(work)
            costs.append((cpu_s, None if before is None else peak_mib() - before))
    return costs


@click.command()
@click.option("--stage", "wanted", multiple=True, help="Only stages whose name holds this; writes no file.")
def main(wanted: tuple[str, ...]) -> None:
    """Measure all stages, print the table and write it to results/large.json."""
    rows: list[dict[str, Any]] = []
    for index, (name, _) in enumerate(STAGES):
        if wanted and not any(text in name for text in wanted):
            continue
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            costs = pool.submit(measure, index).result()
        seconds = [cpu_s for cpu_s, _ in costs]
        peaks = [None if peak is None else round(peak, 1) for _, peak in costs]
        rows.append(
            {"stage": name, "sizes": list(N_CLIPS), "cpu_s": [float(f"{each:.4g}") for each in seconds]}
            | {"peak_mib": peaks, "exponent": round(exponent(N_CLIPS, seconds), 3)}
        )
        click.echo(f"{name}: {rows[-1]['cpu_s']} s, {peaks} MiB", err=True)
    size = N_COMPONENTS * N_FEATURES + N_COMPONENTS**2
    protocol = PROTOCOL.format(n_labels=N_LABELS, n_blocks=N_BLOCKS, n_columns=N_COLUMNS, size=size)
    record = make_record("large", "What follows the features, at 50,000 clips of 200 labels", protocol, rows)
    click.echo(large_table(record))
    if not wanted:
        click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
