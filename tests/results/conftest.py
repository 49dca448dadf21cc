"""A small record of results, as a command writes it."""

import pytest

from results.record import Record


@pytest.fixture
def record():
    return Record(
        name="end_to_end",
        title="Training and classifying, end to end",
        command="python -m benchmarks.end_to_end --rounds 1",
        date="2026-01-31",
        versions={"python": "3.11.7", "gmmaudio": "0.2.0", "numpy": "2.0.0"},
        machine={"system": "Linux", "architecture": "x86_64", "processor": "A", "cores": 2},
        protocol="One worker, one thread.",
        rows=[
            {"system": "librosa + scikit-learn", "cpu_s": 18.04, "peak_mib": 305.2},
            {"system": "gmmaudio", "cpu_s": 28.15, "peak_mib": 306.0},
        ],
    )
