"""A Gaussian mixture of the rows of a table: fits of several sizes and shapes, the choice among them, its stability."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.cell_columns import MISSING, Array
from gmmaudio.compute import Progress, count_jobs, quiet
from gmmaudio.data_tables import DataTable, read_data_table
from gmmaudio.errors import SettingError
from gmmaudio.findings import Finding
from gmmaudio.mixture import COVARIANCE_TYPES, Candidate, GaussianMixture, Selection, select_gmm
from gmmaudio.mixture.components import take
from gmmaudio.mixture.stability import FIXED_STARTS, REACHED, Stability, measure_stability
from gmmaudio.names import did_you_mean
from gmmaudio.pipeline.provenance import versions
from gmmaudio.pipeline.table_columns import TableRows, choose_columns
from gmmaudio.values import checked, shown

N_COMPONENTS = tuple(range(1, 11))
# EM on tables: fits are compared by their likelihood, which has to be near its maximum
MAX_ITER, TOL = 500, 1e-5
# mean adjusted Rand index below which clusters are said to depend on the start
STABLE = 0.8
# criteria whose choices are compared
COMPARED = ("bic", "icl", "held_out")


@dataclass(frozen=True, eq=False)
class TableFit:
    """A mixture that was fitted to a table.

    Parameters
    ----------
    mixture : GaussianMixture
        In the units of the columns, the heaviest component first.
    names : tuple of str
        The columns.
    selection : Selection
        All mixtures that were tried.
    stability : Stability or None
        Agreement of other starts with the mixture; None where it was not measured.
    details : dict
        The record of the training, as the file of the mixture holds it.
    findings : tuple of Finding
        What should be known of the table and of the mixture.
    """

    mixture: GaussianMixture
    names: tuple[str, ...]
    selection: Selection
    stability: Stability | None
    details: dict[str, Any]
    findings: tuple[Finding, ...]


@checked
def fit_table(
    table: str | Path | DataTable,
    *,
    columns: Sequence[str] | None = None,
    n_components: Sequence[int] = N_COMPONENTS,
    covariance_types: Sequence[str] = COVARIANCE_TYPES,
    criterion: str = "bic",
    held_out: float = 0.2,
    group_by: str | None = None,
    init: str = "kmeans",
    n_starts: int = 3,
    n_restarts: int = 10,
    seed: int = 0,
    n_jobs: int | None = 1,
    progress: Progress = quiet,
) -> TableFit:
    """Return the best of several Gaussian mixtures of the rows of a table: the same bits for any ``n_jobs``.

    Parameters
    ----------
    table : path-like or DataTable
        A CSV or parquet file, or a table that was read. Missing values are welcome: EM is exact with them.
    columns : sequence of str, optional
        Columns to use; default: all columns of numbers that vary.
    n_components : sequence of int
        Numbers of components to try, each >= 1.
    covariance_types : sequence of {"diag", "full", "tied", "spherical"}
        Covariance types to try.
    criterion : {"bic", "aic", "icl", "held_out"}
        What decides between the mixtures.
    held_out : float
        Share of the rows, or of the groups, that is held out for the held-out likelihood, 0 <= held_out < 1.
    group_by : str, optional
        Column of groups (a customer, a patient) that are held out whole; rows without one are groups of their own.
    init : {"kmeans", "hierarchical", "binary", "random"}
        Start of EM.
    n_starts : int
        Number of starts for each mixture, >= 1; the best is kept.
    n_restarts : int
        Number of other starts that stability is measured by, >= 0; 0 measures none.
    seed : int
        Seed of starts and of the held-out rows.
    n_jobs : int or None
        Number of threads; None and -1 are one for each core.
    progress : callable
        Shows the progress.

    Raises
    ------
    TableError
        If the table cannot be read, or no mixture be fitted to its columns.
    SettingError
        If a setting is outside its bounds, or names a column that is not there.
    MixtureError
        If the rows cannot be fitted, or there are too few to hold some out.

    Examples
    --------
    >>> import tempfile
    >>> X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, (50, 1)) for m in (-9.0, 9.0)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savetxt(f"{folder}/two.csv", X, header="size", comments="")
    ...     fit = fit_table(f"{folder}/two.csv", n_components=[1, 2, 3], covariance_types=["full"])
    >>> fit.names, fit.mixture.n_components, fit.stability.mean
    (('size',), 2, 1.0)
    """
    _check_least(n_starts=(n_starts, 1), n_restarts=(n_restarts, 0), seed=(seed, 0))
    _check_lists(n_components=n_components, covariance_types=covariance_types)
    if n_jobs is not None and n_jobs < 1 and n_jobs != -1:
        raise SettingError(f"`n_jobs` is {n_jobs}; expected 1 or more threads, or -1 for one on each core")
    if not isinstance(table, DataTable):
        table = read_data_table(table)
    groups, besides = _groups_of(table, group_by)
    used = choose_columns(table, columns, besides)
    em: dict[str, Any] = {"init": init, "max_iter": MAX_ITER, "tol": TOL, "n_threads": count_jobs(n_jobs)}
    tried: list[Candidate] = []
    grid = [(covariance_type, k) for covariance_type in covariance_types for k in n_components]
    for covariance_type, k in progress(grid, len(grid), "fitting mixtures"):
        choice: dict[str, Any] = {"groups": groups, "held_out": held_out, "criterion": criterion, "n_init": n_starts}
        # every mixture has the same starts and the same held-out rows, as in one selection
        rng = np.random.default_rng(seed)
        tried += select_gmm(used.rows, [k], [covariance_type], rng=rng, **choice, **em).rows
    selection = Selection(tuple(tried), criterion)
    best = selection.best().mixture
    mixture = take(best, np.argsort(-best.weights, kind="stable"))
    stability = _measure(used.rows, mixture, n_restarts, em, seed)
    findings = (*used.findings, *_check_fit(selection, mixture, used.rows, stability))
    settings = {"group_by": group_by, "criterion": criterion, "held_out": held_out, "n_starts": n_starts}
    settings |= {"n_restarts": n_restarts, "seed": seed, "init": init, "max_iter": MAX_ITER, "tol": TOL}
    details = _record(table, used, selection, stability, findings, settings)
    return TableFit(mixture, used.names, selection, stability, details, findings)


def _check_least(**settings: tuple[int, int]) -> None:
    """Raise SettingError where a setting, given with its least value, is below it."""
    for name, (value, least) in settings.items():
        if value < least:
            raise SettingError(f"`{name}` is {value}; expected {least} or more")


def _check_lists(**settings: Sequence[Any]) -> None:
    """Raise SettingError where a list of values to try is empty, or has one twice."""
    for name, values in settings.items():
        repeated = [value for i, value in enumerate(values) if value in values[:i]]
        if repeated or not values:
            problem = f"has {shown(repeated[0])} twice" if repeated else "is empty"
            raise SettingError(f"`{name}` {problem}; expected one or more to try, each once")


def _groups_of(table: DataTable, group_by: str | None) -> tuple[npt.NDArray[np.str_] | None, tuple[str, ...]]:
    """Return the group of every row, and the column that holds it."""
    if group_by is None:
        return None, ()
    name = table.find(group_by)
    if name is None:
        nearest = did_you_mean(group_by, table.columns)
        raise SettingError(
            f"`group_by` names {shown(group_by)}, which is no column of {table.name}{f'.{nearest}' if nearest else ''}"
        )
    texts = [str(cell) for cell in table.cells(name)]
    # a mark that no other group has: rows without a group are groups of their own
    named = [f"row {i}" if text.casefold() in MISSING else f"group {text}" for i, text in enumerate(texts)]
    return np.array(named), (name,)


def _measure(
    rows: Array, mixture: GaussianMixture, n_restarts: int, settings: Mapping[str, Any], seed: int
) -> Stability | None:
    """Return the agreement of other starts with a mixture; None where there is none to measure."""
    if not n_restarts:
        return None
    starts = {**settings, "init": "kmeans" if settings["init"] in FIXED_STARTS else settings["init"]}
    return measure_stability(rows, mixture, n_restarts=n_restarts, rng=np.random.default_rng([seed, 1]), **starts)


def _check_fit(
    selection: Selection, mixture: GaussianMixture, rows: Array, stability: Stability | None
) -> tuple[Finding, ...]:
    """Return the findings on the mixture that was chosen."""
    return (
        *_check_stability(stability),
        *_check_most_components(selection),
        *_check_criteria(selection),
        *_check_small_components(mixture, int((~np.isnan(rows).all(axis=1)).sum())),
    )


def _check_stability(stability: Stability | None) -> tuple[Finding, ...]:
    """Return the findings that the clusters depend on the start, and that a start found a better mixture."""
    findings = []
    if stability is not None and stability.mean < STABLE:
        findings.append(
            Finding(
                "clusters_depend_on_start",
                "warning",
                f"other starts give other clusters: their adjusted Rand index with the mixture is {stability.mean:.2f} "
                f"on average, {stability.lowest:.2f} at the lowest (1: the same clusters)",
                "try fewer components (`n_components`) or another covariance type (`covariance_types`)",
            )
        )
    if stability is not None and stability.gain > REACHED * stability.n_features:
        findings.append(
            Finding(
                "start_found_better",
                "warning",
                f"one of the other starts has a log likelihood {stability.gain:.3g} nats a row above the mixture's",
                "raise `n_starts`",
            )
        )
    return tuple(findings)


def _check_most_components(selection: Selection) -> tuple[Finding, ...]:
    """Return the finding that the best number of components is the largest that was tried."""
    asked = {row.n_components_asked for row in selection.rows}
    best = selection.best()
    if len(asked) < 2 or best.n_components_asked < max(asked) or best.n_components < best.n_components_asked:
        return ()
    return (
        Finding(
            "most_components_chosen",
            "warning",
            f"the mixture that was chosen has the most components that were tried, {best.n_components}: the best "
            "number may be larger",
            "try more (`n_components`)",
        ),
    )


def _check_criteria(selection: Selection) -> tuple[Finding, ...]:
    """Return the finding that the criteria choose different mixtures."""
    names = [name for name in COMPARED if getattr(selection.rows[0], name) is not None]
    best = {name: selection.best(name) for name in names}
    if len({id(row) for row in best.values()}) == 1:
        return ()
    choices = [f"{CRITERION_WORDS[name]} {row.covariance_type}, {row.n_components}" for name, row in best.items()]
    return (
        Finding(
            "criteria_disagree",
            "information",
            f"the criteria choose different mixtures ({'; '.join(choices)}): ICL counts clusters that are separated, "
            "the others describe the density, for which overlapping components may be needed",
        ),
    )


def _check_small_components(mixture: GaussianMixture, n_rows: int) -> tuple[Finding, ...]:
    """Return the finding that components have the weight of fewer rows than determine a covariance."""
    small = [
        f"{k} ({weight * n_rows:.1f} rows)"
        for k, weight in enumerate(mixture.weights)
        if weight * n_rows < mixture.n_features + 1
    ]
    if not small:
        return ()
    return (
        Finding(
            "component_of_few_rows",
            "warning",
            f"components with the weight of at most {mixture.n_features} rows, as many as there are columns: "
            f"{', '.join(small)}; they may describe outliers",
            "look at their rows, or try fewer components (`n_components`)",
        ),
    )


CRITERION_WORDS = {"bic": "BIC", "aic": "AIC", "icl": "ICL", "held_out": "held-out likelihood"}


def _record(
    table: DataTable,
    used: TableRows,
    selection: Selection,
    stability: Stability | None,
    findings: Sequence[Finding],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the record of a training as plain values."""
    kept = ~np.isnan(used.rows).all(axis=1)
    best = selection.best()
    return {
        "table": os.path.basename(table.name),  # noqa: PTH119 - a name for messages
        "n_rows": len(used.rows),
        "n_rows_used": int(kept.sum()),
        "columns": [_column_record(name, values) for name, values in zip(used.names, used.rows.T, strict=True)],
        "left_out": [{"name": name, "reason": reason} for name, reason in used.left_out],
        "settings": dict(settings),
        "selection": [_candidate_record(row) for row in selection.rows],
        "chosen": _candidate_record(best),
        "stability": None if stability is None else stability_record(stability),
        "findings": [asdict(finding) for finding in findings],
        "versions": versions(),
    }


