"""Taking secrets out of texts that leave the watchdog: messages, incidents, errors."""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, urlsplit

HIDDEN = "***"
_SHORTEST = 6  # characters; a shorter value stands for too many harmless things
_NAMED = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|PRIVATE_KEY|CREDENTIAL", re.IGNORECASE)
# Whatever their value: a bot's token, a login in an address, a header, and "--token VALUE" or "password=VALUE".
# Each repetition is bounded: a text of others must not make the search slow, for it holds up all threads.
_SHAPES = (
    (re.compile(r"(?<!\d)\d{5,20}:[A-Za-z0-9_-]{20,}"), HIDDEN),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@]{1,200}@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    (re.compile(r"(\bBearer\s{1,5})[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"((?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key)"
            r"[\"']?\s{0,5}[=:]\s{0,5}[\"']?)[^\s\"',;&]{4,}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(
            r"(--[\w-]{0,30}(?:token|secret|passw(?:or)?d|api-?key)[\w-]{0,30}\s{1,5})[^\s-]\S*",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)

Mask = Callable[[str], str]


def make_mask(secrets: Iterable[str], environ: Mapping[str, str]) -> Mask:
    """Return what takes these secrets out of a text, and all that looks like one.

    Args:
        secrets: texts that must not be seen; of an address also its password, path and query.
        environ: values of variables whose names speak of a token, a password or a key are secrets too.
    """
    found: set[str] = set()
    for secret in secrets:
        found |= _forms(secret)
    for name, value in environ.items():
        if _NAMED.search(name):
            found |= _forms(value)
    # The longest first: one may be a part of another.
    ordered = sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)

    def mask(text: str) -> str:
        for secret in ordered:
            text = text.replace(secret, HIDDEN)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    return mask


def _forms(secret: str) -> set[str]:
    """The secret as it may turn up: as it is, quoted for an address, and its parts if it is an address."""
    forms = {secret, quote(secret, safe=""), quote(secret, safe=":")}
    if "://" in secret:
        try:
            parts = urlsplit(secret)
            forms |= {part for part in (parts.password, parts.query) if part}
        except ValueError:  # an address of a kind that Python cannot take apart
            return forms
        if len(parts.path) > len("/api/webhook"):
            forms.add(parts.path)
    return forms
