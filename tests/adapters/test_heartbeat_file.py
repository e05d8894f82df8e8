"""The heartbeat file: what counts as a beat, and what never is an error."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.adapters.heartbeat import READ_LIMIT, HeartbeatFile, NotABeatError, parse
from watchdog_cli.core.events import Beat
from watchdog_cli.core.facts import Notice
from watchdog_cli.core.policy import Source


class Bench:
    """One heartbeat file and all that is said of it."""

    def __init__(self, path: Path, progress_key: str | None = None, ours: tuple[int, ...] = (7,)) -> None:
        self.path = path
        self.said: list[str] = []
        self.file = HeartbeatFile(
            str(path),
            progress_key=progress_key,
            belongs=lambda pid: pid in ours,
            say=lambda notice: self.said.append(notice.message),
            timeout_s=120.0,
            timeout_is_chosen=True,
        )

    def write(self, text: str | bytes) -> None:
        """Replace it in one step, as a careful program does."""
        content = text.encode() if isinstance(text, str) else text
        fresh = self.path.with_name("fresh.tmp")
        fresh.write_bytes(content)
        fresh.replace(self.path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    found = Bench(tmp_path / "heartbeat.json")
    found.file.begin_run("run-1")
    return found


def _is_beat(found: Beat | None, progress: str | None = None) -> bool:
    return found is not None and found.source is Source.FILE and found.progress == progress


def _touch(path: Path) -> None:
    path.touch()
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1_000_000))


def _write_without_a_trace(bench: Bench) -> None:
    """As through mapped memory where the file lies in memory: another content, the time and size of before."""
    before = bench.path.stat()
    bench.path.write_text('{"seq": 2}')
    os.utime(bench.path, ns=(before.st_atime_ns, before.st_mtime_ns))


WAYS: dict[str, Callable[[Bench], object]] = {
    "replaced": lambda bench: bench.write("{}"),
    "rewritten in place": lambda bench: bench.path.write_text('{"seq": 12345}'),
    "rewritten without a trace": _write_without_a_trace,
    "touched": lambda bench: _touch(bench.path),
    "emptied": lambda bench: bench.path.write_bytes(b""),
    "touched with an old time": lambda bench: os.utime(bench.path, (1, 1)),
    "touched with a time to come": lambda bench: os.utime(bench.path, (4e9, 4e9)),
    "list instead of an object": lambda bench: bench.write("[1, 2]"),
    "a bare number": lambda bench: bench.write("17"),
    "blank": lambda bench: bench.write(" \n\t "),
    "with a byte order mark": lambda bench: bench.write(b'\xef\xbb\xbf{"a": 1}'),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_change_is_a_beat_once(bench: Bench, way: str) -> None:
    """Each way in which the file can change is one beat, and the next look finds nothing new."""
    bench.path.write_text('{"seq": 1}')
    bench.file.begin_run("run-1")
    assert bench.file.look() is None, "what lay there before the run is no beat"
    WAYS[way](bench)
    assert _is_beat(bench.file.look())
    assert bench.file.look() is None
    assert bench.said == []


def test_file_that_appears_is_a_beat(bench: Bench) -> None:
    """No file is no beat; a first one is."""
    assert not bench.file.lies_there()
    assert bench.file.look() is None
    bench.path.touch()
    assert bench.file.lies_there()
    assert _is_beat(bench.file.look())


def test_file_that_vanishes_and_returns_unchanged_is_no_beat(bench: Bench) -> None:
    """Moving the same file away and back proves nothing; a copy is another file and counts."""
    bench.write("{}")
    assert _is_beat(bench.file.look())
    bench.path.rename(bench.path.with_name("away"))
    assert bench.file.look() is None
    bench.path.with_name("away").rename(bench.path)
    assert bench.file.look() is None


GARBAGE: dict[str, bytes] = {
    "half written": b'{"timestamp": "2026-',
    "not JSON": b"hello",
    "binary": bytes(range(256)),
    "NUL": b"\0" * 100,
    "too large": b" " * (READ_LIMIT + 1),
    "deep": b"[" * 50_000,
    "deep and closed": b'{"a":' * 400 + b"1" + b"}" * 400,
    "endless number": b"9" * 60_000,
    "broken UTF-8": b'{"a": "\xff\xfe"}',
}


@pytest.mark.parametrize("what", list(GARBAGE))
def test_garbage_is_no_beat_and_said_once(bench: Bench, what: str) -> None:
    """Unreadable content is no beat and no error, is said once for a run, and does not hide what comes after."""
    bench.write(GARBAGE[what])
    for _ in range(3):
        assert bench.file.look() is None
        _touch(bench.path)
    assert len(bench.said) == 1
    assert "does not count as a heartbeat" in bench.said[0]
    bench.write('{"seq": 1}')
    assert _is_beat(bench.file.look())
    bench.file.begin_run("run-2")
    bench.write(GARBAGE[what])
    assert bench.file.look() is None
    assert len(bench.said) == 2, "a new run may hear of it again"


def test_file_that_is_filled_in_place_within_one_moment_counts(bench: Bench) -> None:
    """A half-written file is looked at again even if neither its size nor its time has changed since."""
    bench.path.write_bytes(b'{"a": 1,')
    held = bench.path.stat()
    assert bench.file.look() is None
    bench.path.write_bytes(b'{"a": 1}')
    os.utime(bench.path, ns=(held.st_atime_ns, held.st_mtime_ns))
    assert _is_beat(bench.file.look())


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device", "dangling link", "loop"])
def test_what_is_no_file_never_stops_us(bench: Bench, kind: str) -> None:
    """A folder, a pipe, a device or a broken link in its place is not read, not waited for, and not an error."""
    import socket

    path = bench.path
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            os.chdir(path.parent)
            one.bind(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.symlink_to(path.name)
    began = time.monotonic()
    assert bench.file.look() is None
    assert bench.file.look() is None
    assert time.monotonic() - began < 1
    assert len(bench.said) == (0 if kind == "dangling link" else 1)
    bench.file.begin_run("run-2")
    assert bench.file.lies_there()


def test_pipe_that_takes_the_place_between_two_calls_is_not_waited_for(bench: Bench) -> None:
    """The file was a file when we looked and is a pipe when we read: the read returns at once."""
    bench.write("{}")
    real = bench.file._signature

    def swapped() -> tuple[int, int, int, int] | None:
        found = real()
        bench.path.unlink()
        os.mkfifo(bench.path)
        return found

    bench.file._signature = swapped  # type: ignore[method-assign]
    began = time.monotonic()
    bench.file.look()
    assert time.monotonic() - began < 1


def test_link_to_a_file_is_followed(bench: Bench, tmp_path: Path) -> None:
    """The heartbeat may be a link; what it leads to counts."""
    target = tmp_path / "elsewhere.json"
    bench.path.symlink_to(target)
    assert bench.file.look() is None
    target.write_text('{"seq": 1}')
    assert _is_beat(bench.file.look())
    target.write_text('{"seq": 22}')
    assert _is_beat(bench.file.look())


def test_huge_file_is_not_read_whole(bench: Bench) -> None:
    """Of fifty megabytes no more than the limit is held."""
    import tracemalloc

    with bench.path.open("wb") as file:
        file.truncate(50_000_000)
    tracemalloc.start()
    assert bench.file.look() is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert bench.said
    assert "larger than 64 KiB" in bench.said[0]


def test_unreadable_file_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is no beat; the reason is said."""

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    bench.write("{}")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert bench.file.look() is None
    assert bench.said == [
        f"{bench.path} cannot be read: permission denied; that does not count as a heartbeat"
    ]
    assert _is_beat(bench.file.look()), "once it can be read it counts"


