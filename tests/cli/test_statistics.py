"""The commands ``stats`` and ``merge``: shards of a corpus, a new class, more audio, and the scripts that run them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gmmaudio.models import load_model, load_statistics
from tests.cli.conftest import json_of, lines_of_json

BASH = shutil.which("bash")
RECIPES = Path(__file__).parents[2] / "recipes"


def environment(**more):
    """Return the environment of a script, in which ``gmmaudio`` is this package."""
    return {**os.environ, "GMMAUDIO": f"{sys.executable} -m gmmaudio", **more}


# --- shards -----------------------------------------------------------------------------------------------------------


def test_shards_are_merged_to_the_bytes_of_one_in_any_order(command, corpus, ubm_file, tmp_path):
    names = [tmp_path / f"{i}.stats" for i in (1, 2, 3)]
    for i, name in enumerate(names, start=1):
        made = command("stats", corpus.split, "--model", ubm_file, "-o", name, "--shard", f"{i}/3")
        assert (made.code, made.out) == (0, "")
        assert made.err.splitlines()[-1] == f"wrote {name}: {len(load_statistics(name).labels)} labels, 4 clips"
    assert command("stats", corpus.split, "--model", ubm_file, "-o", tmp_path / "all").code == 0
    merged = command("merge", *names[::-1], "-o", tmp_path / "three.gmm")
    assert (merged.code, merged.out) == (0, "")
    assert merged.err.splitlines()[-1] == f"wrote {tmp_path / 'three.gmm'}: 3 labels from 12 clips"
    assert command("merge", tmp_path / "all", "-o", tmp_path / "one.gmm").code == 0
    assert (tmp_path / "three.gmm").read_bytes() == (tmp_path / "one.gmm").read_bytes()
    classified = command("classify", tmp_path / "one.gmm", corpus.root, "--format", "jsonl")
    assert all(row["label"] == Path(row["path"]).parts[-3] for row in lines_of_json(classified))


def test_the_cache_and_the_number_of_workers_do_not_change_statistics(command, corpus, ubm_file, tmp_path):
    words = ("stats", corpus.split, "--model", ubm_file, "-o", tmp_path / "s", "--quiet")
    contents = []
    for more in (
        ("--cache", "none"),
        ("--cache", tmp_path / "kept", "--cache-limit", "1MB"),
        ("--cache", tmp_path / "kept"),
        ("--cache", "none", "-j", "2"),
    ):
        assert command(*words, *more).code == 0
        contents.append((tmp_path / "s").read_bytes())
    assert len(set(contents)) == 1
    assert any((tmp_path / "kept").iterdir())


def test_a_new_class_is_added_without_the_old_audio(command, corpus, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for label, folder in (("low", old), ("mid", old), ("high", new)):
        shutil.copytree(corpus.root / label, folder / label)
    words = ("--kind", "supervector", "--components", "2", "--seed", "0")
    assert command("train", old, "-o", tmp_path / "ubm.gmm", *words).code == 0
    assert command("stats", old, "--model", tmp_path / "ubm.gmm", "-o", tmp_path / "old.stats").code == 0
    shutil.rmtree(old)
    assert command("stats", new, "--model", tmp_path / "ubm.gmm", "-o", tmp_path / "new.stats").code == 0
    merged = command("merge", tmp_path / "old.stats", tmp_path / "new.stats", "-o", tmp_path / "m.gmm")
    assert merged.code == 0
    assert (
        "note: the UBM was fitted to 12 clips, among them 12 of the 18 clips here, and to none of the labels 'high'"
        in merged.err.splitlines()
    )
    assert load_model(tmp_path / "m.gmm").scorer.labels == ("high", "low", "mid")


def test_groups_by_a_column_are_kept_whole_and_are_those_of_the_model(command, corpus, ubm_file, tmp_path):
    for i in (1, 2):
        words = ("--group-by", "singer", "--shard", f"{i}/2", "-o", tmp_path / f"{i}.stats")
        assert command("stats", corpus.split, "--model", ubm_file, *words).code == 0
        (singer,) = {trial.held_out_by for trial in load_statistics(tmp_path / f"{i}.stats").trials}
        assert singer in ("ann", "bob")
    assert command("merge", tmp_path / "1.stats", tmp_path / "2.stats", "-o", tmp_path / "m.gmm").code == 0
    assert load_model(tmp_path / "m.gmm").training.group_by == "singer"
    command("stats", corpus.split, "--model", ubm_file, "-o", tmp_path / "2.stats", "--shard", "2/2")
    refused = command("merge", tmp_path / "1.stats", tmp_path / "2.stats", "-o", tmp_path / "m.gmm")
    assert refused.code == 3
    assert "group_by is 'group', expected 'singer'; make it again with stats" in refused.err


# --- the contract of the command --------------------------------------------------------------------------------------


def test_files_that_fail_are_named_and_the_others_counted(command, spoiled, ubm_file, tmp_path):
    manifest, codes = spoiled
    made = command("stats", manifest, "--model", ubm_file, "-o", tmp_path / "s.stats")
    assert (made.code, made.out) == (1, "")
    for path, code in codes.items():
        assert f"failed [{code}] {path}" in made.err or f"[{code}]" in made.err
    failed = load_statistics(tmp_path / "s.stats").trial_set.failed
    assert {failure.path: failure.code for failure in failed} == codes
    merged = command("merge", tmp_path / "s.stats", "-o", tmp_path / "m.gmm")
    assert merged.code == 1
    assert len(load_model(tmp_path / "m.gmm").training.clips) == 12


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "-1/3", "1/3/5", "a/b", ""])
def test_what_is_no_shard_is_a_usage_error(command, corpus, ubm_file, tmp_path, shard):
    result = command("stats", corpus.split, "--model", ubm_file, "-o", tmp_path / "s", "--shard", shard)
    assert (result.code, result.out) == (2, "")
    assert f"Invalid value for '--shard': {shard!r} is not I/N, such as 1/4 for the first of four parts." in result.err


def test_a_shard_without_clips_is_an_error_that_names_the_option(command, corpus, ubm_file, tmp_path):
    result = command("stats", corpus.split, "--model", ubm_file, "-o", tmp_path / "s", "--shard", "9/9")
    assert result.code == 3
    assert result.err == "gmmaudio: shard 9/9 holds no clip: there are fewer groups than shards; take fewer (--shard)\n"


def test_a_model_without_a_ubm_is_a_usage_error(command, corpus, model_file, tmp_path):
    result = command("stats", corpus.split, "--model", model_file, "-o", tmp_path / "s")
    assert result.code == 2
    assert result.err == (
        "gmmaudio: the model is of the kind frames, which keeps no UBM; expected one of supervectors: train a sample "
        "with the preset language, or with --kind supervector\n"
    )


@pytest.mark.parametrize("place", [0, 20, 700, -1])
def test_damaged_statistics_are_refused_and_nothing_is_written(command, statistics_file, tmp_path, place):
    data = bytearray(statistics_file.read_bytes())
    data[place] ^= 0x55
    (tmp_path / "bad.stats").write_bytes(data)
    for words in (("merge", tmp_path / "bad.stats", "-o", tmp_path / "m.gmm"), ("info", tmp_path / "bad.stats")):
        result = command(*words)
        assert (result.code, result.out) == (3, "")
        assert result.err.startswith("gmmaudio: ")
    assert not (tmp_path / "m.gmm").exists()


def test_models_and_statistics_are_not_taken_for_each_other(command, statistics_file, ubm_file, corpus, tmp_path):
    for words in (
        ("merge", ubm_file, "-o", tmp_path / "m.gmm"),
        ("stats", corpus.split, "--model", statistics_file, "-o", tmp_path / "s"),
        ("classify", statistics_file, corpus.root / "low"),
        ("merge", tmp_path / "none", "-o", tmp_path / "m.gmm"),
        ("merge", corpus.root, "-o", tmp_path / "m.gmm"),
    ):
        result = command(*words)
        assert (result.code, result.out) == (3, "")
        assert "expected" in result.err
    assert list(tmp_path.iterdir()) == []


def test_inputs_are_not_overwritten(command, statistics_file, ubm_file, corpus):
    before = statistics_file.read_bytes(), ubm_file.read_bytes()
    for words in (
        ("merge", statistics_file, "-o", statistics_file),
        ("stats", corpus.split, "--model", ubm_file, "-o", ubm_file),
        ("stats", corpus.split, "--model", ubm_file, "-o", corpus.split),
        ("stats", corpus.split, "--model", ubm_file, "-o", corpus.root / "low" / "ann" / "0.wav"),
    ):
        result = command(*words)
        assert result.code == 2
        assert "would overwrite the input" in result.err
    assert (statistics_file.read_bytes(), ubm_file.read_bytes()) == before


def test_the_same_file_twice_is_refused(command, statistics_file, tmp_path):
    result = command("merge", statistics_file, statistics_file, "-o", tmp_path / "m.gmm")
    assert result.code == 3
    assert f"holds 12 clips that {statistics_file} holds too" in result.err


# --- info -------------------------------------------------------------------------------------------------------------


def test_info_says_what_statistics_hold(command, corpus, ubm_file, tmp_path):
    command("stats", corpus.split, "--model", ubm_file, "-o", tmp_path / "s.stats", "--shard", "2/3")
    result = command("info", tmp_path / "s.stats")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "statistics of: 4 clips, 2 groups, 4 trials, 4.0 s of sound, 0 clips failed, shard 2/3"
    assert lines[1].startswith("labels: ")
    assert lines[2] == "for: supervectors of one UBM, K=2, preset none (classic), seed 0"
    assert lines[3].endswith(", fitted to 12 clips")
    told = json_of(command("info", tmp_path / "s.stats", "--json"))
    assert told["shard"]["index"] == 2
    assert len(told["clips"]) == 4
    assert told["settings"]["n_components"] == 2
    assert sum(each["trials"] for each in told["by_label"].values()) == 4


def test_info_of_a_merged_model_names_the_clips_of_the_ubm(command, statistics_file, tmp_path):
    command("merge", statistics_file, "-o", tmp_path / "m.gmm")
    assert "trained on: 12 clips, 6 groups, 12.0 s, its UBM on 12 clips" in command("info", tmp_path / "m.gmm").out
    told = json_of(command("info", tmp_path / "m.gmm", "--json"))
    assert len(told["training"]["ubm_clips"]) == 12


# --- scripts ----------------------------------------------------------------------------------------------------------


def test_the_script_for_one_computer_makes_a_model_and_goes_on_where_it_was_stopped(corpus, tmp_path):
    model = tmp_path / "music.safetensors"
    words = [BASH, RECIPES / "shards.sh", corpus.split, corpus.split, model, "3"]
    done = subprocess.run(words, env=environment(PRESET="genre"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = model.read_bytes()
    shards = sorted(path.name for path in Path(f"{model}.shards").iterdir())
    assert shards == ["1-of-3.stats", "2-of-3.stats", "3-of-3.stats", "ubm.safetensors"]
    assert load_model(model).scorer.labels == ("high", "low", "mid")
    model.unlink()
    Path(f"{model}.shards", "2-of-3.stats").unlink()
    again = subprocess.run(words, env=environment(PRESET="genre"), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("wrote ") == 2
    assert model.read_bytes() == made


def test_the_script_for_an_array_of_tasks_makes_the_shard_of_its_number(command, corpus, ubm_file, tmp_path):
    script = RECIPES / "shards.slurm"
    subprocess.run([BASH, "-n", script], check=True)
    for task in ("1", "2"):
        slurm = {
            "SLURM_ARRAY_TASK_ID": task,
            "SLURM_ARRAY_TASK_COUNT": "2",
            "SLURM_TMPDIR": str(tmp_path),
            "USER": "me",
        }
        words = [BASH, script, corpus.split, ubm_file, tmp_path / "made"]
        for _ in range(2):
            done = subprocess.run(words, env=environment(**slurm), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        shard = load_statistics(tmp_path / "made" / f"{task}-of-2.stats").shard
        assert (shard.index, shard.n) == (int(task), 2)
    merged = command("merge", *sorted((tmp_path / "made").iterdir()), "-o", tmp_path / "m.gmm")
    assert merged.code == 0
    assert "missing" not in merged.err


def test_the_options_of_the_scripts_are_those_of_the_command(command):
    page = command("stats", "--help").out + command("train", "--help").out
    for script in (RECIPES / "shards.sh", RECIPES / "shards.slurm"):
        lines = [line for line in script.read_text().splitlines() if not line.startswith("#")]
        options = set(re.findall(r"(?<=\s)--[a-z]+", "\n".join(lines)))
        assert "--shard" in options
        assert [option for option in options if option not in page] == []
