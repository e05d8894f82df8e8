"""Saving: whatever happens, and wherever it happens, the file loads and holds the last finished save."""

import errno
import json
import os
import random
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

from tracker import backups
from tracker.errors import StorageError
from tracker.place import Place
from tracker.store import LinkSteps, OutsideChangeError, Store
from tracker_saves import MINT, generation, generation_of, loaded_store
from waiting import wait_until


def test_save_and_load(place: Place) -> None:
    """What was saved is there at the next start, with the rights of nobody else."""
    loaded_store(place).save(generation(1))
    store = Store(place, 10)
    assert generation_of(store.load().tokens) == 1
    assert stat.S_IMODE(os.stat(place.tokens).st_mode) == 0o600
    assert not store.load().alarms


def test_first_start_is_empty(place: Place) -> None:
    """A folder in which nothing ever was is a first start; a lone sent_tokens.txt changes nothing."""
    Path(place.sent).write_text(MINT + "\n")
    restored = Store(place, 10).load()
    assert restored.first_start
    assert restored.tokens == {}


def test_a_link_stays_a_link(place: Place, tmp_path: Path) -> None:
    """A main file that is a symbolic link to another disk stays one; its target gets the new content."""
    real = tmp_path / "elsewhere.json"
    real.write_text("{}")
    os.symlink(real, place.tokens)
    loaded_store(place).save(generation(4))
    assert os.path.islink(place.tokens)
    assert json.loads(real.read_text())
    assert generation_of(Store(place, 10).load().tokens) == 4


