"""``watchdog metrics``."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from watchdog_cli.cli.options import GroupedCommand, SettingType, place_options, places_of
from watchdog_cli.core.errors import StorageError, UsageError
from watchdog_kit import kinds
from watchdog_kit.os_errors import in_words
from watchdog_kit.wake_up import WakeUp

if TYPE_CHECKING:
    from watchdog_cli.wiring.metrics import MetricsReader
    from watchdog_cli.wiring.places import Places

READABLE = 0o644  # whoever collects the file is another user


@click.command("metrics", cls=GroupedCommand)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Stay and serve them at http://127.0.0.1:PORT/metrics; 0 takes any port that is free.",
)
@click.option(
    "--textfile",
    metavar="FILE",
    type=SettingType(kinds.path("FILE", example="tracker.prom")),
    help="Write them into a file for the textfile collector of node_exporter.",
)
@click.option(
    "--every",
    metavar="DURATION",
    type=SettingType(kinds.duration(least_s=1)),
    help="With --textfile: stay, and write it anew that often.",
)
@click.option("--all", "show_all", is_flag=True, help="Of every watchdog of this user.")
@place_options
def command(
    *,
    port: int | None,
    textfile: str | None,
    every: float | None,
    show_all: bool,
    directory: str | None,
    name: str | None,
) -> None:
    """Give the metrics of the program and its watchdog to Prometheus; without an option, print them once.

    It is a process of its own: it only reads and asks, and supervision goes on whatever befalls it.
    """
    from watchdog_cli.wiring.metrics import MetricsReader

    if port is not None and textfile is not None:
        raise UsageError("--port and --textfile are two ways to the same end; use one of them")
    if every is not None and textfile is None:
        raise UsageError("--every goes with --textfile only; whoever scrapes --port decides how often")
    if show_all and (directory is not None or name is not None):
        raise UsageError("--all means every watchdog; leave -C and --name out")
    reader = MetricsReader(_watched(directory, name, show_all=show_all))
    if port is not None:
        _serve(reader, port)
    elif textfile is not None:
        _write_again_and_again(reader, textfile, every)
    else:
        click.echo(reader.read().decode(), nl=False)


def _watched(directory: str | None, name: str | None, *, show_all: bool) -> "Callable[[], Sequence[Places]]":
    from watchdog_cli.wiring import registry

    if show_all:
        return registry.entries
    places = places_of(directory, name)
    return lambda: [places]


def _serve(reader: "MetricsReader", port: int) -> None:
    from watchdog_cli.sinks.metrics_server import MetricsServer

    reader.read()  # what is missing is said now, and not at the first scrape
    server = MetricsServer(port, reader.read)
    ended = Ended()
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    click.echo(f"metrics are served at {server.url}; Ctrl-C ends", err=True)
    ended.wait()
    server.shutdown()
    server.server_close()


def _write_again_and_again(reader: "MetricsReader", path: str, every_s: float | None) -> None:
    from watchdog_kit.atomic_file import write_atomic

    ended = Ended() if every_s is not None else None
    while True:
        try:
            write_atomic(path, reader.read(), mode=READABLE, durable=False)
        except OSError as error:
            why = in_words(error)
            raise StorageError(
                f"cannot write {path}: {why}; name a file in a folder that you may write to"
            ) from error
        if ended is None or ended.wait(every_s):
            return


class Ended:
    """Whether SIGINT or SIGTERM has asked for the end, which then is an orderly one."""

    def __init__(self) -> None:
        """Begin to listen."""
        self._asked = False
        self._wake_up = WakeUp()
        self._wake_up.listen_to_signals()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self._asked = True

    def wait(self, limit_s: float | None = None) -> bool:
        """Wait for the end; False when ``limit_s`` is over before it."""
        until = None if limit_s is None else time.monotonic() + limit_s
        while not self._asked:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._wake_up.wait(left)
        return True
