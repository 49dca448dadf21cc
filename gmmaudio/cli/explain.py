"""``gmmaudio explain``: a model and a file -> why the winner leads over the runner-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gmmaudio.cli import EXIT_NOTHING, EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.models import Explanation

# rows of a table of time
N_SPANS = 20
# characters of the longest bar
BAR = 20
# characters of a name, and of the longest that is still lined up with others
N_NAME, MAX_NAME = 44, 70


@click.command(name="explain")
@click.argument("model", type=options.FILE)
@click.argument("path", type=options.WRITTEN, metavar="FILE")
@click.option(
    "--format",
    "output_format",
    type=options.Choice(("text", "json", "html")),
    default="text",
    show_default=True,
    help="Output format; html is one page without scripts.",
)
@click.option("-o", "--output", type=options.FILE, metavar="FILE", help="File to write instead of standard output.")
@click.option(
    "--top", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Parts named in each table."
)
@click.option(
    "--window",
    "window_s",
    type=float,
    metavar="S",
    help="Length of windows that are scored by themselves, seconds. [default: of the trials, or clips, of training]",
)
@click.option("--hop", "hop_s", type=float, metavar="S", help="Step between windows, seconds. [default: half a window]")
@click.option(
    "--corpus",
    type=options.FILE,
    metavar="CORPUS",
    help="The corpus that MODEL was trained on: name its clips and groups nearest to FILE.",
)
@click.option(
    "--neighbours",
    "n_neighbours",
    type=int,
    default=3,
    show_default=True,
    metavar="N",
    help="Clips and groups named for each component.",
)
@options.min_duration
@options.jobs
@options.cache
@options.quiet
def command(
    model: Path,
    path: str,
    output_format: str,
    output: Path | None,
    top: int,
    window_s: float | None,
    hop_s: float | None,
    corpus: Path | None,
    n_neighbours: int,
    min_duration_s: float,
    n_jobs: int | None,
    cache: Path | None,
    cache_limit: int,
    is_quiet: bool,
) -> None:
    """Explain the label of FILE, an audio file or - for audio on standard input: what speaks for it and what against.

    The difference of the scores of the two best labels is divided exactly: by what was measured, over time, and by the
    components that answered.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console, inputs
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.evaluation import FailedInput
    from gmmaudio.models import load_model

    store = options.open_store(cache, cache_limit)
    outputs = OutputPaths({"-o": output})
    outputs.check(model, *filter(None, [corpus]))
    clips = None if corpus is None else pipeline.read_corpus(corpus)
    if clips is not None:
        outputs.keep_clips(clips)
    with inputs.resolve_one(path) as file, show_progress(is_quiet=is_quiet) as progress:
        outputs.keep([file.path])
        explanation = pipeline.explain(
            load_model(model),
            file.path,
            window_s=window_s,
            hop_s=hop_s,
            corpus=clips,
            n_neighbours=n_neighbours,
            min_duration_s=min_duration_s,
            n_jobs=n_jobs,
            progress=progress,
            cache=store,
        )
    prediction = replace(explanation.prediction, path=file.shown)
    explanation = replace(explanation, prediction=prediction)
    console.say_notes(file.shown, prediction.notes)
    if explanation.lead is None:
        console.say_failed([FailedInput(file.shown, prediction.code or "", prediction.message or "")])
    _write(explanation, output_format, output, top)
    if explanation.lead is None:
        click.get_current_context().exit(EXIT_NOTHING if prediction.status == "error" else EXIT_SOME_FAILED)


def _write(explanation: Explanation, output_format: str, output: Path | None, top: int) -> None:
    """Write an explanation to a file or to stdout; as text, one without a lead has nothing more to say than stderr."""
    text = {"text": _text, "json": _json, "html": _html}[output_format](explanation, top)
    if output is not None:
        from gmmaudio.cli.console import say
        from gmmaudio.outputs import write_together

        write_together([(output, text.encode("utf-8", "surrogateescape"))])
        say(f"wrote {output}")
    elif text:
        click.echo(text, nl=False)


def _json(explanation: Explanation, _top: int) -> str:
    """Return everything as JSON."""
    from gmmaudio.json_text import to_json

    return to_json(explanation.to_dict(), indent=1) + "\n"


def _html(explanation: Explanation, top: int) -> str:
    """Return the page."""
    from gmmaudio.pictures.explanation_page import render_explanation

    return render_explanation(explanation, n_named=top)


def _text(explanation: Explanation, top: int) -> str:
    """Return the tables as text, each of which sums to the lead; nothing where there is no lead."""
    from gmmaudio.names import printable

    lines = [] if explanation.lead is None else _lines(explanation, top)
    return "".join(f"{printable(line)}\n" for line in lines)


