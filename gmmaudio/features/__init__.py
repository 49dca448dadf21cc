"""Samples -> frames or blocks: MFCC, descriptors, differences, gates, normalisation."""

from gmmaudio.features.blocks import block_features
from gmmaudio.features.deltas import shifted_deltas
from gmmaudio.features.frames import BLOCK_FRAMES, RawFrames, raw_frames
from gmmaudio.features.normalise import Frames, normalised, rasta, sliding_cmvn, warp
from gmmaudio.features.postprocess import Rows, extract, finish
from gmmaudio.features.settings import DESCRIPTORS, FeatureConfig, describe, same_frames

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
