"""Who may read and who may act: the token, the session that stands for it, and the mark against forged requests.

A session is a text that only we can have made: it holds its own end and a keyed hash of it, so nothing is kept and a
restart of the page signs nobody out. Its key is made of the token: a new token ends all sessions.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

SESSION_S = 7 * 86400  # chosen: a phone on the table stays signed in for a week
WRONG_LIMIT = 20  # wrong tokens from one address ...
WRONG_WINDOW_S = 60.0  # ... within a minute, then it has to wait
MOST_ADDRESSES = 1000  # remembered at once; more only in an attack, and then the oldest go
_LONGEST = 256  # characters of a session that are looked at


@dataclass(slots=True)
class Access:
    """Judges what a request brings along.

    Args:
        token: "" when nobody may act.
        now: unix seconds; sessions must end by a clock that survives us.
    """

    token: str = field(repr=False)
    now: Callable[[], float] = time.time
    _wrong: dict[str, list[float]] = field(default_factory=dict)

    def is_token(self, given: bytes) -> bool:
        """Whether this is the token; the time that it takes tells nothing of how near it was."""
        ours = hashlib.sha256(self.token.encode()).digest()
        same = hmac.compare_digest(ours, hashlib.sha256(given).digest())
        return same and bool(self.token)

    def new_session(self) -> str:
        """A session that begins now."""
        body = f"{int(self.now()) + SESSION_S}.{secrets.token_urlsafe(12)}"
        return f"{body}.{self._mark('session', body)}"

    def is_session(self, text: str) -> bool:
        """Whether we made it and it has not ended."""
        body, _, mark = text[:_LONGEST].rpartition(".")
        right = hmac.compare_digest(mark.encode("utf-8", "replace"), self._mark("session", body).encode())
        end = body.partition(".")[0]
        return bool(self.token) and right and end.isdigit() and self.now() < int(end)

    def csrf(self, session: str) -> str:
        """What a page of ours sends along with each action, and no other page can know."""
        return self._mark("csrf", session)

    def is_csrf(self, session: str, given: bytes) -> bool:
        """Whether it belongs to this session."""
        return hmac.compare_digest(self.csrf(session).encode(), given)

    def _mark(self, purpose: str, text: str) -> str:
        key = hashlib.sha256(b"watchdog page " + self.token.encode()).digest()
        return hmac.new(key, f"{purpose} {text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    # --- wrong tokens -----------------------------------------------------------------------------------------

    def must_wait(self, address: str) -> bool:
        """Whether this address has guessed too often."""
        return len(self._recent(address)) >= WRONG_LIMIT

    def note_wrong(self, address: str) -> None:
        """Remember a wrong token."""
        recent = [*self._recent(address), time.monotonic()]
        self._wrong.pop(address, None)
        self._wrong[address] = recent[-WRONG_LIMIT:]
        while len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]

    def _recent(self, address: str) -> list[float]:
        since = time.monotonic() - WRONG_WINDOW_S
        return [at for at in self._wrong.get(address, ()) if at > since]
