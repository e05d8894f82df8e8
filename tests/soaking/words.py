"""What ``status``, its JSON and ``check`` say, held against the processes that live."""

import json
from collections.abc import Iterable
from typing import Any

from soaking.world import World

NOT_RUNNING, UNHEALTHY = 3, 5
_WELL = {"healthy", "degraded"}
_OVER = {"stopped", "gave up"}


def code_of(report: dict[str, Any]) -> int:
    """The documented exit code of a state and a health."""
    if "unknown" in (report["state"], report["health"]):
        return 4
    if report["state"] in _OVER:
        return NOT_RUNNING
    return 0 if report["health"] in _WELL else UNHEALTHY


def contradictions(
    report: dict[str, Any], code: int, before: Iterable[int], after: Iterable[int]
) -> list[str]:
    """Name what a report says against itself, or against the trackers that lived before and after it."""
    before, after = set(before), set(after)
    found = []
    if report["exit_code"] != code:
        found.append(f"status ended with {code} and said {report['exit_code']}")
    if code_of(report) != code:
        found.append(f"status ended with {code} for {report['state']!r} and {report['health']!r}")
    child = report["child"]
    if child is not None and child["pid"] not in before | after:
        found.append(f"status names pid {child['pid']}; there were {sorted(before)} and {sorted(after)}")
    if report["state"] in _OVER and before & after:
        found.append(f"status says {report['state']!r} while {sorted(before & after)} lived")
    if code == 0 and child is None:
        found.append("status says that all is well without a program")
    for part, key in (("child", "uptime_s"), ("heartbeat", "age_s")):
        value = (report[part] or {}).get(key)
        if value is not None and not 0 <= value < 24 * 3600:
            found.append(f"{part}.{key} is {value}")
    return found


def ask_status(world: World) -> dict[str, Any] | None:
    """One ``status --json``, held against the truth; None when it said nothing that can be read."""
    before = world.trackers()
    code, text = world.cli("status", "--json", limit_s=30)
    after = world.trackers()
    try:
        report: dict[str, Any] = json.loads(text)
        found = contradictions(report, code, before, after)
    except (ValueError, KeyError, TypeError) as error:
        world.fail(f"`status --json` ended with {code} and said {text[:300]!r} ({error!r})")
        return None
    for each in found:
        world.fail(f"{each}: {text[:700]}")
    return report


def ask_all_ways(world: World) -> None:
    """JSON, text and ``check`` give one code, as long as nothing happens between the questions."""
    told = []
    for _ in range(4):
        first = ask_status(world)
        codes = (world.cli("check", limit_s=30)[0], world.cli("status", limit_s=30)[0])
        second = ask_status(world)
        if first is None or second is None:
            return
        same = all(first[key] == second[key] for key in ("state", "health"))
        if not same or set(codes) == {first["exit_code"]}:
            return
        told.append((first["state"], first["health"], codes))
    world.fail(f"status, check and status --json differ again and again: {told}")
