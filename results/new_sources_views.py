"""What documents show of probabilities for new sources: pure functions of the rows of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table


def new_sources_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables of simulated corpora and of splits of recorded ones.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.new_sources`.
    """
    simulated = [row for row in rows if row["suite"] == "simulated"]
    recorded = [row for row in rows if row["suite"] != "simulated"]
    heads = ["each label has", "corpora", "log2 n", "Cllr", "above log2 n", "worst source above", "most above, bits"]
    heads += ["above 90 %: right", "calibrated: Cllr", "above log2 n", "most above, bits", "above 90 %: right"]
    text = table(heads, [_simulated(row) for row in simulated])
    if not recorded:
        return text
    heads = ["training set", "n", "accuracy", "share of the priors", "log2 n", "Cllr", "calibrated: Cllr"]
    heads += ["above 90 %: right", "calibrated: above 90 %: right"]
    return f"{text}\n{table(heads, [_recorded(row) for row in recorded])}"


def _simulated(row: Mapping[str, Any]) -> list[str]:
    """Return the cells of the corpora of one design."""
    return [
        row["system"],
        f"{row['n_corpora']}",
        f"{row['limit']:.2f}",
        f"{row['cllr']:.2f}",
        f"{row['n_above']}",
        f"{row['n_worst_above']}",
        f"{max(row['most_above'], row['most_worst_above']):.3f}",
        _sure(row, ""),
        f"{row['cllr_calibrated']:.2f}",
        f"{row['n_above_calibrated']}",
        f"{row['most_above_calibrated']:.1f}",
        _sure(row, "_calibrated"),
    ]


def _sure(row: Mapping[str, Any], name: str) -> str:
    """Return the number of answers above 90 %, and the share of them that is right."""
    n = row[f"n_sure{name}"]
    return f"{100 * row[f'n_sure_right{name}'] / n:.0f} % of {n:,}" if n else "none"


def _recorded(row: Mapping[str, Any]) -> list[str]:
    """Return the cells of a split."""
    return [
        row["system"],
        f"{row['n']}",
        f"{100 * row['accuracy']:.1f} %",
        f"{100 * row['prior_share']:.0f} %",
        f"{row['limit']:.3f}",
        f"{row['cllr']:.3f}",
        f"{row['cllr_calibrated']:.3f}",
        _sure(row, ""),
        _sure(row, "_calibrated"),
    ]
