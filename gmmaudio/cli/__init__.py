"""The ``gmmaudio`` command: one file for each sub-command, loaded only when it is used."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

from gmmaudio import errors
from gmmaudio.names import did_you_mean, quoted

# Name -> line on the help page; the modules are imported when a command is run, so that --help answers at once.
COMMANDS = {
    "check": "Look at a corpus before training: labels, groups, formats.",
    "train": "Train a model on a folder of classes or a manifest.",
    "classify": "Classify audio files.",
    "explain": "Explain the label of an audio file.",
    "timeline": "Label recordings over time.",
    "listen": "Say what a microphone or a pipe brings, as it arrives.",
    "serve": "Answer requests about sound over HTTP, and by a page.",
    "evaluate": "Evaluate a model on labelled clips that it was not trained on.",
    "crossval": "Cross-validate on a corpus, with groups kept whole.",
    "review": "Make a page on which a listener corrects predictions.",
    "compare": "Compare two evaluations of the same clips.",
    "reproduce": "Run an evaluation again from its JSON and compare the results.",
    "stats": "Take the statistics of labelled clips under a model's UBM.",
    "merge": "Train a model on the statistics of several shards.",
    "features": "Write the feature frames of audio files.",
    "mixture": "Fit a mixture to a table of numbers: clusters, and values for missing ones.",
    "tag": "Write labels into the tags of music files.",
    "sort": "Sort music files into folders or playlists by label.",
    "card": "Write the model card of a model, with the numbers of its reports.",
    "info": "Describe a model and its training, or statistics.",
    "cache": "Describe, check or empty the cache of features.",
}

# the module of a command whose name is that of a package
MODULES = {"features": "feature_files", "mixture": "mixture_group", "timeline": "timeline_files"}

EXIT_SOME_FAILED, EXIT_USAGE, EXIT_NOTHING, EXIT_WRITE = 1, 2, 3, 4
# 128 and the number of the signal, as shells count
EXIT_BY_SIGNAL = 128
EXIT_INTERRUPTED, EXIT_CLOSED_PIPE = 130, 141

# functions by which libsndfile reads a file: an exception in one of them is printed, and goes no further
DEAF = "vio_"
# until a signal is looked at again that came while such a function ran, and one whose exception may be lost, seconds
LATER_S, AGAIN_S = 0.01, 5.0

# name of the error handler of stdout
ESCAPES = "gmmaudio_escapes"

# where a context keeps the path of the file of settings
CONFIG = "gmmaudio.config"

EPILOG = (
    "Exit codes: 0 done; 1 done, but some inputs failed; 2 usage; 3 nothing usable in, or an unusable model; "
    "4 cannot write; 129 hung up; 130 interrupted; 141 the reader of standard output closed it; 143 terminated."
)


class Stopped(KeyboardInterrupt):
    """A signal arrived that ends the run as an interrupt from the keyboard does; its argument is the exit code."""


class ClosedPipe(Exception):  # noqa: N818 - ends the run, as an interrupt does
    """The reader of standard output closed it."""


@contextlib.contextmanager
def _closed_pipes_raised() -> Iterator[None]:
    """Raise ClosedPipe for a closed pipe, which click would answer itself, with the code 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise ClosedPipe from error


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run.

    Parameters
    ----------
    *arguments : Any
        As for :class:`click.Group`.
    table : mapping of str to str
        Name of each command -> its line on the help page.
    modules : mapping of str to str
        Module of a command, where it has another name.
    **settings : Any
        As for :class:`click.Group`.
    """

    def __init__(self, *arguments: Any, table: Mapping[str, str], modules: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.table, self.modules = table, modules

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command from the module of its name."""
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(f"gmmaudio.cli.{self.modules.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words begin with; an unknown one is refused with the nearest name."""
        name = args[0]
        if name not in self.table and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {quoted(name)}.{did_you_mean(name, self.table)}", ctx)
        _, command, rest = resolved = super().resolve_command(ctx, args)
        values = (ctx.default_map or {}).get(name)
        if command is not None and values and not isinstance(command, click.Group) and not ctx.resilient_parsing:
            _say_settings(command, values, rest, ctx.meta[CONFIG])
        return resolved

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Return the context of a command line; ``--help`` and ``--version`` are answered here."""
        with _closed_pipes_raised():
            return super().make_context(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _closed_pipes_raised():
            return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin with a word, without importing them, and the options of the group."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=line) for name, line in self.table.items() if name.startswith(incomplete)]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))


def _say_settings(command: click.Command, values: Mapping[str, Any], typed: Sequence[str], path: str) -> None:
    """Write to stderr the settings of a file that a command uses."""
    import shlex

    from gmmaudio.cli.config_file import setting_words

    words = setting_words(command, values, typed)
    if words:
        click.echo(f"settings of {path}: {shlex.join(words)}", err=True)


def _take_config(ctx: click.Context, _param: click.Parameter, named: str | None) -> None:
    """Take the defaults of all options from a file of settings."""
    if ctx.resilient_parsing:
        return
    from gmmaudio.cli.config_file import find_config, read_config

    path = find_config(named)
    if path is not None:
        ctx.default_map, ctx.meta[CONFIG] = read_config(path, cli), str(path)


def _show_version(ctx: click.Context, _param: click.Parameter, is_named: bool) -> None:
    """Answer --version."""
    if is_named and not ctx.resilient_parsing:
        from gmmaudio.cli.library_versions import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    modules=MODULES,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    metavar="FILE|none",
    expose_value=False,
    callback=_take_config,
    help="Take the defaults of options from this TOML file. [default: gmmaudio.toml in the current folder]",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the versions of this program and its libraries and exit.",
)
def cli() -> None:
    """Recognise the genre of music and the language of speech with Gaussian mixture models."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit with its code.

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    if "numpy" not in sys.modules:
        # threads of OpenBLAS, which start with numpy, wait by spinning; all products run on their caller's thread
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:] if arguments is None else arguments
    lost: list[str] = []
    _keep_writing(lost)
    try:
        with _stopped_by_signals(is_last=arguments is None):
            code = _run(words)
    except KeyboardInterrupt as interrupt:
        code = _stopped(interrupt)
    if lost:
        with contextlib.suppress(OSError):
            click.echo(_lost_text(lost), err=True)
    sys.exit(code)


