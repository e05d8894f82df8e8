"""What the tests of the manual share."""

from rig import rig

__all__ = ["rig"]
