"""The thread that holds the lease, or tries to: it asks etcd, tells the guard, and puts events into the inbox.

The core decides what follows. Whatever hangs here (a name server, a slow etcd) ends nothing late: the core and the
guard count for themselves.
"""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable

from watchdog_cli.adapters import boot_clock, libc
from watchdog_cli.adapters.carried import BadPackError, Carried, digest, pack, unpack
from watchdog_cli.adapters.child import ChildTree
from watchdog_cli.adapters.clock import SystemClock
from watchdog_cli.adapters.etcd import EtcdError, EtcdRefusedError
from watchdog_cli.adapters.etcd_lease import EtcdLease, LeaseGoneError
from watchdog_cli.adapters.lease_file import read_id
from watchdog_cli.core import lease as times
from watchdog_cli.core.events import Event, LeaseHeld, LeaseLost
from watchdog_cli.core.facts import Fact, Notice
from watchdog_cli.core.lease import Hold, OnLost
from watchdog_cli.core.lease_facts import LeaseCutOff, LeaseElsewhere
from watchdog_cli.core.lease_settings import LeaseSettings
from watchdog_cli.core.phases import Phase, StandingBy
from watchdog_cli.core.record import one_line
from watchdog_cli.wiring import lease_access
from watchdog_cli.wiring.lease_hold import Holding
from watchdog_cli.wiring.places import Places
from watchdog_kit.wall_time import iso

LOOK_S = 0.4  # a standby asks so often; a planned stop shall be followed within a second
REFUSED_S = 5.0  # one that etcd does not let in; each try costs it a tenth of a second of computing
SETTLE_S = 0.2  # after a change, for the next one of the same save
SAID = 8  # different troubles in a row
RELEASE_S = 3.0  # the end of a watchdog may take so long for it
NOT_PUT = "the last state could not be put below the lease"
ASK_SIZE_S = 600.0
LARGE = 1 << 30  # half of etcd's default quota


