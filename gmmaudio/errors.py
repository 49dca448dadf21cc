"""The errors that gmmaudio raises on purpose.

Each is also a builtin error, so that ``except ValueError`` and ``except OSError`` catch it. A message states the value
that was passed, the values that are expected, and a remedy.
"""

from __future__ import annotations


class GmmaudioError(Exception):
    """Base class of the errors that this package raises on purpose."""


class SettingError(GmmaudioError, ValueError):
    """A setting or an argument outside its bounds."""


class CorpusError(GmmaudioError, ValueError):
    """A folder or manifest without usable clips, or with wrong rows."""


class TableError(GmmaudioError, ValueError):
    """A table of data that cannot be read, or lacks columns or numbers that are needed."""


class MixtureError(GmmaudioError, ValueError):
    """Rows on which no Gaussian mixture can be fitted or scored."""


class FeatureError(GmmaudioError, ValueError):
    """Samples from which no feature frames can be computed."""


class ModelFileError(GmmaudioError, ValueError):
    """A file that is no model, is damaged, or has a format that this version cannot read."""


class MixtureFileError(GmmaudioError, ValueError):
    """A file that holds no Gaussian mixture, is damaged, or has a format that this version cannot read."""


class StatisticsFileError(GmmaudioError, ValueError):
    """A file that holds no statistics of clips, is damaged, or cannot be merged with others."""


class ReadError(GmmaudioError, OSError):
    """A file that is not there, is not a regular file, or is larger than its kind may be."""


class WriteError(GmmaudioError, OSError):
    """An output that could not be written."""


class WorkerError(GmmaudioError, RuntimeError):
    """A worker process that died, or was ended because its item passed a limit.

    Parameters
    ----------
    message : str
        What happened, and a remedy.
    code : str
        ``crashed``, ``timeout`` or ``memory``.

    Examples
    --------
    >>> WorkerError("the worker process died").code
    'crashed'
    """

    def __init__(self, message: str, code: str = "crashed") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[WorkerError], tuple[str, str]]:
        return WorkerError, (str(self), self.code)


class MusicFileError(GmmaudioError, OSError):
    """A music file that cannot be tagged, sorted or restored, with a reason code.

    Parameters
    ----------
    code : str
        One of ``gmmaudio.music_tags.FILE_REASONS``.
    message : str
        What was found, what is expected, and a remedy; without the path.

    Examples
    --------
    >>> error = MusicFileError("read_only", "is read-only; allow writing to it")
    >>> error.code, str(error)
    ('read_only', 'is read-only; allow writing to it')
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class CacheWarning(UserWarning):
    """A cache that is damaged or cannot be written; results do not depend on it."""


class RowsError(GmmaudioError, ValueError):
    """Rows of a clip that were given and cannot be used, with a reason code.

    Parameters
    ----------
    code : str
        One of :data:`gmmaudio.trials.ROWS_REASONS`.
    message : str
        What was found, what is expected, and a remedy; without the path.

    Examples
    --------
    >>> error = RowsError("vanished", "is not there; check the path")
    >>> error.code, str(error)
    ('vanished', 'is not there; check the path')
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class AudioError(GmmaudioError, OSError):
    """A file or clip that cannot be used, with a reason code.

    Parameters
    ----------
    code : str
        One of :data:`gmmaudio.audio.REASONS`.
    message : str
        The value that was found, the values that are expected, and a remedy; without the path.

    Examples
    --------
    >>> error = AudioError("vanished", "is not there; check the path")
    >>> error.code, str(error)
    ('vanished', 'is not there; check the path')
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
