"""The file of statistics of clips: safetensors with a JSON header and a checksum, as the model file is.

It is written and read tensor by tensor, so that the supervectors are in memory once.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from io import BufferedReader
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from gmmaudio.audio import NOTES, AudioNote
from gmmaudio.corpus import Clip, check_names, from_hex, to_hex
from gmmaudio.errors import GmmaudioError, ReadError, SettingError, StatisticsFileError
from gmmaudio.evaluation import FailedInput
from gmmaudio.files import STATISTICS_BYTES, in_units, open_limited
from gmmaudio.findings import Finding
from gmmaudio.mixture import GaussianMixture
from gmmaudio.mixture.mixture_file import MIXTURE_TENSORS, mixture_table
from gmmaudio.models.clip_statistics import NO_FRAMES, Background, ClipStatistics, Shard, counted_trial
from gmmaudio.models.file import clip_columns, clip_rows, read_tables
from gmmaudio.models.kind_settings import MAX_COMPONENTS
from gmmaudio.models.kinds.supervector import MAX_ENTRY
from gmmaudio.models.model import TrainingClip
from gmmaudio.models.recipe import Recipe
from gmmaudio.outputs import write_beside
from gmmaudio.sealed_file import (
    MAX_HEADER_BYTES,
    MIXTURE_KEY,
    MODEL_KEY,
    STATISTICS_KEY,
    FileKind,
    check_types,
    checksum,
    columns_of,
    header_size,
    read_described,
    read_header,
    refuse_damaged,
    rows_of,
)
from gmmaudio.tensor_table import TensorLayout, Tensors, check_tensors, divided
from gmmaudio.trials import Extracted, Trial, TrialSet, clips_of
from gmmaudio.values import checked, convert, convert_mapping, shown

FORMAT_VERSION = "1.1"
STATISTICS_FILE = FileKind(
    STATISTICS_KEY,
    StatisticsFileError,
    "statistics",
    "gmmaudio stats",
    "make it again with stats",
    ("1",),
    {
        MODEL_KEY: "is a model, of which there is nothing to merge; expected statistics made by gmmaudio stats",
        MIXTURE_KEY: "holds one Gaussian mixture; expected statistics made by gmmaudio stats",
    },
)
UBM_PREFIX, TABLES_PREFIX = "ubm.", "front_end."
TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I32": np.dtype("<i4")}
TYPE_NAMES = {dtype: name for name, dtype in TYPES.items()}
Text = tuple[str, ...]
Texts = tuple[str | None, ...]
Numbers = tuple[float, ...]
# columns of the tables in the header: fields of a clip in the corpus, what was decoded of it, trials
OF_CORPUS: dict[str, Any] = {
    "path": Text,
    "label": Text,
    "group": Texts,
    "source": Texts,
    "split": Texts,
    "held_out_by": Texts,
    "fold": Texts,
    "start_s": Numbers,
    "end_s": tuple[float | None, ...],
}
NAMES = ("path", "label", "group", "source", "split", "held_out_by", "fold")
OF_CLIPS: dict[str, Any] = {
    **OF_CORPUS,
    "duration_s": Numbers,
    "sha256": Text,
    "fingerprint": Text,
    "sample_rate_hz": tuple[int | None, ...],
    "notes": tuple[tuple[tuple[str, str, float], ...], ...],
}
OF_TRIALS: dict[str, Any] = {
    "name": Text,
    "duration_s": Numbers,
    "clips": tuple[tuple[int, ...], ...],
    "n_copies": tuple[int, ...],
}
OF_FAILURE = ("path", "code", "message")
HEADER = (
    *("recipe", "ubm", "group_by", "labels", "clips", "trials", "failed", "left_out_s", "lost_copies", "findings"),
    *("shard", "versions"),
)
MAX_SECONDS = 1e9


@checked
def save_statistics(statistics: ClipStatistics, path: str | os.PathLike[str]) -> None:
    """Write statistics of clips to a file, whole or not at all.

    Parameters
    ----------
    statistics : ClipStatistics
        The statistics.
    path : path-like
        The file; one that is there is replaced.

    Raises
    ------
    StatisticsFileError
        If they do not fit the file format.
    WriteError
        If the file cannot be written.

    Examples
    --------
    >>> import gmmaudio
    >>> ubm = gmmaudio.train("my_music", gmmaudio.make_recipe(kind="supervector", n_components=2)).model
    >>> statistics = gmmaudio.stats("my_music", ubm)
    >>> gmmaudio.save_statistics(statistics, "shard.stats")
    >>> gmmaudio.load_statistics("shard.stats").labels
    ('jazz', 'metal')
    """
    tensors = _tensors_of(statistics)
    header = {"format_version": FORMAT_VERSION, **_header_of(statistics)}
    header["sha256"] = checksum(header, tensors)
    start = _start_of_file(header, tensors)
    size = len(start) + sum(tensor.nbytes for tensor in tensors.values())
    if len(start) > MAX_HEADER_BYTES or size > STATISTICS_BYTES:
        raise StatisticsFileError(
            f"statistics of {len(clips_of(statistics.trials))} clips take {in_units(size)}, {in_units(len(start))} of "
            f"them for their names; expected at most {in_units(STATISTICS_BYTES)} and {in_units(MAX_HEADER_BYTES)}: "
            "divide the corpus into more shards (`shard`)"
        )
    with write_beside(path) as handle:
        handle.write(start)
        for name in _in_order(tensors):
            handle.write(tensors[name].data)


@checked
def load_statistics(path: str | os.PathLike[str]) -> ClipStatistics:
    """Return the statistics of clips that a file holds.

    Parameters
    ----------
    path : path-like
        A file that :func:`save_statistics` wrote.

    Raises
    ------
    StatisticsFileError
        If it cannot be read, is damaged, cut short, of another kind, or made by a newer major version.

    Examples
    --------
    >>> import gmmaudio
    >>> ubm = gmmaudio.train("my_music", gmmaudio.make_recipe(kind="supervector", n_components=2)).model
    >>> gmmaudio.save_statistics(gmmaudio.stats("my_music", ubm), "shard.stats")
    >>> gmmaudio.load_statistics("shard.stats").vectors.shape
    (12, 44)
    """
    with _named_errors(path):
        with open_limited(path, STATISTICS_BYTES) as handle:
            header, tensors = _read(cast(BufferedReader, handle))
        refuse_damaged(header, tensors, STATISTICS_FILE)
        return _statistics(header, tensors)


def count_vectors(path: str | os.PathLike[str]) -> int:
    """Return the number of vectors that a file says it holds, before it is read.

    Parameters
    ----------
    path : path-like
        As for :func:`load_statistics`.

    Raises
    ------
    StatisticsFileError
        If it holds no statistics.
    """
    with _named_errors(path), open_limited(path, STATISTICS_BYTES) as handle:
        described, _ = _read_described(handle)
        n_vectors: int = convert("shape", described["vectors"]["shape"], tuple[int, int])[0]
        if not 0 < n_vectors <= STATISTICS_BYTES:
            raise SettingError(f"there are {n_vectors} vectors; expected one at least")
        return n_vectors


@contextmanager
def _named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Give the errors of a file its name."""
    try:
        yield
    except ReadError as error:
        raise StatisticsFileError(f"{error}; expected statistics made by stats") from error
    except StatisticsFileError as error:
        raise StatisticsFileError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, GmmaudioError) as error:
        raise StatisticsFileError(f"{path}: holds no usable statistics ({error}); make it again with stats") from error


