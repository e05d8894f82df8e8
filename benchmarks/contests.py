"""The disciplines of the comparison, each for all contenders in turns or side by side."""

import functools
from collections.abc import Callable

from contest_commands import cold, status, tail
from contest_costs import idle, log
from contest_restarts import RAPID_LIMIT_S, death, hang, rapid
from kits import Kits
from peer import Peer
from results import Discipline
from stand import Stand

Contest = Callable[[Stand, list[Peer]], list[Discipline]]


def contests(kits: Kits, *, quick: bool, rounds: int | None) -> dict[str, Contest]:
    """Every discipline by the name that ``--only`` takes."""

    def several(usual: int, few: int) -> int:
        return rounds or (few if quick else usual)

    return {
        "death": functools.partial(death, rounds=several(10, 3)),
        "hang": functools.partial(hang, rounds=several(12, 3)),
        "idle": functools.partial(idle, kits=kits, seconds=15.0 if quick else 60.0),
        "status": functools.partial(status, rounds=several(15, 3)),
        "cold": functools.partial(cold, rounds=several(10, 2)),
        "tail": functools.partial(tail, rounds=several(15, 3)),
        "rapid": functools.partial(
            rapid, count=200 if quick else 1000, limit_s=8.0 if quick else RAPID_LIMIT_S
        ),
        "log": functools.partial(log, rounds=several(3, 1), blocks=1500 if quick else 3000),
    }
