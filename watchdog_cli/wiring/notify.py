"""Try the ways to people, and say what still waits to be told."""

import os

from watchdog_cli.adapters import alert_file
from watchdog_cli.core.settings import Settings
from watchdog_cli.sinks.channels import make_senders
from watchdog_cli.sinks.masking import make_mask
from watchdog_cli.sinks.wording import trial
from watchdog_cli.wiring.places import Places
from watchdog_cli.wiring.sinks import who_text
from watchdog_kit.notify import Outcome
from watchdog_kit.records import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one test message."""

    service: str
    is_sent: bool
    reason: str = ""


def send_test(settings: Settings, name: str) -> list[Trial]:
    """Send one message to each service, within some seconds."""
    mask = make_mask(settings.alerts.secrets, os.environ)
    unusable: list[str] = []
    results = []
    moved: list[str] = []
    for sender in make_senders(settings.alerts, say=unusable.append, moved=moved.append):
        result = sender.send(trial(who_text(name)))
        reason = mask(result.reason)
        if moved:
            reason = "; ".join(
                filter(None, [reason, "the group became a supergroup: set telegram-chat to its new number"])
            )
        results.append(Trial(sender.name, result.outcome is Outcome.SENT, reason))
        moved.clear()
    return [*results, *(Trial("notify-url", is_sent=False, reason=mask(reason)) for reason in unusable)]


def describe(settings: Settings, places: Places) -> list[str]:
    """Say who is told, and what waits; one line each."""
    saved = alert_file.load(places.alerts)
    record = saved if isinstance(saved, dict) else {}
    waiting = record.get("waiting")
    story = record.get("story")
    lines = []
    for service, is_set in (
        ("telegram", settings.alerts.telegram_token is not None),
        ("webhook", settings.alerts.webhook_url is not None),
        ("apprise", settings.alerts.notify_url is not None),
    ):
        if is_set:
            kept = waiting.get(service) if isinstance(waiting, dict) else None
            count = sum(_count(entry) for entry in kept) if isinstance(kept, list) else 0
            lines.append(f"{service}: {'nothing waits' if not count else f'waiting to be told: {count}'}")
    if isinstance(story, dict):
        lines.append(
            f"An incident is open: {story.get('what')}; ends so far: {story.get('ends')}, told: {story.get('told')}"
        )
    return lines


def _count(entry: object) -> int:
    count = entry.get("count") if isinstance(entry, dict) else None
    return count if isinstance(count, int) else 1
