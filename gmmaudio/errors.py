"""Every error that gmmaudio raises on purpose.

Each is also the builtin that a reader would expect, so that ``except ValueError`` and ``except OSError`` keep
working. A message says what was given, what was expected, and a cure.
"""


class GmmaudioError(Exception):
    """Base of every error raised on purpose."""


class SettingError(GmmaudioError, ValueError):
    """A setting or an argument outside its bounds."""


class CorpusError(GmmaudioError, ValueError):
    """A folder or manifest from which nothing usable can be made."""


class MixtureError(GmmaudioError, ValueError):
    """Rows on which no Gaussian mixture can be fitted or scored."""


class FeatureError(GmmaudioError, ValueError):
    """Samples from which no feature frames can be computed."""


class ModelFileError(GmmaudioError, ValueError):
    """A file that is not a model this version can use."""


class WriteError(GmmaudioError, OSError):
    """An output that could not be written."""


class WorkerError(GmmaudioError, RuntimeError):
    """A worker process that died."""


class AudioError(GmmaudioError, OSError):
    """A file or clip that cannot be used, with a reason code.

    Parameters
    ----------
    code : str
        One of :data:`gmmaudio.audio.REASONS`.
    message : str
        What was given, what was expected, and a cure; without the path.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
