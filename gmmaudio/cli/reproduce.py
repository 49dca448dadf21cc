"""``gmmaudio reproduce``: the JSON of a report -> whether the same run gives the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.pipeline import Reproduction

N_SHOWN = 20


@click.command(name="reproduce")
@click.argument("report", type=options.FILE)
@click.option(
    "--corpus", type=options.FILE, metavar="PATH", help="Where the clips (or the table) are now. [default: as recorded]"
)
@click.option("--model", type=options.FILE, metavar="FILE", help="The model that was evaluated.")
@click.option("--json", "json_path", type=options.FILE, metavar="FILE", help="Write the new report as JSON.")
@options.jobs
def command(report: Path, corpus: Path | None, model: Path | None, json_path: Path | None, n_jobs: int) -> None:
    """Run the evaluation in REPORT (a JSON file) again, with its clips, folds, settings and seed.

    Exit code 0: the same numbers. 1: the audio or the numbers differ, each named. With other versions or on another
    machine numbers may differ by 1e-6, and that is said.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console
    from gmmaudio.files import check_writable, write_beside
    from gmmaudio.modelfile import load_model

    if json_path is not None:
        check_writable(json_path)
    recorded = _read(report)
    place = corpus.parent if corpus is not None and _is_manifest(corpus, recorded) else corpus
    loaded = None if model is None else load_model(model)
    found = pipeline.reproduce(recorded, root=place, model=loaded, n_jobs=n_jobs, progress=console.progress)
    if json_path is not None:
        with write_beside(json_path) as handle:
            handle.write(json.dumps(found.report.to_dict(), indent=1, allow_nan=False).encode())
    for line in _lines(found):
        click.echo(console.printable(line))
    click.get_current_context().exit(0 if found.identical else EXIT_SOME_FAILED)


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON in a file."""
    from gmmaudio.errors import CorpusError

    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as JSON ({error}); name a file made by --json") from error
    if not isinstance(found, dict):
        raise CorpusError(f"{path}: is not the JSON of a report; name a file made by --json")
    return found


def _is_manifest(corpus: Path, recorded: dict[str, Any]) -> bool:
    """Return whether ``corpus`` is a manifest, beside which the clips are."""
    return corpus.is_file() and (recorded.get("run") or {}).get("kind") != "predictions"


def _lines(found: Reproduction) -> list[str]:
    """Return what came of it, line by line."""
    lines = [f"other now: {what}" for what in found.elsewhere]
    lines += _first("audio", found.audio) + _first("number", found.numbers)
    if found.identical:
        within = ", within 1e-6 (other versions or machine)" if found.elsewhere else ", bit for bit"
        return [*lines, f"reproduced{within}: {found.report.headline}"]
    return [*lines, f"not reproduced: {len(found.audio)} files and {len(found.numbers)} numbers differ"]


def _first(kind: str, cases: tuple[str, ...]) -> list[str]:
    """Return the first differences of a kind, and how many more there are."""
    more = [f"{kind}: and {len(cases) - N_SHOWN} more"] if len(cases) > N_SHOWN else []
    return [f"{kind}: {case}" for case in cases[:N_SHOWN]] + more
