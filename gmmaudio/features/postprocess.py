"""Raw frames -> the rows of a trial: deltas, gate, normalisation, blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import FeatureError, SettingError
from gmmaudio.features.blocks import block_features
from gmmaudio.features.deltas import append_deltas
from gmmaudio.features.frames import RawFrames, raw_frames
from gmmaudio.features.gate import passing_frames
from gmmaudio.features.normalise import Frames, normalise_values
from gmmaudio.features.settings import FeatureSettings
from gmmaudio.features.tables import FrontEndTables


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a clip or trial: what a classifier is trained on and scores.

    Parameters
    ----------
    values : ndarray, shape (n, d), float32
        One row for each frame or block, finite.
    time_s : ndarray, shape (n,), float32
        Centre of each, seconds from the start of its clip.

    Examples
    --------
    >>> len(Rows(np.zeros((3, 20), dtype=np.float32), np.arange(3, dtype=np.float32)))
    3
    """

    values: Frames
    time_s: Frames

    def __len__(self) -> int:
        return len(self.values)


def extract(samples: npt.NDArray[np.float32], features: FeatureSettings, tables: FrontEndTables | None = None) -> Rows:
    """Return the rows of mono samples: raw frames, then :func:`make_rows`.

    Parameters
    ----------
    samples : ndarray, shape (n,), float32
        Mono, at ``features.frames.sample_rate_hz``, full scale -1..1.
    features : FeatureSettings
        The front end.
    tables : FrontEndTables or None
        Its tables, such as those of a model; None designs them.

    Raises
    ------
    FeatureError
        If there are no samples, or frames that are not finite; or speech is to be measured without the ``vad`` extra.
    SettingError
        If the tables were designed for other settings.

    Examples
    --------
    >>> rows = extract(np.random.default_rng(0).normal(size=22050).astype(np.float32), FeatureSettings())
    >>> rows.values.shape
    (44, 20)
    """
    return make_rows([raw_frames([samples], features.sound_frames, tables)], features)


def make_rows(clips: Sequence[RawFrames], features: FeatureSettings) -> Rows:
    """Return the rows of a trial: frames of each clip that pass its gate, joined, normalised; or blocks of those.

    Deltas are taken inside each clip before its gate, so that frames that are dropped stand between no others.

    The gate's reference is that of each clip (or segment of one), for a level is that of a recording; the
    normalisation is over the trial, for one clip may be too short to estimate a mean.

    Parameters
    ----------
    clips : sequence of RawFrames
        Of the clips that the trial is made of, at least one, each of at least one frame.
    features : FeatureSettings
        The front end, or another with the same raw frames (:func:`same_frames`).

    Raises
    ------
    FeatureError
        If there are no clips, or one has no frames.
    SettingError
        If there is a speech gate, and frames without their probability of speech; or fewer warps than asked for.

    Examples
    --------
    >>> samples = np.random.default_rng(0).normal(size=22050).astype(np.float32)
    >>> features = FeatureSettings().replace(n_deltas=1, normalise="mean")
    >>> make_rows([raw_frames([samples], features.frames)] * 2, features).values.shape
    (88, 40)
    """
    if not clips:
        raise FeatureError("no clips; at least one is needed")
    frames, rows = features.frames, features.rows
    if frames.vtln and clips[0].values.shape[1] < frames.n_warps * frames.n_coefficients:
        raise SettingError("the frames hold fewer warps than `vtln` asks for; make them with it too")
    kept = [passing_frames(raw, rows) for raw in clips]
    values = np.concatenate([append_deltas(raw, features)[passed] for raw, passed in zip(clips, kept, strict=True)])
    time_s = np.concatenate([raw.time_s[passed] for raw, passed in zip(clips, kept, strict=True)])
    values = normalise_values(values, rows.normalise, rows.normalise_frames)
    if rows.block_s is None:
        return Rows(values, time_s)
    blocks = block_features(
        values,
        time_s,
        size=features.block_frames,
        step=features.block_step,
        n_modulation=rows.n_modulation,
        frames_per_s=frames.frames_per_s,
    )
    return Rows(*blocks)
