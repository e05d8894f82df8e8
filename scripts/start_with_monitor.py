"""Start the tracker under its watchdog, in the folder that holds ``scripts``; Ctrl-C stops both.

    python scripts/start_with_monitor.py [OPTION OF THE TRACKER]...
    python scripts/start_with_monitor.py --ensure [OPTION OF THE TRACKER]...

With ``--ensure``: in the background, unless the watchdog runs there already; then say how it is. Fit for cron, the Task
Scheduler and a double click; ends with 0 when the watchdog runs.

يشغّل المتتبع تحت مراقبه في المجلد الذي يحوي ``scripts``، وCtrl-C يوقفهما معًا. ومع ``--ensure`` يعمل في الخلفية،
ما لم يكن المراقب يعمل أصلًا، ثم يقول كيف حالهما.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

FOLDER = Path(__file__).resolve().parent.parent
STARTS_WITHIN_S = 60.0
ANSWERS_WITHIN_S = 15.0
NOT_RUNNING, UNHEALTHY, ALREADY_RUNNING = 3, 5, 11  # exit codes of the watchdog


def _say(english: str, arabic: str, stream: TextIO) -> None:
    """Say it in both languages; in English alone where letters of the other cannot be written."""
    print(english, file=stream, flush=True)
    with contextlib.suppress(UnicodeEncodeError, LookupError):
        arabic.encode(stream.encoding or "ascii")
        print(arabic, file=stream, flush=True)


def _python() -> str:
    """The interpreter of the folder's own environment, else the one that runs this."""
    own = (FOLDER / ".venv" / "bin" / "python", FOLDER / ".venv" / "Scripts" / "python.exe")
    return next((str(path) for path in own if path.exists()), sys.executable)


def _watchdog(*words: str) -> list[str]:
    return [_python(), "-m", "watchdog_cli", *words]


def _run(*options: str, tracker: list[str]) -> list[str]:
    return _watchdog("run", *options, "--", _python(), "-m", "tracker", *tracker)


def _stay(tracker: list[str]) -> int:
    """Become the watchdog where a system can do that, else stand beside it."""
    os.chdir(FOLDER)
    command = _run(tracker=tracker)
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(command[0], command)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the watchdog too, which does what is to be done
    return subprocess.call(command)


def _look() -> int:
    """Whether the watchdog lives: 0, NOT_RUNNING, UNHEALTHY (no answer); any other code: nobody can tell."""
    return subprocess.call(_watchdog("check", "--watchdog"), cwd=FOLDER)


def _start(tracker: list[str]) -> int:
    """Start it in a session of its own; return what _look says once it lives, or its own end."""
    apart: dict[str, object] = {"start_new_session": True}
    if sys.platform == "win32":  # a console without a window, so that the watchdog can ask its program to end
        apart = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    process = subprocess.Popen(  # type: ignore[call-overload] # what stands in apart fits
        _run("--quiet", tracker=tracker),
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,  # read only if it ends at once; its log has the rest
        **apart,
    )
    with process.stderr:
        return _wait(STARTS_WITHIN_S, process)


def _wait(limit_s: float, process: subprocess.Popen[bytes] | None = None) -> int:
    """Return 0 as soon as a watchdog answers, the end of ``process`` if that comes first; else the last look."""
    end = time.monotonic() + limit_s
    while True:
        if process is not None and process.poll() is not None:
            if process.returncode != ALREADY_RUNNING:
                assert process.stderr is not None
                print(process.stderr.read().decode("utf-8", "replace").strip(), file=sys.stderr)
                return int(process.returncode) or NOT_RUNNING
            process = None  # somebody else was quicker; that one answers soon
        code = _look()
        is_hopeless = process is None and code != UNHEALTHY
        if code == 0 or is_hopeless or time.monotonic() > end:
            return code
        time.sleep(0.1)


def _ensure(tracker: list[str]) -> int:
    code = _wait(ANSWERS_WITHIN_S)  # one that does not answer may be just beginning, called by somebody else
    if code == NOT_RUNNING:
        _say(f"starting the tracker in {FOLDER}", f"يبدأ تشغيل المتتبع في {FOLDER}", sys.stdout)
        code = _start(tracker)
    if code not in (0, UNHEALTHY):  # why stands above, in the watchdog's own words
        if code == 1:
            hint = f'"{_python()}" -m pip install "{FOLDER}"'
            _say(
                f"the watchdog cannot be called; if it is not installed yet: {hint}",
                f"تعذّر استدعاء المراقب؛ إن لم يكن مثبّتًا بعد فثبّته: {hint}",
                sys.stderr,
            )
        return code
    subprocess.call(_watchdog("status"), cwd=FOLDER)
    return code


def main(words: list[str]) -> int:
    """Do what the words say; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file or a pipe of Windows is not UTF-8 by itself
            away = os.name == "nt" and not stream.isatty()
            stream.reconfigure(encoding="utf-8" if away else None, errors="replace")
    if words[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if words[:1] == ["--ensure"]:
        return _ensure(words[1:])
    return _stay(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
