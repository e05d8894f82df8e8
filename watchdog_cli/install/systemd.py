"""systemd: one unit for each watchdog, ``tracker-watchdog@NAME.service``.

Why each line stands in the unit: ``docs/install.md``; why leftovers are not killed: ``docs/decisions``. The rules of
quoting are those of systemd.syntax(7), systemd.service(5) ("Command lines") and systemd.unit(5) ("Specifiers").
"""

import getpass
import os
from collections.abc import Mapping

from watchdog_cli.core.errors import ExitCode
from watchdog_cli.install.entry import STOP_MARGIN_S, CannotSayError, Entry, Format, Step

SYSTEM_FOLDER = "/etc/systemd/system"
BOOTED = "/run/systemd/system"  # sd_booted(3)
LINGER = "/var/lib/systemd/linger"
# In between a `systemctl stop` finds nobody whom it could tell. Not less: where the folder is gone, nothing of ours
# runs that could wait, and systemd tries again without end.
RESTART_S = 1
AGAIN_S = 5  # for one that could not start: what kept it does not pass sooner
PING_S = 60  # the watchdog pings at half of it
START_S = 90
# After these ends systemd must not start the watchdog again: asked to stop; a wrong command line, a wrong setting or
# a program that says so (no start mends that); gave up. SIGTERM ends one that has only just begun; it is a stop too.
FINAL = (ExitCode.OK, ExitCode.USAGE, ExitCode.CONFIG, ExitCode.GAVE_UP, 78)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:=,@")
# systemd refuses the quotes, and expands the dollar in the name that the program sees.
_IN_EXECUTABLE = "\"'\\$"


class Systemd(Format):
    """User and system units."""

    title = "systemd"
    waits_for_start = True

    def unit(self, name: str) -> str:
        """An instance with a file of its own: together they are ``tracker-watchdog@*``."""
        return f"tracker-watchdog@{name}.service"

    def path(self, name: str, *, system: bool, environ: Mapping[str, str]) -> str:
        """Where an administrator's or a user's own units lie."""
        if system:
            return f"{SYSTEM_FOLDER}/{self.unit(name)}"
        base = environ.get("XDG_CONFIG_HOME", "")
        if not os.path.isabs(base):
            base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
        return os.path.join(base, "systemd", "user", self.unit(name))

    def encode(self, entry: Entry) -> bytes:
        """The unit."""
        return unit_text(entry).encode()

    def objection(self, *, system: bool, environ: Mapping[str, str]) -> str | None:
        """Why nothing can be installed here."""
        if not os.path.isdir(BOOTED):
            return (
                "systemd does not run here (a container, perhaps); "
                "let whatever starts this machine call `watchdog run`, or look with --dry-run"
            )
        if system:
            return None if os.geteuid() == 0 else "a system entry needs root; use sudo, or --user"
        if not os.path.exists(os.path.join(runtime_folder(environ), "systemd", "private")):
            return (
                f"systemd does not run for this user (nothing in {runtime_folder(environ)}); "
                "log in as this user without su or sudo, or use --system"
            )
        return None

    def _call(self, system: bool, *words: str) -> list[str]:
        return ["systemctl", *([] if system else ["--user"]), *words]

    def after_write(self, name: str, path: str, *, system: bool, start: bool, changed: bool) -> list[Step]:
        """Read the file, enable it, start it."""
        del path
        unit = self.unit(name)
        found = [self._call(system, "daemon-reload"), self._call(system, "enable", unit)]
        if start:
            found.append(self._call(system, "restart" if changed else "start", unit))
        return [Step(words) for words in found]

    def before_remove(self, name: str, path: str, *, system: bool) -> list[Step]:
        """Stop it and take it out of the boot."""
        del path
        return [Step(self._call(system, "disable", "--now", self.unit(name)))]

    def after_remove(self, name: str, *, system: bool) -> list[Step]:
        """Forget it."""
        return [
            Step(self._call(system, "daemon-reload")),
            Step(self._call(system, "reset-failed", self.unit(name)), may_fail=True),
        ]

    def ask_pid(self, name: str, *, system: bool) -> list[str] | None:
        """The main process of the unit."""
        return self._call(system, "show", "--property=MainPID", "--value", self.unit(name))

    def hints(self, name: str, *, system: bool) -> list[str]:
        """How to look at it; and that a user's units wait for a login unless told otherwise."""
        scope = "" if system else " --user"
        found = [f"look:  systemctl{scope} status {self.unit(name)}"]
        if not system:
            try:
                user = getpass.getuser()
            except (OSError, KeyError):  # a user id without a name
                user = str(os.getuid())
            if not os.path.exists(os.path.join(LINGER, user)):
                found.append(
                    f"it starts when you log in; to start it at boot too:  loginctl enable-linger {user}"
                )
        return found


def runtime_folder(environ: Mapping[str, str]) -> str:
    """Where the sockets of a user's own service manager are."""
    return environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


