"""What happened to each contender in a discipline: samples, a reason, or a way out."""

from contenders import Contender
from peer import Peer
from results import Discipline, Measured


def able(peers: list[Peer], what: str) -> list[Peer]:
    """Those that can take part."""
    return [one for one in peers if what not in one.cannot]


Failed = dict[str, str]


def gathered(
    discipline: Discipline,
    peers: list[Peer],
    what: str,
    samples: dict[str, list[float]],
    failed: Failed,
) -> Discipline:
    """A discipline with a result or a reason for every peer."""
    for peer in peers:
        if what in peer.cannot:
            discipline.results.append(Measured(peer.name, reason=peer.cannot[what]))
        else:
            remark = failed.get(peer.name) or peer.remarks.get(what, "")
            discipline.results.append(Measured(peer.name, samples[peer.name], remark))
    return discipline


def dropped(one: Contender, error: Exception, contenders: list[Contender], failed: Failed) -> None:
    """A contender that does not answer any more is out of this discipline; the others go on."""
    failed[one.name] = f"dropped out: {error}"
    contenders.remove(one)
    one.end()
