"""The commands of the tracker, alone and beside a running one."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from price_server import PriceServer, pool
from tracked_list import FAST, MINT, OTHER, THIRD, Start, saved
from waiting import wait_until

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_add_remove_list(command: Command, folder: Path) -> None:
    """Without a running tracker, add and remove change the file at once, and list shows it."""
    assert "no tokens yet" in command("list").stderr
    done = command("add", MINT, OTHER, MINT)
    assert done.returncode == 0
    assert "added 2; 2 tokens" in done.stdout
    assert list(saved(folder)) == [MINT, OTHER]
    assert "tracked already" in command("add", MINT).stderr
    assert MINT in command("list").stdout
    listed = json.loads(command("list", "--json").stdout)
    assert listed == list(saved(folder).values())
    assert command("remove", OTHER).returncode == 0
    assert list(saved(folder)) == [MINT]
    assert command("remove", OTHER).returncode == 2
    assert command("remove").returncode == 2
    assert command("remove", "--all").returncode == 0
    assert saved(folder) == {}
    assert os.listdir(folder / ".tracker" / "edits") == []


@pytest.mark.parametrize(
    "address", ["abc", MINT + "x", "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599", "é" * 40, "z" * 44]
)
def test_a_bad_address_is_a_usage_error(command: Command, folder: Path, address: str) -> None:
    """What cannot be an address is refused with a reason, and nothing of the command is done."""
    done = command("add", MINT, address)
    assert done.returncode == 2
    assert "is no token address" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "tracked_tokens.json").exists()


def test_the_cap_is_kept_and_loses_nothing(command: Command, folder: Path) -> None:
    """Beyond max-tokens an add is refused; a file that holds more already keeps all of it."""
    command("add", MINT, OTHER)
    done = command("add", THIRD, "--max-tokens", "2")
    assert done.returncode == 2
    assert "max-tokens is 2" in done.stderr
    assert len(saved(folder)) == 2
    assert command("remove", MINT, env={"TRACKER_MAX_TOKENS": "1"}).returncode == 0
    assert list(saved(folder)) == [OTHER]


def test_imports(command: Command, folder: Path) -> None:
    """The users' format, a list, and plain lines are taken over; what is there already stays as it is."""
    theirs = {
        MINT: {
            "token": MINT,
            "name": "N",
            "firstPrice": 1.5,
            "mine": {"a": 1},
            "priceHistoryEvery20s": [{"price": 1}],
        }
    }
    (folder / "old.json").write_text(json.dumps(theirs | {"bad one": {"token": "bad one"}}))
    done = command("import", "old.json")
    assert "imported 1; 0 were tracked already, 1 left out" in done.stdout
    assert "bad one" in done.stderr
    token = saved(folder)[MINT]
    assert token["mine"] == {"a": 1}
    assert token["firstPrice"] == 1.5
    assert token["priceHistoryEvery20s"] == [{"price": 1}]
    assert token["stopped"] is False
    (folder / "lines.txt").write_text(f"# mine\n{OTHER}\n\n{MINT}  # again\n")
    assert "imported 1; 1 were" in command("import", "lines.txt").stdout
    (folder / "list.json").write_text(json.dumps([THIRD, {"token": MINT}]))
    assert "imported 1; 1 were" in command("import", "list.json").stdout
    assert list(saved(folder)) == [MINT, OTHER, THIRD]
    for name, data in (
        ("none.json", b"{oh"),
        ("x.bin", b"\xff\xfe\x00"),
        ("n.json", b"7"),
        ("l.txt", b"hello\n"),
    ):
        (folder / name).write_bytes(data)
        assert command("import", name).returncode == 2
    assert command("import", "missing.json").returncode == 2


def test_verify_backups_restore(command: Command, folder: Path) -> None:
    """Each copy is judged by its name; a chosen one is brought back, and that can be undone."""
    assert command("verify").returncode == 0
    for address in (MINT, OTHER, THIRD):
        command("add", address)
    assert command("verify").returncode == 0
    rows = json.loads(command("backups", "--json").stdout)
    assert [row["tokens"] for row in rows] == [2, 1]
    assert rows[0]["name"] in command("backups").stdout
    assert "restored 1 tokens" in command("restore", str(rows[1]["number"])).stdout
    assert len(saved(folder)) == 1
    assert "restored 3 tokens" in command("restore").stdout
    assert len(saved(folder)) == 3
    path = folder / "backups" / rows[1]["name"]
    path.write_bytes(path.read_bytes().replace(b"stopped", b"stoqqed"))
    done = command("verify")
    assert done.returncode == 5
    assert f"damaged  backups/{rows[1]['name']}: its content is not what its name says" in done.stdout
    assert command("restore", rows[1]["name"]).returncode == 14
    assert command("restore", "nonsense").returncode == 2
    assert len(saved(folder)) == 3


