"""What stands before every route: who calls whom by which name, and what each answer says to a browser."""

import ipaddress
from email.utils import formatdate
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
PROBES = frozenset({"/health", "/ping", "/ready"})
LONGEST_PATH = 512
HEADERS = {
    # Scripts, styles and pictures of our own only, nothing inline, nothing from elsewhere, in nobody's frame.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Guard:
    """Refuses callers that came by a foreign name or from a foreign page, and adds the headers to all answers."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str], is_public: bool) -> None:
        """Remember what may pass.

        Args:
            names: host names under which the page may be called.
            is_public: others can reach the address; then any address of the machine is a right name too, and
                probes, which show nothing, may use whatever name they have.
        """
        self._app = app
        self._names = names | LOCAL_NAMES
        self._is_public = is_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                headers.setdefault("date", formatdate(usegmt=True))
            await send(message)

        problem = self._problem(scope)
        if problem is None:
            await self._app(scope, receive, send_with_headers)
        else:
            status, text = problem
            await JSONResponse({"error": text}, status)(scope, receive, send_with_headers)

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if len(scope["path"]) > LONGEST_PATH:
            return 414, "the path is too long"
        if len(headers.getlist("host")) != 1:
            return 400, "there must be one Host header"
        host = headers["host"].lower()
        is_probe = self._is_public and scope["path"] in PROBES and scope["method"] in {"GET", "HEAD"}
        if not is_probe and not self._knows(host):
            return 403, "this page does not go by that name; allow it with --allow-host"
        origin = headers.get("origin")
        if origin is not None and not _same_place(origin, host):
            return 403, "the request comes from another page"
        if scope["method"] not in {"GET", "HEAD"} and headers.get("sec-fetch-site") in {
            "cross-site",
            "same-site",
        }:
            return 403, "the request comes from another page"
        return None

    def _knows(self, host: str) -> bool:
        name = _name(host)
        if name is None:
            return False
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # A page of somebody else can make its name lead to us, but it cannot have an address as its name.
        return address.is_loopback or self._is_public


def _name(host: str) -> str | None:
    """The name in a Host header, without its port; None when it is none."""
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return None
    odd = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    return None if odd or port == 0 else parts.hostname


def _same_place(origin: str, host: str) -> bool:
    """Whether a page of this origin came from the host that is called; a proxy may have added the TLS."""
    try:
        parts = urlsplit(origin.lower())
        port, default = parts.port, {"http": 80, "https": 443}.get(parts.scheme)
        called = urlsplit(f"//{host}")
        called_port = called.port
    except ValueError:
        return False
    if default is None or parts.path or parts.query or parts.username is not None:
        return False
    return (parts.hostname, port or default) == (called.hostname, called_port or default)
