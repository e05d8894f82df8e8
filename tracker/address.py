"""Solana mint addresses: base58 text of exactly 32 bytes."""

import functools

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}
_SHORTEST, _LONGEST = 32, 44  # characters that 32 bytes can take


def fault(text: str) -> str | None:
    """Say what is wrong with an address, or None when it can be one.

    A mistyped letter often still gives 32 bytes: base58 of a mint has no checksum. What is caught is
    everything that no mint can be.
    """
    if not _SHORTEST <= len(text) <= _LONGEST:
        return f"it has {len(text)} characters, an address has {_SHORTEST} to {_LONGEST}"
    number = 0
    for letter in text:
        value = _VALUE.get(letter)
        if value is None:
            return f"{letter!r} is never part of an address"
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))  # each leading 1 stands for a byte 0
    size = zeros + (number.bit_length() + 7) // 8
    return None if size == 32 else f"it stands for {size} bytes, an address for 32"


def is_invented(address: str) -> bool:
    """Say if an address is one of the demo market's own, which no real token can have."""
    return address.startswith("DEMo") and address.endswith("1" * 24)


@functools.lru_cache(1 << 17)
def is_address(text: str) -> bool:
    """Say if ``text`` can be a mint address."""
    return fault(text) is None
