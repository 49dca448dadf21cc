"""Samples -> frames or blocks: MFCC, descriptors, deltas, gates, normalisation."""

from gmmaudio.features.blocks import block_features
from gmmaudio.features.deltas import shifted_deltas
from gmmaudio.features.frames import BLOCK_FRAMES, RawFrames, raw_frames
from gmmaudio.features.normalise import Frames, normalised, rasta, sliding_cmvn, warp
from gmmaudio.features.postprocess import Rows, extract, make_rows
from gmmaudio.features.settings import (
    DESCRIPTORS,
    FeatureSettings,
    FrameSettings,
    RowSettings,
    describe,
    make_features,
    same_frames,
)

__all__ = [
    "BLOCK_FRAMES",
    "DESCRIPTORS",
    "FeatureSettings",
    "FrameSettings",
    "Frames",
    "RawFrames",
    "RowSettings",
    "Rows",
    "block_features",
    "describe",
    "extract",
    "make_features",
    "make_rows",
    "normalised",
    "rasta",
    "raw_frames",
    "same_frames",
    "shifted_deltas",
    "sliding_cmvn",
    "warp",
]
