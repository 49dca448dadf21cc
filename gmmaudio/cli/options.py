"""Options that several commands share."""

from __future__ import annotations

import contextlib
import copy
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from gmmaudio.errors import CacheWarning, SettingError
from gmmaudio.names import did_you_mean, file_text

if TYPE_CHECKING:
    from gmmaudio.compute import Cluster
    from gmmaudio.features.store import FeatureStore

F = TypeVar("F", bound=Callable[..., Any])

PRESET_NAMES = ("genre", "language")
# a size: a number and a unit, powers of 1,000 or of 1,024
SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt]i?b?|b?)", re.IGNORECASE | re.ASCII)
UNITS = {"": 1, "B": 1} | {
    f"{letter}{binary}{byte}": (1024 if binary else 1000) ** power
    for power, letter in enumerate("KMGT", start=1)
    for binary in ("", "I")
    for byte in ("", "B")
}
LARGEST_SIZE = 2**60
SHARD = re.compile("([0-9]{1,9})/([0-9]{1,9})", re.ASCII)
NO_LIMIT = ("0", "none")
COVARIANCE_TYPES = ("diag", "full", "tied", "spherical", "shared")
INIT_NAMES = ("kmeans", "hierarchical", "binary", "random")


class FilePath(click.Path):
    """A path that may hold any bytes the file system allows, or ``-``, and is not empty.

    An empty path, as of a variable that is not set, would mean the current folder.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("the path is empty; name a file or a folder (. is the current one).", param, ctx)
        return super().convert(value, param, ctx)


class Choice(click.Choice[str]):
    """One of several words; another one is refused with the nearest of them."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message for a word that is none of them."""
        return super().get_invalid_choice_message(value, ctx) + did_you_mean(str(value), self.choices)


FILE = FilePath(path_type=Path, allow_dash=True)
# as it was typed, for messages and output
WRITTEN = FilePath(allow_dash=True)


