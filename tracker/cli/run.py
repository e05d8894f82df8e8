"""``python -m tracker run``: watch the tokens until stopped."""

from collections.abc import Callable
from typing import Any

import click

from tracker.cli.options import EPILOG, F, given, place_of, place_option, settings_options
from watchdog_kit import kinds
from watchdog_kit.click_options import GroupedCommand, GroupedOption, SettingType

_FAULTS = "Faults to order (to see a supervisor at work)"
_DURATION = SettingType(kinds.duration(least_s=0.0, zero=True))


def _fault(name: str, text: str) -> Callable[[F], F]:
    return click.option(
        name,
        type=_DURATION,
        metavar="DURATION",
        default=None,
        cls=GroupedOption,
        group=_FAULTS,
        help=text,
    )


@click.command(cls=GroupedCommand, epilog=EPILOG)
@place_option
@settings_options
@click.option(
    "--seed",
    type=int,
    default=None,
    cls=GroupedOption,
    group=_FAULTS,
    metavar="NUMBER",
    help="What the chance of the demo market comes from; the same seed gives the same prices.  [default: 7]",
)
@_fault("--crash-after", "End with an error after so long, without saving.  [default: never]")
@_fault("--freeze-after", "Stop working after so long, without ending.  [default: never]")
@_fault("--fail-for", "Let the demo market be out of reach for so long from the start.  [default: 0]")
def run(folder: str, **values: Any) -> None:
    """Watch the tokens until stopped by Ctrl-C or SIGTERM; then save and end with 0.

    The list may be empty: that is a normal start, and tokens can be added at any time from another terminal.
    """
    from tracker.faults import Faults
    from tracker.program import run_tracker

    faults = Faults(values.pop("crash_after"), values.pop("freeze_after"), values.pop("fail_for") or 0.0)
    seed = values.pop("seed")
    run_tracker(place_of(folder), given(values), faults, 7 if seed is None else seed)