def test_file_in_a_folder_that_may_not_be_entered_is_said(tmp_path: Path) -> None:
    """The name leads nowhere that we may look: no beat, and said once, or the hang would be a riddle."""
    (tmp_path / "loop").symlink_to("loop")  # root may enter all else
    bench = Bench(tmp_path / "loop" / "heartbeat.json")
    bench.file.begin_run("run-1")
    assert bench.file.look() is None
    assert bench.file.look() is None
    assert len(bench.said) == 1
    assert "heartbeat.json cannot be looked at: too many levels of symbolic links" in bench.said[0]


def test_beat_of_another_run_does_not_count(bench: Bench) -> None:
    """A run id that is not ours is somebody else's beat; ours, an empty one and none at all count."""
    bench.write('{"runId": "run-0"}')
    assert bench.file.look() is None
    bench.write('{"runId": "run-0", "seq": 2}')
    assert bench.file.look() is None
    assert len(bench.said) == 1
    assert bench.file.fields == {}
    for counted in ('{"runId": "run-1"}', '{"runId": ""}', '{"runId": 5}', "{}"):
        bench.write(counted)
        assert _is_beat(bench.file.look()), counted


def test_foreign_pid_counts_and_is_said_once(bench: Bench) -> None:
    """A pid that is not of the tree counts (a container has other numbers) but is told of."""
    bench.write('{"pid": 999}')
    assert _is_beat(bench.file.look())
    assert bench.file.foreign_pid == 999
    bench.write('{"pid": 999, "seq": 2}')
    assert _is_beat(bench.file.look())
    assert len(bench.said) == 1
    bench.write('{"pid": 7}')
    assert _is_beat(bench.file.look())
    assert bench.file.foreign_pid is None