def _read_described(handle: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return the safetensors header of an open file, and its size."""
    start = handle.read(16)
    size = header_size(start, STATISTICS_FILE)
    described = read_described(start + handle.read(max(size - 8, 0)), STATISTICS_FILE)
    check_types(described, STATISTICS_FILE)
    return described, size


def _read(handle: BufferedReader) -> tuple[dict[str, Any], Tensors]:
    """Return the header and the tensors of an open file."""
    described, size = _read_described(handle)
    header = read_header(described, STATISTICS_FILE)
    entries = {name: entry for name, entry in described.items() if name != "__metadata__"}
    try:
        places = sorted((*_offsets(entry), name) for name, entry in entries.items())
        shapes = {name: convert("shape", entry["shape"], tuple[int, ...]) for name, entry in entries.items()}
        expected = 0
        for begin, end, name in places:
            n_bytes = math.prod(shapes[name]) * TYPES[entries[name]["dtype"]].itemsize
            if min(shapes[name], default=0) < 0 or begin != expected or end != begin + n_bytes:
                raise SettingError(f"the tensor {shown(name)} is at {begin} to {end}; expected {n_bytes} at {expected}")
            expected = end
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise StatisticsFileError(f"is damaged ({error}); copy it again, or make it again with stats") from error
    n_bytes, declared = os.fstat(handle.fileno()).st_size, 8 + size + expected
    if n_bytes != declared:
        raise StatisticsFileError(f"has {n_bytes} bytes and {declared} declared: cut short or damaged; copy it again")
    return header, {name: _read_tensor(handle, shapes[name], entries[name]["dtype"]) for _, _, name in places}


def _offsets(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Return the places where a tensor begins and ends, counted from the end of the header."""
    offsets: tuple[int, int] = convert("data_offsets", entry["data_offsets"], tuple[int, int])
    return offsets


def _read_tensor(handle: BufferedReader, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Return the tensor that follows in an open file."""
    tensor: npt.NDArray[Any] = np.empty(shape, dtype=TYPES[dtype])
    if handle.readinto(tensor.reshape(-1).view(np.uint8).data) != tensor.nbytes:
        raise StatisticsFileError("is cut short; copy it again, or make it again with stats")
    return tensor


def _start_of_file(header: Mapping[str, Any], tensors: Tensors) -> bytes:
    """Return the part of a safetensors file before the bytes of its tensors."""
    described: dict[str, Any] = {"__metadata__": {STATISTICS_KEY: json.dumps(header, sort_keys=True, allow_nan=False)}}
    end = 0
    for name in _in_order(tensors):
        begin, end = end, end + tensors[name].nbytes
        shape, dtype = list(tensors[name].shape), TYPE_NAMES[tensors[name].dtype]
        described[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _in_order(tensors: Tensors) -> list[str]:
    """Return the names of tensors, those of wide numbers first, so that each begins at a multiple of its width."""
    return sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))


def _tensors_of(statistics: ClipStatistics) -> Tensors:
    """Return the tensors of statistics, in the types of the file."""
    background = statistics.background
    n_rows = [len(rows) for trial in statistics.trials for rows in trial.training_rows]
    tensors: Tensors = {"vectors": statistics.vectors, "n_rows": np.array(n_rows, dtype=np.int32)}
    tensors |= {UBM_PREFIX + name: getattr(background.ubm, name) for name in MIXTURE_TENSORS}
    tensors |= {TABLES_PREFIX + name: table for name, table in background.tables.tensors().items()}
    return {name: np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")) for name, tensor in tensors.items()}


def _header_of(statistics: ClipStatistics) -> dict[str, Any]:
    """Return all that is no tensor as plain values."""
    background, trial_set = statistics.background, statistics.trial_set
    clips = clips_of(statistics.trials)
    number = {clip: i for i, clip in enumerate(clips)}
    trials = [
        {
            "name": trial.name,
            "duration_s": trial.duration_s,
            "clips": [number[part] for part in trial.parts],
            "n_copies": len(trial.copies),
        }
        for trial in statistics.trials
    ]
    heard = clip_columns([asdict(clip) for clip in background.clips])
    return {
        "recipe": background.recipe.to_dict(),
        "ubm": {"log_likelihood": background.log_likelihood, "clips": heard},
        "group_by": statistics.group_by,
        "labels": list(statistics.labels),
        "clips": columns_of([_described_clip(clip) for clip in clips], list(OF_CLIPS)),
        "trials": columns_of(trials, list(OF_TRIALS)),
        "failed": [asdict(failure) for failure in trial_set.failed],
        "left_out_s": list(trial_set.left_out_s),
        "lost_copies": {name: [asdict(each) for each in lost] for name, lost in trial_set.lost_copies.items()},
        "findings": [asdict(finding) for finding in statistics.findings],
        "shard": None if statistics.shard is None else asdict(statistics.shard),
        "versions": dict(statistics.versions),
    }


def _described_clip(clip: Extracted) -> dict[str, Any]:
    """Return all that is kept of a clip as plain values."""
    described = {name: getattr(clip.clip, name) for name in OF_CORPUS}
    described |= {name: getattr(clip, name) for name in ("duration_s", "sha256", "sample_rate_hz")}
    notes = [[note.code, note.text, note.seconds] for note in clip.notes]
    return described | {"fingerprint": to_hex(clip.fingerprint), "notes": notes}


def _statistics(header: dict[str, Any], tensors: Tensors) -> ClipStatistics:
    """Return the statistics that a verified header and tensors describe."""
    missing = sorted(set(HEADER) - set(header))
    if missing:
        raise SettingError(f"its header lacks {', '.join(missing)}")
    background, tensors = _background(header, tensors)
    layouts = {
        "vectors": TensorLayout("float32", ("n_vectors", "d"), -MAX_ENTRY, MAX_ENTRY),
        "n_rows": TensorLayout("int32", ("n_vectors",), 1),
    }
    check_tensors(tensors, layouts, {"d": background.n_outputs}, {})
    labels = convert("labels", header["labels"], tuple[str, ...])
    check_names(labels)
    shard = header["shard"]
    return ClipStatistics(
        background,
        TrialSet(
            _trials(header, tensors["n_rows"], labels),
            _failures("failed", header["failed"]),
            (),
            (),
            (),
            _seconds("left_out_s", header["left_out_s"]),
            {
                name: tuple(_failures("lost_copies", lost))
                for name, lost in convert("lost_copies", header["lost_copies"], dict[str, Any]).items()
            },
        ),
        tensors["vectors"],
        labels,
        convert("group_by", header["group_by"], str | None),
        tuple(map(Finding.of, convert("findings", header["findings"], tuple[dict[str, Any], ...]))),
        None if shard is None else Shard(**convert("shard", shard, dict[str, Any])),
        convert("versions", header["versions"], dict[str, str]),
    )


def _background(header: Mapping[str, Any], tensors: Tensors) -> tuple[Background, Tensors]:
    """Return UBM, front end and settings, and the tensors that are left."""
    recipe = Recipe.from_dict(convert("recipe", header["recipe"], dict[str, Any]))
    of_ubm, tensors = divided(tensors, UBM_PREFIX)
    of_tables, tensors = divided(tensors, TABLES_PREFIX)
    bounds = {"n_components": getattr(recipe.kind_settings, "n_components", MAX_COMPONENTS)}
    check_tensors(of_ubm, mixture_table("diag", "n_components", "warp_features"), {}, bounds)
    described = convert_mapping("ubm", header["ubm"], {"log_likelihood": float | None, "clips": dict[str, Any]})
    heard = clip_rows("clips of the UBM", described["clips"])
    background = Background(
        recipe,
        GaussianMixture(of_ubm["weights"], of_ubm["means"], of_ubm["covariances"], "diag"),
        read_tables(recipe.features.sound_frames, of_tables),
        described["log_likelihood"],
        tuple(TrainingClip(**clip) for clip in heard),
    )
    return background, tensors


def _trials(header: Mapping[str, Any], n_rows: npt.NDArray[np.int32], labels: Sequence[str]) -> list[Trial]:
    """Return the trials, whose rows are counted."""
    clips = [_clip(row) for row in rows_of("clips", header["clips"], OF_CLIPS)]
    if not {clip.clip.label for clip in clips} <= set(labels):
        raise SettingError("its clips have other labels than it")
    described = rows_of("trials", header["trials"], OF_TRIALS)
    sizes = [1 + row["n_copies"] for row in described]
    if min(sizes, default=1) < 1 or sum(sizes) != len(n_rows):
        raise SettingError(f"its trials and their copies are {sum(sizes)}, and its vectors {len(n_rows)}")
    trials, end = [], 0
    for row, size in zip(described, sizes, strict=True):
        begin, end = end, end + size
        parts = [clips[i] for i in row["clips"] if 0 <= i < len(clips)]
        if not parts or len(parts) < len(row["clips"]) or len({_shared(part.clip) for part in parts}) > 1:
            raise SettingError(f"the clips of the trial {shown(row['name'])} are none of one label and group")
        _seconds("duration_s", [row["duration_s"]])
        trials.append(counted_trial(row["name"], parts, row["duration_s"], n_rows[begin:end].tolist()))
    return trials


def _shared(clip: Clip) -> tuple[str | None, ...]:
    """Return the values that all clips of a trial have."""
    return clip.label, clip.held_out_by, clip.group, clip.source, clip.split, clip.fold


def _clip(row: Mapping[str, Any]) -> Extracted:
    """Return a clip of which all but the frames is known."""
    clip = Clip(**{name: row[name] for name in OF_CORPUS})
    ends = [clip.start_s, row["duration_s"], *([] if clip.end_s is None else [clip.end_s])]
    _seconds("times of clips", ends)
    if clip.held_out_by == "" or any("\0" in row[name] for name in NAMES if row[name]):
        raise SettingError(f"the clip {shown(clip.path)} is held out by {shown(clip.held_out_by)}; expected a name")
    notes = tuple(AudioNote(*note) for note in row["notes"])
    unknown = [note.code for note in notes if note.code not in NOTES]
    if unknown or not re.fullmatch("[0-9a-f]{64}", row["sha256"]):
        refused = shown(unknown or row["sha256"])
        raise SettingError(f"the clip {shown(clip.path)} has {refused}; expected notes of known codes, and a hash")
    fingerprint = from_hex(row["fingerprint"])
    return Extracted(clip, NO_FRAMES, row["duration_s"], row["sha256"], fingerprint, notes, row["sample_rate_hz"])


def _failures(name: str, values: object) -> list[FailedInput]:
    """Return inputs that could not be used."""
    rows = convert(name, values, tuple[dict[str, str], ...])
    return [FailedInput(**convert_mapping(name, row, dict.fromkeys(OF_FAILURE, str))) for row in rows]


def _seconds(name: str, values: object) -> tuple[float, ...]:
    """Return durations, seconds."""
    seconds: tuple[float, ...] = convert(name, values, tuple[float, ...])
    if not all(0 <= each <= MAX_SECONDS for each in seconds):
        raise SettingError(f"{name} are {shown(seconds)}; expected 0 to {MAX_SECONDS:g} s")
    return seconds
