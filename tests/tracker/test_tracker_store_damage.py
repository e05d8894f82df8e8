"""A damaged list: the newest valid backup is loaded, and nothing that was there is thrown away."""

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from tracker import backups
from tracker.errors import StorageError, UnrecoverableError
from tracker.place import Place
from tracker.store import LinkSteps, OutsideChangeError, Store
from tracker_saves import MINT, generation, generation_of, loaded_store

OTHER = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


@pytest.mark.parametrize("damage", [b"", bytes(5000), b'{"So111', b"[]", b'{"x": 1}'])
def test_damaged_main_file_is_replaced_by_the_newest_backup(place: Place, damage: bytes) -> None:
    """A damaged main file is set aside with a date; which backup was loaded, and how old it is, is said."""
    store = loaded_store(place)
    store.save(generation(1))
    store.save(generation(2))
    Path(place.tokens).write_bytes(damage)
    restored = Store(place, 10).load()
    assert generation_of(restored.tokens) == 1
    [alarm] = restored.alarms
    assert "backup tracked_tokens.000001." in alarm
    assert "old" in alarm
    [aside] = [name for name in os.listdir(place.folder) if ".damaged-" in name]
    assert (Path(place.folder) / aside).read_bytes() == damage
    again = Store(place, 10).load()
    assert generation_of(again.tokens) == 1
    assert not again.alarms


def test_damaged_backups_are_passed_over(place: Place) -> None:
    """When the newest backups are damaged too, the newest good one is taken, judged by its own name."""
    store = loaded_store(place)
    for number in range(5):
        store.save(generation(number))
    newest, second, third, _ = backups.list_backups(place.backups)
    Path(place.backups, newest.name).write_bytes(b"{}")  # valid, but not what its name says
    Path(place.backups, second.name).write_bytes(b"")
    os.unlink(place.tokens)
    restored = Store(place, 10).load()
    assert generation_of(restored.tokens) == 1
    assert third.name in restored.alarms[0]
    assert "is gone" in restored.alarms[0]
    assert len(restored.notes) == 2


def test_nothing_valid_is_a_case_for_a_person(place: Place) -> None:
    """When there is saved data and none of it is valid, nothing is touched and the start is refused."""
    store = loaded_store(place)
    store.save(generation(0))
    store.save(generation(1))
    Path(place.tokens).write_bytes(b"oh")
    for backup in backups.list_backups(place.backups):
        Path(place.backups, backup.name).write_bytes(b"no")
    before = sorted(os.listdir(place.folder))
    with pytest.raises(UnrecoverableError, match="nothing was changed"):
        Store(place, 10).load()
    assert sorted(os.listdir(place.folder)) == before
    assert Path(place.tokens).read_bytes() == b"oh"


def test_foreign_backups_help_in_need(place: Place) -> None:
    """A copy that somebody made by hand in backups/ is used when nothing of ours is left, never deleted."""
    loaded_store(place).save(generation(7))
    os.makedirs(place.backups, exist_ok=True)
    os.rename(place.tokens, os.path.join(place.backups, "my copy.json"))
    store = Store(place, 1)
    assert generation_of(store.load().tokens) == 7
    for number in range(5):
        store.save(generation(number))
    assert "my copy.json" in os.listdir(place.backups)


def test_damage_in_place_does_not_reach_the_backups(place: Place) -> None:
    """Backups are of earlier files: writing over the main file in place changes none of them."""
    store = loaded_store(place)
    for number in range(4):
        store.save(generation(number))
    with open(place.tokens, "r+b") as file:
        file.write(bytes(300))
    with pytest.raises(OutsideChangeError):
        store.save(generation(5))
    for backup in backups.list_backups(place.backups):
        store._read_backup(backup)


