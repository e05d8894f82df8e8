"""How a run ended, in numbers and in words."""

import pytest

from watchdog_cli.core.record import Cause, Ending, ExitStatus, Run, one_line, signal_name


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (ExitStatus(code=0), 0, "exit code 0"),
        (ExitStatus(code=3), 3, "exit code 3"),
        (ExitStatus(signal=9), 137, "killed by SIGKILL"),
        (ExitStatus(signal=11), 139, "killed by SIGSEGV"),
        (ExitStatus(signal=40), 168, "killed by signal 40"),
        (ExitStatus(), 1, "ended (exit code unknown)"),
    ],
)
def test_exit_status_in_numbers_and_words(status, code, text):
    """Codes pass through, signals become 128 + n, and nobody invents a code that is unknown."""
    assert status.shell_code == code
    assert status.text == text


def test_signal_names_of_those_that_kill_programs():
    """The common ones have the names that people search for."""
    assert [signal_name(n) for n in (6, 7, 9, 11, 15)] == [
        "SIGABRT",
        "SIGBUS",
        "SIGKILL",
        "SIGSEGV",
        "SIGTERM",
    ]


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_words(cause):
    """Whatever ends a run, a person is told why, in one line, with the detail behind it."""
    plain = Ending(cause, ExitStatus(code=1)).text
    assert plain
    assert Ending(cause, ExitStatus(code=1), detail="a\nb").text == f"{plain}: a b"


@pytest.mark.parametrize("run_id", ["0f" * 16, "", "not-hex", "معرف", "x" * 100_000, "\udcff"])
def test_any_run_id_gives_a_jitter(run_id):
    """An id that came out of somebody's file must not stop the supervisor in the middle of a restart."""
    assert 0 <= Run(run_id, 1, 1).jitter < 1


def test_jitter_differs_from_run_to_run():
    """Two programs that die together start apart."""
    jitters = {Run(f"{n:032x}", n, n).jitter for n in range(100)}
    assert len(jitters) == 100
    assert max(jitters) - min(jitters) > 0.8


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("two\nlines\r\n", "two lines  "),
        ("\x1b[2Jgone\x07", " [2Jgone "),
        ("برنامج متوقف", "برنامج متوقف"),
        ("a\u2028b\x85c\x00d", "a b c d"),
    ],
)
def test_foreign_text_becomes_one_harmless_line(text, clean):
    """Line ends and control characters in a path or a message break no log line and steer no terminal."""
    assert one_line(text) == clean