def unit_text(entry: Entry) -> str:
    """The unit file of one watchdog.

    Raises:
        CannotSayError: the folder or an argument cannot be written in a unit file.
    """
    lines = [
        "# Written by `watchdog install`; it is replaced as a whole by the next one. Put your own changes into a",
        "# drop-in (systemctl edit), which stays. To remove it: watchdog uninstall",
        f"# {entry.mark()}",
        "[Unit]",
        f"Description=watchdog over {entry.name}",
        "Documentation=man:systemd.service(5)",
        "StartLimitIntervalSec=0",
    ]
    if entry.system:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    if _PLAIN.issuperset(entry.folder):
        lines.append(f"RequiresMountsFor={entry.folder}")
    lines += [
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"WorkingDirectory={_folder(entry.folder)}",
        f"ExecStart={_command(entry.argv)}",
        f"ExecStopPost=-{_after_end(entry)}",
        f"Environment={quote(f'PATH={entry.path}')}",
    ]
    if entry.user is not None:
        lines.append(f"User={entry.user}")
    lines += [
        f"Restart={'always' if entry.restart_any_end else 'on-abnormal'}",
        f"RestartSec={RESTART_S}",
        f"RestartPreventExitStatus={' '.join(str(int(code)) for code in FINAL)} SIGTERM",
        f"WatchdogSec={PING_S}",
        "WatchdogSignal=SIGKILL",
        f"TimeoutStartSec={START_S}",
        f"TimeoutStopSec={entry.stop_s + STOP_MARGIN_S}",
        "KillMode=process",
        "OOMPolicy=continue",
        *_hardening(entry),
        "",
        "[Install]",
        f"WantedBy={'multi-user.target' if entry.system else 'default.target'}",
        "",
    ]
    return "\n".join(lines)


def _hardening(entry: Entry) -> list[str]:
    """What no well-behaved program notices: it may be any, and may write anywhere its user may.

    Not ProtectKernelTunables: in a container of LXC or systemd-nspawn the boot id is a mount of its own, which it takes
    away; the watchdog and ``watchdog status`` would then know the machine under two boot ids.
    """
    found = ["RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes"]
    if entry.system:
        found += ["ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectHostname=yes"]
        if entry.user not in (None, "root"):
            found += ["NoNewPrivileges=yes", "ProtectSystem=full"]
    return found


def quote(word: str, *, dollar: bool = False) -> str:
    """One word as systemd reads it back.

    Args:
        dollar: it stands in a command line, where a dollar begins a variable.
    Raises:
        CannotSayError: it is not made of characters.
    """
    _require_text(word)
    if word and _PLAIN.issuperset(word):
        return word
    found = []
    for character in word:
        if character in '"\\':
            found.append(f"\\{character}")
        elif character == "%":
            found.append("%%")
        elif character == "$" and dollar:
            found.append("$$")
        elif character == "\n":
            found.append("\\n")
        elif character < " " or character == "\x7f":
            found.append(f"\\x{ord(character):02x}")
        else:
            found.append(character)
    return f'"{"".join(found)}"'


def _command(argv: list[str]) -> str:
    if any(character in _IN_EXECUTABLE or character < " " for character in argv[0]):
        # As an argument it may be called anything; the shell becomes it at once.
        argv = ["/bin/sh", "-c", 'exec "$0" "$@"', *argv]
    return " ".join(quote(word, dollar=True) for word in argv)


def _after_end(entry: Entry) -> str:
    """What a watchdog leaves that was asked to stop shall not run on unwatched; and whoever cannot start, waits.

    Not only the one that had to be killed while stopping: SIGTERM ends a Python that has just begun before it can hear
    it, and its predecessor may have left a program. One that another watchdog looks after is no business of ours.
    """
    ours = '"$0" -P -m watchdog_cli'
    has_one = f'{ours} check --watchdog "$@"; [ $? != {int(ExitCode.NOT_RUNNING)} ]'
    cases = [
        f'timeout*) exec {ours} stop --now "$@"',
        f'*" killed TERM") {has_one} || exec {ours} stop "$@"',
    ]
    if entry.restart_any_end:
        final = "|".join(f'*" exited {int(code)}"' for code in FINAL)
        cases += ['*" killed "*|*" dumped "*) ', f"{final}) ", f"*) exec sleep {AGAIN_S - RESTART_S}"]
    script = f'case "$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS" in {";; ".join(cases)};; esac'
    words = ["/bin/sh", "-c", script, entry.interpreter, "-C", entry.folder, "--name", entry.name]
    return " ".join(quote(word, dollar=True) for word in words)


def _folder(path: str) -> str:
    """A path for WorkingDirectory=, where systemd knows no quotes."""
    _require_text(path)
    if any(character < " " or character == "\x7f" for character in path):
        raise CannotSayError(f"the folder {path!r} has control characters in its name")
    if path != path.strip() or path.endswith("\\"):
        raise CannotSayError(f"the folder {path!r} ends in a blank or a backslash")
    return path.replace("%", "%%")


def _require_text(word: str) -> None:
    try:
        word.encode()
    except UnicodeEncodeError:
        shown = word.encode("utf-8", "surrogateescape")
        raise CannotSayError(f"{shown!r} is not UTF-8") from None
