"""The ways to people that the settings ask for."""

from collections.abc import Callable

from watchdog_cli.core.alerting import AlertSettings
from watchdog_kit.notify import Sender


def make_senders(
    settings: AlertSettings,
    *,
    say: Callable[[str], None],
    chat: str | None = None,
    moved: Callable[[str], None],
) -> list[Sender]:
    """Build all of them; one that cannot be built is said and left out.

    Args:
        say: told one line for each way that cannot be used.
        chat: where the chat has moved to, if it has.
        moved: is told when Telegram says that it moved.
    """
    senders: list[Sender] = []
    if settings.telegram_token is not None and settings.telegram_chat is not None:
        from watchdog_kit.telegram import Telegram

        senders.append(
            Telegram(
                settings.telegram_token,
                chat or settings.telegram_chat,
                settings.telegram_url,
                moved=moved,
            )
        )
    if settings.webhook_url is not None:
        from watchdog_kit.notify_webhook import Webhook

        senders.append(Webhook(settings.webhook_url))
    if settings.notify_url is not None:
        from watchdog_kit.notify_apprise import AppriseSender, MissingExtraError, WrongAddressError

        try:
            senders.append(AppriseSender(settings.notify_url))
        except (MissingExtraError, WrongAddressError) as error:
            say(str(error))
    return senders
