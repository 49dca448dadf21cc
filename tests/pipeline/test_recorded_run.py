"""The record of a run, as anybody may have written it: its types, its numbers, the files that it names."""

import copy
import math
import os
from dataclasses import asdict

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.models import make_recipe
from gmmaudio.pipeline.crossvalidation import CrossvalOptions
from gmmaudio.pipeline.recorded_run import read_run

ROW = {"path": "a/1.wav", "label": "a", "group": None, "source": None, "split": None, "start_s": 0.0, "end_s": None}
EVALUATE = {
    "split": None,
    "trial_s": 0.0,
    "min_duration_s": 0.5,
    "group_by": None,
    "durations_s": [3.0],
    "robustness": False,
    "model_sha256": "0",
}
RECIPES = [make_recipe(), make_recipe("genre"), make_recipe("language")]


def crossval_run(root, recipe=None):
    """Return the record of a cross-validation of three clips."""
    rows = [ROW | {"path": f"{label}/1.wav", "label": label, "extra": {}, "sha256": None} for label in "abc"]
    options = {"recipe": (recipe or make_recipe()).to_dict(), "division": asdict(CrossvalOptions())}
    finding = {"code": "note", "level": "information", "text": "a", "remedy": ""}
    return {"kind": "crossval", "root": str(root), "findings": [finding], "options": options, "manifest": rows}


def evaluate_run(root):
    """Return the record of an evaluation of the same clips."""
    return crossval_run(root) | {"kind": "evaluate", "options": dict(EVALUATE)}


def predictions_run(table):
    """Return the record of an evaluation of a table."""
    row = {"path": "table of predictions", "start_s": 0.0, "end_s": None, "sha256": "0"}
    return {"kind": "predictions", "root": str(table), "options": {}, "manifest": [row]}


def changed(record, keys, value):
    """Return a copy of plain values with one of them changed."""
    record = copy.deepcopy(record)
    holder = record
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    return record


