"""The pages of examples/: each runs alone, draws, and its numbers bear out what its text says."""

import ast
import os
import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "examples").glob("*.py"))
# those that make audio and train models
SLOW = {"genre", "language"}


@cache
def run(name):
    """Return the variables of a page after it has run, and the number of its figures."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyplot, "show", lambda: None)
        pyplot.switch_backend("Agg")
        # those that other tests left
        pyplot.close("all")
        variables = runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    figures = len(pyplot.get_fignums())
    pyplot.close("all")
    return variables, figures


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_has_a_title_cells_its_limits_and_three_exercises(path):
    text = path.read_text(encoding="utf-8")
    title, underline, *_ = ast.get_docstring(ast.parse(text)).splitlines()
    assert underline == "=" * len(title)
    assert text.count("\n# %%\n") >= 3
    assert "# What a mixture gives here\n# ---" in text
    assert re.search(r"\bno better\b", text)
    exercises = text.rpartition("# Exercises\n# ---------\n")[2]
    assert re.findall(r"^# (\d)\. ", exercises, re.MULTILINE) == ["1", "2", "3"]
    assert "synthetic" in text or "scikit-learn: the Summer Palace" in text


def test_a_page_runs_as_a_script_of_its_own(tmp_path):
    pytest.importorskip("matplotlib")
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path)}
    environment.pop("DISPLAY", None)
    # matplotlib 3.8 calls pyparsing by names that pyparsing deprecates
    warnings = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    words = [sys.executable, *warnings, str(ROOT / "examples" / "player_skill.py")]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "adjusted Rand index" in done.stdout


def test_churn_finds_the_kinds_of_customers_and_memberships_are_probabilities():
    page, figures = run("churn")
    assert figures == 2
    assert page["mixture"].n_components == 5
    assert page["is_right"].mean() > page["kmeans_right"].mean() + 0.01
    assert page["rand"]["mixture"] > page["rand"]["k-means"] + 0.02
    assert page["membership_error"] < 0.1
    # the rates of the segments are those that the table was drawn with, to the luck of 250 customers
    rates = page["rates"][np.argsort(page["kind_of"])]
    np.testing.assert_allclose(rates, page["RISKS"], atol=0.1)


def test_churn_compares_the_risks_on_both_tables_as_it_says():
    page, _ = run("churn")
    by_kind, by_columns = page["by_kind"], page["by_columns"]
    outcome = page["leaves"][page["held_out"]]
    for name, probability in page["by_model"].items():
        assert by_kind[name][0] == pytest.approx(log_loss(outcome, probability), rel=1e-6)
    # segments: soft ones are better than logistic regression, those of k-means are in between
    soft, kmeans = by_kind["soft segments"], by_kind["k-means segments"]
    assert soft[1] + soft[2] < 0
    assert soft[0] < kmeans[0] < by_kind["logistic regression"][0]
    # a linear risk: logistic regression is the best of all, and the segments are worse by more than chance
    assert min(by_columns, key=lambda name: by_columns[name][0]) == "logistic regression"
    assert by_columns["soft segments"][1] > by_columns["soft segments"][2]
    for scores in (by_kind, by_columns):
        raw, calibrated = scores["mixture per class"], scores["the same, calibrated"]
        assert calibrated[0] < raw[0]
        assert calibrated[3] < 0.6 * raw[3]


def test_player_skill_takes_the_number_of_games_into_the_memberships():
    page, figures = run("player_skill")
    assert figures == 4
    assert page["mixture"].n_components == 4
    assert page["rand_mixture"] > page["rand_kmeans"] > 0.9
    for n_games, row in page["few_games"].items():
        # sure as often as right: the memberships are calibrated where the noise is known
        assert row["largest"][0] == pytest.approx(row["found"][0], abs=0.02)
        assert row["log_loss"][0] <= row["log_loss"][1]
        if n_games <= 3:
            assert row["largest"][1] > row["found"][1] + 0.1
            assert row["log_loss"][1] > 2 * row["log_loss"][0]
    assert page["few_games"][100]["log_loss"][0] == pytest.approx(page["few_games"][100]["log_loss"][1], rel=0.05)


def test_player_skill_predicts_modes_that_were_not_played_and_sees_who_is_unusual():
    page, _ = run("player_skill")
    for other in ("column means", "k-means, gaps filled by means", "one linear regression"):
        assert (page["rmse"]["mixture"] < 0.95 * page["rmse"][other]).all()
    # nine in ten values within 1.645 standard deviations, to four standard errors of 4,000 players
    np.testing.assert_allclose(page["coverage"], 0.9, atol=0.02)
    with_gaps = np.c_[page["solo"], np.full((4000, 2), np.nan)]
    np.testing.assert_allclose(page["predicted"], page["with_thirty"].impute(with_gaps)[:, 3:], rtol=1e-9)
    assert page["solo_found"] == pytest.approx(page["members_solo"].max(axis=1).mean(), abs=0.02)
    assert page["solo_found"] < page["all_found"]
    assert page["middle"] < 0.6 * page["ends"]
    assert page["caught"]["density"] > 2 * page["caught"]["distance to a centre"]


def test_speech_noise_is_best_in_noise_that_swells_and_no_better_in_quiet():
    page, figures = run("speech_noise")
    assert figures == 1
    mean = {name: {method: np.mean(v) for method, v in errors.items()} for name, errors in page["errors"].items()}
    for name in ("steady, 0 dB", "cars, 5 dB"):
        assert mean[name]["mixture"] == min(mean[name].values())
        assert mean[name]["mixture"] < 0.5 * mean[name]["k-means"]
    assert mean["cars, 5 dB"]["mixture"] < 0.2 * mean["cars, 5 dB"]["level, best threshold"]
    assert mean["steady, 15 dB"]["level, best threshold"] == min(mean["steady, 15 dB"].values())
    for name in ("steady, 15 dB", "cars, 15 dB"):
        assert mean[name]["k-means"] < mean[name]["mixture"] < 0.05
    assert max(np.mean(errors) for errors in page["supervised"].values()) < 0.05
    counts = page["counts"]
    assert counts.missed_s + counts.false_alarm_s < 0.1 * counts.sound_s
    # the truth in seconds is that of the samples, to a frame at every edge
    assert counts.sound_s == pytest.approx(page["truth"].mean() * 20, abs=0.2)


def test_colour_quantisation_is_worse_than_k_means_at_its_own_task_and_predicts_a_lost_channel():
    page, figures = run("colour_quantisation")
    assert figures == 3
    distortion, red = page["distortion"], page["red_rmse"]
    assert distortion["k-means"] < 0.5 * distortion["mixture, most probable colour"]
    assert distortion["k-means"] < distortion["mixture, soft palette"] < distortion["mixture, most probable colour"]
    assert red["mixture"] < red["linear regression"] < red["nearest colour of k-means"]
    assert page["inertia"] == sorted(page["inertia"], reverse=True)
    best = int(np.argmax(page["held_out"]))
    assert page["numbers"][best] == 8
    assert page["rarer"] < 1e-4


def test_background_subtraction_follows_a_background_with_several_states():
    page, figures = run("background_subtraction")
    assert figures == 1
    table, area = page["table"], page["area"]
    for part in ("whole picture", "sky", "sign and wall", "water"):
        assert table["mixture"][part][2] > table["running Gaussian"][part][2]
        assert table["mixture"][part][2] > 0.8
    assert area["mixture"]["water"] > 0.9 > 0.6 > area["running Gaussian"]["water"]
    # where nothing but the light moves, the running mean is no worse
    assert area["running mean"]["sky"] > area["mixture"]["sky"] > 0.9
    assert page["mixture_s"] > 50 * page["running_s"]
    first = page["FIRST"]
    for name, score in page["scores"].items():
        # an independent implementation of the area
        truth = page["truth"][first:].ravel()
        expected = average_precision_score(truth, score[first:].ravel())
        assert area[name]["whole picture"] == pytest.approx(expected, rel=1e-3)


def test_blocks_and_frames_are_inverse():
    page, _ = run("background_subtraction")
    np.testing.assert_array_equal(page["from_blocks"](page["in_blocks"](page["frames"])), page["frames"])


@pytest.mark.slow
def test_genre_reports_what_its_text_says():
    page, figures = run("genre")
    assert figures == 1
    assert page["right"] > 0.6
    # what is unlike all is noticed more often than what is like something, and known clips are seldom refused
    (swing, of_known), (techno, _) = page["unknown"]["swing"], page["unknown"]["techno"]
    assert swing > 3 * techno
    assert of_known < 0.25 < swing
    whole, at_random = page["report"].slices["random_split"]
    assert whole.accuracy == page["report"].accuracy < at_random.accuracy
    accuracy = page["accuracy"]
    assert accuracy["preset genre"] > max(value for name, value in accuracy.items() if name != "preset genre") + 0.1
    simple = [value for name, value in accuracy.items() if name != "preset genre"]
    assert max(simple) - min(simple) < 0.08
    # no band is on both sides of a fold
    for fold in {clip.fold for clip in page["report"].clips}:
        inside = {clip.group for clip in page["report"].clips if clip.fold == fold}
        assert not inside & {clip.group for clip in page["report"].clips if clip.fold != fold}
    assert not page["folder"].exists()


@pytest.mark.slow
def test_language_holds_voices_out_and_finds_the_turns_of_a_recording():
    pytest.importorskip("espeakng_loader")
    page, figures = run("language")
    assert figures == 2
    assert page["right"] > 0.9
    assert page["report"].accuracy > page["by_voice"] + 0.3
    assert page["by_voice"] < 0.5
    assert page["at_random"] > page["by_voice"] + 0.1
    assert page["plain_at_random"] > page["plain_by_voice"] + 0.1
    assert page["unknown"]["Finnish"] > 0.4 > 0.1 > page["unknown"]["known languages, new voices"]
    assert [segment.label for segment in page["line"].segments] == list(page["turns"])
    found_s = [segment.start_s for segment in page["line"].segments[1:]]
    np.testing.assert_allclose(found_s, page["changes_s"], atol=2.5)
    assert not page["folder"].exists()
