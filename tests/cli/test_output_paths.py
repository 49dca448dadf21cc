"""No output replaces an input or another output, by whatever name it goes, and nothing is done before that is known."""

import json
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest

from gmmaudio.cli.output_paths import OutputFolder, OutputPaths, check_distinct, keep_inputs
from gmmaudio.errors import SettingError
from gmmaudio.evaluation import intervals
from gmmaudio.evaluation.csv_tables import TABLES
from tests.cli.conftest import GMMAUDIO

CLIP, LEFT_OUT = "low/ann/0.wav", "mid/cy/1.flac"


@pytest.fixture(scope="module")
def recorded(corpus):
    """The report of a cross-validation of the corpus, as plain values."""
    from gmmaudio import pipeline

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "N_DRAWS", 50)
        recipe = pipeline.make_recipe(n_components=1)
        return pipeline.crossval(corpus.plain, recipe, folds=3, durations_s=()).to_dict()


@pytest.fixture
def inputs(corpus, recorded, model_file, tmp_path):
    """Inputs of every kind that may be destroyed: a corpus, its manifest, a model, reports, a table of predictions."""
    folder = tmp_path / "inputs"
    root = folder / "c"
    shutil.copytree(corpus.root, root)
    shutil.copy(model_file, folder / "m.gmm")
    for name in ("a.json", "b.json"):
        (folder / name).write_text(json.dumps(recorded | {"run": recorded["run"] | {"root": str(root)}}))
    (folder / "scores.csv").write_text("path,label,predicted\n1.wav,a,a\n2.wav,b,b\n")
    return SimpleNamespace(folder=folder, root=root, before={path: path.read_bytes() for path in files_in(folder)})


