"""What can be seen of a living process from outside, for whoever wants to know later why it froze.

Read from /proc on Linux, by psutil elsewhere. Everything is bounded: a process may have a million files open.
"""

import contextlib
import os
import struct
import sys
from collections.abc import Iterator

from watchdog_cli.adapters.system import processes
from watchdog_kit.printable import printable
from watchdog_kit.quantities import format_duration, format_size
from watchdog_kit.records import dataclass

MOST_THREADS = 100
MOST_FILES = 100
MOST_SOCKETS = 50
MOST_MEMBERS = 30
TABLE_LIMIT = 1 << 20  # bytes of one table of connections
_STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting for a disk or a network drive",
    "T": "stopped by a signal",
    "t": "stopped by a debugger",
    "Z": "dead",
    "X": "dead",
    "I": "idle",
}
# The kernel's numbers: include/net/tcp_states.h
_TCP = (
    "?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What was seen.

    Args:
        numbers: for machines: threads, rss_bytes, peak_bytes, open_files, sockets; only those that are known.
        lines: for people.
    """

    numbers: dict[str, int]
    lines: list[str]


def look(pid: int, start_ticks: int | None) -> ProcessFacts | None:
    """Look at a process; None if it is gone, goes meanwhile, or another one has its number."""
    if not sys.platform.startswith("linux"):
        return _by_psutil(pid)
    found = processes.stat(pid)
    if found is None or found.is_zombie or start_ticks not in {None, found.start_ticks}:
        return None
    numbers: dict[str, int] = {}
    state = _STATES.get(found.state, found.state)
    lines = [
        f"Process {pid} ({found.name}): {state}; runs for {format_duration(processes.age_s(found.start_ticks))}",
        f"CPU used: {format_duration(processes.cpu_seconds(found.cpu_ticks))}",
        *_memory(pid, numbers),
        *_threads(pid, numbers),
        *_files(pid, numbers),
        *_members(pid),
    ]
    # One that ended meanwhile has no files and no threads, which is not what it had.
    return ProcessFacts(numbers, lines) if processes.is_same(pid, found.start_ticks) else None


def _memory(pid: int, numbers: dict[str, int]) -> list[str]:
    wanted = {"VmRSS": "rss_bytes", "VmHWM": "peak_bytes", "VmSwap": "swap_bytes"}
    for line in _text(f"/proc/{pid}/status").splitlines():
        key, _, value = line.partition(":")
        if key in wanted and value.split():
            numbers[wanted[key]] = int(value.split()[0]) * 1024
    if "rss_bytes" not in numbers:
        return []
    swap = numbers.get("swap_bytes", 0)
    swapped = f", swapped out {format_size(swap)}" if swap else ""
    peak = numbers.get("peak_bytes", numbers["rss_bytes"])
    return [f"Memory: {format_size(numbers['rss_bytes'])}, at most {format_size(peak)}{swapped}"]


def _threads(pid: int, numbers: dict[str, int]) -> list[str]:
    try:
        threads = sorted(int(entry) for entry in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return []
    numbers["threads"] = len(threads)
    lines = [f"Threads: {len(threads)}"]
    for thread in threads[:MOST_THREADS]:
        base = f"/proc/{pid}/task/{thread}"
        state = _text(f"{base}/stat").rpartition(")")[2].split()[:1]
        where = _text(f"{base}/wchan").strip()
        name = _text(f"{base}/comm").strip()
        waits = f", in {where}" if where not in {"", "0"} else ""
        lines.append(f"  {thread} {name}: {_STATES.get(''.join(state), ''.join(state) or 'gone')}{waits}")
    return [*lines, *_more(len(threads), MOST_THREADS)]


def _files(pid: int, numbers: dict[str, int]) -> list[str]:
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = sorted(int(entry) for entry in os.listdir(folder))
    except OSError:
        return ["Open files: not ours to look at"]
    plain: list[str] = []
    sockets: dict[str, int] = {}
    for descriptor in descriptors[: 10 * MOST_FILES]:
        try:
            target = os.readlink(f"{folder}/{descriptor}")
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets[target[8:-1]] = descriptor
        else:
            plain.append(f"  {descriptor} {_shown(target)}")
    numbers["open_files"] = len(descriptors)
    numbers["sockets"] = len(sockets)
    return [
        f"Open files: {len(descriptors)}",
        *plain[:MOST_FILES],
        *_more(len(plain), MOST_FILES),
        f"Sockets: {len(sockets)}",
        *_sockets(pid, sockets),
    ]


def _sockets(pid: int, wanted: dict[str, int]) -> list[str]:
    if not wanted:
        return []
    lines: list[str] = []
    for inode, text in _connections(pid):
        descriptor = wanted.pop(inode, None)
        if descriptor is not None:
            lines.append(f"  {descriptor} {text}")
        if not wanted:
            break
    other = f"  {len(wanted)} of other kinds" if wanted else ""
    return [*lines[:MOST_SOCKETS], *_more(len(lines), MOST_SOCKETS), *filter(None, [other])]


def _connections(pid: int) -> Iterator[tuple[str, str]]:
    """Inode and description of each connection of the network that the process lives in."""
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in _text(f"/proc/{pid}/net/{kind}", TABLE_LIMIT).splitlines()[1:]:
            parts = line.split()
            if len(parts) < 10:
                continue
            with contextlib.suppress(ValueError, IndexError, struct.error):
                unsent, _, unread = parts[4].partition(":")
                waiting = f", {int(unread, 16)} bytes unread, {int(unsent, 16)} bytes unsent"
                number = int(parts[3], 16)
                state = f" {_TCP[number]}" if kind.startswith("tcp") and number < len(_TCP) else ""
                yield parts[9], f"{kind} {_address(parts[1])} -> {_address(parts[2])}{state}{waiting}"
    for line in _text(f"/proc/{pid}/net/unix", TABLE_LIMIT).splitlines()[1:]:
        parts = line.split(maxsplit=7)
        if len(parts) >= 7:
            yield parts[6], f"unix {_shown(parts[7]) if len(parts) > 7 else '(no name)'}"


def _address(text: str) -> str:
    """``0100007F:0050`` is 127.0.0.1:80: words of four bytes in the order of the machine."""
    import socket

    host, _, port = text.partition(":")
    words = [int(host[place : place + 8], 16) for place in range(0, len(host), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{int(port, 16)}"


def _members(pid: int) -> list[str]:
    everyone = processes.everybody()
    below = sorted(processes.descendants({pid}, everyone))
    if not below:
        return []
    lines = [f"Processes that it started: {len(below)}"]
    for one in (everyone[other] for other in below[:MOST_MEMBERS]):
        memory = format_size(processes.resident_bytes(one.pid))
        lines.append(f"  {one.pid} {one.name}: {_STATES.get(one.state, one.state)}, {memory}")
    return [*lines, *_more(len(below), MOST_MEMBERS)]


def _more(count: int, shown: int) -> list[str]:
    return [f"  ... and {count - shown} more"] if count > shown else []


def _shown(text: str) -> str:
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return printable(plain)[:300]


def _text(path: str, limit: int = 65536) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            parts = []
            while limit > 0 and (part := file.read(min(limit, 65536))):
                parts.append(part)
                limit -= len(part)
    except OSError:
        return ""
    return b"".join(parts).decode("utf-8", "replace")


def _by_psutil(pid: int) -> ProcessFacts | None:
    import psutil

    try:
        process = psutil.Process(pid)
        numbers = {"rss_bytes": process.memory_info().rss, "threads": process.num_threads()}
        lines = [
            f"Process {pid} ({process.name()}): {process.status()}",
            f"Memory: {format_size(numbers['rss_bytes'])}",
            f"Threads: {numbers['threads']}",
        ]
        with contextlib.suppress(psutil.AccessDenied):
            files = process.open_files()
            numbers["open_files"] = len(files)
            lines += [f"Open files: {len(files)}", *(f"  {_shown(file.path)}" for file in files[:MOST_FILES])]
    except (psutil.Error, OSError):
        return None
    return ProcessFacts(numbers, lines)
