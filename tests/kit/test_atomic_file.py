"""Saving by replacing: the old content or the new, whatever fails and whenever the process is killed."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import threading

import pytest

from waiting import wait_until
from watchdog_kit.atomic_file import Steps, is_abandoned, sweep_temps, write_atomic

WRITER = """
import sys
from watchdog_kit.atomic_file import write_atomic
path, durable = sys.argv[1], sys.argv[2] == "durable"
turn = 0
while True:
    turn += 1
    letter = b"ab"[turn % 2 : turn % 2 + 1]
    write_atomic(path, letter * (50_000 + turn % 1000), durable=durable)
"""
LIMITED_WRITER = """
import resource, sys
from watchdog_kit.atomic_file import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_atomic(sys.argv[1], b"x" * 100_000)
except OSError as error:
    print(error.errno)
"""


class Recorder(Steps):
    """The real steps, noted down; ``failing`` raises instead."""

    def __init__(self, failing: str = "", error: OSError | None = None) -> None:
        self.calls: list[str] = []
        self.pauses: list[float] = []
        self.failing = failing
        self.error = error or OSError(errno.ENOSPC, "no space")

    def _note(self, step: str) -> None:
        self.calls.append(step)
        if step == self.failing:
            raise self.error

    def create(self, path, mode):
        self._note("create")
        return super().create(path, mode)

    def write(self, descriptor, data):
        self._note("write")
        return super().write(descriptor, data[:7])  # as a nearly full disk does: less than was asked for

    def sync(self, descriptor):
        self._note("sync")
        super().sync(descriptor)

    def close(self, descriptor):
        super().close(descriptor)
        self._note("close")

    def replace(self, source, target):
        self._note("replace")
        super().replace(source, target)

    def sync_folder(self, folder):
        self._note("sync_folder")
        super().sync_folder(folder)

    def pause(self, seconds):
        self.pauses.append(seconds)


class Busy(Recorder):
    """A target that a reader holds open, as Windows reports it, for the first ``times`` tries."""

    def __init__(self, times: int, code: int = 32) -> None:
        super().__init__()
        self.times = times
        self.code = code

    def replace(self, source, target):
        if self.times > 0:
            self.times -= 1
            error = PermissionError(errno.EACCES, "in use")
            error.winerror = self.code
            raise error
        super().replace(source, target)


def test_a_new_file_is_private_and_complete(tmp_path):
    """A file that was not there comes with all bytes, for its owner only, and with nothing beside it."""
    path = tmp_path / "جديد.json"
    write_atomic(path, b"content")
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [path.name]


def test_an_old_file_is_replaced_not_changed(tmp_path):
    """A reader that holds the old file open goes on reading the old content."""
    path = tmp_path / "state.json"
    write_atomic(str(path), b"old", mode=0o644)
    with path.open("rb") as reader:
        write_atomic(str(path), bytearray(b"new"))
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_bare_name_is_written_in_the_present_folder(tmp_path, monkeypatch):
    """A path without a folder means the present one, and empty content is content."""
    monkeypatch.chdir(tmp_path)
    write_atomic("here", b"")
    assert (tmp_path / "here").read_bytes() == b""


def test_the_order_of_a_durable_save(tmp_path):
    """Bytes reach the disk before the name does, and the name before the caller goes on."""
    steps = Recorder()
    write_atomic(tmp_path / "f", b"123456789", steps=steps)
    assert steps.calls == ["create", "write", "write", "sync", "close", "replace", "sync_folder"]


def test_a_quick_save_leaves_out_both_flushes(tmp_path):
    """A save that need not survive a power cut does not wait for the disk."""
    steps = Recorder()
    write_atomic(tmp_path / "f", b"1", durable=False, steps=steps)
    assert steps.calls == ["create", "write", "close", "replace"]


@pytest.mark.parametrize("step", ["create", "write", "sync", "close", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), KeyboardInterrupt()])
def test_a_failing_step_leaves_the_old_file_and_no_leftover(tmp_path, step, error):
    """Whichever step fails or is interrupted, the old content is there as a whole and nothing else."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        write_atomic(path, b"new content", steps=Recorder(step, error))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_failed_flush_of_the_folder_is_told_with_the_new_file_in_place(tmp_path):
    """When only the last step fails the caller learns it, and finds the new content whole."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new", steps=Recorder("sync_folder"))
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("code", [5, 32])
def test_a_target_in_use_on_windows_is_tried_again(tmp_path, code):
    """A target that a reader holds for a moment is replaced after growing pauses."""
    steps = Busy(times=4, code=code)
    write_atomic(tmp_path / "f", b"new", steps=steps)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert len(steps.pauses) == 4
    assert steps.pauses == sorted(set(steps.pauses))


def test_a_target_that_stays_in_use_is_given_up_within_three_seconds(tmp_path):
    """A target that can never be replaced is an error after two to three seconds, with nothing left over."""
    steps = Busy(times=1000)
    with pytest.raises(PermissionError):
        write_atomic(tmp_path / "f", b"new", steps=steps)
    assert 2 <= sum(steps.pauses) <= 3
    assert os.listdir(tmp_path) == []


def test_a_plain_refusal_is_not_tried_again(tmp_path):
    """A refusal that has nothing to do with sharing is told at once."""
    steps = Recorder("replace", PermissionError(errno.EACCES, "no"))
    with pytest.raises(PermissionError):
        write_atomic(tmp_path / "f", b"new", steps=steps)
    assert steps.pauses == []


def test_a_folder_in_the_place_of_the_target_stays(tmp_path):
    """A target that is a folder is an error and leaves no temporary file."""
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "f", b"new")
    assert os.listdir(tmp_path) == ["f"]


def test_a_missing_folder_is_an_error(tmp_path):
    """A folder that is not there is not made."""
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "no" / "f", b"new")
    assert os.listdir(tmp_path) == []


def test_a_link_is_followed(tmp_path):
    """A link to a file elsewhere stays a link, and the file elsewhere gets the content."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "f").symlink_to(tmp_path / "disk" / "real")
    write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").is_symlink()
    assert (tmp_path / "disk" / "real").read_bytes() == b"new"
    assert os.listdir(tmp_path / "disk") == ["real"]


