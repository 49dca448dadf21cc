"""A module that stands for sounddevice: two devices that record, and one that does not."""

from types import ModuleType, SimpleNamespace

import numpy as np


class StandIn(ModuleType):
    """What is used of sounddevice; a stream gives all of its sound when it is started, and none later."""

    class PortAudioError(Exception):
        pass

    def __init__(self, sound, rate_hz, names=("Speakers", "Built-in", "USB")):
        super().__init__("sounddevice")
        self.sound, self.rate_hz = sound, rate_hz
        self.overflow_at, self.writes_over, self.stays_active, self.refuses = set(), False, True, False
        self.streams, self.default = [], SimpleNamespace(device=(1, 0))
        self.devices = [
            {
                "index": index,
                "name": name,
                "max_input_channels": n_channels,
                "default_samplerate": float(rate_hz),
            }
            for index, (name, n_channels) in enumerate(zip(names, (0, 2, 1), strict=True))
        ]

    def query_devices(self, device=None, kind=None):
        if kind is None:
            return self.devices
        if device is None:
            return self.devices[self.default.device[0]]
        if isinstance(device, str):
            found = [one for one in self.devices if device.lower() in one["name"].lower()]
            if len(found) != 1:
                raise ValueError(f"No input device matching {device!r}")
            return found[0]
        if device >= len(self.devices):
            raise self.PortAudioError(f"Error querying device {device}")
        return self.devices[device]

    def InputStream(self, **settings):  # noqa: N802
        if self.refuses:
            raise self.PortAudioError("Device unavailable")
        self.streams.append(Stream(self, settings))
        return self.streams[-1]


class Stream:
    def __init__(self, module, settings):
        self.module, self.settings, self.active = module, settings, False

    def start(self):
        self.active = self.module.stays_active
        n = self.settings["blocksize"]
        for i, start in enumerate(range(0, len(self.module.sound) - n + 1, n)):
            block = np.array(self.module.sound[start : start + n])
            status = SimpleNamespace(input_overflow=i in self.module.overflow_at)
            self.settings["callback"](block, n, None, status)
            if self.module.writes_over:
                block[:] = 0

    def close(self, ignore_errors=True):
        self.active = False
