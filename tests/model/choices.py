"""What hypothesis chooses from: policies, and programs that fit them or do not."""

from hypothesis import strategies as st

from model.program import Program
from watchdog_cli.core.policy import AliveWhen, Policy, Restart, Source
from watchdog_cli.core.record import ExitStatus

# Every number is a multiple of a power of two, so that instants are exact and "exactly at the limit" can be reached.
SHORT, LONG = 1.0, 120.0


def mostly(usual, *rare):
    """Choose the usual value three times out of four."""
    return st.sampled_from([usual] * (3 * len(rare)) + list(rare))


POLICIES = st.builds(
    Policy,
    heartbeat_timeout_s=st.sampled_from([4.0, SHORT, LONG]),
    start_grace_s=st.sampled_from([8.0, SHORT, LONG]),
    judge_silence=st.booleans(),
    no_heartbeat=mostly(False, True),
    sources=st.sampled_from([frozenset({Source.FILE}), frozenset({Source.FILE, Source.OUTPUT})]),
    alive_when=st.sampled_from(AliveWhen),
    progress_key=mostly(None, "lastCycle"),
    progress_timeout_s=st.sampled_from([8.0, 600.0]),
    restart=mostly(Restart.ALWAYS, Restart.ON_FAILURE, Restart.NEVER),
    restart_delay_s=st.sampled_from([0.0, 5.0]),
    max_restarts=st.sampled_from([2, 3, 1, None, 3, 0]),
    restart_window_s=st.sampled_from([16.0, 300.0]),
    backoff=mostly(False, True),
    backoff_max_s=st.sampled_from([2.0, 300.0]),
    retry_after_s=st.sampled_from([64.0, 8.0, None]),
    stop_timeout_s=st.sampled_from([2.0, 10.0, 0.0]),
    dump_timeout_s=st.sampled_from([2.0, 0.0]),
    memory_limit=st.sampled_from([None, 100]),
)


@st.composite
def programs(draw, policy, parts, first_parts):
    """A program that fits the policy, or does not."""
    every = {source: draw(st.sampled_from(parts)) for source in sorted(policy.sources)}
    first = draw(st.sampled_from(first_parts))
    return Program(
        first_beat_s=None if first is None else first * policy.start_grace_s,
        beat_every_s={
            s: None if part is None else part * policy.heartbeat_timeout_s for s, part in every.items()
        },
        moves=draw(mostly(True, False)),
        file_lies_there=draw(mostly(False, True)),
        ends_when_asked_s=draw(st.sampled_from([0.5, 0.0, 1.0, None])),
        helpers=draw(st.sampled_from([0, 0, 2])),
        helpers_end_when_asked_s=draw(st.sampled_from([0.5, 4.0, None])),
        dies_when_killed_s=draw(st.sampled_from([0.0, 0.5, 3.0])),
        dump_takes_s=draw(st.sampled_from([0.5, None])),
        rss=draw(st.sampled_from([0, 200])),
    )


STATUSES = mostly(
    ExitStatus(code=1), ExitStatus(code=0), ExitStatus(signal=9), ExitStatus(), ExitStatus(code=78)
)

SHORT_TIMEOUTS = st.builds(
    Policy,
    heartbeat_timeout_s=st.sampled_from([SHORT, 2.0, SHORT, 4.0]),
    start_grace_s=st.sampled_from([SHORT, 4.0]),
    judge_silence=st.booleans(),
    sources=st.sampled_from([frozenset({Source.FILE}), frozenset({Source.FILE, Source.OUTPUT})]),
    alive_when=st.sampled_from(AliveWhen),
    max_restarts=st.none(),
    restart_window_s=st.just(16.0),
)