def _lines(explanation: Explanation, top: int) -> Iterator[str]:
    """Yield the lines of the text."""
    from gmmaudio.models.lead_tables import leads_over_time, strongest

    yield from _headline(explanation)
    yield from _table("what was measured", strongest(explanation.quantities, top))
    columns = {part.name: part.lead for part in explanation.parts}
    if explanation.n_aspects > 1:
        yield from _table("which aspect of it", strongest(explanation.aspects, top))
        yield from _table("single columns", strongest(columns, top))
    if len(explanation.heads) > 1:
        heads = {f"{head.kind}, weight {head.weight:.4g}": head.lead for head in explanation.heads}
        yield from _table("heads", list(heads.items()))
    if explanation.bigrams:
        pairs = {f"component {pair.first}, then {pair.second}": pair.lead for pair in explanation.bigrams}
        yield from _table("sequences of components", strongest(pairs, top))
    spans = leads_over_time(explanation.rows, N_SPANS)
    named = [(_seconds(span.start_s, span.end_s), span.lead) for span in spans]
    yield from _table("part of the file", named) if len(named) > 1 else ()
    yield from _windows(explanation)
    yield from _components(explanation, top)


def _headline(explanation: Explanation) -> Iterator[str]:
    """Yield the lines on the two labels, the lead, and the threshold of unknown."""
    prediction, winner, runner_up = explanation.prediction, explanation.winner, explanation.runner_up
    chance = prediction.probability
    labels = [
        f"{label} {100 * chance[label]:.1f} %" if chance else str(label) for label in (winner, runner_up) if label
    ]
    yield f"{prediction.path}: {labels[0]}, then {labels[1]}"
    if prediction.status == "unknown":
        yield f"unknown: {prediction.message}"
    odds = "" if explanation.log_odds is None else f"; log odds {explanation.log_odds:+.3f}"
    yield f"lead of {winner} over {runner_up}: {explanation.lead:+.4f} in score{odds}"
    distance = explanation.open_set
    if distance is None:
        yield "threshold of unknown: none was learned"
    elif distance.distance is None:
        yield f"threshold of unknown: {distance.reason}"
    else:
        side = "above" if distance.distance >= 0 else "below"
        yield (
            f"threshold of unknown: {distance.statistic} {distance.value:.4g} is {abs(distance.distance):.4g} {side} "
            f"{distance.threshold:.4g}"
        )


def _table(heading: str, parts: Iterable[tuple[str, float]]) -> Iterator[str]:
    """Yield the lines of a table of parts, with bars, and their sum."""
    rows = list(parts)
    largest = max((abs(lead) for _, lead in rows), default=0.0)
    width = min(max(N_NAME, *(len(name) for name, _ in rows)), MAX_NAME)
    yield ""
    yield f"{heading:<{width + 2}} {'lead':>10}"
    for name, lead in rows:
        length = round(BAR * abs(lead) / largest) if largest else 0
        yield f"  {name:<{width}} {lead:>+10.4f}  {('+' if lead > 0 else '-') * length}".rstrip()
    yield f"  {'total':<{width}} {sum(lead for _, lead in rows):>+10.4f}"


def _seconds(start_s: float, end_s: float) -> str:
    """Return a span of time in words."""
    return f"{start_s:.1f} s" if start_s == end_s else f"{start_s:.1f} to {end_s:.1f} s"


def _windows(explanation: Explanation) -> Iterator[str]:
    """Yield the lead in every window; one alone is the file, and says nothing new."""
    if len(explanation.windows) < 2:
        return
    yield ""
    heading = f"windows of {explanation.window_s:.1f} s, each by itself"
    yield f"{heading:<{N_NAME + 2}} {'lead':>10}  label"
    for window in explanation.windows:
        name = f"  {_seconds(window.start_s, window.end_s):<{N_NAME}}"
        yield f"{name} {'silence':>10}" if window.lead is None else f"{name} {window.lead:>+10.4f}  {window.label}"


def _components(explanation: Explanation, top: int) -> Iterator[str]:
    """Yield the components that answered, with the nearest training clips and groups."""
    yield ""
    if not explanation.components:
        yield "components that answered: none, linear functions have no components"
        return
    heading = "components that answered"
    yield f"{heading:<{N_NAME - 8}} {'of rows':>9} {'lead':>10}"
    owners = list(dict.fromkeys(part.owner for part in explanation.components))
    for owner in owners:
        own = [part for part in explanation.components if part.owner == owner]
        for part in own[:top]:
            name = f"{owner} {part.index}"
            yield f"  {name:<{N_NAME - 10}} {100 * part.share:>7.1f} % {part.lead:>+10.4f}"
            for kind, neighbours in (("clips", part.clips), ("groups", part.groups)):
                if neighbours:
                    named = ", ".join(f"{each.name} ({each.distance:.2f})" for each in neighbours)
                    yield f"    nearest {kind}: {named}"
        if len(own) > top:
            rest = own[top:]
            share, lead = sum(part.share for part in rest), sum(part.lead for part in rest)
            yield f"  {f'{owner}, {len(rest)} others':<{N_NAME - 10}} {100 * share:>7.1f} % {lead:>+10.4f}"
    if explanation.n_known is None:
        yield "nearest training clips: not looked for; name the corpus of the model (--corpus)"
    else:
        yield f"nearest of {explanation.n_known} training clips, in standard deviations of the component"
