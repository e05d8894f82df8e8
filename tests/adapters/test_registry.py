"""The list of this user's watchdogs: each is found, vanished ones leave, damage is nobody's trouble."""

import json
import os
import stat
from pathlib import Path

import pytest

from watchdog_cli.wiring import registry
from watchdog_cli.wiring.places import Places


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "watchdog"


def _place(folder: Path, name: str) -> Places:
    folder.mkdir(exist_ok=True)
    places = Places(str(folder), name)
    places.make()
    return places


def test_each_is_found_once(tmp_path: Path, home: Path) -> None:
    """Entered twice is there once; order is by folder and name; names of any bytes work."""
    places = [
        _place(tmp_path / "b", "one"),
        _place(tmp_path / "a", "two"),
        _place(tmp_path / "a", "one"),
        _place(tmp_path / "z\u0639\udcff \n", "x"),
    ]
    for _ in range(2):
        for one in places:
            registry.enter(one)
    found = [(one.folder, one.name) for one in registry.entries()]
    assert found == sorted((one.folder, one.name) for one in places)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert len(list(home.iterdir())) == 4


def test_vanished_one_leaves(tmp_path: Path, home: Path) -> None:
    """When its state folder is gone, the entry is removed."""
    places = _place(tmp_path / "a", "one")
    registry.enter(places)
    assert len(registry.entries()) == 1
    os.unlink(tmp_path / "a" / ".watchdog" / ".gitignore")
    os.rmdir(places.state_folder)
    assert registry.entries() == []
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"[",
        b"[1]",
        b'{"folder": 1, "name": "x"}',
        b'{"folder": "/nowhere"}',
        b"[" * 10_000,
        b'{"folder": "\\ud800"}',
    ],
)
def test_damaged_entries_are_passed_over(tmp_path: Path, home: Path, content: bytes) -> None:
    """Garbage among the entries hides nobody, and is not ours to delete."""
    registry.enter(_place(tmp_path / "a", "one"))
    (home / "bad.json").write_bytes(content)
    (home / "faults.log").write_text("not an entry")
    assert [one.name for one in registry.entries()] == ["one"]
    assert (home / "bad.json").exists()


@pytest.mark.parametrize(
    "entry",
    [{"folder": "/a\0b", "name": "x"}, {"folder": "/\ud800", "name": "x"}, {"folder": "", "name": ""}],
)
def test_entries_with_impossible_paths(home: Path, entry: dict[str, str]) -> None:
    """A path that can be none is nobody's state folder."""
    home.mkdir(parents=True)
    (home / "odd.json").write_text(json.dumps(entry))
    assert registry.entries() == []


def test_home_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that is a file, relative or missing only makes the list empty."""
    places = _place(tmp_path / "a", "one")
    (tmp_path / "file").write_text("x")
    for home in (str(tmp_path / "file"), "relative", str(tmp_path / "file" / "below")):
        monkeypatch.setenv("XDG_STATE_HOME", home)
        registry.enter(places)
        assert registry.entries() == []
    assert not (Path.cwd() / "relative").exists()
