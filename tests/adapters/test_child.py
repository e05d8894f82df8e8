"""Process trees: what a child is started with, how its end is told, and what a failed start says."""

import contextlib
import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tree_programs import STAYS
from trees import Nest, python
from waiting import stays_true
from watchdog_cli.adapters import procfs
from watchdog_cli.adapters.child import Identity
from watchdog_cli.adapters.marked import find_marked
from watchdog_cli.adapters.spawn_fault import explain
from watchdog_cli.core.errors import SpawnError
from watchdog_cli.core.events import ChildExited
from watchdog_cli.core.record import ExitStatus

# --- starting --------------------------------------------------------------------------------------------


def test_child_gets_what_it_should_and_nothing_of_ours(nest: Nest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child has its run id, its extra entries, its own session, an empty stdin, and none of our keys."""
    for key in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.setenv(key, "ours")
    monkeypatch.setenv("KEPT", "naïve \u0639 %d $HOME \n\\")
    nest.extra["EXTRA"] = "yes"
    nest.tree = nest.new_tree()
    code = (
        "import os, sys, json; print(json.dumps([dict(os.environ), os.getsid(0) == os.getpid(), sys.stdin.read(),"
        " os.getcwd(), sorted(os.listdir('/proc/self/fd'))]))"
    )
    nest.spawn(python(code), run_id="abc")
    assert nest.await_event(ChildExited).status == ExitStatus(code=0)
    import json

    environment, is_session_leader, standard_input, folder, descriptors = json.loads(
        nest.output_path.read_bytes()
    )
    assert environment["WATCHDOG_RUN_ID"] == "abc"
    assert environment["EXTRA"] == "yes"
    assert environment["KEPT"] == "naïve \u0639 %d $HOME \n\\"
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(environment)
    assert is_session_leader
    assert standard_input == ""
    assert folder == nest.cwd
    assert descriptors[:3] == ["0", "1", "2"]
    assert len(descriptors) == 4, "the fourth is the listing itself"


def test_run_says_who_it_is(nest: Nest) -> None:
    """A spawned run carries the number and id that were asked for, and the identity has the kernel's own ticks."""
    pid = nest.spawn(python(STAYS), run_id="xyz", number=7)
    assert nest.tree.identity == Identity(pid, procfs.stat(pid).start_ticks, "xyz", 7)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(0)", ExitStatus(code=0)),
        ("raise SystemExit(3)", ExitStatus(code=3)),
        ("import os; os._exit(255)", ExitStatus(code=255)),
        ("import os; os.kill(os.getpid(), 9)", ExitStatus(signal=9)),
        ("import os; os.kill(os.getpid(), 15)", ExitStatus(signal=15)),
        ("import os, resource as r; r.setrlimit(r.RLIMIT_CORE, (0, 0)); os.abort()", ExitStatus(signal=6)),
    ],
)
def test_end_is_told_as_the_kernel_tells_it(nest: Nest, code: str, expected: ExitStatus) -> None:
    """Exit codes and signals of the leader arrive unchanged, and nobody is left."""
    nest.spawn(python(code))
    assert nest.await_event(ChildExited) == ChildExited(nest.run_id, expected, 0)
    assert nest.tree.identity is None
    assert nest.tree.members() == []


def test_spawn_does_not_leak(nest: Nest) -> None:
    """After many short lives there are as many open descriptors as before, and no zombie."""
    nest.spawn(["true"])
    nest.await_event(ChildExited)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(40):
        nest.spawn(["true"], run_id=f"run-{number}", number=number)
        nest.await_event(ChildExited)
    assert len(os.listdir("/proc/self/fd")) == before
    assert not [one for one in procfs.everybody().values() if one.parent == os.getpid() and one.is_zombie]


def _script(folder: Path, name: str, content: str, mode: int = 0o755) -> str:
    path = folder / name
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def _wrong_commands(folder: Path) -> dict[str, tuple[list[str], str]]:
    (folder / "a folder").mkdir()
    return {
        "not in PATH": (
            ["no-such-program-here"],
            "no such program: no-such-program-here (not found in PATH)",
        ),
        "no such path": (["./nowhere/x"], "no such program: ./nowhere/x (looked in "),
        "not executable": (
            [_script(folder, "plain", "#!/bin/sh\n", 0o644)],
            "is not executable; allow it with: chmod +x",
        ),
        "a folder": ([str(folder / "a folder")], "is a folder, not a program"),
        "no first line": (
            [_script(folder, "bare", "echo hello\n")],
            "a script needs a first line such as #!/bin/sh",
        ),
        "dead interpreter": (
            [_script(folder, "dead", "#!/no/such/sh\n")],
            "names an interpreter in its first line",
        ),
        "endless arguments": (["true", "x" * (1 << 18)], "too long for the system"),
        "NUL": (["true", "a\0b"], "cannot start 'true'"),
    }


