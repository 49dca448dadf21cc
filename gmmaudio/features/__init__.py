"""Features: samples -> raw frames (MFCC and descriptors) -> rows (deltas, gate, normalisation, blocks).

``raw_frames`` needs the sound and FrameSettings; ``make_rows`` takes raw frames and RowSettings.
"""

from gmmaudio.features.blocks import block_features
from gmmaudio.features.columns import Column, describe_columns
from gmmaudio.features.deltas import shifted_deltas
from gmmaudio.features.descriptors import DESCRIPTORS, Descriptor, Spectra
from gmmaudio.features.frames import RawFrames, frame_chunks, join_frames, raw_frames
from gmmaudio.features.front_ends import FRONT_ENDS, Analysis, FrontEnd, TableLayout
from gmmaudio.features.given_frames import GivenFrames
from gmmaudio.features.normalise import Frames, feature_warping, normalise_values, rasta, sliding_cmvn
from gmmaudio.features.postprocess import Rows, extract, make_rows
from gmmaudio.features.settings import (
    MAX_FEATURES,
    FeatureSettings,
    FrameSettings,
    RowSettings,
    describe,
    make_features,
    same_frames,
)
from gmmaudio.features.store import FeatureStore
from gmmaudio.features.tables import FrontEndTables, check_designed, design_tables, table_sizes, tensor_table

__all__ = [
    "DESCRIPTORS",
    "FRONT_ENDS",
    "MAX_FEATURES",
    "Analysis",
    "Column",
    "Descriptor",
    "FeatureSettings",
    "FeatureStore",
    "FrameSettings",
    "Frames",
    "FrontEnd",
    "FrontEndTables",
    "GivenFrames",
    "RawFrames",
    "RowSettings",
    "Rows",
    "Spectra",
    "TableLayout",
    "block_features",
    "check_designed",
    "describe",
    "describe_columns",
    "design_tables",
    "extract",
    "feature_warping",
    "frame_chunks",
    "join_frames",
    "make_features",
    "make_rows",
    "normalise_values",
    "rasta",
    "raw_frames",
    "same_frames",
    "shifted_deltas",
    "sliding_cmvn",
    "table_sizes",
    "tensor_table",
]
