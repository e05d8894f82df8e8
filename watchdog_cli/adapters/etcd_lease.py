"""One key of etcd that only one watchdog holds, and the state that lies below it.

The holder is whoever made the key: ``create_revision`` is the fencing number, and each write is one transaction with
the condition that the key still is that one. A renewal is a keep-alive and such a transaction, both answered in the
same term: a leader that was voted out meanwhile may still confirm a keep-alive, and would be believed for nothing.

    KEY          who holds it (JSON), bound to the lease: gone when the lease is
    KEY/holder   the same without the lease: who began to hold it, and has not handed it over since
    KEY/state    what the saved files are and in which parts they lie; switched last
    KEY/part/…   the parts; those of an older state go in the transaction that switches
"""

import contextlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from watchdog_cli.adapters import boot_clock, carried, etcd, foreign_json
from watchdog_cli.adapters.etcd import Etcd, EtcdError, EtcdRefusedError, EtcdUnreachableError
from watchdog_kit.records import dataclass

PART = 512 << 10  # etcd takes requests up to 1.5 MiB, and base64 makes a third more


class LeaseGoneError(EtcdError):
    """It is certainly not ours any more."""


@dataclass(frozen=True, slots=True)
class Grip:
    """What proves that it is ours.

    Args:
        lease: its number.
        revision: at which the key was made.
    """

    lease: int
    revision: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What lies below the key.

    Args:
        writer: which machine put it there.
    """

    writer: str
    packed: bytes


class EtcdLease:
    """Asks etcd; keeps no time and decides nothing."""

    def __init__(self, client: Etcd, key: str, ttl_s: float, ask_s: float) -> None:
        """Nothing is asked yet.

        Args:
            ask_s: the longest that one question may take.
        """
        self.holder: dict[str, Any] = {}  # who holds it, as last seen
        self.before: dict[str, Any] = {}  # who held it before us and did not hand it over
        self.grip: Grip | None = None
        self._note = f"{key}/holder"
        self._is_noted = True  # by the watchdog whose grip we go on with, if we do not acquire it
        self._client = client
        self._key = key
        self._ttl_s = ttl_s
        self._ask_s = ask_s

    def _call(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        return self._client.call(path, body, self._ask_s)

    # --- having it -------------------------------------------------------------------------------------------

    def acquire(self, me: dict[str, object]) -> tuple[float, float] | None:
        """Take it if nobody has it: when the grant was sent, and its TTL; None when somebody else has it.

        Raises:
            EtcdError: it could not be asked for; a key that was made nevertheless ends with its lease.
        """
        if self._somebody_has_it():
            return None
        sent = boot_clock.now_s()
        granted = self._call("/v3/lease/grant", {"TTL": str(max(1, round(self._ttl_s))), "ID": "0"})
        lease, ttl_s = etcd.number(granted.get("ID")), float(etcd.number(granted.get("TTL")))
        if not lease or not ttl_s:
            raise EtcdError("etcd granted no lease")
        taken = False
        try:
            value = json.dumps(me, ensure_ascii=True).encode()
            answer = self._call(
                "/v3/kv/txn",
                {
                    "compare": [etcd.is_created_at(self._key, 0)],
                    "success": [etcd.get(self._note), etcd.put(self._key, value, lease)],
                    "failure": [etcd.get(self._key)],
                },
            )
            taken = bool(answer.get("succeeded"))
        finally:
            if not taken:
                with contextlib.suppress(EtcdError):  # else it ends by itself
                    self._call("/v3/lease/revoke", {"ID": str(lease)})
        if not taken:
            self._note_holder(etcd.pairs(answer))
            return None
        self.grip = Grip(lease, etcd.revision(answer))
        self.holder, self.before, self._is_noted = dict(me), _holder_of(etcd.pairs(answer)), False
        return sent, ttl_s

    def _somebody_has_it(self) -> bool:
        found = self._call("/v3/kv/range", {"key": etcd.encoded(self._key)}).get("kvs")
        kvs = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        self._note_holder(kvs)
        return bool(kvs)

    def _note_holder(self, kvs: list[dict[str, Any]]) -> None:
        self.holder = _holder_of(kvs)

    def renew(self) -> tuple[float, float]:
        """Renew, and prove that it is ours: when the renewal was sent, and the TTL.

        Raises:
            LeaseGoneError: it is not ours any more.
            EtcdError: nobody can say.
        """
        grip = self._grip()
        sent = boot_clock.now_s()
        try:
            alive = self._call("/v3/lease/keepalive", {"ID": str(grip.lease)})
        except EtcdRefusedError as error:
            if error.code == etcd.NOT_FOUND:
                raise self._gone("it ran out") from error
            raise
        ttl_s = float(etcd.number(alive.get("TTL")))
        if ttl_s <= 0:
            raise self._gone("it ran out")
        proof = self.write([])
        if etcd.term(proof) != etcd.term(alive):
            raise EtcdUnreachableError("etcd has just chosen another leader")
        return sent, ttl_s

    def release(self) -> None:
        """Let go at once.

        Raises:
            EtcdError: it could not be told; the lease ends by itself.
        """
        grip, self.grip = self._grip(), None
        self._call("/v3/lease/revoke", {"ID": str(grip.lease)})

    def note(self) -> None:
        """Write down, once, that we hold it: to be found by the next holder unless we ``hand_over``.

        Raises:
            LeaseGoneError, EtcdError: as ``write``.
        """
        if not self._is_noted:
            self.write([etcd.put(self._note, json.dumps(self.holder, ensure_ascii=True).encode())])
            self._is_noted = True

    def hand_over(self) -> None:
        """Let go at once, on purpose: nobody died.

        Raises:
            EtcdError: it could not be told; the lease ends by itself.
        """
        self.write([etcd.delete(self._note), etcd.delete(self._key)])
        self.release()

    def write(self, steps: list[dict[str, object]], *conditions: dict[str, object]) -> dict[str, Any]:
        """Do the steps if it is ours and the conditions hold, all or none.

        Raises:
            LeaseGoneError: it is not; nothing was done.
            EtcdError: nobody can say whether it was done; or it is ours, and a condition does not hold.
        """
        grip = self._grip()
        answer = self._call(
            "/v3/kv/txn",
            {
                "compare": [etcd.is_created_at(self._key, grip.revision), *conditions],
                "success": steps,
                "failure": [etcd.get(self._key)],
            },
        )
        if not answer.get("succeeded"):
            found = etcd.pairs(answer)
            if conditions and found and etcd.number(found[0].get("create_revision")) == grip.revision:
                raise EtcdError("what was sent earlier has arrived only now")
            self._note_holder(found)
            raise self._gone("somebody else holds it" if self.holder else "the key was removed")
        return answer

    def _grip(self) -> Grip:
        if self.grip is None:
            raise LeaseGoneError("it is not held")
        return self.grip

    def _gone(self, why: str) -> LeaseGoneError:
        self.grip = None
        return LeaseGoneError(why)

    # --- what moves with it ----------------------------------------------------------------------------------

    def save(self, packed: bytes, writer: str, between: Callable[[], None]) -> None:
        """Put the state below the key, in as many transactions as it has parts.

        What nobody answered in time may still be on its way to etcd, and arrive after this one. So each is bound to the
        state that it found, and the late one finds another.

        Args:
            between: called before each part but the first, for the lease must be renewed meanwhile.
        Raises:
            LeaseGoneError, EtcdError: as ``write``. The state that lay there before is untouched.
        """
        mark = uuid.uuid4().hex
        folder = f"{self._key}/part/"
        parts = [packed[at : at + PART] for at in range(0, len(packed), PART)] or [b""]
        keys = [f"{folder}{mark}/{index:04d}" for index in range(len(parts))]
        for key, part in zip(keys[:-1], parts[:-1], strict=True):
            self.write([etcd.put(key, part)])
            between()
        state = f"{self._key}/state"
        before = etcd.pairs(self.write([etcd.get(state)]))
        manifest = {"version": 1, "writer": writer, "parts": keys, "sha256": carried.digest(packed)}
        self.write(
            [
                etcd.put(keys[-1], parts[-1]),
                etcd.put(state, json.dumps(manifest).encode()),
                etcd.delete_between(folder, f"{folder}{mark}"),
                etcd.delete_between(f"{folder}{mark}0", etcd.behind(folder)),
            ],
            etcd.is_changed_at(state, etcd.number(before[0].get("mod_revision")) if before else 0),
        )

    def load(self, between: Callable[[], None]) -> Saved | None:
        """The state below the key; None when none was ever put there.

        Args:
            between: called before each part, as in ``save``.
        Raises:
            LeaseGoneError, EtcdError: as ``write``, or it is damaged.
        """
        found = etcd.pairs(self.write([etcd.get(f"{self._key}/state")]))
        if not found:
            return None
        try:
            manifest = foreign_json.parse(etcd.decoded(found[0].get("value")))
            writer, keys, sha = str(manifest["writer"]), list(manifest["parts"]), manifest["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise EtcdError(f"{self._key}/state in etcd is damaged") from error
        parts = []
        for key in keys:
            between()
            one = etcd.pairs(self.write([etcd.get(str(key))]))
            parts.append(etcd.decoded(one[0].get("value")) if one else b"")
        packed = b"".join(parts)
        if carried.digest(packed) != sha:
            raise EtcdError(f"the saved files below {self._key} in etcd are damaged")
        return Saved(writer, packed)

    def database_bytes(self) -> int:
        """How large the database of the member that answers is; 0 when it does not say.

        Raises:
            EtcdError: it may not be asked.
        """
        return etcd.number(self._call("/v3/maintenance/status", {}).get("dbSize"))


def _holder_of(kvs: list[dict[str, Any]]) -> dict[str, Any]:
    """What a holder wrote of itself; empty when nobody did, or nothing that one can read."""
    try:
        found = foreign_json.parse(etcd.decoded(kvs[0].get("value"))) if kvs else {}
    except (ValueError, EtcdError):
        found = {}
    return found if isinstance(found, dict) else {}
