"""Be woken when the heartbeat file may have changed.

Notices only wake us early: network drives, bind mounts and full kernel tables lose them without a word, so whoever
needs the truth looks at the file. Linux: one inotify descriptor in the main thread's own wait, which costs no thread
and one wake-up for each change (``docs/decisions/0002`` has the figures). Elsewhere: the observer of the watchdog
library, in its own threads.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from watchdog_kit.os_errors import in_words

if TYPE_CHECKING:  # the observer needs none
    from watchdog_cli.adapters.inbox import Inbox

REST_S = 0.01  # a program that beats without rest wakes us at most a hundred times a second
CLOSE_S = 2.0  # the library looks once a second whether it shall end
EVENT_LIMIT = 64 * 1024
_FOLDER_GONE = 0x8000 | 0x2000 | 0x800 | 0x400  # watch removed, unmounted, folder moved or deleted


class InotifyNotice:
    """Watch the folder for a file that is put in place, and the file itself for one that is rewritten or touched.

    A file that is replaced takes its own watch with it, and a folder tells of every write to every file in it: each
    alone would be deaf or noisy.
    """

    def __init__(self, inbox: "Inbox", path: str, changed: Callable[[], None]) -> None:
        """Nothing is watched before ``ensure``.

        Args:
            changed: called in the main thread; it looks at the file.
        """
        self._inbox = inbox
        self._path = path
        self._folder = os.path.dirname(path) or "."
        self._name = os.fsencode(os.path.basename(path))
        self._changed = changed
        self._descriptor: int | None = None
        self._folder_watch: int | None = None

    def ensure(self) -> str | None:
        """Begin to watch, or again after the folder was replaced; return why it is not possible."""
        if self._descriptor is not None:
            return None
        from watchdog_cli.adapters import libc

        try:
            descriptor = libc.inotify_open()
        except OSError as error:
            return in_words(error)
        mask = libc.IN_CLOSE_WRITE | libc.IN_MOVED_TO | libc.IN_DELETE_SELF | libc.IN_MOVE_SELF
        try:
            self._folder_watch = libc.inotify_add(descriptor, self._folder, mask)
        except OSError as error:
            os.close(descriptor)
            return in_words(error)
        self._descriptor = descriptor
        self._watch_file()
        self._inbox.register(descriptor, self._on_ready)
        return None

    def _watch_file(self) -> None:
        from watchdog_cli.adapters import libc

        if self._descriptor is None:
            return
        # Not there yet, or not to be watched: the folder tells when it is put in place.
        with contextlib.suppress(OSError):
            libc.inotify_add(self._descriptor, self._path, libc.IN_MODIFY | libc.IN_ATTRIB)

    def _on_ready(self) -> None:
        if self._descriptor is None:
            return
        try:
            events = os.read(self._descriptor, EVENT_LIMIT)
        except OSError:
            return
        ours = moved = gone = False
        at = 0
        while at + 16 <= len(events):
            watch = int.from_bytes(events[at : at + 4], "little", signed=True)
            mask = int.from_bytes(events[at + 4 : at + 8], "little")
            length = int.from_bytes(events[at + 12 : at + 16], "little")
            name = events[at + 16 : at + 16 + length].rstrip(b"\0")
            at += 16 + length
            if watch == self._folder_watch:
                gone = gone or bool(mask & _FOLDER_GONE)
                moved = moved or name == self._name
            else:
                ours = True  # the file itself, or a queue that ran over
        if gone:
            self.close()
        elif moved:
            self._watch_file()
        if ours or moved or gone:
            self._changed()

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor is not None:
            self._inbox.unregister(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = self._folder_watch = None


FileNotice = InotifyNotice


class ObserverNotice:
    """macOS, Windows and others: the watchdog library tells; the look happens in the main thread."""

    def __init__(self, path: str, wake: Callable[[], None]) -> None:
        """Nothing is watched before ``ensure``.

        Args:
            wake: called in a thread of the library; makes the main thread look at the file.
        """
        self._path = os.path.normcase(os.path.abspath(path))
        self._folder = os.path.dirname(os.path.abspath(path))
        self._wake = wake
        self._observer: Any = None
        self._last = 0.0

    def ensure(self) -> str | None:
        """Begin to watch; return why it is not possible."""
        if self._observer is not None and self._observer.is_alive():
            return None
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        notice = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                notice.on_event(event.src_path, event.dest_path)

        observer = Observer()
        try:
            observer.schedule(Handler(), self._folder, recursive=False)
            observer.start()
        except (OSError, RuntimeError) as error:
            return str(error)
        self._observer = observer
        return None

    def on_event(self, source: str | bytes, target: str | bytes) -> None:
        """Take one event; an atomic replace names the file as its target only."""
        names = [os.path.normcase(os.fsdecode(name)) for name in (source, target)]
        now = time.monotonic()
        if self._path in names and now - self._last >= REST_S:
            self._wake()
            self._last = now

    def close(self) -> None:
        """Stop watching; a thread of the library that does not come back is left behind, for it ends with us."""
        observer, self._observer = self._observer, None
        if observer is not None:  # its ``stop`` waits for its threads without a limit
            stopper = threading.Thread(target=observer.stop, name="notice-end", daemon=True)
            stopper.start()
            stopper.join(CLOSE_S)
