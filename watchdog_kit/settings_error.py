"""What is wrong with a setting, and in which place it stands."""

from enum import IntEnum


class Layer(IntEnum):
    """Where a value comes from; the higher one wins."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    OPTION = 3


class SettingsError(ValueError):
    """A setting is wrong. The text is one line: the place, what is wrong there, what is right."""

    def __init__(self, key: str, origin: str, reason: str, layer: Layer) -> None:
        super().__init__(f"{origin}: {reason}")
        self.key = key
        self.origin = origin
        self.reason = reason
        self.layer = layer