def test_a_damaged_file_is_said_and_left_to_the_tracker(command: Command, folder: Path) -> None:
    """Looking changes nothing; the next change restores from the backup and says so."""
    command("add", MINT)
    command("add", OTHER)
    (folder / "tracked_tokens.json").write_bytes(b"")
    assert command("list").returncode == 14
    assert command("verify").returncode == 5
    assert (folder / "tracked_tokens.json").read_bytes() == b""


def test_restore_waits_for_nobody_who_runs(start: Start, command: Command) -> None:
    """While a tracker runs, going back is refused with the code for that."""
    tracker = start("--source", "demo", *FAST)
    tracker.until(tracker.beat, "a beat")
    assert command("restore").returncode == 11
    assert tracker.stop() == 0


def test_a_running_tracker_takes_changes_up(start: Start, command: Command, folder: Path) -> None:
    """Tokens added, imported and removed from another terminal are tracked within a cycle, and saved."""
    with PriceServer() as server:
        server.prices = {mint: [pool(1.0)] for mint in (MINT, OTHER, THIRD)}
        tracker = start(*server.options(), *FAST)
        tracker.until(tracker.beat, "a beat")
        done = command("add", MINT, OTHER)
        assert done.returncode == 0
        assert str(tracker.process.pid) in done.stderr
        listed = json.loads(command("list", "--json").stdout)
        assert [token["token"] for token in listed] == [MINT, OTHER]
        tracker.until(lambda: tracker.tokens().get(OTHER, {}).get("lastPrice") == 1.0, "its price")
        command("remove", OTHER)
        (folder / "more.txt").write_text(THIRD)
        command("import", "more.txt")
        tracker.until(lambda: list(tracker.tokens()) == [MINT, THIRD], "both changes")
        tracker.until(lambda: not os.listdir(folder / ".tracker" / "edits"), "the tidy folder")
        assert tracker.stop() == 0
        assert "added 2 tokens" in tracker.text()


def test_output_in_another_encoding(command: Command, folder: Path) -> None:
    """Names that the locale cannot show are shown somehow, and the command ends well."""
    (folder / "tracked_tokens.json").write_text(json.dumps({MINT: {"token": MINT, "symbol": "سوق\x1b[2J🚀"}}))
    done = command("list", env={"PYTHONIOENCODING": "cp1252", "LC_ALL": "C"})
    assert done.returncode == 0
    assert MINT in done.stdout
    assert "\x1b" not in done.stdout


def test_a_narrow_screen(command: Command, folder: Path) -> None:
    """With 80 columns each address, name and price is there as a whole; no number is as wide as a page."""
    fields = {
        "token": MINT,
        "symbol": "SOL",
        "firstPrice": 1e-300,
        "lastPrice": 1e300,
        "rugcheckStatus": "GOOD",
    }
    (folder / "tracked_tokens.json").write_text(json.dumps({MINT: fields, OTHER: {"symbol": "عملة"}}))
    shown = command("list", env={"FORCE_COLOR": "1", "COLUMNS": "80"}).stdout
    assert shown.splitlines()[0] == f"{MINT}  SOL"
    assert "1e+300 USD" in shown
    assert "good" in shown
    assert f"{OTHER}  عملة\n  none yet\n" in shown
    assert max(map(len, shown.splitlines())) <= 80
    in_a_pipe = command("list").stdout
    assert all(word in in_a_pipe for word in (MINT, "SOL", OTHER, "عملة", "1e+300", "good"))
    assert max(map(len, in_a_pipe.splitlines())) <= 160


def test_standard_input(folder: Path, clean_env: dict[str, str]) -> None:
    """``import -`` reads from a pipe."""
    done = subprocess.run(
        [sys.executable, "-m", "tracker", "import", "-"],
        cwd=folder,
        env=clean_env,
        input=io.BytesIO(MINT.encode()).read(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    wait_until(lambda: list(saved(folder)) == [MINT], "the token")


def test_help_and_version(command: Command) -> None:
    """Every command explains itself without loading the others' work, and options show default and unit."""
    for name in ("run", "add", "remove", "list", "import", "verify", "backups", "restore", "alerts"):
        done = command(name, "--help")
        assert done.returncode == 0
        assert "Usage:" in done.stdout
    shown = command("run", "--help").stdout
    assert "[default: 10s]" in shown
    assert "--telegram-token" not in shown
    assert command("--version").stdout.startswith("tracker ")
    assert "python -m tracker add ADDRESS" in command("--help").stdout
