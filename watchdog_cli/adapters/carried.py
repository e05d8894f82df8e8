"""The files that move with the lease: read, packed for the way, and put in their place on another machine."""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence

from watchdog_cli.adapters import foreign_json
from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.carried import write_carried

FILE_LIMIT = 64 << 20
PACKED_LIMIT = 16 << 20
_DAMAGED = "the saved files in etcd are damaged"
Files = Mapping[str, bytes | None]  # None: there is no such file


class BadPackError(ValueError):
    """What came is not what was sent."""


class Carried:
    """Those files of one folder."""

    def __init__(self, folder: str, names: Sequence[str], aside_folder: str) -> None:
        """Nothing is read yet.

        Args:
            names: relative to the folder, or absolute.
            aside_folder: keeps what was replaced, once.
        """
        self.names = tuple(names)
        self._folder = folder
        self._aside = aside_folder

    def path(self, name: str) -> str:
        """Where the file lies here."""
        return os.path.join(self._folder, name)

    @property
    def folders(self) -> set[str]:
        """All folders in which one of them lies."""
        return {os.path.dirname(self.path(name)) for name in self.names}

    def signature(self) -> tuple[object, ...]:
        """Differs whenever one of them was changed."""
        found: list[object] = []
        for name in self.names:
            try:
                one = os.stat(self.path(name))
            except OSError:
                found.append(None)
            else:
                found.append((one.st_ino, one.st_size, one.st_mtime_ns))
        return tuple(found)

    def read(self) -> dict[str, bytes | None]:
        """Their present content.

        Raises:
            OSError: one is there and cannot be read, or is far too large.
        """
        found: dict[str, bytes | None] = {}
        for name in self.names:
            try:
                with open(self.path(name), "rb") as file:
                    content = file.read(FILE_LIMIT + 1)
            except FileNotFoundError:
                found[name] = None
                continue
            if len(content) > FILE_LIMIT:
                raise OSError(f"{name} is too large to move with the lease")
            found[name] = content
        return found

    def confirm(self, record: str, files: Files) -> None:
        """Tell the program that these contents, as they were read, are safe.

        Raises:
            OSError: it cannot be told.
        """
        write_carried(record, {os.path.abspath(self.path(name)): content for name, content in files.items()})

    def restore(self, files: Files, *, only_missing: bool) -> list[str]:
        """Put in place what differs; return the names of what was changed. The old content is kept aside.

        Args:
            only_missing: leave alone what is there, since it is as new or newer.
        Raises:
            OSError: it cannot be written.
        """
        changed = []
        present = self.read()
        for name in self.names:
            if name not in files or files[name] == present[name]:
                continue
            if only_missing and (present[name] is not None or files[name] is None):
                continue
            self._keep_aside(name, present[name])
            content = files[name]
            if content is None:
                os.unlink(self.path(name))
            else:
                os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
                write_atomic(self.path(name), content, mode=0o600)
            changed.append(name)
        return changed

    def _keep_aside(self, name: str, content: bytes | None) -> None:
        if content is None:
            return
        os.makedirs(self._aside, mode=0o700, exist_ok=True)
        # Two names must not become one: "a/b" and "a_b" are different files.
        write_atomic(os.path.join(self._aside, name.replace("%", "%25").replace(os.sep, "%2F")), content)


def pack(files: Files) -> bytes:
    """All of them as one piece of bytes; the same for the same content."""
    record = {
        name: None if content is None else base64.b85encode(content).decode()
        for name, content in files.items()
    }
    packed = zlib.compress(json.dumps(record, sort_keys=True).encode(), 6)
    if len(packed) > PACKED_LIMIT:
        raise OSError("the files are too large to move with the lease")
    return packed


def digest(packed: bytes) -> str:
    """Tells one pack from another."""
    return hashlib.sha256(packed).hexdigest()


def unpack(packed: bytes) -> dict[str, bytes | None]:
    """What was packed.

    Raises:
        BadPackError: it is damaged.
    """
    unzip = zlib.decompressobj()
    try:
        record = foreign_json.parse(unzip.decompress(packed, 6 * FILE_LIMIT))
        whole = unzip.eof and not unzip.unused_data and isinstance(record, dict)
        items = record.items() if whole else ()
        files = {str(name): None if text is None else base64.b85decode(text) for name, text in items}
    except (zlib.error, ValueError, TypeError) as error:
        raise BadPackError(_DAMAGED) from error
    if not whole:
        raise BadPackError(_DAMAGED)
    return files
