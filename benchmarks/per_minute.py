"""CPU milliseconds that one system takes for a minute of audio: ``python benchmarks/per_minute.py SYSTEM FILE...``.

Files are decoded first; what is timed after that is samples -> features, except for ``decode``, which is timed itself.
Every system gets the same float32 samples. Classic MFCC are 20 coefficients of 128 mel bands, 2,048 samples every 512
at 22,050 Hz. pyAudioAnalysis computes its 34 features and their deltas. Prints the least of five passes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Extractor = Callable[[Samples], Any]
SR, N_FFT, HOP, N_MELS, N_MFCC = 22050, 2048, 512, 128, 20
PASSES = 5


def ours(preset: str | None) -> Extractor:
    """Return the front end of a preset: raw frames, and the rows of a clip; tables are designed once."""
    import inspect

    import gmmaudio
    from gmmaudio import features

    settings = gmmaudio.make_recipe(preset).features
    frames: Any = settings.frames
    # an earlier version designs them for each clip
    designed = "tables" in inspect.signature(features.raw_frames).parameters
    more = (features.design_tables(frames),) if designed else ()
    return lambda y: features.make_rows([features.raw_frames([y], frames, *more)], settings)


def by_librosa() -> Extractor:
    """Return librosa's MFCC."""
    import librosa

    def mfcc(y: Samples) -> Any:
        mel = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS)
        return librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=N_MFCC)

    return mfcc


def by_torchaudio() -> Extractor:
    """Return torchaudio's MFCC."""
    import torch  # type: ignore[import-not-found]
    import torchaudio  # type: ignore[import-not-found]

    torch.set_num_threads(1)
    mel = {"n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS}
    transform = torchaudio.transforms.MFCC(sample_rate=SR, n_mfcc=N_MFCC, melkwargs=mel)
    return lambda y: transform(torch.from_numpy(y))


def by_kaldi() -> Extractor:
    """Return the MFCC of kaldi-native-fbank."""
    import kaldi_native_fbank as kaldi

    options = kaldi.MfccOptions()
    options.frame_opts.samp_freq = SR
    options.frame_opts.frame_length_ms = 1000 * N_FFT / SR
    options.frame_opts.frame_shift_ms = 1000 * HOP / SR
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = N_MELS
    options.num_ceps = N_MFCC

    def mfcc(y: Samples) -> Any:
        extractor = kaldi.OnlineMfcc(options)
        extractor.accept_waveform(SR, y)
        extractor.input_finished()
        return [extractor.get_frame(i) for i in range(extractor.num_frames_ready)]

    return mfcc


def by_essentia() -> Extractor:
    """Return essentia's MFCC."""
    import essentia  # type: ignore[import-not-found]

    essentia.log.infoActive = False
    from essentia import standard

    window, spectrum = standard.Windowing(type="hann"), standard.Spectrum(size=N_FFT)
    size = {"inputSize": N_FFT // 2 + 1, "sampleRate": SR, "highFrequencyBound": SR / 2}
    mfcc = standard.MFCC(numberBands=N_MELS, numberCoefficients=N_MFCC, **size)
    return lambda y: [mfcc(spectrum(window(f)))[1] for f in standard.FrameGenerator(y, N_FFT, HOP)]


def by_python_speech_features() -> Extractor:
    """Return the MFCC of python_speech_features."""
    from python_speech_features import mfcc  # type: ignore[import-not-found]

    size = {"winlen": N_FFT / SR, "winstep": HOP / SR, "nfft": N_FFT, "nfilt": N_MELS, "numcep": N_MFCC}
    return lambda y: mfcc(y, SR, **size)


def by_py_audio_analysis() -> Extractor:
    """Return the short-term features of pyAudioAnalysis."""
    from pyAudioAnalysis import ShortTermFeatures  # type: ignore[import-not-found]

    return lambda y: ShortTermFeatures.feature_extraction(y, SR, N_FFT, HOP)


SYSTEMS: dict[str, Callable[[], Extractor]] = {
    "gmmaudio, classic": lambda: ours(None),
    "gmmaudio, genre": lambda: ours("genre"),
    "gmmaudio, language": lambda: ours("language"),
    "librosa": by_librosa,
    "torchaudio": by_torchaudio,
    "kaldi-native-fbank": by_kaldi,
    "essentia": by_essentia,
    "python_speech_features": by_python_speech_features,
    "pyAudioAnalysis": by_py_audio_analysis,
}


def least_ms(work: Callable[[], Any], minutes: float) -> float:
    """Return the least CPU milliseconds for a minute of several passes, after one that pays for memory."""
    times = []
    for _ in range(PASSES + 1):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times[1:]) / minutes


def main(system: str, paths: Sequence[str]) -> None:
    """Print the CPU milliseconds for a minute of the files; nothing if a peer is not installed."""
    from gmmaudio.audio import read_blocks

    sr = 16000 if system == "gmmaudio, language" else SR

    def read() -> list[Samples]:
        return [np.concatenate(list(read_blocks(path, sr))) for path in paths]

    clips = read()
    minutes = sum(map(len, clips)) / sr / 60
    if system == "decode":
        print(least_ms(read, minutes))
        return
    try:
        extract = SYSTEMS[system]()
    except ImportError:
        return
    print(least_ms(lambda: [extract(clip) for clip in clips], minutes))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