@pytest.mark.parametrize(
    "what",
    [
        "not in PATH",
        "no such path",
        "not executable",
        "a folder",
        "no first line",
        "dead interpreter",
        "endless arguments",
        "NUL",
    ],
)
def test_wrong_command_is_explained(nest: Nest, tmp_path: Path, what: str) -> None:
    """A command that cannot be started says in one line which thing is wrong, and that trying again is no use."""
    argv, words = _wrong_commands(tmp_path)[what]
    with pytest.raises(SpawnError) as caught:
        nest.spawn(argv)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caught.value.transient
    assert nest.tree.identity is None


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """A working folder that has vanished is the thing that is named, not the program."""
    folder = tmp_path / "gone"
    folder.mkdir()
    nest = Nest(folder)
    nest.output_path = tmp_path / "output"
    folder.rmdir()
    with pytest.raises(SpawnError, match=r"folder .*gone does not exist; pick another with -C"):
        nest.spawn(["true"])
    nest.close()


def test_passing_trouble_is_no_fault_of_the_folder(tmp_path: Path) -> None:
    """No process or descriptor to be had is told as such and tried again, whatever the folder looks like."""
    for number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE):
        told = explain(OSError(number, os.strerror(number)), "true", str(tmp_path / "gone"), {})
        assert told.transient
        assert os.strerror(number).lower() in str(told)


def test_program_that_is_being_written_may_work_later(nest: Nest, tmp_path: Path) -> None:
    """A program file that somebody holds open for writing is a passing trouble."""
    program = tmp_path / "copy"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    with program.open("ab"), pytest.raises(SpawnError) as caught:
        nest.spawn([str(program)])
    assert caught.value.transient
    nest.spawn([str(program)])
    assert nest.await_event(ChildExited).status == ExitStatus(code=0)


def _take_all_descriptors(kept: list[int]) -> None:
    with contextlib.suppress(OSError):
        while True:
            kept.append(os.dup(0))


def test_short_descriptors_are_a_passing_trouble(nest: Nest) -> None:
    """A spawn without a free descriptor fails as transient, and works when there are some again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    kept: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        _take_all_descriptors(kept)
        with pytest.raises(SpawnError) as caught:
            nest.spawn(["true"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in kept:
            os.close(descriptor)
    assert caught.value.transient
    nest.spawn(["true"])
    assert nest.await_event(ChildExited).status == ExitStatus(code=0)


def test_output_goes_where_it_should(nest: Nest) -> None:
    """Stdout and stderr are the given descriptor, in order."""
    nest.spawn(["sh", "-c", "echo one; echo two >&2; echo three"])
    nest.await_event(ChildExited)
    assert nest.output_path.read_text() == "one\ntwo\nthree\n"
    assert stat.S_IMODE(nest.output_path.stat().st_mode) == 0o600


def test_many_orphans_do_not_eat_all_descriptors(tmp_path: Path) -> None:
    """With few descriptors and many processes left behind, the tree is still ended and nothing fails."""
    code = """
import os, pathlib, resource, sys, time
sys.path[:0] = sys.argv[1:3]
from trees import Nest
from watchdog_cli.core.events import ChildExited, TreeEmpty
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
nest = Nest(pathlib.Path(sys.argv[3]))
nest.spawn(["sh", "-c", "for i in $(seq 80); do setsid sleep 600 & done; kill -9 $$"])
exited = nest.await_event(ChildExited)
free = 40 - len(os.listdir("/proc/self/fd"))
nest.tree.kill()
nest.await_event(TreeEmpty)
print(exited.status.signal, exited.left_behind >= 70, free >= 10, nest.tree.members())
"""
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tests), str(tests.parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.stdout.split() == ["9", "True", "True", "[]"], done.stderr
    stays_true(lambda: not find_marked(str(tmp_path)), "nobody is left", 0.1)
