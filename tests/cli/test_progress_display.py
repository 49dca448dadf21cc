"""Progress: what is shown where, and what stops a run."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys

import click
import pytest
from rich.console import Console

from gmmaudio.cli import COMMANDS, cli
from gmmaudio.cli.console import say
from gmmaudio.cli.progress_display import BarDisplay, LineDisplay, show_progress, speed_text, time_text
from gmmaudio.compute import quiet

GMMAUDIO = (sys.executable, "-m", "gmmaudio")
LONG = ("check", "train", "classify", "explain", "timeline", "evaluate", "crossval", "review", "compare", "reproduce")
LONG += ("stats", "merge", "features", "tag", "sort")
COLOUR = re.compile(r"\x1b\[[\d;]*[39]\d")
CURSOR_HIDDEN, CURSOR_SHOWN = "\x1b[?25l", "\x1b[?25h"


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Sound:
    """An item that was made of sound; one that failed has no length."""

    def __init__(self, duration_s):
        self.duration_s = duration_s


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def screen(clock):
    """A display of bars on a terminal of 100 columns in memory, and its text."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, height=25)
    display = BarDisplay(console, clock)
    yield display, stream
    display.close()


def bars_of(display):
    """Return what the display shows now, line by line, without the bars themselves."""
    console = Console(file=io.StringIO(), width=100)
    console.print(display.bars())
    lines = [" ".join(re.sub("[━╺╸─-]+", " ", line).split()) for line in console.file.getvalue().splitlines()]
    return [line for line in lines if line]


# --- one line a minute -----------------------------------------------------------------------------------------------


def test_a_run_of_less_than_a_minute_writes_nothing(clock):
    lines = []
    display = LineDisplay(lines.append, clock)
    for _ in display(range(59), 59, "folds"):
        clock.now_s += 1
    assert lines == []


def test_one_line_a_minute_with_stage_count_elapsed_and_left(clock):
    lines = []
    display = LineDisplay(lines.append, clock)
    for _ in display(range(10), 10, "folds"):
        clock.now_s += 20
    assert lines == [
        "folds 3 of 10: 1:00 elapsed, about 2:20 left",
        "folds 6 of 10: 2:00 elapsed, about 1:20 left",
        "folds 9 of 10: 3:00 elapsed, about 0:20 left",
    ]


def test_a_stage_of_sound_tells_how_much_it_reads_for_each_second(clock):
    lines = []
    display = LineDisplay(lines.append, clock)
    items = [Sound(30.0), Sound(None), Sound(240.0), Sound(4_000.0), "a failure", Sound(0.0)]
    for _ in display(items, 6, "extracting features"):
        clock.now_s += 30
    assert lines == [
        "extracting features 2 of 6 at 0.5x real time: 1:00 elapsed, about 2:00 left",
        "extracting features 4 of 6 at 36x real time: 2:00 elapsed, about 1:00 left",
        "extracting features 6 of 6 at 24x real time: 3:00 elapsed, about 0:00 left",
    ]


def test_a_stage_of_unknown_length_tells_what_is_done(clock):
    lines = []
    display = LineDisplay(lines.append, clock)
    for _ in display(iter([Sound(90.0)] * 4), None, "classifying"):
        clock.now_s += 30
    assert lines == [
        "classifying 2 at 3.0x real time: 1:00 elapsed, time left unknown",
        "classifying 4 at 3.0x real time: 2:00 elapsed, time left unknown",
    ]


def test_the_speed_of_an_inner_stage_is_its_own(clock):
    lines = []
    display = LineDisplay(lines.append, clock)
    for _ in display("ab", 2, "robustness"):
        for _ in display([Sound(90.0)] * 3, 3, "extracting features, noise"):
            clock.now_s += 30
    assert lines == [
        "robustness 0 of 2, extracting features, noise 2 of 3 at 3.0x real time: 1:00 elapsed, time left unknown",
        "robustness 1 of 2, extracting features, noise 1 of 3 at 3.0x real time: 2:00 elapsed, about 1:00 left",
        "robustness 1 of 2, extracting features, noise 3 of 3 at 3.0x real time: 3:00 elapsed, about 0:00 left",
    ]


@pytest.mark.parametrize(
    ("speed", "text"),
    [(None, ""), (0.04, "at 0.0x real time"), (9.94, "at 9.9x real time"), (1234.5, "at 1234x real time")],
)
def test_speed_text(speed, text):
    assert speed_text(speed) == text


def test_an_item_that_takes_no_time_has_no_speed(clock):
    display = LineDisplay([].append, clock)
    items = display([Sound(30.0)] * 2, 2, "extracting features")
    next(items), next(items)
    assert display.stages[0].sound_s == 30.0
    assert display.stages[0].speed() is None


def test_inner_stages_stand_behind_the_outer_one_whose_time_is_shown(clock):
    lines = []
    display = LineDisplay(lines.append, clock)
    for fold in display("ab", 2, "folds"):
        for _ in display(range(3), 3, f"inner folds of {fold}"):
            clock.now_s += 30
    assert lines == [
        "folds 0 of 2, inner folds of a 2 of 3: 1:00 elapsed, time left unknown",
        "folds 1 of 2, inner folds of b 1 of 3: 2:00 elapsed, about 1:00 left",
        "folds 1 of 2, inner folds of b 3 of 3: 3:00 elapsed, about 0:00 left",
    ]


