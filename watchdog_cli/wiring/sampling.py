"""Let the running program be measured, if that is wanted."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchdog_cli.core.settings import Settings
from watchdog_cli.core.supervisor import Supervisor, silent_s
from watchdog_cli.wiring.places import Places

if TYPE_CHECKING:
    from watchdog_cli.adapters.samples import Sampler
    from watchdog_cli.adapters.system import trees


def make_sampler(
    settings: Settings, places: Places, child: "trees.ChildTree", sup: Callable[[], Supervisor]
) -> "Sampler | None":
    """A sampler that looks at the child and at the present state, and changes nothing; None when it is not wanted."""
    if not settings.history:
        return None
    from watchdog_cli.adapters.samples import Sampler

    return Sampler(
        places.samples, who=lambda: child.identity, silent_s=lambda: silent_s(sup(), time.monotonic())
    )
