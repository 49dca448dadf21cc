"""The whole job on synthetic audio, with the commands that a user types.

First a small corpus of music: train, classify one clip, report. Then both corpora of ``data_scripts``: cross-validate,
train, and evaluate on voices or bands that were not trained on. All audio is SYNTHETIC: the results show that the
software works, not how accurate it is on recordings.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from data_scripts.make_genres import make_genres
from data_scripts.make_languages import make_languages
from data_scripts.manifest import read_manifest
from recipes.command import read_report, run, summary
from results.record import FOLDER, make_record, write_record
from results.views import demo_table

SYNTHETIC = "All audio of this demo is SYNTHETIC: its results say nothing about recordings."
PROTOCOL = (
    "Synthetic speech (8 languages, 6 voices) and synthetic music (6 styles, 6 bands of each). In cross-validation no "
    "voice or band is on both sides of a fold; the test clips are of two other voices or bands. Intervals are 95 % "
    "bootstraps over voices or bands."
)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/demo"), show_default=True)
@click.option("-j", "--jobs", default=2, show_default=True)
@click.option("--record", "is_recorded", is_flag=True, help="Also write the results to results/demo.json.")
def main(out: Path, jobs: int, is_recorded: bool) -> None:
    """Run the demo; print a first label and report early, and at the end where all reports are."""
    began = time.monotonic()
    click.echo(SYNTHETIC)
    rows = [first_label(out / "first", jobs, began), first_report(out / "first", jobs, began)]
    for preset, make, groups in (("language", make_languages, "voices"), ("genre", make_genres, "bands")):
        manifest = make(out / preset / "corpus")
        rows.append(held_out_folds(preset, groups, manifest, jobs, began))
        rows.append(other_groups(preset, groups, manifest, jobs, began))
    record = make_record("demo", "The demo, on synthetic audio", PROTOCOL, rows)
    click.echo(f"\n{demo_table(record)}")
    for folder in (out, *((FOLDER,) if is_recorded else ())):
        click.echo(f"wrote {write_record(record, folder)}")
    click.echo(f"\nDone in {time.monotonic() - began:.0f} s. Open these pages in a browser:")
    for page in sorted(out.glob("*/*.html")):
        click.echo(f"  {page.resolve()}")


def first_label(folder: Path, jobs: int, began: float) -> dict[str, Any]:
    """Return the step of training on a small corpus of music and classifying one clip of another band.

    Parameters
    ----------
    folder : Path
        Where corpus and model go.
    jobs : int
        Worker processes.
    began : float
        When the demo began, of the monotonic clock.
    """
    click.echo("\nSynthetic music: 6 styles, 3 bands of each, 2 of them to train on")
    manifest = make_genres(folder / "corpus", n_bands=3, n_clips=2)
    model = folder / "model.safetensors"
    click.echo(run("train", manifest, "--preset", "genre", "-o", model, "-j", str(jobs)), nl=False)
    clip = next(entry for entry in read_manifest(manifest) if entry.split == "test")
    click.echo(run("classify", model, manifest.parent / clip.path, "--top", "3"), nl=False)
    return step("first label", {}, began)


def first_report(folder: Path, jobs: int, began: float) -> dict[str, Any]:
    """Return the step of a report on the bands of the small corpus that were not trained on."""
    arguments = (folder / "model.safetensors", folder / "corpus" / "manifest.csv")
    report, text = report_of("evaluate", *arguments, output=folder / "test", jobs=jobs)
    click.echo(text, nl=False)
    return step("music, a small corpus: another band of each style", summary(report), began)


def held_out_folds(preset: str, groups: str, manifest: Path, jobs: int, began: float) -> dict[str, Any]:
    """Return the step of cross-validating on the training split of a corpus.

    Parameters
    ----------
    preset : str
        What is recognised.
    groups : str
        What a group is.
    manifest : Path
        The corpus.
    jobs : int
        Worker processes.
    began : float
        When the demo began.
    """
    arguments = (manifest, "--preset", preset, "--folds", "4")
    report, text = report_of("crossval", *arguments, output=manifest.parents[1] / "crossval", jobs=jobs)
    click.echo(text.partition("\n")[0])
    return step(f"{preset}: 4 folds, {groups} held out", summary(report), began)


def other_groups(preset: str, groups: str, manifest: Path, jobs: int, began: float) -> dict[str, Any]:
    """Return the step of training on the training split of a corpus and scoring its test split."""
    folder = manifest.parents[1]
    model = folder / "model.safetensors"
    run("train", manifest, "--preset", preset, "-o", model, "-j", str(jobs))
    report, text = report_of("evaluate", model, manifest, output=folder / "test", jobs=jobs)
    click.echo(text.partition("\n")[0])
    return step(f"{preset}: two other {groups}", summary(report), began)


def report_of(command: str, *arguments: str | Path, output: Path, jobs: int) -> tuple[dict[str, Any], str]:
    """Return the report of a command, which also stands beside it as page and JSON, and its standard output.

    Parameters
    ----------
    command : str
        ``crossval`` or ``evaluate``.
    *arguments : str or Path
        Its arguments.
    output : Path
        Page and JSON, without their suffixes.
    jobs : int
        Worker processes.
    """
    page, path = output.with_suffix(".html"), output.with_suffix(".json")
    text = run(command, *arguments, "--report", page, "--json", path, "-j", str(jobs))
    return read_report(path), text


def step(name: str, results: Mapping[str, Any], began: float) -> dict[str, Any]:
    """Return a row of the demo's record after printing the seconds since the demo began.

    Parameters
    ----------
    name : str
        What was done.
    results : mapping
        What came of it.
    began : float
        When the demo began.
    """
    elapsed_s = time.monotonic() - began
    click.echo(f"[{elapsed_s:.0f} s] {name}")
    return {"step": name, **results, "elapsed_s": round(elapsed_s, 1)}


if __name__ == "__main__":
    main()
