"""The command ``crossval``."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import json_of, warnings_of

pytestmark = pytest.mark.usefixtures("few_draws")


def crossval(command, *words):
    """Return the JSON of a cross-validation with small mixtures."""
    result = command("crossval", *words, "--components", "2", "--json", "-")
    assert result.code == 0, result.err
    return json_of(result)


def test_crossval_scores_every_clip_once_and_rightly(command, corpus):
    report = crossval(command, corpus.plain)
    assert report["accuracy"] == 1.0
    assert sorted(clip["path"] for clip in report["clips"]) == sorted(row["path"] for row in corpus.rows)
    assert warnings_of(report) == []
    assert report["protocol"]["scheme"] == "5-fold cross-validation by group"
    assert report["protocol"]["folds"] == ["0", "1", "2", "3", "4"]


def test_crossval_keeps_groups_whole(command, corpus):
    folds = {}
    for clip in crossval(command, corpus.plain, "--folds", "3")["clips"]:
        folds.setdefault(clip["group"], set()).add(clip["fold"])
    assert len(folds) == 9
    assert all(len(own) == 1 for own in folds.values())


def test_crossval_is_the_same_for_one_worker_and_two(command, corpus):
    # without a cache, from which the second would read the folds of the first
    one, two = (crossval(command, corpus.plain, "-j", n, "--cache", "none") for n in (1, 2))
    for report in (one, two):
        for key in ("command", "began", "seconds"):
            del report["protocol"][key]
    assert one == two


def test_a_run_says_from_how_many_folds_it_goes_on_unless_it_is_to_be_quiet(command, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("gmmaudio.compute.checkpoints.LEAST_S", 0.0)
    words = ("crossval", corpus.plain, "--components", "2", "--folds", "3", "--durations", "none", "--cache", tmp_path)
    line = "goes on from 3 of 3 folds, which an earlier run finished\n"
    assert [line in command(*words, *more).err for more in ((), (), ("-q",))] == [False, True, False]


def test_leaving_out_one_group_at_a_time(command, corpus):
    report = crossval(command, corpus.plain, "--folds", "loo")
    assert sorted(report["protocol"]["folds"]) == sorted({row["group"] for row in corpus.rows})
    assert all(clip["fold"] == clip["group"] for clip in report["clips"])
    assert report["protocol"]["scheme"] == "cross-validation, one group left out at a time"


def test_leaving_out_one_source_at_a_time(command, corpus):
    report = crossval(command, corpus.plain, "--folds", "loo", "--group-by", "source")
    assert report["protocol"]["folds"] == ["field", "studio"]
    assert all(clip["fold"] == clip["source"] for clip in report["clips"])
    assert report["protocol"]["group_by"] == "source"


@pytest.fixture
def nested(corpus, tmp_path, tools):
    """A manifest in which no singer has two sources, and ``high`` has one source."""
    rows = [row | {"path": corpus.root / row["path"], "split": ""} for row in corpus.rows]
    rows = [row | {"source": "studio" if row["label"] == "high" else row["source"]} for row in rows]
    rows = [row | {"group": f"{row['group']} {row['source']}"} for row in rows]
    return tools.write_manifest(tmp_path / "nested.csv", rows)


def test_where_sources_exist_both_figures_stand_side_by_side(command, nested, tmp_path):
    files = ("--json", "r.json", "--report", "r.html", "--csv", "tables")
    words = [str(tmp_path / word) if i % 2 else word for i, word in enumerate(files)]
    done = command("crossval", nested, "--components", "2", "--folds", "2", "--durations", "none", *words)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("On recordings of a new source: accuracy 100.0 % (")
    assert lines[0].endswith("12 clips, 2 labels, one source left out at a time")
    assert lines[1].startswith("On new groups of known sources: accuracy 100.0 % (")
    assert lines[2].startswith("Of new recordings, from sources that were not trained on ")
    for title in ("Sources left out, and the same clips by group", "Per label, sources left out", "Sources left out"):
        assert title in {line.strip() for line in lines}
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["for_new_recordings"] == "sources_left_out"
    assert report["sources_left_out"]["scored_labels"] == ["low", "mid"]
    with (tmp_path / "tables" / "left_out_clips.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {(row["source"], row["fold"]) for row in rows} == {("field", "field"), ("studio", "studio")}
    page = (tmp_path / "r.html").read_text()
    assert page.index("<h2>On recordings of a new source</h2>") < page.index("<h2>On new groups of known sources</h2>")


def test_the_figure_is_that_of_the_run_by_hand_and_a_flag_leaves_it_out(command, nested):
    words = (nested, "--folds", "2", "--durations", "none")
    by_hand = crossval(command, nested, "--folds", "loo", "--group-by", "source", "--durations", "none")
    both, one = crossval(command, *words), crossval(command, *words, "--no-leave-sources-out")
    assert both["sources_left_out"]["accuracy"] == by_hand["accuracy"]
    scores = [
        {clip["name"]: clip["scores"] for clip in clips}
        for clips in (both["sources_left_out"]["clips"], by_hand["clips"])
    ]
    assert scores[0] == scores[1]
    assert one["sources_left_out"] is None
    assert one["clips"] == both["clips"]
    remedies = [
        next(f["remedy"] for f in report["findings"] if f["code"] == "source_confounded") for report in (both, one)
    ]
    assert remedies[0] == "add clips of another source"
    assert remedies[1].endswith("or add clips of another source")


def test_reports_with_and_without_sources_left_out_are_compared_and_reproduced(command, nested, tmp_path):
    words = (nested, "--components", "2", "--folds", "2", "--durations", "none")
    paths = [tmp_path / name for name in ("both.json", "one.json")]
    for path, more in zip(paths, ((), ("--no-leave-sources-out",)), strict=True):
        assert command("crossval", *words, "--json", path, *more).code == 0
    assert command("compare", *paths).code == 0
    assert command("reproduce", paths[0], "--corpus", nested).code == 0


def test_a_column_tells_the_folds(command, corpus):
    report = crossval(command, corpus.plain, "--fold-column", "fold")
    column = {row["path"]: str(row["fold"]) for row in corpus.rows}
    assert {clip["path"]: clip["fold"] for clip in report["clips"]} == column
    assert report["protocol"]["scheme"] == "cross-validation by the fold column 'fold'"


def test_repeats_divide_anew_with_the_next_seeds(command, corpus):
    report = crossval(command, corpus.plain, "--folds", "3", "--repeats", "2", "--seed", "4")
    assert (report["n"], report["n_predictions"]) == (18, 36)
    assert [row["seed"] for row in report["repeats"]] == [4, 5]
    first, second = ([clip["fold"] for clip in report["clips"] if clip["repeat"] == i] for i in (0, 1))
    paths = [[clip["path"] for clip in report["clips"] if clip["repeat"] == i] for i in (0, 1)]
    assert dict(zip(paths[0], first, strict=True)) != dict(zip(paths[1], second, strict=True))


def test_groups_come_from_a_column_the_folder_or_nowhere(command, corpus):
    by_singer = crossval(command, corpus.plain, "--group-by", "singer", "--folds", "loo")
    assert by_singer["protocol"]["folds"] == ["ann", "bob", "cy"]
    by_parent = crossval(command, corpus.root, "--group-by", "parent", "--folds", "loo")
    assert {clip["group"] for clip in by_parent["clips"]} == {str(Path(row["path"]).parent) for row in corpus.rows}
    assert warnings_of(by_parent) == []
    by_none = crossval(command, corpus.plain, "--group-by", "none")
    assert {clip["group"] for clip in by_none["clips"]} == {None}
    assert warnings_of(by_none) == [
        ("groups_unknown", "groups unknown: this metric may be optimistic"),
        (
            "group_on_both_sides",
            "9 groups of the corpus are on both sides of a split ('high-ann', 'high-bob', 'high-cy' and 6 more): "
            "this metric may be optimistic",
        ),
    ]


def test_a_label_with_one_group_is_a_candidate_and_never_scored(command, corpus, tmp_path, tools):
    rows = [row | {"path": corpus.root / row["path"], "split": ""} for row in corpus.rows]
    alone = [row | {"group": "only"} if row["label"] == "high" else row for row in rows]
    manifest = tools.write_manifest(tmp_path / "m.csv", alone)
    for scheme in (["--folds", "2"], ["--folds", "loo"], ["--fold-column", "fold"]):
        report = crossval(command, manifest, *scheme)
        assert report["protocol"]["unscored_labels"] == ["high"]
        assert report["protocol"]["scored_labels"] == ["low", "mid"]
        assert {clip["label"] for clip in report["clips"]} == {"low", "mid"}
        assert all(set(clip["scores"]) == {"high", "low", "mid"} for clip in report["clips"])


def test_crossval_uses_the_training_split(command, corpus):
    assert {clip["path"] for clip in crossval(command, corpus.split, "--folds", "2")["clips"]} == {
        row["path"] for row in corpus.rows if row["split"] == "train"
    }


def test_crossval_drops_bad_files_and_leaves_the_rest_as_it_is(command, absolute, spoiled):
    manifest, codes = spoiled
    words = ["--components", "2", "--folds", "2", "--json", "-"]
    before, result = command("crossval", absolute, *words), command("crossval", manifest, *words)
    assert (before.code, result.code) == (0, 1)
    report = json_of(result)
    assert {(item["path"], item["code"]) for item in report["failed"]} == set(codes.items())
    for name in ("accuracy", "n", "confusion", "clips", "intervals", "findings"):
        assert report[name] == json_of(before)[name], name
    assert f"{len(codes)} inputs failed" in result.err


def test_the_same_sound_in_two_groups_is_told(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "c")
    shutil.copy(tmp_path / "c/low/ann/0.wav", tmp_path / "c/low/cy/copy.wav")
    report = crossval(command, tmp_path / "c", "--group-by", "parent", "--folds", "loo")
    assert warnings_of(report) == [
        ("same_audio_on_both_sides", "same audio on both sides of a split: low/ann/0.wav = low/cy/copy.wav"),
        ("same_audio_twice", "same audio twice: low/ann/0.wav (low) = low/cy/copy.wav (low)"),
    ]


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--folds", "1"], 2, "--folds is 1; expected 2 to 9, the number of groups with labels that can be scored"),
        (["--folds", "10"], 2, "--folds is 10; expected 2 to 9"),
        (["--repeats", "0"], 2, "--repeats is 0; expected 1 to 1000"),
        (["--repeats", "2", "--folds", "loo"], 2, "--repeats is 2; expected 1 to 1000, and 1 with --fold-column"),
        (["--repeats", "2", "--fold-column", "fold"], 2, "--repeats is 2; expected 1 to 1000, and 1 with"),
        (["--fold-column", "nosuch"], 3, "no clip has a value in the column 'nosuch'; name another (--fold-column)"),
        (["--fold-column", "label"], 3, "no label can be scored"),
        (
            ["--group-by", "nosuch"],
            3,
            "'low/ann/0.wav', 'low/ann/1.flac', 'low/bob/0.wav' and 15 more without a value in the",
        ),
        (["--group-by", "label"], 3, "no label can be scored"),
        (["--trial-seconds", "0.05"], 2, "--trial-seconds is 0.05; expected 0.1 to 3600 s"),
        (["--min-duration", "nan"], 2, "--min-duration is nan; expected a finite number"),
        (["--min-duration", "2"], 3, "no clip is left to use: 18 clips failed, the first: "),
        (["--components", "0"], 2, "n_components is 0; expected a whole number, 1 or more"),
        (["-j", "0"], 2, "--jobs is 0; expected 1 or more worker processes, or -1 for one each core"),
    ],
)
def test_crossval_that_cannot_be_done_says_why(command, corpus, words, code, complaint):
    if words[:2] == ["--group-by", "label"]:
        words = [*words, "--folds", "loo"]
    result = command("crossval", corpus.plain, *words)
    assert (result.code, result.out) == (code, "")
    assert complaint in result.err


def test_a_fold_column_of_splits_divides_all_clips(command, corpus):
    result = command("crossval", corpus.split, "--fold-column", "split", "--components", "2", "--json", "-")
    assert result.code == 0, result.err
    assert json.loads(result.out)["protocol"]["folds"] == ["test", "train"]


def test_the_command_asks_for_all_of_it(command, corpus, tmp_path):
    result = command(
        *("crossval", corpus.plain, "--components", "2", "--folds", "3", "--durations", "0.3,0.5"),
        *("--learning-curve", "--compare-random-split", "--csv", tmp_path / "tables"),
    )
    assert result.code == 0
    with (tmp_path / "tables" / "slices.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["table"] for row in rows} == {"source", "durations", "learning_curve", "random_split"}
    for title in ("By source", "Cut to durations", "Learning curve", "Random-split gap"):
        assert title in result.out
    assert f"wrote the tables in {tmp_path / 'tables'}" in result.err


def test_the_command_tunes(command, corpus, few_candidates):
    words = ("crossval", corpus.plain, "--folds", "3", "--durations", "none", "--json", "-")
    plain, tuned = (json.loads(command(*words, *more).out) for more in ((), ("--tune",)))
    assert len(tuned["protocol"]["settings"]["tuning"]) == 3
    assert all(len(each["table"]) == 4 for each in tuned["protocol"]["settings"]["tuning"])
    assert "tuning" not in plain["protocol"]["settings"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--durations", "3;10"], "'3;10' is not a list of seconds such as 3,10,30, nor none."),
        (["--folds", "3", "--fold-column", "fold"], "--folds has no effect with --fold-column."),
        (
            ["--tune", "--components", "3"],
            "--components and --covariance have no effect with --tune, which chooses them.",
        ),
        (["--durations", "0.01"], "--durations holds 0.01; expected 0.1 to 3600 s each"),
    ],
)
def test_what_cannot_be_or_has_no_effect_is_a_usage_error(command, corpus, words, complaint):
    result = command("crossval", corpus.plain, *words)
    assert (result.code, complaint in result.err) == (2, True)


@pytest.mark.parametrize("name", ["codec", "mp3", "opus", "band", "noise", "gain"])
def test_the_command_augments(command, corpus, tmp_path, name):
    words = ("crossval", corpus.plain, "--folds", "3", "--durations", "none", "--components", "2", "--json", "-")
    plain, copied = (json.loads(command(*words, *more).out) for more in ((), ("--augment", name)))
    assert [c["scores"] for c in plain["clips"]] != [c["scores"] for c in copied["clips"]]


@pytest.mark.parametrize("names", ["", "none,noise", "noise,noise", "hiss"])
def test_copies_that_there_are_not_are_refused(command, corpus, names):
    result = command("crossval", corpus.plain, "--preset", "genre", "--augment", names)
    assert result.code == 2
    assert f"--augment is {names}; expected any of codec,mp3,opus,band,noise,gain, once, or none" in result.err


def test_one_artist_in_two_normal_forms_is_never_on_both_sides(command, corpus, tmp_path, tools):
    forms = ("Beyonc\u00e9", "Beyonce\u0301")
    # each group has a clip in either form
    rows = [row | {"path": corpus.root / row["path"]} for row in corpus.rows]
    mixed = [row | {"group": row["group"] + forms[i % 2]} for i, row in enumerate(rows)]
    plain = [row | {"group": row["group"] + forms[0]} for row in rows]
    words = ("--components", "1", "--split", "train", "--folds", "2", "--durations", "none", "--json", "-")
    reports = []
    for name, each in (("mixed", mixed), ("plain", plain)):
        table = tools.write_manifest(tmp_path / f"{name}.csv", each)
        reports.append(json.loads(command("crossval", table, *words).out))
    mixed_report, plain_report = reports
    assert mixed_report["run"]["folds"] == plain_report["run"]["folds"]
    assert {clip["group"] for clip in mixed_report["clips"]} == {clip["group"] for clip in plain_report["clips"]}
    counted = {f["code"]: f["text"] for f in mixed_report["findings"]}["groups_known"]
    assert counted == "groups are known: 6 of them"


def test_folders_of_splits_are_refused_also_beside_another_and_one_of_them_is_a_warning(command, corpus, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(corpus.root / "low" / "ann", tmp_path / "c" / split)
    for words in (("crossval", tmp_path / "c"), ("train", tmp_path / "c", "-o", tmp_path / "m.gmm")):
        done = command(*words)
        assert (done.code, done.out) == (3, "")
        assert "every label is the name of a split ('test', 'train'); expected classes: " in done.err
    shutil.copytree(corpus.root / "high" / "ann", tmp_path / "c" / "high")
    done = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm", "--components", "1")
    assert (done.code, done.out) == (3, "")
    assert "'test', 'train' are called as splits, and 'high' beside them is not; move it into them, name " in done.err
    shutil.rmtree(tmp_path / "c" / "test")
    done = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm", "--components", "1")
    assert done.code == 0
    assert "warning: labels are called as parts of a corpus usually are: 'train'; if they are splits, " in done.err


def test_folds_and_groups_in_nearly_one_spelling_are_findings(command, corpus, tmp_path, tools):
    rows = [row | {"path": corpus.root / row["path"]} for row in corpus.rows]
    rows = [row | {"fold": f"{row['fold']}{'.0' * (i % 2)}", "split": ""} for i, row in enumerate(rows)]
    table = tools.write_manifest(tmp_path / "m.csv", rows)
    done = command(
        "crossval", table, "--fold-column", "fold", "--components", "1", "--durations", "none", "--json", "-"
    )
    texts = {finding["code"]: finding["text"] for finding in json.loads(done.out)["findings"]}
    assert texts["similar_values"].startswith(
        "values of the column 'fold' differ only by how a number is written: '0'; "
    )
