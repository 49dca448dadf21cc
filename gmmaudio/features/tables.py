"""The fixed tables of a front end: designed by librosa, kept in the model file, applied by numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gmmaudio.errors import SettingError
from gmmaudio.features.front_ends import FRONT_ENDS, TableLayout
from gmmaudio.features.settings import FrameSettings

WINDOW_LAYOUT = TableLayout("float64", ("n_fft",), -1.0, 1.0)


@dataclass(frozen=True, eq=False)
class FrontEndTables:
    """Tables that turn samples into spectra, and spectra into coefficients.

    Parameters
    ----------
    window : ndarray, shape (n_fft,), float64
        What samples of a frame are multiplied by.
    own : mapping of str to ndarray
        Tables of the front end itself, named as in its row of :data:`FRONT_ENDS`.

    Examples
    --------
    >>> tables = design_tables(FrameSettings())
    >>> tables.window.shape, sorted(tables.own)
    ((2048,), ['dct', 'mel_first', 'mel_weights'])
    """

    window: npt.NDArray[np.float64]
    own: Mapping[str, npt.NDArray[Any]]

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables by name, for a file."""
        return {"window": self.window, **self.own}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: FrameSettings) -> FrontEndTables:
        """Return the tables that :meth:`tensors` gave.

        Parameters
        ----------
        tensors : mapping of str to ndarray
            Of the names, types, shapes and bounds of :func:`tensor_table`.
        settings : FrameSettings
            Settings that the tables were designed for.

        Raises
        ------
        SettingError
            If the tables do not go together.

        Examples
        --------
        >>> tables = design_tables(FrameSettings())
        >>> FrontEndTables.from_tensors(tables.tensors(), FrameSettings()).window.shape
        (2048,)
        """
        own = {name: np.asarray(tensors[name]) for name in FRONT_ENDS[settings.front_end].layouts}
        check = FRONT_ENDS[settings.front_end].check_tables
        if check is not None:
            check(own, settings)
        return cls(np.asarray(tensors["window"]), own)


@lru_cache(maxsize=16)
def design_tables(settings: FrameSettings) -> FrontEndTables:
    """Return the tables of a front end, designed by librosa, which takes seconds to import.

    Parameters
    ----------
    settings : FrameSettings
        Settings of the frames.

    Examples
    --------
    >>> design_tables(FrameSettings(n_mels=40)).own["mel_weights"].shape[:2]
    (1, 40)
    """
    from librosa.filters import get_window

    window = np.zeros(settings.n_fft)
    start = (settings.n_fft - settings.win_length) // 2
    window[start : start + settings.win_length] = get_window(settings.window, settings.win_length, fftbins=True)
    tables = FrontEndTables(window, FRONT_ENDS[settings.front_end].design(settings))
    for table in tables.tensors().values():
        # all callers share them
        table.setflags(write=False)
    return tables


def tensor_table(settings: FrameSettings) -> dict[str, TableLayout]:
    """Return the type, shape and bounds of every table.

    Parameters
    ----------
    settings : FrameSettings
        Settings that the tables are designed for.

    Examples
    --------
    >>> list(tensor_table(FrameSettings()))
    ['window', 'mel_first', 'mel_weights', 'dct']
    """
    return {"window": WINDOW_LAYOUT, **FRONT_ENDS[settings.front_end].layouts}


def table_sizes(settings: FrameSettings) -> tuple[dict[str, int], dict[str, int]]:
    """Return the length of the axes of tables that settings give, and the largest length of the others.

    Parameters
    ----------
    settings : FrameSettings
        Settings that the tables are designed for.

    Examples
    --------
    >>> table_sizes(FrameSettings())
    ({'n_fft': 2048, 'n_warps': 1, 'n_mels': 128, 'n_coefficients': 20}, {'mel_width': 1025})
    """
    names = ("n_fft", "n_warps", "n_mels", "n_coefficients")
    return {name: getattr(settings, name) for name in names}, {"mel_width": settings.n_fft // 2 + 1}


def check_designed(tables: FrontEndTables, settings: FrameSettings) -> None:
    """Raise SettingError where tables were designed for other settings.

    Parameters
    ----------
    tables : FrontEndTables
        The tables.
    settings : FrameSettings
        Settings of the frames.

    Examples
    --------
    >>> check_designed(design_tables(FrameSettings(n_mfcc=13)), FrameSettings())
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `tables` were designed for other settings: dct has shape (13, 128)
    """
    sizes, bounds = table_sizes(settings)
    tensors = tables.tensors()
    for name, layout in tensor_table(settings).items():
        shape = tensors[name].shape if name in tensors else None
        fits = shape is not None and len(shape) == len(layout.shape)
        if (
            shape is None
            or not fits
            or not all(
                n == sizes[axis] if axis in sizes else n <= bounds[axis]
                for axis, n in zip(layout.shape, shape, strict=True)
            )
        ):
            raise SettingError(f"`tables` were designed for other settings: {name} has shape {shape}")
