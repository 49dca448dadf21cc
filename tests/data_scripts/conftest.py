"""Small synthetic corpora, shared by the tests of the corpus scripts."""

import pytest

from data_scripts import make_genres as genres
from data_scripts import make_languages as languages


def contents(folder):
    """Return the bytes of every file below a folder by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def need_demo():
    """Skip the test where the extra ``demo`` is not installed."""
    pytest.importorskip("espeakng_loader", reason="the voices need the extra: pip install 'gmmaudio[demo]'")
    pytest.importorskip("gflanguages", reason="the texts need the extra: pip install 'gmmaudio[demo]'")


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """The manifest of a corpus of speech. Tests must not write here."""
    need_demo()
    return languages.make_languages(tmp_path_factory.mktemp("languages"), seconds=2.0, n_clips=1)


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """The manifest of a corpus of music. Tests must not write here."""
    return genres.make_genres(tmp_path_factory.mktemp("genres"), seconds=1.0, n_clips=2, n_bands=2)


@pytest.fixture(params=["spoken", "played"])
def manifest(request):
    """Each of the two manifests."""
    return request.getfixturevalue(request.param)
