"""Addresses on the web as people write them."""

from watchdog_kit.quantities import quoted
from watchdog_kit.web_host import is_web_host

_RIGHT = "write it like https://tracker.example.org/health"


def parse_url(text: str) -> str:
    """Return the address if it can be called.

    Raises:
        ValueError: it cannot; the text says why and what is right.
    """
    scheme, mark, rest = text.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    if scheme not in {"http", "https"} or not mark or not host or len(text) > 2000:
        raise ValueError(f"{quoted(text)} is no web address; {_RIGHT}")
    if not (text.isascii() and text.isprintable()) or " " in text or "#" in text:
        raise ValueError(f"{quoted(text)} has characters that no address has; {_RIGHT}")
    if "@" in host:
        raise ValueError("a name and a password in an address would be shown in logs; leave them out")
    if not is_web_host(host):
        raise ValueError(f"{quoted(text)} has a host or a port that is none; {_RIGHT}")
    return text


def parse_secret_url(text: str) -> str:
    """Return the address if it can be called; it may hold a name and a password, and is shown nowhere.

    Raises:
        ValueError: it cannot; the text does not quote it.
    """
    scheme, mark, rest = text.partition("://")
    place = rest.partition("/")[0].partition("?")[0]
    login, _, host = place.rpartition("@")
    if any(character in login for character in "@[]"):
        raise ValueError("a name or password in an address writes @, [ and ] as %40, %5B and %5D")
    tail = rest[len(place) :]
    try:
        parse_url(f"{scheme}{mark}{host}{tail}")
    except ValueError as error:
        raise ValueError(f"it is no web address that can be called; {_RIGHT}") from error
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(f"it has characters that no address has; {_RIGHT}")
    return text
