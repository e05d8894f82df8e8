"""The part of a web address that names whom to call."""


def is_web_host(text: str) -> bool:
    """Say if ``name``, ``name:port``, ``[v6]`` or ``[v6]:port`` can be called, as far as its form tells."""
    if text.startswith("["):
        name, end, rest = text[1:].partition("]")
        is_name = bool(end) and rest[:1] in ("", ":") and _is_v6(name)
    else:
        name, colon, port = text.partition(":")
        is_name, rest = bool(name) and not set(name) & set("[]"), colon + port
    port = rest[1:]
    return is_name and (
        not rest or (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536)
    )


def _is_v6(name: str) -> bool:
    import ipaddress

    try:
        ipaddress.IPv6Address(name)
    except ValueError:
        return False
    return True
