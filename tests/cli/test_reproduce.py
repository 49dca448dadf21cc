"""A report can be run again from its JSON: the same numbers, or every difference named."""

import csv
import json
import os
import shutil

import pytest

from tests.pipeline.test_recorded_run import changed, crossval_run, predictions_run

# settings of a mixture for each label on frames, as formats before 1.4 wrote them, without what came later still
FLAT = {
    "kind": "frames",
    "n_components": 16,
    "covariance_type": "diag",
    "init": "kmeans",
    "n_init": 1,
    "max_iter": 100,
    "tol": 1e-4,
    "variance_floor": 1e-3,
    "relevance": None,
    "n_pca": None,
    "z_limit": None,
    "shrinkage": None,
    "n_directions": 0,
    "back_end": "own",
    "penalty": 0.01,
    "n_background_rows": 20_000,
}
SMALL = ("--components", "2", "--folds", "3", "--durations", "0.4")


@pytest.fixture
def here(corpus, tmp_path):
    """A copy of the corpus that may be changed, and its manifest."""
    root = tmp_path / "corpus"
    shutil.copytree(corpus.root, root)
    return root / "plain.csv"


@pytest.fixture
def recorded(here, command, tmp_path):
    """The JSON file of a cross-validation."""
    path = tmp_path / "report.json"
    done = command(
        *("crossval", here, *SMALL, "--repeats", "2", "--learning-curve", "--compare-random-split", "--json", path)
    )
    assert done.code == 0
    return path


def test_the_same_run_gives_the_same_bits(recorded, command, tmp_path):
    done = command("reproduce", recorded, "--json", tmp_path / "again.json", "-j", "2")
    assert done.code == 0
    assert done.out.startswith("reproduced, bit for bit: Accuracy ")
    old, new = (json.loads((tmp_path / name).read_text()) for name in ("report.json", "again.json"))
    for timed in (old, new):
        for key in ("began", "seconds", "command"):
            timed["protocol"].pop(key)
    assert old == new


def test_the_record_holds_clips_hashes_folds_and_options(recorded, here):
    run = json.loads(recorded.read_text())["run"]
    with here.open() as handle:
        rows = {row["path"]: row for row in csv.DictReader(handle)}
    assert {row["path"] for row in run["manifest"]} == set(rows)
    for row in run["manifest"]:
        assert (row["label"], row["group"], row["extra"]["singer"]) == (
            rows[row["path"]]["label"],
            rows[row["path"]]["group"],
            rows[row["path"]]["singer"],
        )
        assert len(row["sha256"]) == 64
    assert run["options"]["division"]["repeats"] == 2
    assert run["options"]["recipe"]["kind_settings"]["n_components"] == 2
    assert len(run["folds"]) == 6
    for repeat in (0, 1):
        tested = [i for fold in run["folds"] if fold["repeat"] == repeat for i in fold["test"]]
        assert sorted(tested) == list(range(18))
    assert all(fold["left_out"] == [] for fold in run["folds"])


def test_changed_audio_is_named(recorded, here, command, tools):
    tools.write(here.parent / "low/ann/0.wav", tools.band_noise("low", 77), tools.sr)
    done = command("reproduce", recorded)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == "audio: low/ann/0.wav: has other content now"
    # a clip on which others are trained moves nearly everything
    assert lines[1].startswith("number: ")
    assert lines[-2].startswith("number: and ")
    assert lines[-1].startswith("not reproduced: 1 files and ")


def test_lost_audio_is_named(recorded, here, command):
    (here.parent / "low/ann/0.wav").unlink()
    done = command("reproduce", recorded)
    assert done.code == 1
    assert done.out.startswith("audio: low/ann/0.wav: could be read, and cannot now\n")


def test_audio_that_has_moved_is_found_where_it_is_said_to_be(recorded, here, command, tmp_path):
    moved = tmp_path / "elsewhere"
    here.parent.rename(moved)
    done = command("reproduce", recorded)
    assert done.code == 3
    for place in (moved, moved / "plain.csv"):
        assert command("reproduce", recorded, "--corpus", place).code == 0


