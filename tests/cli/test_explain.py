"""The command ``explain``: its formats, its files, and files that cannot be explained."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.conftest import json_of

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def good(corpus):
    """A clip that the model was trained on."""
    return corpus.root / corpus.rows[6]["path"]


def totals_of(text):
    """Return the totals of the tables in a text."""
    return [float(line.split()[-1]) for line in text.splitlines() if re.match(r"^  total ", line)]


def test_text_says_who_wins_why_and_by_how_much(command, model_file, good):
    result = command("explain", model_file, good)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert re.fullmatch(rf"{good}: mid \d+\.\d %, then \w+ \d+\.\d %", lines[0])
    (lead,) = re.findall(
        r"^lead of mid over \w+: ([+-]\d+\.\d{4}) in score; log odds [+-]\d+\.\d{3}$", result.out, re.M
    )
    assert "threshold of unknown: off: each of 3 labels left out in turn" in result.out
    # parts, and parts of the file; to four decimals each
    assert totals_of(result.out) == pytest.approx([float(lead)] * 2, abs=2e-4 * 20 + 1e-4 * abs(float(lead)))
    assert "MFCC 0 (level)" in result.out
    assert "nearest training clips: not looked for; name the corpus of the model (--corpus)" in result.out


def test_json_sums_to_the_lead_and_has_every_part(command, model_file, model, good):
    found = json_of(command("explain", model_file, good, "--format", "json"))
    assert found["prediction"]["path"] == str(good)
    assert found["winner"] == found["prediction"]["label"] == "mid"
    total = sum(part["lead"] for part in found["parts"])
    assert total == pytest.approx(found["lead"], abs=1e-9 * max(map(abs, found["prediction"]["scores"].values())))
    assert len([part for part in found["parts"] if part["aspect"]]) == model.features.n_features
    assert len(found["rows"]) == 44


def test_scores_are_those_of_classify(command, model_file, good):
    explained = json_of(command("explain", model_file, good, "--format", "json"))["prediction"]
    classified = json.loads(command("classify", model_file, good, "--format", "jsonl").out)
    assert explained["scores"] == classified["scores"]
    assert explained["probability"] == classified["probability"]


@pytest.mark.parametrize(("output_format", "start"), [("text", ""), ("json", "{"), ("html", "<!doctype html>")])
def test_a_file_holds_what_stdout_would(command, model_file, good, tmp_path, output_format, start):
    shown = command("explain", model_file, good, "--format", output_format)
    written = command("explain", model_file, good, "--format", output_format, "-o", tmp_path / "why")
    assert (written.code, written.out) == (0, "")
    assert written.err == f"wrote {tmp_path / 'why'}\n"
    assert (tmp_path / "why").read_text(encoding="utf-8") == shown.out
    assert shown.out.lstrip().startswith(start)


def test_top_is_the_number_of_parts_named(command, model_file, good):
    few, many = (command("explain", model_file, good, "--top", n).out for n in (1, 9))
    assert few.count("MFCC") == 1
    assert many.count("MFCC") == 9
    assert "all others" in few


def test_window_and_hop_make_windows(command, model_file, good):
    result = command("explain", model_file, good, "--window", "0.4", "--hop", "0.3").out
    (heading,) = re.findall(r"windows of 0\.4 s, each by itself", result)
    shown = result[result.index(heading) :].split("\n\n")[0].splitlines()[1:]
    assert [line.split()[:4] for line in shown] == [
        ["0.0", "to", "0.4", "s"],
        ["0.3", "to", "0.7", "s"],
        ["0.6", "to", "1.0", "s"],
    ]
    assert {line.split()[-1] for line in shown} == {"mid"}


def test_the_corpus_gives_nearest_clips_and_groups(command, model_file, corpus, good):
    result = command("explain", model_file, good, "--corpus", corpus.split)
    assert result.code == 0
    name = corpus.rows[6]["path"]
    assert f"nearest clips: {name} (0.00), " in result.out
    assert "nearest groups: mid-ann" in result.out
    assert "nearest of 8 training clips, in standard deviations of the component" in result.out
    one = command("explain", model_file, good, "--corpus", corpus.split, "--neighbours", "1").out
    assert f"nearest clips: {name} (0.00)\n" in one


def test_another_corpus_is_nothing_usable(command, model_file, good, tmp_path, tools):
    tools.write_manifest(tmp_path / "other.csv", [{"path": "a.wav", "label": "mid"}, {"path": "b.wav", "label": "low"}])
    result = command("explain", model_file, good, "--corpus", tmp_path / "other.csv")
    assert (result.code, result.out) == (3, "")
    assert "none of its clips was trained on, by path and samples; name the corpus of the model" in result.err


@pytest.mark.parametrize(
    ("name", "code"), [("silent.wav", 1), ("short.wav", 1), ("vanished.wav", 3), ("text.wav", 3), ("nan.wav", 3)]
)
@pytest.mark.parametrize("output_format", ["text", "json", "html"])
def test_a_file_without_scores_is_named_with_its_code(
    command, model_file, good, tools, tmp_path, name, code, output_format
):
    reasons = tools.make_bad_files(tmp_path, good)
    result = command("explain", model_file, tmp_path / name, "--format", output_format)
    assert result.code == code
    assert result.err.startswith(f"skipped [{reasons[name]}] {tmp_path / name}: ")
    if output_format == "text":
        assert result.out == ""
    elif output_format == "json":
        assert json.loads(result.out)["prediction"]["code"] == reasons[name]
        assert json.loads(result.out)["lead"] is None
    else:
        assert f"({reasons[name]})" in result.out


def test_audio_on_stdin_is_explained(command, model_file, good):
    result = command("explain", model_file, "-", "--format", "json", stdin=good.read_bytes())
    assert result.code == 0
    assert json.loads(result.out)["prediction"]["path"] == "-"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--window", "0"], "--window is 0; expected 0.2 to 3600 s"),
        (["--hop", "0"], "--hop is 0; expected 0.02 s to the window's 1 s"),
        (["--neighbours", "0"], "--neighbours is 0; expected 1 or more"),
        (["--top", "0"], "Invalid value for '--top'"),
        (["--format", "pdf"], "Invalid value for '--format'"),
    ],
)
def test_settings_outside_their_bounds_are_wrong_usage(command, model_file, good, words, message):
    result = command("explain", model_file, good, *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_folder_is_wrong_usage(command, model_file, corpus):
    result = command("explain", model_file, corpus.root / "mid")
    assert result.code == 2
    assert "is a folder; name one file in it." in result.err


def test_inputs_are_never_overwritten(command, model_file, corpus, good):
    before = good.read_bytes(), model_file.read_bytes(), corpus.split.read_bytes()
    for output in (good, model_file, corpus.split, corpus.root / corpus.rows[0]["path"]):
        result = command("explain", model_file, good, "--corpus", corpus.split, "-o", output)
        assert result.code == 2
        assert "would overwrite the input" in result.err
    assert (good.read_bytes(), model_file.read_bytes(), corpus.split.read_bytes()) == before


def test_a_file_that_cannot_be_written_is_4_before_any_work(command, model_file, good, tmp_path):
    result = command("explain", model_file, good, "-o", tmp_path / "nowhere" / "why.html")
    assert result.code == 4


@pytest.mark.parametrize("kind", ["blocks-mean", "supervector-trained", "supervector-warps", "blocks-logistic"])
def test_other_kinds_have_tables_of_their_own(command, tmp_path, tools, kind):
    tools.write(tmp_path / "a.wav", tools.band_noise("low", 5, seconds=3.0), tools.sr)
    result = command("explain", GOLDEN / f"model-2.0-{kind}.safetensors", tmp_path / "a.wav")
    assert (result.code, result.err) == (0, "")
    assert ("heads " in result.out) == ("mean" in kind or "trained" in kind)
    assert ("sequences of components  " in result.out) == ("supervector" in kind)
    assert ("linear functions have no components" in result.out) == ("logistic" in kind)
    assert ("part of the file" in result.out) == ("blocks" in kind)


def test_hostile_names_are_printed_as_one_line(command, corpus, tmp_path, tools):
    label, song = "a \u202e b", "a\nb\x1b[31m.wav"
    rows = []
    for i in range(4):
        path = tmp_path / f"{i}.wav"
        tools.write(path, tools.band_noise(("low", "high")[i % 2], i), tools.sr)
        rows.append({"path": path.name, "label": (label, "<script>")[i % 2]})
    tools.write_manifest(tmp_path / "m.csv", rows)
    trained = command("train", tmp_path / "m.csv", "-o", tmp_path / "m.gmm", "--components", "1")
    assert trained.code == 0, trained.err
    (tmp_path / "0.wav").rename(tmp_path / song)
    for output_format in ("text", "html"):
        result = command("explain", tmp_path / "m.gmm", tmp_path / song, "--format", output_format)
        assert result.code == 0
        assert not {"\x1b", "\u202e"} & set(result.out)
        assert "a\nb" not in result.out
        if output_format == "html":
            assert "<script>" not in result.out and "&lt;script&gt;" in result.out


def test_a_model_without_probabilities_shows_scores(command, tmp_path, good):
    rng = np.random.default_rng(0)
    data = io.BytesIO()
    soundfile.write(data, 0.1 * rng.normal(size=16000), 8000, format="WAV")
    (tmp_path / "a.wav").write_bytes(data.getvalue())
    result = command("explain", GOLDEN / "model-1.1-frames.safetensors", tmp_path / "a.wav")
    assert result.code == 0
    assert "log odds" not in result.out and " %," not in result.out.splitlines()[0]
