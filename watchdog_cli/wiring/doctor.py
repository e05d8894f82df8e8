"""``doctor``: look at everything that a watchdog needs here, and say what to do where it is not as it should be."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping

from watchdog_cli.core.errors import WatchdogError
from watchdog_cli.core.findings import Finding, fault, ok, warning
from watchdog_cli.core.settings import Settings
from watchdog_cli.wiring import doctor_machine
from watchdog_cli.wiring.places import BASE, Places
from watchdog_kit.records import dataclass

LIBRARIES = ("click", "psutil", "watchdog", "rich")
EXTRAS = (
    ("forensics", ("py_spy",), "stacks of a frozen Python program"),
    ("metrics", ("prometheus_client",), "metrics"),
    ("notify", ("apprise",), "other notification services"),
    ("web", ("starlette", "uvicorn"), "the web page"),
)
SCRIPT_LIMIT = 1 << 20
MOST_NAMES = 20  # whoever has more of them in one folder looks at each by --name
PRIVATE = 0o077


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at.

    Args:
        settings: None when they cannot be read; ``problem`` says why.
    """

    folder: str
    name: str
    environ: Mapping[str, str]
    settings: Settings | None
    problem: str = ""

    @property
    def places(self) -> Places:
        """Where its files lie."""
        if self.settings is not None:
            return Places(self.folder, self.name, self.settings.log_dir)
        return Places(self.folder, self.name)


def meet(folder: str, name: str | None, environ: Mapping[str, str]) -> Patient:
    """Read the settings; that they are wrong is a finding, no failure."""
    from watchdog_cli.adapters.config_file import load_settings
    from watchdog_cli.core.names import DEFAULT_NAME

    given = {} if name is None else {"name": name}
    try:
        settings = load_settings(folder, given, environ=environ)
    except WatchdogError as error:
        return Patient(folder, name or DEFAULT_NAME, environ, None, str(error))
    return Patient(folder, settings.name, environ, settings)


def examine(patient: Patient) -> list[Finding]:
    """Do every check, in the order in which people would."""
    checks: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
        _interpreter,
        _command,
        _libraries,
        _extras,
        _settings,
        _writable,
        _leftovers,
    )
    findings = [finding for check in checks for finding in check(patient)]
    findings += doctor_machine.examine(patient.places, patient.settings)
    findings += doctor_machine.entries(patient.name, patient.environ)
    return findings


def _interpreter(patient: Patient) -> Iterator[Finding]:
    del patient
    version = ".".join(map(str, sys.version_info[:3]))
    if not sys.executable or not os.path.exists(sys.executable):
        yield fault(
            "python",
            f"the Python that runs this ({sys.executable or 'unknown'}) is gone from the disk",
            "install watchdog again; what runs goes on, but could not be started anew",
        )
        return
    where = "a virtual environment" if sys.prefix != sys.base_prefix else "no virtual environment"
    yield ok("python", f"Python {version}, {sys.executable} ({where})")


def _command(patient: Patient) -> Iterator[Finding]:
    path = patient.environ.get("PATH", "")
    found = shutil.which("watchdog", path=path)
    own = _own_script()
    folder = os.path.dirname(own)
    if found is None:
        if not own:
            remedy = f"call {sys.executable} -m watchdog_cli"
        elif os.path.basename(own) in ("watchdog", "watchdog.exe"):
            remedy = f"add {folder} to PATH, or call {own}"
        else:
            remedy = f"call {own}, or put a link to it that is called 'watchdog' into a folder of PATH"
        yield warning("command", "there is no 'watchdog' on PATH", remedy)
    elif _is_ours(found, own):
        yield ok("command", f"'watchdog' on PATH is this one ({found})")
    else:
        what = " (the package watchdog of Debian)" if found.endswith("/sbin/watchdog") else ""
        first = f", or put {folder} first in PATH" if own else ""
        yield warning(
            "command",
            f"'watchdog' on PATH is another program: {found}{what}",
            f"call this one as tracker-watchdog{first}",
        )


def _own_script() -> str:
    """What starts us: the script that was installed with us, or a single file; "" when there is neither."""
    import sysconfig

    name = "watchdog.exe" if sys.platform == "win32" else "watchdog"
    places = dict.fromkeys((os.path.dirname(sys.executable), sysconfig.get_path("scripts") or ""))
    found = (os.path.join(place, name) for place in places if place)
    started = os.path.abspath(sys.argv[0])
    called = () if started.endswith(".py") else (started,)  # python -m
    return next((path for path in (*found, *called) if os.path.isfile(path)), "")


def _is_ours(path: str, own: str, interpreter: str = sys.executable) -> bool:
    """Whether the script starts our package; another program of the name does not speak of it.

    On Windows the script is packed, and a copy of it may lie elsewhere: it speaks of our Python then.

    Args:
        own: what starts us, if it is known.
    """
    real = os.path.realpath(path)
    if own and (
        real == os.path.realpath(own) or os.path.dirname(real) == os.path.realpath(os.path.dirname(own))
    ):
        return True
    try:
        with open(path, "rb") as file:
            content = file.read(SCRIPT_LIMIT)
    except OSError:
        return False
    ours = (f"#!{interpreter}", f'#!"{interpreter}"', "watchdog_cli")
    return any(os.fsencode(word) in content for word in ours)