def test_other_versions_are_said_and_allow_a_rounding(recorded, command):
    report = json.loads(recorded.read_text())
    report["protocol"]["versions"]["numpy"] = "0.1"
    report["clips"][0]["scores"]["low"] *= 1 + 1e-8
    recorded.write_text(json.dumps(report))
    done = command("reproduce", recorded)
    assert done.code == 0
    assert done.out.startswith("other now: numpy 0.1 then, ")
    assert "reproduced, within 1e-5 (other versions or machine): " in done.out
    report["clips"][0]["scores"]["low"] *= 1 + 1e-4
    recorded.write_text(json.dumps(report))
    assert command("reproduce", recorded).code == 1


def test_the_last_bit_counts_with_the_same_versions(recorded, command):
    report = json.loads(recorded.read_text())
    name = report["clips"][0]["name"]
    report["clips"][0]["scores"]["low"] *= 1 + 1e-15
    recorded.write_text(json.dumps(report))
    done = command("reproduce", recorded)
    assert done.code == 1
    assert done.out.startswith(f"number: clips[{name}].scores.low: ")


def test_a_report_of_a_model_needs_the_model(model_file, corpus, command, tmp_path):
    path = tmp_path / "e.json"
    assert command("evaluate", model_file, corpus.split, "--durations", "0.4", "--json", path).code == 0
    done = command("reproduce", path)
    assert (done.code, "is the report of a model; name its file (--model)" in done.err) == (3, True)
    assert command("reproduce", path, "--model", model_file).code == 0


def test_another_model_is_named(model_file, corpus, command, tmp_path):
    path, other = tmp_path / "e.json", tmp_path / "other.gmm"
    assert command("evaluate", model_file, corpus.split, "--json", path).code == 0
    assert command("train", corpus.split, "--components", "4", "--seed", "5", "-o", other).code == 0
    done = command("reproduce", path, "--model", other)
    assert done.code == 1
    assert "audio: the model: is another one" in done.out


def test_a_table_of_predictions_is_read_again(command, tmp_path):
    table, path = tmp_path / "t.csv", tmp_path / "r.json"
    table.write_text("path,label,predicted\na.wav,jazz,rock\nb.wav,rock,rock\n")
    assert command("evaluate", "--scores", table, "--json", path).code == 0
    assert command("reproduce", path).code == 0
    table.write_text("path,label,predicted\na.wav,jazz,jazz\nb.wav,rock,rock\n")
    done = command("reproduce", path)
    assert done.code == 1
    assert done.out.startswith("audio: table of predictions: has other content now\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no json", "cannot be read as JSON"),
        ("[1]", "is not the JSON of a report"),
        ("{}", "holds no run that can be made again (run is None; expected "),
        ('{"run": {"kind": "dance", "root": ".", "manifest": [], "notes": [], "options": {}}}', "holds a run of kind"),
        ('{"run": {"kind": "crossval", "root": ".", "manifest": [], "notes": [], "options": {}}}', "holds no run"),
    ],
)
def test_what_is_no_report_says_so(command, tmp_path, text, complaint):
    path = tmp_path / "x.json"
    path.write_text(text)
    done = command("reproduce", path)
    assert (done.code, complaint in done.err) == (3, True)


def test_a_file_that_is_not_there(command, tmp_path):
    done = command("reproduce", tmp_path / "none.json")
    assert (done.code, "cannot be read (No such file or directory)" in done.err) == (3, True)


def test_settings_that_came_later_stand_for_what_was_done_before(recorded, command, tmp_path):
    report = json.loads(recorded.read_text())
    for settings in (report["protocol"]["settings"], report["run"]["options"]["recipe"]):
        # before format 1.4 frames and rows had one dictionary, and so had all kinds of models
        settings["features"] = {**settings["features"]["frames"], **settings["features"]["rows"]}
        for name in ("vtln", "measure_speech"):
            del settings["features"][name]
        settings["classifier"] = FLAT | {"n_components": settings.pop("kind_settings")["n_components"]}
    old = tmp_path / "old.json"
    old.write_text(json.dumps(report))
    assert command("reproduce", old).code == 0
    report["protocol"]["settings"]["features"]["n_mfcc"] += 1
    old.write_text(json.dumps(report))
    said = command("reproduce", old)
    assert said.code == 1
    assert "protocol.settings.features.frames.n_mfcc" in said.err + said.out


# --- reports from others -------------------------------------------------------------------------------------------


