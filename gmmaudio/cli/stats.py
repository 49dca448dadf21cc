"""``gmmaudio stats``: labelled clips and a model with a UBM -> a file of statistics."""

from __future__ import annotations

from pathlib import Path

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options


@click.command(name="stats")
@click.argument("corpus", type=options.FILE)
@click.option(
    "--model",
    required=True,
    type=options.FILE,
    metavar="MODEL",
    help="Model of supervectors, such as one trained on a sample, whose UBM, front end and settings are used.",
)
@click.option("-o", "--output", required=True, type=options.FILE, metavar="S", help="File of statistics to write.")
@options.split
@options.group_by
@options.shard
@options.jobs
@options.limits
@options.cache
@options.quiet
def command(
    corpus: Path,
    model: Path,
    output: Path,
    split: str | None,
    group_by: str | None,
    shard: tuple[int, int] | None,
    n_jobs: int | None,
    time_limit_s: float | None,
    memory_limit: int | None,
    cache: Path | None,
    cache_limit: int,
    is_quiet: bool,
) -> None:
    """Take the statistics of CORPUS: a folder with one sub-folder for each class, or a CSV manifest.

    They are all that merge needs of the clips to train a model, so that shards of a corpus are read on several
    machines, and new audio or a new class is added without the old audio. The file is the same bytes for any number
    of worker processes.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.models import load_model, save_statistics
    from gmmaudio.trials import check_made_trials, clips_of

    store = options.open_store(cache, cache_limit)
    outputs = OutputPaths({"-o": output})
    outputs.check(corpus, model)
    background = load_model(model)
    labelled_clips = pipeline.read_corpus(corpus)
    outputs.keep_clips(labelled_clips)
    console.say_skipped(labelled_clips.n_skipped)
    with show_progress(is_quiet=is_quiet) as progress:
        statistics = pipeline.stats(
            labelled_clips,
            background,
            split=split,
            group_by=group_by,
            shard=shard,
            n_jobs=n_jobs,
            progress=progress,
            time_limit_s=time_limit_s,
            memory_limit=memory_limit,
            cache=store,
        )
    save_statistics(statistics, output)
    trial_set, clips = statistics.trial_set, clips_of(statistics.trials)
    console.say_failed(trial_set.failed)
    console.say_findings(statistics.findings + check_made_trials(clips, trial_set.left_out_s, trial_set.lost_copies))
    console.say(f"wrote {output}: {len(statistics.labels)} labels, {len(clips)} clips")
    click.get_current_context().exit(EXIT_SOME_FAILED if trial_set.failed else 0)
