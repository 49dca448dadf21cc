"""``gmmaudio info``: a model, or statistics of clips -> a description."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options

if TYPE_CHECKING:
    from gmmaudio.models import Model, SourceShift


@click.command(name="info")
@click.argument("model", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, the training clips included.")
def command(model: Path, as_json: bool) -> None:
    """Describe MODEL and its training, or statistics that stats wrote."""
    from gmmaudio.cli.output_paths import keep_inputs
    from gmmaudio.json_text import to_json
    from gmmaudio.models import holds_statistics, load_model
    from gmmaudio.names import printable

    keep_inputs((), [model])
    if holds_statistics(model):
        from gmmaudio.cli import statistics_text
        from gmmaudio.models import load_statistics

        statistics = load_statistics(model)
        everything, lines = statistics_text.everything(statistics), statistics_text.lines(statistics)
    else:
        trained = load_model(model)
        everything, lines = _everything(trained), _lines(trained)
    if as_json:
        click.echo(to_json(everything, indent=1))
        return
    for line in lines:
        click.echo(printable(line))


def _everything(model: Model) -> dict[str, Any]:
    """Return the description of a model as plain values, without its tensors."""
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
        "familiarity": None if model.familiarity is None else asdict(model.familiarity),
        **({} if model.vector_head is None else {"vector_head": model.vector_head.to_dict()}),
        "training": model.training.to_dict(),
    }


def row_name(model: Model) -> str:
    """Return the name of the model's rows: frames or blocks.

    Parameters
    ----------
    model : Model
        A model.
    """
    return "frames" if model.features.rows.block_s is None else "blocks"


def confidence_lines(model: Model) -> list[str]:
    """Return the lines on calibration, on the open-set threshold and on the check of batches.

    Parameters
    ----------
    model : Model
        A model.
    """
    calibration = model.calibration
    lines = ["probabilities: none, the model is not calibrated"]
    if calibration is not None:
        lines = [
            f"probabilities: {calibration.method}, scale {calibration.scale:.4g}, learned on {calibration.n} clips of "
            f"{calibration.n_groups} groups by inner folds, log-loss {calibration.log_loss:.3f} nats"
        ]
        lines.append(f"other sources: {describe_shift(calibration.source_shift)}")
    if model.open_set is not None:
        lines.append(f"unknown: {model.open_set.reason}")
    if model.familiarity is not None:
        lines.append(f"batches: {model.familiarity.description}")
    if model.vector_head is not None:
        lines.append(f"second head: {model.vector_head.describe()}; probabilities are the mean of both")
    return lines


def describe_shift(shift: SourceShift | None) -> str:
    """Return the words on probabilities for recordings of other sources than those trained on.

    Parameters
    ----------
    shift : SourceShift or None
        Of a calibration.

    Examples
    --------
    >>> describe_shift(None)
    'sources of the training clips are unknown; whether labels are confounded with them was not checked'
    """
    if shift is None:
        return "sources of the training clips are unknown; whether labels are confounded with them was not checked"
    share = f"class priors have a share of {100 * shift.prior_share:.1f} %"
    if not shift.is_measured:
        n = "one source" if shift.n_sources == 1 else f"{shift.n_sources} sources, none of which could be left out"
        return f"{share}; nothing was measured: the training clips are of {n}"
    return (
        f"{share}, learned by leaving out {shift.n_left_out} of {shift.n_sources} sources, {shift.n} clips: log-loss "
        f"{shift.log_loss:.3f} nats, {shift.log_loss_calibrated:.3f} without it"
    )


def _lines(model: Model) -> list[str]:
    """Return the description, line by line."""
    from gmmaudio.cli.console import finding_line
    from gmmaudio.features import describe
    from gmmaudio.findings import sort_findings
    from gmmaudio.models import find_kind

    training, settings = model.training, model.training.kind_settings
    groups = {clip.group for clip in training.clips} - {None}
    augment = f", and copies: {', '.join(training.augment)}" if training.augment else ""
    heard = f", its UBM on {len(training.ubm_clips)} clips" if training.ubm_clips else ""
    lines = [
        f"labels: {', '.join(model.scorer.labels)}",
        f"model: {find_kind(settings.kind).describe(settings)}, preset {training.preset or 'none (classic)'}, "
        f"seed {training.seed}",
        f"front end: {describe(model.features)}",
        f"trained on: {len(training.clips)} clips, {len(groups) or 'unknown'} groups, "
        f"{sum(training.seconds.values()):.1f} s{augment}{heard}",
        *confidence_lines(model),
        "",
    ]
    n_groups, n_sources = training.count_groups(), training.count_sources()
    has_sources = any(n_sources.values())
    for label in model.scorer.labels:
        clips = sum(clip.label == label for clip in training.clips)
        line = (
            f"{label}: {clips} clips, {n_groups.get(label) or 'unknown'} groups, "
            + (f"{n_sources.get(label) or 'unknown'} sources, " if has_sources else "")
            + f"{training.seconds[label]:.1f} s, {training.rows[label]} {row_name(model)}"
        )
        log_likelihood = training.log_likelihood.get(label)
        lines.append(line + ("" if log_likelihood is None else f", log-likelihood {log_likelihood:.3f} per row"))
    lines += map(finding_line, sort_findings((*model.recogniser.caveats, *training.findings)))
    lines.append("versions: " + ", ".join(f"{name} {number}" for name, number in training.versions.items()))
    return lines
