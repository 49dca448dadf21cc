"""The demo's first steps: a label and a report within a minute, on synthetic music."""

import time

import pytest

from recipes import demo


@pytest.mark.slow
def test_a_label_and_a_report_come_within_the_first_minute(tmp_path, capsys):
    began = time.monotonic()
    label = demo.first_label(tmp_path, 2, began)
    report = demo.first_report(tmp_path, 2, began)
    printed = capsys.readouterr().out
    assert "$ gmmaudio train" in printed and "$ gmmaudio classify" in printed and "$ gmmaudio evaluate" in printed
    assert 0 < label["elapsed_s"] < report["elapsed_s"] < 60
    assert report["n"] == 12 and report["n_labels"] == 6 and report["accuracy"]["value"] > 1 / 6
    assert (tmp_path / "test.html").exists() and (tmp_path / "test.json").exists()


def test_audio_that_is_made_is_called_synthetic():
    assert "SYNTHETIC" in demo.SYNTHETIC and "ynthetic" in demo.PROTOCOL
