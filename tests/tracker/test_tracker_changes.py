"""What happens when commands, a running tracker and a hand change one list."""

import contextlib
import json
import math
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from price_server import PriceServer, pool
from tracked_list import FAST, MINT, OTHER, THIRD, Start, saved
from tracker import edits
from tracker.changes import ChangeDesk
from tracker.edits import Edit
from tracker.errors import StorageError
from tracker.model import Token
from tracker.place import Place
from tracker.store import Store


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


def test_what_a_hand_writes_wrongly_is_kept_and_told(start: Start, folder: Path) -> None:
    """An entry that is no token is set aside alone, also when a hand put it in; what is no JSON is named."""
    tracker = start("--source", "demo", *FAST)
    mint = next(iter(tracker.until(tracker.tokens, "a save")))

    def wish_is_heard() -> bool:
        if "mistyped" not in (text := (folder / "tracked_tokens.json").read_text()) and "{" in text:
            wish = json.loads(text) | {"mistyped": {"note": "mine"}}
            wish[mint]["note"] = math.nan
            (folder / "tracked_tokens.json").write_text(json.dumps(wish))
        return "are no tokens and were set aside" in tracker.text()

    tracker.until(wish_is_heard, "a word about it")
    assert f"NaN or infinity, which is no JSON, stood in tracked_tokens.json under {mint}" in tracker.text()
    kept = [json.loads(path.read_bytes()) for path in folder.glob("tracked_tokens.set-aside-*")]
    assert {"mistyped": {"note": "mine"}} in kept
    assert tracker.stop() == 0
    assert len(saved(folder)) == 8


def test_a_file_that_cannot_be_read_any_more_is_a_trouble(start: Start, folder: Path) -> None:
    """Something unreadable in the place of the list holds all saving up: the heartbeat says so, and so does the end."""
    tracker = start("--source", "demo", *FAST)
    tracker.until(tracker.tokens, "a save")

    def is_in_the_way() -> bool:
        with contextlib.suppress(OSError):  # a save may have been quicker
            (folder / "tracked_tokens.json").unlink(missing_ok=True)
            (folder / "tracked_tokens.json").mkdir()
        return "cannot read" in tracker.beat().get("message", "")

    tracker.until(is_in_the_way, "a word in the heartbeat")
    assert tracker.beat()["status"] == "degraded"
    assert tracker.stop() == 14
    assert "without the last save, the file of before is intact: cannot read" in tracker.text()


def test_a_hand_that_breaks_the_file(start: Start, folder: Path) -> None:
    """Garbage put in the place of the list is set aside; the list goes on as it was. So after its loss."""
    tracker = start("--source", "demo", *FAST)
    tracker.until(tracker.tokens, "a save")

    def is_set_aside() -> bool:
        """A hand that writes in the very moment of a save is overwritten, sees that, and writes again."""
        if len(_try_saved(folder)) == 8:
            (folder / "tracked_tokens.json").write_text("half a fi")
        return bool(list(folder.glob("tracked_tokens.damaged-*")))

    tracker.until(is_set_aside, "the set-aside file")
    tracker.until(lambda: len(_try_saved(folder)) == 8, "the list")
    os.unlink(folder / "tracked_tokens.json")
    tracker.until(lambda: len(_try_saved(folder)) == 8, "the list again")

    def wish_is_heard() -> bool:
        """As above."""
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
    huge = b'{"kind": "resend", "tokens": {}, "alert": 1e999}'
    junk = {
        "000000009.json": b"{",
        "x.json": b"{}",
        "000000008.json": b"[]",
        "000000007.json": huge,
        "a": b"",
    }
    for name, data in junk.items():
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