def files_in(folder):
    """Return all files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def spelled(way, path, folder):
    """Return another name of a file."""
    alias = folder / "alias"
    if way == "link":
        alias.symlink_to(path)
    elif way == "hard link":
        os.link(path, alias)
    elif way == "linked folder":
        alias.symlink_to(path.parent)
        return alias / path.name
    elif way == "relative":
        return os.path.relpath(path)
    else:
        return path
    return alias


RUNS = [
    (["train", "{c}/split.csv"], "-o", ["c/split.csv", f"c/{CLIP}", f"c/{LEFT_OUT}"]),
    (["train", "{c}"], "-o", [f"c/{CLIP}"]),
    (["crossval", "{c}/plain.csv"], "--json", ["c/plain.csv", f"c/{CLIP}"]),
    (["crossval", "{c}"], "--report", [f"c/{CLIP}"]),
    (["evaluate", "{i}/m.gmm", "{c}/split.csv"], "--json", ["m.gmm", "c/split.csv", f"c/{CLIP}", f"c/{LEFT_OUT}"]),
    (["evaluate", "{i}/m.gmm", "{c}"], "--report", ["m.gmm", f"c/{CLIP}"]),
    (["evaluate", "--scores", "{i}/scores.csv"], "--json", ["scores.csv"]),
    (["evaluate", "--scores", "{i}/scores.csv"], "--report", ["scores.csv"]),
    (["compare", "{i}/a.json", "{i}/b.json"], "--json", ["a.json", "b.json"]),
    (["reproduce", "{i}/a.json"], "--json", ["a.json", f"c/{CLIP}"]),
    (["reproduce", "{i}/a.json", "--corpus", "{c}/plain.csv"], "--json", ["c/plain.csv", f"c/{CLIP}"]),
    (["reproduce", "{i}/a.json", "--model", "{i}/m.gmm"], "--json", ["m.gmm"]),
    (["compare", "{i}/a.json", "{i}/b.json"], "--json", [f"c/{CLIP}"]),
]
CASES = [(words, option, victim) for words, option, victims in RUNS for victim in victims]


@pytest.mark.parametrize("way", ["itself", "relative", "link", "hard link", "linked folder"])
@pytest.mark.parametrize(("words", "option", "victim"), CASES)
def test_no_output_replaces_what_the_run_reads(command, inputs, tmp_path, words, option, victim, way):
    path = spelled(way, inputs.folder / victim, tmp_path)
    words = [word.format(c=inputs.root, i=inputs.folder) for word in words]
    result = command(*words, option, path)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1] == (
        f"gmmaudio: {option} {path} would overwrite the input {inputs.folder / victim}; choose another path"
    )
    assert {file: file.read_bytes() for file in files_in(inputs.folder)} == inputs.before


def test_a_clip_that_is_found_in_another_normal_form_is_kept(command, inputs, good, tmp_path):
    asked, there = "\u00e9.wav", "e\u0301.wav"
    shutil.copy(good, tmp_path / there)
    (tmp_path / "m.csv").write_text(f"path,label\n{asked},low\n{inputs.root}/{CLIP},mid\n", encoding="utf-8")
    result = command("train", tmp_path / "m.csv", "-o", tmp_path / there)
    assert result.code == 2
    assert f"would overwrite the input {tmp_path}/" in result.err
    assert (tmp_path / there).read_bytes() == good.read_bytes()


@pytest.mark.parametrize("victim", [f"c/{CLIP}", f"c/{LEFT_OUT}", "c/split.csv", "m.gmm"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_no_table_replaces_what_the_run_reads(command, inputs, tmp_path, victim, link):
    (tmp_path / "tables").mkdir()
    link(inputs.folder / victim, tmp_path / "tables" / "clips.csv")
    result = command("evaluate", inputs.folder / "m.gmm", inputs.root / "split.csv", "--csv", tmp_path / "tables")
    assert result.code == 2
    assert f"--csv {tmp_path}/tables holds the input {inputs.folder / victim}; choose another folder" in result.err
    assert {file: file.read_bytes() for file in files_in(inputs.folder)} == inputs.before


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("option", ["--json", "--report", "--csv"])
def test_a_clip_that_a_table_of_predictions_names_is_kept(command, good, tmp_path, option, is_absolute):
    (tmp_path / "s").mkdir()
    clip = tmp_path / "s" / "1.csv"
    shutil.copy(good, clip)
    rows = [f"{clip if is_absolute else '1.csv'},a,g,a", "2.wav,a,h,b", "3.wav,b,i,b", "4.wav,b,j,b"]
    (tmp_path / "s" / "scores.txt").write_text("\n".join(["path,label,group,predicted", *rows]))
    output = tmp_path / "s" if option == "--csv" else clip
    result = command("evaluate", "--scores", tmp_path / "s" / "scores.txt", option, output)
    assert (result.code, result.out) == (2, "")
    assert f"the input {clip}; choose another" in result.err
    assert clip.read_bytes() == good.read_bytes()


@pytest.mark.parametrize("row", [{"path": CLIP}, {"paths": ["1.wav", CLIP]}])
@pytest.mark.parametrize("side", ["a.json", "b.json"])
def test_a_clip_that_an_evaluation_names_is_kept(command, inputs, row, side):
    clips = [{"name": name, "label": "low", "predicted": "low", "path": f"{name}.wav"} for name in "xyz"]
    for name in ("a.json", "b.json"):
        rows = [clips[0] | row, *clips[1:]] if name == side else clips
        document = {"format": "1.1", "clips": rows, "run": {"root": str(inputs.root)}}
        (inputs.folder / name).write_text(json.dumps(document))
    result = command("compare", inputs.folder / "a.json", inputs.folder / "b.json", "--json", inputs.root / CLIP)
    assert (result.code, result.out) == (2, "")
    assert f"--json {inputs.root / CLIP} would overwrite the input {inputs.root / CLIP}; choose another" in result.err


def test_standard_output_that_is_added_to_an_input_is_refused(inputs):
    for verb, victim in (("train", "c/split.csv"), ("train", f"c/{CLIP}"), ("crossval", "c/split.csv")):
        words = [*GMMAUDIO, verb, inputs.root / "split.csv", *(["-o", "m"] if verb == "train" else [])]
        with (inputs.folder / victim).open("ab") as out:
            done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, check=False, cwd=inputs.folder)
        assert done.returncode == 2
        assert f"standard output would overwrite the input {inputs.folder / victim}" in done.stderr.decode()
    assert {file: file.read_bytes() for file in files_in(inputs.folder)} == inputs.before


def test_classify_does_not_add_to_what_it_reads(inputs):
    clip = inputs.root / CLIP
    (inputs.folder / "list").write_text(f"{clip}\n")
    for victim in (clip, inputs.folder / "m.gmm", inputs.folder / "list"):
        with victim.open("ab") as out:
            words = [*GMMAUDIO, "classify", inputs.folder / "m.gmm", "--from-file", inputs.folder / "list"]
            done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, b"standard output would overwrite the input" in done.stderr) == (2, True), victim
    assert inputs.before.items() <= {file: file.read_bytes() for file in files_in(inputs.folder)}.items()


def test_a_file_that_is_no_input_is_replaced(command, inputs, tmp_path):
    (tmp_path / "m.gmm").write_bytes(b"older")
    result = command("train", inputs.root / "split.csv", "-o", tmp_path / "m.gmm", "--components", "1")
    assert result.code == 0
    assert command("info", tmp_path / "m.gmm").code == 0


@pytest.mark.usefixtures("capsys")  # where standard output is no file
def test_inputs_are_looked_at_only_where_an_output_exists(tmp_path):
    def never():
        raise AssertionError("looked at")
        yield

    keep_inputs([("-o m would overwrite", tmp_path / "m")], never())
    folder = OutputFolder("--csv", tmp_path / "tables", ["clips.csv"])
    OutputPaths({"--json": tmp_path / "j", "--report": None}, [folder]).keep(never())
    (tmp_path / "m").write_bytes(b"")
    with pytest.raises(AssertionError, match="looked at"):
        keep_inputs([("-o m would overwrite", tmp_path / "m")], never())


def test_an_input_that_is_not_there_is_no_output(tmp_path):
    (tmp_path / "m").write_bytes(b"")
    absent = [tmp_path / "gone", "\0", tmp_path / ("a" * 300)]
    keep_inputs([("-o m would overwrite", tmp_path / "m")], absent)
    # those that follow are looked at all the same
    with pytest.raises(SettingError, match="-o m would overwrite the input"):
        keep_inputs([("-o m would overwrite", tmp_path / "m")], [*absent, tmp_path / "m"])


# output and output


def pairs(folder):
    """Return pairs of names that are one file, here or on another file system."""
    composed = unicodedata.normalize("NFC", "modè.json")
    (folder / "there").write_bytes(b"")
    (folder / "link").symlink_to("there")
    os.link(folder / "there", folder / "hard")
    (folder / "new").symlink_to("to_be_made")
    (folder / "self").symlink_to(".")
    return [
        ("r", "r"),
        ("r", "./r"),
        ("there", "link"),
        ("there", "hard"),
        ("new", "to_be_made"),
        ("r", "self/r"),
        ("r.json", "R.JSON"),
        (composed, unicodedata.normalize("NFD", composed)),
    ]


@pytest.mark.parametrize("i", range(8))
def test_two_outputs_of_one_run_are_two_files(command, corpus, tmp_path, monkeypatch, i):
    monkeypatch.chdir(tmp_path)
    a, b = pairs(tmp_path)[i]
    before = sorted(tmp_path.iterdir())
    result = command("crossval", corpus.plain, "--report", a, "--json", b)
    assert (result.code, result.out) == (2, "")
    assert f"--json {Path(b)} would overwrite --report {Path(a)}; choose another path" in result.err
    assert sorted(tmp_path.iterdir()) == before


def test_names_that_differ_by_case_in_two_folders_are_two_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "A").mkdir(exist_ok=True)
    if not (tmp_path / "a").samefile(tmp_path / "A"):
        check_distinct([("--json", tmp_path / "a" / "r"), ("--report", tmp_path / "A" / "R")])


@pytest.mark.parametrize("is_made", [True, False])
@pytest.mark.parametrize("table", ["clips.csv", "DET.csv"])
def test_no_report_is_a_table_of_the_same_run(command, corpus, tmp_path, is_made, table):
    (tmp_path / "real").mkdir()
    folder = tmp_path / ("real" if is_made else "new")
    report = tmp_path / "real" / table if is_made else folder
    result = command("crossval", corpus.plain, "--csv", folder, "--json", report)
    assert result.code == 2
    assert f"--csv {folder} would overwrite --json {report}; choose another path" in result.err


def test_standard_output_and_a_report_are_two_files(corpus, tmp_path):
    with (tmp_path / "out.json").open("wb") as out:
        words = [*GMMAUDIO, "crossval", corpus.plain, "--json", "out.json"]
        done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.decode() == ("gmmaudio: --json out.json would overwrite standard output; choose another path\n")


# places that cannot be written, before any work


@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/null", "/sys/m", "link"])
@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["train", "{c}"], "-o"),
        (["crossval", "{c}"], "--json"),
        (["crossval", "{c}"], "--report"),
        (["crossval", "{c}"], "--csv"),
        (["crossval", "{c}"], "--figures"),
        (["evaluate", "{m}", "{c}"], "--json"),
        (["evaluate", "{m}", "{c}"], "--csv"),
        (["compare", "{c}", "{c}"], "--json"),
        (["reproduce", "{c}"], "--json"),
        (["features", "{c}"], "-o"),
    ],
)
def test_a_place_where_no_file_can_be_kept_is_4_before_anything_is_read(
    command, corpus, model_file, tmp_path, monkeypatch, words, option, place
):
    from gmmaudio import pipeline
    from gmmaudio.cli import inputs
    from gmmaudio.evaluation import report_file

    for module, name in ((pipeline, "read_corpus"), (inputs, "resolve"), (report_file, "read_report")):
        monkeypatch.setattr(module, name, None)
    (tmp_path / "link").symlink_to("/dev/stdout")
    path = tmp_path / "link" if place == "link" else place
    result = command(*(word.format(c=corpus.split, m=model_file) for word in words), option, path)
    assert (result.code, result.out) == (4, "")
    assert "where no file can be kept; name a file in another folder" in result.err


@pytest.mark.parametrize("option", ["--csv", "-o"])
def test_dash_is_no_folder(command, corpus, good, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    result = command(*(["crossval", corpus.plain] if option == "--csv" else ["features", good]), option, "-")
    assert (result.code, result.err) == (4, "gmmaudio: -: standard output cannot be used here; name a folder\n")


def test_a_table_that_is_a_folder_is_refused_early(command, corpus, tmp_path):
    (tmp_path / "t" / "clips.csv").mkdir(parents=True)
    result = command("crossval", corpus.plain, "--csv", tmp_path / "t")
    assert (result.code, result.err) == (4, f"gmmaudio: {tmp_path}/t/clips.csv: is a folder; name a file in it\n")


@pytest.mark.usefixtures("few_draws")
def test_every_table_is_known(command, corpus, model_file, tmp_path):
    words = ["evaluate", model_file, corpus.split, "--durations", "0.6"]
    assert command(*words, "--csv", tmp_path / "t").code == 0
    written = {path.stem for path in (tmp_path / "t").iterdir()}
    assert written <= set(TABLES)
    assert {"clips", "det", "reliability", "similarity", "slices"} <= written


def test_an_output_over_an_input_named_in_the_other_normal_form_is_refused(tmp_path):
    asked, there = "Zo\u00e9.wav", "Zoe\u0301.wav"
    (tmp_path / there).write_bytes(b"sound")
    with pytest.raises(SettingError, match="would overwrite the input"):
        keep_inputs([("-o would overwrite", tmp_path / there)], [tmp_path / asked])
