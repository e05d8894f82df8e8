"""``install`` and ``uninstall``: from settings to an entry, and from an entry to a service manager that knows it."""

import math
import os
import sys
from collections.abc import Callable, Sequence

from watchdog_cli.adapters.typed_words import typed
from watchdog_cli.core.errors import NotRunningError, ServiceError, StorageError, UsageError
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.settings import Settings
from watchdog_cli.install.calls import call
from watchdog_cli.install.entry import CannotSayError, Entry, Owned, Step
from watchdog_cli.wiring.entry_place import Target, Wish
from watchdog_cli.wiring.places import Places
from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.os_errors import in_words

Say = Callable[[str], None]


def make_entry(
    settings: Settings, options: Sequence[str], command: Sequence[str], wish: Wish, target: Target
) -> Entry:
    """Put together what shall be started.

    Raises:
        UsageError: a service manager could not start it.
    """
    from watchdog_cli.install.program import NoProgramError, absolute_command, service_path

    path = service_path(_interpreter(), target.environ.get("PATH", ""))
    try:
        words = absolute_command(list(command), folder=settings.folder, path=path)
    except NoProgramError as error:
        raise UsageError(str(error)) from None
    policy = settings.policy
    return Entry(
        name=settings.name,
        folder=settings.folder,
        interpreter=_interpreter(),
        options=[*options, f"--name={settings.name}"],
        command=words,
        path=path,
        system=target.system,
        user=_user(wish, target, settings.folder, (_interpreter(), words[0])),
        stop_s=math.ceil(policy.stop_timeout_s + policy.dump_timeout_s),
        restart_any_end=policy.restart is not Restart.NEVER,
    )


def encode(entry: Entry, target: Target) -> bytes:
    """The file for the service manager.

    Raises:
        UsageError: a word cannot be written in it.
    """
    try:
        return target.format.encode(entry)
    except CannotSayError as error:
        raise UsageError(
            f"this cannot be written for {target.format.title}: {error}; start it by a script with a plain name"
        ) from None


def commands(target: Target, *, start: bool, changed: bool) -> list[Step]:
    """What makes the manager know a new file."""
    return target.format.after_write(
        target.name, target.path, system=target.system, start=start, changed=changed
    )


def install(entry: Entry, target: Target, *, start: bool, say: Say) -> None:
    """Write the file and make the service manager know and start it; a second time changes nothing.

    Raises:
        ServiceError: the file there is not ours, or the manager refuses.
        StorageError: the file cannot be written.
        UsageError: the command cannot be said in such a file.
    """
    content = encode(entry, target)
    target.refuse_if_hopeless()
    before = target.read()
    if before is not None:
        other = target.owned(before).folder
        if other != entry.folder:
            raise ServiceError(
                f"the entry {entry.name!r} belongs to {other}; choose another --name here, or first: "
                f"watchdog uninstall --name {entry.name}"
            )
    _try_interpreter(entry, target)
    changed = before != content
    if changed:
        _write(target.path, content)
    if before is None:
        say(f"wrote {target.path}")
    elif changed:
        say(f"changed {target.path}:")
        for line in _difference(target.format.decode(before), target.format.decode(content)):
            say(f"  {line}")
    else:
        say(f"{target.path} is as it should be")
    stranger = _other_watchdog(entry, target) if start else 0
    _carry_out(commands(target, start=start and not stranger, changed=changed), target)
    if stranger:
        say(
            f"not started: a watchdog (pid {stranger}) that was started otherwise looks after {entry.name!r} here; "
            f"stop it (watchdog stop {typed(['-C', entry.folder, '--name', entry.name])}) and install again"
        )
    else:
        state = "enabled; it starts at the next boot"
        if start and target.format.waits_for_start:
            state = "enabled and running"
        elif start:
            see = typed(["watchdog", "status", "-C", entry.folder, "--name", entry.name])
            state = f"enabled, and told to start; whether it did:  {see}"
        say(f"{target.unit}: {state}")
    for line in target.format.hints(target.name, system=target.system):
        say(line)


def removal(target: Target) -> list[Step]:
    """What makes the manager forget it, without what comes when the file is gone."""
    return target.format.before_remove(target.name, target.path, system=target.system)