@pytest.mark.parametrize("pid", ["true", "-1", "0", "1e3", '"12"', "null", "9999999999999999999999", "[1]"])
def test_strange_pids_are_left_alone(bench: Bench, pid: str) -> None:
    """A pid that cannot be one is neither looked up nor an error."""
    bench.write(f'{{"pid": {pid}}}')
    assert _is_beat(bench.file.look())
    assert bench.file.foreign_pid is None


def test_progress_is_taken_along(tmp_path: Path) -> None:
    """The watched value comes with the beat as text that is equal only for equal values."""
    bench = Bench(tmp_path / "hb.json", progress_key="lastCycle")
    bench.file.begin_run("r")
    seen = []
    for value in ('"a"', "1", "1.0", "true", '{"b": 1, "a": 2}', '{"a": 2, "b": 1}', "0", '""'):
        bench.write(f'{{"lastCycle": {value}}}')
        beat = bench.file.look()
        assert beat is not None
        seen.append(beat.progress)
    assert seen[4] == seen[5]
    assert len(set(seen)) == len(seen) - 1
    bench.write('{"other": 1}')
    beat = bench.file.look()
    assert beat is not None
    assert beat.progress is None
    assert bench.said == [f"{bench.path} has no field 'lastCycle' to watch the progress by"]


def test_path_that_cannot_be_one_is_no_error(tmp_path: Path) -> None:
    """A name with a NUL or one far too long is just not there."""
    for name in ("a\0b", "x" * 5000):
        bench = Bench(tmp_path / name)
        bench.file.begin_run("r")
        assert bench.file.look() is None


@given(st.binary(max_size=300))
def test_any_content_gives_fields_or_one_error(content: bytes) -> None:
    """Parsing raises nothing but its own error, and the fields can be written as strict JSON again."""
    try:
        fields = parse(content)
    except NotABeatError:
        return
    json.dumps(fields, allow_nan=False)


def test_numbers_that_are_none_do_not_spoil_the_fields() -> None:
    """NaN and infinite numbers become text: whoever passes the fields on writes strict JSON."""
    fields = parse(b'{"a": NaN, "b": [1e999, -Infinity], "c": 1.5}')
    assert fields == {"a": "NaN", "b": ["1e999", "-Infinity"], "c": 1.5}


def test_notice_is_one_line() -> None:
    """What is said of a file with a wild name stays one line without escapes."""
    said: list[Notice] = []
    file = HeartbeatFile(
        "/proc/self/\n\x1b[2J",
        progress_key=None,
        belongs=lambda _: True,
        say=said.append,
        timeout_s=120.0,
        timeout_is_chosen=True,
    )
    file._say_once("x", f"{file.path} is odd")
    assert said[0].text.isprintable()
