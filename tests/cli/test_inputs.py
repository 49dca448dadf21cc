"""The files that a command line names: folders, lists, standard input, and hostile names."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from gmmaudio.models import load_model
from gmmaudio.text_tables import plain_cell
from tests.cli.conftest import GMMAUDIO, lines_of_json, python, rows_of_csv


def test_classify_walks_a_folder_and_counts_what_is_no_audio(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "set" / "low")
    (tmp_path / "set" / "cover.jpg").write_bytes(b"no sound")
    (tmp_path / "set" / ".hidden.wav").write_bytes(b"no sound")
    result = command("classify", model_file, tmp_path / "set")
    assert result.code == 0
    assert result.err == "skipped 1 file without an audio suffix\n"
    found = [line.split("\t")[0] for line in result.out.splitlines()]
    assert found == [f"{tmp_path}/set/low/{n}/{f}" for n in ("ann", "bob", "cy") for f in ("0.wav", "1.flac")]


def test_a_file_named_outright_is_read_whatever_its_suffix(command, model_file, good, tmp_path):
    shutil.copy(good, tmp_path / "sound.jpg")
    assert command("classify", model_file, tmp_path / "sound.jpg").out.split("\t")[1] == "low"


def test_sound_comes_from_stdin(command, model_file, good, corpus):
    named = command("classify", model_file, good)
    piped = command("classify", model_file, "-", stdin=good.read_bytes())
    assert (piped.code, piped.err) == (0, "")
    assert piped.out == named.out.replace(str(good), "-")
    flac = command("classify", model_file, "-", stdin=(corpus.root / "mid/cy/1.flac").read_bytes())
    assert flac.out.split("\t")[:2] == ["-", "mid"]


def test_sound_on_stdin_may_be_smaller_than_any_buffer(command, model_file, tools, tmp_path):
    # 3,000 bytes: none would reach the decoder if the last block were not flushed
    tools.write(tmp_path / "tiny.wav", tools.band_noise("low", 1, seconds=0.7, sr=4200), 4200, subtype="PCM_U8")
    sound = (tmp_path / "tiny.wav").read_bytes()
    assert len(sound) < 4096
    piped = command("classify", model_file, "-", stdin=sound)
    assert piped.out == command("classify", model_file, tmp_path / "tiny.wav").out.replace(f"{tmp_path}/tiny.wav", "-")
    assert piped.code == 0


def test_nothing_on_stdin_is_an_empty_file(command, model_file):
    result = command("classify", model_file, "-", "--format", "jsonl")
    assert result.code == 3
    assert lines_of_json(result)[0]["code"] == "empty"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", "\n  \n"])
@pytest.mark.parametrize("piped", [False, True])
def test_paths_come_from_a_list(command, model_file, corpus, tmp_path, separator, piped):
    paths = [str(corpus.root / "low/cy/0.wav"), str(corpus.root / "high/cy/0.wav")]
    text = separator.join(paths).encode()
    (tmp_path / "list.txt").write_bytes(text)
    result = command("classify", model_file, "--from-file", "-" if piped else tmp_path / "list.txt", stdin=text)
    assert result.code == 0
    assert [line.split("\t")[:2] for line in result.out.splitlines()] == [[paths[0], "low"], [paths[1], "high"]]


def test_a_list_is_added_to_the_paths_named(command, model_file, corpus, good, tmp_path):
    (tmp_path / "list.txt").write_text(f"{corpus.root}/mid/cy\n")
    result = command("classify", model_file, good, "--from-file", tmp_path / "list.txt")
    assert [line.split("\t")[1] for line in result.out.splitlines()] == ["low", "mid", "mid"]


def test_a_list_names_files_in_any_script(command, model_file, good, tmp_path):
    shutil.copy(good, tmp_path / "música हिन्दी.wav")
    (tmp_path / "list.txt").write_bytes(f"{tmp_path}/música हिन्दी.wav\n".encode())
    result = command("classify", model_file, "--from-file", tmp_path / "list.txt", "--format", "jsonl")
    assert lines_of_json(result)[0]["path"] == f"{tmp_path}/música हिन्दी.wav"


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ([], 2, "Name at least one PATH, or a list with --from-file."),
        (["-", "--from-file", "-"], 2, "Standard input cannot be both audio and a list of paths."),
        (["--from-file", "missing"], 3, "missing: cannot be read (No such file or directory)"),
        (["--from-file", "."], 3, ".: is a folder; name a regular file; expected one path on each line"),
        (["--from-file", "-"], 3, "no audio file among the paths"),
        (["."], 3, "no audio file among the paths; name a file, or a folder that holds audio"),
        (["gone.wav"], 3, "skipped [vanished] gone.wav: is not there; check the path\n1 input failed\n"),
        (["x.wav", "-j", "0"], 2, "--jobs is 0; expected 1 or more worker processes"),
        (["x.wav", "--format", "xml"], 2, "'xml' is not one of 'text', 'csv', 'jsonl'"),
    ],
)
def test_classify_without_anything_to_classify(command, model_file, tmp_path, monkeypatch, words, code, complaint):
    monkeypatch.chdir(tmp_path)
    result = command("classify", model_file, *words)
    assert (result.code, result.out) == (code, "")
    assert complaint in result.err


def test_a_list_keeps_names_with_line_separators_of_unicode(command, model_file, good, tmp_path):
    for name in ("a\u2028b.wav", "a\x0cb.wav", "a\x85b.wav", "a\x1cb.wav", "a\x0bb.wav"):
        shutil.copy(good, tmp_path / name)
        (tmp_path / "list").write_bytes(f"{tmp_path}/{name}\n".encode())
        assert command("classify", model_file, "--from-file", tmp_path / "list").code == 0, name


def test_a_list_on_stdin_may_hold_bytes_that_are_no_text(model_file, good, tmp_path):
    shutil.copy(good, tmp_path / os.fsdecode(b"caf\xe9.wav"))
    result = subprocess.run(
        [*GMMAUDIO, "classify", model_file, "--from-file", "-"],
        input=b"caf\xe9.wav\n",
        cwd=tmp_path,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert result.stdout.startswith(b"caf\\udce9.wav\tlow"), result.stderr[-300:]


def test_a_list_may_begin_with_a_byte_order_mark(command, model_file, good, tmp_path):
    (tmp_path / "list").write_bytes(f"\ufeff{good}\r\n".encode())
    assert command("classify", model_file, "--from-file", tmp_path / "list").code == 0


HOSTILE = [
    b"a\nb.wav",
    b"\x1b[31mred.wav",
    b"--help",
    b"-o.wav",
    b"caf\xe9.wav",
    b'co,mma "quote".wav',
    b"cr\r.wav",
    b"tab\t.wav",
    b" space .wav",
    b"%s{0}.wav",
    b"\\n.wav",
    "नमस्ते.wav".encode(),
    "\u202egnp.wav".encode(),
]


@pytest.fixture
def hostile(good, tmp_path, monkeypatch):
    """The current folder, with a good file under every hostile name."""
    monkeypatch.chdir(tmp_path)
    for name in HOSTILE:
        shutil.copy(good, os.fsdecode(name))
    return [os.fsdecode(name) for name in HOSTILE]


def test_hostile_names_come_back_through_jsonl(command, model_file, hostile):
    result = command("classify", model_file, "--format", "jsonl", "--", *hostile)
    assert (result.code, result.err) == (0, "")
    assert [line["path"] for line in lines_of_json(result)] == hostile
    assert {line["label"] for line in lines_of_json(result)} == {"low"}


def test_hostile_names_come_back_through_csv(command, model_file, hostile):
    result = command("classify", model_file, "--format", "csv", "--", *hostile)
    assert result.code == 0
    # bytes that are no text, and characters that drive a terminal, are shown escaped; all else is kept by csv's rules
    paths = [row["path"] for row in rows_of_csv(result)]
    shown = [name.replace("\udce9", "\\udce9").replace("\x1b", "\\x1b") for name in hostile]
    assert [plain_cell(path) for path in paths] == shown
    # what a spreadsheet would take for a formula has an apostrophe before it
    assert paths[2:4] == ["'--help", "'-o.wav"]
    assert {row["label_1"] for row in rows_of_csv(result)} == {"low"}


def test_hostile_names_do_not_drive_the_terminal(command, model_file, hostile):
    (Path(hostile[1]).parent / "\x1b[2J.wav").write_bytes(b"")
    result = command("classify", model_file, "--", *hostile, "\x1b[2J.wav")
    assert result.code == 1
    assert len(result.out.splitlines()) == len(hostile)
    for text in (result.out, result.err):
        assert all(c.isprintable() or c in "\t\n" for c in text)
    shown = [line.split("\t")[0] for line in result.out.splitlines()]
    assert shown[:5] == ["a\\nb.wav", "\\x1b[31mred.wav", "--help", "-o.wav", "caf\\udce9.wav"]
    assert "skipped [empty] \\x1b[2J.wav: " in result.err


def test_hostile_names_in_a_folder_are_found_trained_on_and_shown(command, hostile, corpus, tmp_path):
    (tmp_path / "c" / "lów, 'ünd").mkdir(parents=True)
    shutil.copytree(corpus.root / "high", tmp_path / "c" / "high")
    found = [name for name in hostile if name.endswith(".wav")]
    for name in found:
        shutil.move(tmp_path / name, tmp_path / "c" / "lów, 'ünd" / name)
    result = command("train", tmp_path / "c", "-o", "m.gmm", "--components", "2")
    assert result.code == 0
    assert all(c.isprintable() or c == "\n" for c in result.err)
    clips = load_model("m.gmm").training.clips
    assert {clip.path for clip in clips if clip.label == "lów, 'ünd"} == {f"lów, 'ünd/{name}" for name in found}
    result = command("evaluate", "m.gmm", tmp_path / "c", "--report", "r.html", "--json", "r.json")
    assert result.code == 0
    assert all(c.isprintable() or c == "\n" for c in result.out)
    assert {clip["label"] for clip in json.loads(Path("r.json").read_text())["clips"]} == {"lów, 'ünd", "high"}
    assert command("info", "m.gmm").out.splitlines()[0] == "labels: high, lów, 'ünd"


@pytest.mark.parametrize("label", ["hi\x1b[31mgh", "low\nhigh", os.fsdecode(b"l\xf8w")])
def test_a_class_folder_whose_name_is_no_label_is_refused(command, corpus, tmp_path, label):
    shutil.copytree(corpus.root / "high", tmp_path / "c" / label)
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    result = command("train", tmp_path / "c", "-o", "m.gmm", "--components", "2")
    shown = label.encode("unicode_escape").decode()
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"gmmaudio: the label '{shown}' holds ")
    assert not Path("m.gmm").exists()


def test_a_name_that_looks_like_an_option_needs_the_two_dashes(command, model_file, hostile):
    assert command("classify", model_file, "-o.wav").code == 2
    assert command("classify", model_file, "./-o.wav").code == 0
    assert command("classify", model_file, "--", "-o.wav").code == 0


def test_a_real_process_takes_bytes_that_are_no_text(model_file, good, tmp_path):
    name = b"caf\xe9\n.wav"
    shutil.copy(good, tmp_path / os.fsdecode(name))
    words = ["-m", "gmmaudio", "classify", model_file, "--", name, "gone", "-"]
    result = python(*words, stdin=good.read_bytes(), cwd=tmp_path)
    assert result.returncode == 1
    assert [line.split(b"\t")[:2] for line in result.stdout.splitlines()] == [
        [b"caf\\udce9\\n.wav", b"low"],
        [b"-", b"low"],
    ]
    assert result.stderr == b"skipped [vanished] gone: is not there; check the path\n1 input failed\n"


# --- playlists, encodings and normal forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_is_read_in_any_form_of_unicode(command, model_file, good, tmp_path, encoding):
    shutil.copy(good, tmp_path / "música.wav")
    (tmp_path / "list.txt").write_bytes(f"{tmp_path}/música.wav\r\n{good}\r\n".encode(encoding))
    for words, stdin in ((["--from-file", tmp_path / "list.txt"], b""), (["--from-file", "-"], None)):
        data = (tmp_path / "list.txt").read_bytes() if stdin is None else stdin
        result = command("classify", model_file, *words, "--format", "jsonl", stdin=data)
        assert (result.code, result.err) == (0, "")
        assert [line["path"] for line in lines_of_json(result)] == [f"{tmp_path}/música.wav", str(good)]


@pytest.mark.parametrize("data", [b"a.wav\0b.wav\0", "a.wav\n".encode("utf-16") + b"\0"])
def test_a_list_that_is_no_text_is_refused(command, model_file, tmp_path, data):
    (tmp_path / "list").write_bytes(data)
    result = command("classify", model_file, "--from-file", tmp_path / "list")
    assert (result.code, result.out) == (3, "")
    assert "expected one path on each line" in result.err


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("name", ["songs.m3u8", "songs.M3U", "songs.txt"])
def test_a_playlist_names_files_beside_it_and_has_comments(command, model_file, good, tmp_path, encoding, name):
    (tmp_path / "lists" / "low").mkdir(parents=True)
    shutil.copy(good, tmp_path / "lists" / "low" / "é.wav")
    text = f"#EXTM3U\r\n#EXTINF:123,Cy - É\r\nlow/é.wav\r\n\r\n#EXTVLCOPT:x\r\n{good}\r\n"
    (tmp_path / "lists" / name).write_bytes(text.encode(encoding))
    result = command("classify", model_file, "--from-file", tmp_path / "lists" / name)
    assert (result.code, result.err) == (0, "")
    assert [line.split("\t")[1] for line in result.out.splitlines()] == ["low", "low"]


def test_in_a_plain_list_a_comment_is_what_no_file_is_called(command, model_file, good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(good, tmp_path / "#1.wav")
    (tmp_path / "list").write_text("# my songs\n#1.wav\n")
    result = command("classify", model_file, "--from-file", "list")
    assert (result.code, result.out.split("\t")[:2]) == (0, ["#1.wav", "low"])


@pytest.mark.parametrize("named", ["outright", "list", "folder", "manifest"])
def test_a_path_is_found_in_either_normal_form(command, model_file, good, tmp_path, named):
    asked, there = "Beyonc\u00e9", "Beyonce\u0301"
    (tmp_path / there).mkdir()
    shutil.copy(good, tmp_path / there / f"{there}.wav")
    path = f"{tmp_path}/{asked}/{asked}.wav"
    if named == "manifest":
        (tmp_path / "m.csv").write_text(f"path,label\n{asked}/{asked}.wav,low\n", encoding="utf-8")
        result = command("evaluate", model_file, tmp_path / "m.csv", "--durations", "none")
        assert (result.code, result.err) == (0, "")
        return
    (tmp_path / "list").write_text(f"{path}\n", encoding="utf-8")
    words = {"outright": [path], "list": ["--from-file", tmp_path / "list"], "folder": [tmp_path / asked]}[named]
    result = command("classify", model_file, *words, "--format", "jsonl")
    assert (result.code, result.err) == (0, "")
    shown = path if named != "folder" else f"{tmp_path}/{there}/{there}.wav"
    assert lines_of_json(result)[0]["path"] == shown


ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.skipif(os.name != "posix", reason="elsewhere names of files are always text")
def test_names_are_the_same_in_an_old_locale(corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "日本é")
    shutil.copytree(corpus.root / "high", tmp_path / "c" / "high")
    (tmp_path / "list").write_text("c/日本é/cy/0.wav\n", encoding="utf-8")
    models = []
    for locale in ({}, ASCII_LOCALE):
        words = ["train", "c", "-o", f"m{len(models)}.gmm", "--components", "1"]
        run = {"cwd": tmp_path, "env": os.environ | locale, "capture_output": True}
        subprocess.run([*GMMAUDIO, *words], check=True, **run)
        models.append((tmp_path / f"m{len(models)}.gmm").read_bytes())
    assert models[0] == models[1]
    words = ["classify", "m0.gmm", "--from-file", "list", "--prior", "日本é=0.5", "--format", "jsonl"]
    line = json.loads(subprocess.run([*GMMAUDIO, *words], check=True, **run).stdout)
    assert (line["path"], line["label"]) == ("c/日本é/cy/0.wav", "日本é")


@pytest.mark.parametrize(("words", "lost"), [(["--format", "csv"], True), (["--format", "jsonl"], False)])
def test_what_stdout_cannot_encode_is_escaped_and_said(corpus, model_file, tmp_path, words, lost):
    shutil.copy(corpus.root / "low" / "cy" / "0.wav", tmp_path / "日本.wav")
    result = subprocess.run(
        [*GMMAUDIO, "classify", model_file, tmp_path / "日本.wav", *words],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0
    assert b"/\\u65e5\\u672c.wav" in result.stdout
    assert result.stderr.decode("latin-1") == lost * (
        "warning: 2 characters outside the encoding of standard output (iso8859-1) written as escapes, such as "
        "\\u65e5; set PYTHONIOENCODING=utf-8, or use a JSON format\n"
    )


def test_a_copy_of_stdin_that_a_killed_run_left_is_removed_by_the_next(
    command, model_file, good, tmp_path, monkeypatch
):
    code = (
        "import os, signal, sys; from gmmaudio import pipeline\n"
        "pipeline.classify = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from gmmaudio.cli import main; main(sys.argv[1:])"
    )
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    python("-c", code, "classify", model_file, "-", stdin=good.read_bytes())
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [good.read_bytes()]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert command("classify", model_file, "-", stdin=good.read_bytes()).code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["low\\é è.wav", "file://{0}/low/%C3%A9%20%C3%A8.wav", "  low/é è.wav  "])
def test_a_playlist_may_be_of_windows_or_name_uris(command, model_file, good, tmp_path, line):
    (tmp_path / "low").mkdir()
    shutil.copy(good, tmp_path / "low" / "é è.wav")
    (tmp_path / "songs.m3u8").write_text(line.format(tmp_path) + "\r\n", encoding="utf-8")
    result = command("classify", model_file, "--from-file", tmp_path / "songs.m3u8")
    assert (result.code, result.out.split("\t")[1]) == (0, "low")
