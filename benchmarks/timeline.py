"""Where each label is in long recordings, and who finds it: gmmaudio's timeline beside baselines and peers, in one run.

Recordings are spliced from clips of speakers and artists whom the models lack (``benchmarks/spliced.py``), segmenters
are in ``benchmarks/segmenters.py``, measures in ``benchmarks/splice_measures.py``. Settings of the baselines and of
``ruptures`` are those with most windows right on the split for development, gmmaudio has its defaults; what is reported
is of the other split. pyAudioAnalysis and ruptures run themselves, in an environment that has gmmaudio and ``pip
install ruptures pyAudioAnalysis matplotlib tqdm pydub eyed3``; a segmenter that cannot be imported is left out.
inaSpeechSegmenter tells speech, music and the sex of speakers apart, and does not learn labels: it is not comparable.

The environment variable ``GMMAUDIO_SPLICED`` names a folder where models, recordings, posteriors of windows and
pyAudioAnalysis' answers are kept for another run; else they are made in a temporary folder.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

import gmmaudio
from benchmarks.processes import work_folder
from benchmarks.segmenters import PEER, PEER_FILE, RUPTURES, VOTE_S, Case, Segmenter, read_cases, run_peer, segmenters
from benchmarks.splice_measures import (
    Quotient,
    calibration_error,
    difference,
    judged_segments,
    measure,
    quotient,
    share_right,
    windows,
)
from benchmarks.spliced import SPLITS, make_fold, tasks
from gmmaudio.timelines import Timeline
from results.record import make_record, write_record
from results.views import timeline_tables

OURS = "gmmaudio timeline"
PACKAGES = ("ruptures", "pyAudioAnalysis")
MODULES = {RUPTURES: "ruptures", PEER: "pyAudioAnalysis"}
SPLICED = ("turns", "mixture")
SCALES = {"segment_error_rate": "log", "boundary_error_s": "log", "log_loss": "log"}
PROTOCOL = (
    "Recordings are spliced from clips of speakers or artists that the model of the fold lacks: turns of 3 to 60 s of "
    "one label, of 3 to 10 minutes together, and one mixture of 35 minutes. A third each has no pauses between turns, "
    "0.3 to 2 s of digital silence, and the same of faint noise. The penalties and windows of baselines and ruptures "
    "have most windows right in the folds {dev}; reported are the others. Clips recur in several recordings of a "
    "fold, so the 95 % intervals, for another draw of recordings, are somewhat narrow."
)


def make_split(folder: Path, split: str, corpus: str, systems: Sequence[str], jobs: int) -> None:
    """Write the models and recordings of a split, and the answers of pyAudioAnalysis, where they are not there yet."""
    task = tasks()[corpus]
    folds = task.folds()
    for i, name in enumerate(SPLITS[split][corpus]):
        target = fold_folder(folder, split, corpus, name)
        if not (target / "truth.rttm").exists():
            make_fold(target, task, corpus, folds[name], first=not i, n_jobs=jobs)
        if split == "test" and PEER in systems and not (target / PEER_FILE).exists():
            run_peer(target, task, folds[name])


def fold_folder(folder: Path, split: str, corpus: str, fold: str) -> Path:
    """Return the folder of a fold."""
    return folder / split / corpus / f"fold-{fold}"


def split_cases(folder: Path, split: str, corpus: str) -> list[Case]:
    """Return the recordings of a split."""
    folds = SPLITS[split][corpus]
    return [case for fold in folds for case in read_cases(fold_folder(folder, split, corpus, fold), corpus)]


def chosen_setting(segmenter: Segmenter, cases: Sequence[Case]) -> Any:
    """Return the setting with most windows of the spliced recordings right, of equals the first."""
    if len(segmenter.settings) == 1:
        return segmenter.settings[0]
    right = [
        sum(share_right(case.truth, segmenter.run(case, setting), windows(case.truth.duration_s))[0] for case in cases)
        for setting in segmenter.settings
    ]
    return segmenter.settings[int(np.argmax(right))]


def measured(
    corpus: str, cases: Sequence[Case], found: Mapping[str, Sequence[Timeline]], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a row of results for each segmenter, and of ours for each kind of pauses."""
    parts = {
        name: [measure(case.truth, line) for case, line in zip(cases, lines, strict=True)]
        for name, lines in found.items()
    }
    rows: list[dict[str, Any]] = []
    for name, lines in found.items():
        pairs = [judged_segments(case.truth, line) for case, line in zip(cases, lines, strict=True)]
        row = {"part": "segments", "corpus": corpus, "system": name, "setting": settings[name], "n": len(cases)}
        row |= summary(parts[name]) | {"calibration_error": calibration_error(list(itertools.chain(*pairs)))}
        if name != OURS:
            ours, theirs = ([each["windows"] for each in parts[key]] for key in (OURS, name))
            row["lead"] = difference(ours, theirs).to_dict()
        rows.append(row)
    for gap in dict.fromkeys(case.gap for case in cases):
        chosen = [each for case, each in zip(cases, parts[OURS], strict=True) if case.gap == gap]
        rows.append({"part": "pauses", "corpus": corpus, "gap": gap, "n": len(chosen)} | summary(chosen))
    return rows


def summary(parts: Sequence[Mapping[str, Quotient]]) -> dict[str, Any]:
    """Return the value and interval of each measure over recordings."""
    return {name: quotient([each[name] for each in parts], SCALES.get(name, "logit")).to_dict() for name in parts[0]}


def segment_rows(folder: Path, corpus: str, systems: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of all segmenters on the spliced recordings of a corpus."""
    dev, test = (
        [case for case in split_cases(folder, split, corpus) if case.kind in SPLICED] for split in ("dev", "test")
    )
    with threadpool_limits(limits=1):
        ours = [gmmaudio.timeline(case.model, case.path) for case in test]
        candidates = segmenters(float(round(ours[0].window_s or VOTE_S)))
        settings = {name: chosen_setting(candidates[name], dev) for name in systems}
        found = {name: [candidates[name].run(case, settings[name]) for case in test] for name in systems}
    return measured(corpus, test, {OURS: ours} | found, {OURS: None} | settings)


@click.command()
@click.option("-j", "--jobs", default=2, show_default=True, help="Worker processes.")
def main(jobs: int) -> None:
    """Measure all segmenters on both corpora, print the tables and write them to results/timeline.json."""
    missing = {name for name, module in MODULES.items() if importlib.util.find_spec(module) is None}
    systems = [name for name in segmenters(0.0) if name not in missing]
    corpora = list(SPLITS["test"])
    with work_folder() as folder, ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for corpus, split in itertools.product(corpora, SPLITS):
            make_split(folder, split, corpus, systems, jobs)
        waiting = [pool.submit(segment_rows, folder, corpus, systems) for corpus in corpora]
        rows = [row for each in waiting for row in each.result()]
    dev_folds = "; ".join(f"{', '.join(folds)} of *{corpus}*" for corpus, folds in SPLITS["dev"].items())
    record = make_record("timeline", "Long recordings of known turns", PROTOCOL.format(dev=dev_folds), rows, PACKAGES)
    click.echo(timeline_tables(record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
