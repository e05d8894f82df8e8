"""``dataclass(frozen=True, slots=True)`` at a quarter of its price.

The library writes and compiles seven functions for each such class: 560 us each, measured, and with some seventy
records a quarter of the time from ``watchdog run`` to the first line of its child. Here each class gets only its
constructor that way (130 us); comparing, hashing and showing are the same three functions for all. The type checker
sees the library's own decorator: it refuses to change a frozen record, so nothing does so again at run time.
``replace``, ``fields``, ``asdict`` and ``match`` work as ever.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


def _equal(self: Any, other: Any) -> bool:
    if self is other:
        return True
    if other.__class__ is not self.__class__:
        return False  # for records of different classes nobody else has another answer
    return all(bool(getattr(self, name) == getattr(other, name)) for name in self.__match_args__)


def _hash(self: Any) -> int:
    return hash((self.__class__, *(getattr(self, name) for name in self.__match_args__)))


def _show(self: Any) -> str:
    shown = (field.name for field in dataclasses.fields(self) if field.repr)
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{self.__class__.__qualname__}({values})"


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, slots: bool = False) -> Callable[[type], type]:
        """Make a record of a class; all its fields are arguments of its constructor and count in comparisons."""

        def make(found: type) -> type:
            made = dataclasses.dataclass(repr=False, eq=False, slots=slots)(found)
            own = vars(found)
            if "__eq__" not in own:
                made.__eq__ = _equal
                made.__hash__ = _hash if frozen else None
            if "__repr__" not in own:
                made.__repr__ = _show
            return made

        return make
