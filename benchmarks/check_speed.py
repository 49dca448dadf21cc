"""``gmmaudio check`` on many files: time, and bytes read of each file.

The files are hard links of clips of a recorded corpus in a temporary folder, as they are (FLAC) or coded in other
formats, in one folder for each label. The command runs in a process of its own.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.processes import ONE_THREAD
from results.corpora import manifest_of
from results.record import ROOT, make_record, write_record
from results.views import VIEWS

PROTOCOL = (
    "`gmmaudio check` in a process of its own, its start included, on hard links of clips of 30 s, which are in the "
    "memory of the system. MP3 and AAC (M4A) at 128 kbit/s are coded by FFmpeg, Vorbis and WAV by libsndfile. "
    "`--decode 8` also decodes ten seconds of eight clips of each label. Bytes are those that the process read, its "
    "libraries left out. Other work ran beside it."
)
# the bytes that a process has read, after those of its start
CODE = (
    "import sys, gmmaudio.cli as cli, gmmaudio.pipeline.corpus_check, soundfile, scipy.stats, rich.table\n"
    "def read(): return int(open('/proc/self/io').read().split()[1])\n"
    "start = read()\n"
    "try: cli.main(sys.argv[1:])\n"
    "finally: print(read() - start, file=sys.stderr)\n"
)
FORMATS = ("flac", "wav", "mp3", "ogg", "m4a")


def clips_of(corpus: str) -> list[tuple[str, Path]]:
    """Return the label and the path of every clip of a corpus.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    """
    manifest = manifest_of(corpus)
    with manifest.open(encoding="utf-8") as handle:
        return [(row["label"], (manifest.parent / row["path"]).resolve()) for row in csv.DictReader(handle)]


def code(source: Path, target: Path) -> None:
    """Write a clip in the format of a suffix.

    Parameters
    ----------
    source, target : Path
        The clip, and the file to write.
    """
    import soundfile

    y, sr = soundfile.read(source, dtype="float32", always_2d=True)
    if target.suffix in (".mp3", ".m4a"):
        _code_by_ffmpeg(y.mean(axis=1), sr, target, "libmp3lame" if target.suffix == ".mp3" else "aac")
        return
    with soundfile.SoundFile(target, "w", sr, 1) as sound:
        # libsndfile overruns its stack when Vorbis is written in large blocks
        for start in range(0, len(y), sr):
            sound.write(y[start : start + sr].mean(axis=1))


def _code_by_ffmpeg(y: npt.NDArray[np.float32], sr: int, target: Path, codec: str) -> None:
    """Write samples at 128 kbit/s, or as near to it as their rate allows."""
    import av

    with av.open(str(target), "w") as container:
        stream: Any = container.add_stream(codec, rate=sr)
        stream.layout, stream.bit_rate = "mono", 128_000
        for start in range(0, len(y), 1_152):
            part = np.ascontiguousarray(y[None, start : start + 1_152])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sr, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def link_files(clips: list[tuple[str, Path]], folder: Path, n: int) -> None:
    """Make hard links of clips, again and again, in a folder for each label and in it folders of a hundred.

    Parameters
    ----------
    clips : list of (str, Path)
        Label and path of each clip.
    folder : Path
        Folder of the links.
    n : int
        Number of links.
    """
    for i, (label, clip) in enumerate(itertools.islice(itertools.cycle(clips), n)):
        link = folder / label / f"album{i // 100:04d}" / f"{i:06d}{clip.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(clip, link)
        except OSError:  # another file system
            link.symlink_to(clip)


def measure(folder: Path, suffix: str, n: int, decode: int) -> dict[str, Any]:
    """Return the time that a check takes, and the bytes that it reads.

    Parameters
    ----------
    folder : Path
        The corpus.
    suffix : str
        Suffix of its files.
    n : int
        Their number.
    decode : int
        Clips of each label that are decoded.
    """
    words = ["check", str(folder), "--group-by", "parent", "--decode", str(decode), "--json", "-", "-q"]
    began_s, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-P", "-c", CODE, *words],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    wall_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode:
        raise click.ClickException(done.stderr)
    values = json.loads(done.stdout)
    if sum(facts["n_clips"] for facts in values["labels"]) != n:
        raise click.ClickException("not all files were looked at")
    n_bytes = int(done.stderr.split()[-1])
    row = {"format": suffix, "n": n, "decode": decode, "wall_s": wall_s, "cpu_s": cpu_s, "bytes_per_file": n_bytes / n}
    click.echo(f"{suffix}, --decode {decode}: {wall_s:.1f} s, {cpu_s:.1f} of CPU, {n_bytes / n:.0f} bytes a file")
    return row


@click.command()
@click.option("--corpus", default="genre", show_default=True, help="Folder of GMMAUDIO_DATA.")
@click.option("--n", "n_files", default=20_000, show_default=True, help="Number of files.")
def main(corpus: str, n_files: int) -> None:
    """Measure a check of many files in every format, and write results/check_speed.json."""
    clips, rows = clips_of(corpus), list[dict[str, Any]]()
    # two of the ten of each label
    few = clips[::5]
    with tempfile.TemporaryDirectory() as name:
        for suffix in FORMATS:
            folder, coded = Path(name, suffix), few
            if suffix != "flac":
                (folder / "coded").mkdir(parents=True)
                coded = [(label, folder / "coded" / f"{i}.{suffix}") for i, (label, _) in enumerate(few)]
                for (_, source), (_, target) in zip(few, coded, strict=True):
                    code(source, target)
            link_files(clips if suffix == "flac" else coded, folder / "corpus", n_files)
            rows += [measure(folder / "corpus", suffix, n_files, decode) for decode in (0, 8)[: 1 + (suffix == "flac")]]
    record = make_record("check_speed", "A check of many files", PROTOCOL, [{"corpus": corpus} | row for row in rows])
    click.echo(VIEWS["check_speed"](record))
    click.echo(f"wrote {write_record(record).name}")


if __name__ == "__main__":
    main()
