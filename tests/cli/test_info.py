"""The command ``info``."""

import json
import re

from tests.cli.conftest import json_of


def test_info_says_what_a_model_holds(command, model_file):
    result = command("info", model_file)
    assert (result.code, result.err) == (0, "")
    for line in (
        "labels: high, low, mid",
        "model: one Gaussian mixture for each label on frames, K=4, diag covariances, preset none (classic), seed 0",
        "front end: 20 MFCC = 20 numbers a frame, 22050 Hz, frames of 92.9 ms every 23.2 ms, normalise none",
        "trained on: 12 clips, 6 groups, 12.0 s",
        "unknown: off: each of 3 labels left out in turn, AUROC 1.00 by score, but the 12 known clips give no "
        "threshold for 5 % of them",
    ):
        assert line in result.out.splitlines()
    assert "low: 4 clips, 2 groups, 4.0 s, 176 frames, log-likelihood" in result.out
    assert re.search(
        r"^probabilities: temperature, scale \S+, learned on 12 clips of 6 groups by inner folds", result.out, re.M
    )


def test_info_json_has_everything_but_the_tensors(command, model_file, model):
    result = json_of(command("info", model_file, "--json"))
    told = {"labels", "kind", "n_components", "features", "calibration", "open_set", "training"}
    assert set(result) == told
    assert result["labels"] == ["high", "low", "mid"]
    assert result["n_components"] == {"high": 4, "low": 4, "mid": 4}
    assert result["features"] == json.loads(json.dumps(model.features.to_dict()))
    assert [clip["sha256"] for clip in result["training"]["clips"]] == [clip.sha256 for clip in model.training.clips]
    assert result["training"]["clips"][0]["group"] == "low-ann"


def test_info_tells_a_model_of_a_preset(command, corpus, tmp_path):
    command("train", corpus.root, "-o", tmp_path / "m.gmm", "--preset", "language", "--trial-seconds", "0")
    result = command("info", tmp_path / "m.gmm").out
    assert "preset language" in result
    assert "7 MFCC + SDC 7-1-3-7 = 56 numbers a frame, 16000 Hz" in result
    assert "trained on: 18 clips, unknown groups, 18.0 s" in result
