"""A model whose settings a training takes, and the account of what other clips change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gmmaudio.evaluation.comparison import Comparison
    from gmmaudio.models import Model, Recipe
    from gmmaudio.pipeline.retraining import TrainingChange
    from gmmaudio.trials import GivenVectors

# options whose values a model holds
OF_THE_MODEL = (
    *("preset", "kind", "n_components", "covariance_type", "init", "min_duration_s", "trial_s", "augment", "seed"),
    "tune",
)


def check_old(old_path: Path | None, *, no_comparison: bool) -> None:
    """Raise where options are named whose values are those of the old model.

    Parameters
    ----------
    old_path : Path or None
        File of the old model, if one is named.
    no_comparison : bool
        Whether the comparison is left out.

    Raises
    ------
    click.UsageError
        If there are such options.
    """
    if old_path is None:
        if no_comparison:
            raise click.UsageError("--no-comparison goes with --from-model.")
        return
    context = click.get_current_context()
    named = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in OF_THE_MODEL
        and context.get_parameter_source(parameter.name) == click.core.ParameterSource.COMMANDLINE
    ]
    if named:
        raise click.UsageError(f"{', '.join(named)}: --from-model takes these settings from the model; leave them out.")


def settings_of(
    old_path: Path | None, settings: Mapping[str, Any], group_by: str | None, *, has_vectors: bool = False
) -> tuple[Model | None, Recipe, str | None]:
    """Return the old model, if there is one, the settings of the training, and the column of the groups.

    Parameters
    ----------
    old_path : Path or None
        File of the old model, if one is named.
    settings : mapping of str to Any
        Options by which a recipe is made where there is no old model.
    group_by : str or None
        Column that is named; None takes that of the old model.
    has_vectors : bool
        Whether vectors are given beside sound.

    Raises
    ------
    SettingError
        If the old model has a second head on vectors, and none are given.
    """
    from gmmaudio import pipeline
    from gmmaudio.models import load_model

    if old_path is None:
        return None, pipeline.make_recipe(**settings), group_by
    from gmmaudio.errors import SettingError
    from gmmaudio.models.vector_head import needs_vectors
    from gmmaudio.pipeline.retraining import recipe_of

    old = load_model(old_path)
    if old.vector_head is not None and not has_vectors:
        raise SettingError(needs_vectors(old.vector_head))
    return old, recipe_of(old), old.training.group_by or None if group_by is None else group_by


def named_as_before(old: Model | None, vectors: GivenVectors | None) -> GivenVectors | None:
    """Return vectors with the name of those of the old model, where it has some and these are given without a name.

    Parameters
    ----------
    old : Model or None
        The old model, if there is one.
    vectors : GivenVectors or None
        Vectors that are given beside sound.
    """
    if old is None or old.vector_head is None or vectors is None or vectors.vectors_name is not None:
        return vectors
    return replace(vectors, vectors_name=old.vector_head.frames.rows_name)


def change_lines(change: TrainingChange) -> list[str]:
    """Return the account of what clips and labels change that the old model was not trained on.

    Parameters
    ----------
    change : TrainingChange
        The comparison.
    """
    from gmmaudio.cli.console import finding_line

    gone = f"; {change.n_gone} clips of OLD are not among them" if change.n_gone else ""
    lines = [
        f"OLD was trained on {change.n_kept} of these clips with the same label, and on {change.n_relabelled} with "
        f"another one; {change.n_new} are new to it{gone}",
        f"{change.n_folds} folds, groups kept whole: A is trained on what OLD was trained on, B on all clips",
    ]
    lines += [f"on the folds: {finding_line(finding)}" for finding in change.findings]
    lines += _comparison_lines("clips that OLD was trained on", change.on_kept)
    if change.on_others is not None:
        lines += _comparison_lines("new clips and new labels", change.on_others)
        lines.append("  (if these were chosen because OLD was unsure of them, the difference favours B)")
    if change.n_not_compared:
        lines.append(f"not compared: {change.n_not_compared} clips whose label A could not know")
    return lines


def _comparison_lines(name: str, comparison: Comparison) -> list[str]:
    """Return the lines of a comparison on some of the held-out clips."""
    became = [clip.became for clip in comparison.changed]
    return [
        f"{name}: {comparison.n} held out, {comparison.n_groups} groups: A {100 * comparison.accuracy_a:.1f} %, "
        f"B {100 * comparison.accuracy_b:.1f} %; {became.count('right')} became right, {became.count('wrong')} wrong",
        f"  {comparison.headline}",
    ]
