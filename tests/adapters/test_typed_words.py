"""A command that is shown can be typed as it stands, whatever is in its words."""

import shlex

import pytest

from watchdog_cli.adapters.typed_words import typed

ODD = ["a b", "متتبع", 'say "hi"', "$HOME", "it's", ""]


def test_a_posix_shell_reads_the_same_words() -> None:
    """Blanks, quotes and dollars."""
    assert shlex.split(typed(["watchdog", *ODD], windows=False)) == ["watchdog", *ODD]


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("schtasks", "schtasks"),
        ("C:\\ProgramData\\x.xml", "C:\\ProgramData\\x.xml"),
        ("C:\\my bot\\x.xml", '"C:\\my bot\\x.xml"'),
        ("C:\\R&D\\bot", '"C:\\R&D\\bot"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("", '""'),
    ],
)
def test_cmd_takes_double_quotes_only(word: str, shown: str) -> None:
    """No single quotes, which mean nothing there; what cmd.exe itself would understand is quoted too."""
    assert typed(["x", word], windows=True) == f"x {shown}"