def test_a_slow_first_item_is_told_when_the_next_stage_begins(clock):
    lines = []
    display = LineDisplay(lines.append, clock)
    for _ in display("a", 1, "folds"):
        clock.now_s += 90
        list(display("xy", 2, "inner folds"))
    assert lines == ["folds 0 of 1, inner folds 0 of 2: 1:30 elapsed, time left unknown"]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (61.9, "1:01"), (3599, "59:59"), (36_000, "10:00:00")])
def test_time_text(seconds, text):
    assert time_text(seconds) == text


def test_lines_go_to_stderr_where_it_is_no_terminal(capsys, monkeypatch):
    with show_progress(is_quiet=False) as progress:
        assert isinstance(progress, LineDisplay)
        for _ in progress(range(2), 2, "folds\x1b[2J"):
            progress.last_line_s -= 60
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("folds\\x1b[2J 1 of 2: 0:00 elapsed, about 0:00 left\n")


# --- bars ------------------------------------------------------------------------------------------------------------


def test_nested_stages_have_a_bar_each_and_inner_ones_vanish(screen, clock):
    display, _ = screen
    seen = []
    for _ in display(range(2), 2, "folds"):
        for _ in display(range(4), 4, "inner folds"):
            seen.append(bars_of(display))
            clock.now_s += 10
        seen.append(bars_of(display))
    assert seen[0] == [
        "folds 0/2 0:00 elapsed, time left unknown",
        "inner folds 0/4 0:00 elapsed, time left unknown",
    ]
    assert seen[3] == [
        "folds 0/2 0:30 elapsed, time left unknown",
        "inner folds 3/4 0:30 elapsed, about 0:10 left",
    ]
    assert seen[4] == ["folds 0/2 0:40 elapsed, time left unknown"]
    assert seen[5] == [
        "folds 1/2 0:40 elapsed, about 0:40 left",
        "inner folds 0/4 0:00 elapsed, time left unknown",
    ]
    assert bars_of(display) == []


def test_a_bar_of_sound_has_its_speed_and_fits_on_its_line(screen, clock):
    display, _ = screen
    seen = []
    for _ in display([Sound(3_000.0)] * 400, 400, "extracting features"):
        seen.append(bars_of(display))
        clock.now_s += 10
    assert seen[0] == ["extracting features 0/400 0:00 elapsed, time left unknown"]
    assert seen[40] == ["extracting features 40/400 at 300x real time 6:40 elapsed, about 1:00:00 left"]


def test_a_bar_of_unknown_length_counts_what_is_done(screen, clock):
    display, _ = screen
    items = display(iter(range(9)), None, "classifying")
    for _ in range(3):
        next(items)
        clock.now_s += 10
    assert bars_of(display) == ["classifying 2 0:30 elapsed, time left unknown"]
    items.close()


def test_the_bars_are_on_the_terminal_and_leave_it_as_it_was(screen):
    display, stream = screen
    for _ in display(range(2), 2, "folds"):
        list(display(range(3), 3, "inner folds"))
        display.live.refresh()
    display.close()
    text = stream.getvalue()
    assert "folds" in text
    assert text.rindex(CURSOR_SHOWN) > text.rindex(CURSOR_HIDDEN)
    # the last thing done is to erase the line of the bars
    assert text.endswith("\x1b[2K")
    assert display.stages == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_an_inner_stage_ends_all_bars(monkeypatch, error):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(error), show_progress(is_quiet=False) as progress:
        for _ in progress(range(2), 2, "folds"):
            for _ in progress(range(2), 2, "inner folds"):
                raise error
    assert progress.stages == []
    assert not progress.live.is_started
    assert sys.stderr.getvalue().rindex(CURSOR_SHOWN) > sys.stderr.getvalue().rindex(CURSOR_HIDDEN)


def test_an_iterator_that_is_dropped_late_is_no_error(screen):
    display, _ = screen
    items = display(range(3), 3, "folds")
    next(items)
    display.close()
    items.close()
    assert display.stages == []


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_erase_gets_lines(monkeypatch, term):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", term)
    with show_progress(is_quiet=False) as progress:
        assert isinstance(progress, LineDisplay)