def _column_record(name: str, values: Array) -> dict[str, Any]:
    """Return the range and the moments of a column."""
    filled = values[~np.isnan(values)]
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(filled.mean()), float(filled.std())
    return {
        "name": name,
        "n_missing": len(values) - len(filled),
        "low": float(filled.min()),
        "high": float(filled.max()),
        "mean": mean,
        "deviation": deviation,
    }


def _candidate_record(row: Candidate) -> dict[str, Any]:
    """Return a mixture that was tried as plain values, without its numbers."""
    names = ("covariance_type", "n_components_asked", "n_components", "n_parameters", "log_likelihood", "bic", "aic")
    record = {name: getattr(row, name) for name in (*names, "icl", "held_out", "converged")}
    interval = row.held_out_interval
    return record | {"held_out_interval": None if interval is None else list(interval)}


def stability_record(stability: Stability) -> dict[str, Any]:
    """Return the agreement of starts as plain values.

    Parameters
    ----------
    stability : Stability
        The agreement.
    """
    return {
        "n_restarts": len(stability.adjusted_rand),
        "adjusted_rand": list(stability.adjusted_rand),
        "mean": stability.mean,
        "lowest": stability.lowest,
        "between": stability.between,
        "n_reached": stability.n_reached,
        "log_likelihoods": list(stability.log_likelihoods),
        "gain": stability.gain,
    }
