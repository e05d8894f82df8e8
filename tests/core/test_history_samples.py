"""Samples: their lines, what damage does to them, and what they say."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.core import measured
from watchdog_cli.core.blocks import Block, parse
from watchdog_cli.core.history import HOLE_S
from watchdog_cli.core.measured import Placed
from watchdog_cli.core.samples import KIBI, NEVER, head_line, life_tag, sample_line
from watchdog_cli.core.trend import growth

DAY_S = 86_400
BLOCKS = st.builds(
    lambda head, lines: Block(
        *head,
        [one[0] for one in lines],
        [one[1] for one in lines],
        [one[2] for one in lines],
        [one[3] for one in lines],
    ),
    st.tuples(*[st.integers(0, 10**9)] * 4),
    st.lists(
        st.tuples(
            st.integers(0, 9999), st.integers(0, 10**9), st.integers(0, 9999), st.integers(NEVER, 9999)
        ),
        min_size=1,
        max_size=6,
    ),
)


def written(block: Block) -> str:
    """A block as the sampler writes it."""
    lines = zip(block.steps, block.rss, block.cpu, block.silent, strict=True)
    return head_line(block.up, block.wall, block.life, block.run) + "".join(
        sample_line(*line) for line in lines
    )


def placed(steps: list[int], *, at: float = 0.0, run: int = 1, rss: int = 100, silent: int = 0) -> Placed:
    """A block on the timeline in which nothing changes."""
    count = len(steps)
    return at, Block(int(at), int(at), 7, run, steps, [rss] * count, [15] * count, [silent] * count)


@given(st.lists(BLOCKS, max_size=5))
def test_what_is_written_is_read_back(blocks: list[Block]) -> None:
    """All blocks of a file come back as they were, in their order."""
    content = "".join(map(written, blocks)).encode()
    assert list(parse(content)) == blocks


@given(st.lists(BLOCKS, min_size=1, max_size=3), st.data())
def test_a_file_that_ends_anywhere(blocks: list[Block], data: st.DataObject) -> None:
    """After a kill at any byte, each whole line is there and half a line is not."""
    content = "".join(map(written, blocks)).encode()
    cut = data.draw(st.integers(0, len(content)))
    kept = content[:cut]
    lines = kept[: kept.rfind(b"\n") + 1].count(b"\n") - sum(
        one.startswith(b"A") for one in kept[: kept.rfind(b"\n") + 1].split(b"\n")
    )
    assert sum(len(block.steps) for block in parse(kept)) == lines


@given(st.binary(max_size=300))
def test_garbage_is_no_error(content: bytes) -> None:
    """Whatever the bytes are, something is read or nothing, and all that is read has its parts."""
    for block in parse(content):
        assert len(block.steps) == len(block.rss) == len(block.cpu) == len(block.silent) > 0


def test_damage_costs_the_rest_of_its_block_only() -> None:
    """A line that is no sample hides what leans on it; the next block is whole."""
    blocks = [Block(10, 20, 3, 1, [0, 15, 15], [5, 6, 7], [1, 1, 1], [0, 0, 0]) for _ in range(2)]
    content = "".join(map(written, blocks)).replace("15 6 1 0", "15 6 \x00 0", 1).encode()
    assert [len(block.steps) for block in parse(content)] == [1, 3]


@pytest.mark.parametrize(
    "bad", ["15 -6 1 0", "-15 6 1 0", "15 6 1 -2", "15 6 1", "15 6 1 0 9", f"{1 << 60} 6 1 0"]
)
def test_numbers_that_cannot_be(bad: str) -> None:
    """Negative, missing, too many or absurd numbers are damage, though they are numbers."""
    content = head_line(1, 2, 3, 4) + sample_line(0, 5, 1, 0) + bad + "\n" + sample_line(15, 5, 1, 0)
    assert [len(block.steps) for block in parse(content.encode())] == [1]


def test_blocks_of_one_run_are_one_stretch() -> None:
    """Samples that follow each other across blocks were one time of being watched."""
    found = measured.stretches([placed([0, 15, 15]), placed([15, 15], at=30.0)])
    assert [(one.start, one.end) for one in found] == [(0.0, 60.0)]


def test_hole_inside_a_block_parts_a_stretch() -> None:
    """A machine that slept between two samples of one block leaves two stretches."""
    found = measured.stretches([placed([0, 15, int(HOLE_S) + 1, 15])])
    assert [(one.start, one.end) for one in found] == [(0.0, 15.0), (76.0, 91.0)]


def test_two_runs_are_two_stretches() -> None:
    """Samples of the next run belong to it, however soon it began."""
    found = measured.stretches([placed([0, 15]), placed([0, 15], at=20.0, run=2)])
    assert [(one.number, one.start, one.end) for one in found] == [(1, 0.0, 15.0), (2, 20.0, 35.0)]


def test_samples_from_the_future_are_left_out() -> None:
    """A block that would end after now is no measurement."""
    both = [(0.0, placed([0, 15])[1]), (0.0, placed([0, 10**7])[1])]
    kept = measured.place_blocks([block for _, block in both], lambda _: 0.0, now=100.0)
    assert [block.steps for _, block in kept] == [[0, 15]]


@pytest.mark.parametrize("count", [2, 40])
def test_buckets_hold_memory_and_cpu(count: int) -> None:
    """Ten minutes at 100 KiB and 1 % of a processor say so in coarse and in fine parts, and nothing outside."""
    blocks = [placed([15] * 20, at=nth * 300.0) for nth in range(2)]
    found = measured.buckets(blocks, 0.0, 1200.0, count)
    known = [one for one in found if one.rss is not None]
    assert {one.rss for one in known} == {100.0 * KIBI}
    assert all(one.cpu is not None and math.isclose(one.cpu, 0.01) for one in known)
    assert all(one.start <= 600.0 for one in known)
    assert len(known) >= count // 2


def test_what_was_used_before_the_first_sample_is_no_rate() -> None:
    """The CPU time of a start has no duration that is known, so it is in no percentage."""
    at, block = placed([0, 15, 15])
    block.cpu[0] = 100_000
    found = measured.buckets([(at, block)], 0.0, 30.0, 1)
    assert found[0].cpu is not None
    assert math.isclose(found[0].cpu, 0.01)


def test_one_silence_over_several_blocks_is_one() -> None:
    """Silence that grows from block to block is told once, with its full length; others come after it."""
    first = 0.0, Block(0, 0, 7, 1, [15, 15], [1, 1], [0, 0], [10, 25])
    second = 30.0, Block(30, 30, 7, 1, [15, 15], [1, 1], [0, 0], [40, 3])
    third = 60.0, Block(60, 60, 7, 1, [15, 15], [1, 1], [0, 0], [NEVER, 8])
    found = measured.longest_silences([first, second, third], 0.0, 5)
    assert [(one.start, one.length_s) for one in found] == [(5.0, 40.0), (82.0, 8.0)]


def test_no_sign_at_all_is_no_silence() -> None:
    """A program that never beat, and need not, is not silent for any length."""
    assert not measured.longest_silences([placed([15, 15], silent=NEVER)], 0.0, 5)


def test_latest_sample() -> None:
    """The newest sample tells memory, time and what was used over the last minutes."""
    found = measured.latest([placed([0, 15], at=100.0, rss=50)])
    assert found is not None
    assert (found.at, found.number, found.rss) == (115.0, 1, 50 * KIBI)
    assert found.cpu is not None
    assert math.isclose(found.cpu, 0.01)
    assert measured.latest([]) is None


def leak(hours: float, per_hour: float, noise: float = 0.0) -> list[tuple[float, float]]:
    """A point each five minutes."""
    chance = random.Random(1)
    return [
        (float(at), 5e7 + per_hour * at / 3600 + chance.uniform(-noise, noise))
        for at in range(0, int(hours * 3600), 300)
    ]


def test_leak_is_found_with_its_pace() -> None:
    """Memory that grows by 3 MB an hour under noise is a steady growth of about that."""
    found = growth(leak(8, 3e6, noise=1e6))
    assert found is not None
    assert found.is_steady
    assert math.isclose(found.bytes_per_s * 3600, 3e6, rel_tol=0.1)


def test_noise_is_no_leak() -> None:
    """Memory that goes up and down around one level does not grow, however large its swings."""
    found = growth(leak(24, 0.0, noise=2e7))
    assert found is not None
    assert not found.is_steady


def test_sawtooth_is_no_leak() -> None:
    """A cache that fills and is emptied each hour is no growth."""
    points = [(float(at), 5e7 + 1e4 * (at % 3600)) for at in range(0, DAY_S, 300)]
    found = growth(points)
    assert found is not None
    assert not found.is_steady


def test_start_that_fills_caches_is_no_leak() -> None:
    """Growth in the first minutes of a run, and then none, is how programs start."""
    points = [(float(at), 5e7 * min(1.0, at / 600)) for at in range(0, 6 * 3600, 300)]
    found = growth(points)
    assert found is not None
    assert not found.is_steady


def test_growth_too_small_to_matter() -> None:
    """Steady growth by a hundred kilobytes an hour on 50 MB is not worth a warning."""
    found = growth(leak(8, 1e5))
    assert found is not None
    assert not found.is_steady


def test_short_run_says_nothing() -> None:
    """Of a run of less than an hour, or of none, nothing can be said."""
    assert growth(leak(1.0, 9e6)) is None
    assert growth([]) is None


def test_growth_is_that_of_the_newest_long_run() -> None:
    """A short run after a crash does not hide the leak of the long one before it, and two are never mixed."""
    rss = [5000 + 20 * nth for nth in range(72)]
    long_one = [placed([15] * 20, at=nth * 300.0, rss=rss[nth]) for nth in range(72)]
    short_one = [placed([15] * 20, at=22_000.0, run=2, rss=5000)]
    found = measured.memory_growth([*long_one, *short_one], 0.0)
    assert found is not None
    assert math.isclose(found.bytes_per_s * 300, 20 * KIBI, rel_tol=0.01)


def test_life_tag_is_the_same_for_ever() -> None:
    """Files of one version are read by the next: the number of a life does not change."""
    assert life_tag("6a37566b.28904.502966") == 206552018
