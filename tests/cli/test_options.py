"""The options of the commands: what each changes, and the old names that are still accepted."""

import json
import shutil
from pathlib import Path

import click
import pytest

from gmmaudio.cli.flags import all_commands, flags
from gmmaudio.mixture import COVARIANCE_TYPES, INITS
from gmmaudio.models import KINDS, SHARED, load_model, load_statistics, make_recipe, save_model
from gmmaudio.pipeline import train
from tests.cli.conftest import tensors_of

pytestmark = pytest.mark.usefixtures("few_draws")

RENAMED = {
    ("train", "--model"): "--kind",
    ("crossval", "--model"): "--kind",
    ("crossval", "--show-inflation"): "--compare-random-split",
    ("crossval", "--stress"): "--robustness",
    ("evaluate", "--stress"): "--robustness",
}


def words_of(verb, corpus, model_file, tmp_path):
    """Return a command line of a sub-command that would do its work."""
    small = ("--components", "2")
    return {
        "train": ("train", corpus.split, "-o", tmp_path / "m.gmm", *small),
        "crossval": ("crossval", corpus.plain, *small, "--folds", "2", "--durations", "none", "--cache", "none"),
        "evaluate": ("evaluate", model_file, corpus.split, "--durations", "none"),
    }[verb]


@pytest.mark.parametrize(("verb", "old"), RENAMED)
def test_an_old_name_is_accepted_with_one_line_that_names_the_new_one(
    command, corpus, model_file, tmp_path, monkeypatch, verb, old
):
    from gmmaudio.pipeline import analyses

    monkeypatch.setattr(analyses, "DEGRADATIONS", {"noise 20 dB": analyses.DEGRADATIONS["noise 20 dB"]})
    new = RENAMED[verb, old]
    words = words_of(verb, corpus, model_file, tmp_path)
    value = ["frames"] if old == "--model" else []
    before, after = command(*words, old, *value), command(*words, new, *value)
    assert (before.code, before.out) == (0, after.out)
    line = f"deprecated: {old} is now {new}; the old name will be removed in the next release\n"
    assert before.err == line + after.err
    assert before.err.count("deprecated") == 1


def test_an_old_name_sets_what_the_new_one_sets(command, corpus, tmp_path):
    words = ("train", corpus.split, "-o", tmp_path / "m.gmm", "--preset", "genre")
    assert command(*words, "--model=blocks").code == 0
    assert load_model(tmp_path / "m.gmm").training.kind_settings.kind == "blocks"


@pytest.mark.parametrize(("verb", "old"), RENAMED)
def test_help_shows_the_new_name_only(command, verb, old):
    page = command(verb, "--help").out
    assert RENAMED[verb, old] in page
    assert f"{old} " not in page


def test_both_names_at_once_are_a_usage_error(command, corpus):
    result = command("crossval", corpus.plain, "--kind", "frames", "--model", "blocks")
    assert (result.code, result.out) == (2, "")
    assert "--model is the old name of --kind: name one of them." in result.err


def test_an_old_name_without_its_value_is_a_usage_error(command, corpus):
    result = command("crossval", corpus.plain, "--model")
    assert (result.code, result.out) == (2, "")
    assert "Option '--model' requires an argument." in result.err
    assert "'--kind': 'chords' is not one of" in command("crossval", corpus.plain, "--model", "chords").err


