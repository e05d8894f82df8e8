"""What all tests here use."""

from harness import dog
from rig import rig
from trees import others

__all__ = ["dog", "others", "rig"]
