"""Settings and what passes through (cases G01 to G03)."""

import json
import os
import sys

import pytest

from harness import Watchdog
from rig import QUICK
from waiting import wait_until

STRANGE = [
    *(
        "100%",
        "%(here)s",
        "$HOME",
        "${PATH}",
        "#no comment",
        "it's",
        '"quoted"',
        "a\\nb",
        "line\nend",
        "\t",
        "مرحبا",
    ),
    *("日本語", "é", "*", "~", "`id`", "a;b", "--", "-", "", " ", "--name", "{0}", "\x1b[31m"),
]
SEES = """
import json, os, sys
seen = [[os.fsencode(word).hex() for word in sys.argv[1:]], os.fsencode(os.environ.get("STRANGE", "")).hex()]
with open("seen.new", "w") as file: json.dump(seen, file)
os.rename("seen.new", "seen.json")
"""


def _seen(dog: Watchdog) -> list[object]:
    found: list[object] = json.loads((dog.folder / "seen.json").read_text())
    return found


def test_G01_nothing_that_passes_through_is_read(dog: Watchdog) -> None:
    """Percent, dollar, hash, quotes, escapes, other scripts in arguments and in the environment: all as they were."""
    value = "".join(STRANGE)
    process = dog.run("--restart", "never", "--", sys.executable, "-c", SEES, *STRANGE, STRANGE=value)
    assert process.wait(30) == 0
    assert _seen(dog) == [[word.encode().hex() for word in STRANGE], value.encode().hex()]


def test_G01_bytes_that_are_no_text_pass_through(dog: Watchdog) -> None:
    """Arguments and values that are no UTF-8 arrive byte for byte, and status and state can still be read."""
    word = os.fsdecode(b"caf\xe9-\xff\xfe")
    dog.write("sees.py", SEES + "import time\ntime.sleep(600)\n")
    dog.run(*QUICK, "--no-heartbeat", "--", sys.executable, "sees.py", word, STRANGE=word)
    wait_until((dog.folder / "seen.json").exists, "what the program saw")
    assert _seen(dog) == [[os.fsencode(word).hex()], os.fsencode(word).hex()]
    assert dog.await_health("healthy")["child"]["command"][:2] == [sys.executable, "sees.py"]
    assert "caf" in dog.cli("status").stdout
    assert dog.cli("restart").returncode == 0
    dog.stop()


def test_G01_path_with_every_odd_sign_is_a_path(dog: Watchdog) -> None:
    """A heartbeat file and a log folder whose names are full of signs: used as they stand, from option and variable."""
    name = "100%s $HOME #1 'q' \"d\" ${x} مرحبا é"
    dog.start(*QUICK, "--heartbeat", name, "--heartbeat-timeout", "2s", "--start-grace", "30s",
              orders=("print hello", "beat 0.2"), WATCHDOG_LOG_DIR=f"logs {name}")  # fmt: skip
    report = dog.await_health("healthy")
    assert (dog.folder / name).exists()
    assert report["heartbeat"]["file"].endswith(name)
    assert (dog.folder / f"logs {name}" / "tracker.log").read_text() == "hello\n"
    assert name in dog.cli("status").stdout
    dog.order("silent")
    dog.fact("hang")


def test_G01_folder_with_every_odd_sign_works(dog: Watchdog) -> None:
    """The same for the folder of everything, given by -C."""
    place = dog.folder / "a b 'c' \"d\" %s $HOME é مرحبا #\n2"
    place.mkdir()
    dog.run(*QUICK, "-C", str(place), "--no-heartbeat", "--", "sleep", "600")
    wait_until(lambda: dog.cli("check", "-C", str(place)).returncode == 0, "health")
    found = dog.cli("status", "--json", "-C", str(place))
    assert json.loads(found.stdout)["folder"] == str(place)
    assert dog.cli("stop", "-C", str(place)).returncode == 0


