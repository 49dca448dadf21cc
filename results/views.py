"""What documents show of the files of results: pure functions of a record, each the text of a block."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from results.cluster_views import cluster_text, iteration_text, scale_text
from results.code_tables import (
    findings_table,
    metrics_table,
    segment_metrics_table,
    size_limits_table,
    slices_table,
)
from results.familiarity_views import familiarity_text, source_rejection_text, unknown_text
from results.file_views import check_speed_text, many_files_text
from results.fuzz_views import audio_text, models_text, writes_text
from results.growth_views import growth_text, large_text
from results.kill_views import kills_text
from results.markdown import number, percent, points, table
from results.memory_views import train_memory_text
from results.merged_views import merged_text
from results.new_sources_views import new_sources_text
from results.own_rows_views import own_rows_text
from results.record import FOLDER, Record, read_record
from results.seed_views import seeds_text
from results.service_views import service_load_text
from results.tagging_views import tagged_text
from results.timeline_views import hours_text, mixed_text, timeline_text
from results.vectors_views import vectors_text

View = Callable[[Record], str]

MIXTURE_REFERENCE = "gmmaudio float32"
OURS = "gmmaudio"


def made(record: Record) -> str:
    """Return the date, command, versions, machine and protocol of a record.

    Parameters
    ----------
    record : Record
        Any record.
    """
    packages = ", ".join(f"{'Python' if name == 'python' else name} {text}" for name, text in record.versions.items())
    machine = ", ".join(
        str(record.machine[name]) for name in ("processor", "architecture", "system") if name in record.machine
    )
    return (
        f"Measured on {record.date} by `{record.command}`: {packages}; {record.machine['cores']} cores, {machine}.\n"
        f"{record.protocol}\n"
    )


def _with_source(text: str, record: Record) -> str:
    """Return a table with what it was made by below it."""
    return f"{text}\n{made(record)}"


def real_audio_genre(record: Record) -> str:
    """Return the rows of ``real_audio`` on the genre of music.

    Parameters
    ----------
    record : Record
        Of `recipes.real_audio`.
    """
    return _real_audio_task(record, "genre")


def real_audio_language(record: Record) -> str:
    """Return the rows of ``real_audio`` on the language of speech.

    Parameters
    ----------
    record : Record
        Of `recipes.real_audio`.
    """
    return _real_audio_task(record, "language")


def _real_audio_task(record: Record, task: str) -> str:
    """Return the rows on the corpora of a task."""
    heads = ["corpus", "options of `gmmaudio crossval`", "labels", "clips, groups"]
    rows = [
        [
            row["corpus"],
            f"`{row['options']}`" + (f", {row['part']}" if "part" in row else ""),
            _n_labels(row),
            f"{row['n']}, {row['n_groups']}",
            percent(row["accuracy"]),
            percent(row["balanced_accuracy"]),
            "" if row["log_loss"] is None else f"{row['log_loss']:.2f}",
            row["chosen_on"],
        ]
        for row in record.rows
        if row["corpus"].startswith(task)
    ]
    heads += ["accuracy", "balanced accuracy", "log-loss, nats", "settings chosen on"]
    return _with_source(table(heads, rows), record)


def _n_labels(row: Mapping[str, Any]) -> str:
    """Return the number of labels that clips were classified as, a range where models know different ones."""
    least, most = row.get("fewest_labels", row["n_labels"]), row["n_labels"]
    return str(most) if least == most else f"{least} to {most}"


def real_audio_presets(record: Record) -> str:
    """Return the rows of the presets as they are, by task.

    Parameters
    ----------
    record : Record
        Of `recipes.real_audio`.
    """
    rows = [
        [
            row["task"],
            f"{_n_labels(row)} ({100 * row.get('chance', 1 / row['n_labels']):.0f} %)",
            f"{row['n']}, {row['n_groups']}",
            percent(row["accuracy"]),
        ]
        for row in record.rows
        if row["model"] in ("--preset genre", "--preset language")
    ]
    heads = ["task", "labels (chance)", "clips, groups", "accuracy (95 % interval)"]
    return _with_source(table(heads, rows), record)


def random_split_gap(record: Record) -> str:
    """Return the accuracy of a random split of the same clips beside that of the split by groups.

    Parameters
    ----------
    record : Record
        Of `recipes.real_audio`.
    """
    rows = []
    for row in record.rows:
        for split_at_random in row["random_split"][1:]:
            accuracies = [percent(row["accuracy"]), percent(split_at_random["accuracy"])]
            rows.append([row["corpus"], f"`{row['options']}`", *accuracies, points(split_at_random["difference"])])
    heads = ["corpus", "options", "split by group", "split at random", "random-split gap, percentage points"]
    return table(heads, rows)


def robustness(record: Record) -> str:
    """Return accuracy on degraded clips beside that on the clips as they are.

    Parameters
    ----------
    record : Record
        Of `recipes.real_audio`.
    """
    systems = [row for row in record.rows if row["robustness"]]
    heads = ["condition", *(f"`{row['model']}`, clean {percent(row['accuracy'])}" for row in systems)]
    changes = [{each["name"]: points(each["difference"]) for each in row["robustness"]} for row in systems]
    names = [each["name"] for each in systems[0]["robustness"] if each["difference"]["value"] is not None]
    return table(heads, ([name, *(change.get(name, "") for change in changes)] for name in names))


def demo_table(record: Record) -> str:
    """Return the accuracy of every step of the demo that has one.

    Parameters
    ----------
    record : Record
        Of `recipes.demo`.
    """
    rows = [
        [row["step"], str(row["n"]), str(row["n_groups"]), percent(row["accuracy"])]
        for row in record.rows
        if "accuracy" in row
    ]
    return _with_source(table(["synthetic audio", "clips", "groups", "accuracy (95 % interval)"], rows), record)


def demo_times(record: Record) -> str:
    """Return the seconds to the demo's first label, to its first report and to its end.

    Parameters
    ----------
    record : Record
        Of `recipes.demo`.
    """
    label, report, last = (record.rows[i]["elapsed_s"] for i in (0, 1, -1))
    return (
        f"The first label after {label:.0f} s, the first report after {report:.0f} s, all of it after {last:.0f} s "
        f"({record.machine['cores']} cores, {record.date}).\n"
    )


def speed_tables(record: Record) -> str:
    """Return what commands and front ends cost: milliseconds for a minute, commands, and whole corpora.

    Parameters
    ----------
    record : Record
        Of `benchmarks.speed`.
    """
    return _with_source("\n".join([_minute_table(record.rows), _cost_tables(record.rows)]), record)


def speed_corpora(record: Record) -> str:
    """Return what training and classifying a corpus costs, beside the script.

    Parameters
    ----------
    record : Record
        Of `benchmarks.speed`.
    """
    return _with_source(_cost_tables([row for row in record.rows if row["part"] == "corpus"]), record)


def _minute_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return CPU milliseconds for a minute of audio, ours in every version, and the ratio to our classic front end."""
    minute = [row for row in rows if row["part"] == "minute"]
    now = {row["name"]: row["ms"] for row in minute if row["system"] == OURS}
    before = {row["name"]: row["ms"] for row in minute if row["system"] != OURS}
    cells = [
        [
            name,
            f"{ms:.0f}",
            f"{ms / now['gmmaudio, classic']:.2f}",
            f"{before[name]:.0f}" if name in before else "",
            f"{before[name] / ms:.1f}" if name in before else "",
        ]
        for name, ms in now.items()
    ]
    return table(["a minute of audio", "CPU ms", "over classic", "CPU ms before", "before over now"], cells)


