"""What all tests here use."""

from rig import rig

__all__ = ["rig"]
