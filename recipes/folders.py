"""The steps that the recipes share: cross-validate, train, save, report."""

from __future__ import annotations

from pathlib import Path

import click

import gmmaudio
from gmmaudio.evaluation import Report, render_html
from gmmaudio.files import write_beside
from gmmaudio.models import Recipe


def cross_validate_and_train(
    place: Path, recipe: Recipe, out: Path, *, folds: int | str, group_by: str | None, n_jobs: int
) -> Path:
    """Return the model file trained on the corpus at ``place``; the report stands beside it.

    Parameters
    ----------
    place : Path
        Folder of classes or manifest.
    recipe : Recipe
        Settings.
    out : Path
        Folder to write into; made where it is missing.
    folds : int or "loo"
        Division for the cross-validation.
    group_by : str or None
        Where groups come from.
    n_jobs : int
        Worker processes.
    """
    out.mkdir(parents=True, exist_ok=True)
    corpus = gmmaudio.read_corpus(place)
    report = gmmaudio.crossval(corpus, recipe, folds=folds, group_by=group_by, n_jobs=n_jobs)
    write_page(report, f"Cross-validation of {place.name}", out / "crossval.html")
    click.echo(report.headline)
    for guard in report.guards:
        click.echo(f"  ! {guard}")
    result = gmmaudio.train(corpus, recipe, n_jobs=n_jobs)
    model_path = out / "model.safetensors"
    gmmaudio.save_model(result.model, model_path)
    for item in result.failed:
        click.echo(f"  skipped [{item.code}] {item.path}: {item.message}")
    click.echo(f"report {out / 'crossval.html'}\nmodel  {model_path}")
    return model_path


def write_page(report: Report, title: str, path: Path) -> None:
    """Write a report as an HTML page."""
    with write_beside(path) as handle:
        handle.write(render_html(report, title).encode())
