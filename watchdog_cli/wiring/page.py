"""What the web page is told when it starts: whose page it is, where it listens, and who may do what."""

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from watchdog_cli.core.errors import AddressError, ConfigError, UsageError
from watchdog_cli.core.settings import Settings
from watchdog_cli.wiring.places import Places
from watchdog_kit.os_errors import in_words

TOKEN_VARIABLE = "WATCHDOG_WEB_TOKEN"  # noqa: S105 - the name of a variable, not a secret
PORT_VARIABLE = "PORT"  # what Render, Heroku and others tell a program to listen on
PUBLIC_NAME_VARIABLE = "RENDER_EXTERNAL_HOSTNAME"
DEFAULT_PORT = 8787  # chosen: easy to remember, assigned to nothing that people run
BACKLOG = 512


@dataclass(frozen=True, slots=True)
class PagePlan:
    """All that one page is told.

    Args:
        token: who knows it may act; "" when nobody may.
        is_public: it listens on an address that others can reach, so reading takes the token as well.
        names: host names under which it may be called besides its own addresses.
        keepalive_url: called every ``keepalive_s`` so that a host does not put us to sleep; "" for none.
    """

    places: Places
    listener: socket.socket
    is_public: bool
    token: str = field(repr=False)
    names: frozenset[str]
    keepalive_url: str
    keepalive_s: float

    @property
    def address(self) -> tuple[str, int]:
        """Where it really listens."""
        found = self.listener.getsockname()
        return str(found[0]), int(found[1])

    @property
    def url(self) -> str:
        """What a person on this machine types."""
        host, port = self.address
        if ipaddress.ip_address(host).is_unspecified:
            host = "127.0.0.1"
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def make_plan(settings: Settings, environ: Mapping[str, str]) -> PagePlan:
    """Check what is asked for, and begin to listen.

    Raises:
        UsageError: an address that others can reach is asked for without a token.
        ConfigError: PORT is no port.
        AddressError: one cannot listen there.
    """
    values = settings.values
    host = str(values["web-host"])
    token = environ.get(TOKEN_VARIABLE, "").strip()
    family, address = _resolve(host, _port(settings, environ))
    is_public = not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
    if is_public and not token:
        raise UsageError(
            f"--host {host} can be reached from other machines, so a token is needed; "
            f"set {TOKEN_VARIABLE}=some-long-random-text, or leave --host out"
        )
    url = str(values["keepalive-url"] or "")
    names = {host.lower(), socket.gethostname().lower(), *_names(values["web-allow-host"])}
    names |= {environ.get(PUBLIC_NAME_VARIABLE, "").lower(), (urlsplit(url).hostname or "").lower()}
    interval = values["keepalive-interval"]
    assert isinstance(interval, float)
    places = Places(settings.folder, settings.name, settings.log_dir)
    return PagePlan(
        places, _listen(family, address), is_public, token, frozenset(names - {""}), url, interval
    )


def _port(settings: Settings, environ: Mapping[str, str]) -> int:
    """The port that was asked for; PORT is a variable of the environment and goes before the file."""
    port = settings.values["web-port"]
    written = environ.get(PORT_VARIABLE, "")
    if not written or settings.origins["web-port"] in {"--web-port", "WATCHDOG_WEB_PORT"}:
        assert port is None or isinstance(port, int)
        return DEFAULT_PORT if port is None else port
    if not (written.isascii() and written.isdigit() and len(written) <= 5 and int(written) <= 65535):
        raise ConfigError(f"{PORT_VARIABLE}: {written[:40]!r} is no port; write a number up to 65535")
    return int(written)


def _names(value: object) -> list[str]:
    return [name.strip().lower() for name in str(value or "").split(",") if name.strip()]


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """The first address of a name, IPv4 before IPv6."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--host {host[:80]!r} cannot be found: {reason}; try 127.0.0.1") from error
    found.sort(key=lambda one: one[0] is not socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, (str(address[0]), port)


def _listen(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two programs share the address
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = in_words(error)
        raise AddressError(
            f"cannot listen on {address[0]} port {address[1]}: {reason}; choose another with --port"
        ) from error
    listener.setblocking(False)
    return listener
