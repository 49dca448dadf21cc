"""Tables that documents show, from records made by hand."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from results import views
from results.record import ROOT, write_record

HALF = {"value": 0.5, "interval": [0.25, 0.75]}
GAP = {"value": 0.125, "interval": [0.05, 0.2]}


def rows_of(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_a_table_says_when_where_with_what_and_by_which_command_it_was_measured(record):
    text = views.speed_tables(record)
    assert rows_of(text) == [
        "| a minute of audio | CPU ms | over classic | CPU ms before | before over now |",
        "|---|---|---|---|---|",
        "| gmmaudio, classic | 20 | 1.00 | 45 | 2.2 |",
        "| librosa | 30 | 1.52 | | |",
        "| | system | CPU s | over gmmaudio | wall clock, s | peak memory, MiB |",
        "|---|---|---|---|---|---|",
        "| info | gmmaudio | 0.20 | 1.00 | 0.30 | 40 |",
        "| train | script | 18.04 | 0.64 | 19.00 | 305 |",
        "| train | gmmaudio | 28.15 | 1.00 | 14.50 | 306 |",
    ]
    assert "Measured on 2026-01-31 by `python -m benchmarks.speed --rounds 1`" in text
    assert "Python 3.11.7, gmmaudio 0.2.0, numpy 2.0.0; 2 cores, A, x86_64, Linux." in text
    assert text.endswith("One worker, one thread.\n")


def test_the_table_of_corpora_leaves_out_front_ends_and_short_commands(record):
    assert [line.split(" | ")[0] for line in rows_of(views.speed_corpora(record))[2:]] == ["| train", "| train"]


def test_recognition_before_and_after_stands_side_by_side_with_its_difference(record):
    row = {"corpus": "genre", "options": "--folds 4", "n": 90, "n_groups": 74, "n_changed": 3, "difference": GAP}
    row |= {"accuracy_before": 0.5, "accuracy_now": 0.625, "cpu_before_s": 22.3, "cpu_now_s": 9.9}
    (line,) = rows_of(views.before_after_table(replace(record, rows=[row])))[2:]
    assert line == "| genre | `--folds 4` | 90, 74 | 50.0 % | 62.5 % | +12.5 (+5.0 to +20.0) | 3 | 22 | 10 |"


def crossval_row(model, **more):
    row = {"corpus": "genre", "task": "genre", "options": f"--folds 4 {model}", "model": model, "n": 90}
    row |= {"n_groups": 20, "n_labels": 9, "accuracy": HALF, "balanced_accuracy": {"value": 0.4, "interval": None}}
    return row | {"random_split": [], "robustness": [], "log_loss": 1.5, "chosen_on": "other clips"} | more


def condition(name, difference):
    return {"name": name, "n": 90, "accuracy": HALF, "difference": difference}


NOTHING = {"value": None, "interval": None}


def test_real_audio_shows_every_row_and_the_short_table_the_presets_alone(record):
    spoken = crossval_row("--components 16", corpus="language-x", log_loss=None)
    record = replace(record, rows=[crossval_row("--components 16"), crossval_row("--preset genre"), spoken])
    assert rows_of(views.real_audio_genre(record))[2:] == [
        "| genre | `--folds 4 --components 16` | 9 | 90, 20 | 50.0 % (25.0 to 75.0) | 40.0 % | 1.50 | other clips |",
        "| genre | `--folds 4 --preset genre` | 9 | 90, 20 | 50.0 % (25.0 to 75.0) | 40.0 % | 1.50 | other clips |",
    ]
    assert rows_of(views.real_audio_language(record))[2:] == [
        "| language-x | `--folds 4 --components 16` | 9 | 90, 20 | 50.0 % (25.0 to 75.0) | 40.0 % | | other clips |",
    ]
    assert rows_of(views.real_audio_presets(record))[2:] == ["| genre | 9 (11 %) | 90, 20 | 50.0 % (25.0 to 75.0) |"]


def test_a_row_with_sources_left_out_has_a_range_of_labels_and_its_own_chance(record):
    more = {"part": "sources left out", "fewest_labels": 5, "chance": 0.125}
    record = replace(record, rows=[crossval_row("--preset language", **more)])
    (line,) = rows_of(views.real_audio_genre(record))[2:]
    assert line.startswith("| genre | `--folds 4 --preset language`, sources left out | 5 to 9 | 90, 20 | 50.0 % (")
    assert rows_of(views.real_audio_presets(record))[2:] == [
        "| genre | 5 to 9 (12 %) | 90, 20 | 50.0 % (25.0 to 75.0) |"
    ]


def test_the_random_split_gap_stands_beside_the_split_by_group(record):
    gap = [condition("by group", NOTHING), condition("at random", GAP)]
    record = replace(record, rows=[crossval_row("--components 16"), crossval_row("--preset genre", random_split=gap)])
    (line,) = rows_of(views.random_split_gap(record))[2:]
    assert line.endswith("| 50.0 % (25.0 to 75.0) | 50.0 % (25.0 to 75.0) | +12.5 (+5.0 to +20.0) |")


def test_robustness_has_a_column_for_each_system(record):
    loss = {"value": -0.2, "interval": [-0.3, -0.1]}
    rows = [
        crossval_row("A", robustness=[condition("clean", NOTHING), condition("noise", loss)]),
        crossval_row("B", robustness=[condition("clean", NOTHING), condition("noise", GAP)]),
    ]
    heads, _, *lines = rows_of(views.robustness(replace(record, rows=rows)))
    assert "`A`, clean 50.0 % (25.0 to 75.0)" in heads
    assert lines == ["| noise | -20.0 (-30.0 to -10.0) | +12.5 (+5.0 to +20.0) |"]


def test_the_demo_shows_steps_with_an_accuracy_and_its_times(record):
    rows = [
        {"step": "first label", "elapsed_s": 11.2},
        {"step": "music", "n": 12, "n_groups": 6, "accuracy": HALF, "elapsed_s": 19.4},
        {"step": "genre", "n": 48, "n_groups": 12, "accuracy": HALF, "elapsed_s": 140.0},
    ]
    record = replace(record, rows=rows)
    assert rows_of(views.demo_table(record))[2:] == [
        "| music | 12 | 6 | 50.0 % (25.0 to 75.0) |",
        "| genre | 48 | 12 | 50.0 % (25.0 to 75.0) |",
    ]
    assert views.demo_times(record) == (
        "The first label after 11 s, the first report after 19 s, all of it after 140 s (2 cores, 2026-01-31).\n"
    )


def test_counts_of_several_starts_have_their_mean(record):
    rows = [{"model": "diag K=8", "scikit_learn": [57, 56, 56], "gmmaudio": [58, 55, 53]}]
    (line,) = rows_of(views.genre_folds_table(replace(record, rows=rows)))[2:]
    assert line == "| diag K=8 | 57, 56, 56: 56.3 | 58, 55, 53: 55.3 |"


def test_recognition_has_a_table_for_each_division_with_times_over_the_peer(record):
    def row(division, system, lead):
        times = {"extraction_s": 6.0, "training_s": 1.0} if lead is None else {"extraction_s": 12.0, "training_s": 4.0}
        metrics = {"accuracy": HALF, "log_loss": HALF, "lead": lead}
        return {"division": division, "system": system, "n": 90} | metrics | times

    rows = [row(name, *system) for name in ("A", "B") for system in (("ours", None), ("peer", GAP))]
    lines = rows_of(views.recognition_tables(replace(record, rows=rows)))
    assert [line.split("|")[1].strip() for line in lines if "n=90" in line] == ["A, n=90", "B, n=90"]
    assert lines[3] == (
        "| peer | 50.0 % (25.0 to 75.0) | 0.50 (0.25 to 0.75) | +12.5 (+5.0 to +20.0) | 12.0 | 4.0 | 0.50 | 0.25 |"
    )


def test_language_shows_every_division_and_the_cllr_of_the_calibrated_system(record):
    def row(system, division, **more):
        each = {"system": system, "division": division, "n": 8, "n_labels": 4, "calibrated": system == "preset"}
        return each | {"training_s": 2.0, "balanced_accuracy": HALF, "cllr": {"value": 1.0, "interval": None}} | more

    rows = [row("mixtures", "by speaker"), row("mixtures", "noise")]
    rows += [row("preset", "by speaker"), row("preset", "noise", lead=GAP)]
    heads, _, mixtures, preset = rows_of(views.language_table(replace(record, rows=rows)))
    assert heads.startswith("| balanced accuracy | by speaker, n=8 | noise, n=8 |")
    assert mixtures == "| mixtures | 50.0 % (25.0 to 75.0) | 50.0 % (25.0 to 75.0) | | | 2.0 |"
    assert preset.endswith("| 50.0 % (25.0 to 75.0) | 1.00; 0.50 | +12.5 (+5.0 to +20.0) | 2.0 |")


def test_new_sources_show_the_answers_given_and_the_calibrated_ones_beside_what_knowing_nothing_costs(record):
    both = {"limit": 2.0, "cllr": 1.5, "cllr_calibrated": 3.25, "n_sure": 0, "n_sure_right": 0}
    both |= {"n_sure_calibrated": 1000, "n_sure_right_calibrated": 70}
    counts = {"n_corpora": 5, "n_above": 0, "n_worst_above": 1, "n_above_calibrated": 4}
    most = {"most_above": 0.0, "most_worst_above": 0.0125, "most_above_calibrated": 6.5}
    split = {"suite": "language", "n": 9, "n_labels": 4, "accuracy": 0.25, "prior_share": 0.75}
    rows = [
        {"suite": "simulated", "system": "one source", **both, **counts, **most},
        {"system": "two", **both, **split},
    ]
    text = views.VIEWS["new_sources"](replace(record, rows=rows))
    assert [line for line in rows_of(text) if line.startswith(("| one source", "| two"))] == [
        "| one source | 5 | 2.00 | 1.50 | 0 | 1 | 0.013 | none | 3.25 | 4 | 6.5 | 7 % of 1,000 |",
        "| two | 9 | 25.0 % | 75 % | 2.000 | 1.500 | 3.250 | none | 7 % of 1,000 |",
    ]


def test_the_spread_over_seeds_is_a_sample_standard_deviation(record):
    row = {"suite": "by speaker", "corpus": "speech", "condition": "clean", "n": 8, "n_units": 4}
    rows = [row | {"balanced_accuracy": [0.5, 0.52, 0.54]}]
    rows += [row | {"condition": "noise 10 dB", "balanced_accuracy": [0.25, 0.25]}]
    lines = rows_of(views.VIEWS["language_seeds"](replace(record, rows=rows)))
    assert [line for line in lines if "speaker" in line] == [
        "| by speaker | 8 | 50.0, 52.0, 54.0 | 52.0 | 2.0 |",
        "| by speaker, noise 10 dB | 8 | 25.0, 25.0 | 25.0 | 0.0 |",
    ]


def test_merged_models_stand_beside_the_one_trained_at_once(record):
    row = {"corpus": "speech", "n": 8, "n_bytes": 31_550.0, "accuracy": HALF, "cllr": {"value": 1.0, "interval": None}}
    rows = [row | {"system": "at once"}, row | {"system": "merged", "difference": GAP}]
    text = views.VIEWS["merged"](replace(record, rows=rows))
    assert text.startswith("A trial takes 31.6 kB in a file of statistics, ")
    assert [line for line in rows_of(text) if line.startswith("| speech")] == [
        "| speech | at once | 8 | 50.0 % (25.0 to 75.0) | 1.00 | |",
        "| speech | merged | 8 | 50.0 % (25.0 to 75.0) | 1.00 | +12.5 (+5.0 to +20.0) |",
    ]


def test_the_mean_stands_beside_sound_and_vectors_alone(record):
    row = {"corpus": "music", "division": "five folds", "n": 8, "accuracy": HALF}
    row |= {"log_loss": {"value": 0.5, "interval": [0.25, 0.75]}, "ece": {"value": 0.125, "interval": None}}
    rows = [row | {"vectors": "none", "system": "preset"}, row | {"vectors": "theirs", "system": "mean"}]
    assert [line for line in rows_of(views.VIEWS["vectors"](replace(record, rows=rows))) if "music" in line] == [
        "| music | five folds | | preset | 8 | 50.0 % (25.0 to 75.0) | 0.50 (0.25 to 0.75) | 12.5 |",
        "| music | five folds | theirs | mean | 8 | 50.0 % (25.0 to 75.0) | 0.50 (0.25 to 0.75) | 12.5 |",
    ]


def test_rows_of_other_programs_stand_beside_our_own_front_ends(record):
    row = {"corpus": "speech", "n": 8, "accuracy": HALF, "cllr": {"value": 1.0, "interval": None}}
    rows = [row | {"kind": "frames", "trial_s": 6.0, "front_end": "ours"}]
    rows += [row | {"kind": "blocks", "trial_s": 0.0, "front_end": "theirs"}]
    text = views.VIEWS["own_rows"](replace(record, rows=rows))
    assert [line for line in rows_of(text) if line.startswith("| speech")] == [
        "| speech | `frames` | 6 s | ours | 8 | 50.0 % (25.0 to 75.0) | 1.00 |",
        "| speech | `blocks` | clips | theirs | 8 | 50.0 % (25.0 to 75.0) | 1.00 |",
    ]


def test_mixture_ratios_are_the_peers_time_over_ours(record):
    rows = [
        {"title": "EM", "part": "em", "contender": "gmmaudio float32", "cpu_s": 0.25, "peak_mib": 10.0},
        {"title": "EM", "part": "em", "contender": "scikit-learn float32", "cpu_s": 1.0, "peak_mib": 600.0},
        {"title": "EM", "part": "em", "contender": "hmmlearn float64", "reason": "needs more than 12 GiB"},
        {"title": "two", "part": "threads", "contender": "1", "cpu_s": 0.25, "peak_mib": 10.0},
    ]
    record = replace(record, rows=rows)
    heads, _, line = rows_of(views.mixture_ratios(record))
    assert heads == "| | gmmaudio float32, CPU s | scikit-learn float32, ratio | hmmlearn float64, ratio |"
    assert line == "| EM | 0.250 | 4.0 | |"
    assert rows_of(views.mixture_memory(record))[2:] == [
        "| EM | gmmaudio float32 | 10 |",
        "| EM | scikit-learn float32 | 600 |",
    ]


def test_growth_has_the_ends_of_each_sweep_and_its_exponents(record):
    common = {"sizes": [1000, 10000, 100000], "cpu_s": [0.5, 4.0, 80.0], "exponent": 1.1021, "last_exponent": 1.301}
    rows = [
        {"stage": "folds", "grows_with": "clips", "peak_mib": [1.0, 2.0, 30.4]} | common,
        {"stage": "page", "grows_with": "labels", "peak_mib": [None] * 3} | common,
    ]
    heads, _, *lines = rows_of(views.growth_table(replace(record, rows=rows)))
    assert heads == "| stage | sizes | CPU s | peak memory, MiB | exponent | between the two largest |"
    assert lines == [
        "| folds | 1,000 to 100,000 clips | 0.5 to 80 | 30 | 1.10 | 1.30 |",
        "| page | 1,000 to 100,000 labels | 0.5 to 80 | | 1.10 | 1.30 |",
    ]


@pytest.mark.parametrize(("identical", "words"), [(True, "the same bytes as an"), (False, "OTHER BYTES than an")])
def test_many_files_have_rates_memory_and_what_became_of_a_killed_run(record, identical, words):
    rows = [
        {"jobs": 1, "n": 20000, "files_per_s": 70.04, "efficiency": 1.0, "cpu_s": 286.4, "parent_mib": 64.2}
        | {"worker_mib": None},
        {"jobs": 2, "n": 20000, "files_per_s": 130.0, "efficiency": 0.928, "cpu_s": 300.0, "parent_mib": 52.0}
        | {"worker_mib": 63.0},
        {"kept": 10012, "n": 20000, "first_new_s": 2.249, "orphans": 0, "identical": identical},
    ]
    text = views.VIEWS["many_files"](replace(record, rows=rows))
    heads, _, *lines = rows_of(text)
    assert heads.startswith("| `-j` | files | files a second | efficiency |")
    assert lines == ["| 1 | 20,000 | 70.0 | 1.00 | 286 | 64 | |", "| 2 | 20,000 | 130.0 | 0.93 | 300 | 52 | 63 |"]
    assert "Killed after 10,012 of 20,000 files, 0 processes left over: `--resume` wrote its first" in text
    assert f"first new row after 2.2 s, and at the end {words} unbroken run." in text


def test_a_check_of_many_files_has_its_time_and_the_bytes_that_it_read(record):
    rows = [{"format": "flac", "n": 20000, "decode": 8, "wall_s": 5.04, "cpu_s": 3.96, "bytes_per_file": 12_345.6}]
    heads, _, *lines = rows_of(views.VIEWS["check_speed"](replace(record, rows=rows)))
    assert heads == "| format | files | `--decode` | seconds | CPU s | bytes read of a file |"
    assert lines == ["| flac | 20,000 | 8 | 5.0 | 4.0 | 12,346 |"]


def test_a_block_is_made_from_the_file_that_its_name_begins_with(record, tmp_path):
    write_record(record, tmp_path)
    assert views.render("speed", tmp_path) == views.speed_tables(record)
    with pytest.raises(ValueError, match=r"real_audio\.json is missing"):
        views.render("real_audio/presets", tmp_path)
    with pytest.raises(ValueError, match=r"expected one of real_audio/genre, .*, got 'haste'"):
        views.render("haste", tmp_path)


def test_every_view_is_of_a_recipe_or_a_benchmark():
    scripts = {path.stem for folder in ("recipes", "benchmarks") for path in Path(ROOT, folder).glob("*.py")}
    assert {views.file_of(name) for name in views.VIEWS} <= scripts


def test_commands_that_documents_name_are_modules_of_the_repository():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]:
        for module in re.findall(r"python -m ((?:recipes|benchmarks)\.[a-z_]+|results)", page.read_text()):
            path = ROOT.joinpath(*module.split("."))
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), f"{page.name}: {module}"
