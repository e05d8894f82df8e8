"""state.json: what was saved is loaded, what is damaged is refused in one way, whatever its bytes."""

import json
import os
import stat
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from watchdog_cli.adapters import state_file
from watchdog_cli.adapters.state_file import BadStateError, decode, encode
from watchdog_cli.core.snapshot import LAST_RUNS, ChildRecord, LastRun, ProcessId, Snapshot

SAMPLE = Path(__file__).parents[1] / "data" / "state_v1.json"

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
PROCESS = st.builds(
    ProcessId,
    pid=st.integers(1, (1 << 31) - 1),
    start_ticks=st.none() | st.integers(0, 1 << 60),
    started_at=TEXT,
)
INSTANT = st.floats(0, 1e12)
LAST = st.builds(
    LastRun,
    at=TEXT,
    cause=TEXT,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    text=TEXT,
)
KNOWN = set(Snapshot.__dataclass_fields__) | {"version"}
SNAPSHOTS = st.builds(
    Snapshot,
    name=TEXT,
    folder=TEXT,
    command=st.lists(TEXT, max_size=5).map(tuple),
    watchdog=PROCESS,
    boot_id=TEXT,
    state=TEXT,
    child=st.none() | st.builds(ChildRecord, process=PROCESS, run_id=TEXT, number=st.integers(0, 1 << 40)),
    number=st.integers(0, 1 << 40),
    restarts=st.integers(0, 1 << 40),
    window=st.lists(INSTANT, max_size=5).map(tuple),
    cap=st.none() | st.integers(0, 1 << 40),
    window_s=INSTANT,
    ever_beat=st.booleans(),
    paused=st.booleans(),
    pause_until=st.none() | INSTANT,
    next_start=st.none() | INSTANT,
    last=st.lists(LAST, max_size=LAST_RUNS).map(tuple),
    ended=TEXT,
    exit_code=st.none() | st.integers(0, 255),
    heartbeat_file=TEXT,
    heartbeat_timeout_s=INSTANT,
    log_dir=TEXT,
    written_at=TEXT,
    unknown=st.dictionaries(TEXT.filter(lambda key: key not in KNOWN), VALUES, max_size=3),
)


def _base() -> dict[str, object]:
    found = json.loads(SAMPLE.read_text())
    assert isinstance(found, dict)
    return found


@given(SNAPSHOTS)
def test_what_is_saved_is_loaded(snapshot: Snapshot) -> None:
    """Every snapshot comes back as it was, fields of a later version included."""
    assert decode(encode(snapshot)) == snapshot


def test_sample_of_the_first_version_loads_for_ever() -> None:
    """The file that a watchdog of version 1 left is understood field by field."""
    found = decode(SAMPLE.read_bytes())
    assert (found.name, found.folder, found.state) == ("tracker", "/home/user/tökens", "running")
    assert found.command == ("python", "-m", "tracker", "--label", "عربي", "")
    assert found.watchdog == ProcessId(4711, 123456, "2026-11-25T03:28:00.123Z")
    assert found.child == ChildRecord(
        ProcessId(4712, 123467, "2026-11-25T03:28:00.250Z"), "0123456789abcdef0123456789abcdef", 12
    )
    assert (found.number, found.restarts, found.cap, found.window_s) == (12, 11, 10, 300.0)
    assert found.window == (1000.5, 1010.25, 1020.125)
    assert (found.ever_beat, found.paused, found.pause_until, found.next_start) == (True, True, 2000.0, None)
    assert [one.cause for one in found.last] == ["signal", "hang"]
    assert found.last[0].signal == 9
    assert (found.ended, found.exit_code, found.log_dir) == ("", None, "logs")
    assert (found.heartbeat_file, found.heartbeat_timeout_s) == ("heartbeat.json", 120.0)
    assert found.unknown == {"a_field_of_a_later_version": {"kept": ["as", "it", "is"]}}


def test_fields_of_a_later_version_survive_a_save() -> None:
    """What we do not know is written again as it was."""
    found = replace(decode(SAMPLE.read_bytes()), state="paused")
    again = json.loads(encode(found))
    assert again["a_field_of_a_later_version"] == {"kept": ["as", "it", "is"]}
    assert again["state"] == "paused"
    assert again["version"] == 1


def test_least_file_loads() -> None:
    """A file with nothing but its version and its watchdog is complete; all else has a default."""
    found = decode(b'{"version": 1, "watchdog": {"pid": 5}}')
    assert found.child is None
    assert found.window == ()
    assert found.log_dir == "logs"


def test_newer_version_is_refused_by_name() -> None:
    """A file of a later format is not guessed at."""
    with pytest.raises(BadStateError, match=r"newer watchdog \(version 2\)"):
        decode(json.dumps({**_base(), "version": 2}).encode())


@given(st.binary(max_size=400))
@example(b"")
@example(b"\0" * 4096)
@example(b"[]")
@example(b"null")
@example(b'{"version": 1}')
@example(b'{"version": true, "watchdog": 1}')
@example(b"[" * 200_000)
@example(b'{"version": 1, "watchdog": {"pid": 5}, "x": ' + b"[" * 400 + b"]" * 400 + b"}")
@example(b'{"version": 1e999}')
@example(b"9" * 5000)
def test_any_bytes_give_a_snapshot_or_one_kind_of_error(content: bytes) -> None:
    """No bytes raise anything but BadStateError, and what is accepted can be saved again."""
    try:
        found = decode(content)
    except BadStateError:
        return
    assert decode(encode(found)) == found


