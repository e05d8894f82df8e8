"""``watchdog check``: for probes that ask every few seconds, so it loads as little as it can."""

import click

from watchdog_cli.cli.options import GroupedCommand, place_options, places_of
from watchdog_cli.core.errors import WatchdogError

UNHEALTHY = 1  # all that a container engine knows besides 0; it keeps 2, our wrong option, for itself
EPILOG = """\
As a HEALTHCHECK of Docker: watchdog check --docker. As the liveness probe of Kubernetes, where a failure
means that the whole pod is killed: watchdog check --watchdog; as its readiness probe: watchdog check.
"""


class WrongWordsError(click.UsageError):
    """A wrong command line where only 0 and 1 may be said."""

    exit_code = UNHEALTHY


class CheckCommand(GroupedCommand):
    """Ends with 1 for a wrong command line as well, where only 0 and 1 may be said."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words."""
        only_two = "--docker" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if only_two:
                raise WrongWordsError(error.format_message(), ctx) from error
            raise


@click.command("check", cls=CheckCommand, epilog=EPILOG)
@click.option("--docker", is_flag=True, help="Know two answers only: 0 healthy, 1 everything else.")
@click.option(
    "--watchdog",
    is_flag=True,
    help="Ask only whether the watchdog itself lives and answers: 0, else 3, 4 or 5.",
)
@place_options
def command(docker: bool, watchdog: bool, directory: str | None, name: str | None) -> None:
    """Answer with the exit code alone: 0 healthy, 3 not running, 4 unknown, 5 running but not healthy."""
    try:
        code = _code(directory, name, only_watchdog=watchdog)
    except WatchdogError as error:
        if not docker:
            raise
        from watchdog_cli.core.record import one_line

        click.echo(f"Error: {one_line(str(error))}", err=True)
        code = UNHEALTHY
    raise SystemExit(min(code, UNHEALTHY) if docker else code)


def _code(directory: str | None, name: str | None, *, only_watchdog: bool) -> int:
    places = places_of(directory, name)
    from watchdog_cli.wiring.probe import quick_code, watchdog_code

    if only_watchdog:
        return watchdog_code(places)
    code = quick_code(places)
    if code is None:
        from watchdog_cli.wiring.status import read_status

        code = int(read_status(places.folder, places.name).exit_code)
    return code