def uninstall(target: Target, say: Say) -> None:
    """Stop the entry, take it out of the boot and remove its file.

    Raises:
        NotRunningError: it is not installed.
        ServiceError: the file there is not ours, or the manager refuses.
    """
    content = target.read()
    if content is None:
        raise NotRunningError(f"there is no entry {target.name!r} ({target.path}); nothing was changed")
    owned = target.owned(content)
    target.refuse_if_hopeless()
    _carry_out(removal(target), target)
    try:
        os.unlink(target.path)
    except OSError as error:
        raise StorageError(f"cannot remove {target.path}: {in_words(error)}") from error
    _carry_out(target.format.after_remove(target.name, system=target.system), target)
    say(f"{target.unit}: stopped and removed ({target.path})")
    _say_who_still_runs(owned, say)
    places = Places(owned.folder, owned.name)
    left = [path for path in (places.state_folder, places.log) if os.path.exists(path)]
    if left:
        say(f"left in place, as it is yours: {', '.join(left)}")


def _say_who_still_runs(owned: Owned, say: Say) -> None:
    """A watchdog that was killed just now leaves its program to the next one, which does not come any more."""
    from watchdog_cli.wiring.status import read_status

    child = read_status(owned.folder, owned.name).child
    if child is not None:
        place = typed(["-C", owned.folder, "--name", owned.name])
        say(f"a program still runs under this name (pid {child.pid}); to end it:  watchdog stop {place}")


def _carry_out(steps: Sequence[Step], target: Target) -> None:
    for step in steps:
        outcome = call(step.words, target.call_environ(), limit_s=None)  # the manager has limits of its own
        if outcome.is_well or step.may_fail:
            continue
        how = f"ended with {outcome.code}" if outcome.code is not None else "failed"
        raise ServiceError(f"{' '.join(step.words)} {how}: {outcome.text or 'it said nothing'}")


def _write(path: str, content: bytes) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # The manager reads it, perhaps as somebody else; no secret is in it.
        write_atomic(path, content, mode=0o644)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {in_words(error)}") from error


def _interpreter() -> str:
    """The Python that runs us, as it was called: following a link would lead out of a virtual environment."""
    if not sys.executable or not os.path.isabs(sys.executable):
        raise UsageError("it is not known which Python runs this; call watchdog by its whole path")
    return sys.executable


def _try_interpreter(entry: Entry, target: Target) -> None:
    """The entry must find us from anywhere: a checkout that only the present folder makes importable is no good."""
    words = [entry.interpreter, "-P", "-m", "watchdog_cli", "--version"]
    environ = {key: value for key, value in target.environ.items() if not key.startswith("PYTHON")}
    outcome = call(words, environ, limit_s=60)
    if not outcome.is_well:
        raise UsageError(
            f"{entry.interpreter} does not find watchdog by itself ({outcome.text[-120:]}); "
            "install it into an environment first: pip install ."
        )


def _user(wish: Wish, target: Target, folder: str, needed: Sequence[str]) -> str | None:
    title = target.format.title
    if title == "task-scheduler":
        if target.system:
            return None
        account, domain = target.environ.get("USERNAME", ""), target.environ.get("USERDOMAIN", "")
        return wish.run_as or (f"{domain}\\{account}" if domain and account else account) or None
    if wish.run_as is not None and not target.system:
        raise UsageError("--run-as is for system entries; a user's own entry runs as that user")
    if not target.system or sys.platform == "win32":
        return wish.run_as
    from watchdog_cli.install.account import NoAccountError, find_account, owner_of

    try:
        account_found = find_account(wish.run_as) if wish.run_as is not None else owner_of(folder)
    except NoAccountError as error:
        raise UsageError(str(error)) from None
    for path in (os.path.join(folder, "."), *needed):
        barrier = account_found.blocked_at(path)
        if barrier is not None:
            raise UsageError(
                f"user {account_found.name} cannot get to {os.path.normpath(path)}, which leads through {barrier}; "
                "move it to where that user can read it, or say another user with --run-as"
            )
    return account_found.name


def _other_watchdog(entry: Entry, target: Target) -> int:
    """The pid of a watchdog of this place that the service manager does not run; 0 when there is none."""
    from watchdog_cli.adapters.system import locks

    holder = locks.holder(Places(entry.folder, entry.name).lock)
    if holder is None:
        return 0
    pid = target.pid()
    return 0 if pid in (-1, holder) else holder


def _difference(before: str, after: str) -> list[str]:
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and not line.startswith(("---", "+++"))]
