"""``gmmaudio cache``: the cache of features described, checked or emptied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import EXIT_SOME_FAILED, options

if TYPE_CHECKING:
    from gmmaudio.features.store import FeatureStore


json_flag = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")


@click.group(name="cache")
def command() -> None:
    """Describe, check or empty the cache: the features that train, crossval, evaluate, classify and features keep."""


@click.command()
@options.cache_folder
@json_flag
def info(cache: Path | None, as_json: bool) -> None:
    """Print the folder of the cache, the number of its entries and their size."""
    from datetime import UTC, datetime

    from gmmaudio.names import printable

    store = _open(cache)
    files = list(store.files())
    n_bytes, oldest = sum(file.n_bytes for file in files), min((file.used_at for file in files), default=None)
    last_used = None if oldest is None else datetime.fromtimestamp(oldest, UTC).isoformat(timespec="seconds")
    if as_json:
        _print_json(store, {"entries": len(files), "bytes": n_bytes, "least_recently_used": last_used})
        return
    click.echo(printable(f"folder: {store.folder}"))
    click.echo(f"entries: {len(files)}, {n_bytes / 1e6:.1f} MB")
    if last_used is not None:
        click.echo(f"least recently used: {last_used}")


@click.command()
@options.cache_folder
@json_flag
def verify(cache: Path | None, as_json: bool) -> None:
    """Read every entry of the cache and remove those that are damaged; exit code 1 if there are any.

    This is not needed for correct results: entries are verified whenever they are read.
    """
    from gmmaudio.names import printable

    store = _open(cache)
    n_entries = sum(1 for _ in store.files())
    damaged = list(store.verify())
    if as_json:
        items = [{"path": str(path), "reason": reason} for path, reason in damaged]
        _print_json(store, {"entries": n_entries, "damaged": items})
    else:
        for path, reason in damaged:
            click.echo(printable(f"{path}: {reason}"))
        click.echo(f"{n_entries} entries, {len(damaged)} damaged")
    click.get_current_context().exit(EXIT_SOME_FAILED if damaged else 0)


@click.command()
@options.cache_folder
@json_flag
def clear(cache: Path | None, as_json: bool) -> None:
    """Remove all entries of the cache, and no other file."""
    store = _open(cache)
    n_removed = store.clear()
    if as_json:
        _print_json(store, {"removed": n_removed})
    else:
        click.echo(f"removed {n_removed} entries")


for each in (info, verify, clear):
    command.add_command(each)


def _open(cache: Path | None) -> FeatureStore:
    """Return the store in a folder."""
    from gmmaudio.features.store import FeatureStore

    if str(cache) == "none":
        raise click.UsageError("--cache none is no folder to look at; expected the folder of a cache.")
    return FeatureStore(options.default_cache() if cache is None else cache)


def _print_json(store: FeatureStore, values: dict[str, Any]) -> None:
    """Print what is known of a store as JSON, after its folder."""
    from gmmaudio.json_text import to_json

    click.echo(to_json({"folder": str(store.folder), **values}, indent=1))
