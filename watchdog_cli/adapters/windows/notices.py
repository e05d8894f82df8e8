"""Be woken when the heartbeat file may have changed: the watchdog library tells, the main thread looks."""

import sys
from collections.abc import Callable

from watchdog_cli.adapters.file_notice import ObserverNotice
from watchdog_cli.adapters.windows.inbox import Inbox

assert sys.platform == "win32"


class FileNotice(ObserverNotice):
    """Notices of one file, for the main thread."""

    def __init__(self, inbox: Inbox, path: str, changed: Callable[[], None]) -> None:
        """Nothing is watched before ``ensure``.

        Args:
            changed: called in the main thread; it looks at the file.
        """
        super().__init__(path, lambda: inbox.call(changed))
