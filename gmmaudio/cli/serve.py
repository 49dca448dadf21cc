"""``gmmaudio serve``: a model behind HTTP, with a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gmmaudio.cli import options

# bytes of a file with a token
TOKEN_BYTES = 4_096


@click.command(name="serve")
@click.argument("model", type=options.FILE)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="NAME", help="Name or address to listen at.")
@click.option("--port", type=int, default=8000, show_default=True, help="Port to listen at; 0: one that is free.")
@click.option(
    "--token-file",
    type=options.FILE,
    metavar="FILE",
    help="Answer only who names the token in this file. [default: the variable GMMAUDIO_TOKEN, or everybody]",
)
@click.option(
    "-j", "--jobs", "n_jobs", type=int, default=-1, show_default="one for each core", help="Number of worker processes."
)
@click.option(
    "--queue", "n_queued", type=int, default=16, show_default=True, metavar="N", help="Uploads that wait for a worker."
)
@click.option(
    "--max-bytes", callback=options.size, default="64MiB", show_default=True, metavar="SIZE", help="Largest upload."
)
@click.option(
    "--max-duration",
    "max_duration_s",
    type=float,
    default=3600.0,
    show_default=True,
    metavar="S",
    help="Longest sound of an upload, seconds; of explanations 600 at most.",
)
@click.option(
    "--time-limit",
    "time_limit_s",
    type=float,
    default=60.0,
    show_default=True,
    metavar="S",
    help="Time that a worker may take for an upload, seconds.",
)
@click.option(
    "--memory-limit",
    callback=options.size,
    default="1GiB",
    show_default=True,
    metavar="SIZE",
    help="Memory that a worker may take for an upload.",
)
def command(model: Path, token_file: Path | None, n_jobs: int, **given: Any) -> None:
    """Answer requests about sound by MODEL: a page for browsers at /, an interface for programs at /openapi.json.

    Every request is a line of JSON on standard error. Ctrl-C ends.
    """
    from gmmaudio.cli.console import say
    from gmmaudio.cli.output_paths import keep_inputs
    from gmmaudio.compute import count_jobs
    from gmmaudio.models import load_model
    from gmmaudio.service import ServiceSettings, require_service, run_service

    require_service()
    keep_inputs((), [model, *filter(None, [token_file])])
    settings = ServiceSettings(token=_token(token_file), n_jobs=count_jobs(n_jobs), **given)
    if not settings.is_loopback and settings.token is None:
        say(
            f"warning: whoever reaches {settings.host} is answered, without a token and without encryption; name a "
            "token by --token-file, and put a proxy with TLS before it"
        )
    loaded = load_model(model)
    run_service(loaded, settings, _log, lambda address: say(f"serving {model.name} at {address} (Ctrl-C ends)"))


def _token(file: Path | None) -> str | None:
    """Return the token of a file, or of the environment."""
    from gmmaudio.files import read_limited

    if file is None:
        return os.environ.get("GMMAUDIO_TOKEN")
    return read_limited(file, TOKEN_BYTES).decode("utf-8", "replace").strip()


def _log(line: Mapping[str, Any]) -> None:
    """Write a request to stderr."""
    from gmmaudio.json_text import to_json

    click.echo(to_json(line), err=True)