class LeaseKeeper:
    """One watchdog's part in it."""

    def __init__(
        self,
        settings: LeaseSettings,
        places: Places,
        *,
        stop_timeout_s: float,
        child: ChildTree,
        put: Callable[[Event], None],
        report: Callable[[Fact], None],
        phase: Callable[[], Phase],
    ) -> None:
        """Nothing is asked yet.

        Args:
            report: takes a fact that decides nothing, from any thread.
            phase: of the supervisor, now.

        Raises:
            ConfigError: a certificate cannot be read.
        """
        self._settings = settings
        self._places = places
        self._put = put
        self._report = report
        self._phase = phase
        self._id = read_id(places.lease_id)
        self._lease = EtcdLease(
            lease_access.client(settings, places.folder),
            settings.address.key,
            settings.ttl_s,
            times.ask_s(settings.ttl_s),
        )
        self._holding = Holding(
            places,
            child,
            f"{sorted(settings.address.endpoints)} {settings.address.key}",
            stop_timeout_s=stop_timeout_s,
            guards=settings.lost is OnLost.STOP,
        )
        self._carried = Carried(places.folder, settings.carry, places.replaced)
        self._problem = ""  # of asking for the lease
        self._worked_at = boot_clock.now_s()  # etcd answered what was asked
        self._seen = ""  # who holds it, as a standby has told
        self._told_cut_off = False
        self._stuck = ""  # why the files do not move
        self._told: set[str] = set()  # since something worked again
        self._carry_at = 0.0
        self._put_digest = ""
        self._put_signature: tuple[object, ...] | None = None
        self._size_at = 0.0
        self._next_at = 0.0
        self._is_ready = False  # the files of the holder before are here: only now the program may begin
        self._ended = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._notices = -1
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)

    # --- main thread -----------------------------------------------------------------------------------------

    def resume(self) -> Hold | None:
        """Go on with the lease of the watchdog before us, if there is time left; in monotonic seconds."""
        try:
            self._lease.grip = self._holding.resume()
        except OSError as error:
            self._trouble(str(error))
        if self._lease.grip is None:
            return None
        self._lease.holder = self._me(self._holding.since)
        self._is_ready = True
        return self._holding.on_monotonic()

    def start(self) -> None:
        """Begin to try for it, or to renew it."""
        self._thread.start()

    def look(self) -> Event | None:
        """Say that it is over, if it is by the clock that counts suspend too; before any other event is taken."""
        hold = self._holding.hold
        if hold is None or self._settings.lost is OnLost.KEEP or boot_clock.now_s() < hold.end_by:
            return None
        self._holding.hold = None
        return LeaseLost("this machine or its watchdog was frozen for longer than it lasts")

    def status(self) -> dict[str, object]:
        """What ``status`` says of it."""
        holder, now = self._lease.holder, boot_clock.now_s()
        hold, keeps = self._holding.hold, self._settings.lost is OnLost.KEEP
        held = hold is not None and (keeps or now < hold.stop_at)
        if not held and holder.get("id") == self._id:
            holder = {}  # what we held once says nothing of who holds it now
        since = holder.get("since")
        return {
            "held": held,
            "holder": _text_of(holder),
            "since": since if isinstance(since, str) else None,
            "problem": self._problem or self._stuck,
            "cut_off": self._is_cut_off(),
        }

    def close(self, *, release: bool) -> None:
        """End the thread; once more does nothing.

        Args:
            release: nothing runs here any more: put the last state, then let others have it at once.
        """
        if self._ended.is_set():
            return
        self._ended.set()
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")
        if self._thread.ident is not None:
            self._thread.join(RELEASE_S)
        stuck = self._thread.is_alive()
        if release:
            if stuck and self._lease.grip is not None:
                self._trouble(f"{NOT_PUT}: etcd takes too long to answer")
            elif self._lease.grip is not None:
                self._release()
            self._holding.end()
        if not stuck:
            for descriptor in (self._wake_read, self._wake_write, self._notices):
                if descriptor >= 0:
                    os.close(descriptor)

    def _release(self) -> None:
        try:
            self._carry()
        except (EtcdError, OSError) as error:
            self._trouble(f"{NOT_PUT}: {error}")
        self._holding.lapse()
        with contextlib.suppress(EtcdError):  # then it ends by itself
            self._lease.hand_over()

    # --- its own thread --------------------------------------------------------------------------------------

    def _live(self) -> None:
        self._open_notices()
        while not self._ended.is_set():
            try:
                self._turn()
            except LeaseGoneError as error:
                self._on_gone(str(error))
            except EtcdRefusedError as error:
                self._on_trouble(
                    lease_access.refusal(error, self._settings), REFUSED_S if error.is_about_us else LOOK_S
                )
            except (EtcdError, BadPackError, OSError) as error:
                self._on_trouble(str(error))
            if not self._ended.is_set():
                self._wait()

    def _turn(self) -> None:
        now = boot_clock.now_s()
        if self._lease.grip is None:
            self._next_at = now + LOOK_S
            if isinstance(self._phase(), StandingBy):
                self._holding.end()
                self._try()
            return
        if now >= self._next_at:
            self._renew()
        if now >= self._carry_at and self._carried.signature() != self._put_signature:
            self._try_to_carry()
        if now >= self._size_at:
            self._size_at = now + ASK_SIZE_S
            self._watch_size()

    def _try(self) -> None:
        since = iso(SystemClock().wall())
        found = self._lease.acquire(self._me(since))
        grip = self._lease.grip
        if found is None or grip is None:
            self._works()
            self._see()
            return
        sent, ttl_s = found
        self._is_ready = False
        try:
            self._holding.begin(grip, sent, ttl_s, since)
            self._next_at = times.renew_at(sent, ttl_s)
            self._restore()
            self._is_ready = True
        finally:
            if not self._is_ready:  # the next one may have more luck than we
                self._holding.lapse()
                self._holding.end()
                if self._lease.grip is not None:
                    with contextlib.suppress(EtcdError):
                        self._lease.release()
        self._works()
        self._seen = ""
        self._tell(self._text_of_other(self._lease.before))
        self._lease.note()  # now that the program begins; again with the next renewal if it cannot be

    def _see(self) -> None:
        """A standby knows who holds it: told once for each holder, and anew when it had been cut off."""
        seen = self._text_of_other(self._lease.holder)
        if seen and seen != self._seen:
            self._seen = seen
            self._report(LeaseElsewhere(seen))

    def _prolong(self) -> None:
        """Between two parts of a large state: renew if it is time to."""
        if boot_clock.now_s() >= self._next_at and not self._ended.is_set():
            self._renew()

    def _renew(self) -> None:
        sent, ttl_s = self._lease.renew()
        self._next_at = times.renew_at(sent, ttl_s)
        self._holding.renewed(sent, ttl_s)
        self._works()
        self._tell()
        self._lease.note()

    def _tell(self, before: str = "") -> None:
        hold = self._holding.on_monotonic()
        if hold is not None and self._is_ready:
            self._put(LeaseHeld(hold, before))

    # --- files -----------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Take what the holder before saved; and sign it, so that what is saved here from now on counts as newer."""
        saved = self._lease.load(self._prolong)
        if saved is not None:
            changed = self._carried.restore(unpack(saved.packed), only_missing=saved.writer == self._id)
            if changed:
                aside = self._places.shown(self._places.replaced)
                self._say(
                    f"took over {', '.join(changed)} from the holder before; what was here lies in {aside}"
                )
            self._watch_folders()  # it may have brought some
        self._put_digest = digest(saved.packed) if saved is not None and saved.writer == self._id else ""
        self._carry()

    def _try_to_carry(self) -> None:
        """Put the files below the key, unless etcd refuses to: the lease is ours even so."""
        try:
            self._carry()
        except LeaseGoneError as error:
            raise LeaseGoneError(f"{error}; what was saved last came too late and was refused") from error
        except EtcdRefusedError as error:
            self._carry_at = self._next_at  # asking more often than it is renewed would not help
            self._stuck = lease_access.refusal(error, self._settings)
            self._say_once(self._stuck)

    def _carry(self) -> None:
        """Put the files below the key if they were changed."""
        signature = self._carried.signature()
        files = self._carried.read()
        packed = pack(files)
        mark = digest(packed)
        if mark != self._put_digest:
            self._put_digest = ""  # until it is confirmed nobody knows which of the two lies there
            self._lease.save(packed, self._id, self._prolong)
            self._put_digest = mark
        if self._settings.lost is OnLost.STOP:
            self._carried.confirm(self._places.carried, files)
        self._put_signature = signature
        if self._stuck:
            self._told.discard(self._stuck)
            self._stuck = ""

    def _watch_size(self) -> None:
        with contextlib.suppress(EtcdError):  # a user without that right
            size = self._lease.database_bytes()
            if size > LARGE:
                self._say(
                    f"the database of etcd has {size >> 20} MiB: turn on its auto-compaction and defragment it"
                )

    # --- trouble ---------------------------------------------------------------------------------------------

    def _on_gone(self, why: str) -> None:
        self._holding.lapse()
        self._put_signature, self._put_digest = None, ""
        self._next_at = boot_clock.now_s() + LOOK_S
        self._put(LeaseLost(why))

    def _on_trouble(self, text: str, wait_s: float = LOOK_S) -> None:
        if self._lease.grip is not None:
            wait_s = times.retry_s(self._holding.ttl_s)
        self._next_at = boot_clock.now_s() + wait_s
        self._trouble(text)
        if not self._told_cut_off and self._is_cut_off() and isinstance(self._phase(), StandingBy):
            self._told_cut_off, self._seen = True, ""
            self._report(LeaseCutOff(text))

    def _is_cut_off(self) -> bool:
        return bool(self._problem) and boot_clock.now_s() - self._worked_at > self._settings.ttl_s

    def _trouble(self, text: str) -> None:
        self._problem = text
        self._say_once(text)

    def _say(self, text: str) -> None:
        self._report(Notice("lease", text))

    def _say_once(self, text: str) -> None:
        """Say it once until something worked again: several members may each have a trouble of their own.

        Some errors have a number in them that differs each time; ``status`` shows the newest in any case.
        """
        if text not in self._told and len(self._told) < SAID:
            self._told.add(text)
            self._say(f"lease: {text}")

    def _works(self) -> None:
        self._problem = ""
        self._told_cut_off = False
        self._worked_at = boot_clock.now_s()
        self._told &= {self._stuck}

    # ---------------------------------------------------------------------------------------------------------

    def _me(self, since: str) -> dict[str, object]:
        return {"host": socket.gethostname(), "pid": os.getpid(), "id": self._id, "since": since}

    def _text_of_other(self, holder: dict[str, object]) -> str:
        """Who that is, for people; "" when it is this machine, or nobody."""
        return (_text_of(holder) or "another machine") if holder and holder.get("id") != self._id else ""

    def _open_notices(self) -> None:
        """Be woken when one of the files changes; without that, they are looked at with each renewal."""
        with contextlib.suppress(OSError):
            self._notices = libc.inotify_open()
        self._watch_folders()

    def _watch_folders(self) -> None:
        """Those that are there; doing it twice changes nothing."""
        for folder in self._carried.folders if self._notices >= 0 else ():
            with contextlib.suppress(OSError):
                libc.inotify_add(
                    self._notices, folder, libc.IN_CLOSE_WRITE | libc.IN_MOVED_TO | libc.IN_MODIFY
                )

    def _wait(self) -> None:
        watched = [self._wake_read]
        if self._notices >= 0 and self._lease.grip is not None:
            watched.append(self._notices)
        ready, _, _ = select.select(watched, [], [], max(0.0, self._next_at - boot_clock.now_s()))
        for descriptor in ready:
            with contextlib.suppress(OSError):
                os.read(descriptor, 65536)
        if self._notices in ready:
            self._ended.wait(SETTLE_S)


def _text_of(holder: dict[str, object]) -> str:
    host, pid = holder.get("host"), holder.get("pid")
    if not isinstance(host, str) or not host:
        return ""
    host = one_line(host)  # another machine wrote it
    return f"{host} (pid {pid})" if isinstance(pid, int) else host
