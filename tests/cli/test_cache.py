"""The cache of features: the options of the commands that fill it, and the command ``cache``."""

import json
import os
import shutil
from pathlib import Path

import pytest

from gmmaudio.features import FeatureStore
from gmmaudio.features import store as store_module
from gmmaudio.trials import clip_cache
from tests.cli.conftest import json_of, lines_of_json, python

pytestmark = pytest.mark.usefixtures("few_draws")

FAST = ("--components", "2", "-q")
CROSSVAL = ("--folds", "2", "--durations", "none", "--json", "-")


@pytest.fixture
def opened(monkeypatch):
    """The decoders that were opened: one for each file that was read."""
    from gmmaudio.audio import decode

    files, real = [], decode.open_decoder

    def open_decoder(handle):
        files.append(Path(handle.name).name)
        return real(handle)

    monkeypatch.setattr(decode, "open_decoder", open_decoder)
    return files


@pytest.fixture(autouse=True)
def _settled(monkeypatch):
    """Trust the stamps of files that are younger than two seconds."""
    monkeypatch.setattr(clip_cache, "SETTLED_S", -1e9)


def report_of(result):
    """Return the JSON of a report without what no two runs have in common."""
    report = json_of(result)
    for name in ("began", "seconds", "command"):
        assert name in report["protocol"]
        del report["protocol"][name]
    return report


def test_crossval_train_a_sweep_evaluate_and_classify_read_each_file_once(command, corpus, tmp_path, opened):
    model = tmp_path / "m.gmm"
    assert command("crossval", corpus.plain, *FAST, *CROSSVAL).code == 0
    assert len(opened) == len(corpus.rows)
    for k in (1, 2, 3):
        assert command("train", corpus.split, "-o", model, "--components", k).code == 0
    assert command("evaluate", model, corpus.split, "--durations", "none").code == 0
    assert command("classify", model, corpus.root).code == 0
    assert len(opened) == len(corpus.rows)
    # the classic front end is that of `features` too
    assert command("features", corpus.root / "low", "-o", tmp_path / "arrays").code == 0
    assert len(opened) == len(corpus.rows)
    assert command("train", corpus.split, "-o", model, *FAST, "--cache", "none").code == 0
    assert len(opened) > len(corpus.rows)


def test_training_on_what_classify_kept_gives_the_same_model(command, corpus, model_file, tmp_path, opened):
    assert command("train", corpus.split, "-o", tmp_path / "off", *FAST, "--cache", "none").code == 0
    assert command("classify", model_file, corpus.root).code == 0
    n_opened = len(opened)
    assert command("train", corpus.split, "-o", tmp_path / "warm", *FAST).code == 0
    assert len(opened) == n_opened
    assert (tmp_path / "warm").read_bytes() == (tmp_path / "off").read_bytes()


def test_augmented_and_degraded_copies_are_kept_too(command, corpus, tmp_path, opened, monkeypatch):
    from gmmaudio.pipeline import analyses

    monkeypatch.setattr(analyses, "DEGRADATIONS", {"noise 20 dB": analyses.DEGRADATIONS["noise 20 dB"]})
    words = ("crossval", corpus.plain, *FAST, *CROSSVAL, "--robustness", "--augment", "noise")
    first = report_of(command(*words))
    n_opened = len(opened)
    assert report_of(command(*words)) == first
    assert len(opened) == n_opened == 3 * len(corpus.rows)


@pytest.mark.parametrize("settings", [("--components", "2"), ("--preset", "genre")])
def test_a_model_is_the_same_bytes_without_a_cache_with_a_new_one_and_with_a_full_one(
    command, spoiled, tmp_path, settings
):
    manifest, _ = spoiled
    runs = []
    for name, more in (("off", ("--cache", "none")), ("cold", ()), ("warm", ()), ("warm2", ("-j", "2"))):
        result = command("train", manifest, "-o", tmp_path / name, *settings, "-q", *more)
        runs.append((result.code, result.out, result.err.replace(name, "NAME"), (tmp_path / name).read_bytes()))
    assert runs[0][0] == 1
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_a_report_is_the_same_without_a_cache_with_a_new_one_and_with_a_full_one(command, spoiled):
    manifest, codes = spoiled
    words = ("crossval", manifest, *FAST, *CROSSVAL)
    off, cold, warm = (report_of(command(*words, *more)) for more in (("--cache", "none"), (), ()))
    assert off == cold == warm
    assert {item["path"] for item in off["failed"]} == set(codes)