class RenamedOption(click.Option):
    """An option that is still accepted under its old name, which the help page does not show.

    Parameters
    ----------
    *declarations : sequence of str
        As for :class:`click.Option`: the names in use.
    old_flag : str
        The old name. Its use writes one line to stderr that names the new one.
    **attributes : Any
        As for :class:`click.Option`.
    """

    def __init__(self, *declarations: Any, old_flag: str, **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.old_flag = old_flag

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Register both names, the old one under a destination of its own."""
        super().add_to_parser(parser, ctx)
        old = copy.copy(self)
        old.opts, old.secondary_opts, old.name = [self.old_flag], [], self.old_flag
        click.Option.add_to_parser(old, parser, ctx)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> Any:
        """Return the value and its source, from the old name where that was typed."""
        if self.old_flag in opts:
            new_flag = self.opts[0]
            if self.name in opts:
                raise click.UsageError(f"{self.old_flag} is the old name of {new_flag}: name one of them.", ctx)
            if not ctx.resilient_parsing:
                click.echo(
                    f"deprecated: {self.old_flag} is now {new_flag}; the old name will be removed in the next release",
                    err=True,
                )
            opts = {**opts, str(self.name): opts[self.old_flag]}
        return super().consume_value(ctx, opts)


class Decorator(Protocol):
    """A decorator that adds one or several options to a command."""

    def __call__(self, function: F, /) -> F:
        """Return the function with the options added."""


class OptionGroup:
    """Several options as one decorator, in the order of the help page.

    Parameters
    ----------
    *decorators : sequence of Decorator
        The options.
    """

    def __init__(self, *decorators: Decorator) -> None:
        self.decorators = decorators

    def __call__(self, function: F, /) -> F:
        """Return the function with the options added."""
        for decorator in reversed(self.decorators):
            function = decorator(function)
        return function


def trial_seconds(default: str) -> Decorator:
    """Return the option --trial-seconds.

    Parameters
    ----------
    default : str
        The default in words, for the help page.
    """
    return click.option(
        "--trial-seconds",
        "trial_s",
        type=float,
        metavar="S",
        help="Join clips of one label, group and source into trials of about S seconds, and cut longer ones; 0: take "
        f"clips as they are. [default: {default}]",
    )


def _augment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return names from a list with commas; none of ``none``, and None, which is the preset's, of no list."""
    return None if value is None else () if value == "none" else tuple(value.split(","))


def name_text(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Return the text of a name, which Python decodes by the locale.

    Parameters
    ----------
    value : str or None
        The name as it was typed.
    """
    return None if value is None else file_text(value)


def _kind(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Return the name of a kind of model, checked by the table of kinds: imported here, not for the help page."""
    if value is not None:
        from gmmaudio.models import KINDS

        if value not in KINDS:
            raise click.BadParameter(
                f"{value!r} is not one of {', '.join(map(repr, KINDS))}.{did_you_mean(value, KINDS)}"
            )
    return value


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[float, ...]:
    """Return durations in seconds from a list with commas; ``none`` is an empty one."""
    try:
        return () if value == "none" else tuple(float(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of seconds such as 3,10,30, nor none.") from error


def _n_bytes(text: str) -> int | None:
    """Return a number of bytes from a size such as 500MB; None where it is none."""
    match = SIZE.fullmatch(text.strip())
    n_bytes = 0.0 if match is None else float(match[1]) * UNITS[match[2].upper()]
    return int(n_bytes) if 1 <= n_bytes <= LARGEST_SIZE else None


def size(_ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return the bytes of a size such as 500MB.

    Parameters
    ----------
    param : click.Parameter
        The option.
    value : str
        What was typed.
    """
    n_bytes = _n_bytes(value)
    if n_bytes is None:
        hint = "; --cache none keeps nothing." if param.name == "cache_limit" else "."
        raise click.BadParameter(f"{value!r} is no size such as 500MB or 5GB{hint}")
    return n_bytes


def _size_or_none(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Return a limit of memory: 0 for ``none``, and None where it is not named."""
    if value is None:
        return None
    n_bytes = 0 if value in NO_LIMIT else _n_bytes(value)
    if n_bytes is None:
        raise click.BadParameter(f"{value!r} is no size such as 500MB or 2GB, nor none.")
    return n_bytes


def _seconds_or_none(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Return a limit of time: 0 for ``none``, and None where it is not named."""
    if value is None:
        return None
    try:
        return 0.0 if value in NO_LIMIT else float(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a number of seconds, nor none.") from error


def _shard(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Return a part and the number of parts."""
    if value is None:
        return None
    match = SHARD.fullmatch(value.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"{value!r} is not I/N, such as 1/4 for the first of four parts.")
    return int(match[1]), int(match[2])


def _interval(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    """Return a number of seconds above 0."""
    if value is not None and not 0 < value < float("inf"):
        raise click.BadParameter(f"{value:g} is no number of seconds above 0.")
    return value


def open_store(cache: Path | None, limit_bytes: int) -> FeatureStore | None:
    """Return the store that --cache and --cache-limit name, by default in the user's folder of caches.

    Parameters
    ----------
    cache : Path or None
        The folder; None is the default one, and ``none`` is no store.
    limit_bytes : int
        Bytes that it may take.

    Returns
    -------
    FeatureStore or None
        The store; None where nothing is to be kept.

    Raises
    ------
    click.UsageError
        If a limit is named beside ``none``.
    SettingError
        If the folder that was named is a file, or holds other files.

    Warns
    -----
    CacheWarning
        If the default folder is a file, or holds other files: nothing is kept then.
    """
    from gmmaudio.features.store import FeatureStore

    if cache is None:
        try:
            return FeatureStore(default_cache(), limit_bytes)
        except SettingError as error:
            warnings.warn(f"{error}; features are not kept", CacheWarning, stacklevel=2)
            return None
    if str(cache) != "none":
        return FeatureStore(cache, limit_bytes)
    source = click.get_current_context().get_parameter_source("cache_limit")
    if source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--cache-limit has no effect with --cache none.")
    return None


def default_cache() -> Path:
    """Return the folder of features where none is named: of this program, in the user's folder of caches."""
    import platformdirs

    return platformdirs.user_cache_path("gmmaudio", appauthor=False)


jobs = click.option(
    "-j",
    "--jobs",
    "n_jobs",
    type=int,
    help="Number of worker processes; -1: one for each core. [default: threads for minutes of sound, worker processes "
    "for hours]",
)
# what a worker process may take for one file
limits = OptionGroup(
    click.option(
        "--time-limit",
        "time_limit_s",
        callback=_seconds_or_none,
        metavar="S|none",
        help="Time that a worker process may take for one file, seconds. [default: 60, more for large files]",
    ),
    click.option(
        "--memory-limit",
        "memory_limit",
        callback=_size_or_none,
        metavar="SIZE|none",
        help="Memory that a worker process may take for one file. [default: half of the machine's]",
    ),
)
# workers of a Dask cluster, instead of this computer's
cluster = OptionGroup(
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Work on the Dask cluster of this scheduler, such as tcp://HOST:8786; its workers see the same files.",
    ),
    click.option(
        "--dask",
        "n_dask",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="Work on a Dask cluster of N worker processes, started on this computer.",
    ),
)
quiet = click.option(
    "-q",
    "--quiet",
    "is_quiet",
    is_flag=True,
    help="Show no progress and no account of training; warnings and errors are still shown.",
)
same_sources = click.option(
    "--same-sources",
    "same_sources",
    is_flag=True,
    help="The files are of the very recording sources that MODEL was trained on: give the probabilities for these.",
)
min_duration = click.option(
    "--min-duration",
    "min_duration_s",
    default=0.5,
    show_default=True,
    metavar="S",
    help="Minimum decoded duration of a clip or trial, seconds.",
)
split = click.option("--split", callback=name_text, metavar="NAME", help="Use the clips of this split only.")
group_by = click.option(
    "--group-by",
    callback=name_text,
    metavar="COLUMN|parent|tag:artist|tag:album|none",
    help="Source of groups: a manifest column, the folder that holds the file, a tag of the file, or none. "
    "[default: group]",
)
shard = click.option(
    "--shard",
    callback=_shard,
    metavar="I/N",
    help="Use the I-th of N parts of the corpus only, 1/N to N/N; groups are kept whole. [default: all of it]",
)
preset = click.option("--preset", type=Choice(PRESET_NAMES), help="Settings for a task; without it, the classic model.")
durations = click.option(
    "--durations",
    "durations_s",
    callback=_seconds,
    default="3,10,30",
    show_default=True,
    metavar="S,S,..|none",
    help="Also score the test clips cut to these durations, seconds.",
)
robustness = click.option(
    "--robustness",
    cls=RenamedOption,
    old_flag="--stress",
    is_flag=True,
    help="Also score the test clips degraded: band limit, gain, noise, codec, ...",
)
cache_folder = click.option(
    "--cache",
    "cache",
    type=FilePath(path_type=Path),
    metavar="DIR",
    help="Folder of the cache. [default: the user's]",
)
cache = OptionGroup(
    click.option(
        "--cache",
        "cache",
        type=FilePath(path_type=Path),
        metavar="DIR|none",
        help="Keep features in this folder for other runs, or none. [default: the user's folder of caches]",
    ),
    click.option(
        "--cache-limit",
        "cache_limit",
        callback=size,
        default="5GB",
        show_default=True,
        metavar="SIZE",
        help="Space that the cache may take; the least recently used features are removed.",
    ),
)
# how a run goes on that was stopped, or is shared
resume = OptionGroup(
    click.option("--resume", is_flag=True, help="Go on: what the output of -o has already is not computed again."),
    click.option("--retry-failed", is_flag=True, help="As --resume, but compute again the files that failed."),
    click.option("--overwrite", is_flag=True, help="Replace an output that is there."),
    click.option(
        "--shard",
        callback=_shard,
        metavar="I/N",
        help="Take part I of N of the files: every Nth one, for several computers.",
    ),
    click.option(
        "--log-every",
        "log_every_s",
        type=float,
        callback=_interval,
        metavar="S",
        help="Write a line of progress every S seconds. [default: bars on a terminal, elsewhere a line a minute]",
    ),
)
memory = click.option(
    "--memory",
    "memory_bytes",
    callback=size,
    default="1GB",
    show_default=True,
    metavar="SIZE",
    help="Memory for features; more of them go to temporary files.",
)
# the windows of a recording, and its turns
windows = OptionGroup(
    click.option(
        "--window",
        "window_s",
        type=float,
        metavar="S",
        help="Length of the windows that are scored, seconds. [default: that of training, at most 10]",
    ),
    click.option(
        "--hop", "hop_s", type=float, metavar="S", help="From one window to the next, seconds. [default: about 0.5]"
    ),
    click.option("--min-turn", "min_turn_s", type=float, metavar="S", help="Shortest turn, seconds. [default: 2]"),
)
# the options of a training run
recipe = OptionGroup(
    preset,
    click.option(
        "--kind",
        cls=RenamedOption,
        old_flag="--model",
        callback=_kind,
        metavar="KIND",
        help="Kind of model, such as frames, blocks or supervector. [default: the preset's, or frames]",
    ),
    click.option(
        "--components",
        "n_components",
        type=int,
        metavar="K",
        help="Number of components of each label's mixture, or of the UBM (supervector).",
    ),
    click.option("--covariance", "covariance_type", type=Choice(COVARIANCE_TYPES), help="Covariance type."),
    click.option("--init", type=Choice(INIT_NAMES), help="Initialisation of EM."),
    min_duration,
    trial_seconds("the preset's"),
    split,
    click.option(
        "--augment",
        callback=_augment,
        metavar="codec,mp3,opus,band,noise,gain",
        help="Also train on degraded copies: any of these, separated by commas, or none. [default: the preset's]",
    ),
    click.option("--seed", default=0, show_default=True, help="Seed of splits and EM."),
    jobs,
    limits,
    cache,
    memory,
    quiet,
)
# the files that a report is written to
outputs = OptionGroup(
    click.option("--report", "report_path", type=FILE, metavar="FILE.html", help="Write the report as an HTML page."),
    click.option("--json", "json_path", type=FILE, metavar="FILE", help="Write everything as JSON; - is stdout."),
    click.option(
        "--csv", "csv_folder", type=FILE, metavar="FOLDER", help="Write every table as CSV; the folder may be new."
    ),
    click.option(
        "--figures",
        "figures_folder",
        type=FILE,
        metavar="FOLDER",
        help="Write confusion, DET curves, reliability, ... as PDF, SVG and PNG; the folder may be new.",
    ),
)
# sounds of a report's mistakes
listen = click.option(
    "--listen",
    "listen_folder",
    type=FILE,
    metavar="FOLDER",
    help="With --report: write short excerpts of the most confident mistakes, which the page plays; the folder may be "
    "new.",
)

# where a table is written
table_output = OptionGroup(
    click.option(
        "-o",
        "--output",
        type=FILE,
        metavar="FILE",
        help="Write to this file: parquet where it is named .parquet, otherwise CSV. [default: CSV on standard output]",
    ),
    click.option("--overwrite", is_flag=True, help="Replace an output that is there."),
)


def open_cluster(
    scheduler: str | None, n_workers: int | None, n_jobs: int | None
) -> contextlib.AbstractContextManager[Cluster | None]:
    """Return the context manager of the cluster that --scheduler or --dask names; it gives None where neither is named.

    Parameters
    ----------
    scheduler : str or None
        Address of a scheduler.
    n_workers : int or None
        Worker processes to start.
    n_jobs : int or None
        Value of --jobs.

    Raises
    ------
    click.UsageError
        If more than one of them is named.
    """
    if scheduler is None and n_workers is None:
        return contextlib.nullcontext()
    if scheduler is not None and n_workers is not None:
        raise click.UsageError("--scheduler and --dask each name the workers: name one of them.")
    if n_jobs is not None:
        raise click.UsageError("--jobs has no effect on a Dask cluster: leave it out.")
    from gmmaudio.compute import Cluster

    return Cluster(scheduler, n_workers)


def check_tune(settings: Mapping[str, Any]) -> None:
    """Raise where options are named that --tune chooses.

    Parameters
    ----------
    settings : mapping of str to Any
        Values of the options of a training run.

    Raises
    ------
    click.UsageError
        If there are such options.
    """
    if settings["tune"] and (settings["n_components"] or settings["covariance_type"]):
        raise click.UsageError("--components and --covariance have no effect with --tune, which chooses them.")


def typed_command() -> str:
    """Return the command line as it was typed, with the settings that it took from a file."""
    import shlex

    from gmmaudio.cli.config_file import setting_words, split_command

    context = click.get_current_context()
    _, named, typed = split_command(context.obj or (), context)
    return shlex.join(["gmmaudio", *named, *setting_words(context.command, context.default_map or {}, typed), *typed])