def paths_of(value, keys=()):
    """Yield the keys of every value within plain values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*keys, key)
        yield from paths_of(each, (*keys, key))


def refused(record, root=None):
    """Return the message with which a record is refused."""
    with pytest.raises(CorpusError) as caught:
        read_run(record, root)
    return str(caught.value)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_recorded_is_read(tmp_path, recipe):
    run = read_run(crossval_run(tmp_path, recipe))
    assert (run.kind, run.recipe, run.division) == ("crossval", recipe, CrossvalOptions())
    assert [clip.path for clip in run.corpus.clips] == ["a/1.wav", "b/1.wav", "c/1.wav"]
    assert run.inputs == tuple((f"{label}/1.wav", 0.0, None, None) for label in "abc")
    run = read_run(evaluate_run(tmp_path))
    assert (run.kind, run.options["durations_s"], run.corpus.root) == ("evaluate", (3.0,), tmp_path)
    assert run.model_sha256 == "0"


def test_entries_of_a_later_version_are_left_out(tmp_path):
    record = crossval_run(tmp_path)
    record |= {"later": 1}
    record["manifest"][0] |= {"later": 1}
    assert read_run(record).corpus.clips[0].path == "a/1.wav"


# --- types ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("manifest", 0, "path"), 5, "run.manifest[0].path is 5; expected"),
        (("manifest", 0, "label"), None, "run.manifest[0].label is None; expected"),
        (("manifest", 1, "label"), [], "run.manifest[1].label is []; expected"),
        (("manifest", 1, "label"), "", "run.manifest[1].label is empty"),
        (("manifest", 0, "group"), {}, "run.manifest[0].group is {}; expected"),
        (("manifest", 0, "start_s"), -1, "run.manifest[0] is from -1 to None s"),
        (("manifest", 0, "start_s"), math.nan, "run.manifest[0].start_s is nan; expected"),
        (("manifest", 0, "end_s"), 0.0, "run.manifest[0] is from 0 to 0.0 s"),
        (("manifest", 0, "extra"), [1], "run.manifest[0].extra is [1]; expected"),
        (("manifest", 0), "a/1.wav", "run.manifest[0] is 'a/1.wav'; expected"),
        (("manifest",), 3, "run.manifest is 3; expected"),
        (("findings",), "note", "run.findings is 'note'; expected"),
        (("findings", 0), 3, "run.findings is 3; expected"),
        (("findings", 0, "text"), 3, "run.findings.text is 3; expected"),
        (("findings", 0, "level"), "loud", "the level of a finding is 'loud'"),
        (("options",), None, "run.options is None; expected"),
        (("options", "division", "repeats"), "2", "run.options.division.repeats is '2'; expected"),
        (("options", "division", "durations_s"), 3, "run.options.division.durations_s is 3; expected"),
        (("options", "division", "durations_s"), ["3"], "run.options.division.durations_s"),
        (("options", "division", "tune"), 1, "run.options.division.tune is 1; expected"),
        (("options", "division", "folds"), [], "run.options.division.folds is []; expected"),
        (("options", "division", "more"), 1, "unexpected keyword argument 'more'"),
        (("options", "recipe"), [], "holds no run that can be made again"),
        (("options", "recipe", "features"), 3, "holds no run that can be made again"),
        (("root",), 3, "run.root is 3; expected"),
        (("kind",), [], "run.kind is []; expected"),
        (("kind",), "dance", "holds a run of kind 'dance', which cannot be run again"),
    ],
)
def test_a_value_of_another_type_is_named(tmp_path, keys, value, message):
    assert message in refused(changed(crossval_run(tmp_path), keys, value))


HOSTILE = [None, True, -1, 0, 5, 10**9, 10**40, 0.5, -math.inf, math.nan, "", "x", "\0", "\ud800", [], [None], {}, [[]]]


@pytest.mark.parametrize("make", [crossval_run, evaluate_run, predictions_run])
def test_any_value_anywhere_gives_a_run_or_a_reason(tmp_path, make):
    record = make(tmp_path)
    for keys in paths_of(record):
        for value in HOSTILE:
            try:
                read_run(changed(record, keys, value))
            except CorpusError as error:
                assert len(str(error)) < 600, keys


@pytest.mark.parametrize("recipe", RECIPES)
def test_any_setting_of_a_recipe_gives_a_recipe_or_a_reason(tmp_path, recipe):
    record = crossval_run(tmp_path, recipe)
    for keys in paths_of(record["options"]):
        for value in HOSTILE:
            try:
                run = read_run(changed(record, ("options", *keys), value))
            except CorpusError:
                continue
            assert run.recipe.seed >= 0


@pytest.mark.parametrize("value", HOSTILE)
def test_what_is_no_record_at_all_is_refused(value):
    refused(value)


def test_every_entry_is_missed(tmp_path):
    record = predictions_run(tmp_path / "t.csv")
    del record["options"]
    assert read_run(record, tmp_path).model_sha256 is None
    for make in (crossval_run, evaluate_run):
        for name in make(tmp_path):
            record = make(tmp_path)
            del record[name]
            assert name in refused(record)


# --- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("division", "repeats"), 10**9),
        (("division", "repeats"), 1_001),
        (("division", "folds"), 10**9),
        (("division", "durations_s"), [1.0] * 101),
        (("recipe", "kind_settings", "n_init"), 10**9),
        (("recipe", "kind_settings", "max_iter"), 10**9),
        (("recipe", "kind_settings", "n_components"), 10**9),
        (("recipe", "features", "frames", "vtln"), [1.0] * 10**6),
        (("recipe", "seed"), 10**100),
        (("recipe", "min_duration_s"), 1e300),
    ],
)
def test_a_count_without_end_is_refused(tmp_path, keys, value):
    message = refused(changed(crossval_run(tmp_path), ("options", *keys), value))
    assert "accepted in a report" in message
    assert keys[-1] in message


@pytest.mark.parametrize("name", ["n_components", "max_iter", "n_ubm_rows", "n_nuisance", "bigram_lag"])
def test_the_counts_of_supervectors_have_bounds_too(tmp_path, name):
    record = crossval_run(tmp_path, make_recipe("language"))
    keys = ("options", "recipe", "kind_settings", name)
    assert "accepted in a report" in refused(changed(record, keys, 10**9))


def test_the_product_of_counts_has_a_bound(tmp_path):
    record = changed(crossval_run(tmp_path), ("options", "division", "repeats"), 500)
    assert read_run(record).division.repeats == 500
    record = changed(record, ("options", "recipe", "kind_settings", "n_init"), 500)
    assert "make 1,255,000 fits; at most 100,000 are accepted in a report" in refused(record)


# --- places --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A folder with three clips, and beside it what is not to be read."""
    (tmp_path / "secret.wav").write_bytes(b"secret")
    for label in "abc":
        (tmp_path / "music" / label).mkdir(parents=True)
        (tmp_path / "music" / label / "1.wav").write_bytes(b"")
    return tmp_path / "music"


OUTSIDE = ["../secret.wav", "a/../../secret.wav", "..", ".", "", "a/..", "/etc/passwd", "/dev/zero", "{folder}x/1.wav"]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("is_root_named", [False, True])
def test_a_path_that_leaves_the_folder_is_refused(folder, path, is_root_named):
    path = path.format(folder=folder)
    record = changed(crossval_run(folder), ("manifest", 1, "path"), path)
    assert refused(record, folder if is_root_named else None) == (
        f"run.manifest[1].path is {path!r}, which is not below {folder}; name a manifest that lists it (`root`)"
    )


