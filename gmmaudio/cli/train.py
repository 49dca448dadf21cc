"""``gmmaudio train``: a corpus -> a model file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options, rows_options, vectors_options
from gmmaudio.cli.config_file import setting_words, split_command

if TYPE_CHECKING:
    from gmmaudio.corpus import Clip, Corpus
    from gmmaudio.findings import Finding
    from gmmaudio.mixture import EMTrace
    from gmmaudio.pipeline import TrainResult
    from gmmaudio.pipeline.retraining import TrainingChange
    from gmmaudio.trials import GivenRows, GivenVectors


@click.command(name="train")
@click.argument("corpus", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.FILE, metavar="MODEL", help="Model file to write.")
@options.recipe
@rows_options.rows
@vectors_options.vectors
@vectors_options.column
@options.cluster
@options.group_by
@click.option("--tune", is_flag=True, help="Choose kind, components, covariance and projection on inner folds.")
@click.option(
    "--add",
    "added",
    multiple=True,
    type=options.FILE,
    metavar="CORPUS",
    help="Also train on these clips, such as a reviewed.csv, whose labels correct those of CORPUS; may be repeated.",
)
@click.option(
    "--from-model",
    "old_path",
    type=options.FILE,
    metavar="OLD",
    help="Take all settings from this model, and show what the clips change that it was not trained on.",
)
@click.option("--no-comparison", is_flag=True, help="With --from-model: take the settings only.")
def command(
    corpus: Path,
    output: Path,
    added: tuple[Path, ...],
    old_path: Path | None,
    no_comparison: bool,
    split: str | None,
    group_by: str | None,
    tune: bool,
    n_jobs: int | None,
    time_limit_s: float | None,
    memory_limit: int | None,
    scheduler: str | None,
    n_dask: int | None,
    cache: Path | None,
    cache_limit: int,
    memory_bytes: int,
    is_quiet: bool,
    **settings: Any,
) -> None:
    """Train a model on CORPUS: a folder with one sub-folder for each class, or a CSV manifest.

    The model is the same bytes for any number of worker processes.
    """
    from gmmaudio import pipeline
    from gmmaudio.cli import console
    from gmmaudio.cli.first_look import look_at
    from gmmaudio.cli.old_models import check_old, named_as_before, settings_of
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.models import save_model
    from gmmaudio.pipeline.retraining import compare_training

    options.check_tune({"tune": tune, **settings})
    check_old(old_path, no_comparison=no_comparison)
    given, vectors = rows_options.take_rows(settings, training=True), vectors_options.take_vectors(settings)
    opening = options.open_cluster(scheduler, n_dask, n_jobs)
    store = options.open_store(cache, cache_limit)
    old, recipe, group_by = settings_of(old_path, settings, group_by, has_vectors=vectors is not None)
    vectors = named_as_before(old, vectors)
    # a file of settings may ask for it
    tune = tune and old is None
    kind = settings["kind"] if tune else None
    outputs = OutputPaths({"-o": output})
    read = [corpus, *added, *filter(None, [old_path]), *rows_options.places_of(given)]
    outputs.check(*read, *vectors_options.places_of(vectors))
    labelled_clips = _read(corpus, added, given, split)
    outputs.keep_clips(labelled_clips)
    labelled_clips, said = look_at(labelled_clips, given, split=split, group_by=group_by)
    limits: dict[str, Any] = {"time_limit_s": time_limit_s, "memory_limit": memory_limit, "memory_bytes": memory_bytes}
    with opening as cluster, show_progress(is_quiet=is_quiet) as progress:
        limits |= {"n_jobs": n_jobs, "progress": progress, "cache": store, "cluster": cluster}
        chosen: dict[str, Any] = {"split": split, "group_by": group_by, "rows": given}
        change = None if no_comparison or old is None else compare_training(labelled_clips, old, **chosen, **limits)
        result = pipeline.train(labelled_clips, recipe, tune=tune, kind=kind, vectors=vectors, **chosen, **limits)
    save_model(result.model, output)
    _say_result(result, said, change, is_quiet=is_quiet)
    labels, trained_on = result.model.scorer.labels, result.model.training.clips
    console.say(f"wrote {output}: {len(labels)} labels from {len(trained_on)} clips")
    steps = _next_steps(output, corpus, labelled_clips, split, has_rows=given is not None, vectors=vectors)
    # no other command takes what is added, and with an old model the difference was measured
    for line in () if is_quiet else steps[: 1 if added or old_path else None]:
        console.say(line)
    click.get_current_context().exit(EXIT_SOME_FAILED if result.failed else 0)


def _say_result(
    result: TrainResult, said: Collection[Finding], change: TrainingChange | None, *, is_quiet: bool
) -> None:
    """Write to stderr which inputs failed, the findings that were not written before, and the account of a run."""
    from gmmaudio.cli import console
    from gmmaudio.cli.old_models import change_lines

    console.say_failed(result.failed)
    console.say_findings(finding for finding in result.model.training.findings if finding not in said)
    for line in () if is_quiet else _lines(result):
        console.say(line)
    for line in () if change is None else change_lines(change):
        console.say(line)


def _next_steps(
    model: Path, corpus: Path, clips: Corpus, split: str | None, *, has_rows: bool, vectors: GivenVectors | None
) -> list[str]:
    """Return the next commands for a model that was written, in words."""
    # parts of the corpus that were not trained on
    others = sorted({clip.split for clip in clips.clips if clip.split and clip.split != (split or "train")})
    new = "--rows NEW_ROWS" if has_rows else "FILE_OR_FOLDER" + ("" if vectors is None else " --vectors NEW_VECTORS")
    context = click.get_current_context()
    *_, typed = split_command(context.obj or ["train", str(corpus)], context)
    settings = setting_words(context.command, context.default_map or {}, typed)
    measuring = ["crossval", *settings, *_without_output(typed)]
    if others:
        splits = [] if "test" in others else ["--split", others[0]]
        groups = ["--group-by", context.params["group_by"]] if context.params["group_by"] else []
        rows = ["--rows", "ROWS"] if has_rows else []
        beside = [] if vectors is None else ["--vectors", str(vectors.path)]
        measuring = ["evaluate", str(model), str(corpus), *groups, *splits, *rows, *beside]
    return [
        f"to label new recordings: gmmaudio classify {shlex.quote(str(model))} {new}",
        f"how often it is right on them, training cannot tell; to measure it: gmmaudio {shlex.join(measuring)}",
    ]


def _without_output(words: Sequence[str]) -> list[str]:
    """Return a command line without the option -o."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("-o", "--output"):
            next(rest, None)
        elif not word.startswith(("-o", "--output=")):
            kept.append(word)
    return kept


