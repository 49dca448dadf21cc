"""Decoding of audio files to samples, with a reason code for each file that cannot be used; degradation of samples."""

from gmmaudio.audio.decode import check_duration, read_audio, read_blocks, read_info
from gmmaudio.audio.degrade import AUGMENTATIONS, DEGRADATIONS, DegradationSpec
from gmmaudio.audio.formats import NOTES, REASONS, SUFFIXES, AudioInfo, AudioNote, Samples, check_header
from gmmaudio.audio.live_streams import read_raw_blocks, read_stream_blocks

__all__ = [
    "AUGMENTATIONS",
    "DEGRADATIONS",
    "NOTES",
    "REASONS",
    "SUFFIXES",
    "AudioInfo",
    "AudioNote",
    "DegradationSpec",
    "Samples",
    "check_duration",
    "check_header",
    "read_audio",
    "read_blocks",
    "read_info",
    "read_raw_blocks",
    "read_stream_blocks",
]
