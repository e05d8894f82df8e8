"""Who looks at the screen: every window that was to be seen while a test did something."""

import ctypes
import threading
from ctypes import wintypes
from typing import Self

assert __import__("sys").platform == "win32"

_user32 = ctypes.WinDLL("user32", use_last_error=True)
_Visit = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
LOOK_S = 0.05  # a program lives longer than that


def windows_now() -> dict[int, str]:
    """The visible windows of the desktop: handle and title."""
    found: dict[int, str] = {}

    @_Visit
    def visit(window: int, _: int) -> bool:
        if _user32.IsWindowVisible(window):
            title = ctypes.create_unicode_buffer(256)
            _user32.GetWindowTextW(window, title, len(title))
            found[window] = title.value
        return True

    _user32.EnumWindows(visit, 0)
    return found


class ScreenWatch:
    """Context manager: looks all the time, in a thread of its own; ``seen`` has what was not there before."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        self.looks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._before = windows_now()
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.seen |= {
                window: title for window, title in windows_now().items() if window not in self._before
            }
            self.looks += 1

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(60)
