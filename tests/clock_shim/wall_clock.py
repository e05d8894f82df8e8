"""A wall clock that a test can step while processes run; made by the C compiler of the machine."""

import os
import struct
from pathlib import Path

from c_library import build

SOURCE = Path(__file__).with_name("wall_clock.c")
HOUR_S = 3600


class WallClock:
    """The wall clock of every process that is started with ``environment``."""

    def __init__(self, folder: Path) -> None:
        """Build the library; the offset begins at 0.

        Raises:
            AssertionError: there is no C compiler, or it does not take the source.
        """
        library = build(SOURCE, folder, "the tests of clock steps")
        self._offset = folder / "wall_clock.offset"
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(self._offset)}
        self._offset.write_bytes(struct.pack("=q", 0))

    def step(self, by_s: float) -> None:
        """Move it by seconds, all at once; eight bytes are written in one piece."""
        moved = self.offset_s + by_s
        descriptor = os.open(self._offset, os.O_WRONLY)
        try:
            os.pwrite(descriptor, struct.pack("=q", int(moved * 1e9)), 0)
        finally:
            os.close(descriptor)

    @property
    def offset_s(self) -> float:
        """How far it is from the true one."""
        return float(struct.unpack("=q", self._offset.read_bytes())[0] / 1e9)
