"""The checks of ``doctor`` that are about the machine, and about what starts a watchdog at its boot."""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping

from watchdog_cli.adapters import machine_facts
from watchdog_cli.core.errors import WatchdogError
from watchdog_cli.core.findings import Finding, fault, ok, warning
from watchdog_cli.core.settings import Settings
from watchdog_cli.install import formats
from watchdog_cli.install.calls import call
from watchdog_cli.wiring.entry_place import Target
from watchdog_cli.wiring.places import Places
from watchdog_kit.quantities import format_duration, format_size

# 2024-01-01: a clock before that was never set (chosen: before the first release).
SANE_AFTER = 1_704_067_200.0
STEP_S = 60.0
LEAST_FREE = 20_000_000  # bytes: below, the next save may fail (chosen)
SPARE = 100_000_000  # bytes that should be left when our logs have their full size (chosen)
LEAST_FILES, FEW_FILES = 100, 10_000
SPARE_NOTICES = 8  # instances; a watchdog needs one
SPARE_WATCHES = 64
LEAST_DESCRIPTORS = 256
ASK_S = 5.0


def examine(places: Places, settings: Settings | None) -> list[Finding]:
    """Everything that the machine can tell."""
    return [
        *_disk(places, settings),
        *_clock(places),
        *_notices(),
        *_descriptors(),
        *_stacks(),
        *_surroundings(),
    ]


def _disk(places: Places, settings: Settings | None) -> Iterator[Finding]:
    folders = {places.folder: None, machine_facts.nearest_folder(os.path.dirname(places.log)): None}
    ceiling = settings.log_size * (settings.log_backups + 1) * 2 if settings is not None else 0
    shown = []
    for folder in folders:
        found = machine_facts.space(folder)
        if found is None:
            continue
        free = f"{format_size(found.free_bytes)} free for {folder}"
        if found.free_bytes < LEAST_FREE:
            yield fault(
                "disk", free, "make room: state, logs and the program's own files cannot be saved soon"
            )
        elif found.free_files is not None and found.free_files < LEAST_FILES:
            yield fault(
                "disk",
                f"only {found.free_files} more files can be made on the disk of {folder}",
                "delete files: it has run out of inodes, not of bytes",
            )
        elif found.free_bytes < ceiling + SPARE:
            yield warning(
                "disk",
                f"{free}; our logs may grow to {format_size(ceiling)}",
                "make room, or set a smaller log-size",
            )
        elif found.free_files is not None and found.free_files < FEW_FILES:
            yield warning(
                "disk", f"{found.free_files} more files can be made for {folder}", "delete small files"
            )
        else:
            shown.append(free)
    if shown:
        yield ok("disk", shown[0])


def _clock(places: Places) -> Iterator[Finding]:
    now = time.time()
    if now < SANE_AFTER:
        yield fault(
            "clock",
            f"it is {time.strftime('%Y-%m-%d', time.gmtime(now))}, says this machine: its clock was never set",
            "set it, or let the network do so (timedatectl set-ntp true); supervision does not mind, reports do",
        )
        return
    ahead = max(
        (stamp - now for stamp in map(_changed_at, (places.journal, places.state, places.own_log)) if stamp),
        default=0.0,
    )
    if ahead > STEP_S:
        yield warning(
            "clock",
            f"our files are {format_duration(float(int(ahead)))} in the future: the clock was set back",
            "look whether it is right now; times in reports of that day are not",
        )
        return
    synchronised = _ask_timedatectl()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if synchronised == "no":
        yield warning("clock", f"{text}; nobody keeps it right", "timedatectl set-ntp true")
    else:
        yield ok("clock", f"{text}{', kept right by the network' if synchronised == 'yes' else ''}")


