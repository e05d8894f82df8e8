"""What all price services have in common: JSON over HTTP, refusals in every form, numbers as text."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tracker.sources import SourceError
from watchdog_kit.notify_http import HttpClient, HttpError, Response, retry_after_s
from watchdog_kit.printable import printable

NO_HINT_PAUSE_S = 20.0  # after "too many requests" without a word on how long; chosen
_REFUSED_QUESTION = (400, 404, 414, 422)


class JsonService:
    """One service: its connection, and how its answers are read."""

    name = ""
    batch = 30
    per_minute = 30
    headers: Mapping[str, str] = {}
    cut_short = False

    def __init__(self, base_url: str, connect_s: float = 5.0) -> None:
        self._client = HttpClient(base_url, connect_s=connect_s)

    @property
    def host(self) -> str:
        """The host that is called."""
        return self._client.host

    def get(self, path: str, limit_s: float) -> Any:
        """Return the JSON at ``path``.

        Raises:
            SourceError: there is none; refusals, pages for people and errors in JSON all end here.
        """
        try:
            response = self._client.request("GET", path, limit_s=limit_s, headers=self.headers)
        except HttpError as error:
            raise SourceError(f"{self.name}: {error}") from error
        value = self._json(response)
        refusal = refused_inside(value)
        if response.status == 429 or refusal == 429:
            pause = retry_after_s(response.headers)
            raise SourceError(
                f"{self.name}: too many requests", pause_s=NO_HINT_PAUSE_S if pause is None else pause
            )
        if response.status != 200:
            raise SourceError(
                f"{self.name}: answered {response.status}{_what(response)}",
                pause_s=retry_after_s(response.headers),
                batch_only=response.status in _REFUSED_QUESTION,
            )
        if refusal is not None:
            raise SourceError(f"{self.name}: answered with error {refusal}")
        if value is None:
            what = "nothing" if not response.body.strip() else f"no JSON{_what(response)}"
            raise SourceError(f"{self.name}: sent {what}")
        return value

    def _json(self, response: Response) -> Any:
        try:
            return json.loads(response.body)
        except (ValueError, RecursionError):
            return None

    def abort(self) -> None:
        """End a call that another thread is making."""
        self._client.abort()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def _what(response: Response) -> str:
    if 300 <= response.status < 400:
        return " (a redirect, which is not followed)"
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return " (a web page)" if kind == "text/html" or b"<html" in response.body[:500].lower() else ""


def refused_inside(value: Any) -> int | None:
    """Return the error code of an answer that is an error although its status says 200."""
    if not isinstance(value, dict):
        return None
    status = value.get("status")
    code = status.get("error_code") if isinstance(status, dict) else value.get("error_code")
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    return 0 if isinstance(value.get("error"), str | dict) and len(value) <= 3 else None


def usable_price(value: Any) -> float | None:
    """Return a price from text or a number; None unless it is finite and above zero."""
    amount = usable_amount(value)
    return amount or None


def usable_amount(value: Any) -> float | None:
    """Return an amount from text or a number; None unless it is finite and not negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 200:
        return None
    try:
        # Decimal: "0.00000005638" and sixty digits are read as they are meant, "1_0" and " 1" are refused.
        exact = Decimal(value) if not isinstance(value, str) or _plain(value) else None
        amount = float(exact) if exact is not None and exact.is_finite() else -1.0
    except (InvalidOperation, OverflowError, ValueError):
        return None
    return amount if 0 <= amount < float("inf") else None


def _plain(text: str) -> bool:
    return text.isascii() and bool(text) and all(c.isdigit() or c in "+-.eE" for c in text)


def usable_text(value: Any) -> str | None:
    """Return a name that may be kept: text of one line, not endless."""
    if not isinstance(value, str):
        return None
    text = printable(value, "").strip()[:100]
    return text or None


def joined(addresses: Iterable[str]) -> str:
    """Put addresses into a path; they are base58, so nothing has to be quoted."""
    return ",".join(addresses)
