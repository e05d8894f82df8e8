"""What all tests here use."""

from trees import nest, others

__all__ = ["nest", "others"]
