"""The words of an alert: short enough for the smallest service, the cause first, the last lines of the log inside."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from watchdog_cli.core.trouble import LEASE_TROUBLE
from watchdog_cli.sinks.incident_text import id_for
from watchdog_cli.sinks.masking import Mask
from watchdog_cli.sinks.told_incident import Kind, Telling
from watchdog_kit.notify import Message, cut_middle, utf16_length
from watchdog_kit.quantities import format_duration

LIMIT = 3800  # UTF-16 units of a whole message: below what each service takes
LAST_LINES = 6  # of a log without a traceback
# Of a traceback, of a dump at a freeze.
BEGINNINGS = ("Traceback (most recent call last):", "Current thread 0x")
MOST_CAUSES = 6
_SIGNS = {
    Kind.FIRST: "🔴",
    Kind.CHANGE: "🟠",
    Kind.GAVE_UP: "🚨",
    Kind.DOWN: "🚨",
    Kind.OVER: "🟢",
    Kind.STOPPED: "⚪",
}


def compose(telling: Telling, who: str, lines: Sequence[str], mask: Mask) -> Message:
    """Return the message for people, with marks for services that can show them.

    Args:
        who: the program and its machine.
        lines: what it printed last.
        mask: takes secrets out of a text.
    """
    title = mask(f"{_SIGNS[telling.kind]} {who}: {_headline(telling)}")
    about = [mask(line) for line in _about(telling)]
    mark = f"[{telling.story_id}/{telling.number}]"
    quote = [] if telling.kind in {Kind.OVER, Kind.STOPPED} else worth_telling(lines)
    body = "\n".join([title, *about])
    body = cut_middle(body, LIMIT // 2)
    room = LIMIT - utf16_length(body) - utf16_length(mark) - len("\n\n\n\n")
    quoted = cut_middle("\n".join(mask(line) for line in quote), room)
    text = "\n".join(filter(None, [body, f"\n{quoted}\n" if quoted else "", mark]))
    first, newline, rest = body.partition("\n")
    marked = f"<b>{_marked(first)}</b>{newline}{_marked(rest)}"
    pre = f"\n<pre>{_marked(quoted)}</pre>" if quoted else ""
    return Message(text, f"{marked}{pre}\n<code>{mark}</code>", _data(telling, who, text))


def fold(messages: Sequence[Message], count: int) -> Message:
    """Return one message for several that had to wait: all titles, and the whole of the newest one.

    Args:
        messages: oldest first.
        count: how many messages they stand for.
    """
    newest = messages[-1]
    titles = [message.text.partition("\n")[0] for message in messages[:-1]]
    head = f"{count} messages had to wait. Before the newest one:"
    room = max(200, LIMIT - utf16_length(newest.text) - utf16_length(head) - 4)
    before = cut_middle("\n".join(f"· {title}" for title in titles), room)
    text = cut_middle(f"{newest.text}\n\n{head}\n{before}", LIMIT)
    return Message(text, None, newest.data)


def worth_telling(lines: Sequence[str]) -> list[str]:
    """Return the part of the last lines that says most: the last traceback or dump to the end, else the last few."""
    kept = [line.rstrip() for line in lines]
    while kept and not kept[-1]:
        kept.pop()
    for place in range(len(kept) - 1, -1, -1):
        if any(beginning in kept[place] for beginning in BEGINNINGS):
            return kept[place:]
    return kept[-LAST_LINES:]


def trial(who: str) -> Message:
    """Return the message of ``watchdog notify --test``."""
    text = f"🔔 {who}: this is a test. Alerts of this watchdog arrive here."
    return Message(text, _marked(text), {"version": 1, "kind": "test", "text": text})


def _headline(telling: Telling) -> str:
    match telling.kind:
        case Kind.FIRST:
            return telling.what
        case Kind.CHANGE:
            return f"still in trouble, now {_times(telling.ends)}; last: {telling.what}"
        case Kind.GAVE_UP | Kind.DOWN:
            return "DOWN" if not telling.what else f"DOWN: {telling.what}"
        case Kind.OVER:
            return telling.then or "healthy again"
        case Kind.STOPPED:
            return "stopped; the incident is closed"


def _about(telling: Telling) -> list[str]:
    lines = []
    over = telling.kind in {Kind.OVER, Kind.STOPPED}
    if telling.then and telling.kind is not Kind.OVER:
        lines.append(_sentence(telling.then))
    if telling.ends > 1:
        since = "Over" if over else "So far"
        lines.append(
            f"{since}: {_times(telling.ends)} since {_time(telling.began_at)} ({_causes(telling.causes)})."
        )
        if telling.number > 1 and telling.fresh and telling.fresh < telling.ends:
            lines.append(f"{telling.fresh} of them since the last message.")
    elif over:
        lines.append(f"It was: {telling.what}, {_time(telling.at)}.")
    if not over:
        run = "" if telling.run is None else f"Run {telling.run}"
        lived = "" if telling.lived_s is None else f"lived {format_duration(telling.lived_s)}"
        lines.append("; ".join(filter(None, [" ".join(filter(None, [run, lived])), _time(telling.at)])) + ".")
        if telling.ends and telling.cause not in LEASE_TROUBLE:
            lines.append(f"More: watchdog incidents {id_for(telling.at, telling.cause)}")
    return lines


def _data(telling: Telling, who: str, text: str) -> Mapping[str, object]:
    """The same for machines: what a webhook gets."""
    return {
        "version": 1,
        "kind": telling.kind.value,
        "id": f"{telling.story_id}/{telling.number}",
        "who": who,
        "cause": telling.cause,
        "ends": telling.ends,
        "since": telling.began_at.astimezone(UTC).isoformat(timespec="seconds"),
        "at": telling.at.astimezone(UTC).isoformat(timespec="seconds"),
        "text": text,
    }


def _causes(causes: Mapping[str, int]) -> str:
    ordered = sorted(causes.items(), key=lambda item: -item[1])
    shown = [f"{text[:80]} × {count}" for text, count in ordered[:MOST_CAUSES]]
    rest = sum(count for _, count in ordered[MOST_CAUSES:])
    return ", ".join([*shown, *([f"others × {rest}"] if rest else [])])


def _times(count: int) -> str:
    return "1 end" if count == 1 else f"{count} ends"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _marked(text: str) -> str:
    """Escape what Telegram takes for marks; the library's own way to do so loads tables of all HTML names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