# Every option changes what comes out. A new option without a line here fails the last test. (Trials of 0.6 s need a
# lower least length, which alone changes nothing: no clip is below 0.5 s.)
OPTIONS = {
    ("train", "output"): ["-o", "other.gmm"],
    ("train", "preset"): ["--preset", "language", "--trial-seconds", "0"],
    ("train", "n_components"): ["--components", "3"],
    ("train", "kind"): ["--kind", "supervector"],
    ("train", "augment"): ["--augment", "gain"],
    ("train", "covariance_type"): ["--covariance", "full"],
    ("train", "init"): ["--init", "random"],
    ("train", "min_duration_s"): ["--min-duration", "0.8"],
    ("train", "trial_s"): ["--trial-seconds", "0.6", "--min-duration", "0.1"],
    ("train", "split"): ["--split", "test"],
    ("train", "seed"): ["--seed", "1"],
    ("train", "n_jobs"): ["-j", "0"],
    ("train", "scheduler"): ["--scheduler", "nowhere"],
    ("train", "n_dask"): ["--dask", "0"],
    ("train", "time_limit_s"): ["--time-limit", "-1"],
    ("train", "memory_limit"): ["--memory-limit", "1MB"],
    ("classify", "output_format"): ["--format", "jsonl"],
    ("classify", "output"): ["-o", "other.csv"],
    ("classify", "is_excel"): ["--excel"],
    ("classify", "shard"): ["--shard", "1/2"],
    ("classify", "top"): ["--top", "2"],
    ("classify", "list_file"): ["--from-file", "list.txt"],
    ("classify", "same_sources"): ["--same-sources"],
    ("classify", "min_duration_s"): ["--min-duration", "0.8"],
    ("classify", "n_jobs"): ["-j", "0"],
    ("classify", "time_limit_s"): ["--time-limit", "-1"],
    ("classify", "memory_limit"): ["--memory-limit", "1MB"],
    ("classify", "scheduler"): ["--scheduler", "nowhere"],
    ("classify", "n_dask"): ["--dask", "0"],
    ("classify", "trial_s"): ["--trial-seconds", "0.2"],
    ("explain", "output_format"): ["--format", "json"],
    ("explain", "output"): ["-o", "why.html"],
    ("explain", "top"): ["--top", "2"],
    ("explain", "window_s"): ["--window", "0.3"],
    ("explain", "hop_s"): ["--window", "0.3", "--hop", "0.3"],
    ("explain", "min_duration_s"): ["--min-duration", "1.1"],
    ("explain", "n_jobs"): ["-j", "0"],
    ("evaluate", "split"): ["--split", "train"],
    ("evaluate", "trial_s"): ["--trial-seconds", "0.6", "--min-duration", "0.1"],
    ("evaluate", "min_duration_s"): ["--min-duration", "0.8"],
    ("evaluate", "group_by"): ["--group-by", "singer"],
    ("evaluate", "report_path"): ["--report", "r.html"],
    ("evaluate", "json_path"): ["--json", "-"],
    ("evaluate", "n_jobs"): ["-j", "0"],
    ("evaluate", "time_limit_s"): ["--time-limit", "-1"],
    ("evaluate", "memory_limit"): ["--memory-limit", "1MB"],
    ("crossval", "preset"): ["--preset", "language", "--trial-seconds", "0"],
    ("crossval", "n_components"): ["--components", "3"],
    ("crossval", "kind"): ["--kind", "supervector"],
    ("crossval", "augment"): ["--augment", "gain"],
    ("crossval", "covariance_type"): ["--covariance", "full"],
    ("crossval", "init"): ["--init", "random"],
    ("crossval", "min_duration_s"): ["--min-duration", "0.8"],
    ("crossval", "trial_s"): ["--trial-seconds", "0.6", "--min-duration", "0.1"],
    ("crossval", "split"): ["--split", "train"],
    ("crossval", "seed"): ["--seed", "1"],
    ("crossval", "n_jobs"): ["-j", "0"],
    ("crossval", "scheduler"): ["--scheduler", "nowhere"],
    ("crossval", "n_dask"): ["--dask", "0"],
    ("crossval", "time_limit_s"): ["--time-limit", "-1"],
    ("crossval", "memory_limit"): ["--memory-limit", "1MB"],
    ("crossval", "folds"): ["--folds", "3"],
    ("crossval", "fold_column"): ["--fold-column", "fold"],
    ("crossval", "repeats"): ["--repeats", "2"],
    ("crossval", "group_by"): ["--group-by", "none"],
    ("crossval", "report_path"): ["--report", "r.html"],
    ("crossval", "json_path"): ["--json", "-"],
    ("crossval", "csv_folder"): ["--csv", "tables"],
    ("crossval", "figures_folder"): ["--figures", "figures"],
    ("crossval", "listen_folder"): ["--report", "r.html", "--listen", "sounds"],
    ("crossval", "durations_s"): ["--durations", "0.3"],
    ("crossval", "open_set"): ["--no-open-set"],
    ("crossval", "leave_sources_out"): ["--no-leave-sources-out"],
    ("crossval", "learning_curve"): ["--learning-curve"],
    ("crossval", "compare_random_split"): ["--compare-random-split"],
    ("crossval", "robustness"): ["--robustness"],
    ("evaluate", "csv_folder"): ["--csv", "tables"],
    ("evaluate", "figures_folder"): ["--figures", "figures"],
    ("evaluate", "listen_folder"): ["--report", "r.html", "--listen", "sounds"],
    ("evaluate", "durations_s"): ["--durations", "0.3"],
    ("evaluate", "robustness"): ["--robustness"],
    ("stats", "model"): ["--model", "other_ubm.gmm"],
    ("stats", "output"): ["-o", "other.stats"],
    ("stats", "split"): ["--split", "test"],
    ("stats", "shard"): ["--shard", "1/2"],
    ("stats", "n_jobs"): ["-j", "0"],
    ("stats", "time_limit_s"): ["--time-limit", "-1"],
    ("stats", "memory_limit"): ["--memory-limit", "1kB"],
    ("merge", "output"): ["-o", "other.gmm"],
    ("features", "output"): ["-o", "other"],
    ("features", "shard"): ["--shard", "1/2"],
    ("features", "preset"): ["--preset", "genre"],
    ("features", "min_duration_s"): ["--min-duration", "0.8"],
    ("features", "n_jobs"): ["-j", "0"],
    ("features", "time_limit_s"): ["--time-limit", "-1"],
    ("features", "memory_limit"): ["--memory-limit", "1MB"],
    ("features", "scheduler"): ["--scheduler", "nowhere"],
    ("features", "n_dask"): ["--dask", "0"],
    ("info", "as_json"): ["--json"],
}