@pytest.mark.parametrize("no_colour", [True, False])
def test_no_color_is_honoured(monkeypatch, no_colour):
    for name in ("FORCE_COLOR", "COLORTERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    stream = sys.stderr
    with show_progress(is_quiet=False) as progress:
        for _ in progress(range(2), 2, "folds"):
            progress.live.refresh()
    assert bool(COLOUR.search(stream.getvalue())) is not no_colour


def test_lines_of_words_stand_above_the_bars(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    stream = sys.stderr
    with show_progress(is_quiet=False) as progress:
        for _ in progress(range(1), 1, "folds"):
            say("skipped x.wav")
    assert "skipped x.wav\n" in stream.getvalue()


# --- --quiet ---------------------------------------------------------------------------------------------------------


def test_quiet_shows_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with show_progress(is_quiet=True) as progress:
        assert progress is quiet
        assert list(progress([1, 2], 2, "folds")) == [1, 2]
    assert sys.stderr.getvalue() == ""


def test_every_long_command_has_quiet():
    context = click.Context(cli)
    flags = {
        name: [flag for parameter in cli.get_command(context, name).params for flag in parameter.opts]
        for name in COMMANDS
    }
    assert [name for name in COMMANDS if "--quiet" in flags[name] and "-q" in flags[name]] == list(LONG)


def words_of(verb, corpus, model_file, ubm_file, statistics_file, folder):
    """Return a command line of every long command; those that read a report make it first."""
    small = ["--components", "2", "--folds", "2", "--durations", "none"]
    report = folder / "r.json"
    return {
        "check": ["check", corpus.split],
        "train": ["train", corpus.split, "-o", folder / "m.gmm", "--components", "2"],
        "classify": ["classify", model_file, corpus.root / "low" / "cy" / "0.wav"],
        "explain": ["explain", model_file, corpus.root / "low" / "cy" / "0.wav", "--corpus", corpus.split],
        "timeline": ["timeline", model_file, corpus.root / "low" / "cy" / "0.wav"],
        "evaluate": ["evaluate", model_file, corpus.split, "--durations", "none"],
        # no fold is kept for the next run, on a slow machine too
        "crossval": ["crossval", corpus.plain, *small, "--json", report, "--cache", "none"],
        "review": ["review", folder / "results.csv", "-o", folder / "review", "--between", "0,1", "--overwrite"],
        "compare": ["compare", report, report],
        "reproduce": ["reproduce", report],
        "stats": ["stats", corpus.split, "--model", ubm_file, "-o", folder / "shard.stats"],
        "merge": ["merge", statistics_file, "-o", folder / "m.gmm"],
        "tag": ["tag", model_file, corpus.root / "low" / "cy" / "0.wav"],
        "sort": ["sort", model_file, corpus.root / "low" / "cy" / "0.wav", "--into", folder / "sorted", "--link"],
        "features": ["features", corpus.root / "low", "-o", folder / "rows", "--overwrite"],
    }[verb]


@pytest.mark.parametrize("verb", LONG)
def test_no_progress_with_quiet_and_a_line_a_minute_without(
    command, corpus, model_file, ubm_file, statistics_file, tmp_path, monkeypatch, verb
):
    files = (corpus, model_file, ubm_file, statistics_file, tmp_path)
    if verb in ("compare", "reproduce"):
        assert command(*words_of("crossval", *files)).code == 0
    if verb == "review":
        answer = command(*words_of("classify", *files), "--format", "csv", "-q").out
        tmp_path.joinpath("results.csv").write_text(answer)
    words = words_of(verb, *files)
    before = command(*words)
    ticks = iter(range(0, 10**9, 61))
    monkeypatch.setattr("gmmaudio.cli.progress_display.time.monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(LineDisplay.__init__, "__defaults__", (say, lambda: float(next(ticks))))
    loud, silent = command(*words), command(*words, "--quiet")
    shown = [line for line in loud.err.splitlines() if " elapsed, " in line]
    assert shown
    assert [line for line in loud.err.splitlines() if line not in shown] == before.err.splitlines()
    # of training, the account of each label is left out too, and what to do next
    account = ("low: ", "mid: ", "high: ", "to label ", "how often ") if verb == "train" else ()
    kept = [line for line in before.err.splitlines() if not line.startswith(account)]
    assert [line for line in silent.err.splitlines() if line in kept] == silent.err.splitlines()
    assert silent.err.splitlines()[-1:] == kept[-1:]
    assert (silent.err == before.err) == (verb != "train")
    assert loud.code == silent.code == before.code == 0


# --- a real terminal -------------------------------------------------------------------------------------------------


def run_on_a_terminal(words, **environment):
    """Run the command with stderr on a terminal and stdout in a pipe; return its code, stdout and what was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*GMMAUDIO, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment},
    ) as process:
        os.close(theirs)
        shown = b""
        # a terminal that nobody holds open any more is an error on Linux and the end elsewhere
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 65536):
                shown += chunk
        out = process.stdout.read()
    os.close(ours)
    return process.returncode, out.decode(), shown.decode()


def test_bars_are_on_the_terminal_and_the_data_in_the_pipe(model_file, corpus):
    words = ["classify", model_file, corpus.root / "low"]
    code, out, shown = run_on_a_terminal(words, NO_COLOR="1")
    assert code == 0
    assert [line.split("\t")[1] for line in out.splitlines()] == ["low"] * 6
    assert "classifying" in shown
    assert "0/6" in shown
    assert "time left" in shown
    assert not COLOUR.search(shown)
    assert shown.rindex(CURSOR_SHOWN) > shown.rindex(CURSOR_HIDDEN)
    assert run_on_a_terminal([*words, "--quiet"]) == (0, out, "")
