"""Sound from a microphone, by PortAudio (sounddevice, the ``live`` extra)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from gmmaudio.audio.decode import resampled
from gmmaudio.audio.downmix import Downmix
from gmmaudio.audio.formats import Samples
from gmmaudio.errors import AudioError, SettingError

LIVE_REMEDY = "install the live extra: pip install 'gmmaudio[live]', or pipe raw samples in with `raw_hz`"
# length of a block, and of the sound that waits at most, seconds
MICROPHONE_BLOCK_S, WAITING_S = 0.1, 30.0
# without a block for so long, the device is looked at, seconds
PATIENCE_S = 2.0


@dataclass(frozen=True)
class MicrophoneInfo:
    """A device that sound can be recorded with.

    Parameters
    ----------
    index : int
        Number of the device.
    name : str
        Its name.
    sample_rate_hz : int
        Its own sample rate, hertz.
    n_channels : int
        Channels that it has at most.
    is_default : bool
        Whether it is used where none is named.
    """

    index: int
    name: str
    sample_rate_hz: int
    n_channels: int
    is_default: bool = False


class Microphone:
    """A microphone that is open: blocks of its sound, and the sound that was lost.

    Parameters
    ----------
    info : MicrophoneInfo
        The device.

    Attributes
    ----------
    lost_s : float
        Sound that was dropped because it was not taken in time, seconds.
    n_overflows : int
        Times that PortAudio itself dropped sound, of which it does not say how much.
    """

    def __init__(self, info: MicrophoneInfo) -> None:
        self.info = info
        self.lost_s, self.n_overflows = 0.0, 0
        self._waiting: SimpleQueue[Samples] = SimpleQueue()
        self._stream: Any = None

    def blocks(self, sr: int) -> Iterator[Samples]:
        """Yield the sound, mono and resampled, as it arrives; without an end.

        Parameters
        ----------
        sr : int
            Rate to resample to, hertz.

        Yields
        ------
        ndarray, shape (n,), float32
            Consecutive samples, about 0.1 s, full scale -1 to 1.

        Raises
        ------
        AudioError
            ``unreadable`` if the device stops, as when it is unplugged.
        """
        rate_hz = self.info.sample_rate_hz
        return resampled(Downmix(rate_hz).mix(self._recorded()), rate_hz, sr)

    def receive(self, block: Samples, _n: int, _time: Any, status: Any) -> None:
        """Keep a block, in PortAudio's thread; of the sound that waits, what is too much is dropped.

        Parameters
        ----------
        block : ndarray, shape (n, n_channels), float32
            Samples, whose memory PortAudio uses again.
        status : sounddevice.CallbackFlags
            Whether sound was lost before it.
        """
        self.n_overflows += bool(status.input_overflow)
        if self._waiting.qsize() * MICROPHONE_BLOCK_S >= WAITING_S:
            self.lost_s += len(block) / self.info.sample_rate_hz
        else:
            self._waiting.put(block.copy())

    def attach(self, stream: Any) -> None:
        """Set the stream that gives the blocks.

        Parameters
        ----------
        stream : sounddevice.InputStream
            The stream.
        """
        self._stream = stream

    def _recorded(self) -> Iterator[Samples]:
        """Yield the blocks as they were recorded, shape (n, n_channels)."""
        while True:
            try:
                # a wait without an end could not be interrupted on every system
                yield self._waiting.get(timeout=PATIENCE_S)
            except Empty:
                if not self._stream.active:
                    raise AudioError(
                        "unreadable", f"{self.info.name} stopped; check that it is plugged in, and start again"
                    ) from None


def list_microphones() -> list[MicrophoneInfo]:
    """Return the devices that sound can be recorded with.

    Raises
    ------
    SettingError
        If sounddevice or PortAudio is not installed.
    """
    sd = _sounddevice()
    default = sd.default.device[0]
    return [_info(device, default) for device in sd.query_devices() if device["max_input_channels"] > 0]


@contextmanager
def open_microphone(device: int | str | None = None, *, n_channels: int = 1) -> Iterator[Microphone]:
    """Return a context manager that records while it is open.

    Parameters
    ----------
    device : int, str or None
        Number of a device, or a part of its name; None takes the default one.
    n_channels : int
        Channels to record, 1 or more; they are mixed to mono.

    Yields
    ------
    Microphone
        The device, which records at its own rate.

    Raises
    ------
    SettingError
        If sounddevice or PortAudio is not installed, no or several devices have the name, or the device has fewer
        channels.
    AudioError
        ``unreadable`` if there is no device, or it cannot be opened.
    """
    sd = _sounddevice()
    try:
        info = _info(sd.query_devices(device, "input"), sd.default.device[0])
    except ValueError as error:
        raise SettingError(f"`device` is {device!r} ({error}); expected one of `list_devices`") from error
    except sd.PortAudioError as error:
        raise AudioError("unreadable", f"no microphone is found ({error}); see `list_devices`") from error
    if not 1 <= n_channels <= info.n_channels:
        raise SettingError(f"`n_channels` is {n_channels}; expected 1 to {info.n_channels}, which {info.name} has")
    microphone = Microphone(info)
    try:
        stream = sd.InputStream(
            samplerate=info.sample_rate_hz,
            blocksize=round(MICROPHONE_BLOCK_S * info.sample_rate_hz),
            device=info.index,
            channels=n_channels,
            dtype="float32",
            callback=microphone.receive,
        )
        microphone.attach(stream)
        stream.start()
    except sd.PortAudioError as error:
        raise AudioError("unreadable", f"{info.name} cannot be opened ({error}); see `list_devices`") from error
    try:
        yield microphone
    finally:
        stream.close(ignore_errors=True)


def _info(device: Any, default: int) -> MicrophoneInfo:
    """Return a device as PortAudio describes it."""
    return MicrophoneInfo(
        device["index"],
        device["name"],
        round(device["default_samplerate"]),
        device["max_input_channels"],
        device["index"] == default,
    )


def _sounddevice() -> Any:
    """Return the module of PortAudio, or raise SettingError with the cure."""
    try:
        import sounddevice
    except ImportError as error:
        raise SettingError(f"a microphone needs sounddevice; {LIVE_REMEDY}") from error
    except Exception as error:
        # without the library an OSError; where it does not start, one of the module that was not imported
        raise SettingError(
            f"sounddevice cannot use PortAudio ({error}); install it (Debian, Ubuntu: apt install libportaudio2), or "
            "pipe raw samples in with `raw_hz`"
        ) from error
    return sounddevice