@pytest.mark.parametrize("output_format", ["text", "jsonl", "csv"])
def test_answers_and_notes_are_the_same_without_a_cache_with_a_new_one_and_with_a_full_one(
    command, corpus, model_file, tmp_path, good, output_format, tools
):
    folder = tmp_path / "files"
    tools.make_bad_files(folder, good)
    (folder / "joined.wav").write_bytes(good.read_bytes() * 2)
    words = ("classify", model_file, folder, corpus.root, "--format", output_format)
    off, cold, warm = (command(*words, *more) for more in (("--cache", "none"), (), ()))
    assert (off.code, off.out, off.err) == (cold.code, cold.out, cold.err) == (warm.code, warm.out, warm.err)
    assert "note [joined]" in off.err


def test_audio_on_standard_input_is_found_again(command, model_file, good, opened):
    for _ in range(2):
        assert command("classify", model_file, "-", stdin=good.read_bytes()).code == 0
    assert len(opened) == 1


def test_other_tables_of_a_model_have_entries_of_their_own(command, model, tmp_path, good, opened):
    from dataclasses import replace

    from gmmaudio.features import FrontEndTables, design_tables
    from gmmaudio.models import save_model

    designed = design_tables(model.features.frames)
    own = dict(designed.own)
    own["dct"] = own["dct"] * 1.0
    own["dct"][1] *= 0.5
    foreign = replace(model, tables=FrontEndTables(designed.window, own))
    answers = {}
    for name, each in (("own", model), ("foreign", foreign), ("own again", model)):
        save_model(each, tmp_path / "m.gmm")
        for cache in ("none", tmp_path / "cache"):
            answers[name, cache] = command(
                "classify", tmp_path / "m.gmm", good, "--cache", cache, "--format", "jsonl"
            ).out
    for name in ("own", "foreign", "own again"):
        assert answers[name, "none"] == answers[name, tmp_path / "cache"]


def test_the_default_folder_is_in_the_users_folder_of_caches(command, corpus, model_file, tmp_path, monkeypatch, good):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert command("classify", model_file, good).code == 0
    assert json_of(command("cache", "info", "--json"))["folder"] == str(tmp_path / "xdg" / "gmmaudio")
    assert (tmp_path / "xdg" / "gmmaudio" / "CACHEDIR.TAG").exists()


def test_nothing_is_kept_with_none(command, model_file, good, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)
    assert command("classify", model_file, good, "--cache", "none").code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["train", "crossval", "evaluate", "classify", "explain", "features"])
def test_every_command_that_computes_features_keeps_them(command, corpus, model_file, tmp_path, verb):
    words = {
        "train": (corpus.split, "-o", tmp_path / "m.gmm", *FAST),
        "crossval": (corpus.plain, *FAST, *CROSSVAL),
        "evaluate": (model_file, corpus.split, "--durations", "none"),
        "classify": (model_file, corpus.root / "low"),
        "explain": (model_file, corpus.root / corpus.rows[0]["path"], "--corpus", corpus.split),
        "features": (corpus.root / "low", "-o", tmp_path / "arrays"),
    }[verb]
    result = command(verb, *words, "--cache", tmp_path / "cache", "--cache-limit", "50 MB")
    assert result.code == 0
    # explain looks for neighbours among the training clips of two labels
    assert len(list(FeatureStore(tmp_path / "cache").files())) >= (8 if verb == "explain" else 12)


@pytest.mark.parametrize(
    ("written", "n_bytes"),
    [
        ("500MB", 500_000_000),
        ("2 GB", 2_000_000_000),
        ("1.5g", 1_500_000_000),
        ("10 KiB", 10_240),
        ("1tib", 2**40),
        ("4096", 4096),
        ("1B", 1),
    ],
)
def test_a_limit_is_a_number_and_a_unit(command, model_file, good, tmp_path, monkeypatch, written, n_bytes):
    limits = []
    monkeypatch.setattr(FeatureStore, "write", lambda self, *_: limits.append(self.limit_bytes))
    assert command("classify", model_file, good, "--cache", tmp_path, "--cache-limit", written).code == 0
    assert set(limits) == {n_bytes}


@pytest.mark.parametrize(
    "written", ["0", "-1", "0.0001", "many", "5 XB", "", "1e9", "nan", "inf", "9" * 40, "٣GB", "1 0"]
)
def test_a_limit_that_is_no_size_is_refused_with_what_to_do(command, model_file, good, written):
    result = command("classify", model_file, good, "--cache-limit", written)
    assert (result.code, result.out) == (2, "")
    assert f"{written!r} is no size such as 500MB or 5GB; --cache none keeps nothing." in result.err


def test_a_limit_has_no_effect_without_a_cache(command, model_file, good):
    result = command("classify", model_file, good, "--cache", "none", "--cache-limit", "1GB")
    assert (result.code, result.err.splitlines()[-1]) == (
        2,
        "Error: --cache-limit has no effect with --cache none.",
    )


