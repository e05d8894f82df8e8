"""``watchdog tail-log`` as a person and as a script use it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tail_folder import COMMAND, QUIET, Folder, Tty
from waiting import wait_until
from watchdog_cli.adapters.log_reader import inode_of


def on_screen(folder: Folder, tty: Tty, *arguments: str) -> str:
    child = folder.start(*arguments, stdout=tty.slave)
    _, problems = child.communicate(timeout=30)
    assert child.returncode == 0, problems
    return tty.take().decode()


def test_shows_the_last_ten_lines(folder: Folder) -> None:
    """Without options the last ten lines, also across a rotation."""
    folder.log.write_text("".join(f"n{number}\n" for number in range(6, 13)))
    Path(f"{folder.log}.1").write_text("".join(f"n{number}\n" for number in range(6)))
    result = folder.tail()
    assert result.returncode == 0
    assert result.stdout.decode().split() == [f"n{number}" for number in range(3, 13)]
    assert result.stderr == b""
    assert folder.tail("-n", "0").stdout == b""
    assert folder.tail("-n", "2").stdout == b"n11\nn12\n"


def test_bytes_pass_unchanged_into_a_pipe(folder: Folder) -> None:
    """Into a pipe every byte goes as it is: broken UTF-8, NUL, escape sequences, a missing last line end."""
    data = "상태\n".encode() + b"\xc1\xff\0\x1b[2J\x1b]0;t\x07\r\n" * 500 + b"y" * 200_000 + b"\nno end"
    folder.log.write_bytes(data)
    assert folder.tail("-n", "100000").stdout == data
    assert folder.tail("-n", "100000", "--grep", "y").stdout == b"y" * 200_000 + b"\n"


def test_screen_gets_colours_and_nothing_else(folder: Folder, tty: Tty) -> None:
    """On a terminal colours stay, other escape sequences and broken bytes do no harm."""
    folder.log.write_bytes(
        b"\x1b[31mred\x1b[0m\n\x1b]52;c;ZXZpbA==\x07\x1b[2Jclear\n\xff\xfe\n" + "حالة\n".encode()
    )
    assert on_screen(folder, tty) == "\x1b[31mred\x1b[0m\nclear\n\ufffd\ufffd\nحالة\n"


def test_giant_line_is_cut_on_a_screen_and_that_is_said(folder: Folder, tty: Tty) -> None:
    """A line of megabytes is shown with its two ends and the number of bytes between them."""
    folder.log.write_bytes(b"<" + b"m" * 5_000_000 + b">\nlast\n")
    child = folder.start(stdout=tty.slave)
    wait_until(lambda: b"last\n" in tty.take(), "the last line")
    assert child.wait(20) == 0
    text = tty.take().decode()
    assert len(text) < 70_000
    assert text.startswith("<mmm")
    assert "mmm>\nlast\n" in text
    assert f"[... {5_000_002 + 1 - 65536} bytes of this line are not shown ...]" in text


def test_runs_are_drawn_on_a_screen(folder: Folder, tty: Tty) -> None:
    """Where a run began a line says which, when, and how the one before ended; also within a broken-off line."""
    folder.log.write_bytes(b"one\nbroken offtwo\n")
    folder.journal(
        folder.spawned(1, 0),
        {"fact": "ended", "text": "ended: killed by SIGKILL, after 5s"},
        folder.spawned(2, 14),
        {"fact": "ended", "text": "ended: exit code 3, after 1s"},
        folder.spawned(3, 18),
    )
    assert on_screen(folder, tty) == (
        "--- run 1 started 2026-11-25 03:28:00 ---\n"
        "one\n"
        "broken off\n"
        "--- run 2 started 2026-11-25 03:28:00 (the one before: killed by SIGKILL) ---\n"
        "two\n"
        "--- run 3 started 2026-11-25 03:28:00 (the one before: exit code 3) ---\n"
    )
    assert folder.tail().stdout == b"one\nbroken offtwo\n"


def test_many_silent_runs_do_not_fill_the_screen(folder: Folder, tty: Tty) -> None:
    """Runs that printed nothing are drawn as first, how many, last."""
    folder.log.write_bytes(b"x\n")
    folder.journal(*(folder.spawned(number, 2) for number in range(1, 51)))
    lines = on_screen(folder, tty).splitlines()
    assert lines[0] == "x"
    assert [line[:10] for line in lines[1:]] == ["--- run 1 ", "--- 48 mor", "--- run 50"]


def test_last_run(folder: Folder) -> None:
    """Only what was printed since the last start; when no start is known, that is an error and not a guess."""
    folder.log.write_bytes(b"one\ntwo\nthree\n")
    assert folder.tail("--last-run").returncode == 3
    folder.journal(folder.spawned(1, 0), folder.spawned(2, 4))
    assert folder.tail("--last-run").stdout == b"two\nthree\n"
    assert folder.tail("--last-run", "-n", "1").stdout == b"three\n"
    assert folder.tail("--last-run", "--grep", "t").stdout == b"two\nthree\n"
    folder.journal(folder.spawned(2, 4) | {"log": {"file_id": "1:2:3", "offset": 4}})
    gone = folder.tail("--last-run")
    assert gone.stdout == b"one\ntwo\nthree\n"
    assert b"no longer in the log" in gone.stderr


def test_grep_takes_the_last_matching_lines(folder: Folder) -> None:
    """With -n the last N that match, across files; without a match nothing; Unicode counts as characters."""
    folder.log.write_text(
        "".join(f"n{number} {'odd' if number % 2 else 'even'}\n" for number in range(100)) + "عربي 5\n"
    )
    Path(f"{folder.log}.1").write_text("rotated odd\n")
    assert folder.tail("--grep", "odd", "-n", "2").stdout == b"n97 odd\nn99 odd\n"
    assert folder.tail("--grep", "rotated|n1 odd").stdout == b"rotated odd\nn1 odd\n"
    assert folder.tail("--grep", "^.{4} 5$").stdout == "عربي 5\n".encode()
    assert folder.tail("--grep", "nowhere").stdout == b""
    assert len(folder.tail("--grep", "n").stdout.splitlines()) == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grep", "("], "is no regular expression"),
        (["--since", "yesterday"], "yesterday"),
        (["--since", "2026-99-99"], "no time that I can read"),
        (["--since", "1h", "--last-run"], "--since and --last-run"),
        (["-n", "-1"], "-1"),
        (["-n", "many"], "many"),
        (["-C", "no-such-folder"], "no-such-folder"),
        (["--name", "../evil"], "../evil"),
    ],
)
def test_wrong_options_are_told_in_words(folder: Folder, arguments: list[str], words: str) -> None:
    """A mistake in the command line is exit 2 and says what was wrong, without a traceback."""
    folder.log.write_text("x\n")
    result = folder.tail(*arguments)
    assert result.returncode == 2
    assert words in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert result.stdout == b""


def test_missing_log_is_one_clear_line(folder: Folder) -> None:
    """No log: exit 3, one line that names the file and the way out."""
    result = folder.tail()
    assert result.returncode == 3
    assert result.stderr.count(b"\n") == 1
    assert b"logs/tracker.log" in result.stderr
    assert b"-C" in result.stderr


def test_unreadable_log_is_one_clear_line(folder: Folder) -> None:
    """A folder in place of the log: exit 14 and one line."""
    folder.log.mkdir()
    result = folder.tail()
    assert result.returncode == 14
    assert result.stderr.count(b"\n") == 1
    assert b"cannot read logs/tracker.log" in result.stderr


def test_empty_log_is_no_error(folder: Folder) -> None:
    """A log in which nothing stands yet shows nothing."""
    folder.log.touch()
    for arguments in ([], ["--grep", "x"], ["-n", "0"], ["--since", "1h"]):
        result = folder.tail(*arguments)
        assert (result.returncode, result.stdout) == (0, b"")


def test_only_log_of_the_folder_is_found(folder: Folder) -> None:
    """Without --name the one log there is gets shown and named; of several one must be picked."""
    (folder.log.parent / "bot.log").write_text("from the bot\n")
    (folder.log.parent / "bot.watchdog.log").write_text("report\n")
    result = folder.tail()
    assert result.stdout == b"from the bot\n"
    assert b"logs/bot.log" in result.stderr
    assert folder.tail("--watchdog").stdout == b"report\n"
    (folder.log.parent / "other.log").write_text("x\n")
    result = folder.tail()
    assert result.returncode == 3
    assert b"bot, other" in result.stderr
    assert folder.tail("--name", "other").stdout == b"x\n"


def test_place_can_be_named(folder: Folder, tmp_path: Path) -> None:
    """-C, --name and --log-dir lead there; without --log-dir it is where the watchdog wrote."""
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "bot.log").write_text("there\n")
    assert folder.tail("--log-dir", "else where", "--name", "bot").stdout == b"there\n"
    (elsewhere / "tracker.log").write_text("by the state\n")
    (folder.state / "state.json").write_text(json.dumps({"version": 1, "log_dir": "else where"}))
    assert folder.tail().stdout == b"by the state\n"
    result = subprocess.run(
        [*COMMAND, "-C", str(folder.path)], cwd="/", env=QUIET, capture_output=True, timeout=50, check=False
    )
    assert result.stdout == b"by the state\n"
    for damage in ("", "{", "[]", '{"log_dir": 5}', "\udcff"):
        (folder.state / "state.json").write_text(damage, errors="surrogateescape")
        assert folder.tail().returncode == 3


def test_own_reports(folder: Folder) -> None:
    """--watchdog shows what the watchdog reports, with the same options, exact to its times."""
    own = folder.log.with_name("tracker.watchdog.log")
    own.write_text(
        "".join(f"2026-11-25T03:{number:02}:00.000Z INFO    fact {number}\n" for number in range(60))
    )
    assert folder.tail("--watchdog", "-n", "1").stdout.endswith(b"fact 59\n")
    since = folder.tail("--watchdog", "--since", "2026-11-25T03:57Z")
    assert [line[-8:] for line in since.stdout.splitlines()] == [b" fact 57", b" fact 58", b" fact 59"]
    folder.log.write_text("")
    folder.journal(folder.spawned(1, 0, "2026-11-25T03:58:00.000Z"))
    assert len(folder.tail("--watchdog", "--last-run").stdout.splitlines()) == 2


def test_since_says_how_exact_it_is(folder: Folder) -> None:
    """What is shown begins at the nearest time on record, and that time is said."""
    folder.log.write_bytes(b"old\nnew\n")
    now = time.time()
    file_id = f"{inode_of(folder.log.stat())}:1"
    (folder.state / "log-marks").write_text(f"{now - 7200:.3f} {file_id} 0\n{now - 700:.3f} {file_id} 4\n")
    result = folder.tail("--since", "10m")
    assert result.stdout == b"new\n"
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now - 700))
    assert f"nearest time on record is {stamp}" in result.stderr.decode()
    assert folder.tail("--since", "1h").stdout == b"old\nnew\n"
    os.utime(folder.log, (now - 600, now - 600))
    quiet = folder.tail("--since", "1m")
    assert quiet.stdout == b""
    assert b"nothing was printed since" in quiet.stderr
    (folder.state / "log-marks").unlink()
    unknown = folder.tail("--since", "1h")
    assert unknown.stdout == b"old\nnew\n"
    assert b"not on record" in unknown.stderr


def test_cost_grows_with_what_is_shown(folder: Folder) -> None:
    """The last lines of a huge log are read from its end: hardly a megabyte of it is touched."""
    with folder.log.open("wb") as file:
        file.seek(3 << 30)
        file.write(b"\n" + b"".join(b"n%d\n" % number for number in range(20)))
    result = folder.tail()
    assert result.stdout.split() == [b"n%d" % number for number in range(10, 20)]
    trace = (
        "import os, sys\n"
        "from watchdog_cli.adapters import log_reader\n"
        "total = 0\n"
        "real = log_reader.LogFile.read\n"
        "def read(self, offset, count):\n"
        "    global total\n"
        "    data = real(self, offset, count)\n"
        "    total += len(data)\n"
        "    return data\n"
        "log_reader.LogFile.read = read\n"
        "log_reader.last_lines('logs/tracker.log', 10)\n"
        "print(total)\n"
    )
    read = subprocess.run(
        [sys.executable, "-c", trace], cwd=folder.path, capture_output=True, check=True, timeout=50
    )
    assert int(read.stdout) <= 64 * 1024


@pytest.mark.parametrize(
    ("into", "code", "words"),
    [(">&-", 141, b""), ("> /dev/full", 14, b"Error: cannot write the output: disk full\n")],
)
def test_output_that_goes_nowhere(folder: Folder, into: str, code: int, words: bytes) -> None:
    """Without a stdout it ends quietly; a full disk behind it is one clear line."""
    folder.log.write_bytes(b"x\n")
    result = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m watchdog_cli tail-log {into}"],
        cwd=folder.path,
        env=QUIET,
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert (result.returncode, result.stderr) == (code, words)
