"""Tables of the code itself, which no file of results holds."""

from __future__ import annotations

from results.markdown import table


def metrics_table() -> str:
    """Return the table of metrics."""
    # numpy is imported where it is used: the benchmarks measure the memory of processes that start from this one
    from gmmaudio.evaluation.metrics import metrics_markdown

    return metrics_markdown()


def slices_table() -> str:
    """Return the table of slices."""
    from gmmaudio.evaluation.slices import slices_markdown

    return slices_markdown()


def segment_metrics_table() -> str:
    """Return the table of metrics of segments."""
    from gmmaudio.evaluation.segmentation import segment_metrics_markdown

    return segment_metrics_markdown()


def findings_table() -> str:
    """Return the table of findings."""
    from results.finding_calls import findings_markdown

    return findings_markdown()


def size_limits_table() -> str:
    """Return the table of the largest sizes of files that are read."""
    from gmmaudio import files

    rows = [
        ("model", files.MODEL_BYTES, "no"),
        ("manifest, table of predictions", files.TABLE_BYTES, "yes"),
        ("statistics of clips", files.STATISTICS_BYTES, "no"),
        ("report (JSON)", files.REPORT_BYTES, "yes"),
        ("list of paths (`--from-file`)", files.LIST_BYTES, "yes, and `-`"),
        ("audio on standard input (`-`)", files.STDIN_AUDIO_BYTES, "yes"),
    ]
    return table(
        ["file", "at most", "from an open pipe (`/dev/stdin`, `<(...)`)"],
        [[name, files.in_units(limit), pipe] for name, limit, pipe in rows],
    )
