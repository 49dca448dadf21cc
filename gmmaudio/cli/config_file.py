"""Settings of a project: defaults of the options of every command, in a TOML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gmmaudio.errors import ReadError
from gmmaudio.files import read_limited
from gmmaudio.names import did_you_mean, quoted

# looked for in the current folder, and in no other: a file far away must not change results unseen
NAME = "gmmaudio.toml"
NO_FILE = "none"
MOST_BYTES = 2**20
# what a setting of a project must not do: replace, move or change files, or go on with a run
ACTIONS = frozenset({"overwrite", "resume", "retry-failed", "write", "move", "copy", "link", "shard", "help"})
# of the options that take a path, the one that is no file of a single run
PATHS = frozenset({"cache"})
EXAMPLE = 'expected a table for each command, such as [classify], with lines such as format = "csv"'


def find_config(named: str | None) -> Path | None:
    """Return the file of settings: the one that is named, or that of the current folder; None where there is none.

    Parameters
    ----------
    named : str or None
        Path of a file, or ``none``.
    """
    if named is None:
        return Path(NAME) if Path(NAME).is_file() else None
    return None if named == NO_FILE else Path(named)


def read_config(path: Path, group: click.Group) -> dict[str, Any]:
    """Return the settings in a file as click's map of defaults: command -> parameter -> value.

    Parameters
    ----------
    path : Path
        A TOML file with a table for each command, in which long options are keys without their dashes.
    group : click.Group
        The commands.

    Raises
    ------
    click.UsageError
        If it cannot be read, names no command or no option, or a value is of another type.
    """
    import tomllib

    try:
        text = read_limited(path, MOST_BYTES).decode("utf-8")
        values = tomllib.loads(text)
    except ReadError as error:
        raise click.UsageError(f"{error}; {EXAMPLE}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"{path}: is no TOML in UTF-8 ({error}); {EXAMPLE}") from error
    return _of_group(str(path), "", values, group)


def setting_words(command: click.Command, values: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """Return the settings of a command as words of a command line, but for options that were typed.

    Parameters
    ----------
    command : click.Command
        The command.
    values : mapping of str to Any
        Its settings, by the names of parameters.
    typed : sequence of str
        The words of the command line.
    """
    words: list[str] = []
    for option in _options_of(command).values():
        is_typed = any(word.split("=")[0] in (*option.opts, *option.secondary_opts) for word in typed)
        if option.name in values and not is_typed:
            words += _words(option, values[option.name])
    return words


def split_command(words: Sequence[str], context: click.Context) -> tuple[list[str], list[str], list[str]]:
    """Return the words of a command line in three parts: options before the command, the command, and the rest.

    Parameters
    ----------
    words : sequence of str
        The command line without the program, as it was typed.
    context : click.Context
        That of the command which runs.

    Examples
    --------
    >>> program = click.Context(click.Command("gmmaudio"))
    >>> inner = click.Context(click.Command("fit"), click.Context(click.Command("mixture"), program))
    >>> split_command(["--config", "none", "mixture", "fit", "a.csv"], inner)
    (['--config', 'none'], ['mixture', 'fit'], ['a.csv'])
    """
    n_before = 0
    while n_before < len(words) and words[n_before].startswith("-"):
        n_before += 2 if words[n_before] == "--config" else 1
    n_named = 0
    parent: click.Context | None = context
    while parent is not None and parent.parent is not None:
        n_named, parent = n_named + 1, parent.parent
    end = n_before + n_named
    return [*words[:n_before]], [*words[n_before:end]], [*words[end:]]


def _words(option: click.Option, value: Any) -> list[str]:
    """Return an option with its value, as it is typed."""
    flag = _long_flag(option)
    if option.is_flag:
        return [flag] if value else list(option.secondary_opts[:1])
    return [word for each in (value if option.multiple else [value]) for word in (flag, str(each))]


def _long_flag(option: click.Option) -> str:
    """Return the long name of an option."""
    return next((flag for flag in option.opts if flag.startswith("--")), option.opts[0])


def _options_of(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command by their long names without dashes."""
    return {_long_flag(each).lstrip("-"): each for each in command.params if isinstance(each, click.Option)}


def _of_group(where: str, above: str, values: Mapping[str, Any], group: click.Group) -> dict[str, Any]:
    """Return the settings of the commands of a group."""
    return dict(_tables(where, above, values, group))


def _tables(
    where: str, above: str, values: Mapping[str, Any], group: click.Group
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each command of a group that has settings, with these."""
    context = click.Context(group)
    for name, table in values.items():
        command = group.get_command(context, name)
        if command is None:
            nearest = did_you_mean(name, group.list_commands(context))
            raise click.UsageError(f"{where}: {quoted(above + name)} is no command; {EXAMPLE}.{nearest}")
        if not isinstance(table, dict):
            raise click.UsageError(f"{where}: {quoted(above + name)} is no table; {EXAMPLE}")
        if isinstance(command, click.Group):
            yield name, _of_group(where, f"{above}{name}.", table, command)
        else:
            yield name, _of_command(where, above + name, table, command)


def _of_command(where: str, name: str, values: Mapping[str, Any], command: click.Command) -> dict[str, Any]:
    """Return the settings of a command by the names of its parameters."""
    known = _options_of(command)
    allowed = {each: option for each, option in known.items() if _is_setting(each, option)}
    for key, value in values.items():
        place = f"{where}: [{name}] {key}"
        if key in known and key not in allowed:
            raise click.UsageError(f"{place} is of a single run, and no setting; name --{key} on the command line.")
        if key not in allowed:
            raise click.UsageError(f"{place} is no option of {name}.{did_you_mean(key, allowed)}")
        _check_value(place, value, allowed[key], command)
    return {str(allowed[key].name): _as_typed(value, allowed[key]) for key, value in values.items()}


def _is_setting(name: str, option: click.Option) -> bool:
    """Return whether an option is a setting: it names no file of a run, and does nothing to files."""
    return name not in ACTIONS and (name in PATHS or not isinstance(option.type, click.Path))


def _check_value(place: str, value: Any, option: click.Option, command: click.Command) -> None:
    """Raise where a value is not of the type of an option."""
    expected = _expected(option)
    items = value if option.multiple and isinstance(value, list) else [value]
    is_list = isinstance(value, list) == option.multiple
    if not is_list or not all(_is_of(item, expected) for item in items):
        kind = f"a list of {expected}" if option.multiple else expected
        raise click.UsageError(f"{place} is {value!r}; expected {kind}")
    try:
        option.type_cast_value(click.Context(command, resilient_parsing=True), _as_typed(value, option))
    except click.BadParameter as error:
        raise click.UsageError(f"{place}: {error.message}") from error


def _expected(option: click.Option) -> str:
    """Return the type of an option's values in words."""
    if option.is_flag:
        return "true or false"
    if isinstance(option.type, click.types.IntParamType):
        return "a whole number"
    return "a number" if isinstance(option.type, click.types.FloatParamType) else "text in quotes, or a number"


def _is_of(value: Any, expected: str) -> bool:
    """Return whether a value of TOML is of a type."""
    if isinstance(value, bool) or expected == "true or false":
        return isinstance(value, bool) and expected == "true or false"
    types = {"a whole number": int, "a number": int | float}
    return isinstance(value, types.get(expected, int | float | str))


def _as_typed(value: Any, option: click.Option) -> Any:
    """Return a value as click has it from a command line: numbers of options that take text as text."""
    is_text = _expected(option).startswith("text")
    return str(value) if is_text and isinstance(value, int | float) else value
