"""The commands, and what happens when they, a running tracker and a hand work on one list."""

import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from price_server import PriceServer, pool
from tracker import edits
from tracker.changes import ChangeDesk
from tracker.edits import Edit
from tracker.errors import StorageError
from tracker.model import Token
from tracker.place import Place
from tracker.store import Store
from waiting import wait_until

Start = Callable[..., Any]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
MINT = "So11111111111111111111111111111111111111112"
OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
THIRD = "DizXwuDCWJNCeStk3qVYvARPmCyDdEcbFZkHQ3g1pag"
FAST = ("--cycle", "200ms", "--save-interval", "200ms", "--heartbeat-interval", "200ms", "--no-rugcheck")


def saved(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "tracked_tokens.json").read_bytes())
    assert isinstance(found, dict)
    return found


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


def test_no_change_is_lost_in_a_crowd(start: Start, folder: Path, clean_env: dict[str, str]) -> None:
    """Twelve terminals add at once while the tracker saves and is killed: every token is there in the end."""
    mints = [f"{MINT[:-2]}{a}{b}" for a in "345" for b in "2345"]
    tracker = start("--source", "demo", *FAST)
    tracker.until(tracker.beat, "a beat")
    adders = [
        subprocess.Popen(
            [sys.executable, "-m", "tracker", "add", mint],
            cwd=folder,
            env=clean_env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for mint in mints
    ]
    tracker.until(lambda: len(tracker.tokens()) > 8, "the first of them")
    tracker.process.send_signal(signal.SIGKILL)
    assert [adder.wait(30) for adder in adders] == [0] * 12
    again = start("--source", "demo", *FAST)
    again.until(again.beat, "a beat")
    again.until(lambda: set(mints) <= set(again.tokens()), "all of them")
    assert again.stop() == 0
    assert len(again.tokens()) == 20


def test_a_hand_made_change_is_merged(start: Start, folder: Path) -> None:
    """A file edited by hand under a running tracker is taken as wished: added, removed and changed fields."""
    with PriceServer() as server:
        server.prices = {mint: [pool(2.0)] for mint in (MINT, OTHER, THIRD)}
        (folder / "tracked_tokens.json").write_text(
            json.dumps({MINT: {"token": MINT}, OTHER: {"token": OTHER}})
        )
        tracker = start(*server.options(), *FAST)
        tracker.until(lambda: tracker.tokens().get(OTHER, {}).get("lastPrice"), "prices")
        wish = tracker.tokens()
        del wish[OTHER]
        wish[MINT] |= {"note": "mine", "lastPrice": 0.5}
        wish[THIRD] = {"stopped": True}
        (folder / "tracked_tokens.json").write_text(json.dumps(wish))
        tracker.until(
            lambda: "changed by hand: 1 tokens added, 1 removed, 1 changed" in tracker.text(), "the merge"
        )
        tracker.until(lambda: tracker.tokens().get(MINT, {}).get("lastPrice") == 2.0, "the next save")
        tokens = tracker.tokens()
        assert list(tokens) == [MINT, THIRD]
        assert tokens[MINT]["note"] == "mine"
        assert tokens[THIRD]["stopped"] is True
        assert tracker.stop() == 0
        assert THIRD not in [a for call in server.calls for a in call.addresses]


def test_a_hand_that_breaks_the_file(start: Start, folder: Path) -> None:
    """Garbage put in the place of the list is set aside; the list goes on as it was. So after its loss."""
    tracker = start("--source", "demo", *FAST)
    tracker.until(tracker.tokens, "a save")
    (folder / "tracked_tokens.json").write_text("half a fi")
    tracker.until(lambda: list(folder.glob("tracked_tokens.damaged-*")), "the set-aside file")
    tracker.until(lambda: len(_try_saved(folder)) == 8, "the list")
    os.unlink(folder / "tracked_tokens.json")
    tracker.until(lambda: len(_try_saved(folder)) == 8, "the list again")

    def wish_is_heard() -> bool:
        """A hand that writes in the very moment of a save is overwritten, sees that, and writes again."""
        if len(_try_saved(folder)) == 8:
            (folder / "tracked_tokens.json").write_text("{}")
        return "8 removed" in tracker.text()

    tracker.until(wish_is_heard, "the wish for an empty list")
    assert tracker.stop() == 0
    assert saved(folder) == {}
    assert "older lists are in backups/" in tracker.text()


def _try_saved(folder: Path) -> dict[str, Any]:
    try:
        return saved(folder)
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


class Desk:
    """A running tracker's side of changes, without the tracker."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(str(folder))
        self.place.prepare()
        self.store = Store(self.place, 10)
        self.tokens: dict[str, Token] = dict(self.store.load().tokens)
        self.said: list[str] = []
        self.resent: list[int] = []
        self.changes = ChangeDesk(self.place, self.store, self.said.append, lambda: False, self.resent.append)

    def save(self) -> None:
        self.changes.handed()
        try:
            self.store.save(dict(self.tokens))
        except StorageError:
            self.changes.saved(well=False)
        else:
            self.changes.saved(well=True)


def test_a_change_lives_until_it_is_saved(folder: Path) -> None:
    """Its file goes only after a save that holds it; a tracker that dies before works it in again."""
    desk = Desk(folder)
    edits.leave(desk.place, Edit(edits.ADD, {MINT: {}}))
    assert desk.changes.take(desk.tokens)
    assert not desk.changes.take(desk.tokens)
    assert edits.waiting(desk.place)
    second = Desk(folder)
    assert second.changes.take(second.tokens)
    second.changes.handed()
    edits.leave(second.place, Edit(edits.REMOVE, {MINT: {}}))
    second.store.save(dict(second.tokens))
    assert second.changes.take(second.tokens)
    second.changes.saved(well=True)
    assert [edit.kind for edit in edits.waiting(second.place)] == [edits.REMOVE]
    assert MINT not in second.tokens
    second.save()
    assert not edits.waiting(second.place)
    assert saved(folder) == {}


def test_changes_keep_their_order_for_ever(folder: Path) -> None:
    """Numbers are never used twice, so an add after a remove is an add, whatever was tidied in between."""
    place = Place(str(folder))
    place.prepare()
    names = []
    for kind in (edits.ADD, edits.REMOVE, edits.ADD):
        edits.leave(place, Edit(kind, {MINT: {}}))
        names += [edit.name for edit in edits.waiting(place)]
        edits.done(place, names)
    assert names == sorted(set(names))


def test_junk_in_the_edit_folder(folder: Path) -> None:
    """Foreign and damaged files there are passed over."""
    desk = Desk(folder)
    edits.leave(desk.place, Edit(edits.ADD, {MINT: {"token": MINT, "name": 7}}))
    for name, data in (("000000009.json", b"{"), ("x.json", b"{}"), ("000000008.json", b"[]"), ("a", b"")):
        (folder / ".tracker" / "edits" / name).write_bytes(data)
    assert desk.changes.take(desk.tokens)
    assert list(desk.tokens) == [MINT]


def test_a_resend_is_asked_once(folder: Path) -> None:
    """The wish to send again is taken away before it is followed, so a crash cannot make it two."""
    desk = Desk(folder)
    edits.leave(desk.place, Edit(edits.RESEND, alert=5))
    desk.changes.take(desk.tokens)
    assert desk.resent == [5]
    assert not edits.waiting(desk.place)


def test_random_hands_and_terminals(folder: Path) -> None:
    """Any mixture of edits, hand-made files, saves and deaths ends with exactly the tokens that were wished."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    print(f"seed {seed}")
    mints = [f"{MINT[:-2]}{a}{b}" for a in "345" for b in "23"]
    wished: set[str] = set()
    desk = Desk(folder)
    for _ in range(300):
        act = chance.choice(["add", "remove", "hand", "take", "save", "die"])
        mint = chance.choice(mints)
        if act == "add":
            edits.leave(desk.place, Edit(edits.ADD, {mint: {}}))
            wished.add(mint)
        elif act == "remove":
            edits.leave(desk.place, Edit(edits.REMOVE, {mint: {}}))
            wished.discard(mint)
        elif act == "hand":
            desk.changes.take(desk.tokens)
            desk.save()
            present = saved(folder)
            present.pop(mint, None) if mint in present else present.setdefault(mint, {})
            wished = set(present)
            (folder / "tracked_tokens.json").write_text(json.dumps(present))
        elif act == "die":
            desk = Desk(folder)
        else:
            desk.changes.take(desk.tokens)
            if act == "save":
                desk.save()
    desk.changes.take(desk.tokens)
    desk.save()
    assert set(saved(folder)) == wished, f"seed {seed}"
    assert not edits.waiting(desk.place)


def test_output_in_another_encoding(command: Command, folder: Path) -> None:
    """Names that the locale cannot show are shown somehow, and the command ends well."""
    (folder / "tracked_tokens.json").write_text(json.dumps({MINT: {"token": MINT, "symbol": "سوق\x1b[2J🚀"}}))
    done = command("list", env={"PYTHONIOENCODING": "cp1252", "LC_ALL": "C"})
    assert done.returncode == 0
    assert MINT in done.stdout
    assert "\x1b" not in done.stdout


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
