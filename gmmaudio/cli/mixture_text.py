"""A mixture of a table, and the record of its training, as text and as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmmaudio.cli.console import finding_line
from gmmaudio.cli.terminal_tables import make_table, print_captured
from gmmaudio.findings import Finding
from gmmaudio.mixture import GaussianMixture
from gmmaudio.mixture.covariance import covariance_of
from gmmaudio.names import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gmmaudio.mixture import SavedMixture

CRITERIA = {"bic": "BIC", "aic": "AIC", "icl": "ICL", "held_out": "held-out likelihood"}
# columns of the table of parameters that fit on a terminal
MOST_COMPONENTS = 8


def everything(saved: SavedMixture) -> dict[str, Any]:
    """Return a mixture and the record of its training as plain values.

    Parameters
    ----------
    saved : SavedMixture
        As it was loaded.
    """
    mixture = saved.mixture
    return {
        "n_components": mixture.n_components,
        "covariance_type": mixture.covariance_type,
        "n_parameters": mixture.n_parameters,
        "columns": None if saved.names is None else list(saved.names),
        "weights": mixture.weights.tolist(),
        "means": mixture.means.tolist(),
        "deviations": deviations_of(mixture).tolist(),
        "covariances": mixture.covariances.tolist(),
        "training": saved.details,
    }


def deviations_of(mixture: GaussianMixture) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the standard deviation of every component in every column, shape (n_components, n_features).

    Parameters
    ----------
    mixture : GaussianMixture
        Of any covariance type.

    Examples
    --------
    >>> deviations_of(GaussianMixture([1.0], [[0.0, 0.0]], [4.0], "spherical"))
    array([[2., 2.]])
    """
    covariance = covariance_of(mixture.covariance_type)
    variances = covariance.variances(mixture.covariances, mixture.n_components, mixture.n_features)
    return np.sqrt(np.broadcast_to(variances, mixture.means.shape))


def show_training(record: Mapping[str, Any]) -> None:
    """Write the record of a training to stdout: the table, the mixtures that were tried, the choice, its stability.

    Parameters
    ----------
    record : mapping
        Details of a fit, as :class:`gmmaudio.pipeline.table_fit.TableFit` has them.
    """
    print_captured(lambda console: _print_training(console, record))


def show_mixture(saved: SavedMixture) -> None:
    """Write a mixture and the record of its training to stdout.

    Parameters
    ----------
    saved : SavedMixture
        As it was loaded.
    """
    print_captured(lambda console: _print_mixture(console, saved))


def training_lines(record: Mapping[str, Any]) -> list[str]:
    """Return the choice, the held-out likelihood and the stability of a training in words, line by line.

    Parameters
    ----------
    record : mapping
        Details of a fit.
    """
    chosen, settings = record["chosen"], record["settings"]
    lines = [
        f"chosen by {CRITERIA[settings['criterion']]}: {chosen['covariance_type']}, "
        f"{_count(chosen['n_components'], 'component')}, {_count(chosen['n_parameters'], 'parameter')}",
        f"log likelihood: {chosen['log_likelihood']:.4f} nats a row",
    ]
    if chosen["held_out"] is not None:
        interval = chosen["held_out_interval"]
        between = "" if interval is None else f" (95 % interval {interval[0]:.4f} to {interval[1]:.4f})"
        share = f"{100 * settings['held_out']:g} % of the {'groups' if settings['group_by'] else 'rows'}"
        lines.append(f"held-out log likelihood: {chosen['held_out']:.4f} nats a row{between}; {share} held out")
    stability = record["stability"]
    if stability is None:
        lines.append("stability: not measured")
    else:
        lines.append(
            f"stability: adjusted Rand index of {_count(stability['n_restarts'], 'other start')} with the mixture "
            f"{stability['mean']:.2f} on average, {stability['lowest']:.2f} at the lowest; {stability['between']:.2f} "
            f"between them; {stability['n_reached']} reach its likelihood"
        )
    return lines


def _print_training(console: Console, record: Mapping[str, Any]) -> None:
    """Print the record of a training."""
    line, table, lines = _table_line(record), _selection_table(record), training_lines(record)
    _print_lines(console, [line])
    console.print(table)
    _print_lines(console, lines)


