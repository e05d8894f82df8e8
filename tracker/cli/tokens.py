"""``add``, ``remove``, ``list`` and ``import``: what is tracked."""

import json
import os
import sys
from typing import Any

import click

from tracker import edits
from tracker.cli.options import given, place_of, place_option, single_setting
from tracker.editor import Editor
from tracker.edits import Edit
from tracker.errors import UsageError
from watchdog_kit.click_options import GroupedCommand
from watchdog_kit.os_errors import in_words

_RUNNING = "the running tracker (pid {pid}) takes this up within one cycle"


def _talk(line: str) -> None:
    click.echo(line, err=True)


def _checked(addresses: tuple[str, ...]) -> list[str]:
    from tracker.address import fault

    for address in addresses:
        reason = fault(address)
        if reason is not None:
            raise UsageError(f"{address[:60]!r} is no token address: {reason}")
    return list(dict.fromkeys(addresses))


@click.command(cls=GroupedCommand)
@place_option
@single_setting("max-tokens")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
def add(folder: str, addresses: tuple[str, ...], **values: Any) -> None:
    """Begin to track tokens.

    ADDRESS is the mint address of a Solana token, as DexScreener and wallets show it. It works while a
    tracker runs in the folder, too.
    """
    wanted = _checked(addresses)
    editor = Editor(place_of(folder), given(values), _talk)
    known = editor.known()
    new = [address for address in wanted if address not in known]
    for address in wanted:
        if address not in new:
            click.echo(f"{address} is tracked already", err=True)
    if not new:
        return
    editor.refuse_too_many(len(known) + len(new))
    pid = editor.apply(Edit(edits.ADD, {address: {} for address in new}))
    count = len(known) + len(new)
    cap = ", which is the cap (max-tokens)" if count == editor.settings.max_tokens else ""
    click.echo(f"added {len(new)}; {count} tokens are tracked{cap}")
    click.echo(_RUNNING.format(pid=pid) if pid else "start watching with: python -m tracker", err=True)


@click.command(cls=GroupedCommand)
@place_option
@click.option("--all", "every", is_flag=True, help="Remove all tokens.")
@click.option("--simulated", is_flag=True, help="Remove all tokens of the demo market.")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS...]")
def remove(folder: str, every: bool, simulated: bool, addresses: tuple[str, ...]) -> None:
    """Stop tracking tokens and forget them.

    What was told about them stays noted, so adding one again later tells nothing twice. Earlier lists are in
    the backups.
    """
    if not addresses and not every and not simulated:
        raise UsageError("name the addresses to remove, or use --all or --simulated")
    editor = Editor(place_of(folder), {}, _talk)
    known = editor.known()
    unknown = [address for address in addresses if address not in known]
    if unknown:
        raise UsageError(f"{unknown[0][:60]!r} is not tracked; see: python -m tracker list")
    gone = [
        address
        for address, token in known.items()
        if every or address in addresses or (simulated and token.simulated)
    ]
    if not gone:
        click.echo("nothing to remove", err=True)
        return
    pid = editor.apply(Edit(edits.REMOVE, {address: {} for address in gone}))
    click.echo(f"removed {len(gone)}; {len(known) - len(gone)} tokens are tracked")
    if pid:
        click.echo(_RUNNING.format(pid=pid), err=True)


@click.command("list", cls=GroupedCommand)
@place_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print an array of the tokens as they stand in the file."
)
def show(folder: str, as_json: bool) -> None:
    """Show the tokens with prices and rises."""
    editor = Editor(place_of(folder), {}, _talk)
    tokens = editor.known()
    if as_json:
        from tracker.token_file import encode_token

        click.echo(json.dumps([json.loads(encode_token(token)) for token in tokens.values()], indent=2))
        return
    if not tokens:
        click.echo("no tokens yet; add one with: python -m tracker add ADDRESS", err=True)
        return
    from tracker.cli.table import print_tokens

    print_tokens(list(tokens.values()))


@click.command("import", cls=GroupedCommand)
@place_option
@single_setting("max-tokens")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
def take_file(folder: str, file: str, **values: Any) -> None:
    """Take over tokens from a file.

    FILE is a tracked_tokens.json of any tracker of this kind, a JSON list of tokens or of addresses, or plain
    text with one address a line; - is the standard input. Tokens that are tracked already stay as they are.
    """
    from tracker.importing import read_tokens

    found, bad = read_tokens(_read(file), "standard input" if file == "-" else file)
    editor = Editor(place_of(folder), given(values), _talk)
    known = editor.known()
    new = {address: fields for address, fields in found.items() if address not in known}
    editor.refuse_too_many(len(known) + len(new))
    for name, reason in list(bad.items())[:20]:
        click.echo(f"left out {name[:60]!r}: {reason}", err=True)
    pid = editor.apply(Edit(edits.ADD, new)) if new else None
    already = len(found) - len(new)
    click.echo(f"imported {len(new)}; {already} were tracked already, {len(bad)} left out")
    if pid:
        click.echo(_RUNNING.format(pid=pid), err=True)


def _read(file: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read()
        with open(file, "rb") as source:
            return source.read()
    except OSError as error:
        raise UsageError(f"cannot read {os.fspath(file)}: {in_words(error)}") from error