BASES = {
    "train": ["train", "c.csv", "-o", "m.gmm", "--preset", "genre", "--kind", "frames", "--components", "2"],
    "classify": ["classify", "bands.gmm", "0.wav", "1.wav"],
    "explain": ["explain", "bands.gmm", "0.wav"],
    "evaluate": ["evaluate", "bands.gmm", "c.csv", "--json", "r.json"],
    "crossval": [
        "crossval",
        "c.csv",
        "--preset",
        "genre",
        "--kind",
        "frames",
        "--components",
        "2",
        "--json",
        "r.json",
    ],
    "stats": ["stats", "c.csv", "--model", "ubm.gmm", "-o", "s.stats"],
    "merge": ["merge", "all.stats", "-o", "m.gmm"],
    "features": ["features", "0.wav", "1.wav", "-o", "made"],
    "info": ["info", "bands.gmm"],
}


@pytest.fixture(scope="module")
def seen():
    """What the commands without an option gave."""
    return {}


@pytest.fixture(scope="module")
def other_ubm_file(corpus, tmp_path_factory):
    """A model with another UBM than that of ``ubm_file``."""
    path = tmp_path_factory.mktemp("other") / "ubm.gmm"
    save_model(train(corpus.split, make_recipe(kind="supervector", n_components=3)).model, path)
    return path


@pytest.fixture
def bench(corpus, model_file, ubm_file, other_ubm_file, statistics_file, tmp_path, monkeypatch, tools):
    """The current folder: a model, a list, and a corpus in which two clips of each label last 0.7 s."""
    monkeypatch.chdir(tmp_path)
    rows = [dict(row) for row in corpus.rows]
    for i, row in enumerate(rows):
        if i % 6 in (0, 5):
            tools.write(f"{i}.wav", tools.band_noise(row["label"], 100 + i, seconds=0.7), tools.sr)
        else:
            shutil.copy(corpus.root / row["path"], f"{i}.wav")
        row |= {"path": f"{i}.wav", "split": "test" if row["singer"] == "cy" else ["", "train"][i % 2]}
    tools.write_manifest("c.csv", rows)
    shutil.copy(model_file, "bands.gmm")
    shutil.copy(ubm_file, "ubm.gmm")
    shutil.copy(statistics_file, "all.stats")
    shutil.copy(other_ubm_file, "other_ubm.gmm")
    Path("list.txt").write_text("9.wav\n")


def outcome(command, words):
    """Run a command; return its exit code, what is on stdout, and the files it made, by name."""
    before = set(Path().rglob("*"))
    result = command(*words)
    made = {}
    for path in sorted(set(Path().rglob("*")) - before, reverse=True):
        if path.is_dir():
            path.rmdir()
            continue
        # a header tells every option and proves nothing: of a model the numbers, of a report the predictions
        readers = {
            ".gmm": tensors_of,
            ".npy": Path.read_bytes,
            ".json": predictions_of,
            ".html": str,
            ".csv": str,
            ".journal": str,
            ".stats": numbers_of,
        }
        readers |= dict.fromkeys((".pdf", ".svg", ".png", ".mp3", ".wav"), Path.read_bytes)
        read = readers[path.suffix]
        made[str(path)] = read(path)
        path.unlink()
    return result.code, result.out, made


def numbers_of(path):
    """Return the numbers of a file of statistics."""
    return load_statistics(path).vectors.tobytes()


def predictions_of(path):
    """Return what a report says but for the settings that it repeats."""
    report = json.loads(path.read_text())
    return {name: report[name] for name in ("accuracy", "clips", "findings", "repeats", "slices")}


