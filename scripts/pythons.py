"""Names the Pythons of this machine that a release is tried with: one line each, "VERSION PATH", the oldest first.

python scripts/pythons.py
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# What making an empty environment takes; Debian packs ensurepip apart from the interpreter.
NEEDED = "import ensurepip, sys, venv; print(*sys.version_info[:3], sep='.')"
NAME = re.compile(r"python3(?:\.(\d+))?")
LIMIT_S = 60.0


def main() -> None:
    """Print one Python of each minor version from the oldest supported one up, and on stderr what was left out."""
    found: dict[tuple[int, ...], tuple[str, str]] = {}
    for path in _candidates():
        said = _ask(path)
        numbers = tuple(int(part) for part in said.split(".")) if re.fullmatch(r"\d+\.\d+\.\d+", said) else ()
        if not numbers:
            print(f"left out: {path}: {said}", file=sys.stderr)
        elif numbers >= _oldest():
            found.setdefault(numbers[:2], (said, path))
    for version, path in (found[minor] for minor in sorted(found)):
        print(version, path)


def _candidates() -> Iterator[str]:
    """The Python that runs this, then every python3 and python3.N on the search path in its order."""
    yield sys.executable
    seen: set[str] = set()
    for folder in os.get_exec_path():
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue  # a search path may name folders that are not there
        for path in (os.path.join(folder, name) for name in names if _may_do(name)):
            # A shim stands for several versions under one file: it counts by its name.
            key = f"{os.path.realpath(path)} {os.path.basename(path)}"
            if os.access(path, os.X_OK) and key not in seen:
                seen.add(key)
                yield path


def _may_do(name: str) -> bool:
    """Whether that is the name of a Python, and not of one that is too old."""
    named = NAME.fullmatch(name)
    return named is not None and (named[1] is None or (3, int(named[1])) >= _oldest())


def _ask(path: str) -> str:
    """Ask a Python for its version; what it says instead if it cannot be used."""
    try:
        done = subprocess.run(
            [path, "-c", NEEDED],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if not lines:
        return f"ended with {done.returncode}"
    # A traceback says what it is about in its last line, a shim in its first.
    return lines[-1 if lines[0].startswith("Traceback") else 0].strip()


@cache
def _oldest() -> tuple[int, ...]:
    """Say the oldest version that the package admits."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    return tuple(int(part) for part in project["requires-python"].removeprefix(">=").split("."))


if __name__ == "__main__":
    main()