def test_a_folder_of_music_is_refused_and_left_alone(command, corpus, model_file, good):
    before = sorted(corpus.root.rglob("*"))
    for words in (("classify", model_file, good), ("cache", "clear"), ("cache", "verify"), ("cache", "info")):
        result = command(*words, "--cache", corpus.root)
        assert (result.code, result.err) == (
            2,
            f"gmmaudio: {corpus.root}: holds other files and is no cache of this program; name an empty folder, or a "
            "new one (--cache)\n",
        )
    assert sorted(corpus.root.rglob("*")) == before


def test_a_file_in_place_of_the_entries_is_an_error_of_every_command(command, model_file, good, tmp_path):
    place = ("--cache", tmp_path / "cache")
    assert command("classify", model_file, good, *place).code == 0
    shutil.rmtree(tmp_path / "cache" / "v1")
    (tmp_path / "cache" / "v1").write_text("mine")
    for words in (("classify", model_file, good), ("cache", "clear"), ("cache", "verify"), ("cache", "info")):
        result = command(*words, *place)
        assert (result.code, result.out, result.err) == (
            2,
            "",
            f"gmmaudio: {tmp_path}/cache: v1 in it is no folder, and entries cannot be kept there; remove it, or name "
            "another folder (--cache)\n",
        )
    assert (tmp_path / "cache" / "v1").read_text() == "mine"


def test_a_file_is_refused(command, model_file, good):
    result = command("classify", model_file, good, "--cache", good)
    assert (result.code, result.err) == (
        2,
        f"gmmaudio: {good}: is a file, or lies below one; name a folder (--cache)\n",
    )
    assert command("classify", model_file, good, "--cache", "").code == 2


def test_a_default_folder_that_cannot_be_used_stops_no_command(command, model_file, good, tmp_path, monkeypatch):
    monkeypatch.setattr("gmmaudio.cli.options.default_cache", lambda: tmp_path / "music")
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.wav").write_bytes(b"")
    result = command("classify", model_file, good)
    assert result.code == 0
    assert result.err.count("holds other files and is no cache of this program") == 1
    assert "features are not kept" in result.err
    assert [path.name for path in (tmp_path / "music").iterdir()] == ["song.wav"]


def test_no_cache_is_no_folder_to_look_at(command):
    for verb in ("info", "verify", "clear"):
        result = command("cache", verb, "--cache", "none")
        assert (result.code, result.err.splitlines()[-1]) == (
            2,
            "Error: --cache none is no folder to look at; expected the folder of a cache.",
        )


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_said_once_and_changes_nothing_else(command, corpus, model_file, tmp_path, jobs):
    words = ("classify", model_file, corpus.root, "-j", jobs)
    without = command(*words, "--cache", "none")
    # a folder that nobody can make
    result = command(*words, "--cache", "/proc/no_such_folder/cache")
    assert (result.code, result.out) == (without.code, without.out)
    (line,) = result.err.removeprefix(without.err).splitlines()
    assert line.startswith("note [cache] /proc/no_such_folder/cache: cannot be written (")
    assert line.endswith("; features were computed without keeping all of them; choose another folder (--cache)")


def test_a_disk_that_fills_up_during_training_changes_no_bit(command, corpus, tmp_path, monkeypatch):
    assert command("train", corpus.split, "-o", tmp_path / "off", *FAST, "--cache", "none").code == 0
    calls, real = iter(range(1000)), store_module.os.replace

    def replace(*words):
        if "safetensors" in str(words[1]) and next(calls) > 5:
            raise OSError(28, "No space left on device")
        return real(*words)

    monkeypatch.setattr(store_module.os, "replace", replace)
    result = command("train", corpus.split, "-o", tmp_path / "full", *FAST, "--cache", tmp_path / "cache")
    assert result.code == 0
    assert result.err.count("note [cache]") == result.err.count("No space left on device") == 1
    assert (tmp_path / "full").read_bytes() == (tmp_path / "off").read_bytes()


def test_trouble_in_several_stages_is_said_once(command, corpus, tmp_path):
    words = ("train", corpus.split, "-o", tmp_path / "m", *FAST, "--augment", "noise,gain")
    assert command(*words, "--cache", "/proc/no_such_folder").err.count("note [cache]") == 1


def test_damage_is_said_once_and_computed_anew(command, corpus, model_file, tmp_path):
    words = ("classify", model_file, corpus.root, "--cache", tmp_path / "cache")
    first = command(*words)
    for file in FeatureStore(tmp_path / "cache").files():
        with file.path.open("r+b") as handle:
            handle.seek(-1, os.SEEK_END)
            handle.write(b"?")
    second, third = command(*words), command(*words)
    assert second.out == third.out == first.out
    assert second.err == (
        f"{first.err}note [cache] {tmp_path}/cache: damaged entries of the cache were dropped, and their features "
        "computed anew\n"
    )
    assert third.err == first.err


