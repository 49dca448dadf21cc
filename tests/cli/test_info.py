"""The command ``info``."""

import json
import re
from dataclasses import asdict, replace

from gmmaudio.models import Familiarity, save_model
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
        "batches: not checked: 12 held-out clips of 6 groups; 19 groups are needed for 5 % false alarms",
    ):
        assert line in result.out.splitlines()
    assert "low: 4 clips, 2 groups, 2 sources, 4.0 s, 176 frames, log-likelihood" in result.out
    assert re.search(
        r"^other sources: class priors have a share of \S+ %, learned by leaving out 2 of 2", result.out, re.M
    )
    assert re.search(
        r"^probabilities: temperature, scale \S+, learned on 12 clips of 6 groups by inner folds", result.out, re.M
    )


def test_info_json_has_everything_but_the_tensors(command, model_file, model):
    result = json_of(command("info", model_file, "--json"))
    told = {"labels", "kind", "n_components", "features", "calibration", "open_set", "familiarity", "training"}
    assert set(result) == told
    assert result["labels"] == ["high", "low", "mid"]
    assert result["n_components"] == {"high": 4, "low": 4, "mid": 4}
    assert result["features"] == json.loads(json.dumps(model.features.to_dict()))
    assert [clip["sha256"] for clip in result["training"]["clips"]] == [clip.sha256 for clip in model.training.clips]
    assert result["training"]["clips"][0]["group"] == "low-ann"


def test_info_says_how_well_batches_are_told(command, model, tmp_path):
    familiarity = Familiarity("score", 1.0, 2.0, 0.5, -2.0, 0.05, 0.04, {"labels": 0.9, "sources": 0.85}, 300, 60)
    save_model(replace(model, familiarity=familiarity), tmp_path / "m.gmm")
    line = (
        "batches: checked by the best score, learned on 300 held-out clips of 60 groups; false alarms at most 5 %, "
        "measured 4.0 % of held-out groups; AUROC 0.90 for groups of labels left out, AUROC 0.85 for groups of sources "
        "left out"
    )
    assert line in command("info", tmp_path / "m.gmm").out.splitlines()
    assert json_of(command("info", tmp_path / "m.gmm", "--json"))["familiarity"] == asdict(familiarity)
    card = command("card", tmp_path / "m.gmm").out
    assert "together score lower than groups that were held out in training" in card
    assert "AUROC 0.90 for groups of labels left out" in card


def test_info_tells_a_model_of_a_preset(command, corpus, tmp_path):
    command("train", corpus.root, "-o", tmp_path / "m.gmm", "--preset", "language", "--trial-seconds", "0")
    result = command("info", tmp_path / "m.gmm").out
    assert "preset language" in result
    assert "7 MFCC + SDC 7-1-3-7 = 56 numbers a frame, 16000 Hz" in result
    assert "trained on: 18 clips, unknown groups, 18.0 s" in result
