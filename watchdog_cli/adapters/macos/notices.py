"""Be woken when the heartbeat file may have changed: FSEvents tells the watchdog library, the main thread looks."""

import os
from collections.abc import Callable

from watchdog_cli.adapters.file_notice import ObserverNotice
from watchdog_cli.adapters.macos.inbox import Inbox


class FileNotice(ObserverNotice):
    """Notices of one file, for the main thread."""

    def __init__(self, inbox: Inbox, path: str, changed: Callable[[], None]) -> None:
        """Nothing is watched before ``ensure``.

        Args:
            changed: called in the main thread; it looks at the file.
        """
        # FSEvents speaks of files by their real folder, and /tmp is a link on a Mac.
        folder, name = os.path.split(os.path.abspath(path))
        super().__init__(os.path.join(os.path.realpath(folder), name), lambda: inbox.call(changed))
