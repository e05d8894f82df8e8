"""The calls by which a real process saves a file: written down, and at the Nth made to fail or to be the last."""

import os
import struct
from pathlib import Path

from c_library import build

SOURCE = Path(__file__).with_name("save_calls.c")
_ORDERS = struct.Struct("=qqq")
_FAIL, _DIE, _BREAK = 1, 2, 3
_KINDS = ("link", "create", "write", "flush", "rename")


class SaveCalls:
    """What the processes that are started with ``environment`` do with files of that name in that folder."""

    def __init__(self, aside: Path, folder: Path, name: str) -> None:
        """Build the library; nothing is ordered at first.

        Raises:
            AssertionError: there is no C compiler, or it does not take the source.
        """
        library = build(SOURCE, aside, "the tests of each call of a save")
        self._orders, self._trace = aside / "save_calls.orders", aside / "save_calls.trace"
        self._orders.write_bytes(_ORDERS.pack(0, 0, 0))
        self.environment = {
            "LD_PRELOAD": str(library),
            "SAVE_CALLS_ORDERS": str(self._orders),
            "SAVE_CALLS_TRACE": str(self._trace),
            "SAVE_CALLS_NAME": name,
            "SAVE_CALLS_FOLDER": str(folder),
        }

    def fail_at(self, number: int) -> None:
        """Let the Nth call from now fail with an input/output error."""
        self._order(number, _FAIL)

    def die_at(self, number: int) -> None:
        """Let the process be killed in the place of its Nth call from now."""
        self._order(number, _DIE)

    def break_all(self, kind: str) -> None:
        """Let each call of a kind fail with an input/output error, until ``mend``."""
        self._order(-1 - _KINDS.index(kind), _BREAK)

    def mend(self) -> None:
        """Let every call work again."""
        self._order(0, _FAIL)

    def _order(self, number: int, deed: int) -> None:
        descriptor = os.open(self._orders, os.O_WRONLY)
        try:
            os.pwrite(descriptor, struct.pack("=q", deed), 8)
            os.pwrite(descriptor, struct.pack("=q", number), 0)
        finally:
            os.close(descriptor)

    @property
    def done(self) -> int:
        """How many orders were carried out."""
        return int(_ORDERS.unpack(self._orders.read_bytes())[2])

    def trace(self) -> list[str]:
        """Each call and the file that it was about."""
        return self._trace.read_text().splitlines() if self._trace.exists() else []