@pytest.mark.usefixtures("bench")
@pytest.mark.parametrize(("verb", "name"), OPTIONS)
def test_every_option_changes_the_outcome(command, seen, verb, name):
    if verb not in seen:
        seen[verb] = outcome(command, BASES[verb])
    base, other = seen[verb], outcome(command, BASES[verb] + OPTIONS[verb, name])
    assert base[0] == 0
    # 1: the short clips fail; 2: no workers, or no limits (tests/cli/test_crashing.py has files that pass theirs)
    usage = ("n_jobs", "time_limit_s", "memory_limit", "scheduler", "n_dask")
    assert other[0] == {"min_duration_s": 1, **dict.fromkeys(usage, 2)}.get(name, 0)
    if verb in ("train", "evaluate", "crossval", "stats") and name not in (
        *(
            "output",
            "json_path",
            "report_path",
            "csv_folder",
            "figures_folder",
            "listen_folder",
            "n_jobs",
            "time_limit_s",
            "memory_limit",
            "scheduler",
            "n_dask",
        ),
    ):
        assert other[2].keys() == base[2].keys()
        assert other[2] != base[2]
    else:
        assert other[1:] != base[1:]


def test_every_option_of_every_command_is_in_the_table():
    options = {
        (verb, option.name)
        for verb, command in all_commands().items()
        for option in command.params
        if isinstance(option, click.Option)
    }
    # these stand alone, or need a report first: another module has them
    elsewhere = {("evaluate", "scores_path"), ("compare", "json_path"), ("classify", "priors"), ("train", "group_by")}
    elsewhere |= {("stats", "group_by")}
    elsewhere |= {("train", "tune"), ("crossval", "tune"), ("evaluate", "truth_path")}
    elsewhere |= {("evaluate", name) for name in ("tolerance_s", "window_s", "hop_s", "min_turn_s")}
    elsewhere |= {("timeline", name) for name in ("formats", "figure", "hop_s", "min_duration_s", "min_turn_s")}
    elsewhere |= {
        ("timeline", name) for name in ("n_jobs", "output", "priors", "window_s", "time_limit_s", "memory_limit")
    }
    elsewhere |= {
        (verb, name)
        for verb in ("classify", "features", "timeline")
        for name in ("resume", "retry_failed", "overwrite", "log_every_s")
    }
    elsewhere |= {("timeline", "shard"), ("timeline", "same_sources")}
    elsewhere |= {("explain", "corpus"), ("explain", "n_neighbours")}
    elsewhere |= {("review", name) for name in ("output", "between", "per_label", "excerpt_s", "seed", "overwrite")}
    elsewhere |= {("review", "n_jobs"), ("train", "added"), ("train", "old_path"), ("train", "no_comparison")}
    elsewhere |= {("check", name) for name in ("split", "group_by", "n_decoded", "json_path", "html_path")}
    listening = (
        "raw_hz",
        "n_channels",
        "device",
        "list_devices",
        "window_s",
        "hop_s",
        "priors",
        "output_format",
        "seconds",
    )
    elsewhere |= {("listen", name) for name in listening}
    elsewhere |= {(verb, name) for verb, name in options if verb in ("card", "serve")}
    elsewhere |= {("reproduce", name) for name in ("root", "model", "json_path", "n_jobs")}
    elsewhere |= {(verb, name) for verb, name in options if verb.split()[0] in ("cache", "mixture", "sort", "tag")}
    elsewhere |= {
        (verb, name)
        for verb in ("train", "crossval", "evaluate", "classify", "reproduce")
        for name in ("rows", "rows_name", "rows_column", "rows_rate_hz", "vectors", "vectors_name")
    }
    elsewhere |= {(verb, "vectors_column") for verb in ("train", "crossval", "evaluate", "reproduce")}
    # results do not depend on these
    elsewhere |= {
        (verb, name) for verb, name in options if name in ("is_quiet", "cache", "cache_limit", "memory_bytes")
    }
    assert options == {*OPTIONS, *elsewhere}
    others = [path for path in Path(__file__).parents[1].rglob("test_*.py") if path != Path(__file__)]
    texts = [path.read_text(encoding="utf-8") for path in others]
    for verb, name in elsewhere:
        word = "-j" if name == "n_jobs" else flags()[name]
        words = ", ".join(f'"{part}"' for part in verb.split())
        assert any(words in text and f'"{word}"' in text for text in texts), (verb, word)


def test_the_command_offers_what_the_core_has(command):
    from gmmaudio.cli import options

    assert (*COVARIANCE_TYPES, SHARED) == options.COVARIANCE_TYPES
    assert options.INIT_NAMES == INITS
    words = ("train", "x.csv", "-o", "x", "--kind")
    assert "is not one of 'frames', 'blocks', 'supervector'" in command(*words, "chords").err
    for name in KINDS:
        assert "is not one of" not in command(*words, name).err
