"""Measuring a real process tree, and the files in which it is kept."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from waiting import wait_until
from watchdog_cli.adapters import boot_clock, life, procfs
from watchdog_cli.adapters.identity import Identity
from watchdog_cli.adapters.samples import BACKUPS, BLOCK, SIZE, SampleFile, Sampler, read_samples
from watchdog_cli.adapters.tree_usage import REFRESH_ALONE, TreeUsage
from watchdog_cli.core.blocks import Block, parse
from watchdog_cli.core.samples import EVERY_S, KIBI, NEVER, head_line, life_tag, sample_line

MEGA = 1_000_000


class Program:
    """A real process that does what its line says."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-SE", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        found = procfs.stat(self.process.pid)
        assert found is not None
        self.identity = Identity(self.process.pid, found.start_ticks, "run-1", 1)

    def said(self) -> bytes:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def close(self) -> None:
        """End it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def program() -> Iterator[Program]:
    """A program that holds 30 MB and waits."""
    made = Program("x = b'x' * 30_000_000; print('ready', flush=True); input()")
    made.said()
    yield made
    made.close()


def sampler(path: Path, program: Program, silent: float | None = 3.0) -> Sampler:
    """A sampler over a program."""
    return Sampler(str(path), who=lambda: program.identity, silent_s=lambda: silent)


def blocks(path: Path) -> list[Block]:
    """All that can be read back."""
    return list(parse(read_samples(str(path), 0.0)))


def test_sample_says_what_the_system_says(tmp_path: Path, program: Program) -> None:
    """Memory is that of the process, the silence is as told, and the block names run, life and time."""
    made = sampler(tmp_path / "samples", program)
    made.take(program.identity)
    made.take(program.identity)
    made.close()
    (block,) = blocks(tmp_path / "samples")
    real = procfs.resident_bytes(program.process.pid)
    assert abs(block.rss[-1] * KIBI - real) < 2 * MEGA
    assert (block.run, block.life, block.silent) == (1, life_tag(life.own_life()), [3, 3])
    assert abs(block.up - boot_clock.now_s()) < 5
    assert len(block.steps) == 2


def test_no_sign_yet_is_said(tmp_path: Path, program: Program) -> None:
    """Before the first sign of life there is no length of silence."""
    made = sampler(tmp_path / "samples", program, silent=None)
    made.take(program.identity)
    made.close()
    assert blocks(tmp_path / "samples")[0].silent == [NEVER]


def test_files_are_for_the_owner_only(tmp_path: Path, program: Program) -> None:
    """The file is made with mode 0600."""
    made = sampler(tmp_path / "samples", program)
    made.take(program.identity)
    made.close()
    assert (tmp_path / "samples").stat().st_mode & 0o777 == 0o600


def test_sampler_sleeps_while_nothing_runs(tmp_path: Path, program: Program) -> None:
    """Without a program there is nothing to wait for; with one a full interval comes first, then a sample."""
    running: list[Identity] = []
    made = Sampler(
        str(tmp_path / "samples"),
        who=lambda: running[0] if running else None,
        silent_s=lambda: None,
        every_s=0.05,
    )
    assert made.turn() is None
    running.append(program.identity)
    first = made.turn()
    assert first is not None
    assert 0 < first < 0.051
    assert not (tmp_path / "samples").exists()
    wait_until(lambda: made.turn() is not None and blocks(tmp_path / "samples"), "a first sample")
    running.clear()
    assert made.turn() is None
    made.close()


def test_program_that_has_ended_gives_no_sample(tmp_path: Path, program: Program) -> None:
    """Neither a dead process that nobody reaped yet nor one that is gone is measured."""
    made = sampler(tmp_path / "samples", program)
    program.process.kill()
    wait_until(lambda: (found := procfs.stat(program.process.pid)) and found.is_zombie, "a dead program")
    made.take(program.identity)
    program.process.wait()
    made.take(program.identity)
    made.close()
    assert not blocks(tmp_path / "samples")


def test_stranger_with_the_same_pid_is_not_measured(program: Program) -> None:
    """A process that began at another time is somebody else."""
    usage = TreeUsage(program.identity.pid, program.identity.start_ticks + 1)
    assert usage.measure() is None
    usage.close()


def test_helpers_and_their_helpers_are_measured() -> None:
    """The tree is measured: also who was started by a thread, and by a helper of a helper."""
    code = (
        "import subprocess, sys, threading\n"
        "hold = 'x = b\"x\" * 30_000_000; print(1, flush=True); input()'\n"
        'outer = \'import subprocess as s, sys; s.run([sys.executable, "-SE", "-c", sys.argv[1]])\'\n'
        "def begin():\n"
        "    subprocess.Popen([sys.executable, '-SE', '-c', outer, hold]).wait()\n"
        "threading.Thread(target=begin, daemon=True).start()\n"
        "input()\n"
    )
    made = Program(code)
    try:
        assert made.said() == b"1\n"
        usage = TreeUsage(made.identity.pid, made.identity.start_ticks)
        found = usage.measure()
        usage.close()
        assert found is not None
        alone = procfs.resident_bytes(made.process.pid)
        assert found[0] > alone + 30 * MEGA
    finally:
        made.close()


def test_helper_that_comes_later_and_goes_again() -> None:
    """A new helper is found within some measurements, and no longer counts when it is gone."""
    code = (
        "import subprocess, sys\n"
        "print('ready', flush=True); input()\n"
        "hold = 'x = b\"x\" * 30_000_000; print(1, flush=True); input()'\n"
        "p = subprocess.Popen([sys.executable, '-SE', '-c', hold], stdin=subprocess.PIPE)\n"
        "input(); p.communicate(b'\\n'); print('gone', flush=True); input()\n"
    )
    made = Program(code)
    try:
        made.said()
        assert made.process.stdin is not None
        usage = TreeUsage(made.identity.pid, made.identity.start_ticks)
        first = usage.measure()
        assert first is not None
        made.process.stdin.write(b"\n")
        made.process.stdin.flush()
        made.said()
        sizes = [found[0] for _ in range(REFRESH_ALONE) if (found := usage.measure()) is not None]
        assert max(sizes) > first[0] + 30 * MEGA
        made.process.stdin.write(b"\n")
        made.process.stdin.flush()
        made.said()
        last = usage.measure()
        usage.close()
        assert last is not None
        assert last[0] < first[0] + 15 * MEGA
    finally:
        made.close()


def test_cpu_time_is_that_of_the_process(tmp_path: Path) -> None:
    """Half a second of work between two samples is in the second one."""
    code = (
        "import time; print(1, flush=True); input(); end = time.process_time() + 0.5\n"
        "while time.process_time() < end: pass\n"
        "print(2, flush=True); input()"
    )
    made = Program(code)
    try:
        made.said()
        taker = sampler(tmp_path / "samples", made)
        taker.take(made.identity)
        assert made.process.stdin is not None
        made.process.stdin.write(b"\n")
        made.process.stdin.flush()
        made.said()
        taker.take(made.identity)
        taker.close()
        assert 45 <= blocks(tmp_path / "samples")[0].cpu[1] <= 70
    finally:
        made.close()


def test_next_run_begins_its_own_block(tmp_path: Path, program: Program) -> None:
    """Samples of two runs never stand in one block, and the first of a run leans on nothing before it."""
    made = sampler(tmp_path / "samples", program)
    made.take(program.identity)
    other = Identity(program.identity.pid, program.identity.start_ticks, "run-2", 2)
    made.take(other)
    made.close()
    found = blocks(tmp_path / "samples")
    assert [(block.run, block.steps) for block in found] == [(1, [0]), (2, [0])]


def test_row_of_files_stays_below_its_ceiling(tmp_path: Path) -> None:
    """However long it runs, there are so many files of such a size, and the newest samples are among them."""
    path = tmp_path / "samples"
    file = SampleFile(str(path), size=1000, backups=2)
    for number in range(500):
        assert file.begin(f"A {number} 1 1 1\n")
        assert file.add("0 5 0 0\n")
    file.close()
    names = sorted(os.listdir(tmp_path))
    assert names == ["samples", "samples.1", "samples.2"]
    assert all((tmp_path / name).stat().st_size < 1100 for name in names)
    found = [block.up for block in blocks(path)]
    assert found == list(range(found[0], 500))
    assert len(found) > 80


def test_files_hold_thirty_days() -> None:
    """The files that are certainly full hold 30 days of samples, also of a program with much memory and work."""
    line = len(sample_line(15, 123_456, 1500, 60))
    head = len(head_line(99_999_999, 1_800_000_000, 4_294_967_295, 100_000))
    month = 30 * 86_400 / EVERY_S * (line + head / BLOCK)
    assert month <= BACKUPS * SIZE


@pytest.mark.parametrize("how", ["deleted", "folder", "directory", "emptied"])
def test_file_that_is_tampered_with(tmp_path: Path, program: Program, how: str) -> None:
    """A file that was deleted, emptied, or cannot be written costs some samples and nothing else."""
    folder = tmp_path / "state"
    folder.mkdir()
    path = folder / "samples"
    made = sampler(path, program)
    made.take(program.identity)
    if how == "deleted":
        path.unlink()
    elif how == "folder":
        path.unlink()
        folder.rmdir()
    elif how == "directory":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(b"")
    for _ in range(50):
        made.take(program.identity)
    if how == "folder":
        folder.mkdir()
    elif how == "directory":
        path.rmdir()
    for _ in range(25):
        made.take(program.identity)
    made.close()
    assert blocks(path)[-1].rss[-1] > 0


def test_full_disk_loses_samples_and_goes_on(tmp_path: Path, program: Program) -> None:
    """Where nothing can be stored the sampler goes on; what comes after can be read, and half a line is none."""
    code = f"""
