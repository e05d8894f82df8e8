"""The pure parts of ``benchmarks/compare.py``: what is made of samples, and that a reader gets all of it."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def results(monkeypatch) -> ModuleType:
    """The module, found as the script finds it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("results")


@pytest.fixture
def death(results):
    """Ours, one twice as slow, one that cannot take part."""
    return results.Discipline(
        "death",
        "ms",
        "how it is measured",
        results=[
            results.Measured("slow", [4.0, 6.0, 90.0]),
            results.Measured("absent", reason="could | not be installed"),
            results.Measured("watchdog", [3.0, 2.0, 4.0]),
        ],
    )


def test_the_best_stands_first_and_those_who_cannot_stand_last_with_their_reason(results, death):
    """Median, p95, count and ratio to ours; a dash and the reason for who cannot take part."""
    assert results.rows(death) == [
        ("watchdog", "3.00", "4.00", "3", "1.00", ""),
        ("slow", "6.00", "90.0", "3", "2.00", ""),
        ("absent", "-", "-", "-", "-", "could | not be installed"),
    ]


def test_of_a_rate_more_is_better_and_its_bad_end_is_the_low_one(results):
    """The highest median stands first, and p95 is the speed that 95 of 100 reach."""
    speed = results.Discipline("log", "MB/s", "", less_is_better=False)
    speed.results = [
        results.Measured("watchdog", [100.0, 1000.0, 1100.0]),
        results.Measured("quick", [2000.0]),
    ]
    assert results.rows(speed) == [
        ("quick", "2000", "-", "1", "2.00", ""),
        ("watchdog", "1000", "100", "3", "1.00", ""),
    ]


def test_without_ours_or_with_nothing_there_is_no_ratio(results, death):
    """A yardstick that is missing, or 0, is no reason to fail."""
    death.results = [results.Measured("other", [1.0])]
    assert results.rows(death)[0][4] == "-"
    death.results.append(results.Measured("watchdog", [0.0]))
    assert [row[4] for row in results.rows(death)] == ["-", "-"]


def test_the_page_and_the_terminal_show_every_row_and_the_machine(results, death):
    """A bar in a reason does not break the table of the page."""
    page = results.for_page([death], {"processor": "2 x something"})
    assert "- processor: 2 x something" in page
    assert "| slow | 6.00 | 90.0 | 3 | 2.00 |  |" in page
    assert "could \\| not be installed" in page
    shown = results.for_terminal(death).splitlines()
    assert shown[0] == "death (ms): how it is measured"
    assert [line.split()[0] for line in shown[2:]] == ["watchdog", "slow", "absent"]


def test_programs_get_every_sample(results, death):
    """The JSON holds samples, medians and ratios, and null where there are none."""
    found = json.loads(results.for_programs([death], {"load before": "0.10"}))
    assert (found["version"], found["machine"]) == (1, {"load before": "0.10"})
    ours, slow, absent = found["disciplines"][0]["contenders"]
    assert (ours["samples"], ours["median"], ours["to_ours"]) == ([3.0, 2.0, 4.0], 3.0, 1.0)
    assert (slow["p95"], slow["to_ours"]) == (90.0, 2.0)
    assert (absent["median"], absent["to_ours"], absent["remark"]) == (None, None, "could | not be installed")
