"""The steps of a release: which Pythons it is tried with, and what came of the audit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _pythons(*folders: Path) -> tuple[list[str], list[str]]:
    """What is printed, and what is said to be left out."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "pythons.py")],
        env={**os.environ, "PATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_each_minor_version_is_tried_once(tmp_path: Path) -> None:
    """The oldest first; the Python that runs this comes before others of its version; old ones are none of ours."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    _program(first / "python3.99", "echo 3.99.0")
    _program(first / "python3.101", "echo 3.101.2")
    _program(first / "python3.99-config", "echo 3.99.0")
    _program(first / "python3.99t", "echo 3.99.0")
    _program(first / "python3", "echo 3.10.4")
    _program(first / "python3.9", "echo 3.98.0")
    _program(second / "python3.99", "echo 3.99.1")
    (second / f"python3.{sys.version_info[1]}").symlink_to(sys.executable)
    found, left_out = _pythons(first, tmp_path / "not there", second)
    own = ".".join(map(str, sys.version_info[:3]))
    assert found == [f"{own} {sys.executable}", f"3.99.0 {first}/python3.99", f"3.101.2 {first}/python3.101"]
    assert left_out == []


def test_a_python_that_cannot_be_used_is_told_of(tmp_path: Path) -> None:
    """A shim without its version, one that Debian split, and what is no Python; another of its version is taken."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    _program(
        tmp_path / "a" / "python3.97",
        "echo 'pyenv: python3.97: command not found' >&2; echo more >&2; exit 127",
    )
    trace = "printf 'Traceback (most recent call last):\\n x\\nModuleNotFoundError: No module named ensurepip\\n' >&2"
    _program(tmp_path / "a" / "python3.98", f"{trace}; exit 1")
    _program(tmp_path / "a" / "python3.99", "exit 3")
    _program(tmp_path / "b" / "python3.99", "echo 3.99.1")
    found, left_out = _pythons(tmp_path / "a", tmp_path / "b")
    assert found[1:] == [f"3.99.1 {tmp_path}/b/python3.99"]
    assert left_out == [
        f"left out: {tmp_path}/a/python3.97: pyenv: python3.97: command not found",
        f"left out: {tmp_path}/a/python3.98: ModuleNotFoundError: No module named ensurepip",
        f"left out: {tmp_path}/a/python3.99: ended with 3",
    ]


@pytest.mark.parametrize(
    ("answers", "code", "report", "talk"),
    [
        ("exit 0", 0, "a==1\n", "audit: no known fault in 2 packages"),
        ("echo '| a | 1 | CVE-1 |'; exit 1", 1, "| a | 1 | CVE-1 |", "audit: NOT clean"),
        ("echo 'cannot connect' >&2; exit 1", 2, None, "audit: NOT MADE"),
        ("exit 127", 2, None, "audit: NOT MADE"),
    ],
)
def test_an_audit_that_was_not_made_is_no_clean_one(
    tmp_path: Path, answers: str, code: int, report: str | None, talk: str
) -> None:
    """pip-audit ends with 1 both for faults and for a service that is silent; the two are told apart."""
    _program(tmp_path / "pip-audit", answers)
    frozen, written = tmp_path / "frozen.txt", tmp_path / "audit.md"
    frozen.write_text("a==1\nb==2\n")
    written.write_text("of the last release")
    done = subprocess.run(
        ["sh", str(ROOT / "scripts" / "audit.sh"), str(frozen), str(written)],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert talk in done.stdout + done.stderr
    assert written.exists() == (report is not None)
    assert report is None or report in written.read_text()