import resource, signal, sys
sys.path[:0] = {sys.path!r}
from watchdog_cli.adapters.samples import Sampler
from watchdog_cli.adapters.identity import Identity
who = Identity({program.identity.pid}, {program.identity.start_ticks}, "run-1", 1)
made = Sampler({str(tmp_path / "samples")!r}, who=lambda: who, silent_s=lambda: None)
for _ in range(5): made.take(who)
size = __import__("os").path.getsize({str(tmp_path / "samples")!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, resource.RLIM_INFINITY))
for _ in range(10): made.take(who)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(3): made.take(who)
made.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    content = (tmp_path / "samples").read_bytes()
    assert re.search(rb"\dA ", content), "a torn line stands before the next block"
    found = blocks(tmp_path / "samples")
    assert [len(block.steps) for block in found] == [5, 3]


def test_killed_at_any_moment(tmp_path: Path, program: Program) -> None:
    """After a kill in the middle of sampling, what was written is there, and the next life goes on behind it."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from watchdog_cli.adapters.samples import Sampler
from watchdog_cli.adapters.identity import Identity
who = Identity({program.identity.pid}, {program.identity.start_ticks}, "run-1", 1)
made = Sampler({str(tmp_path / "samples")!r}, who=lambda: who, silent_s=lambda: None)
while True: made.take(who)
"""
    lengths = []
    for _ in range(3):
        victim = subprocess.Popen([sys.executable, "-c", code])
        size = (tmp_path / "samples").stat().st_size if (tmp_path / "samples").exists() else 0
        wait_until(
            lambda size=size: (
                (tmp_path / "samples").exists() and (tmp_path / "samples").stat().st_size > size + 2000
            ),
            "samples",
        )
        victim.kill()
        victim.wait()
        found = blocks(tmp_path / "samples")
        assert all(set(block.steps) <= {0, 1} for block in found)
        lengths.append(sum(len(block.steps) for block in found))
        with (tmp_path / "samples").open("ab") as file:
            file.write(b"15 2")  # as if it had been in the middle of a line
    assert lengths == sorted(set(lengths)), "each life adds to what is there"


def test_corrupt_and_missing_files_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    """Garbage in one file of the row hides nothing in the others, and no file at all is no samples."""
    path = tmp_path / "samples"
    assert read_samples(str(path), 0.0) == b""
    (tmp_path / "samples.2").write_text("A 1 1 1 1\n0 5 0 0\n")
    (tmp_path / "samples.1").write_bytes(os.urandom(5000).replace(b"A", b"B"))
    path.write_text("\nA 2 2 2 2\n0 6 0 0\n")
    assert [block.rss for block in blocks(path)] == [[5], [6]]


def test_old_files_are_not_even_read(tmp_path: Path) -> None:
    """A file that was finished before the time that is asked for is left out."""
    (tmp_path / "samples.1").write_text("A 1 1 1 1\n0 5 0 0\n")
    os.utime(tmp_path / "samples.1", (1000, 1000))
    (tmp_path / "samples").write_text("A 2 2 2 2\n0 6 0 0\n")
    assert [block.rss for block in parse(read_samples(str(tmp_path / "samples"), 2000.0))] == [[6]]
