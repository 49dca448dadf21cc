"""A folder of songs in many formats, tagged, sorted and undone, also by runs that are killed: all bytes as before.

The songs of a corpus are encoded in every container that can be tagged, without tags, with tags of every kind, and with
two kinds in one file. What the commands leave is compared with other readers than theirs: samples and other fields as
FFmpeg has them, bytes and times as the system has them. ``GMMAUDIO_DATA`` names the folder of the corpora.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from results.corpora import manifest_of
from results.record import make_record, write_record
from results.tagging_views import tagged_text

NAME = "tagged_folder"
RATE_HZ, OLD_NS = 44_100, 1_000_000_000_123_456_789
MIN_PROBABILITY, TEMPORARY = "0.3", ".gmmaudio-"
WAYS = ("--link", "--copy", "--move")
PROTOCOL = (
    "The first 10 s of the songs of the corpus `genre`, each in another format in turn, with a model of the preset "
    f"`genre` trained on the corpus itself. `gmmaudio tag --write --overwrite --min-probability {MIN_PROBABILITY}`, "
    "`gmmaudio sort --write` in every way, and their undoing. Samples and other fields are compared as FFmpeg reads "
    "them. Runs of `tag` are killed (SIGKILL) at random moments while they write, and undone."
)

Samples = npt.NDArray[np.float32]
Mark = Callable[[Path], None]


class Format(NamedTuple):
    """A container, and the tags that a file has before."""

    name: str
    suffix: str
    codec: str
    tags: str
    mark: Mark


def encode(samples: Samples, path: Path, codec: str) -> None:
    """Write mono samples, repeated in two channels, with an encoder of FFmpeg."""
    import av

    rate = 48_000 if codec == "libopus" else RATE_HZ
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.layout = "stereo"
        context = stream.codec_context
        resampler = av.AudioResampler(format=context.format, layout="stereo", rate=rate)
        for start in range(0, len(samples), 4096):
            part = np.ascontiguousarray(np.tile(samples[start : start + 4096], (2, 1)))
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE_HZ, start
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


# --- tags that files have before ---------------------------------------------------------------------------------


def leave(_path: Path) -> None:
    """Leave a file as the encoder wrote it."""


def strip(path: Path) -> None:
    """Remove all tags."""
    import mutagen

    file = mutagen.File(path)
    if file is not None and file.tags is not None:
        file.delete()


def mark_easy(path: Path) -> None:
    """Write title, two artists and a genre, in the way of the container."""
    import mutagen

    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    file["title"], file["artist"], file["genre"] = "Früh am Tag", ["Ann", "Bob"], ["Rock", "Pop"]
    file.save()


def mark_id3(version: int, v1: int = 0) -> Mark:
    """Return the function that writes an ID3 tag of a version, with a picture, and an ID3v1 tag."""

    def mark(path: Path) -> None:
        import mutagen
        from mutagen import id3

        strip(path)
        tags: Any = id3.ID3() if path.suffix == ".mp3" else None
        if tags is None:
            file = mutagen.File(path)
            if file.tags is None:
                file.add_tags()
            tags = file.tags
        picture = bytes(np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8))
        tags.add(id3.TIT2(encoding=1, text=["Früh am Tag"]))
        tags.add(id3.TCON(encoding=1, text=["Rock"]))
        tags.add(id3.APIC(encoding=0, mime="image/jpeg", type=3, data=picture))
        options = {"v1": v1} if path.suffix == ".mp3" else {}
        tags.save(path, v2_version=version, **options)

    return mark


def mark_v1(path: Path) -> None:
    """Append an ID3v1 tag to a file without tags."""
    strip(path)
    tag = b"TAG" + b"A title".ljust(30, b"\0") + b"Someone".ljust(30, b"\0") + bytes(30) + b"1999" + bytes(30) + b"\x11"
    path.write_bytes(path.read_bytes() + tag)


def mark_ape(path: Path) -> None:
    """Append an APEv2 tag to an MP3."""
    from mutagen.apev2 import APEv2

    tags = APEv2()
    tags["Genre"], tags["Title"] = "Rock", "A title"
    tags.save(path)


def mark_info(path: Path) -> None:
    """Put an INFO list with a genre before the samples of a WAV file."""
    texts = ((b"INAM", b"A title\0"), (b"IGNR", b"Rock\0\0"))
    body = b"INFO" + b"".join(name + struct.pack("<I", len(text)) + text for name, text in texts)
    chunk = b"LIST" + struct.pack("<I", len(body)) + body
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8 + len(chunk)) + whole[8:12] + chunk + whole[12:])


FORMATS = (
    Format("MP3", "mp3", "libmp3lame", "none", strip),
    Format("MP3", "mp3", "libmp3lame", "ID3v2.3", mark_id3(3)),
    Format("MP3", "mp3", "libmp3lame", "ID3v2.4", mark_id3(4)),
    Format("MP3", "mp3", "libmp3lame", "ID3v2.3 and v1", mark_id3(3, v1=2)),
    Format("MP3", "mp3", "libmp3lame", "ID3v1", mark_v1),
    Format("MP3", "mp3", "libmp3lame", "ID3v2.4 and APEv2", mark_ape),
    Format("AAC in MP4", "m4a", "aac", "none", strip),
    Format("AAC in MP4", "m4a", "aac", "ilst", mark_easy),
    Format("ALAC in MP4", "m4a", "alac", "ilst", mark_easy),
    Format("FLAC", "flac", "flac", "none", leave),
    Format("FLAC", "flac", "flac", "Vorbis comments", mark_easy),
    Format("FLAC in Ogg", "oga", "flac", "Vorbis comments", mark_easy),
    Format("Opus", "opus", "libopus", "none", leave),
    Format("Opus", "opus", "libopus", "Vorbis comments", mark_easy),
    Format("Vorbis", "ogg", "sndfile", "none", leave),
    Format("Vorbis", "ogg", "sndfile", "Vorbis comments", mark_easy),
    Format("WAV", "wav", "pcm_s16le", "none", leave),
    Format("WAV", "wav", "pcm_s16le", "INFO", mark_info),
    Format("WAV", "wav", "pcm_s16le", "ID3v2.4", mark_id3(4)),
    Format("AIFF", "aiff", "pcm_s16be", "ID3v2.3", mark_id3(3)),
    Format("WavPack", "wv", "wavpack", "APEv2", mark_ape),
)


def make_archive(songs: Sequence[Path], folder: Path, n: int) -> dict[Path, Format]:
    """Return the files of a folder that it makes of songs, each in the next of the formats."""
    import soundfile

    from gmmaudio.audio import read_audio

    made = {}
    for i in range(n):
        kind, song = FORMATS[i % len(FORMATS)], songs[i % len(songs)]
        path = folder / f"album {i // 20:02d}" / f"{i:03d} {song.stem}.{kind.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = read_audio(song, RATE_HZ)[: 10 * RATE_HZ]
        if kind.codec == "sndfile":
            soundfile.write(path, np.tile(samples[:, None], (1, 2)), RATE_HZ, format="OGG", subtype="VORBIS")
        else:
            encode(samples, path, kind.codec)
        kind.mark(path)
        os.utime(path, ns=(OLD_NS, OLD_NS + i))
        made[path] = kind
    return made


# --- what other programs read --------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """A file as the system and FFmpeg have it."""

    sha256: str
    mtime_ns: int
    size: int
    samples: str
    fields: Mapping[str, str]
    genre: str


def read(path: Path) -> Reading:
    """Return a file as others than the commands read it."""
    import av

    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        fields = {name.lower(): text for name, text in {**stream.metadata, **container.metadata}.items()}
        for frame in container.decode(stream):
            digest.update(frame.to_ndarray().tobytes())
    genre = fields.pop("genre", "")
    status = path.stat()
    whole = hashlib.sha256(path.read_bytes()).hexdigest()
    return Reading(whole, status.st_mtime_ns, status.st_size, digest.hexdigest(), fields, genre)


def bytes_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Return the hash and the time of modification of every file of a folder, by its name below it."""
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def songs_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Return the same without the temporary files of runs that were killed."""
    return {name: each for name, each in bytes_of(folder).items() if TEMPORARY not in name}


# --- the commands --------------------------------------------------------------------------------------------------


def gmmaudio(folder: Path, *words: str | Path) -> list[str]:
    """Return the lines that a command writes to stdout; it must end with 0."""
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False, env=environment(folder))
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()


def command(*words: str | Path) -> list[str]:
    """Return a command line."""
    return [sys.executable, "-m", "gmmaudio", *map(str, words)]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a command, whose cache is of this run alone."""
    root = str(Path(__file__).resolve().parents[1])
    return os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": root}