def _keep_writing(lost: list[str]) -> None:
    """Make stdout and stderr write escapes of what they cannot encode; what stdout could not is added to ``lost``."""

    def escape(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeEncodeError):
            # bytes that are no text are escaped in every encoding
            lost.extend(c for c in error.object[error.start : error.end] if not "\ud800" <= c <= "\udfff")
        return codecs.backslashreplace_errors(error)

    codecs.register_error(ESCAPES, escape)
    for name, handler in (("stdout", ESCAPES), ("stderr", "backslashreplace")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - lives as long as we
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=handler)


def _lost_text(lost: Sequence[str]) -> str:
    """Return the words on characters that stdout could not encode."""
    first = ascii(lost[0])[1:-1]
    return (
        f"warning: {len(lost)} character{'s' * (len(lost) != 1)} outside the encoding of standard output "
        f"({sys.stdout.encoding}) written as escapes, such as {first}; set PYTHONIOENCODING=utf-8, or use a JSON format"
    )


@contextlib.contextmanager
def _stopped_by_signals(*, is_last: bool) -> Iterator[None]:
    """Raise an exception on SIGINT, SIGTERM and SIGHUP while the block runs: files are closed and workers are ended.

    Parameters
    ----------
    is_last : bool
        Whether the process ends after the block, which further signals must not disturb.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        # a wrapper may send the signal of the keyboard once more
        for each in previous:
            signal.signal(each, _do_nothing)
        is_deaf = _is_deaf(frame)
        if hasattr(signal, "setitimer"):
            # a library may drop the exception: the signal is looked at again for as long as the block runs
            signal.signal(signal.SIGALRM, lambda _alarm, later: stop(number, later))
            signal.setitimer(signal.ITIMER_REAL, LATER_S if is_deaf else AGAIN_S)
        if not (is_deaf or _is_stopping()):
            raise Stopped(EXIT_BY_SIGNAL + number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # nohup ignores it for the commands that it starts
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        previous[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        if is_last:
            _ignore(previous)
        else:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _is_deaf(frame: FrameType | None) -> bool:
    """Return whether an exception would be lost here: no function that libsndfile calls passes it on."""
    while frame is not None and not frame.f_code.co_name.startswith(DEAF):
        frame = frame.f_back
    # where there is no timer, it is raised all the same
    return frame is not None and hasattr(signal, "setitimer")


def _is_stopping() -> bool:
    """Return whether code that closes files and ends workers is running, because of an exception for a signal."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Stopped):
        error = error.__context__
    return error is not None


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Let a signal pass."""


def _ignore(numbers: Iterable[signal.Signals]) -> None:
    """Let the system ignore signals: handlers of Python are removed before its end, and a signal would be that."""
    for number in numbers:
        signal.signal(number, _do_nothing)
    # Python complains of a signal that arrives just before the system ignores it
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _stopped(cause: BaseException | None) -> int:
    """Return the exit code of a run that a signal ended, with a word on stderr."""
    with contextlib.suppress(OSError):  # a terminal that was closed
        click.echo("stopped", err=True)
    return cause.args[0] if isinstance(cause, Stopped) else EXIT_INTERRUPTED


def _discard(*descriptors: int) -> None:
    """Send what is left in the buffers of stdout or stderr nowhere: it must not fail once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)


