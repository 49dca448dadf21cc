"""The kinds of models, behind one function that fits: mixtures on frames, Gaussians on blocks, supervectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmmaudio.compute import one_thread
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.models.kinds.block_gaussian import fit_blocks
from gmmaudio.models.kinds.frame_gmm import fit_frames
from gmmaudio.models.kinds.kind_settings import ClassifierConfig
from gmmaudio.models.kinds.supervector import fit_supervectors
from gmmaudio.models.scorer import Classifier, check_finite
from gmmaudio.models.ubm import Traces, TrainingRows


def fit_scorer(
    rows_per_clip: Sequence[npt.NDArray[np.floating]],
    labels: Sequence[str],
    config: ClassifierConfig,
    *,
    groups: Sequence[str] | None = None,
    n_views: int = 1,
    seed: int = 0,
    n_jobs: int = 1,
) -> tuple[Classifier, Traces]:
    """Return a classifier fitted to the rows of labelled clips, and the traces of EM.

    Each mixture has a random stream of its own, drawn from the seed and its label's place in the sorted labels, so
    that the result is the same bits for any ``n_jobs``.

    Parameters
    ----------
    rows_per_clip : sequence of ndarray, shape (n_i, n_features)
        Finite rows of every clip, at least one each.
    labels : sequence of str
        Of every clip; at least two different ones.
    config : ClassifierConfig
        Settings of the fit.
    groups : sequence of str or None
        Of every clip: the artist or speaker; no group of a label weighs more than another. None takes each clip for
        one of its own. Mixtures fitted to a label's rows by maximum likelihood know of no groups.
    n_views : int
        Views of a frame that each row holds side by side, of which supervectors take one for each clip.
    seed : int
        Drives the starts of EM.
    n_jobs : int
        Worker processes (or threads).

    Raises
    ------
    SettingError
        If a setting is outside its bounds, or there are fewer than two labels.
    MixtureError
        If rows are not finite matrices of one width.

    Examples
    --------
    >>> rows = [np.full((9, 1), -1.0), np.full((9, 1), 1.0)]
    >>> classifier, _ = fit_scorer(rows, ["low", "high"], ClassifierConfig(n_components=1))
    >>> classifier.labels[classifier.score(np.full((3, 1), 0.9)).argmax()]
    'high'
    """
    names = tuple(sorted(set(labels)))
    if len(names) < 2:
        raise SettingError(f"only the label {', '.join(names) or 'none'}; at least two are needed to tell apart")
    widths = sorted({rows.shape[-1] for rows in rows_per_clip})
    if len(widths) > 1:
        raise MixtureError(f"clips have rows of {' and '.join(map(str, widths))} features; expected one width")
    if n_views < 1 or widths[0] % n_views:
        raise MixtureError(f"rows of {widths[0]} features cannot hold {n_views} views")
    if n_views > 1 and config.kind != "supervector":
        raise SettingError(f"rows hold {n_views} views; {config.kind} take one, supervectors any number")
    for clip, rows in enumerate(rows_per_clip):
        check_finite(rows, f"clip {clip}: ")
    codes = np.array([names.index(label) for label in labels])
    own = tuple(map(str, range(len(codes)))) if groups is None else tuple(groups)
    training = TrainingRows(tuple(rows_per_clip), names, codes, own, config, seed, n_jobs, n_views)
    fitter = {"frames": fit_frames, "blocks": fit_blocks, "supervector": fit_supervectors}[config.kind]
    # one thread for linear algebra, so that a model is the same bits for any number of jobs
    with one_thread():
        return fitter(training)
