"""What all tests here use."""

from harness import dog
from rig import rig
from tiny_disk import small_rig
from trees import others

__all__ = ["dog", "others", "rig", "small_rig"]
