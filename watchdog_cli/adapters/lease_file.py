"""What a watchdog writes down of its lease, so that its successor on this machine can go on with it."""

import contextlib
import json
import os
import uuid
from dataclasses import asdict, fields

from watchdog_cli.adapters import foreign_json
from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.records import dataclass

LIMIT = 65536


@dataclass(frozen=True, slots=True)
class Trace:
    """One holding of a lease.

    Args:
        lease, revision: as in ``etcd_lease.Grip``.
    """

    address: str
    lease: int
    revision: int
    ttl_s: float
    since: str
    guard_pid: int
    guard_ticks: int


def write_trace(path: str, trace: Trace, boot_id: str) -> None:
    """Replace the file.

    Raises:
        OSError: it could not be written.
    """
    write_atomic(
        path, json.dumps({"version": 1, "boot_id": boot_id, **asdict(trace)}).encode(), durable=False
    )


def read_trace(path: str, boot_id: str) -> Trace | None:
    """What the file says; None when there is none, it is damaged, or the machine was started since."""
    try:
        with open(path, "rb") as file:
            record = foreign_json.parse(file.read(LIMIT))
        if record["version"] != 1 or record["boot_id"] != boot_id:
            return None
        values = {one.name: record[one.name] for one in fields(Trace)}
        wanted = {"address": str, "since": str, "ttl_s": float}
        if any(type(value) is not wanted.get(name, int) for name, value in values.items()):
            return None
        return Trace(**values)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_id(path: str) -> str:
    """The name of this machine's copy of the state, made once; another one where it cannot be kept."""
    with contextlib.suppress(OSError, UnicodeDecodeError), open(path, encoding="ascii") as file:
        found = file.read(64).strip()
        if len(found) == 32 and found.isalnum():
            return found
    made = uuid.uuid4().hex
    with contextlib.suppress(OSError):
        write_atomic(path, f"{made}\n".encode(), mode=0o600)
    return made


def forget_trace(path: str) -> None:
    """Remove it, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(path)