def _run(words: list[str]) -> int:
    """Return the exit code of a command line, whoever reads its output."""
    try:
        with _cache_warnings_said():
            return _answer(words)
    except (ClosedPipe, BrokenPipeError):
        _discard(1, 2)
        return EXIT_CLOSED_PIPE
    except OSError:
        # standard error takes nothing: a log on a full disk
        _discard(1, 2)
        return EXIT_WRITE


@contextlib.contextmanager
def _cache_warnings_said() -> Iterator[None]:
    """Show warnings of the cache as notes, each once; others as Python shows them."""
    said: set[str] = set()
    with warnings.catch_warnings():
        shown_by_python = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, errors.CacheWarning):
                shown_by_python(message, category, *place, **more)
            elif str(message) not in said:
                from gmmaudio.cli.console import say
                from gmmaudio.cli.flags import with_flags

                said.add(str(message))
                say(f"note [cache] {with_flags(str(message))}")

        warnings.simplefilter("always", errors.CacheWarning)
        warnings.showwarning = show
        yield


def _answer(words: list[str]) -> int:
    """Return the exit code of a command line, with its error on stderr."""
    try:
        code = cli.main(words, prog_name="gmmaudio", standalone_mode=False, obj=words)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as abort:
        return _stopped(abort.__context__)
    except errors.GmmaudioError as error:
        from gmmaudio.cli.console import say
        from gmmaudio.cli.flags import with_flags

        say(f"gmmaudio: {with_flags(str(error))}")
        return exit_code(error)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        _discard(1)
        click.echo(f"gmmaudio: standard output cannot be written ({error.strerror})", err=True)
        return EXIT_WRITE
    return int(code or 0)


def exit_code(error: errors.GmmaudioError) -> int:
    """Return the exit code of an error.

    Parameters
    ----------
    error : GmmaudioError
        Raised by a command.

    Examples
    --------
    >>> exit_code(errors.WriteError("disk full"))
    4
    """
    if isinstance(error, errors.SettingError):
        return EXIT_USAGE
    if isinstance(error, errors.WriteError):
        return EXIT_WRITE
    return EXIT_NOTHING
