"""Which way to people the settings ask for."""

import contextlib
import json
from collections.abc import Callable

from tracker.errors import SettingError
from tracker.place import Place
from tracker.settings import Settings
from watchdog_kit.atomic_file import write_atomic
from watchdog_kit.damage import DAMAGE
from watchdog_kit.notify import ConsoleSender, Sender


def make_sender(settings: Settings, place: Place, say: Callable[[str], None]) -> Sender:
    """Return Telegram, another service, or the console when nothing is set.

    Raises:
        SettingError: what is set cannot be used.
    """
    if settings.telegram_token is not None and settings.telegram_chat is not None:
        return _telegram(settings.telegram_token, settings.telegram_chat, settings, place)
    if settings.notify_url is not None:
        from watchdog_kit.notify_apprise import AppriseSender, MissingExtraError, WrongAddressError

        try:
            return AppriseSender(settings.notify_url)
        except (MissingExtraError, WrongAddressError) as error:
            raise SettingError(str(error)) from error
    return ConsoleSender(lambda line: say(f"ALERT: {line}"))


def _telegram(token: str, chat: str, settings: Settings, place: Place) -> Sender:
    from watchdog_kit.telegram import Telegram

    def moved(new: str) -> None:
        with contextlib.suppress(OSError):  # then it is found out again at the next start
            write_atomic(place.moved_chats, json.dumps({chat: new}).encode())

    try:
        with open(place.moved_chats, "rb") as file:
            present = str(json.loads(file.read(10_000))[chat])
    except (OSError, *DAMAGE):
        present = chat
    return Telegram(token, present, settings.telegram_url, moved=moved)
