"""What the machine says of itself, for ``doctor``: file notices, space, the clock, process 1. Nothing is changed."""

import contextlib
import os
import tempfile

from watchdog_kit.os_errors import in_words
from watchdog_kit.records import dataclass

INOTIFY = "/proc/sys/fs/inotify"
YAMA = "/proc/sys/kernel/yama/ptrace_scope"
CGROUPS = "/sys/fs/cgroup"
OWN_GROUPS = "/proc/self/cgroup"
# How the first version of control groups says that there is none: the largest number, rounded.
NO_LIMIT = 1 << 62
CAP_SYS_PTRACE = 19
TEXT_LIMIT = 65536


@dataclass(frozen=True, slots=True)
class NoticeUse:
    """How many file notices there may be, and how many this user has.

    Args:
        instances, watches: in use, as far as we may see.
    """

    instances: int
    most_instances: int
    watches: int
    most_watches: int


@dataclass(frozen=True, slots=True)
class Space:
    """What is free for us on the file system of a folder; None where it has no such count."""

    free_bytes: int
    free_files: int | None


def read_number(path: str) -> int | None:
    """The number in a small file of the kernel; None when there is none."""
    text = read_text(path).strip()
    return int(text) if text.isdigit() else None


def read_text(path: str) -> str:
    """The beginning of a text file; "" when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(TEXT_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""


def notice_use() -> NoticeUse | None:
    """inotify, as far as it can be seen; None where there is none."""
    most_instances = read_number(f"{INOTIFY}/max_user_instances")
    most_watches = read_number(f"{INOTIFY}/max_user_watches")
    if most_instances is None or most_watches is None:
        return None
    instances = watches = 0
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                continue
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                if "inotify" in os.readlink(f"/proc/{pid}/fd/{descriptor}"):
                    instances += 1
                    watches += read_text(f"/proc/{pid}/fdinfo/{descriptor}").count("inotify wd:")
    return NoticeUse(instances, most_instances, watches, most_watches)


def space(folder: str) -> Space | None:
    """What is free there for a user without privileges; None when the system does not say."""
    try:
        found = os.statvfs(folder)
    except (OSError, AttributeError):
        import shutil

        try:
            return Space(shutil.disk_usage(folder).free, None)
        except OSError:
            return None
    return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def why_not_writable(folder: str) -> str | None:
    """Why no file can be made there; None when one can: tries it, with a file without a name where there are such."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return in_words(error)
    return None


def may_trace_others() -> bool:
    """Whether this process may look into those that it did not start."""
    for line in read_text("/proc/self/status").splitlines():
        key, _, value = line.partition(":")
        if key == "CapEff":
            return bool(int(value.strip() or "0", 16) >> CAP_SYS_PTRACE & 1)
    return False


def first_process() -> str:
    """The name of process 1."""
    return read_text("/proc/1/comm").strip()


def container() -> str:
    """What kind of container this is; "" when it does not look like one."""
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    # Most engines but Docker say it in this variable; with a read-only root it is all that Podman leaves.
    named = os.environ.get("container", "")  # noqa: SIM112 - written like this by all of them
    return read_text("/run/systemd/container").strip() or named.strip()


def memory_limit() -> int | None:
    """The memory limit of our control group in bytes, in either version of them; None when there is none."""
    limits = []
    for line in read_text(OWN_GROUPS).splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if not controllers:
            base, file = CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            base, file = f"{CGROUPS}/memory", "memory.limit_in_bytes"
        else:
            continue
        while path and path != "/":
            limits.append(read_number(f"{base}{path}/{file}"))
            path = os.path.dirname(path)
        limits.append(read_number(f"{base}/{file}"))  # in a container its own group is the root
    return min((limit for limit in limits if limit is not None and limit < NO_LIMIT), default=None)


def cgroup_version() -> str:
    """Which control groups there are, in words."""
    if os.path.exists(f"{CGROUPS}/cgroup.controllers"):
        return "cgroup v2"
    return "cgroup v1" if os.path.isdir(CGROUPS) else "no cgroups"


def nearest_folder(path: str) -> str:
    """The folder itself, or the one above it in which it would be made, or what stands there in its place."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path
