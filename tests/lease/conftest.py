"""What the tests of the lease share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Watchdog
from lease_etcd import EtcdServer, etcd
from lease_pair import Hosts, Pair
from trees import nest

__all__ = ["etcd", "hosts", "nest"]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Callable[[str], Watchdog]]:
    """Makes one folder with a watchdog for each name; all are closed at the end."""
    made: dict[str, Watchdog] = {}

    def host(name: str) -> Watchdog:
        if name not in made:
            (tmp_path / name).mkdir()
            made[name] = Watchdog(tmp_path / name)
        return made[name]

    yield host
    for one in made.values():
        one.close()


@pytest.fixture
def pair(hosts: Hosts, etcd: EtcdServer, tmp_path: Path) -> Pair:
    """Nothing runs yet."""
    return Pair(hosts, etcd, tmp_path)
