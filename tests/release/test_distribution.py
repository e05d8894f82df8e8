"""What is handed to users holds all that it needs, and its changes are told."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from watchdog_cli import __version__

ROOT = Path(__file__).parents[2]
PACKAGES = ("watchdog_cli", "watchdog_kit", "tracker")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source, just built."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def _files(package: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_all_of_the_packages_and_nothing_else(built: Path) -> None:
    """Modules, templates, pictures, styles and type marks of the three packages; no tests, no notes."""
    with zipfile.ZipFile(built / f"tracker_watchdog-{__version__}-py3-none-any.whl") as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == set().union(*(_files(package) for package in PACKAGES))


def test_the_source_can_check_itself(built: Path) -> None:
    """The source holds the tests, and everything that they and the pages speak of."""
    with tarfile.open(built / f"tracker_watchdog-{__version__}.tar.gz") as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    for folder in (*PACKAGES, "tests", "scripts", "docs", "examples", "benchmarks", "deploy", "changelog.d"):
        assert {name for name in _files(folder) if "/." not in name} <= names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "logs/.gitkeep", ".ci/run"} <= names


def test_each_note_of_a_change_is_of_a_known_kind() -> None:
    """A note with another ending would be left out of the changelog without a word."""
    notes = [path.name.split(".") for path in (ROOT / "changelog.d").iterdir()]
    assert notes
    for name, kind, ending in notes:
        assert name
        assert kind in ("feature", "bugfix", "doc", "removal")
        assert ending == "md"
