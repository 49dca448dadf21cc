"""The command where worker processes die: the file is named with its code, the rest is done, exit code 1."""

import pytest

from gmmaudio.models.kinds import frame_gmm
from tests.cli.conftest import lines_of_json
from tests.crashing import crash_at, eat, hang

DEADLY = "mid/bob/1.flac"
LINE = (
    "skipped [crashed] {}: the worker process died twice, the second time alone (SIGKILL: the system does so "
    "when memory runs out); leave the file out, or convert it with another program\n1 input failed\n"
)


def test_classification_says_the_code_and_goes_on(command, corpus, model_file, monkeypatch):
    crash_at(monkeypatch, DEADLY)
    result = command("classify", model_file, corpus.root / "mid", "--format", "jsonl", "-j", "2")
    assert (result.code, result.err.endswith(LINE.format(corpus.root / DEADLY))) == (1, True)
    lines = lines_of_json(result)
    assert [line["path"] for line in lines] == sorted(map(str, (corpus.root / "mid").rglob("?.*")))
    assert [line.get("code") for line in lines] == [None, None, None, "crashed", None, None]
    assert [line["status"] for line in lines if "code" in line] == ["error"]


def words_of(verb, corpus, model_file, folder):
    """Return a command line for files that are named relative to the corpus."""
    return {
        "classify": ["classify", model_file, "low", "mid"],
        "train": ["train", corpus.plain, "-o", folder / "m.gmm", "--components", "2"],
        "features": ["features", "low", "mid", "-o", folder / "frames"],
        "crossval": ["crossval", corpus.plain, "--components", "2", "--folds", "2"],
        "evaluate": ["evaluate", model_file, corpus.plain],
        "timeline": ["timeline", model_file, "mid", "-o", folder / "lines"],
        "evaluate --timeline": ["evaluate", model_file, "--timeline", folder / "truth.csv"],
    }[verb]


@pytest.mark.parametrize("verb", ["classify", "features", "timeline"])
def test_a_run_that_goes_on_takes_worker_processes(command, corpus, model_file, tmp_path, monkeypatch, verb):
    # in a thread the file would end this run, as it ended the one before
    monkeypatch.chdir(corpus.root)
    crash_at(monkeypatch, DEADLY)
    place = ["-o", tmp_path / "rows"] if verb == "classify" else []
    result = command(*words_of(verb, corpus, model_file, tmp_path), *place, "--resume")
    assert (result.code, result.err.endswith(LINE.format(DEADLY))) == (1, True)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["train", "features", "crossval", "evaluate", "timeline"])
def test_every_other_verb_names_the_file_too(command, corpus, model_file, tmp_path, monkeypatch, verb):
    monkeypatch.chdir(corpus.root)
    crash_at(monkeypatch, DEADLY)
    result = command(*words_of(verb, corpus, model_file, tmp_path), "-j", "2")
    assert result.code == 1
    assert LINE.format(DEADLY) in result.err
    assert (tmp_path / "m.gmm").exists() == (verb == "train")


LIMITED = {
    "time": (
        hang,
        ["--time-limit", "0.5"],
        "skipped [timeout] {}: took longer than 0.5 s twice, the second time in a fresh process; raise --time-limit, "
        "leave the file out, or convert it with another program\n",
    ),
    "memory": (
        eat,
        ["--memory-limit", "400MiB"],
        "skipped [memory] {}: took more memory than 400 MiB twice, the second time alone; raise --memory-limit, run "
        "fewer worker processes (--jobs), or cut the file into parts\n",
    ),
}


@pytest.mark.parametrize(
    ("verb", "limit", "jobs"),
    [
        ("classify", "time", ()),
        ("classify", "memory", ("-j", "1")),
        *(
            pytest.param(verb, limit, ("-j", "2"), marks=pytest.mark.slow)
            for verb in ("classify", "train", "features", "crossval", "evaluate", "timeline", "evaluate --timeline")
            for limit in ("time", "memory")
        ),
    ],
)
def test_a_file_that_passes_a_limit_is_named_with_its_code(
    command, corpus, model_file, tmp_path, monkeypatch, verb, limit, jobs
):
    how, option, line = LIMITED[limit]
    monkeypatch.chdir(corpus.root)
    named = DEADLY
    if verb == "evaluate --timeline":
        rows = "".join(f"{corpus.root}/{row['path']},0,1,{row['label']}\n" for row in corpus.rows)
        (tmp_path / "truth.csv").write_text(f"path,start,end,label\n{rows}")
        named = f"{corpus.root}/{DEADLY}"
    crash_at(monkeypatch, DEADLY, how=how)
    result = command(*words_of(verb, corpus, model_file, tmp_path), *option, *jobs)
    assert result.code == 1
    assert line.format(named) in result.err
    assert "1 input failed\n" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--time-limit", "soon"), "'--time-limit': 'soon' is not a number of seconds, nor none."),
        (("--time-limit", "nan"), "--time-limit is nan; expected a finite number, or None"),
        (("--time-limit", "-3"), "--time-limit is -3; expected seconds, or 0 for no limit"),
        (("--memory-limit", "much"), "'--memory-limit': 'much' is no size such as 500MB or 2GB, nor none."),
        (
            ("--memory-limit", "100MiB"),
            "--memory-limit is 100 MiB; expected 256 MiB or more, half of which a worker process takes by itself, or 0 "
            "for no limit",
        ),
    ],
)
def test_a_limit_that_is_none_is_refused(command, corpus, model_file, words, message):
    result = command("classify", model_file, corpus.root / "mid", *words)
    assert (result.code, message in result.err) == (2, True), result.err


@pytest.mark.parametrize("word", ["none", "0"])
def test_no_limit_is_a_limit_too(command, corpus, model_file, word):
    plain = command("classify", model_file, corpus.root / "mid", "-j", "2")
    assert command("classify", model_file, corpus.root / "mid", "-j", "2", "--time-limit", word) == plain
    assert command("classify", model_file, corpus.root / "mid", "-j", "2", "--memory-limit", word) == plain


def test_a_fit_that_kills_its_worker_is_3_and_writes_nothing(command, corpus, tmp_path, monkeypatch):
    crash_at(monkeypatch, 2, owner=frame_gmm, names=("_fit_label",), key=lambda task: task.seed[1])
    result = command("train", corpus.plain, "-o", tmp_path / "m.gmm", "--components", "2", "-j", "2")
    assert (result.code, list(tmp_path.iterdir())) == (3, [])
    assert "gmmaudio: label 'mid': the worker process died twice, the second time alone (SIGKILL" in result.err
    assert "run with fewer worker processes (--jobs) or fewer components (--components)" in result.err
