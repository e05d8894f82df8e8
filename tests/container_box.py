"""A container without an engine: namespaces and a root folder of its own that holds little more than the image would.

What runs in it is read from the Dockerfile, so a test breaks when a line there does. The root is read-only but for the
volume and /tmp, there is no /etc, no HOME, no capability, and no way to new privileges: the strictest settings that
people run it with.

Needs root (of a namespace that may mount), as an engine does.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from waiting import wait_until

ROOT = Path(__file__).parents[1]
ENTRY_POINTS = Path(
    sys.executable
).parent.parent  # the environment in which the tests run stands for the image's
SETTLES = """\
set -eu
root=$1 volume=$2
mount -t tmpfs -o mode=755 tmpfs "$root"
bound() {
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
}
mkdir -p "$root/proc" "$root/tmp" "$root/dev" "$root/data" "$root/sys" "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" # first: the checkout may lie below it
bound /usr /usr
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
shift 2
while [ "$1" != -- ]; do bound "${1%%:*}" "${1#*:}"; shift; done
shift
mount -t proc proc "$root/proc"
for name in null zero full random urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mount --bind "$volume" "$root/data"
mount -o remount,ro "$root"
exec chroot "$root" "$@"
"""


@dataclass(slots=True)
class Image:
    """What the last stage of the Dockerfile says."""

    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    healthcheck_options: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    folder: str = ""
    copied: list[str] = field(default_factory=list)  # of every stage, from the checkout
    others: list[str] = field(default_factory=list)  # words that nobody here knows


def read_dockerfile() -> Image:
    """Understand the lines that say how it runs."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    image = Image()
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        match word:
            case "FROM":
                image = Image(copied=image.copied)
            case "CMD":
                image.command = json.loads(rest)
            case "HEALTHCHECK":
                options, _, command = rest.partition("CMD ")
                image.healthcheck = json.loads(command)
                image.healthcheck_options = dict(
                    one.removeprefix("--").split("=", 1) for one in options.split()
                )
            case "ENV":
                image.environment |= dict(one.split("=", 1) for one in rest.split())
            case "USER":
                image.user = rest
            case "WORKDIR":
                image.folder = rest
            case "COPY":
                words = [one for one in rest.split() if not one.startswith("--")]
                if "--from=" not in rest:
                    image.copied += words[:-1]
            case "RUN" | "VOLUME" | "STOPSIGNAL":
                pass
            case _:
                image.others.append(line)
    return image


class Container:
    """One container of the image, and its volume; it can be started several times."""

    def __init__(self, folder: Path) -> None:
        assert os.geteuid() == 0, "these tests need root, as a container engine does"
        self.image = read_dockerfile()
        self.user = self.image.user
        self.environment: dict[str, str] = {}
        self.volume = folder / "volume"
        self.root = folder / "root"
        for path in (self.volume, self.root):
            path.mkdir(parents=True)
        # As the Dockerfile makes it; an engine gives a new volume the owner and the rights of what lies there.
        os.chown(self.volume, 10001, 0)
        self.volume.chmod(0o770)
        self._outer: subprocess.Popen[bytes] | None = None
        self.init = 0

    def run(self, *command: str) -> None:
        """``docker run``: the command of the image, or another one."""
        path = self.image.environment["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
        inside = {"PATH": path, "HOSTNAME": "box"} | self.environment
        binds = [f"{one}:{one}" for one in {str(ROOT), str(ENTRY_POINTS), sys.base_prefix} if one != "/usr"]
        binds.sort(key=len)
        binds.append(f"{ENTRY_POINTS}:{self.image.environment['PATH'].split('/bin:')[0]}")
        settle = self.volume.parent / "settle.sh"
        settle.write_text(SETTLES)
        with self.output_path.open("ab") as output:
            self._outer = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL"),
                    *("unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"),
                    *("sh", str(settle), str(self.root), str(self.volume), *binds, "--"),
                    *self._as_user(inside),
                    *(command or self.image.command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")

        def first() -> int:
            assert self._outer is not None
            try:
                return int((children.read_text().split() or ["0"])[0])
            except FileNotFoundError:
                raise AssertionError(f"it did not begin: {self.output()}") from None

        self.init = wait_until(first, "process 1", 30)
        self._inside = inside

    def _as_user(self, inside: dict[str, str]) -> list[str]:
        user, _, group = self.user.partition(":")
        rights = ["--bounding-set=-all", "--no-new-privs", "--clear-groups"]
        variables = [f"{key}={value}" for key, value in inside.items()]
        return [
            *("/usr/bin/setpriv", "--reuid", user, "--regid", group or user, *rights),
            *("/usr/bin/env", "-i", "-C", self.image.folder, *variables),
        ]

    @property
    def output_path(self) -> Path:
        return self.volume.parent / "output"

    def output(self) -> str:
        """What ``docker logs`` would show."""
        return self.output_path.read_text(errors="replace")

    def exec(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``docker exec``."""
        return subprocess.run(
            [
                "nsenter",
                "-t",
                str(self.init),
                "-p",
                "-m",
                "-u",
                "-i",
                "-r",
                *self._as_user(self._inside),
                *words,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def until_healthy(self) -> None:
        """As an engine does: ask until it is."""

        def asked() -> bool:
            assert self._outer is not None
            assert self._outer.poll() is None, self.output()
            return self.exec(*self.image.healthcheck).returncode == 0

        wait_until(asked, "a healthy container", 60)

    def is_running(self) -> bool:
        return self._outer is not None and self._outer.poll() is None

    def stop(self, grace_s: float = 60) -> int:
        """``docker stop``: SIGTERM, and after the grace SIGKILL; 137 says that it came to that."""
        assert self._outer is not None
        os.kill(self.init, signal.SIGTERM)
        try:
            return self._outer.wait(grace_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """``docker kill``, or what a machine does that runs out of memory: everything in it is gone at once."""
        assert self._outer is not None
        os.kill(self.init, signal.SIGKILL)
        self._outer.wait(60)
        return 137

    def wait(self) -> int:
        """Its own end."""
        assert self._outer is not None
        return self._outer.wait(60)

    def close(self) -> None:
        """Leave nothing."""
        if self._outer is not None and self._outer.poll() is None:
            if self.init:
                self.kill()
            else:
                self._outer.kill()  # its namespace dies with it
                self._outer.wait(60)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """A container that has not been started."""
    made = Container(tmp_path / "box")
    try:
        yield made
    finally:
        made.close()