def test_a_disk_that_takes_no_more_bytes(tmp_path):
    """A real limit in the middle of the bytes leaves the old file, and the error names the cause."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED_WRITER, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert int(done.stdout) == errno.EFBIG
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_many_threads_never_mix_their_contents(tmp_path):
    """Threads that save the same file at once leave the whole content of one of them."""
    path = tmp_path / "f"
    contents = [bytes([65 + number]) * 10_000 for number in range(4)]
    threads = [
        threading.Thread(
            target=lambda data=data: [write_atomic(path, data, durable=False) for _ in range(50)]
        )
        for data in contents
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            assert path.read_bytes() in contents
    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("durable", ["durable", "quick"])
def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path, durable):
    """After kill -9 in the middle of saves the file is whole, and one sweep takes away what was left."""
    path = tmp_path / "f"
    chance = random.Random(7)
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), durable])
        try:
            seen: set[tuple[int, int]] = set()
            turns = chance.randrange(2, 40)

            def changed(seen=seen, turns=turns):
                if path.exists():
                    found = path.stat()
                    seen.add((found.st_ino, found.st_mtime_ns))
                return len(seen) >= turns

            wait_until(changed, f"{turns} saves")
        finally:
            writer.kill()
            assert writer.wait() == -signal.SIGKILL
        content = path.read_bytes()
        assert 50_000 <= len(content) < 51_000
        assert content in (b"a" * len(content), b"b" * len(content))
        sweep_temps(tmp_path)
        assert os.listdir(tmp_path) == ["f"]


def test_the_sweep_takes_only_what_dead_processes_left(tmp_path):
    """Files of living processes, of other names and of other makers stay; leftovers go."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    living = os.getppid()
    left, own, other = (f"f.{pid}-0123abcd.wdtmp" for pid in (dead.pid, os.getpid(), living))
    kept = {
        other,
        "f",
        "f.wdtmp",
        f"f.{dead.pid}-0123abcd.tmp",
        f"f.{dead.pid}-short.wdtmp",
        f".{dead.pid}-0123abcd.wdtmp",
        f"f.{'9' * 30}-0123abcd.wdtmp",
    }
    for name in (left, own, *kept):
        (tmp_path / name).write_bytes(b"x")
    assert set(sweep_temps(tmp_path)) == {left, own}
    assert set(os.listdir(tmp_path)) == kept


def test_the_sweep_spares_the_save_in_progress(tmp_path):
    """A sweep in the middle of a save of the same process does not pull the file away."""
    swept: list[list[str]] = []

    class Sweeping(Steps):
        def replace(self, source, target):
            swept.append(sweep_temps(tmp_path))
            super().replace(source, target)

    write_atomic(tmp_path / "f", b"new", steps=Sweeping())
    assert swept == [[]]
    assert (tmp_path / "f").read_bytes() == b"new"


def test_a_sweep_of_nothing_is_nothing(tmp_path):
    """A folder that is not there, or is a file, has no leftovers."""
    (tmp_path / "file").write_bytes(b"")
    assert sweep_temps(tmp_path / "none") == []
    assert sweep_temps(tmp_path / "file") == []


def test_a_temporary_file_is_abandoned_when_its_writer_is_gone():
    """Its name says who writes it; other files are never called so."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(30)
    assert is_abandoned(f"tracked_tokens.json.{gone.pid}-0123abcd.wdtmp")
    assert not is_abandoned(f"tracked_tokens.json.{os.getpid()}-0123abcd.wdtmp")
    assert not is_abandoned("tracked_tokens.json")
