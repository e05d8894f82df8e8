"""Reading files that others rename and replace meanwhile: on Windows that must be allowed when a file is opened."""

import os
import sys

if sys.platform == "win32":
    from watchdog_cli.adapters.windows.files import open_shared

    def to_read(path: str, flags: int = os.O_RDONLY) -> int:
        """Open a file for reading so that its writer can still move or replace it; an opener for ``open``."""
        return open_shared(path, flags)

else:

    def to_read(path: str, flags: int = os.O_RDONLY) -> int:
        """Open a file for reading; an opener for ``open``. Nobody is ever kept from renaming it here."""
        return os.open(path, flags | os.O_NONBLOCK)  # a pipe in its place is not waited for
