"""Blocks of documents on Dask clusters, and on what a million hours of sound take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]
HOURS, CLIP_S = 1_000_000, 30
# of a cloud, in any currency: an example
PRICE = 0.04


def part(rows: Rows, name: str) -> list[Mapping[str, Any]]:
    """Return the rows of one part of the record.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.cluster`.
    name : str
        The part.
    """
    return [row for row in rows if row["part"] == name]


def cluster_text(rows: Rows) -> str:
    """Return the hashes of models by the way they were trained.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.cluster`.
    """
    same = part(rows, "same")
    ways = list(dict.fromkeys(row["way"] for row in same))
    cells = []
    for kind in dict.fromkeys(row["kind"] for row in same):
        of_kind = {row["way"]: row for row in same if row["kind"] == kind}
        n_killed = sum(row["killed"] for row in of_kind.values())
        hashes = [f"`{of_kind[way]['sha256'][:8]}`" for way in ways]
        is_same = len({row["sha256"] for row in of_kind.values()}) == 1
        cells.append([kind, *hashes, str(n_killed), "yes" if is_same else "**no**"])
    return table(["kind", *ways, "workers killed", "same bytes"], cells)


def scale_text(rows: Rows) -> str:
    """Return what a million hours of sound take.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.cluster`.
    """
    heads = ["preset", "CPU s for an hour", "core hours", f"at {PRICE} for a core hour", "frames, TB", "rows, TB"]
    cells = []
    for row in part(rows, "hour"):
        core_hours = row["cpu_s"] / 3600 * HOURS
        sizes = [f"{row[name] * HOURS / 1e12:.1f}" for name in ("frame_bytes", "row_bytes")]
        cells.append([row["preset"], f"{row['cpu_s']:.1f}", f"{core_hours:,.0f}", f"{core_hours * PRICE:,.0f}", *sizes])
    (vector,) = part(rows, "vector")
    n_clips = HOURS * 3600 / CLIP_S
    return table(heads, cells) + (
        f"\n\nThe vector of a clip by the preset language takes {vector['bytes'] / 1e3:.1f} kB: "
        f"{vector['bytes'] * n_clips / 1e12:.1f} TB for {n_clips / 1e6:.0f} million clips of {CLIP_S} s."
    )


def iteration_text(rows: Rows) -> str:
    """Return what goes out and comes back in an iteration of EM, measured and for a million hours.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.cluster`.
    """
    (row,) = part(rows, "iteration")
    (classic,) = (each for each in part(rows, "hour") if each["preset"] == "classic")
    n_all = classic["row_bytes"] * HOURS / (4 * row["n_columns"])
    times = n_all / row["n_rows"]
    cells = [
        ["rows", f"{row['n_rows']:,}", f"{n_all:.2g}"],
        ["groups of 64 chunks, a task each", f"{row['groups']:,}", f"{row['groups'] * times:,.0f}"],
        ["parameters, to each worker, kB", f"{row['parameters'] / 1e3:.1f}", f"{row['parameters'] / 1e3:.1f}"],
        ["places of rows, to the workers, MB", f"{row['places'] / 1e6:.4f}", f"{row['places'] * times / 1e6:,.0f}"],
        ["sums, back, MB", f"{row['statistics'] / 1e6:.4f}", f"{row['statistics'] * times / 1e6:,.0f}"],
        [
            "rows themselves, read where the workers are, MB",
            *(f"{4 * row['n_columns'] * n / 1e6:,.0f}" for n in (row["n_rows"], n_all)),
        ],
    ]
    return table(["in one iteration", "measured", "a million hours"], cells)
