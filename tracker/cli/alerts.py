"""``alerts``: what was told, what may have been; test the way to people, and repeat an uncertain one."""

import os
from typing import TYPE_CHECKING

import click

from tracker import edits
from tracker.cli.options import place_of, place_option
from tracker.edits import Edit
from tracker.errors import StorageError, UnhealthyError, UsageError
from tracker.ledger import DUE, SENDING, SENT, UNCERTAIN, Ledger
from tracker.place import Place
from tracker.say import clean

if TYPE_CHECKING:
    from watchdog_kit.notify import Sender

_SHOWN = 20
_WORDS = {DUE: "waiting", SENDING: "on its way", SENT: "told", UNCERTAIN: "UNCERTAIN"}


def _ledger(place: Place) -> Ledger:
    ledger = Ledger(place.ledger, place.sent)
    ledger.load(repair=False)
    return ledger


def _sender(place: Place) -> "Sender":
    from tracker.senders import make_sender
    from tracker.settings import load_settings

    return make_sender(load_settings(place.folder, {}, os.environ), place, click.echo)


@click.group(invoke_without_command=True)
@place_option
@click.option("--test", "as_test", is_flag=True, help="Send a test message and say what became of it.")
@click.pass_context
def alerts(ctx: click.Context, folder: str, as_test: bool) -> None:
    """Show what was told about rises, what waits, and what is uncertain.

    An alert is uncertain when the tracker was ended, or the connection lost, between sending and the answer:
    it may have arrived, so it is never sent again by itself.
    """
    ctx.obj = place_of(folder)
    if ctx.invoked_subcommand is not None:
        return
    if as_test:
        _test(ctx.obj)
        return
    ledger = _ledger(ctx.obj)
    entries = ledger.of_state(DUE, SENDING, UNCERTAIN) + ledger.of_state(SENT)[-_SHOWN:]
    if not entries:
        click.echo("no alerts yet", err=True)
    for entry in sorted(entries, key=lambda e: e.id):
        what = clean(entry.text.partition("\n")[0]) or entry.token
        reason = f" ({clean(entry.reason)})" if entry.reason and entry.state != SENT else ""
        click.echo(f"{entry.id:<5} {entry.at}  {_WORDS[entry.state]:<10} {what}{reason}")
    uncertain = ledger.of_state(UNCERTAIN)
    if uncertain:
        click.echo(f"to send one again: python -m tracker alerts resend {uncertain[0].id}", err=True)


def _test(place: Place) -> None:
    from watchdog_kit.notify import Message, Outcome

    sender = _sender(place)
    result = sender.send(Message("Test of the tracker's alerts: this arrived."))
    if result.outcome is not Outcome.SENT:
        raise UnhealthyError(f"the test message was {result.outcome.value}: {result.reason}")
    if sender.name == "console":
        click.echo(
            "no service is set, so alerts only appear here; see telegram-token in docs/tracker.md", err=True
        )
    else:
        click.echo(f"the test message was taken by {sender.name}")


@alerts.command()
@click.argument("number", type=int, metavar="ID")
@click.pass_obj
def resend(place: Place, number: int) -> None:
    """Send an uncertain alert again. ID is its number in 'python -m tracker alerts'."""
    from tracker.alerts import AlertDesk
    from tracker.lock import FolderLock

    entry = _ledger(place).get(number)
    if entry is None or entry.state != UNCERTAIN:
        raise UsageError(f"there is no uncertain alert {number}; see: python -m tracker alerts")
    place.prepare()
    lock = FolderLock(place.lock, "resend")
    if lock.acquire_or_find() is not None:
        edits.leave(place, Edit(edits.RESEND, alert=number))
        click.echo("the running tracker sends it within one cycle")
        return
    try:
        ledger = Ledger(place.ledger, place.sent)
        desk = AlertDesk(ledger, _sender(place), lambda text: click.echo(text, err=True), send=False)
        desk.resend(number)
        desk.deliver_only(number)
        left = ledger.get(number)
    finally:
        lock.release()
    if left is None or left.state != SENT:
        raise StorageError(f"alert {number} could not be sent now: {left.reason if left else 'it is gone'}")
    click.echo(f"alert {number} was sent again")
