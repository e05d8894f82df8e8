"""What all tests here use."""

from rig import rig
from systemd_box import box

__all__ = ["box", "rig"]
