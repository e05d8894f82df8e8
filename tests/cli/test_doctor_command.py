"""``watchdog doctor``: each thing that can be wrong here is found, said in a line, and has a remedy."""

import json
import os
import resource
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path
from typing import Any

import pytest

import watchdog_cli
from rig import BIN, QUICK, Rig
from waiting import wait_until
from watchdog_cli.wiring import doctor

PROGRAM = ("--no-heartbeat", *QUICK, "--", sys.executable, "-c", "import time; time.sleep(600)")


def look(rig: Rig, *words: str, **more: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code and the findings by check."""
    found = rig.cli("doctor", "--json", *words, **more)
    answer = json.loads(found.stdout)
    assert answer["version"] == 1
    assert found.returncode == answer["exit_code"]
    checks: dict[str, list[dict[str, Any]]] = {}
    for one in answer["checks"]:
        assert set(one) == {"check", "level", "text", "remedy"}
        assert one["remedy"] or one["level"] == "ok", one
        checks.setdefault(one["check"], []).append(one)
    return found.returncode, checks


def level(checks: dict[str, list[dict[str, Any]]], check: str) -> str:
    """The worst level of a check."""
    order = ["ok", "warning", "fault"]
    return max((one["level"] for one in checks[check]), key=order.index)


def test_a_healthy_place_is_well(rig: Rig) -> None:
    """Every check answers, nothing is a fault, nothing is written."""
    code, checks = look(rig)
    assert code == 0, checks
    expected = {
        "python",
        "command",
        "libraries",
        "extras",
        "settings",
        "folders",
        "leftovers",
        "disk",
        "clock",
    }
    assert expected | {"notices", "files", "stacks", "system", "boot"} == set(checks)
    assert sys.executable in checks["python"][0]["text"]
    assert level(checks, "command") == "ok"
    assert list(rig.folder.iterdir()) == []


def test_people_get_a_line_for_each(rig: Rig) -> None:
    """Level, check and text; what to do stands below; the last line counts."""
    found = rig.cli("doctor", PATH="/nowhere")
    lines = found.stdout.splitlines()
    assert lines[0] == f"tracker in {rig.folder}"
    at = next(number for number, line in enumerate(lines) if line.startswith("warning  command"))
    assert "-> add" in lines[at + 1]
    assert "checks: " in lines[-1]
    assert found.returncode == 0


def test_another_watchdog_first_on_the_path_is_told_of(rig: Rig) -> None:
    """Debian has one in /usr/sbin; a script of ours elsewhere is ours."""
    folder = rig.folder / "sbin"
    folder.mkdir()
    other = folder / "watchdog"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    _, checks = look(rig, PATH=f"{folder}:{BIN}:/usr/bin")
    assert level(checks, "command") == "warning"
    assert "package watchdog of Debian" in checks["command"][0]["text"]
    assert "tracker-watchdog" in checks["command"][0]["remedy"]
    other.unlink()
    other.symlink_to(BIN / "watchdog")  # as pipx does
    _, checks = look(rig, PATH=f"{folder}:/usr/bin")
    assert level(checks, "command") == "ok"


def test_a_single_file_is_called_by_its_own_name(rig: Rig, tmp_path: Path) -> None:
    """It has no script beside its Python: the remedy names the file; a link to it is this one."""
    venv.create(tmp_path / "bare", with_pip=False)
    single = tmp_path / "watchdog.pyz"
    homes = [str(Path(watchdog_cli.__file__).parents[1]), sysconfig.get_path("purelib")]
    single.write_text(
        f"#!{tmp_path}/bare/bin/python\nimport sys\nsys.path += {homes!r}\n"
        "from watchdog_cli.cli.main import main\nmain()\n"
    )
    single.chmod(0o755)

    def ask(**more: str) -> dict[str, str]:
        words = [single, "doctor", "--json"]
        done = subprocess.run(
            words, cwd=rig.folder, env=rig.environment(**more), capture_output=True, text=True, check=False
        )
        found = json.loads(done.stdout)["checks"]
        return next(one for one in found if one["check"] == "command")

    lost = ask(PATH="/nowhere")
    assert lost["level"] == "warning"
    assert lost["remedy"].startswith(f"call {single}, or put a link to it")
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "watchdog").symlink_to(single)
    assert ask(PATH=str(folder))["level"] == "ok"


def test_a_packed_script_is_known_by_the_python_it_starts(tmp_path: Path) -> None:
    """As pipx copies it on Windows: our module is in a packed part, the interpreter stands before that as it is."""
    packed = tmp_path / "watchdog.exe"
    packed.write_bytes(b"MZ" + bytes(100_000) + b"#!C:\\pipx\\venv\\python.exe\r\nPK" + bytes(300))
    assert doctor._is_ours(str(packed), "", "C:\\pipx\\venv\\python.exe")
    assert not doctor._is_ours(str(packed), "", "C:\\another\\python.exe")
    assert doctor._is_ours(str(packed), str(tmp_path / "watchdog"), "C:\\another\\python.exe"), (
        "it lies where ours does"
    )


def test_wrong_settings_are_a_fault(rig: Rig) -> None:
    """With the same words as `run` would use; all other checks are done all the same."""
    rig.write("watchdog.toml", 'restart-delay = "soon"\n')
    code, checks = look(rig)
    assert code == 5
    assert level(checks, "settings") == "fault"
    assert "restart-delay" in checks["settings"][0]["text"]
    assert level(checks, "folders") == "ok"


def test_a_folder_that_cannot_be_written_is_a_fault(rig: Rig) -> None:
    """On a file system that is read-only, also for root."""
    users = () if os.getuid() == 0 else ("--user", "--map-root-user")
    bind = 'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" && exec "$@"'
    found = subprocess.run(
        ["unshare", *users, "--mount", "sh", "-c", bind, "sh", str(BIN / "watchdog"), "doctor"],
        cwd=rig.folder,
        env=rig.environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert found.returncode == 5, found.stderr
    assert "read-only file system" in next(line for line in found.stdout.splitlines() if "folders" in line)


def test_a_full_disk_is_a_fault_and_a_small_one_a_warning(rig: Rig) -> None:
    """Bytes and files are two things that can run out."""
    users = () if os.getuid() == 0 else ("--user", "--map-root-user")
    for options, grade, says in (
        ("size=4m", "fault", "free for"),
        ("size=150m", "warning", "our logs may grow to 120MB"),
        ("size=1g,nr_inodes=20", "fault", "inodes"),
    ):
        mount = f'mount -t tmpfs -o {options} tmpfs . && cd "$PWD" && exec "$@"'
        found = subprocess.run(
            ["unshare", *users, "--mount", "sh", "-c", mount, "sh", str(BIN / "watchdog"), "doctor"],
            cwd=rig.folder,
            env=rig.environment(XDG_STATE_HOME="/nowhere"),
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        line = next(line for line in found.stdout.splitlines() if " disk " in line)
        assert line.startswith(grade), found.stdout
        assert says in found.stdout


@pytest.mark.timeout(120)
def test_what_was_left_is_found(rig: Rig) -> None:
    """A program without its watchdog is a fault; a bad state file and files of killed writers are told of."""
    watchdog = rig.run(*PROGRAM)
    child = rig.child()
    code, checks = look(rig)
    assert (code, level(checks, "leftovers")) == (0, "ok")
    os.kill(watchdog.pid, signal.SIGKILL)
    watchdog.wait(20)
    state = rig.folder / ".watchdog" / "tracker"
    (state / "state.json.bad-20260101T000000Z").write_text("x")
    (state / "state.json.999999999-0a0b0c0d.wdtmp").write_text("x")
    (state / f"state.json.{os.getpid()}-0a0b0c0d.wdtmp").write_text("being written")
    code, checks = look(rig)
    assert (code, level(checks, "leftovers")) == (5, "fault")
    texts = " ".join(one["text"] for one in checks["leftovers"])
    assert f"pid {child}" in texts
    assert "bad-20260101T000000Z" in texts
    assert "999999999-0a0b0c0d" in texts
    assert f".{os.getpid()}-" not in texts
    for path in state.glob("*-0a0b0c0d.wdtmp"):
        path.unlink()
    rig.run(*PROGRAM)
    wait_until(
        lambda: rig.status()["state"] == "running" and rig.status()["watchdog"], "an adopted program", 30
    )
    assert rig.cli("stop").returncode == 0


def test_rights_that_are_too_wide_are_told_of(rig: Rig) -> None:
    """The state folder is for its owner only."""
    state = rig.folder / ".watchdog" / "tracker"
    state.mkdir(parents=True)
    state.chmod(0o755)
    _, checks = look(rig)
    assert level(checks, "rights") == "warning"
    assert f"chmod 700 {state}" in checks["rights"][0]["remedy"]


def test_a_clock_that_was_set_back_is_seen(rig: Rig) -> None:
    """Our own files lie in the future then."""
    state = rig.folder / ".watchdog" / "tracker"
    state.mkdir(parents=True, mode=0o700)
    journal = state / "journal.jsonl"
    journal.write_text("")
    later = time.time() + 7200
    os.utime(journal, (later, later))
    _, checks = look(rig)
    assert level(checks, "clock") == "warning"
    assert "in the future" in checks["clock"][0]["text"]


def test_few_open_files_are_told_of(rig: Rig) -> None:
    """As a service or a shell with a low limit has it."""
    found = subprocess.run(
        [str(BIN / "watchdog"), "doctor"],
        cwd=rig.folder,
        env=rig.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "only 64 files may be open at once" in found.stdout


def test_G06_an_entry_whose_python_is_gone_is_a_fault(rig: Rig) -> None:
    """The virtual environment was deleted, or moved: at the next boot nothing would start."""
    home = rig.folder / "home"
    made = rig.cli("install", "--dry-run", "--user", "--for", "systemd", "--", "sleep", "1", HOME=str(home))
    unit = home / ".config/systemd/user/tracker-watchdog@tracker.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(made.stdout.partition("\n")[2])
    _, checks = look(rig, HOME=str(home))
    assert level(checks, "boot") != "fault"
    unit.write_text(unit.read_text().replace(sys.executable, "/nowhere/python"))
    code, checks = look(rig, HOME=str(home))
    assert (code, level(checks, "boot")) == (5, "fault")
    assert "/nowhere/python, which is gone" in checks["boot"][0]["text"]
    unit.write_text("[Service]\n")
    code, checks = look(rig, HOME=str(home))
    assert (code, level(checks, "boot")) == (0, "warning")


def test_it_only_reads(rig: Rig) -> None:
    """Names that cannot be one are refused; a folder that is not there too."""
    assert rig.cli("doctor", "--name", "../x").returncode == 2
    assert rig.cli("doctor", "-C", str(Path("nowhere"))).returncode == 2