def _print_mixture(console: Console, saved: SavedMixture) -> None:
    """Print the parameters of a mixture and what is known of its training."""
    mixture, record = saved.mixture, saved.details
    shape = f"{mixture.covariance_type} covariances, {_count(mixture.n_components, 'component')}"
    _print_lines(console, [f"mixture: {shape}, {_count(mixture.n_features, 'column')}"])
    names = saved.names or tuple(f"column {i}" for i in range(mixture.n_features))
    for start in range(0, mixture.n_components, MOST_COMPONENTS):
        console.print(_parameter_table(mixture, names, range(mixture.n_components)[start : start + MOST_COMPONENTS]))
    try:
        table, lines = _column_table(record), [*_finding_lines(record), _versions_line(record)]
        _print_training(console, record)
    except (LookupError, TypeError, ValueError, AttributeError):
        # details of another program, or of another version
        _print_lines(console, ["training: no record of mixture fit"])
        return
    console.print(table)
    _print_lines(console, lines)


def _print_lines(console: Console, lines: Sequence[str]) -> None:
    """Print lines of text, with nothing in them that could drive a terminal."""
    from rich.text import Text

    for line in lines:
        console.print(Text(printable(line)), soft_wrap=True)


def _table_line(record: Mapping[str, Any]) -> str:
    """Return the table of a training in words."""
    names = [column["name"] for column in record["columns"]]
    n_missing = sum(column["n_missing"] for column in record["columns"])
    empty = record["n_rows"] - record["n_rows_used"]
    without = f", {empty} of them without a value" if empty else ""
    return (
        f"fitted to: {record['table']}, {_count(record['n_rows'], 'row')}{without}; "
        f"{_count(len(names), 'column')} ({', '.join(names)}), {_count(n_missing, 'missing value')}"
    )


def _selection_table(record: Mapping[str, Any]) -> Table:
    """Return the table of the mixtures that were tried, the best of each criterion marked."""
    rows = record["selection"]
    best = {name: _best(rows, name) for name in CRITERIA}
    return make_table(
        "Mixtures (*: best of its column)",
        ("covariance", "components", "parameters", "BIC", "AIC", "ICL", "held out", "95 % interval", "converged"),
        [_cells(row, {name for name, at in best.items() if at == i}) for i, row in enumerate(rows)],
    )


def _best(rows: Sequence[Mapping[str, Any]], name: str) -> int | None:
    """Return the index of the best mixture by a criterion; None where it was not measured."""
    values = [row[name] for row in rows]
    if None in values:
        return None
    sign = -1 if name == "held_out" else 1
    return min(range(len(values)), key=lambda i: float(sign * values[i]))


def _cells(row: Mapping[str, Any], best_by: set[str]) -> list[str]:
    """Return the cells of a mixture's line, with a mark where it is the best by a criterion."""
    kept, asked, interval = row["n_components"], row["n_components_asked"], row["held_out_interval"]
    digits = {"bic": 2, "aic": 2, "icl": 2, "held_out": 4}
    criteria = [
        "–" if row[name] is None else f"{row[name]:.{digits[name]}f}{'*' if name in best_by else ' '}"
        for name in CRITERIA
    ]
    return [
        row["covariance_type"],
        str(kept) if kept == asked else f"{kept} of {asked}",
        str(row["n_parameters"]),
        *criteria,
        "–" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}",
        "yes" if row["converged"] else "no",
    ]


def _parameter_table(mixture: GaussianMixture, names: Sequence[str], components: range) -> Table:
    """Return the table of means and standard deviations of some components."""
    deviations = deviations_of(mixture)
    heads = ["", *(f"component {k}" for k in components)]
    rows = [["weight", *(f"{mixture.weights[k]:.4f}" for k in components)]]
    for j, name in enumerate(names):
        rows.append([name, *(f"{mixture.means[k, j]:.5g} ± {deviations[k, j]:.3g}" for k in components)])
    return make_table("Weight; mean ± standard deviation of each column", heads, rows)


def _column_table(record: Mapping[str, Any]) -> Table:
    """Return the table of what the columns held."""
    rows = [
        [
            column["name"],
            str(column["n_missing"]),
            *(f"{column[name]:.5g}" for name in ("low", "high", "mean", "deviation")),
        ]
        for column in record["columns"]
    ]
    return make_table(
        "Columns of the training table", ("", "missing", "lowest", "highest", "mean", "standard deviation"), rows
    )


def _finding_lines(record: Mapping[str, Any]) -> list[str]:
    """Return the findings of a training, line by line."""
    return [finding_line(Finding.of(finding)) for finding in record["findings"]]


def _versions_line(record: Mapping[str, Any]) -> str:
    """Return the versions of a training, and its seed."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return f"seed: {record['settings']['seed']}; versions: {versions}"


def _count(n: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> _count(1, "row"), _count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{n} {noun}{'s' * (n != 1)}"
