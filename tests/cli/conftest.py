"""What all tests here use."""

from harness import dog
from rig import rig

__all__ = ["dog", "rig"]