class FailingSteps(LinkSteps):
    """Lets the n-th system call fail, or stops the process there."""

    def __init__(self, fail_at: int, act: Callable[[], None]) -> None:
        self.calls = 0
        self._fail_at = fail_at
        self._act = act

    def _step(self) -> None:
        self.calls += 1
        if self.calls == self._fail_at:
            self._act()

    def create(self, path: str, mode: int) -> int:
        self._step()
        return super().create(path, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._step()
        return super().write(descriptor, data[: max(1, len(data) // 2)])

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._step()

    def replace(self, source: str, target: str) -> None:
        self._step()
        super().replace(source, target)

    def sync_folder(self, folder: str) -> None:
        self._step()
        super().sync_folder(folder)

    def link(self, source: str, target: str) -> None:
        self._step()
        super().link(source, target)

    def remove(self, path: str) -> None:
        self._step()
        super().remove(path)


def steps_of_a_save(place: Place) -> int:
    steps = FailingSteps(-1, lambda: None)
    store = loaded_store(place, steps, most=2)
    for number in range(4):
        store.save(generation(number))
    before = steps.calls
    store.save(generation(9))
    return steps.calls - before


def test_every_failing_call_leaves_a_file_that_loads(tmp_path: Path) -> None:
    """No space, at each system call of a save in turn: the old or the new list loads, and saving resumes."""
    first = Place(str(tmp_path))
    first.prepare()
    count = steps_of_a_save(first)
    assert count > 8
    for fail_at in range(1, count + 1):
        place = Place(str(tmp_path / str(fail_at)))
        os.mkdir(place.folder)
        place.prepare()
        steps = FailingSteps(-1, lambda: None)
        store = loaded_store(place, steps, most=2)
        for number in range(4):
            store.save(generation(number))

        def full() -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        steps._act, steps._fail_at = full, steps.calls + fail_at
        try:
            store.save(generation(4))
            finished = True
        except StorageError:
            finished = False
        after = generation_of(Store(place, 2).load().tokens)
        assert after in ((4,) if finished else (3, 4)), f"call {fail_at}"
        assert not [name for name in os.listdir(place.folder) if "wdtmp" in name]
        try:
            store.save(generation(5))
        except OutsideChangeError:  # it had been renamed, only the flush of the folder failed
            store.read_outside()
            store.save(generation(5))
        assert generation_of(Store(place, 2).load().tokens) == 5


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked process and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(9)
    return pid


def test_killed_at_every_call(tmp_path: Path) -> None:
    """A process that dies at each system call of a save in turn leaves a list that loads as a whole."""
    first = Place(str(tmp_path))
    first.prepare()
    for die_at in range(1, steps_of_a_save(first) + 1):
        place = Place(str(tmp_path / str(die_at)))
        os.mkdir(place.folder)
        place.prepare()
        store = loaded_store(place, most=2)
        for number in range(4):
            store.save(generation(number))

        def work(place: Place = place, die_at: int = die_at) -> None:
            dying = loaded_store(place, FailingSteps(die_at, lambda: os._exit(3)), most=2)
            dying.save(generation(4))
            os._exit(0)

        _, status = os.waitpid(in_child(work), 0)
        assert os.waitstatus_to_exitcode(status) == 3
        again = Store(place, 2)
        restored = again.load()
        assert generation_of(restored.tokens) in (3, 4)
        assert not restored.alarms
        assert not [name for name in os.listdir(place.folder) if "wdtmp" in name]
        for backup in backups.list_backups(place.backups):
            again._read_backup(backup)


def test_killed_at_any_instruction(place: Place) -> None:
    """Killed 300 times at a random moment, the list always loads and is never older than the last save."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    print(f"seed {seed}")
    acknowledged = os.path.join(place.folder, "acknowledged")
    Path(acknowledged).write_bytes(bytes(8))
    last = 0
    loaded_store(place).save(generation(last))

    def work() -> None:
        note = os.open(acknowledged, os.O_WRONLY)
        store = Store(place, 4)
        number = generation_of(store.load().tokens)
        while True:
            number += 1
            store.save(generation(number))
            os.pwrite(note, number.to_bytes(8, "big"), 0)

    def noted() -> int:
        return int.from_bytes(Path(acknowledged).read_bytes(), "big")

    reach = 0.015
    for kills in range(300):
        pid = in_child(work)
        begun = time.monotonic()
        end = begun + chance.random() * reach
        if kills:
            wait_until(lambda end=end: time.monotonic() >= end, "the random moment")
        else:  # a busy machine takes longer to get as far as a save
            wait_until(lambda: noted() >= 2, "two saves")
            reach = max(reach, time.monotonic() - begun)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"seed {seed}"
        store = Store(place, 4)
        restored = store.load()
        found = generation_of(restored.tokens)
        promised = noted()
        assert found in (max(promised, last), max(promised, last) + 1), f"seed {seed}"
        last = found
        assert not restored.alarms, f"seed {seed}"
    assert last > 100
    assert not [name for name in os.listdir(place.folder) if "wdtmp" in name]
    for backup in backups.list_backups(place.backups):
        store._read_backup(backup)


class Recorder(LinkSteps):
    """Writes down the system calls of a save, with all that is needed to play them again."""

    def __init__(self) -> None:
        self.trace: list[tuple[str, ...] | tuple[str, str, bytes]] = []
        self._paths: dict[int, str] = {}

    def create(self, path: str, mode: int) -> int:
        descriptor = super().create(path, mode)
        self._paths[descriptor] = path
        self.trace.append(("create", path))
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        count = super().write(descriptor, data[: max(1, len(data) // 3)])
        self.trace.append(("write", self._paths[descriptor], bytes(data[:count])))
        return count

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.trace.append(("sync", self._paths[descriptor]))

    def replace(self, source: str, target: str) -> None:
        super().replace(source, target)
        self.trace.append(("replace", source, target))

    def sync_folder(self, folder: str) -> None:
        super().sync_folder(folder)
        self.trace.append(("sync_folder", folder))

    def link(self, source: str, target: str) -> None:
        super().link(source, target)
        self.trace.append(("link", source, target))

    def remove(self, path: str) -> None:
        super().remove(path)
        self.trace.append(("remove", path))


def after_power_cut(
    disk: dict[str, bytes], trace: list[tuple[str, ...]], names_kept: int, cut: float
) -> dict[str, bytes]:
    """Work out what a disk may hold after a power cut at the end of ``trace``.

    Data that was not flushed is cut to the share ``cut``; of the changes of names that were not flushed
    only the first ``names_kept`` reached the disk.
    """
    inodes: list[tuple[bytes, bool]] = [(data, True) for data in disk.values()]
    names = {path: number for number, path in enumerate(disk)}
    durable, pending = dict(names), []
    for call, path, *rest in trace:
        if call == "create":
            inodes.append((b"", False))
            names[path] = len(inodes) - 1
            pending.append(("add", path, names[path]))
        elif call == "write":
            inodes[names[path]] = (inodes[names[path]][0] + rest[0], False)
        elif call == "sync":
            inodes[names[path]] = (inodes[names[path]][0], True)
            durable[path] = names[path]  # a flushed new file is there, under the name that it has
            pending = [p for p in pending if p[:2] != ("add", path)]
        elif call in ("replace", "link"):
            names[rest[0]] = names[path]
            pending.append((call, path, rest[0]))
            if call == "replace":
                del names[path]
        elif call == "remove":
            del names[path]
            pending.append(("remove", path))
        elif call == "sync_folder":
            pending, durable = [], dict(names)
    for change in pending[:names_kept]:
        if change[0] == "add":
            durable[change[1]] = change[2]
        elif change[0] == "remove":
            durable.pop(change[1], None)
        else:
            source = change[1]
            if source in durable:
                durable[change[2]] = durable[source]
                if change[0] == "replace":
                    del durable[source]
    return {
        path: (data if synced else data[: int(len(data) * cut)])
        for path, (data, synced) in ((path, inodes[number]) for path, number in durable.items())
    }


def test_power_cut_at_every_call(tmp_path: Path) -> None:
    """Power lost after each system call of a save, unflushed data and names lost or cut: a list loads."""
    place = Place(str(tmp_path / "one"))
    os.mkdir(place.folder)
    place.prepare()
    recorder = Recorder()
    store = loaded_store(place, recorder, most=2)
    for number in range(4):
        store.save(generation(number))
    disk = {str(path): path.read_bytes() for path in (Path(place.tokens), *Path(place.backups).iterdir())}
    recorder.trace.clear()
    store.save(generation(4))
    calls = [entry[0] for entry in recorder.trace]
    assert [c for c in calls if c != "write"] == [
        "link",
        "create",
        "sync",
        "replace",
        "sync_folder",
        "remove",
    ]
    played = 0
    for length in range(len(recorder.trace) + 1):
        for names_kept in range(4):
            for cut in (0.0, 0.5, 1.0):
                left = after_power_cut(disk, recorder.trace[:length], names_kept, cut)
                there = Place(str(tmp_path / f"{length}-{names_kept}-{cut}"))
                os.makedirs(there.backups)
                there.prepare()
                for path, data in left.items():
                    Path(path.replace(place.folder, there.folder)).write_bytes(data)
                restored = Store(there, 2).load()
                found = generation_of(restored.tokens)
                assert found in (3, 4), (length, names_kept, cut)
                assert not restored.alarms
                if "sync_folder" in calls[:length]:
                    assert found == 4
                played += 1
    assert played > 100
