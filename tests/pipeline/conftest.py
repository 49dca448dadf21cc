"""Corpora, settings and helpers that the tests of the pipeline share."""

import importlib

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.audio import DEGRADATIONS

SMALL = pipeline.make_recipe(n_components=2)
QUICK = {"durations_s": ()}


def texts_of(report):
    """Return the text of each finding by its code."""
    return {finding.code: finding.text for finding in report.findings}


@pytest.fixture
def twins(tmp_path, tools):
    """Two labels of five singers each with two nearly equal clips of one tone; the tone is independent of the label."""
    rng = np.random.default_rng(4)
    rows = []
    time_s = np.arange(tools.sr) / tools.sr
    for i, hz in enumerate(np.geomspace(200, 6000, 10)):
        for take in range(2):
            tone = 0.3 * np.sin(2 * np.pi * hz * time_s) + 0.003 * rng.normal(size=tools.sr)
            tools.write(tmp_path / f"{i}-{take}.wav", tone, tools.sr)
            rows.append({"path": f"{i}-{take}.wav", "label": "ab"[i % 2], "group": f"singer {i}"})
    return pipeline.read_corpus(tools.write_manifest(tmp_path / "twins.csv", rows))


@pytest.fixture
def two_degradations(monkeypatch):
    """Only two kinds of degraded sound, in the order they are made."""
    two = {name: DEGRADATIONS[name] for name in ("band limit 4 kHz", "noise 10 dB")}
    for name in ("pipeline.analyses", "trials.extraction"):
        monkeypatch.setattr(importlib.import_module(f"gmmaudio.{name}"), "DEGRADATIONS", two)
    return tuple(two)