def written(path, run, **others):
    """Return the path of a report of which only the record of the run is there."""
    path.write_text(json.dumps({"format": "1.1", "run": run, "protocol": {"versions": {}, "machine": ""}} | others))
    return path


@pytest.mark.parametrize(
    ("keys", "value", "complaint"),
    [
        (
            ("manifest", 0, "path"),
            "../../secret.wav",
            "which is not below {root}; name a manifest that lists it (--corpus)",
        ),
        (("manifest", 0, "path"), "/dev/zero", "which is not below {root}; name a manifest that lists it (--corpus)"),
        (("manifest", 0, "path"), "link.wav", "a link that leads out of {root}; name that folder where this is meant"),
        (("manifest", 0, "path"), 5, "run.manifest[0].path is 5"),
        (("manifest", 0, "label"), None, "run.manifest[0].label is None"),
        (("manifest", 0, "label"), [], "run.manifest[0].label is []"),
        (("options", "division", "repeats"), 10**9, "at most 1,000 is accepted in a report"),
        (("options", "division", "durations_s"), 3, "run.options.division.durations_s is 3"),
        (("options", "recipe", "kind_settings", "n_init"), 10**9, "at most 1,000 is accepted in a report"),
        (("options", "recipe", "seed"), "0", "seed is '0'"),
        (("root",), "/", "which is the system's; name that of the clips (--corpus)"),
        (("root",), [], "run.root is []"),
        (("findings",), 3, "run.findings is 3"),
    ],
)
def test_a_hostile_report_is_refused_with_its_reason(command, corpus, tmp_path, keys, value, complaint):
    root = tmp_path / "music"
    root.mkdir()
    (root / "link.wav").symlink_to(corpus.root / "low/ann/0.wav")
    report = written(tmp_path / "r.json", changed(crossval_run(root), keys, value))
    done = command("reproduce", report)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"gmmaudio: {report}: ")
    assert complaint.format(root=root) in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "document", ["[" * 100_000, '{"run": ' * 200 + "1" + "}" * 200, '{"run": NaN}', '{"a": 1e999}']
)
def test_what_only_looks_like_a_report_is_refused(command, tmp_path, document):
    (tmp_path / "r.json").write_text(document)
    for words in (("reproduce", tmp_path / "r.json"), ("compare", tmp_path / "r.json", tmp_path / "r.json")):
        done = command(*words)
        assert (done.code, len(done.err.splitlines())) == (3, 1), done.err


@pytest.mark.parametrize("protocol", [None, 3, {"versions": 3}, {"versions": "abc"}])
def test_a_report_without_versions_is_refused_before_anything_is_decoded(command, corpus, tmp_path, protocol):
    report = written(tmp_path / "r.json", crossval_run(corpus.root), protocol=protocol)
    done = command("reproduce", report)
    assert (done.code, "holds no protocol with the versions of libraries" in done.err) == (3, True)


def test_a_pipe_among_the_clips_is_not_waited_for(command, corpus, tmp_path):
    run = changed(crossval_run(tmp_path), ("options", "division", "folds"), 2)
    run["manifest"] = [row | {"path": f"{row['label']}{i}.wav"} for row in run["manifest"] for i in range(2)]
    for row in run["manifest"]:
        os.mkfifo(tmp_path / row["path"])
    done = command("reproduce", written(tmp_path / "r.json", run), "--corpus", tmp_path)
    assert (done.code, "is not a regular file" in done.err) == (3, True), done.err


def test_a_file_that_is_no_table_is_not_printed(command, tmp_path):
    (tmp_path / "secret").write_text("root:x:0:0,password\n")
    report = written(tmp_path / "r.json", predictions_run(tmp_path / "secret"))
    done = command("reproduce", report)
    assert (done.code, "password" in done.err + done.out) == (3, False)
    assert "is no table of predictions; name it (--corpus)" in done.err


def test_absolute_paths_are_read_below_a_folder_or_from_a_manifest_that_the_user_names(absolute, command, tmp_path):
    report = tmp_path / "r.json"
    assert command("crossval", absolute, *SMALL, "--durations", "none", "--json", report).code == 0
    refused = command("reproduce", report)
    assert (refused.code, "name a manifest that lists it (--corpus)" in refused.err) == (3, True)
    assert command("reproduce", report, "--corpus", absolute).code == 0
