"""What all tests here use."""

from trees import nest

__all__ = ["nest"]
