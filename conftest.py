"""What the examples in docstrings of the front door run on, and the folder of caches of every test."""

import importlib.util
import itertools

import numpy as np
import pytest
import soundfile
from _pytest.doctest import DoctestItem

SR = 22050
# hertz of the lowest tone of each genre
GENRES = {"jazz": 220.0, "metal": 660.0}
# modules whose examples read files
WITH_MUSIC = (
    "gmmaudio.audio.decode",
    "gmmaudio.corpus",
    "gmmaudio.evaluation.page",
    "gmmaudio.models.clip_statistics",
    "gmmaudio.models.explanations",
    "gmmaudio.models.file",
    "gmmaudio.models.fitting",
    "gmmaudio.models.inner_folds",
    "gmmaudio.models.long_clips",
    "gmmaudio.models.model",
    "gmmaudio.models.statistics_file",
    "gmmaudio.models.tuning",
    "gmmaudio.models.windows",
    "gmmaudio.pipeline",
    "gmmaudio.service",
    "gmmaudio.timelines.annotation_reading",
)
# modules whose examples draw
DRAWING = ("gmmaudio.mixture.plot", "gmmaudio.pictures")
# examples that need an optional package
OF_EXTRAS = {
    "gmmaudio.data_tables.ParquetRows": "pyarrow",
    "gmmaudio.music_tags.read_field": "mutagen",
    "gmmaudio.music_tags.require_mutagen": "mutagen",
    "gmmaudio.music_tags.write_field": "mutagen",
    "gmmaudio.pipeline.tagging.propose_tags": "mutagen",
}
_COUNTER = itertools.count()


def synthetic_clip(hertz, seed, seconds=6.5):
    """Return two tones over noise, float32, peak below 1."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * SR)) / SR
    tones = np.sin(2 * np.pi * hertz * time_s) + 0.5 * np.sin(3 * np.pi * hertz * time_s)
    return (0.2 * tones * (1 + 0.2 * np.sin(2 * np.pi * 3 * time_s)) + 0.02 * rng.normal(size=len(time_s))).astype("f4")


@pytest.fixture(scope="session")
def music_folder(tmp_path_factory):
    """A folder with ``my_music``, two genres of three albums of two clips each, and ``song.wav``, which is metal."""
    root = tmp_path_factory.mktemp("music")
    for i, (genre, hertz) in enumerate(GENRES.items()):
        for album in range(3):
            folder = root / "my_music" / genre / f"album{album}"
            folder.mkdir(parents=True)
            for track in range(2):
                y = synthetic_clip(hertz * (1 + 0.05 * album), (i, album, track))
                soundfile.write(folder / f"0{track + 1}.wav", y, SR)
    soundfile.write(root / "song.wav", synthetic_clip(GENRES["metal"], 99), SR)
    return root


@pytest.fixture(autouse=True)
def _examples_beside_music(request, monkeypatch):
    """Run the examples of some modules in the folder of music, and those of optional packages where they are there."""
    item = request.node
    if isinstance(item, DoctestItem) and item.dtest.globs.get("__name__", "").startswith(DRAWING):
        pytest.importorskip("matplotlib")
    if isinstance(item, DoctestItem) and item.name in OF_EXTRAS:
        pytest.importorskip(OF_EXTRAS[item.name])
    if isinstance(item, DoctestItem) and item.dtest.globs.get("__name__", "").startswith(WITH_MUSIC):
        monkeypatch.chdir(request.getfixturevalue("music_folder"))


def pytest_ignore_collect(collection_path):
    """Leave out modules whose packages are not installed, as doctests import all modules."""
    is_of_service = collection_path.parent.parts[-2:] == ("gmmaudio", "service")
    return True if is_of_service and importlib.util.find_spec("starlette") is None else None


@pytest.fixture(autouse=True)
def _own_folder_of_caches(tmp_path_factory, monkeypatch):
    """Let the command keep features and undo journals in folders of each test alone, not in those of the user."""
    number = next(_COUNTER)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"caches-{number}"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / f"states-{number}"))
