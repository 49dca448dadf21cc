"""Models trained on a Dask cluster beside those of one computer, and the sizes by which docs/scale.md reckons.

Every kind of model is trained with one worker process, with two, with threads, on a Dask cluster of two worker
processes, and on one of which a worker is killed after the first clip and another after the first mixture.
``GMMAUDIO_DATA`` names the folder of the corpora.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

import gmmaudio
from gmmaudio.compute import Cluster, one_thread
from gmmaudio.compute.serving import pickle_any
from gmmaudio.corpus import Corpus
from gmmaudio.features import design_tables, make_rows
from gmmaudio.mixture.file_rows import in_file
from gmmaudio.mixture.parallel import BatchMapper
from gmmaudio.models import FrameGmmSettings, Recipe
from gmmaudio.models.clip_vectors import vector_size
from gmmaudio.trials import Extraction, extract_clip
from results.cluster_views import cluster_text, part
from results.corpora import manifest_of
from results.record import FOLDER, make_record, read_record, write_record

PROTOCOL = (
    "40 clips of *genre*, or of *language-indomain* for supervectors, without a cache. Hashes are of the whole "
    "model file. Seconds for an hour of sound are CPU time of decoding and extracting 9 clips in one thread, the least "
    "of three passes. Bytes of an iteration are those of pickled tasks and outcomes: 1.2 million rows of 20 columns in "
    "a file, 32 components."
)
KINDS: dict[str, tuple[str, Recipe]] = {
    "frames": ("genre", gmmaudio.make_recipe(n_components=8)),
    "frames, UBM": ("genre", replace(gmmaudio.make_recipe(), kind_settings=FrameGmmSettings(relevance=16.0))),
    "blocks (genre)": ("genre", gmmaudio.make_recipe("genre")),
    "supervectors (language)": ("language-indomain", gmmaudio.make_recipe("language")),
}
N_ROWS, N_COLUMNS, N_COMPONENTS = 1_200_000, 20, 32
N_CLIPS, N_TIMED, N_PASSES = 40, 9, 3


class Killer:
    """Progress that kills a worker of a cluster after the first item of two stages."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.stages: set[str] = set()

    def __call__(self, items: Iterable[Any], _total: int | None, stage: str) -> Iterator[Any]:
        """Yield the items."""
        for item in items:
            if stage in ("extracting features", "fitting mixtures") and stage not in self.stages:
                self.stages.add(stage)
                (process,) = self._cluster.client.run(
                    os.getpid, workers=list(self._cluster.client.nthreads())[:1]
                ).values()
                os.kill(process, signal.SIGKILL)
            yield item


def corpus_of(name: str) -> Corpus:
    """Return about ``N_CLIPS`` clips of a corpus, of all its labels."""
    corpus = gmmaudio.read_corpus(manifest_of(name))
    return replace(corpus, clips=corpus.clips[:: max(1, round(len(corpus.clips) / N_CLIPS))])