def _cost_tables(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return CPU seconds, wall clock and memory of commands, with the ratio to gmmaudio's CPU seconds."""
    costs = [row for row in rows if row["part"] != "minute"]
    now = {row["name"]: row["cpu_s"] for row in costs if row["system"] == OURS}
    cells = [
        [
            row["name"],
            row["system"],
            f"{row['cpu_s']:.2f}",
            f"{row['cpu_s'] / now[row['name']]:.2f}",
            f"{row['wall_s']:.2f}",
            f"{row['peak_mib']:.0f}",
        ]
        for row in sorted(costs, key=lambda row: list(now).index(row["name"]))
    ]
    return table(["", "system", "CPU s", "over gmmaudio", "wall clock, s", "peak memory, MiB"], cells)


def before_after_table(record: Record) -> str:
    """Return the accuracy of an earlier version and of this one on the same clips and folds, and their difference.

    Parameters
    ----------
    record : Record
        Of `benchmarks.before_after`.
    """
    rows = [
        [
            row["corpus"],
            f"`{row['options']}`",
            f"{row['n']}, {row['n_groups']}",
            percent({"value": row["accuracy_before"]}),
            percent({"value": row["accuracy_now"]}),
            points(row["difference"]),
            str(row["n_changed"]),
            f"{row['cpu_before_s']:.0f}",
            f"{row['cpu_now_s']:.0f}",
        ]
        for row in record.rows
    ]
    heads = ["corpus", "options of `gmmaudio crossval`", "clips, groups", "accuracy before", "now"]
    heads += ["difference, percentage points", "predictions that changed", "CPU s before", "now"]
    return _with_source(table(heads, rows), record)


def genre_folds_table(record: Record) -> str:
    """Return counts of correctly classified clips, from several starts of EM each, with their mean.

    Parameters
    ----------
    record : Record
        Of `benchmarks.genre_folds`.
    """
    rows = [[row["model"], _counts(row["scikit_learn"]), _counts(row["gmmaudio"])] for row in record.rows]
    heads = ["mixture for each label", "scikit-learn: each start, mean", "gmmaudio: each start, mean"]
    return _with_source(table(heads, rows), record)


def _counts(counts: Sequence[int]) -> str:
    """Return counts and their mean."""
    return f"{', '.join(map(str, counts))}: {sum(counts) / len(counts):.1f}"


def recognition_tables(record: Record) -> str:
    """Return accuracy, log-loss and time of the genre preset and its peers, a table for each division.

    Parameters
    ----------
    record : Record
        Of `benchmarks.recognition`.
    """
    divisions = list(dict.fromkeys(row["division"] for row in record.rows))
    parts = [_division_table([row for row in record.rows if row["division"] == division]) for division in divisions]
    return _with_source("\n".join(parts), record)


def _division_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of one division; the first row is gmmaudio's."""
    ours = rows[0]
    heads = [
        f"{ours['division']}, n={ours['n']}",
        "accuracy",
        "log-loss, nats",
        "gmmaudio minus this, percentage points",
        "extraction, s",
        "training, s",
        "time of gmmaudio over this: extraction",
        "training",
    ]
    cells = [
        [
            row["system"],
            percent(row["accuracy"]),
            number(row["log_loss"]["value"], row["log_loss"]["interval"], form=".2f"),
            "" if row["lead"] is None else points(row["lead"]),
            f"{row['extraction_s']:.1f}",
            f"{row['training_s']:.1f}",
            f"{ours['extraction_s'] / row['extraction_s']:.2f}",
            f"{ours['training_s'] / row['training_s']:.2f}",
        ]
        for row in rows
    ]
    return table(heads, cells)


def language_table(record: Record) -> str:
    """Return balanced accuracy of three systems on every division, and the Cllr of the one that is calibrated.

    Parameters
    ----------
    record : Record
        Of `benchmarks.language`.
    """
    divisions = {row["division"]: row["n"] for row in record.rows}
    systems = list(dict.fromkeys(row["system"] for row in record.rows))
    by_key = {(row["system"], row["division"]): row for row in record.rows}
    rows = [
        [system_rows[0]["system"], *(percent(row["balanced_accuracy"]) for row in system_rows), *_costs(system_rows)]
        for system_rows in ([by_key[system, division] for division in divisions] for system in systems)
    ]
    heads = ["balanced accuracy", *(f"{division}, n={n}" for division, n in divisions.items())]
    more = [
        "Cllr by speaker, bits; over log2 of labels",
        "in noise: accuracy minus SDC, percentage points",
        "training, s",
    ]
    return _with_source(table([*heads, *more], rows), record)


def _costs(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return Cllr in the first division, the lead over another system, and the seconds of training."""
    first = rows[0]
    cllr = number(first["cllr"]["value"], first["cllr"]["interval"], form=".2f")
    share = f"; {first['cllr']['value'] / math.log2(first['n_labels']):.2f}"
    leads = [points(row["lead"]) for row in rows if "lead" in row]
    return [cllr + share if first["calibrated"] else "", "".join(leads), f"{first['training_s']:.1f}"]


def mixture_ratios(record: Record) -> str:
    """Return CPU seconds of gmmaudio on float32 rows, and how many times as long its peers take.

    Parameters
    ----------
    record : Record
        Of `benchmarks.mixture`.
    """
    tables: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in record.rows:
        if row["part"] != "threads":
            tables.setdefault(row["title"], {})[row["contender"]] = row
    peers = list(dict.fromkeys(name for rows in tables.values() for name in rows if name != MIXTURE_REFERENCE))
    cells = []
    for title, rows in tables.items():
        ours = rows.get(MIXTURE_REFERENCE, {}).get("cpu_s")
        if ours is None:
            continue
        ratios = [f"{rows[peer]['cpu_s'] / ours:.1f}" if "cpu_s" in rows.get(peer, {}) else "" for peer in peers]
        cells.append([title, f"{ours:.3f}", *ratios])
    return _with_source(
        table(["", f"{MIXTURE_REFERENCE}, CPU s", *(f"{peer}, ratio" for peer in peers)], cells), record
    )


def mixture_memory(record: Record) -> str:
    """Return the peak memory that each contender needs beside the rows.

    Parameters
    ----------
    record : Record
        Of `benchmarks.mixture`.
    """
    rows = [
        [row["title"], row["contender"], f"{row['peak_mib']:.0f}"]
        for row in record.rows
        if row["part"] in ("em", "score") and "peak_mib" in row
    ]
    return table(["", "", "peak memory beside the rows, MiB"], rows)


def growth_table(record: Record) -> str:
    """Return the cost of every stage at its smallest and largest size, and the exponents of its growth.

    Parameters
    ----------
    record : Record
        Of `benchmarks.growth`.
    """
    return _with_source(growth_text(record.rows), record)


def large_table(record: Record) -> str:
    """Return CPU seconds and memory of every stage at very many clips and labels.

    Parameters
    ----------
    record : Record
        Of `benchmarks.large`.
    """
    return _with_source(large_text(record.rows), record)


def timeline_tables(record: Record) -> str:
    """Return who finds the turns of spliced recordings, and how well.

    Parameters
    ----------
    record : Record
        Of `benchmarks.timeline`.
    """
    return _with_source(timeline_text(record.rows), record)


def mixed_table(record: Record) -> str:
    """Return how often classify calls recordings of one label, and of several, mixed.

    Parameters
    ----------
    record : Record
        Of `benchmarks.mixed`.
    """
    return _with_source(mixed_text(record.rows), record)


def hours_table(record: Record) -> str:
    """Return memory and time of the timeline of hours of sound.

    Parameters
    ----------
    record : Record
        Of `benchmarks.hours`.
    """
    return _with_source(hours_text(record.rows), record)


def fuzz_audio_table(record: Record) -> str:
    """Return what mutated audio files came to.

    Parameters
    ----------
    record : Record
        Of `benchmarks.fuzz_audio`.
    """
    return _with_source(audio_text(record.rows), record)


def fuzz_models_table(record: Record) -> str:
    """Return what mutated model files came to."""
    return _with_source(models_text(record.rows), record)


def failing_writes_table(record: Record) -> str:
    """Return what came of operations on outputs that failed."""
    return _with_source(writes_text(record.rows), record)


VIEWS: Mapping[str, View] = {
    "real_audio/genre": real_audio_genre,
    "real_audio/language": real_audio_language,
    "real_audio/presets": real_audio_presets,
    "real_audio/random_split": random_split_gap,
    "real_audio/robustness": robustness,
    "demo": demo_table,
    "demo/times": demo_times,
    "speed": speed_tables,
    "speed/corpora": speed_corpora,
    "before_after": before_after_table,
    "genre_folds": genre_folds_table,
    "language": language_table,
    "language_seeds": lambda record: _with_source(seeds_text(record.rows), record),
    "recognition": recognition_tables,
    "mixture": mixture_ratios,
    "mixture/memory": mixture_memory,
    "familiarity": lambda record: _with_source(familiarity_text(record.rows), record),
    "familiarity/unknown": lambda record: _with_source(unknown_text(record.rows), record),
    "familiarity/sources": lambda record: _with_source(source_rejection_text(record.rows), record),
    "growth": growth_table,
    "large": large_table,
    "timeline": timeline_tables,
    "mixed": mixed_table,
    "hours": hours_table,
    "own_rows": lambda record: _with_source(own_rows_text(record.rows), record),
    "vectors": lambda record: _with_source(vectors_text(record.rows), record),
    "merged": lambda record: _with_source(merged_text(record.rows), record),
    "new_sources": lambda record: _with_source(new_sources_text(record.rows), record),
    "check_speed": lambda record: _with_source(check_speed_text(record.rows), record),
    "many_files": lambda record: _with_source(many_files_text(record.rows), record),
    "cluster": lambda record: _with_source(cluster_text(record.rows), record),
    "cluster/scale": lambda record: _with_source(scale_text(record.rows), record),
    "cluster/iteration": lambda record: _with_source(iteration_text(record.rows), record),
    "failing_writes": failing_writes_table,
    "train_memory": lambda record: _with_source(train_memory_text(record.rows), record),
    "fuzz_audio": fuzz_audio_table,
    "fuzz_models": fuzz_models_table,
    "kills": lambda record: _with_source(kills_text(record.rows), record),
    "service_load": lambda record: _with_source(service_load_text(record.rows), record),
    "tagged_folder": lambda record: _with_source(tagged_text(record.rows), record),
}


# tables of the code itself, which no file of results holds
CODE_VIEWS: Mapping[str, Callable[[], str]] = {
    "metrics": metrics_table,
    "slices": slices_table,
    "segment_metrics": segment_metrics_table,
    "findings": findings_table,
    "size_limits": size_limits_table,
}


def file_of(name: str) -> str:
    """Return the name of the file of results that a block is made from.

    Parameters
    ----------
    name : str
        Name of the block.

    Examples
    --------
    >>> file_of("real_audio/presets")
    'real_audio'
    """
    return name.partition("/")[0]


def render(name: str, folder: Path = FOLDER) -> str:
    """Return the text of a block.

    Parameters
    ----------
    name : str
        Name of the block, a key of ``VIEWS`` or ``CODE_VIEWS``.
    folder : Path
        The files of results.

    Raises
    ------
    ValueError
        If there is no such block, or its file is missing or damaged.
    """
    if name in CODE_VIEWS:
        return CODE_VIEWS[name]()
    if name not in VIEWS:
        raise ValueError(f"expected one of {', '.join((*VIEWS, *CODE_VIEWS))}, got {name!r}")
    return VIEWS[name](read_record(folder / f"{file_of(name)}.json"))
