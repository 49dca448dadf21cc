"""EM and scoring of Gaussian mixtures beside scikit-learn, pomegranate, hmmlearn and torchgmm, all in one run.

Rows are synthetic: 64 Gaussians with mildly correlated columns and the offsets and deviations of MFCC with their two
deltas. Everyone gets the same rows and starts from the same parameters, so that no k-means is timed (torchgmm takes
means only), with its numeric libraries at one thread. Every measurement has a fresh process, rounds are interleaved,
and medians are printed. CPU seconds are user plus system of the process; one iteration of EM is the difference between
a fit of a few iterations and a fit of one. All work is done once before it is timed: the first call pays for memory
that later ones find in the process. Memory is the peak of the process in that first call less what it held when the
call began, with the rows and the libraries loaded.

The default cells cost some ten minutes of CPU: a contender sits out further rounds once it has used ``--limit`` seconds
on a cell, and is not started where its smaller cells say that it would use three times as much. Any of ``--rows``,
``--components``, ``--features`` and ``--covariance`` replaces the default cells by all combinations of what is given;
``--limit 1000`` lets everyone finish, and K=1024 with full covariances and a million rows then takes hours.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.contenders import CONTENDERS, OURS, Start, kind_of, ours
from benchmarks.processes import ONE_THREAD
from results.record import make_record, write_record
from results.views import made

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating]
    Doubles = npt.NDArray[np.float64]

# numpy and the peers are imported in the children only: a child's peak memory starts from its parent's

PACKAGES = ("pomegranate", "hmmlearn", "torchgmm", "torch")
PROTOCOL = (
    "Synthetic rows, the same rows and start for all, every measurement in a fresh process, at one thread where "
    "nothing else is said; medians of at most {rounds} rounds. One iteration of EM is the difference between a fit "
    "of a few iterations and a fit of one."
)
START_ROWS = 20_000
CLASS_ROWS = 4_000
CLASS_SIZES = (16, 20, 24, 28, 32)


@dataclass(frozen=True)
class Cell:
    """What is fitted: K components of D features to N rows."""

    covariance: str
    k: int
    d: int
    n: int

    def __str__(self) -> str:
        return f"{self.covariance}, K={self.k}, D={self.d}, N={self.n:,}"

    @property
    def products(self) -> float:
        """Multiply-adds of one matrix product over all rows: what the cost of a peer is predicted from."""
        moments = 2 * self.d + 1 if self.covariance == "diag" else self.d * (self.d + 3) // 2 + 1
        return float(self.n) * self.k * moments


DEFAULT_CELLS = (
    Cell("diag", 256, 39, 100_000),
    Cell("full", 64, 39, 100_000),
    Cell("diag", 256, 39, 1_000_000),
)


@dataclass(frozen=True)
class Job:
    """One measurement."""

    part: str
    contender: str
    cell: Cell
    folder: Path
    iterations: int
    memory_gib: float
    n_classes: int = 0
    n_threads: int = 1


@dataclass(frozen=True)
class Cost:
    """What one measurement cost, and the mean log density of some rows, by which peers are seen to do the same."""

    cpu_s: float
    system_s: float
    wall_s: float
    peak_mib: float
    nats: float
    spent_s: float
    gflops: float = 0.0


# ---- rows and starts, made in a child and read by the others from a folder


def synthetic_rows(n: int, d: int) -> tuple[Doubles, npt.NDArray[np.intp]]:
    """Return rows (n, d) in float64 like MFCC with two deltas, and which of 64 Gaussians each is from."""
    import numpy as np

    rng = np.random.default_rng(0)
    static = np.arange(d) % (d // 3)
    order = np.arange(d) // (d // 3)
    deviation = 90.0 / (1.0 + static) ** 0.7 * np.array([1.0, 0.25, 0.1, 0.1])[order]
    offset = np.where(order == 0, -300.0 / (1.0 + static) ** 1.5 + 5.0, 0.0)
    means = offset + 0.6 * deviation * rng.standard_normal((64, d))
    # a column is a third of its neighbours' making
    mixing = np.eye(d) + 0.3 * rng.standard_normal((64, d, d)) / np.sqrt(d)
    mixing *= (0.8 * deviation * rng.uniform(0.6, 1.3, (64, d)))[:, None, :]
    component = rng.choice(64, n, p=rng.dirichlet(np.full(64, 4.0)))
    rows = rng.standard_normal((n, d))
    for j in range(64):
        drawn = component == j
        rows[drawn] = means[j] + rows[drawn] @ mixing[j]
    return rows, component


def prepare(folder: Path, d: int, n: int, kinds: set[tuple[str, int]], classes: bool) -> None:
    """Write rows of both precisions, the start of each (covariance, K), and the models of 50 classes."""
    import numpy as np

    from gmmaudio.mixture import accumulate, fit_gmm, maximise

    rows, component = synthetic_rows(n, d)
    single = rows.astype(np.float32)
    single.tofile(folder / f"{d}.float32")
    single.astype(np.float64).tofile(folder / f"{d}.float64")
    for covariance, k in kinds:
        mixture, _ = fit_gmm(single[:START_ROWS], k, init="random", max_iter=5, tol=0.0, variance_floor=0.05)
        if covariance == "full":
            full = replace(mixture, covariances=mixture.covariances[:, :, None] * np.eye(d), covariance_type="full")
            moved = accumulate(full, single[: 5 * START_ROWS])
            mixture = maximise(moved, full, floor=0.01 * single[:START_ROWS].var(axis=0))
        np.savez(folder / f"{covariance}-{k}-{d}.npz", *(mixture.weights, mixture.means, mixture.covariances))
    if not classes:
        return
    rng = np.random.default_rng(1)
    for i in range(50):
        # a class is a quarter of the Gaussians
        class_rows = single[np.isin(component, rng.choice(64, 16, replace=False))][:CLASS_ROWS]
        mixture, _ = fit_gmm(
            class_rows, CLASS_SIZES[i % len(CLASS_SIZES)], init="random", max_iter=5, variance_floor=0.05
        )
        np.savez(folder / f"class-{i}-{d}.npz", *(mixture.weights, mixture.means, mixture.covariances))


def read_start(path: Path) -> Start:
    """Return a start that was written."""
    import numpy as np

    with np.load(path) as file:
        return Start(*(file[f"arr_{i}"] for i in range(3)))


# ---- measurements, each in a process of its own


def measure(job: Job) -> Cost:
    """Return the cost of a job; runs in a fresh process."""
    import numpy as np

    warnings.simplefilter("ignore")
    limit = int(job.memory_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    _, dtype = CONTENDERS[job.contender]
    cell = job.cell
    X = np.fromfile(job.folder / f"{cell.d}.{dtype}", dtype, count=cell.n * cell.d).reshape(cell.n, cell.d)
    warm_up(job, X)
    ready, _, _ = times_now()
    cost = {"em": em_cost, "threads": em_cost, "score": score_cost, "classes": class_cost}[job.part](job, X)
    spent = times_now()[0] - ready
    return replace(cost, spent_s=spent, gflops=multiply_rate() if job.part == "em" and job.contender == OURS else 0.0)


def warm_up(job: Job, X: Array) -> None:
    """Import and set up all that a contender needs, on hardly any rows."""
    import numpy as np

    d = X.shape[1]
    variances = X[:512].astype(np.float64).var(axis=0)
    spread = np.array([variances, variances]) if job.cell.covariance == "diag" else np.array([np.diag(variances)] * 2)
    start = Start(np.full(2, 0.5), X[:2].astype(np.float64), spread)
    fit, _ = CONTENDERS[job.contender]
    fit(X[:512].copy(), start, 1 if job.part in ("em", "threads") else 0)(X[: d + 2].copy())


def em_cost(job: Job, X: Array) -> Cost:
    """Return the cost of one iteration of EM."""
    cell = job.cell
    start = read_start(job.folder / f"{cell.covariance}-{cell.k}-{cell.d}.npz")
    fit, _ = CONTENDERS[job.contender]
    settings = {"n_threads": job.n_threads} if job.part == "threads" else {}
    before = peak_now()
    fit(X, start, 1, **settings)
    peak = peak_now() - before
    one, _ = clock(lambda: fit(X, start, 1, **settings))
    more, score = clock(lambda: fit(X, start, 1 + job.iterations, **settings))
    cpu, system, wall = ((b - a) / job.iterations for a, b in zip(one, more, strict=True))
    return Cost(cpu, system, wall, peak, float(score(X[:4096].copy()).mean()), 0.0)


def score_cost(job: Job, X: Array) -> Cost:
    """Return the cost of the log density of all rows."""
    cell = job.cell
    start = read_start(job.folder / f"{cell.covariance}-{cell.k}-{cell.d}.npz")
    score = CONTENDERS[job.contender][0](X, start, 0)
    return scored(lambda: score(X))


def class_cost(job: Job, X: Array) -> Cost:
    """Return the cost of the log density of all rows under every class model."""
    import numpy as np

    from gmmaudio.mixture import GaussianMixture, stacked_log_density

    starts = [read_start(job.folder / f"class-{i}-{job.cell.d}.npz") for i in range(job.n_classes)]
    fit, _ = CONTENDERS[job.contender]
    if fit is ours:
        mixtures = [GaussianMixture(*start, covariance_type=kind_of(start)) for start in starts]
        return scored(lambda: stacked_log_density(mixtures, X))
    scores = [fit(X, start, 0) for start in starts]
    return scored(lambda: np.stack([score(X) for score in scores], axis=1))


def scored(score: Callable[[], Array]) -> Cost:
    """Return the cost of scoring."""
    before = peak_now()
    nats = float(score().mean())
    peak = peak_now() - before
    (cpu, system, wall), _ = clock(score)
    return Cost(cpu, system, wall, peak, nats, 0.0)


def clock(work: Callable[[], Any]) -> tuple[tuple[float, float, float], Any]:
    """Return the CPU, system and wall seconds of some work, and its result."""
    before = times_now()
    result = work()
    cpu, system, wall = (b - a for a, b in zip(before, times_now(), strict=True))
    return (cpu, system, wall), result


def times_now() -> tuple[float, float, float]:
    """Return the CPU seconds of this process so far, all threads, those of the system among them, and the time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_stime, time.perf_counter()


