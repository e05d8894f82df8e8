"""No content of a file, whatever it is, makes a reader raise anything but its documented error, or eat memory."""

import contextlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracker.errors import UnrecoverableError
from tracker.place import Place
from tracker.store import Store
from tracker.token_file import DamagedError, decode
from watchdog_cli.adapters import heartbeat, state_file
from watchdog_cli.adapters.config_file import load_settings
from watchdog_cli.adapters.heartbeat import HeartbeatFile, NotABeatError
from watchdog_cli.adapters.journal_reader import read_notes
from watchdog_cli.adapters.state_file import BadStateError
from watchdog_cli.core.errors import ConfigError, UsageError
from watchdog_cli.core.facts import Notice

CAREFUL = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MINT = "So11111111111111111111111111111111111111112"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NESTED = b"[" * 100_000
HUGE_NUMBER = b"9" * 10_000
SPECIAL = st.sampled_from(
    [b"", b"\0" * 64, NESTED, b'{"a":' * 50_000, HUGE_NUMBER, b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"NaN"]
)


def _keyed(*names: str) -> st.SearchStrategy[bytes]:
    """JSON objects that use the names which the reader knows, with values of every kind."""
    known = st.dictionaries(st.sampled_from(names), JSON, max_size=8)
    return known.map(lambda found: json.dumps(found).encode())


