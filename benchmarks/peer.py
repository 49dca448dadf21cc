"""The peer: what a newcomer scripts with librosa and scikit-learn, straight, in float64.

One Gaussian mixture for each label on 20 MFCC a frame (22.05 kHz, 2048/512, no ``top_db``); a clip is classified by
the mean log likelihood of its frames. ``python -m benchmarks.peer MANIFEST K`` trains on all clips and classifies all
clips, as the end-to-end benchmark times it.
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

Frames = npt.NDArray[np.float64]


def read_manifest(path: Path) -> list[dict[str, str]]:
    """Return the rows of a manifest."""
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def frames(path: Path) -> Frames:
    """Return the MFCC frames of a file, shape (n, 20)."""
    y, sr = librosa.load(path, sr=22050)
    mel = librosa.feature.melspectrogram(y=y, sr=sr)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=20)
    return mfcc.T.astype(np.float64)


def fit(clips: list[Frames], labels: list[str], k: int, covariance: str, seed: int = 0) -> dict[str, GaussianMixture]:
    """Return one mixture for each label."""
    models = {}
    for label in sorted(set(labels)):
        rows = np.concatenate([clip for clip, name in zip(clips, labels, strict=True) if name == label])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            models[label] = GaussianMixture(k, covariance_type=covariance, random_state=seed).fit(rows)
    return models


def predict(models: dict[str, GaussianMixture], clip: Frames) -> str:
    """Return the label whose mixture finds the clip most likely."""
    return max(models, key=lambda label: float(models[label].score(clip)))


def main(manifest: Path, k: int) -> None:
    """Train on all clips of a manifest, then read and classify them all again, as two separate commands would."""
    rows = read_manifest(manifest)
    labels = [row["label"] for row in rows]
    models = fit([frames(manifest.parent / row["path"]) for row in rows], labels, k, "diag")
    for row in rows:
        print(row["path"], predict(models, frames(manifest.parent / row["path"])))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
