"""What can be known of the Windows side without Windows: what it loads, and that both sides offer the same."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from watchdog_cli.adapters import system

ROOT = Path(__file__).parents[2]
USERS = [
    path for path in ROOT.glob("watchdog_cli/*/*.py") if "adapters.system import" in path.read_text("utf-8")
]
# Offered on POSIX alone: descriptors that are waited for, and what the guard of a lease asks, which is Linux's so far.
POSIX_ONLY = {("inboxes", "Inbox"): {"register", "unregister"}, ("trees", "ChildTree"): {"owns_all_children"}}

IMPORT_ALL = r"""
import sys, os, signal, select, socket, ctypes, importlib, types
# What others load is not ours to judge, and looks at the platform too.
import asyncio, click, psutil, watchdog.observers, rich.console, rich.live, rich.table
for extra in ("starlette.applications", "starlette.routing", "uvicorn", "prometheus_client", "apprise"):
    try:
        importlib.import_module(extra)
    except ImportError:
        pass

for name in ("fcntl", "termios", "resource", "pwd", "grp", "tty", "pty", "syslog", "readline", "curses"):
    sys.modules[name] = None
for module, words in (
    (os, "getuid geteuid mkfifo pipe2 splice pidfd_open waitid sysconf fork setsid killpg getpgid pread eventfd"
         " O_NONBLOCK O_DIRECTORY O_NOFOLLOW O_CLOEXEC umask posix_spawn statvfs"),
    (select, "epoll poll"),
    (signal, "SIGCHLD SIGCONT SIGHUP SIGQUIT SIGKILL SIGUSR1 SIGUSR2 SIGRTMIN pthread_sigmask"),
    (socket, "AF_UNIX"),
):
    for word in words.split():
        if hasattr(module, word):
            delattr(module, word)

class Library:
    def __init__(self, name, **_): self.name = name
    def __getattr__(self, name):
        function = lambda *_: 0
        setattr(self, name, function)
        return function

sys.platform = "win32"
ctypes.WinDLL = Library
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
os.O_BINARY = 0x8000
signal.SIGBREAK, signal.CTRL_BREAK_EVENT = 21, 1

NOT_THERE = {
    f"watchdog_cli.adapters.{name}"
    for name in ("child", "guard", "inbox", "instance_lock", "libc", "log_pump", "marked", "tree_usage")
} | {"watchdog_cli.wiring.lease", "watchdog_cli.wiring.lease_hold"}  # --lease is refused before they are loaded
names = []
for path in sys.argv[1:]:
    name = path.replace("/", ".").removesuffix(".py").removesuffix(".__init__")
    if name in NOT_THERE or name.endswith("__main__"):
        continue
    names.append(importlib.import_module(name).__name__)
system = importlib.import_module("watchdog_cli.adapters.system")
for noun in system.__all__:
    assert getattr(system, noun).__name__.startswith("watchdog_cli.adapters.windows."), noun
loaded = NOT_THERE & set(sys.modules)
assert not loaded, loaded
print(len(names), "imported")
"""


@pytest.mark.timeout(60)
def test_every_module_of_the_windows_path_loads_without_anything_of_posix():
    """With the platform faked and all that Windows lacks taken away, each module loads, and no POSIX one with it."""
    files = [
        str(path.relative_to(ROOT))
        for package in ("watchdog_cli", "watchdog_kit", "tracker")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[0]) > 150


def _tree(noun: str, platform: str) -> ast.Module:
    path = ROOT / (system.module_of(noun, platform).replace(".", "/") + ".py")
    return ast.parse(path.read_text("utf-8"))


def _names(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {one.id for one in targets if isinstance(one, ast.Name)}
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {one.asname or one.name for one in names}
    return found


def _methods(tree: ast.Module, name: str) -> set[str]:
    """The public methods of a class, those of its bases among them."""
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    named = {node.name for node in found.body if isinstance(node, ast.FunctionDef)}
    origin = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    for base in found.bases:
        word = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(word, ast.Name) and origin.get(word.id, "").startswith("watchdog_cli."):
            path = ROOT / (origin[word.id].replace(".", "/") + ".py")
            named |= _methods(ast.parse(path.read_text("utf-8")), word.id)
    return {one for one in named if not one.startswith("_")}


@pytest.mark.parametrize("noun", system.__all__)
def test_both_sides_have_every_name_that_is_asked_of_a_noun(noun):
    """Whatever wiring and adapters take from a noun is there on POSIX and on Windows."""
    asked = {word for path in USERS for word in re.findall(rf"\b{noun}\.(\w+)", path.read_text("utf-8"))}
    assert asked
    for platform in ("linux", "darwin", "win32"):
        assert asked <= _names(_tree(noun, platform)), platform


@pytest.mark.parametrize(
    ("noun", "name"),
    [
        ("trees", "ChildTree"),
        ("inboxes", "Inbox"),
        ("controls", "ControlServer"),
        ("locks", "InstanceLock"),
        ("pumps", "LogPump"),
        ("usages", "TreeUsage"),
    ],
)
def test_the_windows_side_can_all_that_the_posix_side_can(noun, name):
    """Each public method of a class behind the seam exists on both sides."""
    missing = _methods(_tree(noun, "linux"), name) - _methods(_tree(noun, "win32"), name)
    assert missing == POSIX_ONLY.get((noun, name), set())
