"""The settings of a lease: where it is kept, for how long, and what moves with it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, NamedTuple

from watchdog_cli.core.lease import LEAST_TTL_S, OnLost
from watchdog_kit import kinds
from watchdog_kit.kinds import Kind
from watchdog_kit.quantities import quoted
from watchdog_kit.records import dataclass
from watchdog_kit.settings import Setting

PORT = 2379
_RIGHT = "write it like etcd://10.0.0.1:2379,10.0.0.2:2379/trackers/main (etcds:// for TLS)"
CERTIFICATES = ("lease-ca", "lease-cert", "lease-key")
CARRIED = ("tracked_tokens.json", "sent_tokens.ledger.jsonl", "sent_tokens.txt")


class LeaseAddress(NamedTuple):
    """Where a lease is kept."""

    tls: bool
    endpoints: tuple[tuple[str, int], ...]
    key: str


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """All that was told of the lease; texts may be empty."""

    address: LeaseAddress
    ttl_s: float
    lost: OnLost
    carry: tuple[str, ...]
    user: str
    password: str = field(repr=False)
    ca_file: str
    cert_file: str
    key_file: str


def parse_address(text: str) -> LeaseAddress:
    """Take an address apart.

    Raises:
        ValueError: it is none; the text says why and what is right.
    """
    scheme, mark, rest = text.partition("://")
    places, slash, key = rest.partition("/")
    key = key.rstrip("/")
    if scheme not in {"etcd", "etcds"} or not mark or not places or not slash or not key:
        raise ValueError(f"{quoted(text)} is no address of a lease; {_RIGHT}")
    if "@" in places:
        raise ValueError("a user and a password in the address would be shown; use WATCHDOG_LEASE_PASSWORD")
    if not (text.isascii() and text.isprintable()) or " " in text or len(text) > 1000:
        raise ValueError(f"{quoted(text)} has characters that no address has; {_RIGHT}")
    return LeaseAddress(scheme == "etcds", tuple(_endpoint(one, text) for one in places.split(",")), key)


def _endpoint(written: str, text: str) -> tuple[str, int]:
    host, colon, port = written.rpartition(":")
    if not colon or written.endswith("]"):
        host, port = written, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise ValueError(f"{quoted(text)} names {quoted(written)}, which is no host and port; {_RIGHT}")
    return host, int(port)


def _checked(text: str) -> str:
    parse_address(text)
    return text


def _paths(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if any(ord(character) < 32 for character in text) or len(text) > 4096:
        raise ValueError("a list of files has a control character in it or is too long")
    return names


def build(values: Mapping[str, Any]) -> LeaseSettings | None:
    """What the loaded values say; None without a lease."""
    if values["lease"] is None:
        return None
    return LeaseSettings(
        address=parse_address(values["lease"]),
        ttl_s=values["lease-ttl"],
        lost=values["lease-lost"],
        carry=CARRIED if values["lease-carry"] is None else values["lease-carry"],
        user=values["lease-user"] or "",
        password=values["lease-password"] or "",
        ca_file=values["lease-ca"] or "",
        cert_file=values["lease-cert"] or "",
        key_file=values["lease-key"] or "",
    )


LEASE_OPTIONS: tuple[Setting, ...] = (
    Setting(
        "lease",
        Kind("URL", _checked, example="etcd://127.0.0.1:2379/tracker"),
        None,
        "Lease",
        "Run the program only while this watchdog holds that key of etcd; the others with the same key stand by.",
        "chosen: one machine needs none",
        default_text="none",
    ),
    Setting(
        "lease-ttl",
        kinds.duration(least_s=LEAST_TTL_S),
        15.0,
        "Lease",
        "How long after the last sign of the holder another machine may begin.",
        "chosen: three renewals, and almost four seconds in which the program may end",
    ),
    Setting(
        "lease-lost",
        kinds.choice(OnLost),
        OnLost.STOP,
        "Lease",
        "When etcd cannot be reached for so long: stop the program in time, or keep it running at your own risk.",
        "chosen: never two is the promise",
    ),
    Setting(
        "lease-carry",
        Kind("FILES", _paths, show=",".join, example="data.json", lists=True),
        None,
        "Lease",
        "Files that move with the lease to the machine that takes over; several are joined by commas.",
        "chosen: tracked_tokens.json, sent_tokens.ledger.jsonl, sent_tokens.txt",
        default_text="what the tracker saves",
    ),
    Setting(
        "lease-user",
        kinds.text("NAME", example="tracker"),
        None,
        "Lease",
        "The user of etcd, where it asks for one.",
        "off",
        default_text="none",
        option=False,
    ),
    Setting(
        "lease-password",
        kinds.text(example="a long one"),
        None,
        "Lease",
        "The password of that user.",
        "off",
        default_text="none",
        option=False,
        secret=True,
    ),
    Setting(
        "lease-ca",
        kinds.path("FILE", example="ca.pem"),
        None,
        "Lease",
        "Certificates that etcd's own must be signed by (etcds://).",
        "those of the system",
        default_text="those of the system",
        option=False,
    ),
    Setting(
        "lease-cert",
        kinds.path("FILE", example="client.pem"),
        None,
        "Lease",
        "The certificate with which the watchdog shows who it is.",
        "off",
        default_text="none",
        option=False,
    ),
    Setting(
        "lease-key",
        kinds.path("FILE", example="client.key"),
        None,
        "Lease",
        "The key of that certificate.",
        "off",
        default_text="none",
        option=False,
    ),
)