LIMITS = {
    "0": (None, "0"),
    "unlimited": (None, "unlimited"),
    "7": (None, "7"),
    "-1": (2, "-1"),
    "1e12": (2, "1e12"),
    "abc": (2, "abc"),
    "": (2, "''"),
    "1.5": (2, "1.5"),
    "99999999999999999999999": (2, "9999"),
    "infinity": (2, "infinity"),
    "٣": (2, "٣"),
    "1_000": (2, "1_000"),
}


@pytest.mark.parametrize("word", LIMITS)
def test_G02_one_word_for_no_limit_and_no_negative_one(dog: Watchdog, word: str) -> None:
    """A whole number, 0 or unlimited is taken and shown; all else is one line with code 2 that quotes it."""
    code, shown = LIMITS[word]
    found = dog.cli("config", "--max-restarts", word)
    if code is None:
        assert found.returncode == 0, found.stderr
        line = next(line for line in found.stdout.splitlines() if "max-restarts" in line)
        assert shown in line.split()
    else:
        assert (found.returncode, found.stderr.count("\n"), found.stdout) == (code, 1, "")
        assert shown in found.stderr
        assert "max-restarts" in found.stderr


def test_G02_zero_never_restarts(dog: Watchdog) -> None:
    """--max-restarts 0: the first death is the last one, code 12, and it is said so."""
    assert dog.start("--no-heartbeat", "--max-restarts", "0", orders=("exit 7",)).wait(30) == 12
    assert len(dog.stamps()) == 1
    assert "GAVE UP" in dog.printed()
    assert "exit code 7" in dog.printed()


def test_G02_unlimited_never_gives_up(dog: Watchdog) -> None:
    """--max-restarts unlimited: far more deaths than the usual cap, and still there."""
    dog.start(
        "--no-heartbeat", "--quiet", "--max-restarts", "unlimited", "--restart-delay", "0", orders=("exit 7",)
    )
    wait_until(lambda: len(dog.stamps()) > 25, "26 runs", 40)
    assert not dog.facts("gave-up")
    assert dog.status()["restarts"]["cap"] is None
    assert "unlimited" in dog.cli("status").stdout


DURATIONS = [
    "-5s",
    "5 s",
    "soon",
    "",
    "nan",
    "inf",
    "1e400",
    "5x",
    "1h1h",
    "400d",
    "0x5",
    "٥s",
    "5s5",
    "s",
    "1,5s",
]


@pytest.mark.parametrize("word", DURATIONS)
def test_G02_nonsense_for_a_time_is_refused(dog: Watchdog, word: str) -> None:
    """No number, negative, endless, with blanks, too long: one line with code 2 that names option and right form."""
    found = dog.cli("config", "--restart-delay", word)
    assert (found.returncode, found.stderr.count("\n"), found.stdout) == (2, 1, ""), found.stderr
    assert "restart-delay" in found.stderr


CLASHES = [
    (("--restart", "never", "--max-restarts", "3"), ("restart=never", "max-restarts")),
    (("--restart", "never", "--retry-after", "5m"), ("restart=never", "retry-after")),
    (("--restart", "never", "--backoff"), ("restart=never", "backoff")),
    (("--max-restarts", "unlimited", "--retry-after", "5m"), ("max-restarts=unlimited", "retry-after")),
    (("--no-heartbeat", "--heartbeat", "x.json"), ("no-heartbeat", "heartbeat")),
    (("--no-heartbeat", "--alive-on-output"), ("no-heartbeat", "alive-on-output")),
    (("--progress-timeout", "5m"), ("progress-key", "progress-timeout")),
    (("--backoff-max", "5m"), ("backoff", "backoff-max")),
    (("--heartbeat", "logs"), ("heartbeat", "logs")),
    (("--heartbeat", ".watchdog/tracker/state.json"), ("heartbeat", ".watchdog")),
]


