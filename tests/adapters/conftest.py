"""What several tests of this folder start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from log_bench import Bench
from trees import nest, others

__all__ = ["bench", "nest", "others"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    for child in found.children:
        if child.poll() is None:
            child.kill()
        child.wait()
    if found.pump is not None:
        found.pump.stop(5)
