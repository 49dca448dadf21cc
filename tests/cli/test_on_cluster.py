"""The options --scheduler and --dask: the same output as without them, and what is said where they lead nowhere."""

import pytest

from gmmaudio.compute import cluster as module

VERBS = ("classify", "features", "train", "crossval")


def words_of(verb, corpus, model_file, out):
    """Return a command line of a sub-command, which writes into a folder."""
    out.mkdir(exist_ok=True)
    return {
        "classify": ["classify", model_file, corpus.root / "low", "--format", "jsonl", "--cache", "none"],
        "train": ["train", corpus.plain, "-o", out / "m.gmm", "--components", "2", "--cache", "none", "-q"],
        "crossval": ["crossval", corpus.plain, "--components", "2", "--folds", "2", "--durations", "none", "-q"],
        "features": ["features", corpus.root / "low", "-o", out, "--cache", "none"],
    }[verb]


def written(folder):
    """Return the files in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", VERBS)
def test_a_cluster_that_runs_gives_the_same_output(command, corpus, model_file, tmp_path, dask_address, verb):
    here = command(*words_of(verb, corpus, model_file, tmp_path / "here"), "-j", "1")
    there = command(*words_of(verb, corpus, model_file, tmp_path / "there"), "--scheduler", dask_address)
    assert (there.code, there.out.replace("/there/", "/here/")) == (0, here.out)
    assert written(tmp_path / "there") == written(tmp_path / "here")


def test_workers_that_are_started_for_the_command_give_the_same_output(command, corpus, model_file, tmp_path):
    pytest.importorskip("distributed", reason="needs the dask extra")
    words = words_of("classify", corpus, model_file, tmp_path)
    assert command(*words, "--dask", "1") == command(*words, "-j", "1")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scheduler", "tcp://here:1", "--dask", "2"], "--scheduler and --dask each name the workers: name one of"),
        (["--dask", "2", "-j", "1"], "--jobs has no effect on a Dask cluster: leave it out."),
        (["--dask", "0"], "0 is not in the range 1<=x<=1024"),
        (["--dask", "two"], "'two' is not a valid integer range"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(
    command, corpus, model_file, tmp_path, verb, options, message
):
    result = command(*words_of(verb, corpus, model_file, tmp_path / "out"), *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_an_address_that_is_none_is_2_and_one_where_nobody_listens_3(
    command, corpus, model_file, tmp_path, monkeypatch
):
    pytest.importorskip("distributed", reason="needs the dask extra")
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    words = words_of("classify", corpus, model_file, tmp_path)
    result = command(*words, "--scheduler", "nowhere")
    assert (result.code, result.out) == (2, "")
    assert "'nowhere' is no address of a scheduler" in result.err
    result = command(*words, "--scheduler", "tcp://127.0.0.1:9")
    assert (result.code, result.out) == (3, "")
    assert "no scheduler answers at tcp://127.0.0.1:9" in result.err
    assert "start one, or check the address" in result.err


def test_without_dask_the_command_says_what_to_install(command, corpus, model_file, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    result = command(*words_of("classify", corpus, model_file, tmp_path), "--dask", "1")
    assert (result.code, result.out) == (2, "")
    assert "install the dask extra: pip install 'gmmaudio[dask]'" in result.err
