"""``gmmaudio review``: classified clips -> a page for a listener, whose answers are a corpus."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options
from gmmaudio.errors import CorpusError, SettingError

PAGE = "review.html"


def _bounds(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[float, float] | None:
    """Return the two numbers of an option."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not LOW,HIGH, such as .4,.7.") from error
    return low, high


@click.command(name="review")
@click.argument("results", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.FILE, metavar="DIR", help="Folder of the page.")
@click.option(
    "--between",
    callback=_bounds,
    metavar="LOW,HIGH",
    help="Take clips whose probability lies between these. [default: .4,.7; all where there are no probabilities]",
)
@click.option(
    "--per-label",
    type=int,
    default=10,
    show_default=True,
    metavar="N",
    help="Largest number of clips of each predicted label, and of unknown ones.",
)
@click.option(
    "--seconds",
    "excerpt_s",
    type=float,
    default=10.0,
    show_default=True,
    metavar="S",
    help="Length of the excerpts: the loudest part of each clip.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the choice and the order of the clips.")
@click.option("--overwrite", is_flag=True, help="Replace the review that is in DIR.")
@options.jobs
@options.quiet
def command(
    results: Path,
    output: Path,
    between: tuple[float, float] | None,
    per_label: int,
    excerpt_s: float,
    seed: int,
    overwrite: bool,
    n_jobs: int | None,
    is_quiet: bool,
) -> None:
    """Write a page on which a listener says of some clips of RESULTS whether the model is right.

    RESULTS is what classify writes, in any format but text. The page, DIR/review.html, plays excerpts and works
    without a network; it saves a CSV that train takes. The clips are those whose probability says little.
    """
    from gmmaudio.cli import console
    from gmmaudio.cli.output_paths import OutputFolder, OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.outputs import new_folder, write_together
    from gmmaudio.pictures.review_page import render_review
    from gmmaudio.pipeline.classified_rows import read_classified
    from gmmaudio.pipeline.review_choice import ReviewSettings
    from gmmaudio.pipeline.review_run import EXCERPT_FOLDER, plan_review, write_excerpts

    settings = ReviewSettings(between=between, per_label=per_label, excerpt_s=excerpt_s, seed=seed)
    outputs = OutputPaths(folders=[OutputFolder("-o", output, [PAGE])])
    outputs.check(results)
    excerpts = output / EXCERPT_FOLDER
    if (os.path.lexists(output / PAGE) or os.path.lexists(excerpts)) and not overwrite:
        raise SettingError(f"{output}: holds a review already; replace it (`overwrite`), or name another folder")
    plan = plan_review(read_classified(results), settings, results.parent)
    # a folder of excerpts is no place for clips: those of another review are removed from it
    OutputPaths(folders=[OutputFolder("-o", excerpts, ["1.mp3", "1.wav"])]).keep(clip.path for clip in plan.clips)
    with new_folder(excerpts), show_progress(is_quiet=is_quiet) as progress:
        review = write_excerpts(plan, excerpts, excerpt_s, n_jobs=n_jobs, progress=progress)
        console.say_failed(review.failed)
        if not review.clips:
            moved = all(item.code == "vanished" for item in review.failed)
            remedy = "; none of the files is there: run the command in the folder where classify ran" if moved else ""
            raise CorpusError(f"{results}: no excerpt could be written of its clips{remedy}")
        page = render_review(review, results.name)
        write_together([(output / PAGE, page.encode("utf-8"))])
    _remove_others(excerpts, {clip.excerpt for clip in review.clips})
    console.say(f"wrote {output / PAGE}: {len(review.clips)} clips; open it in a browser")
    click.get_current_context().exit(EXIT_SOME_FAILED if review.failed else 0)


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove the excerpts of an earlier review, which its page named and the new one does not."""
    from gmmaudio.pipeline.review_run import is_excerpt_name

    for path in folder.iterdir():
        if path.name not in names and is_excerpt_name(path.name):
            path.unlink()
