"""``gmmaudio mixture describe``: a mixture -> its parameters and the record of its training."""

from __future__ import annotations

from pathlib import Path

import click

from gmmaudio.cli import options


@click.command(name="describe")
@click.argument("mixture", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, the covariances included.")
def command(mixture: Path, as_json: bool) -> None:
    """Describe MIXTURE: weights, means and standard deviations of its components, and how it was fitted."""
    from gmmaudio.cli import mixture_text
    from gmmaudio.cli.output_paths import keep_inputs
    from gmmaudio.json_text import to_json
    from gmmaudio.mixture import load_mixture

    keep_inputs((), [mixture])
    saved = load_mixture(mixture)
    if as_json:
        click.echo(to_json(mixture_text.everything(saved), indent=1))
        return
    mixture_text.show_mixture(saved)