def peak_now() -> float:
    """Return the largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def multiply_rate() -> float:
    """Return the rate of a large float32 matrix product, in 1e9 operations a CPU second: best of five."""
    import numpy as np

    from gmmaudio.compute import one_thread

    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    out = np.empty_like(a)
    with one_thread():
        best = min(clock(lambda: np.matmul(a, a, out=out))[0][0] for _ in range(5))
    return 2 * 2048**3 / best / 1e9


# ---- the run: rounds, and a limit to what slow peers may take


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a function that runs in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


@dataclass
class Runner:
    """Runs jobs in rounds, and knows what each contender costs for a multiply-add of its smaller cells."""

    rounds: int
    limit_s: float
    rate: dict[tuple[str, str, str], float]

    def run(self, jobs: dict[str, Job]) -> dict[str, list[Cost] | str]:
        """Return the costs of every job, or why there are none.

        A contender that has used up the limit sits out further rounds, and one that is bound to use several times the
        limit is not started.
        """
        results: dict[str, list[Cost] | str] = {}
        for _, (name, job) in itertools.product(range(self.rounds), jobs.items()):
            so_far = results.setdefault(name, [])
            if isinstance(so_far, str) or sum(cost.spent_s for cost in so_far) > self.limit_s:
                continue
            key = job.contender, job.part, job.cell.covariance
            products = job.cell.products * max(job.n_classes, 1)
            predicted = self.rate.get(key, 0.0) * products
            if not so_far and predicted > 3 * self.limit_s:
                results[name] = f"not run: about {predicted:.0f} s"
                continue
            try:
                so_far.append(alone(measure, job))
            except (ImportError, MemoryError, RuntimeError, ValueError, BrokenProcessPool) as error:
                results[name] = reason(error, job)
                continue
            self.rate[key] = so_far[-1].spent_s / products
            click.echo(f"{job.part} {job.cell}: {name} took {so_far[-1].spent_s:.1f} CPU s in all", err=True)
        return results


def reason(error: Exception, job: Job) -> str:
    """Return in a few words why a job failed."""
    if isinstance(error, ImportError):
        return f"not installed: {error.name}"
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return f"needs more than {job.memory_gib:g} GiB"
    return f"failed: {str(error).splitlines()[0][:80]}"


# ---- tables


def table(results: dict[str, list[Cost] | str], headings: tuple[str, str], reference: str) -> Iterator[str]:
    """Yield the lines of a table of CPU, its ratio to the reference, peak memory and the check."""
    yield f"| | {headings[0]} | of it system | peer / ours | peak MiB | {headings[1]} | rounds |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    reference_costs = results.get(reference, "")
    ours_s = 0.0 if isinstance(reference_costs, str) else median(reference_costs, "cpu_s")
    for name, costs in results.items():
        if isinstance(costs, str):
            yield f"| {name} | {costs} | | | | | |"
            continue
        cpu = median(costs, "cpu_s")
        ratio = f"{cpu / ours_s:.2f}" if ours_s else ""
        system, peak, nats = (median(costs, field) for field in ("system_s", "peak_mib", "nats"))
        yield f"| {name} | {cpu:.3f} | {system:.3f} | {ratio} | {peak:.0f} | {nats:.4f} | {len(costs)} |"
    yield ""


def median(costs: list[Cost], field: str) -> float:
    """Return the median of one field."""
    return float(statistics.median(getattr(cost, field) for cost in costs))


def product_share(cell: Cell, costs: list[Cost] | str) -> str:
    """Return the share of the machine's rate of multiplication that our diagonal pass reaches."""
    if isinstance(costs, str) or cell.covariance != "diag":
        return ""
    rate = 4 * cell.products / median(costs, "cpu_s") / 1e9
    best = median(costs, "gflops")
    return (
        f"Ours, float32: the two products at {rate:.1f} GFLOP/s over the whole iteration, {rate / best:.0%} of the "
        f"{best:.1f} GFLOP/s of a 2048 x 2048 float32 product in the same process.\n"
    )


