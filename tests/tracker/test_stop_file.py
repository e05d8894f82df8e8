"""A stop that is asked for by a file."""

import json
import os
import subprocess
import sys

import pytest

from waiting import wait_until


@pytest.mark.timeout(120)
def test_the_tracker_ends_softly_when_the_file_appears(tmp_path):
    """With the file named in its environment it works on until that appears, then saves and ends with 0."""
    request, output = tmp_path / "stop-request", tmp_path / "output"
    with output.open("wb") as file:
        tracker = subprocess.Popen(
            [sys.executable, "-m", "tracker", "--source", "demo"],
            cwd=tmp_path,
            env={**os.environ, "WATCHDOG_STOP_FILE": str(request)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        wait_until((tmp_path / "heartbeat.json").exists, "a first beat", 60)
        assert tracker.poll() is None
        request.touch()
        assert tracker.wait(60) == 0
    finally:
        tracker.kill()
        tracker.wait()
    assert "stop asked (stop request)" in output.read_text("utf-8")
    assert len(json.loads((tmp_path / "tracked_tokens.json").read_text("utf-8"))) == 8
