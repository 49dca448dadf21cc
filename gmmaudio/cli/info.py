"""``gmmaudio info``: what a model holds and what it was trained on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options

if TYPE_CHECKING:
    from gmmaudio.model import Model


@click.command(name="info")
@click.argument("model", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, the training clips included.")
def command(model: Path, as_json: bool) -> None:
    """Say what MODEL holds and what it was trained on."""
    from gmmaudio.evaluation import printable
    from gmmaudio.modelfile import load_model

    loaded = load_model(model)
    if as_json:
        click.echo(json.dumps(_everything(loaded), indent=1))
        return
    for line in _lines(loaded):
        click.echo(printable(line))


def _everything(model: Model) -> dict[str, Any]:
    """Return all that a model says of itself, without its tensors."""
    return {
        "labels": list(model.classifier.labels),
        "n_components": {
            label: mixture.n_components
            for label, mixture in zip(model.classifier.labels, model.classifier.mixtures, strict=True)
        },
        "covariance_type": model.classifier.mixtures[0].covariance_type,
        "features": model.features.to_dict(),
        "training": asdict(model.training),
    }


def _lines(model: Model) -> list[str]:
    """Return the page, line by line."""
    training, features = model.training, model.features
    groups = {clip.group for clip in training.clips} - {None}
    parts = [f"{features.n_mfcc} MFCC"]
    parts += [f"{features.n_deltas} orders of deltas"] if features.n_deltas else []
    parts += ["SDC " + "-".join(map(str, features.sdc))] if features.sdc else []
    lines = [
        f"labels: {', '.join(model.classifier.labels)}",
        f"model: one {model.classifier.mixtures[0].covariance_type} Gaussian mixture for each label, "
        f"preset {training.preset or 'none (classic)'}, seed {training.seed}",
        f"front end: {' + '.join(parts)} = {features.n_features} numbers a frame, {features.sample_rate_hz} Hz, "
        f"frames of {1000 * features.window_s:.1f} ms every {1000 * features.hop_s:.1f} ms, "
        f"normalise {features.normalise}",
        f"trained on: {len(training.clips)} clips, {len(groups) or 'unknown'} groups, "
        f"{sum(training.seconds.values()):.1f} s",
        "probabilities: none, the model is not calibrated",
        "",
    ]
    for label, mixture in zip(model.classifier.labels, model.classifier.mixtures, strict=True):
        own = {clip.group for clip in training.clips if clip.label == label} - {None}
        clips = sum(clip.label == label for clip in training.clips)
        lines.append(
            f"{label}: {mixture.n_components} components, {clips} clips, {len(own) or 'unknown'} groups, "
            f"{training.seconds[label]:.1f} s, {training.rows[label]} frames, "
            f"log-likelihood {training.log_likelihood[label]:.3f} a frame"
        )
    lines += [f"note: {note}" for note in training.notes]
    lines.append("versions: " + ", ".join(f"{name} {number}" for name, number in training.versions.items()))
    return lines
