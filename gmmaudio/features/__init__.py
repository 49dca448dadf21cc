"""Samples -> frames or blocks: MFCC, descriptors, differences, gates, normalisation."""

from gmmaudio.features.blocks import block_features
from gmmaudio.features.config import DESCRIPTORS, FeatureConfig, describe, same_frames
from gmmaudio.features.frames import BLOCK_FRAMES, RawFrames, Rows, extract, finish, raw_frames, shifted_deltas
from gmmaudio.features.normalise import Frames, normalised, rasta, sliding_cmvn, warp

__all__ = [
    "BLOCK_FRAMES",
    "DESCRIPTORS",
    "FeatureConfig",
    "Frames",
    "RawFrames",
    "Rows",
    "block_features",
    "describe",
    "extract",
    "finish",
    "normalised",
    "rasta",
    "raw_frames",
    "same_frames",
    "shifted_deltas",
    "sliding_cmvn",
    "warp",
]
