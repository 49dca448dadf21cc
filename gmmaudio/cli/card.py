"""``gmmaudio card``: a model and reports on it -> a model card."""

from __future__ import annotations

from pathlib import Path

import click

from gmmaudio.cli import options


@click.command(name="card")
@click.argument("model", type=options.FILE)
@click.option(
    "--report",
    "reports",
    type=options.FILE,
    multiple=True,
    metavar="REPORT.json",
    help="Quote this report of the model, as --json of evaluate or crossval writes it. May be repeated.",
)
@click.option(
    "-o", "--output", type=options.FILE, metavar="FILE", help="Write to this file. [default: standard output]"
)
@click.option("--name", callback=options.name_text, help="Name of the model. [default: that of its file]")
@click.option("--license", "license_id", metavar="ID", help="Licence of the model, such as mit or cc-by-4.0.")
@click.option(
    "--dataset", "datasets", multiple=True, metavar="NAME", help="Data set that it was trained on. May be repeated."
)
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="Word under which it is found. May be repeated.")
@click.option("--use", metavar="TEXT", help="What the model is meant for, in words.")
@click.option("--overwrite", is_flag=True, help="Replace an output that is there.")
def command(
    model: Path,
    reports: tuple[Path, ...],
    output: Path | None,
    name: str | None,
    license_id: str | None,
    datasets: tuple[str, ...],
    tags: tuple[str, ...],
    use: str | None,
    overwrite: bool,
) -> None:
    """Write the model card of MODEL: Markdown with the front matter of Hugging Face.

    What neither the model, nor a report, nor an option says is said to be missing.
    """
    from gmmaudio.cli.console import say
    from gmmaudio.cli.output_paths import OutputPaths, keep_inputs
    from gmmaudio.errors import SettingError
    from gmmaudio.evaluation.report_file import read_report
    from gmmaudio.models import load_model
    from gmmaudio.outputs import write_together
    from gmmaudio.pipeline.card_reports import match_report
    from gmmaudio.pipeline.model_card import CardFacts, make_card

    if output is None:
        keep_inputs((), [model, *reports])
    else:
        OutputPaths({"-o": output}).check(model, *reports)
        if output.exists() and not overwrite:
            raise SettingError(f"{output}: is there already; replace it (`overwrite`), or name another")
    trained = load_model(model)
    facts = CardFacts(
        name=name or model.stem, file_name=model.name, license=license_id, datasets=datasets, tags=tags, use=use
    )
    card = make_card(trained, facts, [match_report(trained, read_report(path), path.name) for path in reports])
    if output is None:
        click.echo(card, nl=False)
        return
    write_together([(output, card.encode("utf-8", "backslashreplace"))])
    say(f"wrote {output}; read it before you share it: lines with 'Not known' are yours to fill")
