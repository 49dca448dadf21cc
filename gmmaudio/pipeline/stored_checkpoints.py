"""Checkpoints of runs in a store, beside the features."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from gmmaudio.compute import digest_of
from gmmaudio.compute.checkpoints import Arrays, Record
from gmmaudio.errors import CacheWarning, WriteError
from gmmaudio.features import FeatureStore
from gmmaudio.features.entry_file import DamagedEntryError, Entry
from gmmaudio.pipeline.provenance import machine, versions
from gmmaudio.trials.clip_cache import NOTE_DAMAGED, NOTE_UNWRITABLE, hash_sources, installed_versions

# folders of this package that no number of a model or a report comes from
NOT_COMPUTING = ("canvas", "cli", "pictures", "timelines")
# what a run reads of its features, it reads after this
BEFORE_FEATURES_S = 1.0


@dataclass(frozen=True, eq=False)
class StoredCheckpoints:
    """Results of the parts of runs in a feature store, under the versions of all code that they depend on.

    Its entries count as used when the run began, just before its features: where the store passes its limit, features
    of earlier runs go first, then checkpoints, then the features of this run.

    Parameters
    ----------
    store : FeatureStore
        Where they are kept.
    context : str
        Hash of versions, sources and machine.
    used_at : float
        Time that counts as that of the use of an entry, seconds since 1970.
    said : set of str
        Troubles with the store that a CacheWarning has told of.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints = StoredCheckpoints.of(folder)
    ...     checkpoints.write({"fold": 1}, {}, {"accuracy": 0.5})
    ...     checkpoints.read({"fold": 1}), checkpoints.read({"fold": 2})
    (({}, {'accuracy': 0.5}), None)
    """

    store: FeatureStore
    context: str
    used_at: float
    said: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cache: str | os.PathLike[str] | FeatureStore) -> StoredCheckpoints:
        """Return the checkpoints in a store, made by the versions that are installed.

        Parameters
        ----------
        cache : path-like or FeatureStore
            The folder of a store, or a store.

        Raises
        ------
        SettingError
            If the path is a file, or a folder that holds other files.
        """
        store = cache if isinstance(cache, FeatureStore) else FeatureStore(Path(cache))
        context = digest_of(versions(), machine(), installed_versions(), _hash_computing_sources())
        return cls(store, context, time.time() - BEFORE_FEATURES_S)

    def read(self, key: Mapping[str, Any]) -> tuple[Arrays, Record] | None:
        """Return the arrays and the record under a key; None where there are none, or they were damaged.

        Parameters
        ----------
        key : mapping of str to Any
            Plain values, as JSON holds them.

        Warns
        -----
        CacheWarning
            Once, if they were damaged.
        """
        try:
            entry = self.store.read(self._key(key), used_at=self.used_at)
        except DamagedEntryError:
            self._warn(f"{self.store.folder}: {NOTE_DAMAGED}")
            return None
        return None if entry is None else (entry.arrays, entry.record)

    def write(self, key: Mapping[str, Any], arrays: Arrays, record: Record) -> None:
        """Keep arrays and a record under a key, if the store can be written.

        Parameters
        ----------
        key : mapping of str to Any
            Plain values, as JSON holds them.
        arrays : mapping of str to ndarray
            Arrays of the types of :data:`gmmaudio.features.entry_file.DTYPES`.
        record : mapping of str to Any
            Plain values, as JSON holds them.

        Warns
        -----
        CacheWarning
            Once, if the store cannot be written.
        """
        try:
            self.store.write(self._key(key), Entry(arrays, record), used_at=self.used_at)
        except WriteError as error:
            self._warn(f"{error}; {NOTE_UNWRITABLE}")

    def __reduce__(self) -> tuple[Any, ...]:
        # a worker process must not write to standard error what the run says already
        return _of_a_worker, (self.store, self.context, self.used_at)

    def _key(self, key: Mapping[str, Any]) -> dict[str, Any]:
        """Return a key with all that every result depends on."""
        return {"checkpoint": dict(key), "context": self.context}

    def _warn(self, note: str) -> None:
        """Warn of trouble with the store, once."""
        if note not in self.said and "" not in self.said:
            self.said.add(note)
            warnings.warn(note, CacheWarning, stacklevel=4)


def checkpoints_of(store: FeatureStore | None) -> StoredCheckpoints | None:
    """Return the checkpoints in a store; None where there is no store.

    Parameters
    ----------
    store : FeatureStore or None
        The store.

    Examples
    --------
    >>> checkpoints_of(None) is None
    True
    """
    return None if store is None else StoredCheckpoints.of(store)


def _of_a_worker(store: FeatureStore, context: str, used_at: float) -> StoredCheckpoints:
    """Return checkpoints that warn of nothing."""
    return StoredCheckpoints(store, context, used_at, {""})


@lru_cache(maxsize=1)
def _hash_computing_sources() -> str:
    """Return the hash of all modules of this package that numbers come from."""
    root = Path(__file__).parents[1]
    return hash_sources([path.name for path in sorted(root.iterdir()) if _computes(path)])


def _computes(path: Path) -> bool:
    """Return whether a module, or a folder of modules, is one that numbers come from."""
    return (path.is_dir() and path.name not in (*NOT_COMPUTING, "__pycache__")) or path.suffix == ".py"
