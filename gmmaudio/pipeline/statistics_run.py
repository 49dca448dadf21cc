"""Statistics of the clips of a corpus, or of a shard of it, under the UBM of a model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gmmaudio.compute import Progress, RunContext, quiet
from gmmaudio.corpus import Clip, Corpus, check_names, digest_clips, plan_split, select_shard
from gmmaudio.errors import CorpusError
from gmmaudio.features import FeatureStore
from gmmaudio.mixture.file_rows import FileRows
from gmmaudio.models import Background, ClipStatistics, Model, Shard, without_rows
from gmmaudio.models.clip_statistics import Vectors
from gmmaudio.models.linear_algebra import Matrix
from gmmaudio.names import normal
from gmmaudio.pipeline.arguments import as_corpus, as_spool, as_store
from gmmaudio.pipeline.provenance import versions
from gmmaudio.pipeline.tag_groups import with_tags
from gmmaudio.trials import DEFAULT_MEMORY_BYTES, Trial, TrialSet, build_trial_set
from gmmaudio.values import checked

# seconds for each row and component to take the vector of a clip, for the choice of threads or worker processes
ROW_COMPONENT_S = 3e-7
# names that are compared as text: shards of several machines may spell them in other normal forms
NAMES = ("label", "group", "source", "split", "held_out_by", "fold")


@checked
def stats(
    corpus: str | Path | Corpus,
    model: Model,
    *,
    split: str | None = None,
    group_by: str | None = None,
    shard: tuple[int, int] | None = None,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
) -> ClipStatistics:
    """Return the statistics of the clips of a corpus under the UBM of a model: the same bits for any ``n_jobs``.

    They are all that :func:`gmmaudio.merge` needs of the clips to train a model. Front end and settings are those of
    the model. A corpus may have one label.

    Parameters
    ----------
    corpus : path-like or Corpus
        As for :func:`gmmaudio.train`.
    model : Model
        A model of supervectors, such as one trained on a sample.
    split : str or None
        Split to use; None selects clips whose split is empty or ``train``.
    group_by : str or None
        Column of clips that are held out together, as for :func:`gmmaudio.train`.
    shard : (int, int) or None
        ``(i, n)`` uses the i-th of n parts of the corpus, 1 to n, with groups kept whole; None uses all of it.
    n_jobs, progress, time_limit_s, memory_limit, cache
        As for :func:`gmmaudio.train`.

    Returns
    -------
    ClipStatistics
        Statistics of the clips that can be used, and the failures of the others.

    Raises
    ------
    CorpusError
        If no clip can be used.
    SettingError
        If the model has no UBM, or there is no such shard.

    Examples
    --------
    >>> import gmmaudio
    >>> ubm = gmmaudio.train("my_music", gmmaudio.make_recipe(kind="supervector", n_components=2)).model
    >>> statistics = gmmaudio.stats("my_music", ubm, shard=(1, 2), group_by="parent")
    >>> len(statistics.trials), statistics.vectors.shape
    (6, (6, 44))
    """
    store, run = as_store(cache), RunContext(n_jobs, progress, time_limit_s, memory_limit)
    corpus, background = with_tags(as_corpus(corpus), group_by, progress=progress), Background.of_model(model)
    clips = tuple(map(_in_normal_form, plan_split(corpus.clips, split=split, group_by=group_by)))
    part = None if shard is None else Shard(*shard, digest_clips(clips))
    selected = clips if part is None else select_shard(clips, part.index, part.n)
    labels = tuple(sorted({clip.label for clip in selected}))
    check_names(labels)
    recipe = background.recipe
    settings = replace(recipe.trial_settings, tables=background.tables)
    with as_spool(DEFAULT_MEMORY_BYTES, store) as spool:
        trial_set = build_trial_set(
            corpus.root, selected, settings, augment=recipe.degradations, store=store, spool=spool, run=run
        )
        if not trial_set.trials:
            raise CorpusError(_nothing(part, trial_set))
        return ClipStatistics(
            background,
            replace(trial_set, trials=without_rows(trial_set.trials), findings=(), clips=(), sha256=()),
            _vectors(trial_set.trials, background, run),
            labels,
            group_by,
            corpus.findings,
            part,
            versions(),
        )


def _in_normal_form(clip: Clip) -> Clip:
    """Return a clip whose names are in NFC."""
    names = {name: getattr(clip, name) for name in NAMES}
    changed: dict[str, Any] = {name: normal(value) for name, value in names.items() if value and normal(value) != value}
    return replace(clip, **changed) if changed else clip


def _nothing(shard: Shard | None, trial_set: TrialSet) -> str:
    """Return the reason why there are no statistics."""
    if trial_set.failed:
        first = trial_set.failed[0]
        return f"no clip is left to use: {len(trial_set.failed)} clips failed, the first: {first.path}: {first.message}"
    if shard is not None:
        return f"shard {shard.index}/{shard.n} holds no clip: there are fewer groups than shards; take fewer (`shard`)"
    return f"no clip is left to use: {'; '.join(map(str, trial_set.findings))}"


def _vectors(trials: Sequence[Trial], background: Background, run: RunContext) -> Vectors:
    """Return the vector of every trial, followed by those of its degraded copies, shape (n, n_outputs)."""
    rows = [rows.values for trial in trials for rows in trial.training_rows]
    n_values = sum(len(values) for values in rows) * background.recipe.features.frames.n_warps
    work_s = ROW_COMPONENT_S * n_values * background.ubm.n_components
    found = run.map(partial(_vector_of, background), rows, "adapting the UBM", estimate=lambda: work_s)
    vectors = np.empty((len(rows), background.n_outputs), dtype=np.float32)
    for i, vector in enumerate(found):
        vectors[i] = vector
    return vectors


def _vector_of(background: Background, rows: Matrix | FileRows) -> Vectors:
    """Return the vector of a clip, whose rows may be in a file."""
    return background.vector(rows.open() if isinstance(rows, FileRows) else rows)