def _cut(content: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A writer that was interrupted."""
    return st.tuples(content, st.integers(0, 300)).map(lambda pair: pair[0][: pair[1]])


BEATS = _keyed("pid", "runId", "status", "intervalSeconds", "dumpSignal", "lastCycle", "message")
KEYS = [
    "restart-delay",
    "max-restarts",
    "heartbeat",
    "restart",
    "memory-limit",
    "sd-notify",
    "name",
    "log-size",
]
STATES = _keyed(
    "version",
    "name",
    "folder",
    "command",
    "watchdog",
    "child",
    "window",
    "last",
    "restarts",
    "paused",
    "boot_id",
)


@CAREFUL
@given(content=st.binary(max_size=400) | SPECIAL | BEATS | _cut(BEATS))
def test_a_heartbeat_of_any_content(tmp_path: Path, content: bytes) -> None:
    """It is a beat or it is not; nothing else happens, and what is said is one line each."""
    said: list[Notice] = []
    path = tmp_path / "heartbeat.json"
    path.unlink(missing_ok=True)
    reader = HeartbeatFile(
        str(path),
        progress_key="lastCycle",
        belongs=lambda pid: pid == 1,
        say=said.append,
        timeout_s=120,
        timeout_is_chosen=True,
    )
    reader.begin_run("0123abcd")
    path.write_bytes(content)
    beat = reader.look()
    try:
        fields = heartbeat.parse(content)
    except NotABeatError:
        assert beat is None
    else:
        other = isinstance(fields.get("runId"), str) and fields["runId"] not in ("", "0123abcd")
        assert (beat is None) == other
    assert all("\n" not in notice.text for notice in said)


@CAREFUL
@given(content=st.binary(max_size=400) | SPECIAL | STATES | _cut(STATES))
def test_a_state_file_of_any_content(content: bytes) -> None:
    """A snapshot or a BadStateError; and what was read can be written and read again."""
    try:
        snapshot = state_file.decode(content)
    except BadStateError as error:
        assert "\n" not in str(error)
    else:
        assert state_file.decode(state_file.encode(snapshot)) == snapshot


@CAREFUL
@given(
    lines=st.lists(
        st.binary(max_size=100) | SPECIAL | _keyed("v", "seq", "at", "fact", "run", "cause"), max_size=6
    )
)
def test_a_journal_of_any_content(tmp_path: Path, lines: list[bytes]) -> None:
    """Lines that say nothing are passed over; the others come out."""
    good = b'{"v": 1, "seq": 5, "at": "2026-11-25T03:28:00.123Z", "fact": "finished", "why": "x", "exit_code": 0}'
    path = tmp_path / "journal.jsonl"
    path.write_bytes(good + b"\n" + b"\n".join(lines) + b"\n")
    assert len(read_notes(str(path))) >= 1


@CAREFUL
@given(content=st.binary(max_size=300) | st.text(max_size=200).map(str.encode) | SPECIAL)
def test_a_settings_file_of_any_content(tmp_path: Path, content: bytes) -> None:
    """Settings, or one line that says what is wrong."""
    (tmp_path / "watchdog.toml").write_bytes(content)
    try:
        loaded = load_settings(str(tmp_path), {}, environ={})
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert loaded.policy.restart_delay_s >= 0


@CAREFUL
@given(value=JSON.filter(lambda value: not isinstance(value, dict)), key=st.sampled_from(KEYS))
def test_a_variable_of_any_content(value: Any, key: str) -> None:
    """Settings, or one line that names the variable."""
    name = f"WATCHDOG_{key.upper().replace('-', '_')}"
    try:
        load_settings("/", {}, environ={name: str(value)})
    except (ConfigError, UsageError) as error:
        assert "\n" not in str(error)
        assert name in str(error)


TOKENS = st.dictionaries(
    st.sampled_from([MINT, "x", ""]),
    st.dictionaries(
        st.sampled_from(
            ["token", "name", "firstPrice", "lastPrice", "priceHistoryEvery20s", "stopped", "other"]
        ),
        JSON,
    )
    | JSON,
    max_size=3,
).map(lambda found: json.dumps(found).encode())


@CAREFUL
@given(content=st.binary(max_size=400) | SPECIAL | TOKENS | _cut(TOKENS))
def test_a_token_file_of_any_content(content: bytes) -> None:
    """Tokens, or a DamagedError in one line."""
    try:
        loaded = decode(content)
    except DamagedError as error:
        assert "\n" not in str(error)
    else:
        assert loaded is not None


def _load_tokens(folder: Path) -> None:
    place = Place(str(folder))
    place.prepare()
    with contextlib.suppress(UnrecoverableError):  # there is no backup either
        Store(place, 10).load()


def _load_state(folder: Path) -> None:
    with contextlib.suppress(BadStateError):
        state_file.load(str(folder / "state.json"))


def _load_config(folder: Path) -> None:
    with contextlib.suppress(ConfigError):
        load_settings(str(folder), {}, environ={})


READERS: list[tuple[str, Callable[[Path], object], int]] = [
    ("tracked_tokens.json", _load_tokens, 12_000_000),
    ("state.json", _load_state, 12_000_000),
    ("watchdog.toml", _load_config, 12_000_000),
    ("journal.jsonl", lambda folder: read_notes(str(folder / "journal.jsonl")), 400_000_000),
]


@pytest.mark.parametrize(("name", "read", "bound"), READERS, ids=[name for name, _, _ in READERS])
def test_each_reader_has_its_bound(
    tmp_path: Path, name: str, read: Callable[[Path], object], bound: int
) -> None:
    """1.2 GB of nothing in the place of any file: its documented error, and memory within its bound."""
    with (tmp_path / name).open("wb") as file:
        file.truncate(1_200_000_000)
    tracemalloc.start()
    try:
        read(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < bound


MOST_BYTES_EACH = 400  # of memory for each byte of a file: numbers and names as Python holds them
CONTENTS = (
    st.binary(max_size=3000) | SPECIAL | st.lists(JSON, max_size=40).map(lambda v: json.dumps(v).encode())
)


@CAREFUL
@given(content=CONTENTS)
def test_memory_grows_with_the_content_and_no_faster(tmp_path: Path, content: bytes) -> None:
    """Whatever stands in the file, what the readers use is a small multiple of its size."""
    (tmp_path / "journal.jsonl").write_bytes(content)
    (tmp_path / "watchdog.toml").write_bytes(content)
    readers: list[Callable[[], object]] = [
        lambda: heartbeat.parse(content),
        lambda: state_file.decode(content),
        lambda: decode(content),
        lambda: read_notes(str(tmp_path / "journal.jsonl")),
        lambda: _load_config(tmp_path),
    ]
    for read in readers:
        tracemalloc.start()
        try:
            with contextlib.suppress(NotABeatError, BadStateError, DamagedError):
                read()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4_000_000 + MOST_BYTES_EACH * len(content)


def test_a_huge_file_is_not_taken_into_memory(tmp_path: Path) -> None:
    """1.2 GB where a heartbeat or a state file should be: refused, with little memory."""
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1_200_000_000)
    said: list[Notice] = []
    reader = HeartbeatFile(
        str(path),
        progress_key=None,
        belongs=lambda _: True,
        say=said.append,
        timeout_s=1,
        timeout_is_chosen=True,
    )
    tracemalloc.start()
    try:
        assert reader.look() is None
        refused = ""
        try:
            state_file.load(str(path))
        except BadStateError as error:
            refused = str(error)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "too large" in refused
    assert len(said) == 1
    assert peak < 12_000_000  # eight times what is read of a state file, and a hundredth of the file
