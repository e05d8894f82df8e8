"""Tokens from a file of somebody else: the users' format, a list, or plain addresses."""

import json
from typing import Any

from tracker.address import fault, is_address
from tracker.errors import UsageError
from tracker.model import ADDRESS, NotAToken, parse_token


def read_tokens(data: bytes, name: str) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return what is known of each token by address, and why others were left out.

    Raises:
        UsageError: there is nothing usable in it.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        if text.lstrip()[:1] in ("{", "["):
            raise UsageError(f"{name} begins like JSON but is none") from None
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        value = [line for line in lines if line]
    found: dict[str, dict[str, Any]] = {}
    bad: dict[str, str] = {}
    if isinstance(value, dict):
        for address, entry in value.items():
            _take(address, entry, found, bad)
    elif isinstance(value, list):
        for entry in value:
            address = entry.get(ADDRESS) if isinstance(entry, dict) else entry
            _take(str(address), entry if isinstance(entry, dict) else {}, found, bad)
    else:
        raise UsageError(f"{name} holds neither tokens nor addresses")
    if bad and not found:
        first, reason = next(iter(bad.items()))
        raise UsageError(f"no usable token in {name}; {first[:60]!r}: {reason}")
    return found, bad


def _take(address: str, entry: Any, found: dict[str, dict[str, Any]], bad: dict[str, str]) -> None:
    if not is_address(address):
        bad[address] = fault(address) or "no address"
        return
    try:
        parse_token(address, entry)
    except NotAToken as error:
        bad[address] = str(error)
        return
    found[address] = entry
