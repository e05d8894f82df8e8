"""Let the running program be measured, if that is wanted."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchdog_cli.core.phases import Up
from watchdog_cli.core.settings import Settings
from watchdog_cli.core.supervisor import Supervisor
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

    def silent_s() -> float | None:
        phase = sup().phase
        last = phase.life.last_sign() if isinstance(phase, Up) else None
        return None if last is None else max(0.0, time.monotonic() - last)

    return Sampler(places.samples, who=lambda: child.identity, silent_s=silent_s)