@pytest.mark.parametrize("path", ["a/1.wav", "a/../b/1.wav", "./a/1.wav", "gone.wav", "{folder}/a/1.wav"])
def test_a_path_within_the_folder_is_taken(folder, path):
    record = changed(crossval_run(folder), ("manifest", 1, "path"), path.format(folder=folder))
    for root in (None, folder, str(folder)):
        assert read_run(record, root).corpus.root == folder


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_that_leads_out_is_followed_only_where_its_folder_is_named(folder, kind):
    if kind == "file":
        (folder / "a" / "link").symlink_to("../../secret.wav")
        path = "a/link"
    else:
        (folder / "link").symlink_to("..")
        path = "link/secret.wav"
    record = changed(crossval_run(folder), ("manifest", 0, "path"), path)
    assert "a link that leads out of" in refused(record)
    assert read_run(record, folder).corpus.clips[0].path == path


def test_the_parent_of_a_link_s_target_is_not_reached_by_a_name_that_looks_as_if_it_were_within(folder):
    (folder / "link").symlink_to("..")
    path = f"link/../{folder.parent.name}/secret.wav"
    assert (folder / path).read_bytes() == b"secret"
    record = changed(crossval_run(folder), ("manifest", 0, "path"), path)
    for root in (None, folder):
        assert "a link that leads out of" in refused(record, root)


def test_a_folder_that_is_itself_a_link_is_a_folder(folder):
    (folder.parent / "alias").symlink_to(folder)
    assert read_run(crossval_run(folder.parent / "alias")).corpus.root == folder.parent / "alias"


def test_paths_that_the_user_s_own_manifest_lists_are_taken(folder):
    manifest = folder / "m.csv"
    manifest.write_text("path,label\n../secret.wav,a\nb/1.wav,b\n")
    record = changed(crossval_run(folder), ("manifest", 0, "path"), "../secret.wav")
    assert read_run(record, manifest).corpus.root == folder
    record = changed(record, ("manifest", 1, "path"), "../secret2.wav")
    assert "run.manifest[1].path is '../secret2.wav', which is not below" in refused(record, manifest)


@pytest.mark.parametrize("root", ["/", "/dev", "/proc/self", "/sys", "//", "/dev/../dev/fd"])
def test_the_folders_of_the_system_are_no_corpus(root):
    record = changed(crossval_run(root), ("manifest", 0, "path"), "zero")
    assert "which is the system's; name that of the clips (`root`)" in refused(record)


@pytest.mark.parametrize("kind", ["folder", "fifo", "device", "missing"])
def test_a_table_that_only_a_report_names_is_a_regular_file(tmp_path, kind):
    os.mkfifo(tmp_path / "fifo")
    table = {"folder": tmp_path, "device": "/dev/zero"}.get(kind, tmp_path / kind)
    assert "names a table that cannot be read" in refused(predictions_run(table))
    assert read_run(predictions_run(table), tmp_path / "t.csv").corpus.root == tmp_path / "t.csv"


def test_what_is_no_table_is_not_quoted(tmp_path):
    (tmp_path / "secret").write_text("a password,in a line\n1,2\n")
    document = {"run": predictions_run(tmp_path / "secret"), "protocol": {"versions": {}, "machine": ""}}
    with pytest.raises(CorpusError) as caught:
        pipeline.reproduce(document)
    assert str(caught.value) == f"names {tmp_path}/secret, which is no table of predictions; name it (`root`)"
    # what the user names may be quoted
    with pytest.raises(CorpusError, match="'a password'"):
        pipeline.reproduce(document, root=tmp_path / "secret")


# --- the document around it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": None},
        {"protocol": []},
        {"protocol": {}},
        {"protocol": {"versions": 3}},
        {"protocol": {"versions": "abc"}},
        {"run": None},
        {"run": []},
    ],
)
def test_a_document_of_another_shape_is_refused_before_anything_is_done(tmp_path, change):
    document = {"run": crossval_run(tmp_path), "protocol": {"versions": {}, "machine": 3}}
    with pytest.raises(CorpusError):
        pipeline.reproduce(document | change)


def test_values_nested_without_end_are_refused(tmp_path):
    deep = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(CorpusError, match="is nested more than"):
        pipeline.reproduce({"run": crossval_run(tmp_path), "deep": deep})


def test_the_number_of_jobs_is_the_user_s_and_is_checked_first(tmp_path):
    with pytest.raises(SettingError):
        pipeline.reproduce({"run": crossval_run(tmp_path)}, n_jobs=0)


@pytest.mark.parametrize(
    "change",
    [
        {"findings": 3},
        {"findings": [3, {"code": []}, {}]},
        {"clips": 5},
        {"protocol": {"versions": {"numpy": []}, "machine": [], "settings": {"tuning": "ab", "features": 3}}},
        {"labels": {"a": {}}},
        {"confusion": [[[[1]]]]},
        {"text": "x" * 10**6},
    ],
)
def test_values_that_are_compared_may_be_anything(tmp_path, change):
    table = tmp_path / "t.csv"
    table.write_text("path,label,predicted\n1.wav,a,a\n2.wav,b,a\n")
    document = pipeline.evaluate_predictions(table).to_dict()
    reproduction = pipeline.reproduce(document | change)
    assert not reproduction.identical
    assert max(map(len, reproduction.changed_values + reproduction.changed_environment)) < 3_000