def thread_table(cell: Cell, results: dict[str, list[Cost] | str]) -> Iterator[str]:
    """Yield the lines of the table of one and two threads."""
    yield f"### Two threads: {cell}, one EM iteration, wall clock\n"
    yield "| threads | wall s, median | wall s, best | CPU s | times as fast, median | best | rounds |"
    yield "|---:|---:|---:|---:|---:|---:|---:|"
    first: tuple[float, float] | None = None
    for name, costs in results.items():
        if isinstance(costs, str):
            yield f"| {name} | {costs} | | | | | |"
            continue
        wall, best = median(costs, "wall_s"), min(cost.wall_s for cost in costs)
        first = first or (wall, best)
        faster = f"{first[0] / wall:.2f} | {first[1] / best:.2f}"
        yield f"| {name} | {wall:.3f} | {best:.3f} | {median(costs, 'cpu_s'):.3f} | {faster} | {len(costs)} |"
    yield ""


def measured(title: str, job: Job, results: dict[str, list[Cost] | str]) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each contender of a table.

    Parameters
    ----------
    title : str
        Of the table.
    job : Job
        Any of its measurements.
    results : dict of str to list of Cost or str
        What each contender cost, or the reason why that is not known.
    """
    for name, costs in results.items():
        row = {"title": title, "part": job.part, "contender": name}
        if isinstance(costs, str):
            yield row | {"reason": costs}
            continue
        fields = ("cpu_s", "system_s", "wall_s", "peak_mib", "nats", "gflops")
        medians = {field: median(costs, field) for field in fields}
        yield row | medians | {"best_wall_s": min(cost.wall_s for cost in costs), "rounds": len(costs)}


# ---- the command

PARTS = ("em", "score", "classes", "threads")


@click.command()
@click.option("--rows", type=int, multiple=True, help="N of the cells; may be repeated, as the next three.")
@click.option("--components", type=int, multiple=True, help="K.")
@click.option("--features", type=int, multiple=True, help="D, at least 6.")
@click.option("--covariance", type=click.Choice(["diag", "full"]), multiple=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--peers", multiple=True, help="Contenders by part of their name, such as scikit; default: all.")
@click.option("--part", type=click.Choice(PARTS), multiple=True, default=PARTS, show_default=True)
@click.option("--iterations", default=3, show_default=True, help="EM iterations in the mean.")
@click.option("--classes", type=click.IntRange(1, 50), multiple=True, default=(10, 50), show_default=True)
@click.option("--class-rows", default=100_000, show_default=True, help="Rows that are scored under class models.")
@click.option("--limit", default=10.0, show_default=True, help="CPU seconds after which a contender sits out rounds.")
@click.option("--memory", default=12.0, show_default=True, help="GiB of address space for a process.")
def main(
    rows: tuple[int, ...],
    components: tuple[int, ...],
    features: tuple[int, ...],
    covariance: tuple[str, ...],
    rounds: int,
    peers: tuple[str, ...],
    part: tuple[str, ...],
    iterations: int,
    classes: tuple[int, ...],
    class_rows: int,
    limit: float,
    memory: float,
) -> None:
    """Print the tables and write them to results/mixture.json."""
    os.environ.update(ONE_THREAD)
    cells = cells_of(rows, components, features, covariance)
    names = [name for name in CONTENDERS if name == OURS or not peers or any(p in name for p in peers)]
    runner = Runner(rounds, limit, {})
    measurements: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        base = Job("", "", cells[0], Path(folder), iterations, memory)
        write_inputs(base.folder, cells, part, class_rows)
        for title, contenders, jobs in plan(cells, names, part, base, classes, class_rows):
            results = runner.run(dict(zip(contenders, jobs, strict=True)))
            measurements += measured(title, jobs[0], results)
            show(title, jobs[0], results)
    protocol = PROTOCOL.format(rounds=rounds)
    record = make_record("mixture", "EM and scoring beside peers", protocol, measurements, PACKAGES)
    click.echo(f"{made(record)}wrote {write_record(record).name}")


def cells_of(rows: tuple[int, ...], ks: tuple[int, ...], ds: tuple[int, ...], kinds: tuple[str, ...]) -> list[Cell]:
    """Return all combinations asked for, small ones first, or the default cells."""
    if not (rows or ks or ds or kinds):
        return list(DEFAULT_CELLS)
    every = itertools.product(kinds or ("diag",), ks or (256,), ds or (39,), rows or (100_000,))
    return sorted((Cell(*values) for values in every), key=lambda cell: cell.products)


def write_inputs(folder: Path, cells: list[Cell], part: tuple[str, ...], class_rows: int) -> None:
    """Write the rows and starts of all cells."""
    for d in {cell.d for cell in cells}:
        same_width = [cell for cell in cells if cell.d == d]
        classes = "classes" in part and d == cells[0].d
        n = max([cell.n for cell in same_width] + [class_rows] * classes)
        alone(prepare, folder, d, n, {(cell.covariance, cell.k) for cell in same_width}, classes)


def plan(
    cells: list[Cell], names: list[str], part: tuple[str, ...], base: Job, classes: tuple[int, ...], class_rows: int
) -> Iterator[tuple[str, list[str], list[Job]]]:
    """Yield a title, row names and jobs for every table."""
    for cell, one in itertools.product(cells, [p for p in ("em", "score") if p in part]):
        jobs = [replace(base, part=one, contender=name, cell=cell) for name in names]
        yield f"{'One EM iteration' if one == 'em' else 'Scoring'}: {cell}", names, jobs
    if "classes" in part:
        sizes = f"K={CLASS_SIZES[0]} to {CLASS_SIZES[-1]}"
        for n_classes in classes:
            cell = Cell("diag", sum(CLASS_SIZES) // len(CLASS_SIZES), cells[0].d, class_rows)
            same = [n for n in names if n.startswith(("gmmaudio", "scikit"))]
            jobs = [replace(base, part="classes", contender=n, cell=cell, n_classes=n_classes) for n in same]
            yield f"Scoring under {n_classes} class models: diag, {sizes}, D={cell.d}, N={class_rows:,}", same, jobs
    if "threads" in part:
        for cell in cells:
            jobs = [replace(base, part="threads", contender=OURS, cell=cell, n_threads=n) for n in (1, 2)]
            yield f"Two threads: {cell}", ["1", "2"], jobs


def show(title: str, job: Job, results: dict[str, list[Cost] | str]) -> None:
    """Print one table."""
    if job.part == "threads":
        lines = list(thread_table(job.cell, results))
    else:
        check = "nats after" if job.part == "em" else "nats"
        lines = [f"### {title}\n", *table(results, ("CPU s", check), OURS)]
        if job.part == "em":
            lines.append(product_share(job.cell, results[OURS]))
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
