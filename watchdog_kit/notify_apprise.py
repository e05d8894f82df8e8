"""Sends messages to any of the services that apprise knows; it is an extra, loaded only when used."""

import contextlib
import importlib
import logging
import warnings
from collections.abc import Iterator

from watchdog_kit.notify import Message, Outcome, Result, cut_middle


class MissingExtraError(Exception):
    """The library is not installed."""


class WrongAddressError(Exception):
    """The library cannot read the address."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what its authors are warned of from our users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


class AppriseSender:
    """One address in apprise's form.

    Args:
        url: the address; it holds secrets and is never shown.
    Raises:
        MissingExtraError: apprise is not installed.
        WrongAddressError: it is no address that apprise knows.
    """

    name = "apprise"
    limit = 4000

    def __init__(self, url: str) -> None:
        try:
            with _quiet():
                apprise = importlib.import_module("apprise")
        except ImportError as error:
            raise MissingExtraError(
                "notify-url needs the extra 'notify': pip install 'tracker-watchdog[notify]'"
            ) from error
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages can hold the address
        self._apprise = apprise.Apprise()
        with _quiet():  # the services are loaded only now
            known = self._apprise.add(url)
        if not known:
            raise WrongAddressError(
                "notify-url is no address that apprise can read; see its list of services"
            )

    def ready_in_s(self) -> float:
        """Return 0: apprise keeps the pace of each service itself."""
        return 0.0

    def send(self, message: Message) -> Result:
        """Send one message. A failure may lie behind the delivery: apprise does not say, so it is uncertain."""
        try:
            sent = self._apprise.notify(body=cut_middle(message.text, self.limit))
        except (OSError, ValueError, TypeError, KeyError) as error:
            return Result(Outcome.UNCERTAIN, f"apprise failed: {type(error).__name__}")
        if sent:
            return Result(Outcome.SENT)
        return Result(Outcome.UNCERTAIN, "apprise could not deliver it, or does not know that it did")
