"""The block of the document on the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.markdown import table

Rows = Sequence[Mapping[str, Any]]


def service_load_text(rows: Rows) -> str:
    """Return the CPU of a request, and what a load came to.

    Parameters
    ----------
    rows : sequence of mapping
        Of `benchmarks.service_load`: one on single requests, one on the load.
    """
    cpu, load = rows
    statuses = ", ".join(f"{status}: {n:,}" for status, n in load["statuses"].items())
    cells = [
        ["CPU of a worker for one clip of 10 s", f"{cpu['worker_cpu_ms']:.0f} ms"],
        ["CPU of the main process beside it", f"{cpu['main_cpu_ms']:.1f} ms"],
        ["answer to one client alone, median and 99 %", f"{cpu['p50_ms']:.0f} ms, {cpu['p99_ms']:.0f} ms"],
        [f"answers to {load['n_clients']} clients in {load['seconds']:g} s, by status", statuses],
        ["connections that broke", str(load["broken"])],
        [
            f"answer with status 200 to {load['n_clients']} clients, median and 99 %",
            f"{load['p50_ms']:.0f} ms, {load['p99_ms']:.0f} ms",
        ],
        [f"times that one of {load['n_half']} half-open connections was closed", f"{load['n_closed']:,}"],
        [
            "most memory in the first and in the last third of the load",
            f"{load['first_third_mib']:.0f} MiB, {load['last_third_mib']:.0f} MiB",
        ],
    ]
    return table(["measured", "value"], cells)
