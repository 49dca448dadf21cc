"""One vector for each clip of a corpus by musicnn, a small network whose package holds its weights.

It runs by itself, in an environment of its own: musicnn is of 2019, and needs what this project cannot have beside it.
Tested with Python 3.11 and ``pip install --no-deps musicnn==0.1.0``, then ``pip install tensorflow-cpu==2.15.1
"numpy<2" "librosa<0.11"``. ``python benchmarks/musicnn_vectors.py MANIFEST OUT.npz`` takes 2 to 3 seconds a clip.

Pons, Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR 2019 (late-breaking).
"""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MODEL, LAYER = "MSD_musicnn", "penultimate"


def vector(path: Path) -> npt.NDArray[np.float32]:
    """Return the mean of a layer over parts of 3 s, shape (200,)."""
    extractor = importlib.import_module("musicnn.extractor")
    _, _, layers = extractor.extractor(str(path), model=MODEL, extract_features=True)
    mean: npt.NDArray[np.float32] = layers[LAYER].mean(axis=0).astype(np.float32)
    return mean


def main(manifest: Path, out: Path) -> None:
    """Write an array for each clip of a manifest, by its path."""
    with manifest.open(encoding="utf-8", newline="") as handle:
        paths = [row["path"] for row in csv.DictReader(handle)]
    vectors: dict[str, Any] = {path: vector(manifest.parent / path) for path in paths}
    np.savez(out, **vectors)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
