"""Tries a build as its first user would: its version, the main job on simulated prices, a kill -9, a clean stop.

python scripts/try_release.py VERSION WATCHDOG TRACKER...
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_S = 60.0


def main(version: str, watchdog: str, *tracker: str) -> None:
    """Go through it, or end with one line that says what did not hold."""
    with tempfile.TemporaryDirectory() as folder:
        said = _ask(folder, watchdog, "--version")
        if said.strip() != f"watchdog, version {version}":
            raise SystemExit(f"{watchdog} says {said!r}, not version {version}")
        with (Path(folder) / "printed.txt").open("w+b") as printed:
            running = subprocess.Popen(
                [watchdog, "run", "--restart-delay", "100ms", "--", *tracker, "--source", "demo"],
                cwd=folder,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
            try:
                first = _healthy(folder, watchdog, not_pid=0)
                os.kill(first, signal.SIGKILL)
                _healthy(folder, watchdog, not_pid=first)
                _ask(folder, watchdog, "stop")
                code = running.wait(LIMIT_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    running.terminate()
            printed.seek(0)
            text = printed.read().decode()
    if code != 0 or "killed by SIGKILL" not in text:
        raise SystemExit(f"{watchdog} ended with {code} and printed:\n{text}")
    print(f"tried: {watchdog} {version} runs the tracker, restarts it, stops it")


def _ask(folder: str, watchdog: str, *words: str) -> str:
    return subprocess.run([watchdog, *words], cwd=folder, capture_output=True, text=True, check=False).stdout


def _healthy(folder: str, watchdog: str, *, not_pid: int) -> int:
    """Wait for a healthy program that is another one than ``not_pid``, and give its pid."""
    until = time.monotonic() + LIMIT_S
    said = ""
    while time.monotonic() < until:
        said = _ask(folder, watchdog, "status", "--json")
        status = json.loads(said) if said.startswith("{") else {}
        child = status.get("child") or {}
        if status.get("health") == "healthy" and child.get("pid") not in (None, not_pid):
            return int(child["pid"])
        time.sleep(0.2)
    raise SystemExit(f"{watchdog} did not become healthy within {LIMIT_S:g}s; it says:\n{said}")


if __name__ == "__main__":
    main(*sys.argv[1:])
