"""What ``doctor`` makes of a machine that is short of something; the machine's answers are given here."""

import os
import time
from pathlib import Path

import pytest

from clock_shim.wall_clock import WallClock
from rig import Rig
from watchdog_cli.adapters import libc, machine_facts, stack_spy
from watchdog_cli.adapters.machine_facts import NoticeUse
from watchdog_cli.core.findings import Finding, Grade
from watchdog_cli.wiring import doctor_machine
from watchdog_cli.wiring.places import Places

ERA_S = 1_704_067_200  # 2024-01-01


def one(findings: list[Finding], check: str) -> Finding:
    """The only finding of a check."""
    (found,) = [finding for finding in findings if finding.check == check]
    return found


def examine(folder: Path) -> list[Finding]:
    """All checks of the machine."""
    return doctor_machine.examine(Places(str(folder), "tracker"), None)


def test_a_clock_that_was_never_set_is_a_fault(rig: Rig, tmp_path: Path) -> None:
    """A board without a battery begins in 1970; supervision does not mind, reports do."""
    clock = WallClock(tmp_path)
    clock.step(ERA_S - 86_400 - time.time())
    found = rig.cli("doctor", **clock.environment)
    assert found.returncode == 5
    line = next(line for line in found.stdout.splitlines() if " clock " in line)
    assert line.startswith("fault")
    assert "2023-12-3" in line


@pytest.mark.parametrize(
    ("use", "grade", "remedy"),
    [
        (NoticeUse(10, 128, 50, 65_536), Grade.OK, ""),
        (NoticeUse(120, 128, 50, 65_536), Grade.OK, ""),
        (NoticeUse(121, 128, 50, 65_536), Grade.WARNING, "max_user_instances=512"),
        (NoticeUse(10, 128, 8_150, 8_192), Grade.WARNING, "max_user_watches=65536"),
        (None, Grade.WARNING, "looked at from time to time"),
    ],
)
def test_file_notices_that_run_out_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: NoticeUse | None, grade: Grade, remedy: str
) -> None:
    """With the setting that mends it; without notices the file is polled, so it is no fault."""
    monkeypatch.setattr(machine_facts, "notice_use", lambda: use)
    found = one(examine(tmp_path), "notices")
    assert found.grade is grade
    assert remedy in found.remedy


def test_the_real_counts_are_those_of_the_kernel() -> None:
    """One more open inotify descriptor with one watch is one more of each."""
    before = machine_facts.notice_use()
    assert before is not None
    descriptor = libc.inotify_open()
    try:
        libc.inotify_add(descriptor, "/", libc.IN_MOVED_TO)
        links = [os.readlink(f"/proc/self/fd/{descriptor}")]
        text = machine_facts.read_text(f"/proc/self/fdinfo/{descriptor}")
        during = machine_facts.notice_use()
    finally:
        os.close(descriptor)
    assert "inotify" in links[0]
    assert text.count("inotify wd:") == 1
    assert during is not None
    assert during.instances >= 1
    assert during.most_instances == before.most_instances


@pytest.mark.parametrize("spy", ["/bin/py-spy", None])
@pytest.mark.parametrize("scope", [1, None])
@pytest.mark.parametrize("may", [True, False])
def test_stacks_that_cannot_be_had_are_told_of(
    monkeypatch: pytest.MonkeyPatch, spy: str | None, scope: int | None, may: bool
) -> None:
    """py-spy is there, and Yama forbids it: whoever relies on it should know before the first freeze."""
    monkeypatch.setattr(stack_spy, "find_spy", lambda: spy)
    monkeypatch.setattr(machine_facts, "read_number", lambda path: scope if "yama" in path else 1)
    monkeypatch.setattr(machine_facts, "may_trace_others", lambda: may)
    monkeypatch.setattr(machine_facts, "notice_use", lambda: None)
    found = one(examine(Path("/")), "stacks")
    hopeless = spy is not None and scope == 1 and not may
    assert found.grade is (Grade.WARNING if hopeless else Grade.OK)
    assert ("ptrace_scope 1" in found.text) == hopeless


def test_what_it_stands_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Container, process 1 and the memory limit that could end the program."""
    monkeypatch.setattr(machine_facts, "container", lambda: "podman")
    monkeypatch.setattr(machine_facts, "first_process", lambda: "sh")
    monkeypatch.setattr(machine_facts, "memory_limit", lambda: 256_000_000)
    text = one(examine(tmp_path), "system").text
    assert text.startswith("a container (podman), process 1 is sh")
    assert "memory limit 256MB" in text


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/a/b", {"a/memory.max": "512", "a/b/memory.max": "max"}, 512),
        ("0::/elsewhere", {"memory.max": "512"}, 512),
        ("0::/", {}, None),
        (
            "7:pids:/x\n4:memory:/a\n0::/",
            {"memory/memory.limit_in_bytes": f"{2**63 - 4096}", "memory/a/memory.limit_in_bytes": "512"},
            512,
        ),
        ("4:hugetlb,memory:/docker/x", {"memory/memory.limit_in_bytes": "512"}, 512),
        ("4:memory:/", {"memory/memory.limit_in_bytes": f"{2**63 - 4096}"}, None),
    ],
)
def test_the_memory_limit_is_found_in_both_versions_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, files: dict[str, str], limit: int | None
) -> None:
    """The smallest of ours and those above it; in a container ours is the root."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n")
    (tmp_path / "own").write_text(f"{groups}\n")
    monkeypatch.setattr(machine_facts, "CGROUPS", str(tmp_path))
    monkeypatch.setattr(machine_facts, "OWN_GROUPS", str(tmp_path / "own"))
    assert machine_facts.memory_limit() == limit


def test_a_container_without_a_mark_in_its_root_is_known_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An engine with a read-only root leaves no file that says so, only ``container=podman``."""
    monkeypatch.setattr(machine_facts.os.path, "exists", lambda _: False)
    monkeypatch.setattr(machine_facts, "read_text", lambda _: "")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("container", "podman")
    assert machine_facts.container() == "podman"
    monkeypatch.delenv("container")
    assert machine_facts.container() == ""
