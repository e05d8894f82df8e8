"""Is a program beyond reproach, so that to kill it would be false, whatever we slept through?"""

from math import ceil, inf

from model.oracle import RunOracle
from model.program import Tree
from watchdog_cli.core.policy import AliveWhen, Policy, Source


def _limits(tree: Tree, policy: Policy) -> list[tuple[float, float | None, Source]]:
    """Each limit, how often the program meets it, and with which source."""
    rhythm = {source: tree.program.beat_every_s.get(source) for source in policy.sources}
    fastest = min(rhythm, key=lambda source: (inf if rhythm[source] is None else rhythm[source], source))
    needed = sorted(policy.sources) if policy.alive_when is AliveWhen.ALL else [fastest]
    limits = [(policy.heartbeat_timeout_s, rhythm[source], source) for source in needed]
    limits += [(policy.start_grace_s, tree.program.first_beat_s, source) for source in needed]
    if policy.progress_key is not None:
        limits.append((policy.progress_timeout_s, rhythm.get(Source.FILE), Source.FILE))
    return limits


def is_good(tree: Tree, policy: Policy) -> bool:
    """Whether it gives each needed sign at least twice within each limit."""
    progress = policy.progress_key is not None
    if not tree.beats_at or (progress and not tree.program.moves):
        return False
    for source in tree.extra:  # its sign started a limit that it may not meet again
        every = tree.program.beat_every_s.get(source)
        if (
            every is None
            or every > policy.heartbeat_timeout_s / 2
            or (progress and source is not Source.FILE)
        ):
            return False
    return all(every is not None and every <= limit / 2 for limit, every, _ in _limits(tree, policy))


def count_freeze(run: RunOracle, tree: Tree, policy: Policy, for_s: float) -> None:
    """Note a pause of the whole machine, and whether so many of them can still be told from a hang.

    A pause shorter than a quarter of a limit cannot be seen at all, so only so many fit between two signs.
    """
    limits = _limits(tree, policy)
    if for_s >= 1 + max(limit for limit, _, _ in limits):
        run.freezes = {}  # seen for sure: all limits start again
        return
    for source in policy.sources:
        run.freezes[source] = run.freezes.get(source, 0) + 1
    for limit, every, source in limits:
        if every is not None and run.freezes[source] > ceil((limit - every) / (limit / 4)) - 1:
            run.unlucky = True
