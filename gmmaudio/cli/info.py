"""``gmmaudio info``: what a model holds and what it was trained on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options

if TYPE_CHECKING:
    from gmmaudio.models import Model


@click.command(name="info")
@click.argument("model", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, the training clips included.")
def command(model: Path, as_json: bool) -> None:
    """Say what MODEL holds and what it was trained on."""
    from gmmaudio.evaluation import printable
    from gmmaudio.models import load_model

    loaded = load_model(model)
    if as_json:
        click.echo(json.dumps(_everything(loaded), indent=1))
        return
    for line in _lines(loaded):
        click.echo(printable(line))


def _everything(model: Model) -> dict[str, Any]:
    """Return all that a model says of itself, without its tensors."""
    scorer = model.scorer
    return {
        "labels": list(scorer.labels),
        "kind": model.training.kind_settings.kind,
        "n_components": {
            label: mixture.n_components for label, mixture in zip(scorer.labels, scorer.mixtures, strict=False)
        },
        "features": model.features.to_dict(),
        "calibration": None if model.calibration is None else model.calibration.to_dict(),
        "open_set": None if model.open_set is None else asdict(model.open_set),
        "training": model.training.to_dict(),
    }


def row_name(model: Model) -> str:
    """Return what a row of the model is."""
    return "frames" if model.features.rows.block_s is None else "blocks"


def trust(model: Model) -> list[str]:
    """Return what is known of probabilities and of unknown clips, line by line."""
    found = model.calibration
    lines = ["probabilities: none, the model is not calibrated"]
    if found is not None:
        lines = [
            f"probabilities: {found.method}, scale {found.scale:.4g}, learned on {found.n} clips of {found.n_groups} "
            f"groups by inner folds, log-loss {found.log_loss:.3f} nats"
        ]
    if model.open_set is not None:
        lines.append(f"unknown: {model.open_set.reason}")
    return lines


def _lines(model: Model) -> list[str]:
    """Return the page, line by line."""
    from gmmaudio.cli.console import finding_line
    from gmmaudio.features import describe
    from gmmaudio.findings import sort_findings
    from gmmaudio.models import find_kind

    training, settings = model.training, model.training.kind_settings
    groups = {clip.group for clip in training.clips} - {None}
    augment = f", and copies: {', '.join(training.augment)}" if training.augment else ""
    lines = [
        f"labels: {', '.join(model.scorer.labels)}",
        f"model: {find_kind(settings.kind).describe(settings)}, preset {training.preset or 'none (classic)'}, "
        f"seed {training.seed}",
        f"front end: {describe(model.features)}",
        f"trained on: {len(training.clips)} clips, {len(groups) or 'unknown'} groups, "
        f"{sum(training.seconds.values()):.1f} s{augment}",
        *trust(model),
        "",
    ]
    for label in model.scorer.labels:
        own = {clip.group for clip in training.clips if clip.label == label} - {None}
        clips = sum(clip.label == label for clip in training.clips)
        line = (
            f"{label}: {clips} clips, {len(own) or 'unknown'} groups, {training.seconds[label]:.1f} s, "
            f"{training.rows[label]} {row_name(model)}"
        )
        known = training.log_likelihood.get(label)
        lines.append(line + ("" if known is None else f", log-likelihood {known:.3f} a row"))
    lines += map(finding_line, sort_findings(training.findings))
    lines.append("versions: " + ", ".join(f"{name} {number}" for name, number in training.versions.items()))
    return lines
