"""The files of one log: the present one, and the older ones beside it, ``NAME.1`` the newest of them."""

import os

from watchdog_kit.atomic_file import patiently


class LogRow:
    """Names and numbers; what stands in the files is not looked at."""

    def __init__(self, path: str, size: int, backups: int) -> None:
        """Remember the settings.

        Args:
            size: the ceiling of each file in bytes.
            backups: how many older files are kept.
        """
        self._path = path
        self._size = size
        self._backups = backups

    def _older(self, number: int) -> str:
        return f"{self._path}.{number}"

    def tidy(self) -> None:
        """Bring the leftovers of another setting below the ceiling."""
        top = self._backups + 1
        while os.path.isfile(self._older(top)):
            top += 1
        # From the top, so that an interrupted tidying leaves no hole that would hide the rest from the next
        # one. A name with a date behind the dot is the work of another tool: the first hole ends the row.
        for number in range(top - 1, self._backups, -1):
            os.unlink(self._older(number))
        for path in (self._path, *map(self._older, range(1, min(top, self._backups + 1)))):
            if os.path.isfile(path) and os.path.getsize(path) > self._size:
                self._shorten(path)

    def _shorten(self, path: str) -> None:
        """Keep the newest whole lines of a file that a larger setting has left."""
        draft = f"{path}.tmp"
        with open(path, "rb") as old, open(draft, "wb", opener=_private) as new:
            old.seek(-self._size, os.SEEK_END)
            old.readline(self._size)
            while piece := old.read(1024 * 1024):
                new.write(piece)
        os.replace(draft, path)

    def shift(self) -> None:
        """Give each file the next number; the oldest goes, and the name is free. There must be backups.

        Raises:
            FileNotFoundError: somebody has taken the file or the folder away.
            OSError: it is refused.
        """
        # Not by renaming over it: ext4 then writes the whole successor to the disk at once, and half of the
        # bytes a second are lost for data that nobody asked to be safe.
        if os.path.lexists(self._older(self._backups)):
            patiently(lambda: os.unlink(self._older(self._backups)))
        for number in range(self._backups - 1, 0, -1):
            if os.path.lexists(self._older(number)):
                _rename(self._older(number), self._older(number + 1))
        _rename(self._path, self._older(1))


def _rename(source: str, target: str) -> None:
    patiently(lambda: os.replace(source, target))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