def test_a_hand_that_writes_while_a_save_reaches_the_disk_is_seen(place: Place) -> None:
    """A slow disk takes seconds for it: what was typed meanwhile stays, and is merged before the next try."""

    class SlowDisk(LinkSteps):
        def sync(self, descriptor: int) -> None:
            super().sync(descriptor)
            Path(place.tokens).write_text(typed)

    typed = json.dumps({OTHER: {"token": OTHER}})
    store = loaded_store(place)
    store._steps = SlowDisk()
    with pytest.raises(OutsideChangeError):
        store.save(generation(1))
    assert Path(place.tokens).read_text() == typed
    assert not [name for name in os.listdir(place.folder) if "wdtmp" in name]


def test_bad_tokens_are_set_aside_alone(place: Place) -> None:
    """One bad entry among good ones is put into a file of its own and said; the good ones are loaded."""
    Path(place.tokens).write_text(json.dumps({"bad": [1], MINT: {"token": MINT}, OTHER: {}}))
    restored = Store(place, 10).load()
    assert set(restored.tokens) == {MINT, OTHER}
    assert "bad" in restored.alarms[0]
    [aside] = [name for name in os.listdir(place.folder) if ".set-aside-" in name]
    assert json.loads((Path(place.folder) / aside).read_text()) == {"bad": [1]}


def test_one_token_that_cannot_be_written_costs_no_other(place: Place) -> None:
    """A value that JSON cannot hold is complained of; the others are saved, and the old value stays."""
    store = loaded_store(place)
    tokens = generation(1)
    store.save(tokens)
    address = next(iter(tokens))
    broken = tokens | {address: tokens[address].with_fields(x={1, 2}, generation=2)}
    [complaint] = store.save(broken)
    assert address in complaint
    restored = Store(place, 10).load()
    assert generation_of(restored.tokens) == 1


def test_restore_keeps_what_was_there(place: Place) -> None:
    """Going back to a backup first makes a backup of the present list."""
    store = loaded_store(place)
    for number in range(3):
        store.save(generation(number))
    oldest = backups.list_backups(place.backups)[-1]
    assert generation_of(Store(place, 10).restore(oldest).tokens) == 0
    newest = backups.list_backups(place.backups)[0]
    assert generation_of(Store(place, 10).restore(newest).tokens) == 2


def test_no_backup_is_no_reason_not_to_save(place: Place) -> None:
    """When the backup folder cannot be used, the list is saved all the same, and it is complained of."""
    store = loaded_store(place)
    store.save(generation(1))
    Path(place.backups).write_text("not a folder")
    [complaint] = store.save(generation(2))
    assert "backup" in complaint
    os.unlink(place.backups)
    assert store.save(generation(3)) == []
    assert generation_of(Store(place, 10).load().tokens) == 3


def test_backups_that_cannot_be_read_keep_no_good_list_from_loading(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken drive behind ``backups`` is told; when it works again, the numbers of the copies go on."""
    store = loaded_store(place)
    for number in range(3):
        store.save(generation(number))
    real = os.listdir

    def broken(path: str) -> list[str]:
        if path == place.backups:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path)

    monkeypatch.setattr(os, "listdir", broken)
    store = Store(place, 10)
    restored = store.load()
    assert generation_of(restored.tokens) == 2
    assert "the list itself is in order" in restored.notes[0]
    [complaint] = store.save(generation(3))
    assert "cannot read" in complaint
    Path(place.tokens).write_bytes(b"damage")
    with pytest.raises(StorageError, match="cannot read"):  # who knows what is there
        Store(place, 10).load()
    monkeypatch.undo()
    Path(place.tokens).unlink()
    with pytest.raises(OutsideChangeError):
        store.save(generation(4))
    assert store.read_outside() is None
    assert store.save(generation(4)) == []
    assert store.save(generation(5)) == []
    assert [backup.sequence for backup in backups.list_backups(place.backups)] == [3, 2, 1]


def test_full_disk(place: Place) -> None:
    """On a file system that takes no more bytes the old file stays; with space again, saving resumes."""
    import resource

    store = loaded_store(place)
    store.save(generation(1))

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        with pytest.raises(StorageError, match="cannot save"):
            store.save(generation(2))
        assert generation_of(Store(place, 10).load().tokens) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, before)
    store.save(generation(3))
    assert generation_of(Store(place, 10).load().tokens) == 3