def tag_words(folder: Path, model: Path, journal: str) -> tuple[str | Path, ...]:
    """Return the words that tag the archive."""
    words = ("tag", model, folder / "archive", "--write", "--overwrite", "--min-probability", MIN_PROBABILITY)
    return (*words, "-q", "--journal", folder / journal)


def tag_and_undo(folder: Path, model: Path, made: Mapping[Path, Format]) -> list[dict[str, Any]]:
    """Return what became of the files of every format: tagged, sorted in the meantime, and undone."""
    before = {path: read(path) for path in made}
    gmmaudio(folder, *tag_words(folder, model, "tag.undo"))
    after = {path: read(path) for path in made}
    entries = [json.loads(line) for line in (folder / "tag.undo").read_text().splitlines()]
    done = {Path(each["done"]["path"]): each["done"] for each in entries if "done" in each}
    sorted_rows = sort_and_undo(folder, model)
    gmmaudio(folder, "tag", "--undo", folder / "tag.undo", "--write")
    restored = {path: read(path) for path in made}
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, kind in made.items():
        groups[kind.name, kind.tags].append(path)
    rows = []
    for (name, tags), paths in groups.items():
        tagged = [path for path in paths if path in done]
        rows.append(
            {
                "part": "tag",
                "container": name,
                "tags": tags,
                "n": len(paths),
                "tagged": len(tagged),
                "read": sum(after[path].genre == done[path]["value"] for path in tagged),
                "same_samples": sum(after[path].samples == before[path].samples for path in tagged),
                "same_fields": sum(after[path].fields == before[path].fields for path in tagged),
                "patch_bytes": statistics.median([len(done[path]["patch"]) for path in tagged]) if tagged else None,
                "restored": sum(restored[path] == before[path] for path in paths),
            }
        )
    return rows + sorted_rows


