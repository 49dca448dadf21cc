"""The settings of a service: bounds, and which hosts are this computer's alone."""

import pytest

from gmmaudio.errors import SettingError
from gmmaudio.service import ServiceSettings


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("LocalHost", True),
        ("192.0.2.1", False),
        ("a.b", False),
    ],
)
def test_hosts_of_this_computer_alone(host, expected):
    assert ServiceSettings(host=host).is_loopback is expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": 65_536}, "`port` is 65536; expected 0 to 65535"),
        ({"n_jobs": 0}, "`n_jobs` is 0; expected 1 to 1000 worker processes"),
        ({"n_queued": -1}, "`n_queued` is -1"),
        ({"max_bytes": 0}, "`max_bytes` is 0"),
        ({"max_duration_s": 0.5}, "`max_duration_s` is 0.5; expected 1 to 86400 s"),
        ({"time_limit_s": 0.0}, "`time_limit_s` is 0"),
        ({"memory_limit": 2**20}, "`memory_limit` is 1 MiB; expected 256 MiB or more"),
        ({"token": "short"}, "the token is shorter than 16 characters"),
        ({"token": "é" * 20}, "or not of ASCII"),
    ],
)
def test_settings_outside_their_bounds_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        ServiceSettings(**settings)


def test_a_token_is_not_shown():
    assert "correct-horse" not in repr(ServiceSettings(token="correct-horse-battery"))  # noqa: S106
