"""``gmmaudio check``, and the look at the head of ``train`` and ``crossval``."""

import json
import shutil
import sys

import pytest

M4A = b"\x00\x00\x00\x18ftypM4A " + bytes(400)


def test_a_check_shows_findings_and_a_table_and_writes_its_files(command, corpus, tmp_path):
    done = command("check", corpus.plain, "--json", tmp_path / "c.json", "--html", tmp_path / "c.html")
    assert done.code == 0, done.err
    assert done.err.splitlines()[-2:] == [f"wrote {tmp_path / 'c.html'}", f"wrote {tmp_path / 'c.json'}"]
    lines = done.out.splitlines()
    assert lines[0] == "18 clips of 3 labels, 0.3 minutes; groups: groups of the corpus"
    assert lines[1] == "Level and band limit are of ten seconds of each of 18 files, all else of heads."
    (low,) = (line.split() for line in lines if line.strip().startswith("low "))
    assert low[:5] == ["low", "6", "3", "33", "%"]
    values = json.loads((tmp_path / "c.json").read_text())
    assert [facts["label"] for facts in values["labels"]] == ["high", "low", "mid"]
    assert values["labels"][0]["formats"] == {"WAV": 3, "FLAC": 3}
    page = (tmp_path / "c.html").read_text()
    assert "<h1>Check of " in page and '<th scope="row">mid</th>' in page


def test_json_goes_to_standard_output_alone(command, corpus):
    done = command("check", corpus.root, "--group-by", "parent", "--decode", "0", "--json", "-", "-q")
    values = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert (values["grouping"], values["n_decoded"], values["labels"][0]["level_db"]) == ("folders", 0, None)


def test_remedies_name_options_on_terminal_and_page_and_parameters_in_json(command, corpus, tmp_path):
    done = command("check", corpus.root, "--json", tmp_path / "c.json", "--html", tmp_path / "c.html")
    for text in (done.out, (tmp_path / "c.html").read_text()):
        assert "name them as groups (--group-by parent)" in text
    assert '(`group_by=\\"parent\\"`)' in (tmp_path / "c.json").read_text()


def test_the_split_chooses_the_clips(command, corpus):
    assert "6 clips of 3 labels" in command("check", corpus.split, "--split", "test").out
    assert "train 4, test 2" in command("check", corpus.split).out


def test_files_that_fail_are_named_and_make_the_code_1(command, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "mid")
    (tmp_path / "c" / "low" / "ann" / "x.wav").write_bytes(b"")
    done = command("check", tmp_path / "c", "--html", tmp_path / "c.html")
    assert done.code == 1
    assert "skipped [empty] low/ann/x.wav: has no bytes; copy the file again" in done.err
    assert "<td>empty</td>" in (tmp_path / "c.html").read_text()


def test_a_corpus_that_no_model_can_be_trained_on_is_3_with_its_table(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "parent" / "my_music", ignore=shutil.ignore_patterns("*.csv"))
    done = command("check", tmp_path / "parent", "--html", tmp_path / "c.html")
    assert done.code == 3
    assert "did you mean my_music/? If so, name it as the corpus" in done.out
    assert "my_music" in done.out.splitlines()[-2]
    assert done.err.splitlines()[-1].startswith("gmmaudio: only one label, 'my_music'; expected two or more")
    assert "No model can be trained on it" in (tmp_path / "c.html").read_text()
    assert command("check", tmp_path / "nothing").code == 3
    assert command("check", corpus.plain, "--decode", "-1").code == 2


def test_no_input_is_overwritten(command, corpus):
    done = command("check", corpus.plain, "--json", corpus.root / "low" / "ann" / "0.wav")
    assert done.code == 2
    assert "would overwrite the input" in done.err
    assert command("check", corpus.plain, "--html", "/proc/nothing/c.html").code == 4


# --- the look at the head of a run ------------------------------------------------------------------------------------

LOW = ("--components", "1", "--cache", "none")
FEW = "warning: labels with fewer than 3 groups: 'high' (2); 'low' (2); 'mid' (2): what is learned of them may be that "


def test_a_run_says_first_what_the_heads_of_files_tell_and_its_model_is_the_same(
    command, corpus, tmp_path, monkeypatch
):
    done = command("train", corpus.split, "-o", tmp_path / "a.gmm", *LOW)
    assert done.code == 0
    assert done.err.startswith(FEW)
    done = command("crossval", corpus.split, *LOW, "--folds", "2", "--durations", "none")
    assert done.err.startswith(FEW)
    from gmmaudio import pipeline

    monkeypatch.setattr(pipeline, "check_before_run", lambda *_, **__: ())
    without = command("train", corpus.split, "-o", tmp_path / "b.gmm", *LOW)
    assert FEW not in without.err
    assert (tmp_path / "a.gmm").read_bytes() == (tmp_path / "b.gmm").read_bytes()


def test_what_was_said_first_is_not_said_again(command, corpus, tmp_path):
    shutil.copytree(corpus.root, tmp_path / "c", ignore=shutil.ignore_patterns("*.csv"))
    (tmp_path / "c" / "empty").mkdir()
    done = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm", "--group-by", "parent", *LOW)
    assert done.code == 0
    assert done.err.count("class folder 'empty' holds no audio") == 1
    assert done.err.startswith("warning: class folder 'empty' holds no audio and is left out; fill it or remove it\n")


@pytest.mark.parametrize("verb", ["train", "crossval"])
def test_a_run_stops_where_more_than_a_tenth_needs_an_extra(command, corpus, tmp_path, monkeypatch, verb):
    monkeypatch.setitem(sys.modules, "av", None)
    shutil.copytree(corpus.root, tmp_path / "c", ignore=shutil.ignore_patterns("*.csv"))
    words = (verb, tmp_path / "c", *LOW, *(("-o", tmp_path / "m.gmm") if verb == "train" else ()))
    for i in range(3):
        (tmp_path / "c" / "low" / "ann" / f"{i}.m4a").write_bytes(M4A)
    done = command(*words)
    assert (done.code, done.out) == (3, "")
    assert (
        "3 of 21 files are of formats that libsndfile does not read, such as low/ann/0.m4a; install the media"
        in done.err
    )
    assert not (tmp_path / "m.gmm").exists()


def test_groups_of_tags_are_an_option(command, corpus, tmp_path):
    done = command("train", corpus.root, "-o", tmp_path / "m.gmm", "--group-by", "tag:artist", *LOW)
    assert (done.code, done.out) == (3, "")
    assert "18 of 18 files have no tag 'artist'" in done.err
    done = command("check", corpus.root, "--group-by", "tag:label")
    assert done.code == 2
    assert "--group-by is 'tag:label'; expected one of tag:artist, tag:album" in done.err