@pytest.mark.parametrize(("words", "names"), CLASHES, ids=[" ".join(words) for words, _ in CLASHES])
def test_G03_contradiction_names_both_and_starts_nothing(
    dog: Watchdog, words: tuple[str, ...], names: tuple[str, str]
) -> None:
    """Two options that cannot both hold: one line with code 2 naming both, at once, and nothing is written."""
    found = dog.cli("run", *words, "--", *dog.command())
    assert (found.returncode, found.stderr.count("\n"), found.stdout) == (2, 1, ""), found.stderr
    assert all(name in found.stderr for name in names), found.stderr
    assert os.listdir(dog.folder) == []


def test_G03_effective_settings_say_where_they_come_from(dog: Watchdog) -> None:
    """Option over variable over file over default, each with its place, as table and as JSON."""
    dog.write("watchdog.toml", 'restart-delay = "7s"\nmax-restarts = 4\nstop-timeout = "20s"\n')
    words = ("config", "--restart-delay", "1s")
    more = {"WATCHDOG_RESTART_DELAY": "3s", "WATCHDOG_STOP_TIMEOUT": "30s"}
    table = {
        line.split()[0]: line for line in dog.cli(*words, **more).stdout.splitlines() if line.startswith("  ")
    }
    for key, value, place in (
        ("restart-delay", " 1s ", "--restart-delay"),
        ("stop-timeout", " 30s ", "WATCHDOG_STOP_TIMEOUT"),
        ("max-restarts", " 4 ", "watchdog.toml"),
        ("restart-window", " 5m ", "default"),
    ):
        assert value in table[key], table[key]
        assert place in table[key], table[key]
    record = json.loads(dog.cli(*words, "--json", **more).stdout)["settings"]
    assert set(record) == set(table)
    assert (record["restart-delay"]["value"], record["restart-delay"]["unit"]) == (1.0, "seconds")
    assert record["max-restarts"]["value"] == 4


BAD_FILES = {
    "unknown key": ('restart_dealy = "5s"\n', "restart_dealy"),
    "close to a key": ('restart-dely = "5s"\n', "restart-delay"),
    "wrong kind": ("restart-delay = [1, 2]\n", "restart-delay"),
    "a truth": ("max-restarts = true\n", "max-restarts"),
    "not a number": ("restart-delay = nan\n", "restart-delay"),
    "no TOML": ("restart-delay = = 5\n", "line 1"),
    "twice": ('name = "a"\nname = "b"\n', "watchdog.toml"),
    "clash in the file": ('restart = "never"\nmax-restarts = 3\n', "max-restarts"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_G03_bad_file_is_one_line_with_code_10(dog: Watchdog, what: str) -> None:
    """The file, the key and the reason in one line; code 10 by every command that reads it; nothing is started."""
    text, part = BAD_FILES[what]
    dog.write("watchdog.toml", text)
    for words in (("run", "--", *dog.command()), ("config",)):
        found = dog.cli(*words)
        assert (found.returncode, found.stderr.count("\n"), found.stdout) == (10, 1, ""), found.stderr
        assert "watchdog.toml" in found.stderr
        assert part in found.stderr
    assert os.listdir(dog.folder) == ["watchdog.toml"]


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"\x00" * 100, b"a" * 3_000_000, b"= \n" * 10],
    ids=["no text", "zeros", "megabytes", "no keys"],
)
def test_G03_file_of_garbage_is_one_line_with_code_10(dog: Watchdog, content: bytes) -> None:
    """Bytes that are no text, NUL bytes, megabytes of nothing: no traceback, code 10."""
    (dog.folder / "watchdog.toml").write_bytes(content)
    found = dog.cli("run", "--", *dog.command())
    assert (found.returncode, found.stderr.count("\n")) == (10, 1), found.stderr[:300]
    assert len(found.stderr) < 600


def test_G03_option_of_the_moment_beats_a_clash_in_the_file(dog: Watchdog) -> None:
    """--restart never on the command line over a file with a cap: what the person typed counts, no error."""
    dog.write("watchdog.toml", "max-restarts = 3\n")
    process = dog.start("--no-heartbeat", "--restart", "never", orders=("exit 5",))
    assert process.wait(30) == 5