@given(st.sampled_from(sorted(KNOWN - {"unknown"})), VALUES)
@settings(max_examples=400)
def test_any_value_in_any_field(field: str, value: object) -> None:
    """A field of a wrong kind is refused, or the whole can be saved and loaded again."""
    try:
        found = decode(json.dumps({**_base(), field: value}).encode())
    except BadStateError:
        return
    assert decode(encode(found)) == found


@given(st.data())
def test_any_damage_to_a_real_file(data: st.DataObject) -> None:
    """Cut, overwritten or doubled parts of a real file never raise anything else."""
    content = bytearray(SAMPLE.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(0, 200))
    content[at : at + length] = data.draw(st.binary(max_size=20))
    try:
        found = decode(bytes(content))
    except BadStateError:
        return
    assert decode(encode(found)) == found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("folder", "/a\0b"),
        ("log_dir", "\0"),
        ("heartbeat_file", "\ud800"),
        ("command", ["a", "b\0"]),
        ("child", {"process": {"pid": 5, "start_ticks": 1}, "run_id": "\ud800"}),
        ("child", {"process": {"pid": 0}}),
        ("child", {"process": {"pid": 1 << 31}}),
        ("child", {"process": {"pid": -1}}),
        ("child", []),
        ("window", ["1"]),
        ("window", [True]),
        ("window", {"a": 1}),
        ("last", [1]),
        ("paused", 1),
        ("pause_until", "never"),
        ("number", 1.5),
        ("number", 1 << 100),
        ("window_s", True),
    ],
)
def test_values_that_would_hurt_later_are_refused(field: str, value: object) -> None:
    """Text that can be no path, numbers that can be no pid and wrong kinds stop at the door."""
    with pytest.raises(BadStateError, match="is wrong"):
        decode(json.dumps({**_base(), field: value}).encode())


def test_undecodable_file_names_survive() -> None:
    """A folder whose name is no UTF-8 is kept byte by byte."""
    snapshot = replace(
        decode(SAMPLE.read_bytes()), folder=os.fsdecode(b"/home/\xff\xfe"), command=("\udcff",)
    )
    assert decode(encode(snapshot)) == snapshot


def test_lists_are_bounded() -> None:
    """A file with a million restarts is cut to the newest that can matter."""
    content = json.dumps({**_base(), "window": list(range(20_000)), "last": [{}] * 500}).encode()
    found = decode(content)
    assert len(found.window) == state_file.WINDOW_LIMIT
    assert found.window[-1] == 19_999
    assert len(found.last) == LAST_RUNS


def test_longest_command_line_fits() -> None:
    """Arguments as long as the system takes them, in the script that grows most, do not make the file unreadable."""
    snapshot = replace(decode(SAMPLE.read_bytes()), command=("\u0639" * 60_000,) * 17)
    assert decode(encode(snapshot)) == snapshot


def test_huge_file_costs_little(tmp_path: Path) -> None:
    """Of a file of gigabytes no more than the limit is read."""
    path = tmp_path / "state.json"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    tracemalloc.start()
    with pytest.raises(BadStateError, match="far too large"):
        state_file.load(str(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20


def test_no_file_is_no_state(tmp_path: Path) -> None:
    """Nothing there is not damage; a folder, or a way through a file, is told."""
    assert state_file.load(str(tmp_path / "state.json")) is None
    with pytest.raises(BadStateError, match="cannot be read: is a directory"):
        state_file.load(str(tmp_path))


def test_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe under the name of the state file holds nobody up."""
    os.mkfifo(tmp_path / "state.json")
    with pytest.raises(BadStateError):
        state_file.load(str(tmp_path / "state.json"))


def test_save_replaces_in_one_step_and_is_private(tmp_path: Path) -> None:
    """A reader sees the old or the new file; it is 0600 and nothing else is left."""
    path = tmp_path / "state.json"
    snapshot = decode(SAMPLE.read_bytes())
    state_file.save(str(path), snapshot)
    before = path.stat().st_ino
    with path.open("rb") as held:
        state_file.save(str(path), replace(snapshot, number=13))
        assert decode(held.read()) == snapshot
    assert state_file.load(str(path)) == replace(snapshot, number=13)
    assert path.stat().st_ino != before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_bad_file_is_set_aside_with_a_date(tmp_path: Path) -> None:
    """It is renamed, not deleted, and a second one in the same second loses neither."""
    path = tmp_path / "state.json"
    for content in ("first", "second"):
        path.write_text(content)
        assert state_file.set_aside(str(path)) is not None
    assert not path.exists()
    kept = sorted(entry.read_text() for entry in tmp_path.iterdir())
    assert kept == ["first", "second"]
    assert all(entry.name.startswith("state.json.bad-2") for entry in tmp_path.iterdir())


def test_folder_in_its_place_is_set_aside_too(tmp_path: Path) -> None:
    """A folder under that name is moved away, whatever is in it."""
    path = tmp_path / "state.json"
    (path / "inner").mkdir(parents=True)
    aside = state_file.set_aside(str(path))
    assert aside is not None
    assert os.path.isdir(os.path.join(aside, "inner"))
    assert not path.exists()


def test_set_aside_of_nothing_is_none(tmp_path: Path) -> None:
    """What is not there cannot be moved."""
    assert state_file.set_aside(str(tmp_path / "state.json")) is None
