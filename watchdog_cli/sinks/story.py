"""The story of one incident as people are told it: first, changes, end. Pure: time is handed in.

    quiet -> trouble, not told yet -> told -> well again for a while -> quiet

Rules that hold everywhere:

* The first message comes with the ``after``-th end; the next ones keep a gap that doubles, so that a loop of crashes
  over a night is a handful of messages. What happened in between is counted, not lost.
* Giving up, and an end of the watchdog that nobody asked for, is told at once, however few ends there were. Only when
  that was the last thing that people heard does the gap hold for it too.
* An incident is over when the program was well for ``stable_s``. Who was told of the trouble is told of its end.
* What a person does (stop, restart, pause) is no trouble.
* A freeze is told with its end, a moment later; if that end does not come, it is told all the same.
* Of a lease: the machine that takes over tells that it did, for the one before may be dead. The one that lost it tells
  of that only while it knows of nobody who has it. A standby that is cut off waits until it is no passing trouble, for
  the holder is cut off as well then, and has told. None of this repeats, so it does not wait for ``after``.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from watchdog_cli.core import facts, lease_facts
from watchdog_cli.core.alerting import AlertSettings
from watchdog_cli.core.facts import Fact
from watchdog_cli.core.policy import Restart
from watchdog_cli.core.record import Ending, Run
from watchdog_cli.core.trouble import LEASE_TROUBLE, UNSEEN, is_unplanned
from watchdog_cli.sinks.told_incident import Incident, Kind, Telling, from_record

DECIDED_S = 1.0  # chosen: what follows an end is told in the same moment, unless nothing follows
ENDING_S = 30.0  # chosen: by then a frozen program is gone, or the freeze is worth a message of its own
ASKED_S = 3.0  # chosen: a standby that reaches etcd knows by then who holds the lease


class Story:
    """The one incident of one watchdog, or none.

    Args:
        grace_s: a run that says nothing of its health is well after this time.
        make_id: makes a name for a new incident.
    """

    def __init__(
        self, settings: AlertSettings, *, restart: Restart, grace_s: float, make_id: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._restart = restart
        self._grace_s = grace_s
        self._make_id = make_id
        self._incident: Incident | None = None
        self._is_paused = False
        self._undecided_until: float | None = None
        self._counted_run = ""  # a freeze that is counted before its end
        self._run_since: float | None = None
        self._well_since: float | None = None
        self._well_as = ""  # not as usual
        self._is_doubted = False  # another machine may run it too

    @property
    def is_open(self) -> bool:
        """Whether there is an incident."""
        return self._incident is not None

    def on(self, at: datetime, now: float, fact: Fact) -> list[Telling]:
        """Take a fact; return what is to be told right now."""
        match fact:
            case facts.PauseBegun():
                self._is_paused = True
                self._undecided_until = None
            case facts.PauseEnded() | facts.OwnPause():
                self._is_paused = self._is_paused and isinstance(fact, facts.OwnPause)
                self._run_since = None if self._run_since is None else now
                self._well_since = None if self._well_since is None else now
            case facts.Spawned() | facts.TakenOver():
                self._run_since, self._well_since = now, None
                self._undecided_until, self._well_as = None, ""
                if self._incident is not None:
                    self._incident.final = None
            case facts.FirstSign() | facts.Recovered():
                self._well_since = now if self._well_since is None else self._well_since
            case facts.Restarting() if self._incident is not None and self._undecided_until is not None:
                self._incident.then = fact.text
                self._undecided_until = None
            case facts.GaveUp():
                self._end_of_all(at, Kind.GAVE_UP, fact.text)
            case facts.Finished(exit_code=code):
                return self._on_finished(at, now, fact.text, code)
            case lease_facts.StandbyBegun() if (
                self._incident is not None and self._undecided_until is not None
            ):
                self._incident.then = fact.text
                self._undecided_until = now + ASKED_S
            case lease_facts.LeaseElsewhere() if self._incident is not None:
                self._on_elsewhere(self._incident, now, fact)
            case lease_facts.LeaseRenewed():
                self._is_doubted = False
                if self._incident is not None and self._incident.cause == lease_facts.LeaseDoubtful.kind:
                    self._well_since, self._well_as = now, fact.text
            case _:
                self._on_trouble(at, now, fact)
                self._on_lease_trouble(at, now, fact)
        return self.turn(now)

    def turn(self, now: float) -> list[Telling]:
        """Return what is to be told by now."""
        incident = self._incident
        if incident is None or self._is_paused:
            return []
        if self._undecided_until is not None:
            if now < self._undecided_until:
                return []
            self._undecided_until = None
        change_at = self._change_due(incident)
        if change_at is not None and now >= change_at:
            first = Kind.FIRST if incident.told == 0 else Kind.CHANGE
            return [incident.tell(now, incident.final or first)]
        over_at = self._over_due()
        if over_at is not None and now >= over_at:
            return self._close(incident, now, Kind.OVER)
        return []

    def deadline(self) -> float | None:
        """Return when ``turn`` has something to do, if no fact comes before."""
        incident = self._incident
        if incident is None or self._is_paused:
            return None
        if self._undecided_until is not None:
            return self._undecided_until
        return min(
            (at for at in (self._change_due(incident), self._over_due()) if at is not None), default=None
        )

    # --- what happens ----------------------------------------------------------------------------------------

    def _on_trouble(self, at: datetime, now: float, fact: Fact) -> None:
        match fact:
            case facts.HangFound(run=run, ending=ending) if not self._is_paused:
                self._counted_run = run.id
                self._count(at, now + ENDING_S, ending.text, ending.cause.value, run.number)
            case facts.MemoryExceeded(run=run) if not self._is_paused:
                self._counted_run = run.id
                self._count(at, now + ENDING_S, "used too much memory", "memory", run.number)
            case facts.Ended(run=run, ending=ending):
                self._on_ended(at, now, run, ending, fact.lived_s)
            case facts.SpawnFault(number=number):
                self._count(at, now + DECIDED_S, fact.text, "spawn", number)
            case facts.Notice(topic=topic) if topic in UNSEEN:
                self._count(at, now + DECIDED_S, fact.text, "unseen", None)

    def _on_lease_trouble(self, at: datetime, now: float, fact: Fact) -> None:
        if isinstance(fact, lease_facts.LeaseGone):
            self._is_doubted = False
        match fact:
            case _ if self._is_paused:
                pass
            case lease_facts.LeaseGone(why=why):
                self._count(at, now + ENDING_S, f"lost the lease: {why}", fact.kind, None)
                assert self._incident is not None
                self._incident.final = Kind.DOWN  # here, unless it begins again
            case lease_facts.LeaseGained(before=before) if before:
                what = f"took over from {before}, which had not handed over"
                self._count(at, now + DECIDED_S, what, fact.kind, None)
            case lease_facts.LeaseDoubtful():
                self._is_doubted, self._undecided_until, self._well_as = True, now + DECIDED_S, ""
                self._open(at).count(at, fact.text, fact.kind, None)  # it runs on, as well as before
            case lease_facts.LeaseCutOff() if self._incident is None:
                self._count(at, now + self._settings.gap_s, fact.text, fact.kind, None)

    def _on_elsewhere(self, incident: Incident, now: float, fact: Fact) -> None:
        """Another machine has it: whatever was not told yet is its story now."""
        if incident.told == 0:
            self._close(incident, now, Kind.OVER)
            return
        incident.final, self._undecided_until = None, None
        self._run_since, self._well_since, self._well_as = None, now, fact.text

    def _on_ended(self, at: datetime, now: float, run: Run, ending: Ending, lived_s: float) -> None:
        self._run_since = self._well_since = None
        if self._is_paused or not is_unplanned(ending, self._restart):
            return
        if run.id != self._counted_run or self._incident is None:
            self._count(at, now + DECIDED_S, ending.text, ending.cause.value, run.number)
        else:
            self._undecided_until = now + DECIDED_S
        assert self._incident is not None
        self._incident.lived_s = lived_s

    def _count(self, at: datetime, undecided_until: float, what: str, cause: str, run: int | None) -> None:
        self._run_since = self._well_since = None
        self._undecided_until, self._well_as = undecided_until, ""
        self._open(at).count(at, what, cause, run)

    def _open(self, at: datetime) -> Incident:
        if self._incident is None:
            self._incident = Incident(self._make_id(), at, self._settings.gap_s)
        return self._incident

    def _end_of_all(self, at: datetime, kind: Kind, text: str) -> None:
        incident = self._open(at)
        incident.final, incident.then = kind, text
        self._undecided_until = None

    def _on_finished(self, at: datetime, now: float, text: str, code: int) -> list[Telling]:
        incident = self._incident
        if code == 0:
            if incident is None:
                return []
            incident.then = text
            return self._close(incident, now, Kind.STOPPED)
        if incident is None or incident.final is None:
            self._end_of_all(at, Kind.DOWN, text)
        self._undecided_until = None
        return self.turn(now)

    # --- what is told ----------------------------------------------------------------------------------------

    def _change_due(self, incident: Incident) -> float | None:
        if self._well_as:
            return None  # it is as good as over
        news = incident.final is not None and incident.final is not incident.told_kind
        if not news and not incident.fresh:
            return None
        if incident.told == 0:
            loud = news or incident.cause in LEASE_TROUBLE
            return 0.0 if loud or incident.ends >= self._settings.after else None
        return 0.0 if news else incident.told_at + incident.gap_s

    def _over_due(self) -> float | None:
        if self._is_doubted:
            return None
        if self._well_since is not None:
            return self._well_since + self._settings.stable_s
        return None if self._run_since is None else self._run_since + self._grace_s + self._settings.stable_s

    def _close(self, incident: Incident, now: float, kind: Kind) -> list[Telling]:
        self._incident = None
        self._undecided_until = None
        if kind is Kind.OVER:
            incident.then, self._well_as = self._well_as, ""
        return [incident.tell(now, kind)] if incident.told else []

    # --- over the life of one watchdog -----------------------------------------------------------------------

    def to_record(self, now: float) -> dict[str, Any] | None:
        """Return what the next watchdog must know; None if there is no incident."""
        return None if self._incident is None else self._incident.to_record(now)

    def from_record(self, record: object, now: float, elapsed_s: float) -> None:
        """Go on with the incident of an earlier watchdog; what cannot be understood is no incident.

        Args:
            elapsed_s: since the record was made.
        """
        self._incident = from_record(record, now, elapsed_s, self._settings.gap_s)
