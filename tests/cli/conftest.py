"""What all tests here use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import dog
from rig import rig
from tail_folder import Folder, Tty

__all__ = ["dog", "rig"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    found = Folder(tmp_path)
    yield found
    for child in found.started:
        if child.poll() is None:
            child.kill()
        child.communicate()


@pytest.fixture
def tty() -> Iterator[Tty]:
    found = Tty()
    yield found
    found.close()