def _libraries(patient: Patient) -> Iterator[Finding]:
    del patient
    from importlib import metadata
    from importlib.util import find_spec

    versions, missing = [], []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    remedy = "install watchdog again, into an environment of its own: pip install --force-reinstall tracker-watchdog"
    if missing:
        yield fault("libraries", f"not installed: {', '.join(missing)}", remedy)
    elif find_spec("watchdog.observers") is None:
        yield fault(
            "libraries",
            "the module 'watchdog' is not the library of that name: another package owns it",
            remedy,
        )
    else:
        yield ok("libraries", ", ".join(versions))


def _extras(patient: Patient) -> Iterator[Finding]:
    del patient
    from importlib.util import find_spec

    from watchdog_cli.adapters.stack_spy import find_spy

    there: list[str] = []
    not_there: list[str] = []
    for extra, modules, purpose in EXTRAS:
        has = find_spy() is not None if extra == "forensics" else all(find_spec(one) for one in modules)
        (there if has else not_there).append(extra if has else f"{extra} ({purpose})")
    text = f"installed: {', '.join(there) or 'none'}"
    if not_there:
        text += f"; not installed: {', '.join(not_there)}"
    yield ok("extras", text)


def _settings(patient: Patient) -> Iterator[Finding]:
    if patient.settings is None:
        yield fault("settings", patient.problem, "'watchdog run' would refuse to start; mend it")
        return
    origins = {origin.partition(":")[0] for origin in patient.settings.origins.values() if ":" in origin}
    places = sorted(origin for origin in origins if origin)
    number = len(patient.settings.explicit - {"name"})
    yield ok(
        "settings", f"{number} set{f' ({places[0]})' if len(places) == 1 else ''}, the others as by default"
    )


def _writable(patient: Patient) -> Iterator[Finding]:
    from watchdog_cli.adapters.machine_facts import nearest_folder, why_not_writable

    places = patient.places
    bad = []
    for path in (places.state_folder, os.path.dirname(places.log)):
        folder = nearest_folder(path)
        why = why_not_writable(folder)
        if why is not None:
            bad.append(f"{folder}: {why}")
    foreign = _foreign_files(places)
    if bad:
        yield fault(
            "folders",
            f"cannot write in {'; '.join(dict.fromkeys(bad))}",
            "mend its rights, or use -C or --log-dir",
        )
    elif foreign:
        yield fault(
            "folders",
            f"{foreign} belongs to another user; was it started as root once?",
            f"chown -R {os.getuid()} {os.path.join(patient.folder, BASE)} {os.path.dirname(places.log)}",
        )
    else:
        yield ok("folders", f"state and logs can be written in {patient.folder}")
    with contextlib.suppress(OSError):
        if sys.platform != "win32" and os.stat(places.state_folder).st_mode & PRIVATE:
            yield warning(
                "rights",
                f"others may look into {places.state_folder}",
                f"chmod 700 {places.state_folder} (the next start does it too)",
            )


def _foreign_files(places: Places) -> str:
    """One file of ours that somebody else owns, when we are not root."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        return ""
    for path in (places.state_folder, places.state, places.lock, places.journal, places.log, places.own_log):
        with contextlib.suppress(OSError):
            if os.lstat(path).st_uid != os.geteuid():
                return path
    return ""


def _leftovers(patient: Patient) -> Iterator[Finding]:
    from watchdog_kit.atomic_file import is_abandoned

    base = os.path.join(patient.folder, BASE)
    try:
        names = sorted(entry.name for entry in os.scandir(base) if entry.is_dir(follow_symlinks=False))
    except OSError:
        yield ok("leftovers", "nothing was ever started here")
        return
    found = False
    for name in names[:MOST_NAMES]:
        for finding in _one_leftover(patient.folder, name):
            found = True
            yield finding
        with contextlib.suppress(OSError):
            files = os.listdir(os.path.join(base, name))
            aside = [file for file in files if ".bad-" in file]
            temps = [file for file in files if is_abandoned(file)]
            if aside or temps:
                found = True
                yield warning(
                    "leftovers",
                    f"{name}: {', '.join((aside + temps)[:3])} in {os.path.join(base, name)} is of no more use",
                    "look at it if you wonder why, then delete it",
                )
    if not found:
        yield ok("leftovers", f"none ({', '.join(names[:MOST_NAMES]) or 'nothing was ever started here'})")


def _one_leftover(folder: str, name: str) -> Iterator[Finding]:
    from watchdog_cli.core.report import Health, State
    from watchdog_cli.wiring.status import read_status

    try:
        report = read_status(folder, name)
    except WatchdogError as error:
        yield fault("leftovers", f"{name}: {error}", "look with: watchdog status")
        return
    if report.health is Health.UNSUPERVISED:
        pid = f" (pid {report.child.pid})" if report.child is not None else ""
        yield fault(
            "leftovers",
            f"{name}: the program{pid} runs, but its watchdog is gone",
            f"the same `watchdog run` takes it over again; `watchdog stop --name {name}` ends it",
        )
    elif report.health is Health.FROZEN:
        yield fault("leftovers", f"{name}: {report.note}", "end that watchdog (kill -9) and start it again")
    elif report.state is State.UNKNOWN:
        yield fault("leftovers", f"{name}: {report.note}", "look with: watchdog status")
    elif report.state is State.GAVE_UP:
        yield warning("leftovers", f"{name}: gave up", f"look with: watchdog incidents last --name {name}")
