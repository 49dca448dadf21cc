"""Write model files of the format of today, and their expected scores: python tests/golden/make_golden.py."""

import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, sosfilt

from gmmaudio import pipeline
from gmmaudio.features import Rows, make_features
from gmmaudio.models import BlockGaussianSettings, FrameGmmSettings, Recipe, SupervectorSettings, load_model, save_model
from gmmaudio.models.file import FORMAT_VERSION

HERE = Path(__file__).resolve().parent
SR = 8000
LABELS = ("fado", "ραγα", "日本")
FRAMES = {
    "sample_rate_hz": SR,
    "window_s": 0.032,
    "hop_s": 0.016,
    "window": "hamming",
    "preemphasis": 0.97,
    "n_mels": 16,
    "fmin_hz": 100.0,
    "fmax_hz": 3400.0,
    "gate_range_db": 40.0,
    "gate_percentile": 98.0,
}
CLASSIC = {**FRAMES, "n_mfcc": 4, "n_deltas": 1, "normalise": "c0"}
SDC = {**FRAMES, "n_mfcc": 3, "sdc": (2, 1, 3, 2), "normalise": "mean_variance", "gate_floor_db": 2.0}
BLOCKS = {
    **FRAMES,
    "n_mfcc": 4,
    "descriptors": ("centroid", "flatness"),
    "block_s": 1.0,
    "block_step_s": 0.5,
    "n_modulation": 2,
}
WARP = {**SDC, "normalise": "warp", "normalise_frames": 61}
SHARED = {"n_pca": 8, "soft_clip": 2.0, "shrinkage": 0.6}
SUPERVECTOR = {"n_components": 4, "n_nuisance": 3, "bigram_lag": 2, "n_ubm_rows": 1000}
SPEECH = {"preset": "language", "trial_s": 2.0}
# name of the file -> front end, settings of the kind, and other settings of the recipe
MODELS = {
    "frames": (CLASSIC, FrameGmmSettings(n_components=3, max_iter=15, variance_floor=0.01), {}),
    "frames-ubm": (SDC, FrameGmmSettings(n_components=3, max_iter=15, variance_floor=0.01, relevance=8.0), SPEECH),
    "blocks-shared": (BLOCKS, BlockGaussianSettings(**SHARED), {"preset": "genre"}),
    "blocks-logistic": (BLOCKS, BlockGaussianSettings(**SHARED, back_end="logistic"), {}),
    "blocks-mean": (
        BLOCKS,
        BlockGaussianSettings(
            covariance_type="diag", n_components=2, n_pca=4, soft_clip=None, variance_floor=0.05, back_end="mean"
        ),
        {},
    ),
    "supervector": (WARP, SupervectorSettings(**SUPERVECTOR), SPEECH),
    "supervector-warps": ({**WARP, "vtln": (0.92, 1.08)}, SupervectorSettings(**SUPERVECTOR), SPEECH),
    "supervector-trained": (WARP, SupervectorSettings(**SUPERVECTOR, back_end="trained"), {"augment": ("noise",)}),
}


def make_sound(label, group, take, seconds=2.1):
    """Return noise in a band of the label, moved by the group, with beats; float32."""
    rng, of_group = np.random.default_rng((1, label, group, take)), np.random.default_rng((2, label, group))
    n = round(seconds * SR)
    low = (200, 600, 1200)[label] * of_group.uniform(0.8, 1.25)
    y = sosfilt(butter(2, (low, 2 * low), btype="band", fs=SR, output="sos"), rng.normal(size=n))
    y *= 0.55 + 0.45 * np.sin(2 * np.pi * (2 + label + of_group.random()) * np.arange(n) / SR)
    y += 0.05 * y.std() * rng.normal(size=n)
    return (0.3 * of_group.uniform(0.3, 1) * y / np.abs(y).max()).astype(np.float32)


def write_corpus(folder):
    """Write three labels of four groups of two clips, and return the corpus."""
    lines = ["path,label,group,source"]
    for code, label in enumerate(LABELS):
        for group in range(4):
            for take in range(2):
                path = f"{code}-{group}-{take}.wav"
                soundfile.write(Path(folder, path), make_sound(code, group, take), SR)
                lines.append(f"{path},{label},{label}-{group},{('field', 'studio')[take]}")
    manifest = Path(folder, "manifest.csv")
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pipeline.read_corpus(manifest)


def expectations(path):
    """Return the scores and predictions of a model file for fixed rows, as plain values."""
    model = load_model(path)
    n_features = model.scorer.n_features
    values = np.random.default_rng(7).normal(size=(40, n_features)).astype(np.float32)
    expected = {
        "format_version": FORMAT_VERSION,
        "labels": list(model.scorer.labels),
        "n_features": n_features,
        "weights": list(model.scorer.weights),
        "training": {
            **{name: getattr(model.training, name) for name in ("preset", "seed", "trial_s")},
            "augment": list(model.training.augment),
            "n_clips": len(model.training.clips),
            "first_clip": dataclasses.asdict(model.training.clips[0]),
        },
        "calibration": model.calibration.to_dict(),
        "head_scores": model.scorer.score_heads(values).tolist(),
        "open_set": dataclasses.asdict(model.open_set),
        "settings": model.training.kind_settings.to_dict(),
    }
    for case, times in (("rows", 1), ("rows_times_4", 4)):
        answer = model.predict(Rows((times * values).astype(np.float32), np.arange(40, dtype=np.float32)))
        expected[case] = {
            "label": answer.best_label,
            "scores": dict(answer.scores),
            "probability": answer.probability and dict(answer.probability),
            "unknown": answer.message,
        }
    return expected


def main():
    """Train and save every model, and add what it is expected to give; files that are there are kept."""
    place = HERE / "expected.json"
    expected = json.loads(place.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(folder)
        for name, (features, kind_settings, settings) in MODELS.items():
            path = HERE / f"model-{FORMAT_VERSION}-{name}.safetensors"
            if path.exists():
                continue
            recipe = Recipe(features=make_features(**features), kind_settings=kind_settings, **settings)
            save_model(pipeline.train(corpus, recipe).model, path)
            expected[path.name] = expectations(path)
    lines = [f"{json.dumps(name)}: {json.dumps(each, ensure_ascii=False)}" for name, each in expected.items()]
    place.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
