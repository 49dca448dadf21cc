"""Samples -> frames or blocks: MFCC, descriptors, deltas, gates, normalisation."""

from gmmaudio.features.blocks import block_features
from gmmaudio.features.deltas import shifted_deltas
from gmmaudio.features.descriptors import DESCRIPTORS, Descriptor, Spectra
from gmmaudio.features.frames import RawFrames, raw_frames
from gmmaudio.features.front_ends import FRONT_ENDS, Analysis, FrontEnd
from gmmaudio.features.normalise import Frames, normalised, rasta, sliding_cmvn, warp
from gmmaudio.features.postprocess import Rows, extract, make_rows
from gmmaudio.features.settings import (
    FeatureSettings,
    FrameSettings,
    RowSettings,
    describe,
    make_features,
    same_frames,
)

__all__ = [
    "DESCRIPTORS",
    "FRONT_ENDS",
    "Analysis",
    "Descriptor",
    "FeatureSettings",
    "FrameSettings",
    "Frames",
    "FrontEnd",
    "RawFrames",
    "RowSettings",
    "Rows",
    "Spectra",
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
