"""Hosts in web addresses: what is let in can be called, what cannot is refused where it is written."""

import pytest

from tracker.settings import TABLE
from watchdog_cli.core.addresses import parse_secret_url, parse_url
from watchdog_kit.notify_http import HttpClient
from watchdog_kit.web_host import is_web_host

PARSE = next(setting.kind.parse for setting in TABLE if setting.key == "telegram-url")


GOOD = ["h", "a.example:8080", "127.0.0.1:1", "[::1]", "[2001:db8::7]:65535", "h:00080"]
BROKEN_NAMES = ["", "[", "[]", "[::1", "::1", "[zz]", "[1.2.3.4]", "[::1]x", "[::1]80", "a]", "a[b"]
BROKEN_PORTS = ["", "0", "65536", "80:90", "x", "-1", "+1", "1_0", "٨٠", "0000800000"]


@pytest.mark.parametrize("host", GOOD)
def test_what_can_be_called(host: str) -> None:
    """Names and addresses of both kinds, with a port or without."""
    assert is_web_host(host)
    url = f"http://{host}"
    assert parse_url(url) == parse_secret_url(url) == PARSE(url) == url
    assert HttpClient(url).host == host


@pytest.mark.parametrize("host", [*BROKEN_NAMES, ":80", *(f"h:{port}" for port in BROKEN_PORTS)])
def test_what_cannot_be_called(host: str) -> None:
    """Broken brackets and ports that are none are no fault of ours later, but a word about the setting now."""
    assert not is_web_host(host)
    for parse in (parse_url, parse_secret_url, PARSE):
        with pytest.raises(ValueError, match=r"none|no web address|no base address|characters|called"):
            parse(f"http://{host}")
