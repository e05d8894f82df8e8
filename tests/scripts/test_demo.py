"""The demo of the README, as somebody types it who has a fresh checkout."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from doc_pages import ROOT, read_only
from rig import BIN, Rig
from waiting import wait_until

NEEDED = ("pyproject.toml", "README.md", "LICENSE", "scripts", "watchdog_cli", "watchdog_kit", "tracker")
INSTALL_S = 400.0  # pip fetches what the watchdog stands on


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Rig]:
    """A checkout without any environment; in the end nobody is left."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    made = Rig(folder)
    yield made
    left = made.marked()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_installs_and_keeps_the_tracker_alive(checkout: Rig) -> None:
    """One line makes the environment; a killed tracker comes back, the commands beside it answer, Ctrl-C ends both."""
    command = "sh scripts/demo.sh"
    assert command in [typed for typed, _ in read_only(ROOT / "README.md")]
    bare = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != str(BIN))
    environment = checkout.environment() | {"PATH": bare}
    environment.pop("VENV", None)  # that of whoever runs the tests
    output = checkout.folder / "terminal.out"
    with output.open("wb") as terminal:
        demo = subprocess.Popen(
            command.split(),
            cwd=checkout.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )

    def begun() -> bool:
        text = output.read_text(errors="replace")
        assert demo.poll() is None, text
        return "tracker started" in text and "SIMULATED" in text

    wait_until(begun, "a tracker on its simulated market", INSTALL_S)

    def beside(*words: str) -> subprocess.CompletedProcess[str]:
        """Type a command of the README into a second terminal, in the environment that the demo made."""
        line = f". .venv/bin/activate && exec {' '.join(words)}"
        return subprocess.run(
            ["sh", "-c", line],
            cwd=checkout.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    wait_until(lambda: beside("watchdog", "check").returncode == 0, "a healthy tracker", 60)
    first = checkout.child()
    os.kill(first, signal.SIGKILL)
    assert checkout.other_child(first)
    assert "killed by SIGKILL" in beside("watchdog", "incidents").stdout
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0, output.read_text(errors="replace")
    assert "tracker: stopped" in beside("watchdog", "status").stdout
