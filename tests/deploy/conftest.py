"""The container of these tests."""

from container_box import container

__all__ = ["container"]