def train_in_all_ways(kind: str, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Yield hash and time of every way to train one kind of model."""
    name, recipe = KINDS[kind]
    corpus, killer = corpus_of(name), Killer(cluster)
    ways: dict[str, dict[str, Any]] = {
        "-j 1": {"n_jobs": 1},
        "-j 2": {"n_jobs": 2},
        "threads": {},
        "Dask, 2 workers": {"cluster": cluster},
        "Dask, workers killed": {"cluster": cluster, "progress": killer},
    }
    for way, settings in ways.items():
        began = time.perf_counter()
        model = gmmaudio.train(corpus, recipe, **settings).model
        wall_s = time.perf_counter() - began
        n_killed = len(killer.stages) if "progress" in settings else 0
        yield {"part": "same", "kind": kind, "way": way, "sha256": hash_of(model), "wall_s": wall_s, "killed": n_killed}


def hash_of(model: gmmaudio.Model) -> str:
    """Return the SHA-256 of a model's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.gmm")
        gmmaudio.save_model(model, path)
        return hashlib.sha256(path.read_bytes()).hexdigest()


def size_of_preset(name: str | None) -> dict[str, Any]:
    """Return CPU time and bytes of an hour of sound for a preset."""
    recipe = gmmaudio.make_recipe(name)
    corpus = corpus_of("language-indomain" if name == "language" else "genre")
    features = recipe.features
    extraction = Extraction(corpus.root, features, 0.5, tables=design_tables(features.frames))
    clips, least_s = corpus.clips[:: len(corpus.clips) // N_TIMED][:N_TIMED], np.inf
    for _ in range(N_PASSES):
        began = time.process_time()
        with one_thread():
            results: list[Any] = [extract_clip(extraction, clip).result for clip in clips]
        least_s = min(least_s, time.process_time() - began)
    hours = sum(result.duration_s for result in results) / 3600
    frames = sum(array.nbytes for r in results for array in (r.raw.values, r.raw.level_db, r.raw.time_s))
    rows = sum(make_rows([r.raw], features).values.nbytes for r in results)
    return {
        "part": "hour",
        "preset": name or "classic",
        "cpu_s": least_s / hours,
        "frame_bytes": frames / hours,
        "row_bytes": rows / hours,
        "n_clips": len(clips),
    }


def size_of_vector() -> dict[str, Any]:
    """Return the bytes of the vector of a clip in the preset language."""
    recipe = gmmaudio.make_recipe("language")
    settings: Any = recipe.kind_settings
    d, k = recipe.features.n_features // recipe.features.frames.n_warps, settings.n_components
    ubm = gmmaudio.mixture.GaussianMixture(np.full(k, 1 / k), np.zeros((k, d)), np.ones((k, d)))
    return {"part": "vector", "bytes": 4 * vector_size(ubm, settings.bigram_lag)}


def size_of_iteration(folder: Path) -> dict[str, Any]:
    """Return the bytes that go to the workers and come back in one iteration of EM."""
    path = folder / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(N_ROWS, N_COLUMNS)).astype(np.float32))
    place = in_file(np.load(path, mmap_mode="r"))
    sizes: list[dict[str, int]] = []

    def counted(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        size = {"parameters": len(pickle_any(function)), "places": 0, "statistics": 0, "groups": 0}
        for item in items:
            result = function(item)
            size["places"] += len(pickle_any(item))
            size["statistics"] += len(pickle_any((True, result)))
            size["groups"] += 1
            yield result
        sizes.append(size)

    gmmaudio.fit_gmm([place], N_COMPONENTS, max_iter=1, mapper=BatchMapper(counted), rng=np.random.default_rng(0))
    return {"part": "iteration", "n_rows": N_ROWS, "n_columns": N_COLUMNS, "n_components": N_COMPONENTS, **sizes[-1]}


def train_all(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Yield hash and time of every way to train every kind of model."""
    for kind in KINDS:
        for row in train_in_all_ways(kind, cluster):
            click.echo(f"{kind}, {row['way']}: {row['sha256'][:12]}, {row['wall_s']:.0f} s")
            yield row


@click.command()
@click.option("--sizes", is_flag=True, help="Measure times and sizes anew, and keep the models of the last run.")
def main(sizes: bool) -> None:
    """Measure, print the tables and write them to results/cluster.json."""
    rows: list[Any] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows.append(size_of_iteration(folder))
        rows.append(size_of_vector())
        rows += [size_of_preset(name) for name in (None, "genre", "language")]
        if sizes:
            rows += part(read_record(FOLDER / "cluster.json").rows, "same")
        else:
            rows += train_all(stack.enter_context(Cluster(n_workers=2)))
    record = make_record("cluster", "Models of a Dask cluster", PROTOCOL, rows, ["distributed", "dask"])
    # the times and sizes are a part of what it measures
    record = replace(record, command=record.command.removesuffix(" --sizes"))
    click.echo(cluster_text(record.rows))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