def _read(corpus: Path, added: Sequence[Path], given: GivenRows | None, split: str | None) -> Corpus:
    """Return the clips of a corpus and those that are added to it, and write what is skipped or not trained on."""
    from gmmaudio import pipeline
    from gmmaudio.cli.console import say_skipped
    from gmmaudio.corpus import add_clips

    clips = pipeline.read_corpus(corpus, given)
    for path in added:
        more = pipeline.read_corpus(path, given)
        clips = add_clips(clips, more)
        _say_other_splits(clips, more, path, split or "train")
    say_skipped(clips.n_skipped)
    return clips


def _say_other_splits(clips: Corpus, added: Corpus, name: Path, split: str) -> None:
    """Write how many of the clips that were added the corpus has in splits that are not trained on."""
    from gmmaudio.cli import console

    def places(corpus: Corpus, chosen: Iterable[Clip]) -> set[str]:
        return {os.path.abspath(corpus.root / clip.path) for clip in chosen}  # noqa: PTH100 - links stay

    others = [clip for clip in clips.clips if clip.split and clip.split != split]
    found = places(added, added.clips)
    if n_others := len(found & places(clips, others)):
        splits = ", ".join(sorted({repr(clip.split) for clip in others}))
        console.say(
            f"warning: {name}: {n_others} of {len(found)} files are in another split of the corpus ({splits}), and are "
            f"not trained on; leave them out of it, or of a review"
        )


def _lines(result: TrainResult) -> list[str]:
    """Return the account of a training run, line by line."""
    from gmmaudio.cli.info import confidence_lines, row_name
    from gmmaudio.models import UBM

    training = result.model.training
    lines = _tuning(training.tuning)
    for label in result.model.scorer.labels:
        line = f"{label}: {training.seconds[label]:.1f} s, {training.rows[label]} {row_name(result.model)}"
        lines.append(line + (f", {_trace_text(result.traces[label])}" if label in result.traces else ""))
    if UBM in result.traces:
        lines.append(f"UBM: {_trace_text(result.traces[UBM])}")
    return lines + confidence_lines(result.model)


def _trace_text(trace: EMTrace) -> str:
    """Return components, iterations and log-likelihood of EM in words."""
    return (
        f"{trace.n_components} components, {trace.n_iter} iterations, "
        f"log-likelihood {trace.log_likelihoods[-1]:.3f} per row"
    )


def _tuning(tuning: dict[str, Any] | None) -> list[str]:
    """Return the ranked table of candidates, line by line."""
    if tuning is None:
        return []
    rows = [f"{100 * row['balanced_accuracy']:5.1f} %  {row['description']}" for row in tuning["table"]]
    return ["balanced accuracy on inner folds, best first:", *rows, f"chosen: the first; {tuning['reason']}"]