def sort_and_undo(folder: Path, model: Path) -> list[dict[str, Any]]:
    """Return what became of a sorted folder, in every way."""
    before = bytes_of(folder / "archive")
    rows = []
    for way in WAYS:
        goal, journal = folder / "sorted", folder / f"sort{way}.undo"
        words = ("sort", model, folder / "archive", "--into", goal, way, "--min-probability", MIN_PROBABILITY, "-q")
        gmmaudio(folder, *words, "--write", "--journal", journal)
        hashes = sorted(hashed for hashed, _ in bytes_of(goal).values())
        known = {hashed for hashed, _ in before.values()}
        gmmaudio(folder, "sort", "--undo", journal, "--write")
        rows.append(
            {
                "part": "sort",
                "way": way,
                "n": len(hashes),
                "same": sum(each in known for each in hashes),
                "restored": bytes_of(folder / "archive") == before and not goal.exists(),
            }
        )
    return rows


def kill_and_undo(folder: Path, model: Path, n: int, seed: int) -> dict[str, Any]:
    """Return what became of the archive after runs that were killed while they wrote, and undone."""
    before = bytes_of(folder / "archive")
    rng = random.Random(seed)
    reached, equal, in_part = 0, 0, 0
    for i in range(n):
        journal = folder / f"kill{i}.undo"
        process = subprocess.Popen(
            command(*tag_words(folder, model, journal.name)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(folder),
        )
        while process.poll() is None and not journal.exists():
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 2.0))
        process.send_signal(signal.SIGKILL)
        reached += process.wait() == -signal.SIGKILL
        in_part += bytes_of(folder / "archive") != before
        gmmaudio(folder, "tag", "--undo", journal, "--write")
        equal += {
            name: each for name, each in bytes_of(folder / "archive").items() if ".gmmaudio-" not in name
        } == before
    gmmaudio(folder, *tag_words(folder, model, "last.undo"))
    gmmaudio(folder, "tag", "--undo", folder / "last.undo", "--write")
    left = len(bytes_of(folder / "archive")) - len(songs_of(folder / "archive"))
    return {"part": "kill", "n": reached, "changed": in_part, "restored": equal, "left_over": left}


def measure(folder: Path, songs: Sequence[Path], model: Path, n: int, kills: int) -> list[dict[str, Any]]:
    """Return all rows."""
    made = make_archive(songs, folder / "archive", n)
    return [*tag_and_undo(folder, model, made), kill_and_undo(folder, model, kills, 0)]


def is_whole(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether nothing differs from what is promised."""
    tagged = [row for row in rows if row["part"] == "tag"]
    promised = all(row["tagged"] == row["read"] == row["same_samples"] == row["same_fields"] for row in tagged)
    promised &= all(row["restored"] == row["n"] for row in rows if row["part"] != "sort")
    promised &= all(row["restored"] and row["same"] == row["n"] for row in rows if row["part"] == "sort")
    return promised and rows[-1]["left_over"] == 0


@click.command()
@click.option("--n", default=200, show_default=True, help="Files.")
@click.option("--kills", default=20, show_default=True, help="Runs that are killed.")
def main(n: int, kills: int) -> None:
    """Tag, sort and undo a folder of many formats; write results/tagged_folder.json."""
    manifest = manifest_of("genre")
    songs = sorted(manifest.parent.rglob("*.flac"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "genre.gmm"
        gmmaudio(folder, "train", manifest, "--preset", "genre", "-o", model, "-q")
        rows = measure(folder, songs, model, n, kills)
    record = make_record(NAME, "A folder tagged, sorted and undone", PROTOCOL, rows, ["mutagen", "av"])
    write_record(record)
    click.echo(tagged_text(record.rows))
    if not is_whole(rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
