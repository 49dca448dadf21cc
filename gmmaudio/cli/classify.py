"""``gmmaudio classify``: a model and files -> labels."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.models import Prediction
    from gmmaudio.pipeline import Classified

# reason codes of sound that can be read, and holds nothing to go by: the answer is "unknown"
UNHEARD = ("silent", "too_short")


@click.command(name="classify")
@click.argument("model", type=options.FILE)
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--format", "kind", type=click.Choice(("text", "jsonl", "csv")), default="text", show_default=True, help="Output."
)
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="Labels shown, best first. [default: 1; jsonl: all]"
)
@click.option("--from-file", "list_file", metavar="FILE|-", help="Read paths from a file, one a line; - is stdin.")
@click.option(
    "--prior", "priors", multiple=True, metavar="LABEL=P", help="Probability before anything is heard; the rest share."
)
@options.min_duration
@options.jobs
def command(
    model: Path,
    paths: tuple[str, ...],
    kind: str,
    top: int | None,
    list_file: str | None,
    priors: tuple[str, ...],
    min_duration_s: float,
    n_jobs: int,
) -> None:
    """Name the class of each PATH: a file, a folder, or - for sound on standard input."""
    from gmmaudio import pipeline
    from gmmaudio.cli import console, inputs
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.models import load_model

    loaded = load_model(model)
    failed: list[FailedInput] = []
    how: dict[str, Any] = {"min_duration_s": min_duration_s, "n_jobs": n_jobs}
    how["priors"] = _priors(priors, loaded.classifier.labels)
    with inputs.resolve(paths, list_file) as found:
        results = pipeline.classify(loaded, [item.path for item in found], **how)
        write = _writer(kind, top, len(loaded.classifier.labels))
        for item, result in zip(found, console.progress(results, len(found), "classifying"), strict=True):
            write(item.shown, result)
            if isinstance(result, FailedInput):
                failed.append(FailedInput(item.shown, result.code, result.message))
        console.say_failed(failed)
    if failed:
        unusable = [each for each in failed if each.code not in UNHEARD]
        click.get_current_context().exit(EXIT_NOTHING if len(unusable) == len(found) else EXIT_SOME_FAILED)


def _priors(given: tuple[str, ...], labels: tuple[str, ...]) -> dict[str, float] | None:
    """Return the prior of every label: those not named share what is left."""
    if not given:
        return None
    named: dict[str, float] = {}
    for each in given:
        label, _, number = each.rpartition("=")
        try:
            named[label] = float(number)
        except ValueError as error:
            raise click.BadParameter(f"{each!r} is not LABEL=P, such as jazz=0.5.", param_hint="--prior") from error
    left, others = 1.0 - sum(named.values()), [label for label in labels if label not in named]
    if not all(0 <= p <= 1 for p in named.values()) or left < -1e-9 or not set(named) <= set(labels):
        raise click.BadParameter(
            f"{', '.join(given)}: expected labels of the model ({', '.join(labels)}), 0 to 1 each, 1 at most together.",
            param_hint="--prior",
        )
    return named | {label: max(0.0, left) / len(others) for label in others}


def _writer(kind: str, top: int | None, n_labels: int) -> Callable[[str, Classified | FailedInput], None]:
    """Return what writes one result to stdout."""
    from gmmaudio.evaluation import FailedInput, printable
    from gmmaudio.evaluation.csv_tables import safe_cell

    def text(shown: str, result: Classified | FailedInput) -> None:
        if isinstance(result, FailedInput):
            cells = [f"unknown: {result.message}"] if result.code in UNHEARD else []
        else:
            said = result.prediction
            cells = [cell for label, score in said.top(top or 1) for cell in (label, _worth(said, label, score))]
            cells += [f"unknown: {said.unknown}"] if said.unknown else []
        if cells:
            click.echo("\t".join(printable(cell) for cell in (shown, *cells)))

    def jsonl(shown: str, result: Classified | FailedInput) -> None:
        click.echo(json.dumps(_record(shown, result, top or n_labels)))

    table = csv.writer(sys.stdout)
    n_shown = min(top or 1, n_labels)

    def rows(shown: str, result: Classified | FailedInput) -> None:
        record = _record(shown, result, n_shown)
        chances = record["probability"] or {}
        pairs = [
            cell for label, score in (record["scores"] or {}).items() for cell in (label, score, chances.get(label))
        ]
        fixed = [record.get(name) for name in ("path", "status", "duration_s", "code", "message")]
        table.writerow([safe_cell(cell) for cell in (*fixed, *pairs, *[None] * (len(heads) - len(pairs)))])

    heads = [f"{name}_{i + 1}" for i in range(n_shown) for name in ("label", "score", "probability")]
    if kind == "csv":
        table.writerow(["path", "status", "duration_s", "code", "message", *heads])
    return {"text": text, "jsonl": jsonl, "csv": rows}[kind]


def _worth(said: Prediction, label: str, score: float) -> str:
    """Return the probability of a label, or its score where there is none."""
    return f"{score:.4f}" if said.probability is None else f"{100 * said.probability[label]:.1f} %"


def _record(shown: str, result: Classified | FailedInput, top: int) -> dict[str, Any]:
    """Return one line of jsonl."""
    from gmmaudio.evaluation import FailedInput

    if isinstance(result, FailedInput):
        empty = {"label": None, "scores": None, "probability": None, "duration_s": None}
        status = "unknown" if result.code in UNHEARD else "error"
        return {"path": shown, "status": status, **empty, "code": result.code, "message": result.message}
    said = result.prediction
    return {
        "path": shown,
        "status": "ok" if said.unknown is None else "unknown",
        "label": said.label if said.unknown is None else None,
        "scores": dict(said.top(top)),
        "probability": said.probability,
        "duration_s": round(result.duration_s, 3),
        **({} if said.unknown is None else {"code": "no_label", "message": said.unknown}),
    }
