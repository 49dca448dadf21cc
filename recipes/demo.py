"""The whole job on synthetic audio: make two corpora, cross-validate, train, evaluate, classify a clip.

Speech of 8 languages in 6 eSpeak NG voices, and music of 6 styles by 6 imaginary bands. Everything here is SYNTHETIC:
the figures show that the machinery works, not how well real recordings are told apart.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

if not __package__:  # run as a file: the repository root is not on the import path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gmmaudio
from data_scripts.make_genres import make_genres
from data_scripts.make_languages import make_languages
from gmmaudio.evaluation import FailedInput
from gmmaudio.models import make_recipe
from recipes.folders import cross_validate_and_train, write_page


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/demo"), show_default=True)
@click.option("-j", "--jobs", "n_jobs", default=-1, show_default=True)
def main(out: Path, n_jobs: int) -> None:
    """Run the demo and print where its reports are."""
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    click.echo("All audio of this demo is SYNTHETIC: its figures say nothing about real recordings.")
    run("language", make_languages(out / "languages-corpus"), out / "languages", n_jobs)
    run("genre", make_genres(out / "genres-corpus"), out / "genres", n_jobs)
    click.echo(f"\nDone in {time.monotonic() - began:.0f} s. Open these pages in a browser:")
    for page in sorted(out.glob("*/*.html")):
        click.echo(f"  {page.resolve()}")


def run(preset: str, manifest: Path, out: Path, n_jobs: int) -> None:
    """Cross-validate and train on the split ``train``; evaluate on ``test``; classify one clip of it."""
    click.echo(f"\n{preset}: 4 folds, no voice or band on both sides, {manifest.parent}")
    model_path = cross_validate_and_train(manifest, make_recipe(preset), out, folds=4, group_by=None, n_jobs=n_jobs)
    model = gmmaudio.load_model(model_path)
    corpus = gmmaudio.read_corpus(manifest)
    report = gmmaudio.evaluate(model, corpus, n_jobs=n_jobs)
    write_page(report, f"Synthetic {preset} test set", out / "test.html")
    click.echo(f"other voices or bands: {report.headline}\nreport {out / 'test.html'}")
    clip = next(clip for clip in corpus.clips if clip.split == "test")
    (answer,) = gmmaudio.classify(model, [str(corpus.root / clip.path)])
    said = answer.message if isinstance(answer, FailedInput) else answer.prediction.label
    click.echo(f"one clip, {clip.path}: {said}")


if __name__ == "__main__":
    main()