def _changed_at(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _ask_timedatectl() -> str:
    """Yes, no, or "" when nobody can tell."""
    if not os.path.isdir("/run/systemd/system") or shutil.which("timedatectl") is None:
        return ""
    words = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    return call(words, os.environ, limit_s=ASK_S).output.strip()


def _notices() -> Iterator[Finding]:
    if not sys.platform.startswith("linux"):
        return
    use = machine_facts.notice_use()
    if use is None:
        yield warning(
            "notices",
            "the kernel tells nobody of changed files (no inotify)",
            "none: the heartbeat file is then looked at from time to time, which works too",
        )
        return
    text = f"{use.instances} of {use.most_instances} inotify instances, {use.watches} of {use.most_watches} watches"
    if use.instances > use.most_instances - SPARE_NOTICES:
        yield warning(
            "notices",
            f"{text}: hardly any left",
            f"sysctl fs.inotify.max_user_instances={max(512, 2 * use.most_instances)}; "
            "without, the heartbeat file is looked at from time to time",
        )
    elif use.watches > use.most_watches - SPARE_WATCHES:
        yield warning(
            "notices",
            f"{text}: hardly any left",
            f"sysctl fs.inotify.max_user_watches={max(65536, 2 * use.most_watches)}",
        )
    else:
        yield ok("notices", f"{text} in use by you")


def _descriptors() -> Iterator[Finding]:
    try:
        import resource
    except ImportError:
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < LEAST_DESCRIPTORS:
        yield warning("files", f"only {soft} files may be open at once", "ulimit -n 1024")
    else:
        yield ok(
            "files",
            f"{'any number of' if soft == resource.RLIM_INFINITY else soft} files may be open at once",
        )


def _stacks() -> Iterator[Finding]:
    if not sys.platform.startswith("linux"):
        return
    from watchdog_cli.adapters.stack_spy import OPT_IN, find_spy

    scope = machine_facts.read_number(machine_facts.YAMA) or 0
    if find_spy() is None:
        yield ok("stacks", "of frozen programs that print them themselves; for others: the extra 'forensics'")
    elif scope and not machine_facts.may_trace_others():
        yield warning(
            "stacks",
            f"py-spy is installed, but this system lets no process look into another one (ptrace_scope {scope})",
            f"give the watchdog CAP_SYS_PTRACE, or let the program help: {OPT_IN}",
        )
    else:
        yield ok("stacks", "py-spy may look into a frozen Python program")


def _surroundings() -> Iterator[Finding]:
    if not sys.platform.startswith("linux"):
        return
    kind, first = machine_facts.container(), machine_facts.first_process()
    parts = [f"process 1 is {first or 'unknown'}", machine_facts.cgroup_version()]
    if kind:
        parts.insert(0, f"a container ({kind})")
    limit = machine_facts.memory_limit()
    if limit is not None:
        parts.append(f"memory limit {format_size(limit)}")
    yield ok("system", ", ".join(parts))


def entries(name: str, environ: Mapping[str, str]) -> list[Finding]:
    """What starts this watchdog at boot."""
    manager = formats.usual()
    if manager is None:
        return [
            warning("boot", f"no service manager of {sys.platform} is known", "start it by your own means")
        ]
    found = []
    for system in (False, True):
        target = Target(formats.make(manager), name, system, environ)
        found += list(_entry(target))
    if found:
        return found
    why = formats.make(manager).objection(system=False, environ=environ)
    if why is not None and formats.make(manager).objection(system=True, environ=environ) is not None:
        return [ok("boot", f"not started at boot; {why}")]
    return [ok("boot", "not started at boot", "if it shall be: watchdog install -- COMMAND")]


def _entry(target: Target) -> Iterator[Finding]:
    scope = "--system" if target.system else "--user"
    again = f"watchdog install {scope} --name {target.name} -- COMMAND"
    try:
        content = target.read()
        if content is None:
            return
        owned = target.owned(content)
    except WatchdogError as error:
        yield warning("boot", str(error), "nothing, if that is meant")
        return
    if not os.path.exists(owned.interpreter):
        yield fault(
            "boot", f"{target.unit} starts {owned.interpreter}, which is gone", f"install it again: {again}"
        )
    elif not os.path.isdir(owned.folder):
        yield fault(
            "boot",
            f"{target.unit} runs in {owned.folder}, which is gone",
            "watchdog uninstall, or bring it back",
        )
    else:
        yield from _state(target)


def _state(target: Target) -> Iterator[Finding]:
    if target.format.title != "systemd":
        yield ok("boot", f"{target.unit} is installed ({target.path})")
        return
    scope = [] if target.system else ["--user"]
    asked = "ActiveState,SubState,UnitFileState,Result,ExecMainStatus"
    words = ["systemctl", *scope, "show", f"--property={asked}", target.unit]
    outcome = call(words, target.call_environ(), limit_s=ASK_S)
    if not outcome.is_well:
        yield ok("boot", f"{target.unit} is installed ({target.path}); systemd does not say how it is")
        return
    facts = dict(line.partition("=")[::2] for line in outcome.output.splitlines())
    state, enabled = facts.get("ActiveState", "unknown"), facts.get("UnitFileState", "")
    text = f"{target.unit} is {state} and {enabled or 'unknown'}"
    log = " ".join(["journalctl", *scope, "-u", target.unit])
    start = " ".join(["systemctl", *scope, "start", target.unit])
    if state == "failed":
        yield fault("boot", f"{text} ({facts.get('Result', '')})", f"look with: {log}; then: {start}")
    elif (facts.get("SubState"), facts.get("Result")) == ("stop-post", "exit-code") or (
        facts.get("SubState") == "auto-restart"
    ):
        code = facts.get("ExecMainStatus", "")
        yield fault("boot", f"{target.unit} does not stay up (status {code})", f"look with: {log}")
    elif enabled != "enabled":
        yield warning(
            "boot",
            f"{text}: it does not start at boot",
            f"systemctl {' '.join([*scope, 'enable'])} {target.unit}",
        )
    else:
        yield ok("boot", text, "" if state == "active" else f"to start it now: {start}")
