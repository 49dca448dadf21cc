"""A small record of results, as a command writes it."""

import pytest

from results.record import Record


@pytest.fixture
def record():
    return Record(
        name="speed",
        title="Training and classifying, end to end",
        command="python -m benchmarks.speed --rounds 1",
        date="2026-01-31",
        versions={"python": "3.11.7", "gmmaudio": "0.2.0", "numpy": "2.0.0"},
        machine={"system": "Linux", "architecture": "x86_64", "processor": "A", "cores": 2},
        protocol="One worker, one thread.",
        rows=[
            {"part": "minute", "name": "gmmaudio, classic", "system": "gmmaudio", "ms": 20.0},
            {"part": "minute", "name": "librosa", "system": "gmmaudio", "ms": 30.4},
            {"part": "minute", "name": "gmmaudio, classic", "system": "gmmaudio before", "ms": 45.0},
            {"part": "command", "name": "info", "system": "gmmaudio", "cpu_s": 0.2, "wall_s": 0.3, "peak_mib": 40.0},
            {"part": "corpus", "name": "train", "system": "script", "cpu_s": 18.04, "wall_s": 19.0, "peak_mib": 305},
            {
                "part": "corpus",
                "name": "train",
                "system": "gmmaudio",
                "cpu_s": 28.15,
                "wall_s": 14.5,
                "peak_mib": 306.0,
            },
        ],
    )
