"""A sound file -> samples, or the reason why not; and samples -> samples that are worse."""

from gmmaudio.audio.decode import read_audio, read_blocks, read_info
from gmmaudio.audio.degrade import AUGMENTATIONS, DEGRADATIONS, DegradationSpec
from gmmaudio.audio.formats import REASONS, SUFFIXES, AudioInfo, Samples, check_header

__all__ = [
    "AUGMENTATIONS",
    "DEGRADATIONS",
    "REASONS",
    "SUFFIXES",
    "AudioInfo",
    "DegradationSpec",
    "Samples",
    "check_header",
    "read_audio",
    "read_blocks",
    "read_info",
]