@pytest.mark.parametrize("verb", ["classify", "features"])
def test_a_cache_that_cannot_be_written_is_said_though_every_file_fails(command, model_file, good, tmp_path, verb):
    words = {"classify": (model_file, good), "features": (good, "-o", tmp_path / "arrays")}[verb]
    result = command(verb, *words, "--min-duration", "5", "--cache", "/proc/no_such_folder")
    assert result.err.count("note [cache] /proc/no_such_folder: cannot be written (") == 1
    assert "1 s of sound; at least 5 s is needed" in result.out + result.err


def test_a_cache_among_the_audio_is_not_searched(command, corpus, model_file, tmp_path):
    root = tmp_path / "music"
    shutil.copytree(corpus.root, root)
    words = ("classify", model_file, root, "--format", "jsonl")
    without = command(*words, "--cache", "none")
    for cache in (root / "cache", root / "low" / "cache"):
        for _ in range(2):
            result = command(*words, "--cache", cache)
            assert (result.out, result.err) == (without.out, without.err)
        (cache / "v1" / "song.wav").write_text("not to be found")
    assert len(lines_of_json(command(*words))) == len(corpus.rows)
    trained = [command("train", root, "-o", tmp_path / "m.gmm", *FAST, "--cache", cache) for cache in ("none", cache)]
    assert trained[0].err == trained[1].err
    assert "'cache'" not in trained[1].err


def test_info_verify_and_clear(command, corpus, model_file, tmp_path):
    place = ("--cache", tmp_path / "cache")
    empty = f"folder: {tmp_path}/cache\nentries: 0, 0.0 MB\n"
    assert command("cache", "info", *place).out == empty
    command("classify", model_file, corpus.root, *place)
    store = FeatureStore(tmp_path / "cache")
    files = sorted(store.files())
    values = json_of(command("cache", "info", "--json", *place))
    assert values["entries"] == len(files) == 2 * len(corpus.rows)
    assert values["bytes"] == sum(file.n_bytes for file in files)
    assert values["least_recently_used"].endswith("+00:00")
    assert f"entries: {len(files)}, " in command("cache", "info", *place).out
    files[3].path.write_bytes(b"damaged")
    result = command("cache", "verify", *place)
    assert (result.code, result.out) == (
        1,
        f"{files[3].path}: the checksum does not match\n{len(files)} entries, 1 damaged\n",
    )
    result = command("cache", "verify", *place)
    assert (result.code, result.out) == (0, f"{len(files) - 1} entries, 0 damaged\n")
    assert command("cache", "clear", *place).out == f"removed {len(files) - 1} entries\n"
    assert command("cache", "info", *place).out == empty


def test_json_of_info_verify_and_clear(command, model_file, good, tmp_path):
    place = ("--json", "--cache", tmp_path / "cache")
    folder = json.dumps(str(tmp_path / "cache"))
    empty = f'{{\n "folder": {folder},\n "entries": 0,\n "bytes": 0,\n "least_recently_used": null\n}}\n'
    assert command("cache", "info", *place).out == empty
    command("classify", model_file, good, *place[1:])
    first, second = sorted(FeatureStore(tmp_path / "cache").files())
    result = command("cache", "verify", *place)
    assert (result.code, result.out) == (0, f'{{\n "folder": {folder},\n "entries": 2,\n "damaged": []\n}}\n')
    first.path.write_bytes(b"damaged")
    result = command("cache", "verify", *place)
    assert (result.code, result.out, result.err) == (
        1,
        f'{{\n "folder": {folder},\n "entries": 2,\n "damaged": [\n  {{\n   "path": {json.dumps(str(first.path))},\n'
        '   "reason": "the checksum does not match"\n  }\n ]\n}\n',
        "",
    )
    result = command("cache", "clear", *place)
    assert (result.code, result.out) == (0, f'{{\n "folder": {folder},\n "removed": 1\n}}\n')
    assert not second.path.exists()
    assert command("cache", "info", *place).out == empty


def test_help_of_the_cache_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from gmmaudio.cli import main\n"
        "for words in (['cache'], ['cache', 'info', '--help'], ['cache', 'info']):\n"
        "    try: main(words)\n"
        "    except SystemExit: pass\n"
        "heavy = {'librosa', 'sklearn', 'soundfile', 'sqlite3', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = python("-c", code)
    assert result.returncode == 0, result.stderr.decode()


def test_results_do_not_record_the_cache(command, corpus, tmp_path):
    result = command("crossval", corpus.plain, *FAST, *CROSSVAL, "--cache", tmp_path / "cache")
    assert "cache" not in json.dumps(json_of(result)["run"])
