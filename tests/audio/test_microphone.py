"""Microphones, by a module that stands for sounddevice: PortAudio is a library of the system."""

import builtins
import sys

import numpy as np
import pytest

from gmmaudio.audio import microphone as module
from gmmaudio.audio.microphone import list_microphones, open_microphone
from gmmaudio.errors import AudioError, SettingError
from tests.audio.stand_in import StandIn

RATE = 16_000


@pytest.fixture
def sounddevice(monkeypatch):
    stand_in = StandIn(np.zeros((0, 1), np.float32), RATE)
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in)
    return stand_in


def test_devices_that_record_are_listed(sounddevice):
    found = list_microphones()
    assert [(one.index, one.name, one.sample_rate_hz, one.n_channels, one.is_default) for one in found] == [
        (1, "Built-in", RATE, 2, True),
        (2, "USB", RATE, 1, False),
    ]


def blocks_of(sounddevice, sound, n, sr=RATE, **settings):
    sounddevice.sound = sound
    with open_microphone(**settings) as microphone:
        blocks = microphone.blocks(sr)
        return microphone, np.concatenate([next(blocks) for _ in range(n)])


def test_sound_comes_in_blocks_of_a_tenth_of_a_second(sounddevice):
    sound = np.random.default_rng(0).normal(size=(RATE, 1)).astype(np.float32)
    microphone, found = blocks_of(sounddevice, sound, 10)
    assert np.array_equal(found, sound[:, 0])
    assert (microphone.info.name, microphone.lost_s, microphone.n_overflows) == ("Built-in", 0.0, 0)
    (stream,) = sounddevice.streams
    assert (stream.settings["blocksize"], stream.settings["channels"], stream.settings["device"]) == (1_600, 1, 1)
    assert not stream.active


def test_channels_are_mixed_and_the_rate_is_converted(sounddevice):
    # a tone is kept by resampling, and by the mean of two channels that both have it
    tone = np.sin(0.1 * np.arange(RATE)).astype(np.float32)
    _, found = blocks_of(sounddevice, np.stack([tone, tone], axis=1), 9, sr=8_000, n_channels=2)
    # the filter waits for 70 ms of sound
    assert 0.8 * 8_000 < len(found) <= 0.9 * 8_000
    np.testing.assert_allclose(found[800:4_000], tone[1_600:8_000:2], atol=1e-3)


@pytest.mark.parametrize(("device", "name"), [(None, "Built-in"), (2, "USB"), ("usb", "USB")])
def test_a_device_is_named_by_number_or_name(sounddevice, device, name):
    microphone, _ = blocks_of(sounddevice, np.ones((RATE, 1), np.float32), 1, device=device)
    assert microphone.info.name == name


def test_sound_that_nobody_takes_is_dropped_and_counted(sounddevice):
    # 35 s arrive before any of it is taken, of which 30 s wait
    sound = np.arange(35 * RATE, dtype=np.float32)[:, None]
    microphone, found = blocks_of(sounddevice, sound, 300)
    assert np.array_equal(found, sound[: 30 * RATE, 0])
    assert microphone.lost_s == pytest.approx(5.0)


def test_overflows_of_the_device_are_counted(sounddevice):
    sounddevice.overflow_at = {2, 3}
    microphone, _ = blocks_of(sounddevice, np.ones((RATE, 1), np.float32), 5)
    assert (microphone.n_overflows, microphone.lost_s) == (2, 0.0)


def test_a_block_is_copied_before_portaudio_writes_over_it(sounddevice):
    sounddevice.writes_over = True
    _, found = blocks_of(sounddevice, np.ones((RATE, 1), np.float32), 10)
    assert (found == 1).all()


def test_a_device_that_stops_is_said_to(sounddevice, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    sounddevice.sound, sounddevice.stays_active = np.ones((1_600, 1), np.float32), False
    with open_microphone() as microphone:
        blocks = microphone.blocks(RATE)
        next(blocks)
        with pytest.raises(AudioError, match="Built-in stopped; check that it is plugged in") as caught:
            next(blocks)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"device": "webcam"}, SettingError, "`device` is 'webcam' .No input device matching 'webcam'.; expected one"),
        ({"device": 9}, AudioError, "no microphone is found .Error querying device 9.; see `list_devices`"),
        ({"n_channels": 3}, SettingError, "`n_channels` is 3; expected 1 to 2, which Built-in has"),
        ({"n_channels": 0}, SettingError, "`n_channels` is 0; expected 1 to 2"),
    ],
)
def test_what_is_no_microphone_is_refused(sounddevice, settings, error, message):
    with pytest.raises(error, match=message), open_microphone(**settings):
        pass
    assert sounddevice.streams == []


def test_a_device_that_cannot_be_opened_is_named(sounddevice):
    sounddevice.refuses = True
    with pytest.raises(AudioError, match=r"Built-in cannot be opened \(Device unavailable\)"), open_microphone():
        pass


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ImportError("no module"),
            r"a microphone needs sounddevice; .*pip install 'gmmaudio\[live\]'",
        ),
        (OSError("PortAudio library not found"), "cannot use PortAudio .PortAudio library not found.; install it"),
        (RuntimeError("Error initializing PortAudio"), "cannot use PortAudio .Error initializing PortAudio."),
    ],
)
@pytest.mark.parametrize("function", [list_microphones, lambda: open_microphone().__enter__()])
def test_what_is_not_installed_is_named_with_its_cure(monkeypatch, error, message, function):
    imported = builtins.__import__

    def refuse(name, *arguments, **more):
        if name == "sounddevice":
            raise error
        return imported(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SettingError, match=message):
        function()


def test_the_stand_in_has_what_is_used_of_sounddevice():
    sd = pytest.importorskip("sounddevice", exc_type=(ImportError, OSError))
    assert {"InputStream", "PortAudioError", "default", "query_devices"} <= set(dir(sd))
    assert {"active", "close", "start"} <= set(dir(sd.InputStream))
    assert "input_overflow" in dir(sd.CallbackFlags)
