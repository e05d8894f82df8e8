"""Arithmetic of spans, and the one timeline of many clocks."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from watchdog_cli.core.timeline import Stamp, Timeline
from watchdog_cli.core.uptime import Kind, Record, Span, Totals, clip, longest, total

NOW = 1_800_000_000.0
KINDS = st.sampled_from(list(Kind))


def record_of(*parts: tuple[float, Kind]) -> Record:
    """A record from 0 on."""
    made = Record()
    made.begin(0.0)
    for until, kind in parts:
        made.add(until, kind)
    return made


def test_neighbours_of_one_kind_are_one_span() -> None:
    """Two additions of the same kind make one longer span."""
    assert record_of((5, Kind.UP), (9, Kind.UP)).spans() == (Span(0, 9, Kind.UP),)


def test_correction_splits_a_span_where_it_begins() -> None:
    """A correction from the middle of a span on leaves its first part as it was."""
    made = record_of((10, Kind.UP))
    made.recolour(7, Kind.UP, Kind.DOWN)
    assert made.spans() == (Span(0, 7, Kind.UP), Span(7, 10, Kind.DOWN))


def test_correction_leaves_other_kinds() -> None:
    """Unknown time stays unknown when the up time around it turns out to be down."""
    made = record_of((10, Kind.UP), (20, Kind.UNKNOWN), (30, Kind.UP))
    made.recolour(5, Kind.UP, Kind.DOWN)
    kinds = [(span.start, span.kind) for span in made.spans()]
    assert kinds == [(0, Kind.UP), (5, Kind.DOWN), (10, Kind.UNKNOWN), (20, Kind.DOWN)]


@given(st.lists(st.tuples(st.floats(-5, 50), KINDS), max_size=12), st.floats(-5, 60), KINDS, KINDS)
def test_record_has_no_holes_and_no_negative_spans(
    steps: list[tuple[float, Kind]], since: float, old: Kind, new: Kind
) -> None:
    """Whatever is added and corrected, the spans follow each other and keep their whole length."""
    made = Record()
    made.begin(0.0)
    at = 0.0
    for by, kind in steps:
        at += by
        made.add(at, kind)
    before = made.spans()
    made.recolour(max(0.0, since), old, new)
    after = made.spans()
    assert all(span.start < span.end for span in after)
    assert all(one.end == other.start and one.kind is not other.kind for one, other in pairwise(after))
    ends = [(spans[0].start, spans[-1].end) for spans in (before, after) if spans]
    assert len(set(ends)) <= 1
    later = [span for span in after if span.start >= max(0.0, since)]
    assert old is new or all(span.kind is not old for span in later)


@given(
    st.lists(st.tuples(st.floats(0.1, 50), KINDS), min_size=1, max_size=12),
    st.floats(-10, 700),
    st.floats(0, 700),
)
def test_clipped_spans_fill_the_window_and_no_more(
    steps: list[tuple[float, Kind]], start: float, length: float
) -> None:
    """The seconds of all kinds in a window add up to the part of it that is covered."""
    made, at = Record(), 0.0
    made.begin(0.0)
    for by, kind in steps:
        at += by
        made.add(at, kind)
    totals = total(clip(made.spans(), start, start + length))
    covered = max(0.0, min(at, start + length) - max(0.0, start))
    seconds = totals.up_s + totals.down_s + totals.planned_s + totals.unknown_s + totals.standby_s
    assert abs(seconds - covered) < 1e-6


def test_uptime_counts_known_time_only() -> None:
    """Planned and unknown time belong neither to the whole nor to the part."""
    totals = Totals(up_s=999.0, down_s=1.0, planned_s=5000.0, unknown_s=7000.0, standby_s=9000.0)
    assert totals.uptime == 0.999
    assert totals.meets(0.999) is True
    assert totals.meets(0.9991) is False


def test_uptime_of_nothing_is_not_perfect() -> None:
    """Without known time there is no percentage and no verdict."""
    assert (Totals(unknown_s=100.0).uptime, Totals().meets(0.5)) == (None, None)


def test_budget_tells_how_much_is_left() -> None:
    """Of 10,000 known seconds at a goal of 99.9 % ten may be down; what was used is taken off, below zero too."""
    assert round(Totals(up_s=9_996.0, down_s=4.0).budget_left_s(0.999), 6) == 6.0
    assert round(Totals(up_s=9_980.0, down_s=20.0).budget_left_s(0.999), 6) == -10.0


def test_longest_of_a_kind() -> None:
    """The longest outage is found, the first of two equal ones, and none where there is none."""
    spans = record_of((10, Kind.UP), (13, Kind.DOWN), (20, Kind.UP), (23, Kind.DOWN)).spans()
    assert longest(spans, Kind.DOWN) == Span(10, 13, Kind.DOWN)
    assert longest(spans, Kind.UNKNOWN) is None


def test_step_of_the_clock_within_a_boot_moves_nothing() -> None:
    """An hour forward and back again between facts leaves their distances as they were."""
    stamps = [
        Stamp(NOW - 1000, 100.0, "a"),
        Stamp(NOW - 900 + 3600, 200.0, "a"),
        Stamp(NOW - 800, 300.0, "a"),
    ]
    times = Timeline(stamps, Stamp(NOW, 1100.0, "a")).times
    assert times == [NOW - 1000, NOW - 900, NOW - 800]


def test_earlier_boot_is_placed_by_its_last_note() -> None:
    """A machine without a battery: the clock was set during the boot, so the last note of it tells the time."""
    stamps = [Stamp(0.0, 10.0, "a"), Stamp(NOW - 500, 70.0, "a"), Stamp(NOW - 100, 5.0, "b")]
    times = Timeline(stamps, Stamp(NOW, 105.0, "b")).times
    assert times == [NOW - 560, NOW - 500, NOW - 100]


def test_boot_whose_clock_was_never_set_takes_no_time_from_others() -> None:
    """A boot that lived in 1970 lies right before the next one, and those before it keep their places."""
    stamps = [
        Stamp(NOW - 5000, 10.0, "a"),
        Stamp(60.0, 10.0, "b"),
        Stamp(160.0, 110.0, "b"),
        Stamp(NOW - 100, 5.0, "c"),
    ]
    times = Timeline(stamps, Stamp(NOW, 105.0, "c")).times
    assert times == [NOW - 5000, NOW - 200, NOW - 100, NOW - 100]


def test_notes_from_the_future_are_held_at_now() -> None:
    """A clock that was far ahead in an earlier boot cannot make history that has not happened yet."""
    times = Timeline(
        [Stamp(NOW + 9_999, 10.0, "a"), Stamp(NOW + 10_000, 11.0, "a")], Stamp(NOW, 5.0, "b")
    ).times
    assert times == [NOW - 1, NOW]


def test_notes_without_a_steady_clock() -> None:
    """Old notes have the wall clock only: they are believed as far as they do not contradict what came later."""
    stamps = [Stamp(NOW - 50), Stamp(NOW + 80), Stamp(NOW - 30)]
    assert Timeline(stamps, Stamp(NOW, 5.0, "b")).times == [NOW - 50, NOW - 30, NOW - 30]


@given(
    st.lists(
        st.builds(
            Stamp,
            st.floats(-1e12, 1e12),
            st.none() | st.floats(-1e9, 1e9),
            st.sampled_from(["", "a", "b", "c"]),
        ),
        max_size=20,
    )
)
def test_timeline_never_runs_backwards(stamps: list[Stamp]) -> None:
    """Whatever the clocks showed, times come in order and none lies in the future."""
    times = Timeline(stamps, Stamp(NOW, 1000.0, "c")).times
    assert times == sorted(times)
    assert all(at <= NOW for at in times)


def test_place_of_a_sample() -> None:
    """Another note of a known boot is placed by its seconds since boot; of an unknown one it cannot be."""
    line = Timeline([Stamp(NOW - 500, 100.0, "a")], Stamp(NOW, 50.0, "b"))
    assert (line.place("a", 130.0), line.place("b", 20.0), line.place("x", 1.0)) == (
        NOW - 470,
        NOW - 30,
        None,
    )
