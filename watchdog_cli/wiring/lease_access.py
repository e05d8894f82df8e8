"""How a watchdog gets into etcd, and what to tell people when etcd does not let it in."""

import os

from watchdog_cli.adapters.etcd import NO_RIGHT, NO_SUCH_USER, NO_USER, Etcd, EtcdRefusedError, Login
from watchdog_cli.core.errors import ConfigError
from watchdog_cli.core.lease_settings import LeaseSettings
from watchdog_cli.core.record import one_line
from watchdog_kit.os_errors import in_words


def client(settings: LeaseSettings, folder: str) -> Etcd:
    """A client with the certificates and the user that were set.

    Args:
        folder: what their paths are relative to.

    Raises:
        ConfigError: a certificate cannot be read.
    """

    def path(name: str) -> str:
        return os.path.join(folder, name) if name else ""

    for name, value in (
        ("lease-ca", settings.ca_file),
        ("lease-cert", settings.cert_file),
        ("lease-key", settings.key_file),
    ):
        if value:
            _look_at(name, path(value))
    login = Login(
        tls=settings.address.tls,
        ca_file=path(settings.ca_file),
        cert_file=path(settings.cert_file),
        key_file=path(settings.key_file),
        user=settings.user,
        password=settings.password,
    )
    try:
        return Etcd(settings.address.endpoints, login)
    except OSError as error:
        raise ConfigError(f"the lease cannot use its certificates: {error}") from error


def _look_at(name: str, path: str) -> None:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise ConfigError(f"{name}: cannot read {path}: {in_words(error)}") from error


def refusal(error: EtcdRefusedError, settings: LeaseSettings) -> str:
    """What is wrong, and what to do about it."""
    said, key = str(error), settings.address.key
    who = f"the user {one_line(settings.user)!r}" if settings.user else "this watchdog"
    if error.is_full:
        return "the database of etcd is full (its quota): compact, defragment and disarm it"
    if NO_SUCH_USER in said:
        return f"etcd does not accept {who}; look at WATCHDOG_LEASE_USER and WATCHDOG_LEASE_PASSWORD"
    if NO_USER in said:
        return "etcd asks for a user; set WATCHDOG_LEASE_USER and WATCHDOG_LEASE_PASSWORD"
    if NO_RIGHT in said:
        return f"etcd refuses {who}; it must read and write {key} and all that begins with {key}/"
    return f"etcd refused: {one_line(said)}"
