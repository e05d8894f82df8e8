"""Gets the other supervisors by package name into a folder of our own; nothing is installed into the system.

From pip a virtual environment each, from npm a local prefix each. Packages of apt are downloaded and unpacked beside
each other, never configured: no service is registered or started, no right is needed, and removing the folder removes
all of it.
"""

import json
import os
import shutil
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

INSTALL_LIMIT_S = 300
APT_TOOLS = ("s6", "runit", "daemontools", "monit")


class MissingError(Exception):
    """A peer cannot be had here; the text is the reason."""


def default_work() -> Path:
    """Where installed peers stay, so that the next comparison begins at once."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "tracker-watchdog-peers"


class Kits:
    """Installed peers; each is fetched when it is first asked for and found again by the next comparison."""

    def __init__(self, work: Path) -> None:
        self.work = work
        work.mkdir(parents=True, exist_ok=True)

    def pip(self, package: str) -> Path:
        """The ``bin`` folder of an environment that holds the package."""
        place = self.work / f"pip-{package}"
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True, symlinks=True)
            _run(
                [str(place / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", package], place
            )
            found = _run([str(place / "bin/pip"), "show", package], place)
            (place / "done").write_text(_field(found, "Version"))
        return place / "bin"

    def npm(self, package: str) -> Path:
        """The folder of the package below a prefix of its own."""
        place = self.work / f"npm-{package}"
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(self.work / "npm-cache")]
            _run(["npm", "install", "--prefix", str(place), *quiet, package], place)
            about = json.loads((place / "node_modules" / package / "package.json").read_text())
            (place / "done").write_text(about["version"])
        return place / "node_modules" / package

    def apt(self) -> Path:
        """A root folder with all that comes from apt, unpacked."""
        place = self.work / "apt"
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            wanted = list(APT_TOOLS)
            for package in wanted:  # grows while it is walked: libraries have libraries
                wanted += [one for one in _libraries(package, place) if one not in wanted]
            _run(["apt-get", "download", *wanted], place)
            for file in place.glob("*.deb"):
                _run(["dpkg-deb", "-x", str(file), str(place / "root")], place)
            versions = {
                file.name.partition("_")[0]: file.name.split("_")[1].replace("%3a", ":")
                for file in place.glob("*.deb")
            }
            (place / "done").write_text(json.dumps(versions))
        return place / "root"

    def version(self, source: str, package: str) -> str:
        """Which version was installed, for the report."""
        if source == "apt":
            versions: dict[str, str] = json.loads((self.work / "apt/done").read_text())
            return versions[package]
        return (self.work / f"{source}-{package}" / "done").read_text()


def unpacked(root: Path) -> str:
    """An assignment for ``env`` that lets unpacked programs find their unpacked libraries."""
    folders = sorted({str(file.parent) for file in root.glob("**/lib*.so.*")})
    return "LD_LIBRARY_PATH=" + ":".join(folders)


def _libraries(package: str, place: Path) -> list[str]:
    """The libraries that a package needs and the system does not have."""
    shown = _run(["apt-cache", "depends", "--no-recommends", "--no-suggests", package], place)
    words = (line.split() for line in shown.splitlines() if "Depends:" in line)
    names = [parts[-1] for parts in words if parts[-1].startswith("lib")]
    query = ["dpkg-query", "-W", "-f", "${Status}"]
    return [one for one in names if not _answers([*query, one], "install ok installed")]


def _answers(command: Sequence[str], words: str) -> bool:
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_LIMIT_S)
    return found.stdout.strip() == words


def _run(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=INSTALL_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise MissingError(f"{command[0]} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise MissingError(f"{command[0]} took longer than {INSTALL_LIMIT_S} s") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or ["no words"]
        raise MissingError(f"{Path(command[0]).name} failed: {lines[-1]}") from None
    return done.stdout


def _field(text: str, name: str) -> str:
    return next(line.split(": ", 1)[1] for line in text.splitlines() if line.startswith(f"{name}: "))
